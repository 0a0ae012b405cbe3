/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints from the inside: the handles, and what a thread has to do with them at its stops and when
 * it goes on.
 *
 * breakpoint.c has the handles, site.c the places, hit.c the stops of threads, hits.c what they have hit,
 * leave.c how they go on from a site, make_call.c how by a call, in_place.c how where the instruction cannot
 * be displaced, slotless.c how where that is a system call, returns.c what comes again without being a hit,
 * siginfo.c what signals say of a displaced instruction, core.c what core files do, rseq.c whether that is
 * in a restartable sequence, births.c what becomes of processes that are born with planted bytes and of
 * those that are let go; scratch.c the pages where displaced instructions run, hardware.c those in debug
 * registers; feature.c names the moments.
 */
#ifndef SDB_LIB_BREAKPOINT_BREAKPOINT_H
#define SDB_LIB_BREAKPOINT_BREAKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/breakpoint.h>

#include "breakpoint/site.h"
#include "session/feature.h"
#include "trap/stop_point.h"

#define SDB__BREAKPOINT_SLOT 5

extern const struct sdb__feature sdb__breakpoint_feature;

struct sdb__hardware_place;

struct sdb_breakpoint {
    struct sdb__stop_point point;
    bool listed; /* among the hits of a thread */
    sdb_breakpoint_condition *condition;
    void *condition_data;
    struct sdb__location *locations;
    struct sdb__hardware_place *places; /* with SDB_BREAKPOINT_HARDWARE */
};

/* How deep in handlers of handlers a site is known to have been hit already. */
#define SDB__MOST_RETURNS 4

/* A signal handler that will return to a site, without a new hit. */
struct sdb__return {
    uint64_t address; /* of the site */
    uint64_t frame;   /* what the stack pointer was when the handler began */
};

struct sdb__returns {
    struct sdb__return all[SDB__MOST_RETURNS]; /* oldest first */
    unsigned count;
    uint64_t to; /* it returns just now, there; or 0 */
};

/* A thread was resumed at a site with a signal, and stands there still unless a handler has begun. */
struct sdb__stay {
    struct sdb__site *site; /* or NULL */
    uint64_t slot_pc;       /* as of the state */
    uint64_t stack_pointer; /* before the signal, or 0: there was none */
};

/* A system call under a breakpoint that has no slot. */
struct sdb__slotless {
    struct sdb__site *site; /* whose it is, or NULL: there is none */
    uint64_t instruction;   /* that makes it: another, or the site's own */
};

/* How many hits every thread has room for. */
#define SDB__FEW_HITS 8

/* What a thread has to do with breakpoints. */
struct sdb__breakpoint_state {
    struct sdb__site
        *at_site;     /* whose instruction is executed when it goes on, and which was hit */
    uint64_t slot_pc; /* it is in a system call there, by way of this, and may restart; or 0 */
    struct sdb__slotless slotless; /* the call that it makes */
    struct sdb__stay stays;
    struct sdb__returns returns;
    bool displaced;        /* it may stand in a scratch page when it stops */
    unsigned changes_seen; /* of what is planted, when it was resumed */
    uint64_t rseq;         /* its struct rseq, 0: not known */
    uint32_t rseq_signature;

    /* What is told now, see hits.c. */
    unsigned hit_count;
    unsigned hit_room; /* of `many_hits` */
    struct sdb_breakpoint *few_hits[SDB__FEW_HITS];
    struct sdb_breakpoint **many_hits; /* instead, or NULL */
};

/* What a process has to do with them. */
struct sdb__breakpoint_process {
    struct sdb__hardware_place *hardware_places;
    bool dumps_core; /* one of its threads was sent a signal that does so, and all others pause */
    bool calls_seen; /* its threads run so that their system calls stop them */
    uint32_t asked_to_stand; /* for a step in place, a bit for each level, see in_place.c */
    uint32_t held;           /* and it does */
};

/* What a session has to do with them. */
struct sdb__breakpoint_session {
    struct sdb__stop_points points;
    unsigned holders; /* steps in place, one within the other */
};

static inline struct sdb__breakpoint_state *sdb__breakpoint_state(const struct sdb_thread *thread)
{
    return thread->slots[SDB__BREAKPOINT_SLOT];
}

static inline struct sdb__breakpoint_process *sdb__breakpoint_process(
    const struct sdb_process *process)
{
    return process->slots[SDB__BREAKPOINT_SLOT];
}

