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
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_NOT_FOUND = 127, EXIT_CANNOT_RUN = 126, EXIT_OUR_FAULT = 125, EXIT_KILLED = 128 };

#define MOST_FDS     32
#define MOST_CHANGES 64
#define MOST_LIMITS  RLIM_NLIMITS
#define MOST_CPUS    1024

static const char help[] =
    "usage: launch [options] -- program [argument...]\n"
    "The program and its surroundings:\n"
    "  -C, --directory DIR      run in DIR\n"
    "  -e, --env NAME[=VALUE]   set a variable, or take it away\n"
    "  -s, --search PATH        look for the program in these directories, not in $PATH\n"
    "Descriptors:\n"
    "  -i, --input FILE         standard input from FILE\n"
    "  -o, --output FILE        standard output to FILE\n"
    "  -r, --errors FILE        error output to FILE; &1 is where standard output goes\n"
    "  -f, --fd N=M             descriptor N is our M\n"
    "  -k, --keep-fds           keep all of ours that are not close-on-exec\n"
    "Session and terminal:\n"
    "  -S, --session            a new session\n"
    "  -g, --group ID           this process group; 0 is a new one\n"
    "  -y, --pty                a new terminal, whose output is copied to standard output\n"
    "Limits and privileges:\n"
    "  -m, --umask OCTAL        file mode creation mask\n"
    "  -l, --limit NAME=N       a resource limit: cpu, fsize, data, stack, core, nofile, as, "
    "nproc\n"
    "  -n, --nice N             nice value\n"
    "  -c, --cpu N              run on this CPU only; may be said again for more\n"
    "  -U, --uid ID             user\n"
    "  -G, --gid ID             group, and no others\n"
    "  -P, --no-new-privs       no privileges by exec\n"
    "  -D, --cgroup DIR         join the cgroup whose directory is DIR\n"
    "How:\n"
    "  -a, --no-aslr            without address space randomisation, if that can be had\n"
    "  -R, --reset-ignored      with no signal ignored\n"
    "  -d, --death-signal N     the signal that it gets when we die\n"
    "  -t, --timeout MS         give up if it has not started after MS milliseconds\n"
    "  -u, --untraced           do not trace it\n"
    "  -p, --portable           fork instead of sharing memory until the exec\n";

struct request {
    struct sdb_launch_options options;
    struct sdb_fd fds[MOST_FDS];
    struct sdb_rlimit limits[MOST_LIMITS];
    const char *env[MOST_CHANGES + 1];
    size_t env_count;
    uint8_t cpus[MOST_CPUS / 8];
    int pty;
    bool untraced;
};

static bool parse_number(const char *text, long least, long most, long *number)
{
    char *end;

    *number = strtol(text, &end, 0);
    return end != text && *end == '\0' && *number >= least && *number <= most;
}

static bool add_fd(struct request *request, struct sdb_fd fd)
{
    if (request->options.fd_count == MOST_FDS)
        return false;
    request->fds[request->options.fd_count++] = fd;
    return true;
}

static bool redirect(struct request *request, int target, const char *path)
{
    const int flags = target == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;

    if (target == 2 && strcmp(path, "&1") == 0)
        return add_fd(request,
                      (struct sdb_fd){.target = 2, .kind = SDB_FD_DUP, .source = STDOUT_FILENO});
    return add_fd(request, (struct sdb_fd){.target = target,
                                           .kind = SDB_FD_PATH,
                                           .path = path,
                                           .open_flags = flags,
                                           .mode = 0666});
}

/* `2>&1` means the program's own 1, if that is redirected. */
static void follow_output(struct request *request)
{
    struct sdb_fd *errors = NULL;
    bool output = false;

    for (size_t i = 0; i < request->options.fd_count; i++) {
        if (request->fds[i].target == 2 && request->fds[i].kind == SDB_FD_DUP)
            errors = &request->fds[i];
        output = output || request->fds[i].target == 1;
    }
    if (errors && output && errors->source == STDOUT_FILENO)
        errors->kind = SDB_FD_LIKE;
}

static bool add_copy(struct request *request, const char *text)
{
    int target;
    int source;

    return sscanf(text, "%d=%d", &target, &source) == 2 &&
           add_fd(request, (struct sdb_fd){.target = target, .kind = SDB_FD_DUP, .source = source});
}

