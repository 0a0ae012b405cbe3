/* SPDX-License-Identifier: MIT */
/*
 * Single steps: those that the caller asks for, whose stops the session sees, and those of the library's
 * own, which wait for their stop here.  How an instruction is stepped is one_step.c's.
 */
#include "trap/single_step.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>

#include "arch/x86_64/relocate.h"
#include "base/trace.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/debug_registers.h"
#include "trap/signal.h"
#include "trap/text.h"

/* Whether the call at whose end a thread stands was interrupted, and goes on. */
static bool call_goes_on(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;

    return sdb__registers_general(thread, &registers) == 0 &&
           sdb__registers_will_restart(registers);
}

/* Whether a filter has answered it by a SIGSYS, which comes next: it seems to return its number. */
static bool call_was_refused(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;

    return sdb__registers_general(thread, &registers) == 0 &&
           registers->rax == registers->orig_rax &&
           sdb__ptrace_pending_code(thread->tid, SIGSYS) > 0;
}

/* @return whether the SIGTRAP that a thread stands before was sent by somebody */
static bool was_sent(const struct sdb_thread *thread)
{
    siginfo_t info;

    return sdb__ptrace_siginfo(thread->tid, &info) == 0 && info.si_code <= 0;
}

/* One that the program blocks has come because it was taken out of the mask: it waits on. */
static void pay_signal(struct sdb_thread *thread)
{
    struct sdb__one_step *step = sdb__one_step(thread);

    if (step->owes_signal)
        sdb__signal_again(thread->process->pid, thread->tid, SIGTRAP);
    step->owes_signal = false;
}

/* ---- one instruction, and nothing else ---- */

/* What a stop is to a step. */
enum found {
    STEPPED,
    OTHER,   /* it has stopped for something else */
    NOT_YET, /* it has to go on */
};

static enum found look_at_signal(struct sdb_thread *thread, int signal)
{
    struct sdb__one_step *step = sdb__one_step(thread);

    if (signal != SIGTRAP)
        return OTHER;
    if ((step->mask & SDB__SIGNAL_BIT(SIGTRAP)) && was_sent(thread)) {
        step->owes_signal = true;
        return NOT_YET;
    }
    return step->way == SDB__STEP_TRAPS && sdb__is_step_trap(thread->tid, NULL) ? STEPPED : OTHER;
}

/*
 * @param interrupted  set if the step has used up a request to stop
 * @return enum found, or -ESRCH
 */
static int look_at_stop(struct sdb_thread *thread, int status, bool *interrupted)
{
    int signal;

    switch (sdb__status_kind(status, &signal)) {
    case SDB__STATUS_STOP:
        sdb__session_note_group_stop(thread, signal != SIGTRAP);
        *interrupted = true;
        sdb__one_step(thread)->trap_comes_next =
            sdb__one_step(thread)->way == SDB__STEP_TRAPS && sdb__one_step_trap_waits(thread);
        return NOT_YET;
    case SDB__STATUS_SIGNAL:
        sdb__one_step(thread)->trap_comes_next = false;
        return (int)look_at_signal(thread, signal);
    case SDB__STATUS_END:
    case SDB__STATUS_EXEC: /* of another thread, which has its id now */
        return -ESRCH;
    default:
        return OTHER;
    }
}

/* The signals that can wait do so; a fault would be reset by the kernel.  Those that it blocks wait anyway. */
static int set_mask(struct sdb_thread *thread)
{
    return sdb__one_step_lend_mask(thread, (sdb__one_step(thread)->mask | ~SDB__FAULT_SIGNALS) &
                                               ~SDB__SIGNAL_BIT(SIGTRAP));
}

/* @return enum found, or -ESRCH */
static int step_once(struct sdb_thread *thread, bool *interrupted)
{
    struct sdb__one_step *step = sdb__one_step(thread);
    enum sdb_resume request;
    int status;
    int found;
    int rc;

    sdb__one_step_begin(thread, 0, &request);
    rc = step->trap_comes_next ? 0 : set_mask(thread);
    if (rc == 0)
        rc = sdb__registers_flush(thread);
    if (rc == 0)
        rc = sdb__ptrace_resume(thread->tid, request, 0);
    if (rc < 0)
        return -ESRCH;
    sdb__session_note_resumed(thread);
    if (sdb__session_await(thread, thread->tid, &status) < 0)
        return -ESRCH;
    if (sdb__tracing())
        sdb__status_trace(thread->tid, status);
    found = look_at_stop(thread, status, interrupted);
    if (found >= 0 && !step->trap_comes_next)
        sdb__one_step_end(thread, found == STEPPED);
    return found;
}

