/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints on instructions of every kind: each execution is one hit, and the program computes what
 * it would have computed without them.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <signal.h>
#include <string.h>

#include "breaking.h"

#define TURNS 3

HOLDING_CASE(kinds);

SESSION_TEST(each_kind_of_instruction_is_hit_once_and_does_what_it_should)
{
    struct tally tally = {0};
    struct target target = launch_places(1, TURNS, false);
    struct sdb_breakpoint *breakpoint = plant_all(&target);

    obey(&target, 'g', &tally);
    expect_exact(&target, &tally);
    ck_assert_uint_eq(tally.hits[PLACE_push], TURNS);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), (uint64_t)TURNS * PLACE_COUNT);
    finish_places(&target);
}

/* Each alone, so that nothing is right by another's help. */
SESSION_TEST(one_kind_of_instruction_alone_is_hit)
{
    struct target target = launch_places(1, TURNS, false);

    /* The last is inside the one before, which is another instruction while it is planted. */
    for (int place = 0; place < PLACE_inner; place++) {
        struct sdb_breakpoint *breakpoint = plant(&target, (enum place)place);
        struct tally tally = {0};

        obey(&target, 'g', &tally);
        ck_assert_msg(tally.hits[place] == TURNS, "place %d: %llu hits", place,
                      (unsigned long long)tally.hits[place]);
        ck_assert_msg(target.board->wrong == 0, "place %d: wrong", place);
        ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    }
    finish_places(&target);
}

SESSION_TEST(a_program_that_must_not_map_memory_is_hit_just_so)
{
    struct sdb_child *child = NULL;
    struct tally tally = {0};
    struct target target = launch_places(1, TURNS, true);
    static struct traces traces;

    note_traces(&target, &traces);
    (void)plant_all(&target);
    obey(&target, 'g', &tally);
    expect_exact(&target, &tally);
    child = detach_child(target.process);
    expect_no_traces(&target, &traces);
    tell_target(&target, 'g');
    wait_ready(&target);
    expect_right(&target);
    end_free_places(&target, child);
    finish_with(&target);
}

HOLDING_CASE(own);

SESSION_TEST(a_trap_of_the_programs_own_is_its_own)
{
    struct tally tally = {0};
    struct target target = launch_places(1, TURNS, false);
    struct sdb_breakpoint *breakpoint;

    obey(&target, 'h', &tally);

    /* Without a breakpoint there, and with one. */
    (void)plant(&target, PLACE_push);
    obey(&target, 't', &tally);
    ck_assert_uint_eq(tally.signals[SIGTRAP], TURNS);
    ck_assert_uint_eq(tally.hits[PLACE_trap], 0);

    memset(&tally, 0, sizeof(tally));
    breakpoint = plant(&target, PLACE_trap);
    obey(&target, 't', &tally);
    ck_assert_uint_eq(tally.signals[SIGTRAP], TURNS);
    ck_assert_uint_eq(tally.hits[PLACE_trap], TURNS);

    /* And one that nobody wants to know of. */
    ck_assert_int_eq(sdb_breakpoint_set_ignore_count(breakpoint, 1000), 0);
    memset(&tally, 0, sizeof(tally));
    obey(&target, 't', &tally);
    ck_assert_uint_eq(tally.signals[SIGTRAP], TURNS);
    ck_assert_uint_eq(tally.hits[PLACE_trap], 0);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), UINT64_C(2) * TURNS);

    /* The signal may be passed without a word. */
    pass_silently(SIGTRAP);
    ck_assert_int_eq(sdb_breakpoint_set_ignore_count(breakpoint, 0), 0);
    memset(&tally, 0, sizeof(tally));
    obey(&target, 't', &tally);
    ck_assert_uint_eq(tally.signals[SIGTRAP], 0);
    ck_assert_uint_eq(tally.hits[PLACE_trap], TURNS);

    /* And after all. */
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    obey(&target, 't', &tally);
    ck_assert_uint_eq(tally.hits[PLACE_trap], TURNS);
    expect_right(&target);
    finish_places(&target);
}

SESSION_TEST(a_trap_without_a_handler_kills_as_ever)
{
    struct target target = launch_places(1, 1, false);

    (void)plant(&target, PLACE_trap);
    tell_target(&target, 't');
    resume_from(SDB_EVENT_BREAKPOINT);
    resume_from_signal(SIGTRAP);
    expect_exit(SDB_KILLED, SIGTRAP);
    finish_with(&target);
}

SESSION_TEST(a_program_that_rewrites_its_text_has_what_it_has_written)
{
    struct tally tally = {0};
    struct target target = launch_places(1, TURNS, false);
    static struct traces traces;
    struct sdb_breakpoint *breakpoint;

    note_traces(&target, &traces);
    breakpoint = plant(&target, PLACE_load);
    obey(&target, 'w', &tally);
    wait_ready(&target); /* it says so twice */
    ck_assert_uint_eq(tally.hits[PLACE_load], 0);
    /* It has found the planted byte, as nobody can hide that from the program itself. */
    ck_assert_uint_eq(target.board->signals[2], 0xcc);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    expect_no_traces(&target, &traces);
    breakpoint = plant(&target, PLACE_load);
    forget_counts(&target);
    obey(&target, 'g', &tally);
    ck_assert_uint_eq(tally.hits[PLACE_load], TURNS);
    expect_right(&target);
    finish_places(&target);
}

int main(void)
{
    return run_suite("breakpoint_places");
}
