/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints from the inside.
 *
 * A watchpoint is the session's.  Each process that has it has a site of it, which owns the debug
 * registers' slots there and knows what was in the memory.
 */
#ifndef SDB_LIB_WATCHPOINT_WATCHPOINT_H
#define SDB_LIB_WATCHPOINT_WATCHPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/watchpoint.h>

#include "arch/arch.h"

struct sdb__stop;
struct sdb_event;
struct sdb_session;

/*
 * The watchpoints that a thread has hit where it stands.  Each has at least one slot of at most eight
 * bytes, so the values of all have room.
 */
struct sdb__watch_hits {
    int count;
    struct sdb_watchpoint *watchpoints[SDB__DEBUG_SLOTS];
    uint8_t offsets[SDB__DEBUG_SLOTS]; /* of the values */
    uint8_t old_values[SDB_WATCHPOINT_MOST_BYTES];
    uint8_t new_values[SDB_WATCHPOINT_MOST_BYTES];
};

/* What became of a stop. */
enum sdb__watch_result {
    SDB__WATCH_NOTHING, /* it is what it was */
    SDB__WATCH_HIT,     /* it is an SDB_EVENT_WATCHPOINT now */
    SDB__WATCH_PASS,    /* nothing of it shall be told: the thread goes on, without a signal */
};

/**
 * Look whether a thread that has just stopped, for a step or a SIGTRAP, has hit watchpoints.  Where its
 * process is let go, a hit is one of none.
 */
enum sdb__watch_result sdb__watchpoint_look(struct sdb_thread *thread, struct sdb__stop *stop);

/**
 * After SDB__WATCH_HIT, when the thread shows the program's own place: ask whether the hits are to be
 * told.  Conditions may see the thread's end.
 *
 * @param stop  the hit; becomes what it was if none is, and that is something
 * @param seen  what it was
 */
enum sdb__watch_result sdb__watchpoint_ask(struct sdb_thread *thread, struct sdb__stop *stop,
                                           const struct sdb__stop *seen);

/** Fill in what an SDB_EVENT_WATCHPOINT of the thread tells. */
void sdb__watchpoint_tell(const struct sdb_thread *thread, struct sdb_event *event);

/** Give a newborn process, which has not run yet, the watchpoints of its parent. */
void sdb__watchpoint_inherit(struct sdb_process *child, const struct sdb_process *parent);

/** Take all watchpoints from a process: it has executed another program, or is let go, or gone. */
void sdb__watchpoint_forget(struct sdb_process *process);

/** The session ends; it has no processes any more. */
void sdb__watchpoint_free_all(struct sdb_session *session);

#endif
