/* SPDX-License-Identifier: MIT */
/*
 * Programs that do not stand still while they are attached to, and that notice when they were
 * disturbed.  Each writes `r` to standard output once all of it is under way, answers each byte of
 * standard input with `p` once every part of it has made another turn, and when standard input ends
 * comes to its end: exit code 0 if all went right, or the number of what did not.
 *
 *     idle N           N more threads that sleep
 *     churn N          N threads, each of which makes and joins threads all the time
 *     forks N          N threads, each of which forks and waits for children all the time
 *     vforks N         N threads, each of which vforks and waits for children all the time
 *     spawns N         N threads, each of which runs this program as "exit N" all the time
 *     count N THREADS  takes the real-time signals SIGRTMIN with the values 0 to N - 1 in any of its
 *                      threads, and is right if each has come once; SIGUSR1 is taken too
 *     zombie N         N more threads that sleep, and a first thread that has ended
 *     strict           under a filter that kills it for any system call but the few that it makes
 *
 * These differ:
 *
 *     leader N         executes itself N times (0: until standard input ends) from its first thread,
 *     thread N         from another one,
 *     either N         from the one and the other; each time there are two threads more that sleep
 *     crowd N          as thread, with a hundred threads more that sleep
 *     heir N           as thread, while the first thread ends
 *     linger HOW       vforks a child that, when standard input has a byte, exits (HOW is exit) or
 *                      executes a program (exec); `r` comes from the child
 *     sleeps MS        sleeps in several ways, each in a thread; exits with 0 when all were right
 *     exit N           exits with code N
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_WORKERS 1024
#define MOST_SIGNALS 100000
#define SMALL_STACK  (64u * 1024)

/* What was wrong. */
enum wrong {
    WRONG_THREAD = 10,
    WRONG_CHILD = 11,
    WRONG_SIGNAL_TWICE = 12,
    WRONG_SIGNAL_MISSING = 13,
    WRONG_SLEEP = 14,
    WRONG_LATE = 15,
    WRONG_SETUP = 16,
    WRONG_USE = 17,
};

struct worker {
    pthread_t thread;
    sem_t turn; /* of those that sleep */
    atomic_ulong turns;
    int (*work)(int turn);
};

static const char *program;
static struct worker workers[MOST_WORKERS];
static int worker_count;
static atomic_bool over;
static atomic_int wrong;
static atomic_uchar seen[MOST_SIGNALS];

static void is_wrong(int what)
{
    int none = 0;

    atomic_compare_exchange_strong(&wrong, &none, what);
}

static void ready(void)
{
    (void)!write(STDOUT_FILENO, "r", 1);
}

/* ---- work ---- */

static void *give_back(void *argument)
{
    return argument;
}

static int make_thread(int turn)
{
    void *const argument = &workers[turn % MOST_WORKERS];
    void *result = NULL;
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, SMALL_STACK);
    if (pthread_create(&thread, &attributes, give_back, argument) != 0)
        return WRONG_THREAD;
    pthread_join(thread, &result);
    return result == argument ? 0 : WRONG_THREAD;
}

static int wait_for_code(pid_t pid, int code)
{
    int status = 0;

    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return WRONG_CHILD;
    return WIFEXITED(status) && WEXITSTATUS(status) == code ? 0 : WRONG_CHILD;
}

static int make_fork(int turn)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(turn % 256);
    return wait_for_code(pid, turn % 256);
}

static int make_vfork(int turn)
{
    pid_t pid = vfork();

    if (pid == 0)
        _exit(turn % 256);
    return wait_for_code(pid, turn % 256);
}

static int make_spawn(int turn)
{
    char *const no_environment[] = {NULL};
    char name[] = "busy";
    char what[] = "exit";
    char code[16];
    char *argv[] = {name, what, code, NULL};
    pid_t pid;

    (void)snprintf(code, sizeof(code), "%d", turn % 256);
    if (posix_spawn(&pid, program, NULL, NULL, argv, no_environment) != 0)
        return WRONG_CHILD;
    return wait_for_code(pid, turn % 256);
}

static void *work(void *argument)
{
    struct worker *worker = argument;

    for (int turn = 0; !over; turn++) {
        int result = worker->work(turn);

        if (result != 0)
            is_wrong(result);
        atomic_fetch_add(&worker->turns, 1);
    }
    return NULL;
}

