/* SPDX-License-Identifier: MIT */
/*
 * An instruction that is hit, and that writes what is watched: both are told, in their order.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "adding.h"
#include "calling.h"
#include "together.h"

HOLDING_CASE(hits_that_write);

static void expect_write(const struct sdb_event *event, uint64_t old_value)
{
    ck_assert_ptr_eq(event->watchpoint, adding.watchpoint);
    ck_assert_uint_eq(event->value_size, 8);
    ck_assert_uint_eq(value_of(event->old_value), old_value);
    ck_assert_uint_eq(value_of(event->new_value), old_value + 1);
    ck_assert_uint_eq(pc_of(event->thread), adding.behind);
}

SESSION_TEST(an_instruction_with_both_is_told_once_of_each)
{
    struct sdb_breakpoint *breakpoint;

    launch_adding();
    breakpoint = plant_at(adding.target.process, adding.at);
    catch_calls(adding.target.process, 0, NUMBERS(SYS_getppid));
    give(&adding.target, 'c', ADDING_TURNS);
    for (uint64_t turn = 0; turn < ADDING_TURNS; turn++) {
        struct sdb_event event;

        expect_whole_call(SYS_getppid);
        event = expect(SDB_EVENT_BREAKPOINT);
        ck_assert_ptr_eq(event.breakpoint, breakpoint);
        ck_assert_uint_eq(event.address, adding.at);
        ck_assert_uint_eq(pc_of(event.thread), adding.at);
        if (turn % 2 == 0)
            inject_in_stop(event.thread);
        resume(&event);
        event = expect_hit(adding.watchpoint);
        expect_write(&event, turn + 2);
        if (turn % 3 == 0)
            inject_in_stop(event.thread);
        resume(&event);
    }
    (void)wait_quietly(&adding.target);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), ADDING_TURNS);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(adding.watchpoint), ADDING_TURNS + 2);
    end_adding();
    finish();
}

/* How far each of the threads is, as its handle's data: which of these comes next. */
static const uint32_t turn_of_adding[] = {SDB_EVENT_SYSCALL_ENTRY, SDB_EVENT_SYSCALL_EXIT,
                                          SDB_EVENT_BREAKPOINT, SDB_EVENT_WATCHPOINT};

/* @return whether it was one of those */
static bool expect_turn(const struct sdb_event *event)
{
    static char steps[4];
    const char *at = sdb_thread_data(event->thread);
    const int next = at ? (int)(at - steps) : 0;

    if (event->kind == SDB_EVENT_CLONE || event->kind == SDB_EVENT_START || is_end(event)) {
        ck_assert_int_eq(next, 0);
        return false;
    }
    ck_assert_msg(event->kind == turn_of_adding[next], "%s of %d came, not %s",
                  sdb_event_name(event->kind), sdb_thread_tid(event->thread),
                  sdb_event_name(turn_of_adding[next]));
    sdb_thread_set_data(event->thread, &steps[(next + 1) % 4]);
    return true;
}

static void add_in_threads(enum sdb_stop_mode mode, uint64_t turns)
{
    struct chance chance = chance_of(11);
    uint64_t counts[MOST_KINDS] = {0};
    uint64_t added = 0;
    int ends = 0;

    launch_adding();
    ck_assert_int_eq(sdb_process_set_stop_mode(adding.target.process, mode), 0);
    (void)plant_at(adding.target.process, adding.at);
    catch_calls(adding.target.process, 0, NUMBERS(SYS_getppid));
    give(&adding.target, 'C', turns);
    while (ends < FEW) {
        struct sdb_event event = next_event();

        ends += event.kind == SDB_EVENT_THREAD_EXIT;
        if (expect_turn(&event)) {
            counts[event.kind]++;
            if (event.kind == SDB_EVENT_BREAKPOINT)
                ck_assert_uint_eq(pc_of(event.thread), adding.at);
            if (event.kind == SDB_EVENT_WATCHPOINT) {
                ck_assert_uint_eq(pc_of(event.thread), adding.behind);
                /* Another's write may be in this one's values; in the sum each is in once. */
                added += value_of(event.new_value) - value_of(event.old_value);
            }
            if (chance_below(&chance, 4) == 0)
                inject_in_stop(event.thread);
        }
        resume(&event);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(counts[turn_of_adding[i]], FEW * turns);
    ck_assert_uint_eq(added, FEW * turns);
    (void)wait_quietly(&adding.target);
    ck_assert_uint_eq(carry_out(&adding.target, 'r', 1), FEW * turns + 2);
    end_adding();
}

SESSION_TEST(many_threads_tell_both_of_each_turn)
{
    add_in_threads(SDB_NON_STOP, 25 * (uint64_t)rounds(1));
    add_in_threads(SDB_ALL_STOP, 4 * (uint64_t)rounds(1));
    finish();
}

int main(void)
{
    return run_suite("hits_that_write");
}
