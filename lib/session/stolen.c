/* SPDX-License-Identifier: MIT */
/*
 * What the host has taken away.
 *
 * A waitpid(-1) in another thread of the host takes the stops and ends of held threads too: the kernel
 * reports each once, to whoever asks first.  Nothing tells us.  So when all has been quiet for a while,
 * threads that should run are asked something that only one which stands still answers; and what it is
 * that they did can be had from the kernel afterwards, but for the usage of what was reaped.
 *
 * That a thread is not there proves nothing: one that executes a program has its process's id before the
 * kernel tells of the exec, however long the program takes to be loaded.
 */
#include <stdlib.h>

#include "base/trace.h"
#include "kernel/procfs.h"
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

/* It has ended where nobody could be told, and it is known how. */
static void take_end_alone(struct sdb_thread *thread)
{
    const struct sdb_exit_status end = {.size = sizeof(end),
                                        .pid = thread->tid,
                                        .how = SDB_KILLED,
                                        .code = thread->ended_alone_by,
                                        .flags = SDB_EXIT_NO_USAGE};

    sdb__session_take_end(thread, &end);
}

void sdb__session_lose(struct sdb_thread *thread)
{
    sdb__trace("lost: thread %d", (int)thread->tid);
    sdb__session_take_end(thread, NULL);
}

/* Whether a first thread stands where it is believed to, and not in the stop of an exec. */
static bool stands_as_known(const struct sdb_thread *first)
{
    unsigned long unused;
    int status;

    return sdb__ptrace_message(first->tid, &unused) == 0 &&
           !(sdb__wait_peek_one(first->tid, &status) == 0 && sdb__status_is_exec(status));
}

/*
 * Whether a thread that is not there has not got its process's id by an exec.  If the one that has that
 * id is dead, or stands as before, it is still the first thread.  One that runs is asked to stop: if the
 * other has executed a program the exec comes before that.
 */
static bool has_executed_nothing(struct sdb_thread *thread)
{
    struct sdb_thread *first = thread->process->thread;
    struct sdb__procfs_status status;

    if (sdb__procfs_status(first->tid, &status) < 0 || status.state == 'Z' || status.state == 'X')
        return true;
    if (!sdb__thread_runs(first))
        return sdb__thread_is_gone(first) || stands_as_known(first);
    if (thread->asked_after && !first->stop_is_coming)
        return true;
    thread->asked_after = true;
    (void)sdb__session_ask_to_stop(first);
    return false;
}

/* Whether a thread has gone, but its end was not told. */
static bool take_stolen_end(struct sdb_thread *thread, bool is_lost)
{
    struct sdb_process *process = thread->process;
    struct sdb_exit_status status;
    const bool is_first = thread == process->thread;

    if (thread->ended_alone_by != 0) {
        take_end_alone(thread);
        return false;
    }
    if (!is_lost && sdb__task_is_in(process->pid, thread->tid)) {
        thread->asked_after = false;
        return false;
    }
    if (!is_lost && !is_first && !has_executed_nothing(thread))
        return false;
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