/* The mask is the kernel's to know, and there is nothing to give back to who is dying. */
static int forget(struct sdb_thread *thread)
{
    *sdb__one_step(thread) = (struct sdb__one_step){0};
    return -ESRCH;
}

/* @return whether the SIGTRAP of a step is more than that: a watchpoint's, or the program's own */
static bool must_be_seen(struct sdb_thread *thread)
{
    if (!sdb__debug_is_set(thread) || !sdb__debug_has_fired(thread))
        return sdb__one_step(thread)->own_trap;
    thread->step_due = true; /* what it has hit is told with the end of this step */
    return true;
}

int sdb__step_alone(struct sdb_thread *thread)
{
    bool interrupted = false;
    int status;
    int found;

    sdb__session_take_stop_of(thread);
    sdb__text_may_change(thread->process);
    sdb__one_step(thread)->is_known = false;
    do {
        found = step_once(thread, &interrupted);
    } while (found == NOT_YET);
    if (found < 0)
        return forget(thread);
    if (found == STEPPED && must_be_seen(thread))
        found = OTHER;
    else if (found == STEPPED)
        (void)sdb__wait_take_stop(thread->tid, &status);
    if (found == OTHER)
        (void)sdb__registers_flush(
            thread); /* the stop that is still to be seen knows nothing of them */
    sdb__trap_signal_restore_unblocked(thread);
    pay_signal(thread);
    if (interrupted)
        sdb__thread_stop_is_coming(thread, sdb__ptrace_interrupt(thread->tid) == 0);
    return found == STEPPED ? 0 : 1;
}

/* ---- the caller's steps: their ends ---- */

/* The thread goes on with its step; for whoever looks it is nothing that has to do with it. */
static enum sdb__verdict go_on(struct sdb__stop *stop)
{
    *stop = (struct sdb__stop){.kind = SDB_EVENT_INTERRUPT};
    return SDB__VERDICT_ON;
}

static void become_step(struct sdb_thread *thread, struct sdb__stop *stop)
{
    *stop = (struct sdb__stop){.kind = SDB_EVENT_STEP};
    sdb__thread_set_stop(thread, stop->kind, 0);
}

/*
 * A thread that is interrupted just as it has stepped stops for the interrupt first, and its SIGTRAP waits.
 * So that is taken first: it is the one that ends the step.  A group-stop may come before it even then.
 */
static bool trap_comes_first(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb__one_step *step = sdb__one_step(thread);

    if (step->way != SDB__STEP_TRAPS ||
        (stop->kind != SDB_EVENT_INTERRUPT && stop->kind != SDB_EVENT_GROUP_STOP &&
         stop->kind != SDB_EVENT_GROUP_CONTINUE) ||
        !sdb__one_step_trap_waits(thread))
        return false;
    step->trap_comes_next = true;
    step->stops_again =
        step->stops_again || stop->in_group_stop || stop->kind == SDB_EVENT_GROUP_CONTINUE;
    return true;
}

/* Both ends of its call stop it, and an exec stops it in between. */
static enum sdb__verdict look_at_end_of_call(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const bool is_exit = stop->kind == SDB_EVENT_SYSCALL_EXIT;

    thread->step_due = false; /* no SIGTRAP comes of it */
    sdb__one_step_end(thread, is_exit);
    if (stop->kind == SDB_EVENT_SYSCALL_ENTRY && !stop->by_filter)
        return SDB__VERDICT_ON;
    if (!is_exit)
        return SDB__VERDICT_NONE;
    /* With the end of an exec nothing of the program has run. */
    if (thread->came_from == SDB_EVENT_EXEC || call_goes_on(thread))
        return SDB__VERDICT_ON;
    if (call_was_refused(thread))
        return SDB__VERDICT_TRAP;
    become_step(thread, stop);
    return SDB__VERDICT_NONE;
}

/* It stands before its next instruction: of a signal's handler, or where it was. */
static enum sdb__verdict look_at_end_of_detour(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const struct sdb__one_step before = *sdb__one_step(thread);
    struct user_regs_struct *registers;

    thread->step_due = false;
    sdb__one_step_end(thread, false);
    if (stop->kind != SDB_EVENT_INTERRUPT &&
        !(stop->kind == SDB_EVENT_GROUP_STOP && thread->against_stop == thread->joined_stop))
        return SDB__VERDICT_NONE;
    if (sdb__registers_general(thread, &registers) < 0 ||
        (registers->rip == before.pc && registers->rsp == before.stack_pointer))
        return go_on(stop);
    become_step(thread, stop);
    return SDB__VERDICT_NONE;
}

