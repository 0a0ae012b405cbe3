/* SPDX-License-Identifier: MIT */
/*
 * Births that could not be taken in, as there was no memory for a newborn.
 *
 * What always holds: a newborn is taken in with all that it has from its parent, or not at all.  Until it
 * is, it stands where the kernel has it at its birth, and so does its parent, for SDB__REASON_BIRTH; each
 * wait tries again before it tells anything, and says -ENOMEM as long as there is none.  So no birth is
 * lost.  Who can wait for nothing any more, at the end of its session or as its process is let go, is let
 * go itself.
 */
#include <errno.h>
#include <signal.h>

#include "base/trace.h"
#include "kernel/procfs.h"
#include "session/inside.h"

#define DEATH_TIMEOUT_MS 1000

static void note_due(struct sdb_thread *parent, const struct sdb__birth *birth)
{
    parent->birth = *birth;
    sdb__thread_want(parent, SDB__REASON_BIRTH);
    parent->process->session->births_due = true;
}

/* It is another process: of those only threads, and who has the memory of its parent, must be taken in. */
static bool has_own_memory(const struct sdb_thread *parent, const struct sdb__birth *birth)
{
    return !sdb__task_is_in(parent->process->pid, birth->tid) &&
           !sdb__tasks_share_memory(parent->process->pid, birth->tid);
}

/* @return whether nobody asks for it, and nothing keeps it */
static bool can_go(const struct sdb_thread *parent, const struct sdb__birth *birth)
{
    const struct sdb_process *process = parent->process;

    if (process->phase == SDB__PROCESS_LEAVING || process->session->ends)
        return true;
    return (process->phase == SDB__PROCESS_WATCHED ||
            !sdb__session_wants_birth(process, birth->kind)) &&
           has_own_memory(parent, birth);
}

void sdb__session_put_birth_off(struct sdb_thread *parent, const struct sdb__birth *birth)
{
    if (can_go(parent, birth))
        sdb__session_let_newborn_go(parent->process->session, birth->tid, parent->process);
    else
        note_due(parent, birth);
}

/* @return 0, or -ENOMEM: it still is due */
static int take(struct sdb_thread *parent)
{
    const struct sdb__birth birth = parent->birth;
    int rc;

    sdb_thread_retain(parent);
    rc = sdb__session_take_birth(parent, &birth, false);
    if (rc == 0) {
        parent->birth = (struct sdb__birth){.kind = SDB_EVENT_NONE};
        sdb__thread_unwant(parent, SDB__REASON_BIRTH);
        if (sdb__thread_stands(parent) && !parent->queued)
            sdb__session_settle(parent);
    }
    sdb_thread_close(parent);
    return rc;
}

/* @return one that waits for the birth of its newborn, or NULL */
static struct sdb_thread *find_due(const struct sdb_process *process)
{
    struct sdb_thread *thread = process->threads;

    while (thread && (thread->birth.kind == SDB_EVENT_NONE || sdb__thread_is_gone(thread)))
        thread = thread->next;
    return thread;
}

int sdb__session_take_due_births(struct sdb_session *session)
{
    struct sdb_process *process;

    if (!session->births_due)
        return 0;
    process = session->held.processes;
    while (process) {
        struct sdb_thread *parent = find_due(process);

        if ((process->adoption_due && sdb__session_adopt(process) < 0) ||
            (parent && take(parent) < 0))
            return -ENOMEM;
        /* Another may have gone meanwhile. */
        process = parent ? session->held.processes : process->next;
    }
    session->births_due = false;
    return sdb__session_adopt_orphans(session) < 0 ? -ENOMEM : 0;
}

void sdb__session_drop_due_birth(struct sdb_thread *parent)
{
    const pid_t tid = parent->birth.tid;

    if (parent->birth.kind == SDB_EVENT_NONE)
        return;
    parent->birth = (struct sdb__birth){.kind = SDB_EVENT_NONE};
    sdb__thread_unwant(parent, SDB__REASON_BIRTH);
    sdb__session_let_newborn_go(parent->process->session, tid, parent->process);
}

/* ---- letting go who is not known ---- */

/* Have it stand at its first stop, which may be still to come.  @return false: it has ended */
static bool stands(struct sdb_session *session, pid_t tid, const struct sdb_process *from)
{
    struct sdb__orphan *orphan = sdb__orphans_find(&session->orphans, tid);
    struct rusage usage;
    int status;

    if (orphan) {
        status = orphan->status;
        sdb__orphans_forget(&session->orphans, orphan);
    } else if (sdb__session_await(from->thread, tid, &status) < 0) {
        return false;
    } else if (sdb__status_is_end(status)) {
        (void)sdb__wait_tracee(tid, &status, &usage);
    }
    return !sdb__status_is_end(status);
}

void sdb__session_let_newborn_go(struct sdb_session *session, pid_t tid,
                                 const struct sdb_process *from)
{
    const bool is_thread = sdb__task_is_in(from->pid, tid);
    struct sdb_exit_status ignored;

    sdb__trace("let newborn %d go without taking it in", (int)tid);
    if (!stands(session, tid, from))
        return;
    if (!is_thread && !sdb__tasks_share_memory(from->pid, tid))
        sdb__features_newborn_lost(session, tid, from);
    if (!is_thread && session->ends && from->policies.release == SDB_RELEASE_KILL) {
        (void)sdb__kill_tracee(tid, -1);
        (void)sdb__wait_killed(tid, -1, DEATH_TIMEOUT_MS, &ignored);
        return;
    }
    if (!is_thread && session->ends && from->policies.release == SDB_RELEASE_STOP)
        (void)sdb__send_signal(tid, -1, SIGSTOP);
    (void)sdb__ptrace_detach(tid, 0);
}
