/* SPDX-License-Identifier: MIT */
/*
 * Debuggers: they run a program that comes so often to a breakpoint with a false condition, and then one
 * that comes twice as often; so what takes them to start is taken off.
 */
#include "look_measures.h"

#include <stdio.h>

#include "bench.h"
#include "look_target.h"

#define SLOWER 8 /* lldb, by so much more or less */

size_t look_debugger_hits = 4000;

/* Launch it without output.  @return 0 or a negative errno */
static int launch(const char *const *argv, struct sdb_child **child)
{
    static const struct sdb_fd quiet[] = {
        {.target = 0, .kind = SDB_FD_NULL},
        {.target = 1, .kind = SDB_FD_NULL},
        {.target = 2, .kind = SDB_FD_NULL},
    };
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    options.argv = argv;
    options.fds = quiet;
    options.fd_count = sizeof(quiet) / sizeof(quiet[0]);
    options.flags = SDB_LAUNCH_SEARCH_PATH;
    return sdb_launch(&options, child, NULL);
}

bool look_has(const char *program)
{
    const char *argv[] = {program, "--version", NULL};
    struct sdb_child *child;

    if (launch(argv, &child) < 0)
        return false;
    look_check("its end", sdb_child_wait(child, -1, NULL));
    sdb_child_close(child);
    return true;
}

static double run(const char *const *argv)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child;
    const double begin = bench_now_us();

    look_check(argv[0], launch(argv, &child));
    look_check("its end", sdb_child_wait(child, -1, &status));
    if (status.how != SDB_EXITED || status.code != 0)
        bench_die("%s has not ended well", argv[0]);
    sdb_child_close(child);
    return bench_now_us() - begin;
}

static double run_gdb(size_t hits)
{
    char count[32];
    /* It would run the program in a shell, and ask others for its symbols. */
    const char *argv[] = {"gdb",
                          "-nx",
                          "-batch",
                          "-ex",
                          "set startup-with-shell off",
                          "-ex",
                          "set debuginfod enabled off",
                          "-ex",
                          "break bench_hot if 0",
                          "-ex",
                          "run",
                          "--args",
                          SDB_BENCH_TARGET,
                          "hot",
                          count,
                          NULL};

    (void)snprintf(count, sizeof(count), "%zu", hits);
    return run(argv);
}

static double run_lldb(size_t hits)
{
    char count[32];
    const char *argv[] = {
        "lldb",           "-x",  "-b",  "-o", "breakpoint set -n bench_hot -c 0", "-o", "run", "--",
        SDB_BENCH_TARGET, "hot", count, NULL};

    (void)snprintf(count, sizeof(count), "%zu", hits);
    return run(argv);
}

static double without_start(double (*debugger)(size_t hits), size_t hits)
{
    static bool prepared;
    double once;
    double twice;

    if (!prepared) {
        prepared = true;
        return debugger(1); /* which reads its files in, and does not count */
    }
    once = debugger(hits);
    twice = debugger(2 * hits);
    /* Only where so few are made that it means nothing. */
    return twice > once ? (double)hits / (twice - once) * 1e6 : 1;
}

double gdb_false_hits(void)
{
    return without_start(run_gdb, look_debugger_hits);
}

double gdb_false_hits_unpinned(void)
{
    look_unpin();
    return without_start(run_gdb, look_debugger_hits);
}

double lldb_false_hits(void)
{
    return without_start(run_lldb, look_debugger_hits / SLOWER);
}
