/* SPDX-License-Identifier: MIT */
/*
 * Features: what can be asked for at the stops of threads (breakpoints, caught system calls, and so on).
 * This is all that a session knows of them.
 *
 * A feature is a table of moments.  The session asks at each moment those that the process uses, in the
 * order of their slots; a process that uses none pays one test.  lib/features.c names them all.
 */
#ifndef SDB_LIB_SESSION_FEATURE_H
#define SDB_LIB_SESSION_FEATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdb/event.h>
#include <sdb/thread.h>

#include "held/held.h"
#include "kernel/status.h"

struct sdb__launch_plan;
struct sdb_session;

/* What a stop comes to. */
enum sdb__verdict {
    SDB__VERDICT_NONE, /* it is what it is */
    SDB__VERDICT_TELL, /* it is an event of the feature's, as the stop says now */
    SDB__VERDICT_PASS, /* nobody wants to know: the thread goes on, without a signal, unless it has a
                          reason to stand */
    SDB__VERDICT_ON,   /* it is in the way of another: the thread goes on at once, and stops for its
                          reasons after that */
    SDB__VERDICT_TRAP, /* the thread has trapped already, which comes next: it goes on at once */
};

/* How far a thread is that is to go on. */
enum sdb__going {
    SDB__GOING_READY, /* resume it */
    SDB__GOING_DONE,  /* the one instruction that it was to execute has been executed */
    SDB__GOING_SEEN,  /* it has gone on and stopped again, which the pump is still to see */
    SDB__GOING_ENDED, /* its end or its exec was seen meanwhile; its handle may be gone, so that the
                         feature has taken SDB__REASON_WORK from it */
    SDB__GOING_STOP,  /* it stands, unresumed, for a signal of its program, as it says now */
};

/* How it shall go on; a feature may change that. */
struct sdb__resume {
    enum sdb_resume how;     /* as its caller sees it */
    enum sdb_resume request; /* of the kernel */
    int signal;              /* that it gets */
};

/* A moment that a feature has nothing to do with is NULL. */
struct sdb__feature {
    unsigned slot; /* its own, and its turn */
    enum sdb_resume
        used_by;         /* a thread that is resumed so uses it; SDB_RESUME_CONTINUE: none does */
    size_t session_size; /* of what it keeps with each of these, zeroed at first */
    size_t process_size;
    size_t thread_size;

    /* A thread has stopped: look what for, and change @p stop, if it is something else. */
    enum sdb__verdict (*look)(struct sdb_thread *thread, struct sdb__stop *stop);

    /*
     * All have looked, the thread shows its program's own place, and its process is held for the caller:
     * say whether the stop is told.  @p verdict is what it has come to so far, @p seen what it was before
     * anybody has changed it.
     */
    enum sdb__verdict (*judge)(struct sdb_thread *thread, struct sdb__stop *stop,
                               const struct sdb__stop *seen, enum sdb__verdict verdict);

    /* Its event is told: fill in what belongs to it. */
    void (*tell)(struct sdb_thread *thread, struct sdb_event *event);

    /* A thread is to go on: get it ready, or do it. */
    enum sdb__going (*resume)(struct sdb_thread *thread, struct sdb__resume *resume);

    /* It runs: what was known of its stop is over. */
    void (*resumed)(struct sdb_thread *thread);

    /* A process was launched into the session, and may not have executed the program yet. */
    void (*launched)(struct sdb_process *process, const struct sdb__launch_plan *plan);

    /*
     * A process was born of another, with a copy of its memory or the same; or one is to be remembered
     * that has no thread any more.  @p parent is the thread that has made it, or NULL: nobody knows.
     *
     * @return 0, or -ENOMEM: it was not born yet, as far as the session knows, and all that it has is
     *         taken from it; the birth comes again
     */
    int (*process_born)(struct sdb_process *newborn, const struct sdb_process *from,
                        const struct sdb_thread *parent);

    /*
     * A process that was born with a copy of the memory of another is let go before it has run, without
     * having been taken in: give back what was changed in that.
     */
    void (*newborn_lost)(pid_t newborn, const struct sdb_process *from);

