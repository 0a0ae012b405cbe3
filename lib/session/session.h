/* SPDX-License-Identifier: MIT */
/*
 * Sessions from the inside: what is held, the queue of what is to be told, and the pump that takes
 * wait statuses from the kernel and makes stops and ends of them.
 *
 * session.c has the session's beginning and end, session_wait.c the queue and the wait, session_pump.c
 * the pump, session_newborn.c what it does about newborns and exec, session_gather.c stopping all
 * threads, session_stolen.c how it notices what the host has taken away, session_thread.c the
 * session's own thread; session_launch.c, session_attach.c and session_detach.c are the ways into and
 * out of it.
 */
#ifndef SDB_LIB_SESSION_SESSION_H
#define SDB_LIB_SESSION_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>

#include <sdb/session.h>

#include "base/deadline.h"
#include "held/process.h"
#include "held/thread_table.h"
#include "kernel/waiter.h"
#include "session/event.h"

struct sdb__orphan;
struct sdb__session_thread;

struct sdb_session {
    struct sdb__waiter *waiter;
    struct sdb_process *processes;
    struct sdb__thread_table threads;
    struct sdb_thread *first_queued;
    struct sdb_thread *last_queued;
    struct sdb_thread *told_end; /* whose end was told last: it goes at the next wait */
    bool some_departed;          /* `departed` is meant */
    struct sdb__policies
        departed; /* of the last process that has ended and had its newborns held */
    struct sdb__space *departed_space; /* what was planted in its memory, or NULL */
    struct sdb__orphan *orphans;       /* statuses of threads that are not known, or not yet */
    uint8_t signal_policies[NSIG];     /* enum sdb_signal_policy */

    pid_t stop_to_take; /* whose stop was looked at last, and is still there; or 0 */
    bool stolen;        /* that something was, is still to be told */

    /* Fairness, see session_wait.c. */
    unsigned statuses;      /* since the last look at all */
    unsigned most_statuses; /* before the next */

    struct sdb_breakpoint *breakpoints;
    bool some_restore_due; /* see trap_signal.h */
    struct sdb_watchpoint *watchpoints;

    struct sdb__session_thread *own; /* its own thread, or NULL */
    uint8_t *mark; /* a page that the kernel empties in a forked child: 1 where we were created */
    size_t mark_size;
};

/** One session a thread: this is how the tracer thread is known.  Every call looks at it. */
extern _Thread_local struct sdb_session *sdb__session_of_this_thread
    __attribute__((tls_model("initial-exec")));

/** @return whether this is a forked child's copy of the session */
static inline bool sdb__session_is_copy(const struct sdb_session *session)
{
    return *session->mark != 1;
}

/** @return whether the caller is the session's tracer thread; without a system call */
static inline bool sdb__session_is_ours(const struct sdb_session *session)
{
    /* In a forked child the first is as it was in the thread that forked; the second is not. */
    return session == sdb__session_of_this_thread && !sdb__session_is_copy(session);
}

/* ---- beginning and end (session.c) ---- */

/** Create the session of the calling thread. */
int sdb__session_begin(uint64_t flags, struct sdb_session **session);

/** End the session of the calling thread, or a forked child's copy. */
void sdb__session_end(struct sdb_session *session);

/* ---- the queue and the wait (session_wait.c) ---- */

/** Have the thread's stop or end told, after all that is to be told already. */
void sdb__session_enqueue(struct sdb_session *session, struct sdb_thread *thread);

/** Take a process that ended or was let go out of the session; its handle may die here. */
void sdb__session_remove(struct sdb_process *process);

/** Forget the stops of a process's threads that wait to be told. */
void sdb__session_unqueue(struct sdb_process *process);

/** The same of one thread, if it is queued. */
void sdb__session_unqueue_thread(struct sdb_thread *thread);

/** Do what sdb_session_wait() does, without its checks. */
int sdb__session_wait(struct sdb_session *session, const struct sdb__deadline *deadline,
                      struct sdb_event *event);

/* ---- the pump (session_pump.c) ---- */

/**
 * Take one status from the kernel and deal with it.
 *
 * @return 0, -ETIMEDOUT, -EINTR (only if @p heeds_interrupt) or another negative errno
 */
int sdb__session_pump(struct sdb_session *session, const struct sdb__deadline *deadline,
                      bool heeds_interrupt);

/** Take all statuses that are there by now.  @return whether there were any */
bool sdb__session_drain(struct sdb_session *session);

/** Deal with one status. */
void sdb__session_take(struct sdb_session *session, pid_t tid, int status,
                       const struct rusage *usage);

/**
 * Look at the time and the interrupt although there is always something.
 *
 * @return 0, -ETIMEDOUT, or -EINTR (only if @p heeds_interrupt)
 */
int sdb__session_is_over(struct sdb_session *session, const struct sdb__deadline *deadline,
                         bool heeds_interrupt);

