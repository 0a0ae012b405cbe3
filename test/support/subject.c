/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

const char *const subject_names[SUBJECT_NAMES] = {
    "a) R 1 1 1 1",    /* what stat looks like behind the name */
    ")))))",           /* only the last one ends the name */
    "x\nState:\tZ",    /* a line of status */
    "\n",              /* all of it a newline */
    "\\n\\\\n",        /* what the kernel writes for newlines and backslashes */
    "back\\slash\\",   /* */
    " \t in front",    /* blanks are part of it */
    "behind \t ",      /* */
    "fifteen bytes15", /* the longest */
    "\xff\xfe\x80\xc3",
    "\x01\x1b[31m\x7f",
    "(deleted)",
    "",
};

struct subject subject_of(const char *path)
{
    struct subject subject = {
        .options = SDB_LAUNCH_OPTIONS_INIT,
        .streams = SDB_STREAMS_INIT,
    };

    subject.options.path = path ? path : SUBJECT;
    subject.options.death_signal = SIGKILL;
    return subject;
}

void subject_launch(struct subject *subject, const char *const *argv)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_fd map[SDB_STREAMS_COUNT];
    char sentence[512];
    int rc = sdb_streams_map(&subject->streams, SDB_CAPTURE_MERGE, map);

    ck_assert_int_eq(rc, SDB_STREAMS_COUNT);
    subject->options.fds = map;
    subject->options.fd_count = SDB_STREAMS_COUNT;
    subject->options.argv = argv;
    rc = sdb_launch(&subject->options, &subject->child, &error);
    sdb_error_format(&error, sentence, sizeof(sentence));
    ck_assert_msg(rc == 0, "%s", sentence);
    subject->pid = sdb_child_pid(subject->child);
}

void subject_copy(const char *name)
{
    char bytes[8192];
    int from = open(SUBJECT, O_RDONLY | O_CLOEXEC);
    ssize_t count;
    int to;

    (void)unlink(trial_path(name));
    to = open(trial_path(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

    ck_assert_int_ge(from, 0);
    ck_assert_int_ge(to, 0);
    while ((count = read(from, bytes, sizeof(bytes))) > 0)
        ck_assert_int_eq(write(to, bytes, (size_t)count), count);
    ck_assert_int_eq(count, 0);
    close(from);
    ck_assert_int_eq(close(to), 0);
}

void subject_read(const struct subject *subject, void *bytes, size_t size)
{
    struct pollfd readable = {.fd = subject->streams.output, .events = POLLIN};

    for (size_t len = 0; len < size;) {
        ssize_t count;

        ck_assert_msg(poll(&readable, 1, PATIENCE_MS) == 1, "it does not get ready");
        count = read(subject->streams.output, (char *)bytes + len, size - len);
        ck_assert_msg(count > 0, "it ended before it was ready");
        len += (size_t)count;
    }
}

void subject_ready(const struct subject *subject)
{
    char byte = 0;

    subject_read(subject, &byte, 1);
    ck_assert_int_eq(byte, 'r');
}

struct subject subject_start(const char *what, const char *argument)
{
    const char *argv[] = {"subject", what, argument, NULL};
    struct subject subject = subject_of(NULL);

    subject_launch(&subject, argv);
    subject_ready(&subject);
    return subject;
}

static void close_child(struct subject *subject, struct sdb_exit_status *status)
{
    sdb_streams_close(&subject->streams);
    ck_assert_int_eq(sdb_child_wait(subject->child, PATIENCE_MS, status), 0);
    sdb_child_close(subject->child);
    subject->child = NULL;
}

void subject_end(struct subject *subject)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    close_child(subject, &status);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
}

void subject_kill(struct subject *subject)
{
    ck_assert_int_eq(sdb_child_kill(subject->child, SIGKILL), 0);
    close_child(subject, NULL);
}

int subject_fork(void (*run)(void))
{
    int pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (run)
            run();
        for (;;)
            pause();
    }
    return pid;
}

void subject_wait_zombie(int pid)
{
    siginfo_t info;

    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

void subject_reap(int pid)
{
    (void)kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

int subject_gone(void)
{
    int pid = subject_fork(NULL);

    subject_reap(pid);
    return pid;
}

void subject_wait_state(int pid, uint32_t state)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    struct sdb_facts_status status = SDB_FACTS_STATUS_INIT;

    do {
        ck_assert_msg(host_now_ms() < end, "it is %c, not %c", (int)status.state, (int)state);
        (void)sched_yield();
        ck_assert_int_eq(sdb_facts_read_status(pid, &status), 0);
    } while (status.state != state);
}

struct sdb_facts_status read_status(int tid)
{
    struct sdb_facts_status status = SDB_FACTS_STATUS_INIT;

    ck_assert_int_eq(sdb_facts_read_status(tid, &status), 0);
    ck_assert_int_eq(status.tid, tid);
    ck_assert_uint_eq(status.size, sizeof(status));
    return status;
}

struct sdb_facts_threads *read_threads(int pid)
{
    struct sdb_facts_threads *threads = NULL;

    ck_assert_int_eq(sdb_facts_read_threads(pid, &threads), 0);
    ck_assert_uint_ge(threads->count, 1);
    for (size_t i = 0; i < threads->count; i++) {
        ck_assert_int_eq(threads->list[i]->pid, pid);
        ck_assert_uint_eq(threads->list[i]->size, sizeof(struct sdb_facts_status));
        if (i > 0)
            ck_assert_int_lt(threads->list[i - 1]->tid, threads->list[i]->tid);
    }
    return threads;
}

const struct suite_kind subject_case = {
    .enter = trial_enter_directory,
    .leave = trial_leave_directory,
    .set_up = trial_take_stock,
    .tear_down = trial_check_stock,
};
