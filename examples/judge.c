/* SPDX-License-Identifier: MIT */
/*
 * judge: run a program that nobody trusts within limits, and tell how it did.
 *
 *     judge [options] -- program [argument...]
 *
 * Everything that comes of the program is held: its children, theirs, daemons too.  What breaks a limit
 * ends all of it, and so does the end of the program; nothing is left behind.  The program's output is
 * kept, as far as the limit goes, and written out afterwards; then the verdict goes to standard error,
 * with what was used.  The exit code is 0 for the verdict "ok" and 1 for any other; 126 and 127 say that
 * the program cannot be run, and 125 that the judge has failed.
 *
 * How it is done: resource limits of the kernel for what each process may have; a seccomp filter that
 * picks out the few system calls which the judge has to see, so that all others run at full speed; the
 * births of processes and threads, which are counted; and a look at the processor time and the memory of
 * all of them a hundred times a second.
 *
 * What it does not do: files are as open to the program as they are to its user.  Give it one of its own
 * (-u), and a root directory, before you run what came by mail.
 */
#include <sdb/sdb.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_NOT_FOUND = 127, EXIT_CANNOT_RUN = 126, EXIT_OUR_FAULT = 125 };

#define LOOK_MS      10  /* how often the processor time and the memory are looked at */
#define MOST_RULES   128 /* system calls that we see */
#define MOST_FILES   256 /* that one process may have open */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char help[] =
    "usage: judge [options] -- program [argument...]\n"
    "  -w SECONDS   time by the clock; 10\n"
    "  -c SECONDS   processor time of all its processes; 5\n"
    "  -m MIB       memory, of each process and of all together; 256\n"
    "  -p N         processes and threads at a time; 16\n"
    "  -o KIB       size of its output, and of any file that it writes; 1024\n"
    "  -d NAME,...  system calls that are forbidden, too\n"
    "  -r           forbidden calls fail, and do not end it\n"
    "  -e CODE      the exit code that is right; 0\n"
    "  -u ID        run as this user and group\n";

/* What is done with a system call that we see. */
enum treatment {
    FORBID, /* its use is a verdict */
    ABSENT, /* it fails as if the kernel had no such call; programs do without it */
    SIGNAL, /* it may name its own processes; all others do not exist */
    CLONE,  /* it may not make what we do not see */
    SOCKET, /* one of the machine's own fails; programs ask for users' names so */
    MEMORY, /* we want to know whether memory was refused */
};

static const struct {
    enum treatment treatment;
    const char *names;
} rules[] = {
    /* The network, other processes, the system as a whole, and more of the kernel than anybody needs. */
    {FORBID, "connect,bind,ptrace,process_vm_readv,process_vm_writev,kcmp,mount,umount2,"
             "pivot_root,chroot,unshare,setns,open_by_handle_at,reboot,swapon,swapoff,sethostname,"
             "setdomainname,settimeofday,clock_settime,adjtimex,clock_adjtime,kexec_load,"
             "kexec_file_load,init_module,finit_module,delete_module,bpf,perf_event_open,"
             "userfaultfd,keyctl,add_key,request_key"},
    /* A filter of its own could answer for ours (SECCOMP_RET_USER_NOTIF). */
    {FORBID, "seccomp"},
    /* What io_uring does is no system call; the flags of clone3 lie in memory, where they can change. */
    {ABSENT, "io_uring_setup,clone3,pidfd_open,pidfd_getfd,pidfd_send_signal"},
    {SIGNAL, "kill,tkill,tgkill,rt_sigqueueinfo,rt_tgsigqueueinfo,prlimit64"},
    {CLONE, "clone"},
    {SOCKET, "socket"},
    {MEMORY, "brk,mmap,mremap,mprotect"},
};

/* Of the calls that we see: the numbers, and what is done. */
static int32_t numbers[MOST_RULES];
static enum treatment treatments[MOST_RULES];
static size_t rule_count;

/* A process that is alive, or has children that are. */
struct node {
    struct node *parent;  /* NULL: that is none of ours */
    int references;       /* its own and its children's */
    uint64_t cpu_us;      /* its own processor time when it was looked at last */
    uint64_t children_us; /* of those that have ended before it, with what these have waited for */
};

