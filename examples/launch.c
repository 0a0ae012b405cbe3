/* SPDX-License-Identifier: MIT */
/*
 * launch: start a program under control, and say what becomes of it.
 *
 *     launch [options] -- program [argument...]
 *
 * The program is traced: it is seen standing before its first instruction, signals are reported and
 * reach it, and its end is told.  All that is said goes to standard error; the exit code is the
 * program's, or 128 and the number of the signal that killed it.  A program that cannot be started
 * is explained, with exit code 127 if it was not found and 126 otherwise.
 */
#include <sdb/sdb.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_NOT_FOUND = 127, EXIT_CANNOT_RUN = 126, EXIT_OUR_FAULT = 125, EXIT_KILLED = 128 };

#define MOST_CHANGES 64

static const char help[] =
    "usage: launch [options] -- program [argument...]\n"
    "  -C, --directory DIR   run in DIR\n"
    "  -e, --env NAME=VALUE  set a variable; NAME alone takes it away\n"
    "  -i, --input FILE      standard input from FILE\n"
    "  -o, --output FILE     standard output to FILE\n"
    "  -r, --errors FILE     standard error to FILE\n"
    "  -a, --no-aslr         without address space randomisation\n"
    "  -t, --timeout MS      give up if it has not started after MS milliseconds\n"
    "  -u, --untraced        do not trace it\n"
    "  -p, --portable        fork instead of sharing memory until the exec\n";

struct request {
    struct sdb_launch_options options;
    struct sdb_fd fds[3];
    const char *env[MOST_CHANGES + 1];
    size_t env_count;
    bool untraced;
};

static void redirect(struct request *request, int target, const char *path)
{
    struct sdb_fd *fd = &request->fds[request->options.fd_count++];

    *fd = (struct sdb_fd){.target = target, .kind = SDB_FD_PATH, .path = path, .mode = 0666};
    fd->open_flags = target == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
}

static bool parse(struct request *request, int argc, char **argv)
{
    static const struct option names[] = {
        {"directory", required_argument, NULL, 'C'}, {"env", required_argument, NULL, 'e'},
        {"input", required_argument, NULL, 'i'},     {"output", required_argument, NULL, 'o'},
        {"errors", required_argument, NULL, 'r'},    {"no-aslr", no_argument, NULL, 'a'},
        {"timeout", required_argument, NULL, 't'},   {"untraced", no_argument, NULL, 'u'},
        {"portable", no_argument, NULL, 'p'},        {NULL, 0, NULL, 0},
    };
    const char *redirected[3] = {NULL, NULL, NULL};
    struct sdb_launch_options *options = &request->options;
    int option;

    while ((option = getopt_long(argc, argv, "+C:e:i:o:r:at:up", names, NULL)) != -1) {
        switch (option) {
        case 'C':
            options->cwd = optarg;
            break;
        case 'e':
            if (request->env_count == MOST_CHANGES)
                return false;
            request->env[request->env_count++] = optarg;
            break;
        case 'i':
            redirected[0] = optarg;
            break;
        case 'o':
            redirected[1] = optarg;
            break;
        case 'r':
            redirected[2] = optarg;
            break;
        case 'a':
            options->flags |= SDB_LAUNCH_TRY_NO_ASLR;
            break;
        case 't':
            options->flags |= SDB_LAUNCH_TIMEOUT;
            options->timeout_ms = (int32_t)strtol(optarg, NULL, 10);
            break;
        case 'u':
            request->untraced = true;
            break;
        case 'p':
            options->flags |= SDB_LAUNCH_PORTABLE;
            break;
        default:
            return false;
        }
    }

    for (int target = 0; target < 3; target++) {
        if (redirected[target])
            redirect(request, target, redirected[target]);
    }
    options->flags |= SDB_LAUNCH_SEARCH_PATH;
    options->argv = (const char *const *)(argv + optind);
    options->env = request->env;
    options->fds = request->fds;
    return optind < argc;
}

