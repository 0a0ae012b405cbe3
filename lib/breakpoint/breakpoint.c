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

#include "breakpoint/hardware.h"
#include "session/session.h"
#include "trap/single_step.h"

#define OPTIONS_SIZE_OF_VERSION_0_1 sizeof(struct sdb_breakpoint_options)
#define KNOWN_FLAGS                                                                                \
    (SDB_BREAKPOINT_HARDWARE | SDB_BREAKPOINT_ONE_SHOT | SDB_BREAKPOINT_DISABLED |                 \
     SDB_BREAKPOINT_PENDING)

/* ---- locations ---- */

int sdb__breakpoint_add_location(struct sdb_breakpoint *breakpoint, struct sdb__site *site)
{
    struct sdb__location **end = &site->locations;
    struct sdb__location *location;
    unsigned count = 1;
    int rc;

    for (; *end; end = &(*end)->next_at_site)
        count++;
    rc = sdb__breakpoint_reserve_hits(breakpoint->point.session, site->sites, count);
    if (rc < 0)
        return rc;
    location = calloc(1, sizeof(*location));
    if (!location)
        return -ENOMEM;
    *end = location;
    location->breakpoint = breakpoint;
    location->site = site;
    location->number = ++site->sites->locations_made;
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

/* @return what a handle of the caller's begins with, or NULL */
static struct sdb__stop_point *point_of(struct sdb_breakpoint *breakpoint)
{
    return breakpoint ? &breakpoint->point : NULL;
}

static struct sdb__stop_points *points_of(const struct sdb_session *session)
{
    struct sdb__breakpoint_session *state = session->slots[SDB__BREAKPOINT_SLOT];

    return &state->points;
}

/*
 * A process that has this memory: the oldest.  Newer ones were made by vfork(2), and may have executed a
 * program or ended, which is still to be seen.
 */
static struct sdb_process *holder_of(const struct sdb_session *session,
                                     const struct sdb__space *space)
{
    struct sdb_process *holder = NULL;

    for (struct sdb_process *process = session->held.processes; process; process = process->next) {
        if (process->space == space && !process->ended && !process->released)
            holder = process;
    }
    return holder;
}

static bool is_followed(const struct sdb__location *location)
{
    return location->breakpoint->point.flags & SDB_BREAKPOINT_PENDING;
}

void sdb__location_set_enabled(struct sdb__location *location, bool enabled)
{
    struct sdb__site *site = location->site;

    if (location->enabled == enabled)
        return;
    location->enabled = enabled;
    site->enabled += enabled ? 1U : -1U;
    if (!is_followed(location))
        return;
    site->followed += enabled ? 1U : -1U;
    site->sites->followed += enabled ? 1U : -1U;
}

/* One that is enabled already is planted anew, if the program has done away with it. */
static int enable_location(struct sdb__location *location, bool enable)
{
    struct sdb__site *site = location->site;
    struct sdb_process *holder = holder_of(location->breakpoint->point.session, site->sites->space);
    const bool was_enabled = location->enabled;
    int rc = 0;

    sdb__location_set_enabled(location, enable);
    if (holder && (enable || was_enabled))
        rc = sdb__site_update(site, holder);
    if (enable && is_followed(location) && (rc == -EFAULT || rc == -EACCES))
        return 0; /* it comes when something is mapped there */
    if (rc < 0)
        sdb__location_set_enabled(location, was_enabled);
    return rc;
}

static void disable_all(struct sdb_breakpoint *breakpoint)
{
    for (struct sdb__location *location = breakpoint->locations; location;
         location = location->next_of_breakpoint)
        (void)enable_location(location, false);
}

static int enable_all(struct sdb_breakpoint *breakpoint)
{
    int rc = 0;

    for (struct sdb__location *location = breakpoint->locations; location && rc == 0;
         location = location->next_of_breakpoint)
        rc = enable_location(location, true);
    return rc;
}

/* What was found to be mapped where it is may not be any more. */
static void look_anew(const struct sdb_breakpoint *breakpoint)
{
    for (const struct sdb__location *location = breakpoint->locations; location;
         location = location->next_of_breakpoint) {
        struct sdb__breakpoint_sites *sites = location->site->sites;
        const struct sdb_process *holder = holder_of(breakpoint->point.session, sites->space);

        if (holder)
            sdb__sites_look_anew(sites, holder);
    }
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
    const struct sdb__breakpoint_sites *sites = sdb__sites(space);
    const struct sdb__site *site = NULL;
    size_t at = 0;

    while (sites && (site = sdb__site_next(sites, &at, site))) {
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

static void end_breakpoint(struct sdb_breakpoint *breakpoint)
{
    breakpoint->point.enabled = false; /* first: others are stopped meanwhile, and tell no hit */
    drop_locations(breakpoint);
    sdb__hardware_end(breakpoint);
    sdb__breakpoint_untell(breakpoint);
    sdb__stop_point_end(&breakpoint->point, points_of(breakpoint->point.session));
}

void sdb__breakpoint_free_all(struct sdb_session *session)
{
    struct sdb__stop_points *points = points_of(session);

    while (points->first) /* what is freed was taken out: NOLINTNEXTLINE */
        end_breakpoint((struct sdb_breakpoint *)points->first);
}

static void disable(struct sdb_breakpoint *breakpoint)
{
    breakpoint->point.enabled =
        false; /* first: threads that are stopped for it tell no hit any more */
    disable_all(breakpoint);
    sdb__hardware_disable(breakpoint);
}

static int enable_software(struct sdb_breakpoint *breakpoint)
{
    int rc = enable_all(breakpoint);

    if (rc < 0 || !(breakpoint->point.flags & SDB_BREAKPOINT_PENDING))
        return rc;
    breakpoint->point.enabled = true; /* first: a thread that is stopped may have hit it */
    return sdb__mappings_follow(breakpoint->point.session);
}

static int enable(struct sdb_breakpoint *breakpoint)
{
    const bool was_enabled = breakpoint->point.enabled;
    int rc = 0;

    if (!(breakpoint->point.flags & SDB_BREAKPOINT_HARDWARE))
        rc = enable_software(breakpoint);
    else if (!was_enabled)
        rc = sdb__hardware_enable(breakpoint);
    if (rc == 0)
        breakpoint->point.enabled = true;
    else if (!was_enabled)
        disable(breakpoint);
    return rc;
}

static int locate_all(struct sdb_process *process, struct sdb_breakpoint *breakpoint,
                      const uint64_t *addresses, size_t count)
{
    struct sdb__breakpoint_sites *sites = sdb__sites_of(process->space);
    const bool is_pending = breakpoint->point.flags & SDB_BREAKPOINT_PENDING;

    if (!sites)
        return -ENOMEM;
    sdb__sites_look_anew(sites, process);
    for (size_t i = 0; i < count; i++) {
        const struct sdb__executable_range *range;
        struct sdb__site *site;
        int rc = sdb__sites_check(sites, process, addresses[i], &range);

        if (rc < 0 && !(is_pending && (rc == -EFAULT || rc == -EACCES)))
            return rc;
        site = sdb__site_get(sites, addresses[i]);
        if (!site || sdb__breakpoint_add_location(breakpoint, site) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* What it is as a stop point; what else is wrong with it is said, too. */
static int check_options(const struct sdb_process *process,
                         const struct sdb_breakpoint_options *options,
                         struct sdb__stop_point_options *point)
{
    *point = (struct sdb__stop_point_options){
        .flags = options->flags,
        .known_flags = KNOWN_FLAGS,
        .ignore_count = options->ignore_count,
        .only = options->thread,
    };
    if ((options->addresses != NULL) != (options->address_count > 0))
        return -EINVAL;
    return sdb__stop_point_check_options(process, point);
}

/* Find its places in the process. */
static int locate(struct sdb_process *process, struct sdb_breakpoint *breakpoint,
                  const struct sdb_breakpoint_options *options)
{
    const uint64_t *addresses = options->addresses ? options->addresses : &options->address;
    const size_t count = options->addresses ? options->address_count : 1;

    return options->flags & SDB_BREAKPOINT_HARDWARE
               ? sdb__hardware_begin(breakpoint, process, addresses, count)
               : locate_all(process, breakpoint, addresses, count);
}

int sdb_breakpoint_create(struct sdb_process *process, const struct sdb_breakpoint_options *options,
                          struct sdb_breakpoint **breakpoint)
{
    struct sdb_breakpoint_options ours = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb__stop_point_options point;
    struct sdb_breakpoint *created;
    int rc;

    rc = sdb__stop_point_import(process, &ours, sizeof(ours), OPTIONS_SIZE_OF_VERSION_0_1, options,
                                breakpoint);
    if (rc == 0)
        rc = check_options(process, &ours, &point);
    if (rc < 0)
        return rc;
    sdb__feature_use(process, SDB__BREAKPOINT_SLOT);
    sdb__single_step_use(process);
    if (!(ours.flags & SDB_BREAKPOINT_HARDWARE))
        rc = sdb__breakpoint_prepare(process);
    if (rc < 0)
        return rc;

    created = calloc(1, sizeof(*created));
    if (!created)
        return -ENOMEM;
    created->condition = ours.condition;
    created->condition_data = ours.condition_data;
    sdb__stop_point_begin(&created->point, process->session, points_of(process->session), &point);
    rc = locate(process, created, &ours);
    if (rc == 0 && !(ours.flags & SDB_BREAKPOINT_DISABLED))
        rc = enable(created);
    if (rc < 0) {
        end_breakpoint(created);
        /* The memory has gone, and another is there: an exec is still to be told. */
        return rc == -ESRCH && sdb__process_has_other_memory(process) ? -EAGAIN : rc;
    }
    *breakpoint = created;
    return 0;
}

int sdb_breakpoint_remove(struct sdb_breakpoint *breakpoint)
{
    int rc = breakpoint ? sdb__stop_point_check_caller(point_of(breakpoint)) : 0;

    if (breakpoint && rc == 0)
        end_breakpoint(breakpoint);
    return rc;
}

/* ---- state ---- */

int sdb_breakpoint_enable(struct sdb_breakpoint *breakpoint)
{
    int rc = sdb__stop_point_check_caller(point_of(breakpoint));

    if (rc < 0)
        return rc;
    look_anew(breakpoint);
    return enable(breakpoint);
}

int sdb_breakpoint_disable(struct sdb_breakpoint *breakpoint)
{
    int rc = sdb__stop_point_check_caller(point_of(breakpoint));

    if (rc == 0)
        disable(breakpoint);
    return rc;
}

/* What has become of one place of it. */
static enum sdb_breakpoint_state state_of(const struct sdb__location *location)
{
    struct sdb__breakpoint_sites *sites = location->site->sites;
    const uint64_t address = location->site->address;
    const struct sdb__executable_range *range;
    struct sdb_process *holder = holder_of(location->breakpoint->point.session, sites->space);
    int rc = holder ? sdb__space_look(sites->space, holder->pid, address) : -ESRCH;

    if (rc == 1)
        return SDB_BREAKPOINT_STATE_PLANTED;
    if (rc < 0 || !is_followed(location))
        return SDB_BREAKPOINT_STATE_LOST;
    rc = sdb__sites_check(sites, holder, address, &range);
    return rc == -EFAULT || rc == -EACCES ? SDB_BREAKPOINT_STATE_PENDING
                                          : SDB_BREAKPOINT_STATE_LOST;
}

int sdb_breakpoint_state(const struct sdb_breakpoint *breakpoint)
{
    enum sdb_breakpoint_state state = SDB_BREAKPOINT_STATE_DISABLED;
    int rc = breakpoint ? sdb__stop_point_check_caller(&breakpoint->point) : -EINVAL;

    if (rc < 0 || !breakpoint)
        return rc;
    if (!breakpoint->point.enabled)
        return SDB_BREAKPOINT_STATE_DISABLED;
    if (breakpoint->places)
        return SDB_BREAKPOINT_STATE_PLANTED;
    look_anew(breakpoint);
    for (const struct sdb__location *location = breakpoint->locations; location;
         location = location->next_of_breakpoint) {
        const enum sdb_breakpoint_state here =
            location->enabled ? state_of(location) : SDB_BREAKPOINT_STATE_DISABLED;

        state = here > state ? here : state;
    }
    /* It has no place left: its process is gone, or has executed another program. */
    return (int)(state == SDB_BREAKPOINT_STATE_DISABLED ? SDB_BREAKPOINT_STATE_LOST : state);
}

int sdb_breakpoint_is_enabled(const struct sdb_breakpoint *breakpoint)
{
    return sdb__stop_point_is_enabled(breakpoint ? &breakpoint->point : NULL);
}

int sdb_breakpoint_set_ignore_count(struct sdb_breakpoint *breakpoint, uint64_t count)
{
    return sdb__stop_point_set_ignore_count(point_of(breakpoint), count);
}

uint64_t sdb_breakpoint_hit_count(const struct sdb_breakpoint *breakpoint)
{
    return sdb__stop_point_hit_count(breakpoint ? &breakpoint->point : NULL);
}

void sdb_breakpoint_set_data(struct sdb_breakpoint *breakpoint, void *data)
{
    sdb__stop_point_set_data(point_of(breakpoint), data);
}

void *sdb_breakpoint_data(const struct sdb_breakpoint *breakpoint)
{
    return sdb__stop_point_data(breakpoint ? &breakpoint->point : NULL);
}
