/* SPDX-License-Identifier: MIT */
/*
 * What looking into held programs costs, beside bare system calls: the rows of the table.
 */
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "bench.h"
#include "in_turn.h"
#include "look_measures.h"

#define ROUNDS      200
#define LARGE_QUICK ((size_t)1 << 20)
#define SMALL_QUICK 100
#define STOPS_QUICK 20
#define CALLS_QUICK 1000

struct line {
    const char *what;
    const char *beside;
    bench_measure *ours;
    bench_measure *reference;
    enum bench_unit unit;
    enum bench_goal goal;
    double limit;
    bool together; /* in one host: they hold nothing, or the same */
};

/* clang-format off */
static const struct line lines[] = {
    {"64 MiB of memory read at once", "pread of /proc/PID/mem",
     sdb_read_large, bare_read_large, BENCH_MILLISECONDS, BENCH_SPEEDUP_AT_LEAST, 0.95,
     true},
    {"8 bytes of memory read", "pread of /proc/PID/mem",
     sdb_read_small, bare_read_small, BENCH_MICROSECONDS, BENCH_RATIO_AT_MOST, 1.15, true},
    {"8 bytes of memory read, by another thread", "the same by pread",
     sdb_read_small_elsewhere, bare_read_small_elsewhere, BENCH_MICROSECONDS,
     BENCH_RATIO_AT_MOST, 1.15, true},
    {"registers of a stop, first read", "PTRACE_GETREGS",
     sdb_read_registers, bare_read_registers, BENCH_MICROSECONDS, BENCH_RATIO_AT_MOST, 1.15,
     false},
    {"vector register of a stop, first read", "PTRACE_GETREGSET of it all",
     sdb_read_vector, bare_read_vector, BENCH_MICROSECONDS, BENCH_NO_GOAL, 0, false},
    {"a million system calls and one that is caught", "the program alone with the same filter",
     sdb_program_with_one_caught, bare_program_with_filter, BENCH_MILLISECONDS, BENCH_RATIO_AT_MOST,
     1.1, false},
    {"ends of system calls, all caught", "PTRACE_SYSCALL, wait4",
     sdb_ends_of_caught_calls, bare_ends_of_calls, BENCH_PER_SECOND, BENCH_RATIO_AT_LEAST, 0.8, false},
};
/* clang-format on */

static void measure_line(struct bench_report *report, const struct line *line)
{
    bench_measure *const measures[] = {line->ours, line->reference};
    struct bench_row row = {.unit = line->unit, .goal = line->goal, .limit = line->limit};
    double medians[2];

    if (line->together)
        bench_measure_together(report, measures, 2, medians);
    else
        bench_measure_in_turn(report, measures, 2, medians);
    (void)snprintf(row.what, sizeof(row.what), "%s", line->what);
    (void)snprintf(row.beside, sizeof(row.beside), "%s", line->beside);
    row.value = medians[0];
    row.reference = medians[1];
    bench_add_row(report, &row);
}

static void measure_beside_strace(struct bench_report *report)
{
    static const struct line line = {"20,000 system calls, all caught",
                                     "strace -o /dev/null",
                                     sdb_program_with_all_caught,
                                     strace_program,
                                     BENCH_MILLISECONDS,
                                     BENCH_SPEEDUP_AT_LEAST,
                                     1,
                                     false};

    if (look_has_strace())
        measure_line(report, &line);
    else
        (void)fputs("no strace here, and no row for all calls caught beside it\n", stderr);
}

int main(int argc, char **argv)
{
    static struct bench_report report = {.name = "look", .all_pinned = true};
    const struct bench_options options = bench_read_command_line(argc, argv, ROUNDS);

    report.options = &options;
    if (options.quick) {
        look_large = LARGE_QUICK;
        look_small = SMALL_QUICK;
        look_stops = STOPS_QUICK;
        look_calls = CALLS_QUICK;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        measure_line(&report, &lines[i]);
    measure_beside_strace(&report);
    bench_write_json(&report);
    (void)bench_print(&report);
    return 0;
}
