/* SPDX-License-Identifier: MIT */
/*
 * Sessions, for those who stand above: the session itself, who may ask for what, stopping a process for
 * a moment, and having a thread go on.  What only the session's own files share is in session/inside.h.
 */
#ifndef SDB_LIB_SESSION_SESSION_H
#define SDB_LIB_SESSION_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <sdb/error.h>
#include <sdb/session.h>

#include "held/held.h"
#include "session/feature.h"
#include "session/orphans.h"

struct sdb__session_thread;
struct sdb__waiter;

struct sdb_session {
    struct sdb__held held;
    const struct sdb__features *features;
    struct sdb__moments moments;
    unsigned due; /* those that are to be asked before the next wait, a bit for each slot */
    struct sdb__waiter *waiter;

    /* What is to be told, see queue.c. */
    struct sdb_thread *first_queued;
    struct sdb_thread *last_queued;
    struct sdb_thread *told_end;   /* whose end was told last: it goes at the next wait */
    uint8_t signal_policies[NSIG]; /* enum sdb_signal_policy */

    /* Newborns whose parent has not told of them, see newborn.c and orphans.c. */
    struct sdb__orphans orphans;  /* statuses of threads that are not known, or not yet */
    unsigned orphan_turns;        /* counts the statuses that came while there were any */
    struct sdb_process *departed; /* the last process that has ended and had its newborns held, for
                                     what they have from it; or NULL */
    struct sdb__space *spare_space; /* for an exec when there is no memory; or NULL: that was so */
    bool births_due;                /* some could not be taken in yet, see due_births.c */
    bool ends;                      /* nothing can be put off any more */

    pid_t stop_to_take; /* whose stop was looked at last, and is still there; or 0 */
    bool stolen;        /* that something was, is still to be told */

    /* Fairness, see wait.c. */
    unsigned statuses;      /* since the last look at all */
    unsigned most_statuses; /* before the next */

    struct sdb__session_thread *own; /* its own thread, or NULL */
    uint8_t *mark; /* a page that the kernel empties in a forked child: 1 where we were created */
    size_t mark_size;
    void *slots[SDB__SLOT_COUNT];
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

/**
 * Do what sdb_session_create() does.
 *
 * @param features  all that there are
 */
int sdb__session_create(const struct sdb__features *features,
                        const struct sdb_session_options *options, struct sdb_session **session);

/* ---- what a caller may ask for (process.c, thread.c) ---- */

/** @return 0, -EINVAL (NULL), -SDB_EWRONGTHREAD, or -ESRCH: it has ended, was let go, or is leaving */
int sdb__process_check_caller(const struct sdb_process *process);

/** @return whether the process is held and the caller is its session's tracer thread */
static inline bool sdb__process_is_ours(const struct sdb_process *process)
{
    /* A process that is gone is nobody's, and any thread may hear so. */
    return !process->session || sdb__session_is_ours(process->session);
}

/**
 * Whether the caller may ask something of a thread: at all, if it stands still, or only if it has also
 * been told why, which it has not yet been of all that stand still when a process is stopped as a whole.
 *
 * @return 0, -EINVAL (NULL), -SDB_EWRONGTHREAD, -ESRCH (gone), or -EBUSY (it runs, or is to be told)
 */
int sdb__thread_check_caller(const struct sdb_thread *thread);
int sdb__thread_check_stopped(const struct sdb_thread *thread);
int sdb__thread_check_told(const struct sdb_thread *thread);

/** Have the kernel's options say what the process's policies do.  @return 0 or a negative errno */
int sdb__process_apply_options(struct sdb_process *process);

/* ---- going on (resume.c) ---- */

/**
 * Have a thread go on that the caller resumes.
 *
 * @param signal  that it gets, 0: none; or SDB_SIGNAL_PASS: nothing is changed, the signal that was
 *                coming is delivered, a group-stop kept if it continues
 * @return 0; a thread that was killed meanwhile counts as resumed
 */
int sdb__session_resume(struct sdb_thread *thread, enum sdb_resume how, int signal);

/** The thread's event has nothing to tell any more: it goes on, unless it has a reason to stand. */
void sdb__session_untell(struct sdb_thread *thread);

/** Note that it runs, in the way in which it was last resumed; its next stop may be there already. */
void sdb__session_runs_unseen(struct sdb_thread *thread);

/* ---- group-stops (group_stop.c) ---- */

/** Note that the kernel resumes a thread: what comes next has come after what is known now. */
static inline void sdb__session_note_resumed(struct sdb_thread *thread)
{
    thread->resumed_at = thread->process->group_stop;
}

/**
 * Note what a stop that PTRACE_SEIZE has brought (PTRACE_EVENT_STOP) says of the process.
 *
 * @param is_stopped  whether it is in a group-stop
 */
void sdb__session_note_group_stop(struct sdb_thread *thread, bool is_stopped);

/* ---- stopping a process for a moment (gather.c) ---- */

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

/** Have exactly those threads go on, as they did, that pause; with the last of the unpauses. */
void sdb__session_unpause(struct sdb_process *process);

/* ---- who has the same memory (sharers.c) ---- */

/**
 * Find processes that have the memory of this one too, but are not known to: children of a vfork(2) from
 * before it was held, or its parents, or whom clone(2) has made with CLONE_VM.  Those that are not held
 * are, and go on without a word to the caller, until they have executed a program or ended, or no feature
 * needs them any more.
 *
 * @param process  which has a thread that lives; its newborns are reported
 * @return 1: there were some, so that it is to be looked again, as they may have others; 0: there is
 *         nobody, or it cannot be told (no /proc, no kcmp(2)); or
 *         -EBUSY  one is there that cannot be held; or -ENOMEM, -EMFILE, -ENFILE, -EAGAIN
 */
int sdb__session_find_sharers(struct sdb_process *process);

/* ---- statuses that others deal with ---- */

/**
 * Wait for a thread's next stop or its end, and leave the status where it is (await.c).
 *
 * A wait in the kernel for this one thread would not always end.  The end of a process's first thread is
 * reported only when all others have been reaped, which is the session's to do, later; when another
 * thread executes a program, it is not reported at all; and a stop that the host has taken away is not
 * reported again.  A wait for any thread would end all the time, for what is not taken here.  So it is
 * looked for, with longer and longer breaks.
 *
 * @param thread  any of the session
 * @return 0 or -ESRCH
 */
int sdb__session_await(struct sdb_thread *thread, pid_t tid, int *status);

/**
 * A thread that runs for the library stands before a SIGSTOP, which it shall not be given now
 * (stop_signal.c): it is told as soon as the thread goes on.
 */
void sdb__session_owe_stop_signal(struct sdb_thread *thread);

/** Take the stop that was looked at last, if it is this thread's (resume.c): it is not to be seen again. */
void sdb__session_take_stop_of(struct sdb_thread *thread);

/** The same where the stop is taken otherwise. */
static inline void sdb__session_forget_stop_of(struct sdb_session *session, pid_t tid)
{
    if (session->stop_to_take == tid)
        session->stop_to_take = 0;
}

/**
 * Say what a status is that came of a thread which ran for others (newborn.c).
 *
 * @return 0, or -ESRCH: it was killed just now
 */
int sdb__session_decode(const struct sdb_thread *thread, int status, struct sdb__stop *stop);

/** Take the newborn of a stop into the session, and what it has done already. */
void sdb__session_claim(struct sdb_session *session, struct sdb_thread *parent,
                        const struct sdb__stop *stop);

#endif
