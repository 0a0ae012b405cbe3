/* SPDX-License-Identifier: MIT */
/*
 * The choices of a watchpoint: conditions, counts, once only, changes only, enabled or not; its end, and
 * breakpoints beside it.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <string.h>

#include "watching.h"

#define TURNS 20

static int ask_for_even(struct sdb_watchpoint *watchpoint, struct sdb_thread *thread, void *data)
{
    const void *before;
    const void *after;

    ck_assert_int_eq(sdb_watchpoint_values(watchpoint, thread, &before, &after), 0);
    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
    ++*(int *)data;
    return value_of(after) % 2 == 0;
}

HOLDING_CASE(choices);

SESSION_TEST(a_condition_is_asked_each_time)
{
    int asked = 0;
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);
    struct sdb_watchpoint *watchpoint;

    options.condition = ask_for_even;
    options.condition_data = &asked;
    watchpoint = watch_with(&target, &options);
    expect_hits(&target, 'w', 2 * TURNS, TURNS);
    ck_assert_int_eq(asked, 2 * TURNS);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), TURNS);
    finish_watched(&target);
}

static int ask_and_remove(struct sdb_watchpoint *watchpoint, struct sdb_thread *thread, void *data)
{
    (void)thread;
    (void)data;
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
    return 1;
}

SESSION_TEST(a_condition_may_remove_its_watchpoint)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, BYTES(0), 8);
    struct sdb_watchpoint *another;

    options.condition = ask_and_remove;
    (void)watch_with(&target, &options);
    another = watch(&target, BYTES(8), 8);
    expect_hits(&target, 'q', 0, 1);
    expect_hits(&target, 'b', 0, 0);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(another), 1);
    finish_watched(&target);
}

SESSION_TEST(ignored_hits_are_counted)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);
    struct sdb_watchpoint *watchpoint;

    options.ignore_count = 5;
    watchpoint = watch_with(&target, &options);
    expect_hits(&target, 'w', 7, 2);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 7);
    ck_assert_int_eq(sdb_watchpoint_set_ignore_count(watchpoint, 1), 0);
    expect_hits(&target, 'w', 3, 2);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 10);
    finish_watched(&target);
}

SESSION_TEST(writes_that_change_nothing_can_be_left_out)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch_as(&target, COUNTER, 8, SDB_WATCHPOINT_ONLY_CHANGES);

    for (int i = 0; i < TURNS; i++) {
        expect_hits(&target, 's', 0, 0);
        expect_hits(&target, 'w', 1, 1);
    }
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), TURNS);
    finish_watched(&target);
}

SESSION_TEST(a_one_shot_is_told_once_and_can_be_had_again)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);
    struct sdb_watchpoint *watchpoint;

    options.flags = SDB_WATCHPOINT_ONE_SHOT;
    options.ignore_count = 2;
    watchpoint = watch_with(&target, &options);
    expect_hits(&target, 'w', 10, 1);
    ck_assert_int_eq(sdb_watchpoint_is_enabled(watchpoint), 0);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 3);
    ck_assert_int_eq(sdb_watchpoint_enable(watchpoint), 0);
    expect_hits(&target, 'w', 10, 1);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 4);
    finish_watched(&target);
}

SESSION_TEST(a_disabled_one_takes_no_register)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, BYTES(0), 32);
    struct sdb_watchpoint *large;
    struct sdb_watchpoint *small;
    struct sdb_event event;

    options.flags = SDB_WATCHPOINT_DISABLED;
    large = watch_with(&target, &options);
    ck_assert_int_eq(sdb_watchpoint_is_enabled(large), 0);
    small = watch(&target, COUNTER, 8);
    ck_assert_int_eq(sdb_watchpoint_enable(large), -ENOSPC);
    ck_assert_int_eq(sdb_watchpoint_is_enabled(large), 0);
    expect_hits(&target, 'b', 0, 0);
    expect_hits(&target, 'w', 1, 1);
    ck_assert_int_eq(sdb_watchpoint_disable(small), 0);
    ck_assert_int_eq(sdb_watchpoint_disable(small), 0);
    ck_assert_int_eq(sdb_watchpoint_enable(large), 0);
    ck_assert_int_eq(sdb_watchpoint_enable(large), 0);
    expect_hits(&target, 'w', 1, 0);

    /* What was there when it was enabled is what is old. */
    give(&target, 'b', 31);
    event = expect_hit(large);
    ck_assert_uint_eq(((const uint8_t *)event.old_value)[0], 1);
    ck_assert_uint_eq(((const uint8_t *)event.new_value)[31], 1);
    resume(&event);
    (void)answer_of(&target);
    finish_watched(&target);
}

