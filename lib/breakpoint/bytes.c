/* SPDX-License-Identifier: MIT */
/*
 * The bytes of sites: planting and lifting them.
 *
 * Who wants a byte and where one stands are two things.  The program may do away with one, or the kernel
 * may refuse to have one lifted; and memory that is mapped shared is one, however many address spaces it is
 * in: there a byte stands as long as any of them wants it.
 */
#include <errno.h>

#include "base/trace.h"
#include "breakpoint/breakpoint.h"
#include "breakpoint/scratch.h"
#include "held/held.h"
#include "held/process.h"

_Static_assert(SDB__SPACE_AROUND == SDB__INSTRUCTION_SIZE, "what is read is an instruction");

/* ---- memory that is one in several address spaces ---- */

/* Going through the sites of all processes.  Begin with it zeroed. */
struct walk {
    struct sdb_process *process;
    struct sdb__site *site;
    size_t at;
};

static bool next_site(const struct sdb_process *process, struct walk *walk)
{
    for (;;) {
        const struct sdb__breakpoint_sites *sites =
            walk->process && !walk->process->ended ? sdb__sites(walk->process->space) : NULL;

        walk->site = sites ? sdb__site_next(sites, &walk->at, walk->site) : NULL;
        if (walk->site)
            return true;
        walk->process = walk->process ? walk->process->next : process->held->processes;
        walk->at = 0;
        if (!walk->process)
            return false;
    }
}

static bool is_same(const struct sdb__shared_memory *a, const struct sdb__shared_memory *b)
{
    return a->device == b->device && a->inode == b->inode && a->offset == b->offset;
}

/* Find another site that has its byte in the same memory: the next one, and only wanted ones, or any. */
static bool next_in_same(const struct sdb__site *site, const struct sdb_process *process,
                         struct walk *walk, bool wanted)
{
    do {
        if (!next_site(process, walk))
            return false;
    } while (walk->site == site || !walk->site->is_shared ||
             !is_same(&walk->site->shared, &site->shared) ||
             (wanted ? walk->site->enabled == 0 : !sdb__site_stands(walk->site)));
    return true;
}

static bool is_wanted_by_others(const struct sdb__site *site, const struct sdb_process *process)
{
    struct walk walk = {0};

    return site->is_shared && next_in_same(site, process, &walk, true);
}

bool sdb__sites_are_wanted_by_others(const struct sdb_process *process)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(process->space);
    const struct sdb__site *site = NULL;
    size_t at = 0;

    while (sites && sites->some_shared && (site = sdb__site_next(sites, &at, site))) {
        struct walk walk = {0};

        while (site->is_shared && sdb__site_stands(site) &&
               next_in_same(site, process, &walk, true)) {
            if (walk.process->space != process->space)
                return true;
        }
    }
    return false;
}

/* The byte is gone for all of them. */
static void forget_in_others(const struct sdb__site *site, const struct sdb_process *process)
{
    struct walk walk = {0};

    while (site->is_shared && next_in_same(site, process, &walk, false)) {
        walk.site->out = false;
        sdb__space_forget_planted(walk.site->sites->space, walk.site->address);
    }
}

/* Its byte is not where it was planted. */
static void note_missed(struct sdb__site *site)
{
    site->out = false;
    site->missed = true;
    site->missed_text = site->text;
}

/* ---- planting ---- */

static int put_byte(struct sdb__site *site, struct sdb_process *process)
{
    struct sdb__space *space = site->sites->space;
    struct sdb__site_text text = {0};
    struct sdb__planted planted;
    ssize_t count =
        sdb__space_plant(space, process->pid, site->address, SDB__TRAP_BYTE, text.bytes);

    if (count <= 0)
        return (int)count;
    text.count = (uint8_t)count;
    sdb__site_note_text(site, &text);
    if (!site->is_shared || !sdb__space_is_planted(space, site->address, &planted))
        return 0;
    planted.shared = true;
    return sdb__space_note_planted(space, &planted);
}

/* The byte may have been planted in that memory through another address. */
static int share_byte(struct sdb__site *site, struct sdb_process *process)
{
    struct sdb__planted planted;
    struct walk walk = {0};

    if (!site->is_shared || !next_in_same(site, process, &walk, false) ||
        !sdb__space_is_planted(walk.site->sites->space, walk.site->address, &planted))
        return put_byte(site, process);
    planted.address = site->address;
    sdb__site_note_text(site, &walk.site->text);
    return sdb__space_note_planted(site->sites->space, &planted);
}

static void note_planted(struct sdb__site *site, const struct sdb_process *process)
{
    if (sdb__tracing())
        sdb__trace("plant a breakpoint at %#llx in %d", (unsigned long long)site->address,
                   (int)process->pid);
    site->sites->changes++;
    site->out = true;
    site->original = site->text.bytes[0];
    site->own_trap = site->original == SDB__TRAP_BYTE;
}

