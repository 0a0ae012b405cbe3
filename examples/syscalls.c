/* SPDX-License-Identifier: MIT */
/*
 * syscalls: show the system calls that a program makes.
 *
 *     syscalls [-f] [-c] [-e NAME,...] [-o FILE] -- command [argument...]
 *     syscalls [-f] [-c] [-e NAME,...] [-o FILE] -p PID
 *
 * A line for each call, when it is over: who made it, its arguments, and what came of it.  Signals and
 * ends have lines, too.  With -f the calls of children are shown as well, and of theirs; with -e only
 * those of the list, and the command runs all others at full speed.  With -c there is only a table at
 * the end, of how often each was made and failed.  All of that goes to standard error, or to FILE.
 *
 * The command has the same input, output and signals as without syscalls, and syscalls ends as it does:
 * with its exit code, or killed by the same signal.  A process that runs already (-p) is let go when
 * syscalls is interrupted (Ctrl-C), and runs on.
 */
#define _GNU_SOURCE /* NOLINT: for the names of errors and signals */
#include <sdb/sdb.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_NOT_FOUND = 127, EXIT_CANNOT_RUN = 126, EXIT_OUR_FAULT = 125 };

#define MOST_NAMES     256 /* of -e */
#define MOST_ARGUMENTS 6
#define LONGEST_TEXT   512 /* of one argument */
#define LONGEST_STRING 96  /* of the program's that is shown whole */
#define LONGEST_BUFFER 32  /* the same of other bytes */
#define MOST_STRINGS   6   /* the same of a list of them */

/*
 * How the arguments of a call are shown, a letter for each:
 *     d  a number               x  flags, in hexadecimal      o  permissions, in octal
 *     p  an address             s  a string                   f  a descriptor
 *     v  a list of strings      i  bytes that are read by the call, as many as the next argument says
 *     r  bytes that the call has written, as many as its result says
 * Of calls that are not here all six are shown as addresses.
 */
static const struct {
    const char *arguments;
    const char *names; /* with a blank before and behind each */
} known[] = {
    {"", " fork getegid geteuid getgid getpgrp getpid getppid gettid getuid pause rt_sigreturn "
         "setsid vfork "},
    {"d", " exit exit_group "},
    {"f", " close dup fchdir "},
    {"o", " umask "},
    {"p", " brk pipe set_tid_address uname "},
    {"s", " chdir rmdir unlink "},
    {"dd", " kill setpgid "},
    {"fd", " ftruncate "},
    {"ff", " dup2 "},
    {"fp", " fstat "},
    {"pd", " clone3 getcwd munmap set_robust_list "},
    {"pp", " nanosleep "},
    {"px", " pipe2 "},
    {"sd", " access "},
    {"so", " chmod mkdir "},
    {"sp", " lstat stat "},
    {"ss", " link rename symlink "},
    {"xp", " arch_prctl "},
    {"ddd", " socket tgkill "},
    {"fdd", " lseek "},
    {"fdx", " fcntl "},
    {"ffx", " dup3 "},
    {"fid", " write "},
    {"fpd", " bind connect getdents64 "},
    {"frd", " read "},
    {"fsd", " faccessat "},
    {"fso", " fchmodat mkdirat "},
    {"fsx", " unlinkat "},
    {"fxp", " ioctl "},
    {"pdd", " madvise poll "},
    {"pdx", " getrandom mprotect "},
    {"srd", " readlink "},
    {"svp", " execve "},
    {"sxo", " open "},
    {"ddpp", " prlimit64 "},
    {"dppd", " rt_sigaction rt_sigprocmask "},
    {"dpxp", " wait4 "},
    {"fidd", " pwrite64 "},
    {"fppx", " accept4 "},
    {"frdd", " pread64 "},
    {"fsdx", " faccessat2 "},
    {"fspx", " newfstatat utimensat "},
    {"fsrd", " readlinkat "},
    {"fsxo", " openat "},
    {"pdxx", " rseq "},
    {"fddd", " fadvise64 fallocate "},
    {"fsfsx", " renameat2 "},
    {"fsxxp", " statx "},
    {"fpfpdx", " copy_file_range "},
    {"xpppp", " clone "},
    {"dppppp", " pselect6 "},
    {"pdxxfx", " mmap "},
    {"pxdppd", " futex "},
};

