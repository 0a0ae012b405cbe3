/* SPDX-License-Identifier: MIT */
/*
 * Attaching by pidfd, which cannot hit a wrong process, and what is no pidfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "racing.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

HOLDING_CASE(by_pidfd);

TEST(a_pidfd_is_as_good_as_a_pid)
{
    struct target busy = start_busy("churn", "2", NULL);
    struct sdb_process *process;
    int pidfd = open_pidfd(busy.pid);

    begin(_i);
    for (int round = 0; round < rounds(20); round++) {
        process = NULL;
        ck_assert_int_eq(sdb_session_attach_pidfd(session,
                                                  round % 2 ? pidfd : sdb_child_pidfd(busy.child),
                                                  &process, NULL),
                         0);
        ck_assert_int_eq(sdb_process_pid(process), busy.pid);
        expect_all_held(process);
        detach(process);
        ck_assert_int_ge(fcntl(pidfd, F_GETFD), 0);
    }
    ask(&busy);
    end_busy(&busy);
    close(pidfd);
    finish();
}

TEST(descriptors_that_are_no_pidfds_are_refused)
{
    struct sdb_process *process = untouched;
    pid_t target = fork_waiting();
    char path[64];
    int wrong[3];
    int pipes[2];

    (void)snprintf(path, sizeof(path), "/proc/%d", (int)target);
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    wrong[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    wrong[1] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wrong[2] = open(path, O_PATH | O_CLOEXEC);
    begin(_i);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sdb_session_attach_pidfd(session, wrong[i], &process, NULL), -EINVAL);
    ck_assert_int_eq(sdb_session_attach_pidfd(session, pipes[0], &process, NULL), -EINVAL);
    ck_assert_int_eq(sdb_session_attach_pidfd(session, -1, &process, NULL), -EBADF);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(close(wrong[i]), 0);
    close(pipes[0]);
    close(pipes[1]);
    ck_assert_int_eq(sdb_session_attach_pidfd(session, pipes[0], &process, NULL), -EBADF);
    ck_assert_ptr_eq(process, untouched);
    finish();
    end_child(target);
}

TEST(a_pidfd_of_what_has_ended_is_refused)
{
    pid_t pid = fork_zombie();
    int pidfd = open_pidfd(pid);

    begin(_i);
    expect_pidfd_refused(pidfd, -ESRCH, SDB_REASON_ZOMBIE, "ended");
    reap(pid);
    expect_pidfd_refused(pidfd, -ESRCH, SDB_REASON_GONE, "");
    close(pidfd);
    finish();
}

TEST(a_pidfd_of_a_thread_is_refused)
{
    struct target busy = start_busy("idle", "1", NULL);
    int tids[4];
    int pidfd;

    begin(_i);
    ck_assert_int_eq(tasks_of(busy.pid, tids, 4), 2);
    pidfd = (int)syscall(SYS_pidfd_open, tids[0] == busy.pid ? tids[1] : tids[0], PIDFD_THREAD);
    if (pidfd >= 0) {
        expect_pidfd_refused(pidfd, -ESRCH, SDB_REASON_THREAD, "thread");
        close(pidfd);
    }
    finish_busy(&busy);
}

/* Make a child that has this pid.  @return whether it worked */
static bool fork_as(pid_t pid)
{
    FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "we");
    pid_t made;

    if (!last)
        return false;
    (void)fprintf(last, "%d", (int)pid - 1);
    if (fclose(last) != 0)
        return false;
    made = fork_waiting();
    if (made == pid)
        return true;
    end_child(made);
    return false;
}

SESSION_TEST(a_pidfd_never_stands_for_the_next_process_with_its_number)
{
    bool reused = false;

    for (int try = 0; try < 20 && !reused; try++) {
        pid_t pid = fork_zombie();
        int pidfd = open_pidfd(pid);

        reap(pid);
        reused = fork_as(pid);
        expect_pidfd_refused(pidfd, -ESRCH, SDB_REASON_GONE, "");
        if (reused)
            end_child(pid);
        close(pidfd);
    }
    if (!reused)
        (void)printf("no pid could be had again: not much was tested\n");
    finish();
}

int main(void)
{
    return run_suite("session_pidfd");
}
