/* SPDX-License-Identifier: MIT */
/*
 * What address_space.c and planted.c share.  The space's lock is held, but where it says otherwise.
 */
#ifndef SDB_LIB_HELD_PLANTED_H
#define SDB_LIB_HELD_PLANTED_H

#include "held/address_space.h"

/** @return the descriptor of the memory, opened if need be; or as sdb__space_read() */
int sdb__space_open(struct sdb__space *space, pid_t pid);

/**
 * Copy a piece out to @p to, or else in from @p from, as it really is.  It takes no lock.
 *
 * @return how much, or as sdb__space_read()
 */
ssize_t sdb__space_move(int fd, uint64_t address, void *to, const void *from, size_t len);

/** No reading that overlaps with a change counts. */
void sdb__space_begin_change(struct sdb__space *space);
void sdb__space_end_change(struct sdb__space *space);

/** Call a function for each planted byte in a range. */
void sdb__planted_for_each(struct sdb__space *space, uint64_t address, size_t len,
                           void (*visit)(struct sdb__planted *planted, size_t offset, void *data),
                           void *data);

/** For that: replace it in what was read by the program's own. */
void sdb__planted_hide(struct sdb__planted *planted, size_t offset, void *data);

/**
 * @param now  what is there
 * @return whether that is ours.  If it is not, it is lost for good: the same value that the program
 *         writes there later is its own
 */
static inline bool sdb__planted_stands(struct sdb__planted *planted, uint8_t now)
{
    if (now != planted->byte && !planted->shared)
        __atomic_store_n(&planted->lost, true, __ATOMIC_RELAXED);
    return now == planted->byte && !planted->lost;
}

#endif