static void *sleep_by_turns(void *argument)
{
    struct worker *worker = argument;

    while (!over) {
        while (sem_wait(&worker->turn) < 0)
            continue;
        atomic_fetch_add(&worker->turns, 1);
    }
    return NULL;
}

/* Start so many workers; without work they sleep. */
static void start(int count, int (*what)(int turn))
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, SMALL_STACK);
    for (int i = 0; i < count && worker_count < MOST_WORKERS; i++) {
        struct worker *worker = &workers[worker_count];

        worker->work = what;
        sem_init(&worker->turn, 0, 0);
        if (pthread_create(&worker->thread, &attributes, what ? work : sleep_by_turns, worker) != 0)
            is_wrong(WRONG_SETUP);
        else
            worker_count++;
    }
}

/* ---- standard input ---- */

static void wake_all(void)
{
    for (int i = 0; i < worker_count; i++)
        sem_post(&workers[i].turn);
}

static void await_turns(void)
{
    const struct timespec moment = {.tv_nsec = 200000};
    unsigned long before[MOST_WORKERS];

    for (int i = 0; i < worker_count; i++)
        before[i] = workers[i].turns;
    wake_all();
    for (int i = 0; i < worker_count; i++) {
        while (workers[i].turns == before[i])
            nanosleep(&moment, NULL);
    }
}

static void serve(void)
{
    ssize_t count;
    char byte;

    ready();
    while ((count = read(STDIN_FILENO, &byte, 1)) == 1 || (count < 0 && errno == EINTR)) {
        if (count < 0)
            continue;
        await_turns();
        (void)!write(STDOUT_FILENO, "p", 1);
    }
    over = true;
    wake_all();
    for (int i = 0; i < worker_count; i++)
        pthread_join(workers[i].thread, NULL);
}

/* ---- signals ---- */

static void on_value(int signal, siginfo_t *info, void *context)
{
    const int value = info->si_value.sival_int;

    (void)signal;
    (void)context;
    if (info->si_code != SI_QUEUE || value < 0 || value >= MOST_SIGNALS ||
        atomic_fetch_add(&seen[value], 1) != 0)
        is_wrong(WRONG_SIGNAL_TWICE);
}

static void on_nothing(int signal)
{
    (void)signal;
}

static void count_signals(int count, int threads)
{
    struct sigaction values = {.sa_sigaction = on_value, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction other = {.sa_handler = on_nothing, .sa_flags = SA_RESTART};

    sigaction(SIGRTMIN, &values, NULL);
    sigaction(SIGUSR1, &other, NULL);
    start(threads, NULL);
    serve();
    for (int i = 0; i < count; i++) {
        if (seen[i] == 0)
            is_wrong(WRONG_SIGNAL_MISSING);
    }
}

/* ---- exec ---- */

static char *next_argv[8];

static void *execute_next(void *unused)
{
    execv(program, next_argv);
    is_wrong(WRONG_SETUP);
    return unused;
}

static bool input_has_ended(void)
{
    struct pollfd polled = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&polled, 1, 0) == 1 && (polled.revents & POLLHUP);
}

/* argv: program, how, how often still (0: for ever), how often already */
static int execute(int argc, char **argv)
{
    const int left = atoi(argv[2]);
    const int done = argc > 3 ? atoi(argv[3]) : 0;
    const char how = argv[1][0] == 'e' ? "lt"[done % 2] : argv[1][0];
    const int sleepers = how == 'c' ? 100 : 2;
    char texts[2][16];
    pthread_t thread;

    if (done == 0)
        ready();
    if (left == 1 || input_has_ended())
        return wrong;
    (void)snprintf(texts[0], sizeof(texts[0]), "%d", left > 0 ? left - 1 : 0);
    (void)snprintf(texts[1], sizeof(texts[1]), "%d", done + 1);
    next_argv[0] = argv[0];
    next_argv[1] = argv[1];
    next_argv[2] = texts[0];
    next_argv[3] = texts[1];
    start(sleepers, NULL);
    if (how == 'l')
        execute_next(NULL);
    else if (pthread_create(&thread, NULL, execute_next, NULL) == 0 && how == 'h')
        pthread_exit(NULL);
    else
        pthread_join(thread, NULL);
    return WRONG_SETUP;
}

/* ---- others ---- */

