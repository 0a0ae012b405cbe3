/* SPDX-License-Identifier: MIT */
/*
 * What is known of a held thread.
 *
 * Its state is three things, each of which has its own functions, which assert what must hold:
 *  - what the kernel has it do: sdb__thread_set_doing(), and sdb__thread_stop_is_coming();
 *  - why it shall stand: sdb__thread_want() and sdb__thread_unwant();
 *  - what is to be told of it: sdb__thread_set_stop(), and the queue (session/queue.c).
 */
#ifndef SDB_LIB_HELD_THREAD_H
#define SDB_LIB_HELD_THREAD_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdb/event.h>
#include <sdb/thread.h>

#include "held/register_cache.h"
#include "held/slots.h"

struct sdb__feature;

/* What the kernel has a thread do, as far as the session has learnt. */
enum sdb__doing {
    SDB__RUNS,
    SDB__LISTENS, /* it was left in the group-stop of its process (PTRACE_LISTEN) */
    SDB__STANDS,  /* in a stop in which ptrace requests work */
    SDB__ENDED,   /* `status` says how; its id may belong to another by now */
    SDB__LET_GO,  /* it is held no more */
};

/* Why a thread shall stand, or stands.  It goes on only when no reason is left. */
enum sdb__reason {
    SDB__REASON_HOLD = 1, /* for the caller, until it is resumed: it is told, or all were stopped */
    SDB__REASON_INTERRUPT = 2, /* the caller wants the event of an interrupt */
    SDB__REASON_PAUSE = 4,     /* the library does something to its process, for a moment */
    SDB__REASON_WORK = 8,      /* its stop is being looked at, or it is being got ready to go on */
    SDB__REASON_BIRTH = 16,    /* there was no memory yet for the newborn that it has made */
};

/* What keeps a running thread from stopping when it is asked to. */
enum sdb__hindrance {
    SDB__HINDERED_NOT,
    SDB__HINDERED_NOW,     /* it was found so, and may not be any more */
    SDB__HINDERED_BY_VFORK /* it waits for its vfork child; its next stop says that it does no more */
};

/* A birth that a thread has told of. */
struct sdb__birth {
    uint32_t kind; /* of the event, enum sdb_event_kind */
    pid_t tid;     /* of the newborn */
};

struct sdb_thread {
    struct sdb_process *process; /* retained */
    struct sdb_thread *next;     /* in the process's list */
    struct sdb_thread *previous;
    struct sdb_thread *next_in_bucket; /* in the session's table */
    unsigned references;               /* atomic; one is the process's list's */
    pid_t tid;

    /* What the kernel has it do. */
    enum sdb__doing doing;
    enum sdb_resume request; /* by which request of ptrace's it was last resumed */
    enum sdb__hindrance hindrance;
    bool stop_is_coming; /* it was asked to stop, or has something to stop for, and has not since */
    bool request_may_wait; /* of the one before its last stop, which the kernel may still have */
    bool options_due;  /* the kernel has not been told its process's options since they changed */
    bool step_due;     /* a SIGTRAP of its stepping has not come yet */
    bool awaits_start; /* a newborn, whose first stop is still to come */

    /* Group-stops, by the process's number of each (session/group_stop.c); at first 0, which is none. */
    unsigned resumed_at;   /* the process's number when the kernel was last told to resume it */
    unsigned joined_stop;  /* the last one that it has stopped in */
    unsigned told_stop;    /* the last one that it has told */
    unsigned against_stop; /* the last one that the caller has had it run against */
    bool in_group_stop;    /* it stands in one, in which PTRACE_LISTEN can leave it */
    bool
        owes_stop_signal; /* it has taken a SIGSTOP that is still to be told (session/stop_signal.c) */
    struct {
        int code;
        pid_t pid;
        uid_t uid;
        void *value;
        unsigned continues;       /* how many SIGCONTs its process had taken then */
    } stop_signal;                /* of its siginfo_t, which has no more */
    unsigned continues_at_signal; /* the same when it came to stand before a stop signal */

    /* Why it shall stand. */
    uint8_t reasons; /* enum sdb__reason */

