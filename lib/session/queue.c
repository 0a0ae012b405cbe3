/* SPDX-License-Identifier: MIT */
/*
 * What is to be told.
 *
 * What always holds: a thread that is queued stands still, has ended, or was let go at its exec; and it is
 * queued once.
 */
#include <assert.h>

#include "session/inside.h"

void sdb__session_enqueue(struct sdb_session *session, struct sdb_thread *thread)
{
    if (thread->queued)
        return;
    assert(!sdb__thread_runs(thread));
    if (sdb__thread_stands(thread))
        sdb__thread_want(thread, SDB__REASON_HOLD);
    thread->queued = true;
    thread->next_queued = NULL;
    if (session->last_queued)
        session->last_queued->next_queued = thread;
    else
        session->first_queued = thread;
    session->last_queued = thread;
    sdb__waiter_notify(session->waiter);
}

struct sdb_thread *sdb__session_dequeue(struct sdb_session *session)
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
