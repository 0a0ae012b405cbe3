/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints of one thread: what is a hit and what is not, with which values; ranges and the registers
 * that they need.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "watching.h"

#define TURNS 20

HOLDING_CASE(hits);

SESSION_TEST(each_write_is_told_with_both_values)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);

    give(&target, 'w', TURNS);
    for (uint64_t i = 0; i < TURNS; i++) {
        struct sdb_event event = expect_hit(watchpoint);
        uint64_t pc = 0;

        ck_assert_ptr_eq(event.thread, target.thread);
        ck_assert_uint_eq(event.address, target.address + COUNTER);
        ck_assert_uint_eq(event.value_size, 8);
        ck_assert_uint_eq(value_of(event.old_value), i);
        ck_assert_uint_eq(value_of(event.new_value), i + 1);
        ck_assert_int_eq(event.signal, 0);
        ck_assert_int_eq(sdb_thread_pc(event.thread, &pc), 0);
        ck_assert_uint_ne(pc, 0);
        ck_assert_ptr_eq(sdb_thread_next_watchpoint(event.thread, NULL), watchpoint);
        ck_assert_ptr_null(sdb_thread_next_watchpoint(event.thread, watchpoint));
        resume(&event);
        ck_assert_ptr_null(sdb_thread_next_watchpoint(event.thread, NULL));
    }
    ck_assert_uint_eq(answer_of(&target), TURNS);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), TURNS);
    expect_nothing();
    finish_watched(&target);
}

SESSION_TEST(a_write_of_the_same_value_is_a_hit_and_a_read_is_not)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
    struct sdb_event event;

    expect_hits(&target, 'r', 3, 0);
    expect_hits(&target, 'o', 0, 0);
    give(&target, 's', 0);
    event = expect_hit(watchpoint);
    ck_assert_uint_eq(value_of(event.old_value), value_of(event.new_value));
    resume(&event);
    ck_assert_uint_eq(answer_of(&target), 0);
    finish_watched(&target);
}

SESSION_TEST(a_read_is_a_hit_of_an_access_watchpoint)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);
    struct sdb_watchpoint *watchpoint;
    struct sdb_event event;

    options.watch = SDB_WATCH_ACCESS;
    watchpoint = watch_with(&target, &options);
    give(&target, 'r', 1);
    event = expect_hit(watchpoint);
    ck_assert_uint_eq(value_of(event.old_value), 0);
    ck_assert_uint_eq(value_of(event.new_value), 0);
    resume(&event);
    (void)answer_of(&target);
    expect_hits(&target, 'r', 5, 5);
    expect_hits(&target, 's', 0, 2);
    finish_watched(&target);
}

SESSION_TEST(what_the_kernel_writes_is_no_hit_and_shows_as_old_value_next)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
    struct sdb_event event;

    expect_hits(&target, 'k', 0, 0);
    give(&target, 'w', 1);
    event = expect_hit(watchpoint);
    ck_assert_uint_eq(value_of(event.old_value), 0);
    ck_assert_uint_eq(value_of(event.new_value), 2);
    finish_watched(&target);
}

SESSION_TEST(a_hit_in_a_signal_handler_is_told)
{
    struct watched_target target = launch_watched();

    watch(&target, COUNTER, 8);
    for (int i = 0; i < TURNS; i++)
        expect_hits(&target, 'h', 0, 1);
    finish_watched(&target);
}

SESSION_TEST(a_sigtrap_that_somebody_sends_is_no_hit)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);

    for (unsigned i = 1; i <= TURNS; i++) {
        ck_assert_uint_eq(expect_hits(&target, 'i', 0, 0), i);
        ck_assert_uint_eq(seen_traps(), 1);
        expect_hits(&target, 'w', 1, 1);
    }
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), TURNS);
    finish_watched(&target);
}

/* As the C library blocks all signals while it makes a thread. */
SESSION_TEST(sigtrap_stays_as_it_was_where_all_signals_are_blocked_and_breakpoints_are_had)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_facts_auxv *auxv = NULL;
    struct watched_target target = launch_watched();
    struct sdb_breakpoint *breakpoint;

    ck_assert_int_eq(sdb_facts_read_auxv(target.target.pid, &auxv), 0);
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_ENTRY, &options.address), 0);
    sdb_facts_free(auxv);
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    watch(&target, COUNTER, 8);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(expect_hits(&target, 'a', 1, 1), 3);
    expect_hits(&target, 'i', 0, 0);
    ck_assert_uint_eq(seen_traps(), 1);
    finish_watched(&target);
}

