/* SPDX-License-Identifier: MIT */
/*
 * Waiting: its deadline, what ends it early and what does not, and whose events it tells.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "holding.h"
#include "host.h"

HOLDING_CASE(deadlines);

SESSION_TEST(deadlines_are_kept)
{
    static const int timeouts_ms[] = {0, 1, 50, 200};
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target = launch_target("wait", NULL, NULL);

    for (size_t i = 0; i < sizeof(timeouts_ms) / sizeof(timeouts_ms[0]); i++) {
        int64_t begun = host_now_ms();

        ck_assert_int_eq(sdb_session_wait(session, timeouts_ms[i], &event), -ETIMEDOUT);
        ck_assert_int_ge(host_now_ms() - begun, timeouts_ms[i] - 1);
    }
    ck_assert_uint_eq(event.kind, SDB_EVENT_NONE);
    finish_with(&target);
}

SESSION_TEST(wait_says_when_there_is_nothing_to_wait_for)
{
    struct sdb_event event = SDB_EVENT_INIT;

    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -ECHILD);
    ck_assert_int_eq(sdb_session_wait(NULL, -1, &event), -EINVAL);
    ck_assert_int_eq(sdb_session_wait(session, -1, NULL), -EINVAL);
    event.size--;
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINVAL);
    finish();
}

HOLDING_CASE(interrupts);

static void *interrupt_soon(void *pid)
{
    /* Once the tracer sleeps. */
    await_state(*(int *)pid, 'S');
    ck_assert_int_eq(sdb_session_interrupt(session), 0);
    return NULL;
}

TEST(an_interrupt_from_another_thread_ends_a_wait)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;
    pthread_t thread;
    int own_tid = (int)syscall(SYS_gettid);

    begin(_i);
    target = launch_target("wait", NULL, NULL);
    for (int round = 0; round < 50; round++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_soon, &own_tid), 0);
        ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
        pthread_join(thread, NULL);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ETIMEDOUT);
    }
    finish_with(&target);
}

SESSION_TEST(interrupts_before_a_wait_end_it_once)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;

    ck_assert_int_eq(sdb_session_interrupt(NULL), -EINVAL);
    target = launch_target("wait", NULL, NULL);
    for (int round = 0; round < 20; round++) {
        ck_assert_int_eq(sdb_session_interrupt(session), 0);
        ck_assert_int_eq(sdb_session_interrupt(session), 0);
        ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
        ck_assert_int_eq(sdb_session_wait(session, 5, &event), -ETIMEDOUT);
    }
    finish_with(&target);
}

SESSION_TEST(an_interrupt_during_a_launch_is_kept_for_the_wait)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;

    sdb_session_interrupt(session);
    target = launch_target("exit", "0", NULL);
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
    finish_with(&target);
}

HOLDING_CASE(signals);

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void on_alarm_interrupt(int signal)
{
    (void)signal;
    sdb_session_interrupt(session);
}

static void alarm_every(long interval_us, void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler};
    const struct itimerspec time = {.it_interval = {.tv_nsec = interval_us * 1000},
                                    .it_value = {.tv_nsec = interval_us * 1000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    timer_t timer;

    sigaction(SIGALRM, &action, NULL);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &time, NULL), 0);
}

SESSION_TEST(signals_in_the_host_neither_end_a_wait_nor_shorten_it)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target = launch_target("wait", NULL, NULL);
    int64_t begun;

    alarm_every(1000, on_alarm);
    begun = host_now_ms();
    ck_assert_int_eq(sdb_session_wait(session, 200, &event), -ETIMEDOUT);
    ck_assert_int_ge(host_now_ms() - begun, 199);
    ck_assert_int_gt(alarms, 10);
    signal(SIGALRM, SIG_IGN);
    finish_with(&target);
}

SESSION_TEST(a_signal_handler_can_interrupt_a_wait)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target = launch_target("wait", NULL, NULL);

    alarm_every(2000, on_alarm_interrupt);
    for (int round = 0; round < 50; round++)
        ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
    signal(SIGALRM, SIG_IGN);
    finish_with(&target);
}

HOLDING_CASE(processes);

SESSION_TEST(children_of_the_host_are_left_to_it)
{
    struct target target;
    siginfo_t info;
    int status;
    pid_t zombie;

    zombie = fork();
    if (zombie == 0)
        _exit(33);
    ck_assert_int_eq(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
    target = launch_running("exit", "1", NULL);
    expect_exit(SDB_EXITED, 1);
    ck_assert_int_eq(waitpid(zombie, &status, WNOHANG), zombie);
    ck_assert_int_eq(WEXITSTATUS(status), 33);
    finish_with(&target);
}

SESSION_TEST(events_of_several_processes_are_all_told)
{
    enum { COUNT = 20 };
    struct target targets[COUNT];
    bool seen[COUNT] = {false};

    for (int i = 0; i < COUNT; i++) {
        char code[8];

        snprintf(code, sizeof(code), "%d", i);
        targets[i] = launch_target("exit", code, NULL);
    }
    for (int i = 0; i < COUNT; i++)
        resume_process(targets[i].process);
    for (int i = 0; i < COUNT; i++) {
        struct sdb_event event = expect(SDB_EVENT_EXITED);
        int code = event.status->code;

        ck_assert_int_eq(event.status->pid, targets[code].pid);
        ck_assert(!seen[code]);
        seen[code] = true;
        close_target(&targets[code]);
    }
    finish();
}

int main(void)
{
    return run_suite("session_wait");
}
