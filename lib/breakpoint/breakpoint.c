/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints: the handles.
 *
 * A breakpoint has a location in each address space where it is: those of its process, and of the
 * processes born of it.
 */
#include "breakpoint/breakpoint.h"

#include <errno.h>
#include <stdlib.h>

#include <sdb/error.h>

#include "base/versioned.h"
#include "breakpoint/hardware.h"
#include "held/process.h"
#include "session/session.h"

#define OPTIONS_SIZE_OF_VERSION_0_1 sizeof(struct sdb_breakpoint_options)
#define KNOWN_FLAGS                 (SDB_BREAKPOINT_HARDWARE | SDB_BREAKPOINT_ONE_SHOT | SDB_BREAKPOINT_DISABLED)

/* ---- locations ---- */

int sdb__breakpoint_add_location(struct sdb_breakpoint *breakpoint, struct sdb__site *site)
{
    struct sdb__location *location = calloc(1, sizeof(*location));
    struct sdb__location **end = &site->locations;

    if (!location)
        return -ENOMEM;
    while (*end)
        end = &(*end)->next_at_site;
    *end = location;
    location->breakpoint = breakpoint;
    location->site = site;
    location->next_of_breakpoint = breakpoint->locations;
    breakpoint->locations = location;
    return 0;
}

static void take_from_site(struct sdb__location *location)
{
    struct sdb__location **at = &location->site->locations;

    while (*at != location)
        at = &(*at)->next_at_site;
    *at = location->next_at_site;
}

static struct sdb_process *holder_of(struct sdb_session *session, const struct sdb__space *space)
{
    struct sdb_process *process = session->processes;

    while (process && (process->space != space || process->ended || process->released))
        process = process->next;
    return process;
}

static int enable_location(struct sdb__location *location, bool enable)
{
    struct sdb__site *site = location->site;
    const struct sdb_process *holder = holder_of(location->breakpoint->session, site->sites->space);
    int rc = 0;

    if (location->enabled == enable)
        return 0;
    if (enable)
        site->enabled++;
    else
        site->enabled--;
    if (holder)
        rc = sdb__site_update(site, holder->pid);
    if (rc < 0 && enable)
        site->enabled--;
    else
        location->enabled = enable;
    return rc;
}

static int enable_all(struct sdb_breakpoint *breakpoint, bool enable)
{
    int rc = 0;

    for (struct sdb__location *location = breakpoint->locations; location && rc == 0;
         location = location->next_of_breakpoint)
        rc = enable_location(location, enable);
    return enable ? rc : 0;
}

static void drop_locations(struct sdb_breakpoint *breakpoint)
{
    while (breakpoint->locations) {
        struct sdb__location *location = breakpoint->locations;

        (void)enable_location(location, false);
        breakpoint->locations = location->next_of_breakpoint;
        take_from_site(location);
        free(location);
    }
}

void sdb__breakpoint_forget_space(struct sdb__space *space)
{
    const struct sdb__site *site = NULL;
    size_t at = 0;

    while (space->sites && (site = sdb__site_next(space->sites, &at, site))) {
        struct sdb__location *next;

        for (struct sdb__location *location = site->locations; location; location = next) {
            struct sdb__location **from = &location->breakpoint->locations;

            next = location->next_at_site;
            while (*from != location)
                from = &(*from)->next_of_breakpoint;
            *from = location->next_of_breakpoint;
            free(location);
        }
    }
    sdb__sites_free(space);
}

/* ---- beginning and end ---- */

void sdb__breakpoint_close(struct sdb_breakpoint *breakpoint)
{
    if (--breakpoint->references > 0)
        return;
    sdb_thread_close(breakpoint->thread);
    free(breakpoint);
}

static void take_from_session(struct sdb_breakpoint *breakpoint)
{
    if (breakpoint->previous)
        breakpoint->previous->next = breakpoint->next;
    else
        breakpoint->session->breakpoints = breakpoint->next;
    if (breakpoint->next)
        breakpoint->next->previous = breakpoint->previous;
}

