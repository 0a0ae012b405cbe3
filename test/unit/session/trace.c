/* SPDX-License-Identifier: MIT */
/*
 * The library's own trace: what its lines look like, what stands in them, who gets them, and where
 * SDB_TRACE sends them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trial.h"

#include "host.h"
#include "racing.h"

HOLDING_CASE(form);

#define MOST_LINES 4096

struct lines {
    pthread_mutex_t lock;
    size_t count;
    char *texts[MOST_LINES];
    pid_t writers[MOST_LINES];
};

static struct lines lines = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void keep_line(const char *line, void *data)
{
    struct lines *keep = data;

    pthread_mutex_lock(&keep->lock);
    ck_assert_uint_lt(keep->count, MOST_LINES);
    keep->writers[keep->count] = (pid_t)syscall(SYS_gettid);
    keep->texts[keep->count] = strdup(line);
    keep->count++;
    pthread_mutex_unlock(&keep->lock);
}

static void drop_lines(void)
{
    for (size_t i = 0; i < lines.count; i++)
        free(lines.texts[i]);
    lines.count = 0;
}

__attribute__((format(printf, 1, 2))) static size_t count_lines(const char *format, ...)
{
    char words[128];
    size_t count = 0;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < lines.count; i++)
        count += strstr(lines.texts[i], words) != NULL;
    return count;
}

static void exit_once(const char *code)
{
    struct target target = launch_target("exit", code, NULL);

    resume_process(target.process);
    expect_exit(SDB_EXITED, atoi(code));
    close_target(&target);
}

TEST(lines_have_a_time_a_thread_and_words)
{
    regex_t form;
    double last = 0;

    ck_assert_int_eq(regcomp(&form, "^[0-9]+\\.[0-9]{3} [0-9]+: [^\n]*[^ \n]$", REG_EXTENDED), 0);
    sdb_trace(keep_line, &lines);
    begin(_i);
    for (int round = 0; round < 5; round++)
        exit_once("3");
    finish();
    sdb_trace(NULL, NULL);
    ck_assert_uint_gt(lines.count, 20);
    for (size_t i = 0; i < lines.count; i++) {
        double time = -1;
        int tid = 0;

        ck_assert_msg(regexec(&form, lines.texts[i], 0, NULL, 0) == 0, "\"%s\"", lines.texts[i]);
        ck_assert_int_eq(sscanf(lines.texts[i], "%lf %d:", &time, &tid), 2);
        ck_assert_int_eq(tid, lines.writers[i]);
        ck_assert_msg(time >= last, "\"%s\" after %.3f", lines.texts[i], last);
        last = time;
    }
    regfree(&form);
    drop_lines();
}

SESSION_TEST(requests_statuses_and_events_are_all_there)
{
    struct sdb_event event;
    struct target target;

    sdb_trace(keep_line, &lines);
    target = launch_ready("catch", "10", "7");
    kill(target.pid, SIGUSR1);
    event = expect_signal(SIGUSR1);
    resume(&event);
    expect_exit(SDB_EXITED, 7);
    sdb_trace(NULL, NULL);
    ck_assert_uint_eq(count_lines(": seize %d (", target.pid), 1);
    ck_assert_uint_eq(count_lines(": wait: %d stopped: exec", target.pid), 1);
    ck_assert_uint_eq(count_lines(": wait: %d stopped: signal 10", target.pid), 1);
    ck_assert_uint_eq(count_lines(": continue %d: ok", target.pid), 1);
    ck_assert_uint_eq(count_lines(": continue %d with signal 10: ok", target.pid), 1);
    ck_assert_uint_eq(count_lines(": wait: %d exited with code 7", target.pid), 1);
    ck_assert_uint_eq(count_lines(": event: "), 2);
    close_target(&target);
    finish();
    drop_lines();
}

TEST(failed_requests_say_why)
{
    struct sdb_process *process = NULL;
    struct target busy = start_busy("idle", "1", NULL);

    begin(_i);
    sdb_trace(keep_line, &lines);
    process = attach(busy.pid);
    ck_assert_int_eq(sdb_session_attach(session, busy.pid, &process, NULL), -EBUSY);
    detach(process);
    sdb_trace(NULL, NULL);
    ck_assert_uint_eq(count_lines(": seize "), 2);
    ck_assert_uint_eq(count_lines(": detach "), 2);
    ck_assert_uint_eq(count_lines(": detach %d: ok", busy.pid), 1);
    end_busy(&busy);
    finish();
    drop_lines();
}

HOLDING_CASE(writers);

static atomic_ulong written[2];

static void count_line(const char *line, void *data)
{
    ck_assert_ptr_nonnull(line);
    atomic_fetch_add((atomic_ulong *)data, 1);
}

SESSION_TEST(another_writer_takes_over_and_none_ends_it)
{
    unsigned long before;

    written[0] = 0;
    written[1] = 0;
    sdb_trace(count_line, &written[0]);
    exit_once("1");
    before = written[0];
    ck_assert_uint_gt(before, 0);
    sdb_trace(count_line, &written[1]);
    exit_once("1");
    ck_assert_uint_eq(written[0], before);
    ck_assert_uint_gt(written[1], 0);
    sdb_trace(NULL, NULL);
    before += written[1];
    exit_once("1");
    ck_assert_uint_eq(written[0] + written[1], before);
    finish();
}

static atomic_bool over;

static void *change_writers(void *unused)
{
    while (!over) {
        sdb_trace(count_line, &written[0]);
        sdb_trace(count_line, &written[1]);
        written[0] = 0; /* it is not called any more */
        sdb_trace(NULL, NULL);
        ck_assert_uint_eq(written[0], 0);
    }
    return unused;
}

