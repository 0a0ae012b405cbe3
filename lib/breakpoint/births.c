/* SPDX-License-Identifier: MIT */
/*
 * What breakpoints have to do with processes that are born, and with those that are let go: nobody may
 * come by a planted byte who is not held.
 *
 * So the kernel reports each fork of a process that has breakpoints, whether its follow policy wants
 * the newborn or not.  An unwanted one with a copy of the memory is let go when the bytes have been
 * lifted from it.  One that shares the memory is "watched": it stays held, without a word to the caller,
 * until it has executed a program or ended, or until nobody is left for whom the bytes stand there.  A
 * process that is let go while another shares its memory and is held is watched in the same way.
 */
#include <errno.h>

#include "breakpoint/breakpoint.h"
#include "breakpoint/scratch.h"
#include "held/process.h"
#include "session/session.h"
#include "trap/signal.h"

/* ---- before the first breakpoint ---- */

static int have_births_reported(struct sdb_process *process)
{
    uint8_t nothing;
    int rc;

    if (process->births_reported)
        return 0;
    rc = sdb__session_pause(process);
    if (rc < 0)
        return rc;
    process->births_reported = true;
    /* Its memory is opened while it stands still: after an exec it would be another's. */
    (void)sdb__space_read(process->space, process->pid, 0, &nothing, 0);
    (void)sdb__process_apply_options(process); /* but to those that cannot stop now */
    sdb__trap_signal_note(process);
    sdb__session_unpause(process);
    return 0;
}

int sdb__breakpoint_prepare(struct sdb_process *process)
{
    struct sdb_session *session = process->session;
    int rc;

    /* The others that share the memory first: pausing one may change the list. */
    for (struct sdb_process *other = session->processes; other; other = other->next) {
        if (other != process && other->space == process->space && !sdb__process_is_gone(other))
            (void)have_births_reported(other);
    }
    sdb_process_retain(process);
    rc = have_births_reported(process);
    if (rc == 0 && sdb__process_is_gone(process))
        rc = -ESRCH;
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
            struct sdb__site *copied = sdb__site_find(space->sites, site->address);
            int rc = sdb__breakpoint_add_location(location->breakpoint, copied);

            if (rc < 0)
                return rc;
            if (location->enabled) {
                location->breakpoint->locations->enabled = true;
                copied->enabled++;
            }
        }
    }
    return 0;
}

void sdb__breakpoint_inherit(struct sdb_process *newborn, const struct sdb__space *parent,
                             bool is_settled)
{
    const struct sdb__breakpoint_sites *from = parent ? parent->sites : NULL;
    int rc;

    newborn->births_reported = from != NULL;
    newborn->thread->displaced = from && from->scratch;
    if (!from || newborn->space == parent)
        return;
    rc = sdb__sites_copy(newborn->space, from);
    if (rc == 0 && newborn->phase == SDB__PROCESS_HELD)
        rc = share_locations(newborn->space, from);
    if (rc == 0 && !is_settled)
        sdb__sites_settle(newborn->space->sites, newborn->pid);
    if (rc < 0)
        sdb__breakpoint_lift_all(newborn); /* no memory: then it has none */
}

/* ---- those that are let go ---- */

static bool is_wanted(const struct sdb_process *process)
{
    return process->phase == SDB__PROCESS_HELD && !sdb__process_is_gone(process);
}

bool sdb__breakpoint_is_shared(const struct sdb_process *process)
{
    const struct sdb_process *other = process->session->processes;

    if (!process->space->sites)
        return false;
    while (other && (other == process || other->space != process->space || !is_wanted(other)))
        other = other->next;
    return other != NULL;
}

static struct sdb_thread *find_stopped(struct sdb_process *process)
{
    struct sdb_thread *thread = process->threads;

    while (thread && (thread->state != SDB_THREAD_STOPPED || thread->displaced))
        thread = thread->next;
    return thread;
}

void sdb__breakpoint_lift_all(struct sdb_process *process)
{
    struct sdb__breakpoint_sites *sites = process->space->sites;
    struct sdb_thread *stopped = find_stopped(process);
    struct sdb__site *site = NULL;
    size_t at = 0;

    if (!sites)
        return;
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread->state == SDB_THREAD_STOPPED)
            sdb__trap_signal_settle(thread);
    }
    while ((site = sdb__site_next(sites, &at, site))) {
        sdb__site_lift(site, process->pid);
        site->enabled = 0;
        for (struct sdb__location *location = site->locations; location;
             location = location->next_at_site)
            location->enabled = false;
    }
    /* Those that stand still are in the program's own text; one that runs may be in a slot. */
    if (sites->scratch && stopped && process->running_count == 0)
        sdb__scratch_give_back(sites, stopped);
}

struct sdb__space *sdb__breakpoint_bequeath(const struct sdb_process *process)
{
    struct sdb__space *space = process->space->sites ? sdb__space_create() : NULL;

    if (space && sdb__sites_copy(space, process->space->sites) < 0) {
        sdb__breakpoint_disinherit(space);
        space = NULL;
    }
    return space;
}

void sdb__breakpoint_disinherit(struct sdb__space *space)
{
    if (!space)
        return;
    sdb__sites_free(space);
    sdb__space_close(space);
}

void sdb__breakpoint_leave_space(struct sdb_process *process)
{
    const struct sdb_process *other = process->session->processes;

    while (other && (other == process || other->space != process->space))
        other = other->next;
    if (!other)
        sdb__breakpoint_forget_space(process->space);
}

/* ---- those that are watched ---- */

static struct sdb_process *find_free(struct sdb_session *session)
{
    struct sdb_process *process = session->processes;

    while (process && (process->phase != SDB__PROCESS_WATCHED || process->ended ||
                       sdb__breakpoint_is_shared(process)))
        process = process->next;
    return process;
}

void sdb__breakpoint_review(struct sdb_session *session)
{
    struct sdb_process *process;

    while ((process = find_free(session))) {
        sdb__breakpoint_lift_all(process);
        sdb__session_begin_to_leave(process);
    }
}

bool sdb__breakpoint_take_watched_stop(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb_process *process = thread->process;

    if (stop->kind == SDB_EVENT_EXEC || !sdb__breakpoint_is_shared(process)) {
        sdb__breakpoint_lift_all(process);
        process->phase = SDB__PROCESS_LEAVING;
        return true;
    }
    thread->pause_wanted = false;
    if (process->pauses > 0)
        thread->paused = true;
    else
        (void)sdb__thread_go_on(thread, SDB_RESUME_CONTINUE);
    return false;
}
