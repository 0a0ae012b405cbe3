/* SPDX-License-Identifier: MIT */
/*
 * The pump: one status after the other, from the kernel to where it is dealt with.
 */
#include <errno.h>

#include "session/inside.h"

/*
 * An end of a child of the host's, traced by us, that is not held for the caller: the session knows of it
 * now, and the host's own wait for that child finds it.
 */
static void leave_end(struct sdb_session *session, pid_t tid, int status)
{
    static const struct rusage none;

    sdb__waiter_leave(session->waiter, tid);
    if (sdb__thread_table_find(&session->held.threads, tid))
        sdb__session_take(session, tid, status, &none);
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
        if (sdb__session_is_hosts_end(session, tid)) {
            leave_end(session, tid, status);
            return;
        }
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

bool sdb__session_take_of(struct sdb_thread *thread)
{
    int status;

    if (sdb__wait_peek_one(thread->tid, &status) < 0)
        return false;
    sdb__session_take_last_stop(thread->process->session);
    take_peeked(thread->process->session, thread->tid, status);
    return true;
}

/*
 * One that was left hides the ends of those that come after it.  To take one may do away with others, so
 * each look begins anew.
 */
static void take_hidden_ends(struct sdb_session *session)
{
    for (struct sdb_process *process = session->held.processes; process; process = process->next) {
        for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
            if (sdb__thread_runs(thread) && sdb__session_take_of(thread))
                return;
        }
    }
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
    if (tid == 0 && sdb__waiter_leaves(session->waiter)) {
        take_hidden_ends(session);
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
    size_t most = session->held.threads.count + 1;
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
