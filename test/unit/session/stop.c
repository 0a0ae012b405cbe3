/* SPDX-License-Identifier: MIT */
/*
 * All threads of a process standing still: before an event is told (all-stop), and when the caller says
 * so.  What has happened to them meanwhile is told later.  What cannot stop is not waited for: see
 * vfork.c and first_thread.c.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"

#define CREW 4

static void expect_all_still(const struct target *target)
{
    for (int i = 0; i <= CREW; i++) {
        expect_standstill(target->board, i);
        ck_assert_int_eq(sdb_thread_state(crew_thread(target, i)), SDB_THREAD_STOPPED);
    }
}

static void expect_all_run(const struct target *target)
{
    for (int i = 1; i <= CREW; i++) {
        expect_turns(target->board, i, 2);
        ck_assert_int_eq(sdb_thread_state(crew_thread(target, i)), SDB_THREAD_RUNNING);
    }
}

static void set_all_stop(const struct target *target)
{
    ck_assert_int_eq(sdb_process_set_stop_mode(target->process, SDB_ALL_STOP), 0);
}

static void stop_all(const struct target *target)
{
    stop_process(target->process);
}

HOLDING_CASE(all_stop);

SESSION_TEST(all_stand_still_when_an_event_is_told)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    set_all_stop(&target);
    for (int i = 1; i <= CREW; i++) {
        order(&target, i, 'k');
        event = expect_signal(SIGUSR1);
        ck_assert_ptr_eq(event.thread, crew_thread(&target, i));
        expect_all_still(&target);
        expect_nothing();
        expect_all_still(&target);
        resume(&event);
        order(&target, i, 't');
        expect_all_run(&target);
        ck_assert_uint_eq(target.board->signals[i], 1);
    }
    finish_with(&target);
}

SESSION_TEST(all_stand_still_when_one_was_interrupted_or_has_ended)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    set_all_stop(&target);
    ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, 2)), 0);
    event = expect_of(SDB_EVENT_INTERRUPT, crew_thread(&target, 2));
    expect_all_still(&target);
    resume(&event);
    expect_all_run(&target);

    order(&target, 1, 'e');
    event = expect_thread_exit(SDB_EXITED, 1);
    for (int i = 2; i <= CREW; i++)
        expect_standstill(target.board, i);
    expect_standstill(target.board, 0);
    resume(&event);
    expect_all_turn(target.board, 2, CREW, 2);
    finish_with(&target);
}

SESSION_TEST(one_can_be_resumed_while_all_stand)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    set_all_stop(&target);
    order(&target, 3, 'k');
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(
        sdb_thread_resume(crew_thread(&target, 1), SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS), 0);
    expect_turns(target.board, 1, 5);
    for (int i = 2; i <= CREW; i++)
        expect_standstill(target.board, i);

    /* Its own event stops it again, and the others still stand. */
    stop_thread(crew_thread(&target, 1));
    expect_all_still(&target);
    resume(&event);
    order(&target, 3, 't');
    expect_all_run(&target);
    finish_with(&target);
}

/* Each thread's signals are numbered by its turns: each must be told, once. */
SESSION_TEST(events_of_others_are_told_later_and_not_lost)
{
    int told[CREW + 1] = {0};
    int begun = 0;
    struct target target = launch_threads("flood", "4", NULL);

    set_all_stop(&target);
    resume_process(target.process);
    for (int count = 0; count < 1000 || begun < CREW; count++) {
        struct sdb_event event = next_event();

        for (struct sdb_thread *thread = sdb_process_next_thread(target.process, NULL); thread;
             thread = sdb_process_next_thread(target.process, thread)) {
            ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
            ck_assert_int_eq(state_of(sdb_thread_tid(thread)), 't');
        }
        if (event.kind == SDB_EVENT_START)
            sdb_thread_set_data(event.thread, &told[++begun]);
        else if (event.kind == SDB_EVENT_SIGNAL)
            ++*(int *)sdb_thread_data(event.thread);
        else
            ck_assert_uint_eq(event.kind, SDB_EVENT_CLONE);
        resume(&event);
    }
    stop_all(&target);
    for (int i = 1; i <= CREW; i++) {
        const int *count = sdb_thread_data(crew_thread(&target, i));

        ck_assert_int_gt(*count, 0);
        ck_assert_int_le(*count, (int)target.board->turns[i]);
        ck_assert_int_ge(*count, (int)target.board->turns[i] - 2); /* not told, and not raised */
    }
    finish_with(&target);
}

