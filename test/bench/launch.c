/* SPDX-License-Identifier: MIT */
/*
 * What a launch costs, beside the bare system calls, fork and posix_spawn: the rows of the table
 * and the curves.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "host.h"
#include "measures.h"

#define ROUNDS       2000
#define WARM_UP      20
#define MIB          (UINT64_C(1) << 20)
#define FEW          10 /* descriptors */
#define MANY         20000
#define BATCH        10  /* rounds of one host before it is the next one's turn */
#define LONGEST_US   3e6 /* for all rounds of a measure that takes long */
#define FEWEST       5   /* rounds of it */
#define CROWD_ROUNDS 15

/* ---- measuring ---- */

/* Medians by host and measure. */
struct medians {
    double of[BENCH_MOST_HOSTS][BENCH_MOST_MEASURES];
};

/* So many rounds that the measures, the slowest host's, do not take too long. */
static size_t affordable_rounds(const struct bench_host *host, bench_measure *const *measures,
                                size_t measure_count, size_t rounds)
{
    double once[BENCH_MOST_MEASURES];
    double sum = 0;

    for (size_t i = 0; i < WARM_UP; i++) {
        bench_host_run(host, measures, measure_count, 1, once);
        sum = 0;
        for (size_t j = 0; j < measure_count; j++)
            sum += once[j];
        if (sum * (double)rounds > LONGEST_US && i >= 1)
            break; /* warm enough */
    }
    if (sum * (double)rounds <= LONGEST_US)
        return rounds;
    rounds = (size_t)(LONGEST_US / sum);
    return rounds < FEWEST ? FEWEST : rounds;
}

/* Take the measures on all hosts, one host after the other, a few rounds at a time. */
static struct medians measure(const struct bench_host *hosts, size_t host_count,
                              bench_measure *const *measures, size_t measure_count, size_t rounds)
{
    struct medians medians = {0};
    double *samples;
    double *few;

    for (size_t host = 0; host < host_count; host++)
        rounds = affordable_rounds(&hosts[host], measures, measure_count, rounds);
    samples = calloc(host_count * measure_count * rounds, sizeof(*samples));
    few = calloc(measure_count * BATCH, sizeof(*few));
    if (!samples || !few)
        bench_die("no memory");

    for (size_t done = 0; done < rounds;) {
        size_t now = rounds - done < BATCH ? rounds - done : BATCH;

        for (size_t host = 0; host < host_count; host++) {
            bench_host_run(&hosts[host], measures, measure_count, now, few);
            for (size_t i = 0; i < measure_count; i++)
                memcpy(&samples[(host * measure_count + i) * rounds + done], &few[i * now],
                       now * sizeof(*few));
        }
        done += now;
    }
    for (size_t host = 0; host < host_count; host++) {
        for (size_t i = 0; i < measure_count; i++)
            medians.of[host][i] =
                bench_median(&samples[(host * measure_count + i) * rounds], rounds);
    }
    free(samples);
    free(few);
    return medians;
}

/* The same without a warm-up, for measures that are no times. */
static void take(const struct bench_host *host, bench_measure *const *measures, size_t count,
                 size_t rounds, double *medians)
{
    double *samples = calloc(count * rounds, sizeof(*samples));

    if (!samples)
        bench_die("no memory");
    bench_host_run(host, measures, count, rounds, samples);
    for (size_t i = 0; i < count; i++)
        medians[i] = bench_median(&samples[i * rounds], rounds);
    free(samples);
}

/* ---- the rows ---- */

static void measure_limits(struct bench_report *report)
{
    enum { VFORK, DEFAULT, RESET, SPAWN, COUNT };
    static bench_measure *const measures[] = {
        [VFORK] = bare_vfork, [DEFAULT] = sdb_default, [RESET] = sdb_reset, [SPAWN] = bare_spawn};
    struct bench_host host = bench_host_start(0, FEW, report->options->cpu);
    const struct medians medians = measure(&host, 1, measures, COUNT, report->options->rounds);
    const double *us = medians.of[0];

    bench_host_stop(&host);
    bench_add_row(report, &(struct bench_row){.what = "launch, defaults",
                                              .beside = "bare vfork, execve",
                                              .value = us[DEFAULT],
                                              .reference = us[VFORK],
                                              .goal = BENCH_RATIO_AT_MOST,
                                              .limit = 1.25});
    bench_add_row(report, &(struct bench_row){.what = "launch, ignored signals reset",
                                              .beside = "bare vfork, execve",
                                              .value = us[RESET],
                                              .reference = us[VFORK],
                                              .goal = BENCH_RATIO_AT_MOST,
                                              .limit = 1.6});
    bench_add_row(report, &(struct bench_row){.what = "launch, defaults",
                                              .beside = "posix_spawn",
                                              .value = us[DEFAULT],
                                              .reference = us[SPAWN],
                                              .goal = BENCH_SPEEDUP_AT_LEAST,
                                              .limit = 1});
}

