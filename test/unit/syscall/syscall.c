/* SPDX-License-Identifier: MIT */
/*
 * The call that a thread is in: what it is, changing it, refusing it.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calling.h"

#define NOBODYS_PID  4194305 /* above any pid_max */
#define GETPPID_I386 64
#define GETPGID_I386 132

/* Launch the steps with getpgid(2) caught, and go to its first entry. */
static struct sdb_event go_to_getpgid(struct target *target, const char *const *steps,
                                      uint32_t flags)
{
    *target = launch_calls(steps);
    catch_calls(target->process, flags, NUMBERS(SYS_getpgid));
    resume_process(target->process);
    return expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
}

static void refuse(struct sdb_thread *thread, int error)
{
    ck_assert_int_eq(sdb_thread_refuse_syscall(thread, error), 0);
}

HOLDING_CASE(looking);

SESSION_TEST(call_is_told_as_it_is_made)
{
    struct target target;
    struct sdb_event event = go_to_getpgid(&target, STEPS("121:4194305:2:3:4:5:6"), 0);
    struct sdb_syscall call;
    uint64_t pc;
    uint64_t sp;

    call = call_of(event.thread);
    ck_assert_uint_eq(call.architecture, SDB_ARCH_X86_64);
    ck_assert_uint_eq(call.arguments[0], NOBODYS_PID);
    for (uint64_t i = 1; i < 6; i++)
        ck_assert_uint_eq(call.arguments[i], i + 1);
    ck_assert_int_eq(call.result, 0);
    ck_assert_uint_eq(call.entry_seen, 1);
    ck_assert_int_eq(sdb_thread_pc(event.thread, &pc), 0);
    ck_assert_uint_eq(call.instruction_pointer, pc);
    sp = call.stack_pointer;
    ck_assert_uint_ne(sp, 0);
    resume(&event);

    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    call = call_of(event.thread);
    ck_assert_uint_eq(call.architecture, SDB_ARCH_X86_64);
    ck_assert_uint_eq(call.arguments[0], NOBODYS_PID);
    ck_assert_uint_eq(call.arguments[5], 6);
    ck_assert_int_eq(call.result, -ESRCH);
    ck_assert_uint_eq(call.is_error, 1);
    ck_assert_uint_eq(call.entry_seen, 1);
    ck_assert_uint_eq(call.instruction_pointer, pc);
    ck_assert_uint_eq(call.stack_pointer, sp);
    resume(&event);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), -ESRCH);
    finish_with(&target);
}

SESSION_TEST(call_of_i386_is_told_as_such)
{
    struct target target = launch_calls(STEPS("i386:132:4194305:2:3:4:5:6"));
    struct sdb_event event;
    struct sdb_syscall call;

    catch_calls(target.process, 0, NUMBERS(SYS_getpgid));
    resume_process(target.process);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, GETPGID_I386);
    call = call_of(event.thread);
    ck_assert_uint_eq(call.architecture, SDB_ARCH_I386);
    ck_assert_uint_eq(call.arguments[0], NOBODYS_PID);
    for (uint64_t i = 1; i < 6; i++)
        ck_assert_uint_eq(call.arguments[i], i + 1);
    ck_assert_str_eq(sdb_syscall_name(call.architecture, call.number), "getpgid");
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, GETPGID_I386);
    call = call_of(event.thread);
    ck_assert_uint_eq(call.architecture, SDB_ARCH_I386);
    ck_assert_int_eq(call.result, -ESRCH);
    ck_assert_uint_eq(call.is_error, 1);
    resume(&event);
    finish_exited(&target, 0);
}

SESSION_TEST(end_without_a_beginning_has_what_the_registers_have)
{
    struct target target = launch_calls(STEPS("121"));
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_syscall call;

    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
    call = call_of(thread);
    ck_assert_int_eq(call.number, SYS_execve);
    ck_assert_int_eq(call.result, 0);
    ck_assert_uint_eq(call.entry_seen, 0);
    finish_with(&target);
}

