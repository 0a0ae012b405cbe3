/* SPDX-License-Identifier: MIT */
/*
 * Scratch pages.
 *
 * A displaced instruction reaches what it refers to, and jumps back, by 32-bit displacements; so the
 * pages are mapped near the site, by a thread that may do so.  Where there is none, or a limit forbids it,
 * the zeroes with which the last page of a text is filled up serve instead, if there are enough.
 */
#include "breakpoint/scratch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <sdb/facts.h>

#include "breakpoint/room.h"
#include "held/process.h"
#include "held/thread.h"
#include "inject/inject.h"
#include "kernel/procfs.h"

#define PAGE_BYTES UINT64_C(4096)
#define AREA_SIZE  (16 * PAGE_BYTES)

/* Where the kernel maps nothing any more for a 32-bit program. */
#define END_OF_32_BIT UINT64_C(0xffffe000)

/* Where the slots of a site's code can be. */
static uint64_t room_end(const struct sdb__site *site)
{
    return site->is_32_bit ? END_OF_32_BIT : UINT64_MAX;
}

static struct sdb__scratch *find_area(const struct sdb__site *site)
{
    struct sdb__scratch *area = site->sites->scratch;

    while (area &&
           (area->used == area->slot_count || !sdb__room_is_in_reach(area->start, site->address) ||
            area->start >= room_end(site)))
        area = area->next;
    return area;
}

static struct sdb__scratch *add_area(struct sdb__breakpoint_sites *sites, uint64_t start,
                                     size_t slot_count, bool is_padding)
{
    struct sdb__scratch *area = calloc(1, sizeof(*area));

    if (!area)
        return NULL;
    area->slots = calloc(slot_count, sizeof(*area->slots));
    if (!area->slots) {
        free(area);
        return NULL;
    }
    area->start = start;
    area->slot_count = slot_count;
    area->is_padding = is_padding;
    area->next = sites->scratch;
    sites->scratch = area;
    return area;
}

static int map_area(struct sdb__site *site, struct sdb_thread *thread,
                    const struct sdb_facts_maps *maps)
{
    const uint64_t start = sdb__room_find(maps, sdb__procfs_heap_start(thread->process->pid),
                                          site->address, room_end(site), AREA_SIZE);
    struct sdb_thread *helper = sdb__inject_helper(thread);
    int64_t result = 0;
    int rc;

    /* A call of i386's has no more than 32 bits. */
    if (start == 0 || !helper ||
        (sdb__registers_are_of_32_bit(helper) && start + AREA_SIZE > END_OF_32_BIT))
        return -ENOSPC;
    rc = sdb__inject_map(helper, start, AREA_SIZE, PROT_READ | PROT_EXEC, &result);
    if (rc < 0)
        return rc;
    if (result < 0)
        return (int)result;
    if (!add_area(site->sites, start, AREA_SIZE / SDB__SLOT_SIZE, false))
        return -ENOMEM;
    return 0;
}

/* Zeroes at the end of a text in reach. */
static int find_padding(struct sdb__site *site, pid_t pid, const struct sdb_facts_maps *maps)
{
    for (size_t at = 0; at < maps->count; at++) {
        const struct sdb_facts_map *map = maps->list[at];
        uint8_t page[PAGE_BYTES];
        size_t zeroes = 0;
        size_t slot_count;

        if (!(map->flags & SDB_FACTS_EXECUTE) || !sdb__room_is_in_reach(map->end, site->address) ||
            map->end > room_end(site) ||
            sdb__space_read(site->sites->space, pid, map->end - PAGE_BYTES, page, sizeof(page)) !=
                (ssize_t)sizeof(page))
            continue;
        while (zeroes < sizeof(page) && page[sizeof(page) - 1 - zeroes] == 0)
            zeroes++;
        slot_count = zeroes / SDB__SLOT_SIZE;
        /* The first zeroes may be the end of an instruction. */
        if (slot_count < 2)
            continue;
        slot_count--;
        if (!add_area(site->sites, map->end - slot_count * SDB__SLOT_SIZE, slot_count, true))
            return -ENOMEM;
        return 0;
    }
    return -ENOSPC;
}

static int make_area(struct sdb__site *site, struct sdb_thread *thread)
{
    struct sdb_facts_maps *maps;
    int rc = sdb_facts_read_maps(thread->process->pid, &maps);

    if (rc < 0)
        return rc;
    rc = map_area(site, thread, maps);
    if (rc < 0 && rc != -ESRCH && rc != -EBUSY)
        rc = find_padding(site, thread->process->pid, maps);
    sdb_facts_free(maps);
    return rc;
}

/* ---- slots ---- */