/* A call that a thread is in, as it was at its beginning. */
struct pending {
    struct sdb_syscall call;
    char texts[MOST_ARGUMENTS][LONGEST_TEXT];
};

/* A line of the table. */
struct count {
    char name[32];
    unsigned long calls;
    unsigned long errors;
};

static FILE *output;
static bool follow_children;
static bool only_count;
static int32_t wanted[MOST_NAMES];
static size_t wanted_count;
static struct count counts[2048];
static size_t count_count;
static volatile sig_atomic_t command; /* its process id, while it runs */
static struct sdb_session *session;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "syscalls: %s: %s\n", what, why);
    exit(EXIT_OUR_FAULT); /* what was launched dies with us */
}

static void check(const char *what, int rc)
{
    if (rc < 0 && rc != -ESRCH) /* ESRCH: it was killed just now, as the next event will tell */
        fail(what, sdb_error_describe(rc));
}

/* ---- arguments ---- */

static void format_bytes(const char *bytes, size_t length, bool is_cut, char *text)
{
    *text++ = '"';
    for (size_t i = 0; i < length; i++) {
        const unsigned char byte = (unsigned char)bytes[i];

        if (byte == '\n')
            text += sprintf(text, "\\n");
        else if (byte == '"' || byte == '\\')
            text += sprintf(text, "\\%c", byte);
        else if (isprint(byte))
            *text++ = (char)byte;
        else
            text += sprintf(text, "\\%o", byte);
    }
    snprintf(text, sizeof("\"..."), "%s", is_cut ? "\"..." : "\"");
}

static void format_address(uint64_t address, char *text)
{
    if (address)
        snprintf(text, LONGEST_TEXT, "%#" PRIx64, address);
    else
        snprintf(text, LONGEST_TEXT, "NULL");
}

static void format_buffer(struct sdb_process *process, uint64_t address, uint64_t length,
                          char *text)
{
    char bytes[LONGEST_BUFFER];
    const size_t wanted_length = length < sizeof(bytes) ? (size_t)length : sizeof(bytes);
    const int64_t got = sdb_memory_read(process, address, bytes, wanted_length);

    if (got < 0)
        format_address(address, text);
    else
        format_bytes(bytes, (size_t)got, length > (uint64_t)got, text);
}

static void format_string(struct sdb_process *process, uint64_t address, char *text)
{
    char string[LONGEST_STRING];
    const int64_t length = sdb_memory_read_string(process, address, string, sizeof(string));

    if (length == -ENAMETOOLONG)
        format_bytes(string, sizeof(string), true, text);
    else if (length < 0)
        format_address(address, text);
    else
        format_bytes(string, (size_t)length, false, text);
}

static void format_strings(struct sdb_process *process, uint64_t address, size_t word_size,
                           char *text)
{
    char list[MOST_STRINGS * (4 * LONGEST_STRING + 8)] = "[";
    size_t length = 1;
    uint64_t pointer = 0;

    for (int i = 0; i < MOST_STRINGS; i++, address += word_size) {
        if (sdb_memory_read(process, address, &pointer, word_size) != (int64_t)word_size ||
            pointer == 0)
            break;
        if (i > 0)
            length += (size_t)sprintf(list + length, ", ");
        format_string(process, pointer, list + length);
        length += strlen(list + length);
    }
    snprintf(text, LONGEST_TEXT, "%.*s%s", LONGEST_TEXT - 8, list,
             length > LONGEST_TEXT - 8 || pointer ? ", ...]" : "]");
}

