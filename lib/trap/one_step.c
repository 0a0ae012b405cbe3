/* SPDX-License-Identifier: MIT */
/*
 * One step.
 *
 * The kernel knows whether the trap flag of a thread is its own or the program's; but where the
 * instruction loads the flags it forgets, and takes that of the next step for the program's.  Only a
 * resume that is none of a step has it begin anew: that is one use of a detour, on which the thread is
 * stopped before it executes anything.
 */
#include "trap/one_step.h"

#include <assert.h>
#include <signal.h>

#include "arch/x86_64/relocate.h"
#include "held/address_space.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/text.h"

#define TRAP_BIT SDB__SIGNAL_BIT(SIGTRAP)

/* How many instructions are looked at, if none of them traps. */
#define MOST_UNTRAPPED 8

/* ---- what it is about to do ---- */

/* Whether it stands in a system call, which goes on when the thread does. */
static bool is_in_call(const struct sdb_thread *thread)
{
    switch (thread->stop) {
    case SDB_EVENT_SYSCALL_ENTRY:
    case SDB_EVENT_FORK:
    case SDB_EVENT_VFORK:
    case SDB_EVENT_CLONE:
    case SDB_EVENT_VFORK_DONE:
    case SDB_EVENT_EXEC:
        return true;
    default:
        return false;
    }
}

/*
 * Ask for its mask and its own trap flag.  While plain instructions are stepped neither changes, but the
 * caller may change the flag, and do anything by a call that the thread makes for it, if its registers were
 * looked at.
 *
 * @param restarts  gets whether an interrupted call is made again first
 */
static int learn(struct sdb_thread *thread, bool *restarts)
{
    struct sdb__one_step *step = sdb__one_step(thread);
    struct user_regs_struct *registers;
    bool has_flag;
    int rc;

    *restarts = false;
    if (step->is_known && !thread->registers.is_whole)
        return 0;
    rc = sdb__registers_general(thread, &registers);
    if (rc == 0)
        rc = sdb__ptrace_signal_mask(thread->tid, &step->mask);
    if (rc < 0)
        return rc;
    has_flag = (registers->eflags & SDB__TRAP_FLAG) != 0;
    step->flag_is_stuck = step->flag_is_stuck || (step->has_own_flag && !has_flag);
    step->has_own_flag = has_flag;
    step->is_known = true;
    *restarts = sdb__registers_will_restart(registers);
    return 0;
}

/* @return one of enum sdb__instruction_class.  @param next  gets the address behind the instruction */
static int decode(struct sdb_thread *thread, uint64_t pc, uint64_t *next)
{
    const unsigned code = sdb__registers_are_of_32_bit(thread) ? SDB__CODE_32 : 0;
    uint8_t bytes[SDB__INSTRUCTION_SIZE];
    const ssize_t count =
        sdb__space_read(thread->process->space, thread->process->pid, pc, bytes, sizeof(bytes));

    *next = pc;
    if (count <= 0 || sdb__instruction_length(bytes, (size_t)count, code) < 0)
        return SDB__INSTRUCTION_OTHER;
    *next = pc + (uint64_t)sdb__instruction_length(bytes, (size_t)count, code);
    return sdb__instruction_class(bytes, (size_t)count, code);
}

static int class_at(struct sdb_thread *thread)
{
    int instruction_class;
    uint64_t word;
    uint64_t next;
    uint64_t pc;

    if (sdb__registers_get_pc(thread, &pc) < 0)
        return SDB__INSTRUCTION_OTHER;
    if (sdb__text_word(thread, pc, &word) == 0 && sdb__instruction_is_plain(word))
        return SDB__INSTRUCTION_OTHER;
    instruction_class = decode(thread, pc, &next);
    for (int more = 0; more < MOST_UNTRAPPED && instruction_class == SDB__INSTRUCTION_UNTRAPPED;
         more++)
        instruction_class = decode(thread, next, &next);
    return instruction_class;
}

/* ---- beginning ---- */

/* Stop it again before it executes anything; a signal's handler is begun, if there is one. */
static void take_detour(struct sdb_thread *thread, enum sdb_resume *request)
{
    struct sdb__one_step *step = sdb__one_step(thread);
    struct user_regs_struct *registers;

    step->way = SDB__STEP_DETOUR;
    *request = SDB_RESUME_CONTINUE;
    if (sdb__registers_general(thread, &registers) == 0) {
        step->pc = registers->rip;
        step->stack_pointer = registers->rsp;
    }
    (void)sdb__ptrace_interrupt(thread->tid);
}

static void step_call(struct sdb__one_step *step, enum sdb_resume *request)
{
    step->way = SDB__STEP_CALL;
    step->instruction_class = SDB__INSTRUCTION_SYSCALL;
    *request = SDB_RESUME_SYSCALL;
}

/*
 * The program's own int3 is no business of ours, if it blocks the signal: it dies of it.
 *
 * @return whether the signal has to be taken out of the mask
 */
static bool must_lend_signal(const struct sdb__one_step *step)
{
    return (step->mask & TRAP_BIT) && step->instruction_class != SDB__INSTRUCTION_TRAP;
}

int sdb__one_step_lend_mask(struct sdb_thread *thread, uint64_t mask)
{
    struct sdb__one_step *step = sdb__one_step(thread);

    step->lends_signal = true;
    step->lent_mask = mask;
    return sdb__ptrace_set_signal_mask(thread->tid, mask);
}

