/* SPDX-License-Identifier: MIT */
/*
 * A program that makes the system calls that it is told to make.  Each argument is a step, with numbers
 * behind colons; what a step's call returns goes to the board (board.h), turns[step], without a call of
 * its own.  After the last step it exits with code 0.
 *
 *     NUMBER:A:B:C:D:E:F  this system call of x86-64
 *     i386:NUMBER:A...    the same by int 0x80
 *     many:N              N calls of getppid(2)
 *     nap:MS              a sleep, by nanosleep(2)
 *     handler             SIGUSR1 gets a handler, which counts on the board; also for SIGSYS
 *     ignore              SIGUSR1 is ignored
 *     block               all signals are blocked
 *     raise               SIGUSR1 to itself
 *     ready               one byte on standard output
 *     fork, vfork, thread the steps that follow are those of a newborn, which is waited for; after
 *                         vfork only one is made
 *     exec                executes itself for the steps that follow
 *     errno:NUMBER:E, trap:NUMBER, kill:NUMBER, trace:NUMBER
 *                         a seccomp filter: this call fails with errno E, ...
 *     strict:E            one with which calls that do not exist, also -1, fail with errno E
 *     storm:THREADS:N     so many threads make N calls of getpriority(2) each, and as many of getppid(2)
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support/board.h"

#define HIGHEST_NUMBER 600

static struct board *board;
static char **steps;
static int step_count;

static long raw_call(const long *call)
{
    register long r10 __asm__("r10") = call[4];
    register long r8 __asm__("r8") = call[5];
    register long r9 __asm__("r9") = call[6];
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(call[0]), "D"(call[1]), "S"(call[2]), "d"(call[3]), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static long raw_call_of_i386(const long *call)
{
    long result;

    __asm__ volatile("push %%rbp\n\tmov %[last], %%rbp\n\tint $0x80\n\tpop %%rbp"
                     : "=a"(result)
                     : "0"(call[0]), "b"(call[1]), "c"(call[2]), "d"(call[3]), "S"(call[4]),
                       "D"(call[5]), [last] "r"(call[6])
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static void on_signal(int signal)
{
    board->signals[signal]++;
}

static void install(struct sock_filter *filter, unsigned short length)
{
    struct sock_fprog program = {.len = length, .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(120);
}

static void install_for(long number, uint32_t action)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    install(filter, sizeof(filter) / sizeof(filter[0]));
}

static void install_strict(long error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, HIGHEST_NUMBER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    install(filter, sizeof(filter) / sizeof(filter[0]));
}

/* NOLINTBEGIN(misc-no-recursion): a newborn goes on with the steps */
static void make_steps(int step);

static void *be_thread(void *step)
{
    make_steps((int)(intptr_t)step);
    return NULL;
}

static void *be_storm(void *count)
{
    for (intptr_t i = 0; i < (intptr_t)count; i++) {
        syscall(SYS_getpriority, 0, 0);
        syscall(SYS_getppid);
    }
    return NULL;
}

static void make_storm(long threads, long count)
{
    pthread_t made[BOARD_PLACES];

    for (long i = 0; i < threads; i++) {
        if (pthread_create(&made[i], NULL, be_storm, (void *)(intptr_t)count) != 0)
            _exit(121);
    }
    for (long i = 0; i < threads; i++)
        pthread_join(made[i], NULL);
}

static void await(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 122);
}

/* The rest of the steps are the newborn's. */
static void make_newborn(const char *name, int step)
{
    pthread_t thread;
    pid_t pid;

    if (strcmp(name, "thread") == 0) {
        if (pthread_create(&thread, NULL, be_thread, (void *)(intptr_t)(step + 1)) != 0)
            _exit(121);
        pthread_join(thread, NULL);
        _exit(0);
    }
    if (strcmp(name, "vfork") == 0) {
        pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
        if (pid == 0)
            make_steps(step + 1); /* NOLINT(clang-analyzer-unix.Vfork) */
    } else {
        pid = fork();
        if (pid == 0)
            make_steps(step + 1);
    }
    await(pid);
}

static int64_t nap(long duration_ms)
{
    const struct timespec time = {.tv_sec = duration_ms / 1000,
                                  .tv_nsec = duration_ms % 1000 * 1000000};
    const long call[7] = {SYS_nanosleep, (long)&time};

    return raw_call(call);
}

static int64_t make_other(const char *name, const long *numbers)
{
    if (strcmp(name, "nap") == 0)
        return nap(numbers[0]);
    if (strcmp(name, "ready") == 0)
        return write(STDOUT_FILENO, "r", 1);
    if (strcmp(name, "raise") == 0)
        return kill(getpid(), SIGUSR1);
    if (strcmp(name, "handler") == 0)
        return signal(SIGUSR1, on_signal) == SIG_ERR || signal(SIGSYS, on_signal) == SIG_ERR;
    if (strcmp(name, "ignore") == 0)
        return signal(SIGUSR1, SIG_IGN) == SIG_ERR;
    if (strcmp(name, "block") == 0) {
        sigset_t all;

        sigfillset(&all);
        return sigprocmask(SIG_SETMASK, &all, NULL);
    }
    if (strcmp(name, "many") == 0) {
        for (long i = 0; i < numbers[0]; i++)
            syscall(SYS_getppid);
        return 0;
    }
    if (strcmp(name, "storm") == 0) {
        make_storm(numbers[0], numbers[1]);
        return 0;
    }
    _exit(123);
}

static int64_t make_call(const char *name, const long *numbers, int step)
{
    if (strcmp(name, "i386") == 0)
        return raw_call_of_i386(numbers);
    if (strcmp(name, "fork") == 0 || strcmp(name, "vfork") == 0 || strcmp(name, "thread") == 0) {
        make_newborn(name, step);
    } else if (strcmp(name, "exec") == 0) {
        steps[step] = steps[0];
        execv(steps[0], steps + step);
        _exit(124);
    } else if (strcmp(name, "errno") == 0) {
        install_for(numbers[0], SECCOMP_RET_ERRNO | (uint32_t)numbers[1]);
    } else if (strcmp(name, "trap") == 0) {
        install_for(numbers[0], SECCOMP_RET_TRAP);
    } else if (strcmp(name, "kill") == 0) {
        install_for(numbers[0], SECCOMP_RET_KILL_PROCESS);
    } else if (strcmp(name, "trace") == 0) {
        install_for(numbers[0], SECCOMP_RET_TRACE | 1);
    } else if (strcmp(name, "strict") == 0) {
        install_strict(numbers[0]);
    } else {
        return make_other(name, numbers);
    }
    return 0;
}

static void make_steps(int step)
{
    for (; step < step_count; step++) {
        char *at = steps[step];
        long numbers[8] = {0};
        char name[16] = "";
        size_t length = strcspn(at, ":");

        if (length < sizeof(name))
            memcpy(name, at, length);
        at += length;
        for (int i = 0; i < 8 && *at == ':'; i++)
            numbers[i] = strtol(at + 1, &at, 0);
        if (name[0] >= '0' && name[0] <= '9') {
            memmove(numbers + 1, numbers, 6 * sizeof(numbers[0]));
            numbers[0] = strtol(name, NULL, 0);
            board->turns[step] = (uint64_t)raw_call(numbers);
        } else {
            board->turns[step] = (uint64_t)make_call(name, numbers, step);
        }
    }
    _exit(0);
}

/* NOLINTEND(misc-no-recursion) */

int main(int argc, char **argv)
{
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);
    if (board == MAP_FAILED)
        return 125;
    steps = argv;
    step_count = argc;
    make_steps(1);
    return 0;
}
