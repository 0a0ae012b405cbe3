/* SPDX-License-Identifier: MIT */
/*
 * Resuming up to the next system call, by one instruction, or on: one thread, or all of a process.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"
#include "host.h"

#define CREW 3

/* The kernel's own word for where a thread stands: an entry or an exit of a system call, or neither. */
static uint8_t system_call_stop(const struct sdb_thread *thread, uint64_t *number)
{
    struct ptrace_syscall_info info = {0};

    ck_assert_int_gt(
        syscall(SYS_ptrace, PTRACE_GET_SYSCALL_INFO, sdb_thread_tid(thread), sizeof(info), &info),
        0);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        *number = info.entry.nr;
    return info.op;
}

/* To the next system call stop, which must be this end of a call. */
static void expect_call(struct sdb_thread *thread, uint32_t kind, uint64_t *number)
{
    int rc = sdb_thread_resume(thread, SDB_RESUME_SYSCALL, SDB_SIGNAL_PASS);

    ck_assert_msg(rc == 0, "%s", sdb_error_describe(rc));
    expect_of(kind, thread);
    ck_assert_int_eq(system_call_stop(thread, number), kind == SDB_EVENT_SYSCALL_ENTRY
                                                           ? PTRACE_SYSCALL_INFO_ENTRY
                                                           : PTRACE_SYSCALL_INFO_EXIT);
}

/* From the beginning of a program to its next entry of this call. */
static void go_to_call(struct sdb_thread *thread, uint64_t wanted)
{
    uint64_t number = UINT64_MAX;

    for (;;) {
        expect_call(thread, SDB_EVENT_SYSCALL_ENTRY, &number);
        if (number == wanted)
            return;
        expect_call(thread, SDB_EVENT_SYSCALL_EXIT, &number);
    }
}

HOLDING_CASE(system_calls);

SESSION_TEST(system_calls_are_told_at_both_ends_in_turn)
{
    struct sdb_event event = SDB_EVENT_INIT;
    uint64_t number = 0;
    int asked = 0;
    int ends = 0;
    struct target target = launch_threads("calls", NULL, NULL);

    /* What a program comes out of first is the call that executed it. */
    expect_call(sdb_process_thread(target.process), SDB_EVENT_SYSCALL_EXIT, &number);
    for (;;) {
        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_SYSCALL), 0);
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            break;
        ck_assert_uint_eq(event.kind,
                          ends % 2 == 0 ? SDB_EVENT_SYSCALL_ENTRY : SDB_EVENT_SYSCALL_EXIT);
        ends++;
        if (system_call_stop(event.thread, &number) == PTRACE_SYSCALL_INFO_ENTRY)
            asked += number == SYS_getppid;
    }
    ck_assert_int_eq(asked, 3);
    ck_assert_uint_eq(number, SYS_exit_group);
    ck_assert_int_eq(event.status->code, 0);
    finish_with(&target);
}

SESSION_TEST(a_call_that_was_gone_through_is_not_told)
{
    uint64_t number = 0;
    struct target target = launch_threads("calls", NULL, NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);

    expect_call(thread, SDB_EVENT_SYSCALL_EXIT, &number);
    go_to_call(thread, SYS_getppid);
    expect_call(thread, SDB_EVENT_SYSCALL_EXIT, &number);
    go_to_call(thread, SYS_getppid);

    /* On from an entry: its end is not told, and the next is an entry again, of whatever. */
    resume_process(target.process);
    await_state(target.pid, 'S'); /* in its sleep */
    stop_thread(thread);
    expect_call(thread, SDB_EVENT_SYSCALL_ENTRY, &number);
    ck_assert_uint_eq(number, SYS_restart_syscall);
    expect_call(thread, SDB_EVENT_SYSCALL_EXIT, &number);
    go_to_call(thread, SYS_getppid);
    resume_process(target.process);
    finish_exited(&target, 0);
}

