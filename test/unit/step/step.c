/* SPDX-License-Identifier: MIT */
/*
 * Stepping: by one instruction, with and without breakpoints on the way; over a call, out of a function,
 * to an address.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "breaking.h"

#define STEPPING SDB_TRACEE_DIR "/stepping"
#define DEPTH    4
#define STEPS    50

static struct target target;
static struct {
    uint64_t over;
    uint64_t after_over;
    uint64_t leaf;
} places;

/* The program stands in a system call, before the first of its calls. */
static struct sdb_thread *begin_stepping(int way)
{
    const char *const argv[] = {STEPPING, NULL};

    begin(way);
    target = launch_program(STEPPING, argv);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &places, sizeof(places)), (ssize_t)sizeof(places));
    return sdb_process_thread(target.process);
}

static void finish_stepping(void)
{
    ck_assert_int_eq(expect_exit(SDB_EXITED, 7).status->code, 7);
    finish_with(&target);
}

static struct sdb_breakpoint *plant_with(uint64_t address, uint64_t flags)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint = NULL;

    options.address = address;
    options.flags = flags;
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    return breakpoint;
}

static uint64_t get(struct sdb_thread *thread, const char *name)
{
    uint64_t value = 0;

    ck_assert_int_eq(sdb_thread_get_register(thread, name, &value), 0);
    return value;
}

static void expect_step_at(struct sdb_thread *thread, uint64_t pc)
{
    struct sdb_event event = expect(SDB_EVENT_STEP);

    ck_assert_ptr_eq(event.thread, thread);
    ck_assert_uint_eq(get(thread, "rip"), pc);
}

/* To the first hit of a place. */
static void go_to(struct sdb_thread *thread, uint64_t address)
{
    (void)plant_with(address, SDB_BREAKPOINT_ONE_SHOT);
    tell_target(&target, 'g');
    ck_assert_ptr_eq(expect(SDB_EVENT_BREAKPOINT).thread, thread);
    ck_assert_uint_eq(get(thread, "rip"), address);
}

HOLDING_CASE(steps);

TEST(a_call_is_stepped_over_however_deep_it_calls_itself)
{
    struct sdb_thread *thread = begin_stepping(_i);
    uint64_t stack_pointer;

    go_to(thread, places.over);
    stack_pointer = get(thread, "rsp");
    ck_assert_int_eq(sdb_thread_step_over(thread), 0);
    expect_step_at(thread, places.after_over);
    ck_assert_uint_eq(get(thread, "rsp"), stack_pointer);
    /* What is no call is one step. */
    ck_assert_int_eq(sdb_thread_step_over(thread), 0);
    (void)expect(SDB_EVENT_STEP);
    ck_assert_uint_eq(get(thread, "rsp"), stack_pointer + 8);
    resume_process(target.process);
    finish_stepping();
}

TEST(a_breakpoint_on_the_way_is_told_and_the_step_goes_on)
{
    struct sdb_thread *thread = begin_stepping(_i);
    struct sdb_breakpoint *breakpoint;

    go_to(thread, places.over);
    breakpoint = plant_with(places.leaf, 0);
    ck_assert_int_eq(sdb_thread_step_over(thread), 0);
    for (int i = 0; i < 2 * DEPTH; i++) {
        struct sdb_event event = expect(SDB_EVENT_BREAKPOINT);

        ck_assert_ptr_eq(event.breakpoint, breakpoint);
        resume(&event);
    }
    expect_step_at(thread, places.after_over);
    resume_process(target.process);
    finish_stepping();
}

TEST(a_function_is_left)
{
    struct sdb_thread *thread = begin_stepping(_i);
    uint64_t stack_pointer;
    uint64_t back = 0;

    go_to(thread, places.leaf);
    stack_pointer = get(thread, "rsp");
    ck_assert_int_eq(sdb_memory_read(target.process, stack_pointer, &back, sizeof(back)),
                     (int64_t)sizeof(back));
    ck_assert_int_eq(sdb_thread_step_out(thread, back, stack_pointer), 0);
    expect_step_at(thread, back);
    ck_assert_uint_eq(get(thread, "rsp"), stack_pointer + 8);
    resume_process(target.process);
    finish_stepping();
}