static void take_from_thread(const struct sdb_breakpoint *breakpoint, struct sdb_thread *thread)
{
    unsigned left = 0;

    for (unsigned i = 0; i < thread->hit_count; i++) {
        if (thread->hits[i] != breakpoint)
            thread->hits[left++] = thread->hits[i];
    }
    thread->hit_count = left;
}

static struct sdb_thread *find_hit(const struct sdb_breakpoint *breakpoint)
{
    for (struct sdb_process *process = breakpoint->session->processes; process;
         process = process->next) {
        for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
            for (unsigned i = 0; i < thread->hit_count; i++) {
                if (thread->hits[i] == breakpoint)
                    return thread;
            }
        }
    }
    return NULL;
}

/*
 * No thread shall tell of it any more.  One that has nothing else to tell goes on; but it stays where
 * the whole process was stopped.  Whoever goes on may have others stop, and end: so look anew.
 */
static void take_from_hits(struct sdb_breakpoint *breakpoint)
{
    struct sdb_thread *thread;

    while (breakpoint->listed && (thread = find_hit(breakpoint))) {
        take_from_thread(breakpoint, thread);
        if (thread->hit_count > 0 || !thread->queued || thread->ended ||
            thread->stop != SDB_EVENT_BREAKPOINT)
            continue;
        sdb__session_unqueue_thread(thread);
        if (!thread->process->gathered)
            sdb__session_go_on(thread);
    }
}

static void end_breakpoint(struct sdb_breakpoint *breakpoint)
{
    breakpoint->removed = true;
    drop_locations(breakpoint);
    sdb__hardware_end(breakpoint);
    take_from_session(breakpoint);
    take_from_hits(breakpoint);
    sdb__breakpoint_close(breakpoint);
}

void sdb__breakpoint_free_all(struct sdb_session *session)
{
    while (session->breakpoints) /* what is freed was taken out: NOLINTNEXTLINE */
        end_breakpoint(session->breakpoints);
}

