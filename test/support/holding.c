/* SPDX-License-Identifier: MIT */
/*
 * The session of a test and what it holds.
 *
 * A failed assertion ends the test's process at once, so whatever is made here dies with the thread
 * that made it: held ones by the session's kill on exit, others by a parent-death signal.
 */
#include "holding.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"
#include "leftovers.h"

#define QUIET_MS 30

struct sdb_session *session;

static cpu_set_t cpus_before;

/* ---- a test's beginning and end ---- */

void holding_take_stock(void)
{
    session = NULL;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus_before), &cpus_before), 0);
    leftovers_take_stock();
}

void holding_check_stock(void)
{
    leftovers_check_stock();
    ck_assert_int_eq(sched_setaffinity(0, sizeof(cpus_before), &cpus_before), 0);
}

const struct suite_kind holding_case = {
    .rounds = HOLDING_WAYS,
    .set_up = holding_take_stock,
    .tear_down = holding_check_stock,
};

struct sdb_session *create_session(int way)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct sdb_session *created = NULL;

    if (way == WAY_HELPER)
        options.flags = SDB_SESSION_NO_IO_URING;
    ck_assert_int_eq(sdb_session_create(&options, &created), 0);
    return created;
}

void begin(int way)
{
    session = create_session(way);
}

void finish(void)
{
    ck_assert_int_eq(sdb_session_destroy(session), 0);
    session = NULL;
}

void finish_with(struct target *target)
{
    finish();
    close_target(target);
}

void finish_exited(struct target *target, int code)
{
    expect_exit(SDB_EXITED, code);
    finish_with(target);
}

void pass_silently(int signal)
{
    ck_assert_int_eq(sdb_session_set_signal_policy(session, signal, SDB_POLICY_PASS), 0);
}

/* ---- tracees ---- */

static void fail_with(const struct sdb_error *error, int rc)
{
    char text[512] = "";

    (void)sdb_error_format(error, text, sizeof(text));
    ck_abort_msg("%s (%d)", text, rc);
}

int make_board(struct target *target)
{
    int fd = memfd_create("board", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof(*target->board)), 0);
    target->board = mmap(NULL, sizeof(*target->board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(target->board, MAP_FAILED);
    return fd;
}

/* What is launched, and how. */
struct launching {
    const char *path;
    const char *const *argv;
    uint64_t flags;
    bool with_board;
    bool untraced; /* a child of its own */
};

static struct target launch(const struct launching *what)
{
    struct target target = {.input = -1, .output = -1};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    int board = what->with_board ? make_board(&target) : -1;
    const struct sdb_fd fds[] = {
        {.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &target.input},
        {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &target.output},
        {.target = BOARD_FD, .kind = SDB_FD_DUP, .source = board}};
    int rc;

    options.path = what->path;
    options.argv = what->argv;
    options.flags = what->flags;
    options.fds = fds;
    options.fd_count = what->with_board ? 3 : 2;
    if (what->untraced) {
        options.death_signal = SIGKILL;
        rc = sdb_launch(&options, &target.child, &error);
    } else {
        rc = sdb_session_launch(session, &options, &target.process, &error);
    }
    if (rc != 0)
        fail_with(&error, rc);
    target.pid = what->untraced ? sdb_child_pid(target.child) : sdb_process_pid(target.process);
    if (what->with_board)
        close(board);
    return target;
}

/* The arguments of a program: its path, and up to three more. */
#define ARGUMENTS(path, first, second, third)                                                      \
    ((const char *const[]){path, first, second, third, NULL})

struct target launch_program(const char *path, const char *const *argv)
{
    return launch_program_with(path, argv, 0);
}

struct target launch_program_with(const char *path, const char *const *argv, uint64_t flags)
{
    return launch(&(struct launching){.path = path, .argv = argv, .flags = flags});
}

struct target launch_target(const char *what, const char *first, const char *second)
{
    return launch_program(TARGET, ARGUMENTS(TARGET, what, first, second));
}

struct target launch_running(const char *what, const char *first, const char *second)
{
    struct target target = launch_target(what, first, second);

    resume_process(target.process);
    return target;
}

struct target launch_ready(const char *what, const char *first, const char *second)
{
    struct target target = launch_running(what, first, second);

    wait_ready(&target);
    return target;
}

struct target start_target(const char *what, const char *first, const char *second)
{
    return launch(&(struct launching){
        .path = TARGET, .argv = ARGUMENTS(TARGET, what, first, second), .untraced = true});
}

struct target launch_board_program(const char *path, const char *first, const char *second,
                                   const char *third)
{
    return launch(&(struct launching){
        .path = path, .argv = ARGUMENTS(path, first, second, third), .with_board = true});
}

struct target launch_threads(const char *what, const char *first, const char *second)
{
    return launch_board_program(THREADS, what, first, second);
}

struct target start_board_program(const char *path, const char *first, const char *second,
                                  const char *third)
{
    return launch(&(struct launching){.path = path,
                                      .argv = ARGUMENTS(path, first, second, third),
                                      .with_board = true,
                                      .untraced = true});
}

struct target start_threads(const char *what, const char *first, const char *second)
{
    return start_board_program(THREADS, what, first, second);
}

void close_target(struct target *target)
{
    close_input(target);
    if (target->output >= 0)
        close(target->output);
    if (target->board)
        munmap(target->board, sizeof(*target->board));
    sdb_child_close(target->child);
    *target = (struct target){.input = -1, .output = -1};
}

void end_target(struct target *target)
{
    ck_assert_int_eq(sdb_child_terminate(target->child, 0, PATIENCE_MS, NULL), 0);
    close_target(target);
}

void wait_ready(const struct target *target)
{
    char byte;

    ck_assert_int_eq(read(target->output, &byte, 1), 1);
    ck_assert_int_eq(byte, 'r');
}

void tell_target(const struct target *target, char byte)
{
    ck_assert_int_eq(write(target->input, &byte, 1), 1);
}

void close_input(struct target *target)
{
    if (target->input >= 0)
        close(target->input);
    target->input = -1;
}

struct sdb_process *attach(pid_t pid)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = NULL;
    int rc = sdb_session_attach(session, pid, &process, &error);

    if (rc != 0)
        fail_with(&error, rc);
    return process;
}

