/* SPDX-License-Identifier: MIT */
/*
 * What threads notice of a watchpoint being set or removed: those that run are stopped for a moment, and
 * go on exactly as they did; those that stand still stay.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "host.h"
#include "racing.h"
#include "watching.h"

#define ROUNDS   500
#define SLEEP_MS 300
#define CREW     4

/* Set one and remove it, by which all threads stop for a moment, twice. */
static void pause_twice(struct sdb_process *process, uint64_t address)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    struct sdb_watchpoint *watchpoint = NULL;
    int rc;

    options.address = address;
    options.length = 1;
    rc = sdb_watchpoint_create(process, &options, &watchpoint);
    ck_assert_msg(rc == 0, "create: %s", sdb_error_describe(rc));
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
}

/* Something readable that nobody touches: the program's headers. */
static uint64_t quiet_address(pid_t pid)
{
    struct sdb_facts_auxv *auxv = NULL;
    uint64_t address = 0;

    ck_assert_int_eq(sdb_facts_read_auxv(pid, &auxv), 0);
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_PHDR, &address), 0);
    sdb_facts_free(auxv);
    return address;
}

HOLDING_CASE(moments);

SESSION_TEST(threads_that_run_go_on_and_nothing_is_told)
{
    struct target target = launch_turning_crew(CREW);
    uint64_t address = quiet_address(target.pid);

    for (int i = 0; i < rounds(ROUNDS); i++) {
        pause_twice(target.process, address);
        if (i % 50 == 0) {
            for (int place = 1; place <= CREW; place++)
                expect_turns(target.board, place, 2);
        }
    }
    for (int place = 0; place <= CREW; place++)
        ck_assert_int_eq(sdb_thread_state(crew_thread(&target, place)), SDB_THREAD_RUNNING);
    expect_nothing();
    finish_with(&target);
}

SESSION_TEST(threads_that_stand_still_stay)
{
    struct target target = launch_turning_crew(CREW);
    uint64_t address = quiet_address(target.pid);

    stop_thread(crew_thread(&target, 1));
    stop_thread(crew_thread(&target, 2));
    for (int i = 0; i < rounds(ROUNDS / 5); i++) {
        pause_twice(target.process, address);
        expect_standstill(target.board, 1);
        expect_standstill(target.board, 2);
    }
    expect_turns(target.board, 3, 2);
    expect_turns(target.board, 4, 2);
    stop_process(target.process);
    pause_twice(target.process, address);
    for (int place = 1; place <= CREW; place++) {
        expect_standstill(target.board, place);
        ck_assert_int_eq(sdb_thread_state(crew_thread(&target, place)), SDB_THREAD_STOPPED);
    }
    resume_process(target.process);
    expect_all_turn(target.board, 1, CREW, 2);
    expect_nothing();
    finish_with(&target);
}

SESSION_TEST(a_sleep_goes_on)
{
    int turns = 0;
    struct watched_target target = launch_watched();
    struct pollfd output;
    uint64_t slept;

    output = (struct pollfd){.fd = target.target.output, .events = POLLIN};
    give(&target, 'z', SLEEP_MS);
    while (poll(&output, 1, 0) == 0) {
        pause_twice(target.process, target.address + OTHER);
        if (sdb_session_wait(session, 0, &(struct sdb_event)SDB_EVENT_INIT) != -ETIMEDOUT)
            ck_abort_msg("an event came");
        turns++;
    }
    slept = answer_of(&target);
    ck_assert_int_gt(turns, 10);
    ck_assert_uint_ge(slept, SLEEP_MS);
    ck_assert_uint_lt(slept, 10 * SLEEP_MS);
    finish_watched(&target);
}