/** @return the sites of an address space, or NULL: it has none */
static inline struct sdb__breakpoint_sites *sdb__sites(const struct sdb__space *space)
{
    return space->slots[SDB__BREAKPOINT_SLOT];
}

/* ---- handles (breakpoint.c) ---- */

/** Add a breakpoint to a site, and have room for its hits.  @return 0 or -ENOMEM */
int sdb__breakpoint_add_location(struct sdb_breakpoint *breakpoint, struct sdb__site *site);

/** Note whether a location's breakpoint wants its place. */
void sdb__location_set_enabled(struct sdb__location *location, bool enabled);

/** Take all locations out that are in an address space which nobody is held with any more. */
void sdb__breakpoint_forget_space(struct sdb__space *space);

/** A thread sets out from an address, where it may stand without a hit: the instruction is executed. */
void sdb__breakpoint_set_out_from(struct sdb_thread *thread, uint64_t address);

/** Free all of a session's. */
void sdb__breakpoint_free_all(struct sdb_session *session);

/* ---- stops (hit.c) ---- */

/**
 * Look at a stop: show the program's own place where the thread stands in a scratch page, and find out
 * whether it is a hit.
 */
enum sdb__verdict sdb__breakpoint_look(struct sdb_thread *thread, struct sdb__stop *stop);

/** Count a hit of a breakpoint by a thread, if it is one, and note that it is to be told. */
void sdb__breakpoint_ask(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread);

/** @return whether the SIGTRAP that a thread stands before is that of an int3, or it was killed */
bool sdb__is_trap(const struct sdb_thread *thread);

/* ---- what the program does to its memory (strays.c, mappings.c) ---- */

/**
 * A thread stands behind an int3 at which there is no site: find out whether that is a byte of ours which the
 * program has taken along with its memory (mremap).  Then it is lifted, and the place is a site.
 *
 * @return that, or NULL
 */
struct sdb__site *sdb__stray_find(struct sdb_thread *thread, uint64_t address);

/** Lift all of those that can be found in a process's text. */
void sdb__strays_lift(struct sdb_process *process);

/** Have the calls that map memory be seen where a breakpoint follows them.  @return 0 or as
 *  sdb__session_pause() */
int sdb__mappings_follow(struct sdb_session *session);

/** A thread has stopped: if it has mapped memory, plant there. */
void sdb__mappings_look(struct sdb_thread *thread, const struct sdb__stop *stop);

/** It is to go on. */
void sdb__mappings_resume(struct sdb_thread *thread, struct sdb__resume *resume);

/** Check what must always hold; in a debug build. */
void sdb__breakpoint_check(const struct sdb_process *process);

/* ---- what a thread has hit (hits.c) ---- */

/**
 * Have each thread that uses an address space have room for the hits of all breakpoints at one site.
 *
 * @param count  of them
 * @return 0 or -ENOMEM
 */
int sdb__breakpoint_reserve_hits(const struct sdb_session *session,
                                 struct sdb__breakpoint_sites *sites, unsigned count);

/** The same for a thread that was born.  @return 0 or -ENOMEM */
int sdb__breakpoint_reserve_hits_of(struct sdb_thread *newborn);

/** Note that a thread has hit a breakpoint.  There is room. */
void sdb__breakpoint_add_hit(struct sdb_thread *thread, struct sdb_breakpoint *breakpoint);

/** Take one out of what a thread tells.  @return whether it was there */
bool sdb__breakpoint_take_hit(struct sdb_thread *thread, const struct sdb_breakpoint *breakpoint);

/** No thread shall tell of a breakpoint any more.  One that has nothing else to tell goes on. */
void sdb__breakpoint_untell(const struct sdb_breakpoint *breakpoint);

/** Forget what a thread has hit: it has ended, or goes. */
void sdb__breakpoint_forget_hits(struct sdb_thread *thread);

/* ---- what comes again (returns.c) ---- */

/** @return whether the signal that it stands before comes from the very instruction, and would again */
bool sdb__breakpoint_stands_at_fault(const struct sdb_thread *thread);

/** It is resumed at a site that it has hit, and may not get away from there. */
void sdb__breakpoint_stay(struct sdb_thread *thread, struct sdb__site *site, uint64_t slot_pc);

/** The same with a signal, which may have a handler: find that out. */
void sdb__breakpoint_deliver(struct sdb_thread *thread, struct sdb__site *site, uint64_t slot_pc,
                             struct sdb__resume *resume);

