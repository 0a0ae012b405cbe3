/* SPDX-License-Identifier: MIT */
/*
 * Statuses of threads that are not known, or not yet: of newborns whose parent has not told of them, and of
 * a host's own affair (what it traces by hand, its clone children).
 *
 * The former are found again by their tids, however many there are.  The latter are forgotten in time:
 * those that nobody can tell of are looked for each time that there are twice as many.
 */
#ifndef SDB_LIB_SESSION_ORPHANS_H
#define SDB_LIB_SESSION_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

struct sdb_session;

struct sdb__orphan {
    struct sdb__orphan *next_in_bucket;
    struct sdb__orphan *next; /* of all; the newest is first */
    struct sdb__orphan *previous;
    bool looked_at; /* whether its parent still lives */
    pid_t tid;
    pid_t parent;      /* as it was seen last, or 0: not yet */
    bool parent_heard; /* its parent has stood since, and has not told of it: it was another's */
    unsigned looks;    /* how often nobody had told of it yet */
    int status;
    struct rusage usage;
};

#define SDB__ORPHAN_BUCKETS 256 /* a power of two */

/* All zero is none. */
struct sdb__orphans {
    struct sdb__orphan *buckets[SDB__ORPHAN_BUCKETS];
    struct sdb__orphan *first;
    struct sdb__orphan *visited; /* the next one of whoever goes through all, or NULL */
    size_t count;
    size_t most;      /* before it is looked which of them can be forgotten; 0: the fewest */
    size_t new_stops; /* those that stand, and were not looked at */
    struct sdb__orphan *spare; /* for when there is no memory; or NULL: that was so */
};

/** Have room for one more, whatever comes.  @return 0 or -ENOMEM */
int sdb__orphans_reserve(struct sdb__orphans *orphans);

/** Keep the status of a thread that is not known, in place of an earlier one of it. */
void sdb__orphans_keep(struct sdb_session *session, pid_t tid, int status,
                       const struct rusage *usage);

/** @return what was kept of a thread, or NULL */
struct sdb__orphan *sdb__orphans_find(const struct sdb__orphans *orphans, pid_t tid);

/** Forget one. */
void sdb__orphans_forget(struct sdb__orphans *orphans, struct sdb__orphan *orphan);

/** @return one that stands, and of which nobody has told when it was looked so often; or NULL */
struct sdb__orphan *sdb__orphans_find_waiting(struct sdb__orphans *orphans, unsigned looks);

/** Note that it was looked whether its parent lives. */
void sdb__orphans_looked_at(struct sdb__orphans *orphans, struct sdb__orphan *orphan);

/**
 * Go through all, any of which may be forgotten meanwhile; nobody else may do so at the same time.  Those
 * that come meanwhile are passed over.
 *
 * @return the first, or the next; NULL at the end
 */
struct sdb__orphan *sdb__orphans_first(struct sdb__orphans *orphans);
struct sdb__orphan *sdb__orphans_next(struct sdb__orphans *orphans);

/** Forget all. */
void sdb__orphans_free(struct sdb__orphans *orphans);

#endif
