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
#include "inject.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "address_space.h"
#include "await.h"
#include "event.h"
#include "process.h"
#include "ptrace.h"
#include "session.h"
#include "trace.h"

#define ALL_SIGNALS    (~UINT64_C(0))
#define BIT_OF(signal) (UINT64_C(1) << ((signal)-1))

/* In 64-bit code; of eflags: the program steps itself. */
#define USER_CS   0x33
#define TRAP_FLAG 0x100

/* What the kernel itself makes of a call that a signal has ended; the program never sees these. */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516

/* The message of a system call's stop at its beginning (PTRACE_EVENTMSG_SYSCALL_ENTRY). */
#define MESSAGE_SYSCALL_ENTRY 1

/* In what kind of stop the thread is, see above. */
enum place {
    ON_THE_WAY_OUT,
    AT_SIGNAL, /* that is being delivered */
    AT_ENTRY,
    AT_SECCOMP, /* also the beginning of a call, but after its filter has been asked */
    AT_EXIT,
    INSIDE,
};

struct injection {
    struct sdb_thread *thread;
    pid_t tid;
    long number;
    const uint64_t *arguments;
    enum place place;
    uint64_t instruction; /* that makes the call */
    uint64_t instruction_of_entry;
    struct user_regs_struct saved; /* what the thread shall have afterwards */
    uint64_t mask;                 /* the same */
    uint64_t blocked;              /* the mask it has now */
    siginfo_t siginfo;             /* AT_SIGNAL: of the signal */
    int64_t result;

    bool stands_at_signal; /* the stop it is in now is of a signal */
    bool saw_group_stop;   /* which the session must still learn of */
    bool saw_sigstop;      /* which cannot be blocked */
    bool is_over;          /* the group-stop that it was in */
};

static bool makes_newborn(long number)
{
    return number == SYS_fork || number == SYS_clone || number == SYS_clone3;
}

static bool is_restart(const struct user_regs_struct *registers)
{
    const int64_t result = (int64_t)registers->rax;

    return (int64_t)registers->orig_rax >= 0 &&
           (result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
            result == -ERESTART_RESTARTBLOCK);
}

