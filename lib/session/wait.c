/* SPDX-License-Identifier: MIT */
/*
 * What is to be told, and telling it.
 *
 * What always holds: a thread that is queued stands still or has ended, and is queued once.
 *
 * Fairness: the queue is told in turn, but the kernel is not fair.  It goes through the tracees in one
 * order and reports the first that has something, so that those that stop again at once would be the
 * only ones ever reported.  So all that there is is taken now and then: after each status as long as
 * that finds something, and seldom if it does not.
 */
#include <errno.h>

#include <sdb/breakpoint.h>

#include "base/trace.h"
#include "base/versioned.h"
#include "held/process.h"
#include "session/session.h"
#include "trap/signal.h"

#define EVENT_SIZE_OF_VERSION_0_1 112
_Static_assert(sizeof(struct sdb_event) == EVENT_SIZE_OF_VERSION_0_1,
               "tell() fills the caller's, which may be shorter now");

/* How many statuses may be reported before it is looked for what else there is. */
#define MOST_STATUSES 64

/* After how many of which nothing is told the time is looked at. */
#define MOST_SILENT 32

/* How long a newborn may wait for its parent's event before it is looked at whether that lives. */
#define ORPHAN_MS 2

void sdb__session_enqueue(struct sdb_session *session, struct sdb_thread *thread)
{
    if (thread->queued)
        return;
    thread->queued = true;
    thread->next_queued = NULL;
    if (session->last_queued)
        session->last_queued->next_queued = thread;
    else
        session->first_queued = thread;
    session->last_queued = thread;
    sdb__waiter_notify(session->waiter);
}

static struct sdb_thread *dequeue(struct sdb_session *session)
{
    struct sdb_thread *thread = session->first_queued;

    session->first_queued = thread->next_queued;
    if (!session->first_queued)
        session->last_queued = NULL;
    thread->queued = false;
    return thread;
}

/* @param only  only this one, or NULL: all of the process */
static void unqueue(struct sdb_process *process, const struct sdb_thread *only)
{
    struct sdb_session *session = process->session;
    struct sdb_thread *last = NULL;

    for (struct sdb_thread **at = &session->first_queued; *at;) {
        struct sdb_thread *thread = *at;

        if (only ? thread == only : thread->process == process) {
            *at = thread->next_queued;
            thread->queued = false;
        } else {
            last = thread;
            at = &thread->next_queued;
        }
    }
    session->last_queued = last;
}

void sdb__session_unqueue(struct sdb_process *process)
{
    unqueue(process, NULL);
}

void sdb__session_unqueue_thread(struct sdb_thread *thread)
{
    if (thread->queued)
        unqueue(thread->process, thread);
}

void sdb__session_remove(struct sdb_process *process)
{
    struct sdb_session *session = process->session;

    if (session->told_end && session->told_end->process == process)
        session->told_end = NULL;
    sdb__session_unqueue(process);
    sdb__process_gone(process);
}

/* Handles of what has ended live until the wait after the one that told it. */
static void remove_told(struct sdb_session *session)
{
    struct sdb_thread *thread = session->told_end;

    if (!thread)
        return;
    session->told_end = NULL;
    if (thread == thread->process->thread)
        sdb__session_remove(thread->process);
    else
        sdb__thread_gone(thread);
}

/* Whether it is the event of a process that was let go at its exec. */
static bool tells_release(const struct sdb_thread *thread)
{
    return thread->process->released && thread == thread->process->thread;
}

static uint32_t kind_of(const struct sdb_thread *thread)
{
    if (tells_release(thread))
        return SDB_EVENT_RELEASED;
    if (!thread->ended)
        return thread->stop;
    return thread == thread->process->thread ? SDB_EVENT_EXITED : SDB_EVENT_THREAD_EXIT;
}

static void trace_event(const struct sdb_event *event)
{
    if (event->signal > 0)
        sdb__trace("event: %s %d of thread %d of process %d", sdb_event_name(event->kind),
                   event->signal, event->thread->tid, event->process->pid);
    else if (event->new_thread)
        sdb__trace("event: %s of thread %d of process %d: new %s %d", sdb_event_name(event->kind),
                   event->thread->tid, event->process->pid,
                   event->new_process == event->process ? "thread" : "process",
                   event->new_thread->tid);
    else if (event->status)
        sdb__trace("event: %s of thread %d of process %d: %s %d", sdb_event_name(event->kind),
                   event->thread->tid, event->process->pid,
                   event->status->how == SDB_KILLED ? "signal" : "code", event->status->code);
    else
        sdb__trace("event: %s of thread %d of process %d", sdb_event_name(event->kind),
                   event->thread->tid, event->process->pid);
}

/* What goes with some stops only. */
static void add_details(struct sdb_thread *thread, struct sdb_event *event)
{
    if (thread->newborn) {
        event->new_thread = thread->newborn;
        event->new_process = thread->newborn->process;
    }
    if (event->kind == SDB_EVENT_BREAKPOINT) {
        event->breakpoint = sdb_thread_next_breakpoint(thread, NULL);
        (void)sdb_thread_pc(thread, &event->address);
    }
    if (event->kind == SDB_EVENT_WATCHPOINT)
        sdb__watchpoint_tell(thread, event);
}

