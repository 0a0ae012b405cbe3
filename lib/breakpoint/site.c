/* SPDX-License-Identifier: MIT */
/*
 * Sites: where breakpoints are, and what instruction the program has there.
 */
#include "breakpoint/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "breakpoint/breakpoint.h"
#include "breakpoint/scratch.h"

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
    sites->has_low = sites->has_low || sdb__is_low(address);
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

/* ---- instructions ---- */

/* A prefix: what follows it may be jumped to. */
static bool is_prefix(uint8_t byte)
{
    return byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x66 || byte == 0x67 ||
           byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 ||
           byte == 0x65 || (byte & 0xf0) == 0x40;
}

bool sdb__site_note_text(struct sdb__site *site, const struct sdb__site_text *text)
{
    if (site->text.count == text->count &&
        memcmp(site->text.bytes, text->bytes, sizeof(text->bytes)) == 0)
        return true;
    site->text = *text;
    site->decoded = false;
    /* A thread may stand in the slot that it had. */
    site->placed = false;
    site->slot = 0;
    return false;
}

/* @return whether it is what it was */
static bool read_text(struct sdb__site *site, pid_t pid)
{
    struct sdb__space *space = site->sites->space;
    const unsigned writes = __atomic_load_n(&space->writes, __ATOMIC_ACQUIRE);
    struct sdb__site_text text = {0};
    ssize_t count = sdb__space_read(space, pid, site->address, text.bytes, sizeof(text.bytes));

    site->writes = writes;
    text.count = count < 0 ? 0 : (uint8_t)count;
    return sdb__site_note_text(site, &text);
}

static bool is_known(const struct sdb__site *site)
{
    return site->decoded && !site->may_change &&
           site->writes == __atomic_load_n(&site->sites->space->writes, __ATOMIC_ACQUIRE);
}

unsigned sdb__site_code(const struct sdb__site *site)
{
    return (site->sites->shadow_stack ? SDB__SHADOW_STACK : 0) |
           (site->is_32_bit ? SDB__CODE_32 : 0);
}

/* In 32-bit code the same bytes are other instructions. */
static void note_code(struct sdb__site *site, struct sdb_thread *thread)
{
    const bool is_32_bit = sdb__is_low(site->address) && sdb__registers_are_of_32_bit(thread);

    if (site->is_32_bit == is_32_bit)
        return;
    site->is_32_bit = is_32_bit;
    site->decoded = false;
    site->placed = false;
    site->slot = 0;
}

void sdb__site_decode(struct sdb__site *site, struct sdb_thread *thread)
{
    struct sdb__breakpoint_sites *sites = site->sites;
    struct sdb__relocation relocation = {.kind = SDB__RELOCATION_NONE};
    const pid_t pid = thread->process->pid;
    unsigned code;

    note_code(site, thread);
    if (is_known(site) || (read_text(site, pid) && site->decoded))
        return;
    if (!sites->looked_at)
        sdb__sites_look(sites, pid);
    code = sdb__site_code(site);
    /* Where it is only learnt what it is, it may stay where it is. */
    if (sdb__relocate(site->text.bytes, site->text.count, site->address, site->address, code,
                      &relocation) < 0)
        relocation = (struct sdb__relocation){.kind = SDB__RELOCATION_NONE};
    site->length = relocation.length;
    site->kind = (uint8_t)relocation.kind;
    site->is_syscall = relocation.is_syscall;
    site->is_repeated = sdb__instruction_class(site->text.bytes, site->text.count, code) ==
                        SDB__INSTRUCTION_REPEATED;
    site->is_ambiguous = relocation.length <= 1 || is_prefix(site->text.bytes[0]);
    site->next = relocation.next;
    site->has_no_section = false;
    site->section_asked = 0;
    if (site->kind == SDB__RELOCATION_CALL)
        (void)sdb__call_decode(site->text.bytes, site->text.count, site->address, code,
                               &site->call);
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
    copy->followed = 0;
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
        sites->some_shared = from->some_shared;
        sites->undone = from->undone;
        sites->looked_at = from->looked_at;
        sites->shadow_stack = from->shadow_stack;
    }
    return rc;
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
