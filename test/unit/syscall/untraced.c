/* SPDX-License-Identifier: MIT */
/*
 * CLONE_UNTRACED of clone(2): the kernel shows such a newborn to no tracer.  A caller that wants it held
 * catches the call and takes the flag out.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forking.h"
#include "holding.h"

__attribute__((noinline)) static int called(int value)
{
    __asm__ volatile("nop"); /* a place of its own, however it is compiled */
    return value + 1;
}

/* Makes one when it is told, and exits with 0 if that did. */
static void live(const int go[2])
{
    int status = 1;
    char byte;
    long pid;

    if (read(go[0], &byte, 1) != 1)
        _exit(1);
    pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(called(1) == 2 ? 0 : 1);
    if (pid < 0 || waitpid((pid_t)pid, &status, 0) != pid)
        _exit(2);
    _exit(status == 0 ? 0 : 3);
}

static struct sdb_process *begin_life(int go[2])
{
    struct sdb_process *process;
    pid_t pid;

    ck_assert_int_eq(pipe(go), 0);
    pid = fork_child();
    if (pid == 0)
        live(go);
    process = attach(pid);
    pass_silently(SIGCHLD);
    ck_assert_int_eq(sdb_process_set_follow(process, SDB_FOLLOW_ALL), 0);
    return process;
}

static void let_make(const int go[2])
{
    ck_assert_int_eq(write(go[1], "g", 1), 1);
    close(go[0]);
    close(go[1]);
}

HOLDING_CASE(untraced);

SESSION_TEST(a_newborn_that_is_made_so_is_not_seen)
{
    struct sdb_process *process;
    int go[2];

    process = begin_life(go);
    resume_process(process);
    let_make(go);
    (void)expect_exit(SDB_EXITED, 0);
    finish();
}

SESSION_TEST(it_is_held_where_the_flag_is_taken_out)
{
    const int32_t caught = SYS_clone;
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_syscall call = SDB_SYSCALL_INIT;
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process;
    struct sdb_event event;
    int hits = 0;
    int ends = 0;
    int go[2];

    process = begin_life(go);
    options.address = (uintptr_t)called;
    ck_assert_int_eq(sdb_breakpoint_create(process, &options, &breakpoint), 0);
    ck_assert_int_eq(sdb_process_catch_syscalls(process, SDB_CATCH_ENTRIES, &caught, 1), 0);
    resume_process(process);
    let_make(go);

    event = expect(SDB_EVENT_SYSCALL_ENTRY);
    ck_assert_int_eq(sdb_thread_syscall(event.thread, &call), 0);
    ck_assert_uint_ne(call.arguments[0] & CLONE_UNTRACED, 0);
    call.arguments[0] &= ~(uint64_t)CLONE_UNTRACED;
    ck_assert_int_eq(sdb_thread_set_syscall(event.thread, call.number, call.arguments), 0);
    resume(&event);
    event = expect(SDB_EVENT_FORK);
    resume(&event);
    while (ends < 2) {
        event = next_event();
        hits += event.kind == SDB_EVENT_BREAKPOINT;
        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_int_eq(event.status->code, 0);
            ends++;
        } else {
            resume(&event);
        }
    }
    ck_assert_int_eq(hits, 1);
    finish();
}

int main(void)
{
    return run_suite("syscall_untraced");
}
