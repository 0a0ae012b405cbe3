/* SPDX-License-Identifier: MIT */
/*
 * Programs that would notice an injection, and injections that are looked at from outside.
 */
#include "injecting.h"

#include <check.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#define CALLING SDB_TRACEE_DIR "/calling"

/* How often an injection is repeated in one stop. */
#define TURNS 3

const uint64_t none[6];

struct target launch_calling(const char *what, const char *first)
{
    const char *argv[] = {CALLING, what, first, NULL};

    return launch_program(CALLING, argv);
}

int64_t inject(struct sdb_thread *thread, long number, const uint64_t arguments[6])
{
    int64_t result = INT64_MIN;
    int rc = sdb_thread_inject(thread, number, arguments, &result);

    ck_assert_msg(rc == 0, "%s", sdb_error_describe(rc));
    return result;
}

/* What the kernel says of a thread that stands still. */
struct standing {
    struct user_regs_struct registers;
    struct user_fpregs_struct floating;
    uint64_t mask;
    long long pending;
    long long pending_of_all;
    siginfo_t siginfo;
    enum sdb_thread_state state;
};

static struct standing look_at(struct sdb_thread *thread, bool at_signal)
{
    const int tid = sdb_thread_tid(thread);
    struct standing standing;

    memset(&standing, 0, sizeof(standing));
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETREGS, tid, 0, &standing.registers), 0);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETFPREGS, tid, 0, &standing.floating), 0);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETSIGMASK, tid, 8, &standing.mask), 0);
    standing.pending = status_of(tid, "SigPnd", 16);
    standing.pending_of_all = status_of(tid, "ShdPnd", 16);
    if (at_signal)
        ck_assert_int_eq(sdb_thread_siginfo(thread, &standing.siginfo, sizeof(siginfo_t)), 0);
    standing.state = sdb_thread_state(thread);
    return standing;
}

/* Two calls, whose results are known; nothing else may be different then. */
void inject_unseen_but(struct sdb_thread *thread, bool at_signal, bool rax_may_differ)
{
    const int pid = sdb_process_pid(sdb_thread_process(thread));

    for (int i = 0; i < TURNS; i++) {
        struct standing before = look_at(thread, at_signal);
        struct standing after;

        ck_assert_int_eq(inject(thread, SYS_getpid, none), pid);
        ck_assert_int_eq(inject(thread, SYS_gettid, none), sdb_thread_tid(thread));
        after = look_at(thread, at_signal);
        if (rax_may_differ && i == 0)
            before.registers.rax = after.registers.rax;
        ck_assert_mem_eq(&before.registers, &after.registers, sizeof(before.registers));
        ck_assert_mem_eq(&before.floating, &after.floating, sizeof(before.floating));
        ck_assert_mem_eq(&before.siginfo, &after.siginfo, sizeof(before.siginfo));
        ck_assert_uint_eq(before.mask, after.mask);
        ck_assert_int_eq(before.pending, after.pending);
        ck_assert_int_eq(before.state, after.state);
        /* Another thread may take what is sent to the process. */
        if (status_of(pid, "Threads", 10) == 1)
            ck_assert_int_eq(before.pending_of_all, after.pending_of_all);
    }
}

void inject_unseen(struct sdb_thread *thread)
{
    inject_unseen_but(thread, false, false);
}

void inject_unseen_at_signal(struct sdb_thread *thread)
{
    inject_unseen_but(thread, true, false);
}

/* Run a program until it waits in this call. */
struct sdb_thread *run_into(struct target *target, long number)
{
    struct sdb_thread *thread = sdb_process_thread(target->process);

    resume_process(target->process);
    wait_ready(target);
    while (syscall_of(target->pid) != number)
        sched_yield();
    return thread;
}

void end_well(struct target *target)
{
    finish_exited(target, 0);
}

void end_after_group_stop(struct target *target, const struct sdb_thread *thread)
{
    struct sdb_event event = expect_of(SDB_EVENT_GROUP_CONTINUE, thread);

    resume(&event);
    event = expect_signal(SIGCONT);
    tell_target(target, 'x');
    resume(&event);
    end_well(target);
}

int64_t inject_with(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                    const struct sdb_inject_buffer *buffers, size_t count)
{
    int64_t result = INT64_MIN;
    int rc = sdb_thread_inject_with(thread, number, arguments, buffers, count, &result);

    ck_assert_msg(rc == 0, "%s", sdb_error_describe(rc));
    return result;
}

/* Launch the reader, have it wait for its byte, and stop it there. */
struct target stopped_reader(struct sdb_thread **thread)
{
    struct target target = launch_calling("read", NULL);

    *thread = run_into(&target, SYS_read);
    stop_thread(*thread);
    return target;
}

void end_reader(struct target *target)
{
    tell_target(target, 'x');
    resume_process(target->process);
    end_well(target);
}

size_t calls_of_vdso(struct sdb_process *process, uint64_t *addresses, size_t most)
{
    struct sdb_facts_maps *maps = NULL;
    uint8_t text[8192];
    size_t count = 0;

    ck_assert_int_eq(sdb_facts_read_maps(sdb_process_pid(process), &maps), 0);
    for (size_t i = 0; i < maps->count; i++) {
        const struct sdb_facts_map *map = maps->list[i];
        int64_t size;

        if (strcmp(map->name, "[vdso]") != 0)
            continue;
        size = sdb_memory_read(process, map->start, text, sizeof(text));
        for (int64_t at = 0; at + 1 < size && count < most; at++) {
            if (text[at] == 0x0f && text[at + 1] == 0x05)
                addresses[count++] = map->start + (uint64_t)at;
        }
    }
    sdb_facts_free(maps);
    return count;
}
