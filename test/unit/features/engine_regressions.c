/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints under unusual circumstances, each of which once went wrong: the tests' names say what
 * holds now.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "holding.h"

#define ENGINE   SDB_TRACEE_DIR "/engine"
#define FAR_HITS 100

static int send_to(int pid, int tid, int signal)
{
    return (int)syscall(SYS_tgkill, pid, tid, signal);
}

/* Launch it, have it wait, and put a breakpoint there. */
static struct target launch_engine(const char *what, int place, uint32_t follow,
                                   struct sdb_breakpoint **breakpoint)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct target target = launch_board_program(ENGINE, what, NULL, NULL);

    if (follow != SDB_FOLLOW_DEFAULT)
        set_follow(target.process, follow);
    resume_process(target.process);
    wait_ready_held(&target);
    options.address = target.board->addresses[place];
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, breakpoint), 0);
    return target;
}

static void end_engine(struct target *target)
{
    (void)expect_exit(SDB_EXITED, 0);
    finish_with(target);
}

/* The next event must be a hit; send it a signal there, and go on. */
static void signal_at_hit(const struct target *target)
{
    const struct sdb_event event = expect(SDB_EVENT_BREAKPOINT);

    ck_assert_int_eq(send_to(target->pid, target->pid, SIGUSR1), 0);
    resume(&event);
}

/* Once it waits in its call, send it a signal, which must come and go on. */
static void signal_in_call(const struct target *target)
{
    await_state(target->pid, 'S');
    ck_assert_int_eq(send_to(target->pid, target->pid, SIGUSR1), 0);
    resume_from_signal(SIGUSR1);
}

HOLDING_CASE(signals);

/* Once its instruction was run alone, with all signals blocked, and never returned. */
SESSION_TEST(a_signal_before_a_call_that_blocks_is_delivered)
{
    struct sdb_breakpoint *breakpoint;
    struct target target = launch_engine("pauses", 0, SDB_FOLLOW_DEFAULT, &breakpoint);

    tell_target(&target, 'g');
    for (int i = 0; i < 3; i++) {
        signal_at_hit(&target);
        resume_from_signal(SIGUSR1);
        /* The handler ran before the call was made, which waits now. */
        expect_nothing();
        signal_in_call(&target);
    }
    (void)expect_exit(SDB_EXITED, 0);
    finish_with(&target);
}

/* Once the mask that was before was put back. */
SESSION_TEST(a_mask_that_is_set_at_a_breakpoint_is_set)
{
    struct sdb_breakpoint *breakpoint;
    struct target target = launch_engine("masks", 0, SDB_FOLLOW_DEFAULT, &breakpoint);

    tell_target(&target, 'g');
    signal_at_hit(&target);
    resume_from_signal(SIGUSR1);
    end_engine(&target);
}

static void each_call_is_hit(int way, const char *what)
{
    struct sdb_breakpoint *breakpoint;
    struct target target;

    begin(way);
    target = launch_engine(what, 0, SDB_FOLLOW_DEFAULT, &breakpoint);
    tell_target(&target, 'g');
    for (int i = 0; i < 3; i++) {
        resume_from(SDB_EVENT_BREAKPOINT);
        signal_in_call(&target);
    }
    (void)expect_exit(SDB_EXITED, 0);
    ck_assert_uint_eq(target.board->counts[0], 3);
    finish_with(&target);
}

/* Once the next call was taken for the same one, made again. */
TEST(a_pause_after_one_that_a_handler_has_ended_is_a_hit)
{
    each_call_is_hit(_i, "pauses");
}

TEST(a_read_after_one_that_a_handler_has_ended_is_a_hit)
{
    each_call_is_hit(_i, "reads");
}

SESSION_TEST(a_read_that_a_handler_has_made_again_is_no_hit)
{
    struct sdb_breakpoint *breakpoint;
    struct target target = launch_engine("restarts", 0, SDB_FOLLOW_DEFAULT, &breakpoint);
    struct sdb_event event;

    tell_target(&target, 'g');
    for (int i = 0; i < 3; i++) {
        resume_from(SDB_EVENT_BREAKPOINT);
        for (int j = 0; j < 2; j++) {
            expect_nothing();
            await_state(target.pid, 'S');
            ck_assert_int_eq(send_to(target.pid, target.pid, SIGUSR1), 0);
            event = expect_signal(SIGUSR1);
            resume(&event);
        }
        expect_nothing();
        await_state(target.pid, 'S');
        tell_target(&target, 'x');
    }
    end_engine(&target);
}