SESSION_TEST(hits_between_system_calls_are_told)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);

    expect_hits(&target, 'c', 200, 200);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 200);
    finish_watched(&target);
}

/* To the next event of a thread that goes from one system call's end to the next. */
SESSION_TEST(a_hit_on_the_way_to_a_system_call_is_told)
{
    int hits = 0;
    int ends = 0;
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
    struct sdb_event event;

    stop_thread(target.thread);
    give(&target, 'c', 3);
    while (hits < 3) {
        resume_thread(target.thread, SDB_RESUME_SYSCALL);
        event = next_event();
        if (event.kind == SDB_EVENT_WATCHPOINT)
            hits++;
        else
            ends += event.kind == SDB_EVENT_SYSCALL_ENTRY || event.kind == SDB_EVENT_SYSCALL_EXIT;
    }
    ck_assert_int_ge(ends, 6);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 3);
    resume(&event);
    (void)answer_of(&target);
    finish_watched(&target);
}

/* The kernel makes one SIGTRAP of both. */
SESSION_TEST(a_step_that_touches_it_is_told_as_a_hit)
{
    uint64_t pc = 0;
    uint64_t behind = 0;
    int steps = 0;
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
    struct sdb_event event;

    give(&target, 'w', 2);
    event = expect_hit(watchpoint);
    ck_assert_int_eq(sdb_thread_pc(event.thread, &behind), 0);
    do {
        resume_thread(event.thread, SDB_RESUME_STEP);
        event = next_event();
        ck_assert_int_lt(steps++, 100);
    } while (event.kind == SDB_EVENT_STEP);
    ck_assert_uint_eq(event.kind, SDB_EVENT_WATCHPOINT);
    ck_assert_uint_eq(value_of(event.new_value), 2);
    ck_assert_int_eq(sdb_thread_pc(event.thread, &pc), 0);
    ck_assert_uint_eq(pc, behind);
    ck_assert_int_gt(steps, 1);
    /* No SIGTRAP of the step follows. */
    resume(&event);
    ck_assert_uint_eq(answer_of(&target), 2);
    expect_nothing();
    finish_watched(&target);
}

/* The hit is not told any more, but the step is over all the same. */
SESSION_TEST(a_step_is_told_although_its_hit_was_done_away_with)
{
    uint64_t behind = 0;
    uint64_t pc = 0;
    int steps = 0;
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
    struct sdb_event event;

    give(&target, 'w', 3);
    (void)expect_hit(watchpoint);
    ck_assert_int_eq(sdb_thread_pc(target.thread, &behind), 0);
    /* Once around, and again as far, but for the last step. */
    do {
        resume_thread(target.thread, SDB_RESUME_STEP);
        event = next_event();
        ck_assert_int_lt(steps++, 100);
    } while (event.kind == SDB_EVENT_STEP);
    ck_assert_uint_eq(event.kind, SDB_EVENT_WATCHPOINT);
    for (int i = 1; i < steps; i++)
        step_to(target.thread, SDB_EVENT_STEP);
    resume_thread(target.thread, SDB_RESUME_STEP);
    await_state(sdb_thread_tid(target.thread), 't');
    stop_process(target.process);
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
    event = expect_of(SDB_EVENT_STEP, target.thread);
    ck_assert_int_eq(sdb_thread_pc(event.thread, &pc), 0);
    ck_assert_uint_eq(pc, behind);
    resume(&event);
    /* A request to stop that came late may still be there. */
    ck_assert_uint_eq(wait_quietly(&target), 3);
    finish_watched(&target);
}

SESSION_TEST(the_trap_of_a_program_that_steps_itself_reaches_it)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint;
    uint64_t alone;
    unsigned traps;

    alone = expect_hits(&target, 'p', 0, 0);
    traps = seen_traps();
    ck_assert_uint_eq(alone, traps);
    watchpoint = watch(&target, COUNTER, 8);
    ck_assert_uint_eq(expect_hits(&target, 'p', 0, 1), alone);
    ck_assert_uint_eq(seen_traps(), traps - 1);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 1);
    finish_watched(&target);
}