struct judging {
    /* The limits. */
    double wall;
    uint64_t cpu_us;
    uint64_t memory;
    int most_tasks;
    uint64_t output;
    int expected;
    bool refuse;
    uint32_t user;
    uint64_t launch_flags;

    struct sdb_session *session;
    struct node *first; /* of the program itself */
    FILE *outputs[2];   /* what it writes to its output and as its errors */
    double begin;
    double next_look;

    char verdict[128]; /* empty: none yet */
    bool is_ok;
    double end;
    bool memory_refused; /* it has asked for more than it may have */
    uint64_t ended_us;   /* processor time of those that have ended */
    uint64_t live_us;    /* of the others */
    uint64_t max_resident_kib;
    int processes;
    int tasks_at_once;
    int left_behind;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "judge: %s: %s\n", what, why);
    exit(EXIT_OUR_FAULT); /* what was launched dies with us */
}

static void check(const char *what, int rc)
{
    if (rc < 0 && rc != -ESRCH) /* ESRCH: it was killed just now, as the next event will tell */
        fail(what, sdb_error_describe(rc));
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The first verdict counts.  Whatever lives is killed; what is just being born, later. */
__attribute__((format(printf, 2, 3))) static void decide(struct judging *judging,
                                                         const char *format, ...)
{
    struct sdb_process *process = NULL;
    va_list arguments;

    if (judging->verdict[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(judging->verdict, sizeof(judging->verdict), format, arguments);
    va_end(arguments);
    judging->end = now();
    while ((process = sdb_session_next_process(judging->session, process)))
        check("kill", sdb_process_kill(process));
}

/* ---- processes, and what they use ---- */

static struct node *add_process(struct judging *judging, struct node *parent,
                                struct sdb_process *process)
{
    struct node *node = calloc(1, sizeof(*node));

    if (!node)
        fail("a process", "no memory");
    node->references = 1;
    node->parent = parent;
    if (parent)
        parent->references++;
    judging->processes++;
    sdb_process_set_data(process, node);
    return node;
}

static void drop(struct node *node)
{
    if (node && --node->references == 0)
        free(node);
}

static void count_tasks(struct judging *judging)
{
    struct sdb_process *process = NULL;
    int tasks = 0;

    while ((process = sdb_session_next_process(judging->session, process)))
        tasks += sdb_process_thread_count(process);
    if (tasks > judging->tasks_at_once)
        judging->tasks_at_once = tasks;
    if (tasks > judging->most_tasks)
        decide(judging, "process limit");
}

/*
 * The usage of a process that has ended includes that of the children that it has waited for.  If it
 * has waited for all of them, what is left is its own; else that is at least what we have seen.
 */
static void note_end(struct judging *judging, const struct sdb_event *event)
{
    struct node *node = sdb_process_data(event->process);
    const struct sdb_exit_status *status = event->status;
    const uint64_t all_us = status->user_time_us + status->system_time_us;
    uint64_t own_us = all_us > node->children_us ? all_us - node->children_us : 0;

    if (own_us < node->cpu_us)
        own_us = node->cpu_us;
    judging->ended_us += own_us;
    if (status->max_resident_kib > judging->max_resident_kib)
        judging->max_resident_kib = status->max_resident_kib;
    if (node->parent)
        node->parent->children_us += all_us;
    sdb_process_set_data(event->process, NULL);
    if (node == judging->first)
        judging->first = NULL;
    drop(node->parent);
    drop(node);
}

/* Microseconds of processor time that a process has used itself, or 0 if it is gone. */
static uint64_t read_cpu_time(int pid)
{
    struct timespec time;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* Bytes of memory that it has to itself or shares with its relatives: all but what is of files. */
static uint64_t read_memory(int pid)
{
    char line[256];
    uint64_t memory = 0;
    uint64_t kib;
    FILE *file;

    snprintf(line, sizeof(line), "/proc/%d/status", pid);
    file = fopen(line, "re");
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1 ||
            sscanf(line, "RssShmem: %" SCNu64, &kib) == 1)
            memory += kib * 1024;
    }
    if (file)
        fclose(file);
    return memory;
}

static void look(struct judging *judging)
{
    struct sdb_process *process = NULL;
    uint64_t memory = 0;

    judging->live_us = 0;
    while ((process = sdb_session_next_process(judging->session, process))) {
        struct node *node = sdb_process_data(process);
        const uint64_t cpu_us = read_cpu_time(sdb_process_pid(process));

        if (!node)
            continue;
        if (cpu_us > node->cpu_us)
            node->cpu_us = cpu_us;
        judging->live_us += node->cpu_us;
        memory += read_memory(sdb_process_pid(process));
    }
    if (memory > judging->memory)
        decide(judging, "memory limit");
    if (judging->ended_us + judging->live_us > judging->cpu_us)
        decide(judging, "processor time limit");
    if (now() - judging->begin > judging->wall)
        decide(judging, "time limit");
    judging->next_look = now() + LOOK_MS / 1e3;
}

/* ---- system calls ---- */

/* Names of system calls, with commas between. */
static void add_rules(const char *names, enum treatment treatment)
{
    for (size_t length; *names; names += length + (names[length] == ',')) {
        char name[64];
        int64_t number;

        length = strcspn(names, ",");
        snprintf(name, sizeof(name), "%.*s", (int)length, names);
        number = sdb_syscall_number(SDB_ARCH_X86_64, name);
        if (number < 0)
            fail(name, "no such system call");
        if (rule_count == MOST_RULES)
            fail(name, "too many system calls");
        numbers[rule_count] = (int32_t)number;
        treatments[rule_count++] = treatment;
    }
}

/* The last rule of a call is the one: those of the command line come after ours. */
static enum treatment find_treatment(int64_t number)
{
    size_t i = rule_count - 1;

    while (i > 0 && numbers[i] != number)
        i--;
    return treatments[i];
}

static void refuse(struct sdb_thread *thread, int error)
{
    check("refuse a system call", sdb_thread_refuse_syscall(thread, error));
}

static void forbid(struct judging *judging, struct sdb_thread *thread, int64_t number)
{
    if (!judging->refuse)
        decide(judging, "forbidden system call: %s", sdb_syscall_name(SDB_ARCH_X86_64, number));
    refuse(thread, EPERM);
}

/* A process or thread of its own, or all of its group, which is one of its own session. */
static bool is_own(const struct judging *judging, int64_t id)
{
    return id == 0 || sdb_session_find_thread(judging->session, (int32_t)(id < 0 ? -id : id));
}

static void begin_call(struct judging *judging, struct sdb_thread *thread,
                       const struct sdb_syscall *call)
{
    switch (find_treatment(call->number)) {
    case FORBID:
        forbid(judging, thread, call->number);
        break;
    case ABSENT:
        refuse(thread, ENOSYS);
        break;
    case SIGNAL:
        if (!is_own(judging, (int32_t)call->arguments[0]))
            refuse(thread, ESRCH);
        break;
    case CLONE:
        if (call->arguments[0] & CLONE_UNTRACED)
            forbid(judging, thread, call->number);
        break;
    case SOCKET:
        if (call->arguments[0] == AF_UNIX)
            refuse(thread, EACCES);
        else
            forbid(judging, thread, call->number);
        break;
    case MEMORY:
        break;
    }
}

static void see_call(struct judging *judging, const struct sdb_event *event)
{
    struct sdb_syscall call = SDB_SYSCALL_INIT;
    int rc = sdb_thread_syscall(event->thread, &call);

    check("a system call", rc);
    if (rc < 0)
        return;
    if (event->kind == SDB_EVENT_SYSCALL_ENTRY)
        begin_call(judging, event->thread, &call);
    else if (find_treatment(call.number) != MEMORY)
        return;
    else if (call.number == SYS_brk) /* it says no by another end of the heap than was wanted */
        judging->memory_refused |= (uint64_t)call.result < call.arguments[0];
    else
        judging->memory_refused |= call.result == -ENOMEM;
}

/*
 * The numbers above are those of x86-64.  Calls of other architectures, which it can make too, some of
 * which do several things, end the program at once, by SIGSYS.
 */
static const struct sock_filter one_architecture[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 2),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)SDB_SYSCALL_X32_BIT, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

/* ---- events ---- */

static int count_others(const struct judging *judging, const struct sdb_process *process)
{
    struct sdb_process *other = NULL;
    int count = 0;

    while ((other = sdb_session_next_process(judging->session, other)))
        count += other != process;
    return count;
}

static void see_end(struct judging *judging, const struct sdb_event *event)
{
    const struct sdb_exit_status *status = event->status;
    const bool is_first = sdb_process_data(event->process) == judging->first;

    if (is_first && judging->verdict[0] == '\0')
        judging->left_behind = count_others(judging, event->process);
    note_end(judging, event);
    if (!is_first)
        return;
    if (status->how == SDB_EXITED && status->code == judging->expected) {
        judging->is_ok = judging->verdict[0] == '\0';
        decide(judging, "ok (exit code %d)", status->code);
    } else if (judging->memory_refused) {
        decide(judging, "memory limit");
    } else if (status->how == SDB_EXITED) {
        decide(judging, "wrong exit code %d", status->code);
    } else if (status->code == SIGSYS) {
        decide(judging, "forbidden system call of another architecture");
    } else {
        decide(judging, "killed by signal %d (%s)", status->code, strsignal(status->code));
    }
}

static void take(struct judging *judging, const struct sdb_event *event)
{
    struct node *node = sdb_process_data(event->process);

    if (!node) /* its parent was killed while it made it */
        node = add_process(judging, NULL, event->process);
    switch (event->kind) {
    case SDB_EVENT_FORK:
    case SDB_EVENT_VFORK:
    case SDB_EVENT_CLONE:
        if (event->new_process != event->process)
            add_process(judging, node, event->new_process);
        count_tasks(judging);
        break;
    case SDB_EVENT_SYSCALL_ENTRY:
    case SDB_EVENT_SYSCALL_EXIT:
        see_call(judging, event);
        break;
    case SDB_EVENT_SIGNAL: /* one of the two that we want to see */
        decide(judging, event->signal == SIGXFSZ ? "output limit" : "processor time limit");
        break;
    case SDB_EVENT_EXITED:
        see_end(judging, event);
        return;
    case SDB_EVENT_THREAD_EXIT:
        return;
    default:
        break;
    }
    if (judging->verdict[0] != '\0') /* it was born after the others were killed */
        check("kill", sdb_process_kill(event->process));
    check("resume", sdb_event_resume(event));
}

/* Until nothing is left. */
static void follow(struct judging *judging)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(judging->session, LOOK_MS, &event)) != -ECHILD) {
        if (rc == 0)
            take(judging, &event);
        else if (rc != -ETIMEDOUT)
            fail("wait", sdb_error_describe(rc));
        if (judging->verdict[0] == '\0' && now() >= judging->next_look)
            look(judging);
    }
}

