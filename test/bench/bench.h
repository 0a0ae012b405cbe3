/* SPDX-License-Identifier: MIT */
/*
 * What all benchmarks have in common: the clock, medians, and the report, which is printed as a
 * Markdown table and written as JSON.
 *
 * A benchmark measures what it is about beside the bare system calls that it cannot do without, the
 * two in turn in the same process, so that whatever slows the machine down meanwhile slows both.
 * A row of the table is such a pair of medians, with the ratio that is the goal.
 */
#ifndef SDB_BENCH_BENCH_H
#define SDB_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

/** What the command line says. */
struct bench_options {
    const char *json; /* the file to write, or NULL */
    size_t rounds;    /* measurements for each median */
    int cpu;          /* the only CPU to run on, or -1 */
    bool quick;       /* see that it works; the figures mean nothing */
};

enum bench_unit {
    BENCH_MICROSECONDS,
    BENCH_MILLISECONDS,
    BENCH_PER_SECOND,
    BENCH_KIB,
};

/** What a goal is about.  The ratio is value / reference, the speed-up is reference / value. */
enum bench_goal {
    BENCH_NO_GOAL,
    BENCH_RATIO_AT_MOST,
    BENCH_RATIO_AT_LEAST,
    BENCH_SPEEDUP_AT_LEAST,
    BENCH_VALUE_AT_MOST,
    BENCH_MORE_AT_MOST, /* value - reference */
};

struct bench_row {
    char what[96];
    char beside[96]; /* "" if there is nothing beside it */
    enum bench_unit unit;
    double value;
    double reference;
    enum bench_goal goal;
    double limit;
};

/** A point of a curve that is drawn. */
struct bench_point {
    const char *curve; /* its name, static */
    double x;
    double y;
};

#define BENCH_MOST_ROWS   64
#define BENCH_MOST_POINTS 128

struct bench_report {
    const char *name;
    const struct bench_options *options;
    bool all_pinned; /* to the CPU that the options name; else those of several threads are not */
    const char *x_axis; /* what the curves are over; NULL: there are none */
    const char *y_axis;
    struct bench_row rows[BENCH_MOST_ROWS];
    size_t row_count;
    struct bench_point points[BENCH_MOST_POINTS];
    size_t point_count;
};

/** Say what went wrong and exit. */
void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** Read the command line; exits if it is wrong. */
struct bench_options bench_read_command_line(int argc, char **argv, size_t rounds);

/** @return microseconds on the monotonic clock */
double bench_now_us(void);

/** @return the median; the values are sorted meanwhile */
double bench_median(double *values, size_t count);

void bench_add_row(struct bench_report *report, const struct bench_row *row);
void bench_add_point(struct bench_report *report, const char *curve, double x, double y);

/** Print what was measured and how, and the table.  @return whether every goal is met */
bool bench_print(const struct bench_report *report);

/** Write the report to the file that the command line names, if it does. */
void bench_write_json(const struct bench_report *report);

#endif