SESSION_TEST(a_sleep_that_was_interrupted_is_taken_up_again)
{
    uint64_t number = 0;
    struct target target = launch_threads("calls", NULL, NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_event event;

    expect_call(thread, SDB_EVENT_SYSCALL_EXIT, &number);
    go_to_call(thread, SYS_nanosleep);
    for (int i = 0; i < 3; i++) {
        /* An interrupt in a call that is being watched shows as the end of the call. */
        resume_thread(thread, SDB_RESUME_SYSCALL);
        await_state(target.pid, 'S');
        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        event = expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
        ck_assert_int_eq(system_call_stop(thread, &number), PTRACE_SYSCALL_INFO_EXIT);
        expect_call(thread, SDB_EVENT_SYSCALL_ENTRY, &number);
        ck_assert_uint_eq(number, SYS_restart_syscall);
    }
    resume(&event);
    finish_exited(&target, 0);
}

SESSION_TEST(calls_are_told_across_a_fork)
{
    uint64_t number = 0;
    struct target target = crew_that_follows(0, SDB_FOLLOW_ALL);
    struct sdb_thread *parent = sdb_process_thread(target.process);
    struct sdb_thread *newborn;
    struct sdb_event event;

    stop_thread(parent);
    order(&target, 0, 'f');
    go_to_call(parent, SYS_clone);
    resume_thread(parent, SDB_RESUME_SYSCALL);
    event = expect_of(SDB_EVENT_FORK, parent);
    newborn = event.new_thread;
    expect_of(SDB_EVENT_START, newborn);
    expect_call(parent, SDB_EVENT_SYSCALL_EXIT, &number);
    expect_call(parent, SDB_EVENT_SYSCALL_ENTRY, &number);

    /* The newborn has never entered one. */
    expect_call(newborn, SDB_EVENT_SYSCALL_ENTRY, &number);
    expect_call(newborn, SDB_EVENT_SYSCALL_EXIT, &number);
    expect_call(newborn, SDB_EVENT_SYSCALL_ENTRY, &number);
    finish_with(&target);
}

/* From the entry of a fork by one instruction; @return the newborn's thread if it is held */
static struct sdb_thread *step_over_fork(const struct target *target, bool is_held)
{
    struct sdb_thread *parent = sdb_process_thread(target->process);
    struct sdb_thread *newborn = NULL;

    stop_thread(parent);
    order(target, 0, 'f');
    go_to_call(parent, SYS_clone);
    resume_thread(parent, SDB_RESUME_STEP);
    if (is_held) {
        newborn = expect_of(SDB_EVENT_FORK, parent).new_thread;
        expect_of(SDB_EVENT_START, newborn);
        resume_thread(parent, SDB_RESUME_STEP);
    }
    expect_of(SDB_EVENT_STEP, parent);
    return newborn;
}

SESSION_TEST(a_step_over_a_fork_is_its_parents_alone)
{
    for (int held = 0; held < 2; held++) {
        struct target target = crew_that_follows(0, held ? SDB_FOLLOW_ALL : SDB_FOLLOW_DEFAULT);
        struct sdb_thread *newborn = step_over_fork(&target, held);

        if (newborn)
            resume_process(sdb_thread_process(newborn));
        ck_assert_int_eq(state_of(target.pid), 't');
        await_child_of(&target);
        expect_nothing();
        set_gate(target.board, true);
        if (newborn)
            expect_exit(SDB_EXITED, 3);
        resume_process(target.process);
        expect_result(&target, 3);
        close_input(&target);
        expect_exit(SDB_EXITED, 0);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(calls_are_told_across_an_exec)
{
    uint64_t number = 0;
    struct target target = launch_target("exec", "6", NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);

    expect_call(thread, SDB_EVENT_SYSCALL_EXIT, &number);
    go_to_call(thread, SYS_execve);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_EXEC, thread);
    expect_call(thread, SDB_EVENT_SYSCALL_EXIT, &number);
    go_to_call(thread, SYS_exit_group);
    resume_process(target.process);
    finish_exited(&target, 6);
}

SESSION_TEST(a_signal_between_calls_does_not_mix_up_their_ends)
{
    struct sdb_event event = SDB_EVENT_INIT;
    uint64_t number = 0;
    int signals = 0;
    struct target target = launch_crew(1);
    struct sdb_thread *thread;

    order(&target, 1, 't');
    expect_turns(target.board, 1, 1);
    thread = crew_thread(&target, 1);
    stop_thread(thread);
    for (int i = 0; i < 200; i++) {
        if (i % 10 == 0)
            ck_assert_int_eq(syscall(SYS_tgkill, target.pid, sdb_thread_tid(thread), SIGUSR1), 0);
        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = next_event();
        ck_assert_ptr_eq(event.thread, thread);
        if (event.kind == SDB_EVENT_SIGNAL)
            signals++;
        else if (event.kind == SDB_EVENT_SYSCALL_ENTRY)
            ck_assert_int_eq(system_call_stop(thread, &number), PTRACE_SYSCALL_INFO_ENTRY);
        else if (event.kind == SDB_EVENT_SYSCALL_EXIT)
            ck_assert_int_eq(system_call_stop(thread, &number), PTRACE_SYSCALL_INFO_EXIT);
        else
            ck_abort_msg("%s came", sdb_event_name(event.kind));
    }
    ck_assert_int_ge(signals, 1);
    ck_assert_int_le(signals, 20);
    finish_with(&target);
}

HOLDING_CASE(whole_process);

static struct target launch_stopped_crew(char how)
{
    struct target target = launch_crew(CREW);

    for (int i = 1; i <= CREW; i++) {
        order(&target, i, how);
        expect_turns(target.board, i, 1);
    }
    stop_process(target.process);
    return target;
}

SESSION_TEST(all_threads_step_once)
{
    struct target target = launch_stopped_crew('s');

    for (int i = 0; i < 20; i++) {
        bool told[CREW + 1] = {false};

        /* The first thread's step, of a read, lasts. */
        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_STEP), 0);
        for (int count = 0; count < CREW;) {
            struct sdb_event event = expect(SDB_EVENT_STEP);

            for (int place = 1; place <= CREW; place++) {
                if (event.thread != crew_thread(&target, place))
                    continue;
                ck_assert(!told[place]);
                told[place] = true;
                count++;
            }
        }
        for (int place = 1; place <= CREW; place++)
            expect_standstill(target.board, place);
    }
    finish_with(&target);
}

