/* SPDX-License-Identifier: MIT */
/*
 * The wait: pumping until there is something to be told.
 *
 * Fairness: the queue is told in turn, but the kernel is not fair.  It goes through the tracees in one
 * order and reports the first that has something, so that those that stop again at once would be the
 * only ones ever reported.  So all that there is is taken now and then: after each status as long as
 * that finds something, and seldom if it does not.
 */
#include <errno.h>

#include "base/versioned.h"
#include "session/inside.h"

#define EVENT_SIZE_OF_VERSION_0_1 112
_Static_assert(sizeof(struct sdb_event) == EVENT_SIZE_OF_VERSION_0_1,
               "sdb__session_tell() fills the caller's, which may be shorter now");

/* How many statuses may be reported before it is looked for what else there is. */
#define MOST_STATUSES 64

/* After how many of which nothing is told the time is looked at. */
#define MOST_SILENT 32

/* How long a newborn may wait for its parent's event before it is looked at whether that lives. */
#define ORPHAN_MS 2

/* How often that is looked at before the parent is asked. */
#define MOST_LOOKS 3

/* How long the first stop of a newborn may take to come. */
#define DUE_MS 100

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
        sdb__session_drop(thread);
}

/* Take what all threads have, now and then. */
static void be_fair(struct sdb_session *session)
{
    if (session->held.threads.count < 2 || ++session->statuses < session->most_statuses)
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

bool sdb__session_newborns_are_due(struct sdb_session *session)
{
    const struct sdb__deadline soon = sdb__deadline_in(DUE_MS);

    if (!session->departed)
        return false;
    while (!session->held.processes && !sdb__session_has_orphans(session) &&
           !sdb__deadline_passed(&soon)) {
        if (!sdb__waiter_has_tracees(session->waiter))
            break;
        (void)sdb__session_pump(session, &soon, false);
    }
    if (session->held.processes || sdb__session_has_orphans(session))
        return true;
    sdb__session_forget_departed(session);
    return false;
}

/*
 * Have a parent that nothing is heard of tell of its newborn: who gives birth stops for that before anything
 * else.  If it does not then, the newborn is another's, and is left.
 */
static void hear_parent(struct sdb_session *session)
{
    struct sdb__orphan *orphan = sdb__orphans_find_waiting(&session->orphans, MOST_LOOKS);
    struct sdb_thread *parent =
        orphan ? sdb__thread_table_find(&session->held.threads, orphan->parent) : NULL;
    struct sdb_process *process = parent ? sdb_process_retain(parent->process) : NULL;
    const pid_t tid = parent ? orphan->tid : 0;

    if (!process)
        return;
    if (sdb__session_pause(process) == 0) {
        sdb__session_unpause(process);
        orphan = sdb__orphans_find(&session->orphans, tid);
        if (orphan)
            orphan->parent_heard = true;
    }
    sdb_process_close(process);
}

/* @return whether newborns were taken in whose parent cannot tell of them any more, or -ENOMEM */
static int look_after_orphans(struct sdb_session *session)
{
    const int adopted = sdb__session_adopt_orphans(session);

    if (adopted == 0)
        hear_parent(session);
    return adopted;
}

/* Pump; but a newborn whose parent cannot tell of it any more shall not wait for ever. */
static int pump(struct sdb_session *session, const struct sdb__deadline *deadline)
{
    struct sdb__deadline soon;
    int rc;

    if (!sdb__session_has_orphans(session))
        return sdb__session_pump(session, deadline, true);
    soon = sdb__deadline_earlier(*deadline, sdb__deadline_in(ORPHAN_MS));
    rc = sdb__session_pump(session, &soon, true);
    if (rc == -ETIMEDOUT) {
        if (look_after_orphans(session) > 0 || !sdb__deadline_passed(deadline))
            rc = 0;
    } else if (rc == 0 && ++session->orphan_turns % MOST_STATUSES == 0) {
        (void)look_after_orphans(session); /* others have so much to say that there is no silence */
    }
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

#ifndef NDEBUG
        sdb__session_check(session);
#endif
        if (session->due)
            sdb__features_due(session);
        rc = sdb__session_take_due_births(session);
        if (rc < 0)
            return rc;
        thread = session->first_queued;
        if (session->stolen) {
            session->stolen = false;
            return -SDB_ESTOLEN;
        }
        if (!thread) {
            if (!session->held.processes && !sdb__session_newborns_are_due(session)) {
                rc = sdb__waiter_idle(session->waiter);
                return rc < 0 ? rc : -ECHILD;
            }
            rc = sdb__session_reserve(session);
            if (rc == 0)
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
            sdb__session_tell(session, sdb__session_dequeue(session), event);
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
