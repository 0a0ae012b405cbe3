/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints of many threads: each hit is told, of the right watchpoint, and the process may be killed
 * meanwhile.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "racing.h"
#include "watching.h"

#define WRITERS 8
#define WRITES  1000
#define STORMS  3
#define KILLS   60

HOLDING_CASE(hits);

/* A thread that was joined may still be about to end. */
static void expect_no_more_hits(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(session, 200, &event)) == 0)
        ck_assert_uint_eq(event.kind, SDB_EVENT_THREAD_EXIT);
    ck_assert_int_eq(rc, -ETIMEDOUT);
}

SESSION_TEST(each_write_of_many_threads_is_a_hit)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);

    for (int i = 1; i <= rounds(STORMS); i++) {
        expect_hits(&target, 't', WRITES, WRITERS * WRITES);
        ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), (uint64_t)i * WRITERS * WRITES);
        ck_assert_uint_eq(carry_out(&target, 'r', 1), (uint64_t)i * WRITERS * WRITES);
    }
    expect_no_more_hits();
    finish_watched(&target);
}

SESSION_TEST(each_write_is_a_hit_in_all_stop)
{
    struct watched_target target = launch_watched();

    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, SDB_ALL_STOP), 0);
    watch(&target, COUNTER, 8);
    expect_hits(&target, 't', WRITES / 20, WRITERS * WRITES / 20);
    ck_assert_uint_eq(carry_out(&target, 'r', 1), WRITERS * WRITES / 20);
    finish_watched(&target);
}

SESSION_TEST(threads_that_are_born_later_are_watched)
{
    struct watched_target target = launch_watched();

    watch(&target, COUNTER, 8);
    expect_hits(&target, 'n', 50, 50);
    finish_watched(&target);
}

SESSION_TEST(one_thread_alone_can_be_watched)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);
    struct sdb_watchpoint *watchpoint;

    options.thread = target.thread;
    watchpoint = watch_with(&target, &options);
    expect_hits(&target, 't', 100, 0);
    expect_hits(&target, 'w', 10, 10);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 10);
    finish_watched(&target);
}

SESSION_TEST(a_one_shot_is_told_once_although_many_write)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch_as(&target, COUNTER, 8, SDB_WATCHPOINT_ONE_SHOT);

    for (int i = 0; i < 20; i++) {
        expect_hits(&target, 't', 100, 1);
        ck_assert_int_eq(sdb_watchpoint_enable(watchpoint), 0);
    }
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 20);
    finish_watched(&target);
}

/* Whatever is on its way when it is removed, and set anew in the same register for something else. */
SESSION_TEST(a_hit_is_never_told_of_another_watchpoint)
{
    uint64_t hits = 0;
    int turns = 0;
    struct watched_target target = launch_watched();
    struct pollfd output;

    output = (struct pollfd){.fd = target.target.output, .events = POLLIN};
    give(&target, 't', (uint64_t)rounds(2000));
    while (poll(&output, 1, 0) == 0) {
        struct sdb_watchpoint *counter = watch(&target, COUNTER, 8);
        struct sdb_watchpoint *other;

        for (int i = 0; i < 20; i++) {
            struct sdb_event event = SDB_EVENT_INIT;

            if (sdb_session_wait(session, 1, &event) != 0)
                continue;
            if (event.kind == SDB_EVENT_WATCHPOINT) {
                ck_assert_ptr_eq(event.watchpoint, counter);
                hits++;
            } else {
                ck_assert(event.kind == SDB_EVENT_CLONE || event.kind == SDB_EVENT_START ||
                          event.kind == SDB_EVENT_THREAD_EXIT);
            }
            (void)sdb_event_resume(&event);
        }
        ck_assert_int_eq(sdb_watchpoint_remove(counter), 0);
        other = watch(&target, OTHER, 8); /* nobody writes there */
        for (int i = 0; i < 3; i++) {
            struct sdb_event event = SDB_EVENT_INIT;

            if (sdb_session_wait(session, 0, &event) != 0)
                continue;
            ck_assert_msg(event.kind != SDB_EVENT_WATCHPOINT && event.kind != SDB_EVENT_SIGNAL,
                          "%s %d", sdb_event_name(event.kind), event.signal);
            (void)sdb_event_resume(&event);
        }
        ck_assert_uint_eq(sdb_watchpoint_hit_count(other), 0);
        ck_assert_int_eq(sdb_watchpoint_remove(other), 0);
        turns++;
    }
    (void)answer_of(&target);
    ck_assert_int_gt(turns, 1);
    ck_assert_uint_gt(hits, 0);
    expect_hits(&target, 'r', 1, 0);
    finish_watched(&target);
}

