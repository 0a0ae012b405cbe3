/* SPDX-License-Identifier: MIT */
/*
 * A program with one instruction that makes system calls, and no other: without the C library, and it
 * unmaps its vDSO.  Nor may it map memory, and its text is full.
 *
 * It traps when it is so, with the address of that instruction in rbx.  After that it makes 4 calls, the
 * last of which is its exit: with 0 if all was as it should be.
 */
#include <elf.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

int64_t call_kernel(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
void begin(const uint64_t *stack) __attribute__((noreturn));
extern const char the_instruction[];

/* The rest of the page is no zeroes, in which there would be room. */
__asm__(".text\n"
        ".globl _start\n"
        "_start: mov %rsp, %rdi\n"
        " and $-16, %rsp\n"
        " call begin\n"
        "call_kernel: mov %rdi, %rax\n"
        " mov %rsi, %rdi\n"
        " mov %rdx, %rsi\n"
        " mov %rcx, %rdx\n"
        " mov %r8, %r10\n"
        "the_instruction: syscall\n"
        " ret\n"
        ".section .text.last, \"ax\"\n"
        " .fill 8192, 1, 0xf4\n"
        ".text\n");

static uint64_t vdso_size(const Elf64_Ehdr *header)
{
    const uint64_t end = header->e_shoff + (uint64_t)header->e_shnum * header->e_shentsize;

    return (end + 4095) & ~UINT64_C(4095);
}

static void unmap_vdso(const uint64_t *stack)
{
    const uint64_t *at = stack + 1 + stack[0] + 1;

    while (*at != 0) /* the environment */
        at++;
    for (at++; at[0] != AT_NULL; at += 2) {
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): that is how it is told */
        const Elf64_Ehdr *vdso = (const Elf64_Ehdr *)(uintptr_t)at[1];

        if (at[0] == AT_SYSINFO_EHDR)
            call_kernel(SYS_munmap, at[1], vdso_size(vdso), 0, 0);
    }
}

void begin(const uint64_t *stack)
{
    const struct rlimit limit = {65536, 65536};
    const uint64_t more = 1 << 9;
    uint64_t mask = 1;
    int64_t wrong;

    unmap_vdso(stack);
    call_kernel(SYS_setrlimit, RLIMIT_AS, (uintptr_t)&limit, 0, 0);
    __asm__ volatile("int3" : : "b"(the_instruction));
    wrong = call_kernel(SYS_getppid, 0, 0, 0, 0) <= 0;
    wrong |= call_kernel(SYS_rt_sigprocmask, 0, (uintptr_t)&more, (uintptr_t)&mask, 8) != 0;
    wrong |= mask != 0;
    wrong |= call_kernel(SYS_rt_sigprocmask, 0, 0, (uintptr_t)&mask, 8) != 0;
    wrong |= mask != more;
    call_kernel(SYS_exit_group, (uint64_t)wrong, 0, 0, 0);
    __builtin_unreachable();
}