static void tell(struct sdb_session *session, struct sdb_thread *thread, struct sdb_event *event)
{
    struct sdb_process *process = thread->process;
    const bool is_release = tells_release(thread);
    const bool is_stop = !is_release && !thread->ended;

    /* Each member, as it is done for every stop: what is left out would be cleared by a loop. */
    event->kind = kind_of(thread);
    event->signal = is_stop ? thread->signal : 0;
    event->process = process;
    event->thread = thread;
    event->status = thread->ended && !is_release ? &thread->status : NULL;
    event->new_process = NULL;
    event->new_thread = NULL;
    event->child = is_release ? process->child : NULL;
    event->former_tid = is_stop ? thread->former_tid : 0;
    event->value_size = 0;
    event->address = 0;
    event->breakpoint = NULL;
    event->watchpoint = NULL;
    event->old_value = NULL;
    event->new_value = NULL;
    if (is_stop)
        add_details(thread, event);
    else
        session->told_end = thread;
    if (is_release)
        process->child = NULL;
    if (sdb__tracing())
        trace_event(event);
}

/* Take what all threads have, now and then. */
static void be_fair(struct sdb_session *session)
{
    if (session->threads.count < 2 || ++session->statuses < session->most_statuses)
        return;
    session->statuses = 0;
    if (sdb__session_drain(session))
        session->most_statuses = 1;
    else if (session->most_statuses < MOST_STATUSES)
        session->most_statuses++;
}

/* Before an event of a process in all-stop is told, all of its threads stand still. */
static bool must_gather(const struct sdb_thread *thread)
{
    const struct sdb_process *process = thread->process;

    return process->policies.stop_mode == SDB_ALL_STOP && !process->ended && !process->released &&
           !process->gathered;
}

/* Pump; but a newborn whose parent cannot tell of it any more shall not wait for ever. */
static int pump(struct sdb_session *session, const struct sdb__deadline *deadline)
{
    struct sdb__deadline soon;
    int rc;

    if (!session->orphans || !sdb__session_has_orphans(session))
        return sdb__session_pump(session, deadline, true);
    soon = sdb__deadline_earlier(*deadline, sdb__deadline_in(ORPHAN_MS));
    rc = sdb__session_pump(session, &soon, true);
    if (rc == -ETIMEDOUT &&
        (sdb__session_adopt_orphans(session) || !sdb__deadline_passed(deadline)))
        rc = 0;
    return rc;
}

int sdb__session_wait(struct sdb_session *session, const struct sdb__deadline *deadline,
                      struct sdb_event *event)
{
    unsigned silent = 0;
    int rc;

    remove_told(session);
    for (;;) {
        struct sdb_thread *thread;

        if (session->some_restore_due)
            sdb__trap_signal_restore_due(session);
        thread = session->first_queued;
        if (session->stolen) {
            session->stolen = false;
            return -SDB_ESTOLEN;
        }
        if (!thread) {
            if (!session->processes && !sdb__session_newborns_are_due(session)) {
                rc = sdb__waiter_idle(session->waiter);
                return rc < 0 ? rc : -ECHILD;
            }
            rc = pump(session, deadline);
            if (rc < 0)
                return rc;
            be_fair(session);
            /* Signals that pass without a word may never leave it with nothing to do. */
            if (!session->first_queued && ++silent % MOST_SILENT == 0) {
                rc = sdb__session_is_over(session, deadline, true);
                if (rc < 0)
                    return rc;
            }
        } else if (must_gather(thread)) {
            rc = sdb__session_gather(thread->process, deadline, true);
            if (rc < 0)
                return rc;
        } else {
            tell(session, dequeue(session), event);
            return 0;
        }
    }
}

int sdb_session_wait(struct sdb_session *session, int timeout_ms, struct sdb_event *event)
{
    const struct sdb__deadline deadline = sdb__deadline_in(timeout_ms);
    int rc;

    if (!session || !event)
        return -EINVAL;
    if (!sdb__session_is_ours(session))
        return -SDB_EWRONGTHREAD;
    rc = event->size == sizeof(*event)
             ? 0
             : sdb__struct_check(event, sizeof(*event), EVENT_SIZE_OF_VERSION_0_1);
    return rc < 0 ? rc : sdb__session_wait(session, &deadline, event);
}

int sdb_session_interrupt(struct sdb_session *session)
{
    if (!session)
        return -EINVAL;
    if (sdb__session_is_copy(session))
        return -SDB_EWRONGTHREAD; /* a forked child shall not wake its parent */
    sdb__waiter_interrupt(session->waiter);
    return 0;
}

int sdb_session_fd(struct sdb_session *session)
{
    if (!session)
        return -EINVAL;
    if (!sdb__session_is_ours(session))
        return -SDB_EWRONGTHREAD;
    return sdb__waiter_fd(session->waiter);
}
