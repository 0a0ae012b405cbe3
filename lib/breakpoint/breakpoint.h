/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints from the inside: the handles, and what a thread has to do with them at its stops and when
 * it goes on.
 *
 * breakpoint.c has the handles, breakpoint_site.c the places, breakpoint_hit.c the stops of threads,
 * breakpoint_leave.c how they go on from a site, breakpoint_rseq.c
 * whether that is in a restartable sequence, breakpoint_births.c what becomes of processes that are
 * born with planted bytes and of those that are let go; scratch.c the pages where displaced
 * instructions run.
 */
#ifndef SDB_LIB_BREAKPOINT_BREAKPOINT_H
#define SDB_LIB_BREAKPOINT_BREAKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/breakpoint.h>

#include "breakpoint/site.h"
#include "session/event.h"

struct sdb__hardware_place;
struct sdb_session;
struct sdb_process;

struct sdb_breakpoint {
    struct sdb_session *session;
    struct sdb_breakpoint *next; /* in the session's list */
    struct sdb_breakpoint *previous;
    unsigned references; /* one is the session's; more while its condition is asked */
    bool removed;
    bool enabled;
    bool listed; /* among the hits of a thread */
    uint64_t flags;
    sdb_breakpoint_condition *condition;
    void *condition_data;
    struct sdb_thread *thread; /* retained, or NULL */
    uint64_t ignore_count;
    uint64_t hit_count;
    struct sdb__location *locations;
    struct sdb__hardware_place *places; /* with SDB_BREAKPOINT_HARDWARE */
    void *data;
};

/* ---- handles (breakpoint.c) ---- */

/** Drop a reference. */
void sdb__breakpoint_close(struct sdb_breakpoint *breakpoint);

/** Add a breakpoint to a site.  @return 0 or -ENOMEM */
int sdb__breakpoint_add_location(struct sdb_breakpoint *breakpoint, struct sdb__site *site);

/** Take all locations out that are in an address space which nobody is held with any more. */
void sdb__breakpoint_forget_space(struct sdb__space *space);

/** Free all of a session's. */
void sdb__breakpoint_free_all(struct sdb_session *session);

/* ---- stops (breakpoint_hit.c) ---- */

/** What a stop of a thread has turned out to be. */
enum sdb__breakpoint_verdict {
    SDB__BREAKPOINT_NONE, /* nothing of ours: @p stop says what it is */
    SDB__BREAKPOINT_TOLD, /* a hit, as @p stop says now */
    SDB__BREAKPOINT_AGAIN, /* it has trapped already, which comes after this, or it was killed: resume
                              it at once */
    SDB__BREAKPOINT_PASS, /* nobody wants it: the thread shall go on as it went, without a signal */
};

/**
 * Look at a stop: show the program's own place where the thread stands in a scratch page, and find out
 * whether it is a hit.
 *
 * @param was_listening  it has not left its group-stop since it was looked at last
 */
enum sdb__breakpoint_verdict sdb__breakpoint_look(struct sdb_thread *thread, struct sdb__stop *stop,
                                                  bool was_listening);

/** Count a hit of a breakpoint by a thread, if it is one, and note that it is to be told. */
void sdb__breakpoint_ask(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread);

/** A signal handler will bring the thread back to a site that it has hit already. */
void sdb__breakpoint_expect_again(struct sdb_thread *thread, struct sdb__site *site,
                                  uint64_t stack_pointer);

/** It stands there, again or to go on.  @return whether that was expected; it is not any more */
bool sdb__breakpoint_take_repetition(struct sdb_thread *thread, const struct sdb__site *site);

/** Forget what a thread's stop had to do with breakpoints; the process executes another program. */
void sdb__breakpoint_forget_thread(struct sdb_thread *thread);

/* ---- going on (breakpoint_leave.c) ---- */

/** How a thread goes on from where it stands. */
enum sdb__leave_verdict {
    SDB__LEAVE_GO,   /* it is where it shall be: resume it */
    SDB__LEAVE_DONE, /* the instruction was executed, and no more was wanted: it is a step's end */
    SDB__LEAVE_UNSEEN,   /* it has stopped for something that the pump is still to see */
    SDB__LEAVE_GONE,     /* its end was seen meanwhile; its handle may be gone, too */
    SDB__LEAVE_OWN_TRAP, /* it stands before the SIGTRAP of an int3 of the program's own */
};

/**
 * Have a thread that stands at a site which it has hit execute the instruction there.
 *
 * @param how     how it is resumed
 * @param signal  what it gets
 */
enum sdb__leave_verdict sdb__breakpoint_leave(struct sdb_thread *thread, enum sdb_resume how,
                                              int signal);

/**
 * Execute the one instruction that a stopped thread stands at, with the signals that can wait waiting.
 *
 * @return 0: it stands behind it; 1: it stands before a signal that the instruction has caused; or
 *         -ESRCH: it is dying
 */
int sdb__step_alone(struct sdb_thread *thread);

/* ---- restartable sequences (breakpoint_rseq.c) ---- */

/** @return whether a thread that stands at a site is inside a restartable sequence */
bool sdb__site_is_in_section(struct sdb__site *site, struct sdb_thread *thread);

/* ---- births and departures (breakpoint_births.c) ---- */

/** Before a process gets its first breakpoint.  @return 0, -ESRCH, or as sdb__session_pause() */
int sdb__breakpoint_prepare(struct sdb_process *process);

/**
 * Have a newborn process have the same breakpoints, if it is wanted, or know of the planted bytes.
 *
 * @param is_settled  nothing was planted or lifted since it may have been born
 */
void sdb__breakpoint_inherit(struct sdb_process *newborn, const struct sdb__space *parent,
                             bool is_settled);

/** @return what the newborns of a process that has ended may have in their memory, or NULL: nothing */
struct sdb__space *sdb__breakpoint_bequeath(const struct sdb_process *process);

/** Free that; NULL is allowed. */
void sdb__breakpoint_disinherit(struct sdb__space *space);

/** Lift all that is planted in a process's memory, and give its scratch pages back. */
void sdb__breakpoint_lift_all(struct sdb_process *process);

/** @return whether its memory has breakpoints, and another process that is held for the caller shares it */
bool sdb__breakpoint_is_shared(const struct sdb_process *process);

/** A process has its memory no more: if nobody else has it, forget what is in it. */
void sdb__breakpoint_leave_space(struct sdb_process *process);

/** Let those go that are watched and need not be any more. */
void sdb__breakpoint_review(struct sdb_session *session);

/** Deal with a stop of a process that is watched.  @return whether it is leaving now */
bool sdb__breakpoint_take_watched_stop(struct sdb_thread *thread, const struct sdb__stop *stop);

#endif
