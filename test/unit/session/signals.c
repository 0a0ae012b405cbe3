/* SPDX-License-Identifier: MIT */
/*
 * Signals of a process with threads: what is told of them and what reaches the program, as the policy
 * says.  Those that stop a process are in group_stop.c.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"
#include "host.h"

#define CREW 2

static void set_policy(int signal, enum sdb_signal_policy policy)
{
    ck_assert_int_eq(sdb_session_set_signal_policy(session, signal, policy), 0);
}

/* Send a signal to the thread at this place. */
static void send(const struct target *target, int place, int signal)
{
    ck_assert_int_eq(syscall(SYS_tgkill, target->pid, tid_at(target->board, place), signal), 0);
}

/* So many signals must reach the handler of this place, while the session tells nothing. */
static void expect_caught(const struct target *target, int place, uint64_t count)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (target->board->signals[place] < count && host_now_ms() < end)
        expect_nothing();
    expect_nothing();
    ck_assert_uint_eq(target->board->signals[place], count);
}

static void expect_all_still(const struct target *target)
{
    for (int i = 0; i <= CREW; i++)
        expect_standstill(target->board, i);
}

HOLDING_CASE(policies);

SESSION_TEST(policies_that_cannot_be_are_refused)
{
    ck_assert_int_eq(sdb_session_set_signal_policy(NULL, SIGUSR1, SDB_POLICY_DROP), -EINVAL);
    ck_assert_int_eq(sdb_session_set_signal_policy(session, -1, SDB_POLICY_DROP), -EINVAL);
    ck_assert_int_eq(sdb_session_set_signal_policy(session, 65, SDB_POLICY_DROP), -EINVAL);
    ck_assert_int_eq(sdb_session_set_signal_policy(session, SIGKILL, SDB_POLICY_DROP), -EINVAL);
    ck_assert_int_eq(sdb_session_set_signal_policy(session, SIGKILL, SDB_POLICY_REPORT), -EINVAL);
    ck_assert_int_eq(sdb_session_set_signal_policy(session, SIGUSR1, (enum sdb_signal_policy)3),
                     -EINVAL);
    ck_assert_int_eq(sdb_session_set_signal_policy(session, 64, SDB_POLICY_DROP), 0);
    ck_assert_int_eq(sdb_session_set_signal_policy(session, 1, SDB_POLICY_DROP), 0);
    finish();
}

SESSION_TEST(a_signal_is_told_with_its_sender)
{
    siginfo_t info = {0};
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    send(&target, 2, SIGUSR2);
    event = expect_signal(SIGUSR2);
    ck_assert_ptr_eq(event.thread, crew_thread(&target, 2));
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, &info, sizeof(info)), 0);
    ck_assert_int_eq(info.si_signo, SIGUSR2);
    ck_assert_int_eq(info.si_code, SI_TKILL);
    ck_assert_int_eq(info.si_pid, getpid());
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, &info, sizeof(info) - 1), -EINVAL);
    ck_assert_int_eq(sdb_thread_siginfo(crew_thread(&target, 1), &info, sizeof(info)), -EBUSY);
    resume(&event);
    expect_caught(&target, 2, 1);
    ck_assert_uint_eq(target.board->signals[1], 0);
    stop_thread(crew_thread(&target, 1));
    ck_assert_int_eq(sdb_thread_siginfo(crew_thread(&target, 1), &info, sizeof(info)), -EINVAL);
    finish_with(&target);
}

SESSION_TEST(a_signal_that_is_passed_reaches_the_program_without_a_word)
{
    struct target target = launch_turning_crew(CREW);

    set_policy(SIGUSR1, SDB_POLICY_PASS);
    for (int i = 1; i <= CREW; i++) {
        send(&target, i, SIGUSR1);
        expect_caught(&target, i, 1);
        expect_turns(target.board, i, 2);
    }
    set_policy(SIGUSR1, SDB_POLICY_REPORT);
    send(&target, 1, SIGUSR1);
    expect_signal(SIGUSR1);
    finish_with(&target);
}

SESSION_TEST(a_signal_that_is_dropped_reaches_nobody)
{
    struct target target = launch_turning_crew(CREW);

    set_policy(SIGUSR1, SDB_POLICY_DROP);
    set_policy(SIGUSR2, SDB_POLICY_PASS);
    set_policy(SIGTERM, SDB_POLICY_DROP);
    for (uint64_t i = 1; i <= 5; i++) {
        send(&target, 1, SIGTERM);
        send(&target, 1, SIGUSR1); /* it comes before the other */
        send(&target, 1, SIGUSR2);
        expect_caught(&target, 1, i);
    }
    expect_turns(target.board, 1, 2);
    finish_with(&target);
}

