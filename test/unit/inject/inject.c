/* SPDX-License-Identifier: MIT */
/*
 * Injected system calls in every kind of stop, in threads that wait for something, and under signals.
 * Neither the thread nor the session may be able to tell.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"
#include "injecting.h"
#include "racing.h"

HOLDING_CASE(stops);

SESSION_TEST(at_an_exec)
{
    struct target target = launch_calling("read", NULL);

    inject_unseen_but(sdb_process_thread(target.process), false, true);
    end_reader(&target);
}

/* Step, which must not go far: a jump is not among what is stepped here. */
static void step_one_instruction(struct sdb_thread *thread)
{
    const uint64_t pc = pc_of(thread);
    uint64_t next;

    step_to(thread, SDB_EVENT_STEP);
    next = pc_of(thread);
    ck_assert_uint_gt(next, pc);
    ck_assert_uint_lt(next, pc + 16);
}

SESSION_TEST(after_an_exec_the_stops_are_the_same)
{
    struct target target = launch_calling("read", NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);

    inject_unseen_but(thread, false, true);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
    inject_unseen(thread);
    step_one_instruction(thread);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_ENTRY, thread);
    end_reader(&target);
}

SESSION_TEST(a_step_out_of_an_exec_executes_one_instruction)
{
    struct target target = launch_calling("read", NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);

    inject_unseen_but(thread, false, true);
    step_one_instruction(thread);
    end_reader(&target);
}

SESSION_TEST(at_both_ends_of_each_call_of_a_program)
{
    uint32_t expected = SDB_EVENT_SYSCALL_EXIT;
    struct target target = launch_calling("kept", NULL);
    struct sdb_thread *thread;
    struct sdb_event event;

    tell_target(&target, 'x');
    thread = sdb_process_thread(target.process);
    for (;;) {
        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            break;
        if (event.kind == SDB_EVENT_SIGNAL) {
            inject_unseen_at_signal(thread);
            continue;
        }
        ck_assert_uint_eq(event.kind, expected);
        expected =
            expected == SDB_EVENT_SYSCALL_EXIT ? SDB_EVENT_SYSCALL_ENTRY : SDB_EVENT_SYSCALL_EXIT;
        inject_unseen(thread);
    }
    ck_assert_int_eq(event.status->how, SDB_EXITED);
    ck_assert_int_eq(event.status->code, 0);
    finish_with(&target);
}

/* The call is begun again by its own instruction, or by another: neither was hit, and no end was told. */
SESSION_TEST(at_the_beginning_of_a_call_with_a_hardware_breakpoint)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct target target = launch_calling("read", NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_syscall call = SDB_SYSCALL_INIT;
    struct sdb_breakpoint *breakpoint;

    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_ENTRY, thread);
    options.flags = SDB_BREAKPOINT_HARDWARE;
    options.address = pc_of(thread) - 2;
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    inject_unseen(thread);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
    ck_assert_uint_eq(pc_of(thread), options.address + 2);
    ck_assert_int_eq(sdb_thread_syscall(thread, &call), 0);
    ck_assert_int_ne(call.result, -ENOSYS);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    end_reader(&target);
}

