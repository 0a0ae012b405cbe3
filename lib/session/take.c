/* SPDX-License-Identifier: MIT */
/*
 * Wait statuses in, stops and ends of threads out.
 *
 * A process's phase says what becomes of a stop: an event, or a step on the way into the session or
 * out of it.
 */
#include <signal.h>

#include "base/trace.h"
#include "session/inside.h"

/* ---- what a stop is ---- */

int sdb__session_decode(const struct sdb_thread *thread, int status, struct sdb__stop *stop)
{
    const bool between_ends =
        thread->request == SDB_RESUME_SYSCALL && (thread->came_from == SDB_EVENT_SYSCALL_ENTRY ||
                                                  thread->came_from == SDB_EVENT_SYSCALL_EXIT);
    const struct sdb__status_before before = {
        .is_newborn = thread->awaits_start,
        .listened = thread->doing == SDB__LISTENS,
        .step_due = thread->step_due,
        .end_of_call = between_ends ? thread->came_from : (uint32_t)SDB_EVENT_NONE,
    };

    return sdb__status_decode(thread->tid, status, &before, stop);
}

/*
 * The SIGTRAP of a step comes once.  A thread that is interrupted just as it has stepped stops for the
 * interrupt first, and its SIGTRAP waits; also while it is resumed in another way, but not for longer.
 */
static void note_step(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    switch (stop->kind) {
    case SDB_EVENT_INTERRUPT:
    case SDB_EVENT_GROUP_STOP:
    case SDB_EVENT_GROUP_CONTINUE:
        break;
    case SDB_EVENT_STEP:
        thread->step_due = false;
        break;
    default:
        if (thread->how != SDB_RESUME_STEP)
            thread->step_due = false;
        break;
    }
}

static void note_stop(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    sdb__thread_set_stop(thread, stop->kind, stop->signal);
    thread->in_group_stop = stop->in_group_stop;
    thread->former_tid = stop->kind == SDB_EVENT_EXEC ? stop->other_tid : 0;
}

/* ---- what becomes of it, by phase ---- */

/* Take in the newborn that it tells of, if it does. */
static void claim_newborn(struct sdb_session *session, struct sdb_thread *thread,
                          const struct sdb__stop *stop)
{
    if (stop->kind == SDB_EVENT_FORK || stop->kind == SDB_EVENT_VFORK ||
        stop->kind == SDB_EVENT_CLONE)
        sdb__session_claim(session, thread, stop);
}

/* On the way to the exec of a launch: nothing that concerns the caller. */
static void pass_before_exec(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    if (stop->kind != SDB_EVENT_EXEC) {
        if (!sdb__thread_wants(thread, SDB__REASON_BIRTH))
            (void)sdb__session_go_on(thread, SDB_RESUME_CONTINUE);
        return;
    }
    thread->process->phase = SDB__PROCESS_HELD;
    sdb__thread_want(thread, SDB__REASON_HOLD);
}

/* A stop that nobody wants to know of: the thread stays if it shall, and goes on if not. */
static void pass_stop(struct sdb_thread *thread)
{
    if (thread->reasons == 0 || sdb__thread_wants(thread, SDB__REASON_INTERRUPT))
        (void)sdb__session_go(thread, thread->how, 0);
}

/* A stop that was asked for, and in the group-stop that was told before, if in one. */
static bool is_interrupt(const struct sdb_thread *thread, const struct sdb__stop *stop)
{
    return stop->kind == SDB_EVENT_INTERRUPT ||
           (stop->kind == SDB_EVENT_GROUP_STOP && thread->told_stop == thread->joined_stop);
}

static void tell_stop(struct sdb_session *session, struct sdb_thread *thread,
                      const struct sdb__stop *stop)
{
    if (is_interrupt(thread, stop)) {
        if (!sdb__thread_wants(thread, SDB__REASON_INTERRUPT)) {
            /* A request that nobody waits for any more is kept by the kernel, and fires late. */
            sdb__session_settle(thread);
            return;
        }
        sdb__thread_set_stop(thread, SDB_EVENT_INTERRUPT, 0);
    } else if (stop->in_group_stop) {
        thread->told_stop = thread->joined_stop; /* also by a START */
    }
    sdb__thread_unwant(thread, SDB__REASON_INTERRUPT);
    if (stop->kind == SDB_EVENT_EXEC && !(thread->process->policies.follow & SDB_FOLLOW_EXEC) &&
        sdb__session_release_at_exec(thread->process))
        return;
    sdb__session_enqueue(session, thread);
}

/*
 * A step comes too late to be of use to anybody, or a feature has had the thread resumed so for itself:
 * what is told of that is what a feature says.
 */
static bool is_asked_for(const struct sdb_thread *thread, const struct sdb__stop *stop)
{
    switch (stop->kind) {
    case SDB_EVENT_STEP:
        return thread->how == SDB_RESUME_STEP;
    case SDB_EVENT_SYSCALL_ENTRY:
    case SDB_EVENT_SYSCALL_EXIT:
        return thread->how == SDB_RESUME_SYSCALL;
    default:
        return true;
    }
}

