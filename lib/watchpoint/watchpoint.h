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
#include "session/feature.h"

#define SDB__WATCHPOINT_SLOT 2

extern const struct sdb__feature sdb__watchpoint_feature;

struct sdb__watch_site;

/*
 * The watchpoints that a thread has hit where it stands, which is what is kept of a thread.  Each has at
 * least one slot of at most eight bytes, so the values of all have room.
 */
struct sdb__watch_hits {
    int count;
    struct sdb_watchpoint *watchpoints[SDB__DEBUG_SLOTS];
    uint8_t offsets[SDB__DEBUG_SLOTS]; /* of the values */
    uint8_t old_values[SDB_WATCHPOINT_MOST_BYTES];
    uint8_t new_values[SDB_WATCHPOINT_MOST_BYTES];
};

/* Of a process. */
struct sdb__watch_process {
    struct sdb__watch_site *sites; /* oldest first */
};

static inline struct sdb__watch_hits *sdb__watch_hits(const struct sdb_thread *thread)
{
    return thread->slots[SDB__WATCHPOINT_SLOT];
}

static inline struct sdb__watch_process *sdb__watch_process(const struct sdb_process *process)
{
    return process->slots[SDB__WATCHPOINT_SLOT];
}

/* ---- their life (watchpoint.c) ---- */

/**
 * Give a newborn process, which has not run yet, those of the process that it was born of.
 *
 * @return 0 or -ENOMEM
 */
int sdb__watchpoint_inherit(struct sdb_process *newborn, const struct sdb_process *from,
                            const struct sdb_thread *parent);

/** Take all from a process: it has executed another program, or is let go, or gone. */
void sdb__watchpoint_forget(struct sdb_process *process);

/** Free all of a session's. */
void sdb__watchpoint_free_all(struct sdb_session *session);

/* ---- stops (hit.c) ---- */

/** Look whether a thread that has just stopped, for a step or a SIGTRAP, has hit watchpoints. */
enum sdb__verdict sdb__watchpoint_look(struct sdb_thread *thread, struct sdb__stop *stop);

/**
 * After a hit, when the thread shows the program's own place: ask whether it is to be told.  If it is
 * not, the stop becomes what it was, if that is something.
 */
enum sdb__verdict sdb__watchpoint_judge(struct sdb_thread *thread, struct sdb__stop *stop,
                                        const struct sdb__stop *seen, enum sdb__verdict verdict);

/* ---- the hits of a thread (hits.c) ---- */

static inline bool sdb__watch_has_hits(const struct sdb_thread *thread)
{
    return sdb__watch_hits(thread)->count > 0;
}

/** @return the place of a watchpoint among the hits, or their count: it is not there */
int sdb__watch_find_hit(const struct sdb__watch_hits *hits,
                        const struct sdb_watchpoint *watchpoint);

/** Take one out.  The values stay where they are: they may have been told. */
void sdb__watch_remove_hit(struct sdb__watch_hits *hits, int at);

/** Fill in what an SDB_EVENT_WATCHPOINT of the thread tells. */
void sdb__watchpoint_tell(struct sdb_thread *thread, struct sdb_event *event);

/** @return the kind of event that is left of a hit without it: the end of a step, or of one of the program's
 *  own */
uint32_t sdb__watch_rest_of(const struct sdb_thread *thread, int signal);

/** Forget what a thread has hit: it goes on, or has ended. */
void sdb__watchpoint_forget_stop(struct sdb_thread *thread);

#endif
