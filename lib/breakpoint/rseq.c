/* SPDX-License-Identifier: MIT */
/*
 * Restartable sequences (rseq): whether a thread that stands at a breakpoint is inside of one.
 *
 * The thread says which one it is in by a pointer in its struct rseq, to be read at each hit.  At a place
 * that is hit very often, it is found out once whether it can be in a sequence at all: the kernel
 * demands a signature before the place where an aborted one goes on, which is in the same program or
 * library.  Where that is a file's that cannot be written to, and has no such bytes in its text, no
 * sequence is.  A place in anything else, as in text that the program generates, is asked about each
 * time.  What was found is forgotten when the place is planted anew, as all that is known of its
 * instruction.
 */
#include <string.h>

#include <sdb/facts.h>

#include "breakpoint/breakpoint.h"
#include "kernel/ptrace.h"

/* So often is a place asked about before its text is searched, and so much text at most. */
#define MOST_ASKED 1000
#define MOST_TEXT  ((uint64_t)8 << 20)
#define PIECE      16384

/* struct rseq and struct rseq_cs of <linux/rseq.h>, which not every system has. */
#define SECTION_OFFSET 8
struct section {
    uint32_t version;
    uint32_t flags;
    uint64_t start;
    uint64_t length;
    uint64_t abort;
};

/*
 * @return whether the signature is among these bytes; but for where the C library registers it, as an
 * argument of the system call: mov r10d, signature
 */
static bool is_among(const uint8_t *bytes, size_t size, uint32_t signature)
{
    const uint8_t *at = bytes;

    while ((at = memmem(at, size - (size_t)(at - bytes), &signature, sizeof(signature)))) {
        if (at - bytes < 2 || at[-2] != 0x41 || at[-1] != 0xba)
            return true;
        at++;
    }
    return false;
}

/* What cannot be read counts as if it were there. */
static bool has_signature(struct sdb__space *space, pid_t pid, const struct sdb_facts_map *map,
                          uint32_t signature)
{
    const size_t overlap = sizeof(signature) + 1;
    uint8_t bytes[PIECE];
    size_t size;

    for (uint64_t at = map->start; at + overlap < map->end; at += size - overlap) {
        size = map->end - at < PIECE ? (size_t)(map->end - at) : PIECE;
        if (sdb__space_read(space, pid, at, bytes, size) != (ssize_t)size ||
            is_among(bytes, size, signature))
            return true;
    }
    return false;
}

static bool is_same_file(const struct sdb_facts_map *a, const struct sdb_facts_map *b)
{
    return a->inode == b->inode && a->device_major == b->device_major &&
           a->device_minor == b->device_minor;
}

static bool file_has_signature(struct sdb__space *space, pid_t pid,
                               const struct sdb_facts_maps *maps, uint64_t address,
                               uint32_t signature)
{
    const struct sdb_facts_map *own = sdb_facts_find_map(maps, address);
    uint64_t text = 0;

    if (!own || own->inode == 0)
        return true;
    for (size_t i = 0; i < maps->count; i++) {
        const struct sdb_facts_map *map = maps->list[i];

        if (!(map->flags & SDB_FACTS_EXECUTE) || !is_same_file(map, own))
            continue;
        text += map->end - map->start;
        if ((map->flags & (SDB_FACTS_WRITE | SDB_FACTS_SHARED)) || text > MOST_TEXT ||
            has_signature(space, pid, map, signature))
            return true;
    }
    return false;
}

static bool can_be_in_section(struct sdb__site *site, const struct sdb_thread *thread)
{
    struct sdb_facts_maps *maps;

    if (site->has_no_section)
        return site->signature != sdb__breakpoint_state(thread)->rseq_signature;
    if (site->section_asked > MOST_ASKED)
        return true;
    if (++site->section_asked <= MOST_ASKED || sdb_facts_read_maps(thread->process->pid, &maps) < 0)
        return true;
    site->signature = sdb__breakpoint_state(thread)->rseq_signature;
    site->has_no_section = !file_has_signature(thread->process->space, thread->process->pid, maps,
                                               site->address, site->signature);
    sdb_facts_free(maps);
    return !site->has_no_section;
}

/* A thread registers its struct rseq, if it does, soon after it has begun. */
bool sdb__site_is_in_section(struct sdb__site *site, struct sdb_thread *thread)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct section section;
    uint64_t address = 0;

    if (state->rseq == 0 && sdb__ptrace_rseq(thread->tid, &state->rseq, &state->rseq_signature) < 0)
        return false;
    if (state->rseq == 0 || !can_be_in_section(site, thread) ||
        sdb__ptrace_peek_memory(thread->tid, state->rseq + SECTION_OFFSET, &address) < 0 ||
        address == 0)
        return false;
    return sdb__space_read(thread->process->space, thread->process->pid, address, &section,
                           sizeof(section)) == (ssize_t)sizeof(section) &&
           site->address - section.start < section.length;
}
