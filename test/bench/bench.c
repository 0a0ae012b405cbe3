/* SPDX-License-Identifier: MIT */
/*
 * What all benchmarks have in common.
 */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define QUICK_ROUNDS 3

/* Where the measuring is done. */
struct machine {
    char kernel[64];
    char cpu[128];
    long cpus;
};

void bench_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(1);
}

static long read_number(const char *program, const char *text)
{
    char *end;
    long number;

    errno = 0;
    number = text ? strtol(text, &end, 10) : -1;
    if (!text || *text == '\0' || *end != '\0' || errno != 0 || number < 0)
        bench_die("usage: %s [--quick] [--rounds N] [--cpu N] [--json FILE]", program);
    return number;
}

struct bench_options bench_read_command_line(int argc, char **argv, size_t rounds)
{
    struct bench_options options = {.rounds = rounds, .cpu = -1};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            options.quick = true;
            options.rounds = QUICK_ROUNDS;
        } else if (strcmp(argv[i], "--rounds") == 0) {
            options.rounds = (size_t)read_number(argv[0], argv[++i]);
        } else if (strcmp(argv[i], "--cpu") == 0) {
            options.cpu = (int)read_number(argv[0], argv[++i]);
        } else if (strcmp(argv[i], "--json") == 0 && argv[i + 1]) {
            options.json = argv[++i];
        } else {
            (void)read_number(argv[0], NULL);
        }
    }
    if (options.rounds == 0)
        options.rounds = 1;
    return options;
}

double bench_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void bench_add_row(struct bench_report *report, const struct bench_row *row)
{
    if (report->row_count == BENCH_MOST_ROWS)
        bench_die("too many rows");
    report->rows[report->row_count++] = *row;
}

void bench_add_point(struct bench_report *report, const char *curve, double x, double y)
{
    if (report->point_count == BENCH_MOST_POINTS)
        bench_die("too many points");
    report->points[report->point_count++] = (struct bench_point){.curve = curve, .x = x, .y = y};
}

/* ---- goals ---- */

static double ratio(const struct bench_row *row)
{
    return row->goal == BENCH_SPEEDUP_AT_LEAST ? row->reference / row->value
                                               : row->value / row->reference;
}

static bool is_met(const struct bench_row *row)
{
    switch (row->goal) {
    case BENCH_RATIO_AT_MOST:
        return ratio(row) <= row->limit;
    case BENCH_RATIO_AT_LEAST:
    case BENCH_SPEEDUP_AT_LEAST:
        return ratio(row) >= row->limit;
    case BENCH_VALUE_AT_MOST:
        return row->value <= row->limit;
    case BENCH_MORE_AT_MOST:
        return row->value - row->reference <= row->limit;
    case BENCH_NO_GOAL:
        break;
    }
    return true;
}

static const char *unit_name(enum bench_unit unit)
{
    static const char *const names[] = {[BENCH_MICROSECONDS] = "µs",
                                        [BENCH_MILLISECONDS] = "ms",
                                        [BENCH_PER_SECOND] = "/s",
                                        [BENCH_KIB] = "KiB"};

    return names[unit];
}

static void format_goal(const struct bench_row *row, char *text, size_t size)
{
    switch (row->goal) {
    case BENCH_RATIO_AT_MOST:
        (void)snprintf(text, size, "≤ %g ×", row->limit);
        break;
    case BENCH_RATIO_AT_LEAST:
        (void)snprintf(text, size, "≥ %g ×", row->limit);
        break;
    case BENCH_SPEEDUP_AT_LEAST:
        (void)snprintf(text, size, "≥ %g × faster", row->limit);
        break;
    case BENCH_VALUE_AT_MOST:
        (void)snprintf(text, size, "≤ %g %s", row->limit, unit_name(row->unit));
        break;
    case BENCH_MORE_AT_MOST:
        (void)snprintf(text, size, "≤ %g %s more", row->limit, unit_name(row->unit));
        break;
    case BENCH_NO_GOAL:
        (void)snprintf(text, size, "%s", "");
        break;
    }
}

/* As many digits as mean something. */
static int decimals(double value)
{
    return value >= 1000 || value == 0 ? 0 : value >= 100 ? 1 : 2;
}

/* ---- the machine ---- */

static void read_cpu_model(char *model, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];

    (void)snprintf(model, size, "unknown CPU");
    while (file && fgets(line, sizeof(line), file)) {
        char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) == 0 && colon) {
            colon[strcspn(colon, "\n")] = '\0';
            (void)snprintf(model, size, "%s", colon + 2);
            break;
        }
    }
    if (file)
        (void)fclose(file);
}

static struct machine describe_machine(void)
{
    struct machine machine;
    struct utsname names;

    uname(&names);
    /* Without what a distributor or builder appended. */
    names.release[strcspn(names.release, "-+")] = '\0';
    (void)snprintf(machine.kernel, sizeof(machine.kernel), "%.32s %.24s", names.sysname,
                   names.release);
    read_cpu_model(machine.cpu, sizeof(machine.cpu));
    machine.cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return machine;
}

/* ---- the table ---- */