/* ---- beginning and end ---- */

/* Launch the program.  Returns 0, or the exit code that tells why it could not be launched. */
static int start(struct judging *judging, char **argv)
{
    const uint64_t seconds = judging->cpu_us / 1000000 + 1;
    const struct sdb_rlimit limits[] = {
        {RLIMIT_DATA, 0, judging->memory, judging->memory},
        {RLIMIT_FSIZE, 0, judging->output, judging->output},
        {RLIMIT_CPU, 0, seconds, seconds + 1},
        {RLIMIT_NOFILE, 0, MOST_FILES, MOST_FILES},
        {RLIMIT_CORE, 0, 0, 0},
        {RLIMIT_MEMLOCK, 0, 0, 0},
        {RLIMIT_MSGQUEUE, 0, 0, 0},
    };
    const struct sdb_fd fds[] = {
        {.target = 1, .kind = SDB_FD_DUP, .source = fileno(judging->outputs[0])},
        {.target = 2, .kind = SDB_FD_DUP, .source = fileno(judging->outputs[1])},
    };
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process;
    char text[512];

    options.argv = (const char *const *)argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH | SDB_LAUNCH_NEW_SESSION | SDB_LAUNCH_NO_NEW_PRIVS |
                    SDB_LAUNCH_RESET_IGNORED | judging->launch_flags;
    options.uid = judging->user;
    options.gid = judging->user;
    options.rlimits = limits;
    options.rlimit_count = COUNT(limits);
    options.fds = fds;
    options.fd_count = COUNT(fds);
    options.seccomp_filter = one_architecture;
    options.seccomp_length = COUNT(one_architecture);
    options.caught_syscalls = numbers;
    options.caught_syscall_count = rule_count;
    if (sdb_session_launch(judging->session, &options, &process, &error) < 0) {
        sdb_error_format(&error, text, sizeof(text));
        fprintf(stderr, "judge: %s\n", text);
        if (error.stage != SDB_STAGE_EXEC)
            return EXIT_OUR_FAULT;
        return error.code == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
    }
    judging->first = add_process(judging, NULL, process);
    judging->tasks_at_once = 1;
    judging->begin = now();
    check("launch", sdb_session_set_signal_policy(judging->session, 0, SDB_POLICY_PASS));
    check("launch", sdb_session_set_signal_policy(judging->session, SIGXFSZ, SDB_POLICY_REPORT));
    check("launch", sdb_session_set_signal_policy(judging->session, SIGXCPU, SDB_POLICY_REPORT));
    check("launch", sdb_process_resume(process, SDB_RESUME_CONTINUE));
    return 0;
}