static int fill_slot(struct sdb__site *site, struct sdb__scratch *area, pid_t pid)
{
    const uint64_t address = area->start + area->used * SDB__SLOT_SIZE;
    struct sdb__scratch_slot *slot = &area->slots[area->used];
    struct sdb__relocation *relocation = &slot->relocation;
    ssize_t count;
    int rc = sdb__relocate(site->text.bytes, site->text.count, site->address, address,
                           sdb__site_code(site), relocation);

    if (rc < 0)
        return rc;
    if (relocation->kind != SDB__RELOCATION_SLOT)
        return -ERANGE; /* it refers to something out of reach */
    count =
        sdb__space_write(site->sites->space, pid, address, relocation->code, relocation->code_len);
    if (count != relocation->code_len)
        return count < 0 ? (int)count : -EFAULT;
    site->sites->changes++; /* a copy that is made just now has it or not */
    area->used++;
    slot->site = site;
    site->slot = address;
    return 0;
}

bool sdb__scratch_lacks_room(const struct sdb__site *site)
{
    return !site->placed && !find_area(site);
}

void sdb__scratch_make_room(struct sdb__site *site, struct sdb_thread *thread)
{
    const int rc = make_area(site, thread);

    if (rc < 0 && rc != -ESRCH && rc != -EBUSY) /* else it can be tried again */
        site->placed = true;
}

int sdb__scratch_place(struct sdb__site *site, pid_t pid)
{
    struct sdb__scratch *area;

    if (site->placed)
        return site->slot != 0 ? 0 : -ENOSPC;
    area = find_area(site);
    if (!area)
        return -ENOSPC;
    site->placed = true;
    return fill_slot(site, area, pid);
}

const struct sdb__scratch_slot *sdb__scratch_find(const struct sdb__breakpoint_sites *sites,
                                                  uint64_t address, uint64_t *start)
{
    for (const struct sdb__scratch *area = sites ? sites->scratch : NULL; area; area = area->next) {
        const uint64_t offset = address - area->start;
        const size_t number = (size_t)(offset / SDB__SLOT_SIZE);

        if (address >= area->start && number < area->used) {
            *start = area->start + number * SDB__SLOT_SIZE;
            return &area->slots[number];
        }
    }
    return NULL;
}

/* ---- copies and the end ---- */

int sdb__scratch_copy(struct sdb__breakpoint_sites *copy, const struct sdb__breakpoint_sites *from)
{
    for (const struct sdb__scratch *area = from->scratch; area; area = area->next) {
        struct sdb__scratch *copied =
            add_area(copy, area->start, area->slot_count, area->is_padding);

        if (!copied)
            return -ENOMEM;
        copied->used = area->used;
        for (size_t at = 0; at < area->used; at++) {
            copied->slots[at] = area->slots[at];
            copied->slots[at].site = sdb__site_find(copy, area->slots[at].site->address);
        }
    }
    return 0;
}

static bool fill_again(struct sdb__breakpoint_sites *sites, const struct sdb__scratch *area,
                       pid_t pid)
{
    for (size_t at = 0; at < area->used; at++) {
        const struct sdb__relocation *relocation = &area->slots[at].relocation;

        if (sdb__space_write(sites->space, pid, area->start + at * SDB__SLOT_SIZE, relocation->code,
                             relocation->code_len) != relocation->code_len)
            return false;
    }
    return true;
}

/* Its sites have no slots there, and look for others. */
static void forget_area(struct sdb__scratch *area)
{
    for (size_t at = 0; at < area->used; at++) {
        struct sdb__site *site = area->slots[at].site;

        if (site->slot == area->start + at * SDB__SLOT_SIZE) {
            site->placed = false;
            site->slot = 0;
        }
    }
    free(area->slots);
    free(area);
}

void sdb__scratch_settle(struct sdb__breakpoint_sites *copy, pid_t pid)
{
    struct sdb__scratch **at = &copy->scratch;

    while (*at) {
        struct sdb__scratch *area = *at;

        if (fill_again(copy, area, pid)) {
            at = &area->next;
            continue;
        }
        *at = area->next;
        forget_area(area);
    }
}

void sdb__scratch_give_back(struct sdb__breakpoint_sites *sites, struct sdb_thread *thread)
{
    static const uint8_t zeroes[SDB__SLOT_SIZE];
    const pid_t pid = thread->process->pid;
    struct sdb_thread *helper = sdb__inject_helper(thread);

    for (struct sdb__scratch *area = sites->scratch; area; area = area->next) {
        if (!area->is_padding && helper)
            (void)sdb__inject_unmap(helper, area->start, AREA_SIZE);
        for (size_t at = 0; area->is_padding && at < area->used; at++)
            (void)sdb__space_write(sites->space, pid, area->start + at * SDB__SLOT_SIZE, zeroes,
                                   sizeof(zeroes));
    }
    sdb__scratch_free(sites);
}

void sdb__scratch_free(struct sdb__breakpoint_sites *sites)
{
    while (sites->scratch) {
        struct sdb__scratch *area = sites->scratch;

        sites->scratch = area->next;
        free(area->slots);
        free(area);
    }
}
