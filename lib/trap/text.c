/* SPDX-License-Identifier: MIT */
/*
 * The text of a program, for steps.
 *
 * Which pages cannot change is asked of the kernel, which takes it as long as hundreds of looks: that is done
 * when so many were made in vain, and less and less often where it was of no use.
 */
#include "trap/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sdb/facts.h>

#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/one_step.h"

#define PAGE_BYTES  4096
#define PAGE_COUNT  8
#define RANGE_COUNT 32

/* After how many looks it is asked. */
#define FIRST_PATIENCE   64
#define LONGEST_PATIENCE 65536

struct range {
    uint64_t start;
    uint64_t end;
};

struct page {
    bool is_there;
    uint64_t address;
    uint8_t bytes[PAGE_BYTES];
};

/* Of an address space. */
struct text {
    unsigned touched;  /* of the space's, when this was read */
    unsigned looks;    /* since it may have changed */
    unsigned patience; /* so many, and it is asked what cannot change */
    unsigned uses;     /* of what was asked */
    unsigned range_count;
    bool ranges_known;
    struct range ranges[RANGE_COUNT];
    struct page *pages; /* NULL: none was ever needed */
};

static struct text *text_of(const struct sdb__space *space)
{
    return space->slots[SDB__SINGLE_STEP_SLOT];
}

/* What else may change it: what is written for callers, and calls that stopped threads make. */
static unsigned touched(const struct sdb__space *space)
{
    return __atomic_load_n(&space->writes, __ATOMIC_ACQUIRE) + space->injected;
}

static void drop(struct text *text)
{
    text->looks = 0;
    if (!text->ranges_known)
        return;
    /* It was of no use. */
    if (text->uses < text->patience && text->patience < LONGEST_PATIENCE)
        text->patience *= 2;
    text->ranges_known = false;
    for (int i = 0; text->pages && i < PAGE_COUNT; i++)
        text->pages[i].is_there = false;
}

static void read_ranges(struct text *text, pid_t pid)
{
    struct sdb_facts_maps *maps;

    text->ranges_known = true;
    text->range_count = 0;
    text->uses = 0;
    if (sdb_facts_read_maps(pid, &maps) < 0)
        return;
    for (size_t i = 0; i < maps->count && text->range_count < RANGE_COUNT; i++) {
        const struct sdb_facts_map *map = maps->list[i];

        if (map->inode != 0 && (map->flags & SDB_FACTS_EXECUTE) &&
            !(map->flags & (SDB_FACTS_WRITE | SDB_FACTS_SHARED)))
            text->ranges[text->range_count++] = (struct range){map->start, map->end};
    }
    sdb_facts_free(maps);
}

static bool cannot_change(const struct text *text, uint64_t address)
{
    for (unsigned i = 0; i < text->range_count; i++) {
        if (address >= text->ranges[i].start && address < text->ranges[i].end)
            return true;
    }
    return false;
}

static struct page *place_of(const struct text *text, uint64_t address)
{
    return &text->pages[address / PAGE_BYTES % PAGE_COUNT];
}

/* Keep the page of an address, if it cannot change. */
static void keep(struct sdb_process *process, struct text *text, uint64_t address)
{
    struct page *page;

    if (!text->ranges_known)
        read_ranges(text, process->pid);
    if (!cannot_change(text, address))
        return;
    if (!text->pages)
        text->pages = calloc(PAGE_COUNT, sizeof(*text->pages));
    if (!text->pages)
        return;
    page = place_of(text, address);
    page->address = address & ~(uint64_t)(PAGE_BYTES - 1);
    page->is_there = sdb__space_read(process->space, process->pid, page->address, page->bytes,
                                     PAGE_BYTES) == PAGE_BYTES;
}

/* @return whether the word is in a page that is kept */
static bool find(struct text *text, uint64_t address, uint64_t *word)
{
    const size_t offset = address % PAGE_BYTES;
    const struct page *page;

    if (!text->ranges_known || !text->pages)
        return false;
    page = place_of(text, address);
    if (!page->is_there || page->address != address - offset || offset > PAGE_BYTES - sizeof(*word))
        return false;
    memcpy(word, page->bytes + offset, sizeof(*word));
    text->uses++;
    return true;
}

/* Whether somebody else may change it now. */
static bool others_run(const struct sdb_process *process)
{
    return process->running_count > 0 ||
           __atomic_load_n(&process->space->references, __ATOMIC_RELAXED) > 1;
}

int sdb__text_word(struct sdb_thread *thread, uint64_t address, uint64_t *word)
{
    struct sdb_process *process = thread->process;
    struct sdb__space *space = process->space;
    struct text *text = text_of(space);

    if (!text) {
        text = space->slots[SDB__SINGLE_STEP_SLOT] = calloc(1, sizeof(*text));
        if (text)
            *text = (struct text){.touched = touched(space), .patience = FIRST_PATIENCE};
    }
    if (!text)
        return sdb__ptrace_peek_memory(thread->tid, address, word);
    if (others_run(process) || text->touched != touched(space))
        drop(text);
    else if (find(text, address, word))
        return 0;
    else if (++text->looks > text->patience)
        keep(process, text, address);
    text->touched = touched(space);
    return sdb__ptrace_peek_memory(thread->tid, address, word);
}

void sdb__text_may_change(const struct sdb_process *process)
{
    struct text *text = text_of(process->space);

    if (text)
        drop(text);
}

void sdb__text_forget(struct sdb__space *space)
{
    struct text *text = text_of(space);

    if (text)
        free(text->pages);
    free(text);
    space->slots[SDB__SINGLE_STEP_SLOT] = NULL;
}
