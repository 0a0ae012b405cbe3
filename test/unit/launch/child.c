/* SPDX-License-Identifier: MIT */
/*
 * Children: who they are, how they ended, what of their status is told, closing them.
 */
#include <sdb/child.h>
#include <sdb/launch.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ending.h"
#include "host.h"

ENDING_CASE(child);

TEST(it_has_the_pid_of_the_program)
{
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);
    const pid_t pid = sdb_child_pid(child);

    ck_assert_int_gt(pid, 0);
    ck_assert_int_ne(pid, getpid());
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    expect_child_end(child, SDB_KILLED, SIGTERM);
    ck_assert_int_eq(sdb_child_pid(child), pid);
    sdb_child_close(child);
}

TEST(its_pidfd_tells_the_end)
{
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);
    struct pollfd polled = {.fd = sdb_child_pidfd(child), .events = POLLIN};

    if (_i == WITHOUT_PIDFDS || host_on_valgrind()) {
        ck_assert_int_eq(polled.fd, -ENOSYS);
        kill_and_close(child);
        return;
    }
    ck_assert_int_ge(polled.fd, 3);
    ck_assert_int_eq(fcntl(polled.fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    ck_assert_int_eq(poll(&polled, 1, PATIENCE_MS), 1);
    ck_assert(polled.revents & POLLIN);
    expect_child_end(child, SDB_KILLED, SIGKILL);
    ck_assert_int_eq(sdb_child_pidfd(child), polled.fd);
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    sdb_child_close(child);
    ck_assert_int_eq(fcntl(polled.fd, F_GETFD), -1);
}

LOOP_TEST(no_child_is_an_invalid_argument, 0, 1)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    ck_assert_int_eq(sdb_child_pid(NULL), -EINVAL);
    ck_assert_int_eq(sdb_child_pidfd(NULL), -EINVAL);
    ck_assert_int_eq(sdb_child_wait(NULL, -1, &status), -EINVAL);
    ck_assert_int_eq(sdb_child_kill(NULL, SIGKILL), -EINVAL);
    for (int grace_ms = -1; grace_ms <= 1; grace_ms++)
        ck_assert_int_eq(sdb_child_terminate(NULL, grace_ms, -1, &status), -EINVAL);
    sdb_child_close(NULL);
}

/* ---- how it ended ---- */

TEST(exit_codes_are_told)
{
    const int codes[] = {0, 1, 2, 42, 126, 127, 128, 137, 255};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct sdb_child *child = launch_exit(_i, codes[i]);
        const struct sdb_exit_status status = wait_for(child);

        expect_status(&status, SDB_EXITED, codes[i]);
        ck_assert_uint_eq(status.flags, 0);
        sdb_child_close(child);
    }
}

TEST(deaths_by_signals_are_told)
{
    const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGABRT,  SIGKILL,
                           SIGSEGV, SIGPIPE, SIGTERM, SIGRTMIN, SIGRTMAX};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sdb_child *child = launch_dying(_i, signals[i], 0, NULL);
        const struct sdb_exit_status status = wait_for(child);

        expect_status(&status, SDB_KILLED, signals[i]);
        ck_assert_uint_eq(status.flags, 0);
        sdb_child_close(child);
    }
}

/* Whether the system leaves a core dump there: where its pattern leads is not ours to say. */
static bool system_dumps_core(const char *directory)
{
    pid_t pid = fork_child();
    int status = 0;

    if (pid == 0) {
        const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

        if (chdir(directory) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
            _exit(1);
        execl(ENDING, "ending", "signal", "6", (char *)NULL);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    return WCOREDUMP(status);
}

static void remove_directory(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    ck_assert_int_eq(rmdir(path), 0);
}

TEST(a_core_dump_is_told)
{
    char directory[] = "/tmp/sdb-child-XXXXXX";
    uint32_t expected;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    expected = system_dumps_core(directory) ? SDB_EXIT_CORE_DUMPED : 0;
    for (int limited = 0; limited < 2; limited++) {
        struct sdb_child *child = launch_dying(_i, SIGABRT, limited ? 0 : UINT64_MAX, directory);
        const struct sdb_exit_status status = wait_for(child);

        expect_status(&status, SDB_KILLED, SIGABRT);
        ck_assert_uint_eq(status.flags, limited ? 0 : expected);
        sdb_child_close(child);
    }
    remove_directory(directory);
}

TEST(what_it_used_is_told)
{
    const char *argv[] = {"ending", "burn", "50", "32", NULL};
    const struct sdb_launch_options options = ending_options(_i, argv);
    struct sdb_child *child = launch_ending_with(&options);
    const struct sdb_exit_status status = wait_for(child);
    const uint64_t time_us = status.user_time_us + status.system_time_us;

    expect_status(&status, SDB_EXITED, 0);
    ck_assert_uint_eq(status.flags & SDB_EXIT_NO_USAGE, 0);
    /* The program's clock and the kernel's account differ by less than a tick. */
    ck_assert_uint_ge(time_us, 40000);
    ck_assert_uint_lt(time_us, (uint64_t)PATIENCE_MS * 1000);
    ck_assert_uint_ge(status.max_resident_kib, 32 << 10);
    ck_assert_uint_lt(status.max_resident_kib, 32 << 20);
    ck_assert_uint_gt(status.minor_faults, 0);
    sdb_child_close(child);
}

TEST(what_it_did_not_use_is_not_told)
{
    const char *argv[] = {"ending", "read", NULL};
    struct sdb_launch_options options = ending_options(_i, argv);
    int input = -1;
    const struct sdb_fd fds[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input},
                                 {.target = 1, .kind = SDB_FD_NULL}};
    struct sdb_exit_status status;
    struct sdb_child *child;

    options.fds = fds;
    options.fd_count = 2;
    child = launch_ending_with(&options);
    for (int i = 0; i < 5; i++) {
        ck_assert(host_wait_asleep(sdb_child_pid(child)));
        ck_assert_int_eq(write(input, "x", 1), 1);
    }
    ck_assert(host_wait_asleep(sdb_child_pid(child)));
    close(input);
    status = wait_for(child);
    expect_status(&status, SDB_EXITED, 0);
    ck_assert_uint_eq(status.flags, 0);
    ck_assert_uint_gt(status.voluntary_switches, 0); /* it slept */
    ck_assert_uint_lt(status.user_time_us, 1000000);
    sdb_child_close(child);
}

/* ---- sizes of the status ---- */

TEST(a_status_of_an_impossible_size_is_refused)
{
    const size_t sizes[] = {0, 8, sizeof(struct sdb_exit_status) - 8,
                            sizeof(struct sdb_exit_status) - 1};
    struct sdb_child *child = launch_exit(_i, 7);

    await_child_end(child);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        /* Just the size, so that a sanitizer sees what is past it. */
        const size_t room = sizes[i] < sizeof(size_t) ? sizeof(size_t) : sizes[i];
        struct sdb_exit_status *status = calloc(1, room);

        ck_assert_ptr_nonnull(status);
        memcpy(status, &sizes[i], sizeof(size_t));
        ck_assert_int_eq(sdb_child_wait(child, -1, status), -EINVAL);
        for (size_t byte = sizeof(size_t); byte < room; byte++)
            ck_assert_uint_eq(((unsigned char *)status)[byte], 0);
        free(status);
    }
    expect_child_end(child, SDB_EXITED, 7);
    sdb_child_close(child);
}

