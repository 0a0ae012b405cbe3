/* SPDX-License-Identifier: MIT */
/*
 * The debug registers: which slot of a process is whose, and the registers of its threads.
 */
#include "trap/debug_registers.h"

#include <errno.h>
#include <string.h>

#include "held/process.h"
#include "kernel/ptrace.h"
#include "session/session.h"

/* ---- the registers of one thread ---- */

/* What its registers shall be set to, and for which uses. */
static void wanted_of(const struct sdb_thread *thread, struct sdb__debug_watch watches[],
                      uint64_t serials[])
{
    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        const struct sdb__debug_slot *slot = &thread->process->debug.slots[at];
        const bool is_meant = slot->owner && (!slot->only || slot->only == thread);

        watches[at] = is_meant ? slot->watch : (struct sdb__debug_watch){0};
        serials[at] = is_meant ? slot->serial : 0;
    }
}

/*
 * A thread may be stopped for something else just as it has touched what it is set for: then its
 * SIGTRAP is still to come, when nobody wants it any more, or the slot is used for something else.
 */
static int forget_fired(struct sdb_thread *thread, unsigned slots)
{
    uint64_t status = 0;
    int rc = sdb__ptrace_peek_user(thread->tid, sdb__debug_status_offset(), &status);

    if (rc < 0 || !(sdb__debug_status_slots(status) & slots))
        return rc;
    thread->debug.trap_due = true;
    return sdb__ptrace_poke_user(thread->tid, sdb__debug_status_offset(),
                                 status & ~(uint64_t)slots);
}

static int write_control(struct sdb_thread *thread, const struct sdb__debug_watch watches[])
{
    int rc = sdb__ptrace_poke_user(thread->tid, sdb__debug_control_offset(),
                                   sdb__debug_control(watches));

    if (rc == 0)
        memcpy(thread->debug.watches, watches, sizeof(thread->debug.watches));
    return rc;
}

/* Switch those off whose use is over: the address of one that is on cannot be changed freely. */
static int switch_off(struct sdb_thread *thread, const uint64_t serials[])
{
    struct sdb__debug_state *state = &thread->debug;
    struct sdb__debug_watch left[SDB__DEBUG_SLOTS];
    unsigned over = 0;
    int rc;

    memcpy(left, state->watches, sizeof(left));
    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        if (state->serials[at] == 0 || state->serials[at] == serials[at])
            continue;
        over |= 1U << at;
        left[at] = (struct sdb__debug_watch){.address = left[at].address};
    }
    if (over == 0)
        return 0;
    rc = write_control(thread, left);
    if (rc < 0)
        return rc;
    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        if (over & (1U << at))
            state->serials[at] = 0;
    }
    return forget_fired(thread, over);
}

static int switch_on(struct sdb_thread *thread, const struct sdb__debug_watch watches[],
                     const uint64_t serials[])
{
    struct sdb__debug_state *state = &thread->debug;
    bool changed = false;
    int rc = 0;

    for (int at = 0; rc == 0 && at < SDB__DEBUG_SLOTS; at++) {
        if (serials[at] == state->serials[at])
            continue;
        changed = true;
        rc = sdb__ptrace_poke_user(thread->tid, sdb__debug_address_offset(at), watches[at].address);
    }
    if (rc == 0 && changed)
        rc = write_control(thread, watches);
    if (rc == 0)
        memcpy(state->serials, serials, sizeof(state->serials));
    return rc;
}

int sdb__debug_update(struct sdb_thread *thread)
{
    struct sdb__debug_watch watches[SDB__DEBUG_SLOTS];
    uint64_t serials[SDB__DEBUG_SLOTS];
    int rc;

    wanted_of(thread, watches, serials);
    rc = switch_off(thread, serials);
    if (rc == 0)
        rc = switch_on(thread, watches, serials);
    if (rc == 0)
        thread->debug.generation = thread->process->debug.generation;
    return rc;
}

bool sdb__debug_is_set(const struct sdb_thread *thread)
{
    if (thread->process->debug.generation == 0)
        return false;
    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        if (thread->debug.serials[at] != 0)
            return true;
    }
    return thread->debug.trap_due;
}

void sdb__debug_clear(struct sdb_thread *thread)
{
    static const uint64_t none[SDB__DEBUG_SLOTS];

    if (thread->process->debug.generation == 0)
        return;
    (void)switch_off(thread, none); /* ESRCH: it was killed, as the kernel says again */
    /* And so it stays. */
    thread->debug.generation = thread->process->debug.generation;
}

void sdb__debug_forget(struct sdb_thread *thread)
{
    sdb__debug_drop_all(thread->process);
    thread->debug = (struct sdb__debug_state){.generation = thread->process->debug.generation};
}