static void print_row(const struct bench_row *row)
{
    char goal[64];

    format_goal(row, goal, sizeof(goal));
    printf("| %s | %.*f %s | ", row->what, decimals(row->value), row->value, unit_name(row->unit));
    if (row->beside[0])
        printf("%s | %.*f %s | %.*f × | ", row->beside, decimals(row->reference), row->reference,
               unit_name(row->unit), decimals(ratio(row)), ratio(row));
    else
        printf(" | | | ");
    printf("%s | %s |\n", goal, row->goal == BENCH_NO_GOAL ? "" : is_met(row) ? "yes" : "**no**");
}

bool bench_print(const struct bench_report *report)
{
    const struct machine machine = describe_machine();
    bool all_met = true;

    printf("%s: %s, %s, %ld CPUs%s, build %s; medians of %zu rounds or fewer, pairs in turn where "
           "neither disturbs the other%s\n\n",
           report->name, machine.kernel, machine.cpu, machine.cpus,
           report->options->cpu < 0 ? ""
           : report->all_pinned     ? " (all on one of them)"
                                    : " (all rows but those of several threads on one of them)",
           SDB_BENCH_BUILD, report->options->rounds,
           report->options->quick ? "; a quick look, the figures mean nothing" : "");
    printf("| What | | Beside | | Ratio | Goal | Met |\n"
           "| --- | --: | --- | --: | --: | --: | --- |\n");
    for (size_t i = 0; i < report->row_count; i++) {
        print_row(&report->rows[i]);
        all_met = all_met && is_met(&report->rows[i]);
    }
    (void)fflush(stdout);
    return all_met;
}

/* ---- JSON ---- */

static void write_string(FILE *file, const char *text)
{
    (void)fputc('"', file);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            (void)fputc('\\', file);
        (void)fputc(*text, file);
    }
    (void)fputc('"', file);
}

static void write_member(FILE *file, const char *name, const char *text)
{
    (void)fprintf(file, "\"%s\": ", name);
    write_string(file, text);
    (void)fputs(", ", file);
}

static void write_row(FILE *file, const struct bench_row *row)
{
    char goal[64];

    format_goal(row, goal, sizeof(goal));
    (void)fputs("    {", file);
    write_member(file, "what", row->what);
    write_member(file, "unit", unit_name(row->unit));
    (void)fprintf(file, "\"value\": %.3f, ", row->value);
    if (row->beside[0]) {
        write_member(file, "beside", row->beside);
        (void)fprintf(file, "\"reference\": %.3f, \"ratio\": %.4f, ", row->reference, ratio(row));
    }
    if (row->goal != BENCH_NO_GOAL) {
        write_member(file, "goal", goal);
        (void)fprintf(file, "\"met\": %s}", is_met(row) ? "true" : "false");
    } else {
        (void)fputs("\"goal\": null}", file);
    }
}

/* The points of a curve are written where its first one stands. */
static bool is_first_of_its_curve(const struct bench_report *report, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(report->points[i].curve, report->points[at].curve) == 0)
            return false;
    }
    return true;
}

static void write_curve(FILE *file, const struct bench_report *report, size_t first)
{
    const char *name = report->points[first].curve;
    const char *separator = "";

    (void)fputs("    {", file);
    write_member(file, "name", name);
    (void)fputs("\"points\": [", file);
    for (size_t i = first; i < report->point_count; i++) {
        if (strcmp(report->points[i].curve, name) != 0)
            continue;
        (void)fprintf(file, "%s[%.0f, %.3f]", separator, report->points[i].x, report->points[i].y);
        separator = ", ";
    }
    (void)fputs("]}", file);
}

void bench_write_json(const struct bench_report *report)
{
    const struct machine machine = describe_machine();
    const char *separator = "";
    FILE *file;

    if (!report->options->json)
        return;
    file = fopen(report->options->json, "we");
    if (!file)
        bench_die("%s: %s", report->options->json, strerror(errno));

    (void)fputs("{\n  ", file);
    write_member(file, "benchmark", report->name);
    write_member(file, "kernel", machine.kernel);
    write_member(file, "cpu", machine.cpu);
    write_member(file, "build", SDB_BENCH_BUILD);
    (void)fprintf(file, "\"cpus\": %ld, \"rounds\": %zu, \"quick\": %s,\n  \"rows\": [\n",
                  machine.cpus, report->options->rounds, report->options->quick ? "true" : "false");
    for (size_t i = 0; i < report->row_count; i++) {
        (void)fputs(separator, file);
        write_row(file, &report->rows[i]);
        separator = ",\n";
    }
    (void)fputs("\n  ]", file);
    if (report->x_axis) {
        (void)fputs(",\n  ", file);
        write_member(file, "x", report->x_axis);
        write_member(file, "y", report->y_axis);
        (void)fputs("\"curves\": [\n", file);
        separator = "";
        for (size_t i = 0; i < report->point_count; i++) {
            if (!is_first_of_its_curve(report, i))
                continue;
            (void)fputs(separator, file);
            write_curve(file, report, i);
            separator = ",\n";
        }
        (void)fputs("\n  ]", file);
    }
    (void)fputs("\n}\n", file);
    if (fclose(file) != 0)
        bench_die("%s: %s", report->options->json, strerror(errno));
}
