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

struct sdb_process;
struct sdb_session;
struct sdb_thread;

/* The kernel's struct sigaction. */
struct sdb__signal_action {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

/* What the program has set for SIGTRAP, as far as it is known. */
struct sdb__trap_signal {
    bool is_set; /* not the default */
    bool is_ignored;
    bool restore_due; /* it is to be ignored again, see sdb__trap_signal_restore_due() */
    struct sdb__signal_action action;
};

/** Find out what the program has set, while it stands still and nothing has been hit. */
void sdb__trap_signal_note(struct sdb_process *process);

/** A thread has hit a planted byte: undo what that has done. */
void sdb__trap_signal_restore(struct sdb_thread *thread);

/**
 * Have those processes ignore the signal again that did so before they hit a planted byte; their threads
 * are stopped for a moment.
 */
void sdb__trap_signal_restore_due(struct sdb_session *session);

/** @return whether the program ignores the signal, whatever the kernel knows of that now */
bool sdb__trap_signal_is_ignored(const struct sdb_process *process);

/** The same as restoring, of hits that were not looked at: there will be no more. */
void sdb__trap_signal_settle(struct sdb_thread *thread);
/**
 * Ask what the program has set for a signal, in a thread that stands still; but not in a program with a
 * filter, which may kill it for that.
 *
 * @return 0 or -1: it is not known
 */
int sdb__signal_action(struct sdb_thread *thread, int signal, struct sdb__signal_action *action);

#endif