SESSION_TEST(beginning_that_was_asked_for_is_remembered)
{
    bool asked = false;
    struct target target = launch_calls(STEPS("handler", "raise"));
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_syscall call;

    for (;;) {
        struct sdb_event event;

        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            break;
        if (event.kind == SDB_EVENT_SIGNAL)
            continue;
        call = call_of(thread);
        if (asked && event.kind == SDB_EVENT_SYSCALL_EXIT) {
            /* It has put all registers back. */
            ck_assert_int_eq(call.number, SYS_rt_sigreturn);
            ck_assert_uint_eq(call.entry_seen, 1);
        }
        asked = event.kind == SDB_EVENT_SYSCALL_ENTRY && call.number == SYS_rt_sigreturn;
    }
    ck_assert_uint_eq(target.board->signals[SIGUSR1], 1);
    finish_with(&target);
}

SESSION_TEST(beginning_of_another_call_is_not_remembered)
{
    struct target target = launch_calls(STEPS("121", "fork", "110"));
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_event event;
    struct sdb_syscall call;

    set_follow(target.process, SDB_FOLLOW_ALL);
    do {
        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = next_event();
        call = call_of(thread);
    } while (call.number != SYS_getpgid || event.kind != SDB_EVENT_SYSCALL_ENTRY);
    resume(&event);
    do {
        event = next_event();
    } while (event.kind != SDB_EVENT_FORK);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    do {
        event = next_event();
    } while (event.thread != thread);
    ck_assert_uint_eq(event.kind, SDB_EVENT_SYSCALL_EXIT);
    call = call_of(thread);
    ck_assert_int_eq(call.number, SYS_clone);
    ck_assert_uint_eq(call.entry_seen, 0);
    finish_with(&target);
}

HOLDING_CASE(changing);

SESSION_TEST(arguments_and_number_can_be_changed)
{
    const uint64_t own[6] = {0};
    struct target target;
    struct sdb_syscall call;
    struct sdb_event event =
        go_to_getpgid(&target, STEPS("121:4194305:7", "121:4194305:7", "121:4194305"), 0);

    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, SYS_getpgid, own), 0);
    call = call_of(event.thread);
    ck_assert_uint_eq(call.arguments[0], 0);
    ck_assert_uint_eq(call.arguments[1], 0);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    call = call_of(event.thread);
    ck_assert_uint_eq(call.arguments[0], 0);
    ck_assert_int_eq(call.result, getpgid(0));
    resume(&event);

    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, SYS_getppid, NULL), 0);
    call = call_of(event.thread);
    ck_assert_int_eq(call.number, SYS_getppid);
    ck_assert_uint_eq(call.arguments[1], 7);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_getppid);

    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, -1, NULL), 0);
    ck_assert_int_eq(call_of(event.thread).number, -1);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, -1);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), getpgid(0));
    ck_assert_int_eq(result_of(&target, 2), getpid());
    ck_assert_int_eq(result_of(&target, 3), -ENOSYS);
    finish_with(&target);
}

SESSION_TEST(call_of_i386_can_be_changed)
{
    const uint64_t own[6] = {0};
    struct sdb_event event;
    struct target target =
        launch_calls(STEPS("i386:132:4194305", "i386:132:4194305", "i386:132:4194305"));

    catch_calls(target.process, 0, NUMBERS(SYS_getpgid));
    resume_process(target.process);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, GETPGID_I386);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, GETPGID_I386, own), 0);
    ck_assert_uint_eq(call_of(event.thread).arguments[0], 0);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, GETPGID_I386);
    ck_assert_int_eq(sdb_thread_set_syscall_result(event.thread, -EXFULL), 0);
    ck_assert_int_eq(call_of(event.thread).result, -EXFULL);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, GETPGID_I386);
    refuse(event.thread, ENOTNAM);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, GETPGID_I386);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, GETPGID_I386);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, GETPPID_I386, NULL), 0);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, GETPPID_I386);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), -EXFULL);
    ck_assert_int_eq(result_of(&target, 2), -ENOTNAM);
    ck_assert_int_eq(result_of(&target, 3), getpid());
    finish_with(&target);
}

SESSION_TEST(result_can_be_changed)
{
    const int64_t results[] = {0, 42, -EXFULL, INT64_MIN, INT64_MAX, -4096};
    struct target target;
    struct sdb_syscall call;
    struct sdb_event event =
        go_to_getpgid(&target, STEPS("121", "121", "121", "121", "121", "121"), 0);

    for (int i = 0; i < 6; i++) {
        if (i > 0)
            event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
        resume(&event);
        event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
        ck_assert_int_eq(sdb_thread_set_syscall_result(event.thread, 1), 0);
        ck_assert_int_eq(sdb_thread_set_syscall_result(event.thread, results[i]), 0);
        call = call_of(event.thread);
        ck_assert_int_eq(call.result, results[i]);
        ck_assert_uint_eq(call.is_error, results[i] == -EXFULL);
        resume(&event);
    }
    expect_exit(SDB_EXITED, 0);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(result_of(&target, i + 1), results[i]);
    finish_with(&target);
}

