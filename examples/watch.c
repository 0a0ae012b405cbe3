/* SPDX-License-Identifier: MIT */
/*
 * watch: show who writes a variable of a program.
 *
 *     watch [options] VARIABLE -- command [argument...]
 *
 * The variable is a global or static one of the program or of a library, whenever that is loaded, of
 * up to 32 bytes.  For each instruction that writes to it, be it what was there already, standard error
 * or FILE gets: the thread, the function, the line if the compiler has noted lines (-g), and the value
 * before and after.  The program runs at full speed in between: the processor watches.
 *
 * Not seen is what the kernel writes for the program, as in read(2).  Children of the command are not
 * watched.  The command has the same input, output and signals as without watch, which ends as it does.
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

static const char help[] = "usage: watch [options] VARIABLE -- command [argument...]\n"
                           "  -b       show the calls that the thread is in, too\n"
                           "  -n N     go on without it after so many times\n"
                           "  -o FILE  tell it to FILE\n";

static FILE *output;
static bool want_backtrace;
static uint64_t most_writes = UINT64_MAX;
static uint64_t writes;
static const char *variable;
static struct symbols *symbols;
static struct sdb_session *session;
static struct sdb_watchpoint *watchpoint; /* NULL: the variable is not there yet */
static struct sdb_breakpoint *loader;     /* where the dynamic linker tells of libraries; or NULL */
static volatile sig_atomic_t command;     /* its process id, while it runs */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "watch: %s: %s\n", what, why);
    exit(EXIT_OUR_FAULT); /* what was launched dies with us */
}

static void check(const char *what, int rc)
{
    if (rc < 0 && rc != -ESRCH) /* ESRCH: it was killed just now, as the next event will tell */
        fail(what, sdb_error_describe(rc));
}

/* Watch the variable, if it is there. */
static void try_to_watch(struct sdb_process *process)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    int rc;

    if (watchpoint || !symbols_find_variable(symbols, variable, &options.address, &options.length))
        return;
    rc = sdb_watchpoint_create(process, &options, &watchpoint);
    if (rc == -ENOSPC)
        fail(variable, "it is too large to be watched");
    check(variable, rc);
}

/* A program is there.  Its libraries come when the dynamic linker maps them, which it tells of. */
static void begin(struct sdb_process *process)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;

    check("watch", sdb_watchpoint_remove(watchpoint)); /* of the program before, if any */
    check("watch", sdb_breakpoint_remove(loader));
    watchpoint = NULL;
    loader = NULL;
    symbols_close(symbols);
    symbols = symbols_open(process);
    if (!symbols)
        fail("symbols", "they cannot be read");
    try_to_watch(process);
    options.address = symbols_find_loader_place(symbols);
    if (options.address)
        check("watch", sdb_breakpoint_create(process, &options, &loader));
}

/* A number if it can be one, else its bytes. */
static void format_value(const void *value, uint32_t size, char *text, size_t room)
{
    const uint8_t *bytes = value;
    int64_t number = 0;

    if (size == 1 || size == 2 || size == 4 || size == 8) {
        memcpy(&number, value, size); /* the lowest byte comes first */
        number = (int64_t)((uint64_t)number << (64 - 8 * size)) >> (64 - 8 * size);
        if (number >= INT32_MIN && number <= INT32_MAX)
            snprintf(text, room, "%" PRId64, number);
        else
            snprintf(text, room, "%#" PRIx64, (uint64_t)number);
        return;
    }
    for (uint32_t i = 0; i < size; i++)
        snprintf(text + (size_t)3 * i, room - (size_t)3 * i, "%02x ", bytes[i]);
    text[3 * size - 1] = '\0';
}

static void see_write(const struct sdb_event *event)
{
    char before[3 * SDB_WATCHPOINT_MOST_BYTES + 1];
    char after[3 * SDB_WATCHPOINT_MOST_BYTES + 1];
    char text[512];
    uint64_t pc;

    if (sdb_thread_pc(event->thread, &pc) < 0)
        return; /* it was killed just now */
    format_value(event->old_value, event->value_size, before, sizeof(before));
    format_value(event->new_value, event->value_size, after, sizeof(after));
    fprintf(output, "watch: thread %d, %s: %s -> %s\n", sdb_thread_tid(event->thread),
            symbols_describe(symbols, pc, true, text, sizeof(text)), before, after);
    if (want_backtrace)
        symbols_print_backtrace(symbols, event->thread, output);
    if (++writes == most_writes)
        check("watch", sdb_watchpoint_disable(watchpoint));
}

/* Until the process has ended.  @param status  gets how it ended */
static void follow(struct sdb_exit_status *status)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(session, -1, &event)) == 0) {
        switch (event.kind) {
        case SDB_EVENT_WATCHPOINT:
            see_write(&event);
            break;
        case SDB_EVENT_BREAKPOINT:
            symbols_refresh(symbols);
            try_to_watch(event.process);
            break;
        case SDB_EVENT_EXEC:
            if (writes < most_writes)
                begin(event.process);
            break;
        case SDB_EVENT_EXITED:
            *status = *event.status;
            command = 0;
            break;
        default:
            break;
        }
        check("resume",
              sdb_event_resume(&event)); /* where there is nothing to resume it does nothing */
    }
    if (rc != -ECHILD)
        fail("wait", sdb_error_describe(rc));
}

static void pass_on(int signal)
{
    if (command > 0)
        kill((pid_t)command, signal);
}

/* Returns 0, or the exit code that tells why the command could not be launched. */
static int start(char **argv)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process;
    char text[512];

    options.argv = (const char *const *)argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH | SDB_LAUNCH_INHERIT_FDS;
    if (sdb_session_launch(session, &options, &process, &error) < 0) {
        sdb_error_format(&error, text, sizeof(text));
        fprintf(stderr, "watch: %s\n", text);
        if (error.stage != SDB_STAGE_EXEC)
            return EXIT_OUR_FAULT;
        return error.code == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
    }
    command = sdb_process_pid(process);
    signal(SIGINT, SIG_IGN); /* the terminal sends it to the command, too */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, pass_on);
    signal(SIGTERM, pass_on);
    begin(process);
    check("resume", sdb_process_resume(process, SDB_RESUME_CONTINUE));
    return 0;
}

/* End as the command did, without a core dump of our own. */
static int end_likewise(const struct sdb_exit_status *status)
{
    if (status->how == SDB_EXITED)
        return status->code;
    prctl(PR_SET_DUMPABLE, 0);
    signal(status->code, SIG_DFL);
    raise(status->code);
    return 128 + status->code;
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
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    int name_count = 0;
    int option;
    int rc;

    output = stderr;
    while ((option = getopt(argc, argv, "-bn:o:")) != -1) {
        if (option == 1 && name_count++ == 0)
            variable = optarg;
        else if (option == 'b')
            want_backtrace = true;
        else if (option == 'n')
            most_writes = strtoull(optarg, NULL, 10);
        else if (option == 'o')
            output = open_output(optarg);
        else
            optind = argc;
    }
    if (name_count != 1 || optind >= argc) {
        fputs(help, stderr);
        return EXIT_OUR_FAULT;
    }
    check("session", sdb_session_create(NULL, &session));
    check("session", sdb_session_set_signal_policy(session, 0, SDB_POLICY_PASS));
    rc = start(argv + optind);
    if (rc != 0)
        return rc;
    follow(&status);
    if (!watchpoint)
        fprintf(output, "watch: %s: there is no such variable\n", variable);
    symbols_close(symbols);
    sdb_session_destroy(session);
    fflush(output);
    return end_likewise(&status);
}
