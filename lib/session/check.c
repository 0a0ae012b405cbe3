/* SPDX-License-Identifier: MIT */
/*
 * What must always hold of all threads of a session between two stops: checked at each wait of a debug
 * build.
 */
#include "session/inside.h"

#ifndef NDEBUG

#include <assert.h>

static void check_queue(const struct sdb_session *session)
{
    const struct sdb_thread *last = NULL;
    size_t queued = 0;

    for (const struct sdb_thread *thread = session->first_queued; thread;
         thread = thread->next_queued) {
        assert(thread->queued);
        assert(sdb__thread_stands(thread) || sdb__thread_has_ended(thread) ||
               thread->process->released);
        last = thread;
        queued++;
    }
    assert(last == session->last_queued);
    for (const struct sdb_process *process = session->held.processes; process;
         process = process->next) {
        for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next)
            queued -= thread->queued;
    }
    assert(queued == 0);
}

static void check_group_stop(const struct sdb_thread *thread)
{
    const unsigned number = thread->process->group_stop;

    assert(thread->told_stop <= thread->joined_stop && thread->joined_stop <= number);
    assert(thread->against_stop <= thread->told_stop && thread->resumed_at <= number);
    assert(!thread->in_group_stop || (!sdb__thread_runs(thread) && thread->joined_stop > 0));
    /* Nobody runs in a group-stop but against it, nor listens in one that was not told. */
    if (thread->doing == SDB__RUNS &&
        (thread->owes_stop_signal || sdb__session_must_join_stop(thread)))
        assert(thread->stop_is_coming);
    if (thread->doing == SDB__LISTENS && thread->process->phase == SDB__PROCESS_HELD)
        assert(thread->stop_is_coming || thread->told_stop == thread->joined_stop);
}

static void check_thread(const struct sdb_thread *thread)
{
    const struct sdb_process *process = thread->process;

    assert(!sdb__thread_wants(thread, SDB__REASON_WORK));
    assert(sdb__thread_wants(thread, SDB__REASON_PAUSE) == (process->pauses > 0));
    /* Whose newborn could not be taken in stands until it is, or the thread has gone. */
    assert(sdb__thread_wants(thread, SDB__REASON_BIRTH) == (thread->birth.kind != SDB_EVENT_NONE));
    assert(thread->birth.kind == SDB_EVENT_NONE || process->session->births_due);
    assert((thread->stop != SDB_EVENT_NONE) == sdb__thread_stands(thread) ||
           sdb__thread_is_gone(thread));
    assert(!thread->queued || !sdb__thread_runs(thread));
    assert(thread->signal_behind == 0 || !sdb__thread_runs(thread));
    check_group_stop(thread);
    if (process->phase != SDB__PROCESS_HELD || process->ended)
        return;
    /* Nobody stands without a reason, and whoever runs with one stops as soon as it can. */
    if (sdb__thread_stands(thread))
        assert(thread->reasons != 0);
    if (sdb__thread_runs(thread) && thread->reasons != 0)
        assert(thread->stop_is_coming || thread->awaits_start ||
               thread->hindrance != SDB__HINDERED_NOT);
}

static void check_process(const struct sdb_session *session, const struct sdb_process *process)
{
    int count = 0;
    int running = 0;

    assert(process->session == session && process->held == &session->held);
    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        assert(thread->process == process);
        assert((sdb__thread_table_find(&session->held.threads, thread->tid) == thread) ==
               !sdb__thread_is_gone(thread));
        count++;
        running += sdb__thread_runs(thread);
        check_thread(thread);
    }
    assert(count == process->thread_count);
    assert(running == process->running_count);
    if (process->phase == SDB__PROCESS_HELD && !process->ended)
        sdb__features_check(process);
}

void sdb__session_check(const struct sdb_session *session)
{
    for (const struct sdb_process *process = session->held.processes; process;
         process = process->next)
        check_process(session, process);
    check_queue(session);
}

#else

void sdb__session_check(const struct sdb_session *session)
{
    (void)session;
}

#endif
