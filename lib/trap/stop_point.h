/* SPDX-License-Identifier: MIT */
/*
 * Stop points: what breakpoints and watchpoints have in common.  Each is a handle of the caller's that
 * can be enabled and disabled, counts its hits, ignores some, and may be of one thread only.
 *
 * A kind of stop point begins with this struct, and all of a session's are in one list.
 */
#ifndef SDB_LIB_TRAP_STOP_POINT_H
#define SDB_LIB_TRAP_STOP_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sdb_process;
struct sdb_session;
struct sdb_thread;

struct sdb__stop_point {
    struct sdb_session *session; /* NULL once it was removed */
    struct sdb__stop_point *next;
    struct sdb__stop_point *previous;
    unsigned references; /* one is the session's, the others are those of who asks its condition */
    bool enabled;
    uint64_t flags;
    struct sdb_thread *only; /* retained; or NULL: any */
    uint64_t ignore_count;   /* hits that are still to be ignored */
    uint64_t hit_count;
    void *data; /* the caller's */
};

/* All of one kind in a session, the newest first. */
struct sdb__stop_points {
    struct sdb__stop_point *first;
};

/** What the caller wants of any kind. */
struct sdb__stop_point_options {
    uint64_t flags;
    uint64_t known_flags; /* others are refused */
    uint64_t ignore_count;
    struct sdb_thread *only;
};

/**
 * Begin to create one: check whether the caller may, and take the options over.
 *
 * @param ours     gets the options; of @p size, which was @p oldest when they were first published
 * @param options  the caller's
 * @param handle   where the caller wants the handle
 * @return 0, -EINVAL, -E2BIG, -SDB_EWRONGTHREAD, or -ESRCH: the process is gone
 */
int sdb__stop_point_import(const struct sdb_process *process, void *ours, size_t size,
                           size_t oldest, const void *options, const void *handle);

/**
 * Check whether a process can have one.
 *
 * @return 0, -EINVAL, or -ESRCH: the thread is gone
 */
int sdb__stop_point_check_options(const struct sdb_process *process,
                                  const struct sdb__stop_point_options *options);

/** Begin one, which is zeroed, with one reference: the list's. */
void sdb__stop_point_begin(struct sdb__stop_point *point, struct sdb_session *session,
                           struct sdb__stop_points *list,
                           const struct sdb__stop_point_options *options);

/** Take it out of the list, and drop the list's reference: it was removed. */
void sdb__stop_point_end(struct sdb__stop_point *point, struct sdb__stop_points *list);

static inline void sdb__stop_point_retain(struct sdb__stop_point *point)
{
    point->references++;
}

/** Drop a reference; with the last it is freed. */
void sdb__stop_point_drop(struct sdb__stop_point *point);

/** @return 0, -EINVAL (NULL), or -SDB_EWRONGTHREAD (also if it was removed) */
int sdb__stop_point_check_caller(const struct sdb__stop_point *point);

/** Count a hit.  @return whether it is to be told: it is not ignored, and was not removed meanwhile */
bool sdb__stop_point_count_hit(struct sdb__stop_point *point);

/* ---- what callers ask of any kind ---- */

/** @return 1, 0, or -EINVAL (NULL) */
int sdb__stop_point_is_enabled(const struct sdb__stop_point *point);

/** @return as sdb__stop_point_check_caller() */
int sdb__stop_point_set_ignore_count(struct sdb__stop_point *point, uint64_t count);

/** @return 0 for NULL */
uint64_t sdb__stop_point_hit_count(const struct sdb__stop_point *point);

void sdb__stop_point_set_data(struct sdb__stop_point *point, void *data);
void *sdb__stop_point_data(const struct sdb__stop_point *point);

#endif
