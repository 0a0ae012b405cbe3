/* SPDX-License-Identifier: MIT */
/*
 * A program that blocks all signals, calls a place, and exits with 11 if SIGTRAP is blocked as it should be
 * then, and with 12 if not.  Before that it writes the address of the place to standard output, and waits for
 * a byte on standard input.
 *
 *     again    it executes itself without an argument first, after the same
 *
 * Or it sets a handler for SIGTRAP before all that, and exits with 13 if the handler is another then:
 *
 *     handler  that is the only signal that it blocks
 *     rest     that is the only signal that it does not block
 *     vfork    as handler; who writes, and waits for the byte, is a child by vfork(2)
 *     threads  the same again and again, beside a thread that blocks none and calls the place, too; exits with
 *              12 if that finds SIGTRAP blocked
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS            20
#define CALLS_OF_THREADS 500

void place(void);
__asm__(".text\n.globl place\n.type place, @function\nplace:\n\tpush %rbx\n\tpop %rbx\n\tret\n");

static void handle(int signal)
{
    (void)signal;
}

static bool tell_and_wait(void)
{
    const uint64_t address = (uintptr_t)place;
    char byte;

    return write(STDOUT_FILENO, &address, sizeof(address)) == (ssize_t)sizeof(address) &&
           read(STDIN_FILENO, &byte, 1) == 1;
}

static bool tell_and_wait_in_vfork(void)
{
    int status = 0;
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */

    if (pid == 0)
        _exit(tell_and_wait() ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool trap_is_blocked(void)
{
    sigset_t now;

    pthread_sigmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, SIGTRAP) == 1;
}

static void *call_and_look(void *was_blocked)
{
    for (int i = 0; i < CALLS_OF_THREADS; i++) {
        place();
        if (trap_is_blocked())
            *(bool *)was_blocked = true;
    }
    return NULL;
}

static bool block_beside_thread(const sigset_t *trap)
{
    bool was_blocked = false;
    pthread_t thread;

    if (pthread_create(&thread, NULL, call_and_look, &was_blocked) != 0)
        return false;
    for (int i = 0; i < CALLS_OF_THREADS; i++) {
        pthread_sigmask(SIG_BLOCK, trap, NULL);
        place();
        pthread_sigmask(SIG_UNBLOCK, trap, NULL);
    }
    pthread_join(thread, NULL);
    return !was_blocked;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    char *const again[] = {argv[0], NULL};
    struct sigaction action = {.sa_handler = handle};
    const bool executes = strcmp(how, "again") == 0;
    const bool has_handler = argc > 1 && !executes;
    const bool blocks_rest = strcmp(how, "rest") == 0;
    bool is_right;
    sigset_t trap;
    sigset_t all;

    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    sigfillset(&all);
    if (blocks_rest)
        sigdelset(&all, SIGTRAP);
    if (has_handler)
        sigaction(SIGTRAP, &action, NULL);
    if (!(strcmp(how, "vfork") == 0 ? tell_and_wait_in_vfork() : tell_and_wait()))
        return 1;
    if (executes) {
        execv("/proc/self/exe", again);
        return 1;
    }
    if (strcmp(how, "threads") == 0) {
        is_right = block_beside_thread(&trap);
    } else {
        sigprocmask(SIG_BLOCK, has_handler && !blocks_rest ? &trap : &all, NULL);
        for (int i = 0; i < CALLS; i++)
            place();
        is_right = trap_is_blocked() == !blocks_rest;
    }
    sigaction(SIGTRAP, NULL, &action);
    if (has_handler && action.sa_handler != handle)
        return 13;
    return is_right ? 11 : 12;
}
