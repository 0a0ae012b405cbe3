/* SPDX-License-Identifier: MIT */
/*
 * The program under test: its parts.
 */
#ifndef SDB_TEST_MODEL_PROGRAM_H
#define SDB_TEST_MODEL_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger.h"

extern struct ledger *ledger;

/* ---- places ---- */

/** Come by a place.  @return what its instruction leaves in rax */
long visit(struct slot *slot, enum place place);

/** Write into the ledger where they are. */
void list_places(void);

/** The thread of a slot was at this instruction, and will never come back to it. */
void leave_place(struct slot *slot, uint64_t pc);

/* ---- chance ---- */

/** @return a number below limit, of this thread's own sequence */
unsigned chance(struct slot *slot, unsigned limit);

/** Come by so many places at random. */
void visit_some(struct slot *slot, unsigned count);

/* ---- slots ---- */

/** @return a pair of slots for a thread that is to be made, or NULL: too few are left */
struct slot *take_slot(void);

/** The calling thread uses it from now on. */
void use_slot(struct slot *slot);

/** It does not any more. */
void leave_slot(struct slot *slot);

/* The slot of the calling thread. */
extern __thread struct slot *mine;

/** Note that something came out other than it should. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- signals ---- */

/** Install all handlers. */
void handle_signals(void);

/** SIGTRAP must have our handler, or none. */
void check_trap_handler(bool is_installed, const char *when);

/** Block all that can be blocked. */
void block_all_signals(sigset_t *before);

/** Block none. */
void unblock_all_signals(void);

/** What each thread has to have for the deeds of signals.  And its end. */
void begin_signals(void);
void end_signals(void);

void deed_raise(struct slot *slot);
void deed_signal(struct slot *slot);
void deed_jump(struct slot *slot);
void deed_timer(struct slot *slot);
void deed_sleep(struct slot *slot);
void deed_mask(struct slot *slot);
void deed_pipe(struct slot *slot);

/* ---- births ---- */

void deed_thread(struct slot *slot);
void deed_fork(struct slot *slot);
void deed_vfork(struct slot *slot);
void deed_exec(struct slot *slot);

/** What a program does that was executed for a slot.  @return its exit code */
int run_executed(int index);

#endif
