/* SPDX-License-Identifier: MIT */
/*
 * How a process leaves the session.
 *
 * A thread can only be let go while it stands still.  So a process that is to be let go is "leaving":
 * those of its threads that stand still go at once, the others are asked to stop, and go with whatever
 * stop comes first.  One that cannot stop yet stays in the session until it can, although for the
 * caller the process has gone.
 */
#include <signal.h>

#include "launch/child.h"
#include "session/inside.h"

/*
 * Let a thread's late SIGTRAP come, of a step or of a feature, and be dropped: without a tracer it would
 * kill.
 */
static bool must_wait_for_trap(struct sdb_thread *thread)
{
    const bool has_trap = sdb__features_let_go(thread);

    return (has_trap || thread->step_due) && sdb__ptrace_has_pending(thread->tid, SIGTRAP);
}

/* It has been taken from the session's tracing by the kernel. */
static void note_gone(struct sdb_thread *thread)
{
    struct sdb_session *session = thread->process->session;

    sdb__session_forget_stop_of(session, thread->tid);
    sdb__thread_table_remove(&session->held.threads, thread);
    sdb__thread_set_doing(thread, SDB__LET_GO);
}

int sdb__session_let_go(struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;
    int rc;

    if (!sdb__thread_stands(thread))
        return 0;
    sdb__session_drop_due_birth(thread);
    sdb__session_unqueue_thread(thread);
    sdb__thread_unwant(thread, SDB__REASON_HOLD);
    sdb__thread_unwant(thread, SDB__REASON_INTERRUPT);
    if (must_wait_for_trap(thread) || thread->owes_stop_signal) {
        thread->dying = true; /* as far as waiting for it goes */
        return sdb__session_go(thread, SDB_RESUME_CONTINUE, sdb__thread_pending_signal(thread));
    }
    if (sdb__session_is_spared(thread, sdb__thread_pending_signal(thread)))
        sdb__session_fault_again(thread);
    (void)sdb__registers_flush(thread);
    rc = sdb__ptrace_detach(
        thread->tid, sdb__session_signal_to_pass(thread, sdb__thread_pending_signal(thread)));
    if (rc < 0) {
        thread->dying = true;
        sdb__thread_stands_no_more(thread);
        sdb__thread_stop_is_coming(thread, true); /* its end */
        return rc;
    }
    note_gone(thread);
    if (thread != process->thread) /* which goes with the process */
        sdb__session_drop(thread);
    return 0;
}

void sdb__session_hide(struct sdb_process *process, enum sdb__process_phase phase)
{
    struct sdb_session *session = process->session;

    sdb__session_unqueue(process);
    if (session->told_end && session->told_end->process == process)
        session->told_end = NULL;
    process->phase = phase;
    sdb__features_withdraw(process);
    sdb__process_close_memory(process);
}

void sdb__session_let_all_go(struct sdb_process *process)
{
    struct sdb_thread *next;

    for (struct sdb_thread *thread = process->threads; thread; thread = next) {
        next = thread->next;
        if (sdb__thread_has_ended(thread) && thread != process->thread)
            sdb__session_drop(thread); /* its end is not told any more */
        else
            (void)sdb__session_let_go(thread);
    }
    sdb__session_remove_if_gone(process);
}

void sdb__session_begin_to_leave(struct sdb_process *process)
{
    sdb__session_hide(process, SDB__PROCESS_LEAVING);
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (sdb__thread_runs(thread))
            (void)sdb__session_ask_to_stop(thread);
    }
    sdb__session_let_all_go(process);
}

bool sdb__session_release_at_exec(struct sdb_process *process)
{
    struct sdb_thread *thread = process->thread;

    (void)sdb__registers_flush(thread);
    if (sdb__ptrace_detach(thread->tid, 0) < 0)
        return false; /* it was killed just now */
    note_gone(thread);
    process->released = true;
    sdb__process_close_memory(process);
    if (process->launched && process->child) {
        sdb__child_fill(process->child, process->pid, process->pidfd);
        process->pidfd = -1;
    }
    sdb__session_enqueue(process->session, thread);
    return true;
}