void attach_target(struct target *target)
{
    target->process = attach(target->pid);
}

pid_t fork_waiting(void)
{
    return fork_ready(NULL, NULL);
}

void wait_ready_held(const struct target *target)
{
    struct pollfd output = {.fd = target->output, .events = POLLIN};
    const int64_t end = host_now_ms() + PATIENCE_MS;
    int rc;

    while (poll(&output, 1, 0) == 0 && host_now_ms() < end) {
        struct sdb_event event = SDB_EVENT_INIT;

        rc = sdb_session_wait(session, 1, &event);
        ck_assert_msg(rc == -ETIMEDOUT, "%s of %d came, or no wait was possible (%d)",
                      sdb_event_name(event.kind), sdb_thread_tid(event.thread), rc);
    }
    ck_assert_int_eq(poll(&output, 1, 0), 1);
    wait_ready(target);
}

void run_until_ready(const struct target *target, int births)
{
    run_births(births, NULL);
    wait_ready(target);
}

struct sdb_thread *held(int tid)
{
    struct sdb_thread *thread = sdb_session_find_thread(session, tid);

    ck_assert_msg(thread != NULL, "%d is not held", tid);
    ck_assert_int_eq(sdb_thread_tid(thread), tid);
    return thread;
}

uint64_t pc_of(struct sdb_thread *thread)
{
    uint64_t pc = 0;

    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    return pc;
}

void set_follow(struct sdb_process *process, uint32_t follow)
{
    int rc = sdb_process_set_follow(process, follow);

    ck_assert_msg(rc == 0, "set follow: %s", sdb_error_describe(rc));
}

/* ---- the host's CPUs ---- */

void use_cpus(int count)
{
    cpu_set_t chosen;

    CPU_ZERO(&chosen);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&chosen) < count; cpu++) {
        if (CPU_ISSET(cpu, &cpus_before))
            CPU_SET(cpu, &chosen);
    }
    ck_assert_int_eq(sched_setaffinity(0, sizeof(chosen), &chosen), 0);
}
