/* SPDX-License-Identifier: MIT */
/*
 * tree: run a command, and print the tree of all processes that came of it.
 *
 *     tree [--detach] [-o FILE] [--] command [argument...]
 *
 * Nothing changes for the command: it has the same input, output, terminal, descriptors, environment
 * and signals as without tree.  A signal sent to tree reaches it, and tree ends as it does: with its
 * exit code, or killed by the same signal.  Then the tree goes to standard error, or to FILE: for each
 * process the time from its beginning to its end, the processor time of it and the children that it
 * has waited for, how it ended, how many threads it had in all, its id, and the programs that it has
 * executed, one after the other.  In parentheses is the program of one that has executed none: the
 * one that it is a copy of.
 *
 * Processes that the command leaves behind are followed to their ends; with --detach they are let go
 * when the command has ended.  A command that cannot be started gives the exit code 127 if it was not
 * found and 126 otherwise; failures of tree itself give 125.
 */
#include <sdb/sdb.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { EXIT_NOT_FOUND = 127, EXIT_CANNOT_RUN = 126, EXIT_OUR_FAULT = 125 };

#define LONGEST_LINE 100 /* of a command line, in characters; what is longer is cut */

/* One process of the tree, living or dead. */
struct node {
    struct node *parent;
    struct node *first_child;
    struct node *last_child;
    struct node *sibling;
    int pid;
    int threads;
    double begin; /* in seconds */
    double end;
    char *programs; /* the command lines, with " -> " between */
    size_t last;    /* where in it the last one begins */
    bool executed;  /* false: the program is its parent's */
    bool ended;     /* status is set */
    struct sdb_exit_status status;
};

static struct node *command;         /* the root */
static volatile sig_atomic_t target; /* the process id of the command, while it runs */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "tree: %s: %s\n", what, why);
    exit(EXIT_OUR_FAULT); /* what was launched dies with us */
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct node *add_node(struct node *parent, struct sdb_process *process)
{
    struct node *node = calloc(1, sizeof(*node));

    if (!node)
        fail("a process", "no memory");
    node->pid = sdb_process_pid(process);
    node->threads = 1;
    node->begin = now();
    node->parent = parent;
    if (parent) {
        node->programs = strdup(parent->programs + parent->last);
        if (!node->programs)
            fail("a process", "no memory");
        if (parent->last_child)
            parent->last_child->sibling = node;
        else
            parent->first_child = node;
        parent->last_child = node;
    }
    sdb_process_set_data(process, node);
    return node;
}

/* Get the command line of a process as one line of text. */
static void read_command_line(int pid, char *line, size_t size)
{
    struct sdb_facts_strings *arguments;
    size_t len = 0;

    snprintf(line, size, "?");
    if (sdb_facts_read_arguments(pid, &arguments) < 0)
        return; /* somebody has killed it just now */
    for (size_t i = 0; i < arguments->count && len < size; i++)
        len +=
            (size_t)snprintf(line + len, size - len, "%s%s", i > 0 ? " " : "", arguments->list[i]);
    sdb_facts_free(arguments);
    if (len >= size)
        memcpy(line + size - 4, "...", 4);
    for (; *line; line++)
        *line = iscntrl((unsigned char)*line) ? ' ' : *line;
}

/* The process has executed another program. */
static void add_program(struct node *node)
{
    const char *arrow = node->executed ? " -> " : "";
    size_t begin = node->executed ? strlen(node->programs) : 0; /* else it was its parent's */
    char line[LONGEST_LINE + 1];
    size_t size;
    char *text;

    read_command_line(node->pid, line, sizeof(line));
    size = strlen(arrow) + strlen(line) + 1;
    text = realloc(node->programs, begin + size);
    if (!text)
        fail("a command line", "no memory");
    snprintf(text + begin, size, "%s%s", arrow, line);
    node->programs = text;
    node->last = begin + strlen(arrow);
    node->executed = true;
}

static void print_node(FILE *file, const struct node *node, int depth)
{
    const struct sdb_exit_status *status = &node->status;
    char end[32] = "runs on";
    char used[32] = "?";

    if (node->ended) {
        snprintf(end, sizeof(end), "%s %d", status->how == SDB_EXITED ? "exit" : "signal",
                 status->code);
        if (!(status->flags & SDB_EXIT_NO_USAGE))
            snprintf(used, sizeof(used), "%.3f",
                     (double)(status->user_time_us + status->system_time_us) / 1e6);
    }
    fprintf(file, "%9.3f %9s  %-10s %7d  %*s%d %s%s%s\n", node->end - node->begin, used, end,
            node->threads, 2 * depth, "", node->pid, node->executed ? "" : "(", node->programs,
            node->executed ? "" : ")");
}

/* Print the tree, each process above its children. */
static void print_tree(FILE *file)
{
    const struct node *node = command;
    int depth = 0;

    fprintf(file, "%9s %9s  %-10s %7s  %s\n", "seconds", "processor", "end", "threads", "process");
    while (node) {
        print_node(file, node, depth);
        if (node->first_child) {
            node = node->first_child;
            depth++;
            continue;
        }
        while (node && !node->sibling) {
            node = node->parent;
            depth--;
        }
        node = node ? node->sibling : NULL;
    }
}

/* The terminal has sent it to the command, too: they are of the same process group. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
    int error = errno;

    (void)context;
    if (info->si_code != SI_KERNEL && target > 0)
        kill((pid_t)target, signal);
    errno = error;
}

static void pass_signals_on(void)
{
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                  SIGUSR2, SIGALRM, SIGTSTP, SIGCONT};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
        struct sigaction before;

        sigfillset(&action.sa_mask);
        sigaction(signals[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) /* else the command ignores it, as we do */
            sigaction(signals[i], &action, NULL);
    }
}

