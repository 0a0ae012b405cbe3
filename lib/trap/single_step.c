/* SPDX-License-Identifier: MIT */
/*
 * Single steps.
 *
 * The processor steps by the trap flag, which the program can see where an instruction stores its flags,
 * and which stays where one loads them.  Here it is hidden and cleared again.
 */
#include "trap/single_step.h"

#include <errno.h>
#include <signal.h>

#include "arch/x86_64/relocate.h"
#include "base/trace.h"
#include "held/address_space.h"
#include "kernel/ptrace.h"
#include "session/session.h"

/* Signals that come from the instruction itself; blocking them would have the kernel reset them. */
#define FAULT_SIGNALS                                                                              \
    (SDB__SIGNAL_BIT(SIGTRAP) | SDB__SIGNAL_BIT(SIGSEGV) | SDB__SIGNAL_BIT(SIGBUS) |               \
     SDB__SIGNAL_BIT(SIGILL) | SDB__SIGNAL_BIT(SIGFPE) | SDB__SIGNAL_BIT(SIGSYS))

/* Of a thread: whether it has a trap flag of its own, since before it was stepped. */
struct flag {
    bool is_programs;
};

/* @param flags  a copy of them in the thread's registers */
static void clear_trap_flag(struct sdb_thread *thread, unsigned long long *flags)
{
    if (!(*flags & SDB__TRAP_FLAG))
        return;
    *flags &= ~(unsigned long long)SDB__TRAP_FLAG;
    sdb__registers_changed(thread);
}

/* ---- one instruction, and nothing else ---- */

/*
 * @param interrupted  set if the step has used up a request to stop
 * @return 0: stepped; 1: stopped for something else; 2: not yet; or -ESRCH
 */
static int step_once(struct sdb_thread *thread, bool *interrupted)
{
    int status;
    int signal;
    int rc = sdb__registers_flush(thread);

    if (rc == 0)
        rc = sdb__ptrace_resume(thread->tid, SDB_RESUME_STEP, 0);
    if (rc < 0)
        return -ESRCH;
    sdb__session_note_resumed(thread);
    if (sdb__session_await(thread, thread->tid, &status) < 0)
        return -ESRCH;
    if (sdb__tracing())
        sdb__status_trace(thread->tid, status);
    switch (sdb__status_kind(status, &signal)) {
    case SDB__STATUS_STOP:
        sdb__session_note_group_stop(thread, signal != SIGTRAP);
        *interrupted = true;
        return 2;
    case SDB__STATUS_SIGNAL:
        return signal == SIGTRAP && sdb__is_step_trap(thread->tid) ? 0 : 1;
    case SDB__STATUS_END:
    case SDB__STATUS_EXEC: /* of another thread, which has its id now */
        return -ESRCH;
    default:
        return 1;
    }
}

/* What the instruction is that it stands at, one of enum sdb__instruction_class. */
static int class_of(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;
    uint8_t bytes[SDB__INSTRUCTION_SIZE];
    ssize_t count;

    if (sdb__registers_general(thread, &registers) < 0 || (registers->eflags & SDB__TRAP_FLAG))
        return SDB__INSTRUCTION_OTHER; /* with a flag of its own, it stores that */
    count = sdb__space_read(thread->process->space, thread->process->pid, registers->rip, bytes,
                            sizeof(bytes));
    return count <= 0
               ? SDB__INSTRUCTION_OTHER
               : sdb__instruction_class(bytes, (size_t)count,
                                        sdb__registers_are_of_32_bit(thread) ? SDB__CODE_32 : 0);
}

/* The step's trap flag is none of the program's, wherever the instruction has stored its flags. */
static void hide_trap_flag(struct sdb_thread *thread, int instruction_class)
{
    struct sdb__space *space = thread->process->space;
    const pid_t pid = thread->process->pid;
    const bool stores_flags = instruction_class == SDB__INSTRUCTION_PUSH_FLAGS ||
                              instruction_class == SDB__INSTRUCTION_POP_FLAGS ||
                              instruction_class == SDB__INSTRUCTION_SYSCALL;
    struct user_regs_struct *registers;
    uint16_t flags;

    if (!stores_flags || sdb__registers_general(thread, &registers) < 0)
        return;
    switch (instruction_class) {
    case SDB__INSTRUCTION_POP_FLAGS:
        clear_trap_flag(thread, &registers->eflags);
        break;
    case SDB__INSTRUCTION_SYSCALL:
        /* Unless it has got all registers from elsewhere, as from rt_sigreturn(2). */
        if (registers->rcx == registers->rip)
            clear_trap_flag(thread, &registers->r11);
        break;
    case SDB__INSTRUCTION_PUSH_FLAGS:
        if (sdb__space_read(space, pid, registers->rsp, &flags, sizeof(flags)) !=
            (ssize_t)sizeof(flags))
            break;
        flags &= (uint16_t)~SDB__TRAP_FLAG;
        (void)sdb__space_write(space, pid, registers->rsp, &flags, sizeof(flags));
        break;
    default:
        break;
    }
}

int sdb__step_alone(struct sdb_thread *thread)
{
    const int instruction_class = class_of(thread);
    bool interrupted = false;
    uint64_t mask = 0;
    int status;
    int rc = sdb__ptrace_signal_mask(thread->tid, &mask);

    sdb__session_take_stop_of(thread);
    if (rc == 0)
        rc = sdb__ptrace_set_signal_mask(thread->tid, ~FAULT_SIGNALS);
    if (rc < 0)
        return -ESRCH;
    do {
        rc = step_once(thread, &interrupted);
    } while (rc == 2);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        (void)sdb__wait_take_stop(thread->tid, &status);
        hide_trap_flag(thread, instruction_class);
    }
    (void)sdb__ptrace_set_signal_mask(thread->tid, mask);
    if (interrupted)
        sdb__thread_stop_is_coming(thread, sdb__ptrace_interrupt(thread->tid) == 0);
    return rc;
}

/* ---- the caller's steps ---- */

/*
 * The kernel takes the trap flag of a step for the program's own if it steps over an instruction that
 * loads the flags, and leaves it set.  So it is looked at before the first step and after the last.
 */
static enum sdb__going mind_trap_flag(struct sdb_thread *thread, struct sdb__resume *resume)
{
    struct flag *flag = thread->slots[SDB__SINGLE_STEP_SLOT];
    const bool steps = resume->how == SDB_RESUME_STEP;
    struct user_regs_struct *registers;

    if (steps == (thread->how == SDB_RESUME_STEP) || sdb__registers_general(thread, &registers) < 0)
        return SDB__GOING_READY;
    if (steps)
        flag->is_programs = (registers->eflags & SDB__TRAP_FLAG) != 0;
    else if (!flag->is_programs)
        clear_trap_flag(thread, &registers->eflags);
    return SDB__GOING_READY;
}

const struct sdb__feature sdb__single_step_feature = {
    .slot = SDB__SINGLE_STEP_SLOT,
    .used_by = SDB_RESUME_STEP,
    .thread_size = sizeof(struct flag),
    .resume = mind_trap_flag,
};