    /*
     * A thread was born in a process, or with it; it has not run yet.
     *
     * @return 0, or -ENOMEM: as above.  What its stops need is had now: nothing fails then
     */
    int (*thread_born)(struct sdb_thread *newborn);

    /* A process has executed a program, in this thread, which is its only one; its memory is still the
     * one before. */
    void (*executed)(struct sdb_thread *thread);

    /* A thread has ended, or goes. */
    void (*thread_ended)(struct sdb_thread *thread);

    /* A process is the caller's no more: tell nothing of it any more. */
    void (*withdraw)(struct sdb_process *process);

    /* Whether a process that is not the caller's (any more) must be held on. */
    bool (*must_stay)(const struct sdb_process *process);

    /* A process is to be let go, and its threads stand still, if they can: give back what was changed. */
    void (*give_back)(struct sdb_process *process);

    /* A thread that stands is to be let go.  @return whether a SIGTRAP of the feature's may be pending */
    bool (*let_go)(struct sdb_thread *thread);

    /* A process is gone. */
    void (*process_gone)(struct sdb_process *process);

    /* Nobody is held with this memory any more. */
    void (*space_gone)(struct sdb__space *space);

    /* The session waits next, and the feature has asked for this (sdb__feature_set_due()). */
    void (*due)(struct sdb_session *session);

    /* The session ends; no process is held any more. */
    void (*session_ends)(struct sdb_session *session);

    /* Check what must always hold of a process between two stops; asked in debug builds only. */
    void (*check)(const struct sdb_process *process);
};

/* The table of all, by slot. */
struct sdb__features {
    const struct sdb__feature *by_slot[SDB__SLOT_COUNT];
};

/* Which features have to do with what happens at each stop, a bit for each slot. */
struct sdb__moments {
    unsigned look;
    unsigned judge;
    unsigned resume;
    unsigned resumed;
    unsigned used_by[SDB_RESUME_SYSCALL + 1]; /* a thread that is resumed so, by enum sdb_resume */
};

/** Note that a process uses the feature of a slot from now on. */
static inline void sdb__feature_use(struct sdb_process *process, unsigned slot)
{
    process->features |= 1U << slot;
}

/** Have that feature asked before the next wait. */
void sdb__feature_set_due(struct sdb_session *session, unsigned slot);

/* ---- the moments, for the session ---- */

/** Find out how much room all slots need, and who has to do with what. */
void sdb__features_measure(const struct sdb__features *features, struct sdb__slot_sizes *sizes,
                           struct sdb__moments *moments);

enum sdb__verdict sdb__features_look(struct sdb_thread *thread, struct sdb__stop *stop);
enum sdb__verdict sdb__features_judge(struct sdb_thread *thread, struct sdb__stop *stop,
                                      const struct sdb__stop *seen, enum sdb__verdict verdict);
enum sdb__going sdb__features_resume(struct sdb_thread *thread, struct sdb__resume *resume);
void sdb__features_resumed(struct sdb_thread *thread);
void sdb__features_launched(struct sdb_process *process, const struct sdb__launch_plan *plan);
int sdb__features_process_born(struct sdb_process *newborn, const struct sdb_process *from,
                               const struct sdb_thread *parent);
void sdb__features_newborn_lost(struct sdb_session *session, pid_t newborn,
                                const struct sdb_process *from);
int sdb__features_thread_born(struct sdb_thread *newborn);
void sdb__features_executed(struct sdb_thread *thread);
void sdb__features_thread_ended(struct sdb_thread *thread);
void sdb__features_withdraw(struct sdb_process *process);
bool sdb__features_must_stay(const struct sdb_process *process);
void sdb__features_give_back(struct sdb_process *process);
bool sdb__features_let_go(struct sdb_thread *thread);
void sdb__features_process_gone(struct sdb_process *process);
void sdb__features_space_gone(struct sdb_session *session, struct sdb__space *space);
void sdb__features_due(struct sdb_session *session);
void sdb__features_session_ends(struct sdb_session *session);
void sdb__features_check(const struct sdb_process *process);

#endif
