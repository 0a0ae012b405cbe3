/* SPDX-License-Identifier: MIT */
/*
 * Measures in turn, each in a host of its own.
 */
#include "in_turn.h"

#include <stdlib.h>
#include <sys/wait.h>

#define LONGEST_US    8e6 /* for all rounds of a row, more or less */
#define FEWEST        5   /* rounds of it */
#define LONG_BATCH_US 2e4 /* one host goes on for so long before it is the next one's turn */

/* Start a host for each measure, and have each prepare itself.  @return how long a round takes */
static double start_hosts(struct bench_host *hosts, bench_measure *const *measures, size_t count,
                          int cpu)
{
    double unused;
    double begin = 0;

    for (size_t i = 0; i < count; i++) {
        hosts[i] = bench_host_start(0, BENCH_FEW, cpu);
        bench_host_run(&hosts[i], &measures[i], 1, 1, &unused);
    }
    begin = bench_now_us();
    for (size_t i = 0; i < count; i++)
        bench_host_run(&hosts[i], &measures[i], 1, 1, &unused);
    return bench_now_us() - begin;
}

void bench_reap(void)
{
    while (waitpid(-1, NULL, __WALL) > 0)
        ;
}

static void stop_hosts(struct bench_host *hosts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bench_host_stop(&hosts[i]);
    bench_reap();
}

/* How many rounds, if one takes so long. */
static size_t rounds_of(const struct bench_options *options, double round_us)
{
    size_t rounds = options->rounds;

    if (!options->quick && (double)rounds * round_us > LONGEST_US) {
        rounds = (size_t)(LONGEST_US / round_us);
        rounds = rounds < FEWEST ? FEWEST : rounds;
    }
    return rounds;
}

static double *make_samples(size_t count)
{
    double *samples = calloc(count, sizeof(*samples));

    if (!samples)
        bench_die("no memory");
    return samples;
}

static void take_medians(double *samples, size_t count, size_t rounds, double *medians)
{
    for (size_t i = 0; i < count; i++)
        medians[i] = bench_median(&samples[i * rounds], rounds);
    free(samples);
}

void bench_measure_in_turn(const struct bench_report *report, bench_measure *const *measures,
                           size_t count, double *medians)
{
    struct bench_host hosts[BENCH_MOST_HOSTS];
    const double round_us = start_hosts(hosts, measures, count, report->options->cpu);
    const size_t rounds = rounds_of(report->options, round_us);
    size_t batch = 1 + (size_t)(LONG_BATCH_US / round_us);
    double *samples = make_samples(count * rounds);

    for (size_t done = 0; done < rounds; done += batch) {
        batch = rounds - done < batch ? rounds - done : batch;
        for (size_t i = 0; i < count; i++)
            bench_host_run(&hosts[i], &measures[i], 1, batch, &samples[i * rounds + done]);
    }
    take_medians(samples, count, rounds, medians);
    stop_hosts(hosts, count);
}

void bench_measure_together(const struct bench_report *report, bench_measure *const *measures,
                            size_t count, double *medians)
{
    struct bench_host host = bench_host_start(0, BENCH_FEW, report->options->cpu);
    double unused[BENCH_MOST_MEASURES];
    double *samples;
    double begin;
    size_t rounds;

    bench_host_run(&host, measures, count, 1, unused);
    begin = bench_now_us();
    bench_host_run(&host, measures, count, 1, unused);
    rounds = rounds_of(report->options, bench_now_us() - begin);
    samples = make_samples(count * rounds);
    bench_host_run(&host, measures, count, rounds, samples);
    take_medians(samples, count, rounds, medians);
    stop_hosts(&host, 1);
}