TEST(a_status_of_a_newer_program_is_filled_as_far_as_known)
{
    struct {
        struct sdb_exit_status known;
        uint64_t newer[3];
    } status = {.known = {.size = sizeof(status)}};
    struct sdb_child *child = launch_exit(_i, 7);

    ck_assert_int_eq(sdb_child_wait(child, -1, &status.known), 0);
    ck_assert_uint_eq(status.known.size, sizeof(status));
    ck_assert_int_eq(status.known.pid, sdb_child_pid(child));
    expect_status(&status.known, SDB_EXITED, 7);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(status.newer[i], 0);
    sdb_child_close(child);
}

TEST(a_status_with_unknown_members_set_is_refused)
{
    struct {
        struct sdb_exit_status known;
        unsigned char newer[24];
    } status = {.known = {.size = sizeof(status)}};
    struct sdb_child *child = launch_exit(_i, 7);

    await_child_end(child);
    for (size_t i = 0; i < sizeof(status.newer); i++) {
        status.newer[i] = 1;
        ck_assert_int_eq(sdb_child_wait(child, -1, &status.known), -E2BIG);
        ck_assert_int_eq(status.known.pid, 0);
        status.newer[i] = 0;
    }
    ck_assert_int_eq(sdb_child_wait(child, -1, &status.known), 0);
    sdb_child_close(child);
}

LOOP_TEST(the_initialiser_says_nothing_but_the_size, 0, 1)
{
    const struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    const struct sdb_exit_status nothing = {.size = sizeof(status)};

    ck_assert_mem_eq(&status, &nothing, sizeof(status));
    ck_assert_uint_eq(offsetof(struct sdb_exit_status, size), 0);
    ck_assert_uint_eq(offsetof(struct sdb_exit_status, involuntary_switches) + sizeof(uint64_t),
                      sizeof(status));
}

/* ---- closing ---- */

static bool is_child_of_ours(pid_t pid)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

TEST(closing_a_dead_child_leaves_no_zombie)
{
    struct sdb_child *child = launch_exit(_i, 0);
    const pid_t pid = sdb_child_pid(child);

    await_child_end(child);
    ck_assert_int_eq(host_task_state(pid), 'Z');
    sdb_child_close(child);
    ck_assert(!is_child_of_ours(pid));
}

TEST(closing_a_running_child_lets_it_run)
{
    struct sdb_child *child = launch_ending_ready(_i, "comply", "8");
    const pid_t pid = sdb_child_pid(child);
    int status;

    sdb_child_close(child);
    ck_assert(is_child_of_ours(pid));
    ck_assert(host_wait_asleep(pid));
    ck_assert_int_eq(host_task_state(pid), 'S');
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 8);
}

/* ---- many ---- */

TEST(many_children_leave_nothing)
{
    enum { AT_ONCE = 30 };
    struct sdb_child *children[AT_ONCE];

    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < AT_ONCE; i++)
            children[i] = launch_exit(_i, i);
        for (int i = AT_ONCE - 1; i >= 0; i--) {
            if (i % 3 != 0)
                expect_child_end(children[i], SDB_EXITED, i);
            else
                await_child_end(children[i]);
            sdb_child_close(children[i]);
        }
    }
}

int main(void)
{
    return run_suite("child");
}