SESSION_TEST(other_processes_run_on)
{
    struct target target = launch_turning_crew(CREW);
    struct target other = launch_turning_crew(CREW);

    set_all_stop(&target);
    order(&target, 3, 'k');
    expect_signal(SIGUSR1);
    expect_all_still(&target);
    expect_all_run(&other);
    finish_with(&target);
    close_target(&other);
}

SESSION_TEST(a_newborn_process_stops_as_its_parent_does)
{
    struct sdb_thread *newborn = NULL;
    struct target target = crew_that_follows(CREW, SDB_FOLLOW_ALL);
    struct sdb_event event;

    set_all_stop(&target);
    order(&target, 0, 'f');
    event = expect(SDB_EVENT_FORK);
    for (int i = 1; i <= CREW; i++)
        ck_assert_int_eq(state_of(tid_at(target.board, i)), 't');
    newborn = event.new_thread;
    resume(&event);
    event = expect_of(SDB_EVENT_START, newborn);
    for (int i = 1; i <= CREW; i++) /* an event of another process */
        ck_assert_int_ne(state_of(tid_at(target.board, i)), 't');
    resume(&event);
    set_gate(target.board, true);
    event = expect_exit(SDB_EXITED, 3);
    ck_assert_int_eq(sdb_event_resume(&event), 0);
    expect_result(&target, 3);
    finish_with(&target);
}

SESSION_TEST(an_end_of_all_is_told_in_all_stop)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    set_all_stop(&target);
    order(&target, 0, 'q');
    for (int i = 0; i < CREW; i++) {
        event = expect_thread_exit(SDB_EXITED, 0);
        (void)sdb_event_resume(&event); /* there may be nobody left to resume */
    }
    finish_exited(&target, 0);
}

/* On its way through the exec a thread waits for the others' ends, and cannot stop. */
SESSION_TEST(an_exec_is_told_in_all_stop)
{
    for (int place = 0; place <= 2; place += 2) {
        struct target target = launch_turning_crew(CREW);
        struct sdb_thread *thread = crew_thread(&target, place);
        struct sdb_event event;

        set_all_stop(&target);
        order(&target, place, 'x');
        for (int i = 0; i < CREW; i++) {
            event = expect(SDB_EVENT_THREAD_EXIT);
            ck_assert_ptr_ne(event.thread, thread);
            (void)sdb_event_resume(&event);
        }
        event = expect_of(SDB_EVENT_EXEC, thread);
        resume(&event);
        wait_ready_held(&target); /* a stop may still be on its way, which nobody wants any more */
        close_input(&target);
        expect_exit(SDB_EXITED, 9);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(non_stop_can_be_had_again)
{
    struct target target = launch_turning_crew(CREW);

    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, (enum sdb_stop_mode)2), -EINVAL);
    set_all_stop(&target);
    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, SDB_NON_STOP), 0);
    order(&target, 1, 'k');
    expect_signal(SIGUSR1);
    expect_all_turn(target.board, 2, CREW, 2);
    finish_with(&target);
}

HOLDING_CASE(stop_now);

SESSION_TEST(all_can_be_stopped_and_resumed_often)
{
    struct target target = launch_turning_crew(CREW);

    for (int i = 0; i < 20; i++) {
        stop_all(&target);
        expect_all_still(&target);
        stop_all(&target);
        ck_assert_int_eq(sdb_process_stop(target.process, 0), 0);
        resume_process(target.process);
        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), -EBUSY);
        expect_all_run(&target);
    }
    expect_nothing();
    finish_with(&target);
}

SESSION_TEST(a_stop_that_took_too_long_is_still_made)
{
    const int timeouts[] = {0, 1, -1};
    struct target target = launch_turning_crew(CREW);

    for (int i = 0; i < 30; i++) {
        int rc = sdb_process_stop(target.process, timeouts[i % 3]);

        ck_assert(rc == 0 || (rc == -ETIMEDOUT && i % 3 != 2));
        for (int place = 0; place <= CREW; place++)
            await_state(tid_at(target.board, place), 't');
        expect_nothing(); /* no event tells of it, but the wait has seen it */
        expect_all_still(&target);
        resume_process(target.process);
        expect_all_run(&target);
    }
    finish_with(&target);
}

