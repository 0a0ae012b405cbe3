/* SPDX-License-Identifier: MIT */
/*
 * What breakpoints have to do with processes that are born, and with those that are let go: nobody may
 * come by a planted byte who is not held.
 *
 * So the kernel reports each fork of a process that has breakpoints, whether its follow policy wants
 * the newborn or not.  An unwanted one with a copy of the memory is let go when the bytes have been
 * lifted from it.  One that shares the memory must stay (session/watched.c) until nobody is left for
 * whom the bytes stand there; so must a process that is let go while another shares its memory.  Those
 * that share it already, unknown to us, are looked for before the first byte is planted, and held too.
 */
#include <errno.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "breakpoint/breakpoint.h"
#include "breakpoint/scratch.h"
#include "kernel/procfs.h"
#include "session/session.h"
#include "trap/signal.h"
#include "trap/single_step.h"

/* How often what cannot be lifted is tried again before a process is let go with it. */
#define MOST_TRIES 10

/* ---- before the first breakpoint ---- */

static int have_births_reported(struct sdb_process *process)
{
    uint8_t nothing;
    int rc;

    sdb__feature_use(process, SDB__BREAKPOINT_SLOT);
    sdb__single_step_use(process);
    /* An exec has done away with what was noted of the memory before. */
    if (process->births_reported && sdb__trap_signal_is_noted(process))
        return 0;
    rc = sdb__session_pause(process);
    if (rc < 0)
        return rc;
    process->births_reported = true;
    /* Its memory is opened while it stands still: after an exec it would be another's. */
    (void)sdb__space_read(process->space, process->pid, 0, &nothing, 0);
    (void)sdb__process_apply_options(process); /* ESRCH: of one that was killed just now */
    sdb__trap_signal_note_once(process);
    sdb__session_unpause(process);
    return 0;
}

/* The same of all that are known to have this memory. */
static int prepare_all(struct sdb_process *process)
{
    struct sdb_session *session = process->session;

    struct sdb_process *next;

    /* The others first.  One that is paused for that may end, and go. */
    for (struct sdb_process *other = session->held.processes; other; other = next) {
        sdb_process_retain(other);
        if (other != process && other->space == process->space && !sdb__process_is_gone(other))
            (void)have_births_reported(other);
        next = other->session ? other->next : session->held.processes;
        sdb_process_close(other);
    }
    return have_births_reported(process);
}

int sdb__breakpoint_prepare(struct sdb_process *process)
{
    int rc;

    sdb_process_retain(process);
    /* Who is born from now on is told of.  Those who were before may have children themselves. */
    do {
        rc = prepare_all(process);
        if (rc == 0 && sdb__process_is_gone(process))
            rc = -ESRCH;
        if (rc == 0 && !process->space->all_known)
            rc = sdb__sites_of(process->space) ? sdb__session_find_sharers(process) : -ENOMEM;
    } while (rc > 0);
    sdb_process_close(process);
    return rc;
}

/* ---- newborns ---- */

static int share_locations(struct sdb__space *space, const struct sdb__breakpoint_sites *from)
{
    const struct sdb__site *site = NULL;
    size_t at = 0;

    while ((site = sdb__site_next(from, &at, site))) {
        for (struct sdb__location *location = site->locations; location;
             location = location->next_at_site) {
            struct sdb__site *copied = sdb__site_find(sdb__sites(space), site->address);
            int rc = sdb__breakpoint_add_location(location->breakpoint, copied);

            if (rc < 0)
                return rc;
            if (location->enabled)
                sdb__location_set_enabled(location->breakpoint->locations, true);
        }
    }
    return 0;
}

int sdb__breakpoint_inherit(struct sdb_process *newborn, const struct sdb_process *from,
                            const struct sdb_thread *parent)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(from->space);
    int rc;

    newborn->births_reported = sites != NULL;
    if (parent && newborn->thread)
        sdb__breakpoint_inherit_returns(newborn->thread, parent);
    sdb__breakpoint_process(newborn)->calls_seen = sdb__breakpoint_process(from)->calls_seen;
    if (!sites || newborn->space == from->space)
        return 0;
    rc = sdb__sites_copy(newborn->space, sites);
    if (rc == 0 && newborn->phase == SDB__PROCESS_HELD)
        rc = share_locations(newborn->space, sites);
    /* What was planted or lifted since it was born, or may have been. */
    if (rc == 0 && newborn->thread &&
        !(parent && sdb__breakpoint_state(parent)->changes_seen == sites->changes))
        sdb__sites_settle(newborn, from);
    return rc;
}

void sdb__breakpoint_lift_copies(pid_t newborn, const struct sdb_process *from)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(from->space);
    const struct sdb__site *site = NULL;
    int fd = sites ? sdb__procfs_open_memory(newborn) : -1;
    size_t at = 0;

    while (fd >= 0 && (site = sdb__site_next(sites, &at, site))) {
        uint8_t byte;

        /* It may have been lifted from the parent since. */
        if (!site->own_trap && site->original != 0 &&
            pread(fd, &byte, 1, (off_t)site->address) == 1 && byte == SDB__TRAP_BYTE)
            (void)!pwrite(fd, &site->original, 1, (off_t)site->address);
    }
    sdb__fd_close(&fd);
}

/* ---- those that are let go ---- */

static bool is_wanted(const struct sdb_process *process)
{
    return process->phase == SDB__PROCESS_HELD && !sdb__process_is_gone(process);
}

static bool is_shared(const struct sdb_process *process)
{
    const struct sdb_process *other = process->session->held.processes;

    while (other && (other == process || other->space != process->space || !is_wanted(other)))
        other = other->next;
    return other != NULL;
}

bool sdb__breakpoint_must_stay(const struct sdb_process *process)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(process->space);

    return sites && (is_shared(process) || sdb__sites_are_wanted_by_others(process));
}

/* Those that stand still are in the program's own text; one that runs may be in a slot, of whatever process. */
static bool some_run(const struct sdb_process *process)
{
    const struct sdb_process *other = process->session->held.processes;

    while (other && (other->space != process->space || other->running_count == 0))
        other = other->next;
    return other != NULL;
}

void sdb__breakpoint_lift_all(struct sdb_process *process)
{
    struct sdb__breakpoint_sites *sites = sdb__sites(process->space);
    struct sdb_thread *standing = sdb__process_next_standing(process, NULL);
    struct sdb__site *site = NULL;
    size_t at = 0;

    if (!sites)
        return;
    while ((site = sdb__site_next(sites, &at, site))) {
        for (struct sdb__location *location = site->locations; location;
             location = location->next_at_site)
            sdb__location_set_enabled(location, false);
        sdb__site_lift(site, process);
    }
    sdb__strays_lift(process);
    for (int tries = 0; sites->undone && tries < MOST_TRIES; tries++)
        sdb__sites_try_again(sites, process);
    sdb__breakpoint_check(process);
    while (standing && sdb__breakpoint_state(standing)->displaced)
        standing = sdb__process_next_standing(process, standing);
    if (sites->scratch && standing && !some_run(process))
        sdb__scratch_give_back(sites, standing);
}
