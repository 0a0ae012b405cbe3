/* SPDX-License-Identifier: MIT */
/*
 * Having a stopped thread make a system call, so that nobody can tell afterwards.
 *
 * The thread is resumed at an instruction `syscall` of its program with registers for the call, from
 * stop to stop: to the call's beginning (its entry stop) and to its end (its exit stop), where it is
 * given its own registers again.  Meanwhile its signals are blocked; but for SIGSYS, since the kernel
 * resets the handler of a blocked signal that it must deliver at once, as it does when a filter of the
 * program's own traps the call.
 *
 * What kind of stop it comes from says how it gets back to it:
 *  - On the way out to the program, by a signal or by an interrupt: the end of the injected call does as
 *    well, but where the kernel still has something to do on that way.  A signal that was being
 *    delivered is brought back by another that the thread is given, with the first one's siginfo.  A
 *    call that was interrupted is restarted only by a thread that comes from the signal path, and a
 *    group-stop can only be kept there, so that an interrupt stops it there.
 *  - At the beginning of a call: the injected one is made in its place.  Then the thread begins its own
 *    call again.
 *  - Inside a call (fork, exec): first the call is ended.  Then the thread is left at the beginning of
 *    one which the kernel will skip, with the result of the first.
 */
#include "inject/inject.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "held/address_space.h"
#include "held/process.h"
#include "inject/injection.h"
#include "kernel/ptrace.h"
#include "kernel/status.h"
#include "session/session.h"

/* In 64-bit code of a program's. */
#define USER_CS 0x33

/* The message of a system call's stop at its beginning (PTRACE_EVENTMSG_SYSCALL_ENTRY). */
#define MESSAGE_SYSCALL_ENTRY 1

/* ---- what cannot be done ---- */

static bool makes_newborn(long number)
{
    return number == SYS_fork || number == SYS_clone || number == SYS_clone3;
}

/* Whether a newborn would be held, and go its own way. */
static int check_newborn(struct sdb_thread *thread, long number, const uint64_t arguments[6])
{
    struct sdb_process *process = thread->process;
    const uint32_t follow = process->policies.follow;
    uint64_t flags = SIGCHLD;
    uint64_t exit_signal;
    uint64_t of_clone3[5]; /* flags, pidfd, child_tid, parent_tid, exit_signal */

    if (number == SYS_clone)
        flags = arguments[0];
    exit_signal = flags & CSIGNAL;
    if (number == SYS_clone3) {
        if (sdb__space_read(process->space, process->pid, arguments[0], of_clone3,
                            sizeof(of_clone3)) != sizeof(of_clone3))
            return 0; /* the kernel will refuse it */
        flags = of_clone3[0];
        exit_signal = of_clone3[4];
    }
    if (flags & (CLONE_VFORK | CLONE_UNTRACED))
        return -ENOTSUP;
    return follow & (exit_signal == SIGCHLD ? SDB_FOLLOW_FORK : SDB_FOLLOW_CLONE) ? 0 : -ENOTSUP;
}

static int check_number(struct sdb_thread *thread, long number, const uint64_t arguments[6])
{
    switch (number) {
    case SYS_execve:
    case SYS_execveat:
    case SYS_vfork:
    case SYS_rt_sigreturn:
    case SYS_restart_syscall:
        return -ENOTSUP;
    default:
        return makes_newborn(number) ? check_newborn(thread, number, arguments) : 0;
    }
}

/* ---- the stop that it is in ---- */

