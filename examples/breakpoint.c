/* SPDX-License-Identifier: MIT */
/*
 * breakpoint: show how a program comes to a place.
 *
 *     breakpoint [options] PLACE... -- command [argument...]
 *     breakpoint [options] PLACE... -p PID
 *
 * A place is a function (of the program or of a library, whenever that is loaded), FILE:LINE where the
 * compiler has noted lines (-g), or an address (0x...).  Each time that a thread of the program comes
 * there, it stands still for a moment, and the calls that it is in go to standard error, or to FILE.
 *
 * The command has the same input, output and signals as without breakpoint, which ends as it does.  A
 * process that runs already (-p) is let go when breakpoint is interrupted (Ctrl-C), and runs on.
 */
#include <sdb/sdb.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "symbols.h"

enum { EXIT_NOT_FOUND = 127, EXIT_CANNOT_RUN = 126, EXIT_OUR_FAULT = 125 };

#define MOST_BREAKPOINTS 256 /* each of all places that came at a time */

static const char help[] =
    "usage: breakpoint [options] PLACE... { -- command [argument...] | -p PID }\n"
    "  -i, --if CONDITION  only if a register has such a value: 'rdi == 3'; ==, !=, <, <=, >, >=\n"
    "  -n, --count N       go on without it after so many times\n"
    "  -o, --output FILE   tell it to FILE\n"
    "  -p, --pid PID       a process that runs already\n";

struct condition {
    char name[16]; /* of a register; empty: there is no condition */
    char comparison[3];
    uint64_t value;
};

static FILE *output;
static struct condition condition;
static uint64_t most_hits = UINT64_MAX;
static uint64_t hits;
static char **wanted; /* the places as they were said */
static int wanted_count;
static struct places places; /* where they are, as far as that is mapped */
static struct symbols *symbols;
static struct sdb_breakpoint *breakpoints[MOST_BREAKPOINTS];
static size_t breakpoint_count;
static char loader_mark; /* its address marks the breakpoint in the dynamic linker */
static struct sdb_session *session;
static volatile sig_atomic_t command; /* its process id, while it runs */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "breakpoint: %s: %s\n", what, why);
    exit(EXIT_OUR_FAULT); /* what was launched dies with us */
}

static void check(const char *what, int rc)
{
    if (rc < 0 && rc != -ESRCH) /* ESRCH: it was killed just now, as the next event will tell */
        fail(what, sdb_error_describe(rc));
}

/* ---- the condition ---- */

static void parse_condition(const char *text)
{
    char value[32];
    char *end;

    if (sscanf(text, " %15[a-z0-9_] %2[=!<>] %31s", condition.name, condition.comparison, value) !=
        3)
        fail(text, "no condition: it should be like 'rdi == 3'");
    if (!sdb_register_find(condition.name) || sdb_register_find(condition.name)->size > 8)
        fail(condition.name, "no register that could be compared");
    errno = 0;
    condition.value = strtoull(value, &end, 0);
    if (errno != 0 || *end != '\0' || strcmp(condition.comparison, "=") == 0 ||
        strcmp(condition.comparison, "!") == 0)
        fail(text, "no condition: it should be like 'rdi == 3'");
}

/* Asked whenever a thread comes by; where it says 0 that thread goes on as if nothing had been. */
static int is_met(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *unused)
{
    const char first = condition.comparison[0];
    const bool or_equal = condition.comparison[1] == '=';
    uint64_t value;

    (void)breakpoint;
    (void)unused;
    if (sdb_thread_get_register(thread, condition.name, &value) < 0)
        return 0;
    if (first == '=')
        return value == condition.value;
    if (first == '!')
        return value != condition.value;
    if (or_equal && value == condition.value)
        return 1;
    return first == '<' ? value < condition.value : value > condition.value;
}

/* ---- breakpoints ---- */

static void add_breakpoint(struct sdb_process *process,
                           const struct sdb_breakpoint_options *options, bool is_loader)
{
    struct sdb_breakpoint *breakpoint;
    int rc;

    if (breakpoint_count == MOST_BREAKPOINTS)
        fail("breakpoint", "too many libraries have such places");
    rc = sdb_breakpoint_create(process, options, &breakpoint);
    check("breakpoint", rc);
    if (rc < 0)
        return;
    sdb_breakpoint_set_data(breakpoint, is_loader ? &loader_mark : NULL);
    breakpoints[breakpoint_count++] = breakpoint;
}

static void remove_breakpoints(void)
{
    while (breakpoint_count > 0)
        check("breakpoint", sdb_breakpoint_remove(breakpoints[--breakpoint_count]));
    places.count = 0;
}

/* Plant at those of the places that have come since. */
static void plant(struct sdb_process *process)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    const size_t before = places.count;

    for (int i = 0; i < wanted_count; i++)
        symbols_find_places(symbols, wanted[i], &places);
    if (places.count == before)
        return;
    options.addresses = places.addresses + before;
    options.address_count = places.count - before;
    options.condition = condition.name[0] ? is_met : NULL;
    add_breakpoint(process, &options, false);
}

/* A program is there.  Its libraries come when the dynamic linker maps them, which it tells of. */
static void begin(struct sdb_process *process)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;

    remove_breakpoints(); /* those of the program before have gone with it */
    symbols_close(symbols);
    symbols = symbols_open(process);
    if (!symbols)
        fail("symbols", "they cannot be read");
    options.address = symbols_find_loader_place(symbols);
    if (options.address)
        add_breakpoint(process, &options, true);
    plant(process);
}