static void format_argument(struct sdb_process *process, const struct sdb_syscall *call, int index,
                            char letter, char *text)
{
    const uint64_t argument = call->arguments[index];

    switch (letter) {
    case 'd':
        snprintf(text, LONGEST_TEXT, "%" PRId64,
                 argument >> 32 ? (int64_t)argument : (int64_t)(int32_t)argument);
        break;
    case 'f':
        snprintf(text, LONGEST_TEXT, (int)argument == -100 ? "AT_FDCWD" : "%d", (int)argument);
        break;
    case 'x':
        snprintf(text, LONGEST_TEXT, "%#" PRIx64, argument);
        break;
    case 'o':
        snprintf(text, LONGEST_TEXT, "%#" PRIo64, argument & 07777);
        break;
    case 's':
        format_string(process, argument, text);
        break;
    case 'v':
        format_strings(process, argument, call->architecture == SDB_ARCH_I386 ? 4 : 8, text);
        break;
    case 'i':
        format_buffer(process, argument, call->arguments[index + 1], text);
        break;
    default:
        format_address(argument, text);
    }
}

static void get_name(const struct sdb_syscall *call, char *name, size_t size)
{
    const char *real = sdb_syscall_name(call->architecture, call->number);

    if (real)
        snprintf(name, size, "%s", real);
    else
        snprintf(name, size, "syscall_%" PRId64, call->number);
}

static const char *find_letters(const char *name)
{
    char word[40];

    snprintf(word, sizeof(word), " %s ", name);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strstr(known[i].names, word))
            return known[i].arguments;
    }
    return "pppppp";
}

/* ---- calls ---- */

static struct count *find_count(const char *name)
{
    for (size_t i = 0; i < count_count; i++) {
        if (strcmp(counts[i].name, name) == 0)
            return &counts[i];
    }
    if (count_count == sizeof(counts) / sizeof(counts[0]))
        fail(name, "there are too many calls");
    snprintf(counts[count_count].name, sizeof(counts[0].name), "%s", name);
    return &counts[count_count++];
}

static void begin_call(struct sdb_thread *thread, const struct sdb_syscall *call)
{
    struct pending *pending = sdb_thread_data(thread);
    const char *letters;
    char name[32];

    get_name(call, name, sizeof(name));
    if (only_count) {
        find_count(name)->calls++;
        return;
    }
    if (!pending)
        pending = malloc(sizeof(*pending));
    if (!pending)
        fail(name, "no memory");
    sdb_thread_set_data(thread, pending);
    pending->call = *call;
    letters = find_letters(name);
    for (int i = 0; letters[i]; i++)
        format_argument(sdb_thread_process(thread), call, i, letters[i], pending->texts[i]);
}

static void format_result(const struct sdb_syscall *call, char *text, size_t size)
{
    const int error = call->is_error ? (int)-call->result : 0;

    if (error && strerrorname_np(error))
        snprintf(text, size, "-1 %s (%s)", strerrorname_np(error), strerror(error));
    else if (error >= 512) /* what the kernel says to itself */
        snprintf(text, size, "? (it is to be restarted)");
    else if (call->result > INT32_MAX)
        snprintf(text, size, "%#" PRIx64, (uint64_t)call->result);
    else
        snprintf(text, size, "%" PRId64, call->result);
}

/* @param call  at its end; NULL: it has none */
static void print_call(struct sdb_thread *thread, struct pending *pending,
                       const struct sdb_syscall *call)
{
    char result[128] = "?";
    const char *letters;
    char name[32];

    get_name(&pending->call, name, sizeof(name));
    letters = find_letters(name);
    fprintf(output, "%d %s(", sdb_thread_tid(thread), name);
    for (int i = 0; letters[i]; i++) {
        if (letters[i] == 'r' && call && call->result >= 0)
            format_buffer(sdb_thread_process(thread), pending->call.arguments[i],
                          (uint64_t)call->result, pending->texts[i]);
        fprintf(output, "%s%s", i > 0 ? ", " : "", pending->texts[i]);
    }
    if (call)
        format_result(call, result, sizeof(result));
    fprintf(output, ") = %s\n", result);
}

