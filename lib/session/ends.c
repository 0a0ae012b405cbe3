/* SPDX-License-Identifier: MIT */
/*
 * Taking threads, processes and their memory out of the session.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/procfs.h"
#include "session/inside.h"

/*
 * The kernel gives the end of a child that is traced by a thread of its own parent once, to whoever asks
 * first.  So what the session holds for the caller is the session's to tell, and the rest the host's:
 * whom an attach has failed to hold, and whom it has let go, but the kernel has not yet.
 */
bool sdb__session_is_hosts_end(const struct sdb_session *session, pid_t tid)
{
    const struct sdb_thread *thread = sdb__thread_table_find(&session->held.threads, tid);
    const struct sdb_process *process = thread ? thread->process : NULL;
    struct sdb__procfs_status status;

    if (process && (thread != process->thread || process->phase == SDB__PROCESS_HELD ||
                    process->phase == SDB__PROCESS_LAUNCHING))
        return false;
    return sdb__procfs_status(tid, &status) == 0 && status.tgid == tid &&
           status.parent == getpid() && status.tracer == (pid_t)syscall(SYS_gettid);
}

void sdb__session_note_end(struct sdb_thread *thread, const struct sdb_exit_status *end)
{
    sdb__features_thread_ended(thread);
    sdb__thread_ended(thread, end);
}

void sdb__session_drop(struct sdb_thread *thread)
{
    struct sdb_session *session = thread->process->session;

    sdb__session_forget_stop_of(session, thread->tid);
    if (!sdb__thread_has_ended(thread))
        sdb__features_thread_ended(thread);
    sdb__thread_gone(thread);
}

void sdb__session_leave_space(struct sdb_session *session, const struct sdb_process *process)
{
    const struct sdb_process *other = session->held.processes;

    while (other && (other == process || other->space != process->space))
        other = other->next;
    /* What newborns have from one that has departed is still asked for. */
    if (!other && !(session->departed && session->departed->space == process->space))
        sdb__features_space_gone(session, process->space);
}

void sdb__session_remove(struct sdb_process *process)
{
    struct sdb_session *session = process->session;

    if (session->told_end && session->told_end->process == process)
        session->told_end = NULL;
    sdb__session_unqueue(process);
    while (process->threads)
        sdb__session_drop(process->threads);
    sdb__features_process_gone(process);
    sdb__session_leave_space(session, process);
    sdb__process_gone(process);
}

void sdb__session_remove_if_gone(struct sdb_process *process)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (!sdb__thread_is_gone(thread) && !(thread == process->thread && process->first_not_held))
            return;
    }
    sdb__session_remove(process);
}