/* A thread that steps is resumed to step, and each step is one instruction. */
SESSION_TEST(a_step_stays_a_step)
{
    uint64_t pc = 0;
    int steps = 0;
    struct watched_target target = launch_watched();
    struct sdb_event event;

    stop_thread(target.thread);
    give(&target, 'w', (uint64_t)rounds(ROUNDS));
    for (int i = 0; i < rounds(ROUNDS); i++) {
        resume_thread(target.thread, SDB_RESUME_STEP);
        pause_twice(target.process, target.address + OTHER);
        event = expect_of(SDB_EVENT_STEP, target.thread);
        ck_assert_int_eq(sdb_thread_pc(target.thread, &pc), 0);
        steps++;
    }
    ck_assert_int_eq(steps, rounds(ROUNDS));
    resume(&event);
    /* A request to stop that came late may still be there. */
    ck_assert_uint_eq(wait_quietly(&target), (uint64_t)rounds(ROUNDS));
    finish_watched(&target);
}

SESSION_TEST(a_group_stop_is_kept)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;
    uint64_t address = quiet_address(target.pid);

    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    resume_from_signal(SIGSTOP);
    for (int i = 0; i <= CREW; i++) {
        resume_from(SDB_EVENT_GROUP_STOP);
    }
    for (int i = 0; i < rounds(ROUNDS / 5); i++) {
        pause_twice(target.process, address);
        if (i % 20 == 0)
            expect_nothing();
    }
    for (int place = 1; place <= CREW; place++)
        expect_standstill(target.board, place);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    for (int i = 0; i <= CREW + 1; i++) {
        event = next_event();
        ck_assert(event.kind == SDB_EVENT_GROUP_CONTINUE ||
                  (event.kind == SDB_EVENT_SIGNAL && event.signal == SIGCONT));
        resume(&event);
    }
    expect_all_turn(target.board, 1, CREW, 2);
    finish_with(&target);
}

/* Resumed in a group-stop without its signal, a thread runs against it. */
SESSION_TEST(a_thread_that_runs_against_a_group_stop_goes_on)
{
    struct target target = launch_turning_crew(CREW);
    uint64_t address = quiet_address(target.pid);

    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    resume_from_signal(SIGSTOP);
    for (int i = 0; i <= CREW; i++)
        expect(SDB_EVENT_GROUP_STOP);
    ck_assert_int_eq(sdb_thread_resume(crew_thread(&target, 1), SDB_RESUME_CONTINUE, 0), 0);
    for (int i = 0; i < rounds(ROUNDS / 5); i++) {
        pause_twice(target.process, address);
        expect_turns(target.board, 1, 2);
    }
    expect_nothing();
    expect_standstill(target.board, 3);
    finish_with(&target);
}

SESSION_TEST(signals_that_come_meanwhile_reach_the_program)
{
    uint64_t sent = 0;
    struct target target = launch_turning_crew(CREW);
    uint64_t address = quiet_address(target.pid);

    pass_silently(SIGUSR1);
    for (int i = 0; i < rounds(ROUNDS); i++) {
        if (target.board->signals[1] == sent) {
            sent++;
            ck_assert_int_eq(syscall(SYS_tgkill, target.pid, tid_at(target.board, 1), SIGUSR1), 0);
        }
        pause_twice(target.process, address);
    }
    for (int64_t end = host_now_ms() + PATIENCE_MS;
         target.board->signals[1] < sent && host_now_ms() < end;)
        expect_nothing();
    ck_assert_uint_eq(target.board->signals[1], sent);
    ck_assert_uint_gt(sent, 10);
    finish_with(&target);
}

SESSION_TEST(an_interrupt_that_was_asked_for_before_is_told)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;
    uint64_t address = quiet_address(target.pid);

    for (int i = 0; i < rounds(ROUNDS); i++) {
        struct sdb_thread *thread = crew_thread(&target, 1 + i % CREW);

        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        pause_twice(target.process, address);
        event = expect_of(SDB_EVENT_INTERRUPT, thread);
        resume(&event);
    }
    expect_nothing();
    finish_with(&target);
}

int main(void)
{
    return run_suite("watchpoint_moment");
}
