/* SPDX-License-Identifier: MIT */
/*
 * Waiting for children: deadlines, signals, several threads, other waits in the host.
 */
#include <sdb/child.h>
#include <sdb/launch.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ending.h"
#include "host.h"

ENDING_CASE(child_wait);

TEST(a_wait_of_no_time_only_looks)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);

    status.code = -77;
    ck_assert_int_eq(sdb_child_wait(child, 0, &status), -ETIMEDOUT);
    ck_assert_int_eq(sdb_child_wait(child, 0, NULL), -ETIMEDOUT);
    ck_assert_int_eq(status.code, -77);
    ck_assert_int_eq(status.pid, 0);
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    await_child_end(child);
    ck_assert_int_eq(sdb_child_wait(child, 0, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
}

TEST(a_deadline_is_not_early)
{
    const int timeouts_ms[] = {1, 7, 50};
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);

    for (size_t i = 0; i < 3; i++) {
        const int64_t begun = host_now_ms();

        ck_assert_int_eq(sdb_child_wait(child, timeouts_ms[i], NULL), -ETIMEDOUT);
        /* The clock is read in whole milliseconds. */
        ck_assert_int_ge(host_now_ms() - begun, timeouts_ms[i] - 1);
        ck_assert_int_lt(host_now_ms() - begun, PATIENCE_MS);
    }
    kill_and_close(child);
}

LOOP_TEST(a_blocked_wait_ends_with_the_child, 0, 2 * WAYS)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);
    pid_t signaller = fork_signaller(child, SIGTERM);

    ck_assert_int_eq(sdb_child_wait(child, _i >= WAYS ? PATIENCE_MS : -1, &status), 0);
    expect_status(&status, SDB_KILLED, SIGTERM);
    expect_success(signaller);
    sdb_child_close(child);
}

TEST(a_status_need_not_be_taken)
{
    struct sdb_child *child = launch_exit(_i, 3);

    ck_assert_int_eq(sdb_child_wait(child, -1, NULL), 0);
    expect_child_end(child, SDB_EXITED, 3);
    sdb_child_close(child);
}

TEST(waiting_again_tells_the_same)
{
    struct sdb_child *child = launch_exit(_i, 9);
    const struct sdb_exit_status first = wait_for(child);

    for (int timeout_ms = -1; timeout_ms <= 1; timeout_ms++) {
        struct sdb_exit_status again = SDB_EXIT_STATUS_INIT;

        ck_assert_int_eq(sdb_child_wait(child, timeout_ms, &again), 0);
        ck_assert_mem_eq(&again, &first, sizeof(first));
    }
    sdb_child_close(child);
}

TEST(a_stopped_child_has_not_ended)
{
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);
    siginfo_t info;

    ck_assert_int_eq(sdb_child_kill(child, SIGSTOP), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)sdb_child_pid(child), &info, WSTOPPED | WNOWAIT), 0);
    ck_assert_int_eq(sdb_child_wait(child, 20, NULL), -ETIMEDOUT);
    ck_assert_int_eq(sdb_child_kill(child, SIGCONT), 0);
    ck_assert_int_eq(sdb_child_wait(child, 20, NULL), -ETIMEDOUT);
    /* The host can still see for itself that it was continued. */
    ck_assert_int_eq(waitid(P_PID, (id_t)sdb_child_pid(child), &info, WCONTINUED), 0);
    kill_and_close(child);
}

TEST(signals_in_the_host_neither_end_a_wait_nor_shorten_it)
{
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);
    const int timeout_ms = 100;
    struct host_storm storm;
    int64_t begun;
    int rc;

    host_storm_begin(&storm);
    begun = host_now_ms();
    rc = sdb_child_wait(child, timeout_ms, NULL);
    begun = host_now_ms() - begun;
    ck_assert_uint_gt(host_storm_end(&storm), 0);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_ge(begun, timeout_ms - 1);
    kill_and_close(child);
}

/*
 * A process that somebody else traces is dead to its pidfd, but not yet to its parent, until the
 * tracer has reaped it.  A wait once spun there, past any deadline.
 */
