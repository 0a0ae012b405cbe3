/* SPDX-License-Identifier: MIT */
/*
 * What depends on the processor.  One folder below arch/ implements this for each.
 */
#ifndef SDB_LIB_ARCH_H
#define SDB_LIB_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/sched.h>
#include <sys/user.h>

#if !defined(__x86_64__) || defined(__ILP32__)
#error "libsdb is for x86-64 so far"
#endif

/**
 * clone3(2) for a child that shares this process's memory and runs on a stack of its own.
 *
 * @param function  what the child calls; it must not return
 * @return the child's pid, or a negative errno
 */
long sdb__clone3_calling(struct clone_args *arguments, size_t size, void (*function)(void *),
                         void *argument);

/** The same by clone(2), for kernels and sandboxes without clone3. */
long sdb__clone_calling(unsigned long flags, void *stack_top, int *pidfd, uint32_t *child_tid,
                        void (*function)(void *), void *argument);

/** @return whether this program runs under valgrind, which has its own idea of clone */
bool sdb__on_valgrind(void);

/* ---- system calls; the architecture is how a call is made, SDB_ARCH_... of <sdb/syscall.h> ---- */

/** Say which call a thread makes, or has made. */
void sdb__registers_call(const struct user_regs_struct *registers, uint32_t architecture,
                         int64_t *number, uint64_t arguments[6]);

/** Have it make another one.  @param arguments  all six, or NULL: as they are */
void sdb__registers_set_call(struct user_regs_struct *registers, uint32_t architecture,
                             int64_t number, const uint64_t *arguments);

/** Have it make none, which returns @p result. */
void sdb__registers_skip_call(struct user_regs_struct *registers, int64_t result);

/** What the call has returned. */
int64_t sdb__registers_result(const struct user_regs_struct *registers, uint32_t architecture);
void sdb__registers_set_result(struct user_regs_struct *registers, int64_t result);

/** @return the program counter among a thread's general registers */
static inline uint64_t sdb__registers_pc(const struct user_regs_struct *registers)
{
    return registers->rip;
}

#endif
