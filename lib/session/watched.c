/* SPDX-License-Identifier: MIT */
/*
 * Processes that nobody asks for, but a feature needs to hold: those whose birth is seen for its sake
 * alone, and those that the caller lets go while they still have something of it.
 *
 * They are "watched": held, without a word to the caller, until they have executed a program or ended, or
 * until the feature needs them no more.  Each is let go when what it has of the feature is given back.
 */
#include "session/inside.h"

static struct sdb_process *find_free(struct sdb_session *session)
{
    struct sdb_process *process = session->held.processes;

    while (process && (process->phase != SDB__PROCESS_WATCHED || process->ended ||
                       sdb__features_must_stay(process)))
        process = process->next;
    return process;
}

void sdb__session_review(struct sdb_session *session)
{
    struct sdb_process *process;

    while ((process = find_free(session))) {
        sdb__features_give_back(process);
        sdb__session_begin_to_leave(process);
    }
}

bool sdb__session_take_watched_stop(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb_process *process = thread->process;

    if (stop->kind == SDB_EVENT_EXEC || !sdb__features_must_stay(process)) {
        sdb__features_give_back(process);
        process->phase = SDB__PROCESS_LEAVING;
        return true;
    }
    if (thread->reasons == 0)
        (void)sdb__session_go_on(thread, SDB_RESUME_CONTINUE);
    return false;
}
