/* SPDX-License-Identifier: MIT */
/*
 * What the tests of breakpoints share, beside holding.h: test/tracees/places.c, breakpoints in it, and
 * counting their hits beside what the program itself has counted.
 */
#ifndef SDB_TEST_BREAKING_H
#define SDB_TEST_BREAKING_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/sdb.h>

#include "holding.h"
#include "places.h"
#include "racing.h"

/* What has happened while a program ran. */
struct tally {
    uint64_t hits[PLACE_COUNT_OF_ALL]; /* SDB_EVENT_BREAKPOINT at each place */
    uint64_t others;                   /* at another address */
    uint64_t signals[65];
    uint64_t births;
    uint64_t steps;
    uint64_t ends;
    void (*look)(const struct sdb_event *event, void *data); /* before it is resumed; or NULL */
    void *look_data;
};

/**
 * Launch test/tracees/places.c, and have it run until it waits for orders.
 *
 * @param strict  under a filter that kills it for mapping memory
 */
struct target launch_places(int threads, int turns, bool strict);

/** Plant a breakpoint, which must work. */
struct sdb_breakpoint *plant_at(struct sdb_process *process, uint64_t address);
struct sdb_breakpoint *plant(const struct target *target, enum place place);

/**
 * Plant one breakpoint at the first so many places, or at all that are gone through.  The last, `inner`,
 * changes another instruction while that has none.
 */
struct sdb_breakpoint *plant_first(const struct target *target, int count);
struct sdb_breakpoint *plant_all(const struct target *target);

/** A condition that is never met, and counts how often it is asked in the uint64_t at @p count. */
int count_and_pass(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *count);

/** The address of a place. */
uint64_t address_of(const struct target *target, enum place place);

/** Forget what the program has counted. */
void forget_counts(const struct target *target);

/** Give an order, and resume all events until the program has answered; none may be an end of it. */
void obey(const struct target *target, char what, struct tally *tally);

/** Resume all events until the program has answered, or written its ready byte otherwise. */
void run_to_answer(const struct target *target, struct tally *tally);

/** One event: count it, and resume. */
void count_event(const struct target *target, const struct sdb_event *event, struct tally *tally);

/** As many hits as calls at each place, nothing wrong, no handler astray. */
void expect_exact(const struct target *target, const struct tally *tally);

/** Nothing went wrong, from the program's point of view. */
void expect_right(const struct target *target);

/** End its input: it must exit with 0. */
void end_places(struct target *target);

/** The same, and finish with it. */
void finish_places(struct target *target);

/** The same for one that is not held any more; it must end with 0. */
void end_free_places(struct target *target, struct sdb_child *child);

/* ---- what is left in the program ---- */

#define TRACES_TEXT 8192

struct traces {
    char maps[16384];          /* its executable maps */
    uint8_t text[TRACES_TEXT]; /* the bytes at its places */
};

/** Note what it has, in the maps and the text. */
void note_traces(const struct target *target, struct traces *traces);

/** It must have the same now. */
void expect_no_traces(const struct target *target, const struct traces *traces);

#endif
