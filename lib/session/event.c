/* SPDX-License-Identifier: MIT */
/*
 * Events: what is told of a stop or an end.
 */
#include <sdb/process.h>

#include "base/trace.h"
#include "session/inside.h"

/* Whether it is the event of a process that was let go at its exec. */
static bool tells_release(const struct sdb_thread *thread)
{
    return thread->process->released && thread == thread->process->thread;
}

static uint32_t kind_of(const struct sdb_thread *thread)
{
    if (tells_release(thread))
        return SDB_EVENT_RELEASED;
    if (!sdb__thread_has_ended(thread))
        return thread->stop;
    return thread == thread->process->thread ? SDB_EVENT_EXITED : SDB_EVENT_THREAD_EXIT;
}

static void trace_event(const struct sdb_event *event)
{
    if (event->signal > 0)
        sdb__trace("event: %s %d of thread %d of process %d", sdb_event_name(event->kind),
                   event->signal, event->thread->tid, event->process->pid);
    else if (event->new_thread)
        sdb__trace("event: %s of thread %d of process %d: new %s %d", sdb_event_name(event->kind),
                   event->thread->tid, event->process->pid,
                   event->new_process == event->process ? "thread" : "process",
                   event->new_thread->tid);
    else if (event->status)
        sdb__trace("event: %s of thread %d of process %d: %s %d", sdb_event_name(event->kind),
                   event->thread->tid, event->process->pid,
                   event->status->how == SDB_KILLED ? "signal" : "code", event->status->code);
    else
        sdb__trace("event: %s of thread %d of process %d", sdb_event_name(event->kind),
                   event->thread->tid, event->process->pid);
}

/* What goes with some stops only. */
static void add_details(struct sdb_thread *thread, struct sdb_event *event)
{
    if (thread->newborn) {
        event->new_thread = thread->newborn;
        event->new_process = thread->newborn->process;
    }
    if (thread->teller)
        thread->teller->tell(thread, event);
}

void sdb__session_tell(struct sdb_session *session, struct sdb_thread *thread,
                       struct sdb_event *event)
{
    struct sdb_process *process = thread->process;
    const bool is_release = tells_release(thread);
    const bool is_stop = sdb__thread_stands(thread);

    /* Each member, as it is done for every stop: what is left out would be cleared by a loop. */
    event->kind = kind_of(thread);
    event->signal = is_stop ? thread->signal : 0;
    event->process = process;
    event->thread = thread;
    event->status = sdb__thread_has_ended(thread) && !is_release ? &thread->status : NULL;
    event->new_process = NULL;
    event->new_thread = NULL;
    event->child = is_release ? process->child : NULL;
    event->former_tid = is_stop ? thread->former_tid : 0;
    event->value_size = 0;
    event->address = 0;
    event->breakpoint = NULL;
    event->watchpoint = NULL;
    event->old_value = NULL;
    event->new_value = NULL;
    if (is_stop)
        add_details(thread, event);
    else
        session->told_end = thread;
    if (is_release)
        process->child = NULL;
    if (sdb__tracing())
        trace_event(event);
}

const char *sdb_event_name(uint32_t kind)
{
    static const char *const names[] = {
        [SDB_EVENT_NONE] = "no event",
        [SDB_EVENT_SIGNAL] = "signal",
        [SDB_EVENT_GROUP_STOP] = "group-stop",
        [SDB_EVENT_GROUP_CONTINUE] = "end of group-stop",
        [SDB_EVENT_INTERRUPT] = "interrupt",
        [SDB_EVENT_STEP] = "step",
        [SDB_EVENT_SYSCALL_ENTRY] = "system call entry",
        [SDB_EVENT_SYSCALL_EXIT] = "system call exit",
        [SDB_EVENT_FORK] = "fork",
        [SDB_EVENT_VFORK] = "vfork",
        [SDB_EVENT_CLONE] = "clone",
        [SDB_EVENT_VFORK_DONE] = "vfork done",
        [SDB_EVENT_START] = "start",
        [SDB_EVENT_EXEC] = "exec",
        [SDB_EVENT_THREAD_EXIT] = "thread exit",
        [SDB_EVENT_EXITED] = "exit",
        [SDB_EVENT_RELEASED] = "release",
        [SDB_EVENT_BREAKPOINT] = "breakpoint",
        [SDB_EVENT_WATCHPOINT] = "watchpoint",
    };

    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown event";
}
