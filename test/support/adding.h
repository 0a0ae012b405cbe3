/* SPDX-License-Identifier: MIT */
/*
 * The instruction of test/tracees/watched.c that adds to what is watched: a breakpoint on it is hit
 * before each write.
 */
#ifndef SDB_TEST_ADDING_H
#define SDB_TEST_ADDING_H

#include <stdint.h>

#include <sdb/sdb.h>

#include "watching.h"

#define ADDING_TURNS 40

struct adding {
    struct watched_target target;
    struct sdb_watchpoint *watchpoint; /* on its counter */
    uint64_t at;                       /* the instruction */
    uint64_t behind;                   /* the next one */
};

/* From launch_adding() to end_adding(). */
extern struct adding adding;

/** Launch it, watch the counter, and find the instruction; two hits have come then. */
void launch_adding(void);

/** End its input: it must exit with 0.  Close it. */
void end_adding(void);

#endif
