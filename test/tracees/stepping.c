/* SPDX-License-Identifier: MIT */
/*
 * Calls to step over and out of.  It writes the addresses of its places to standard output, waits for a
 * byte on standard input, and exits with 7.
 */
#include <stdint.h>
#include <unistd.h>

#define DEPTH 4

/* `over` calls `enter`, which calls `over` again, so deep. */
void over(long depth);
void after_over(void);
void enter(long depth);
void leaf(void);

__asm__(".text\n"
        ".globl over\n.type over, @function\n"
        "over:\n\t"
        "call enter\n"
        ".globl after_over\n.type after_over, @function\n"
        "after_over:\n\t"
        "ret\n"
        ".globl leaf\n.type leaf, @function\n"
        "leaf:\n\t"
        "push %rbx\n\t"
        "mov $1, %ebx\n\t"
        "pop %rbx\n\t"
        "ret\n");

void enter(long depth)
{
    leaf();
    if (depth > 1)
        over(depth - 1);
    leaf();
}

int main(void)
{
    const uint64_t places[] = {(uint64_t)(uintptr_t)over, (uint64_t)(uintptr_t)after_over,
                               (uint64_t)(uintptr_t)leaf};
    char byte;

    if (write(STDOUT_FILENO, places, sizeof(places)) != (ssize_t)sizeof(places) ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 1;
    over(DEPTH);
    return 7;
}
