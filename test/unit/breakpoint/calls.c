/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints on system calls that have no slot: each call is one hit, nobody waits for its end, and
 * nothing of ours is seen within it.  They were once stepped in place, with all signals blocked and all
 * other threads held.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "breaking.h"
#include "calling.h"
#include "injecting.h"

#define UNPLACED SDB_TRACEE_DIR "/unplaced"
#define ALONE    SDB_TRACEE_DIR "/alone"
#define TINY     SDB_TRACEE_DIR "/tiny"
#define TURNS    3

#define PLAIN     0
#define BEGINNING 1

/* Launch it, with breakpoints at both of its instructions. */
static struct target launch_planted_following(const char *way, const char *what, uint32_t follow)
{
    struct target target = launch_board_program(UNPLACED, way, what, TINY);

    set_follow(target.process, follow);
    resume_process(target.process);
    run_until_ready(&target, 1); /* its thread */
    (void)plant_at(target.process, target.board->addresses[PLAIN]);
    (void)plant_at(target.process, target.board->addresses[BEGINNING]);
    return target;
}

static struct target launch_planted(const char *way, const char *what)
{
    return launch_planted_following(way, what, SDB_FOLLOW_DEFAULT);
}

/* Resume all events until it exits, which must be with 0.  @return how many hits there were */
static uint64_t run_to_exit(struct target *target)
{
    uint64_t hits = 0;

    for (;;) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_EXITED && event.process == target->process) {
            ck_assert_uint_eq(event.status->how, SDB_EXITED);
            ck_assert_int_eq(event.status->code, 0);
            return hits;
        }
        ck_assert_uint_ne(event.kind, SDB_EVENT_SYSCALL_ENTRY);
        ck_assert_uint_ne(event.kind, SDB_EVENT_SYSCALL_EXIT);
        ck_assert_uint_ne(event.kind, SDB_EVENT_STEP);
        if (event.kind == SDB_EVENT_BREAKPOINT) {
            ck_assert_uint_eq(pc_of(event.thread), event.address);
            hits++;
        }
        resume(&event);
    }
}

static void run(const char *way, const char *what)
{
    struct target target = launch_planted(way, what);

    tell_target(&target, 'g');
    ck_assert_uint_eq(run_to_exit(&target), target.board->counts[0]);
    ck_assert_uint_ge(target.board->counts[0], 1);
    finish_with(&target);
}

HOLDING_CASE(what_calls_do);

SESSION_TEST(a_mask_is_as_the_program_sets_it)
{
    run(_i % 2 == 0 ? "filter" : "limit", "mask");
}

SESSION_TEST(forked_children_begin_with_their_parents_mask)
{
    run("filter", "fork");
}

SESSION_TEST(forked_children_of_a_process_without_room_begin_so)
{
    run("limit", "fork");
}

SESSION_TEST(children_by_vfork_begin_with_their_parents_mask)
{
    run("filter", "vfork");
}

SESSION_TEST(threads_begin_with_their_parents_mask)
{
    run("filter", "thread");
}

SESSION_TEST(a_program_is_executed_with_the_mask_of_the_one_before)
{
    struct target target = launch_planted("filter", "exec");
    struct sdb_event event;

    tell_target(&target, 'g');
    do {
        event = next_event();
        if (event.kind == SDB_EVENT_EXEC)
            ck_assert_int_eq(status_of(target.pid, "SigBlk", 16), 0);
        resume(&event);
    } while (event.kind != SDB_EVENT_EXEC);
    ck_assert_uint_eq(run_to_exit(&target), 0);
    finish_with(&target);
}

SESSION_TEST(children_that_are_held_begin_behind_the_call)
{
    struct target target = launch_planted_following("filter", "fork", SDB_FOLLOW_ALL);
    const uint64_t behind = target.board->addresses[PLAIN] + 2;
    int births = 0;

    tell_target(&target, 'g');
    for (;;) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_EXITED && event.process == target.process)
            break;
        if (event.kind == SDB_EVENT_FORK || event.kind == SDB_EVENT_START) {
            ck_assert_uint_eq(pc_of(event.thread), behind);
            births++;
        }
        resume(&event);
    }
    ck_assert_int_eq(births, 2 * TURNS);
    finish_with(&target);
}

