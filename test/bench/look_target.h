/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark of looking looks into: a copy of the host that makes the cheapest system call for
 * ever, with a large area of memory of its own.  It dies with its host.
 */
#ifndef SDB_BENCH_LOOK_TARGET_H
#define SDB_BENCH_LOOK_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdb/sdb.h>

/** What the large area is filled with. */
#define LOOK_FILL 'l'

/** May run on any CPU from now on. */
void look_unpin(void);

struct look_target {
    pid_t pid;
    uint64_t large; /* the address of look_large bytes */
};

/** Start it; it is under way when this returns. */
struct look_target look_target_start(void);

/** Start one that calls look_hot() for ever instead, in so many threads.  It has a large area, too. */
struct look_target look_target_start_hot(size_t threads);

/** A function of two instructions, and a copy of the first of them that goes on behind it. */
int look_hot(int number);
extern const char look_hot_slot[];

/** @return it, held by a new session, stopped */
struct sdb_process *look_hold(const struct look_target *target, struct sdb_session **session);

/** Exit unless this says that all went well. */
void look_check(const char *what, int64_t rc);

#endif