/* The thread's events tell of most; what the kernel says knows of an injection before. */
static int find_place(struct sdb__injection *injection)
{
    unsigned long message = 0;
    int status;
    int signal;
    int rc;

    if (sdb__thread_pending_signal(injection->thread) != 0) {
        injection->place = SDB__AT_SIGNAL;
        injection->stands_at_signal = true;
        return sdb__ptrace_siginfo(injection->tid, &injection->siginfo);
    }
    switch (injection->thread->stop) {
    case SDB_EVENT_VFORK:
        return -EBUSY;
    case SDB_EVENT_FORK:
    case SDB_EVENT_CLONE:
    case SDB_EVENT_VFORK_DONE:
    case SDB_EVENT_EXEC:
        injection->place = SDB__INSIDE;
        return 0;
    default:
        break;
    }
    rc = sdb__status_restore(injection->tid, &status);
    if (rc < 0)
        return rc;
    switch (sdb__status_kind(status, &signal)) {
    case SDB__STATUS_SECCOMP:
        injection->place = SDB__AT_SECCOMP;
        return 0;
    case SDB__STATUS_SYSTEM_CALL:
        rc = sdb__ptrace_message(injection->tid, &message);
        if (message == MESSAGE_SYSCALL_ENTRY)
            injection->place = SDB__AT_ENTRY;
        else if (injection->thread->stop == SDB_EVENT_SYSCALL_EXIT)
            injection->place = SDB__AT_EXIT;
        return rc;
    default:
        return 0;
    }
}

/*
 * A signal that comes while a call waits with a mask of its own (sigsuspend, ppoll) is delivered under
 * that mask, which is lost when the mask is touched; with the mask it has otherwise, the signal would
 * be blocked.
 */
static bool has_mask_of_its_own(const struct sdb__injection *injection)
{
    const int signal = sdb__thread_pending_signal(injection->thread);

    return injection->place == SDB__AT_SIGNAL && signal != SIGTRAP &&
           (injection->mask & SDB__SIGNAL_BIT(signal)) != 0;
}

/* ---- the call ---- */

/* From the call's beginning to its end. */
static int make_prepared(struct sdb__injection *injection, struct user_regs_struct *registers)
{
    /* It changes the mask itself, and tells it. */
    const bool has_own_mask = !injection->is_32_bit && injection->number == SYS_rt_sigprocmask;
    const uint64_t blocked = injection->blocked;
    int rc = 0;

    if (has_own_mask)
        rc = sdb__injection_set_mask(injection, injection->mask);
    if (rc == 0)
        rc = sdb__injection_run_to(injection, SDB__TO_CALL, SDB__STATUS_SYSTEM_CALL);
    if (rc == 0 && has_own_mask)
        rc = sdb__ptrace_signal_mask(injection->tid, &injection->mask);
    if (rc == 0 && has_own_mask)
        rc = sdb__injection_set_mask(injection, blocked);
    if (rc == 0)
        rc = sdb__ptrace_get_general(injection->tid, registers);
    return rc;
}

/*
 * Make the call.  Something else than a signal, a group-stop say, can interrupt it; then the kernel
 * makes it again.
 */
static int make_call(struct sdb__injection *injection)
{
    bool begun = injection->place == SDB__AT_ENTRY || injection->place == SDB__AT_SECCOMP;
    struct user_regs_struct registers = {0};
    int rc = sdb__injection_prepare(injection, injection->instruction, (uint64_t)injection->number,
                                    injection->arguments);

    do {
        if (rc == 0 && !begun)
            rc = sdb__injection_run_to(injection, SDB__TO_CALL, SDB__STATUS_SYSTEM_CALL);
        if (rc == 0)
            rc = make_prepared(injection, &registers);
        begun = false;
        if (rc == 0 && sdb__registers_will_restart(&registers))
            rc = sdb__injection_make_again(injection, &registers);
    } while (rc == 0 && sdb__registers_will_restart(&registers));
    if (rc < 0)
        return rc;

    if (!injection->is_32_bit && injection->number == SYS_arch_prctl) {
        injection->saved.fs_base = registers.fs_base;
        injection->saved.gs_base = registers.gs_base;
    }
    /* A call that a filter traps seems to return its number. */
    if (registers.rax == (uint64_t)injection->number &&
        sdb__ptrace_pending_code(injection->tid, SIGSYS) > 0)
        return sdb__injection_run_to(injection, SDB__TO_CALL, SDB__STATUS_SYSTEM_CALL);
    injection->result = (int64_t)registers.rax;
    return 0;
}

/* ---- all of it ---- */

