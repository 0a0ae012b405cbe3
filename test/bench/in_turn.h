/* SPDX-License-Identifier: MIT */
/*
 * Measures that stand beside each other.  Most have a host each: tracers in one process would disturb
 * each other.
 */
#ifndef SDB_BENCH_IN_TURN_H
#define SDB_BENCH_IN_TURN_H

#include <stddef.h>

#include "bench.h"
#include "host.h"

#define BENCH_FEW 10 /* descriptors of a host */

/**
 * Take measures, each in a host, in turn, a few rounds at a time.  A host's first measurement prepares
 * it, and does not count.
 *
 * @param medians  gets one for each
 */
void bench_measure_in_turn(const struct bench_report *report, bench_measure *const *measures,
                           size_t count, double *medians);

/**
 * The same of measures that do not disturb each other, all in one host: so they have the same memory
 * before them, and not only the same time.
 */
void bench_measure_together(const struct bench_report *report, bench_measure *const *measures,
                            size_t count, double *medians);

/** Reap what hosts that have ended have left: what they traced became ours. */
void bench_reap(void);

#endif
