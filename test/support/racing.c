/* SPDX-License-Identifier: MIT */
/*
 * Busy programs, and chance.
 */
#include "racing.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define MOST_TASKS 4096

int rounds(int count)
{
    const char *times = getenv("SDB_TEST_ROUNDS");
    const int factor = times ? atoi(times) : 1;

    return factor > 1 ? count * factor : count;
}

/* ---- chance ---- */

struct chance chance_of(unsigned seed)
{
    return (struct chance){seed * 2654435761u + 12345u};
}

unsigned chance_below(struct chance *chance, unsigned limit)
{
    chance->state = chance->state * 1664525u + 1013904223u;
    return (chance->state >> 8) % limit;
}

/* ---- busy programs ---- */

static void read_byte(const struct target *busy, char expected)
{
    struct pollfd polled = {.fd = busy->output, .events = POLLIN};
    char byte = 0;

    ck_assert_msg(poll(&polled, 1, PATIENCE_MS) == 1, "%d does not answer, its state is %c",
                  busy->pid, host_task_state(busy->pid));
    ck_assert_int_eq(read(busy->output, &byte, 1), 1);
    ck_assert_int_eq(byte, expected);
}

struct target start_untraced(const char *const *argv)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct target busy = {.input = -1, .output = -1};
    const struct sdb_fd fds[] = {
        {.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &busy.input},
        {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &busy.output},
    };
    char text[256];
    int rc;

    options.argv = argv;
    options.fds = fds;
    options.fd_count = 2;
    options.death_signal = SIGKILL;
    rc = sdb_launch(&options, &busy.child, &error);
    sdb_error_format(&error, text, sizeof(text));
    ck_assert_msg(rc == 0, "%s", text);
    busy.pid = sdb_child_pid(busy.child);
    read_byte(&busy, 'r');
    return busy;
}

struct target start_busy(const char *what, const char *first, const char *second)
{
    const char *const argv[] = {BUSY, what, first, second, NULL};

    return start_untraced(argv);
}

/* Let everything go on as it will until the program has written something. */
static void run_until_output(const struct target *busy)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    struct sdb_event event = SDB_EVENT_INIT;
    struct pollfd polled = {.fd = busy->output, .events = POLLIN};

    while (poll(&polled, 1, 0) == 0) {
        int rc = sdb_session_wait(session, 1, &event);

        ck_assert_msg(rc == 0 || rc == -ETIMEDOUT, "wait: %s", sdb_error_describe(rc));
        if (rc == 0)
            resume(&event);
        ck_assert_msg(host_now_ms() < end, "%d writes nothing", busy->pid);
    }
}

struct target launch_lives(const char *what)
{
    const char *const argv[] = {LIVES, what, "17", NULL};
    struct target lives = launch_program(LIVES, argv);

    ck_assert_int_eq(sdb_process_set_follow(lives.process, SDB_FOLLOW_ALL), 0);
    return lives;
}

void ask(const struct target *busy)
{
    ck_assert_int_eq(write(busy->input, "?", 1), 1);
    if (busy->process)
        run_until_output(busy);
    read_byte(busy, 'p');
}

struct target launch_busy(const char *what, const char *first, const char *second)
{
    const char *const argv[] = {BUSY, what, first, second, NULL};
    struct target busy = launch_program(BUSY, argv);

    resume_process(busy.process);
    run_until_output(&busy);
    read_byte(&busy, 'r');
    ask(&busy); /* then all of its threads have begun, and told so */
    return busy;
}

void end_busy(struct target *busy)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    int rc;

    close_input(busy);
    rc = sdb_child_wait(busy->child, PATIENCE_MS, &status);
    ck_assert_msg(rc == 0, "%d does not end (%s), its state is %c", busy->pid,
                  sdb_error_describe(rc), host_task_state(busy->pid));
    ck_assert_msg(status.how == SDB_EXITED && status.code == 0, "it ended by %s %d",
                  status.how == SDB_KILLED ? "signal" : "code", status.code);
    close_target(busy);
}

void finish_busy(struct target *busy)
{
    end_busy(busy);
    finish();
}

void end_held_busy(struct target *busy)
{
    struct sdb_exit_status status;

    close_input(busy);
    status = run_to_end(busy->process);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    close_target(busy);
}

/* ---- refusals ---- */

void expect_refusal(int rc, const struct sdb_error *error, int code, uint32_t reason,
                    const char *words)
{
    char text[512] = "";

    (void)sdb_error_format(error, text, sizeof(text));
    ck_assert_msg(rc == code && error->code == code, "%s (%d, %d)", text, rc, error->code);
    ck_assert_msg(error->reason == reason, "reason %u, not %u: %s", error->reason, reason, text);
    ck_assert_msg(strstr(text, words) != NULL, "\"%s\" does not say \"%s\"", text, words);
    ck_assert_uint_ge(error->stage, SDB_STAGE_FIND);
    ck_assert_uint_le(error->stage, SDB_STAGE_STOP);
    ck_assert_ptr_null(sdb_session_next_process(session, NULL));
}

struct sdb_process *const untouched = (void *)&session;

struct sdb_error expect_attach_refused(pid_t pid, int code, uint32_t reason, const char *words)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = untouched;

    expect_refusal(sdb_session_attach(session, pid, &process, &error), &error, code, reason, words);
    ck_assert_ptr_eq(process, untouched);
    return error;
}

struct sdb_error expect_pidfd_refused(int pidfd, int code, uint32_t reason, const char *words)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = untouched;
    int rc = sdb_session_attach_pidfd(session, pidfd, &process, &error);

    expect_refusal(rc, &error, code, reason, words);
    ck_assert_ptr_eq(process, untouched);
    return error;
}

pid_t fork_zombie(void)
{
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    return pid;
}

/* ---- tasks ---- */

static bool is_held(const struct sdb_process *process, int tid)
{
    const struct sdb_thread *thread = sdb_session_find_thread(session, tid);

    return thread && sdb_thread_process(thread) == process &&
           sdb_thread_state(thread) == SDB_THREAD_STOPPED;
}

void expect_all_held(const struct sdb_process *process)
{
    static int tids[MOST_TASKS];
    const int count = tasks_of(sdb_process_pid(process), tids, MOST_TASKS);
    int living = 0;

    for (int i = 0; i < count; i++) {
        char state = host_task_state(tids[i]);

        if (state == 'Z' || state == 'X' || state == 0)
            continue; /* it has ended, and will soon be gone */
        living++;
        ck_assert_msg(state == 't', "task %d of %d is in state %c", tids[i],
                      sdb_process_pid(process), state);
        ck_assert_msg(is_held(process, tids[i]), "task %d of %d is not held, or not stopped",
                      tids[i], sdb_process_pid(process));
    }
    ck_assert_int_gt(living, 0);
}

void await_end(pid_t pid)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    char state;

    while ((state = host_task_state(pid)) != 'Z' && state != 'X' && state != 0) {
        ck_assert_msg(host_now_ms() < end, "%d does not end, its state is %c", (int)pid, state);
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

int open_pidfd(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    ck_assert_msg(fd >= 0, "pidfd_open(%d): %s", (int)pid, strerror(errno));
    return fd;
}
