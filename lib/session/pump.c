/* SPDX-License-Identifier: MIT */
/*
 * The pump: wait statuses in, stops and ends of threads out.
 *
 * A process's phase says what becomes of a stop: an event, or a step on the way into the session or
 * out of it.
 */
#include <errno.h>
#include <signal.h>

#include "base/trace.h"
#include "breakpoint/breakpoint.h"
#include "session/session.h"

/* ---- stops, by phase ---- */

/* On the way to the exec of a launch: nothing that concerns the caller. */
static void pass_before_exec(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    if (stop->kind == SDB_EVENT_EXEC)
        thread->process->phase = SDB__PROCESS_HELD;
    else
        (void)sdb__thread_go_on(thread, SDB_RESUME_CONTINUE);
}

/* Let a signal through, or not, without a word; any stop uses an interrupt up, so ask again. */
static void pass_signal(struct sdb_thread *thread, int signal)
{
    const bool interrupt_wanted = thread->interrupt_wanted;
    const bool hold_wanted = thread->hold_wanted || thread->pause_wanted;

    if (interrupt_wanted || hold_wanted)
        (void)sdb__thread_ask_to_stop(thread);
    (void)sdb__thread_go(thread, thread->how, signal);
}

/* A stop that the session has asked for, or that comes with the group-stop told before. */
static bool is_silent(const struct sdb_thread *thread, const struct sdb__stop *stop,
                      bool was_listening)
{
    if (thread->interrupt_wanted)
        return false;
    return stop->kind == SDB_EVENT_INTERRUPT ||
           (stop->kind == SDB_EVENT_GROUP_STOP && was_listening && thread->hold_wanted) ||
           (stop->kind == SDB_EVENT_GROUP_STOP && (was_listening || thread->against_stop) &&
            thread->pause_wanted);
}

/* A stop that nobody wants to know of: the thread stays if it shall, and goes on if not. */
static void pass_stop(struct sdb_thread *thread)
{
    if (thread->interrupt_wanted || !(thread->hold_wanted || thread->pause_wanted)) {
        pass_signal(thread, 0);
        return;
    }
    if (!thread->hold_wanted)
        sdb__session_go_on(thread);
    thread->hold_wanted = false;
    thread->pause_wanted = false;
}

static void take_held_stop(struct sdb_session *session, struct sdb_thread *thread,
                           const struct sdb__stop *stop, bool was_listening)
{
    const uint8_t policy = stop->kind == SDB_EVENT_SIGNAL ? session->signal_policies[stop->signal]
                                                          : (uint8_t)SDB_POLICY_REPORT;

    if (sdb__calls_take_stop(thread, stop)) {
        pass_signal(thread, 0);
        return;
    }
    if (policy != SDB_POLICY_REPORT) {
        pass_signal(thread, policy == SDB_POLICY_PASS ? stop->signal : 0);
        return;
    }
    if (is_silent(thread, stop, was_listening)) {
        /* A request that nobody waits for any more is kept by the kernel, and fires late. */
        if (!thread->hold_wanted)
            sdb__session_go_on(thread);
        thread->hold_wanted = false;
        thread->pause_wanted = false;
        return;
    }
    thread->interrupt_wanted = false;
    thread->hold_wanted = false;
    thread->pause_wanted = false;
    if (stop->kind == SDB_EVENT_EXEC && !(thread->process->policies.follow & SDB_FOLLOW_EXEC) &&
        sdb__session_release_at_exec(thread->process))
        return;
    sdb__session_enqueue(session, thread);
}

/*
 * A thread that is interrupted just as it has stepped stops for the interrupt first, and its SIGTRAP
 * waits.  If it is resumed in another way then, the SIGTRAP is of no use to anybody.
 */
static bool is_late_step(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    if (stop->kind == SDB_EVENT_STEP) {
        thread->step_trap_due = false;
        return thread->how != SDB_RESUME_STEP && thread->process->phase != SDB__PROCESS_LEAVING;
    }
    if (thread->how != SDB_RESUME_STEP && stop->kind != SDB_EVENT_INTERRUPT &&
        stop->kind != SDB_EVENT_GROUP_STOP && stop->kind != SDB_EVENT_GROUP_CONTINUE)
        thread->step_trap_due = false;
    return false;
}

static bool makes_newborn(uint32_t kind)
{
    return kind == SDB_EVENT_FORK || kind == SDB_EVENT_VFORK || kind == SDB_EVENT_CLONE;
}

/* By phase: an event, a step on the way into the session or out of it, or nothing. */
static void place_stop(struct sdb_session *session, struct sdb_thread *thread,
                       const struct sdb__stop *stop, bool was_listening)
{
    switch (thread->process->phase) {
    case SDB__PROCESS_LAUNCHING:
        pass_before_exec(thread, stop);
        break;
    case SDB__PROCESS_ATTACHING:
        if (stop->kind == SDB_EVENT_SIGNAL)
            pass_signal(thread, stop->signal);
        else
            thread->hold_wanted = false;
        break;
    case SDB__PROCESS_LEAVING:
    case SDB__PROCESS_WATCHED:
        break;
    case SDB__PROCESS_HELD:
        take_held_stop(session, thread, stop, was_listening);
        break;
    }
}