SESSION_TEST(a_repeated_string_instruction_hits_as_it_goes)
{
    uint8_t last[8] = {0};
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, BYTES(16), 8);
    struct sdb_event event;

    give(&target, 'm', 64);
    do {
        event = expect_hit(watchpoint);
        memcpy(last, event.new_value, sizeof(last));
        resume(&event);
    } while (last[7] != 1);
    for (int i = 0; i < 8; i++)
        ck_assert_uint_eq(last[i], 1);
    (void)carry_out(&target, 'o', 0); /* whatever else comes of it */
    ck_assert_uint_ge(sdb_watchpoint_hit_count(watchpoint), 1);
    ck_assert_uint_le(sdb_watchpoint_hit_count(watchpoint), 8);
    finish_watched(&target);
}

SESSION_TEST(memory_that_was_unmapped_and_mapped_again_is_watched_still)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint;
    struct sdb_event event;

    options.address = carry_out(&target, 'u', 0);
    options.length = 8;
    watchpoint = watch_with(&target, &options);
    give(&target, 'u', 7);
    event = expect_hit(watchpoint);
    ck_assert_uint_eq(value_of(event.old_value), 0);
    ck_assert_uint_eq(value_of(event.new_value), 7);
    resume(&event);
    ck_assert_uint_eq(answer_of(&target), options.address);
    finish_watched(&target);
}

HOLDING_CASE(ranges);

/* Which of the bytes around a range are seen: exactly those that are in it. */
static void expect_exactly(const struct watched_target *target, size_t first, size_t length)
{
    struct sdb_watchpoint *watchpoint = watch(target, BYTES(first), length);

    for (size_t at = first > 1 ? first - 2 : 0; at < first + length + 2; at++)
        expect_hits(target, 'b', at, at >= first && at < first + length);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), length);
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
}

SESSION_TEST(any_range_that_fits_is_watched_to_the_byte)
{
    static const struct {
        size_t first;
        size_t length;
    } ranges[] = {{8, 1}, {9, 1}, {10, 2},  {11, 2}, {12, 4}, {13, 4}, {14, 3},  {9, 7},
                  {8, 8}, {9, 8}, {15, 10}, {8, 16}, {4, 24}, {8, 32}, {12, 20}, {7, 6}};
    struct watched_target target = launch_watched();

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        expect_exactly(&target, ranges[i].first, ranges[i].length);
    expect_nothing();
    finish_watched(&target);
}

SESSION_TEST(the_event_has_the_whole_range)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint = watch(&target, BYTES(5), 9);
    struct sdb_event event;
    const uint8_t *before;
    const uint8_t *after;

    give(&target, 'q', 0); /* a write of 16 bytes that touches three pieces is one hit */
    event = expect_hit(watchpoint);
    ck_assert_uint_eq(event.address, target.address + BYTES(5));
    ck_assert_uint_eq(event.value_size, 9);
    before = event.old_value;
    after = event.new_value;
    for (int i = 0; i < 9; i++) {
        ck_assert_uint_eq(before[i], 0);
        ck_assert_uint_eq(after[i], 0xff);
    }
    resume(&event);
    (void)answer_of(&target);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 1);
    finish_watched(&target);
}

SESSION_TEST(one_event_tells_of_all_that_an_instruction_has_hit)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *first = watch(&target, BYTES(8), 8);
    struct sdb_watchpoint *second = watch(&target, BYTES(0), 4);
    struct sdb_watchpoint *third = watch(&target, BYTES(40), 8);
    struct sdb_event event;
    const void *before;
    const void *after;

    give(&target, 'q', 0);
    event = expect_hit(first);
    ck_assert_ptr_eq(sdb_thread_next_watchpoint(event.thread, first), second);
    ck_assert_ptr_null(sdb_thread_next_watchpoint(event.thread, second));
    ck_assert_int_eq(sdb_watchpoint_values(second, event.thread, &before, &after), 0);
    ck_assert_int_eq(memcmp(before, "\0\0\0\0", 4), 0);
    ck_assert_int_eq(memcmp(after, "\377\377\377\377", 4), 0);
    ck_assert_int_eq(sdb_watchpoint_values(third, event.thread, &before, &after), -EINVAL);

    /* One that is removed where a thread stands is gone from there. */
    ck_assert_int_eq(sdb_watchpoint_remove(first), 0);
    ck_assert_ptr_eq(sdb_thread_next_watchpoint(event.thread, NULL), second);
    resume(&event);
    (void)answer_of(&target);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(second), 1);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(third), 0);
    finish_watched(&target);
}

