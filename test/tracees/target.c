/* SPDX-License-Identifier: MIT */
/*
 * What the session tests hold.  The first argument says what it does; once it is ready to be acted
 * upon, it writes one byte to standard output.
 *
 *     exit N         exits with code N
 *     wait           waits for signals for ever
 *     catch SIG N    exits with code N once SIG has come
 *     raise SIG      raises SIG, and exits with code 0 if it survives
 *     exec N         executes itself as "exit N"
 *     nap MS         sleeps, and exits with 0 if it was not shorter, and not much longer
 *     spin           never leaves user mode
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
    caught = signal;
}

static void ready(void)
{
    (void)!write(STDOUT_FILENO, "r", 1);
}

static long milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int catch_signal(int signal, int code)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;
    sigset_t before;

    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, &before);
    sigaction(signal, &action, NULL);
    ready();
    while (!caught)
        sigsuspend(&before);
    return code;
}

static int nap(long duration_ms)
{
    struct timespec time = {.tv_sec = duration_ms / 1000, .tv_nsec = duration_ms % 1000 * 1000000};
    long begin = milliseconds();
    long slept;

    ready();
    if (nanosleep(&time, NULL) < 0)
        return 2;
    slept = milliseconds() - begin;
    return slept >= duration_ms && slept < duration_ms + 2000 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    volatile unsigned long turns = 0;

    if (strcmp(what, "exit") == 0)
        return number;
    if (strcmp(what, "wait") == 0) {
        ready();
        for (;;)
            pause();
    }
    if (strcmp(what, "catch") == 0 && argc > 3)
        return catch_signal(number, atoi(argv[3]));
    if (strcmp(what, "raise") == 0) {
        ready();
        raise(number);
        return 0;
    }
    if (strcmp(what, "exec") == 0) {
        execl(argv[0], argv[0], "exit", argv[2], (char *)NULL);
        return 126;
    }
    if (strcmp(what, "nap") == 0)
        return nap(number);
    if (strcmp(what, "spin") == 0) {
        ready();
        for (;;)
            turns++;
    }
    return 125;
}