SESSION_TEST(data_is_kept_and_everything_is_freed)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint;
    int something;

    for (int i = 0; i < 100; i++) {
        watchpoint = watch(&target, COUNTER, 8);
        ck_assert_ptr_null(sdb_watchpoint_data(watchpoint));
        sdb_watchpoint_set_data(watchpoint, &something);
        ck_assert_ptr_eq(sdb_watchpoint_data(watchpoint), &something);
        expect_hits(&target, 'w', 1, 1);
        ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
        expect_hits(&target, 'w', 1, 0);
    }
    watch(&target, COUNTER, 8);
    finish(); /* with one that was not removed */
    close_watched(&target);
}

SESSION_TEST(a_hit_that_was_not_told_goes_with_its_watchpoint)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint;

    for (int i = 0; i < TURNS; i++) {
        watchpoint = watch(&target, COUNTER, 8);
        give(&target, 'w', 3);
        await_state(target.target.pid, 't');
        ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
        (void)wait_quietly(&target);
    }
    finish_watched(&target);
}

HOLDING_CASE(beside);

/* @param behind  gets the address of the instruction after it; @return that of the one that writes */
static uint64_t find_writer(const struct watched_target *target, uint64_t *behind)
{
    struct sdb_watchpoint *watchpoint = watch(target, COUNTER, 8);
    struct sdb_event event;
    uint64_t before = 0;

    give(target, 'w', 2);
    event = expect_hit(watchpoint);
    *behind = 0;
    do {
        before = *behind;
        resume_thread(event.thread, SDB_RESUME_STEP);
        event = next_event();
        ck_assert_int_eq(sdb_thread_pc(event.thread, behind), 0);
    } while (event.kind == SDB_EVENT_STEP);
    ck_assert_uint_eq(event.kind, SDB_EVENT_WATCHPOINT);
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
    resume(&event);
    (void)answer_of(target);
    return before;
}

static int ask_where(struct sdb_watchpoint *watchpoint, struct sdb_thread *thread, void *data)
{
    (void)watchpoint;
    ck_assert_int_eq(sdb_thread_pc(thread, data), 0);
    return 1;
}

/* The instruction of a breakpoint is executed elsewhere, which nobody sees. */
SESSION_TEST(a_hit_of_an_instruction_that_has_a_breakpoint_is_at_its_own_place)
{
    struct sdb_breakpoint_options place = SDB_BREAKPOINT_OPTIONS_INIT;
    uint64_t asked_at = 0;
    uint64_t behind = 0;
    uint64_t pc = 0;
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options;
    struct sdb_watchpoint *watchpoint;
    struct sdb_breakpoint *breakpoint;
    struct sdb_event event;

    place.address = find_writer(&target, &behind);
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &place, &breakpoint), 0);
    options = watch_options(&target, COUNTER, 8);
    options.condition = ask_where;
    options.condition_data = &asked_at;
    watchpoint = watch_with(&target, &options);
    give(&target, 'w', TURNS);
    for (uint64_t i = 0; i < TURNS; i++) {
        event = expect(SDB_EVENT_BREAKPOINT);
        ck_assert_ptr_null(event.watchpoint);
        ck_assert_uint_eq(event.address, place.address);
        resume(&event);
        event = expect_hit(watchpoint);
        ck_assert_uint_eq(value_of(event.new_value), value_of(event.old_value) + 1);
        ck_assert_int_eq(sdb_thread_pc(event.thread, &pc), 0);
        ck_assert_uint_eq(pc, behind);
        ck_assert_uint_eq(asked_at, behind);
        resume(&event);
    }
    (void)answer_of(&target);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), TURNS);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), TURNS);
    expect_nothing();
    finish_watched(&target);
}

SESSION_TEST(a_string_instruction_that_has_a_breakpoint_hits_as_it_goes)
{
    struct sdb_breakpoint_options place = SDB_BREAKPOINT_OPTIONS_INIT;
    unsigned hits = 0;
    uint8_t last[8] = {0};
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, BYTES(16), 8);
    struct sdb_breakpoint *breakpoint;
    struct sdb_event event;

    give(&target, 'm', 64);
    event = expect_hit(watchpoint);
    ck_assert_int_eq(sdb_thread_pc(event.thread, &place.address), 0); /* in the midst of it */
    ck_assert_int_eq(sdb_watchpoint_disable(watchpoint), 0);
    resume(&event);
    (void)wait_quietly(&target);
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &place, &breakpoint), 0);
    ck_assert_int_eq(sdb_watchpoint_enable(watchpoint), 0);
    give(&target, 'm', 64);
    event = expect(SDB_EVENT_BREAKPOINT);
    do {
        resume(&event);
        event = expect_hit(watchpoint);
        memcpy(last, event.new_value, sizeof(last));
        ck_assert_uint_le(++hits, 8);
    } while (last[7] != 2);
    resume(&event);
    (void)wait_quietly(&target);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 1);
    finish_watched(&target);
}

int main(void)
{
    return run_suite("watchpoint_choices");
}
