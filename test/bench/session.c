/* SPDX-License-Identifier: MIT */
/*
 * What sessions cost, beside loops of bare system calls, gdb and strace: the rows of the table.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "bench.h"
#include "host.h"
#include "in_turn.h"
#include "session_measures.h"

#define ROUNDS          200
#define MANY_THREADS    1000
#define MOST_IDLE_QUICK 20
#define COMMANDS_QUICK  50
#define STOPS_QUICK     100
#define WAKES_QUICK     20

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
    bench_measure_in_turn(report, measures, 2, rates);
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
    bench_measure_in_turn(report, pair, 2, us);
    (void)snprintf(row.what, sizeof(row.what), "attach to %zu threads and detach",
                   session_idle_threads + 1);
    row.value = us[0] / 1000;
    row.reference = us[1] / 1000;
    bench_add_row(report, &row);

    if (!session_has_program("gdb")) {
        leave_out("its attaching", "no gdb here");
        return;
    }
    bench_measure_in_turn(report, gdb, 2, gdb_ms);
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
    host = bench_host_start(0, BENCH_FEW, report->options->cpu);
    bench_host_run(&host, measures, 1, 1, &kib);
    bench_host_stop(&host);
    bench_reap();
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

    bench_measure_in_turn(report, all, has_uring ? 3 : 2, us);
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

    bench_measure_in_turn(report, all, has_strace ? 3 : 2, ms);
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
