/* SPDX-License-Identifier: MIT */
/*
 * SIGTRAP as the program has it.
 *
 * A planted byte that is hit while SIGTRAP is blocked or ignored has the kernel unblock it in the thread
 * and reset its disposition in the process.  Here that is noticed, as far as it can be, and undone.
 */
#ifndef SDB_LIB_TRAP_SIGNAL_H
#define SDB_LIB_TRAP_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "session/feature.h"

#define SDB__TRAP_SIGNAL_SLOT 3

extern const struct sdb__feature sdb__trap_signal_feature;

/* The kernel's struct sigaction. */
struct sdb__signal_action {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

/**
 * Find out what the program has set, while it stands still and nothing has been hit; from now on it is
 * kept so.  Where it is known already nothing happens.  If no thread can stand now it is found out before the
 * first goes on.
 */
void sdb__trap_signal_note_once(struct sdb_process *process);

/** @return whether that was done, for the program that the process executes now */
bool sdb__trap_signal_is_noted(const struct sdb_process *process);

/** A thread has trapped: undo what that has done, if it is known what the program has set. */
void sdb__trap_signal_restore(struct sdb_thread *thread);

/** The same where the signal was not blocked. */
void sdb__trap_signal_restore_unblocked(struct sdb_thread *thread);

#endif
