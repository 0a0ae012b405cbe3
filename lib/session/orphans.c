/* SPDX-License-Identifier: MIT */
#include "session/orphans.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/procfs.h"
#include "kernel/status.h"
#include "session/session.h"

/* So many are not worth a look. */
#define FEWEST 256

static struct sdb__orphan **bucket_of(struct sdb__orphans *orphans, pid_t tid)
{
    return &orphans->buckets[(size_t)tid & (SDB__ORPHAN_BUCKETS - 1)];
}

struct sdb__orphan *sdb__orphans_find(const struct sdb__orphans *orphans, pid_t tid)
{
    struct sdb__orphan *orphan = orphans->buckets[(size_t)tid & (SDB__ORPHAN_BUCKETS - 1)];

    while (orphan && orphan->tid != tid)
        orphan = orphan->next_in_bucket;
    return orphan;
}

static bool is_new_stop(const struct sdb__orphan *orphan)
{
    return !orphan->looked_at && !sdb__status_is_end(orphan->status);
}

struct sdb__orphan *sdb__orphans_find_waiting(struct sdb__orphans *orphans, unsigned looks)
{
    struct sdb__orphan *orphan = orphans->first;

    while (orphan && !(is_new_stop(orphan) && orphan->looks >= looks && !orphan->parent_heard))
        orphan = orphan->next;
    return orphan;
}

void sdb__orphans_looked_at(struct sdb__orphans *orphans, struct sdb__orphan *orphan)
{
    orphans->new_stops -= is_new_stop(orphan);
    orphan->looked_at = true;
}

void sdb__orphans_forget(struct sdb__orphans *orphans, struct sdb__orphan *orphan)
{
    struct sdb__orphan **at = bucket_of(orphans, orphan->tid);

    while (*at != orphan)
        at = &(*at)->next_in_bucket;
    *at = orphan->next_in_bucket;
    if (orphan->previous)
        orphan->previous->next = orphan->next;
    else
        orphans->first = orphan->next;
    if (orphan->next)
        orphan->next->previous = orphan->previous;
    if (orphans->visited == orphan)
        orphans->visited = orphan->next;
    orphans->new_stops -= is_new_stop(orphan);
    orphans->count--;
    free(orphan);
}

/* ---- keeping ---- */

int sdb__orphans_reserve(struct sdb__orphans *orphans)
{
    if (!orphans->spare)
        orphans->spare = calloc(1, sizeof(*orphans->spare));
    return orphans->spare ? 0 : -ENOMEM;
}

/* Whether somebody may tell of one that stands still: it is traced by us, so that it was born to us. */
static bool stands_for_us(const struct sdb__orphan *orphan)
{
    struct sdb__procfs_status status;
    const int rc = sdb__procfs_status(orphan->tid, &status);

    return rc < 0 ? rc != -ESRCH : status.tracer == (pid_t)syscall(SYS_gettid);
}

/*
 * Each held thread can have made one newborn that it has not told of, since it stops where it does.  So
 * of those that have ended as many may be meant, and the newest are.
 */
static void forget_strangers(struct sdb_session *session)
{
    struct sdb__orphans *orphans = &session->orphans;
    size_t ends = session->held.threads.count;
    struct sdb__orphan *next;

    for (struct sdb__orphan *orphan = orphans->first; orphan; orphan = next) {
        bool is_kept;

        next = orphan->next;
        if (sdb__status_is_end(orphan->status)) {
            is_kept = ends > 0;
            ends -= is_kept;
        } else {
            is_kept = stands_for_us(orphan);
        }
        if (!is_kept)
            sdb__orphans_forget(orphans, orphan);
    }
    orphans->most = 2 * orphans->count;
}

static struct sdb__orphan *add(struct sdb__orphans *orphans, pid_t tid)
{
    struct sdb__orphan **bucket = bucket_of(orphans, tid);
    struct sdb__orphan *orphan = calloc(1, sizeof(*orphan));

    if (!orphan) {
        orphan = orphans->spare;
        orphans->spare = NULL;
    }
    if (!orphan)
        return NULL;
    orphan->tid = tid;
    orphan->looked_at = true; /* there is nothing yet to look at */
    orphan->next_in_bucket = *bucket;
    *bucket = orphan;
    orphan->next = orphans->first;
    if (orphan->next)
        orphan->next->previous = orphan;
    orphans->first = orphan;
    orphans->count++;
    return orphan;
}

void sdb__orphans_keep(struct sdb_session *session, pid_t tid, int status,
                       const struct rusage *usage)
{
    struct sdb__orphans *orphans = &session->orphans;
    struct sdb__orphan *orphan = sdb__orphans_find(orphans, tid);

    if (!orphan)
        orphan = add(orphans, tid);
    if (!orphan)
        return; /* nothing was told since the spare one was used, and there is still no memory */
    orphans->new_stops -= is_new_stop(orphan);
    orphan->status = status;
    orphan->usage = *usage;
    orphan->looked_at = false;
    orphans->new_stops += is_new_stop(orphan);
    if (orphans->count > FEWEST && orphans->count > orphans->most)
        forget_strangers(session);
}

/* ---- all of them ---- */

struct sdb__orphan *sdb__orphans_next(struct sdb__orphans *orphans)
{
    struct sdb__orphan *orphan = orphans->visited;

    if (orphan)
        orphans->visited = orphan->next;
    return orphan;
}

struct sdb__orphan *sdb__orphans_first(struct sdb__orphans *orphans)
{
    orphans->visited = orphans->first;
    return sdb__orphans_next(orphans);
}

void sdb__orphans_free(struct sdb__orphans *orphans)
{
    struct sdb__orphan *next;

    for (struct sdb__orphan *orphan = orphans->first; orphan; orphan = next) {
        next = orphan->next;
        sdb__orphans_forget(orphans, orphan);
    }
    free(orphans->spare);
    orphans->spare = NULL;
}
