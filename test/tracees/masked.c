/* SPDX-License-Identifier: MIT */
/*
 * A program that blocks all signals, calls a place, and exits with 11 if SIGTRAP is blocked still, and with
 * 12 if not.  Before that it writes the address of the place to standard output, and waits for a byte on
 * standard input.
 *
 *     again    it executes itself without an argument first, after the same
 *     handler  before all it sets a handler for SIGTRAP, and that is the only signal that it blocks; it exits
 *              with 13 if the handler is another then
 */
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define CALLS 20

void place(void);
__asm__(".text\n.globl place\n.type place, @function\nplace:\n\tpush %rbx\n\tpop %rbx\n\tret\n");

static void handle(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    const uint64_t address = (uintptr_t)place;
    char *const again[] = {argv[0], NULL};
    struct sigaction action = {.sa_handler = handle};
    sigset_t all;
    sigset_t now;
    char byte;

    if (argc > 1 && strcmp(argv[1], "handler") == 0)
        sigaction(SIGTRAP, &action, NULL);
    if (write(STDOUT_FILENO, &address, sizeof(address)) != (ssize_t)sizeof(address) ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 1;
    if (argc > 1 && strcmp(argv[1], "again") == 0) {
        execv("/proc/self/exe", again);
        return 1;
    }
    sigfillset(&all);
    if (argc > 1) {
        sigemptyset(&all);
        sigaddset(&all, SIGTRAP);
    }
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < CALLS; i++)
        place();
    sigprocmask(SIG_BLOCK, NULL, &now);
    sigaction(SIGTRAP, NULL, &action);
    if (argc > 1 && action.sa_handler != handle)
        return 13;
    return sigismember(&now, SIGTRAP) ? 11 : 12;
}