/* After the stop itself, which is told before what the newborn does. */
static void finish_stop(struct sdb_session *session, struct sdb_thread *thread,
                        const struct sdb__stop *stop)
{
    struct sdb_process *process = thread->process;

    if (makes_newborn(stop->kind))
        sdb__session_claim(session, thread, stop);
    if (process->phase == SDB__PROCESS_WATCHED && !sdb__breakpoint_take_watched_stop(thread, stop))
        return;
    if (process->phase == SDB__PROCESS_LEAVING)
        sdb__session_let_go(thread);
}

static void note_stop(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    thread->stop = stop->kind;
    thread->signal = stop->signal;
    thread->awaits_start = false;
    if (thread == thread->process->thread)
        thread->process->first_not_held = false; /* another has its id, and is */
    thread->in_group_stop = stop->in_group_stop;
    thread->former_tid = stop->kind == SDB_EVENT_EXEC ? stop->other_tid : 0;
}

/*
 * What a hit of watchpoints comes to, now that the thread shows its own place.
 *
 * @param seen  the stop as it was before that
 * @return whether there is something left to be told
 */
static bool settle_hit(struct sdb_thread *thread, struct sdb__stop *stop,
                       const struct sdb__stop *seen)
{
    const enum sdb__watch_result result = sdb__watchpoint_ask(thread, stop, seen);

    if (thread->ended)
        return false; /* it was killed while conditions were asked */
    note_stop(thread, stop);
    if (result == SDB__WATCH_PASS)
        pass_stop(thread);
    else if (result == SDB__WATCH_NOTHING && is_late_step(thread, stop))
        pass_signal(thread, 0);
    else
        return true;
    return false;
}

static bool is_trap(const struct sdb__stop *stop)
{
    return stop->kind == SDB_EVENT_SIGNAL && stop->signal == SIGTRAP;
}

static void take_stop(struct sdb_session *session, struct sdb_thread *thread, int status)
{
    const bool was_listening = thread->listening;
    enum sdb__breakpoint_verdict verdict;
    enum sdb__watch_result watch;
    struct sdb__stop stop;
    struct sdb__stop seen;

    if (sdb__event_decode(thread, status, &stop) < 0)
        return; /* its end is what comes next */
    if (stop.kind == SDB_EVENT_EXEC)
        thread = sdb__session_take_exec(thread, &stop);
    sdb__thread_stopped(thread, stop.kind, stop.signal);
    seen = stop;
    watch = stop.kind == SDB_EVENT_STEP || is_trap(&stop) ? sdb__watchpoint_look(thread, &stop)
                                                          : SDB__WATCH_NOTHING;
    if (watch == SDB__WATCH_PASS) {
        stop = (struct sdb__stop){
            .kind = SDB_EVENT_INTERRUPT}; /* its signal is none of the program's */
    } else if (is_late_step(thread, &stop)) {
        note_stop(thread, &stop);
        pass_signal(thread, 0);
        return;
    }
    verdict = sdb__breakpoint_look(thread, &stop, was_listening);
    note_stop(thread, &stop);
    if (thread->ended)
        return; /* it was killed while conditions were asked */
    if (verdict == SDB__BREAKPOINT_AGAIN) {
        (void)sdb__thread_go(thread, thread->how, 0);
        return;
    }
    /* The first step out of an exec only ends the system call; nothing of the program has run. */
    if (stop.kind == SDB_EVENT_STEP && thread->leaving_exec) {
        (void)sdb__thread_go(thread, SDB_RESUME_STEP, 0);
        return;
    }
    if (thread->process->phase == SDB__PROCESS_HELD) {
        if (watch == SDB__WATCH_HIT && !settle_hit(thread, &stop, &seen))
            return;
        if (verdict == SDB__BREAKPOINT_PASS || watch == SDB__WATCH_PASS) {
            pass_stop(thread);
            return;
        }
        if (!sdb__session_wants_birth(thread->process, stop.kind)) {
            if (makes_newborn(stop.kind))
                sdb__session_claim(session, thread, &stop);
            pass_stop(thread);
            return;
        }
    }
    place_stop(session, thread, &stop, was_listening);
    finish_stop(session, thread, &stop);
}

/* ---- ends ---- */

/* The first thread's end is that of the process, and no other thread is left then. */
static void end_others(struct sdb_session *session, struct sdb_process *process)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread->ended)
            continue;
        /* Somebody else has taken its end. */
        sdb__thread_ended(thread, NULL);
        sdb__session_enqueue(session, thread);
    }
}