/* Write out what the program has written. */
static void show(FILE *from, FILE *to)
{
    char buffer[65536];
    size_t length;

    rewind(from);
    while ((length = fread(buffer, 1, sizeof(buffer), from)) > 0)
        fwrite(buffer, 1, length, to);
    fflush(to);
}

static void tell(const struct judging *judging)
{
    show(judging->outputs[0], stdout);
    show(judging->outputs[1], stderr);
    fprintf(stderr, "judge: verdict: %s\n", judging->verdict);
    fprintf(
        stderr,
        "judge: used: %.3f s by the clock, %.3f s of processor time, %" PRIu64 " KiB resident\n",
        judging->end - judging->begin, (double)judging->ended_us / 1e6, judging->max_resident_kib);
    fprintf(stderr, "judge: processes: %d; with threads %d at once; left behind and killed: %d\n",
            judging->processes, judging->tasks_at_once, judging->left_behind);
}

static double parse_number(const char *text, double least, double most)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || !(number >= least && number <= most))
        fail(text, "not a number that will do");
    return number;
}

static bool parse_options(struct judging *judging, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "+w:c:m:p:o:d:re:u:")) != -1) {
        if (option == 'w') {
            judging->wall = parse_number(optarg, 0, 1e6);
        } else if (option == 'c') {
            judging->cpu_us = (uint64_t)(parse_number(optarg, 0, 1e6) * 1e6);
        } else if (option == 'm') {
            judging->memory = (uint64_t)(parse_number(optarg, 1, 1e9) * 1024 * 1024);
        } else if (option == 'p') {
            judging->most_tasks = (int)parse_number(optarg, 1, 1e6);
        } else if (option == 'o') {
            judging->output = (uint64_t)(parse_number(optarg, 0, 1e9) * 1024);
        } else if (option == 'd') {
            add_rules(optarg, FORBID);
        } else if (option == 'r') {
            judging->refuse = true;
        } else if (option == 'e') {
            judging->expected = (int)parse_number(optarg, 0, 255);
        } else if (option == 'u') {
            judging->launch_flags = SDB_LAUNCH_SET_UID | SDB_LAUNCH_SET_GID | SDB_LAUNCH_SET_GROUPS;
            judging->user = (uint32_t)parse_number(optarg, 0, UINT32_MAX - 1);
        } else {
            return false;
        }
    }
    return optind < argc;
}

int main(int argc, char **argv)
{
    struct judging judging = {.wall = 10,
                              .cpu_us = 5000000,
                              .memory = UINT64_C(256) * 1024 * 1024,
                              .most_tasks = 16,
                              .output = UINT64_C(1024) * 1024};
    int rc;

    for (size_t i = 0; i < COUNT(rules); i++)
        add_rules(rules[i].names, rules[i].treatment);
    if (!parse_options(&judging, argc, argv)) {
        fputs(help, stderr);
        return EXIT_OUR_FAULT;
    }
    for (int i = 0; i < 2; i++) {
        judging.outputs[i] = tmpfile(); /* it is gone when we are */
        if (!judging.outputs[i])
            fail("output", strerror(errno));
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans shall not be left to init */
    rc = sdb_session_create(NULL, &judging.session);
    if (rc < 0)
        fail("session", sdb_error_describe(rc));
    rc = start(&judging, argv + optind);
    if (rc != 0)
        return rc;
    follow(&judging);
    sdb_session_destroy(judging.session);
    while (waitpid(-1, NULL, WNOHANG) > 0) /* zombies of which we became the parent */
        continue;
    tell(&judging);
    return judging.is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
