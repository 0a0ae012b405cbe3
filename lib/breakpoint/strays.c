/* SPDX-License-Identifier: MIT */
/*
 * Bytes that the program has taken along: mremap(2) moves them with its memory, where nobody looks for
 * them.  One is known by where it was: by its place in the page, and by the bytes that follow.
 */
#include <stdlib.h>

#include <sdb/facts.h>

#include "breakpoint/breakpoint.h"
#include "held/process.h"

#define PAGE UINT64_C(4096)

static bool has_same_place(uint64_t a, uint64_t b)
{
    return (a ^ b) % PAGE == 0;
}

/* What the program has behind a byte that is away. */
static const struct sdb__site_text *text_of(const struct sdb__site *site)
{
    return site->missed ? &site->missed_text : &site->text;
}

/* Whether the byte of a site is not where it was put. */
static bool is_away(const struct sdb__site *site, const struct sdb_process *process)
{
    return site->missed ||
           (site->out && sdb__space_look(process->space, process->pid, site->address) == 0);
}

/* Whether what is at an address is what was at a site, with its byte.  Others may have come along. */
static bool is_of(const struct sdb__site *site, const struct sdb_process *process, uint64_t address)
{
    const struct sdb__site_text *text = text_of(site);
    uint8_t bytes[SDB__INSTRUCTION_SIZE];

    if (text->count == 0 || text->bytes[0] == SDB__TRAP_BYTE ||
        sdb__space_read(process->space, process->pid, address, bytes, text->count) != text->count ||
        bytes[0] != SDB__TRAP_BYTE)
        return false;
    for (unsigned i = 1; i < text->count; i++) {
        if (bytes[i] != text->bytes[i] &&
            !(bytes[i] == SDB__TRAP_BYTE && sdb__site_find(site->sites, site->address + i)))
            return false;
    }
    return true;
}

/* Take it for one that was planted there, and lift it. */
static struct sdb__site *take_in(const struct sdb__site *from, struct sdb_process *process,
                                 uint64_t address)
{
    const struct sdb__planted planted = {.address = address,
                                         .original = text_of(from)->bytes[0],
                                         .byte = SDB__TRAP_BYTE,
                                         .used = true};
    struct sdb__site *site = sdb__site_get(from->sites, address);

    if (!site || sdb__space_note_planted(process->space, &planted) < 0)
        return NULL;
    site->out = true;
    site->original = planted.original;
    site->may_change = true;
    sdb__site_lift(site, process);
    return site;
}

struct sdb__site *sdb__stray_find(struct sdb_thread *thread, uint64_t address)
{
    struct sdb_process *process = thread->process;
    const struct sdb__breakpoint_sites *sites = sdb__sites(process->space);
    struct sdb__site *site = NULL;
    size_t at = 0;

    if (!sdb__is_trap(thread))
        return NULL;
    while ((site = sdb__site_next(sites, &at, site))) {
        if (has_same_place(site->address, address) && is_away(site, process) &&
            is_of(site, process, address))
            return take_in(site, process, address);
    }
    return NULL;
}

/* ---- all of them ---- */

/* Sites whose bytes may be elsewhere. */
struct away {
    struct sdb__site **list;
    size_t count;
};

static void lift_in_page(const struct away *away, struct sdb_process *process, uint64_t start)
{
    uint8_t page[PAGE];
    const ssize_t count = sdb__space_read(process->space, process->pid, start, page, sizeof(page));

    for (size_t i = 0; i < away->count; i++) {
        const struct sdb__site *site = away->list[i];
        const uint64_t offset = site->address % PAGE;

        if ((ssize_t)offset < count && page[offset] == SDB__TRAP_BYTE &&
            !sdb__site_find(site->sites, start + offset) && is_of(site, process, start + offset))
            (void)take_in(site, process, start + offset);
    }
}

static void lift_everywhere(const struct away *away, struct sdb_process *process)
{
    struct sdb_facts_maps *maps;

    if (sdb_facts_read_maps(process->pid, &maps) < 0)
        return;
    for (size_t i = 0; i < maps->count; i++) {
        const struct sdb_facts_map *map = maps->list[i];

        for (uint64_t page = map->start; (map->flags & SDB_FACTS_EXECUTE) && page < map->end;
             page += PAGE)
            lift_in_page(away, process, page);
    }
    sdb_facts_free(maps);
}

void sdb__strays_lift(struct sdb_process *process)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(process->space);
    struct away away = {.list = calloc(sites->count + 1, sizeof(struct sdb__site *))};
    struct sdb__site *site = NULL;
    size_t at = 0;

    /* Those that are found become sites themselves: first they are counted. */
    while (away.list && (site = sdb__site_next(sites, &at, site))) {
        if (site->missed)
            away.list[away.count++] = site;
    }
    if (away.count > 0)
        lift_everywhere(&away, process);
    free(away.list);
}