int sdb__debug_fired(struct sdb_thread *thread, unsigned *slots)
{
    struct sdb__debug_state *state = &thread->debug;
    uint64_t status = 0;
    unsigned fired;
    int rc;

    *slots = state->fired;
    if (state->fired_known)
        return state->fired != 0;
    rc = sdb__ptrace_peek_user(thread->tid, sdb__debug_status_offset(), &status);
    fired = sdb__debug_status_slots(status);
    if (rc == 0 && fired != 0)
        rc = sdb__ptrace_poke_user(thread->tid, sdb__debug_status_offset(), 0);
    if (rc < 0)
        return rc;
    rc = fired != 0 || state->trap_due;
    state->trap_due = false;
    state->fired = 0;
    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        if ((fired & (1U << at)) && state->serials[at] != 0 &&
            state->serials[at] == thread->process->debug.slots[at].serial)
            state->fired |= 1U << at;
    }
    state->fired_known = true;
    *slots = state->fired;
    return rc;
}

/* ---- the slots of a process ---- */

const struct sdb__debug_slot *sdb__debug_slot(const struct sdb_process *process, int slot)
{
    return &process->debug.slots[slot];
}

/* @return how many pieces a range has */
static int count_pieces(uint64_t address, size_t length)
{
    int count = 0;

    while (length > 0 && count <= SDB__DEBUG_SLOTS) {
        const uint8_t piece = sdb__debug_first_piece(address, length);

        address += piece;
        length -= piece;
        count++;
    }
    return count;
}

static int count_free(const struct sdb__debug_slots *slots)
{
    int count = 0;

    for (int at = 0; at < SDB__DEBUG_SLOTS; at++)
        count += !slots->slots[at].owner;
    return count;
}

static void take(struct sdb__debug_slots *slots, uint64_t address, size_t length,
                 const struct sdb__debug_slot *pattern)
{
    for (int at = 0; length > 0; at++) {
        struct sdb__debug_slot *slot = &slots->slots[at];

        if (slot->owner)
            continue;
        *slot = *pattern;
        slot->serial = ++slots->last_serial;
        slot->watch.address = address;
        slot->watch.length = sdb__debug_first_piece(address, length);
        address += slot->watch.length;
        length -= slot->watch.length;
    }
    slots->generation++;
}

/* @return whether the owner had any */
static bool give_back(struct sdb__debug_slots *slots, const void *owner)
{
    bool found = false;

    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        if (slots->slots[at].owner != owner)
            continue;
        slots->slots[at] = (struct sdb__debug_slot){0};
        found = true;
    }
    if (found)
        slots->generation++;
    return found;
}

/* Those that were killed just now need nothing any more. */
static int update_all(struct sdb_process *process)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        int rc = thread->state == SDB_THREAD_STOPPED ? sdb__debug_update(thread) : 0;

        if (rc < 0 && rc != -ESRCH)
            return rc == -EINVAL || rc == -ENOMEM ? rc : -ENOSPC;
    }
    return 0;
}

int sdb__debug_acquire(struct sdb_process *process, uint64_t address, size_t length,
                       enum sdb__debug_kind kind, void *owner, struct sdb_thread *only)
{
    const struct sdb__debug_slot pattern = {
        .owner = owner, .only = only, .watch = {.kind = (uint8_t)kind}};
    int rc;

    if (count_pieces(address, length) > count_free(&process->debug))
        return -ENOSPC;
    /* First: conditions that are asked meanwhile may want some, and an exec ends the use of all. */
    take(&process->debug, address, length, &pattern);
    rc = sdb__session_pause(process);
    if (rc < 0) {
        (void)give_back(&process->debug, owner);
        return rc;
    }
    rc = update_all(process);
    if (rc < 0 && give_back(&process->debug, owner))
        (void)update_all(process);
    sdb__session_unpause(process);
    return rc;
}

bool sdb__debug_owns(const struct sdb_process *process, const void *owner)
{
    int at = 0;

    while (at < SDB__DEBUG_SLOTS && process->debug.slots[at].owner != owner)
        at++;
    return at < SDB__DEBUG_SLOTS;
}

void sdb__debug_drop(struct sdb_process *process, const void *owner)
{
    (void)give_back(&process->debug, owner);
}

void sdb__debug_drop_all(struct sdb_process *process)
{
    struct sdb__debug_slots *slots = &process->debug;

    if (slots->generation == 0)
        return;
    memset(slots->slots, 0, sizeof(slots->slots));
    slots->generation++;
}

void sdb__debug_release(struct sdb_process *process, const void *owner)
{
    if (!give_back(&process->debug, owner))
        return;
    /* Where they cannot be stopped, they are as good as released: nobody is told of their hits. */
    if (sdb__session_pause(process) < 0)
        return;
    (void)update_all(process);
    sdb__session_unpause(process);
}

void sdb__debug_inherit(struct sdb_process *child, void *owner, const struct sdb_process *parent,
                        const void *owner_there)
{
    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        const struct sdb__debug_slot *slot = &parent->debug.slots[at];

        if (slot->owner != owner_there || slot->only)
            continue;
        child->debug.slots[at] = *slot;
        child->debug.slots[at].owner = owner;
        child->debug.slots[at].serial = ++child->debug.last_serial;
        child->debug.generation++;
    }
}
