/* SPDX-License-Identifier: MIT */
/*
 * Group-stops of a process with threads: told by each, and kept whatever is done to the threads
 * meanwhile, until a SIGCONT comes.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>

#include "crew.h"
#include "holding.h"

#define CREW     2
#define QUIET_MS 100

static void set_policy(int signal, enum sdb_signal_policy policy)
{
    ck_assert_int_eq(sdb_session_set_signal_policy(session, signal, policy), 0);
}

static void expect_all_still(const struct target *target)
{
    for (int i = 0; i <= CREW; i++)
        expect_standstill(target->board, i);
}

/* SIGSTOP for the process; each of its threads tells the group-stop once, and is resumed. */
static void stop_group(const struct target *target, bool reported)
{
    bool told[CREW + 1] = {false};
    struct sdb_event event;

    ck_assert_int_eq(kill(target->pid, SIGSTOP), 0);
    if (reported) {
        resume_from_signal(SIGSTOP);
    }
    for (int i = 0; i <= CREW; i++) {
        event = expect(SDB_EVENT_GROUP_STOP);
        ck_assert_int_eq(event.signal, SIGSTOP);
        for (int place = 0; place <= CREW; place++) {
            if (event.thread == crew_thread(target, place)) {
                ck_assert(!told[place]);
                told[place] = true;
            }
        }
        resume(&event);
    }
    expect_nothing();
    expect_all_still(target);
}

/* Each of the threads tells the end of the group-stop, before one gets the SIGCONT, and it runs. */
static void expect_group_continues(const struct target *target, bool reported)
{
    int ends = 0;
    int signals = 0;

    while (ends < CREW + 1 || signals < (int)reported) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_SIGNAL) {
            ck_assert_int_eq(event.signal, SIGCONT);
            ck_assert_int_gt(ends, 0);
            signals++;
        } else {
            ck_assert_uint_eq(event.kind, SDB_EVENT_GROUP_CONTINUE);
            ends++;
        }
        resume(&event);
    }
    expect_nothing();
    ck_assert_int_eq(signals, (int)reported);
    expect_all_turn(target->board, 1, CREW, 2);
}

static void continue_group(const struct target *target, bool reported)
{
    ck_assert_int_eq(kill(target->pid, SIGCONT), 0);
    expect_group_continues(target, reported);
}

HOLDING_CASE(group_stops);

SESSION_TEST(every_thread_tells_a_group_stop_and_its_end)
{
    struct target target = launch_turning_crew(CREW);

    for (int i = 0; i < 5; i++) {
        stop_group(&target, true);
        continue_group(&target, true);
    }
    finish_with(&target);
}

SESSION_TEST(a_stop_signal_that_is_passed_still_tells_the_group_stop)
{
    struct target target = launch_turning_crew(CREW);

    set_policy(SIGSTOP, SDB_POLICY_PASS);
    set_policy(SIGCONT, SDB_POLICY_PASS);
    stop_group(&target, false);
    continue_group(&target, false);
    finish_with(&target);
}

SESSION_TEST(a_group_stop_is_kept_when_all_are_stopped_and_resumed)
{
    struct target target = launch_turning_crew(CREW);

    stop_group(&target, true);
    for (int i = 0; i < 5; i++) {
        stop_process(target.process);
        for (int place = 0; place <= CREW; place++)
            ck_assert_int_eq(sdb_thread_state(crew_thread(&target, place)), SDB_THREAD_STOPPED);
        expect_nothing();
        resume_process(target.process);
        expect_nothing();
        expect_all_still(&target);
    }
    continue_group(&target, true);
    finish_with(&target);
}

SESSION_TEST(a_group_stop_is_kept_through_an_interrupt)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    stop_group(&target, true);
    ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, 1)), 0);
    event = next_event();
    ck_assert_ptr_eq(event.thread, crew_thread(&target, 1));
    ck_assert(event.kind == SDB_EVENT_INTERRUPT || event.kind == SDB_EVENT_GROUP_STOP);
    resume(&event);
    expect_nothing();
    expect_all_still(&target);
    continue_group(&target, true);
    finish_with(&target);
}

