/* SPDX-License-Identifier: MIT */
/*
 * Errands: what callers do with the library, from beginning to end, where something of it may fail
 * (scarce.h).  Each sees for itself that no event is lost, and that all is as it should be as long as
 * no call says otherwise; and leaves nothing behind, whatever has failed.
 */
#ifndef SDB_TEST_ERRANDS_H
#define SDB_TEST_ERRANDS_H

#include <stdbool.h>
#include <stddef.h>

struct errand {
    const char *name;
    void (*run)(void);
    int threads; /* that its subject has beside the first; -1: it needs none */
    bool plants; /* it has breakpoints or watchpoints */
};

extern const struct errand errands[];
extern const size_t errand_count;

/** The most that errand_count may be: the values of a loop test are known before. */
#define MOST_ERRANDS 40

/** Start the subject of an errand, untraced: test/tracees/errands.c. */
void errand_prepare(const struct errand *errand);

/** It must be untraced, and do what it is told. */
void errand_look_after(const struct errand *errand);

/** End it. */
void errand_clear(const struct errand *errand);

#endif
