/* SPDX-License-Identifier: MIT */
/*
 * What sessions cost, beside loops of bare system calls, gdb and strace: the rows of the table.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "host.h"
#include "session_measures.h"

#define ROUNDS          200
#define FEW             10 /* descriptors of a host */
#define MANY_THREADS    1000
#define LONGEST_US      8e6 /* for all rounds of a row, more or less */
#define FEWEST          5   /* rounds of it */
#define LONG_BATCH_US   2e4 /* one host goes on for so long before it is the next one's turn */
#define MOST_IDLE_QUICK 20
#define COMMANDS_QUICK  50
#define STOPS_QUICK     100
#define WAKES_QUICK     20

/* ---- measuring ---- */

/* Start a host for each measure, and have each prepare itself.  @return how long a round takes */
static double start_hosts(struct bench_host *hosts, bench_measure *const *measures, size_t count,
                          int cpu)
{
    double unused;
    double begin = 0;

    for (size_t i = 0; i < count; i++) {
        hosts[i] = bench_host_start(0, FEW, cpu);
        bench_host_run(&hosts[i], &measures[i], 1, 1, &unused);
    }
    begin = bench_now_us();
    for (size_t i = 0; i < count; i++)
        bench_host_run(&hosts[i], &measures[i], 1, 1, &unused);
    return bench_now_us() - begin;
}

static void stop_hosts(struct bench_host *hosts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bench_host_stop(&hosts[i]);
    /* What they traced died with them, and became ours. */
    while (waitpid(-1, NULL, __WALL) > 0)
        ;
}

/* Take the measures, each in a host of its own, in turn, a few rounds at a time. */
static void measure(const struct bench_report *report, bench_measure *const *measures, size_t count,
                    double *medians)
{
    struct bench_host hosts[BENCH_MOST_HOSTS];
    const double round_us = start_hosts(hosts, measures, count, report->options->cpu);
    size_t rounds = report->options->rounds;
    size_t batch = 1 + (size_t)(LONG_BATCH_US / round_us);
    double *samples;

    if (!report->options->quick && (double)rounds * round_us > LONGEST_US) {
        rounds = (size_t)(LONGEST_US / round_us);
        rounds = rounds < FEWEST ? FEWEST : rounds;
    }
    samples = calloc(count * rounds, sizeof(*samples));
    if (!samples)
        bench_die("no memory");
    for (size_t done = 0; done < rounds; done += batch) {
        batch = rounds - done < batch ? rounds - done : batch;
        for (size_t i = 0; i < count; i++)
            bench_host_run(&hosts[i], &measures[i], 1, batch, &samples[i * rounds + done]);
    }
    for (size_t i = 0; i < count; i++)
        medians[i] = bench_median(&samples[i * rounds], rounds);
    free(samples);
    stop_hosts(hosts, count);
}

static void leave_out(const char *row, const char *why)
{
    (void)fprintf(stderr, "%s, and no row for %s\n", why, row);
}

/* ---- stops ---- */

static void measure_stops(struct bench_report *report, size_t idle, const char *what,
                          bench_measure *session, bench_measure *bare)
{
    bench_measure *const measures[] = {session, bare};
    struct bench_row row = {.beside = "bare ptrace, wait4",
                            .unit = BENCH_PER_SECOND,
                            .goal = BENCH_RATIO_AT_LEAST,
                            .limit = 0.9};
    double rates[2];

    session_idle_threads = idle;
    measure(report, measures, 2, rates);
    if (idle > 0)
        (void)snprintf(row.what, sizeof(row.what), "%s, %zu idle threads held", what, idle);
    else
        (void)snprintf(row.what, sizeof(row.what), "%s", what);
    row.value = rates[0];
    row.reference = rates[1];
    bench_add_row(report, &row);
}

static void measure_all_stops(struct bench_report *report)
{
    static const size_t full[] = {0, 100, MANY_THREADS};
    static const size_t quick[] = {0, 5, MOST_IDLE_QUICK};
    const size_t *idle = report->options->quick ? quick : full;

    for (size_t i = 0; i < 3; i++)
        measure_stops(report, idle[i], "system-call stops", sdb_stops_at_calls,
                      bare_stops_at_calls);
    for (size_t i = 0; i < 3; i++)
        measure_stops(report, idle[i], "signal stops", sdb_stops_at_signals, bare_stops_at_signals);
    measure_stops(report, 0, "system-call stops, without io_uring", sdb_stops_at_calls_helped,
                  bare_stops_at_calls);
}

/* ---- attach and detach, and what is held between ---- */