/* Once a thread that went into the group-stop without a signal of its own was hit again after it. */
SESSION_TEST(a_group_stop_does_not_double_a_hit)
{
    struct sdb_breakpoint *breakpoint;
    struct target target = launch_engine("waits", 0, SDB_FOLLOW_DEFAULT, &breakpoint);
    struct sdb_event event;
    int tid;

    tell_target(&target, 'g');
    run_births(1, NULL);
    event = expect(SDB_EVENT_BREAKPOINT);
    tid = sdb_thread_tid(event.thread);
    resume(&event);
    await_state(tid, 'S');
    ck_assert_int_eq(send_to(target.pid, target.pid, SIGSTOP), 0);
    resume_from_signal(SIGSTOP);
    for (int i = 0; i < 2; i++) {
        resume_from(SDB_EVENT_GROUP_STOP);
    }
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    for (int groups = 0, signals = 0; groups < 2 || signals < 1;) {
        event = next_event();
        ck_assert_msg(event.kind == SDB_EVENT_GROUP_CONTINUE || event.kind == SDB_EVENT_SIGNAL,
                      "%s", sdb_event_name(event.kind));
        groups += event.kind == SDB_EVENT_GROUP_CONTINUE;
        signals += event.kind == SDB_EVENT_SIGNAL;
        resume(&event);
    }
    expect_nothing();
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 1);
    tell_target(&target, 'x');
    event = expect_thread_exit(SDB_EXITED, 0);
    resume(&event);
    end_engine(&target);
}

static void come_by(int way, const char *what, uint32_t follow)
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_exit_status status;
    struct target target;

    begin(way);
    target = launch_engine(what, 1, follow, &breakpoint);
    (void)sdb_session_set_signal_policy(session, SIGCHLD, SDB_POLICY_PASS);
    tell_target(&target, 'g');
    status = run_to_end(target.process);
    ck_assert_int_eq((int)status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), FAR_HITS);
    finish_with(&target);
}

HOLDING_CASE(processes);

/* Once a thread that was to pause for a moment was resumed as often as it was stopped. */
TEST(a_watched_process_stands_still_with_the_others)
{
    come_by(_i, "shares", SDB_FOLLOW_DEFAULT);
}

TEST(a_held_process_stands_still_with_the_others)
{
    come_by(_i, "shares", SDB_FOLLOW_ALL);
}

/* Once one that went was looked at afterwards. */
TEST(watched_processes_may_end_while_all_stand_still)
{
    come_by(_i, "storm", SDB_FOLLOW_DEFAULT);
}

/* Once a process that was born meanwhile paused for ever. */
TEST(processes_may_be_born_while_all_stand_still)
{
    come_by(_i, "storm", SDB_FOLLOW_ALL);
}

/* Once the thread and the memory that had gone were used. */
TEST(a_program_may_be_executed_while_all_stand_still)
{
    for (int round = 0; round < 10; round++) {
        struct sdb_breakpoint *breakpoint;
        struct sdb_exit_status status;
        struct target target;

        begin(_i);
        target = launch_engine("executes", 1, SDB_FOLLOW_DEFAULT, &breakpoint);
        tell_target(&target, 'g');
        status = run_to_end(target.process);
        ck_assert_int_eq((int)status.how, SDB_EXITED);
        ck_assert_int_eq(status.code, 0);
        finish();
        close_target(&target);
    }
}

HOLDING_CASE(dropped_signals);

/* A signal that the caller has dropped brings nobody back: the next call is a hit. */
SESSION_TEST(a_hit_after_a_dropped_signal_is_told)
{
    struct sdb_breakpoint *breakpoint;
    struct target target = launch_engine("pauses", 0, SDB_FOLLOW_DEFAULT, &breakpoint);
    struct sdb_event event;

    tell_target(&target, 'g');
    for (int i = 0; i < 3; i++) {
        signal_at_hit(&target);
        event = expect_signal(SIGUSR1);
        ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 0), 0);
        expect_nothing();
        signal_in_call(&target);
    }
    end_engine(&target);
}

/* Once its SIGTRAP was asked for, and its pages given back, by calls that the filter kills it for. */
SESSION_TEST(a_program_that_is_killed_for_calls_makes_none)
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_child *child = NULL;
    struct target target = launch_engine("strict", 0, SDB_FOLLOW_DEFAULT, &breakpoint);

    tell_target(&target, 'g');
    resume_from(SDB_EVENT_BREAKPOINT);
    wait_ready_held(&target);
    tell_target(&target, 'g');
    for (int i = 0; i < 2; i++) {
        resume_from(SDB_EVENT_BREAKPOINT);
    }
    wait_ready_held(&target);
    child = detach_child(target.process);
    tell_target(&target, 'g');
    struct sdb_exit_status status = {.size = sizeof(status)};
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq((int)status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(child);
    finish_with(&target);
}

int main(void)
{
    return run_suite("engine regressions");
}
