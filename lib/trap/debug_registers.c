/* SPDX-License-Identifier: MIT */
/*
 * The debug registers: which slot of a process is whose, and the registers of its threads.
 */
#include "trap/debug_registers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/signal.h"

#ifndef TRAP_HWBKPT
#define TRAP_HWBKPT 4
#endif

static struct sdb__debug_slots *slots_of(const struct sdb_process *process)
{
    return process->slots[SDB__DEBUG_REGISTERS_SLOT];
}

static struct sdb__debug_state *state_of(const struct sdb_thread *thread)
{
    return thread->slots[SDB__DEBUG_REGISTERS_SLOT];
}

/* ---- the registers of one thread ---- */

/* What its registers shall be set to, and for which uses. */
static void wanted_of(const struct sdb_thread *thread, struct sdb__debug_watch watches[],
                      uint64_t serials[])
{
    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        const struct sdb__debug_slot *slot = &slots_of(thread->process)->slots[at];
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
    state_of(thread)->trap_due = true;
    return sdb__ptrace_poke_user(thread->tid, sdb__debug_status_offset(),
                                 status & ~(uint64_t)slots);
}

static int write_control(struct sdb_thread *thread, const struct sdb__debug_watch watches[])
{
    int rc = sdb__ptrace_poke_user(thread->tid, sdb__debug_control_offset(),
                                   sdb__debug_control(watches));

    if (rc == 0)
        memcpy(state_of(thread)->watches, watches, sizeof(state_of(thread)->watches));
    return rc;
}

/* Switch those off whose use is over: the address of one that is on cannot be changed freely. */
static int switch_off(struct sdb_thread *thread, const uint64_t serials[])
{
    struct sdb__debug_state *state = state_of(thread);
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
    struct sdb__debug_state *state = state_of(thread);
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

/*
 * Set a stopped thread's registers as its process's slots are.
 *
 * @return 0, -ESRCH: it was killed just now, -EINVAL, -ENOMEM, or another: the kernel has none to give
 */
static int update(struct sdb_thread *thread)
{
    struct sdb__debug_watch watches[SDB__DEBUG_SLOTS];
    uint64_t serials[SDB__DEBUG_SLOTS];
    int rc;

    wanted_of(thread, watches, serials);
    rc = switch_off(thread, serials);
    if (rc == 0)
        rc = switch_on(thread, watches, serials);
    if (rc == 0)
        state_of(thread)->generation = slots_of(thread->process)->generation;
    return rc;
}

bool sdb__debug_is_set(const struct sdb_thread *thread)
{
    if (slots_of(thread->process)->generation == 0)
        return false;
    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        if (state_of(thread)->serials[at] != 0)
            return true;
    }
    return state_of(thread)->trap_due;
}

static bool would_fire(const struct sdb__debug_watch *watch, uint64_t address, size_t length,
                       bool writes)
{
    return (watch->kind == SDB__DEBUG_ACCESS || (watch->kind == SDB__DEBUG_WRITE && writes)) &&
           address < watch->address + watch->length && watch->address < address + length;
}

bool sdb__debug_touches(const struct sdb_thread *thread, uint64_t address, size_t length,
                        bool writes)
{
    const struct sdb__debug_state *state = state_of(thread);

    for (int at = 0; sdb__debug_is_set(thread) && at < SDB__DEBUG_SLOTS; at++) {
        if (state->serials[at] != 0 && would_fire(&state->watches[at], address, length, writes))
            return true;
    }
    return false;
}

void sdb__debug_pass(struct sdb_thread *thread)
{
    const struct sdb__debug_state *state = state_of(thread);
    struct user_regs_struct *registers;
    bool executes = false;

    for (int at = 0; sdb__debug_is_set(thread) && at < SDB__DEBUG_SLOTS; at++)
        executes =
            executes || (state->serials[at] != 0 && state->watches[at].kind == SDB__DEBUG_EXECUTE);
    if (!executes || sdb__registers_general(thread, &registers) < 0)
        return;
    registers->eflags |= SDB__RESUME_FLAG;
    sdb__registers_changed(thread);
}

int sdb__debug_fired(struct sdb_thread *thread, unsigned *slots)
{
    struct sdb__debug_state *state = state_of(thread);
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
            state->serials[at] == slots_of(thread->process)->slots[at].serial)
            state->fired |= 1U << at;
    }
    state->fired_known = true;
    *slots = state->fired;
    return rc;
}

bool sdb__debug_has_fired(const struct sdb_thread *thread)
{
    uint64_t status = 0;

    return sdb__ptrace_peek_user(thread->tid, sdb__debug_status_offset(), &status) == 0 &&
           sdb__debug_status_slots(status) != 0;
}

