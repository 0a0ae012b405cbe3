/* SPDX-License-Identifier: MIT */
/*
 * Going on from a breakpoint.
 *
 * Usually the displaced instruction runs in its slot, while the planted byte stays and all other
 * threads run.  Where that cannot be, it is executed in its own place, with the byte lifted and all
 * others that share the memory standing still: an instruction that cannot be moved, and one inside a
 * restartable sequence (rseq), which has to be aborted, as it was interrupted; out of its place it would
 * be completed.
 */
#include "breakpoint/breakpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/trace.h"
#include "breakpoint/scratch.h"
#include "held/process.h"
#include "held/register_cache.h"
#include "kernel/procfs.h"
#include "kernel/ptrace.h"
#include "session/await.h"
#include "session/session.h"
#include "trap/signal.h"

/* Signals that come from the instruction itself; blocking them would have the kernel reset them. */
#define FAULT_SIGNALS                                                                              \
    (SDB__SIGNAL_BIT(SIGTRAP) | SDB__SIGNAL_BIT(SIGSEGV) | SDB__SIGNAL_BIT(SIGBUS) |               \
     SDB__SIGNAL_BIT(SIGILL) | SDB__SIGNAL_BIT(SIGFPE) | SDB__SIGNAL_BIT(SIGSYS))

/* Of eflags. */
#define RESUME_FLAG 0x10000

/* ---- one instruction, and nothing else ---- */

/* What has to be done again after a step, because the step has used it up. */
struct used_up {
    bool interrupt;
    bool stop_signal;
};

/*
 * @return 0: stepped; 1: stopped for something else; 2: not yet; or -ESRCH
 */
static int step_once(struct sdb_thread *thread, struct used_up *used_up)
{
    int status;
    int signal;
    int rc = sdb__registers_flush(thread);

    if (rc == 0)
        rc = sdb__ptrace_resume(thread->tid, SDB_RESUME_STEP, 0);
    if (rc < 0)
        return -ESRCH;
    if (sdb__await(thread, thread->tid, &status) < 0)
        return -ESRCH;
    if (sdb__tracing())
        sdb__event_trace_status(thread->tid, status);
    switch (sdb__status_kind(status, &signal)) {
    case SDB__STATUS_STOP:
        used_up->interrupt = true;
        return 2;
    case SDB__STATUS_SIGNAL:
        used_up->stop_signal = used_up->stop_signal || signal == SIGSTOP;
        if (signal == SIGSTOP)
            return 2;
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
    return count <= 0 ? SDB__INSTRUCTION_OTHER : sdb__instruction_class(bytes, (size_t)count);
}

/* The step's trap flag is none of the program's, wherever the instruction has stored its flags. */
static void hide_trap_flag(struct sdb_thread *thread, int instruction_class)
{
    struct sdb__space *space = thread->process->space;
    const pid_t pid = thread->process->pid;
    struct user_regs_struct *registers;
    uint16_t flags;

    if ((instruction_class != SDB__INSTRUCTION_PUSH_FLAGS &&
         instruction_class != SDB__INSTRUCTION_POP_FLAGS &&
         instruction_class != SDB__INSTRUCTION_SYSCALL) ||
        sdb__registers_general(thread, &registers) < 0)
        return;
    if (instruction_class == SDB__INSTRUCTION_POP_FLAGS) {
        if (registers->eflags & SDB__TRAP_FLAG) {
            registers->eflags &= ~(unsigned long long)SDB__TRAP_FLAG;
            sdb__registers_changed(thread);
        }
        return;
    }
    if (instruction_class == SDB__INSTRUCTION_SYSCALL) {
        /* Unless it has got all registers from elsewhere, as from rt_sigreturn(2). */
        if (registers->rcx == registers->rip && (registers->r11 & SDB__TRAP_FLAG)) {
            registers->r11 &= ~(unsigned long long)SDB__TRAP_FLAG;
            sdb__registers_changed(thread);
        }
        return;
    }
    if (sdb__space_read(space, pid, registers->rsp, &flags, sizeof(flags)) ==
        (ssize_t)sizeof(flags)) {
        flags &= (uint16_t)~SDB__TRAP_FLAG;
        (void)sdb__space_write(space, pid, registers->rsp, &flags, sizeof(flags));
    }
}

int sdb__step_alone(struct sdb_thread *thread)
{
    struct sdb_session *session = thread->process->session;
    const int instruction_class = class_of(thread);
    struct used_up used_up = {0};
    uint64_t mask = 0;
    int status;
    int rc = sdb__ptrace_signal_mask(thread->tid, &mask);

    if (session->stop_to_take == thread->tid)
        sdb__session_take_last_stop(session);
    if (rc == 0)
        rc = sdb__ptrace_set_signal_mask(thread->tid, ~FAULT_SIGNALS);
    if (rc < 0)
        return -ESRCH;
    do {
        rc = step_once(thread, &used_up);
    } while (rc == 2);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        (void)sdb__wait_take_stop(thread->tid, &status);
        hide_trap_flag(thread, instruction_class);
    }
    (void)sdb__ptrace_set_signal_mask(thread->tid, mask);
    if (used_up.stop_signal)
        sdb__signal_stop_again(thread->process->pid, thread->tid);
    if (used_up.interrupt)
        (void)sdb__ptrace_interrupt(thread->tid);
    return rc;
}

