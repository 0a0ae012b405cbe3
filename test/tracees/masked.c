/* SPDX-License-Identifier: MIT */
/*
 * A program that blocks all signals, calls a place, and exits with 11 if SIGTRAP is blocked still, and with
 * 12 if not.  Before that it writes the address of the place to standard output, and waits for a byte on
 * standard input; with an argument it executes itself without one first, after the same.
 */
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#define CALLS 20

void place(void);
__asm__(".text\n.globl place\n.type place, @function\nplace:\n\tpush %rbx\n\tpop %rbx\n\tret\n");

int main(int argc, char **argv)
{
    const uint64_t address = (uintptr_t)place;
    char *const again[] = {argv[0], NULL};
    sigset_t all;
    sigset_t now;
    char byte;

    if (write(STDOUT_FILENO, &address, sizeof(address)) != (ssize_t)sizeof(address) ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 1;
    if (argc > 1) {
        execv("/proc/self/exe", again);
        return 1;
    }
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < CALLS; i++)
        place();
    sigprocmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, SIGTRAP) ? 11 : 12;
}
