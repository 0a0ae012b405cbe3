/* SPDX-License-Identifier: MIT */
/*
 * Launching with a seccomp filter that picks the caught calls out.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calling.h"
#include "host.h"

#define RESTART_BLOCK (-516)

HOLDING_CASE(telling);

SESSION_TEST(one_among_a_million_is_told)
{
    struct target target = run_filtered(STEPS("many:1000000", "121", "many:10"));

    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(calls_that_are_not_picked_do_not_stop)
{
    struct target target = run_filtered(STEPS("121", "many:100000", "121"));
    struct sdb_event event;
    long long before;

    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    before = status_of(target.pid, "voluntary_ctxt_switches", 10);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    /* Each stop is one. */
    ck_assert_int_lt(status_of(target.pid, "voluntary_ctxt_switches", 10) - before, 100);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    finish_exited(&target, 0);
}

SESSION_TEST(only_beginnings_are_told_where_that_is_wanted)
{
    struct target target = launch_filtered(STEPS("121", "121", "140", "121"), NUMBERS(SYS_getpgid));

    catch_calls(target.process, SDB_CATCH_ENTRIES, NUMBERS(SYS_getpgid));
    resume_process(target.process);
    for (int i = 0; i < 3; i++) {
        struct sdb_event event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);

        resume(&event);
    }
    finish_exited(&target, 0);
}

SESSION_TEST(less_than_the_filter_can_be_caught)
{
    struct target target;

    target =
        launch_filtered(STEPS("140", "121", "140", "64"), NUMBERS(SYS_getpgid, SYS_getpriority));
    catch_calls(target.process, 0, NUMBERS(SYS_getpgid));
    resume_process(target.process);
    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), own_priority());
    close_target(&target);

    target = launch_filtered(STEPS("140", "121"), NUMBERS(SYS_getpgid, SYS_getpriority));
    catch_calls(target.process, 0, NULL, 0);
    resume_process(target.process);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(other_calls_than_the_filters_can_be_caught)
{
    struct target target = launch_filtered(STEPS("140", "121", "110"), NUMBERS(SYS_getpgid));

    catch_calls(target.process, 0, NUMBERS(SYS_getpgid, SYS_getpriority));
    resume_process(target.process);
    expect_whole_call(SYS_getpriority);
    expect_whole_call(SYS_getpgid);
    finish_exited(&target, 0);
}

/* All calls are seen; each must be told once at each end, those of the filter too. */
static void expect_turns_of_all(struct target *target, enum sdb_resume how)
{
    struct sdb_thread *thread = sdb_process_thread(target->process);
    bool inside = false;
    int wanted = 0;

    for (;;) {
        struct sdb_event event;

        resume_thread(thread, how);
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            break;
        if (event.kind == SDB_EVENT_SYSCALL_EXIT && call_of(thread).number == SYS_execve)
            continue; /* of the exec that was before */
        ck_assert_uint_eq(event.kind, inside ? SDB_EVENT_SYSCALL_EXIT : SDB_EVENT_SYSCALL_ENTRY);
        inside = !inside;
        wanted += inside && call_of(thread).number == SYS_getpgid;
    }
    ck_assert_int_eq(wanted, 2);
}

SESSION_TEST(each_call_is_told_once)
{
    struct target target =
        launch_filtered(STEPS("121", "many:3", "121"), NUMBERS(SYS_getpgid, SYS_exit_group));

    expect_turns_of_all(&target, SDB_RESUME_SYSCALL);
    ck_assert_int_eq(result_of(&target, 1), getpgid(0));
    close_target(&target);
    target = launch_filtered(STEPS("121", "many:3", "121"), NUMBERS(SYS_getpgid, SYS_exit_group));
    catch_calls(target.process, SDB_CATCH_ALL, NULL, 0);
    expect_turns_of_all(&target, SDB_RESUME_CONTINUE);
    ck_assert_int_eq(result_of(&target, 3), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(ways_to_go_on_can_be_mixed)
{
    struct target target = run_filtered(STEPS("121", "110", "121", "121", "121"));
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_event event;

    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getppid);
    /* On from one that is not picked: the next that is. */
    resume(&event);
    expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    resume_thread(thread, SDB_RESUME_STEP);
    expect_of(SDB_EVENT_STEP, thread);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid); /* from before the filter */
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    for (int i = 1; i <= 5; i++)
        ck_assert_int_eq(result_of(&target, i), i == 2 ? getpid() : getpgid(0));
    finish_with(&target);
}

