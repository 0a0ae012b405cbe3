/* SPDX-License-Identifier: MIT */
/*
 * Stop points.
 */
#include "trap/stop_point.h"

#include <errno.h>
#include <stdlib.h>

#include "base/versioned.h"
#include "session/session.h"

int sdb__stop_point_import(const struct sdb_process *process, void *ours, size_t size,
                           size_t oldest, const void *options, const void *handle)
{
    int rc;

    if (!process || !options || !handle)
        return -EINVAL;
    if (!sdb__process_is_ours(process))
        return -SDB_EWRONGTHREAD;
    rc = sdb__struct_import(ours, size, oldest, options);
    if (rc < 0)
        return rc;
    return sdb__process_is_gone(process) ? -ESRCH : 0;
}

int sdb__stop_point_check_options(const struct sdb_process *process,
                                  const struct sdb__stop_point_options *options)
{
    const struct sdb_thread *only = options->only;

    if ((options->flags & ~options->known_flags) || (only && only->process != process) ||
        !(process->policies.follow & SDB_FOLLOW_CLONE))
        return -EINVAL;
    return only && sdb_thread_state(only) == SDB_THREAD_GONE ? -ESRCH : 0;
}

void sdb__stop_point_begin(struct sdb__stop_point *point, struct sdb_session *session,
                           struct sdb__stop_points *list,
                           const struct sdb__stop_point_options *options)
{
    point->references = 1;
    point->session = session;
    point->flags = options->flags;
    point->ignore_count = options->ignore_count;
    point->only = sdb_thread_retain(options->only);
    point->next = list->first;
    if (point->next)
        point->next->previous = point;
    list->first = point;
}

void sdb__stop_point_end(struct sdb__stop_point *point, struct sdb__stop_points *list)
{
    if (point->previous)
        point->previous->next = point->next;
    else
        list->first = point->next;
    if (point->next)
        point->next->previous = point->previous;
    point->session = NULL;
    sdb__stop_point_drop(point);
}

void sdb__stop_point_drop(struct sdb__stop_point *point)
{
    if (--point->references > 0)
        return;
    sdb_thread_close(point->only);
    free(point);
}

int sdb__stop_point_check_caller(const struct sdb__stop_point *point)
{
    if (!point)
        return -EINVAL;
    return point->session && sdb__session_is_ours(point->session) ? 0 : -SDB_EWRONGTHREAD;
}

bool sdb__stop_point_count_hit(struct sdb__stop_point *point)
{
    if (!point->session)
        return false;
    point->hit_count++;
    if (point->ignore_count == 0)
        return true;
    point->ignore_count--;
    return false;
}

/* ---- what callers ask of any kind ---- */

int sdb__stop_point_is_enabled(const struct sdb__stop_point *point)
{
    return point ? point->enabled : -EINVAL;
}

int sdb__stop_point_set_ignore_count(struct sdb__stop_point *point, uint64_t count)
{
    int rc = sdb__stop_point_check_caller(point);

    if (rc == 0)
        point->ignore_count = count;
    return rc;
}

uint64_t sdb__stop_point_hit_count(const struct sdb__stop_point *point)
{
    return point ? point->hit_count : 0;
}

void sdb__stop_point_set_data(struct sdb__stop_point *point, void *data)
{
    if (point)
        point->data = data;
}

void *sdb__stop_point_data(const struct sdb__stop_point *point)
{
    return point ? point->data : NULL;
}
