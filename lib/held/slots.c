/* SPDX-License-Identifier: MIT */
/*
 * Slots: one block of memory for a struct and for what features keep with it.
 */
#include "held/slots.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

/* What is kept in slots is made of words at most. */
#define ALIGNMENT alignof(uint64_t)

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void *sdb__slots_allocate(size_t size, size_t slots, const size_t sizes[SDB__SLOT_COUNT])
{
    size_t total = aligned(size);
    uint8_t *allocated;
    void **slot;
    size_t at;

    for (int i = 0; i < SDB__SLOT_COUNT; i++)
        total += aligned(sizes[i]);
    allocated = calloc(1, total);
    if (!allocated)
        return NULL;
    slot = (void **)(void *)(allocated + slots);
    at = aligned(size);
    for (int i = 0; i < SDB__SLOT_COUNT; i++) {
        slot[i] = sizes[i] > 0 ? allocated + at : NULL;
        at += aligned(sizes[i]);
    }
    return allocated;
}