SESSION_TEST(calls_of_i386_are_picked_by_their_name)
{
    struct target target = run_filtered(STEPS("i386:121", "i386:132:0", "132", "121"));
    struct sdb_event event = expect_call(SDB_EVENT_SYSCALL_ENTRY, 132);

    ck_assert_uint_eq(call_of(event.thread).architecture, SDB_ARCH_I386);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, 132);
    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(launch_itself_is_not_told)
{
    int32_t all[SDB_SYSCALL_HIGHEST + 1];
    struct target target;
    struct sdb_event event;

    for (int i = 0; i <= SDB_SYSCALL_HIGHEST; i++)
        all[i] = i;
    for (int portable = 0; portable < 2; portable++) {
        struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
        bool executed = false;

        options.flags = SDB_LAUNCH_NO_NEW_PRIVS | (portable ? SDB_LAUNCH_PORTABLE : 0);
        options.caught_syscalls = all;
        options.caught_syscall_count = SDB_SYSCALL_HIGHEST + 1;
        target = launch_calls_with(STEPS("1023", "exec", "121"), &options);
        resume_process(target.process);
        event = expect(SDB_EVENT_SYSCALL_ENTRY);
        ck_assert_int_eq(call_of(event.thread).number, SYS_brk);
        for (; event.kind != SDB_EVENT_EXITED; event = next_event()) {
            if (event.kind == SDB_EVENT_SYSCALL_ENTRY)
                executed = executed || call_of(event.thread).number == SYS_execve;
            else if (event.kind == SDB_EVENT_EXEC)
                ck_assert(executed);
            resume(&event);
        }
        ck_assert(executed);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(failed_launch_says_why)
{
    int32_t all[SDB_SYSCALL_HIGHEST + 1];
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process;
    struct sdb_event event = SDB_EVENT_INIT;

    for (int i = 0; i <= SDB_SYSCALL_HIGHEST; i++)
        all[i] = i;
    for (int portable = 0; portable < 2; portable++) {
        options.flags = SDB_LAUNCH_NO_NEW_PRIVS | (portable ? SDB_LAUNCH_PORTABLE : 0);
        options.path = "/nowhere";
        options.caught_syscalls = all;
        options.caught_syscall_count = SDB_SYSCALL_HIGHEST + 1;
        ck_assert_int_eq(sdb_session_launch(session, &options, &process, &error), -ENOENT);
        ck_assert_uint_eq(error.stage, SDB_STAGE_EXEC);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    }
    finish();
}

HOLDING_CASE(newborns);

SESSION_TEST(newborns_have_the_filter_and_are_held)
{
    static const char *const makers[] = {"fork", "vfork", "thread", "exec"};

    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        struct target target = run_filtered(STEPS(makers[i], "121"));
        int processes = 1;
        int ends[2] = {0};

        while (processes > 0) {
            struct sdb_event event = next_event();

            processes += event.kind == SDB_EVENT_FORK || event.kind == SDB_EVENT_VFORK;
            processes -= event.kind == SDB_EVENT_EXITED;
            if (event.kind == SDB_EVENT_SYSCALL_ENTRY || event.kind == SDB_EVENT_SYSCALL_EXIT) {
                ck_assert_int_eq(call_of(event.thread).number, SYS_getpgid);
                ends[event.kind == SDB_EVENT_SYSCALL_EXIT]++;
            }
            if (event.kind == SDB_EVENT_START && event.process != target.process)
                ck_assert_int_eq(sdb_process_detach(event.process, SDB_RELEASE_RUN, NULL), -EPERM);
            resume(&event);
        }
        ck_assert_int_eq(ends[0], 1);
        ck_assert_int_eq(ends[1], 1);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(births_that_are_picked_are_within_their_calls)
{
    struct sdb_event event;
    char story[16] = "";
    size_t count = 0;
    struct target target =
        launch_filtered(STEPS("exec", "121"), NUMBERS(SYS_execve, SYS_exit_group));

    resume_process(target.process);
    for (event = next_event(); event.kind != SDB_EVENT_EXITED; event = next_event()) {
        ck_assert_uint_lt(count, sizeof(story) - 1);
        if (event.kind == SDB_EVENT_EXEC)
            story[count++] = 'X';
        else
            story[count++] = event.kind == SDB_EVENT_SYSCALL_ENTRY ? 'e' : 'x';
        resume(&event);
    }
    ck_assert_str_eq(story, "eXxe");
    finish_with(&target);
}

SESSION_TEST(threads_storm_and_none_is_missed)
{
    struct target target = launch_filtered(STEPS("storm:8:200"), NUMBERS(SYS_getpriority));

    resume_process(target.process);
    expect_calls_until_exit(SYS_getpriority, 1600);
    finish_with(&target);
}

SESSION_TEST(interrupts_come_at_caught_calls)
{
    int count = 0;
    struct target target = launch_filtered(STEPS("storm:4:500"), NUMBERS(SYS_getpriority));

    resume_process(target.process);
    for (struct sdb_event event = next_event(); event.kind != SDB_EVENT_EXITED;
         event = next_event()) {
        if (event.kind == SDB_EVENT_SYSCALL_ENTRY && ++count % 7 == 0) {
            stop_process(event.process);
            resume_process(event.process);
        } else {
            int rc = sdb_event_resume(&event);

            ck_assert_msg(rc == 0 || rc == -EBUSY, "%d", rc); /* resumed with the others */
        }
    }
    ck_assert_int_eq(count, 2000);
    finish_with(&target);
}

SESSION_TEST(restart_of_a_caught_call_is_caught)
{
    struct sdb_event event;
    struct target target =
        launch_filtered(STEPS("ignore", "ready", "nap:300", "121"), NUMBERS(SYS_nanosleep));

    resume_process(target.process);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_nanosleep);
    wait_ready(&target);
    resume(&event);
    await_state(target.pid, 'S');
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_nanosleep);
    ck_assert_int_eq(call_of(event.thread).result, RESTART_BLOCK);
    resume(&event);
    resume_from_signal(SIGUSR1);
    expect_whole_call(SYS_restart_syscall);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 3), 0);
    finish_with(&target);
}

