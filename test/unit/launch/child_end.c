/* SPDX-License-Identifier: MIT */
/*
 * Signalling children, and ending them.
 */
#include <sdb/child.h>
#include <sdb/launch.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ending.h"
#include "host.h"

ENDING_CASE(child_end);

/* ---- signalling ---- */

TEST(a_signal_reaches_the_child)
{
    struct sdb_child *child = launch_ending_ready(_i, "comply", "33");

    ck_assert_int_eq(sdb_child_kill(child, 0), 0);
    ck_assert_int_eq(sdb_child_kill(child, SIGTERM), 0);
    expect_child_end(child, SDB_EXITED, 33);
    sdb_child_close(child);
}

TEST(a_signal_to_a_child_that_was_waited_for_is_refused)
{
    struct sdb_child *child = launch_exit(_i, 0);

    await_child_end(child);
    ck_assert_int_eq(sdb_child_kill(child, 0), 0); /* it is still there to be waited for */
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    expect_child_end(child, SDB_EXITED, 0);
    ck_assert_int_eq(sdb_child_kill(child, 0), -ESRCH);
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), -ESRCH);
    sdb_child_close(child);
}

TEST(what_is_no_signal_is_refused)
{
    const int numbers[] = {-1, -SIGKILL, 65, 1000, INT32_MAX, INT32_MIN};
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ck_assert_int_eq(sdb_child_kill(child, numbers[i]), -EINVAL);
    ck_assert_int_eq(sdb_child_wait(child, 0, NULL), -ETIMEDOUT);
    kill_and_close(child);
}

TEST(a_child_of_another_user_may_not_be_signalled)
{
    struct sdb_child *child;
    pid_t pid;

    if (geteuid() != 0)
        return; /* only root can become somebody else */
    child = launch_ending_ready(_i, "wait", NULL);
    pid = fork_child();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) < 0)
            _exit(1);
        if (sdb_child_kill(child, SIGTERM) != -EPERM || sdb_child_kill(child, 0) != -EPERM)
            _exit(2);
        if (sdb_child_terminate(child, 0, -1, NULL) != -EPERM ||
            sdb_child_terminate(child, 10, -1, NULL) != -EPERM ||
            sdb_child_terminate(child, -1, -1, NULL) != -EPERM)
            _exit(3);
        _exit(0);
    }
    expect_success(pid);
    kill_and_close(child);
}

/* ---- ending ---- */

TEST(terminate_lets_it_comply)
{
    const int graces_ms[] = {PATIENCE_MS, -1};

    for (int i = 0; i < 2; i++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct sdb_child *child = launch_ending_ready(_i, "comply", "5");

        ck_assert_int_eq(sdb_child_terminate(child, graces_ms[i], 0, &status), 0);
        expect_status(&status, SDB_EXITED, 5);
        sdb_child_close(child);
    }
}

TEST(terminate_kills_what_does_not_comply_after_its_grace)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "refuse", NULL);
    const int64_t begun = host_now_ms();

    ck_assert_int_eq(sdb_child_terminate(child, 60, -1, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    ck_assert_int_ge(host_now_ms() - begun, 59);
    sdb_child_close(child);
}

TEST(terminate_without_grace_kills)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "comply", "5");

    ck_assert_int_eq(sdb_child_terminate(child, 0, PATIENCE_MS, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
}

TEST(terminate_with_endless_grace_never_kills)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "refuse", NULL);
    pid_t signaller = fork_signaller(child, SIGUSR1);

    ck_assert_int_eq(sdb_child_terminate(child, -1, 0, &status), 0);
    expect_status(&status, SDB_KILLED, SIGUSR1);
    expect_success(signaller);
    sdb_child_close(child);
}

TEST(terminate_ends_a_stopped_child)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "comply", "5");

    ck_assert_int_eq(sdb_child_kill(child, SIGSTOP), 0);
    ck_assert_int_eq(sdb_child_terminate(child, 10, PATIENCE_MS, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
}

LOOP_TEST(terminate_tells_how_a_dead_child_ended, 0, 2 * WAYS)
{
    for (int grace_ms = -1; grace_ms <= 1; grace_ms++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct sdb_child *child = launch_exit(_i, 17);

        await_child_end(child);
        if (_i >= WAYS)
            ck_assert_int_eq(sdb_child_wait(child, -1, NULL), 0);
        ck_assert_int_eq(sdb_child_terminate(child, grace_ms, 0, &status), 0);
        expect_status(&status, SDB_EXITED, 17);
        ck_assert_int_eq(sdb_child_terminate(child, grace_ms, 0, NULL), 0);
        sdb_child_close(child);
    }
}

/* It once ended the child first and found fault with the status afterwards. */
TEST(terminate_refuses_a_bad_status_before_it_signals)
{
    struct {
        struct sdb_exit_status known;
        uint64_t newer;
    } status = {.known = {.size = sizeof(status)}, .newer = 1};
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);

    for (int grace_ms = -1; grace_ms <= 1; grace_ms++) {
        ck_assert_int_eq(sdb_child_terminate(child, grace_ms, -1, &status.known), -E2BIG);
        status.known.size = 8;
        ck_assert_int_eq(sdb_child_terminate(child, grace_ms, -1, &status.known), -EINVAL);
        status.known.size = sizeof(status);
    }
    ck_assert_int_eq(sdb_child_wait(child, 20, NULL), -ETIMEDOUT);
    kill_and_close(child);
}

LOOP_TEST(terminate_gives_up_on_what_even_sigkill_does_not_end, 0, 2 * WAYS)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);
    pid_t tracer;

    /* A tracer that is told of exits holds the dying there until it says otherwise. */
    tracer = fork_tracer(sdb_child_pid(child), PTRACE_O_TRACEEXIT);

    ck_assert_int_eq(sdb_child_terminate(child, _i >= WAYS ? 10 : 0, 20, &status), -ETIMEDOUT);
    ck_assert_int_eq(status.pid, 0);
    ck_assert_int_eq(kill(tracer, SIGKILL), 0);
    ck_assert_int_eq(waitpid(tracer, NULL, 0), tracer);
    ck_assert_int_eq(sdb_child_terminate(child, 0, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_KILLED);
    sdb_child_close(child);
}

TEST(the_grace_is_kept_under_signals)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "refuse", NULL);
    struct host_storm storm;
    int64_t begun;
    int rc;

    host_storm_begin(&storm);
    begun = host_now_ms();
    rc = sdb_child_terminate(child, 80, -1, &status);
    begun = host_now_ms() - begun;
    ck_assert_uint_gt(host_storm_end(&storm), 0);
    ck_assert_int_eq(rc, 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    ck_assert_int_ge(begun, 79);
    sdb_child_close(child);
}

int main(void)
{
    return run_suite("child_end");
}