SESSION_TEST(a_filter_traps_a_call_at_the_programs_own_place)
{
    struct target target = launch_planted("filter", "trap");
    int traps = 0;

    tell_target(&target, 'g');
    for (;;) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_EXITED)
            break;
        if (event.kind == SDB_EVENT_SIGNAL) {
            ck_assert_int_eq(event.signal, SIGSYS);
            ck_assert_uint_eq(pc_of(event.thread), target.board->addresses[PLAIN] + 2);
            traps++;
        }
        resume(&event);
    }
    ck_assert_int_eq(traps, TURNS);
    ck_assert_uint_eq(target.board->handled, TURNS);
    ck_assert_uint_eq(target.board->wrong, 0);
    finish_with(&target);
}

/* ---- calls that wait ---- */

HOLDING_CASE(waiting);

static struct target begin_planted(const char *way, const char *what)
{
    struct target target = launch_planted(way, what);

    tell_target(&target, 'b');
    return target;
}

/* Have it come to its call, and wait there. */
static struct sdb_thread *run_into_read(struct target *target)
{
    struct sdb_event event;

    event = expect(SDB_EVENT_BREAKPOINT);
    resume(&event);
    await_sleep_held(target);
    return event.thread;
}

SESSION_TEST(a_call_that_waits_keeps_nobody_from_running)
{
    struct target target = begin_planted("filter", "read");

    for (int turn = 0; turn < TURNS; turn++) {
        (void)run_into_read(&target);
        ck_assert_int_eq(sdb_session_wait(session, 1, &(struct sdb_event)SDB_EVENT_INIT),
                         -ETIMEDOUT);
        /* Another thread ends the call. */
        tell_target(&target, 'g');
    }
    ck_assert_uint_eq(run_to_exit(&target), 0);
    finish_with(&target);
}

/* So many events of its signals until it sleeps again. */
static void signal_in_read(struct target *target, int signal)
{
    ck_assert_int_eq(kill(target->pid, signal), 0);
    resume_from_signal(signal);
}

SESSION_TEST(a_call_that_a_handler_interrupts_is_made_again_without_a_hit)
{
    struct target target = begin_planted("filter", "read");

    pass_silently(SIGWINCH);
    for (int turn = 0; turn < TURNS; turn++) {
        (void)run_into_read(&target);
        for (uint64_t i = 0; i < 3; i++) {
            signal_in_read(&target, SIGUSR1);
            while (target.board->handled != (uint64_t)turn * 3 + i + 1)
                ck_assert_int_eq(sdb_session_wait(session, 1, &(struct sdb_event)SDB_EVENT_INIT),
                                 -ETIMEDOUT);
            await_sleep_held(&target);
            /* One that it ignores: the call goes on by itself. */
            ck_assert_int_eq(kill(target.pid, SIGWINCH), 0);
            await_sleep_held(&target);
        }
        tell_target(&target, 'g');
    }
    ck_assert_uint_eq(run_to_exit(&target), 0);
    ck_assert_uint_eq(target.board->counts[0], TURNS);
    finish_with(&target);
}

SESSION_TEST(a_call_that_a_handler_ends_is_hit_when_it_is_made_anew)
{
    struct target target = begin_planted("filter", "intr");

    for (int turn = 0; turn < TURNS; turn++) {
        (void)run_into_read(&target);
        signal_in_read(&target, SIGUSR1);
        (void)run_into_read(&target);
        tell_target(&target, 'g');
    }
    ck_assert_uint_eq(run_to_exit(&target), 0);
    ck_assert_uint_eq(target.board->counts[0], 2 * TURNS);
    finish_with(&target);
}

SESSION_TEST(a_call_goes_on_after_a_stop)
{
    struct target target = begin_planted("filter", "read");
    const uint64_t behind = target.board->addresses[PLAIN] + 2;

    for (int turn = 0; turn < TURNS; turn++) {
        struct sdb_thread *thread = run_into_read(&target);

        stop_thread(thread);
        ck_assert_uint_eq(pc_of(thread), behind);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        await_sleep_held(&target);
        stop_process(target.process);
        ck_assert_uint_eq(pc_of(thread), behind);
        resume_process(target.process);
        await_sleep_held(&target);
        tell_target(&target, 'g');
    }
    ck_assert_uint_eq(run_to_exit(&target), 0);
    finish_with(&target);
}

SESSION_TEST(a_process_that_is_let_go_in_its_call_goes_on)
{
    struct target target = begin_planted("filter", "read");
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child;

    (void)run_into_read(&target);
    child = detach_child(target.process);
    for (int turn = 0; turn < TURNS; turn++) {
        tell_target(&target, 'g');
    }
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(child);
    finish_with(&target);
}

/* ---- what is told of them ---- */

HOLDING_CASE(told);