/* End as the command did, without a core dump of our own. */
static int end_likewise(const struct sdb_exit_status *status)
{
    sigset_t set;

    if (status->how == SDB_EXITED)
        return status->code;
    prctl(PR_SET_DUMPABLE, 0); /* RLIMIT_CORE does not hold where dumps go to a program */
    signal(status->code, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, status->code);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(status->code);
    return 128 + status->code;
}

static void note(const struct sdb_event *event)
{
    struct node *node = sdb_process_data(event->process);

    if (!node) /* its parent was killed while it made it */
        node = add_node(command, event->process);
    switch (event->kind) {
    case SDB_EVENT_FORK:
    case SDB_EVENT_VFORK:
    case SDB_EVENT_CLONE:
        if (event->new_process == event->process)
            node->threads++;
        else
            add_node(node, event->new_process);
        break;
    case SDB_EVENT_EXEC:
        add_program(node);
        break;
    case SDB_EVENT_EXITED:
        node->end = now();
        node->ended = true;
        node->status = *event->status;
        break;
    default:
        break;
    }
}

/* Let a process go on by itself. */
static void let_go(struct sdb_process *process)
{
    struct node *node = sdb_process_data(process);
    int rc = sdb_process_detach(process, SDB_RELEASE_RUN, NULL);

    if (rc == 0 && node)
        node->end = now();
    if (rc < 0 && rc != -ESRCH) /* ESRCH: its end will be told */
        fail("detach", sdb_error_describe(rc));
}

static void let_all_go(struct sdb_session *session)
{
    struct sdb_process *process = sdb_session_next_process(session, NULL);

    while (process) {
        struct sdb_process *next = sdb_session_next_process(session, process);

        let_go(process);
        process = next;
    }
}

static void follow(struct sdb_session *session, bool detach)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(session, -1, &event)) == 0) {
        note(&event);
        if (event.kind == SDB_EVENT_EXITED && sdb_process_data(event.process) == command) {
            target = 0;
            if (detach)
                let_all_go(session);
        } else if (event.kind != SDB_EVENT_EXITED && event.kind != SDB_EVENT_THREAD_EXIT &&
                   detach && command->ended) {
            let_go(event.process); /* one that was just being born */
        } else {
            rc = sdb_event_resume(&event);
            if (rc < 0 && rc != -ESRCH) /* ESRCH: somebody has killed it just now */
                fail("resume", sdb_error_describe(rc));
            /* Ctrl-Z: our shell waits for us to stop, too. */
            if (event.kind == SDB_EVENT_GROUP_STOP && event.signal == SIGTSTP &&
                sdb_thread_tid(event.thread) == target)
                raise(SIGSTOP);
        }
    }
    if (rc != -ECHILD) /* ECHILD: no process is left */
        fail("wait", sdb_error_describe(rc));
}

/* Launch the command.  Returns 0, or the exit code that tells why it could not be launched. */
static int start(struct sdb_session *session, char **argv)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process;
    sigset_t mask;
    char text[512];
    int rc;

    options.argv = (const char *const *)argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH | SDB_LAUNCH_INHERIT_FDS;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        if (sigismember(&mask, signal) == 1)
            options.signal_mask |= UINT64_C(1) << (signal - 1);
    }
    if (sdb_session_launch(session, &options, &process, &error) < 0) {
        sdb_error_format(&error, text, sizeof(text));
        fprintf(stderr, "tree: %s\n", text);
        if (error.stage != SDB_STAGE_EXEC)
            return EXIT_OUR_FAULT;
        return error.code == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
    }
    target = sdb_process_pid(process);
    command = add_node(NULL, process);
    add_program(command);
    pass_signals_on();
    rc = sdb_session_set_signal_policy(session, 0, SDB_POLICY_PASS);
    if (rc == 0)
        rc = sdb_process_set_follow(process, SDB_FOLLOW_ALL);
    if (rc == 0)
        rc = sdb_process_resume(process, SDB_RESUME_CONTINUE);
    if (rc < 0 && rc != -ESRCH) /* ESRCH: it was killed already, which an event will tell */
        fail("launch", sdb_error_describe(rc));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"detach", no_argument, NULL, 'd'}, {"output", required_argument, NULL, 'o'}, {0}};
    struct sdb_session *session;
    bool detach = false;
    FILE *file = stderr;
    int option;
    int rc;

    while ((option = getopt_long(argc, argv, "+do:", options, NULL)) != -1) {
        if (option == 'd') {
            detach = true;
        } else if (option == 'o') {
            file = fopen(optarg, "we"); /* e: the command shall not have it */
            if (!file)
                fail(optarg, strerror(errno));
        } else {
            optind = argc;
            break;
        }
    }
    if (optind >= argc) {
        fputs("usage: tree [--detach] [-o FILE] [--] command [argument...]\n", stderr);
        return EXIT_OUR_FAULT;
    }
    rc = sdb_session_create(NULL, &session);
    if (rc < 0)
        fail("session", sdb_error_describe(rc));
    rc = start(session, argv + optind);
    if (rc != 0)
        return rc;
    follow(session, detach);
    sdb_session_destroy(session);

    signal(SIGPIPE, SIG_IGN);
    print_tree(file);
    if (fflush(file) != 0)
        fprintf(stderr, "tree: the tree could not be written: %s\n", strerror(errno));
    return end_likewise(&command->status);
}
