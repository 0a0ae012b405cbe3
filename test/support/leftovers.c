/* SPDX-License-Identifier: MIT */
/*
 * Looking at one's own process.  Everything is read from /proc, with system calls and on the stack
 * as far as that goes, so that the looking itself changes nothing.
 */
#include "leftovers.h"

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <sdb/launch.h>

#include "host.h"

/* How long a thread that was joined, or a task that was killed, may take to leave /proc. */
#define SETTLE_MS 2000

/* As many stacks as glibc keeps for the next threads: 40 MiB of them. */
#define STACK_SIZE    (8u << 20)
#define CACHED_STACKS 5

/* The differences, put together. */
struct text {
    char *bytes;
    size_t size;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list arguments;
    int len;

    if (text->len >= text->size)
        return;
    va_start(arguments, format);
    len = vsnprintf(text->bytes + text->len, text->size - text->len, format, arguments);
    va_end(arguments);
    if (len > 0)
        text->len += (size_t)len;
}

static void note_descriptors(struct leftovers *now)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    ck_assert_ptr_nonnull(dir);
    now->descriptor_count = 0;
    while ((entry = readdir(dir))) {
        struct leftovers_descriptor *one = &now->descriptors[now->descriptor_count];
        int fd = atoi(entry->d_name);
        ssize_t len;

        if (entry->d_name[0] == '.' || fd == dirfd(dir))
            continue;
        ck_assert_msg(now->descriptor_count < LEFTOVERS_DESCRIPTORS,
                      "too many descriptors to note");
        len = readlinkat(dirfd(dir), entry->d_name, one->target, sizeof(one->target) - 1);
        one->target[len > 0 ? len : 0] = '\0';
        one->fd = fd;
        one->flags = fcntl(fd, F_GETFD);
        now->descriptor_count++;
    }
    closedir(dir);
}

/* The parent of a process, or -1 if it is gone. */
static int parent_of(const char *pid)
{
    char path[300];
    char line[512];
    const char *after_name;
    ssize_t len;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    len = read(fd, line, sizeof(line) - 1);
    close(fd);
    line[len > 0 ? len : 0] = '\0';
    after_name = strrchr(line, ')'); /* then a space, the state, a space, the parent */
    return after_name && strlen(after_name) > 4 ? atoi(after_name + 4) : -1;
}

static void note_children(struct leftovers *now)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;

    ck_assert_ptr_nonnull(dir);
    now->child_count = 0;
    while ((entry = readdir(dir))) {
        if (!isdigit((unsigned char)entry->d_name[0]) || parent_of(entry->d_name) != getpid())
            continue;
        ck_assert_msg(now->child_count < LEFTOVERS_CHILDREN, "too many children to note");
        now->children[now->child_count++] = atoi(entry->d_name);
    }
    closedir(dir);
}

static size_t count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *entry;
    size_t count = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Sanitizers and valgrind map memory as they like. */
static bool mappings_are_ours(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return false;
#endif
#endif
    return !host_on_valgrind();
}

static void note_one_mapping(struct leftovers *now, const char *line)
{
    uint64_t begin;
    uint64_t end;
    int name_at = 0;

    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %n", &begin, &end, &name_at) < 2)
        return;
    if (line[name_at] == '\0' || strncmp(line + name_at, "[anon", 5) == 0)
        now->anonymous_bytes += end - begin;
    else if (line[name_at] != '[')
        now->file_mappings++;
}

static void note_mappings(struct leftovers *now)
{
    static char room[256 * 1024]; /* not malloc's, which might map memory for it */
    size_t len = 0;
    ssize_t count;
    char *rest = NULL;
    int fd;

    now->anonymous_bytes = 0;
    now->file_mappings = 0;
    if (!mappings_are_ours())
        return;

    fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    while ((count = read(fd, room + len, sizeof(room) - 1 - len)) > 0)
        len += (size_t)count;
    close(fd);
    room[len] = '\0';
    for (char *line = strtok_r(room, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        note_one_mapping(now, line);
}

static uint64_t blocked_signals(void)
{
    uint64_t mask = 0;

    /* The C library's function hides the two signals that it keeps for itself. */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, sizeof(mask));
    return mask;
}

static void note_all(struct leftovers *now)
{
    note_descriptors(now);
    note_children(now);
    now->thread_count = count_threads();
    note_mappings(now);
    now->blocked_signals = blocked_signals();
}

static void *meet(void *barrier)
{
    pthread_barrier_wait(barrier);
    return NULL;
}

/*
 * Make glibc keep now what it keeps anyway: the stacks of ended threads.  Else the first threads of
 * a test would seem to leave memory behind.
 */
static void fill_stack_cache(void)
{
    pthread_t threads[CACHED_STACKS];
    pthread_barrier_t barrier;
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);

    pthread_barrier_init(&barrier, NULL, CACHED_STACKS);
    for (size_t i = 0; i < CACHED_STACKS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, meet, &barrier), 0);
    for (size_t i = 0; i < CACHED_STACKS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
}

