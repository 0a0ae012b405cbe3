/* SPDX-License-Identifier: MIT */
/*
 * vfork(2): the events of parent and child; and the parent, which cannot stop while its child lingers,
 * and which nothing may wait for.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>

#include "crew.h"
#include "holding.h"
#include "host.h"

#define CREW 4
#define SOON 5000 /* ms: long for what waits for nothing, short for what lingers until told */

static void set_all_stop(const struct target *target)
{
    ck_assert_int_eq(sdb_process_set_stop_mode(target->process, SDB_ALL_STOP), 0);
}

static void stop_all(const struct target *target)
{
    stop_process(target->process);
}

HOLDING_CASE(vforks);

/* From the vfork to the end of the child, which has gone through these events. */
static void vfork_is_told(char how, bool executes)
{
    struct target target = crew_that_follows(1, SDB_FOLLOW_ALL);
    struct sdb_event birth;
    struct sdb_event event;

    order(&target, 0, how);
    birth = expect_of(SDB_EVENT_VFORK, sdb_process_thread(target.process));
    ck_assert_ptr_ne(birth.new_process, target.process);
    event = expect_of(SDB_EVENT_START, birth.new_thread);
    resume(&birth);
    resume(&event);
    await_child_of(&target);
    await_state(target.pid, 'D');
    expect_nothing();
    set_gate(target.board, true);

    /* The end of the vfork and what the child has done are told in either order. */
    for (int left = executes ? 3 : 2; left > 0; left--) {
        event = next_event();
        if (event.kind == SDB_EVENT_VFORK_DONE) {
            ck_assert_ptr_eq(event.thread, birth.thread);
            ck_assert_ptr_null(event.new_process);
        } else if (event.kind == SDB_EVENT_EXEC) {
            ck_assert(executes);
            ck_assert_int_eq(event.former_tid, sdb_process_pid(birth.new_process));
        } else {
            ck_assert_uint_eq(event.kind, SDB_EVENT_EXITED);
            ck_assert_int_eq(event.status->code, executes ? 4 : 3);
        }
        resume(&event);
    }
    expect_result(&target, executes ? 4 : 3);
    close_input(&target);
    ck_assert_int_eq(run_to_end(target.process).code, 0);
    close_target(&target);
}

SESSION_TEST(the_end_of_a_vfork_and_its_childs_are_told)
{
    for (int i = 0; i < 10; i++) {
        vfork_is_told('v', true);
        vfork_is_told('V', false);
    }
    finish();
}

/* ---- the parent cannot stop ---- */

/* A crew whose place 1 is in a vfork, and stays there until the gate is open. */
static struct target vforking_crew(uint32_t follow)
{
    struct target target = crew_that_follows(CREW, follow);

    order(&target, 1, 'v');
    if (follow & SDB_FOLLOW_VFORK)
        run_births(1, NULL);
    await_child_of(&target);
    await_state(tid_at(target.board, 1), 'D');
    return target;
}

/* The vfork's end, the child's exec and its end; in whatever order. */
static void finish_followed_vfork(void)
{
    for (int left = 3; left > 0; left--) {
        const struct sdb_event event = next_event();

        ck_assert(event.kind == SDB_EVENT_VFORK_DONE || event.kind == SDB_EVENT_EXEC ||
                  event.kind == SDB_EVENT_EXITED);
        resume(&event);
    }
}

static void expect_others_still(const struct target *target)
{
    for (int i = 0; i <= CREW; i++) {
        if (i != 1)
            expect_standstill(target->board, i);
    }
    ck_assert_int_eq(state_of(tid_at(target->board, 1)), 'D');
    ck_assert_int_eq(sdb_thread_state(crew_thread(target, 1)), SDB_THREAD_RUNNING);
}

SESSION_TEST(a_thread_in_vfork_is_not_waited_for)
{
    struct target target;
    int64_t before;

    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    before = host_now_ms();
    stop_all(&target);
    ck_assert_int_lt(host_now_ms() - before, SOON);
    expect_others_still(&target);

    /* It stops when it can, and nothing tells of it. */
    set_gate(target.board, true);
    await_state(tid_at(target.board, 1), 't');
    expect_nothing();
    ck_assert_int_eq(sdb_thread_state(crew_thread(&target, 1)), SDB_THREAD_STOPPED);
    resume_process(target.process);
    expect_result(&target, 4);
    finish_with(&target);
}

SESSION_TEST(a_thread_in_vfork_goes_on_if_the_process_was_resumed)
{
    struct target target;

    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    stop_all(&target);
    resume_process(target.process);
    set_gate(target.board, true);
    expect_result(&target, 4);
    finish_with(&target);
}

SESSION_TEST(policies_may_change_while_a_thread_is_in_vfork)
{
    struct target target;
    struct sdb_event birth;
    struct sdb_event start;

    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    ck_assert_int_eq(sdb_process_set_follow(target.process, SDB_FOLLOW_ALL), -EBUSY);
    stop_all(&target);
    ck_assert_int_eq(sdb_process_set_release(target.process, SDB_RELEASE_KILL), 0);
    ck_assert_int_eq(sdb_process_set_follow(target.process, SDB_FOLLOW_ALL), 0);
    resume_process(target.process);

    /* One that stood still has the new policy, and so has the one in vfork once it has stopped. */
    set_gate(target.board, true);
    expect_result(&target, 4);
    stop_all(&target);
    resume_process(target.process);
    for (int i = 1; i <= 2; i++) {
        order(&target, i, 'v');
        birth = expect_of(SDB_EVENT_VFORK, crew_thread(&target, i));
        start = expect_of(SDB_EVENT_START, birth.new_thread);
        resume(&birth);
        resume(&start);
        finish_followed_vfork();
        expect_result(&target, 4);
    }
    finish_with(&target);
}

SESSION_TEST(an_event_does_not_wait_for_a_thread_in_vfork)
{
    struct target target;
    struct sdb_event event;
    int64_t before;

    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    set_all_stop(&target);
    for (int i = 0; i < 3; i++) {
        order(&target, 2, 'k');
        before = host_now_ms();
        event = expect_signal(SIGUSR1);
        ck_assert_int_lt(host_now_ms() - before, SOON);
        expect_others_still(&target);
        resume(&event);
    }
    set_gate(target.board, true);
    expect_result(&target, 4);
    finish_with(&target);
}

SESSION_TEST(a_vfork_that_is_followed_holds_nobody_up)
{
    struct target target;
    struct sdb_event done = SDB_EVENT_INIT;

    target = vforking_crew(SDB_FOLLOW_ALL);
    set_all_stop(&target);
    order(&target, 2, 'k');
    done = expect_signal(SIGUSR1);
    expect_others_still(&target);
    resume(&done);
    stop_all(&target);
    expect_others_still(&target);
    resume_process(target.process);
    set_gate(target.board, true);
    finish_followed_vfork();
    expect_result(&target, 4);
    finish_with(&target);
}

SESSION_TEST(an_interrupt_of_a_thread_in_vfork_is_told_when_it_is_over)
{
    struct target target;
    struct sdb_event event;

    target = vforking_crew(SDB_FOLLOW_DEFAULT);
    ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, 1)), 0);
    expect_nothing();
    set_gate(target.board, true);
    event = expect_of(SDB_EVENT_INTERRUPT, crew_thread(&target, 1));
    resume(&event);
    expect_result(&target, 4);
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_vfork");
}
