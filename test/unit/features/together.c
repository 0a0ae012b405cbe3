/* SPDX-License-Identifier: MIT */
/*
 * What each is tested alone elsewhere, together: breakpoints, watchpoints, caught system calls,
 * injected ones, steps, group-stops, in the same threads at the same instructions.  Each is told as
 * often as it happens, in its order, and at the program's own place: never at one of the copies
 * that instructions with a breakpoint are executed in.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "breaking.h"
#include "calling.h"
#include "host.h"
#include "injecting.h"
#include "racing.h"
#include "together.h"

HOLDING_CASE(told);

SESSION_TEST(the_hit_comes_before_the_call_and_the_write)
{
    static struct traces now;

    launch_together(1, 50 * rounds(1));
    set_all(0);
    all.in_order = true;
    obey_all("gg");
    expect_all_exact();
    ck_assert_uint_eq(all.writes, UINT64_C(100) * (uint64_t)rounds(1));
    /* There are copies of instructions, which nothing has shown. */
    note_traces(&all.target, &now);
    ck_assert_str_ne(now.maps, all.before.maps);
    end_together();
    finish();
}

SESSION_TEST(in_many_threads_each_is_told_as_often_as_it_happens)
{
    launch_together(FEW, 15 * rounds(1));
    set_all(0);
    all.in_order = true;
    obey_all("s");
    expect_all_exact();
    end_together();
    finish();
}

SESSION_TEST(all_calls_are_caught_beside_the_hits)
{
    launch_together(FEW, 10 * rounds(1));
    set_all(SDB_CATCH_ALL);
    if (address_of(&all.target, PLACE_thread))
        (void)plant(&all.target, PLACE_thread);
    all.in_order = true;
    obey_all("ss");
    expect_all_exact();
    if (address_of(&all.target, PLACE_thread)) {
        ck_assert_uint_eq(all.tally.hits[PLACE_thread], UINT64_C(2) * FEW);
        expect_calls_exact(PLACE_thread);
    }
    end_together();
    finish();
}

/* Handlers that come between a hit and its call, and calls that the kernel has made again. */
SESSION_TEST(a_call_that_is_made_again_is_caught_again_and_hit_once)
{
    for (int round = 0; round < 2; round++) {
        launch_together(2, 6 * rounds(1));
        pass_silently(SIGALRM);
        set_all(SDB_CATCH_ALL);
        (void)plant(&all.target, PLACE_restore);
        (void)plant(&all.target, PLACE_block);
        (void)plant(&all.target, PLACE_sleep);
        obey_all("bglYse");
        expect_all_exact();
        ck_assert_uint_gt(all.target.board->signals[0], 0);
        ck_assert_uint_eq(all.tally.hits[PLACE_restore], all.target.board->signals[0]);
        ck_assert_uint_eq(all.tally.hits[PLACE_block], all.target.board->counts[PLACE_block]);
        ck_assert_uint_eq(all.tally.hits[PLACE_sleep], all.target.board->counts[PLACE_sleep]);
        expect_calls_exact(PLACE_restore);
        expect_calls_exact(PLACE_block);
        ck_assert_uint_eq(all.calls[PLACE_sleep].entries, all.tally.hits[PLACE_sleep]);
        ck_assert_uint_eq(all.calls[PLACE_sleep].exits, all.tally.hits[PLACE_sleep]);
        end_together();
    }
    finish();
}

SESSION_TEST(newborns_have_all_of_it)
{
    launch_together(1, 1);
    stop_process(all.target.process);
    set_follow(all.target.process, SDB_FOLLOW_ALL);
    resume_process(all.target.process);
    pass_silently(SIGCHLD);
    set_all(0);
    (void)plant(&all.target, PLACE_fork);
    (void)plant(&all.target, PLACE_vfork);
    all.in_order = true;
    for (int round = 0; round < rounds(2); round++)
        obey_all("fvpcnFV");
    expect_all_exact();
    ck_assert_uint_eq(all.tally.hits[PLACE_fork], (uint64_t)rounds(2));
    ck_assert_uint_eq(all.tally.hits[PLACE_vfork], (uint64_t)rounds(2));
    end_together();
    finish();
}

HOLDING_CASE(injected);

static void inject_at(struct together *here, const struct sdb_event *event)
{
    struct sdb_syscall before = SDB_SYSCALL_INIT;

    if (event->kind != SDB_EVENT_BREAKPOINT && event->kind != SDB_EVENT_WATCHPOINT &&
        !is_call(event->kind))
        return;
    /* Of the hits there are many more. */
    if (event->kind == SDB_EVENT_BREAKPOINT && chance_below(&here->chance, 10) != 0)
        return;
    if (is_call(event->kind))
        before = call_of(event->thread);
    inject_in_stop(event->thread);
    expect_own_place(event->thread, "after an injection");
    if (is_call(event->kind)) {
        const struct sdb_syscall after = call_of(event->thread);

        ck_assert_mem_eq(&before, &after, sizeof(before));
    }
    here->injected[event->kind]++;
}

static void expect_injected(void)
{
    ck_assert_uint_gt(all.injected[SDB_EVENT_BREAKPOINT], 0);
    ck_assert_uint_gt(all.injected[SDB_EVENT_WATCHPOINT], 0);
    ck_assert_uint_gt(all.injected[SDB_EVENT_SYSCALL_ENTRY], 0);
    ck_assert_uint_gt(all.injected[SDB_EVENT_SYSCALL_EXIT], 0);
}

static void inject_at_all(uint32_t flags)
{
    launch_together(FEW, 5 * rounds(1));
    set_all(flags);
    all.in_order = true;
    all.meanwhile = inject_at;
    obey_all("s");
    expect_all_exact();
    expect_injected();
    end_together();
}

SESSION_TEST(injected_calls_disturb_no_hit_of_others)
{
    inject_at_all(0);
    inject_at_all(SDB_CATCH_ALL); /* injected ones are not told */
    finish();
}

/* All of them stand still: wherever that has caught them, they show the program's place. */
static void inject_in_all(struct together *here, const struct sdb_event *event)
{
    struct sdb_thread *thread;

    for (thread = sdb_process_next_thread(event->process, NULL); thread;
         thread = sdb_process_next_thread(event->process, thread)) {
        int64_t result = -1;
        int rc;

        ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
        expect_own_place(thread, "another");
        if (thread == event->thread || chance_below(&here->chance, 4) != 0)
            continue;
        rc = sdb_thread_inject(thread, SYS_gettid, none, &result);
        ck_assert_msg(rc == 0 || rc == -EBUSY, "%s", sdb_error_describe(rc));
        if (rc != 0)
            continue; /* its own event is still to be told */
        ck_assert_int_eq(result, sdb_thread_tid(thread));
        expect_own_place(thread, "another, after an injection");
        here->injected_elsewhere++;
    }
    inject_at(here, event);
}

SESSION_TEST(all_stop_and_calls_are_made_in_each)
{
    launch_together(FEW, 2 * rounds(1));
    ck_assert_int_eq(sdb_process_set_stop_mode(all.target.process, SDB_ALL_STOP), 0);
    set_all(0);
    all.in_order = true;
    all.meanwhile = inject_in_all;
    obey_all("s");
    expect_all_exact();
    expect_injected();
    ck_assert_uint_gt(all.injected_elsewhere, 0);
    end_together();
    finish();
}

int main(void)
{
    return run_suite("together");
}
