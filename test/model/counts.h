/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints, watchpoints and caught calls, as the model knows them: points.  What is told of them
 * is compared with what the program has counted: each execution of a place is told once, in the
 * order in which the thread has counted it, and the sums agree.
 */
#ifndef SDB_TEST_MODEL_COUNTS_H
#define SDB_TEST_MODEL_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/sdb.h>

#include "world.h"

#define MOST_POINTS 12

enum point_kind {
    POINT_NONE,
    POINT_BREAKPOINT,
    POINT_WATCHPOINT,
    POINT_CALLS,
};

struct point {
    enum point_kind kind;
    struct sdb_breakpoint *breakpoint;
    struct sdb_watchpoint *watchpoint;
    uint32_t places; /* as bits */
    bool hardware;
    bool one_shot;
    bool conditional; /* every third time */
    bool enabled;
    uint64_t ignored;        /* so many are not told */
    const struct slot *only; /* of this thread alone */

    uint64_t told;
    uint64_t repeated; /* of these, of an execution that was told before */
    uint64_t asked;    /* of its condition */
    uint64_t granted;  /* what that has said yes to */
    /* How often it was come by before it was enabled: at least, at most. */
    uint64_t least_before;
    uint64_t most_before;
    /* And in earlier spans, in which it was enabled. */
    uint64_t least;
    uint64_t most;
    uint64_t least_then; /* as it was just before it was disabled */
    /* By processes that have executed another program since. */
    uint64_t least_executed;
    uint64_t most_executed;
};

/** Forget all. */
void counts_begin(void);

/** @return the point of this number, if it is one */
struct point *counts_point(int number);

/** @return a number that is free, or -1 */
int counts_free(void);

/** Have a point of this number, that the main process is going to have; or a breakpoint in debug registers. */
struct point *counts_new(int number, enum point_kind kind, uint32_t places, bool hardware);

/** @return its number */
int counts_number(const struct point *point);

/** Before and after a point of the main process is enabled. */
void counts_enabling(struct point *point);
void counts_enabled(struct point *point);

/** Before and after it is disabled. */
void counts_disabling(struct point *point);
void counts_disabled(struct point *point);

/** Look whether it was told as often as it happened, as far as that is known now. */
void counts_check(struct point *point);

/** The same for all. */
void counts_check_all(void);

/** It is no more. */
void counts_forget(struct point *point);

/** @return how many debug registers are in use */
int counts_debug_registers(void);

/** A hit is told. */
void counts_see_hit(struct known_thread *thread, const struct sdb_event *event);

/** The beginning of a call is told.  @return whether it is caught */
bool counts_see_call(struct known_thread *thread, const struct sdb_syscall *call);

/** The condition of points that have one. */
int counts_condition(struct point *point);

/** A process has executed another program, and may have been let go there. */
void counts_executed(struct known_process *process, bool is_let_go);

#endif