HOLDING_CASE(refusing);

SESSION_TEST(refused_call_returns_the_callers_errno)
{
    const int errors[] = {1, EINTR, EAGAIN, EXFULL, 512, 516, 4095};
    struct target target;
    struct sdb_event event;
    struct sdb_syscall call;

    event =
        go_to_getpgid(&target, STEPS("121", "121", "121", "121", "121", "121", "121", "121"), 0);
    for (int i = 0; i < 7; i++) {
        refuse(event.thread, EPERM);
        refuse(event.thread, errors[i]);
        ck_assert_int_eq(call_of(event.thread).number, -1);
        resume(&event);
        event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
        call = call_of(event.thread);
        ck_assert_int_eq(call.result, -errors[i]);
        ck_assert_uint_eq(call.is_error, 1);
        resume(&event);
        event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    }
    resume(&event); /* this one is made */
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(result_of(&target, i + 1), -errors[i]);
    ck_assert_int_eq(result_of(&target, 8), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(refusing_needs_no_end)
{
    struct target target;
    struct sdb_event event =
        go_to_getpgid(&target, STEPS("121", "121", "many:3"), SDB_CATCH_ENTRIES);

    refuse(event.thread, EXFULL);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), -EXFULL);
    ck_assert_int_eq(result_of(&target, 2), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(refused_call_that_is_set_again_is_made)
{
    struct target target;
    struct sdb_event event = go_to_getpgid(&target, STEPS("121"), 0);

    refuse(event.thread, EXFULL);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, SYS_getpgid, NULL), 0);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    ck_assert_int_eq(call_of(event.thread).result, getpgid(0));
    resume(&event);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(refusal_holds_however_the_thread_goes_on)
{
    struct target target;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_event event = go_to_getpgid(&target, STEPS("121", "121", "121"), 0);
    struct sdb_child *child;

    refuse(event.thread, 11);
    resume_thread(event.thread, SDB_RESUME_STEP);
    event = expect_of(SDB_EVENT_STEP, event.thread);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    refuse(event.thread, 12);
    resume_thread(event.thread, SDB_RESUME_SYSCALL);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    refuse(event.thread, 13);
    child = detach_child(target.process);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.code, 0);
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(result_of(&target, i), -10 - i);
    sdb_child_close(child);
    finish_with(&target);
}

SESSION_TEST(refusal_holds_in_whatever_makes_the_call)
{
    static const char *const makers[] = {"thread", "fork", "vfork", "block", "exec"};

    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        struct target target = launch_calls(STEPS(makers[i], "121"));
        struct sdb_process *const process = sdb_process_retain(target.process);
        struct sdb_event event;
        int ends = 0;

        set_follow(target.process, SDB_FOLLOW_ALL);
        pass_silently(SIGCHLD);
        catch_calls(target.process, SDB_CATCH_ENTRIES, NUMBERS(SYS_getpgid));
        resume_process(target.process);
        do {
            event = next_event();
            if (event.kind == SDB_EVENT_SYSCALL_ENTRY) {
                ck_assert_int_eq(call_of(event.thread).number, SYS_getpgid);
                refuse(event.thread, EXFULL);
                ends++;
            }
            ck_assert_uint_ne(event.kind, SDB_EVENT_SYSCALL_EXIT);
            resume(&event);
        } while (event.kind != SDB_EVENT_EXITED || event.process != process);
        ck_assert_int_eq(ends, 1);
        ck_assert_int_eq(event.status->code, 0);
        /* An exec counts its steps anew. */
        ck_assert_int_eq(result_of(&target, strcmp(makers[i], "exec") == 0 ? 1 : 2), -EXFULL);
        sdb_process_close(process);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(refusal_outdoes_a_filter_of_the_programs)
{
    struct target target;
    struct sdb_event event =
        go_to_getpgid(&target, STEPS("strict:99", "121", "121", "700"), SDB_CATCH_ENTRIES);

    refuse(event.thread, EXFULL);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), -EXFULL);
    ck_assert_int_eq(result_of(&target, 3), getpgid(0));
    ck_assert_int_eq(result_of(&target, 4), -99);
    finish_with(&target);
}