static int linger(const char *how)
{
    char byte;
    pid_t pid = vfork();

    if (pid == 0) {
        (void)!write(STDOUT_FILENO, "r", 1);
        (void)!read(STDIN_FILENO, &byte, 1);
        if (strcmp(how, "exec") == 0)
            execl(program, program, "exit", "3", (char *)NULL);
        _exit(3);
    }
    return wait_for_code(pid, 3);
}

static long duration_ms;

static long milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct timespec interval(void)
{
    return (struct timespec){duration_ms / 1000, duration_ms % 1000 * 1000000};
}

static int by_nanosleep(void)
{
    struct timespec time = interval();

    return nanosleep(&time, NULL);
}

static int by_clock(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += duration_ms / 1000 + 1;
    time.tv_nsec += duration_ms % 1000 * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000 - 1;
    time.tv_nsec %= 1000000000;
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int by_poll(void)
{
    return poll(NULL, 0, (int)duration_ms);
}

static int by_ppoll(void)
{
    struct timespec time = interval();

    return ppoll(NULL, 0, &time, NULL);
}

static int by_futex(void)
{
    struct timespec time = interval();
    int word = 0;

    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0) == -1 &&
                   errno == ETIMEDOUT
               ? 0
               : -1;
}

static int (*const sleeps[])(void) = {by_nanosleep, by_clock, by_poll, by_ppoll, by_futex};
#define SLEEP_COUNT (sizeof(sleeps) / sizeof(sleeps[0]))

static void *sleep_once(void *way)
{
    const long begin = milliseconds();
    long slept;

    if (sleeps[*(const size_t *)way]() != 0)
        is_wrong(WRONG_SLEEP);
    slept = milliseconds() - begin;
    if (slept < duration_ms)
        is_wrong(WRONG_SLEEP);
    else if (slept >= duration_ms + duration_ms / 2)
        is_wrong(WRONG_LATE);
    return NULL;
}

static void sleep_in_all_ways(void)
{
    static size_t ways[SLEEP_COUNT];
    pthread_t threads[SLEEP_COUNT];

    for (size_t i = 0; i < SLEEP_COUNT; i++) {
        ways[i] = i;
        pthread_create(&threads[i], NULL, sleep_once, &ways[i]);
    }
    ready();
    for (size_t i = 0; i < SLEEP_COUNT; i++)
        pthread_join(threads[i], NULL);
}

/* What it does afterwards makes no other calls than these. */
static void be_strict(void)
{
#define ALLOW(number)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_read),
        ALLOW(SYS_write),
        ALLOW(SYS_exit_group),
        ALLOW(SYS_rt_sigreturn),
        ALLOW(SYS_restart_syscall),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog filter_program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter_program, 0, 0) < 0)
        _exit(WRONG_SETUP);
    serve();
    _exit(wrong);
}

static void *serve_without_leader(void *leader)
{
    pthread_join(*(pthread_t *)leader, NULL);
    serve();
    exit(wrong);
}

static void end_leader(void)
{
    static pthread_t leader;
    pthread_t server;

    leader = pthread_self();
    pthread_create(&server, NULL, serve_without_leader, &leader);
    pthread_exit(NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *what;
        int (*work)(int turn);
    } kinds[] = {{"idle", NULL},
                 {"churn", make_thread},
                 {"forks", make_fork},
                 {"vforks", make_vfork},
                 {"spawns", make_spawn}};
    const char *what = argc > 1 ? argv[1] : "";
    const int number = argc > 2 ? atoi(argv[2]) : 0;

    program = argv[0];
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(what, kinds[i].what) == 0) {
            start(number, kinds[i].work);
            serve();
            return wrong;
        }
    }
    if (strcmp(what, "exit") == 0)
        return number;
    if (argc > 2 &&
        (strcmp(what, "leader") == 0 || strcmp(what, "thread") == 0 ||
         strcmp(what, "either") == 0 || strcmp(what, "crowd") == 0 || strcmp(what, "heir") == 0))
        return execute(argc, argv);
    if (strcmp(what, "count") == 0 && argc > 3) {
        count_signals(number, atoi(argv[3]));
    } else if (strcmp(what, "zombie") == 0) {
        start(number, NULL);
        end_leader();
    } else if (strcmp(what, "strict") == 0) {
        be_strict();
    } else if (strcmp(what, "linger") == 0 && argc > 2) {
        return linger(argv[2]);
    } else if (strcmp(what, "sleeps") == 0) {
        duration_ms = number;
        sleep_in_all_ways();
    } else {
        return WRONG_USE;
    }
    return wrong;
}
