/* SPDX-License-Identifier: MIT */
/*
 * A launch's filter for caught calls beside filters of others; and what it means for letting go.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calling.h"
#include "host.h"

#define NOBODY 65534

/* getpgid(2) fails with EXFULL; anything else passes, but that no other filter may be installed. */
static const struct sock_filter callers_filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXFULL),
};

HOLDING_CASE(filters);

SESSION_TEST(programs_own_filter_comes_first)
{
    struct target target = run_filtered(STEPS("121", "errno:121:57", "121", "many:3"));

    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), getpgid(0));
    ck_assert_int_eq(result_of(&target, 3), -57);
    close_target(&target);

    target = run_filtered(STEPS("handler", "trap:121", "121", "many:3"));
    resume_from_signal(SIGSYS);
    expect_exit(SDB_EXITED, 0);
    ck_assert_uint_eq(target.board->signals[SIGSYS], 1);
    close_target(&target);

    target = run_filtered(STEPS("kill:121", "121"));
    expect_exit(SDB_KILLED, SIGSYS);
    close_target(&target);

    /* Without a tracer such a call fails, and so it does with one. */
    target = run_filtered(STEPS("trace:121", "121", "trace:140", "140", "110"));
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), -ENOSYS);
    ck_assert_int_eq(result_of(&target, 4), -ENOSYS);
    ck_assert_int_eq(result_of(&target, 5), getpid());
    finish_with(&target);
}

SESSION_TEST(programs_own_filter_is_left_alone_without_ours)
{
    struct sdb_event event;
    struct target target = launch_calls(STEPS("trace:140", "140", "errno:121:57", "121", "handler",
                                              "trap:111", "111", "kill:108", "108"));

    catch_calls(target.process, 0, NUMBERS(SYS_getpriority, SYS_getpgid, SYS_getpgrp, SYS_getegid));
    resume_process(target.process);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpriority);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpriority);
    ck_assert_int_eq(call_of(event.thread).result, -ENOSYS);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    ck_assert_int_eq(call_of(event.thread).result, -57);
    resume(&event);
    expect_whole_call(SYS_getpgrp);
    resume_from_signal(SIGSYS);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getegid);
    /* Kernels differ in whether a call that kills has an end. */
    event = next_event();
    if (event.kind == SDB_EVENT_SYSCALL_EXIT) {
        resume(&event);
        event = next_event();
    }
    ck_assert_uint_eq(event.kind, SDB_EVENT_EXITED);
    ck_assert_uint_eq(event.status->how, SDB_KILLED);
    ck_assert_int_eq(event.status->code, SIGSYS);
    finish_with(&target);
}

SESSION_TEST(callers_filter_goes_with_ours)
{
    for (int portable = 0; portable < 2; portable++) {
        const int32_t numbers[] = {SYS_getpgid, SYS_getpriority};
        struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
        struct target target;

        options.flags = SDB_LAUNCH_NO_NEW_PRIVS | (portable ? SDB_LAUNCH_PORTABLE : 0);
        options.caught_syscalls = numbers;
        options.caught_syscall_count = 2;
        options.seccomp_filter = callers_filter;
        options.seccomp_length = sizeof(callers_filter) / sizeof(callers_filter[0]);
        target = launch_calls_with(STEPS("121", "140"), &options);
        resume_process(target.process);
        expect_whole_call(SYS_getpriority);
        expect_exit(SDB_EXITED, 0);
        ck_assert_int_eq(result_of(&target, 1), -EXFULL);
        ck_assert_int_eq(result_of(&target, 2), own_priority());
        close_target(&target);
    }
    finish();
}

HOLDING_CASE(letting_go);

