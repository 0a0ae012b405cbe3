/* SPDX-License-Identifier: MIT */
/*
 * Running a thread from one stop to another, for an injection: what comes in between is dealt with here.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/trace.h"
#include "inject/inject.h"
#include "inject/injection.h"
#include "kernel/ptrace.h"
#include "session/session.h"

int sdb__injection_set_mask(struct sdb__injection *injection, uint64_t mask)
{
    injection->blocked = mask;
    return sdb__ptrace_set_signal_mask(injection->tid, mask);
}

/*
 * Take a newborn into the session.  It begins where its parent stands, as if that had made the call.
 * Its first stop is left for the session.
 */
static void take_newborn(struct sdb__injection *injection, int status)
{
    struct sdb_thread *thread = injection->thread;
    struct sdb_thread *newborn_before = thread->newborn;
    struct user_regs_struct begin = injection->saved;
    struct user_regs_struct now;
    struct sdb__stop stop;
    int newborn_status = 0;
    int signal = 0;

    if (sdb__session_decode(thread, status, &stop) < 0)
        return;
    if (sdb__session_await(thread, stop.other_tid, &newborn_status) == 0 &&
        sdb__status_kind(newborn_status, &signal) == SDB__STATUS_STOP &&
        sdb__ptrace_get_general(stop.other_tid, &now) == 0) {
        begin.rax = 0;
        begin.orig_rax = (uint64_t)-1;
        begin.fs_base = now.fs_base;
        begin.gs_base = now.gs_base;
        if (now.rsp != begin.rsp) /* a stack of its own */
            begin.rsp = now.rsp;
        (void)sdb__ptrace_set_general(stop.other_tid, &begin);
        (void)sdb__ptrace_set_signal_mask(stop.other_tid, injection->mask);
    }
    thread->newborn = NULL;
    sdb__session_claim(thread->process->session, thread, &stop);
    sdb_thread_close(thread->newborn); /* no event of the parent's tells of it */
    thread->newborn = newborn_before;
}

/*
 * A signal has come although all but SIGSYS are blocked.
 *
 * @param signal  what; gets what the thread is resumed with
 * @return 0, -ESRCH, or -EACCES or -EFAULT: the call has raised it
 */
static int deal_with_signal(struct sdb__injection *injection, int *signal)
{
    struct user_regs_struct now = {0};
    siginfo_t info = {0};
    int rc;

    if (*signal == SIGSTOP) {
        sdb__session_owe_stop_signal(injection->thread);
        *signal = 0;
        return 0;
    }
    rc = sdb__ptrace_siginfo(injection->tid, &info);
    if (rc == 0)
        rc = sdb__ptrace_get_general(injection->tid, &now);
    if (rc < 0)
        return rc;
    if (*signal == SIGSYS && info.si_code > 0 && now.rip != injection->instruction)
        return -EACCES;
    if (*signal != SIGSYS && info.si_code > 0)
        return -EFAULT;
    /* One that is blocked when it is delivered is put back as it was. */
    return sdb__injection_set_mask(injection, SDB__ALL_SIGNALS);
}

/* Deal with a stop that is on the way to another.  @return 0 or a negative errno */
static int deal_with(struct sdb__injection *injection, enum sdb__status_kind kind, int status,
                     int *signal)
{
    const int stop_signal = *signal;

    *signal = 0;
    switch (kind) {
    case SDB__STATUS_SIGNAL:
        *signal = stop_signal;
        return deal_with_signal(injection, signal);
    case SDB__STATUS_NEWBORN:
        take_newborn(injection, status);
        return 0;
    case SDB__STATUS_END:
    case SDB__STATUS_EXEC: /* of another thread, which has its id now */
        return -ESRCH;
    default: /* an interrupt is one that nobody waits for any more */
        return 0;
    }
}

static int resume(const struct sdb__injection *injection, enum sdb__injection_way way, int signal)
{
    int rc = 0;

    if (way == SDB__INTERRUPTED)
        rc = sdb__ptrace_interrupt(injection->tid);
    if (rc < 0)
        return rc;
    sdb__session_note_resumed(injection->thread);
    if (way == SDB__TO_SKIPPED_CALL)
        return sdb__ptrace_resume_to_skip(injection->tid);
    return sdb__ptrace_resume(
        injection->tid, way == SDB__TO_CALL ? SDB_RESUME_SYSCALL : SDB_RESUME_CONTINUE, signal);
}

int sdb__injection_run_to_with(struct sdb__injection *injection, enum sdb__injection_way way,
                               enum sdb__status_kind wanted, int *signal)
{
    for (;;) {
        enum sdb__status_kind kind;
        int status = 0;
        int rc = resume(injection, way, *signal);

        if (rc == 0)
            rc = sdb__session_await(injection->thread, injection->tid, &status);
        if (rc < 0)
            return rc;
        if (sdb__tracing())
            sdb__status_trace(injection->tid, status);
        kind = sdb__status_kind(status, signal);
        injection->stands_at_signal = kind == SDB__STATUS_SIGNAL;
        if (kind == SDB__STATUS_STOP)
            sdb__session_note_group_stop(injection->thread, *signal != SIGTRAP);
        if (kind == wanted && (kind != SDB__STATUS_SIGNAL || *signal != SIGSTOP))
            return 0;
        rc = deal_with(injection, kind, status, signal);
        if (rc < 0)
            return rc;
    }
}

int sdb__injection_run_to(struct sdb__injection *injection, enum sdb__injection_way way,
                          enum sdb__status_kind wanted)
{
    int signal = 0;

    return sdb__injection_run_to_with(injection, way, wanted, &signal);
}

int sdb__injection_make_again(const struct sdb__injection *injection,
                              struct user_regs_struct *registers)
{
    registers->rip = injection->instruction + SDB__INJECT_INSTRUCTION_SIZE;
    registers->eflags |= SDB__RESUME_FLAG;
    return sdb__ptrace_set_general(injection->tid, registers);
}

int sdb__injection_prepare(const struct sdb__injection *injection, uint64_t instruction,
                           uint64_t number, const uint64_t arguments[6])
{
    struct user_regs_struct registers = injection->saved;

    sdb__registers_set_call(&registers, sdb__injection_architecture(injection), (int64_t)number,
                            arguments);
    registers.rip = instruction;
    registers.rax = number;
    registers.orig_rax = (uint64_t)-1;
    registers.eflags &= ~SDB__TRAP_FLAG;
    /* A debug register that is set to the instruction is for who comes there by itself. */
    registers.eflags |= SDB__RESUME_FLAG;
    if (injection->place == SDB__AT_ENTRY || injection->place == SDB__AT_SECCOMP) {
        registers.rip = injection->saved.rip;
        registers.orig_rax = number;
    }
    return sdb__ptrace_set_general(injection->tid, &registers);
}
