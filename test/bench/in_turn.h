/* SPDX-License-Identifier: MIT */
/*
 * Measures that stand beside each other, each in a host of its own: tracers in one process would disturb
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

/** Reap what hosts that have ended have left: what they traced became ours. */
void bench_reap(void);

#endif
