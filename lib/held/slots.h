/* SPDX-License-Identifier: MIT */
/*
 * Slots: what features (session/feature.h) keep with a session, with a process and with a thread.
 *
 * A slot is a place for a struct of the feature's own.  All of them are allocated, zeroed, together with
 * what they are kept with: where a thread can be held, a feature never has to ask for memory.
 */
#ifndef SDB_LIB_HELD_SLOTS_H
#define SDB_LIB_HELD_SLOTS_H

#include <stddef.h>

/* How many features there can be. */
#define SDB__SLOT_COUNT 8

/* How much room each slot needs. */
struct sdb__slot_sizes {
    size_t of_session[SDB__SLOT_COUNT];
    size_t of_process[SDB__SLOT_COUNT];
    size_t of_thread[SDB__SLOT_COUNT];
};

/**
 * Allocate a struct that has slots.
 *
 * @param size   of the struct itself
 * @param slots  the offset in it of `void *slots[SDB__SLOT_COUNT]`, which is filled in
 * @param sizes  what each slot needs; one that needs nothing becomes NULL
 * @return it, zeroed, to be given to free() as a whole; or NULL
 */
void *sdb__slots_allocate(size_t size, size_t slots, const size_t sizes[SDB__SLOT_COUNT]);

#endif