SESSION_TEST(what_does_not_fit_is_refused_and_changes_nothing)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, BYTES(0), 33);
    struct sdb_watchpoint *fourth;

    expect_no_watch(&target, &options, -ENOSPC);
    options = watch_options(&target, BYTES(1), 31); /* five pieces */
    expect_no_watch(&target, &options, -ENOSPC);
    options = watch_options(&target, BYTES(0), UINT64_MAX);
    expect_no_watch(&target, &options, -ENOSPC);
    watch(&target, COUNTER, 8);
    watch(&target, BYTES(0), 1);
    options = watch_options(&target, BYTES(7), 8); /* three */
    expect_no_watch(&target, &options, -ENOSPC);
    watch(&target, BYTES(16), 8);
    fourth = watch(&target, OTHER, 8);
    options = watch_options(&target, BYTES(8), 1);
    expect_no_watch(&target, &options, -ENOSPC);
    expect_hits(&target, 'w', 1, 1);
    expect_hits(&target, 'o', 0, 1);
    expect_hits(&target, 'b', 0, 1);
    expect_hits(&target, 'b', 23, 1);
    expect_hits(&target, 'b', 8, 0);
    ck_assert_int_eq(sdb_watchpoint_remove(fourth), 0);
    watch(&target, BYTES(8), 1);
    expect_hits(&target, 'b', 8, 1);
    expect_hits(&target, 'o', 0, 0);
    finish_watched(&target);
}

SESSION_TEST(senseless_requests_are_refused)
{
    struct sdb_watchpoint *watchpoint = NULL;
    struct watched_target target = launch_watched();
    struct watched_target another = launch_watched();
    struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);
    const void *value;

    ck_assert_int_eq(sdb_watchpoint_create(NULL, &options, &watchpoint), -EINVAL);
    ck_assert_int_eq(sdb_watchpoint_create(target.process, NULL, &watchpoint), -EINVAL);
    ck_assert_int_eq(sdb_watchpoint_create(target.process, &options, NULL), -EINVAL);
    options.length = 0;
    expect_no_watch(&target, &options, -EINVAL);
    options = watch_options(&target, COUNTER, 8);
    options.flags = 8;
    expect_no_watch(&target, &options, -EINVAL);
    options = watch_options(&target, COUNTER, 8);
    options.watch = 2;
    expect_no_watch(&target, &options, -EINVAL);
    options = watch_options(&target, COUNTER, 8);
    options.thread = another.thread;
    expect_no_watch(&target, &options, -EINVAL);
    options.thread = NULL;
    options.size = 3;
    expect_no_watch(&target, &options, -EINVAL);

    /* Nothing is mapped there, or the kernel's own. */
    options = watch_options(&target, COUNTER, 8);
    options.address = 8;
    expect_no_watch(&target, &options, -EFAULT);
    options.address = UINT64_C(0x7ffffffff000);
    expect_no_watch(&target, &options, -EFAULT);
    options.address = UINT64_C(0xffff888000000000);
    expect_no_watch(&target, &options, -EFAULT);
    options.address = UINT64_MAX;
    expect_no_watch(&target, &options, -EFAULT);
    options.address = UINT64_MAX - 7;
    options.flags = SDB_WATCHPOINT_DISABLED;
    expect_no_watch(&target, &options, -EFAULT);

    ck_assert_int_eq(sdb_watchpoint_remove(NULL), 0);
    ck_assert_int_eq(sdb_watchpoint_enable(NULL), -EINVAL);
    ck_assert_int_eq(sdb_watchpoint_disable(NULL), -EINVAL);
    ck_assert_int_eq(sdb_watchpoint_is_enabled(NULL), -EINVAL);
    ck_assert_int_eq(sdb_watchpoint_set_ignore_count(NULL, 1), -EINVAL);
    ck_assert_int_eq(sdb_watchpoint_values(NULL, target.thread, &value, &value), -EINVAL);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(NULL), 0);
    ck_assert_ptr_null(sdb_watchpoint_data(NULL));
    ck_assert_ptr_null(sdb_thread_next_watchpoint(NULL, NULL));

    ck_assert_int_eq(sdb_process_kill(another.process), 0);
    expect_exit(SDB_KILLED, SIGKILL);
    options = watch_options(&another, COUNTER, 8);
    expect_no_watch(&another, &options, -ESRCH);
    finish_watched(&target);
    close_watched(&another);
}

SESSION_TEST(newborn_threads_must_be_held)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint_options options;

    stop_process(target.process);
    set_follow(target.process, SDB_FOLLOW_EXEC);
    options = watch_options(&target, COUNTER, 8);
    expect_no_watch(&target, &options, -EINVAL);
    finish_watched(&target);
}

int main(void)
{
    return run_suite("watchpoint");
}
