/* SPDX-License-Identifier: MIT */
/**
 * Events: what sdb_session_wait() reports.
 */
#ifndef SDB_EVENT_H
#define SDB_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/child.h>
#include <sdb/export.h>
#include <sdb/process.h>
#include <sdb/thread.h>

SDB_BEGIN_DECLS

/** The kinds of events.  After all but EXITED the thread stands still.  Since 0.1. */
enum sdb_event_kind {
    SDB_EVENT_NONE = 0,

    /* A signal has come for the thread and has not reached it yet (signal-delivery-stop).  `signal`
     * is its number; resuming delivers it unless told otherwise. */
    SDB_EVENT_SIGNAL = 1,

    /* The process was stopped, by SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU: `signal` says which
     * (group-stop).  Resuming lets it stay stopped, as it should be, until it gets a SIGCONT. */
    SDB_EVENT_GROUP_STOP = 2,

    /* A SIGCONT has ended the group-stop.  The SIGCONT itself follows as a SIGNAL event. */
    SDB_EVENT_GROUP_CONTINUE = 3,

    /* sdb_thread_interrupt() has stopped it. */
    SDB_EVENT_INTERRUPT = 4,

    /* One instruction was executed (SDB_RESUME_STEP). */
    SDB_EVENT_STEP = 5,

    /* The process has executed another program, and stands before its first instruction. */
    SDB_EVENT_EXEC = 6,

    /* The process has ended; `status` says how, and what it used.  It was reaped. */
    SDB_EVENT_EXITED = 7,
};

/** One event.  Initialise with SDB_EVENT_INIT; it can be used again and again.  Since 0.1. */
struct sdb_event {
    size_t size;   /* sizeof(struct sdb_event) */
    uint32_t kind; /* enum sdb_event_kind */
    int32_t signal;
    struct sdb_process *process; /* whose event it is */
    struct sdb_thread *thread;
    const struct sdb_exit_status *status; /* EXITED: how; else NULL.  Lives as long as process */
};

#define SDB_EVENT_INIT                                                                             \
    {                                                                                              \
        sizeof(struct sdb_event), 0, 0, NULL, NULL, NULL                                           \
    }

/**
 * Resume the thread of an event in the ordinary way: a signal that was coming is delivered, a
 * stopped process stays stopped until it gets a SIGCONT, anything else goes on.  After EXITED there
 * is nothing to resume, and nothing happens.
 *
 * @return 0, or what sdb_thread_resume() returns
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_event_resume(const struct sdb_event *event);

/**
 * @param kind  one of enum sdb_event_kind
 * @return its name in words ("group-stop"), or "unknown event"
 *
 * Any thread.  Since 0.1.
 */
SDB_API const char *sdb_event_name(uint32_t kind);

SDB_END_DECLS

#endif
