/* SPDX-License-Identifier: MIT */
/*
 * What must always hold of the sites of a process between two stops: who wants a byte, and where one
 * stands.
 */
#include "breakpoint/breakpoint.h"

#ifndef NDEBUG

#include <assert.h>

#include "held/process.h"

void sdb__breakpoint_check(const struct sdb_process *process)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(process->space);
    const struct sdb__site *site = NULL;
    unsigned followed_in_all = 0;
    size_t at = 0;

    while (sites && (site = sdb__site_next(sites, &at, site))) {
        unsigned enabled = 0;

        for (const struct sdb__location *location = site->locations; location;
             location = location->next_at_site) {
            assert(location->site == site);
            enabled += location->enabled;
        }
        assert(enabled == site->enabled && site->followed <= enabled);
        followed_in_all += site->followed;
        /* What stands there was planted, and what nobody wants stands there for a reason. */
        assert(site->out || !sdb__site_stands(site));
        assert(!site->out || site->enabled > 0 || site->is_shared || sites->undone);
        assert(!site->aside || sites->undone);
    }
    assert(!sites || followed_in_all == sites->followed);
    assert(!sites || sites->followed == 0 || sdb__breakpoint_process(process)->calls_seen);
}

#else

void sdb__breakpoint_check(const struct sdb_process *process)
{
    (void)process;
}

#endif