void leftovers_note(struct leftovers *before)
{
    leftovers_note_among(before, 1);
}

void leftovers_note_among(struct leftovers *before, size_t threads)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    if (mappings_are_ours())
        fill_stack_cache();
    for (int i = 0; i < SETTLE_MS && count_threads() > threads; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    note_all(before);
}

static const struct leftovers_descriptor *find_descriptor(const struct leftovers *in, int fd)
{
    for (size_t i = 0; i < in->descriptor_count; i++) {
        if (in->descriptors[i].fd == fd)
            return &in->descriptors[i];
    }
    return NULL;
}

static bool is_child(const struct leftovers *in, int pid)
{
    for (size_t i = 0; i < in->child_count; i++) {
        if (in->children[i] == pid)
            return true;
    }
    return false;
}

static void compare_descriptors(const struct leftovers *before, const struct leftovers *now,
                                struct text *text)
{
    for (size_t i = 0; i < now->descriptor_count; i++) {
        const struct leftovers_descriptor *one = &now->descriptors[i];
        const struct leftovers_descriptor *was = find_descriptor(before, one->fd);

        if (!was)
            say(text, "descriptor %d is left open: %s\n", one->fd, one->target);
        else if (strcmp(was->target, one->target) != 0)
            say(text, "descriptor %d was %s, is %s\n", one->fd, was->target, one->target);
        else if (was->flags != one->flags)
            say(text, "descriptor %d has other flags: %d, %d\n", one->fd, was->flags, one->flags);
    }
    for (size_t i = 0; i < before->descriptor_count; i++) {
        const struct leftovers_descriptor *one = &before->descriptors[i];

        if (!find_descriptor(now, one->fd))
            say(text, "descriptor %d is closed: %s\n", one->fd, one->target);
    }
}

static void compare_children(const struct leftovers *before, const struct leftovers *now,
                             struct text *text)
{
    for (size_t i = 0; i < now->child_count; i++) {
        if (!is_child(before, now->children[i]))
            say(text, "child %d is left\n", now->children[i]);
    }
    for (size_t i = 0; i < before->child_count; i++) {
        if (!is_child(now, before->children[i]))
            say(text, "child %d was reaped\n", before->children[i]);
    }
}

bool leftovers_same(const struct leftovers *before, char *text, size_t size)
{
    struct text differences = {.bytes = text, .size = size};
    struct leftovers now;

    /* An ended thread is joined a moment before it has left /proc; nothing else ends by itself. */
    for (int i = 0; i < SETTLE_MS && count_threads() > before->thread_count; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);

    note_all(&now);
    text[0] = '\0';
    compare_descriptors(before, &now, &differences);
    compare_children(before, &now, &differences);
    if (now.thread_count != before->thread_count)
        say(&differences, "%zu threads, there were %zu\n", now.thread_count, before->thread_count);
    if (now.anonymous_bytes > before->anonymous_bytes)
        say(&differences, "%" PRIu64 " bytes are left mapped\n",
            now.anonymous_bytes - before->anonymous_bytes);
    if (now.file_mappings > before->file_mappings)
        say(&differences, "%" PRIu64 " mappings of files are left\n",
            now.file_mappings - before->file_mappings);
    if (now.blocked_signals != before->blocked_signals)
        say(&differences, "blocked signals are %#" PRIx64 ", were %#" PRIx64 "\n",
            now.blocked_signals, before->blocked_signals);
    return differences.len == 0;
}

void leftovers_check(const struct leftovers *before)
{
    char text[4096];

    if (!leftovers_same(before, text, sizeof(text)))
        ck_abort_msg("left behind:\n%s", text);
}

/* ---- the fixtures ---- */

static struct leftovers stock;

void leftovers_take_stock(void)
{
    leftovers_note(&stock);
}

void leftovers_check_stock(void)
{
    sdb_launch_trim();
    leftovers_check(&stock);
}

const struct suite_kind leftovers_case = {
    .set_up = leftovers_take_stock,
    .tear_down = leftovers_check_stock,
};