static void see_hit(const struct sdb_event *event)
{
    struct sdb_breakpoint *breakpoint = NULL;
    bool is_wanted = false;

    while ((breakpoint = sdb_thread_next_breakpoint(event->thread, breakpoint))) {
        if (sdb_breakpoint_data(breakpoint) == &loader_mark) {
            symbols_refresh(symbols);
            plant(event->process);
        } else {
            is_wanted = true;
        }
    }
    if (!is_wanted)
        return;
    fprintf(output, "breakpoint: thread %d, time %" PRIu64 "\n", sdb_thread_tid(event->thread),
            ++hits);
    symbols_print_backtrace(symbols, event->thread, output);
    if (hits == most_hits)
        remove_breakpoints();
}

/* Until the process has ended, or somebody interrupts.  @param status  gets how it ended */
static void follow(struct sdb_exit_status *status)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(session, -1, &event)) == 0) {
        if (event.kind == SDB_EVENT_EXITED) {
            *status = *event.status;
            command = 0;
        } else if (event.kind == SDB_EVENT_BREAKPOINT) {
            see_hit(&event);
        } else if (event.kind == SDB_EVENT_EXEC && hits < most_hits) {
            begin(event.process);
        }
        check("resume",
              sdb_event_resume(&event)); /* where there is nothing to resume it does nothing */
    }
    if (rc != -ECHILD && rc != -EINTR)
        fail("wait", sdb_error_describe(rc));
}

/* ---- beginning and end ---- */

static int explain(const struct sdb_error *error)
{
    char text[512];

    sdb_error_format(error, text, sizeof(text));
    fprintf(stderr, "breakpoint: %s\n", text);
    if (error->stage != SDB_STAGE_EXEC)
        return EXIT_OUR_FAULT;
    return error->code == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

static void pass_on(int signal)
{
    if (command > 0)
        kill((pid_t)command, signal);
}

static void interrupt(int signal)
{
    (void)signal;
    sdb_session_interrupt(session); /* NOLINT: it may be called here, as its comment says */
}

/* Returns 0, or the exit code that tells why the command could not be launched. */
static int start(char **argv, struct sdb_process **process)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;

    options.argv = (const char *const *)argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH | SDB_LAUNCH_INHERIT_FDS;
    if (sdb_session_launch(session, &options, process, &error) < 0)
        return explain(&error);
    command = sdb_process_pid(*process);
    signal(SIGINT, SIG_IGN); /* the terminal sends it to the command, too */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, pass_on);
    signal(SIGTERM, pass_on);
    return 0;
}

static int attach(int pid, struct sdb_process **process)
{
    struct sdb_error error = SDB_ERROR_INIT;

    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    return sdb_session_attach(session, pid, process, &error) < 0 ? explain(&error) : 0;
}

/* End as the command did, without a core dump of our own. */
static int end_likewise(const struct sdb_exit_status *status)
{
    if (status->how != SDB_KILLED)
        return status->code; /* 0 if it has not ended */
    prctl(PR_SET_DUMPABLE, 0);
    signal(status->code, SIG_DFL);
    raise(status->code);
    return 128 + status->code;
}

static int run(int pid, char **argv)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_process *process;
    int result = sdb_session_create(NULL, &session);

    check("session", result);
    check("session", sdb_session_set_signal_policy(session, 0, SDB_POLICY_PASS));
    result = pid > 0 ? attach(pid, &process) : start(argv, &process);
    if (result != 0)
        return result;
    begin(process);
    check("resume", sdb_process_resume(process, SDB_RESUME_CONTINUE));
    follow(&status);
    if (hits == 0)
        fprintf(output, "breakpoint: it did not come there%s\n",
                places.count > 0 ? "" : ", and there is no such place");
    symbols_close(symbols);
    sdb_session_destroy(session);
    free(places.addresses);
    fflush(output);
    return pid > 0 ? EXIT_SUCCESS : end_likewise(&status);
}

static FILE *open_output(const char *path)
{
    FILE *file = fopen(path, "we"); /* e: the command shall not have it */

    if (!file)
        fail(path, strerror(errno));
    return file;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"if", required_argument, NULL, 'i'},
                                            {"count", required_argument, NULL, 'n'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"pid", required_argument, NULL, 'p'},
                                            {0}};
    int pid = 0;
    int option;

    output = stderr;
    wanted = argv; /* they are gathered in its beginning */
    while ((option = getopt_long(argc, argv, "-i:n:o:p:", options, NULL)) != -1) {
        if (option == 1)
            wanted[wanted_count++] = optarg;
        else if (option == 'i')
            parse_condition(optarg);
        else if (option == 'n')
            most_hits = strtoull(optarg, NULL, 10);
        else if (option == 'o')
            output = open_output(optarg);
        else if (option == 'p')
            pid = atoi(optarg);
        else
            wanted_count = argc; /* it does not know what it was told */
    }
    if (wanted_count == 0 || wanted_count == argc || (pid > 0) != (optind == argc)) {
        fputs(help, stderr);
        return EXIT_OUR_FAULT;
    }
    return run(pid, argv + optind);
}