TEST(a_child_that_a_tracer_has_not_let_go_has_not_ended)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ending_ready(_i, "wait", NULL);
    struct rusage usage;
    int64_t used_us;
    pid_t tracer;

    tracer = fork_tracer(sdb_child_pid(child), 0);
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    await_child_end(child);

    ck_assert_int_eq(sdb_child_wait(child, 0, &status), -ETIMEDOUT);
    getrusage(RUSAGE_THREAD, &usage);
    used_us = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec +
              (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000;
    ck_assert_int_eq(sdb_child_wait(child, 400, &status), -ETIMEDOUT);
    getrusage(RUSAGE_THREAD, &usage);
    used_us = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec +
              (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 - used_us;
    ck_assert_int_lt(used_us, 200000); /* it slept */

    ck_assert_int_eq(kill(tracer, SIGKILL), 0);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    ck_assert_int_eq(waitpid(tracer, NULL, 0), tracer);
    sdb_child_close(child);
}

#define WAITERS 4

struct waiter {
    pthread_t thread;
    struct sdb_child *child;
    pthread_barrier_t *barrier;
    int timeout_ms;
    int rc;
    struct sdb_exit_status status;
};

static void *wait_with_others(void *data)
{
    struct waiter *waiter = data;

    pthread_barrier_wait(waiter->barrier);
    waiter->rc = sdb_child_wait(waiter->child, waiter->timeout_ms, &waiter->status);
    return NULL;
}

TEST(all_threads_that_wait_are_told)
{
    for (int round = 0; round < 100; round++) {
        struct sdb_child *child = launch_ending_ready(_i, "comply", "21");
        struct waiter waiters[WAITERS];
        pthread_barrier_t barrier;
        int rc = 0;

        pthread_barrier_init(&barrier, NULL, WAITERS + 1);
        for (int i = 0; i < WAITERS; i++) {
            waiters[i] = (struct waiter){.child = child,
                                         .barrier = &barrier,
                                         .timeout_ms = i % 2 ? -1 : PATIENCE_MS,
                                         .status = SDB_EXIT_STATUS_INIT};
            ck_assert_int_eq(
                pthread_create(&waiters[i].thread, NULL, wait_with_others, &waiters[i]), 0);
        }
        pthread_barrier_wait(&barrier);
        /* Signals meanwhile reach the child or nobody. */
        while (rc == 0)
            rc = sdb_child_kill(child, SIGTERM);
        ck_assert_int_eq(rc, -ESRCH);
        for (int i = 0; i < WAITERS; i++) {
            pthread_join(waiters[i].thread, NULL);
            ck_assert_int_eq(waiters[i].rc, 0);
            expect_status(&waiters[i].status, SDB_EXITED, 21);
            ck_assert_mem_eq(&waiters[i].status, &waiters[0].status, sizeof(waiters[0].status));
        }
        pthread_barrier_destroy(&barrier);
        sdb_child_close(child);
    }
}

/* ---- other waits in the host ---- */

TEST(other_children_of_the_host_are_left_to_it)
{
    enum { OTHERS = 4 };
    pid_t others[OTHERS];
    siginfo_t info;
    int status;

    for (int i = 0; i < OTHERS; i++) {
        others[i] = fork_child();
        if (others[i] == 0)
            _exit(50 + i);
    }
    for (int i = 0; i < OTHERS; i++)
        ck_assert_int_eq(waitid(P_PID, (id_t)others[i], &info, WEXITED | WNOWAIT), 0);

    for (int i = 0; i < 20; i++) {
        struct sdb_child *child = launch_exit(_i, i);

        if (i % 4 == 0)
            expect_child_end(child, SDB_EXITED, i);
        else if (i % 4 == 1)
            ck_assert_int_eq(sdb_child_terminate(child, i % 3, -1, NULL), 0);
        else if (i % 4 == 2)
            await_child_end(child);
        else
            while (sdb_child_wait(child, 0, NULL) == -ETIMEDOUT)
                ;
        sdb_child_close(child);
    }
    for (int i = 0; i < OTHERS; i++) {
        ck_assert_int_eq(waitpid(others[i], &status, WNOHANG), others[i]);
        ck_assert_int_eq(WEXITSTATUS(status), 50 + i);
    }
}

/* What there is to know of a child that somebody else has reaped. */
static void expect_stolen(struct sdb_child *child, uint32_t how, int code)
{
    for (int i = 0; i < 2; i++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        int rc = sdb_child_wait(child, i == 0 ? PATIENCE_MS : 0, &status);

        if (!status_is_kept(child)) {
            ck_assert_int_eq(rc, -ECHILD);
            continue;
        }
        ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
        ck_assert_int_eq(status.pid, sdb_child_pid(child));
        expect_status(&status, how, code);
        ck_assert_uint_eq(status.flags & SDB_EXIT_NO_USAGE, SDB_EXIT_NO_USAGE);
        ck_assert_uint_eq(status.user_time_us | status.system_time_us | status.max_resident_kib |
                              status.minor_faults | status.voluntary_switches,
                          0);
    }
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), -ESRCH);
}

