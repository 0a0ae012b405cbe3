/* SPDX-License-Identifier: MIT */
/*
 * What is measured about launches: functions for a host (host.h) to call, several in turn.
 *
 * A launch is timed from the call until it returns, at the new program's exec; what happens after,
 * its end and its reaping, is not.
 */
#ifndef SDB_BENCH_MEASURES_H
#define SDB_BENCH_MEASURES_H

#include <stdint.h>

/* By libsdb, in microseconds. */
double sdb_default(void);
double sdb_reset(void); /* ignored signals are reset too */
double sdb_portable(void);
double sdb_traced(void); /* to the exec stop, and resumed */

/* By hand, see raw_launch.h, in microseconds. */
double bare_vfork(void);
double bare_fork(void);
double bare_spawn(void);
double bare_seize(void);   /* to the exec stop, and resumed */
double bare_traceme(void); /* the same */

/* From so many threads at once, for so long, with the reaping: launches a second. */
#define CROWD_THREADS 8
extern uint64_t crowd_ms;
double sdb_crowd(void);
double bare_crowd(void);

/* Memory that is mapped or allocated, in KiB. */
double memory_of_launch(
    void);                /* only as a host's first launch: what the allocator sets up counts */
double memory_kept(void); /* between launches */
double memory_kept_after_trim(void);

#endif
