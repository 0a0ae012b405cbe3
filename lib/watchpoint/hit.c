/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints: whether a stop is a hit, of which, and with what values.
 *
 * The kernel makes a SIGTRAP of a hit (TRAP_HWBKPT), and one SIGTRAP of a hit by an instruction that
 * was stepped (TRAP_TRACE).  Only then the processor's note is looked at.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "held/process.h"
#include "kernel/ptrace.h"
#include "session/event.h"
#include "session/session.h"
#include "trap/signal.h"
#include "watchpoint/site.h"

#ifndef TRAP_HWBKPT
#define TRAP_HWBKPT 4
#endif

/* ---- the hits of a thread ---- */

static int find_hit(const struct sdb__watch_hits *hits, const struct sdb_watchpoint *watchpoint)
{
    int at = 0;

    while (at < hits->count && hits->watchpoints[at] != watchpoint)
        at++;
    return at;
}

/* The values stay where they are: they may have been told. */
static void remove_hit(struct sdb__watch_hits *hits, int at)
{
    hits->count--;
    for (; at < hits->count; at++) {
        hits->watchpoints[at] = hits->watchpoints[at + 1];
        hits->offsets[at] = hits->offsets[at + 1];
    }
}

void sdb__watchpoint_forget_hits(struct sdb_process *process,
                                 const struct sdb_watchpoint *watchpoint)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        struct sdb__watch_hits *hits = thread->watch_hits;
        int at = hits ? find_hit(hits, watchpoint) : 0;

        if (!hits || at == hits->count)
            continue;
        remove_hit(hits, at);
        if (hits->count > 0 || !thread->queued || thread->ended ||
            thread->stop != SDB_EVENT_WATCHPOINT)
            continue;
        /* It has nothing to tell any more; where the whole process was stopped it stays. */
        sdb__session_unqueue_thread(thread);
        if (!process->gathered)
            sdb__session_go_on(thread);
    }
}

static bool has_hits(const struct sdb_thread *thread)
{
    return thread->watch_hits && thread->watch_hits->count > 0;
}

/* ---- looking ---- */

/* Note what has fired, with its values, oldest first.  Without memory nobody can be told. */
static void note_hits(struct sdb_thread *thread, unsigned slots)
{
    struct sdb_process *process = thread->process;
    struct sdb__watch_hits *hits = thread->watch_hits;
    uint8_t offset = 0;

    if (!hits)
        hits = thread->watch_hits = calloc(1, sizeof(*hits));
    if (!hits)
        return;
    hits->count = 0;
    for (struct sdb__watch_site *site = process->watch_sites; site; site = site->next) {
        const size_t length = site->watchpoint->length;
        bool fired = false;

        for (int slot = 0; slot < SDB__DEBUG_SLOTS; slot++)
            fired =
                fired || ((slots & (1U << slot)) && sdb__debug_slot(process, slot)->owner == site);
        if (!fired)
            continue;
        memcpy(hits->old_values + offset, site->value, length);
        (void)sdb__watch_site_read(process, site->watchpoint, site->value);
        memcpy(hits->new_values + offset, site->value, length);
        hits->watchpoints[hits->count] = site->watchpoint;
        hits->offsets[hits->count++] = offset;
        offset = (uint8_t)(offset + length);
    }
}

/* @return whether it is to be told */
static bool ask(struct sdb_thread *thread, struct sdb_watchpoint *watchpoint, uint8_t offset)
{
    const struct sdb__watch_hits *hits = thread->watch_hits;

    if ((watchpoint->flags & SDB_WATCHPOINT_ONLY_CHANGES) &&
        memcmp(hits->old_values + offset, hits->new_values + offset, watchpoint->length) == 0)
        return false;
    if (watchpoint->condition &&
        !watchpoint->condition(watchpoint, thread, watchpoint->condition_data))
        return false;
    if (!watchpoint->session)
        return false; /* the condition has removed it */
    watchpoint->hit_count++;
    if (watchpoint->ignore_count == 0)
        return true;
    watchpoint->ignore_count--;
    return false;
}

/* Ask for each, and leave those that are to be told.  A condition may remove any of them. */
static void sift_hits(struct sdb_thread *thread)
{
    struct sdb__watch_hits *hits = thread->watch_hits;
    struct sdb_watchpoint *asked[SDB__DEBUG_SLOTS];
    const int count = hits->count;

    for (int i = 0; i < count; i++) {
        asked[i] = hits->watchpoints[i];
        asked[i]->references++;
    }
    for (int i = 0; i < count; i++) {
        const int before = find_hit(hits, asked[i]);
        const bool is_told = before < hits->count && ask(thread, asked[i], hits->offsets[before]);
        const int at = find_hit(hits, asked[i]);

        if (!is_told && at < hits->count)
            remove_hit(hits, at);
        if (is_told && (asked[i]->flags & SDB_WATCHPOINT_ONE_SHOT))
            sdb__watchpoint_disable_soon(asked[i]);
    }
    for (int i = 0; i < count; i++)
        sdb__watchpoint_drop(asked[i]);
}

