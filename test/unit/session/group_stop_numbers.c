/* SPDX-License-Identifier: MIT */
/*
 * Each group-stop is told once by each thread that stops in it, whatever the threads were made to do
 * against one before, or in between.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"

#define CREW   2
#define ROUNDS 5

static void expect_all_still(const struct target *target)
{
    for (int i = 0; i <= CREW; i++)
        expect_standstill(target->board, i);
}

/* Resume what comes until the signal was told, and so many threads have told this. */
static void await_told(int signal, uint32_t kind, int count)
{
    bool was_told = false;

    while (count > 0 || !was_told) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_SIGNAL) {
            ck_assert_int_eq(event.signal, signal);
            ck_assert(!was_told);
            was_told = true;
        } else {
            ck_assert_uint_eq(event.kind, kind);
            count--;
        }
        resume(&event);
    }
    ck_assert_int_eq(count, 0);
}

static void stop_group(const struct target *target)
{
    ck_assert_int_eq(kill(target->pid, SIGSTOP), 0);
    await_told(SIGSTOP, SDB_EVENT_GROUP_STOP, CREW + 1);
    expect_nothing();
}

static void continue_group(const struct target *target, int listening)
{
    ck_assert_int_eq(kill(target->pid, SIGCONT), 0);
    await_told(SIGCONT, SDB_EVENT_GROUP_CONTINUE, listening);
    expect_nothing();
    expect_all_turn(target->board, 1, CREW, 2);
}

static void send_to(const struct target *target, int place, int signal)
{
    const int tid = tid_at(target->board, place);

    ck_assert_int_eq((int)syscall(SYS_tgkill, target->pid, tid, signal), 0);
}

/* Have all of its threads stand still for a moment, and go on as they did. */
static void pause_all(const struct target *target)
{
    ck_assert_int_eq(sdb_process_catch_syscalls(target->process, 0, NULL, 0), 0);
}

HOLDING_CASE(numbers);

SESSION_TEST(group_stops_after_a_step_against_one_are_told_and_kept)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_thread *thread = crew_thread(&target, 1);

    stop_group(&target);
    for (int i = 0; i < ROUNDS; i++) {
        struct sdb_event event;

        stop_process(target.process);
        step_to(thread, SDB_EVENT_STEP);
        ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
        resume_process(target.process);
        await_told(SIGCONT, SDB_EVENT_GROUP_CONTINUE, CREW);
        expect_nothing();
        expect_all_turn(target.board, 1, CREW, 2);

        send_to(&target, 1, SIGSTOP);
        event = expect_signal(SIGSTOP);
        resume(&event);
        pause_all(&target); /* in which it is seen that they are stopped */
        for (int told = 0; told <= CREW; told++)
            resume_from(SDB_EVENT_GROUP_STOP);
        pause_all(&target);
        expect_nothing();
        expect_all_still(&target);
    }
    continue_group(&target, CREW + 1);
    finish_with(&target);
}

SESSION_TEST(whoever_goes_on_after_a_step_against_a_group_stop_is_in_it_again)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_thread *thread = crew_thread(&target, 1);

    stop_group(&target);
    stop_process(target.process);
    step_to(thread, SDB_EVENT_STEP);
    pause_all(&target);
    step_to(thread, SDB_EVENT_STEP);
    resume_process(target.process);
    expect_nothing();
    expect_all_still(&target);
    pause_all(&target);
    expect_nothing();
    expect_all_still(&target);
    continue_group(&target, CREW + 1);
    finish_with(&target);
}

SESSION_TEST(whoever_runs_against_a_group_stop_does_so_after_a_moment_of_rest)
{
    struct target target = launch_turning_crew(CREW);

    stop_group(&target);
    stop_process(target.process);
    ck_assert_int_eq(sdb_thread_resume(crew_thread(&target, 1), SDB_RESUME_CONTINUE, 0), 0);
    for (int i = 0; i < ROUNDS; i++) {
        pause_all(&target);
        expect_turns(target.board, 1, 5);
        expect_standstill(target.board, 0);
        expect_standstill(target.board, 2);
    }
    expect_nothing();
    finish_with(&target);
}

SESSION_TEST(an_interrupt_in_a_group_stop_is_no_other_group_stop)
{
    struct target target = launch_turning_crew(CREW);

    stop_group(&target);
    for (int i = 0; i < ROUNDS; i++) {
        stop_thread(crew_thread(&target, 1));
        resume_thread(crew_thread(&target, 1), SDB_RESUME_CONTINUE);
        expect_nothing();
        expect_all_still(&target);
    }
    continue_group(&target, CREW + 1);
    finish_with(&target);
}

SESSION_TEST(a_stop_signal_in_a_group_stop_is_no_other_group_stop)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_thread *thread = crew_thread(&target, 1);
    struct sdb_event event;

    stop_group(&target);
    stop_process(target.process);
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, 0), 0);
    expect_turns(target.board, 1, 2);
    send_to(&target, 1, SIGSTOP);
    event = expect_of(SDB_EVENT_SIGNAL, thread);
    resume_process(target.process);
    ck_assert_int_eq(event.signal, SIGSTOP);
    expect_nothing();
    expect_all_still(&target);
    continue_group(&target, CREW + 1);
    finish_with(&target);
}

/* The kernel tells who stood all the time of the second one only. */
SESSION_TEST(whoever_stands_through_the_end_of_a_group_stop_tells_the_next)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_thread *thread = crew_thread(&target, 1);
    struct sdb_event event;

    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    resume_from_signal(SIGSTOP);
    for (int i = 0; i <= CREW; i++) {
        event = expect(SDB_EVENT_GROUP_STOP);
        if (event.thread != thread)
            resume(&event);
    }
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    await_told(SIGCONT, SDB_EVENT_GROUP_CONTINUE, CREW);
    expect_turns(target.board, 2, 2);
    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    await_told(SIGSTOP, SDB_EVENT_GROUP_STOP, CREW);
    expect_nothing();
    resume_thread(thread, SDB_RESUME_CONTINUE);
    (void)expect_of(SDB_EVENT_GROUP_STOP, thread);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    expect_nothing();
    expect_all_still(&target);
    continue_group(&target, CREW + 1);
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_group_stop_numbers");
}