static void measure_portable(struct bench_report *report)
{
    static bench_measure *const measures[] = {sdb_portable, bare_fork};
    struct bench_host host = bench_host_start(0, FEW, report->options->cpu);
    const struct medians medians = measure(&host, 1, measures, 2, report->options->rounds);

    bench_host_stop(&host);
    bench_add_row(report, &(struct bench_row){.what = "launch, portable path",
                                              .beside = "bare fork, execve, pipe",
                                              .value = medians.of[0][0],
                                              .reference = medians.of[0][1]});
}

/* ---- by memory ---- */

static const char *format_size(uint64_t size, char *text, size_t text_size)
{
    if (size >= 1024 * MIB)
        (void)snprintf(text, text_size, "%g GB", (double)size / (1024.0 * (double)MIB));
    else
        (void)snprintf(text, text_size, "%g MB", (double)size / (double)MIB);
    return text;
}

/* How much memory the hosts may touch, all together. */
static uint64_t memory_to_use(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4 * 3;
}

/*
 * Not in turn: a fork leaves the host's memory write-protected, and whatever comes next pays for
 * that.
 */
static void measure_traced_by_memory(struct bench_report *report, const struct bench_host *host,
                                     uint64_t size)
{
    static bench_measure *const ours[] = {sdb_traced};
    static bench_measure *const forks[] = {bare_traceme};
    const size_t rounds = report->options->rounds;
    struct bench_row row = {.beside = "fork, TRACEME, execve",
                            .value = measure(host, 1, ours, 1, rounds).of[0][0],
                            .reference = measure(host, 1, forks, 1, rounds).of[0][0],
                            .goal = report->options->quick ? BENCH_NO_GOAL : BENCH_SPEEDUP_AT_LEAST,
                            .limit = 500};
    char text[32];

    (void)snprintf(row.what, sizeof(row.what), "traced launch, host of %s",
                   format_size(size, text, sizeof(text)));
    bench_add_row(report, &row);
}

static void measure_by_memory(struct bench_report *report)
{
    static const uint64_t full[] = {0, 100 * MIB, 1024 * MIB, 4096 * MIB};
    static const uint64_t quick[] = {0, 4 * MIB};
    static bench_measure *const measures[] = {sdb_default};
    const uint64_t *sizes = report->options->quick ? quick : full;
    size_t count = report->options->quick ? 2 : 4;
    struct bench_host hosts[4];
    struct medians medians;
    uint64_t left = memory_to_use();
    char text[32];

    for (size_t i = 0; i < count; i++) {
        if (sizes[i] > left) {
            (void)fprintf(stderr, "too little memory for a host of %s, and no row for it\n",
                          format_size(sizes[i], text, sizeof(text)));
            count = i;
            break;
        }
        left -= sizes[i];
        hosts[i] = bench_host_start(sizes[i], FEW, report->options->cpu);
    }
    medians = measure(hosts, count, measures, 1, report->options->rounds);
    for (size_t i = 1; i < count; i++) {
        struct bench_row row = {.beside = "the same in a small host",
                                .value = medians.of[i][0],
                                .reference = medians.of[0][0],
                                .goal = BENCH_RATIO_AT_MOST,
                                .limit = 1.1};

        (void)snprintf(row.what, sizeof(row.what), "launch, defaults, host of %s",
                       format_size(sizes[i], text, sizeof(text)));
        bench_add_row(report, &row);
    }
    measure_traced_by_memory(report, &hosts[count - 1], sizes[count - 1]);
    for (size_t i = 0; i < count; i++)
        bench_host_stop(&hosts[i]);
}

static void draw_curves(struct bench_report *report)
{
    static const uint64_t sizes[] = {1 * MIB,   4 * MIB,    16 * MIB,  64 * MIB,
                                     256 * MIB, 1024 * MIB, 4096 * MIB};
    static bench_measure *const light[] = {sdb_default, bare_spawn};
    static bench_measure *const heavy[] = {bare_fork};
    const size_t most = report->options->quick ? 2 : sizeof(sizes) / sizeof(sizes[0]);
    const size_t rounds = report->options->rounds;
    struct bench_host hosts[BENCH_MOST_HOSTS];
    struct medians medians;
    uint64_t left = memory_to_use();
    size_t count;

    for (count = 0; count < most && sizes[count] <= left; count++) {
        left -= sizes[count];
        hosts[count] = bench_host_start(sizes[count], FEW, report->options->cpu);
    }
    report->x_axis = "memory of the host";
    report->y_axis = "time of a launch";
    medians = measure(hosts, count, light, 2, rounds);
    for (size_t i = 0; i < count; i++) {
        bench_add_point(report, "libsdb", (double)sizes[i], medians.of[i][0]);
        bench_add_point(report, "posix_spawn", (double)sizes[i], medians.of[i][1]);
    }
    for (size_t i = 0; i < count; i++) {
        medians = measure(&hosts[i], 1, heavy, 1, rounds);
        bench_add_point(report, "fork + exec", (double)sizes[i], medians.of[0][0]);
        bench_host_stop(&hosts[i]);
    }
}

/* ---- by descriptors ---- */