/* ---- changing and refusing ---- */

SESSION_TEST(calls_are_changed_and_refused_at_the_filter)
{
    const uint64_t own[6] = {0};
    struct sdb_event event;
    struct target target =
        run_filtered(STEPS("strict:99", "121:4194305", "121", "121", "121", "121"));

    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, SYS_getpgid, own), 0);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_refuse_syscall(event.thread, ENOTNAM), 0);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    ck_assert_int_eq(call_of(event.thread).result, -ENOTNAM);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, SYS_getppid, NULL), 0);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getppid);
    catch_calls(target.process, SDB_CATCH_ENTRIES, NUMBERS(SYS_getpgid));
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_refuse_syscall(event.thread, EDQUOT), 0);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), getpgid(0));
    ck_assert_int_eq(result_of(&target, 3), -ENOTNAM);
    ck_assert_int_eq(result_of(&target, 4), getpid());
    ck_assert_int_eq(result_of(&target, 5), -EDQUOT);
    ck_assert_int_eq(result_of(&target, 6), getpgid(0));
    finish_with(&target);
}

SESSION_TEST(registers_say_the_same)
{
    struct target target = run_filtered(STEPS("121:4194305:7"));
    struct sdb_event event;
    uint64_t value;

    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_set_register(event.thread, "rdi", 0), 0);
    ck_assert_uint_eq(call_of(event.thread).arguments[0], 0);
    ck_assert_uint_eq(call_of(event.thread).arguments[1], 7);
    resume(&event);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    ck_assert_uint_eq(call_of(event.thread).arguments[0], 0);
    ck_assert_int_eq(call_of(event.thread).result, getpgid(0));
    ck_assert_int_eq(sdb_thread_set_register(event.thread, "rax", 77), 0);
    ck_assert_int_eq(call_of(event.thread).result, 77);
    ck_assert_int_eq(sdb_thread_set_syscall_result(event.thread, -EXFULL), 0);
    ck_assert_int_eq(sdb_thread_get_register(event.thread, "rax", &value), 0);
    ck_assert_int_eq((int64_t)value, -EXFULL);
    resume(&event);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), -EXFULL);
    finish_with(&target);
}

int main(void)
{
    return run_suite("syscall_filter");
}
