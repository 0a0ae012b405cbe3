/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints: whether a stop is a hit, of which, and with what values.
 *
 * The kernel makes a SIGTRAP of a hit (TRAP_HWBKPT), and one SIGTRAP of a hit by an instruction that
 * was stepped (TRAP_TRACE).  Only then the processor's note is looked at.
 */
#include <signal.h>
#include <string.h>

#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/debug_registers.h"
#include "trap/signal.h"
#include "watchpoint/site.h"
#include "watchpoint/watchpoint.h"

#ifndef TRAP_HWBKPT
#define TRAP_HWBKPT 4
#endif

/* ---- looking ---- */

/* Note what has fired, with its values, oldest first. */
static void note_hits(struct sdb_thread *thread, unsigned slots)
{
    struct sdb_process *process = thread->process;
    struct sdb__watch_hits *hits = sdb__watch_hits(thread);
    uint8_t offset = 0;

    hits->count = 0;
    for (struct sdb__watch_site *site = sdb__watch_process(process)->sites; site;
         site = site->next) {
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
    const struct sdb__watch_hits *hits = sdb__watch_hits(thread);

    if ((watchpoint->point.flags & SDB_WATCHPOINT_ONLY_CHANGES) &&
        memcmp(hits->old_values + offset, hits->new_values + offset, watchpoint->length) == 0)
        return false;
    if (watchpoint->condition &&
        !watchpoint->condition(watchpoint, thread, watchpoint->condition_data))
        return false;
    return sdb__stop_point_count_hit(&watchpoint->point);
}

/* Ask for one, and leave it if it is to be told.  A condition may remove any, and see the thread's end. */
static void sift_hit(struct sdb_thread *thread, struct sdb_watchpoint *watchpoint)
{
    struct sdb__watch_hits *hits = sdb__watch_hits(thread);
    int at = sdb__watch_find_hit(hits, watchpoint);
    bool is_told;

    if (at == hits->count)
        return;
    is_told = ask(thread, watchpoint, hits->offsets[at]);
    at = sdb__watch_find_hit(hits, watchpoint);
    if (!is_told && at < hits->count)
        sdb__watch_remove_hit(hits, at);
    if (is_told && (watchpoint->point.flags & SDB_WATCHPOINT_ONE_SHOT))
        sdb__watchpoint_disable_soon(watchpoint);
}

static void sift_hits(struct sdb_thread *thread)
{
    const struct sdb__watch_hits *hits = sdb__watch_hits(thread);
    struct sdb_watchpoint *asked[SDB__DEBUG_SLOTS];
    const int count = hits->count;

    for (int i = 0; i < count; i++) {
        asked[i] = hits->watchpoints[i];
        sdb__stop_point_retain(&asked[i]->point);
    }
    for (int i = 0; i < count; i++)
        sift_hit(thread, asked[i]);
    for (int i = 0; i < count; i++)
        sdb__stop_point_drop(&asked[i]->point);
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
    if (code == TRAP_HWBKPT)
        stop->signal = 0;
    stop->kind = SDB_EVENT_WATCHPOINT;
    sdb__thread_set_stop(thread, stop->kind, stop->signal);
}

enum sdb__verdict sdb__watchpoint_look(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const bool is_trap =
        stop->kind == SDB_EVENT_STEP || (stop->kind == SDB_EVENT_SIGNAL && stop->signal == SIGTRAP);
    unsigned slots = 0;
    int code;

    if (!is_trap || !can_be_hit(thread, stop, &code) || sdb__debug_fired(thread, &slots) <= 0)
        return SDB__VERDICT_NONE;
    if (thread->process->phase == SDB__PROCESS_HELD)
        note_hits(thread, slots);
    if (!sdb__watch_has_hits(thread)) {
        if (code != TRAP_HWBKPT || some_execute(thread->process, slots))
            return SDB__VERDICT_NONE;
        /* Its signal is none of the program's. */
        *stop = (struct sdb__stop){.kind = SDB_EVENT_INTERRUPT};
        return SDB__VERDICT_PASS;
    }
    become_hit(thread, stop, code);
    return SDB__VERDICT_TELL;
}

enum sdb__verdict sdb__watchpoint_judge(struct sdb_thread *thread, struct sdb__stop *stop,
                                        const struct sdb__stop *seen, enum sdb__verdict verdict)
{
    if (stop->kind != SDB_EVENT_WATCHPOINT || verdict != SDB__VERDICT_TELL)
        return verdict;
    /* The signal was forced on the thread. */
    sdb__trap_signal_restore(thread);
    if (sdb__watch_has_hits(thread))
        sift_hits(thread);
    if (sdb__watch_has_hits(thread))
        return SDB__VERDICT_TELL;
    if (seen->kind != SDB_EVENT_STEP && stop->signal == 0)
        return SDB__VERDICT_PASS;
    stop->kind = sdb__watch_rest_of(thread, stop->signal);
    return SDB__VERDICT_NONE;
}