/* As many as the system lets us have. */
static size_t most_descriptors(size_t wanted)
{
    const size_t spare = 16;
    struct rlimit limit = {.rlim_cur = wanted + spare, .rlim_max = wanted + spare};

    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return wanted;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_die("getrlimit: %s", strerror(errno));
    if (limit.rlim_max < wanted + spare)
        wanted = limit.rlim_max - spare;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_die("setrlimit: %s", strerror(errno));
    return wanted;
}

/*
 * Not in turn: a vfork copies the whole table, and what the kernel puts off of freeing the copy is
 * paid for by whatever comes next.
 */
static void measure_by_descriptors(struct bench_report *report)
{
    static bench_measure *const ours[] = {sdb_default};
    static bench_measure *const bare[] = {bare_vfork};
    const size_t rounds = report->options->rounds;
    const size_t many = most_descriptors(report->options->quick ? 100 : MANY);
    struct bench_host hosts[] = {bench_host_start(0, FEW, report->options->cpu),
                                 bench_host_start(0, many, report->options->cpu)};
    const struct medians by_us = measure(hosts, 2, ours, 1, rounds);
    const struct medians by_vfork = measure(hosts, 2, bare, 1, rounds);
    struct bench_row row = {.value = by_us.of[1][0],
                            .reference = by_us.of[0][0],
                            .goal = BENCH_RATIO_AT_MOST,
                            .limit = 1.2};

    (void)snprintf(row.what, sizeof(row.what), "launch, defaults, %zu descriptors open", many);
    (void)snprintf(row.beside, sizeof(row.beside), "the same with %d open", FEW);
    bench_add_row(report, &row);

    row = (struct bench_row){.value = by_vfork.of[1][0], .reference = by_vfork.of[0][0]};
    (void)snprintf(row.what, sizeof(row.what), "bare vfork, execve, %zu descriptors open", many);
    (void)snprintf(row.beside, sizeof(row.beside), "the same with %d open", FEW);
    bench_add_row(report, &row);
    for (size_t i = 0; i < 2; i++)
        bench_host_stop(&hosts[i]);
}

/* ---- the others ---- */

static void measure_traced(struct bench_report *report)
{
    static bench_measure *const measures[] = {sdb_traced, bare_seize};
    struct bench_host host = bench_host_start(0, FEW, report->options->cpu);
    const struct medians medians = measure(&host, 1, measures, 2, report->options->rounds);

    bench_host_stop(&host);
    bench_add_row(report, &(struct bench_row){.what = "traced launch, to the exec stop and on",
                                              .beside = "bare clone, SEIZE, execve",
                                              .value = medians.of[0][0],
                                              .reference = medians.of[0][1],
                                              .goal = BENCH_RATIO_AT_MOST,
                                              .limit = 1.2});
}

static void measure_crowd(struct bench_report *report)
{
    static bench_measure *const measures[] = {sdb_crowd, bare_crowd};
    struct bench_host host;
    double rates[2];
    struct bench_row row = {.beside = "bare vfork, execve",
                            .unit = BENCH_PER_SECOND,
                            .goal = BENCH_RATIO_AT_LEAST,
                            .limit = 0.8};

    if (report->options->quick)
        crowd_ms /= 10;
    host = bench_host_start(0, FEW, -1); /* several threads want several CPUs */
    take(&host, measures, 2, report->options->quick ? 1 : CROWD_ROUNDS, rates);
    bench_host_stop(&host);
    (void)snprintf(row.what, sizeof(row.what), "launches and reaps from %d threads on all CPUs",
                   CROWD_THREADS);
    row.value = rates[0];
    row.reference = rates[1];
    bench_add_row(report, &row);
}

static void measure_memory(struct bench_report *report)
{
    static bench_measure *const measures[] = {memory_of_launch, memory_kept,
                                              memory_kept_after_trim};
    struct bench_host host = bench_host_start(0, FEW, report->options->cpu);
    double kib[3];

    take(&host, measures, 3, 1, kib);
    bench_host_stop(&host);
    bench_add_row(report, &(struct bench_row){.what = "memory of one launch",
                                              .unit = BENCH_KIB,
                                              .value = kib[0],
                                              .goal = BENCH_VALUE_AT_MOST,
                                              .limit = 256});
    bench_add_row(report, &(struct bench_row){.what = "memory kept between launches",
                                              .unit = BENCH_KIB,
                                              .value = kib[1]});
    bench_add_row(report, &(struct bench_row){.what = "the same after sdb_launch_trim()",
                                              .unit = BENCH_KIB,
                                              .value = kib[2],
                                              .goal = BENCH_VALUE_AT_MOST,
                                              .limit = 0});
}

int main(int argc, char **argv)
{
    static struct bench_report report = {.name = "launch"};
    const struct bench_options options = bench_read_command_line(argc, argv, ROUNDS);

    report.options = &options;
    measure_limits(&report);
    measure_traced(&report);
    measure_by_descriptors(&report);
    measure_by_memory(&report);
    measure_portable(&report);
    measure_crowd(&report);
    measure_memory(&report);
    draw_curves(&report);
    bench_write_json(&report);
    (void)bench_print(&report);
    return 0;
}
