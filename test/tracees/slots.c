/* SPDX-License-Identifier: MIT */
/*
 * A program that comes by many places for the first time in one thread while another forks.  It writes the
 * address of the first place to standard output, the others are 16 bytes apart, and waits for a byte on
 * standard input.  Its exit code is how many of the children, which come by the same places, have not got through.
 */
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACES 256

extern const char places[];
__asm__(".text\n.p2align 4\n.globl places\nplaces:\n"
        ".rept 256\n.p2align 4\n\tpush %rbx\n\tpop %rbx\n\tret\n.endr\n");

static volatile int gone_to; /* so many */

static void go_to(int place)
{
    if (place < PLACES)
        ((void (*)(void))(uintptr_t)(places + 16 * place))();
}

static void *go_first(void *nothing)
{
    while (gone_to < PLACES) {
        go_to(gone_to);
        gone_to++;
    }
    return nothing;
}

/* To those that the thread came to when this process was born. */
static void follow(void)
{
    const int begin = gone_to > 0 ? gone_to - 1 : 0;

    for (int i = 0; i < 4; i++)
        go_to(begin + i);
}

int main(void)
{
    const uint64_t address = (uintptr_t)places;
    pthread_t thread;
    int failed = 0;
    char byte;

    if (write(STDOUT_FILENO, &address, sizeof(address)) != (ssize_t)sizeof(address) ||
        read(STDIN_FILENO, &byte, 1) != 1 || pthread_create(&thread, NULL, go_first, NULL) != 0)
        return 255;
    do {
        const pid_t child = fork();
        int status = 1;

        if (child == 0) {
            follow();
            _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            failed++;
    } while (gone_to < PLACES);
    pthread_join(thread, NULL);
    return failed;
}