/* Where calls can be made. */
static int find_instructions(struct sdb__injection *injection)
{
    struct sdb_process *process = injection->thread->process;
    const bool is_i386 = injection->is_32_bit;
    int rc = sdb__inject_place(process, is_i386, &injection->instruction);

    injection->instruction_of_entry = injection->instruction;
    if (rc == 0 && (injection->place == SDB__AT_ENTRY || injection->place == SDB__AT_SECCOMP)) {
        const uint64_t own = injection->saved.rip - 2;

        /* Behind `sysenter`, too, there is an `int $0x80` in the place where it comes back to. */
        if (!sdb__inject_is_system_call(process, is_i386, own))
            return -ENOTSUP; /* int $0x80 in 64-bit code: its numbers are others */
        if (!sdb__space_is_planted(process->space, own, NULL) &&
            !sdb__space_is_planted(process->space, own + 1, NULL))
            injection->instruction_of_entry = own;
    }
    return rc;
}

/* Find out whether it can be done.  Nothing has been changed yet. */
static int begin(struct sdb__injection *injection, struct user_regs_struct **registers)
{
    int rc_of_instructions;
    int rc = sdb__registers_general(injection->thread, registers);

    if (rc < 0)
        return rc;
    injection->saved = **registers;
    injection->is_32_bit = sdb__registers_are_of_32_bit(injection->thread);
    if (!injection->is_32_bit)
        rc = injection->saved.cs == USER_CS
                 ? check_number(injection->thread, injection->number, injection->arguments)
                 : -ENOTSUP;
    if (rc < 0)
        return rc;
    rc = find_place(injection);
    if (rc < 0)
        return rc;
    /* One that was killed has no memory to find any in. */
    rc_of_instructions = find_instructions(injection);
    rc = sdb__ptrace_signal_mask(injection->tid, &injection->mask);
    if (rc == 0)
        rc = rc_of_instructions;
    if (rc < 0)
        return rc;
    return has_mask_of_its_own(injection) ? -EBUSY : 0;
}

bool sdb__injection_is_possible(struct sdb_thread *thread)
{
    static const uint64_t none[6];
    struct sdb__injection injection = {
        .thread = thread, .tid = thread->tid, .number = SYS_getpid, .arguments = none};
    struct user_regs_struct *registers;

    return begin(&injection, &registers) == 0;
}

/* End the call that it is in. */
static int end_call(struct sdb__injection *injection)
{
    int rc = sdb__registers_flush(injection->thread);

    if (rc == 0)
        rc = sdb__injection_run_to(injection, SDB__TO_CALL, SDB__STATUS_SYSTEM_CALL);
    return rc < 0 ? rc : sdb__ptrace_get_general(injection->tid, &injection->saved);
}

static int run(struct sdb__injection *injection)
{
    int rc = sdb__injection_set_mask(injection, SDB__ALL_SIGNALS & ~SDB__SIGNAL_BIT(SIGSYS));
    int restored = 0;
    int back;

    if (rc == 0 && injection->place == SDB__INSIDE)
        rc = end_call(injection);
    if (rc == 0)
        rc = make_call(injection);
    if (rc == -ESRCH)
        return rc;
    back = rc == -EIO ? 0 : sdb__injection_go_back(injection);
    if (back != -ESRCH)
        restored = sdb__injection_restore(injection);
    if (back == 0)
        back = restored;
    return back < 0 ? back : rc;
}

int sdb__inject(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                int64_t *result)
{
    struct sdb_session *session = thread->process->session;
    struct sdb__injection injection = {
        .thread = thread, .tid = thread->tid, .number = number, .arguments = arguments};
    struct user_regs_struct *registers;
    int rc = begin(&injection, &registers);

    if (rc < 0)
        return rc;
    sdb__session_forget_stop_of(session, thread->tid);
    rc = run(&injection);
    if (rc == -ESRCH)
        return rc;
    thread->process->space->injected++; /* it may have been one that maps memory */
    if (rc == -EIO) {
        sdb__registers_changed(thread); /* the kernel has taken a part of them */
        return rc;
    }
    if (injection.place == SDB__INSIDE)
        (void)sdb__registers_general(thread, &registers);
    *registers = injection.saved;
    if (rc == 0)
        *result = injection.result;
    return rc;
}
