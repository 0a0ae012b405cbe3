/* SPDX-License-Identifier: MIT */
/*
 * Scratch pages: where displaced instructions run.  They are mapped into the process near the text that
 * they serve, in slots of which each belongs to one site for good.
 */
#ifndef SDB_LIB_BREAKPOINT_SCRATCH_H
#define SDB_LIB_BREAKPOINT_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "breakpoint/site.h"

struct sdb_thread;

/* A slot that is used. */
struct sdb__scratch_slot {
    struct sdb__site *site;
    struct sdb__relocation relocation; /* what is in it */
};

/* Some pages, or a piece of the program's own padding. */
struct sdb__scratch {
    struct sdb__scratch *next;
    uint64_t start;
    size_t slot_count;
    size_t used;
    bool is_padding; /* of the program's text: zeroes are put back, not unmapped */
    struct sdb__scratch_slot *slots;
};

/** @return whether there is no room for a site's slot yet, and may be when it is made */
bool sdb__scratch_lacks_room(const struct sdb__site *site);

/**
 * Make room for a site's slot, if that is possible; all threads stand still, as far as they can.
 *
 * @param thread  maps pages, if it may; else another of its process does
 */
void sdb__scratch_make_room(struct sdb__site *site, struct sdb_thread *thread);

/** Give a site a slot with its instruction, if there is room.  @return 0, or a negative errno: it has none */
int sdb__scratch_place(struct sdb__site *site, pid_t pid);

/** @return the slot that an address is in, and in @p start where it begins; or NULL */
const struct sdb__scratch_slot *sdb__scratch_find(const struct sdb__breakpoint_sites *sites,
                                                  uint64_t address, uint64_t *start);

/** Note for a copy of the memory what is in it.  @return 0 or -ENOMEM */
int sdb__scratch_copy(struct sdb__breakpoint_sites *copy, const struct sdb__breakpoint_sites *from);

/**
 * Have the slots of a copy of the memory be as they are noted, where some were filled while it was made.
 * What was mapped after that is forgotten.
 */
void sdb__scratch_settle(struct sdb__breakpoint_sites *copy, pid_t pid);

/**
 * Give everything back to the process.  No thread may be in it.
 *
 * @param thread  stands still, and unmaps the pages, if it may; else another of its process does
 */
void sdb__scratch_give_back(struct sdb__breakpoint_sites *sites, struct sdb_thread *thread);

/** Forget all; the memory is gone. */
void sdb__scratch_free(struct sdb__breakpoint_sites *sites);

#endif
