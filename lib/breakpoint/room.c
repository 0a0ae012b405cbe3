/* SPDX-License-Identifier: MIT */
/*
 * Room for scratch pages.
 *
 * A program's heap grows up from where it begins, whether there is one yet or not; the stack grows down;
 * what else is mapped may be made longer where it is.  So room is taken far from the heap, not below the
 * stack, and at some distance above anything else.
 */
#include "breakpoint/room.h"

#include <stddef.h>
#include <string.h>

/* Half of what a displacement reaches leaves room for what the instruction refers to. */
#define REACH (UINT64_C(1) << 30)

#define PAGE_BYTES UINT64_C(4096)

/* How much anything may grow without coming by. */
#define TO_GROW (UINT64_C(1) << 26)

/* And how much a heap. */
#define HEAP_TO_GROW (UINT64_C(1) << 36)

/* Below this the kernel maps nothing (vm.mmap_min_addr), and above that there is none for programs. */
#define LOWEST_ADDRESS  UINT64_C(0x10000)
#define HIGHEST_ADDRESS UINT64_C(0x7ffffffff000)

/* Between two maps: where the first page can be, and the last. */
struct gap {
    uint64_t low;
    uint64_t high;
    bool is_heaps;  /* the heap is to grow in it */
    bool is_stacks; /* and the stack */
};

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

bool sdb__room_is_in_reach(uint64_t one, uint64_t other)
{
    return distance(one, other) < REACH;
}

/* The gap before a map, or behind the last.  @return whether there is room in it */
static bool find_gap(const struct sdb_facts_maps *maps, size_t at, uint64_t heap, uint64_t limit,
                     uint64_t size, struct gap *gap)
{
    const struct sdb_facts_map *before = at > 0 ? maps->list[at - 1] : NULL;
    const struct sdb_facts_map *behind = at < maps->count ? maps->list[at] : NULL;
    const uint64_t start = before ? before->end : LOWEST_ADDRESS;
    const uint64_t end = behind ? lesser(behind->start, limit) : limit;

    if (end < start || end - start < size + 2 * PAGE_BYTES)
        return false;
    gap->low = start + PAGE_BYTES;
    gap->high = end - size - PAGE_BYTES;
    gap->is_heaps =
        (before && strcmp(before->name, "[heap]") == 0) || (heap >= start && heap < end);
    gap->is_stacks = behind && strcmp(behind->name, "[stack]") == 0;
    return true;
}

/* Where in a gap. */
static uint64_t place_in(const struct gap *gap, uint64_t address)
{
    const uint64_t middle = gap->low + (gap->high - gap->low) / 2 / PAGE_BYTES * PAGE_BYTES;

    if (gap->is_stacks)
        return gap->low;
    if (gap->is_heaps) /* as far up as can be reached */
        return lesser(gap->high, (address + REACH) / PAGE_BYTES * PAGE_BYTES - PAGE_BYTES);
    return address < gap->low ? lesser(middle, gap->low + TO_GROW) : gap->high;
}

/* Whether the heap or the stack is to grow there. */
static bool is_in_the_way(const struct gap *gap, uint64_t place)
{
    return gap->is_stacks || (gap->is_heaps && place - gap->low < HEAP_TO_GROW);
}

uint64_t sdb__room_find(const struct sdb_facts_maps *maps, uint64_t heap, uint64_t address,
                        uint64_t limit, uint64_t size)
{
    bool best_is_in_the_way = true;
    uint64_t best = 0;

    limit = lesser(limit, HIGHEST_ADDRESS);
    for (size_t at = 0; at <= maps->count; at++) {
        struct gap gap;
        uint64_t place;
        bool in_the_way;

        if (!find_gap(maps, at, heap, limit, size, &gap))
            continue;
        place = place_in(&gap, address);
        if (place < gap.low || !sdb__room_is_in_reach(place, address))
            continue;
        in_the_way = is_in_the_way(&gap, place);
        if (best == 0 || (best_is_in_the_way && !in_the_way) ||
            (best_is_in_the_way == in_the_way &&
             distance(place, address) < distance(best, address))) {
            best = place;
            best_is_in_the_way = in_the_way;
        }
    }
    return best;
}
