/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints: what they are, and what is asked of them.  What becomes of a stop is in hit.c.
 */
#include "watchpoint/watchpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "held/address_space.h"
#include "session/session.h"
#include "trap/debug_registers.h"
#include "watchpoint/site.h"

#define OPTIONS_SIZE_OF_VERSION_0_1 sizeof(struct sdb_watchpoint_options)

#define KNOWN_FLAGS                                                                                \
    (SDB_WATCHPOINT_ONE_SHOT | SDB_WATCHPOINT_DISABLED | SDB_WATCHPOINT_ONLY_CHANGES)

/* @return what a handle of the caller's begins with, or NULL */
static struct sdb__stop_point *point_of(struct sdb_watchpoint *watchpoint)
{
    return watchpoint ? &watchpoint->point : NULL;
}

static struct sdb__stop_points *points_of(const struct sdb_session *session)
{
    return session->slots[SDB__WATCHPOINT_SLOT];
}

/* ---- sites ---- */

struct sdb__watch_site *sdb__watch_site_find(const struct sdb_process *process,
                                             const struct sdb_watchpoint *watchpoint)
{
    struct sdb__watch_site *site = sdb__watch_process(process)->sites;

    while (site && site->watchpoint != watchpoint)
        site = site->next;
    return site;
}

/* @return a site at the end of the process's list, or NULL */
static struct sdb__watch_site *add_site(struct sdb_process *process,
                                        struct sdb_watchpoint *watchpoint)
{
    struct sdb__watch_site **at = &sdb__watch_process(process)->sites;
    struct sdb__watch_site *site = calloc(1, sizeof(*site));

    if (!site)
        return NULL;
    while (*at)
        at = &(*at)->next;
    site->watchpoint = watchpoint;
    *at = site;
    return site;
}

static void remove_site(struct sdb_process *process, struct sdb__watch_site *site)
{
    struct sdb__watch_site **at = &sdb__watch_process(process)->sites;

    while (*at != site)
        at = &(*at)->next;
    *at = site->next;
    free(site);
}

int sdb__watch_site_read(struct sdb_process *process, const struct sdb_watchpoint *watchpoint,
                         void *value)
{
    ssize_t count = sdb__space_read(process->space, process->pid, watchpoint->address, value,
                                    watchpoint->length);

    if (count < 0)
        return (int)count;
    return (size_t)count == watchpoint->length ? 0 : -EFAULT;
}

/* Note what is there while nothing writes, and begin to watch. */
static int switch_on(struct sdb_process *process, struct sdb__watch_site *site)
{
    const struct sdb_watchpoint *watchpoint = site->watchpoint;
    int rc = sdb__session_pause(process);

    if (rc < 0)
        return rc;
    /* An exec that was seen meanwhile has done away with it. */
    if (sdb__watch_site_find(process, watchpoint) != site) {
        sdb__session_unpause(process);
        return 0;
    }
    rc = sdb__watch_site_read(process, watchpoint, site->value);
    if (rc == 0)
        rc = sdb__debug_acquire(process, watchpoint->address, watchpoint->length,
                                watchpoint->watch == SDB_WATCH_WRITE ? SDB__DEBUG_WRITE
                                                                     : SDB__DEBUG_ACCESS,
                                site, watchpoint->point.only);
    sdb__session_unpause(process);
    return rc;
}

/* ---- creating ---- */

/* What it is as a stop point; what else is wrong with it is said, too. */
static int check_options(const struct sdb_process *process,
                         const struct sdb_watchpoint_options *options,
                         struct sdb__stop_point_options *point)
{
    int rc;

    *point = (struct sdb__stop_point_options){
        .flags = options->flags,
        .known_flags = KNOWN_FLAGS,
        .ignore_count = options->ignore_count,
        .only = options->thread,
    };
    if (options->length == 0 ||
        (options->watch != SDB_WATCH_WRITE && options->watch != SDB_WATCH_ACCESS))
        return -EINVAL;
    rc = sdb__stop_point_check_options(process, point);
    return rc == 0 && options->length > SDB_WATCHPOINT_MOST_BYTES ? -ENOSPC : rc;
}

static int begin(struct sdb_process *process, struct sdb_watchpoint *watchpoint)
{
    struct sdb__watch_site *site = add_site(process, watchpoint);
    int rc;

    if (!site)
        return -ENOMEM;
    watchpoint->point.enabled = !(watchpoint->point.flags & SDB_WATCHPOINT_DISABLED);
    rc = watchpoint->point.enabled ? switch_on(process, site)
                                   : sdb__watch_site_read(process, watchpoint, site->value);
    if (rc < 0 && sdb__watch_site_find(process, watchpoint))
        remove_site(process, site);
    return rc;
}

int sdb_watchpoint_create(struct sdb_process *process, const struct sdb_watchpoint_options *options,
                          struct sdb_watchpoint **watchpoint)
{
    struct sdb__stop_point_options point;
    struct sdb_watchpoint_options ours;
    struct sdb_watchpoint *created;
    int rc;

