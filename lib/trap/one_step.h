/* SPDX-License-Identifier: MIT */
/*
 * One step: how a thread executes one instruction, whoever asks for it.
 *
 * The processor steps by a trap flag, and the kernel tells of the step by a SIGTRAP that it forces on the
 * thread.  The program shall see neither:
 *  - A system call is stepped from its beginning to its end, without either of the two: so it may do with
 *    masks and handlers what it likes.
 *  - For all others SIGTRAP is taken out of the mask if it is blocked, and put back at the next stop; as
 *    none of them can read or change the mask, that is not seen.
 *  - What stores flags (pushf) or loads them (popf, iret) gets the program's own, and what the kernel takes
 *    for a trap flag of the program's is none.
 *  - Where no trap comes behind an instruction, it is the one behind it that counts.
 * Where a signal's handler may come first, the thread is stopped before its first instruction.
 *
 * What always holds: whoever stands has its own mask.
 */
#ifndef SDB_LIB_TRAP_ONE_STEP_H
#define SDB_LIB_TRAP_ONE_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/thread.h>

#include "held/thread.h"

#define SDB__SINGLE_STEP_SLOT 1

/* Where a step leads to. */
enum sdb__step_way {
    SDB__STEP_NONE,   /* it is not stepped */
    SDB__STEP_TRAPS,  /* to the SIGTRAP behind the instruction */
    SDB__STEP_CALL,   /* to the end of the system call that it makes, or is in */
    SDB__STEP_DETOUR, /* to the first instruction that it comes to, which is not executed */
};

/* What is known of a thread that is stepped. */
struct sdb__one_step {
    enum sdb__step_way way; /* while it runs */
    int instruction_class;  /* of what it executes, enum sdb__instruction_class */
    bool lends_signal;      /* its mask is another for the step: SIGTRAP is not in it */
    bool trap_comes_next;   /* it has executed the instruction, and its SIGTRAP waits */
    bool stops_again;       /* after that, for what came before */
    bool owes_signal;       /* a SIGTRAP that it blocks has come, and has to wait again */

    /* These two are asked anew unless nothing but plain instructions was stepped since. */
    bool is_known;
    uint64_t mask;
    uint64_t lent_mask; /* that it has for the step */

    bool has_own_flag;      /* the program steps itself */
    bool own_trap;          /* and that is what the SIGTRAP is for, too */
    bool flag_is_stuck;     /* the kernel takes the trap flag of a next step for the program's */
    uint64_t pc;            /* where a detour begins */
    uint64_t stack_pointer; /* there, or where flags are pushed */
};

static inline struct sdb__one_step *sdb__one_step(const struct sdb_thread *thread)
{
    return thread->slots[SDB__SINGLE_STEP_SLOT];
}

/**
 * Get a thread that stands ready to be resumed for one instruction.
 *
 * @param signal   that it will be resumed with
 * @param request  gets how it has to be resumed
 */
void sdb__one_step_begin(struct sdb_thread *thread, int signal, enum sdb_resume *request);

/** Have a thread that is ready for a step have another mask until the stop that this leads to. */
int sdb__one_step_lend_mask(struct sdb_thread *thread, uint64_t mask);

/** A step has led to a stop: give back what it was lent.  @param executed  whether the instruction was */
void sdb__one_step_end(struct sdb_thread *thread, bool executed);

/**
 * Whether a thread that has stopped for something else has executed the instruction: the SIGTRAP of that
 * comes when it goes on.
 */
bool sdb__one_step_trap_waits(const struct sdb_thread *thread);

#endif
