/* SPDX-License-Identifier: MIT */
/*
 * Threads: their handles, and what is known of one.
 */
#include "held/thread.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "held/held.h"

int sdb__thread_create(struct sdb_process *process, pid_t tid, struct sdb_thread **thread)
{
    struct sdb_thread *created = sdb__slots_allocate(
        sizeof(*created), offsetof(struct sdb_thread, slots), process->held->slot_sizes.of_thread);

    if (!created)
        return -ENOMEM;
    created->tid = tid;
    if (sdb__thread_table_add(&process->held->threads, created) < 0) {
        free(created);
        return -ENOMEM;
    }
    created->references = 1;
    created->process = sdb_process_retain(process);
    created->next = process->threads;
    if (process->threads)
        process->threads->previous = created;
    process->threads = created;
    process->thread_count++;
    process->running_count++;
    if (process->pauses > 0)
        sdb__thread_want(created, SDB__REASON_PAUSE);
    *thread = created;
    return 0;
}

void sdb__thread_gone(struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;

    if (!sdb__thread_is_gone(thread))
        sdb__thread_set_doing(thread, SDB__LET_GO);
    sdb_thread_close(thread->newborn);
    thread->newborn = NULL;
    if (process->held)
        sdb__thread_table_remove(&process->held->threads, thread);
    if (thread->previous)
        thread->previous->next = thread->next;
    else
        process->threads = thread->next;
    if (thread->next)
        thread->next->previous = thread->previous;
    thread->next = NULL;
    thread->previous = NULL;
    process->thread_count--;
    sdb_thread_close(thread);
}

void sdb__thread_ended(struct sdb_thread *thread, const struct sdb_exit_status *status)
{
    const struct sdb_exit_status unknown = {.size = sizeof(unknown),
                                            .pid = thread->tid,
                                            .how = SDB_EXITED,
                                            .code = -1,
                                            .flags = SDB_EXIT_NO_USAGE};

    /* Others may get its id from now on. */
    sdb__thread_table_remove(&thread->process->held->threads, thread);
    thread->status = status ? *status : unknown;
    sdb__thread_set_doing(thread, SDB__ENDED);
}

/* ---- what the kernel has it do ---- */

void sdb__thread_set_doing(struct sdb_thread *thread, enum sdb__doing doing)
{
    struct sdb_process *process = thread->process;

    assert(!sdb__thread_is_gone(thread));
    if (sdb__thread_runs(thread))
        process->running_count--;
    thread->doing = doing;
    if (sdb__thread_runs(thread))
        process->running_count++;
    assert(process->running_count >= 0 && process->running_count <= process->thread_count);
}

/* ---- what is to be told of it ---- */

void sdb__thread_stands_no_more(struct sdb_thread *thread)
{
    sdb__thread_set_doing(thread, SDB__RUNS);
    sdb__thread_set_stop(thread, SDB_EVENT_NONE, 0);
    thread->in_group_stop = false;
    thread->signal_behind = 0;
}

int sdb__thread_pending_signal(const struct sdb_thread *thread)
{
    if (thread->signal_behind != 0)
        return thread->signal_behind;
    return thread->stop == SDB_EVENT_GROUP_STOP ? 0 : thread->signal;
}

/* ---- handles ---- */

int32_t sdb_thread_tid(const struct sdb_thread *thread)
{
    return thread ? thread->tid : -EINVAL;
}

struct sdb_process *sdb_thread_process(const struct sdb_thread *thread)
{
    return thread ? thread->process : NULL;
}

enum sdb_thread_state sdb_thread_state(const struct sdb_thread *thread)
{
    /* One whose process was detached may not have gone yet, but has for the caller. */
    if (!thread || sdb__thread_is_gone(thread) || sdb__process_is_hidden(thread->process))
        return SDB_THREAD_GONE;
    /* For the caller it runs until its stop has been told, or the process was stopped as a whole. */
    if (sdb__thread_runs(thread) || sdb__thread_pauses(thread) ||
        (thread->queued && !thread->process->gathered))
        return SDB_THREAD_RUNNING;
    return SDB_THREAD_STOPPED;
}

void sdb_thread_set_data(struct sdb_thread *thread, void *data)
{
    if (thread)
        thread->data = data;
}

void *sdb_thread_data(const struct sdb_thread *thread)
{
    return thread ? thread->data : NULL;
}

struct sdb_thread *sdb_thread_retain(struct sdb_thread *thread)
{
    if (thread)
        __atomic_add_fetch(&thread->references, 1, __ATOMIC_RELAXED);
    return thread;
}

void sdb_thread_close(struct sdb_thread *thread)
{
    if (!thread || __atomic_sub_fetch(&thread->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    sdb__registers_forget(thread);
    sdb_process_close(thread->process);
    free(thread);
}
