/* SPDX-License-Identifier: MIT */
/*
 * Steps through instructions that are hit, watched and caught: the same as without all that.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "adding.h"
#include "breaking.h"
#include "calling.h"
#include "host.h"
#include "injecting.h"
#include "racing.h"
#include "together.h"

#define SYSCALL_LENGTH  2
#define CALL_FINISH     7 /* of the place `system`: what comes behind the call until rcx is used */
#define STEPS_OF_A_TURN 64

HOLDING_CASE(steps);

/*
 * Step over everything in one turn, from behind the adding to there.
 *
 * @param pcs  gets where it came
 * @return how many these are
 */
static int step_through_turn(struct sdb_thread *thread, uint64_t *pcs, unsigned hits)
{
    unsigned told[MOST_KINDS] = {0};
    int count = 0;

    for (;;) {
        struct sdb_event event;

        ck_assert_int_eq(sdb_thread_step_over(thread), 0);
        event = next_event();
        while (is_call(event.kind)) {
            told[event.kind]++;
            resume(&event);
            event = next_event();
        }
        told[event.kind]++;
        if (event.kind == SDB_EVENT_WATCHPOINT) {
            ck_assert_uint_eq(pc_of(thread), adding.behind);
            break;
        }
        /* Back from the call it comes to one, and that is told instead of the step's end. */
        if (event.kind == SDB_EVENT_BREAKPOINT)
            ck_assert_uint_eq(pc_of(thread), adding.at);
        else
            ck_assert_msg(event.kind == SDB_EVENT_STEP, "%s came", sdb_event_name(event.kind));
        ck_assert_int_lt(count, STEPS_OF_A_TURN);
        pcs[count++] = pc_of(thread);
    }
    ck_assert_uint_eq(told[SDB_EVENT_SYSCALL_ENTRY], 1);
    ck_assert_uint_eq(told[SDB_EVENT_SYSCALL_EXIT], 1);
    ck_assert_uint_eq(told[SDB_EVENT_BREAKPOINT], hits);
    return count;
}

SESSION_TEST(steps_are_the_same_with_all_of_it)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    uint64_t bare[STEPS_OF_A_TURN + 1];
    uint64_t pcs[STEPS_OF_A_TURN];
    struct sdb_breakpoint *asked_one;
    struct sdb_event event;
    uint64_t asked = 0;
    int count;

    launch_adding();
    catch_calls(adding.target.process, 0, NUMBERS(SYS_getppid));
    give(&adding.target, 'c', ADDING_TURNS);
    expect_whole_call(SYS_getppid);
    event = expect_hit(adding.watchpoint);
    count = step_through_turn(event.thread, bare, 0);
    ck_assert_int_gt(count, 2);
    ck_assert_uint_eq(bare[count - 1], adding.at);

    bare[count] = adding.behind;
    options.addresses = bare;
    options.address_count = (size_t)count + 1;
    options.condition = count_and_pass;
    options.condition_data = &asked;
    ck_assert_int_eq(sdb_breakpoint_create(adding.target.process, &options, &asked_one), 0);
    (void)plant_at(adding.target.process, adding.at);
    for (int turn = 2; turn < ADDING_TURNS; turn++) {
        const int now = step_through_turn(event.thread, pcs, 1);
        ck_assert_int_eq(now, count);
        ck_assert_mem_eq(pcs, bare, (size_t)count * sizeof(pcs[0]));
        ck_assert_uint_eq(asked, (uint64_t)(turn - 1) * ((uint64_t)count + 1));
    }
    resume_process(adding.target.process);
    (void)wait_quietly(&adding.target);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(adding.watchpoint), ADDING_TURNS + 2);
    end_adding();
    finish();
}

static void expect_step_to(struct sdb_thread *thread, uint64_t pc)
{
    struct sdb_event event = expect_of(SDB_EVENT_STEP, thread);

    ck_assert_uint_eq(pc_of(event.thread), pc);
    see_together(&event, NULL);
}

static struct sdb_event expect_end_of_call(uint32_t end)
{
    struct sdb_event event = expect_call(end, SYS_gettid);

    see_together(&event, NULL);
    return event;
}

/*
 * The thread stands at a hit of the place `system`, or has just been resumed to its call's entry.
 */
static void expect_call_done(struct sdb_thread *thread)
{
    uint64_t value = 0;

    ck_assert_int_eq(sdb_thread_get_register(thread, "rcx", &value), 0);
    ck_assert_uint_eq(value, address_of(&all.target, PLACE_system) + SYSCALL_LENGTH);
    ck_assert_int_eq(sdb_thread_get_register(thread, "rax", &value), 0);
    ck_assert_uint_eq(value, (uint64_t)sdb_thread_tid(thread));
}

/*
 * Ways past a caught call that has a breakpoint.  @return how many entries and exits are told of
 * it
 */