/** At the stop after that.  @return whether the stop is only for finding out */
bool sdb__breakpoint_look_whether_it_stays(struct sdb_thread *thread, const struct sdb__stop *stop);

/** @return whether there are handlers that will return to a site, or one does just now */
static inline bool sdb__breakpoint_will_return(const struct sdb__breakpoint_state *state)
{
    return state->returns.count > 0 || state->returns.to != 0;
}

/** At a stop where that is so: see whether it has, or does. */
void sdb__breakpoint_look_at_return(struct sdb_thread *thread, const struct sdb__stop *stop);

/** And when it goes on: have its system calls stop it. */
void sdb__breakpoint_watch_for_return(struct sdb__resume *resume);

/** A newborn returns by the handlers of its parent, too. */
void sdb__breakpoint_inherit_returns(struct sdb_thread *newborn, const struct sdb_thread *parent);

/* ---- going on (leave.c, make_call.c, in_place.c) ---- */

/** Have a thread that stands at a site which it has hit execute the instruction there. */
enum sdb__going sdb__breakpoint_leave(struct sdb_thread *thread, struct sdb__resume *resume);

/**
 * Make the call at a site for a thread that stands there.
 *
 * @return false if it has to be executed in its own place: it would fault, or is watched there
 */
bool sdb__breakpoint_make_call(struct sdb_thread *thread, const struct sdb__site *site);

/** See to it that there is room for the slot of one, if that can be, with all others standing still. */
enum sdb__going sdb__breakpoint_make_room(struct sdb_thread *thread, struct sdb__site *site);

/** @return whether the instruction of a site, which is decoded, cannot be executed in a slot by a thread */
bool sdb__site_needs_own_place(struct sdb__site *site, struct sdb_thread *thread);

/** Execute it in its own place, with all others that share the memory standing still. */
enum sdb__going sdb__breakpoint_leave_in_place(struct sdb_thread *thread, struct sdb__site *site,
                                               enum sdb_resume how);

/**
 * Have it begin a system call there, with the others standing still; what it stops for is for the pump.
 */
enum sdb__going sdb__breakpoint_begin_in_place(struct sdb_thread *thread, struct sdb__site *site);

/* ---- system calls without a slot (slotless.c) ---- */

/** Have a thread that stands at a site make the system call there. */
enum sdb__going sdb__breakpoint_make_syscall(struct sdb_thread *thread, struct sdb__site *site,
                                             struct sdb__resume *resume);

/** It goes on in that.  @param slot_pc  as in its state: by way of what it would be made again, or 0 */
void sdb__breakpoint_go_on_in_syscall(struct sdb_thread *thread, uint64_t slot_pc,
                                      struct sdb__resume *resume);

/** It has stopped: show the program's own place.  @return false: the trap is none of the program's */
bool sdb__breakpoint_look_at_syscall(struct sdb_thread *thread, struct sdb__stop *stop);

/* ---- core files (core.c) ---- */

/** Before a thread is resumed with a signal: have the others be seen in their own places. */
enum sdb__going sdb__breakpoint_prepare_core(struct sdb_thread *thread, struct sdb__resume *resume);

/** The process has survived. */
void sdb__breakpoint_end_core(struct sdb_process *process);

/* ---- restartable sequences (rseq.c) ---- */

/** @return whether a thread that stands at a site is inside a restartable sequence */
bool sdb__site_is_in_section(struct sdb__site *site, struct sdb_thread *thread);

/* ---- births and departures (births.c) ---- */

/** Before a process gets its first breakpoint.  @return 0, -ESRCH, or as sdb__session_pause() */
int sdb__breakpoint_prepare(struct sdb_process *process);

/**
 * Have a newborn process have the same breakpoints, if it is wanted, or know of the planted bytes.
 *
 * @return 0 or -ENOMEM
 */
int sdb__breakpoint_inherit(struct sdb_process *newborn, const struct sdb_process *from,
                            const struct sdb_thread *parent);

/** Lift what is planted in the copy of a process's memory that a newborn has, which is not known. */
void sdb__breakpoint_lift_copies(pid_t newborn, const struct sdb_process *from);

/** Lift all that is planted in a process's memory, and give its scratch pages back. */
void sdb__breakpoint_lift_all(struct sdb_process *process);

/**
 * @return whether its memory has breakpoints that another process wants which is held for the caller and has
 *         that memory too
 */
bool sdb__breakpoint_must_stay(const struct sdb_process *process);

#endif
