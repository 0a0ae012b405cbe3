/* SPDX-License-Identifier: MIT */
/*
 * Steps are exactly one instruction, from every kind of stop, and are told once; and nobody is left in
 * the middle of one.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdint.h>

#include "breaking.h"

static struct target target;

HOLDING_CASE(exact);

/* What is skipped or jumped is never resumed for it: the stop of the hit must not be told again. */
TEST(a_step_over_a_breakpoint_is_told_once)
{
    static const enum place places[] = {PLACE_nop, PLACE_endbr, PLACE_jump_short, PLACE_jump,
                                        PLACE_push};

    begin(_i);
    target = launch_places(1, 1, false);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        (void)plant(&target, places[i]);
    tell_target(&target, 'g');
    for (int hits = 0; hits < 3; hits++) {
        struct sdb_event event = expect(SDB_EVENT_BREAKPOINT);
        struct sdb_thread *thread = event.thread;

        resume_thread(thread, SDB_RESUME_STEP);
        ck_assert_ptr_eq(expect(SDB_EVENT_STEP).thread, thread);
        expect_nothing();
        resume_thread(thread, SDB_RESUME_CONTINUE);
    }
    finish_with(&target);
}

/* The first step out of an exec only ends the system call; an arrival by a breakpoint is no such. */
TEST(an_address_is_run_to_from_the_exec_of_a_launch)
{
    struct sdb_facts_auxv *auxv = NULL;
    struct sdb_thread *thread;
    uint64_t entry = 0;
    uint64_t pc = 0;

    begin(_i);
    target = launch_target("births", NULL, NULL);
    thread = sdb_process_thread(target.process);
    ck_assert_int_eq(sdb_facts_read_auxv(target.pid, &auxv), 0);
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_ENTRY, &entry), 0);
    sdb_facts_free(auxv);
    ck_assert_int_eq(sdb_thread_run_to(thread, entry), 0);
    ck_assert_ptr_eq(expect(SDB_EVENT_STEP).thread, thread);
    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    ck_assert_uint_eq(pc, entry);
    expect_nothing();
    finish_with(&target);
}

/* A call that is displaced runs in two parts: it is let go, and stopped, before it or after it. */
TEST(who_is_stopped_within_a_displaced_call_stands_at_its_own_place)
{
    static const enum place calls[] = {PLACE_call_register, PLACE_call_memory, PLACE_call_stack};
    const int each = 200;

    begin(_i);
    target = launch_places(1, each, false);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        (void)plant(&target, calls[i]);
    tell_target(&target, 'g');
    for (int hits = 0; hits < each; hits++) {
        const struct sdb_event event = expect(SDB_EVENT_BREAKPOINT);
        uint64_t stack_before = 0;
        uint64_t stack = 0;
        uint64_t pc = 0;

        ck_assert_int_eq(sdb_thread_get_register(event.thread, "rsp", &stack_before), 0);
        resume_thread(event.thread, SDB_RESUME_STEP);
        stop_process(target.process);
        ck_assert_int_eq(sdb_thread_pc(event.thread, &pc), 0);
        ck_assert_int_eq(sdb_thread_get_register(event.thread, "rsp", &stack), 0);
        ck_assert_msg(pc == event.address ? stack == stack_before : stack == stack_before - 8,
                      "at %#llx after a hit at %#llx, the stack is %lld higher",
                      (unsigned long long)pc, (unsigned long long)event.address,
                      (long long)(stack - stack_before));
        ck_assert(pc == event.address || pc - event.address < 0x100000 ||
                  event.address - pc < 0x100000);
        if (pc == event.address)
            resume_thread(event.thread, SDB_RESUME_STEP);
        (void)expect_of(SDB_EVENT_STEP, event.thread);
        ck_assert_int_eq(sdb_thread_get_register(event.thread, "rsp", &stack), 0);
        ck_assert_uint_eq(stack, stack_before - 8);
        resume_thread(event.thread, SDB_RESUME_CONTINUE);
    }
    end_free_places(&target, detach_child(target.process));
    finish_with(&target);
}

int main(void)
{
    return run_suite("exact steps");
}