static void take_held_stop(struct sdb_session *session, struct sdb_thread *thread,
                           const struct sdb__stop *stop, enum sdb__verdict verdict)
{
    const uint8_t policy = stop->kind == SDB_EVENT_SIGNAL ? session->signal_policies[stop->signal]
                                                          : (uint8_t)SDB_POLICY_REPORT;

    if (!sdb__session_wants_birth(thread->process, stop->kind)) {
        claim_newborn(session, thread, stop);
        verdict = SDB__VERDICT_PASS;
    } else if (verdict == SDB__VERDICT_NONE && !is_asked_for(thread, stop)) {
        verdict = SDB__VERDICT_ON;
    }
    if (verdict == SDB__VERDICT_PASS) {
        pass_stop(thread);
    } else if (verdict == SDB__VERDICT_ON) {
        (void)sdb__session_go(thread, thread->how, 0);
    } else if (policy != SDB_POLICY_REPORT) {
        (void)sdb__session_go(thread, thread->how, policy == SDB_POLICY_PASS ? stop->signal : 0);
    } else {
        tell_stop(session, thread, stop);
        claim_newborn(session, thread, stop); /* what it does is told after its birth */
    }
}

/* On the way into a session: each thread goes on to the stop that was asked for. */
static void take_attaching_stop(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    if (stop->kind == SDB_EVENT_SIGNAL) {
        (void)sdb__session_go(thread, thread->how, stop->signal);
        return;
    }
    sdb__thread_want(thread, SDB__REASON_HOLD); /* newborns, too */
    /* Whoever attaches to a stopped process finds it so. */
    if (stop->in_group_stop)
        thread->told_stop = thread->joined_stop;
}

/* On the way out: it is let go where it stands. */
static void take_last_stop(struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;

    (void)sdb__session_let_go(thread);
    sdb__session_remove_if_gone(process);
}

/* By phase: an event, a step on the way into the session or out of it, or nothing. */
static void place_stop(struct sdb_session *session, struct sdb_thread *thread,
                       const struct sdb__stop *stop, enum sdb__verdict verdict)
{
    switch (thread->process->phase) {
    case SDB__PROCESS_HELD:
        take_held_stop(session, thread, stop, verdict);
        break;
    case SDB__PROCESS_LAUNCHING:
        claim_newborn(session, thread, stop);
        pass_before_exec(thread, stop);
        break;
    case SDB__PROCESS_ATTACHING:
        take_attaching_stop(thread, stop);
        claim_newborn(session, thread, stop);
        break;
    case SDB__PROCESS_WATCHED:
        claim_newborn(session, thread, stop);
        if (sdb__session_take_watched_stop(thread, stop))
            take_last_stop(thread);
        break;
    case SDB__PROCESS_LEAVING:
        claim_newborn(session, thread, stop);
        take_last_stop(thread);
        break;
    }
}

/*
 * Have the features say what a stop is.  They may ask the caller, who may do anything: then the thread
 * is not to be touched by anybody else.
 *
 * @return whether it stands in it still
 */
static bool examine(struct sdb_thread *thread, struct sdb__stop *stop, enum sdb__verdict *verdict)
{
    const struct sdb__moments *moments = &thread->process->session->moments;
    const struct sdb__stop seen = *stop;

    *verdict = SDB__VERDICT_NONE;
    if (thread->process->features & (moments->look | moments->judge)) {
        sdb__thread_want(thread, SDB__REASON_WORK);
        *verdict = sdb__features_look(thread, stop);
        if (thread->process->phase == SDB__PROCESS_HELD && *verdict != SDB__VERDICT_TRAP &&
            sdb__thread_stands(thread)) {
            note_stop(thread, stop);
            *verdict = sdb__features_judge(thread, stop, &seen, *verdict);
        }
        sdb__thread_unwant(thread, SDB__REASON_WORK);
    }
    if (!sdb__thread_stands(thread))
        return false; /* it was killed while conditions were asked */
    note_stop(thread, stop);
    return true;
}

/*
 * A request to stop that has come when the thread had stopped already, which was not seen yet, is kept by
 * the kernel, and interrupts what the thread does next.
 */
static void note_request(struct sdb_thread *thread, struct sdb__stop *stop)
{
    stop->asked = thread->stop_is_coming || thread->request_may_wait;
    thread->request_may_wait = thread->stop_is_coming && stop->kind != SDB_EVENT_INTERRUPT &&
                               stop->kind != SDB_EVENT_GROUP_STOP &&
                               stop->kind != SDB_EVENT_GROUP_CONTINUE;
}

