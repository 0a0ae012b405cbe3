/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark of sessions holds.
 *
 *     bench_stops WHAT THREADS
 *
 * Beside its first thread it has so many others, which do nothing.  When all of them are there, it
 * writes one byte to standard output, and the first thread goes on for ever with
 *
 *     calls     the cheapest system call
 *     signals   a signal to itself, which it ignores
 *     nothing   nothing either
 *
 *     bench_stops count CALLS
 *
 * makes so many of the cheapest system calls and one getpgid(2), and exits.
 *
 *     bench_stops hot CALLS
 *
 * calls the function bench_hot so often, and exits.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_SIZE 16384

static pthread_barrier_t all_here;

static void idle(void)
{
    for (;;)
        pause();
}

static void *be_idle(void *unused)
{
    (void)unused;
    (void)pthread_barrier_wait(&all_here);
    idle();
    return NULL;
}

static void signal_oneself(void)
{
    const pid_t pid = getpid();

    (void)signal(SIGUSR1, SIG_IGN);
    for (;;)
        syscall(SYS_tgkill, pid, pid, SIGUSR1);
}

static int count_calls(long calls)
{
    for (long i = 0; i < calls; i++)
        syscall(SYS_getppid);
    (void)getpgid(0);
    return 0;
}

int bench_hot(int number);
__asm__(".text\n"
        ".globl bench_hot\n"
        ".type bench_hot, @function\n"
        "bench_hot: lea 1(%rdi), %eax\n"
        "ret\n"
        ".size bench_hot, . - bench_hot\n");

static int call_hot(int calls)
{
    int number = 0;

    for (int i = 0; i < calls; i++)
        number = bench_hot(number);
    return number != calls;
}

int main(int argc, char **argv)
{
    const char *what = argc == 3 ? argv[1] : "";
    const int threads = argc == 3 ? atoi(argv[2]) : 0;
    pthread_attr_t attributes;
    pthread_t thread;

    if (strcmp(what, "count") == 0)
        return count_calls(threads);
    if (strcmp(what, "hot") == 0)
        return call_hot(threads);
    (void)pthread_barrier_init(&all_here, NULL, (unsigned)threads + 1);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&thread, &attributes, be_idle, NULL) != 0)
            return 1;
    }
    (void)pthread_barrier_wait(&all_here);
    if (write(STDOUT_FILENO, "r", 1) != 1)
        return 1;

    if (strcmp(what, "nothing") == 0)
        idle();
    if (strcmp(what, "signals") == 0)
        signal_oneself();
    while (strcmp(what, "calls") == 0)
        syscall(SYS_getppid);
    return 1;
}
