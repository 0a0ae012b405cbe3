/* SPDX-License-Identifier: MIT */
/*
 * All threads of a process standing still: before an event is told (all-stop), and when the caller says
 * so.  What has happened to them meanwhile is told later, and what cannot stop is not waited for.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "holding.h"
#include "host.h"

#define CREW 4
#define SOON 5000 /* ms: long for what waits for nothing, short for what lingers until told */

static struct target launch_turning_crew(void)
{
    struct target target = launch_crew(CREW);

    for (int i = 1; i <= CREW; i++) {
        order(&target, i, 't');
        expect_turns(target.board, i, 1);
    }
    return target;
}

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
    ck_assert_int_eq(sdb_process_stop(target->process, PATIENCE_MS), 0);
}

/* ---- all-stop ---- */

START_TEST(all_stand_still_when_an_event_is_told)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_turning_crew();
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
    finish();
    close_target(&target);
}
END_TEST

START_TEST(all_stand_still_when_one_was_interrupted_or_has_ended)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_turning_crew();
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
    for (int i = 2; i <= CREW; i++)
        expect_turns(target.board, i, 2);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(one_can_be_resumed_while_all_stand)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_turning_crew();
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
    finish();
    close_target(&target);
}
END_TEST

/* Each thread's signals are numbered by its turns: each must be told, once. */
START_TEST(events_of_others_are_told_later_and_not_lost)
{
    struct target target;
    int told[CREW + 1] = {0};
    int begun = 0;

    begin(_i);
    target = launch_threads("flood", "4", NULL);
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
    finish();
    close_target(&target);
}
END_TEST

START_TEST(other_processes_run_on)
{
    struct target target;
    struct target other;

    begin(_i);
    target = launch_turning_crew();
    other = launch_turning_crew();
    set_all_stop(&target);
    order(&target, 3, 'k');
    expect_signal(SIGUSR1);
    expect_all_still(&target);
    expect_all_run(&other);
    finish();
    close_target(&target);
    close_target(&other);
}
END_TEST

START_TEST(a_newborn_process_stops_as_its_parent_does)
{
    struct target target;
    struct sdb_thread *newborn = NULL;
    struct sdb_event event;

    begin(_i);
    target = crew_that_follows(CREW, SDB_FOLLOW_ALL);
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
    finish();
    close_target(&target);
}
END_TEST

START_TEST(non_stop_can_be_had_again)
{
    struct target target;

    begin(_i);
    target = launch_turning_crew();
    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, (enum sdb_stop_mode)2), -EINVAL);
    set_all_stop(&target);
    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, SDB_NON_STOP), 0);
    order(&target, 1, 'k');
    expect_signal(SIGUSR1);
    for (int i = 2; i <= CREW; i++)
        expect_turns(target.board, i, 2);
    finish();
    close_target(&target);
}
END_TEST

/* ---- stopping all now ---- */

START_TEST(all_can_be_stopped_and_resumed_often)
{
    struct target target;

    begin(_i);
    target = launch_turning_crew();
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
    finish();
    close_target(&target);
}
END_TEST

START_TEST(a_stop_that_took_too_long_is_still_made)
{
    const int timeouts[] = {0, 1, -1};
    struct target target;

    begin(_i);
    target = launch_turning_crew();
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
    finish();
    close_target(&target);
}
END_TEST