SESSION_TEST(a_step_over_a_call_is_one_step)
{
    struct target target = launch_planted("filter", "quick");
    const uint64_t address = target.board->addresses[PLAIN];

    catch_calls(target.process, 0, NUMBERS(SYS_getppid));
    tell_target(&target, 'g');
    for (int turn = 0; turn < TURNS; turn++) {
        struct sdb_event event = next_event();
        uint64_t counter = 0;

        while (event.kind != SDB_EVENT_BREAKPOINT) {
            resume(&event);
            event = next_event();
        }
        (void)step_to(event.thread, SDB_EVENT_STEP);
        ck_assert_uint_eq(pc_of(event.thread), address + 2);
        ck_assert_int_eq(sdb_thread_get_register(event.thread, "rcx", &counter), 0);
        ck_assert_uint_eq(counter, address + 2);
        ck_assert_int_eq(sdb_thread_get_register(event.thread, "r11", &counter), 0);
        ck_assert_uint_eq(counter & 0x100, 0);
        (void)step_to(event.thread, SDB_EVENT_STEP);
        resume_thread(event.thread, SDB_RESUME_CONTINUE);
    }
    (void)run_to_end(target.process);
    finish_with(&target);
}

static void expect_end_of(const struct target *target, uint32_t end)
{
    struct sdb_event event = expect_call(end, SYS_getppid);

    ck_assert_uint_eq(call_of(event.thread).instruction_pointer,
                      target->board->addresses[PLAIN] + 2);
    ck_assert_uint_eq(pc_of(event.thread), target->board->addresses[PLAIN] + 2);
    resume(&event);
}

SESSION_TEST(a_caught_call_is_told_at_both_ends_at_the_programs_own_place)
{
    struct target target = launch_planted("filter", "quick");

    catch_calls(target.process, 0, NUMBERS(SYS_getppid));
    tell_target(&target, 'g');
    for (int turn = 0; turn < TURNS; turn++) {
        resume_from(SDB_EVENT_BREAKPOINT);
        expect_end_of(&target, SDB_EVENT_SYSCALL_ENTRY);
        expect_end_of(&target, SDB_EVENT_SYSCALL_EXIT);
        /* The one that the program compares it with. */
        expect_whole_call(SYS_getppid);
    }
    ck_assert_uint_eq(run_to_exit(&target), 0);
    finish_with(&target);
}

/* Whoever sets out for the other instruction is not there, as far as the program goes. */
SESSION_TEST(the_instruction_that_serves_can_have_a_breakpoint_too)
{
    struct target target = launch_planted("filter", "quick");
    uint64_t addresses[64];
    const size_t count = calls_of_vdso(target.process, addresses, 64);

    for (size_t i = 0; i < count; i++)
        (void)plant_at(target.process, addresses[i]);
    tell_target(&target, 'g');
    ck_assert_uint_eq(run_to_exit(&target), TURNS);
    finish_with(&target);
}

/* The same of the debug registers. */
SESSION_TEST(the_instruction_that_serves_can_have_a_hardware_breakpoint_too)
{
    struct target target = launch_planted("filter", "quick");
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint;
    uint64_t addresses[4];

    options.flags = SDB_BREAKPOINT_HARDWARE;
    options.addresses = addresses;
    options.address_count = calls_of_vdso(target.process, addresses, 4);
    if (options.address_count > 0)
        ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    tell_target(&target, 'g');
    ck_assert_uint_eq(run_to_exit(&target), TURNS);
    finish_with(&target);
}

/* Where nothing else makes calls, it does itself. */
SESSION_TEST(the_only_instruction_that_makes_calls_is_hit_each_time)
{
    struct target target = launch_program(ALONE, (const char *const[]){ALONE, NULL});
    struct sdb_event event;
    uint64_t address = 0;
    int hits = 0;

    catch_calls(target.process, 0, NUMBERS(SYS_getppid));
    resume_process(target.process);
    event = expect_signal(SIGTRAP);
    ck_assert_int_eq(sdb_thread_get_register(event.thread, "rbx", &address), 0);
    (void)plant_at(target.process, address);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 0), 0);
    for (event = next_event(); event.kind != SDB_EVENT_EXITED; event = next_event()) {
        if (event.kind == SDB_EVENT_BREAKPOINT)
            hits++;
        else
            ck_assert_uint_eq(call_of(event.thread).instruction_pointer, address + 2);
        ck_assert_uint_eq(pc_of(event.thread), is_call(event.kind) ? address + 2 : address);
        resume(&event);
    }
    ck_assert_int_eq(hits, 4);
    ck_assert_uint_eq(event.status->how, SDB_EXITED);
    ck_assert_int_eq(event.status->code, 0);
    finish_with(&target);
}

int main(void)
{
    return run_suite("breakpoint_calls");
}
