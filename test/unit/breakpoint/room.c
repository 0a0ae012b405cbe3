/* SPDX-License-Identifier: MIT */
/*
 * Room for scratch pages: in reach of what they serve, and where nothing of the program's wants to grow.
 */
#include "breakpoint/room.h"

#include <check.h>

#include "suite.h"

#define PAGE UINT64_C(0x1000)
#define SIZE (16 * PAGE)
#define HIGH UINT64_C(0x7ffff7000000)
#define MOST 8

/* An address space of few maps. */
struct space {
    struct sdb_facts_map all[MOST];
    const struct sdb_facts_map *list[MOST];
    size_t count;
};

static void map(struct space *space, uint64_t start, uint64_t end, const char *name)
{
    struct sdb_facts_map *added = &space->all[space->count];

    *added = (struct sdb_facts_map){.start = start, .end = end, .name = name};
    space->list[space->count++] = added;
}

static uint64_t find(const struct space *space, uint64_t heap, uint64_t address)
{
    const struct sdb_facts_maps maps = {sizeof(maps), space->count, space->list};
    const uint64_t found = sdb__room_find(&maps, heap, address, UINT64_MAX, SIZE);

    for (size_t i = 0; found != 0 && i < space->count; i++)
        ck_assert(found + SIZE <= space->list[i]->start || found >= space->list[i]->end);
    ck_assert(found == 0 || sdb__room_is_in_reach(found, address));
    ck_assert_uint_eq(found % PAGE, 0);
    return found;
}

SUITE_CASE(room, plain_case);

TEST(it_is_below_a_program_whose_heap_grows_above_it)
{
    struct space space = {0};

    map(&space, 0x400000, 0x800000, "program");
    ck_assert_uint_lt(find(&space, 0x800000, 0x500000), 0x400000);
    map(&space, 0x800000, 0x900000, "[heap]");
    ck_assert_uint_lt(find(&space, 0x800000, 0x500000), 0x400000);
}

TEST(a_heap_that_begins_farther_up_is_left_room_as_well)
{
    struct space space = {0};

    map(&space, 0x400000, 0x800000, "program");
    ck_assert_uint_lt(find(&space, 0x20000000, 0x500000), 0x400000);
}

TEST(where_all_the_room_is_the_heaps_it_is_left_most_of_it)
{
    struct space space = {0};

    map(&space, 0x11000, 0x800000, "program");
    ck_assert_uint_gt(find(&space, 0x800000, 0x500000), 0x30000000);
}

TEST(a_stack_is_left_the_room_below_it)
{
    struct space space = {0};

    map(&space, HIGH - 0x1000000, HIGH - 0x800000, "library");
    map(&space, HIGH, HIGH + 0x21000, "[stack]");
    ck_assert_uint_lt(find(&space, 0, HIGH - 0x900000), HIGH - 0x1000000);
}

TEST(a_library_is_served_from_below)
{
    struct space space = {0};
    uint64_t found;

    map(&space, HIGH, HIGH + 0x200000, "library");
    map(&space, HIGH + 0x200000, HIGH + 0x300000, "another");
    found = find(&space, 0x800000, HIGH + 0x1000);
    ck_assert_uint_eq(found, HIGH - SIZE - PAGE);
}

TEST(there_is_none_where_all_is_full)
{
    struct space space = {0};

    map(&space, 0x11000, UINT64_C(0x7fffffffe000), "all");
    ck_assert_uint_eq(find(&space, 0, 0x400000), 0);
}

TEST(what_is_too_far_is_none)
{
    struct space space = {0};

    map(&space, 0x11000, UINT64_C(0x200000000), "all");
    ck_assert_uint_eq(find(&space, 0, 0x400000), 0);
    ck_assert_uint_gt(find(&space, 0, UINT64_C(0x1ffff0000)), UINT64_C(0x200000000));
}

int main(void)
{
    return run_suite("breakpoint_room");
}