SESSION_TEST(by_instructions_with_hardware_breakpoints)
{
    struct target target = launch_calling("read", NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    uint64_t addresses[4];
    struct sdb_breakpoint *breakpoint;

    options.address_count = calls_of_vdso(target.process, addresses, 4);
    if (options.address_count == 0)
        addresses[options.address_count++] = pc_of(thread); /* there is no vDSO, and others serve */
    options.flags = SDB_BREAKPOINT_HARDWARE;
    options.addresses = addresses;
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    inject_unseen_but(thread, false, true);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
    inject_unseen(thread);
    end_reader(&target);
}

SESSION_TEST(after_each_of_many_steps)
{
    struct target target = launch_calling("read", NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);

    for (int i = 0; i < 500; i++) {
        resume_thread(thread, SDB_RESUME_STEP);
        expect_of(SDB_EVENT_STEP, thread);
        inject_unseen(thread);
    }
    end_reader(&target);
}

SESSION_TEST(in_a_group_stop_which_stays)
{
    struct target target = launch_calling("read", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_read);
    struct sdb_event event;

    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    event = expect_signal(SIGSTOP);
    inject_unseen_at_signal(thread);
    resume(&event);
    event = expect_of(SDB_EVENT_GROUP_STOP, thread);
    ck_assert_int_eq(event.signal, SIGSTOP);
    inject_unseen(thread);
    resume(&event);
    expect_nothing();
    tell_target(&target, 'x');
    expect_nothing();

    /* One that ends while it stands still is told too. */
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    event = expect_of(SDB_EVENT_GROUP_CONTINUE, thread);
    inject_unseen(thread);
    resume(&event);
    event = expect_signal(SIGCONT);
    inject_unseen_at_signal(thread);
    resume(&event);
    end_well(&target);
}

SESSION_TEST(in_a_group_stop_that_ends_before_it)
{
    struct target target = launch_calling("read", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_read);
    struct sdb_event event;

    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    resume_from_signal(SIGSTOP);
    event = expect_of(SDB_EVENT_GROUP_STOP, thread);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    inject_unseen(thread);
    resume(&event);
    end_after_group_stop(&target, thread);
}

SESSION_TEST(at_a_fork_and_in_the_newborn)
{
    struct sdb_event event;
    struct sdb_thread *parent;
    struct sdb_thread *newborn;
    struct target target =
        crew_that_follows(1, SDB_FOLLOW_FORK | SDB_FOLLOW_CLONE | SDB_FOLLOW_VFORK);

    set_gate(target.board, true);
    order(&target, 1, 'f');
    event = expect(SDB_EVENT_FORK);
    parent = event.thread;
    newborn = event.new_thread;
    inject_unseen_but(parent, false, true);
    expect_of(SDB_EVENT_START, newborn);
    inject_unseen(newborn);
    /* The end of the fork is still to come, with its result. */
    resume_thread(parent, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, parent);
    inject_unseen(parent);
    resume_thread(parent, SDB_RESUME_CONTINUE);
    resume_thread(newborn, SDB_RESUME_CONTINUE);
    expect_exit(SDB_EXITED, 3);
    expect_result(&target, 3);
    close_input(&target);
    run_to_end(target.process);
    finish_with(&target);
}

SESSION_TEST(at_a_vfork_it_is_refused_and_after_it_not)
{
    struct sdb_event event;
    struct sdb_thread *parent;
    struct sdb_thread *newborn;
    int64_t result;
    struct target target =
        crew_that_follows(1, SDB_FOLLOW_FORK | SDB_FOLLOW_CLONE | SDB_FOLLOW_VFORK);

    set_gate(target.board, true);
    order(&target, 1, 'V');
    event = expect(SDB_EVENT_VFORK);
    parent = event.thread;
    newborn = event.new_thread;
    ck_assert_int_eq(sdb_thread_inject(parent, SYS_getpid, none, &result), -EBUSY);
    expect_of(SDB_EVENT_START, newborn);
    inject_unseen(newborn);
    resume_thread(newborn, SDB_RESUME_CONTINUE);
    resume_thread(parent, SDB_RESUME_CONTINUE);
    for (int ends = 0; ends < 2; ends++) {
        event = next_event();
        ck_assert(event.kind == SDB_EVENT_VFORK_DONE || event.kind == SDB_EVENT_EXITED);
    }
    inject_unseen_but(parent, false, true);
    resume_thread(parent, SDB_RESUME_CONTINUE);
    expect_result(&target, 3);
    close_input(&target);
    run_to_end(target.process);
    finish_with(&target);
}

HOLDING_CASE(waits);

/* Interrupt it again and again, while it waits for what comes in the end. */
static void disturb(struct sdb_thread *thread)
{
    for (int i = 0; i < 5; i++) {
        struct sdb_event event;

        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        event = expect_of(SDB_EVENT_INTERRUPT, thread);
        inject_unseen(thread);
        resume(&event);
        await_state(sdb_thread_tid(thread), 'S');
    }
}

SESSION_TEST(in_a_sleep_which_ends_in_time)
{
    struct target target = launch_calling("sleep", "2000");

    disturb(run_into(&target, SYS_clock_nanosleep));
    end_well(&target);
}

SESSION_TEST(in_a_sleep_to_a_point_of_time)
{
    struct target target = launch_calling("absolute", "2000");

    disturb(run_into(&target, SYS_clock_nanosleep));
    end_well(&target);
}

SESSION_TEST(in_a_read)
{
    struct target target = launch_calling("read", NULL);

    disturb(run_into(&target, SYS_read));
    tell_target(&target, 'x');
    end_well(&target);
}

SESSION_TEST(in_a_futex_wait)
{
    struct target target = launch_calling("join", NULL);
    struct sdb_event event;

    set_follow(target.process, 0);
    disturb(run_into(&target, SYS_futex));
    tell_target(&target, 'x');
    event = expect_exit(SDB_EXITED, 0);
    (void)event;
    finish_with(&target);
}

SESSION_TEST(in_a_pause_and_at_its_signal)
{
    struct target target = launch_calling("pause", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_pause);
    struct sdb_event event;

    disturb(thread);
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    event = expect_signal(SIGUSR1);
    inject_unseen_at_signal(thread);
    resume(&event);
    end_well(&target);
}

SESSION_TEST(in_a_wait_with_a_mask_of_its_own)
{
    struct target target = launch_calling("suspend", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_rt_sigsuspend);
    struct sdb_event event;
    int64_t result;

    disturb(thread);
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, none, &result), -EBUSY);
    resume(&event);
    end_well(&target);
}