static void measure_attach(struct bench_report *report)
{
    static bench_measure *const pair[] = {sdb_attach_and_detach, bare_attach_and_detach};
    static bench_measure *const gdb[] = {gdb_attach_to_all, gdb_attach_to_one};
    struct bench_row row = {.beside = "bare SEIZE, INTERRUPT, wait4, DETACH",
                            .unit = BENCH_MILLISECONDS,
                            .goal = BENCH_RATIO_AT_MOST,
                            .limit = 1.5};
    double us[2];
    double gdb_ms[2];

    /* One more is the first. */
    session_idle_threads = (report->options->quick ? MOST_IDLE_QUICK : MANY_THREADS) - 1;
    measure(report, pair, 2, us);
    (void)snprintf(row.what, sizeof(row.what), "attach to %zu threads and detach",
                   session_idle_threads + 1);
    row.value = us[0] / 1000;
    row.reference = us[1] / 1000;
    bench_add_row(report, &row);

    if (!session_has_program("gdb")) {
        leave_out("its attaching", "no gdb here");
        return;
    }
    measure(report, gdb, 2, gdb_ms);
    row.reference = gdb_ms[0] - gdb_ms[1];
    row.goal = report->options->quick ? BENCH_NO_GOAL : BENCH_SPEEDUP_AT_LEAST;
    row.limit = 5;
    (void)snprintf(row.beside, sizeof(row.beside), "gdb -batch -p, less the same for one thread");
    bench_add_row(report, &row);
}

static void measure_memory(struct bench_report *report)
{
    bench_measure *const measures[] = {sdb_memory_of_thread};
    struct bench_host host;
    double kib;

    session_idle_threads = report->options->quick ? MOST_IDLE_QUICK : MANY_THREADS;
    host = bench_host_start(0, FEW, report->options->cpu);
    bench_host_run(&host, measures, 1, 1, &kib);
    stop_hosts(&host, 1);
    bench_add_row(report, &(struct bench_row){.what = "memory for each held thread",
                                              .unit = BENCH_KIB,
                                              .value = kib,
                                              .goal = BENCH_VALUE_AT_MOST,
                                              .limit = 1});
}

/* ---- wakes ---- */

static void measure_wakes(struct bench_report *report)
{
    static bench_measure *const all[] = {bare_ping_pong, sdb_wake_by_helper, sdb_wake_by_uring};
    const bool has_uring = session_has_uring();
    struct bench_row row = {.beside = "eventfd, there and back", .goal = BENCH_RATIO_AT_MOST};
    double us[3];

    measure(report, all, has_uring ? 3 : 2, us);
    row.reference = us[0];
    if (has_uring) {
        (void)snprintf(row.what, sizeof(row.what), "wake of a wait, there and back");
        row.value = us[2];
        row.limit = 4;
        bench_add_row(report, &row);
    } else {
        leave_out("a wake by it", "no io_uring here");
    }
    (void)snprintf(row.what, sizeof(row.what), "the same without io_uring");
    row.value = us[1];
    row.limit = 10;
    bench_add_row(report, &row);
}

/* ---- a fork-heavy command ---- */

static void measure_commands(struct bench_report *report)
{
    static bench_measure *const all[] = {sdb_shell_followed, shell_alone, strace_shell};
    const bool has_strace = session_has_program("strace");
    struct bench_row row = {.beside = "strace -f --seccomp-bpf", .unit = BENCH_MILLISECONDS};
    double ms[3];

    measure(report, all, has_strace ? 3 : 2, ms);
    (void)snprintf(row.what, sizeof(row.what), "a shell that runs %zu /bin/true, all followed",
                   session_commands);
    row.value = ms[0];
    if (has_strace) {
        row.reference = ms[2];
        row.goal = report->options->quick ? BENCH_NO_GOAL : BENCH_RATIO_AT_MOST;
        row.limit = 1;
        bench_add_row(report, &row);
    } else {
        leave_out("what it follows", "no strace here");
    }
    (void)snprintf(row.beside, sizeof(row.beside), "the shell alone");
    row.reference = ms[1];
    row.goal = BENCH_NO_GOAL;
    bench_add_row(report, &row);
}

int main(int argc, char **argv)
{
    static struct bench_report report = {.name = "session", .all_pinned = true};
    const struct bench_options options = bench_read_command_line(argc, argv, ROUNDS);

    report.options = &options;
    if (options.quick) {
        session_stops = STOPS_QUICK;
        session_wakes = WAKES_QUICK;
        session_commands = COMMANDS_QUICK;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    measure_all_stops(&report);
    measure_wakes(&report);
    measure_attach(&report);
    measure_memory(&report);
    measure_commands(&report);
    bench_write_json(&report);
    (void)bench_print(&report);
    return 0;
}