static bool add_limit(struct request *request, const char *text)
{
    static const struct {
        const char *name;
        int resource;
    } known[] = {{"cpu", RLIMIT_CPU},     {"fsize", RLIMIT_FSIZE}, {"data", RLIMIT_DATA},
                 {"stack", RLIMIT_STACK}, {"core", RLIMIT_CORE},   {"nofile", RLIMIT_NOFILE},
                 {"as", RLIMIT_AS},       {"nproc", RLIMIT_NPROC}};
    size_t len = strcspn(text, "=");
    long number;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) != len || strncmp(known[i].name, text, len) != 0)
            continue;
        if (text[len] != '=' || !parse_number(text + len + 1, 0, LONG_MAX, &number) ||
            request->options.rlimit_count == MOST_LIMITS)
            return false;
        request->limits[request->options.rlimit_count++] = (struct sdb_rlimit){
            .resource = known[i].resource, .soft = (uint64_t)number, .hard = (uint64_t)number};
        return true;
    }
    return false;
}

static bool add_cpu(struct request *request, const char *text)
{
    long number;

    if (!parse_number(text, 0, MOST_CPUS - 1, &number))
        return false;
    request->cpus[number / 8] |= (uint8_t)(1 << number % 8);
    request->options.cpu_set = request->cpus;
    request->options.cpu_set_size = sizeof(request->cpus);
    return true;
}

/* Options that set a number, and a flag that says that it is set. */
static bool set_number(struct request *request, int option, const char *text)
{
    struct sdb_launch_options *options = &request->options;
    long number = 0;
    bool right = parse_number(text, INT32_MIN, UINT32_MAX - 1L, &number);

    switch (option) {
    case 'g':
        options->flags |= SDB_LAUNCH_SET_GROUP;
        options->process_group = (int32_t)number;
        break;
    case 'm':
        options->flags |= SDB_LAUNCH_SET_UMASK;
        options->umask = (uint32_t)strtoul(text, NULL, 8);
        break;
    case 'n':
        options->flags |= SDB_LAUNCH_SET_NICE;
        options->nice = (int32_t)number;
        break;
    case 'U':
        options->flags |= SDB_LAUNCH_SET_UID;
        options->uid = (uint32_t)number;
        break;
    case 'G':
        options->flags |= SDB_LAUNCH_SET_GID | SDB_LAUNCH_SET_GROUPS;
        options->gid = (uint32_t)number;
        break;
    case 'd':
        options->death_signal = (int32_t)number;
        break;
    case 't':
        options->flags |= SDB_LAUNCH_TIMEOUT;
        options->timeout_ms = (int32_t)number;
        break;
    default:
        return false;
    }
    return right;
}

/* Options without a value. */
static bool set_flag(struct request *request, int option)
{
    static const struct {
        int option;
        uint64_t flag;
    } flags[] = {{'k', SDB_LAUNCH_INHERIT_FDS}, {'S', SDB_LAUNCH_NEW_SESSION},
                 {'y', SDB_LAUNCH_PTY},         {'P', SDB_LAUNCH_NO_NEW_PRIVS},
                 {'a', SDB_LAUNCH_TRY_NO_ASLR}, {'R', SDB_LAUNCH_RESET_IGNORED},
                 {'p', SDB_LAUNCH_PORTABLE}};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].option == option) {
            request->options.flags |= flags[i].flag;
            return true;
        }
    }
    return false;
}

