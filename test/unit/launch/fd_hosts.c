/* SPDX-License-Identifier: MIT */
/*
 * Launching: descriptors in hosts and on systems that lack something.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

TRIAL_CASE(systems);

static struct rlimit lower_limit(rlim_t soft)
{
    struct rlimit before;
    struct rlimit lower;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    lower = before;
    lower.rlim_cur = soft;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lower), 0);
    return before;
}

TEST(target_may_be_the_last_number_but_no_higher)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[] = {trial_dup(5, 0), trial_dup(99, 0)};
    const struct rlimit before = lower_limit(100);

    trial_set_map(&trial, map, 2);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 5, 99}, 5);

    map[1].target = 100;
    trial_fails(&trial, -EBADF, SDB_STAGE_FDS, 1,
                "set descriptor 100 to the host's 0: Bad file descriptor");
    map[1].target = INT32_MAX;
    trial_fails(&trial, -EBADF, SDB_STAGE_FDS, 1, "set descriptor 2147483647 to");
    map[1] = (struct sdb_fd){.target = 100, .kind = SDB_FD_LIKE, .source = 5};
    trial_fails(&trial, -EBADF, SDB_STAGE_FDS, 1, "set descriptor 100 like 5: Bad file descriptor");
    map[1] = (struct sdb_fd){.target = 100, .kind = SDB_FD_NULL};
    trial_fails(&trial, -EBADF, SDB_STAGE_FDS, 1,
                "set descriptor 100 to \"/dev/null\": Bad file descriptor");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* ---- systems that lack something ---- */

TEST(others_are_not_passed_on_without_close_range)
{
    struct trial trial = trial_of_state(_i);
    int fd = open("/dev/zero", O_RDONLY);

    ck_assert_int_eq(dup2(fd, 1234), 1234);
    host_refuse_syscall(SYS_close_range, ENOSYS);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
    close(1234);
    close(fd);
}

/* It was asked about once and for all, and a host that went into a sandbox later could not launch. */
TEST(close_range_may_be_lost_between_launches)
{
    struct trial trial = trial_of_state(_i);

    trial_tells(&trial);
    host_refuse_syscall(SYS_close_range, EPERM);
    trial = trial_of_state(_i);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
}

TEST(more_descriptors_than_one_look_shows_are_not_passed_on_without_close_range)
{
    struct trial trial = trial_of_state(_i);
    int fds[300];

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        fds[i] = fcntl(0, F_DUPFD, 3);
        ck_assert_int_ge(fds[i], 0);
    }
    host_refuse_syscall(SYS_close_range, ENOSYS);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        close(fds[i]);
}

enum { CANNOT_HIDE_PROC = 77 };

/*
 * Run a check in a child that has a /proc of its own, which is empty.  The test's own process keeps
 * its view of the file system, by which its descriptors are compared afterwards.
 */
static void without_procfs(int way, void (*check)(int way))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        /* Private: no other process shall lose its /proc. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", "/proc", "tmpfs", 0, NULL) < 0)
            _exit(CANNOT_HIDE_PROC);
        check(way);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_HIDE_PROC)
        printf("no mount namespace: a missing /proc is not tested\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void check_launch(int way)
{
    struct trial trial = trial_of(way, "exit", "7", NULL);

    trial_start(&trial);
    trial_end(&trial);
    ck_assert_int_eq(trial.status.code, 7);
}

TEST(launch_needs_no_procfs)
{
    without_procfs(_i, check_launch);
}

static void check_refusal(int way)
{
    struct trial trial = trial_of(way, "exit", "0", NULL);

    host_refuse_syscall(SYS_close_range, ENOSYS);
    ck_assert_int_eq(trial_try(&trial), -ENOENT);
    ck_assert_uint_eq(trial.error.stage, SDB_STAGE_FDS);
    ck_assert_int_eq(trial.error.index, -1);

    /* All of them can be passed on. */
    trial.options.flags |= SDB_LAUNCH_INHERIT_FDS;
    trial_start(&trial);
    trial_end(&trial);
    ck_assert_int_eq(trial.status.code, 0);
}