static void lend(struct sdb_thread *thread)
{
    struct sdb__one_step *step = sdb__one_step(thread);
    struct user_regs_struct *registers;

    if (step->instruction_class == SDB__INSTRUCTION_PUSH_FLAGS &&
        sdb__registers_general(thread, &registers) == 0)
        step->stack_pointer = registers->rsp;
    if (must_lend_signal(step))
        (void)sdb__one_step_lend_mask(thread, step->mask & ~TRAP_BIT); /* ESRCH: it was killed */
}

void sdb__one_step_begin(struct sdb_thread *thread, int signal, enum sdb_resume *request)
{
    struct sdb__one_step *step = sdb__one_step(thread);
    bool is_call;
    bool restarts;

    if (step->trap_comes_next) {
        *request = SDB_RESUME_CONTINUE; /* it stops before it executes anything */
        return;
    }
    assert(!step->lends_signal);
    step->way = SDB__STEP_TRAPS;
    step->instruction_class = SDB__INSTRUCTION_OTHER;
    *request = SDB_RESUME_STEP;
    if (is_in_call(thread)) {
        step_call(step, request);
        return;
    }
    if (learn(thread, &restarts) < 0)
        return; /* it was killed */
    if (!restarts)
        step->instruction_class = class_at(thread);
    is_call = restarts || step->instruction_class == SDB__INSTRUCTION_SYSCALL;
    if ((step->flag_is_stuck && !step->has_own_flag) ||
        (signal > 0 && (is_call || step->instruction_class != SDB__INSTRUCTION_OTHER ||
                        (step->mask & TRAP_BIT)))) {
        take_detour(thread, request);
    } else if (is_call) {
        step_call(step, request);
    } else {
        lend(thread);
    }
}

/* ---- its end ---- */

/* What it has pushed is the program's. */
static void hide_pushed_flag(struct sdb_thread *thread)
{
    struct sdb__space *space = thread->process->space;
    const pid_t pid = thread->process->pid;
    struct user_regs_struct *registers;
    uint16_t flags;

    if (sdb__registers_general(thread, &registers) < 0 ||
        sdb__one_step(thread)->stack_pointer - registers->rsp > sizeof(uint64_t) ||
        sdb__space_read(space, pid, registers->rsp, &flags, sizeof(flags)) !=
            (ssize_t)sizeof(flags) ||
        !(flags & SDB__TRAP_FLAG))
        return;
    flags &= (uint16_t)~SDB__TRAP_FLAG;
    (void)sdb__space_write(space, pid, registers->rsp, &flags, sizeof(flags));
}

/* Where it has loaded the flags, the flag is what it has loaded; where it has not, it is the step's. */
static void settle_loaded_flag(struct sdb_thread *thread, bool executed)
{
    struct sdb__one_step *step = sdb__one_step(thread);
    struct user_regs_struct *registers;

    step->flag_is_stuck = true;
    if (sdb__registers_general(thread, &registers) < 0)
        return;
    if (executed) {
        step->has_own_flag = (registers->eflags & SDB__TRAP_FLAG) != 0;
    } else if (!step->has_own_flag && (registers->eflags & SDB__TRAP_FLAG)) {
        registers->eflags &= ~(unsigned long long)SDB__TRAP_FLAG;
        sdb__registers_changed(thread);
    }
}

static void settle_flag(struct sdb_thread *thread, bool executed)
{
    struct sdb__one_step *step = sdb__one_step(thread);

    step->own_trap = executed && step->has_own_flag;
    if (step->way != SDB__STEP_TRAPS) {
        step->has_own_flag = false; /* it is asked for; and the kernel has begun anew */
        step->flag_is_stuck = false;
    } else if (step->instruction_class == SDB__INSTRUCTION_POP_FLAGS) {
        settle_loaded_flag(thread, executed);
    } else if (step->instruction_class == SDB__INSTRUCTION_PUSH_FLAGS && executed &&
               !step->has_own_flag) {
        hide_pushed_flag(thread);
    }
}

/* A signal that it blocks and that the instruction has forced on it is not blocked any more. */
static void take_mask_back(struct sdb_thread *thread, bool executed)
{
    struct sdb__one_step *step = sdb__one_step(thread);
    uint64_t now = step->lent_mask;

    if (!executed)
        (void)sdb__ptrace_signal_mask(thread->tid, &now);
    (void)sdb__ptrace_set_signal_mask(thread->tid, step->mask & ~(step->lent_mask & ~now));
    step->lends_signal = false;
}

void sdb__one_step_end(struct sdb_thread *thread, bool executed)
{
    struct sdb__one_step *step = sdb__one_step(thread);

    assert(step->way != SDB__STEP_NONE && !step->trap_comes_next);
    if (step->lends_signal)
        take_mask_back(thread, executed);
    settle_flag(thread, executed);
    step->is_known = executed && step->way == SDB__STEP_TRAPS &&
                     step->instruction_class == SDB__INSTRUCTION_OTHER;
    step->way = SDB__STEP_NONE;
}

bool sdb__one_step_trap_waits(const struct sdb_thread *thread)
{
    const int code = sdb__ptrace_pending_code(thread->tid, SIGTRAP);

    return code > 0 && code != SI_KERNEL;
}