static int locate_all(struct sdb_process *process, struct sdb_breakpoint *breakpoint,
                      const uint64_t *addresses, size_t count)
{
    struct sdb__breakpoint_sites *sites = sdb__sites_of(process->space);

    if (!sites)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct sdb__site *site;
        int rc = sdb__sites_check(sites, process->pid, addresses[i]);

        if (rc < 0)
            return rc;
        site = sdb__site_get(sites, addresses[i]);
        if (!site || sdb__breakpoint_add_location(breakpoint, site) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int check_options(const struct sdb_process *process,
                         const struct sdb_breakpoint_options *options)
{
    if ((options->flags & ~KNOWN_FLAGS) || (options->addresses && options->address_count == 0) ||
        (!options->addresses && options->address_count > 0) ||
        (options->thread && options->thread->process != process) ||
        !(process->policies.follow & SDB_FOLLOW_CLONE))
        return -EINVAL;
    return options->thread && sdb_thread_state(options->thread) == SDB_THREAD_GONE ? -ESRCH : 0;
}

static struct sdb_breakpoint *allocate(struct sdb_session *session,
                                       const struct sdb_breakpoint_options *options)
{
    struct sdb_breakpoint *created = calloc(1, sizeof(*created));

    if (!created)
        return NULL;
    created->references = 1;
    created->session = session;
    created->flags = options->flags;
    created->condition = options->condition;
    created->condition_data = options->condition_data;
    created->ignore_count = options->ignore_count;
    created->thread = sdb_thread_retain(options->thread);
    created->next = session->breakpoints;
    if (created->next)
        created->next->previous = created;
    session->breakpoints = created;
    return created;
}

int sdb_breakpoint_create(struct sdb_process *process, const struct sdb_breakpoint_options *options,
                          struct sdb_breakpoint **breakpoint)
{
    struct sdb_breakpoint_options ours = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *created;
    const uint64_t *addresses;
    size_t count;
    int rc;

    if (!process || !options || !breakpoint)
        return -EINVAL;
    if (!sdb__process_is_ours(process))
        return -SDB_EWRONGTHREAD;
    rc = sdb__struct_import(&ours, sizeof(ours), OPTIONS_SIZE_OF_VERSION_0_1, options);
    if (rc < 0)
        return rc;
    if (sdb__process_is_gone(process))
        return -ESRCH;
    rc = check_options(process, &ours);
    if (rc == 0 && !(ours.flags & SDB_BREAKPOINT_HARDWARE))
        rc = sdb__breakpoint_prepare(process);
    if (rc < 0)
        return rc;

    addresses = ours.addresses ? ours.addresses : &ours.address;
    count = ours.addresses ? ours.address_count : 1;
    created = allocate(process->session, &ours);
    if (!created)
        return -ENOMEM;
    if (ours.flags & SDB_BREAKPOINT_HARDWARE)
        rc = sdb__hardware_begin(created, process, addresses, count);
    else
        rc = locate_all(process, created, addresses, count);
    if (rc == 0 && !(ours.flags & SDB_BREAKPOINT_DISABLED))
        rc = sdb_breakpoint_enable(created);
    if (rc < 0) {
        end_breakpoint(created);
        /* The memory has gone, and the process has not: an exec is still to be told. */
        return rc == -ESRCH && !sdb__process_is_gone(process) ? -EAGAIN : rc;
    }
    *breakpoint = created;
    return 0;
}

int sdb_breakpoint_remove(struct sdb_breakpoint *breakpoint)
{
    if (!breakpoint)
        return 0;
    if (!sdb__session_is_ours(breakpoint->session))
        return -SDB_EWRONGTHREAD;
    end_breakpoint(breakpoint);
    return 0;
}

/* ---- state ---- */

static int check_caller(const struct sdb_breakpoint *breakpoint)
{
    if (!breakpoint)
        return -EINVAL;
    return sdb__session_is_ours(breakpoint->session) ? 0 : -SDB_EWRONGTHREAD;
}

int sdb_breakpoint_enable(struct sdb_breakpoint *breakpoint)
{
    int rc = check_caller(breakpoint);

    if (rc < 0 || breakpoint->enabled)
        return rc;
    rc = breakpoint->flags & SDB_BREAKPOINT_HARDWARE ? sdb__hardware_enable(breakpoint)
                                                     : enable_all(breakpoint, true);
    if (rc < 0)
        (void)enable_all(breakpoint, false);
    else
        breakpoint->enabled = true;
    return rc;
}

int sdb_breakpoint_disable(struct sdb_breakpoint *breakpoint)
{
    int rc = check_caller(breakpoint);

    if (rc < 0)
        return rc;
    breakpoint->enabled = false; /* first: threads that are stopped for it tell no hit any more */
    (void)enable_all(breakpoint, false);
    sdb__hardware_disable(breakpoint);
    return 0;
}

int sdb_breakpoint_is_enabled(const struct sdb_breakpoint *breakpoint)
{
    return breakpoint ? breakpoint->enabled : -EINVAL;
}

int sdb_breakpoint_set_ignore_count(struct sdb_breakpoint *breakpoint, uint64_t count)
{
    int rc = check_caller(breakpoint);

    if (rc == 0)
        breakpoint->ignore_count = count;
    return rc;
}

uint64_t sdb_breakpoint_hit_count(const struct sdb_breakpoint *breakpoint)
{
    return breakpoint ? breakpoint->hit_count : 0;
}

struct sdb_breakpoint *sdb_thread_next_breakpoint(const struct sdb_thread *thread,
                                                  const struct sdb_breakpoint *after)
{
    unsigned i = 0;

    if (!thread)
        return NULL;
    while (after && i < thread->hit_count && thread->hits[i] != after)
        i++;
    i += after != NULL;
    return i < thread->hit_count ? thread->hits[i] : NULL;
}

void sdb_breakpoint_set_data(struct sdb_breakpoint *breakpoint, void *data)
{
    if (breakpoint)
        breakpoint->data = data;
}

void *sdb_breakpoint_data(const struct sdb_breakpoint *breakpoint)
{
    return breakpoint ? breakpoint->data : NULL;
}