SESSION_TEST(a_policy_may_be_for_all_signals)
{
    struct target target = launch_turning_crew(CREW);

    set_policy(0, SDB_POLICY_DROP);
    send(&target, 1, SIGTERM);
    send(&target, 1, SIGSTOP);
    send(&target, 1, SIGRTMAX);
    send(&target, 1, SIGUSR1);
    expect_nothing();
    expect_turns(target.board, 1, 2);
    ck_assert_uint_eq(target.board->signals[1], 0);

    set_policy(0, SDB_POLICY_PASS);
    send(&target, 1, SIGUSR1);
    send(&target, 2, SIGUSR2);
    expect_caught(&target, 1, 1);
    expect_caught(&target, 2, 1);

    set_policy(0, SDB_POLICY_REPORT);
    send(&target, 1, SIGUSR1);
    expect_signal(SIGUSR1);

    set_policy(0, SDB_POLICY_PASS);
    ck_assert_int_eq(kill(target.pid, SIGTERM), 0);
    for (int i = 0; i < CREW; i++)
        expect_thread_exit(SDB_KILLED, SIGTERM);
    expect_exit(SDB_KILLED, SIGTERM);
    finish_with(&target);
}

SESSION_TEST(a_kill_is_never_dropped)
{
    struct target target = launch_crew(0);

    set_policy(0, SDB_POLICY_DROP);
    ck_assert_int_eq(kill(target.pid, SIGKILL), 0);
    expect_exit(SDB_KILLED, SIGKILL);
    finish_with(&target);
}

SESSION_TEST(a_policy_holds_for_newborns_and_after_an_exec)
{
    struct target target;

    set_policy(SIGTERM, SDB_POLICY_DROP);
    target = crew_that_follows(1, SDB_FOLLOW_ALL);
    order(&target, 0, 'f');
    run_births(1, NULL);
    ck_assert_int_eq(kill(await_child_of(&target), SIGTERM), 0);
    expect_nothing();
    set_gate(target.board, true);
    expect_exit(SDB_EXITED, 3);
    expect_result(&target, 3);
    order(&target, 1, 'x');
    expect(SDB_EVENT_THREAD_EXIT);
    resume_from(SDB_EVENT_EXEC);
    wait_ready(&target);
    ck_assert_int_eq(kill(target.pid, SIGTERM), 0);
    expect_nothing();
    close_input(&target);
    finish_exited(&target, 9);
}

SESSION_TEST(a_signal_that_is_passed_does_not_use_an_interrupt_up)
{
    struct target target = launch_turning_crew(CREW);

    set_policy(SIGUSR1, SDB_POLICY_PASS);
    for (uint64_t i = 1; i <= 10; i++) {
        struct sdb_event event;

        /* The interrupt comes before the signal, or while the thread stands because of it. */
        send(&target, 1, SIGUSR1);
        if (i % 2 == 0)
            await_state(tid_at(target.board, 1), 't');
        ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, 1)), 0);
        event = expect_of(SDB_EVENT_INTERRUPT, crew_thread(&target, 1));
        expect_standstill(target.board, 1);
        resume(&event);
        expect_caught(&target, 1, 2 * i - 1);

        send(&target, 1, SIGUSR1);
        if (i % 2 == 0)
            await_state(tid_at(target.board, 1), 't');
        stop_process(target.process);
        expect_all_still(&target);
        expect_nothing();
        expect_all_still(&target);
        resume_process(target.process);
        expect_caught(&target, 1, 2 * i);
    }
    finish_with(&target);
}

/* The window between a signal and its stop is narrow, so it is tried often. */
SESSION_TEST(an_interrupt_in_a_flood_of_passed_signals_is_told)
{
    struct target target;
    struct sdb_thread *busy;

    set_policy(SIGUSR1, SDB_POLICY_PASS);
    target = launch_threads("flood", "2", NULL);
    resume_process(target.process);
    run_births(2, NULL);
    busy = crew_thread(&target, 1);
    for (int i = 0; i < 1000; i++) {
        struct sdb_event event;

        ck_assert_int_eq(sdb_thread_interrupt(busy), 0);
        event = expect_of(SDB_EVENT_INTERRUPT, busy);
        ck_assert_int_eq(state_of(sdb_thread_tid(busy)), 't');
        resume(&event);
    }
    for (int i = 0; i < 200; i++) {
        stop_process(target.process);
        for (int place = 0; place <= 2; place++)
            ck_assert_int_eq(state_of(tid_at(target.board, place)), 't');
        resume_process(target.process);
    }
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_signals");
}
