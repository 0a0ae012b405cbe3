/* SPDX-License-Identifier: MIT */
/*
 * The events of a program of one thread: signals, group-stops, programs that it executes,
 * interrupts, steps; and what counts while the caller has not been told yet.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "holding.h"

#define STATIC_TARGET SDB_TRACEE_DIR "/target_static"

HOLDING_CASE(signals);

SESSION_TEST(a_signal_is_reported_and_reaches_the_program)
{
    struct target target = launch_ready("catch", "10", "7");
    struct sdb_event event;
    siginfo_t info;

    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, &info, sizeof(info)), 0);
    ck_assert_int_eq(info.si_signo, SIGUSR1);
    ck_assert_int_eq(info.si_pid, getpid());
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, &info, sizeof(info) - 1), -EINVAL);
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, NULL, sizeof(info)), -EINVAL);
    resume(&event);
    finish_exited(&target, 7);
}

SESSION_TEST(a_signal_can_be_dropped)
{
    struct target target = launch_running("raise", "10", NULL);
    struct sdb_event event = expect_signal(SIGUSR1);

    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 0), 0);
    finish_exited(&target, 0);
}

SESSION_TEST(a_signal_can_be_replaced)
{
    struct target target = launch_running("raise", "10", NULL);
    struct sdb_event event = expect_signal(SIGUSR1);

    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 65), -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, -2), -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, SIGTERM), 0);
    expect_exit(SDB_KILLED, SIGTERM);
    finish_with(&target);
}

SESSION_TEST(a_signal_cannot_be_given_where_none_was_coming)
{
    struct target target = launch_target("exit", "0", NULL);

    ck_assert_int_eq(
        sdb_thread_resume(sdb_process_thread(target.process), SDB_RESUME_CONTINUE, SIGTERM),
        -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(sdb_process_thread(target.process), (enum sdb_resume)9, 0),
                     -EINVAL);
    finish_with(&target);
}

SESSION_TEST(death_by_signal_is_told)
{
    struct target target = launch_running("raise", "11", NULL);

    resume_from_signal(SIGSEGV);
    expect_exit(SDB_KILLED, SIGSEGV);
    finish_with(&target);
}

SESSION_TEST(a_sigcont_to_a_running_process_is_a_signal_and_nothing_else)
{
    struct target target = launch_ready("catch", "18", "4");

    await_state(target.pid, 'S');
    kill(target.pid, SIGCONT);
    resume_from_signal(SIGCONT);
    finish_exited(&target, 4);
}

HOLDING_CASE(group_stops);

SESSION_TEST(a_group_stop_is_kept_until_sigcont)
{
    struct target target = launch_ready("catch", "10", "9");
    struct sdb_event event;

    kill(target.pid, SIGSTOP);
    resume_from_signal(SIGSTOP);
    event = expect(SDB_EVENT_GROUP_STOP);
    ck_assert_int_eq(event.signal, SIGSTOP);
    resume(&event);

    /* It stays stopped, and nothing comes. */
    ck_assert_int_eq(sdb_session_wait(session, 50, &event), -ETIMEDOUT);
    ck_assert_int_eq(state_of(target.pid), 't');

    kill(target.pid, SIGCONT);
    resume_from(SDB_EVENT_GROUP_CONTINUE);
    resume_from_signal(SIGCONT);
    kill(target.pid, SIGUSR1);
    resume_from_signal(SIGUSR1);
    finish_exited(&target, 9);
}

SESSION_TEST(a_sigcont_while_the_group_stop_is_looked_at_is_not_lost)
{
    struct target target = launch_ready("catch", "18", "4");
    struct sdb_event event;

    kill(target.pid, SIGTSTP);
    resume_from_signal(SIGTSTP);
    event = expect(SDB_EVENT_GROUP_STOP);
    ck_assert_int_eq(event.signal, SIGTSTP);
    kill(target.pid, SIGCONT);
    resume(&event);
    resume_from(SDB_EVENT_GROUP_CONTINUE);
    resume_from_signal(SIGCONT);
    finish_exited(&target, 4);
}

HOLDING_CASE(others);

SESSION_TEST(an_exec_is_told_once)
{
    struct target target = launch_running("exec", "6", NULL);
    struct sdb_event event = expect(SDB_EVENT_EXEC);

    ck_assert_ptr_eq(event.process, target.process);
    resume(&event);
    finish_exited(&target, 6);
}

