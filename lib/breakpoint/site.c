/* SPDX-License-Identifier: MIT */
/*
 * Sites: where breakpoints are, and what the program has there.
 */
#include "breakpoint/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sdb/facts.h>

#include "base/trace.h"
#include "breakpoint/breakpoint.h"
#include "breakpoint/scratch.h"
#include "kernel/procfs.h"

#define FIRST_BUCKETS 16

struct sdb__breakpoint_sites *sdb__sites_of(struct sdb__space *space)
{
    struct sdb__breakpoint_sites *sites = sdb__sites(space);

    if (sites)
        return sites;
    sites = calloc(1, sizeof(*sites));
    if (!sites)
        return NULL;
    sites->space = space;
    space->slots[SDB__BREAKPOINT_SLOT] = sites;
    return sites;
}

/* ---- the table ---- */

static size_t bucket_of(size_t bucket_count, uint64_t address)
{
    return (size_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (bucket_count - 1);
}

struct sdb__site *sdb__site_find(const struct sdb__breakpoint_sites *sites, uint64_t address)
{
    struct sdb__site *site = NULL;

    if (sites && sites->bucket_count > 0)
        site = sites->buckets[bucket_of(sites->bucket_count, address)];
    while (site && site->address != address)
        site = site->next_in_bucket;
    return site;
}

static int grow(struct sdb__breakpoint_sites *sites)
{
    const size_t count = sites->bucket_count == 0 ? FIRST_BUCKETS : sites->bucket_count * 2;
    struct sdb__site **buckets;

    if (sites->count < sites->bucket_count)
        return 0;
    buckets = calloc(count, sizeof(struct sdb__site *));
    if (!buckets)
        return sites->bucket_count == 0 ? -ENOMEM : 0; /* they only get fuller */
    for (size_t at = 0; at < sites->bucket_count; at++) {
        struct sdb__site *next;

        for (struct sdb__site *site = sites->buckets[at]; site; site = next) {
            struct sdb__site **bucket = &buckets[bucket_of(count, site->address)];

            next = site->next_in_bucket;
            site->next_in_bucket = *bucket;
            *bucket = site;
        }
    }
    free(sites->buckets);
    sites->buckets = buckets;
    sites->bucket_count = count;
    return 0;
}

struct sdb__site *sdb__site_get(struct sdb__breakpoint_sites *sites, uint64_t address)
{
    struct sdb__site *site = sdb__site_find(sites, address);
    struct sdb__site **bucket;

    if (site)
        return site;
    site = calloc(1, sizeof(*site));
    if (!site || grow(sites) < 0) {
        free(site);
        return NULL;
    }
    site->sites = sites;
    site->address = address;
    bucket = &sites->buckets[bucket_of(sites->bucket_count, address)];
    site->next_in_bucket = *bucket;
    *bucket = site;
    sites->count++;
    return site;
}

struct sdb__site *sdb__site_next(const struct sdb__breakpoint_sites *sites, size_t *at,
                                 const struct sdb__site *after)
{
    struct sdb__site *next = after ? after->next_in_bucket : NULL;

    while (!next && *at < sites->bucket_count)
        next = sites->buckets[(*at)++];
    return next;
}

/* ---- what is mapped ---- */

static struct sdb__executable_range *find_range(const struct sdb__breakpoint_sites *sites,
                                                uint64_t address)
{
    size_t low = 0;
    size_t high = sites->range_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        struct sdb__executable_range *range = &sites->ranges[middle];

        if (address >= range->start && address < range->end)
            return range;
        if (address < range->start)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int keep_ranges(struct sdb__breakpoint_sites *sites, const struct sdb_facts_maps *maps)
{
    struct sdb__executable_range *ranges = calloc(maps->count + 1, sizeof(*ranges));

    if (!ranges)
        return -ENOMEM;
    free(sites->ranges);
    sites->ranges = ranges;
    sites->range_count = 0;
    for (size_t at = 0; at < maps->count; at++) {
        const struct sdb_facts_map *map = maps->list[at];

        if (map->flags & SDB_FACTS_EXECUTE)
            ranges[sites->range_count++] =
                (struct sdb__executable_range){.start = map->start, .end = map->end};
    }
    return 0;
}

int sdb__sites_check(struct sdb__breakpoint_sites *sites, pid_t pid, uint64_t address)
{
    struct sdb_facts_maps *maps;
    int rc;

    if (find_range(sites, address))
        return 0;
    /* It may have been mapped since. */
    rc = sdb_facts_read_maps(pid, &maps);
    if (rc < 0)
        return rc == -EFBIG ? -ENOMEM : rc;
    rc = keep_ranges(sites, maps);
    if (rc == 0 && !find_range(sites, address))
        rc = sdb_facts_find_map(maps, address) ? -EACCES : -EFAULT;
    sdb_facts_free(maps);
    return rc;
}

void sdb__sites_look(struct sdb__breakpoint_sites *sites, pid_t pid)
{
    struct sdb__procfs_status status;

    /* What cannot be told is taken for the worse. */
    if (sdb__procfs_status(pid, &status) < 0)
        status = (struct sdb__procfs_status){.seccomp = true, .shadow_stack = true};
    sites->filtered = status.seccomp;
    sites->shadow_stack = status.shadow_stack;
    sites->looked_at = true;
}

/* ---- bytes ---- */

int sdb__site_update(struct sdb__site *site, pid_t pid)
{
    struct sdb__space *space = site->sites->space;
    uint8_t original = 0;
    int rc;

    if (site->enabled == 0) {
        sdb__site_lift(site, pid);
        return 0;
    }
    if (sdb__space_is_planted(space, site->address, NULL))
        return 0;
    rc = sdb__space_plant(space, pid, site->address, SDB__TRAP_BYTE);
    if (rc < 0)
        return rc;
    if (sdb__tracing())
        sdb__trace("plant a breakpoint at %#llx in %d", (unsigned long long)site->address,
                   (int)pid);
    (void)sdb__space_is_planted(space, site->address, &original);
    site->sites->changes++;
    site->original = original;
    site->own_trap = original == SDB__TRAP_BYTE;
    site->decoded = false; /* the program may have changed since */
    return 0;
}

void sdb__site_lift(struct sdb__site *site, pid_t pid)
{
    if (!sdb__space_is_planted(site->sites->space, site->address, NULL))
        return;
    if (sdb__tracing())
        sdb__trace("lift the breakpoint at %#llx in %d", (unsigned long long)site->address,
                   (int)pid);
    site->sites->changes++;
    (void)sdb__space_lift(site->sites->space, pid, site->address, SDB__TRAP_BYTE);
}

/* A prefix: what follows it may be jumped to. */
static bool is_prefix(uint8_t byte)
{
    return byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x66 || byte == 0x67 ||
           byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 ||
           byte == 0x65 || (byte & 0xf0) == 0x40;
}

void sdb__site_decode(struct sdb__site *site, pid_t pid)
{
    struct sdb__breakpoint_sites *sites = site->sites;
    uint8_t bytes[SDB__INSTRUCTION_SIZE] = {0};
    struct sdb__relocation relocation = {.kind = SDB__RELOCATION_NONE};
    ssize_t count;

    if (site->decoded)
        return;
    if (!sites->looked_at)
        sdb__sites_look(sites, pid);
    count = sdb__space_read(sites->space, pid, site->address, bytes, sizeof(bytes));
    if (count < 0)
        count = 0;
    /* Where it is only learnt what it is, it may stay where it is. */
    if (sdb__relocate(bytes, (size_t)count, site->address, site->address, sites->shadow_stack,
                      &relocation) < 0)
        relocation = (struct sdb__relocation){.kind = SDB__RELOCATION_NONE};
    /* A thread may stand in the slot that it had. */
    if (memcmp(bytes, site->bytes, sizeof(bytes)) != 0) {
        site->placed = false;
        site->slot = 0;
    }
    memcpy(site->bytes, bytes, sizeof(bytes));
    site->byte_count = (uint8_t)count;
    site->length = relocation.length;
    site->kind = (uint8_t)relocation.kind;
    site->is_syscall = relocation.is_syscall;
    site->is_repeated = sdb__instruction_class(bytes, (size_t)count) == SDB__INSTRUCTION_REPEATED;
    site->is_ambiguous = relocation.length <= 1 || is_prefix(bytes[0]);
    site->next = relocation.next;
    site->has_no_section = false;
    site->section_asked = 0;
    if (site->kind == SDB__RELOCATION_CALL)
        (void)sdb__call_decode(bytes, (size_t)count, site->address, &site->call);
    site->decoded = true;
}

/* ---- copies and the end ---- */

static void copy_site(struct sdb__site *copy, const struct sdb__site *site)
{
    struct sdb__breakpoint_sites *sites = copy->sites;
    struct sdb__site *next_in_bucket = copy->next_in_bucket;

    *copy = *site;
    copy->sites = sites;
    copy->next_in_bucket = next_in_bucket;
    copy->locations = NULL;
    copy->enabled = 0;
}

int sdb__sites_copy(struct sdb__space *copy, const struct sdb__breakpoint_sites *from)
{
    struct sdb__breakpoint_sites *sites = sdb__sites_of(copy);
    const struct sdb__site *site = NULL;
    size_t at = 0;
    int rc = sites ? sdb__space_copy_planted(copy, from->space) : -ENOMEM;

    while (rc == 0 && (site = sdb__site_next(from, &at, site))) {
        struct sdb__site *copied = sdb__site_get(sites, site->address);

        if (!copied)
            return -ENOMEM;
        copy_site(copied, site);
    }
    if (rc == 0)
        rc = sdb__scratch_copy(sites, from);
    if (rc == 0) {
        sites->looked_at = from->looked_at;
        sites->shadow_stack = from->shadow_stack;
        sites->filtered = from->filtered;
    }
    return rc;
}

void sdb__sites_settle(struct sdb__breakpoint_sites *sites, pid_t pid)
{
    struct sdb__space *space = sites->space;
    struct sdb__site *site = NULL;
    size_t at = 0;

    while ((site = sdb__site_next(sites, &at, site))) {
        const bool planted = sdb__space_is_planted(space, site->address, NULL);

        if (planted) {
            /* Once more, in case that the copy was made before it was planted. */
            (void)sdb__space_lift(space, pid, site->address, SDB__TRAP_BYTE);
            (void)sdb__space_plant(space, pid, site->address, SDB__TRAP_BYTE);
        } else if (!site->own_trap) {
            uint8_t byte;

            if (sdb__space_read(space, pid, site->address, &byte, 1) == 1 && byte == SDB__TRAP_BYTE)
                (void)sdb__space_write(space, pid, site->address, &site->original, 1);
        }
    }
}

void sdb__sites_free(struct sdb__space *space)
{
    struct sdb__breakpoint_sites *sites = sdb__sites(space);

    if (!sites)
        return;
    space->slots[SDB__BREAKPOINT_SLOT] = NULL;
    for (size_t at = 0; at < sites->bucket_count; at++) {
        while (sites->buckets[at]) {
            struct sdb__site *site = sites->buckets[at];

            sites->buckets[at] = site->next_in_bucket;
            free(site);
        }
    }
    sdb__scratch_free(sites);
    free(sites->buckets);
    free(sites->ranges);
    free(sites);
}
