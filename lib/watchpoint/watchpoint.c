/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints: what they are, and what is asked of them.  What becomes of a stop is in watchpoint_hit.c.
 */
#include "watchpoint/watchpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sdb/error.h>

#include "base/versioned.h"
#include "held/process.h"
#include "session/session.h"
#include "watchpoint/site.h"

#define OPTIONS_SIZE_OF_VERSION_0_1 sizeof(struct sdb_watchpoint_options)

#define KNOWN_FLAGS                                                                                \
    (SDB_WATCHPOINT_ONE_SHOT | SDB_WATCHPOINT_DISABLED | SDB_WATCHPOINT_ONLY_CHANGES)

/* ---- sites ---- */

struct sdb__watch_site *sdb__watch_site_find(const struct sdb_process *process,
                                             const struct sdb_watchpoint *watchpoint)
{
    struct sdb__watch_site *site = process->watch_sites;

    while (site && site->watchpoint != watchpoint)
        site = site->next;
    return site;
}

/* @return a site at the end of the process's list, or NULL */
static struct sdb__watch_site *add_site(struct sdb_process *process,
                                        struct sdb_watchpoint *watchpoint)
{
    struct sdb__watch_site **at = &process->watch_sites;
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
    struct sdb__watch_site **at = &process->watch_sites;

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
                                site, watchpoint->only);
    sdb__session_unpause(process);
    return rc;
}

/* ---- their life ---- */

void sdb__watchpoint_drop(struct sdb_watchpoint *watchpoint)
{
    if (--watchpoint->references > 0)
        return;
    sdb_thread_close(watchpoint->only);
    free(watchpoint);
}

static struct sdb_watchpoint *allocate(struct sdb_session *session,
                                       const struct sdb_watchpoint_options *options)
{
    struct sdb_watchpoint *watchpoint = calloc(1, sizeof(*watchpoint));

    if (!watchpoint)
        return NULL;
    watchpoint->references = 1;
    watchpoint->session = session;
    watchpoint->flags = options->flags;
    watchpoint->address = options->address;
    watchpoint->length = (size_t)options->length;
    watchpoint->watch = (enum sdb_watch)options->watch;
    watchpoint->condition = options->condition;
    watchpoint->condition_data = options->condition_data;
    watchpoint->ignore_count = options->ignore_count;
    watchpoint->only = sdb_thread_retain(options->thread);
    watchpoint->next = session->watchpoints;
    if (watchpoint->next)
        watchpoint->next->previous = watchpoint;
    session->watchpoints = watchpoint;
    return watchpoint;
}

static void take_out(struct sdb_watchpoint *watchpoint)
{
    if (watchpoint->previous)
        watchpoint->previous->next = watchpoint->next;
    else
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it has a session until here */
        watchpoint->session->watchpoints = watchpoint->next;
    if (watchpoint->next)
        watchpoint->next->previous = watchpoint->previous;
    watchpoint->session = NULL;
    sdb__watchpoint_drop(watchpoint);
}

void sdb__watchpoint_free_all(struct sdb_session *session)
{
    while (session->watchpoints) /* what is freed was taken out: NOLINTNEXTLINE */
        take_out(session->watchpoints);
}

void sdb__watchpoint_forget(struct sdb_process *process)
{
    while (process->watch_sites)
        remove_site(process, process->watch_sites);
}

void sdb__watchpoint_inherit(struct sdb_process *child, const struct sdb_process *parent)
{
    for (const struct sdb__watch_site *from = parent->watch_sites; from; from = from->next) {
        struct sdb__watch_site *site;

        if (from->watchpoint->only)
            continue;
        site = add_site(child, from->watchpoint);
        if (!site)
            return;
        memcpy(site->value, from->value, sizeof(site->value));
        sdb__debug_inherit(child, site, parent, from);
    }
}

/* ---- creating ---- */

static int check_options(const struct sdb_process *process,
                         const struct sdb_watchpoint_options *options)
{
    if ((options->flags & ~KNOWN_FLAGS) || options->length == 0 ||
        (options->watch != SDB_WATCH_WRITE && options->watch != SDB_WATCH_ACCESS) ||
        (options->thread && options->thread->process != process) ||
        !(process->policies.follow & SDB_FOLLOW_CLONE))
        return -EINVAL;
    if (options->thread && sdb_thread_state(options->thread) == SDB_THREAD_GONE)
        return -ESRCH;
    return options->length > SDB_WATCHPOINT_MOST_BYTES ? -ENOSPC : 0;
}

