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

struct look_target {
    pid_t pid;
    uint64_t large; /* the address of look_large bytes */
};

/** Start it; it is under way when this returns. */
struct look_target look_target_start(void);

/** @return it, held by a new session, stopped */
struct sdb_process *look_hold(const struct look_target *target, struct sdb_session **session);

/** Exit unless this says that all went well. */
void look_check(const char *what, int64_t rc);

#endif
