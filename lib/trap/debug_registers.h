/* SPDX-License-Identifier: MIT */
/*
 * The debug registers, of which watchpoints and hardware breakpoints take theirs.
 *
 * A process has slots, one for each register that holds an address.  What a slot is for is the same in
 * all of its threads, but the registers are each thread's own: a thread that stands still is brought
 * up to date at once, the others (newborns; those that could not stop) before they are resumed the next
 * time.  A slot has a serial number of its own for each use, so that a hit of what the thread's
 * registers were still set for, and nobody wants any more, is known for what it is.
 */
#ifndef SDB_LIB_TRAP_DEBUG_REGISTERS_H
#define SDB_LIB_TRAP_DEBUG_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"
#include "session/feature.h"

#define SDB__DEBUG_REGISTERS_SLOT 0

extern const struct sdb__feature sdb__debug_registers_feature;

/* What one slot is used for. */
struct sdb__debug_slot {
    void *owner;             /* who has acquired it, or NULL: it is free */
    struct sdb_thread *only; /* in this thread, or NULL: in each */
    uint64_t serial;         /* of this use, never 0 */
    struct sdb__debug_watch watch;
};

/* Of a process. */
struct sdb__debug_slots {
    uint64_t generation; /* 0 until one is acquired, and another after each change */
    uint64_t last_serial;
    struct sdb__debug_slot slots[SDB__DEBUG_SLOTS];
};

/* Of a thread: what its registers are set to, as far as we have done it. */
struct sdb__debug_state {
    uint64_t generation;                /* of its process's slots, that they were set for */
    uint64_t serials[SDB__DEBUG_SLOTS]; /* 0: off */
    struct sdb__debug_watch watches[SDB__DEBUG_SLOTS];
    unsigned fired;   /* in this stop */
    bool fired_known; /* it was looked at in this stop */
    bool trap_due;    /* a SIGTRAP is pending for what it is not set for any more */
};

/**
 * Acquire the slots that a range needs, and set the registers of all threads; those that run are
 * stopped for a moment.
 *
 * @param length  for SDB__DEBUG_EXECUTE, 1
 * @param owner   whose they are: not NULL, and without a slot until now
 * @param only    the one thread whose registers are set, or NULL
 * @return 0, or nothing has changed:
 *         -ENOSPC  there are not enough, or the kernel has given them to others
 *         -EINVAL  an address that is no program's
 *         -ESRCH, -ENOMEM, -EAGAIN  as from sdb__session_pause(); -ENOMEM also from the kernel
 */
int sdb__debug_acquire(struct sdb_process *process, uint64_t address, size_t length,
                       enum sdb__debug_kind kind, void *owner, struct sdb_thread *only);

/** @return whether an owner has slots */
bool sdb__debug_owns(const struct sdb_process *process, const void *owner);

/**
 * Give back an owner's slots, if it has any, and clear the registers; threads that run are stopped for
 * a moment, if they can.
 */
void sdb__debug_release(struct sdb_process *process, const void *owner);

/** The same without stopping any: their registers are cleared when they stop the next time. */
void sdb__debug_drop(struct sdb_process *process, const void *owner);

/** Give a newborn process, which has not run yet, for one owner the slots that another has in its parent. */
void sdb__debug_inherit(struct sdb_process *child, void *owner, const struct sdb_process *parent,
                        const void *owner_there);

/** @return what a slot that has fired is used for */
const struct sdb__debug_slot *sdb__debug_slot(const struct sdb_process *process, int slot);

/**
 * A thread executes an instruction in its own place that it has come to already: the registers have trapped
 * for that if they were to, and shall not again.
 */
void sdb__debug_pass(struct sdb_thread *thread);

/**
 * At a stop by a SIGTRAP whose si_code is TRAP_HWBKPT, or a single step's: which slots have fired, as a
 * bit for each.  The processor's own note is read and cleared; asking again in the same stop costs
 * nothing.
 *
 * @param slots  gets those that are still used for what has fired
 * @return 1 if the SIGTRAP is one of the debug registers', be it of a use that is over; 0 if not;
 *         or -ESRCH: it was killed just now
 */
int sdb__debug_fired(struct sdb_thread *thread, unsigned *slots);

/** @return whether the SIGTRAP that a thread stands before is said to be one of the debug registers' */
bool sdb__debug_is_trap(const struct sdb_thread *thread);

/**
 * @param writes  else it reads
 * @return whether a thread that does so would hit what its registers are set to
 */
bool sdb__debug_touches(const struct sdb_thread *thread, uint64_t address, size_t length,
                        bool writes);

/** @return whether a thread's registers are set to anything, or a SIGTRAP of them may come */
bool sdb__debug_is_set(const struct sdb_thread *thread);

/** @return whether one has fired; the processor's note of that is left for others to read */
bool sdb__debug_has_fired(const struct sdb_thread *thread);

#endif