static void take_stop(struct sdb_session *session, struct sdb_thread *thread, int status)
{
    enum sdb__verdict verdict;
    struct sdb__stop stop;
    bool is_step;

    if (sdb__session_decode(thread, status, &stop) < 0)
        return; /* its end is what comes next */
    note_request(thread, &stop);
    if (stop.kind == SDB_EVENT_EXEC)
        thread = sdb__session_take_exec(thread, &stop);
    note_step(thread, &stop);
    sdb__session_note_stop(thread, &stop);
    sdb__session_stopped(thread, stop.kind, stop.signal);
    thread->awaits_start = false;
    if (thread->owes_stop_signal && stop.kind == SDB_EVENT_INTERRUPT &&
        !sdb__session_tell_stop_signal(thread, &stop))
        return;
    if (thread == thread->process->thread)
        thread->process->first_not_held = false; /* another has its id, and is */
    is_step = stop.kind == SDB_EVENT_STEP;       /* and no arrival */
    if (!examine(thread, &stop, &verdict))
        return;
    if (verdict == SDB__VERDICT_TRAP) {
        sdb__thread_stop_is_coming(thread, true);
        (void)sdb__session_go(thread, thread->how, 0);
        return;
    }
    /* The first step out of an exec only ends the system call; nothing of the program has run. */
    if (is_step && stop.kind == SDB_EVENT_STEP && thread->came_from == SDB_EVENT_EXEC) {
        (void)sdb__session_go(thread, SDB_RESUME_STEP, 0);
        return;
    }
    place_stop(session, thread, &stop, verdict);
}

/* ---- ends ---- */

/* The first thread's end is that of the process, and no other thread is left then. */
static void end_others(struct sdb_session *session, struct sdb_process *process)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (sdb__thread_has_ended(thread))
            continue;
        /* Somebody else has taken its end. */
        sdb__session_note_end(thread, NULL);
        sdb__session_enqueue(session, thread);
    }
}

/*
 * The end of a process whose first thread is not ours is reported to its parent only.  It comes with
 * the end of the last thread that is, and is the same.
 *
 * @param end  of that thread
 */
static void end_with_last(struct sdb_session *session, struct sdb_process *process,
                          const struct sdb_exit_status *end)
{
    struct sdb_thread *first = process->thread;
    struct sdb_exit_status of_all = {
        .size = sizeof(of_all), .pid = process->pid, .flags = SDB_EXIT_NO_USAGE};

    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread != first && !sdb__thread_has_ended(thread))
            return;
    }
    if (end) {
        of_all.how = end->how;
        of_all.code = end->code;
    }
    if (!sdb__thread_is_gone(first))
        sdb__session_note_end(first, end ? &of_all : NULL);
    process->ended = true;
    sdb__process_close_memory(process);
    sdb__session_enqueue(session, first);
}

void sdb__session_take_end(struct sdb_thread *thread, const struct sdb_exit_status *end)
{
    struct sdb_process *process = thread->process;
    struct sdb_session *session = process->session;
    const bool is_last = thread == process->thread;
    const bool is_all = process->first_not_held;

    sdb__session_note_end(thread, end);
    if (is_last) {
        if (process->phase == SDB__PROCESS_HELD)
            end_others(session, process);
        process->ended = true;
        sdb__process_close_memory(process);
        (void)sdb__session_adopt(process);
    }
    switch (process->phase) {
    case SDB__PROCESS_HELD:
        /* Not in the turn of a stop that is not told any more: the others' ends come first. */
        sdb__session_unqueue_thread(thread);
        sdb__session_enqueue(session, thread);
        break;
    case SDB__PROCESS_LAUNCHING: /* whoever launches or attaches sees it */
    case SDB__PROCESS_ATTACHING:
        if (!is_last)
            sdb__session_drop(thread);
        break;
    case SDB__PROCESS_WATCHED:
    case SDB__PROCESS_LEAVING:
        if (is_last) {
            sdb__session_remove(process);
        } else {
            sdb__session_drop(thread);
            sdb__session_remove_if_gone(process);
        }
        return;
    }
    /* Until an attach has held all, the last that is known may not be the last. */
    if (!is_last && is_all && process->phase == SDB__PROCESS_HELD)
        end_with_last(session, process, end);
    if (process->ended)
        sdb__session_review(session);
}

/* ---- statuses ---- */

void sdb__session_take(struct sdb_session *session, pid_t tid, int status,
                       const struct rusage *usage)
{
    struct sdb_thread *thread = sdb__thread_table_find(&session->held.threads, tid);
    struct sdb_exit_status end;

    if (sdb__tracing())
        sdb__status_trace(tid, status);
    sdb__waiter_heard(session->waiter);
    if (!thread) {
        sdb__orphans_keep(session, tid, status, usage);
    } else if (sdb__status_is_end(status)) {
        sdb__exit_status(tid, status, usage, &end);
        sdb__session_take_end(thread, &end);
    } else {
        take_stop(session, thread, status);
    }
}