SESSION_TEST(refused_restart_is_none)
{
    struct target target = launch_calls(STEPS("ignore", "ready", "nap:60000"));
    struct sdb_event event;

    catch_calls(target.process, 0, NUMBERS(SYS_nanosleep));
    resume_process(target.process);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_nanosleep);
    wait_ready(&target);
    resume(&event);
    await_state(target.pid, 'S');
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_nanosleep);
    resume_from_signal(SIGUSR1);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_restart_syscall);
    refuse(event.thread, EXFULL);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_restart_syscall);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 3), -EXFULL);
    finish_with(&target);
}

HOLDING_CASE(elsewhere);

static void expect_all(struct sdb_thread *thread, int rc)
{
    struct sdb_syscall call = SDB_SYSCALL_INIT;

    ck_assert_int_eq(sdb_thread_syscall(thread, &call), rc);
    ck_assert_int_eq(sdb_thread_set_syscall(thread, SYS_getppid, NULL), rc);
    ck_assert_int_eq(sdb_thread_set_syscall_result(thread, 0), rc);
    ck_assert_int_eq(sdb_thread_refuse_syscall(thread, EPERM), rc);
    ck_assert_uint_eq(call.end, 0);
}

SESSION_TEST(other_stops_have_no_call)
{
    struct target target = launch_calls(STEPS("handler", "raise", "nap:60000"));
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_event event;

    expect_all(NULL, -EINVAL);
    expect_all(thread, -EINVAL);
    resume_process(target.process);
    expect_all(thread, -EBUSY);
    event = expect_signal(SIGUSR1);
    expect_all(thread, -EINVAL);
    resume(&event);
    stop_thread(thread);
    expect_all(thread, -EINVAL);
    finish_with(&target);
}

SESSION_TEST(ends_are_not_mixed_up)
{
    struct target target;
    struct sdb_syscall call = SDB_SYSCALL_INIT;
    struct sdb_event event = go_to_getpgid(&target, STEPS("121"), 0);

    ck_assert_int_eq(sdb_thread_set_syscall_result(event.thread, 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_syscall(event.thread, NULL), -EINVAL);
    call.size = sizeof(call) - 1;
    ck_assert_int_eq(sdb_thread_syscall(event.thread, &call), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, -2, NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, INT64_C(1) << 31, NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_refuse_syscall(event.thread, 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_refuse_syscall(event.thread, -EPERM), -EINVAL);
    ck_assert_int_eq(sdb_thread_refuse_syscall(event.thread, 4096), -EINVAL);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, SYS_getppid, NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_refuse_syscall(event.thread, EPERM), -EINVAL);
    resume(&event);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(dead_threads_have_no_call)
{
    struct target target = launch_calls(STEPS("121"));
    struct sdb_event event;
    struct sdb_thread *thread;
    struct sdb_process *process;
    int rc;

    catch_calls(target.process, 0, NUMBERS(SYS_getpgid));
    resume_process(target.process);
    event = expect(SDB_EVENT_SYSCALL_ENTRY);
    thread = sdb_thread_retain(event.thread);
    process = sdb_process_retain(event.process);
    ck_assert_int_eq(sdb_process_kill(process), 0);
    await_state(target.pid, 'Z');
    /* Its end is not told yet. */
    rc = sdb_thread_refuse_syscall(thread, EPERM);
    ck_assert_msg(rc == -ESRCH || rc == 0, "%d", rc);
    ck_assert_int_eq(sdb_process_catch_syscalls(process, SDB_CATCH_ALL, NULL, 0), 0);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    expect_exit(SDB_KILLED, SIGKILL);
    expect_all(thread, -ESRCH);
    ck_assert_int_eq(sdb_process_catch_syscalls(process, SDB_CATCH_ALL, NULL, 0), -ESRCH);
    ck_assert_int_eq(sdb_process_permit_release(process), -ESRCH);
    finish();
    expect_all(thread, -ESRCH);
    sdb_thread_close(thread);
    sdb_process_close(process);
    close_target(&target);
}

int main(void)
{
    return run_suite("syscall");
}
