/* SPDX-License-Identifier: MIT */
/*
 * Memory that a test shares with what it holds, as descriptor 3 of the tracee.  Each thread of the
 * tracee has a place in it, where it writes its id and counts its turns, so that a test can see who
 * runs and who stands still.  Both sides include this file.
 */
#ifndef SDB_TEST_BOARD_H
#define SDB_TEST_BOARD_H

#include <stdint.h>

#define BOARD_FD     3
#define BOARD_PLACES 256

struct board {
    volatile uint64_t turns[BOARD_PLACES];
    volatile uint64_t signals[BOARD_PLACES]; /* how many reached the thread's handler */
    volatile int32_t tids[BOARD_PLACES];     /* 0 until the thread has begun */
    volatile int32_t child;                  /* the process made last, set by itself */
    volatile int32_t result;                 /* how it ended: its exit code, or minus its signal */
    volatile int32_t gate;                   /* 0: children linger (a futex) */
    volatile uint64_t addresses[BOARD_PLACES]; /* of what test/support/places.h lists */
    volatile uint64_t counts[BOARD_PLACES];    /* how often that was executed */
    volatile uint64_t handled;                 /* signals from outside whose handler is through */
    volatile uint64_t wrong;                   /* how often something else came out than should */
    volatile uint64_t astray;                  /* how often a handler saw code that is not there */
};

#endif