TEST(launch_fails_rather_than_pass_on_what_it_cannot_see)
{
    without_procfs(_i, check_refusal);
}

TRIAL_CASE(closed_stdio);

static void expect_stdio_kept(unsigned closed)
{
    int fds[3];
    size_t count = 0;

    for (int fd = 0; fd < 3; fd++) {
        if (!(closed & (1u << fd)))
            fds[count++] = fd;
    }
    expect_fds(fds, count);
}

TEST(closed_standard_descriptors_stay_closed)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        struct trial trial = trial_of_state(_i);
        struct host_stdio stdio;

        host_close_stdio(closed, &stdio);
        trial_start(&trial);
        ck_assert_int_gt(sdb_child_pidfd(trial.child), 2);
        trial_end(&trial);
        host_restore_stdio(&stdio);
        trial_read_state();
        expect_stdio_kept(closed);
    }
}

TEST(closed_standard_descriptors_can_be_mapped)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        struct trial trial = trial_of_state(_i);
        struct host_stdio stdio;
        int input = -1;
        int output = -1;
        const struct sdb_fd map[] = {{.target = 2, .kind = SDB_FD_LIKE, .source = 1},
                                     {.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input},
                                     {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output}};

        trial_set_map(&trial, map, 3);
        host_close_stdio(closed, &stdio);
        trial_start(&trial);
        ck_assert_int_gt(sdb_child_pidfd(trial.child), 2);
        ck_assert_int_gt(input, 2);
        ck_assert_int_gt(output, 2);
        trial_end(&trial);
        host_restore_stdio(&stdio);
        close(input);
        close(output);
        trial_read_state();
        expect_fds((const int[]){0, 1, 2}, 3);
        expect_told("fd_mode 0 %d", O_RDONLY);
        expect_told("fd_mode 1 %d", O_WRONLY);
        expect_told("fd_mode 2 %d", O_WRONLY);
    }
}

TEST(closed_standard_descriptors_can_be_mapped_in_part)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        for (int target = 0; target < 3; target++) {
            struct trial trial = trial_of_state(_i);
            const struct sdb_fd map[] = {
                {.target = target, .kind = SDB_FD_PATH, .path = "/dev/zero"}};
            struct host_stdio stdio;

            trial_set_map(&trial, map, 1);
            host_close_stdio(closed, &stdio);
            trial_start(&trial);
            trial_end(&trial);
            host_restore_stdio(&stdio);
            trial_read_state();
            expect_stdio_kept(closed & ~(1u << target));
            expect_fd_file(target, "/dev/zero");
        }
    }
}

TEST(closed_standard_descriptors_can_be_a_terminal)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        struct trial trial = trial_of_state(_i);
        struct host_stdio stdio;
        int32_t master = -1;

        trial.options.flags |= SDB_LAUNCH_PTY;
        trial.options.pty_master = &master;
        host_close_stdio(closed, &stdio);
        trial_start(&trial);
        ck_assert_int_gt(master, 2);
        trial_end(&trial);
        host_restore_stdio(&stdio);
        close(master);
        trial_read_state();
        expect_fds((const int[]){0, 1, 2}, 3);
        for (int fd = 0; fd < 3; fd++)
            expect_told("isatty %d 1", fd);
        expect_told("controlling_terminal 1");
    }
}

TEST(closed_standard_descriptors_stay_closed_in_the_host_after_failures)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        struct trial trial = trial_of_nothing(_i);
        struct host_stdio stdio;
        int host_fd = -1;
        const struct sdb_fd map[] = {{.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fd}};

        trial.options.path = "/nowhere";
        trial_set_map(&trial, map, 1);
        host_close_stdio(closed, &stdio);
        trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"/nowhere\"");
        host_restore_stdio(&stdio);
        ck_assert_int_eq(host_fd, -1);
    }
}

int main(void)
{
    return trial_run_suite("launch: descriptors in odd hosts");
}
