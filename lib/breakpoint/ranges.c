/* SPDX-License-Identifier: MIT */
/*
 * What is mapped where there are to be sites, and what may be done in the process.
 *
 * What was looked at holds until something runs in the memory.
 */
#include <errno.h>
#include <stdlib.h>

#include <sdb/facts.h>

#include "breakpoint/site.h"
#include "held/held.h"
#include "held/process.h"
#include "kernel/procfs.h"

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

static struct sdb__executable_range range_of(const struct sdb_facts_map *map)
{
    return (struct sdb__executable_range){
        .start = map->start,
        .end = map->end,
        .may_change = (map->flags & (SDB_FACTS_WRITE | SDB_FACTS_SHARED)) || map->inode == 0,
        .is_shared = (map->flags & SDB_FACTS_SHARED) != 0,
        .shared = {.device = (uint64_t)map->device_major << 32 | map->device_minor,
                   .inode = map->inode,
                   .offset = map->offset},
    };
}

static int keep_ranges(struct sdb__breakpoint_sites *sites, const struct sdb_facts_maps *maps)
{
    struct sdb__executable_range *ranges = calloc(maps->count + 1, sizeof(*ranges));

    if (!ranges)
        return -ENOMEM;
    free(sites->ranges);
    sites->ranges = ranges;
    sites->range_count = 0;
    sites->ranges_known = true;
    sites->injected = sites->space->injected;
    for (size_t at = 0; at < maps->count; at++) {
        if (maps->list[at]->flags & SDB_FACTS_EXECUTE)
            ranges[sites->range_count++] = range_of(maps->list[at]);
    }
    return 0;
}

int sdb__sites_check(struct sdb__breakpoint_sites *sites, const struct sdb_process *process,
                     uint64_t address, const struct sdb__executable_range **range)
{
    struct sdb_facts_maps *maps;
    int rc;

    if (sites->injected != sites->space->injected)
        sites->ranges_known = false;
    *range = sites->ranges_known ? find_range(sites, address) : NULL;
    if (*range)
        return 0;
    rc = sdb_facts_read_maps(process->pid, &maps);
    if (rc < 0)
        return rc == -EFBIG ? -ENOMEM : rc;
    rc = keep_ranges(sites, maps);
    *range = find_range(sites, address);
    if (rc == 0 && !*range)
        rc = sdb_facts_find_map(maps, address) ? -EACCES : -EFAULT;
    sdb_facts_free(maps);
    return rc;
}

void sdb__sites_look_anew(struct sdb__breakpoint_sites *sites, const struct sdb_process *process)
{
    for (const struct sdb_process *other = process->held->processes; other; other = other->next) {
        if (other->space == sites->space && other->running_count > 0)
            sites->ranges_known = false;
    }
}

void sdb__sites_look(struct sdb__breakpoint_sites *sites, pid_t pid)
{
    struct sdb__procfs_status status;

    /* What cannot be told is taken for the worse. */
    if (sdb__procfs_status(pid, &status) < 0)
        status = (struct sdb__procfs_status){.shadow_stack = true};
    sites->shadow_stack = status.shadow_stack;
    sites->looked_at = true;
}
