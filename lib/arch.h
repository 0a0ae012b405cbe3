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

#endif
