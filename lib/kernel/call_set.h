/* SPDX-License-Identifier: MIT */
/*
 * Sets of system calls, and the seccomp filter that picks a set out.
 */
#ifndef SDB_LIB_KERNEL_CALL_SET_H
#define SDB_LIB_KERNEL_CALL_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#include <sdb/syscall.h>

/* The ways to make a call, each with numbers of its own. */
enum sdb__call_way {
    SDB__CALLS_NATIVE,
    SDB__CALLS_I386,
    SDB__CALLS_X32,
    SDB__CALL_WAYS,
};

#define SDB__CALL_NUMBERS   (SDB_SYSCALL_HIGHEST + 1)
#define SDB__CALL_SET_WORDS (SDB__CALL_NUMBERS / 64)

struct sdb__call_set {
    uint64_t bits[SDB__CALL_WAYS][SDB__CALL_SET_WORDS];
};

/* What our filter says with SECCOMP_RET_TRACE, to be told from one of the program's own. */
#define SDB__FILTER_DATA 0x5db

/**
 * Which way a call was made, and its number there.
 *
 * @param architecture  what the kernel says, or SDB_ARCH_X32
 * @return whether there can be such a call in a set
 */
bool sdb__call_way(uint32_t architecture, int64_t number, enum sdb__call_way *way,
                   uint32_t *own_number);

/** Add a call by its number on x86-64, and those that have the same name in other ways. */
void sdb__call_set_add(struct sdb__call_set *set, int32_t number);

/**
 * Make a set of a caller's list.
 *
 * @param wrong  gets the index of a number that is out of its range; may be NULL
 * @return 0 or -EINVAL
 */
int sdb__call_set_fill(struct sdb__call_set *set, const int32_t *numbers, size_t count,
                       size_t *wrong);

bool sdb__call_set_has(const struct sdb__call_set *set, uint32_t architecture, int64_t number);

/** @return whether all of @p some are in @p set */
bool sdb__call_set_covers(const struct sdb__call_set *set, const struct sdb__call_set *some);

/** @return whether it is restart_syscall(2) */
bool sdb__call_is_restart(uint32_t architecture, int64_t number);

/**
 * Make the filter that has these calls traced, and all others pass.
 *
 * @param filter  gets the instructions, to be freed
 * @return 0 or -ENOMEM
 */
int sdb__call_set_filter(const struct sdb__call_set *set, struct sock_fprog *filter);

#endif