static enum sdb__verdict look_at_trap(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb__one_step *step = sdb__one_step(thread);
    bool executed;

    executed = stop->kind == SDB_EVENT_STEP;
    thread->step_due = false; /* where it waits it was taken first */
    if (step->lends_signal && stop->kind == SDB_EVENT_SIGNAL && stop->signal == SIGTRAP &&
        was_sent(thread)) {
        sdb__one_step_end(thread, false);
        step->owes_signal = true;
        if (thread->process->phase == SDB__PROCESS_HELD)
            return go_on(stop);
        executed = false;
    } else {
        sdb__one_step_end(thread, executed);
    }
    pay_signal(thread);
    if (!executed)
        return SDB__VERDICT_NONE;
    sdb__trap_signal_restore_unblocked(thread);
    if (stop->address != 0)
        sdb__registers_note_pc(thread, stop->address);
    else
        step->is_known = false; /* a handler has begun */
    step->own_trap = step->own_trap && stop->address != 0;
    if (step->instruction_class == SDB__INSTRUCTION_TRAP ||
        (step->own_trap && thread->how != SDB_RESUME_STEP))
        *stop = (struct sdb__stop){.kind = SDB_EVENT_SIGNAL, .signal = SIGTRAP};
    else if (step->own_trap)
        stop->signal = SIGTRAP; /* with the step */
    return SDB__VERDICT_NONE;
}

static enum sdb__verdict look(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb__one_step *step = sdb__one_step(thread);

    if (step->way == SDB__STEP_NONE) {
        if (stop->kind == SDB_EVENT_STEP && step->own_trap)
            stop->signal = SIGTRAP; /* it was stepped alone */
        step->own_trap = false;
        step->is_known = false;
        return SDB__VERDICT_NONE;
    }
    if (trap_comes_first(thread, stop))
        return SDB__VERDICT_TRAP;
    /* Its trap has it leave a group-stop.  An interrupt asked for before would have come before it. */
    if (step->trap_comes_next && step->stops_again)
        (void)sdb__ptrace_interrupt(thread->tid);
    step->trap_comes_next = false;
    step->stops_again = false;
    switch (step->way) {
    case SDB__STEP_CALL:
        return look_at_end_of_call(thread, stop);
    case SDB__STEP_DETOUR:
        return look_at_end_of_detour(thread, stop);
    default:
        return look_at_trap(thread, stop);
    }
}

/* ---- and their beginnings ---- */

/* The kernel does not keep the signal ignored: that has to be known before the first step. */
static enum sdb__going note_trap_signal(struct sdb_thread *thread, struct sdb__resume *resume)
{
    if (resume->how == SDB_RESUME_STEP && !sdb__trap_signal_is_noted(thread->process))
        sdb__trap_signal_note_once(thread->process);
    return SDB__GOING_READY;
}

static enum sdb__going begin(struct sdb_thread *thread, struct sdb__resume *resume)
{
    struct sdb__one_step *step = sdb__one_step(thread);

    if (resume->request == SDB_RESUME_STEP || step->trap_comes_next)
        sdb__one_step_begin(thread, resume->signal, &resume->request);
    else
        *step = (struct sdb__one_step){0}; /* the kernel begins anew, too */
    if (step->way != SDB__STEP_TRAPS || step->instruction_class != SDB__INSTRUCTION_OTHER ||
        resume->signal > 0)
        sdb__text_may_change(thread->process);
    return SDB__GOING_READY;
}

#ifndef NDEBUG
static void check(const struct sdb_process *process)
{
    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        const struct sdb__one_step *step = sdb__one_step(thread);

        assert(step->way == SDB__STEP_NONE || !sdb__thread_stands(thread));
        assert(step->way != SDB__STEP_NONE || (!step->lends_signal && !step->trap_comes_next));
    }
}
#endif

const struct sdb__feature sdb__single_step_feature = {
    .slot = SDB__SINGLE_STEP_SLOT,
    .used_by = SDB_RESUME_STEP,
    .thread_size = sizeof(struct sdb__one_step),
    .look = look,
    .resume = note_trap_signal,
    .space_gone = sdb__text_forget,
#ifndef NDEBUG
    .check = check,
#endif
};

const struct sdb__feature sdb__step_begin_feature = {
    .slot = SDB__STEP_BEGIN_SLOT,
    .used_by = SDB_RESUME_STEP,
    .resume = begin,
};