/* All threads stop for a moment within the look at one's hit. */
static int ask_and_watch_another(struct sdb_watchpoint *watchpoint, struct sdb_thread *thread,
                                 void *data)
{
    const struct watched_target *target = data;
    struct sdb_watchpoint *another = watch(target, OTHER, 8);

    ck_assert_ptr_ne(another, watchpoint);
    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
    ck_assert_int_eq(sdb_watchpoint_remove(another), 0);
    return 1;
}

SESSION_TEST(a_condition_may_set_another_while_all_hit)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);
    struct sdb_watchpoint *watchpoint;

    options.condition = ask_and_watch_another;
    options.condition_data = &target;
    watchpoint = watch_with(&target, &options);
    expect_hits(&target, 't', 100, WRITERS * 100);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), WRITERS * 100);
    expect_hits(&target, 'o', 0, 0);
    finish_watched(&target);
}

/* They stand still, as the whole process was stopped, and go on when it is resumed. */
SESSION_TEST(hits_that_are_not_told_any_more_leave_their_threads_stopped)
{
    for (int i = 0; i < 20; i++) {
        struct watched_target target = launch_watched();
        struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
        struct sdb_event event;

        give(&target, 't', 20);
        do {
            event = next_event();
            resume(&event);
        } while (event.kind != SDB_EVENT_WATCHPOINT);
        stop_process(target.process);
        ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
        for (struct sdb_thread *thread = sdb_process_next_thread(target.process, NULL); thread;
             thread = sdb_process_next_thread(target.process, thread))
            ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
        (void)sdb_process_resume(target.process, SDB_RESUME_CONTINUE);
        (void)await_answer(&target);
        ck_assert_uint_eq(seen_hits(), 0);
        ck_assert_uint_eq(carry_out(&target, 'r', 1), WRITERS * 20);
        ck_assert_int_eq(sdb_process_kill(target.process), 0);
        (void)run_to_end(target.process);
        close_watched(&target);
    }
    finish();
}

HOLDING_CASE(deaths);

SESSION_TEST(a_process_may_be_killed_at_any_moment)
{
    for (int i = 0; i < rounds(KILLS); i++) {
        struct chance chance = chance_of((unsigned)i);
        struct watched_target target = launch_watched();
        struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);
        const unsigned kill_at = chance_below(&chance, 40);
        bool ended = false;

        give(&target, 't', 1000000);
        for (unsigned turn = 0; !ended; turn++) {
            struct sdb_watchpoint *watchpoint = NULL;
            struct sdb_event event = SDB_EVENT_INIT;
            int rc;

            if (turn == kill_at)
                ck_assert_int_eq(kill(target.target.pid, SIGKILL), 0);
            rc = sdb_watchpoint_create(target.process, &options, &watchpoint);
            ck_assert_msg(rc == 0 || (turn >= kill_at && rc == -ESRCH), "create: %s",
                          sdb_error_describe(rc));
            while (!ended && sdb_session_wait(session, 0, &event) == 0) {
                ended = event.kind == SDB_EVENT_EXITED;
                if (!ended)
                    (void)sdb_event_resume(&event);
                if (chance_below(&chance, 8) == 0)
                    break;
            }
            ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
        }
        close_watched(&target);
    }
    finish();
}

int main(void)
{
    return run_suite("watchpoint_threads");
}