/* ---- what cannot be done ---- */

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
static int find_place(struct injection *injection)
{
    unsigned long message = 0;
    int status;
    int signal;
    int rc;

    switch (injection->thread->stop) {
    case SDB_EVENT_SIGNAL:
        injection->place = AT_SIGNAL;
        injection->stands_at_signal = true;
        return sdb__ptrace_siginfo(injection->tid, &injection->siginfo);
    case SDB_EVENT_VFORK:
        return -EBUSY;
    case SDB_EVENT_FORK:
    case SDB_EVENT_CLONE:
    case SDB_EVENT_VFORK_DONE:
    case SDB_EVENT_EXEC:
        injection->place = INSIDE;
        return 0;
    default:
        break;
    }
    rc = sdb__event_restore_status(injection->tid, &status);
    if (rc < 0)
        return rc;
    switch (sdb__status_kind(status, &signal)) {
    case SDB__STATUS_SECCOMP:
        injection->place = AT_SECCOMP;
        return 0;
    case SDB__STATUS_SYSTEM_CALL:
        rc = sdb__ptrace_message(injection->tid, &message);
        if (message == MESSAGE_SYSCALL_ENTRY)
            injection->place = AT_ENTRY;
        else if (injection->thread->stop == SDB_EVENT_SYSCALL_EXIT)
            injection->place = AT_EXIT;
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
static bool has_mask_of_its_own(const struct injection *injection)
{
    const int signal = injection->thread->signal;

    return injection->place == AT_SIGNAL && signal != SIGTRAP &&
           (injection->mask & BIT_OF(signal)) != 0;
}

/* ---- running ---- */

static int set_mask(struct injection *injection, uint64_t mask)
{
    injection->blocked = mask;
    return sdb__ptrace_set_signal_mask(injection->tid, mask);
}

/*
 * Take a newborn into the session.  It begins where its parent stands, as if that had made the call.
 * Its first stop is left for the session.
 */
static void take_newborn(struct injection *injection, int status)
{
    struct sdb_thread *thread = injection->thread;
    struct sdb_thread *newborn_before = thread->newborn;
    struct user_regs_struct begin = injection->saved;
    struct user_regs_struct now;
    struct sdb__stop stop;
    int newborn_status;
    int signal;

    if (sdb__event_decode(thread, status, &stop) < 0)
        return;
    if (sdb__await(thread, stop.other_tid, &newborn_status) == 0 &&
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
static int deal_with_signal(struct injection *injection, int *signal)
{
    struct user_regs_struct now;
    siginfo_t info;
    int rc;

    if (*signal == SIGSTOP) {
        injection->saw_sigstop = true;
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
    return set_mask(injection, ALL_SIGNALS);
}

/* Deal with a stop that is on the way to another.  @return 0 or a negative errno */
static int deal_with(struct injection *injection, enum sdb__status_kind kind, int status,
                     int *signal)
{
    const int stop_signal = *signal;

    *signal = 0;
    switch (kind) {
    case SDB__STATUS_STOP:
        /* An interrupt is one that nobody waits for any more. */
        if (stop_signal != SIGTRAP)
            injection->saw_group_stop = true;
        return 0;
    case SDB__STATUS_SIGNAL:
        *signal = stop_signal;
        return deal_with_signal(injection, signal);
    case SDB__STATUS_NEWBORN:
        take_newborn(injection, status);
        return 0;
    case SDB__STATUS_END:
    case SDB__STATUS_EXEC: /* of another thread, which has its id now */
        return -ESRCH;
    default:
        return 0;
    }
}

enum way {
    CONTINUE,
    TO_CALL,
    TO_SKIPPED_CALL,
    INTERRUPTED, /* continue to an interrupt */
};

static int resume(const struct injection *injection, enum way way, int signal)
{
    int rc = 0;

    if (way == INTERRUPTED)
        rc = sdb__ptrace_interrupt(injection->tid);
    if (rc < 0)
        return rc;
    if (way == TO_SKIPPED_CALL)
        return sdb__ptrace_resume_to_skip(injection->tid);
    return sdb__ptrace_resume(injection->tid,
                              way == TO_CALL ? SDB_RESUME_SYSCALL : SDB_RESUME_CONTINUE, signal);
}

/*
 * Run to a stop of this kind.
 *
 * @param signal  what the thread is given first; gets that of the stop
 * @return 0 or a negative errno
 */
static int run_to_with(struct injection *injection, enum way way, enum sdb__status_kind wanted,
                       int *signal)
{
    for (;;) {
        enum sdb__status_kind kind;
        int status;
        int rc = resume(injection, way, *signal);

        if (rc == 0)
            rc = sdb__await(injection->thread, injection->tid, &status);
        if (rc < 0)
            return rc;
        if (sdb__tracing())
            sdb__event_trace_status(injection->tid, status);
        kind = sdb__status_kind(status, signal);
        injection->stands_at_signal = kind == SDB__STATUS_SIGNAL;
        if (kind == wanted && (kind != SDB__STATUS_SIGNAL || *signal != SIGSTOP))
            return 0;
        rc = deal_with(injection, kind, status, signal);
        if (rc < 0)
            return rc;
    }
}

static int run_to(struct injection *injection, enum way way, enum sdb__status_kind wanted)
{
    int signal = 0;

    return run_to_with(injection, way, wanted, &signal);
}

/* ---- the call ---- */

/* Have it make a call next. */
static int prepare(const struct injection *injection, uint64_t instruction, uint64_t number,
                   const uint64_t arguments[6])
{
    struct user_regs_struct registers = injection->saved;

    registers.rip = instruction;
    registers.rax = number;
    registers.orig_rax = (uint64_t)-1;
    registers.rdi = arguments[0];
    registers.rsi = arguments[1];
    registers.rdx = arguments[2];
    registers.r10 = arguments[3];
    registers.r8 = arguments[4];
    registers.r9 = arguments[5];
    registers.eflags &= ~(uint64_t)TRAP_FLAG;
    if (injection->place == AT_ENTRY || injection->place == AT_SECCOMP) {
        registers.rip = injection->saved.rip;
        registers.orig_rax = number;
    }
    return sdb__ptrace_set_general(injection->tid, &registers);
}

/* From the call's beginning to its end. */
static int make_prepared(struct injection *injection, struct user_regs_struct *registers)
{
    /* It changes the mask itself, and tells it. */
    const bool has_own_mask = injection->number == SYS_rt_sigprocmask;
    const uint64_t blocked = injection->blocked;
    int rc = 0;

    if (has_own_mask)
        rc = set_mask(injection, injection->mask);
    if (rc == 0)
        rc = run_to(injection, TO_CALL, SDB__STATUS_SYSTEM_CALL);
    if (rc == 0 && has_own_mask)
        rc = sdb__ptrace_signal_mask(injection->tid, &injection->mask);
    if (rc == 0 && has_own_mask)
        rc = set_mask(injection, blocked);
    if (rc == 0)
        rc = sdb__ptrace_get_general(injection->tid, registers);
    return rc;
}

/*
 * Make the call.  Something else than a signal, a group-stop say, can interrupt it; then the kernel
 * makes it again.
 */
static int make_call(struct injection *injection)
{
    bool begun = injection->place == AT_ENTRY || injection->place == AT_SECCOMP;
    struct user_regs_struct registers;
    int rc = prepare(injection, injection->instruction, (uint64_t)injection->number,
                     injection->arguments);

    if (rc < 0)
        return rc;
    do {
        if (!begun)
            rc = run_to(injection, TO_CALL, SDB__STATUS_SYSTEM_CALL);
        if (rc == 0)
            rc = make_prepared(injection, &registers);
        if (rc < 0)
            return rc;
        begun = false;
    } while (is_restart(&registers));

    if (injection->number == SYS_arch_prctl) {
        injection->saved.fs_base = registers.fs_base;
        injection->saved.gs_base = registers.gs_base;
    }
    /* A call that a filter traps seems to return its number. */
    if (registers.rax == (uint64_t)injection->number &&
        sdb__ptrace_pending_code(injection->tid, SIGSYS) > 0)
        return run_to(injection, TO_CALL, SDB__STATUS_SYSTEM_CALL);
    injection->result = (int64_t)registers.rax;
    return 0;
}

/* ---- back to the stop ---- */

/* @return a signal of which none waits for this thread already: they would become one */
static int find_carrier(pid_t tid)
{
    static const int carriers[] = {SIGURG, SIGWINCH, SIGCHLD, SIGIO};

    for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
        if (!sdb__ptrace_has_pending(tid, carriers[i]))
            return carriers[i];
    }
    return SIGURG;
}

/* Any signal will do: the thread gets what its siginfo says. */
static int back_to_signal(struct injection *injection)
{
    int rc = 0;

    if (!injection->stands_at_signal) {
        int carrier = find_carrier(injection->tid);

        rc = set_mask(injection, ALL_SIGNALS & ~BIT_OF(carrier));
        if (rc == 0)
            rc = run_to_with(injection, CONTINUE, SDB__STATUS_SIGNAL, &carrier);
    }
    return rc < 0 ? rc : sdb__ptrace_set_siginfo(injection->tid, &injection->siginfo);
}

static int back_to_entry(struct injection *injection)
{
    const struct user_regs_struct *saved = &injection->saved;
    const enum place place = injection->place;
    const uint64_t arguments[6] = {saved->rdi, saved->rsi, saved->rdx,
                                   saved->r10, saved->r8,  saved->r9};
    int rc;

    injection->place = AT_EXIT; /* of the injected call */
    rc = prepare(injection, injection->instruction_of_entry, saved->orig_rax, arguments);
    if (rc == 0)
        rc = run_to(injection, TO_CALL, SDB__STATUS_SYSTEM_CALL);
    if (rc == 0 && place == AT_SECCOMP)
        rc = sdb__ptrace_set_general(injection->tid, saved);
    if (rc == 0 && place == AT_SECCOMP)
        rc = run_to(injection, CONTINUE, SDB__STATUS_SECCOMP);
    return rc;
}

/* At the end of the call that it was in: to where that will end again. */
static int back_inside(struct injection *injection)
{
    static const uint64_t none[6];
    int rc = prepare(injection, injection->instruction, SYS_getpid, none);

    return rc < 0 ? rc : run_to(injection, TO_SKIPPED_CALL, SDB__STATUS_SYSTEM_CALL);
}

static int back_to_interrupt(struct injection *injection)
{
    int signal = 0;
    int rc = run_to_with(injection, INTERRUPTED, SDB__STATUS_STOP, &signal);

    if (rc == 0 && signal != SIGTRAP)
        injection->saw_group_stop = true;
    injection->is_over = rc == 0 && injection->thread->in_group_stop && signal == SIGTRAP;
    return rc;
}

static int go_back(struct injection *injection)
{
    switch (injection->place) {
    case AT_SIGNAL:
        return back_to_signal(injection);
    case AT_ENTRY:
    case AT_SECCOMP:
        return back_to_entry(injection);
    case INSIDE:
        return back_inside(injection);
    case AT_EXIT:
        return 0;
    case ON_THE_WAY_OUT:
        break;
    }
    return injection->thread->in_group_stop || is_restart(&injection->saved)
               ? back_to_interrupt(injection)
               : 0;
}

/* An interrupt to a stopped thread is kept, and fires as soon as it is resumed; without an event. */
static bool needs_interrupt(const struct injection *injection)
{
    const struct sdb_thread *thread = injection->thread;

    return (injection->saw_group_stop && !thread->in_group_stop) || thread->interrupt_asked ||
           (injection->place == AT_EXIT && is_restart(&injection->saved));
}

/* Have all be as it was, and what came meanwhile come again. */
static int restore(struct injection *injection)
{
    struct sdb_thread *thread = injection->thread;
    const int rc_of_registers = sdb__ptrace_set_general(injection->tid, &injection->saved);
    int rc = set_mask(injection, injection->mask);
    int taken;

    if (rc == 0)
        rc = rc_of_registers;
    if (rc < 0)
        return rc;
    (void)sdb__wait_take_stop(injection->tid, &taken);
    thread->group_stop_over = thread->group_stop_over || injection->is_over;
    /* A SIGCONT since has done away with it. */
    if (injection->saw_sigstop && !sdb__ptrace_has_pending(injection->tid, SIGCONT) &&
        !sdb__ptrace_has_shared_pending(injection->tid, SIGCONT))
        (void)sdb__signal_thread(thread->process->pid, injection->tid, SIGSTOP);
    if (needs_interrupt(injection)) {
        rc = sdb__ptrace_interrupt(injection->tid);
        thread->interrupt_asked = rc == 0;
    }
    return rc;
}

/* ---- all of it ---- */

/* Where calls can be made. */
static int find_instructions(struct injection *injection)
{
    struct sdb_process *process = injection->thread->process;
    int rc = sdb__inject_place(process, &injection->instruction);

    injection->instruction_of_entry = injection->instruction;
    if (rc == 0 && (injection->place == AT_ENTRY || injection->place == AT_SECCOMP)) {
        const uint64_t own = injection->saved.rip - 2;

        if (!sdb__inject_is_system_call(process, own))
            return -ENOTSUP; /* int $0x80: its numbers are others */
        if (!sdb__space_is_planted(process->space, own, NULL) &&
            !sdb__space_is_planted(process->space, own + 1, NULL))
            injection->instruction_of_entry = own;
    }
    return rc;
}

/* Find out whether it can be done.  Nothing has been changed yet. */
static int begin(struct injection *injection, struct user_regs_struct **registers)
{
    int rc_of_instructions;
    int rc = check_number(injection->thread, injection->number, injection->arguments);

    if (rc == 0)
        rc = sdb__registers_general(injection->thread, registers);
    if (rc < 0)
        return rc;
    injection->saved = **registers;
    if (injection->saved.cs != USER_CS)
        return -ENOTSUP;
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

/* End the call that it is in. */
static int end_call(struct injection *injection)
{
    int rc = sdb__registers_flush(injection->thread);

    if (rc == 0)
        rc = run_to(injection, TO_CALL, SDB__STATUS_SYSTEM_CALL);
    return rc < 0 ? rc : sdb__ptrace_get_general(injection->tid, &injection->saved);
}

static int run(struct injection *injection)
{
    int rc = set_mask(injection, ALL_SIGNALS & ~BIT_OF(SIGSYS));
    int back;

    if (rc == 0 && injection->place == INSIDE)
        rc = end_call(injection);
    if (rc == 0)
        rc = make_call(injection);
    if (rc == -ESRCH)
        return rc;
    back = rc == -EIO ? 0 : go_back(injection);
    if (back != -ESRCH)
        back = restore(injection);
    return back < 0 ? back : rc;
}

int sdb__inject(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                int64_t *result)
{
    struct sdb_session *session = thread->process->session;
    struct injection injection = {
        .thread = thread, .tid = thread->tid, .number = number, .arguments = arguments};
    struct user_regs_struct *registers;
    int rc = begin(&injection, &registers);

    if (rc < 0)
        return rc;
    if (session->stop_to_take == thread->tid)
        session->stop_to_take = 0;
    rc = run(&injection);
    if (rc == -ESRCH)
        return rc;
    if (rc == -EIO) {
        sdb__registers_changed(thread); /* the kernel has taken a part of them */
        return rc;
    }
    if (injection.place == INSIDE)
        (void)sdb__registers_general(thread, &registers);
    *registers = injection.saved;
    if (rc == 0)
        *result = injection.result;
    return rc;
}