static int begin(struct sdb_process *process, struct sdb_watchpoint *watchpoint)
{
    struct sdb__watch_site *site = add_site(process, watchpoint);
    int rc;

    if (!site)
        return -ENOMEM;
    watchpoint->enabled = !(watchpoint->flags & SDB_WATCHPOINT_DISABLED);
    rc = watchpoint->enabled ? switch_on(process, site)
                             : sdb__watch_site_read(process, watchpoint, site->value);
    if (rc < 0 && sdb__watch_site_find(process, watchpoint))
        remove_site(process, site);
    return rc;
}

int sdb_watchpoint_create(struct sdb_process *process, const struct sdb_watchpoint_options *options,
                          struct sdb_watchpoint **watchpoint)
{
    struct sdb_watchpoint_options ours;
    struct sdb_watchpoint *created;
    int rc;

    if (!process || !options || !watchpoint)
        return -EINVAL;
    if (!sdb__process_is_ours(process))
        return -SDB_EWRONGTHREAD;
    rc = sdb__struct_import(&ours, sizeof(ours), OPTIONS_SIZE_OF_VERSION_0_1, options);
    if (rc < 0)
        return rc;
    if (sdb__process_is_gone(process))
        return -ESRCH;
    rc = check_options(process, &ours);
    if (rc < 0)
        return rc;
    created = allocate(process->session, &ours);
    if (!created)
        return -ENOMEM;
    rc = begin(process, created);
    if (rc < 0) {
        take_out(created);
        return rc;
    }
    *watchpoint = created;
    return 0;
}

/* ---- enabling, disabling, removing ---- */

static bool is_ours(const struct sdb_watchpoint *watchpoint)
{
    return watchpoint->session && sdb__session_is_ours(watchpoint->session);
}

/* Processes that are held stay in the session's list while threads are stopped for a moment. */
static void switch_off_all(struct sdb_watchpoint *watchpoint, bool at_once)
{
    struct sdb_process *process = watchpoint->session->processes;

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
    watchpoint->enabled = false;
    switch_off_all(watchpoint, false);
}

int sdb_watchpoint_remove(struct sdb_watchpoint *watchpoint)
{
    struct sdb_process *process;

    if (!watchpoint)
        return 0;
    if (!is_ours(watchpoint))
        return -SDB_EWRONGTHREAD;
    watchpoint->enabled = false;
    switch_off_all(watchpoint, true);
    for (process = watchpoint->session->processes; process; process = process->next) {
        struct sdb__watch_site *site = sdb__watch_site_find(process, watchpoint);

        sdb__watchpoint_forget_hits(process, watchpoint);
        if (site)
            remove_site(process, site);
    }
    take_out(watchpoint);
    return 0;
}

int sdb_watchpoint_enable(struct sdb_watchpoint *watchpoint)
{
    struct sdb_process *process;

    if (!watchpoint)
        return -EINVAL;
    if (!is_ours(watchpoint))
        return -SDB_EWRONGTHREAD;
    if (watchpoint->enabled)
        return 0;
    watchpoint->enabled = true;
    for (process = watchpoint->session->processes; process; process = process->next) {
        struct sdb__watch_site *site = sdb__watch_site_find(process, watchpoint);
        int rc = site && !sdb__process_is_gone(process) ? switch_on(process, site) : 0;

        if (rc == 0 || rc == -ESRCH)
            continue; /* one that has just ended needs none */
        watchpoint->enabled = false;
        switch_off_all(watchpoint, true);
        return rc;
    }
    return 0;
}

int sdb_watchpoint_disable(struct sdb_watchpoint *watchpoint)
{
    if (!watchpoint)
        return -EINVAL;
    if (!is_ours(watchpoint))
        return -SDB_EWRONGTHREAD;
    if (!watchpoint->enabled)
        return 0;
    watchpoint->enabled = false;
    switch_off_all(watchpoint, true);
    return 0;
}

/* ---- what is asked of them ---- */

int sdb_watchpoint_is_enabled(const struct sdb_watchpoint *watchpoint)
{
    return watchpoint ? watchpoint->enabled : -EINVAL;
}

int sdb_watchpoint_set_ignore_count(struct sdb_watchpoint *watchpoint, uint64_t count)
{
    if (!watchpoint)
        return -EINVAL;
    if (!is_ours(watchpoint))
        return -SDB_EWRONGTHREAD;
    watchpoint->ignore_count = count;
    return 0;
}

uint64_t sdb_watchpoint_hit_count(const struct sdb_watchpoint *watchpoint)
{
    return watchpoint ? watchpoint->hit_count : 0;
}

void sdb_watchpoint_set_data(struct sdb_watchpoint *watchpoint, void *data)
{
    if (watchpoint)
        watchpoint->data = data;
}

void *sdb_watchpoint_data(const struct sdb_watchpoint *watchpoint)
{
    return watchpoint ? watchpoint->data : NULL;
}
