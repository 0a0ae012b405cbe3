/* SPDX-License-Identifier: MIT */
/*
 * A program that would notice if a system call had been injected into it.  The first argument says what
 * it does; when it is ready, it writes the byte "r" to standard output.  It exits with code 0 if all was
 * as it should be.
 *
 *     sleep MS   sleeps for so long: not shorter, and not much longer
 *     absolute MS  the same with clock_nanosleep(2) to a point of time
 *     read       reads a byte from standard input, which must be "x"
 *     join       a thread reads it; the first one waits for that
 *     pause      pauses, until SIGUSR1 has come once
 *     suspend    the same with sigsuspend(2), SIGUSR1 being blocked otherwise
 *     queue      sends itself SIGRTMIN with a value, which the handler must see
 *     fault      faults; the handler must see where
 *     kept       has a handler of SIGTRAP, a mask, and blocked signals waiting; reads a byte, and looks
 *     alarms     reads a byte; a timer has a thousand signals a second meanwhile
 *     refuse     its seccomp filter refuses getppid(2) with EPERM; reads a byte
 *     traced     its seccomp filter asks a tracer about getppid(2); reads a byte
 *     trap       its seccomp filter traps getppid(2); reads a byte, and must have had no SIGSYS
 *     ask        calls getppid(2) until it has been told to end by a byte
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MOST_LATE_MS 400
#define VALUE        4711

static volatile sig_atomic_t count;
static volatile sig_atomic_t right;
static sigjmp_buf out;
static char *volatile nowhere = (char *)16; /* nothing is mapped there */

static void ready(void)
{
    (void)!write(STDOUT_FILENO, "r", 1);
}

static void on_signal(int signal)
{
    (void)signal;
    count++;
}

static void on_queued(int signal, siginfo_t *info, void *context)
{
    (void)context;
    count++;
    right = signal == SIGRTMIN && info->si_code == SI_QUEUE && info->si_pid == getpid() &&
            info->si_value.sival_int == VALUE;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    right = signal == SIGSEGV && info->si_code == SEGV_MAPERR && info->si_addr == nowhere;
    siglongjmp(out, 1);
}

static void handle(int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    sigaction(signal, &action, NULL);
}

static void handle_with_info(int signal, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

    sigaction(signal, &action, NULL);
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int sleep_for(long duration_ms, bool absolute)
{
    struct timespec time = {.tv_sec = duration_ms / 1000, .tv_nsec = duration_ms % 1000 * 1000000};
    const long begin = now_ms();
    long slept;
    int rc;

    ready();
    if (absolute) {
        const long end = begin + duration_ms + 1;

        time = (struct timespec){.tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000};
        rc = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
    } else {
        rc = nanosleep(&time, NULL);
    }
    slept = now_ms() - begin;
    if (rc != 0)
        return 2;
    if (slept + 1 < duration_ms)
        return 3;
    return slept <= duration_ms + MOST_LATE_MS ? 0 : 4;
}

static int read_byte(void)
{
    char byte = 0;

    return read(STDIN_FILENO, &byte, 1) == 1 && byte == 'x' ? 0 : 1;
}

static void *read_in_thread(void *data)
{
    *(int *)data = read_byte();
    return NULL;
}

static int join(void)
{
    pthread_t thread;
    int result = 2;

    pthread_create(&thread, NULL, read_in_thread, &result);
    ready();
    pthread_join(thread, NULL);
    return result;
}

static int wait_for_signal(bool blocked)
{
    sigset_t mask;
    sigset_t before;
    int rc;

    handle(SIGUSR1, on_signal);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    if (blocked)
        sigprocmask(SIG_BLOCK, &mask, &before);
    ready();
    rc = blocked ? sigsuspend(&before) : pause();
    return rc == -1 && errno == EINTR && count == 1 ? 0 : 1;
}

static int queue(void)
{
    handle_with_info(SIGRTMIN, on_queued);
    ready();
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = VALUE});
    return count == 1 && right ? 0 : 1;
}

static int fault(void)
{
    handle_with_info(SIGSEGV, on_fault);
    ready();
    if (sigsetjmp(out, 1) == 0)
        *(volatile char *)nowhere = 1;
    return right ? 0 : 1;
}

static int keep(void)
{
    struct sigaction action;
    sigset_t mask;
    sigset_t after;
    sigset_t pending;

    handle(SIGTRAP, on_signal);
    sigemptyset(&mask);
    sigaddset(&mask, SIGTRAP);
    sigaddset(&mask, SIGUSR2);
    sigaddset(&mask, SIGSYS);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    raise(SIGUSR2);
    kill(getpid(), SIGTRAP);
    ready();
    if (read_byte() != 0)
        return 1;
    sigprocmask(SIG_SETMASK, NULL, &after);
    if (memcmp(&mask, &after, 8) != 0)
        return 2;
    if (sigaction(SIGTRAP, NULL, &action) < 0 || action.sa_handler != on_signal)
        return 3;
    sigpending(&pending);
    if (!sigismember(&pending, SIGUSR2) || !sigismember(&pending, SIGTRAP) || count != 0)
        return 4;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return count == 1 ? 0 : 5;
}

static int alarms(void)
{
    const struct itimerval often = {.it_interval = {.tv_usec = 1000},
                                    .it_value = {.tv_usec = 1000}};
    struct timespec limit = {.tv_sec = 60};
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    handle(SIGALRM, on_signal);
    setitimer(ITIMER_REAL, &often, NULL);
    ready();
    /* Some calls that are begun anew, some that are not, and some time without any. */
    while (ppoll(&input, 1, &limit, NULL) < 0 && errno == EINTR) {
        for (volatile int i = 0; i < 1000; i++)
            continue;
    }
    return read_byte() == 0 && count > 0 ? 0 : 1;
}

static bool filter_getppid(uint32_t action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int live_with_filter(uint32_t action)
{
    struct sigaction after;

    handle(SIGSYS, on_signal);
    if (!filter_getppid(action))
        return 2;
    ready();
    if (read_byte() != 0)
        return 1;
    if (sigaction(SIGSYS, NULL, &after) < 0 || after.sa_handler != on_signal)
        return 3;
    return count == 0 ? 0 : 4;
}

static int ask(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    ready();
    while (poll(&input, 1, 0) == 0) {
        for (int i = 0; i < 100; i++)
            syscall(SYS_getppid);
    }
    return read_byte();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const long number = argc > 2 ? atol(argv[2]) : 0;

    if (strcmp(what, "sleep") == 0 || strcmp(what, "absolute") == 0)
        return sleep_for(number, what[0] == 'a' && what[1] == 'b');
    if (strcmp(what, "read") == 0) {
        ready();
        return read_byte();
    }
    if (strcmp(what, "join") == 0)
        return join();
    if (strcmp(what, "pause") == 0 || strcmp(what, "suspend") == 0)
        return wait_for_signal(what[0] == 's');
    if (strcmp(what, "queue") == 0)
        return queue();
    if (strcmp(what, "fault") == 0)
        return fault();
    if (strcmp(what, "kept") == 0)
        return keep();
    if (strcmp(what, "alarms") == 0)
        return alarms();
    if (strcmp(what, "refuse") == 0)
        return live_with_filter(SECCOMP_RET_ERRNO | EPERM);
    if (strcmp(what, "traced") == 0)
        return live_with_filter(SECCOMP_RET_TRACE);
    if (strcmp(what, "trap") == 0)
        return live_with_filter(SECCOMP_RET_TRAP);
    if (strcmp(what, "ask") == 0)
        return ask();
    return 125;
}
