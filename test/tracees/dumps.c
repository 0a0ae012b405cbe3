/* SPDX-License-Identifier: MIT */
/*
 * A program that ends with a core file: its first argument says in which directory, the second how many
 * threads wait in a system call at one place.  It writes the place's address to standard output, aborts
 * when it can read a byte on standard input, or, with a third argument, exits with 7 in the handler of that.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* pause() */
long place(void);
extern char place_call[];
__asm__(".text\n.globl place\n.type place, @function\nplace:\n\tmov $34, %eax\n"
        ".globl place_call\nplace_call:\n\tsyscall\n\tret\n");

static void *wait_there(void *nothing)
{
    place();
    return nothing;
}

static void set_to_end(int signal)
{
    (void)signal;
    _exit(7);
}

int main(int argc, char **argv)
{
    const uint64_t address = (uintptr_t)place_call;
    const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    pthread_t thread;
    char byte;

    if (argc < 3 || chdir(argv[1]) < 0)
        return 1;
    (void)setrlimit(RLIMIT_CORE, &limit);
    if (write(STDOUT_FILENO, &address, sizeof(address)) != (ssize_t)sizeof(address) ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 1;
    for (int i = atoi(argv[2]); i > 0; i--) {
        if (pthread_create(&thread, NULL, wait_there, NULL) != 0)
            return 1;
    }
    if (write(STDOUT_FILENO, "r", 1) != 1 || read(STDIN_FILENO, &byte, 1) != 1)
        return 1;
    if (argc > 3)
        signal(SIGABRT, set_to_end);
    raise(SIGABRT);
    return 2;
}
