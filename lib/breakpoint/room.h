/* SPDX-License-Identifier: MIT */
/*
 * Where in an address space a scratch page can be, so that it is in nobody's way.
 */
#ifndef SDB_LIB_BREAKPOINT_ROOM_H
#define SDB_LIB_BREAKPOINT_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/facts.h>

/** @return whether what runs at one address can reach the other, and what is near it */
bool sdb__room_is_in_reach(uint64_t one, uint64_t other);

/**
 * Find room in reach of an address.
 *
 * @param heap   where the heap begins, see sdb__procfs_heap_start()
 * @param limit  nor above this
 * @param size   in whole pages
 * @return where, or 0: there is none
 */
uint64_t sdb__room_find(const struct sdb_facts_maps *maps, uint64_t heap, uint64_t address,
                        uint64_t limit, uint64_t size);

#endif