SESSION_TEST(at_the_end_of_a_call_that_was_interrupted)
{
    struct target target = launch_calling("sleep", "2000");
    struct sdb_thread *thread = run_into(&target, SYS_clock_nanosleep);

    for (int i = 0; i < 3; i++) {
        stop_thread(thread);
        resume_thread(thread, SDB_RESUME_SYSCALL);
        expect_of(SDB_EVENT_SYSCALL_ENTRY, thread);
        inject_unseen(thread);
        resume_thread(thread, SDB_RESUME_SYSCALL);
        await_state(target.pid, 'S');
        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
        inject_unseen(thread);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        /* The session lets it go on from the interrupt that was left to it. */
        expect_nothing();
        await_state(target.pid, 'S');
    }
    end_well(&target);
}

HOLDING_CASE(signals);

/* Run up to this signal, and inject there. */
static struct sdb_event inject_at_signal(const struct target *target, int signal)
{
    struct sdb_event event;

    resume_process(target->process);
    event = expect_signal(signal);
    inject_unseen_at_signal(event.thread);
    return event;
}

SESSION_TEST(a_signal_with_a_value_still_comes)
{
    struct target target = launch_calling("queue", NULL);
    struct sdb_event event = inject_at_signal(&target, SIGRTMIN);

    resume(&event);
    end_well(&target);
}

SESSION_TEST(a_fault_still_comes)
{
    struct target target = launch_calling("fault", NULL);
    struct sdb_event event = inject_at_signal(&target, SIGSEGV);

    resume(&event);
    end_well(&target);
}

SESSION_TEST(a_signal_that_was_coming_can_be_dropped)
{
    struct target target = launch_calling("queue", NULL);
    struct sdb_event event = inject_at_signal(&target, SIGRTMIN);

    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 0), 0);
    expect_exit(SDB_EXITED, 1); /* it misses the signal */
    finish_with(&target);
}

SESSION_TEST(handlers_masks_and_waiting_signals_are_kept)
{
    struct target target = launch_calling("kept", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_read);
    struct sdb_event event;

    disturb(thread);
    tell_target(&target, 'x');
    event = expect_signal(SIGTRAP);
    inject_unseen_at_signal(thread);
    resume(&event);
    end_well(&target);
}

SESSION_TEST(in_a_flood_of_signals)
{
    int signals = 0;
    struct target target = launch_calling("alarms", NULL);
    struct sdb_thread *thread = sdb_process_thread(target.process);

    resume_process(target.process);
    wait_ready(&target);
    for (int i = 0; i < rounds(1000); i++) {
        struct sdb_event event;
        int rc = sdb_thread_interrupt(thread);

        ck_assert(rc == 0 || rc == -EALREADY);
        event = next_event();
        ck_assert_msg(event.kind == SDB_EVENT_INTERRUPT || event.kind == SDB_EVENT_SIGNAL, "%s",
                      sdb_event_name(event.kind));
        if (event.kind == SDB_EVENT_SIGNAL)
            ck_assert_int_eq(event.signal, SIGALRM);
        signals += event.kind == SDB_EVENT_SIGNAL;
        ck_assert_int_eq(inject(thread, SYS_gettid, none), target.pid);
        resume(&event);
    }
    ck_assert_int_gt(signals, 0);
    tell_target(&target, 'x');
    for (;;) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_int_eq(event.status->how, SDB_EXITED);
            ck_assert_int_eq(event.status->code, 0);
            break;
        }
        resume(&event);
    }
    finish_with(&target);
}

int main(void)
{
    return run_suite("inject");
}