static void end_call(struct sdb_thread *thread, const struct sdb_syscall *call)
{
    struct pending *pending = sdb_thread_data(thread);
    char name[32];

    if (only_count) {
        get_name(call, name, sizeof(name));
        find_count(name)->errors += call->is_error;
    } else if (pending) {
        print_call(thread, pending, call);
        sdb_thread_set_data(thread, NULL);
        free(pending);
    }
}

static void see_call(const struct sdb_event *event)
{
    struct sdb_syscall call = SDB_SYSCALL_INIT;
    const int rc = sdb_thread_syscall(event->thread, &call);

    check("a system call", rc);
    if (rc == 0 && event->kind == SDB_EVENT_SYSCALL_ENTRY)
        begin_call(event->thread, &call);
    else if (rc == 0)
        end_call(event->thread, &call);
}

/* ---- what else happens ---- */

static void see_end(const struct sdb_event *event)
{
    struct pending *pending = sdb_thread_data(event->thread);

    if (pending)
        print_call(event->thread, pending, NULL);
    free(pending);
    sdb_thread_set_data(event->thread, NULL);
    if (only_count || event->kind == SDB_EVENT_THREAD_EXIT)
        return;
    if (event->status->how == SDB_EXITED)
        fprintf(output, "%d +++ exited with %d +++\n", event->status->pid, event->status->code);
    else
        fprintf(output, "%d +++ killed by %s +++\n", event->status->pid,
                strsignal(event->status->code));
}

static void see_signal(const struct sdb_event *event)
{
    const char *name = sigabbrev_np(event->signal);

    if (!only_count)
        fprintf(output, "%d --- SIG%s ---\n", sdb_thread_tid(event->thread), name ? name : "RT");
}

static void take(const struct sdb_event *event, struct sdb_process *first)
{
    /* Where there is a filter all children are held, whether they are to be shown or not. */
    const bool is_shown = follow_children || event->process == first;

    switch (event->kind) {
    case SDB_EVENT_START:
        if (!is_shown && event->thread == sdb_process_thread(event->process))
            check("catch", sdb_process_catch_syscalls(event->process, 0, NULL, 0));
        break;
    case SDB_EVENT_SYSCALL_ENTRY:
    case SDB_EVENT_SYSCALL_EXIT:
        see_call(event);
        break;
    case SDB_EVENT_SIGNAL:
        if (is_shown)
            see_signal(event);
        break;
    case SDB_EVENT_THREAD_EXIT:
    case SDB_EVENT_EXITED:
        if (is_shown)
            see_end(event);
        return;
    default:
        break;
    }
    check("resume", sdb_event_resume(event));
}

/* Until all has ended, or somebody interrupts it.  @param status  gets how the first process ended */
static void follow(struct sdb_process *first, struct sdb_exit_status *status)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(session, -1, &event)) == 0) {
        take(&event, first);
        if (event.kind == SDB_EVENT_EXITED && event.process == first) {
            *status = *event.status;
            command = 0;
            first = NULL;
        }
    }
    if (rc != -ECHILD && rc != -EINTR)
        fail("wait", sdb_error_describe(rc));
}

/* Of calls whose end was not seen, as their threads are let go. */
static void free_pending(void)
{
    for (struct sdb_process *process = sdb_session_next_process(session, NULL); process;
         process = sdb_session_next_process(session, process)) {
        for (struct sdb_thread *thread = sdb_process_next_thread(process, NULL); thread;
             thread = sdb_process_next_thread(process, thread))
            free(sdb_thread_data(thread));
    }
}

static int compare_counts(const void *left, const void *right)
{
    const struct count *one = left;
    const struct count *other = right;

    if (one->calls != other->calls)
        return one->calls < other->calls ? 1 : -1;
    return strcmp(one->name, other->name);
}

static void print_counts(void)
{
    qsort(counts, count_count, sizeof(counts[0]), compare_counts);
    fprintf(output, "%9s %9s  %s\n", "calls", "errors", "name");
    for (size_t i = 0; i < count_count; i++)
        fprintf(output, "%9lu %9lu  %s\n", counts[i].calls, counts[i].errors, counts[i].name);
}

