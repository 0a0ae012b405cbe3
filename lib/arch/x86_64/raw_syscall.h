/* SPDX-License-Identifier: MIT */
/*
 * System calls without the C library: no errno, no cancellation, no thread-local storage.  This is
 * all that may run in a child that shares its parent's memory.
 */
#ifndef SDB_LIB_ARCH_X86_64_RAW_SYSCALL_H
#define SDB_LIB_ARCH_X86_64_RAW_SYSCALL_H

/** @return what the kernel returned: a negative errno if it failed */
static inline long sdb__raw_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* Arguments of any integer or pointer type; those that are left out are 0. */
#define SDB__RAW_PICK(number, a, b, c, d, e, f, ...)                                               \
    sdb__raw_syscall6((long)(number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e),       \
                      (long)(f))
#define sdb__raw_syscall(...) SDB__RAW_PICK(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

#endif