SESSION_TEST(all_threads_run_to_their_next_call)
{
    uint64_t number = 0;
    int told[CREW + 1] = {0};
    struct target target = launch_stopped_crew('t');

    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_SYSCALL), 0);
    for (int i = 0; i < 30 * CREW; i++) {
        struct sdb_event event = next_event();
        const uint8_t stop = system_call_stop(event.thread, &number);

        ck_assert_int_eq(stop, event.kind == SDB_EVENT_SYSCALL_ENTRY ? PTRACE_SYSCALL_INFO_ENTRY
                                                                     : PTRACE_SYSCALL_INFO_EXIT);
        for (int place = 0; place <= CREW; place++)
            told[place] += event.thread == crew_thread(&target, place);
        resume_thread(event.thread, SDB_RESUME_SYSCALL);
    }
    for (int place = 1; place <= CREW; place++)
        ck_assert_int_gt(told[place], 5);
    finish_with(&target);
}

SESSION_TEST(how_to_go_on_must_be_known)
{
    struct target target = launch_stopped_crew('t');
    struct sdb_thread *thread = crew_thread(&target, 1);

    ck_assert_int_eq(sdb_process_resume(target.process, (enum sdb_resume)3), -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(thread, (enum sdb_resume)3, 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, -2), -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, 65), -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, SIGUSR1), -EINVAL);
    for (int i = 0; i <= CREW; i++)
        expect_standstill(target.board, i);
    resume_process(target.process);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), -EBUSY);
    finish_with(&target);
}

SESSION_TEST(a_signal_is_replaced_for_its_thread_only)
{
    struct target target = launch_crew(2);
    struct sdb_event event;

    order(&target, 1, 'k');
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, SIGUSR2), 0);
    order(&target, 1, 'k');
    event = expect_signal(SIGUSR1);
    ck_assert_uint_eq(target.board->signals[1], 1);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 0), 0);
    order(&target, 1, 't');
    expect_turns(target.board, 1, 1);
    ck_assert_uint_eq(target.board->signals[1], 1);
    ck_assert_uint_eq(target.board->signals[2], 0);
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_resume");
}
