/* SPDX-License-Identifier: MIT */
/*
 * A process that is let go while its thread steps, out of a system call's beginning or anywhere: no trap is
 * left behind, of which it would die.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "calling.h"
#include "holding.h"
#include "racing.h"

#define ROUNDS 20

HOLDING_CASE(let_go);

static void run_to_beginning(struct sdb_thread *thread, int64_t number)
{
    struct sdb_event event;

    do {
        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = next_event();
        ck_assert(is_call(event.kind));
    } while (event.kind != SDB_EVENT_SYSCALL_ENTRY || call_of(thread).number != number);
}

static struct target launch(void)
{
    return launch_calls(STEPS("121", "nap:1", "121"));
}

/* Let it go in a step; it must live on. */
static void step_and_let_go(struct target *target)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child;

    resume_thread(sdb_process_thread(target->process), SDB_RESUME_STEP);
    child = detach_child(target->process);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    ck_assert_int_gt(result_of(target, 1), 0);
    ck_assert_int_eq(result_of(target, 2), 0);
    ck_assert_int_gt(result_of(target, 3), 0);
    sdb_child_close(child);
    close_target(target);
}

static void let_go_in_call(int64_t number)
{
    struct target target = launch();

    run_to_beginning(sdb_process_thread(target.process), number);
    step_and_let_go(&target);
}

SESSION_TEST(in_a_step_out_of_the_beginning_of_a_quick_call)
{
    for (int i = 0; i < rounds(ROUNDS); i++)
        let_go_in_call(SYS_getpgid);
    finish();
}

SESSION_TEST(in_a_step_out_of_the_beginning_of_a_call_that_waits)
{
    for (int i = 0; i < rounds(ROUNDS); i++)
        let_go_in_call(SYS_nanosleep);
    finish();
}

SESSION_TEST(in_each_of_the_first_steps_of_a_program)
{
    for (int count = 0; count < rounds(2 * ROUNDS); count++) {
        struct target target = launch();

        for (int i = 0; i < count; i++)
            (void)step_to(sdb_process_thread(target.process), SDB_EVENT_STEP);
        step_and_let_go(&target);
    }
    finish();
}

int main(void)
{
    return run_suite("trap_let_go");
}