    /* What is to be told of it. */
    bool queued; /* that has not been told yet */
    struct sdb_thread *next_queued;
    uint32_t stop;     /* enum sdb_event_kind of where it stands; NONE while it runs */
    int signal;        /* that goes with it */
    int signal_behind; /* it stands before this signal, which is told after what is told now; or 0 */
    pid_t former_tid;
    struct sdb_thread *newborn;        /* that it has made, retained */
    struct sdb__birth birth;           /* the same while there is no memory for that; or NONE */
    const struct sdb__feature *teller; /* whose event it is; or NULL: the session's own */

    /* How it came to where it is. */
    enum sdb_resume how; /* it was resumed by the caller so */
    uint32_t came_from;  /* and out of this stop */

    /* What has been noticed on the way to its end. */
    int ended_alone_by; /* a signal that it has ended by while it was not held; or 0 */
    bool missing;       /* no task had its id when it was looked for */
    bool asked_after;   /* that had to be proven, by a stop of its process's first thread */
    bool dying; /* it was to be let go, and is still to be waited for: for its end, or a trap */

    struct sdb__register_cache registers;
    struct sdb_exit_status status; /* how it has ended */
    void *data;                    /* the caller's */
    void *slots[SDB__SLOT_COUNT];  /* the features' */
};

/** @return a running thread with one reference, in its process's list and its session's table */
int sdb__thread_create(struct sdb_process *process, pid_t tid, struct sdb_thread **thread);

/** Take a thread out of its process: it has ended and was told, or is let go. */
void sdb__thread_gone(struct sdb_thread *thread);

/** Note that it has ended.  @param status  how, or NULL: nobody knows */
void sdb__thread_ended(struct sdb_thread *thread, const struct sdb_exit_status *status);

/* ---- what the kernel has it do ---- */

/** Note it.  Who has ended or was let go does nothing else any more. */
void sdb__thread_set_doing(struct sdb_thread *thread, enum sdb__doing doing);

static inline bool sdb__thread_runs(const struct sdb_thread *thread)
{
    return thread->doing <= SDB__LISTENS;
}

static inline bool sdb__thread_stands(const struct sdb_thread *thread)
{
    return thread->doing == SDB__STANDS;
}

static inline bool sdb__thread_has_ended(const struct sdb_thread *thread)
{
    return thread->doing == SDB__ENDED;
}

static inline bool sdb__thread_is_gone(const struct sdb_thread *thread)
{
    return thread->doing >= SDB__ENDED;
}

/** Note whether it stops soon by itself, so that it need not be asked. */
static inline void sdb__thread_stop_is_coming(struct sdb_thread *thread, bool is_coming)
{
    assert(!is_coming || !sdb__thread_is_gone(thread));
    thread->stop_is_coming = is_coming;
}

/* ---- why it shall stand ---- */

/** Give it a reason; one that runs is to be asked to stop, see sdb__session_ask_to_stop(). */
static inline void sdb__thread_want(struct sdb_thread *thread, enum sdb__reason reason)
{
    thread->reasons |= (uint8_t)reason;
}

/** Take a reason from it. */
static inline void sdb__thread_unwant(struct sdb_thread *thread, enum sdb__reason reason)
{
    /* What is still to be told keeps it standing. */
    assert(reason != SDB__REASON_HOLD || !thread->queued || !sdb__thread_stands(thread));
    thread->reasons &= (uint8_t)~reason;
}

static inline bool sdb__thread_wants(const struct sdb_thread *thread, enum sdb__reason reason)
{
    return thread->reasons & reason;
}

/** @return whether it stands for the library alone: for the caller it runs */
static inline bool sdb__thread_pauses(const struct sdb_thread *thread)
{
    return sdb__thread_stands(thread) && !(thread->reasons & (SDB__REASON_HOLD | SDB__REASON_WORK));
}

/* ---- what is to be told of it ---- */

/** Note what its stop is. */
static inline void sdb__thread_set_stop(struct sdb_thread *thread, uint32_t kind, int signal)
{
    /* Where it stands, and nowhere else, it is stopped for something. */
    assert((kind != SDB_EVENT_NONE) == sdb__thread_stands(thread));
    thread->stop = kind;
    thread->signal = signal;
}

/** Note that it stands in its stop no more, although it was not resumed: it was killed, or replaced. */
void sdb__thread_stands_no_more(struct sdb_thread *thread);

/** The signal that reaches it if nobody says otherwise, or 0. */
int sdb__thread_pending_signal(const struct sdb_thread *thread);

#endif
