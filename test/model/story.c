/* SPDX-License-Identifier: MIT */
#include "story.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sdb/sdb.h>

#include "ledger.h"

#define LINES      8192
#define LINE_BYTES 200
#define SHOWN      150
#define MOST_KNOWN 4096
#define PATIENCE_S 25
#define RECENT     64

static struct {
    char lines[LINES][LINE_BYTES];
    unsigned count;
    unsigned seed;
    const struct ledger *ledger;
    pid_t known[MOST_KNOWN];
    unsigned known_count;
    pthread_mutex_t lock;
    pthread_cond_t over;
    pthread_t watchdog;
    struct timespec begun;
    struct timespec last;
    bool ends;
} story = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- lines ---- */

static __attribute__((format(printf, 2, 0))) void add(char mark, const char *format,
                                                      va_list arguments)
{
    struct timespec now;
    char *line;
    int len;

    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&story.lock);
    line = story.lines[story.count++ % LINES];
    len = snprintf(line, LINE_BYTES, "%10.3f %c ",
                   1000.0 * (double)(now.tv_sec - story.begun.tv_sec) +
                       (double)(now.tv_nsec - story.begun.tv_nsec) / 1e6,
                   mark);
    (void)vsnprintf(line + len, LINE_BYTES - (size_t)len, format, arguments);
    if (mark == '*')
        story.last = now;
    pthread_mutex_unlock(&story.lock);
}

void story_tell(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add('*', format, arguments);
    va_end(arguments);
}

void story_note(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add('-', format, arguments);
    va_end(arguments);
}

static void note_trace(const char *line, void *data)
{
    (void)data;
    story_note("    %s", line);
}

void story_knows(pid_t pid)
{
    for (unsigned i = 0; i < story.known_count && i < MOST_KNOWN; i++) {
        if (story.known[i] == pid)
            return;
    }
    story.known[story.known_count++ % MOST_KNOWN] = pid;
}

/* ---- what is shown ---- */

static void show_file(pid_t pid, const char *tid, const char *name)
{
    char path[96];
    char text[512];
    ssize_t len;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", pid, tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len <= 0)
        return;
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(name, "stat") == 0)
        text[strcspn(text, ")") + 4 < (size_t)len ? strcspn(text, ")") + 4 : 0] = '\0';
    fprintf(stderr, " %s: %s;", name, text);
}

static void show_process(pid_t pid)
{
    const struct dirent *entry;
    char path[64];
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    tasks = opendir(path);
    if (!tasks)
        return;
    while ((entry = readdir(tasks))) {
        if (entry->d_name[0] == '.')
            continue;
        fprintf(stderr, "  process %d:", pid);
        show_file(pid, entry->d_name, "stat");
        show_file(pid, entry->d_name, "wchan");
        show_file(pid, entry->d_name, "syscall");
        fprintf(stderr, "\n");
    }
    closedir(tasks);
}

static void show_slots(void)
{
    static const char *const states[] = {"free", "born", "busy", "parked", "done"};
    int shown = 0;

    fprintf(stderr, "gate %d, end %d, wrong %d: %s\n", story.ledger->gate, story.ledger->end,
            story.ledger->wrong, story.ledger->wrong_text);
    for (int i = 0; i < story.ledger->slot_count && i < LEDGER_SLOTS && shown < 40; i += 2) {
        const struct slot *slot = &story.ledger->slots[i];

        if (slot->state == SLOT_DONE && !slot->is_worker)
            continue;
        fprintf(stderr, "  slot %d: process %d, thread %d, %s, deed %d, step %d\n", i, slot->pid,
                slot->tid, states[slot->state], slot->deed, slot->step);
        shown++;
    }
}

static void show(const char *what)
{
    const char *lines = getenv("SDB_TEST_LINES");
    unsigned shown = lines ? (unsigned)atoi(lines) : SHOWN;

    fprintf(stderr, "\n==== SDB_TEST_SEED=%u: %s\n", story.seed, what);
    if (shown > LINES)
        shown = LINES;
    for (unsigned i = story.count > shown ? story.count - shown : 0; i < story.count; i++)
        fprintf(stderr, "%s\n", story.lines[i % LINES]);
    show_slots();
    for (unsigned i = 0; i < story.known_count && i < MOST_KNOWN; i++)
        show_process(story.known[i]);
    show_process(getpid());
    fprintf(stderr, "==== SDB_TEST_SEED=%u: %s\n", story.seed, what);
    fflush(stderr);
}

void story_fail(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sdb_trace(NULL, NULL);
    show(text);
    ck_abort_msg("SDB_TEST_SEED=%u: %s", story.seed, text);
    abort();
}

/* An assertion of the library's fails while it is called, so that all may be done here that may be there. */
static void show_at_abort(int signal)
{
    (void)signal;
    sdb_trace(NULL, NULL);
    show("the library has aborted");
}

static void set_abort(void (*handler)(int signal))
{
    const struct sigaction action = {.sa_handler = handler};

    (void)sigaction(SIGABRT, &action, NULL);
}

/* ---- the watchdog ---- */

static int patience(void)
{
    const char *text = getenv("SDB_TEST_PATIENCE");

    return text ? atoi(text) : PATIENCE_S;
}

static void *watch(void *data)
{
    struct timespec now;

    (void)data;
    pthread_mutex_lock(&story.lock);
    while (!story.ends) {
        clock_gettime(CLOCK_REALTIME, &now);
        now.tv_sec += 1;
        (void)pthread_cond_timedwait(&story.over, &story.lock, &now);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (!story.ends && now.tv_sec - story.last.tv_sec > patience()) {
            pthread_mutex_unlock(&story.lock);
            show("nothing goes on");
            set_abort(SIG_DFL);
            abort(); /* the test's process: what it holds ends with it */
        }
    }
    pthread_mutex_unlock(&story.lock);
    return NULL;
}

void story_begin(unsigned seed, const struct ledger *ledger)
{
    sigset_t all, before;

    story.seed = seed;
    story.ledger = ledger;
    story.count = 0;
    story.known_count = 0;
    story.ends = false;
    clock_gettime(CLOCK_MONOTONIC, &story.begun);
    story.last = story.begun;
    sdb_trace(note_trace, NULL);
    set_abort(show_at_abort);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    ck_assert_int_eq(pthread_create(&story.watchdog, NULL, watch, NULL), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void story_end(void)
{
    set_abort(SIG_DFL);
    sdb_trace(NULL, NULL);
    pthread_mutex_lock(&story.lock);
    story.ends = true;
    pthread_cond_signal(&story.over);
    pthread_mutex_unlock(&story.lock);
    pthread_join(story.watchdog, NULL);
}