static void ignore_sigchld(bool by_flag)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct sigaction no_zombies = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};

    ck_assert_int_eq(sigaction(SIGCHLD, by_flag ? &no_zombies : &ignore, NULL), 0);
}

LOOP_TEST(the_status_is_found_though_the_host_ignores_sigchld, 0, 2 * WAYS)
{
    ignore_sigchld(_i >= WAYS);
    /* Each time the wait comes at another moment of the child's end. */
    for (int round = 0; round < 300; round++) {
        struct sdb_child *child = launch_exit(_i, round % 256);

        if (round % 3 == 0)
            await_child_end(child);
        if (round % 3 == 1)
            sched_yield();
        expect_stolen(child, SDB_EXITED, round % 256);
        sdb_child_close(child);
    }
    signal(SIGCHLD, SIG_DFL);
}

LOOP_TEST(children_of_a_host_that_ignores_sigchld_can_be_ended, 0, 2 * WAYS)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child;
    int expected;

    ignore_sigchld(_i >= WAYS);
    child = launch_ending_ready(_i, "comply", "6");
    expected = status_is_kept(child) ? 0 : -ECHILD;
    ck_assert_int_eq(sdb_child_wait(child, 10, NULL), -ETIMEDOUT);
    ck_assert_int_eq(sdb_child_terminate(child, PATIENCE_MS, -1, &status), expected);
    expect_stolen(child, SDB_EXITED, 6);
    sdb_child_close(child);

    child = launch_ending_ready(_i, "refuse", NULL);
    ck_assert_int_eq(sdb_child_terminate(child, 10, -1, &status), expected);
    expect_stolen(child, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
    signal(SIGCHLD, SIG_DFL);
}

TEST(the_status_is_found_though_the_host_has_taken_it)
{
    struct sdb_child *child = launch_dying(_i, SIGSEGV, 0, NULL);
    int status;

    ck_assert_int_eq(waitpid(-1, &status, 0), sdb_child_pid(child));
    expect_stolen(child, SDB_KILLED, SIGSEGV);
    sdb_child_close(child);

    child = launch_exit(_i, 12);
    ck_assert_int_eq(waitpid(-1, &status, 0), sdb_child_pid(child));
    sdb_child_close(child); /* never waited for */
}

struct thief {
    pthread_t thread;
    atomic_bool stop;
    int taken;
};

/* Waits for any child, as badly behaved libraries do. */
static void *take_any(void *data)
{
    struct thief *thief = data;

    while (!atomic_load(&thief->stop)) {
        if (waitpid(-1, NULL, 0) > 0)
            thief->taken++;
        else
            sched_yield();
    }
    return NULL;
}

TEST(the_status_is_found_though_another_thread_waits_for_any_child)
{
    struct thief thief = {.taken = 0};
    int round;

    ck_assert_int_eq(pthread_create(&thief.thread, NULL, take_any, &thief), 0);
    for (round = 0; round < 500; round++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct sdb_child *child = launch_exit(_i, round % 256);
        int rc = sdb_child_wait(child, round % 2 ? -1 : PATIENCE_MS, &status);

        if (rc != -ECHILD || status_is_kept(child)) {
            ck_assert_msg(rc == 0, "wait in round %d: %s", round, sdb_error_describe(rc));
            expect_status(&status, SDB_EXITED, round % 256);
        }
        ck_assert_int_eq(sdb_child_kill(child, 0), -ESRCH);
        sdb_child_close(child);
    }
    atomic_store(&thief.stop, true);
    pthread_join(thief.thread, NULL);
}

int main(void)
{
    return run_suite("child_wait");
}