/* ---- in its own place ---- */

static bool needs_own_place(struct sdb_thread *thread, struct sdb__site *site)
{
    sdb__site_decode(site, thread->process->pid);
    if (sdb__site_is_in_section(site, thread) || site->kind == SDB__RELOCATION_NONE)
        return true;
    return site->kind == SDB__RELOCATION_SLOT && sdb__scratch_place(site, thread) < 0;
}

static void plant_around(struct sdb__site *site, pid_t pid, bool plant)
{
    for (uint64_t address = site->address; address <= site->address + site->length; address++) {
        struct sdb__site *other = sdb__site_find(site->sites, address);

        if (!other)
            continue;
        if (!plant)
            sdb__site_lift(other, pid);
        else if (other->enabled > 0)
            (void)sdb__site_update(other, pid);
    }
}

/* The next instruction shall not trap by a debug register: that was hit with the planted byte. */
static void pass_debug_registers(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;

    if (!thread->process->hardware_places || sdb__registers_general(thread, &registers) < 0)
        return;
    registers->eflags |= RESUME_FLAG;
    sdb__registers_changed(thread);
}

/* @return as sdb__step_alone() */
static int step_in_place(struct sdb_thread *thread, struct sdb__site *site)
{
    int rc;

    pass_debug_registers(thread);
    plant_around(site, thread->process->pid, false);
    rc = sdb__step_alone(thread);
    plant_around(site, thread->process->pid, true);
    thread->at_site = NULL;
    return rc;
}

/*
 * The others that stand at such a place, too, step now.  Otherwise each of them would stop all when they
 * are resumed.
 */
static void step_others(struct sdb_process *process)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread->paused && thread->state == SDB_THREAD_STOPPED && thread->at_site &&
            thread->slot_pc == 0 && needs_own_place(thread, thread->at_site) &&
            step_in_place(thread, thread->at_site) == 1)
            sdb__thread_runs_unseen(thread);
    }
}

/* Processes that share a memory, while they stand still. */
struct sharer {
    struct sdb_process *process; /* retained */
    bool paused;
};

static bool is_among(const struct sharer *sharers, size_t count, const struct sdb_process *process)
{
    while (count > 0 && sharers[count - 1].process != process)
        count--;
    return count > 0;
}

/*
 * Have all stand still that share the memory.  While one is stopped another may be born, or end, or
 * execute a program.
 */
static struct sharer *hold_sharers(struct sdb_session *session, const struct sdb__space *space,
                                   size_t *count)
{
    struct sdb_process *process = session->processes;
    struct sharer *sharers = NULL;

    *count = 0;
    while (process) {
        struct sharer *more;

        if (process->space != space || is_among(sharers, *count, process)) {
            process = process->next;
            continue;
        }
        more = realloc(sharers, (*count + 1) * sizeof(*sharers));
        if (!more)
            break;
        sharers = more;
        sharers[*count].process = sdb_process_retain(process);
        sharers[(*count)++].paused = sdb__session_pause(process) == 0;
        process = session->processes; /* the list may be another now */
    }
    return sharers;
}

static void let_sharers_go_on(struct sharer *sharers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sharers[i].paused)
            sdb__session_unpause(sharers[i].process);
        sdb_process_close(sharers[i].process);
    }
    free(sharers);
}

/* It was killed, perhaps by an exec of another, and that was seen. */
static bool is_gone(const struct sdb_thread *thread)
{
    return thread->ended || thread->state != SDB_THREAD_STOPPED || !thread->process->session;
}