static bool set_option(struct request *request, int option, const char *value)
{
    struct sdb_launch_options *options = &request->options;

    switch (option) {
    case 'C':
        options->cwd = value;
        return true;
    case 'e':
        if (request->env_count == MOST_CHANGES)
            return false;
        request->env[request->env_count++] = value;
        return true;
    case 's':
        options->search_path = value;
        return true;
    case 'i':
        return redirect(request, 0, value);
    case 'o':
        return redirect(request, 1, value);
    case 'r':
        return redirect(request, 2, value);
    case 'f':
        return add_copy(request, value);
    case 'l':
        return add_limit(request, value);
    case 'c':
        return add_cpu(request, value);
    case 'D':
        options->flags |= SDB_LAUNCH_CGROUP;
        options->cgroup_fd = open(value, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return true; /* a closed one is explained by the launch */
    case 'u':
        request->untraced = true;
        return true;
    default:
        return set_flag(request, option) || (value && set_number(request, option, value));
    }
}

static bool parse(struct request *request, int argc, char **argv)
{
    static const struct option names[] = {
        {"directory", required_argument, NULL, 'C'},
        {"env", required_argument, NULL, 'e'},
        {"search", required_argument, NULL, 's'},
        {"input", required_argument, NULL, 'i'},
        {"output", required_argument, NULL, 'o'},
        {"errors", required_argument, NULL, 'r'},
        {"fd", required_argument, NULL, 'f'},
        {"keep-fds", no_argument, NULL, 'k'},
        {"session", no_argument, NULL, 'S'},
        {"group", required_argument, NULL, 'g'},
        {"pty", no_argument, NULL, 'y'},
        {"umask", required_argument, NULL, 'm'},
        {"limit", required_argument, NULL, 'l'},
        {"nice", required_argument, NULL, 'n'},
        {"cpu", required_argument, NULL, 'c'},
        {"uid", required_argument, NULL, 'U'},
        {"gid", required_argument, NULL, 'G'},
        {"no-new-privs", no_argument, NULL, 'P'},
        {"cgroup", required_argument, NULL, 'D'},
        {"no-aslr", no_argument, NULL, 'a'},
        {"reset-ignored", no_argument, NULL, 'R'},
        {"death-signal", required_argument, NULL, 'd'},
        {"timeout", required_argument, NULL, 't'},
        {"untraced", no_argument, NULL, 'u'},
        {"portable", no_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    static const char letters[] = "+C:e:s:i:o:r:f:kSg:ym:l:n:c:U:G:PD:aRd:t:up";
    struct sdb_launch_options *options = &request->options;
    int option;

    while ((option = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        if (!set_option(request, option, optarg))
            return false;
    }
    follow_output(request);
    options->flags |= SDB_LAUNCH_SEARCH_PATH;
    options->argv = (const char *const *)(argv + optind);
    options->env = request->env;
    options->fds = request->fds;
    options->rlimits = request->limits;
    options->pty_master = &request->pty;
    return optind < argc;
}

/* ---- the terminal ---- */

/* Copy what the terminal shows until nobody has it open any more. */
static void *copy_terminal(void *master)
{
    char text[4096];
    ssize_t len;

    while ((len = read(*(int *)master, text, sizeof(text))) > 0)
        fwrite(text, 1, (size_t)len, stdout);
    fflush(stdout);
    return NULL;
}

static bool begin_copying(struct request *request, pthread_t *thread)
{
    return request->pty >= 0 && pthread_create(thread, NULL, copy_terminal, &request->pty) == 0;
}

/* ---- telling ---- */

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

static int run_untraced(struct request *request)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_child *child;
    pthread_t copier;
    bool copying;
    int rc;

    if (sdb_launch(&request->options, &child, &error) < 0)
        return explain(&error);
    warn(&error);
    fprintf(stderr, "launch: process %d runs\n", sdb_child_pid(child));
    copying = begin_copying(request, &copier);

    /* Keys that interrupt are for the program, whose end we tell. */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    rc = sdb_child_wait(child, -1, &status);
    sdb_child_close(child);
    if (copying)
        pthread_join(copier, NULL);
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

static int run_traced(struct request *request)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_session *session;
    struct sdb_process *process;
    uint64_t address = 0;
    pthread_t copier;
    bool copying;
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
        copying = begin_copying(request, &copier);
        sdb_process_resume(process, SDB_RESUME_CONTINUE);
        code = follow(session);
        if (copying)
            pthread_join(copier, NULL);
    }
    sdb_session_destroy(session);
    return code;
}

int main(int argc, char **argv)
{
    struct request request = {.options = SDB_LAUNCH_OPTIONS_INIT, .pty = -1};

    if (!parse(&request, argc, argv)) {
        fputs(help, stderr);
        return EXIT_OUR_FAULT;
    }
    return request.untraced ? run_untraced(&request) : run_traced(&request);
}