/* ---- beginning and end ---- */

static int explain(const struct sdb_error *error)
{
    char text[512];

    sdb_error_format(error, text, sizeof(text));
    fprintf(stderr, "syscalls: %s\n", text);
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

/* Say which calls are to be told.  With the filter of a launch that has been said. */
static void catch_calls(struct sdb_process *process)
{
    check("catch", sdb_process_catch_syscalls(process, wanted_count > 0 ? 0 : SDB_CATCH_ALL,
                                              wanted_count > 0 ? wanted : NULL, wanted_count));
    if (follow_children)
        check("follow", sdb_process_set_follow(process, SDB_FOLLOW_ALL));
}

/* Returns 0, or the exit code that tells why the command could not be launched. */
static int start(char **argv, struct sdb_process **process)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    sigset_t mask;

    options.argv = (const char *const *)argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH | SDB_LAUNCH_INHERIT_FDS;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        if (sigismember(&mask, signal) == 1)
            options.signal_mask |= UINT64_C(1) << (signal - 1);
    }
    options.caught_syscalls = wanted_count > 0 ? wanted : NULL;
    options.caught_syscall_count = wanted_count;
    if (wanted_count > 0 && geteuid() != 0) /* it would have no others while it is traced, anyway */
        options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    if (sdb_session_launch(session, &options, process, &error) < 0)
        return explain(&error);

    command = sdb_process_pid(*process);
    signal(SIGINT, SIG_IGN); /* the terminal sends it to the command, too */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, pass_on);
    signal(SIGTERM, pass_on);
    signal(SIGUSR1, pass_on);
    signal(SIGUSR2, pass_on);
    if (wanted_count == 0)
        catch_calls(*process);
    return 0;
}

static int attach(int pid, struct sdb_process **process)
{
    struct sdb_error error = SDB_ERROR_INIT;

    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    if (sdb_session_attach(session, pid, process, &error) < 0)
        return explain(&error);
    catch_calls(*process);
    return 0;
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

static void parse_names(char *list)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        const int64_t number = sdb_syscall_number(SDB_ARCH_X86_64, name);

        if (number < 0 || wanted_count == MOST_NAMES)
            fail(name, number < 0 ? "no such system call" : "too many system calls");
        wanted[wanted_count++] = (int32_t)number;
    }
}

static int run(int pid, char **argv)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_process *process;
    int result = sdb_session_create(NULL, &session);

    if (result < 0)
        fail("session", sdb_error_describe(result));
    result = pid > 0 ? attach(pid, &process) : start(argv, &process);
    if (result != 0)
        return result;
    check("resume", sdb_process_resume(process, SDB_RESUME_CONTINUE));
    follow(process, &status);
    free_pending();
    sdb_session_destroy(session);
    if (only_count)
        print_counts();
    fflush(output);
    return pid > 0 ? EXIT_SUCCESS : end_likewise(&status);
}

int main(int argc, char **argv)
{
    int pid = 0;
    int option;

    output = stderr;
    while ((option = getopt(argc, argv, "+fce:o:p:")) != -1) {
        if (option == 'f') {
            follow_children = true;
        } else if (option == 'c') {
            only_count = true;
        } else if (option == 'e') {
            parse_names(optarg);
        } else if (option == 'p') {
            pid = atoi(optarg);
        } else if (option == 'o') {
            output = fopen(optarg, "we"); /* e: the command shall not have it */
            if (!output)
                fail(optarg, strerror(errno));
        } else {
            optind = argc + 1;
            break;
        }
    }
    if (optind > argc || (pid > 0) != (optind == argc)) {
        fputs("usage: syscalls [-f] [-c] [-e NAME,...] [-o FILE] { -p PID | -- command... }\n",
              stderr);
        return EXIT_OUR_FAULT;
    }
    if (output == stderr)
        setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    return run(pid, argv + optind);
}
