/* SPDX-License-Identifier: MIT */
/*
 * The watchpoints that a thread has hit where it stands, and telling them.
 */
#include <errno.h>

#include "session/session.h"
#include "watchpoint/site.h"
#include "watchpoint/watchpoint.h"

int sdb__watch_find_hit(const struct sdb__watch_hits *hits, const struct sdb_watchpoint *watchpoint)
{
    int at = 0;

    while (at < hits->count && hits->watchpoints[at] != watchpoint)
        at++;
    return at;
}

/* The values stay where they are: they may have been told. */
void sdb__watch_remove_hit(struct sdb__watch_hits *hits, int at)
{
    hits->count--;
    for (; at < hits->count; at++) {
        hits->watchpoints[at] = hits->watchpoints[at + 1];
        hits->offsets[at] = hits->offsets[at + 1];
    }
}

uint32_t sdb__watch_rest_of(const struct sdb_thread *thread, int signal)
{
    return signal != 0 && thread->how != SDB_RESUME_STEP ? SDB_EVENT_SIGNAL : SDB_EVENT_STEP;
}

/* It has no hit to tell any more. */
static void untell(struct sdb_thread *thread)
{
    if (thread->how != SDB_RESUME_STEP && thread->signal == 0) {
        sdb__session_untell(thread);
        return;
    }
    thread->teller = NULL;
    sdb__thread_set_stop(thread, sdb__watch_rest_of(thread, thread->signal), thread->signal);
}

void sdb__watchpoint_forget_hits(struct sdb_process *process,
                                 const struct sdb_watchpoint *watchpoint)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        struct sdb__watch_hits *hits = sdb__watch_hits(thread);
        const int at = sdb__watch_find_hit(hits, watchpoint);

        if (at == hits->count)
            continue;
        sdb__watch_remove_hit(hits, at);
        if (hits->count == 0 && thread->queued && thread->stop == SDB_EVENT_WATCHPOINT)
            untell(thread);
    }
}

void sdb__watchpoint_forget_stop(struct sdb_thread *thread)
{
    sdb__watch_hits(thread)->count = 0;
}

/* ---- telling ---- */

void sdb__watchpoint_tell(struct sdb_thread *thread, struct sdb_event *event)
{
    const struct sdb__watch_hits *hits = sdb__watch_hits(thread);

    if (event->kind != SDB_EVENT_WATCHPOINT || !sdb__watch_has_hits(thread))
        return;
    event->watchpoint = hits->watchpoints[0];
    event->address = event->watchpoint->address;
    event->value_size = (uint32_t)event->watchpoint->length;
    event->old_value = hits->old_values + hits->offsets[0];
    event->new_value = hits->new_values + hits->offsets[0];
}

static const struct sdb__watch_hits *hits_of(const struct sdb_thread *thread)
{
    return thread && sdb__thread_stands(thread) ? sdb__watch_hits(thread) : NULL;
}

struct sdb_watchpoint *sdb_thread_next_watchpoint(const struct sdb_thread *thread,
                                                  const struct sdb_watchpoint *after)
{
    const struct sdb__watch_hits *hits = hits_of(thread);
    int at;

    if (!hits || thread->stop != SDB_EVENT_WATCHPOINT)
        return NULL;
    at = after ? sdb__watch_find_hit(hits, after) + 1 : 0;
    return at < hits->count ? hits->watchpoints[at] : NULL;
}

int sdb_watchpoint_values(const struct sdb_watchpoint *watchpoint, const struct sdb_thread *thread,
                          const void **old_value, const void **new_value)
{
    const struct sdb__watch_hits *hits = hits_of(thread);
    int at;

    if (!hits || !watchpoint || !old_value || !new_value)
        return -EINVAL;
    at = sdb__watch_find_hit(hits, watchpoint);
    if (at == hits->count)
        return -EINVAL;
    *old_value = hits->old_values + hits->offsets[at];
    *new_value = hits->new_values + hits->offsets[at];
    return 0;
}
