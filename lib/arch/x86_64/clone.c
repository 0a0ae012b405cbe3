/* SPDX-License-Identifier: MIT */
/*
 * Making a child on a stack of its own.  The C library's clone() cannot be used: it has no clone3,
 * and it touches what the child shares with its parent.
 */
#include "arch/arch.h"

#include <sys/syscall.h>

/*
 * The child comes out of the system call with the parent's registers, on an empty stack: the
 * function to call and its argument wait in registers that the kernel keeps.  A zeroed rbp ends
 * the frames for debuggers and profilers.
 */
#define CLONE_AND_CALL                                                                             \
    "syscall\n\t"                                                                                  \
    "testq %%rax, %%rax\n\t"                                                                       \
    "jnz 1f\n\t"                                                                                   \
    "xorl %%ebp, %%ebp\n\t"                                                                        \
    "movq %%r13, %%rdi\n\t"                                                                        \
    "callq *%%r12\n\t"                                                                             \
    "ud2\n"                                                                                        \
    "1:"

long sdb__clone3_calling(struct clone_args *arguments, size_t size, void (*function)(void *),
                         void *argument)
{
    register void (*r12)(void *) __asm__("r12") = function;
    register void *r13 __asm__("r13") = argument;
    long result;

    __asm__ volatile(CLONE_AND_CALL
                     : "=a"(result)
                     : "a"(SYS_clone3), "D"(arguments), "S"(size), "r"(r12), "r"(r13)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

long sdb__clone_calling(unsigned long flags, void *stack_top, int *pidfd, uint32_t *child_tid,
                        void (*function)(void *), void *argument)
{
    register uint32_t *r10 __asm__("r10") = child_tid;
    register long r8 __asm__("r8") = 0; /* no TLS of its own */
    register void (*r12)(void *) __asm__("r12") = function;
    register void *r13 __asm__("r13") = argument;
    long result;

    __asm__ volatile(CLONE_AND_CALL
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(flags), "S"(stack_top), "d"(pidfd), "r"(r10), "r"(r8),
                       "r"(r12), "r"(r13)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

bool sdb__on_valgrind(void)
{
    /*
     * Valgrind's client request RUNNING_ON_VALGRIND: a sequence of rotations that does nothing on a
     * processor, and that valgrind answers in rdx.  Its interface is fixed by valgrind's manual.
     */
    volatile uint64_t request[6] = {0x1001};
    uint64_t answer = 0;

    __asm__ volatile("rolq $3, %%rdi\n\t"
                     "rolq $13, %%rdi\n\t"
                     "rolq $61, %%rdi\n\t"
                     "rolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(&request[0])
                     : "rdi", "cc", "memory");
    return answer != 0;
}