SESSION_TEST(a_group_stop_is_kept_in_all_stop)
{
    bool told[CREW + 1] = {false};
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, SDB_ALL_STOP), 0);
    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    event = expect_signal(SIGSTOP);
    expect_all_still(&target);
    resume(&event);
    for (int i = 0; i <= CREW; i++) {
        event = expect(SDB_EVENT_GROUP_STOP);
        expect_all_still(&target);
        for (int place = 0; place <= CREW; place++) {
            if (event.thread == crew_thread(&target, place)) {
                ck_assert(!told[place]);
                told[place] = true;
            }
        }
        resume(&event);
    }
    expect_nothing();
    expect_all_still(&target);
    continue_group(&target, true);
    finish_with(&target);
}

SESSION_TEST(a_sigcont_while_the_group_stop_is_looked_at_is_not_lost)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event stops[CREW + 1];

    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    resume_from_signal(SIGSTOP);
    for (int i = 0; i <= CREW; i++)
        stops[i] = expect(SDB_EVENT_GROUP_STOP);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    expect_all_still(&target);
    for (int i = 0; i <= CREW; i++)
        resume(&stops[i]);
    expect_group_continues(&target, true);
    finish_with(&target);
}

SESSION_TEST(a_sigcont_while_all_are_stopped_is_not_lost)
{
    struct target target = launch_turning_crew(CREW);

    stop_group(&target, true);
    stop_process(target.process);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    /* Some may have been told of it while they stood; either way nobody runs before all is told. */
    while (sdb_process_resume(target.process, SDB_RESUME_CONTINUE) != -EBUSY) {
        struct sdb_event event = SDB_EVENT_INIT;

        while (sdb_session_wait(session, QUIET_MS, &event) == 0)
            resume(&event);
    }
    expect_all_turn(target.board, 1, CREW, 2);
    finish_with(&target);
}

/* Whatever is told in between: after the last SIGCONT it runs. */
SESSION_TEST(stops_and_continues_in_a_row_leave_it_running)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target = launch_turning_crew(CREW);

    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(kill(target.pid, i % 2 == 0 ? SIGSTOP : SIGCONT), 0);
        if (i % 3 == 0 && sdb_session_wait(session, 1, &event) == 0)
            resume(&event);
        if (i % 7 == 0)
            stop_process(target.process);
        if (i % 7 == 0)
            (void)sdb_process_resume(target.process, SDB_RESUME_CONTINUE);
    }
    while (sdb_session_wait(session, QUIET_MS, &event) == 0)
        resume(&event);
    expect_all_turn(target.board, 1, CREW, 2);
    finish_with(&target);
}

SESSION_TEST(a_thread_can_run_against_the_group_stop)
{
    struct target target = launch_turning_crew(CREW);

    stop_group(&target, true);
    stop_process(target.process);
    ck_assert_int_eq(sdb_thread_resume(crew_thread(&target, 1), SDB_RESUME_CONTINUE, 0), 0);
    expect_turns(target.board, 1, 5);
    expect_standstill(target.board, 0);
    expect_standstill(target.board, 2);
    finish_with(&target);
}

SESSION_TEST(a_stopped_process_can_be_killed)
{
    struct target target = launch_turning_crew(CREW);

    stop_group(&target, true);
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    for (int i = 0; i < CREW; i++)
        expect_thread_exit(SDB_KILLED, SIGKILL);
    expect_exit(SDB_KILLED, SIGKILL);
    finish_with(&target);
}

TEST(one_that_is_killed_in_its_group_stop_is_not_let_go)
{
    const pid_t pid = fork_waiting();
    struct sdb_process *process;

    begin(_i);
    process = attach(pid);
    resume_process(process);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    resume_from_signal(SIGSTOP);
    (void)expect(SDB_EVENT_GROUP_STOP);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    await_state(pid, 'Z');
    ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, NULL), -ESRCH);
    expect_exit(SDB_KILLED, SIGKILL);
    finish();
}

SESSION_TEST(a_stopped_process_that_is_let_go_stays_stopped)
{
    struct sdb_child *child = NULL;
    struct target target = launch_turning_crew(CREW);

    stop_group(&target, true);
    child = detach_child(target.process);
    for (int i = 0; i <= CREW; i++) {
        await_state(tid_at(target.board, i), 'T');
        ck_assert_int_eq(status_of(tid_at(target.board, i), "TracerPid", 10), 0);
    }
    finish();
    ck_assert_int_eq(sdb_child_kill(child, SIGCONT), 0);
    expect_all_turn(target.board, 1, CREW, 2);
    ck_assert_int_eq(sdb_child_terminate(child, 0, PATIENCE_MS, NULL), 0);
    sdb_child_close(child);
    close_target(&target);
}

int main(void)
{
    return run_suite("session_group_stop");
}