    rc = sdb__stop_point_import(process, &ours, sizeof(ours), OPTIONS_SIZE_OF_VERSION_0_1, options,
                                watchpoint);
    if (rc == 0)
        rc = check_options(process, &ours, &point);
    if (rc < 0)
        return rc;
    created = calloc(1, sizeof(*created));
    if (!created)
        return -ENOMEM;
    created->address = ours.address;
    created->length = (size_t)ours.length;
    created->watch = (enum sdb_watch)ours.watch;
    created->condition = ours.condition;
    created->condition_data = ours.condition_data;
    sdb__feature_use(process, SDB__WATCHPOINT_SLOT);
    sdb__stop_point_begin(&created->point, process->session, points_of(process->session), &point);
    rc = begin(process, created);
    if (rc < 0) {
        sdb__stop_point_end(&created->point, points_of(process->session));
        return rc;
    }
    *watchpoint = created;
    return 0;
}

/* ---- enabling, disabling, removing ---- */

/* Processes that are held stay in the session's list while threads are stopped for a moment. */
static void switch_off_all(struct sdb_watchpoint *watchpoint, bool at_once)
{
    struct sdb_process *process = watchpoint->point.session->held.processes;

    for (; process; process = process->next) {
        struct sdb__watch_site *site = sdb__watch_site_find(process, watchpoint);

        if (site && at_once && !sdb__process_is_gone(process))
            sdb__debug_release(process, site);
        else if (site)
            sdb__debug_drop(process, site);
    }
}

void sdb__watchpoint_disable_soon(struct sdb_watchpoint *watchpoint)
{
    watchpoint->point.enabled = false;
    switch_off_all(watchpoint, false);
}

int sdb_watchpoint_remove(struct sdb_watchpoint *watchpoint)
{
    struct sdb_process *process;
    int rc;

    if (!watchpoint)
        return 0;
    rc = sdb__stop_point_check_caller(point_of(watchpoint));
    if (rc < 0)
        return rc;
    watchpoint->point.enabled = false;
    switch_off_all(watchpoint, true);
    for (process = watchpoint->point.session->held.processes; process; process = process->next) {
        struct sdb__watch_site *site = sdb__watch_site_find(process, watchpoint);

        sdb__watchpoint_forget_hits(process, watchpoint);
        if (site)
            remove_site(process, site);
    }
    sdb__stop_point_end(&watchpoint->point, points_of(watchpoint->point.session));
    return 0;
}

int sdb_watchpoint_enable(struct sdb_watchpoint *watchpoint)
{
    int rc = sdb__stop_point_check_caller(point_of(watchpoint));
    struct sdb_process *process;

    if (rc < 0 || watchpoint->point.enabled)
        return rc;
    watchpoint->point.enabled = true;
    for (process = watchpoint->point.session->held.processes; process; process = process->next) {
        struct sdb__watch_site *site = sdb__watch_site_find(process, watchpoint);

        rc = site && !sdb__process_is_gone(process) ? switch_on(process, site) : 0;
        if (rc == 0 || rc == -ESRCH)
            continue; /* one that has just ended needs none */
        watchpoint->point.enabled = false;
        switch_off_all(watchpoint, true);
        return rc;
    }
    return 0;
}

int sdb_watchpoint_disable(struct sdb_watchpoint *watchpoint)
{
    int rc = sdb__stop_point_check_caller(point_of(watchpoint));

    if (rc < 0 || !watchpoint->point.enabled)
        return rc;
    watchpoint->point.enabled = false;
    switch_off_all(watchpoint, true);
    return 0;
}

/* ---- what is asked of them ---- */

int sdb_watchpoint_is_enabled(const struct sdb_watchpoint *watchpoint)
{
    return sdb__stop_point_is_enabled(watchpoint ? &watchpoint->point : NULL);
}

int sdb_watchpoint_set_ignore_count(struct sdb_watchpoint *watchpoint, uint64_t count)
{
    return sdb__stop_point_set_ignore_count(point_of(watchpoint), count);
}

uint64_t sdb_watchpoint_hit_count(const struct sdb_watchpoint *watchpoint)
{
    return sdb__stop_point_hit_count(watchpoint ? &watchpoint->point : NULL);
}

void sdb_watchpoint_set_data(struct sdb_watchpoint *watchpoint, void *data)
{
    sdb__stop_point_set_data(point_of(watchpoint), data);
}

void *sdb_watchpoint_data(const struct sdb_watchpoint *watchpoint)
{
    return sdb__stop_point_data(watchpoint ? &watchpoint->point : NULL);
}

/* ---- moments ---- */

int sdb__watchpoint_inherit(struct sdb_process *newborn, const struct sdb_process *from,
                            const struct sdb_thread *parent)
{
    (void)parent;
    if (newborn->phase != SDB__PROCESS_HELD)
        return 0;
    for (const struct sdb__watch_site *each = sdb__watch_process(from)->sites; each;
         each = each->next) {
        struct sdb__watch_site *site;

        if (each->watchpoint->point.only)
            continue;
        site = add_site(newborn, each->watchpoint);
        if (!site)
            return -ENOMEM;
        memcpy(site->value, each->value, sizeof(site->value));
        sdb__debug_inherit(newborn, site, from, each);
    }
    return 0;
}

void sdb__watchpoint_forget(struct sdb_process *process)
{
    while (sdb__watch_process(process)->sites)
        remove_site(process, sdb__watch_process(process)->sites);
}

void sdb__watchpoint_free_all(struct sdb_session *session)
{
    struct sdb__stop_points *points = points_of(session);

    while (points->first) /* what is freed was taken out: NOLINTNEXTLINE */
        sdb__stop_point_end(points->first, points);
}