START_TEST(a_stop_tells_nothing_but_what_was_to_be_told)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;

    begin(_i);
    target = launch_turning_crew();
    thread = crew_thread(&target, 1);
    order(&target, 1, 'k');
    await_state(tid_at(target.board, 1), 't');
    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_RUNNING);
    stop_all(&target);
    expect_all_still(&target);

    /* It is not told yet, so it is not resumed with the others. */
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS), -EBUSY);
    resume_process(target.process);
    for (int i = 2; i <= CREW; i++)
        expect_turns(target.board, i, 2);
    event = expect_signal(SIGUSR1);
    ck_assert_ptr_eq(event.thread, thread);
    ck_assert_uint_eq(target.board->signals[1], 0);
    resume(&event);
    order(&target, 1, 't');
    expect_nothing(); /* the stop that nobody wants any more is dealt with while the session waits */
    expect_all_run(&target);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(an_interrupt_that_was_asked_for_is_told_after_a_stop)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_turning_crew();
    ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, 2)), 0);
    stop_all(&target);
    event = expect_of(SDB_EVENT_INTERRUPT, crew_thread(&target, 2));
    expect_nothing();
    expect_all_still(&target);
    resume(&event);
    expect_turns(target.board, 2, 2);
    expect_standstill(target.board, 1);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(a_process_that_ended_meanwhile_cannot_be_stopped)
{
    struct target target;

    begin(_i);
    target = launch_turning_crew();
    order(&target, 0, 'q');
    await_state(target.pid, 'Z');
    ck_assert_int_eq(sdb_process_stop(target.process, PATIENCE_MS), -ESRCH);
    for (int i = 0; i < CREW; i++)
        expect_thread_exit(SDB_EXITED, 0);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(sdb_process_stop(target.process, PATIENCE_MS), -ESRCH);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(threads_that_are_being_made_are_stopped_too)
{
    struct target target;
    struct sdb_event event = SDB_EVENT_INIT;
    int tids[BOARD_PLACES];

    begin(_i);
    target = launch_threads("storm", "3", NULL);
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
    finish();
    close_target(&target);
}
END_TEST

/* ---- vfork ---- */

/* A crew whose place 1 is in a vfork, and stays there until the gate is open. */
static struct target vforking_crew(uint32_t follow)
{
    struct target target = crew_that_follows(CREW, follow);

    order(&target, 1, 'v');
    if (follow & SDB_FOLLOW_VFORK)
        run_births(1, NULL);
    await_child_of(&target);
    await_state(tid_at(target.board, 1), 'D');
    return target;
}

static void expect_others_still(const struct target *target)
{
    for (int i = 0; i <= CREW; i++) {
        if (i != 1)
            expect_standstill(target->board, i);
    }
    ck_assert_int_eq(state_of(tid_at(target->board, 1)), 'D');
    ck_assert_int_eq(sdb_thread_state(crew_thread(target, 1)), SDB_THREAD_RUNNING);
}

START_TEST(a_thread_in_vfork_is_not_waited_for)
{
    struct target target;
    int64_t before;

    begin(_i);
    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    before = host_now_ms();
    stop_all(&target);
    ck_assert_int_lt(host_now_ms() - before, SOON);
    expect_others_still(&target);

    /* It stops when it can, and nothing tells of it. */
    set_gate(target.board, true);
    await_state(tid_at(target.board, 1), 't');
    expect_nothing();
    ck_assert_int_eq(sdb_thread_state(crew_thread(&target, 1)), SDB_THREAD_STOPPED);
    resume_process(target.process);
    expect_result(&target, 4);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(a_thread_in_vfork_goes_on_if_the_process_was_resumed)
{
    struct target target;

    begin(_i);
    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    stop_all(&target);
    resume_process(target.process);
    set_gate(target.board, true);
    expect_result(&target, 4);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(an_event_does_not_wait_for_a_thread_in_vfork)
{
    struct target target;
    struct sdb_event event;
    int64_t before;

    begin(_i);
    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    set_all_stop(&target);
    for (int i = 0; i < 3; i++) {
        order(&target, 2, 'k');
        before = host_now_ms();
        event = expect_signal(SIGUSR1);
        ck_assert_int_lt(host_now_ms() - before, SOON);
        expect_others_still(&target);
        resume(&event);
    }
    set_gate(target.board, true);
    expect_result(&target, 4);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(a_vfork_that_is_followed_holds_nobody_up)
{
    struct target target;
    struct sdb_event done = SDB_EVENT_INIT;
    int left = 3;

    begin(_i);
    target = vforking_crew(SDB_FOLLOW_ALL);
    set_all_stop(&target);
    order(&target, 2, 'k');
    done = expect_signal(SIGUSR1);
    expect_others_still(&target);
    resume(&done);
    stop_all(&target);
    expect_others_still(&target);
    resume_process(target.process);
    set_gate(target.board, true);
    while (left > 0) { /* the vfork's end, the child's exec and its end */
        done = next_event();
        ck_assert(done.kind == SDB_EVENT_VFORK_DONE || done.kind == SDB_EVENT_EXEC ||
                  done.kind == SDB_EVENT_EXITED);
        resume(&done);
        left--;
    }
    expect_result(&target, 4);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(an_interrupt_of_a_thread_in_vfork_is_told_when_it_is_over)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, 1)), 0);
    expect_nothing();
    set_gate(target.board, true);
    event = expect_of(SDB_EVENT_INTERRUPT, crew_thread(&target, 1));
    resume(&event);
    expect_result(&target, 4);
    finish();
    close_target(&target);
}
END_TEST

int main(void)
{
    const TTest *const all_stop[] = {
        all_stand_still_when_an_event_is_told,
        all_stand_still_when_one_was_interrupted_or_has_ended,
        one_can_be_resumed_while_all_stand,
        events_of_others_are_told_later_and_not_lost,
        other_processes_run_on,
        a_newborn_process_stops_as_its_parent_does,
        non_stop_can_be_had_again,
    };
    const TTest *const stop_now[] = {
        all_can_be_stopped_and_resumed_often,
        a_stop_that_took_too_long_is_still_made,
        a_stop_tells_nothing_but_what_was_to_be_told,
        an_interrupt_that_was_asked_for_is_told_after_a_stop,
        a_process_that_ended_meanwhile_cannot_be_stopped,
        threads_that_are_being_made_are_stopped_too,
    };
    const TTest *const vforks[] = {
        a_thread_in_vfork_is_not_waited_for,
        a_thread_in_vfork_goes_on_if_the_process_was_resumed,
        an_event_does_not_wait_for_a_thread_in_vfork,
        a_vfork_that_is_followed_holds_nobody_up,
        an_interrupt_of_a_thread_in_vfork_is_told_when_it_is_over,
    };
    Suite *suite = suite_create("session_stop");

    HOLDING_CASE(suite, all_stop);
    HOLDING_CASE(suite, stop_now);
    HOLDING_CASE(suite, vforks);
    return holding_run_suite(suite);
}
