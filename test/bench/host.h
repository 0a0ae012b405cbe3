/* SPDX-License-Identifier: MIT */
/*
 * Hosts to launch from: processes with so much memory touched and so many descriptors open, which
 * measure when told to.  Several stand side by side, so that they can be measured in turn.
 */
#ifndef SDB_BENCH_HOST_H
#define SDB_BENCH_HOST_H

#include <stddef.h>
#include <sys/types.h>

/** One measurement, in whatever unit. */
typedef double bench_measure(void);

#define BENCH_MOST_MEASURES 8
#define BENCH_MOST_HOSTS    8

struct bench_host {
    pid_t pid;
    int to;   /* commands */
    int from; /* results */
};

/**
 * Start a host.
 *
 * @param memory       bytes of memory that it touches, in pages of the smallest size
 * @param descriptors  how many descriptors it has open, all close-on-exec but 0, 1 and 2
 * @param cpu          the only CPU it may run on, or -1
 */
struct bench_host bench_host_start(size_t memory, size_t descriptors, int cpu);

/**
 * Take several measures in turn, so many times.
 *
 * @param results  gets the rounds of the first measure, then of the second, ...
 */
void bench_host_run(const struct bench_host *host, bench_measure *const *measures, size_t count,
                    size_t rounds, double *results);

/** End it. */
void bench_host_stop(struct bench_host *host);

#endif