/* ---- the slots of a process ---- */

const struct sdb__debug_slot *sdb__debug_slot(const struct sdb_process *process, int slot)
{
    return &slots_of(process)->slots[slot];
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
        int rc = sdb__thread_stands(thread) ? update(thread) : 0;

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

    if (count_pieces(address, length) > count_free(slots_of(process)))
        return -ENOSPC;
    sdb__feature_use(process, SDB__DEBUG_REGISTERS_SLOT);
    /* First: conditions that are asked meanwhile may want some, and an exec ends the use of all. */
    take(slots_of(process), address, length, &pattern);
    rc = sdb__session_pause(process);
    if (rc < 0) {
        (void)give_back(slots_of(process), owner);
        return rc;
    }
    sdb__trap_signal_note_once(process); /* what they trap by is SIGTRAP, too */
    rc = update_all(process);
    if (rc < 0 && give_back(slots_of(process), owner))
        (void)update_all(process);
    sdb__session_unpause(process);
    return rc;
}

bool sdb__debug_owns(const struct sdb_process *process, const void *owner)
{
    int at = 0;

    while (at < SDB__DEBUG_SLOTS && slots_of(process)->slots[at].owner != owner)
        at++;
    return at < SDB__DEBUG_SLOTS;
}

void sdb__debug_drop(struct sdb_process *process, const void *owner)
{
    (void)give_back(slots_of(process), owner);
}

void sdb__debug_release(struct sdb_process *process, const void *owner)
{
    if (!give_back(slots_of(process), owner))
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
    struct sdb__debug_slots *slots = slots_of(child);

    for (int at = 0; at < SDB__DEBUG_SLOTS; at++) {
        const struct sdb__debug_slot *slot = &slots_of(parent)->slots[at];

        if (slot->owner != owner_there || slot->only)
            continue;
        slots->slots[at] = *slot;
        slots->slots[at].owner = owner;
        slots->slots[at].serial = ++slots->last_serial;
        slots->generation++;
    }
}

/* ---- moments ---- */

bool sdb__debug_is_trap(const struct sdb_thread *thread)
{
    siginfo_t info;

    return sdb__ptrace_siginfo(thread->tid, &info) == 0 && info.si_code == TRAP_HWBKPT;
}

/* A SIGTRAP of what nobody wants any more is none of the program's. */
static enum sdb__verdict pass_late_trap(struct sdb_thread *thread, struct sdb__stop *stop)
{
    unsigned slots;

    if (stop->kind != SDB_EVENT_SIGNAL || stop->signal != SIGTRAP || !sdb__debug_is_set(thread) ||
        !sdb__debug_is_trap(thread) || sdb__debug_fired(thread, &slots) <= 0 || slots != 0)
        return SDB__VERDICT_NONE;
    *stop = (struct sdb__stop){.kind = SDB_EVENT_INTERRUPT};
    return SDB__VERDICT_PASS;
}

/* It was born since they were set, or could not stop then. */
static enum sdb__going bring_up_to_date(struct sdb_thread *thread, struct sdb__resume *resume)
{
    (void)resume;
    if (state_of(thread)->generation != slots_of(thread->process)->generation)
        (void)update(thread);
    return SDB__GOING_READY;
}

static void forget_fired_of_stop(struct sdb_thread *thread)
{
    state_of(thread)->fired_known = false;
}

/* No owner has any any more. */
static void drop_all(struct sdb_process *process)
{
    struct sdb__debug_slots *slots = slots_of(process);

    memset(slots->slots, 0, sizeof(slots->slots));
    slots->generation++;
}

/* The kernel has cleared the registers. */
static void forget_all(struct sdb_thread *thread)
{
    drop_all(thread->process);
    *state_of(thread) =
        (struct sdb__debug_state){.generation = slots_of(thread->process)->generation};
}

/* Clear the registers; and so they stay. */
static bool clear(struct sdb_thread *thread)
{
    static const uint64_t none[SDB__DEBUG_SLOTS];
    struct sdb__debug_state *state = state_of(thread);

    (void)switch_off(thread, none); /* ESRCH: it was killed, as the kernel says again */
    state->generation = slots_of(thread->process)->generation;
    return state->trap_due;
}

const struct sdb__feature sdb__debug_registers_feature = {
    .slot = SDB__DEBUG_REGISTERS_SLOT,
    .process_size = sizeof(struct sdb__debug_slots),
    .thread_size = sizeof(struct sdb__debug_state),
    .look = pass_late_trap,
    .resume = bring_up_to_date,
    .resumed = forget_fired_of_stop,
    .executed = forget_all,
    .withdraw = drop_all,
    .let_go = clear,
};
