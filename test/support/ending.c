/* SPDX-License-Identifier: MIT */
/*
 * Children of test/tracees/ending.c.
 */
#include "ending.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"
#include "leftovers.h"

struct sdb_launch_options ending_options(int index, const char *const *argv)
{
    static bool refused;
    const enum way way = (enum way)(index % WAYS);
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    if (way == WITHOUT_PIDFDS && !refused) {
        host_refuse_syscall(SYS_pidfd_open, ENOSYS);
        refused = true;
    }
    options.path = ENDING;
    options.argv = argv;
    options.flags = way == BY_CLONE ? 0 : SDB_LAUNCH_PORTABLE;
    options.death_signal = SIGKILL;
    return options;
}

struct sdb_child *launch_ending_with(const struct sdb_launch_options *options)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_child *child = NULL;
    char text[512];

    if (sdb_launch(options, &child, &error) < 0) {
        sdb_error_format(&error, text, sizeof(text));
        ck_abort_msg("%s", text);
    }
    return child;
}

struct sdb_child *launch_ending(int way, const char *what, const char *first)
{
    const char *argv[] = {"ending", what, first, NULL};
    const struct sdb_launch_options options = ending_options(way, argv);

    return launch_ending_with(&options);
}

struct sdb_child *launch_exit(int way, int code)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", code);
    return launch_ending(way, "exit", number);
}

struct sdb_child *launch_ending_ready(int way, const char *what, const char *first)
{
    const char *argv[] = {"ending", what, first, NULL};
    struct sdb_launch_options options = ending_options(way, argv);
    int output = -1;
    const struct sdb_fd fds[] = {{.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output}};
    struct sdb_child *child;
    char byte;

    options.fds = fds;
    options.fd_count = 1;
    child = launch_ending_with(&options);
    ck_assert_int_eq(read(output, &byte, 1), 1);
    close(output);
    return child;
}

bool has_pidfd(const struct sdb_child *child)
{
    return sdb_child_pidfd(child) >= 0;
}

void await_child_end(const struct sdb_child *child)
{
    struct pollfd polled = {.fd = sdb_child_pidfd(child), .events = POLLIN};
    const int64_t end = host_now_ms() + PATIENCE_MS;
    char state;

    if (has_pidfd(child)) {
        ck_assert_int_eq(poll(&polled, 1, PATIENCE_MS), 1);
        return;
    }
    do {
        state = host_task_state(sdb_child_pid(child));
    } while (state != 'Z' && state != 0 && host_now_ms() < end);
    ck_assert(state == 'Z' || state == 0);
}

struct sdb_exit_status wait_for(struct sdb_child *child)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    int rc = sdb_child_wait(child, PATIENCE_MS, &status);

    ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
    ck_assert_uint_eq(status.size, sizeof(status));
    ck_assert_int_eq(status.pid, sdb_child_pid(child));
    return status;
}

void expect_status(const struct sdb_exit_status *status, uint32_t how, int code)
{
    ck_assert_uint_eq(status->how, how);
    ck_assert_int_eq(status->code, code);
}

void expect_child_end(struct sdb_child *child, uint32_t how, int code)
{
    const struct sdb_exit_status status = wait_for(child);

    expect_status(&status, how, code);
}

void kill_and_close(struct sdb_child *child)
{
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    expect_child_end(child, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
}

struct sdb_child *launch_dying(int way, int signal, uint64_t core_limit, const char *cwd)
{
    const struct sdb_rlimit limit = {RLIMIT_CORE, 0, core_limit, core_limit};
    char number[16];
    const char *argv[] = {"ending", "signal", number, NULL};
    struct sdb_launch_options options = ending_options(way, argv);

    (void)snprintf(number, sizeof(number), "%d", signal);
    options.rlimits = &limit;
    options.rlimit_count = 1;
    options.cwd = cwd;
    return launch_ending_with(&options);
}

pid_t fork_signaller(const struct sdb_child *child, int signal)
{
    const pid_t host = getpid();
    pid_t pid = fork_child();

    if (pid == 0)
        _exit(host_wait_asleep(host) && kill(sdb_child_pid(child), signal) == 0 ? 0 : 1);
    return pid;
}

bool status_is_kept(const struct sdb_child *child)
{
    return has_pidfd(child) && host_kernel_is(6, 15);
}

const struct suite_kind ending_case = {
    .rounds = WAYS, .set_up = leftovers_take_stock, .tear_down = leftovers_check_stock};