TEST(writers_can_be_changed_at_any_time)
{
    pthread_t changer;

    over = false;
    ck_assert_int_eq(pthread_create(&changer, NULL, change_writers, NULL), 0);
    begin(_i);
    for (int round = 0; round < rounds(100); round++)
        exit_once("1");
    finish();
    over = true;
    pthread_join(changer, NULL);
}

HOLDING_CASE(environment);

static void read_lines(int fd)
{
    FILE *file = fdopen(fd, "re");
    char line[1024];

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        keep_line(line, &lines);
    }
    (void)fclose(file);
}

struct traced {
    int way;
    const char *target; /* what SDB_TRACE says */
};

static void exit_traced(void *data)
{
    const struct traced *traced = data;

    ck_assert_int_eq(setenv("SDB_TRACE", traced->target, 1), 0);
    begin(traced->way);
    exit_once("3");
    finish();
    begin(traced->way);
    exit_once("4");
    finish();
}

static void expect_both_in_lines(void)
{
    ck_assert_uint_eq(count_lines(": seize "), 2);
    ck_assert_uint_eq(count_lines("exited with code 3"), 1);
    ck_assert_uint_eq(count_lines("exited with code 4"), 1);
    ck_assert_uint_eq(count_lines(": event: exit "), 2);
    drop_lines();
}

TEST(the_environment_names_a_file)
{
    char path[] = "/tmp/sdb-test-XXXXXX";
    struct traced traced = {.way = _i, .target = path};
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "here before\n", 12), 12);
    trial_in_fork(exit_traced, &traced);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    unlink(path);
    read_lines(fd);
    ck_assert_str_eq(lines.texts[0], "here before");
    expect_both_in_lines();
}

/*
 * Run this in a fork, with a pipe's descriptor in the environment, and read what comes through it.
 */
static void read_lines_of(int way, void (*body)(void *traced))
{
    char number[16];
    struct traced traced = {.way = way, .target = number};
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    (void)snprintf(number, sizeof(number), "%d", ends[1]);
    trial_in_fork(body, &traced);
    close(ends[1]);
    read_lines(ends[0]);
}

TEST(the_environment_names_a_descriptor)
{
    read_lines_of(_i, exit_traced);
    expect_both_in_lines();
}

static void exit_with_writer(void *data)
{
    const struct traced *traced = data;

    ck_assert_int_eq(setenv("SDB_TRACE", traced->target, 1), 0);
    sdb_trace(keep_line, &lines);
    begin(traced->way);
    exit_once("3");
    finish();
    sdb_trace(NULL, NULL);
    ck_assert_uint_eq(count_lines("exited with code 3"), 1);
}

TEST(a_writer_comes_before_the_environment)
{
    read_lines_of(_i, exit_with_writer);
    ck_assert_uint_eq(lines.count, 0);
}

/* What cannot be opened is no reason to do anything else. */
TEST(an_environment_that_names_nothing_is_ignored)
{
    static const char *const targets[] = {"", "-1", "99999999999", "/nonexistent/file", "987"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct traced traced = {.way = _i, .target = targets[i]};

        trial_in_fork(exit_traced, &traced);
    }
}

int main(void)
{
    unsetenv("SDB_TRACE");
    return run_suite("session_trace");
}
