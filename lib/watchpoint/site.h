/* SPDX-License-Identifier: MIT */
/*
 * What the two units of watchpoints, watchpoint.c and hit.c, have in common.
 */
#ifndef SDB_LIB_WATCHPOINT_SITE_H
#define SDB_LIB_WATCHPOINT_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdb/watchpoint.h>

#include "trap/stop_point.h"

struct sdb_process;

struct sdb_watchpoint {
    struct sdb__stop_point point;
    uint64_t address;
    size_t length;
    enum sdb_watch watch;
    sdb_watchpoint_condition *condition;
    void *condition_data;
};

/* A watchpoint in one of the processes that have it. */
struct sdb__watch_site {
    struct sdb__watch_site *next; /* in the process's list */
    struct sdb_watchpoint *watchpoint;
    uint8_t value[SDB_WATCHPOINT_MOST_BYTES]; /* what was there when it was last looked at */
};

/** @return the site of a watchpoint in a process, or NULL */
struct sdb__watch_site *sdb__watch_site_find(const struct sdb_process *process,
                                             const struct sdb_watchpoint *watchpoint);

/** Read what is there.  @return 0 or as sdb__space_read(), -EFAULT also if it is not all mapped */
int sdb__watch_site_read(struct sdb_process *process, const struct sdb_watchpoint *watchpoint,
                         void *value);

/** Disable it; registers of threads that run are cleared when these stop the next time. */
void sdb__watchpoint_disable_soon(struct sdb_watchpoint *watchpoint);

/** Forget the hits of a watchpoint where threads of a process stand. */
void sdb__watchpoint_forget_hits(struct sdb_process *process,
                                 const struct sdb_watchpoint *watchpoint);

#endif