/* Print what went wrong; return the exit code for it. */
static int explain(const struct sdb_error *error)
{
    char text[512];

    sdb_error_format(error, text, sizeof(text));
    fprintf(stderr, "%s\n", text);
    if (error->stage != SDB_STAGE_EXEC)
        return EXIT_OUR_FAULT;
    return error->code == -ENOENT || error->code == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* Nothing to say, unless an option was left out because the system refused it. */
static void warn(const struct sdb_error *error)
{
    if (error->warning != 0)
        (void)explain(error);
}

static int report_end(const struct sdb_exit_status *status)
{
    if (status->how == SDB_EXITED) {
        fprintf(stderr, "launch: process %d exited with code %d\n", status->pid, status->code);
        return status->code;
    }
    fprintf(stderr, "launch: process %d was killed by signal %d (%s)%s\n", status->pid,
            status->code, strsignal(status->code),
            status->flags & SDB_EXIT_CORE_DUMPED ? ", core dumped" : "");
    return EXIT_KILLED + status->code;
}

static int run_untraced(const struct request *request)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_child *child;
    int rc;

    if (sdb_launch(&request->options, &child, &error) < 0)
        return explain(&error);
    warn(&error);
    fprintf(stderr, "launch: process %d runs\n", sdb_child_pid(child));

    /* Keys that interrupt are for the program, whose end we tell. */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    rc = sdb_child_wait(child, -1, &status);
    sdb_child_close(child);
    if (rc < 0) {
        fprintf(stderr, "launch: wait: %s\n", sdb_error_describe(rc));
        return EXIT_OUR_FAULT;
    }
    return report_end(&status);
}

static void report_event(const struct sdb_event *event)
{
    int pid = sdb_process_pid(event->process);

    switch (event->kind) {
    case SDB_EVENT_SIGNAL:
        fprintf(stderr, "launch: process %d gets signal %d (%s)\n", pid, event->signal,
                strsignal(event->signal));
        break;
    case SDB_EVENT_GROUP_STOP:
        fprintf(stderr, "launch: process %d is stopped by signal %d (%s)\n", pid, event->signal,
                strsignal(event->signal));
        break;
    default:
        fprintf(stderr, "launch: process %d: %s\n", pid, sdb_event_name(event->kind));
        break;
    }
}

static int follow(struct sdb_session *session)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(session, -1, &event)) == 0) {
        if (event.kind == SDB_EVENT_EXITED)
            return report_end(event.status);
        report_event(&event);
        sdb_event_resume(&event); /* the signal reaches the program */
    }
    fprintf(stderr, "launch: wait: %s\n", sdb_error_describe(rc));
    return EXIT_OUR_FAULT;
}

static int run_traced(const struct request *request)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_session *session;
    struct sdb_process *process;
    uint64_t address = 0;
    int code;
    int rc = sdb_session_create(NULL, &session);

    if (rc < 0) {
        fprintf(stderr, "launch: session: %s\n", sdb_error_describe(rc));
        return EXIT_OUR_FAULT;
    }
    if (sdb_session_launch(session, &request->options, &process, &error) < 0) {
        code = explain(&error);
    } else {
        warn(&error);
        sdb_thread_pc(sdb_process_thread(process), &address);
        fprintf(stderr,
                "launch: process %d stands before its first instruction, at 0x%" PRIx64 "\n",
                sdb_process_pid(process), address);
        signal(SIGINT, SIG_IGN);
        signal(SIGQUIT, SIG_IGN);
        sdb_process_resume(process);
        code = follow(session);
    }
    sdb_session_destroy(session);
    return code;
}

int main(int argc, char **argv)
{
    struct request request = {.options = SDB_LAUNCH_OPTIONS_INIT};

    if (!parse(&request, argc, argv)) {
        fputs(help, stderr);
        return EXIT_OUR_FAULT;
    }
    return request.untraced ? run_untraced(&request) : run_traced(&request);
}