SESSION_TEST(letting_go_is_refused)
{
    struct target target = launch_filtered(STEPS("121"), NUMBERS(SYS_getpgid));
    struct sdb_process *process;

    process = target.process;
    ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, NULL), -EPERM);
    ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_STOP, NULL), -EPERM);
    ck_assert_int_eq(sdb_process_set_release(process, SDB_RELEASE_RUN), -EPERM);
    ck_assert_int_eq(sdb_process_set_release(process, SDB_RELEASE_STOP), -EPERM);
    ck_assert_int_eq(sdb_process_set_release(process, SDB_RELEASE_KILL), 0);
    ck_assert_int_eq(sdb_process_set_follow(process, SDB_FOLLOW_DEFAULT), -EPERM);
    ck_assert_int_eq(sdb_process_set_follow(process, SDB_FOLLOW_ALL & ~SDB_FOLLOW_EXEC), -EPERM);
    ck_assert_int_eq(sdb_process_set_follow(process, SDB_FOLLOW_ALL), 0);
    /* The options of the kernel are what they were. */
    resume_process(process);
    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    close_target(&target);

    target = launch_filtered(STEPS("121"), NUMBERS(SYS_getpgid));
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_KILL, NULL), 0);
    finish_with(&target);
}

SESSION_TEST(letting_go_can_be_permitted)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_event event;
    struct sdb_child *child;
    struct target target =
        launch_filtered(STEPS("121", "fork", "121", "140"), NUMBERS(SYS_getpgid));

    ck_assert_int_eq(sdb_process_permit_release(target.process), 0);
    set_follow(target.process, SDB_FOLLOW_DEFAULT);
    resume_process(target.process);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    ck_assert_int_eq(sdb_thread_refuse_syscall(event.thread, EXFULL), 0);
    child = detach_child(target.process);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.code, 0);
    ck_assert_int_eq(result_of(&target, 1), -EXFULL);
    ck_assert_int_eq(result_of(&target, 3), -ENOSYS);
    ck_assert_int_eq(result_of(&target, 4), own_priority());
    sdb_child_close(child);
    finish_with(&target);
}

SESSION_TEST(end_of_the_session_kills_all_that_have_the_filter)
{
    struct target target = run_filtered(STEPS("fork", "nap:60000"));
    struct sdb_thread *begun;
    int newborn;

    run_births(1, &begun);
    newborn = sdb_thread_tid(begun);
    finish();
    ck_assert_int_eq(state_of(target.pid), 0);
    /* Whoever is its parent now may still have to reap it. */
    ck_assert(state_of(newborn) == 0 || state_of(newborn) == 'Z');
    close_target(&target);
}

/* ---- wrong wishes ---- */

SESSION_TEST(wrong_wishes_are_refused)
{
    const int32_t wrong[] = {SYS_read, SDB_SYSCALL_HIGHEST + 1};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process;
    struct sdb_child *child;

    options.path = CALLS;
    options.caught_syscalls = wrong;
    options.caught_syscall_count = 1;
    ck_assert_int_eq(sdb_launch(&options, &child, &error), -EINVAL);
    ck_assert_uint_eq(error.stage, SDB_STAGE_ARGUMENTS);
    options.caught_syscall_count = 2;
    ck_assert_int_eq(sdb_session_launch(session, &options, &process, &error), -EINVAL);
    ck_assert_uint_eq(error.stage, SDB_STAGE_ARGUMENTS);
    ck_assert_int_eq(error.index, 1);
    options.caught_syscalls = NULL;
    ck_assert_int_eq(sdb_session_launch(session, &options, &process, &error), -EINVAL);
    finish();
}

TEST(filter_takes_privileges_or_their_renunciation)
{
    const int32_t caught = SYS_getpgid;
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process;

    if (geteuid() != 0)
        return;
    begin(_i);
    options.path = CALLS;
    options.flags = SDB_LAUNCH_SET_UID;
    options.uid = NOBODY;
    options.caught_syscalls = &caught;
    options.caught_syscall_count = 1;
    ck_assert_int_eq(sdb_session_launch(session, &options, &process, &error), -EACCES);
    ck_assert_uint_eq(error.stage, SDB_STAGE_SECCOMP);
    finish();
}

int main(void)
{
    return run_suite("syscall_filters");
}