static int plant(struct sdb__site *site, struct sdb_process *process)
{
    struct sdb__space *space = site->sites->space;
    const struct sdb__executable_range *range;
    int rc = sdb__space_look(space, process->pid, site->address);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (site->out)
        note_missed(site);
    rc = sdb__sites_check(site->sites, process, site->address, &range);
    if (rc < 0)
        return rc;
    site->may_change = range->may_change;
    site->is_shared = range->is_shared;
    if (range->is_shared)
        site->sites->some_shared = true;
    site->shared = range->shared;
    site->shared.offset += site->address - range->start;
    rc = share_byte(site, process);
    if (rc == 0)
        note_planted(site, process);
    return rc;
}

/* ---- lifting ---- */

static void try_again_later(struct sdb__site *site, const struct sdb_process *process)
{
    site->sites->undone = true;
    if (process->session)
        sdb__feature_set_due(process->session, SDB__BREAKPOINT_SLOT);
}

/* @return 1: it was lifted; 0: none stood there; or a negative errno: it stands there still */
static int lift(struct sdb__site *site, struct sdb_process *process)
{
    struct sdb__space *space = site->sites->space;
    int rc;

    if (!site->out)
        return 0;
    if (sdb__tracing())
        sdb__trace("lift the breakpoint at %#llx in %d", (unsigned long long)site->address,
                   (int)process->pid);
    rc = sdb__space_lift(space, process->pid, site->address);
    if (rc < 0 && rc != -ESRCH)
        return rc;
    site->sites->changes++;
    if (rc != 1)
        note_missed(site);
    site->out = false;
    return rc == 1;
}

void sdb__site_lift(struct sdb__site *site, struct sdb_process *process)
{
    int rc;

    site->aside = false;
    if (is_wanted_by_others(site, process))
        return;
    rc = lift(site, process);
    if (rc == 1)
        forget_in_others(site, process);
    else if (rc < 0)
        try_again_later(site, process);
}

int sdb__site_update(struct sdb__site *site, struct sdb_process *process)
{
    if (site->enabled > 0)
        return plant(site, process);
    sdb__site_lift(site, process);
    return 0;
}

/* ---- for a step ---- */

int sdb__site_step_aside(struct sdb__site *site, struct sdb_process *process)
{
    const int rc = lift(site, process);

    site->aside = rc == 1 && site->enabled > 0;
    return rc < 0 ? rc : 0;
}

void sdb__site_step_back(struct sdb__site *site, struct sdb_process *process)
{
    int rc;

    if (!site->aside)
        return;
    rc = put_byte(site, process);
    site->aside = rc < 0 && rc != -EFAULT && rc != -ESRCH;
    if (rc == 0)
        note_planted(site, process);
    else if (site->aside)
        try_again_later(site, process);
}

void sdb__sites_try_again(struct sdb__breakpoint_sites *sites, struct sdb_process *process)
{
    struct sdb__site *site = NULL;
    size_t at = 0;

    sites->undone = false;
    while ((site = sdb__site_next(sites, &at, site))) {
        if (site->aside)
            sdb__site_step_back(site, process);
        else if (site->enabled == 0 && site->out)
            sdb__site_lift(site, process);
    }
}

/* ---- copies ---- */

/* @return what a process really has at an address, or -1 */
static int really_at(const struct sdb_process *process, const struct sdb__site *site)
{
    uint8_t byte;

    /* Where nothing stands, as far as is known, nothing is hidden. */
    return !sdb__site_stands(site) &&
                   sdb__space_read(process->space, process->pid, site->address, &byte, 1) == 1
               ? byte
               : -1;
}

/*
 * The copy was made before the byte was planted, or before it was lifted.  What else the program has there
 * is its own, an int3 too: then that of the copy's model is the same.
 */
static void settle(struct sdb__site *site, struct sdb_process *copy, const struct sdb_process *from)
{
    const struct sdb__site *model = sdb__site_find(sdb__sites(from->space), site->address);
    const struct sdb__executable_range *range;
    struct sdb__planted planted;

    if (site->is_shared)
        return;
    if (sdb__space_is_planted(copy->space, site->address, &planted)) {
        if (sdb__space_look(copy->space, copy->pid, site->address) == 0 &&
            really_at(copy, site) == planted.original &&
            sdb__sites_check(site->sites, copy, site->address, &range) == 0)
            (void)put_byte(site, copy);
    } else if (!site->own_trap && really_at(copy, site) == SDB__TRAP_BYTE &&
               !(model && !from->ended && really_at(from, model) == SDB__TRAP_BYTE)) {
        (void)sdb__space_write(copy->space, copy->pid, site->address, &site->original, 1);
    }
}

void sdb__sites_settle(struct sdb_process *copy, const struct sdb_process *from)
{
    struct sdb__site *site = NULL;
    size_t at = 0;

    sdb__scratch_settle(sdb__sites(copy->space), copy->pid);
    while ((site = sdb__site_next(sdb__sites(copy->space), &at, site)))
        settle(site, copy, from);
}