static uint64_t go_past_call(int way, const struct sdb_event *hit)
{
    const uint64_t behind = address_of(&all.target, PLACE_system) + SYSCALL_LENGTH;
    struct sdb_thread *thread = hit->thread;
    struct sdb_event event;

    switch (way) {
    case 0: /* a step makes the call; only a thread that is continued tells it */
        resume_thread(thread, SDB_RESUME_STEP);
        expect_step_to(thread, behind);
        expect_call_done(thread);
        resume_thread(thread, SDB_RESUME_STEP);
        expect_step_to(thread, behind + CALL_FINISH);
        return 0;
    case 1:
        ck_assert_int_eq(sdb_thread_step_over(thread), 0);
        expect_step_to(thread, behind);
        expect_call_done(thread);
        ck_assert_int_eq(sdb_thread_step_over(thread), 0);
        expect_step_to(thread, behind + CALL_FINISH);
        return 0;
    case 2: /* to an address: it is continued */
        ck_assert_int_eq(sdb_thread_run_to(thread, behind + CALL_FINISH), 0);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_ENTRY);
        resume(&event);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_EXIT);
        resume(&event);
        expect_step_to(thread, behind + CALL_FINISH);
        return 2;
    case 3: /* a step from the call's end */
        resume(hit);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_ENTRY);
        resume(&event);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_EXIT);
        expect_call_done(thread);
        resume_thread(thread, SDB_RESUME_STEP);
        expect_step_to(thread, behind + CALL_FINISH);
        return 2;
    case 4: /* from end to end */
        resume_thread(thread, SDB_RESUME_SYSCALL);
        (void)expect_end_of_call(SDB_EVENT_SYSCALL_ENTRY);
        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_EXIT);
        ck_assert_int_eq(sdb_thread_run_to(thread, behind + CALL_FINISH), 0);
        expect_step_to(thread, behind + CALL_FINISH);
        return 2;
    default: /* a step from its beginning, past its end */
        resume(hit);
        (void)expect_end_of_call(SDB_EVENT_SYSCALL_ENTRY);
        resume_thread(thread, SDB_RESUME_STEP);
        expect_step_to(thread, behind);
        expect_call_done(thread);
        stage_of(thread)->call = -1;
        resume_thread(thread, SDB_RESUME_STEP);
        expect_step_to(thread, behind + CALL_FINISH);
        return 1;
    }
}

SESSION_TEST(a_caught_call_with_a_breakpoint_is_stepped_over)
{
    const int turns = 24 * rounds(1);
    struct tally tally = {0};
    struct sdb_event event;
    uint64_t ends = 0;

    launch_together(1, turns);
    (void)plant(&all.target, PLACE_system);
    watch_cell();
    catch_calls(all.target.process, 0, NUMBERS(SYS_gettid));
    tell_target(&all.target, 'g');
    for (int turn = 0; turn < turns; turn++) {
        event = expect(SDB_EVENT_WATCHPOINT);
        see_together(&event, NULL);
        resume(&event);
        event = expect(SDB_EVENT_BREAKPOINT);
        see_together(&event, NULL);
        ck_assert_int_eq(stage_of(event.thread)->hit, PLACE_system);
        ends += go_past_call(turn % 6, &event);
        resume_process(all.target.process);
    }
    run_to_answer(&all.target, &tally);
    expect_right(&all.target);
    ck_assert_uint_eq(all.kinds[SDB_EVENT_SYSCALL_ENTRY] + all.kinds[SDB_EVENT_SYSCALL_EXIT], ends);
    ck_assert_uint_eq(all.kinds[SDB_EVENT_BREAKPOINT], (uint64_t)turns);
    ck_assert_uint_eq(all.writes, (uint64_t)turns);
    end_together();
    finish();
}

/*
 * The kernel may take the trap flag of a step for the program's own where the instruction loads the
 * flags; the program would die of it.
 */
SESSION_TEST(steps_from_what_loads_the_flags_leave_no_trap)
{
    for (int count = 1; count <= 3; count++) {
        struct tally tally = {0};
        struct sdb_event event;

        launch_together(1, 3);
        catch_calls(all.target.process, 0, NUMBERS(SYS_gettid));
        (void)plant(&all.target, PLACE_interrupt_return);
        tell_target(&all.target, 'g');
        expect_whole_call(SYS_gettid);
        event = expect(SDB_EVENT_BREAKPOINT);
        for (int i = 0; i < count; i++) {
            resume_thread(event.thread, SDB_RESUME_STEP);
            (void)expect_of(SDB_EVENT_STEP, event.thread);
        }
        resume_process(all.target.process);
        run_to_answer(&all.target, &tally);
        ck_assert_uint_eq(tally.signals[SIGTRAP], 0);
        expect_right(&all.target);
        end_together();
    }
    finish();
}

int main(void)
{
    return run_suite("together_steps");
}
