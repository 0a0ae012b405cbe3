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

#define ROUNDS       200
#define LARGE_QUICK  ((size_t)1 << 20)
#define SMALL_QUICK  100
#define STOPS_QUICK  20
#define CALLS_QUICK  1000
#define PLACES_QUICK 100
#define HITS_QUICK   10

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
    {"hits with a false condition", "int3, wait4, set the program counter, continue",
     sdb_false_hits, bare_hits, BENCH_PER_SECOND, BENCH_RATIO_AT_LEAST, 0.8, false},
    {"hits that are told and resumed", "int3, wait4, set the program counter, continue",
     sdb_told_hits, bare_hits, BENCH_PER_SECOND, BENCH_NO_GOAL, 0, false},
    {"hits with a false condition by 100 threads", "the same by hand",
     sdb_false_hits_of_many, bare_hits_of_many, BENCH_PER_SECOND, BENCH_NO_GOAL, 0, false},
    {"single steps", "PTRACE_SINGLESTEP, wait4",
     sdb_steps, bare_steps, BENCH_PER_SECOND, BENCH_RATIO_AT_LEAST, 0.9, false},
    {"one of 10,000 breakpoints planted and lifted", "pwrite to /proc/PID/mem, twice",
     sdb_plant_and_lift, bare_plant_and_lift, BENCH_MICROSECONDS, BENCH_MORE_AT_MOST, 5, true},
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

/* Beside programs that may not be there. */
static void measure_beside_others(struct bench_report *report)
{
    /* clang-format off */
    static const struct {
        const char *program;
        struct line line;
    } others[] = {
        {"strace", {"20,000 system calls, all caught", "strace -o /dev/null",
                    sdb_program_with_all_caught, strace_program,
                    BENCH_MILLISECONDS, BENCH_SPEEDUP_AT_LEAST, 1, false}},
        {"gdb", {"hits with a false condition", "gdb, break f if 0",
                 sdb_false_hits, gdb_false_hits,
                 BENCH_PER_SECOND, BENCH_RATIO_AT_LEAST, 12, false}},
        {"gdb", {"hits with a false condition, on any CPU", "gdb, break f if 0, on any CPU",
                 sdb_false_hits_unpinned, gdb_false_hits_unpinned,
                 BENCH_PER_SECOND, BENCH_RATIO_AT_LEAST, 30, false}},
        {"lldb", {"hits with a false condition", "lldb, breakpoint set -n f -c 0",
                  sdb_false_hits, lldb_false_hits,
                  BENCH_PER_SECOND, BENCH_RATIO_AT_LEAST, 100, false}},
    };
    /* clang-format on */
    const struct bench_options *all = report->options;
    struct bench_options options = *all;

    if (options.quick)
        options.rounds = 1; /* they take long to start */
    report->options = &options;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (look_has(others[i].program))
            measure_line(report, &others[i].line);
        else
            (void)fprintf(stderr, "no %s here, and no row beside it\n", others[i].program);
    }
    report->options = all;
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
        look_places = PLACES_QUICK;
        look_debugger_hits = HITS_QUICK;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        measure_line(&report, &lines[i]);
    measure_beside_others(&report);
    bench_write_json(&report);
    (void)bench_print(&report);
    return 0;
}