TEST(an_address_is_run_to_and_around_to_again)
{
    struct sdb_thread *thread = begin_stepping(_i);

    go_to(thread, places.over);
    for (int i = 0; i < DEPTH; i++) {
        ck_assert_int_eq(sdb_thread_run_to(thread, places.after_over), 0);
        expect_step_at(thread, places.after_over);
    }
    ck_assert_int_eq(sdb_thread_run_to(thread, places.after_over), 0);
    finish_stepping();
}

TEST(a_step_that_is_cancelled_does_not_arrive)
{
    struct sdb_thread *thread = begin_stepping(_i);
    struct sdb_event event;

    go_to(thread, places.over);
    (void)plant_with(places.leaf, SDB_BREAKPOINT_ONE_SHOT);
    ck_assert_int_eq(sdb_thread_step_over(thread), 0);
    event = expect(SDB_EVENT_BREAKPOINT);
    ck_assert_int_eq(sdb_thread_cancel_step(thread), 0);
    resume(&event);
    finish_stepping();
}

TEST(a_signal_on_the_way_is_told)
{
    struct sdb_thread *thread = begin_stepping(_i);

    go_to(thread, places.over);
    ck_assert_int_eq(kill(target.pid, SIGURG), 0);
    ck_assert_int_eq(sdb_thread_step_over(thread), 0);
    resume_from_signal(SIGURG);
    expect_step_at(thread, places.after_over);
    resume_process(target.process);
    finish_stepping();
}

/* ---- one by one ---- */

static void step_through(struct sdb_thread *thread, uint64_t pcs[STEPS])
{
    for (int i = 0; i < STEPS; i++) {
        resume_thread(thread, SDB_RESUME_STEP);
        (void)expect(SDB_EVENT_STEP);
        pcs[i] = get(thread, "rip");
    }
}

TEST(steps_are_the_same_over_breakpoints)
{
    static uint64_t bare[STEPS];
    static uint64_t planted[STEPS];
    uint64_t asked = 0;

    for (int round = 0; round < 2; round++) {
        struct sdb_thread *thread = begin_stepping(_i);
        uint64_t base;

        go_to(thread, places.over);
        base = places.over;
        if (round == 1) {
            struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
            struct sdb_breakpoint *breakpoint;
            static uint64_t addresses[STEPS];

            for (int i = 0; i < STEPS; i++)
                addresses[i] = bare[i] + base;
            options.addresses = addresses;
            options.address_count = STEPS;
            options.condition = count_and_pass;
            options.condition_data = &asked;
            ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
        }
        step_through(thread, round == 0 ? bare : planted);
        for (int i = 0; i < STEPS; i++)
            (round == 0 ? bare : planted)[i] -= base;
        resume_process(target.process);
        finish_stepping();
    }
    ck_assert_uint_gt(asked, STEPS / 2);
    for (int i = 0; i < STEPS; i++)
        ck_assert_msg(bare[i] == planted[i], "step %d: %#llx, %#llx", i,
                      (unsigned long long)bare[i], (unsigned long long)planted[i]);
}

/* ---- errors ---- */

TEST(steps_need_a_thread_that_stands_still)
{
    struct sdb_thread *thread = begin_stepping(_i);

    ck_assert_int_eq(sdb_thread_step_over(NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_step_out(NULL, 0, 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_run_to(NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_cancel_step(NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_step_over(thread), -EBUSY);
    ck_assert_int_eq(sdb_thread_step_out(thread, places.over, 0), -EBUSY);
    ck_assert_int_eq(sdb_thread_run_to(thread, places.over), -EBUSY);
    ck_assert_int_eq(sdb_thread_cancel_step(thread), 0);

    go_to(thread, places.over);
    ck_assert_int_eq(sdb_thread_run_to(thread, 8), -EFAULT);
    ck_assert_int_eq(sdb_thread_run_to(thread, get(thread, "rsp")), -EACCES);
    sdb_thread_retain(thread);
    resume_process(target.process);
    (void)expect_exit(SDB_EXITED, 7);
    ck_assert_int_eq(sdb_thread_step_over(thread), -ESRCH);
    ck_assert_int_eq(sdb_thread_run_to(thread, places.over), -ESRCH);
    ck_assert_int_eq(sdb_thread_cancel_step(thread), -ESRCH);
    sdb_thread_close(thread);
    finish_with(&target);
}

int main(void)
{
    return run_suite("step");
}
