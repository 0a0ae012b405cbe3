/* SPDX-License-Identifier: MIT */
/*
 * What the host has taken away.
 *
 * A waitpid(-1) in another thread of the host takes the stops and ends of held threads too: the kernel
 * reports each once, to whoever asks first.  Nothing tells us.  So when all has been quiet for a while,
 * threads that should run are asked something that only one which stands still answers; and what it is
 * that they did can be had from the kernel afterwards, but for the usage of what was reaped.
 */
#include <stdlib.h>

#include "base/trace.h"
#include "kernel/ptrace.h"
#include "session/inside.h"

/* Whether a thread stands still, but its stop was not told. */
static bool take_stolen_stop(struct sdb_session *session, struct sdb_thread *thread)
{
    static const struct rusage none;
    int stolen;

    if (sdb__status_restore(thread->tid, &stolen) < 0)
        return false;
    if (sdb__session_take_of(thread))
        return false; /* it has just happened */
    sdb__trace("stolen: the stop of thread %d", (int)thread->tid);
    sdb__session_take(session, thread->tid, stolen, &none);
    return true;
}

void sdb__session_lose(struct sdb_thread *thread)
{
    sdb__trace("lost: thread %d", (int)thread->tid);
    sdb__session_take_end(thread, NULL);
}

/* Whether a thread has gone, but its end was not told. */
static bool take_stolen_end(struct sdb_thread *thread, bool is_lost)
{
    struct sdb_process *process = thread->process;
    struct sdb_exit_status status;
    const bool is_first = thread == process->thread;

    if (!is_lost && sdb__task_is_in(process->pid, thread->tid)) {
        thread->missing = false;
        return false;
    }
    /* The id of a thread that executes a program vanishes before the kernel tells. */
    if (!is_lost && !is_first && !thread->missing) {
        thread->missing = true;
        return false;
    }
    sdb__session_lose(thread);
    if (is_first && sdb__wait_child(process->pid, process->pidfd, SDB__WAIT_TAKE, &status) == 0)
        thread->status = status;
    return true;
}

/* The statuses that there are by now belong to what they say; only what is missing after that is. */
void sdb__session_look_for_stolen(struct sdb_session *session, bool all_lost)
{
    struct sdb_thread **threads;
    size_t count = 0;

    sdb__session_drain(session);
    threads = calloc(session->held.threads.count + 1, sizeof(struct sdb_thread *));
    if (!threads)
        return;
    for (struct sdb_process *process = session->held.processes; process; process = process->next) {
        for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
            if (sdb__thread_runs(thread))
                threads[count++] = sdb_thread_retain(thread);
        }
    }
    /* First threads last: they end last. */
    for (int firsts = 0; firsts < 2; firsts++) {
        for (size_t i = 0; i < count; i++) {
            struct sdb_thread *thread = threads[i];
            struct sdb_process *process = thread->process;
            /* Until an attach has held all, and once it is let go, threads may be lost. */
            const bool is_held = process->phase == SDB__PROCESS_HELD;

            if (!sdb__thread_runs(thread) || (thread == process->thread) != (firsts == 1))
                continue;
            if (take_stolen_stop(session, thread) || take_stolen_end(thread, all_lost))
                session->stolen = session->stolen || is_held;
        }
    }
    for (size_t i = 0; i < count; i++)
        sdb_thread_close(threads[i]);
    free(threads);
}