SESSION_TEST(an_interrupt_stops_a_running_thread_once)
{
    static const char *const doing[] = {"wait", "spin"};
    struct sdb_event event;

    for (size_t i = 0; i < 2; i++) {
        struct target target = launch_target(doing[i], NULL, NULL);
        struct sdb_thread *thread = sdb_process_thread(target.process);

        resume_process(target.process);
        wait_ready(&target);
        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        event = expect(SDB_EVENT_INTERRUPT);
        ck_assert_int_eq(sdb_thread_interrupt(thread), -EALREADY);
        resume(&event);
        ck_assert_int_eq(sdb_session_wait(session, 20, &event), -ETIMEDOUT);
        ck_assert_int_eq(sdb_process_kill(target.process), 0);
        expect_exit(SDB_KILLED, SIGKILL);
        close_target(&target);
    }
    finish();
}

/* The kernel keeps an interrupt that came too late, and it would fire after the next resume. */
TEST(an_interrupt_that_another_event_came_before_is_not_told_later)
{
    begin(_i);
    for (int round = 0; round < 100; round++) {
        struct target target = launch_ready("catch", "10", "7");
        await_state(target.pid, 'S');
        kill(target.pid, SIGUSR1);
        await_state(target.pid, 't'); /* it has stopped, and the session has not seen it yet */
        ck_assert_int_eq(sdb_thread_interrupt(sdb_process_thread(target.process)), 0);
        resume_from_signal(SIGUSR1);
        expect_exit(SDB_EXITED, 7);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(a_sleep_goes_on_after_an_interrupt)
{
    struct target target = launch_ready("nap", "300", NULL);

    await_state(target.pid, 'S');
    ck_assert_int_eq(sdb_thread_interrupt(sdb_process_thread(target.process)), 0);
    resume_from(SDB_EVENT_INTERRUPT);
    finish_exited(&target, 0);
}

SESSION_TEST(steps_move_by_one_instruction)
{
    const char *argv[] = {STATIC_TARGET, "exit", "0", NULL};
    uint64_t last = 0;
    uint64_t address = 0;
    struct target target = launch_program(STATIC_TARGET, argv);
    struct sdb_event event;

    ck_assert_int_eq(sdb_thread_pc(sdb_process_thread(target.process), &last), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(sdb_thread_resume(sdb_process_thread(target.process), SDB_RESUME_STEP, 0),
                         0);
        event = expect(SDB_EVENT_STEP);
        ck_assert_int_eq(sdb_thread_pc(event.thread, &address), 0);
        /* An instruction has at most 15 bytes; where it jumps, it can go anywhere. */
        ck_assert_msg(i > 0 || (address > last && address - last <= 15), "%lx -> %lx", (long)last,
                      (long)address);
        last = address;
    }
    resume(&event);
    finish_exited(&target, 0);
}

HOLDING_CASE(untold);

TEST(a_stop_counts_once_it_is_told)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;
    uint64_t address;
    pid_t other = fork_waiting();

    begin(_i);
    target = launch_target("catch", "10", "7");
    thread = sdb_process_thread(target.process);
    resume_process(target.process);
    wait_ready(&target);
    await_state(target.pid, 'S');
    kill(target.pid, SIGUSR1);
    await_state(target.pid, 't');
    attach(other); /* sees the stop, and keeps it for later */

    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_RUNNING);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), -EBUSY);
    ck_assert_int_eq(sdb_thread_pc(thread, &address), -EBUSY);
    ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
    resume(&event);
    expect_exit(SDB_EXITED, 7);
    close_target(&target);
    finish();
    end_child(other);
}

TEST(waiting_for_a_child_takes_no_stop_from_the_session)
{
    struct target target = start_target("catch", "10", "7");

    wait_ready(&target);
    begin(_i);
    resume_process(attach(target.pid));
    kill(target.pid, SIGUSR1);
    await_state(target.pid, 't');
    ck_assert_int_eq(sdb_child_wait(target.child, 0, NULL), -ETIMEDOUT);
    resume_from_signal(SIGUSR1);
    finish_exited(&target, 7);
}

int main(void)
{
    return run_suite("session_events");
}
