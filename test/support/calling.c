/* SPDX-License-Identifier: MIT */
#include "calling.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"

#define MOST_STEPS 32

struct target launch_calls_with(const char *const *steps, const struct sdb_launch_options *more)
{
    struct target target = {.input = -1, .output = -1};
    struct sdb_launch_options options = *more;
    struct sdb_error error = SDB_ERROR_INIT;
    const char *argv[MOST_STEPS + 2] = {CALLS};
    const int board = make_board(&target);
    const struct sdb_fd fds[] = {
        {.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &target.input},
        {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &target.output},
        {.target = BOARD_FD, .kind = SDB_FD_DUP, .source = board}};
    char text[512];
    int rc;

    for (int i = 0; steps[i]; i++) {
        ck_assert_int_lt(i, MOST_STEPS);
        argv[i + 1] = steps[i];
    }
    options.argv = argv;
    options.fds = fds;
    options.fd_count = 3;
    rc = sdb_session_launch(session, &options, &target.process, &error);
    (void)sdb_error_format(&error, text, sizeof(text));
    ck_assert_msg(rc == 0, "%s", text);
    target.pid = sdb_process_pid(target.process);
    close(board);
    return target;
}

struct target launch_calls(const char *const *steps)
{
    const struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    return launch_calls_with(steps, &options);
}

struct target launch_filtered(const char *const *steps, const int32_t *numbers, size_t count)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    options.flags = SDB_LAUNCH_NO_NEW_PRIVS;
    options.caught_syscalls = numbers;
    options.caught_syscall_count = count;
    return launch_calls_with(steps, &options);
}

int64_t result_of(const struct target *target, int step)
{
    return (int64_t)target->board->turns[step];
}

int64_t own_priority(void)
{
    return syscall(SYS_getpriority, 0, 0);
}

struct sdb_syscall call_of(struct sdb_thread *thread)
{
    struct sdb_syscall call = SDB_SYSCALL_INIT;
    int rc = sdb_thread_syscall(thread, &call);

    ck_assert_msg(rc == 0, "%s", sdb_error_describe(rc));
    return call;
}

struct sdb_event expect_call(uint32_t end, int64_t number)
{
    struct sdb_event event = expect(end);
    const struct sdb_syscall call = call_of(event.thread);

    ck_assert_uint_eq(call.end, end);
    ck_assert_msg(call.number == number, "%s of call %lld came, not of %lld", sdb_event_name(end),
                  (long long)call.number, (long long)number);
    return event;
}

void expect_whole_call(int64_t number)
{
    struct sdb_event event = expect_call(SDB_EVENT_SYSCALL_ENTRY, number);

    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, number);
    resume(&event);
}

void await_sleep_held(const struct target *target)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (state_of(target->pid) != 'S') {
        struct sdb_event event = SDB_EVENT_INIT;
        int rc = sdb_session_wait(session, 1, &event);

        ck_assert_msg(rc == -ETIMEDOUT, "%s of %d came (%d)", sdb_event_name(event.kind),
                      sdb_thread_tid(event.thread), rc);
        ck_assert_int_lt(host_now_ms(), end);
    }
}

void catch_calls(struct sdb_process *process, uint32_t flags, const int32_t *numbers, size_t count)
{
    int rc = sdb_process_catch_syscalls(process, flags, numbers, count);

    ck_assert_msg(rc == 0, "%s", sdb_error_describe(rc));
}

bool is_call(uint32_t kind)
{
    return kind == SDB_EVENT_SYSCALL_ENTRY || kind == SDB_EVENT_SYSCALL_EXIT;
}

struct target run_filtered(const char *const *steps)
{
    struct target target = launch_filtered(steps, NUMBERS(SYS_getpgid));

    pass_silently(SIGCHLD);
    resume_process(target.process);
    return target;
}

void expect_calls_until_exit(int64_t number, int count)
{
    int entries = 0;
    int exits = 0;

    for (struct sdb_event event = next_event(); event.kind != SDB_EVENT_EXITED;
         event = next_event()) {
        if (is_call(event.kind))
            ck_assert_int_eq(call_of(event.thread).number, number);
        entries += event.kind == SDB_EVENT_SYSCALL_ENTRY;
        exits += event.kind == SDB_EVENT_SYSCALL_EXIT;
        resume(&event);
    }
    ck_assert_int_eq(entries, count);
    ck_assert_int_eq(exits, count);
}

void resume_from_call(uint32_t end, int64_t number)
{
    const struct sdb_event event = expect_call(end, number);

    resume(&event);
}