/** Take the stop that was looked at last, if the thread stands in it still: it would be seen again. */
void sdb__session_take_last_stop(struct sdb_session *session);

/* ---- stopping all (session_gather.c) ---- */

/**
 * Have all threads of a process stand still, as far as they can.
 *
 * @return 0, also if the process has ended; or as sdb__session_pump()
 */
int sdb__session_gather(struct sdb_process *process, const struct sdb__deadline *deadline,
                        bool heeds_interrupt);

/**
 * Have all threads of a process stand still for a moment, as far as they can, without an event of that.
 * It can be done within itself.  Threads that cannot stop yet are not waited for; those that stop for
 * reasons of their own meanwhile are queued, and stay.  For the caller of the library those that only
 * pause still run.
 *
 * @return 0: sdb__session_unpause() has to follow; or nothing is paused:
 *         -ESRCH  the process has ended, or was let go; or as sdb__session_pump()
 */
int sdb__session_pause(struct sdb_process *process);

/**
 * Have exactly those threads go on, as they did, that pause; with the last of the unpauses.  What was
 * asked of one meanwhile (an interrupt) is done.
 */
void sdb__session_unpause(struct sdb_process *process);

/** Have a thread that stands still, and is not queued, go on as it did, now or at the end of the pause. */
void sdb__session_go_on(struct sdb_thread *thread);

/* ---- newborns and exec (session_newborn.c) ---- */

/** Take the newborn of a stop into the session, and what it has done already. */
void sdb__session_claim(struct sdb_session *session, struct sdb_thread *parent,
                        const struct sdb__stop *stop);

/** @return whether a process's newborns of this kind of event are held for the caller */
static inline bool sdb__session_wants_birth(const struct sdb_process *process, uint32_t kind)
{
    switch (kind) {
    case SDB_EVENT_FORK:
        return process->policies.follow & SDB_FOLLOW_FORK;
    case SDB_EVENT_VFORK:
    case SDB_EVENT_VFORK_DONE:
        return process->policies.follow & SDB_FOLLOW_VFORK;
    default:
        return true;
    }
}

/** Keep the status of a thread that is not known. */
void sdb__session_keep_orphan(struct sdb_session *session, pid_t tid, int status,
                              const struct rusage *usage);

/** Take in the newborns whose parent can tell of them no more, as the process has ended or executed. */
void sdb__session_adopt(struct sdb_process *process);

/** @return whether there are unknown threads whose parent may have ended */
bool sdb__session_has_orphans(const struct sdb_session *session);

/**
 * When no process is held any more: whether there are newborns of those that have ended.  Their first
 * stop may still be to come, and is waited for.
 */
bool sdb__session_newborns_are_due(struct sdb_session *session);

/** Take in those of them whose parent has ended.  @return whether there were any */
bool sdb__session_adopt_orphans(struct sdb_session *session);

/**
 * Note that a process has executed a program: its other threads are gone.
 *
 * @param thread  the thread that has the process's id
 * @return the thread that executed it
 */
struct sdb_thread *sdb__session_take_exec(struct sdb_thread *thread, const struct sdb__stop *stop);

void sdb__session_free_orphans(struct sdb_session *session);

/* ---- what the host has taken away (session_stolen.c) ---- */

/**
 * Look for what held threads have done without the session being told, and take it from what the kernel
 * still knows.
 *
 * @param all_lost  the kernel says that the tracer thread has no tracee at all
 */
void sdb__session_look_for_stolen(struct sdb_session *session, bool all_lost);

/** Note that a thread is not held any more, although nothing has told so. */
void sdb__session_lose(struct sdb_thread *thread);

/* ---- the ways out (session_detach.c) ---- */

/** Let a process go, see sdb_process_detach(). */
int sdb__session_detach(struct sdb_process *process, enum sdb_release how,
                        struct sdb_child **child);

/** Let a process go, with each of its threads as soon as that stands still. */
void sdb__session_begin_to_leave(struct sdb_process *process);

/** Let a thread go that stands still, as its process is leaving. */
void sdb__session_let_go(struct sdb_thread *thread);

/** Take a process out that is leaving, if all of its threads have gone. */
void sdb__session_remove_if_gone(struct sdb_process *process);

/** Let a process go that stands at its exec, as its follow policy says.  @return whether it went */
bool sdb__session_release_at_exec(struct sdb_process *process);

int sdb__session_kill(struct sdb_process *process);

/** Take a process out that an attach has failed to hold, and let go what is held of it. */
void sdb__session_give_up(struct sdb_process *process);

/** Do with every process what its release policy says. */
void sdb__session_release_all(struct sdb_session *session);

/* ---- its own thread (session_thread.c) ---- */

int sdb__session_thread_start(const struct sdb_session_options *options,
                              struct sdb_session **session);

/** End the thread, and the session with it.  @return 0 or -EDEADLK */
int sdb__session_thread_end(struct sdb_session *session);

/** Free what is left of it in a forked child. */
void sdb__session_thread_forget(struct sdb_session *session);

#endif
