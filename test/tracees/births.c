/* SPDX-License-Identifier: MIT */
/*
 * Processes that are born with breakpoints in their memory.
 *
 *     births HOW CHILDREN CALLS
 *
 * It writes the address of `counted` to standard output, waits for a byte on standard input, and makes
 * CHILDREN children by HOW: fork, vfork, spawn (of itself), or clone (that shares its memory).  Each of
 * them calls `counted` CALLS times, and so does it itself after each.  It exits with 0 if all children
 * did and no call went wrong.
 */
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[1 << 16] __attribute__((aligned(16)));
static long calls;

/* Its value and 1; the breakpoint's place, of which a compiler might make copies. */
long counted(long value);
__asm__(".text\n"
        ".globl counted\n.type counted, @function\n"
        "counted:\n\t"
        "lea 1(%rdi), %rax\n\t"
        "ret\n");

static int call_all(void)
{
    long value = 0;

    for (long i = 0; i < calls; i++)
        value = counted(value);
    return value == calls ? 0 : 1;
}

static int run_child(void *unused)
{
    (void)unused;
    return call_all();
}

static pid_t make_child(const char *how, char *program)
{
    char *const argv[] = {program, NULL};
    char *const envp[] = {NULL};
    pid_t pid;

    if (strcmp(how, "spawn") == 0)
        return posix_spawn(&pid, program, NULL, NULL, argv, envp) == 0 ? pid : -1;
    if (strcmp(how, "clone") == 0)
        return clone(run_child, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
    pid = strcmp(how, "vfork") == 0 ? vfork() : fork();
    if (pid == 0)
        _exit(call_all());
    return pid;
}

int main(int argc, char **argv)
{
    const uint64_t place = (uint64_t)(uintptr_t)counted;
    char byte;

    if (argc < 4)
        return 0; /* one that was spawned */
    calls = atol(argv[3]);
    if (write(STDOUT_FILENO, &place, sizeof(place)) != (ssize_t)sizeof(place) ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 2;
    for (int i = 0; i < atoi(argv[2]); i++) {
        const pid_t pid = make_child(argv[1], argv[0]);
        int status = 0;

        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
            return 3;
        if (call_all() != 0)
            return 4;
    }
    return 0;
}
