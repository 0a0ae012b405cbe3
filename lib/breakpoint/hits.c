/* SPDX-License-Identifier: MIT */
/*
 * The breakpoints that a thread has hit where it stands.
 *
 * What always holds: a thread has room for as many as it can hit at once, which are those at one site, and
 * those in debug registers.  The room is had when a breakpoint is made, and when a thread is born, where it
 * can be said that there is none.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "breakpoint/breakpoint.h"
#include "session/session.h"

/* ---- room ---- */

static struct sdb_breakpoint **hits_of(struct sdb__breakpoint_state *state)
{
    return state->many_hits ? state->many_hits : state->few_hits;
}

static unsigned room_of(const struct sdb__breakpoint_state *state)
{
    return state->many_hits ? state->hit_room : SDB__FEW_HITS;
}

/* @param most  how many breakpoints a site has that the thread may come to */
static int make_room(struct sdb_thread *thread, unsigned most)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    const unsigned room = most + SDB__DEBUG_SLOTS;
    struct sdb_breakpoint **hits;

    if (room <= room_of(state))
        return 0;
    hits = calloc((size_t)room * 2, sizeof(struct sdb_breakpoint *));
    if (!hits)
        return -ENOMEM;
    memcpy(hits, hits_of(state), state->hit_count * sizeof(struct sdb_breakpoint *));
    free(state->many_hits);
    state->many_hits = hits;
    state->hit_room = room * 2;
    return 0;
}

int sdb__breakpoint_reserve_hits(const struct sdb_session *session,
                                 struct sdb__breakpoint_sites *sites, unsigned count)
{
    int rc = 0;

    if (count <= sites->most_locations)
        return 0;
    for (const struct sdb_process *process = session->held.processes; process;
         process = process->next) {
        if (process->space != sites->space)
            continue;
        for (struct sdb_thread *thread = process->threads; rc == 0 && thread; thread = thread->next)
            rc = sdb__thread_is_gone(thread) ? 0 : make_room(thread, count);
    }
    if (rc == 0)
        sites->most_locations = count;
    return rc;
}

int sdb__breakpoint_reserve_hits_of(struct sdb_thread *newborn)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(newborn->process->space);

    return sites ? make_room(newborn, sites->most_locations) : 0;
}

/* ---- hits ---- */

void sdb__breakpoint_add_hit(struct sdb_thread *thread, struct sdb_breakpoint *breakpoint)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);

    assert(state->hit_count < room_of(state));
    hits_of(state)[state->hit_count++] = breakpoint;
    breakpoint->listed = true;
}

bool sdb__breakpoint_take_hit(struct sdb_thread *thread, const struct sdb_breakpoint *breakpoint)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct sdb_breakpoint **hits = hits_of(state);
    unsigned left = 0;
    bool found;

    for (unsigned i = 0; i < state->hit_count; i++) {
        if (hits[i] != breakpoint)
            hits[left++] = hits[i];
    }
    found = left < state->hit_count;
    state->hit_count = left;
    return found;
}

static struct sdb_thread *find_hit(const struct sdb_breakpoint *breakpoint)
{
    for (struct sdb_process *process = breakpoint->point.session->held.processes; process;
         process = process->next) {
        for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
            struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);

            for (unsigned i = 0; i < state->hit_count; i++) {
                if (hits_of(state)[i] == breakpoint)
                    return thread;
            }
        }
    }
    return NULL;
}

/* Whoever goes on may have others stop, and end: so look anew. */
void sdb__breakpoint_untell(const struct sdb_breakpoint *breakpoint)
{
    struct sdb_thread *thread;

    while (breakpoint->listed && (thread = find_hit(breakpoint))) {
        (void)sdb__breakpoint_take_hit(thread, breakpoint);
        if (sdb__breakpoint_state(thread)->hit_count == 0 && thread->queued &&
            thread->stop == SDB_EVENT_BREAKPOINT)
            sdb__session_untell(thread);
    }
}

void sdb__breakpoint_forget_hits(struct sdb_thread *thread)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);

    free(state->many_hits);
    state->many_hits = NULL;
    state->hit_count = 0;
}

struct sdb_breakpoint *sdb_thread_next_breakpoint(const struct sdb_thread *thread,
                                                  const struct sdb_breakpoint *after)
{
    struct sdb__breakpoint_state *state;
    struct sdb_breakpoint **hits;
    unsigned i = 0;

    if (!thread)
        return NULL;
    state = sdb__breakpoint_state(thread);
    hits = hits_of(state);
    while (after && i < state->hit_count && hits[i] != after)
        i++;
    i += after != NULL;
    return i < state->hit_count ? hits[i] : NULL;
}