/* @return whether a stop can be the debug registers' */
static bool can_be_hit(const struct sdb_thread *thread, const struct sdb__stop *stop, int *code)
{
    siginfo_t info;

    if (!sdb__debug_is_set(thread))
        return false;
    *code = TRAP_TRACE;
    if (stop->kind == SDB_EVENT_STEP)
        return true;
    if (sdb__ptrace_siginfo(thread->tid, &info) < 0)
        return false;
    *code = info.si_code;
    return info.si_code == TRAP_HWBKPT || info.si_code == TRAP_TRACE;
}

static bool some_execute(const struct sdb_process *process, unsigned slots)
{
    for (int slot = 0; slot < SDB__DEBUG_SLOTS; slot++) {
        if ((slots & (1U << slot)) &&
            sdb__debug_slot(process, slot)->watch.kind == SDB__DEBUG_EXECUTE)
            return true;
    }
    return false;
}

static void become_hit(struct sdb_thread *thread, struct sdb__stop *stop, int code)
{
    /* A step is over with it; but a SIGTRAP of the program's own stepping has to reach it. */
    if (stop->kind == SDB_EVENT_STEP || code == TRAP_HWBKPT)
        stop->signal = 0;
    if (stop->kind == SDB_EVENT_STEP)
        thread->step_trap_due = false;
    stop->kind = SDB_EVENT_WATCHPOINT;
    thread->stop = stop->kind;
    thread->signal = stop->signal;
}

enum sdb__watch_result sdb__watchpoint_look(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const enum sdb__process_phase phase = thread->process->phase;
    unsigned slots = 0;
    int code;

    if (!can_be_hit(thread, stop, &code) || sdb__debug_fired(thread, &slots) <= 0)
        return SDB__WATCH_NOTHING;
    if (phase == SDB__PROCESS_HELD)
        note_hits(thread, slots);
    if (!has_hits(thread)) {
        if (code != TRAP_HWBKPT || some_execute(thread->process, slots))
            return SDB__WATCH_NOTHING;
        if (phase != SDB__PROCESS_LEAVING)
            return SDB__WATCH_PASS;
    }
    become_hit(thread, stop, code);
    return SDB__WATCH_HIT;
}

enum sdb__watch_result sdb__watchpoint_ask(struct sdb_thread *thread, struct sdb__stop *stop,
                                           const struct sdb__stop *seen)
{
    /* The signal was forced on the thread; what the program has set is known if it has breakpoints. */
    if (thread->process->space->sites)
        sdb__trap_signal_restore(thread);
    if (has_hits(thread))
        sift_hits(thread);
    if (has_hits(thread))
        return SDB__WATCH_HIT;
    if (seen->kind != SDB_EVENT_STEP && stop->signal == 0)
        return SDB__WATCH_PASS;
    *stop = *seen; /* the end of a step, or of one of the program's own, is left */
    return SDB__WATCH_NOTHING;
}

/* ---- telling ---- */

void sdb__watchpoint_tell(const struct sdb_thread *thread, struct sdb_event *event)
{
    const struct sdb__watch_hits *hits = thread->watch_hits;

    if (!has_hits(thread))
        return;
    event->watchpoint = hits->watchpoints[0];
    event->address = event->watchpoint->address;
    event->value_size = (uint32_t)event->watchpoint->length;
    event->old_value = hits->old_values + hits->offsets[0];
    event->new_value = hits->new_values + hits->offsets[0];
}

static const struct sdb__watch_hits *hits_of(const struct sdb_thread *thread)
{
    return thread && thread->state == SDB_THREAD_STOPPED ? thread->watch_hits : NULL;
}

struct sdb_watchpoint *sdb_thread_next_watchpoint(const struct sdb_thread *thread,
                                                  const struct sdb_watchpoint *after)
{
    const struct sdb__watch_hits *hits = hits_of(thread);
    int at;

    if (!hits || thread->stop != SDB_EVENT_WATCHPOINT)
        return NULL;
    at = after ? find_hit(hits, after) + 1 : 0;
    return at < hits->count ? hits->watchpoints[at] : NULL;
}

int sdb_watchpoint_values(const struct sdb_watchpoint *watchpoint, const struct sdb_thread *thread,
                          const void **old_value, const void **new_value)
{
    const struct sdb__watch_hits *hits = hits_of(thread);
    int at;

    if (!hits || !watchpoint || !old_value || !new_value)
        return -EINVAL;
    at = find_hit(hits, watchpoint);
    if (at == hits->count)
        return -EINVAL;
    *old_value = hits->old_values + hits->offsets[at];
    *new_value = hits->new_values + hits->offsets[at];
    return 0;
}