/*
 * The end of a process whose first thread is not ours is reported to its parent only.  It comes with
 * the end of the last thread that is.
 */
static void end_with_last(struct sdb_session *session, struct sdb_process *process)
{
    struct sdb_thread *first = process->thread;

    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread != first && !thread->ended)
            return;
    }
    sdb__thread_ended(first, NULL);
    process->ended = true;
    sdb__process_close_memory(process);
    if (process->phase == SDB__PROCESS_HELD)
        sdb__session_enqueue(session, first);
}

static void take_end(struct sdb_session *session, struct sdb_thread *thread, int status,
                     const struct rusage *usage)
{
    struct sdb_process *process = thread->process;
    const bool is_last = thread == process->thread;
    const bool is_all = process->first_not_held;
    struct sdb_exit_status end;

    sdb__exit_status(thread->tid, status, usage, &end);
    sdb__thread_ended(thread, thread->lost ? NULL : &end);
    if (is_last) {
        if (process->phase == SDB__PROCESS_HELD)
            end_others(session, process);
        process->ended = true;
        sdb__process_close_memory(process);
        sdb__session_adopt(process);
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
            sdb__thread_gone(thread);
        break;
    case SDB__PROCESS_WATCHED:
    case SDB__PROCESS_LEAVING:
        if (is_last) {
            sdb__session_remove(process);
        } else {
            sdb__thread_gone(thread);
            sdb__session_remove_if_gone(process);
        }
        return;
    }
    if (!is_last && is_all)
        end_with_last(session, process);
    if (process->ended)
        sdb__breakpoint_review(session);
}

/* ---- statuses ---- */

void sdb__session_take(struct sdb_session *session, pid_t tid, int status,
                       const struct rusage *usage)
{
    struct sdb_thread *thread = sdb__thread_table_find(&session->threads, tid);

    if (sdb__tracing())
        sdb__event_trace_status(tid, status);
    if (!thread)
        sdb__session_keep_orphan(session, tid, status, usage);
    else if (sdb__status_is_end(status))
        take_end(session, thread, status, usage);
    else
        take_stop(session, thread, status);
}

/*
 * Deal with a status that was looked at.  An end is taken, with the usage that goes with it.  A stop is
 * left where it is: usually the thread is resumed before the next look, which does away with it.  But
 * for that of an exec: after one by another thread than the first, the kernel refuses every request
 * until it has been taken.
 */
static void take_peeked(struct sdb_session *session, pid_t tid, int status)
{
    static const struct rusage none;
    struct rusage usage;

    if (sdb__status_is_end(status)) {
        /* Unless somebody else has taken it meanwhile. */
        if (sdb__wait_tracee(tid, &status, &usage) == tid)
            sdb__session_take(session, tid, status, &usage);
        return;
    }
    if (sdb__status_is_exec(status))
        (void)sdb__wait_take_stop(tid, &status);
    else
        session->stop_to_take = tid;
    sdb__session_take(session, tid, status, &none);
}

/* A thread that still stands in the stop that was looked at last would be seen again and again. */
void sdb__session_take_last_stop(struct sdb_session *session)
{
    int taken;

    if (session->stop_to_take == 0)
        return;
    (void)sdb__wait_take_stop(session->stop_to_take, &taken);
    session->stop_to_take = 0;
}

int sdb__session_pump(struct sdb_session *session, const struct sdb__deadline *deadline,
                      bool heeds_interrupt)
{
    int status;
    pid_t tid;

    sdb__session_take_last_stop(session);
    tid = sdb__waiter_next(session->waiter, deadline, heeds_interrupt, &status);
    if (tid > 0) {
        take_peeked(session, tid, status);
        return 0;
    }
    /* Nothing for a while, or for ever: has the host taken it? */
    if (tid == 0 || tid == -ECHILD) {
        sdb__session_look_for_stolen(session, tid == -ECHILD);
        return 0;
    }
    return tid;
}

int sdb__session_is_over(struct sdb_session *session, const struct sdb__deadline *deadline,
                         bool heeds_interrupt)
{
    if (heeds_interrupt && sdb__waiter_take_interrupt(session->waiter))
        return -EINTR;
    if (!sdb__deadline_passed(deadline))
        return 0;
    sdb__waiter_notify(session->waiter); /* there is more */
    return -ETIMEDOUT;
}

bool sdb__session_drain(struct sdb_session *session)
{
    /* Threads that signals keep busy have something again before the others are through. */
    size_t most = session->threads.count + 1;
    bool found = false;
    int status;
    pid_t tid;

    do {
        sdb__session_take_last_stop(session);
        tid = sdb__waiter_peek(session->waiter, &status);
        if (tid > 0) {
            take_peeked(session, tid, status);
            found = true;
        }
    } while (tid > 0 && most-- > 0);
    return found;
}
