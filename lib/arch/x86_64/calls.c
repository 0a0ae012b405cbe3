/* SPDX-License-Identifier: MIT */
/*
 * System calls in a thread's registers.
 */
#include "arch/arch.h"

#include <sdb/syscall.h>

/* i386's calls have their arguments elsewhere, in 64-bit code too. */
static void locate_arguments(struct user_regs_struct *registers, uint32_t architecture,
                             unsigned long long *places[6])
{
    unsigned long long *const native[6] = {&registers->rdi, &registers->rsi, &registers->rdx,
                                           &registers->r10, &registers->r8,  &registers->r9};
    unsigned long long *const i386[6] = {&registers->rbx, &registers->rcx, &registers->rdx,
                                         &registers->rsi, &registers->rdi, &registers->rbp};

    for (int i = 0; i < 6; i++)
        places[i] = architecture == SDB_ARCH_I386 ? i386[i] : native[i];
}

void sdb__registers_call(const struct user_regs_struct *registers, uint32_t architecture,
                         int64_t *number, uint64_t arguments[6])
{
    struct user_regs_struct copy = *registers;
    unsigned long long *places[6];

    locate_arguments(&copy, architecture, places);
    *number = (int32_t)registers->orig_rax;
    for (int i = 0; i < 6; i++)
        arguments[i] = architecture == SDB_ARCH_I386 ? (uint32_t)*places[i] : *places[i];
}

void sdb__registers_set_call(struct user_regs_struct *registers, uint32_t architecture,
                             int64_t number, const uint64_t *arguments)
{
    unsigned long long *places[6];

    registers->orig_rax = (unsigned long long)number;
    locate_arguments(registers, architecture, places);
    for (int i = 0; arguments && i < 6; i++)
        *places[i] = arguments[i];
}

void sdb__registers_skip_call(struct user_regs_struct *registers, int64_t result)
{
    registers->orig_rax = (unsigned long long)-1;
    registers->rax = (unsigned long long)result;
}

int64_t sdb__registers_result(const struct user_regs_struct *registers, uint32_t architecture)
{
    return architecture == SDB_ARCH_I386 ? (int32_t)registers->rax : (int64_t)registers->rax;
}

void sdb__registers_set_result(struct user_regs_struct *registers, int64_t result)
{
    registers->rax = (unsigned long long)result;
}