SESSION_TEST(a_stop_tells_nothing_but_what_was_to_be_told)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_thread *thread = crew_thread(&target, 1);
    struct sdb_event event;

    order(&target, 1, 'k');
    await_state(tid_at(target.board, 1), 't');
    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_RUNNING);
    stop_all(&target);
    expect_all_still(&target);

    /* It is not told yet, so it is not resumed with the others. */
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS), -EBUSY);
    resume_process(target.process);
    expect_all_turn(target.board, 2, CREW, 2);
    event = expect_signal(SIGUSR1);
    ck_assert_ptr_eq(event.thread, thread);
    ck_assert_uint_eq(target.board->signals[1], 0);
    resume(&event);
    order(&target, 1, 't');
    expect_nothing(); /* the stop that nobody wants any more is dealt with while the session waits */
    expect_all_run(&target);
    finish_with(&target);
}

SESSION_TEST(an_interrupt_that_was_asked_for_is_told_after_a_stop)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, 2)), 0);
    stop_all(&target);
    event = expect_of(SDB_EVENT_INTERRUPT, crew_thread(&target, 2));
    expect_nothing();
    expect_all_still(&target);
    resume(&event);
    expect_turns(target.board, 2, 2);
    expect_standstill(target.board, 1);
    finish_with(&target);
}

SESSION_TEST(a_process_that_ended_meanwhile_cannot_be_stopped)
{
    struct target target = launch_turning_crew(CREW);

    order(&target, 0, 'q');
    await_state(target.pid, 'Z');
    ck_assert_int_eq(sdb_process_stop(target.process, PATIENCE_MS), -ESRCH);
    for (int i = 0; i < CREW; i++)
        expect_thread_exit(SDB_EXITED, 0);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(sdb_process_stop(target.process, PATIENCE_MS), -ESRCH);
    finish_with(&target);
}

SESSION_TEST(a_process_that_executes_a_program_can_be_stopped)
{
    for (int round = 0; round < 30; round++) {
        struct target target = launch_crew(CREW);
        struct sdb_event event = SDB_EVENT_INIT;

        order(&target, 1 + round % CREW, 'x');
        if (round % 3 > 0) /* in it: it waits for the others' ends to be taken */
            await_state(target.pid, 'Z');
        if (round % 3 == 2)
            expect(SDB_EVENT_THREAD_EXIT);
        stop_all(&target);
        for (struct sdb_thread *thread = sdb_process_next_thread(target.process, NULL); thread;
             thread = sdb_process_next_thread(target.process, thread))
            ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
        (void)sdb_process_resume(target.process, SDB_RESUME_CONTINUE);
        do { /* the others' ends */
            event = next_event();
            if (event.kind != SDB_EVENT_EXEC)
                ck_assert_uint_eq(event.kind, SDB_EVENT_THREAD_EXIT);
        } while (event.kind != SDB_EVENT_EXEC);
        ck_assert_int_eq(sdb_process_thread_count(target.process), 1);
        resume(&event);
        wait_ready_held(&target); /* a stop may still be on its way, which nobody wants any more */
        close_input(&target);
        expect_exit(SDB_EXITED, 9);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(threads_that_are_being_made_are_stopped_too)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target = launch_threads("storm", "3", NULL);
    int tids[BOARD_PLACES];

    resume_process(target.process);
    for (int round = 0; round < 50; round++) {
        int count;

        for (int i = 0; i < 50; i++) {
            event = next_event();
            resume(&event);
        }
        stop_all(&target);
        count = tasks_of(target.pid, tids, BOARD_PLACES);
        for (int i = 0; i < count; i++)
            ck_assert_msg(strchr("tZX", state_of(tids[i])) != NULL, "%d is in state '%c'", tids[i],
                          state_of(tids[i]));
        /* What stands, but was not told, is resumed when it is. */
        (void)sdb_process_resume(target.process, SDB_RESUME_CONTINUE);
    }
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_stop");
}