/* @return as sdb__step_alone(), or -ECHILD: its end was seen */
static int step_with_others_held(struct sdb_thread *thread, struct sdb__site *site)
{
    struct sdb__space *space = sdb__space_retain(thread->process->space);
    struct sharer *sharers;
    size_t count;
    int rc = -ECHILD;

    sdb_thread_retain(thread);
    sharers = hold_sharers(thread->process->session, space, &count);
    if (!is_gone(thread) && thread->process->space == space) {
        rc = step_in_place(thread, site);
        for (size_t i = 0; i < count; i++) {
            if (sharers[i].process->space == space && sharers[i].paused)
                step_others(sharers[i].process);
        }
    }
    let_sharers_go_on(sharers, count);
    if (is_gone(thread))
        rc = -ECHILD;
    sdb_thread_close(thread);
    sdb__space_close(space);
    return rc;
}

/* ---- where to ---- */

/* The program's own trap is what comes next. */
static enum sdb__leave_verdict tell_own_trap(struct sdb_thread *thread, uint64_t pc)
{
    sdb__registers_set_pc(thread, pc + 1);
    thread->stop = SDB_EVENT_SIGNAL;
    thread->signal = SIGTRAP;
    return SDB__LEAVE_OWN_TRAP;
}

static enum sdb__leave_verdict leave_in_place(struct sdb_thread *thread, struct sdb__site *site,
                                              enum sdb_resume how)
{
    const int rc = step_with_others_held(thread, site);

    if (rc == -ECHILD)
        return SDB__LEAVE_GONE;
    if (rc == 1)
        return SDB__LEAVE_UNSEEN;
    return rc == 0 && how == SDB_RESUME_STEP ? SDB__LEAVE_DONE : SDB__LEAVE_GO;
}

/*
 * Whether the kernel makes an interrupted call again after a signal: always where that has no handler.
 * Otherwise most are ended; some are not if the handler says so.
 */
static bool comes_again(struct sdb_thread *thread, int64_t result, int signal)
{
    struct sdb__signal_action action;
    struct sdb__procfs_status status;

    if (sdb__procfs_status(thread->process->pid, &status) < 0 ||
        !(status.caught_signals & SDB__SIGNAL_BIT(signal)) || result == -SDB__ERESTARTNOINTR)
        return true;
    if (result != -SDB__ERESTARTSYS)
        return false;
    return sdb__signal_action(thread, signal, &action) < 0 || (action.flags & SA_RESTART);
}

/*
 * Go on in a system call that was interrupted in a slot: the kernel may make it again there; or, if a
 * signal's handler comes first, from the program's own place.
 */
static void return_to_call(struct sdb_thread *thread, struct sdb__site *site, uint64_t slot_pc,
                           int signal)
{
    struct user_regs_struct *registers;

    if (sdb__registers_general(thread, &registers) < 0 || registers->rip != site->next)
        return;
    if (signal > 0) {
        if (sdb__registers_will_restart(registers) &&
            comes_again(thread, (int64_t)registers->rax, signal))
            sdb__breakpoint_expect_again(thread, site, registers->rsp);
    } else {
        sdb__registers_set_pc(thread, slot_pc);
        thread->displaced = true;
    }
}

enum sdb__leave_verdict sdb__breakpoint_leave(struct sdb_thread *thread, enum sdb_resume how,
                                              int signal)
{
    struct sdb__site *site = thread->at_site;
    const uint64_t slot_pc = thread->slot_pc;
    uint64_t pc;

    thread->at_site = NULL;
    thread->slot_pc = 0;
    if (slot_pc != 0) {
        return_to_call(thread, site, slot_pc, signal);
        return SDB__LEAVE_GO;
    }
    if (sdb__registers_get_pc(thread, &pc) < 0 || pc != site->address || signal > 0 ||
        site->enabled == 0)
        return SDB__LEAVE_GO;
    /* It goes on without the signal whose handler would have brought it here again. */
    (void)sdb__breakpoint_take_repetition(thread, site);
    if (site->own_trap)
        return tell_own_trap(thread, pc);
    if (needs_own_place(thread, site)) {
        thread->at_site = site;
        return leave_in_place(thread, site, how);
    }
    /* Placing it may have run a system call in the thread. */
    if (sdb__registers_get_pc(thread, &pc) < 0)
        return SDB__LEAVE_GO;
    sdb__registers_set_pc(thread, site->kind == SDB__RELOCATION_SLOT ? site->slot : site->next);
    if (site->kind == SDB__RELOCATION_SLOT) {
        thread->displaced = true;
        return SDB__LEAVE_GO;
    }
    return how == SDB_RESUME_STEP ? SDB__LEAVE_DONE : SDB__LEAVE_GO;
}
