/* SPDX-License-Identifier: MIT */
/*
 * Stops of threads that have to do with breakpoints.
 *
 * Two things are found out about a stop.  Where the thread stands in a slot, the program's own place is
 * shown instead, and put into its registers: no signal handler, and nobody who is let go there, sees a
 * scratch page.  And where it has trapped on a planted byte, it is a hit, or nothing at all.
 */
#include <assert.h>
#include <signal.h>

#include "breakpoint/breakpoint.h"
#include "breakpoint/hardware.h"
#include "breakpoint/scratch.h"
#include "breakpoint/siginfo.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/debug_registers.h"
#include "trap/signal.h"
#include "trap/single_step.h"

/* ---- where it stands ---- */

static const struct sdb__relocation_point *point_at(const struct sdb__scratch_slot *slot,
                                                    uint64_t offset)
{
    for (unsigned i = 0; i < slot->relocation.point_count; i++) {
        if (slot->relocation.points[i].offset == offset)
            return &slot->relocation.points[i];
    }
    return NULL;
}

/* Where in a scratch page it stands.  @return the point, or NULL: it is in none */
static const struct sdb__relocation_point *find_point(struct sdb_thread *thread,
                                                      const struct sdb__scratch_slot **slot,
                                                      uint64_t *start)
{
    uint64_t pc;

    if (sdb__registers_get_pc(thread, &pc) < 0)
        return NULL;
    *slot = sdb__scratch_find(sdb__sites(thread->process->space), pc, start);
    return *slot ? point_at(*slot, pc - *start) : NULL;
}

/* Whether a system call goes on when the thread does, or is made again. */
static bool is_in_call(const struct sdb__stop *stop, const struct user_regs_struct *registers)
{
    switch (stop->kind) {
    case SDB_EVENT_STEP:
    case SDB_EVENT_SYSCALL_EXIT:
    case SDB_EVENT_SIGNAL:
        return sdb__registers_will_restart(registers);
    default:
        return (int64_t)registers->orig_rax >= 0;
    }
}

/* Whether it goes on at once if it has nothing to tell; else it must not be left within an instruction. */
static bool goes_on(const struct sdb_thread *thread)
{
    return thread->process->phase == SDB__PROCESS_HELD && thread->reasons == SDB__REASON_WORK;
}

/*
 * Show the program's own place: before the instruction, or where it has gone on.
 *
 * @return false if the SIGTRAP is that of a step which was taken back: nothing was executed
 */
static bool show_own_place(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    const struct sdb__relocation_point *point;
    const struct sdb__scratch_slot *slot;
    struct user_regs_struct *registers;
    bool is_late;
    uint64_t start;

    state->displaced = false;
    point = find_point(thread, &slot, &start);
    if (!point)
        return true;
    is_late = point->address == slot->site->address && stop->kind == SDB_EVENT_STEP &&
              !slot->site->is_repeated;
    if (is_late && goes_on(thread)) {
        state->displaced = true;
        return false;
    }
    if (sdb__registers_general(thread, &registers) < 0)
        return true;
    if (point->address == slot->site->address) {
        state->at_site = slot->site;
    } else if (slot->site->is_syscall && is_in_call(stop, registers)) {
        /* Which may be made again: that shall happen in the slot, without a hit. */
        state->at_site = slot->site;
        state->slot_pc = registers->rip;
    }
    (void)sdb__relocation_show(&slot->relocation, start, registers);
    sdb__registers_changed(thread);
    if (stop->kind == SDB_EVENT_SIGNAL)
        sdb__siginfo_show_own_place(thread->tid, slot, start);
    assert(registers->rip - start >= SDB__SLOT_SIZE); /* all that any stop shows is the program's */
    return !is_late;
}

/* ---- hits ---- */

void sdb__breakpoint_ask(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread)
{
    struct sdb__stop_point *point = &breakpoint->point;

    if (!point->enabled || (point->only && point->only != thread) ||
        (breakpoint->condition &&
         !breakpoint->condition(breakpoint, thread, breakpoint->condition_data)))
        return;
    /* Meanwhile the thread may have been killed. */
    if (!sdb__stop_point_count_hit(point) || sdb__thread_is_gone(thread))
        return;
    sdb__breakpoint_add_hit(thread, breakpoint);
    if (!(point->flags & SDB_BREAKPOINT_ONE_SHOT))
        return;
    /* No thread is stopped for it here: more would hit meanwhile. */
    sdb__hardware_disable_soon(breakpoint);
    (void)sdb_breakpoint_disable(breakpoint);
}

/*
 * Ask all breakpoints of a site that it has now.  A condition may remove any of them, and make others; and
 * see the thread's end, after which the site may be gone.
 */
static void ask_all(const struct sdb__site *site, struct sdb_thread *thread)
{
    const uint64_t last = site->sites->locations_made;
    uint64_t asked = 0;

    while (sdb__thread_stands(thread)) {
        const struct sdb__location *location = site->locations;
        struct sdb_breakpoint *breakpoint;

        while (location && location->number <= asked)
            location = location->next_at_site;
        if (!location || location->number > last)
            return;
        asked = location->number;
        breakpoint = location->breakpoint;
        sdb__stop_point_retain(&breakpoint->point);
        sdb__breakpoint_ask(breakpoint, thread);
        sdb__stop_point_drop(&breakpoint->point);
    }
}

bool sdb__is_trap(const struct sdb_thread *thread)
{
    siginfo_t info;

    return sdb__ptrace_siginfo(thread->tid, &info) < 0 || info.si_code == SI_KERNEL;
}

/* @return whether something else is there now than an int3; it may not even be mapped */
static bool was_replaced(const struct sdb__site *site, const struct sdb_thread *thread)
{
    uint8_t byte;

    return sdb__space_read(site->sites->space, thread->process->pid, site->address, &byte, 1) !=
               1 ||
           byte != SDB__TRAP_BYTE;
}

/*
 * Whether a thread that stands behind a site has trapped on its byte.  That may have been lifted since, or
 * the program may have done away with it; but an int3 that is there now is the program's then.
 */
static bool has_hit(struct sdb__site *site, const struct sdb_thread *thread)
{
    const bool stands = sdb__site_stands(site);

    if ((!stands || site->is_ambiguous ||
         sdb__breakpoint_process(thread->process)->hardware_places) &&
        !sdb__is_trap(thread))
        return false;
    return stands || was_replaced(site, thread);
}

/*
 * A debug register traps before the planted byte at the same address does: both are hit, and the
 * instruction is executed once.
 */
static enum sdb__verdict look_for_hardware(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const enum sdb__verdict verdict = sdb__hardware_look(thread, stop);
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct sdb__site *site = NULL;
    bool was_hit;
    uint64_t pc;

    if (verdict != SDB__VERDICT_NONE && sdb__registers_get_pc(thread, &pc) == 0)
        site = sdb__site_find(sdb__sites(thread->process->space), pc);
    if (!site || site->enabled == 0 || !sdb__site_stands(site))
        return verdict;
    was_hit = state->at_site == site || state->stays.site == site;
    state->at_site = site;
    if (thread->process->phase != SDB__PROCESS_HELD || was_hit)
        return verdict;
    ask_all(site, thread);
    return state->hit_count > 0 ? SDB__VERDICT_TELL : verdict;
}

static enum sdb__verdict look_for_hit(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct sdb__site *site;
    uint64_t pc;

    if (sdb__registers_get_pc(thread, &pc) < 0) {
        /* It was killed: what it stood before is no news any more. */
        *stop = (struct sdb__stop){.kind = SDB_EVENT_INTERRUPT};
        return SDB__VERDICT_PASS;
    }
    site = sdb__site_find(sdb__sites(thread->process->space), pc - 1);
    if (!site)
        site = sdb__stray_find(thread, pc - 1);
    if (!site)
        return SDB__VERDICT_NONE;
    sdb__site_decode(site, thread);
    if (!has_hit(site, thread))
        return SDB__VERDICT_NONE;

    sdb__registers_set_pc(thread, site->address);
    *stop = (struct sdb__stop){.kind = SDB_EVENT_BREAKPOINT};
    sdb__thread_set_stop(thread, stop->kind, 0); /* its signal is none of the program's */
    sdb__trap_signal_restore(thread);
    if (!sdb__site_stands(site)) { /* what is there now is what it executes */
        sdb__debug_pass(thread);
        return SDB__VERDICT_PASS;
    }
    state->at_site = site;
    if (thread->process->phase != SDB__PROCESS_HELD || site->enabled == 0 ||
        state->stays.site == site)
        return SDB__VERDICT_PASS;
    state->hit_count = 0;
    ask_all(site, thread);
    if (state->hit_count > 0)
        return SDB__VERDICT_TELL;
    if (!site->own_trap)
        return SDB__VERDICT_PASS;
    /* Nobody wants to know, but the program's own trap is its own affair. */
    if (sdb__registers_get_pc(thread, &pc) == 0 && pc == site->address)
        sdb__registers_set_pc(thread, site->address + 1);
    state->at_site = NULL;
    *stop = (struct sdb__stop){.kind = SDB_EVENT_SIGNAL, .signal = SIGTRAP};
    return SDB__VERDICT_NONE;
}

/*
 * A thread that is interrupted just as it has trapped stops for the interrupt first, behind the planted
 * byte, and its SIGTRAP waits.  So the trap is taken first.
 */
static bool has_trapped(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    uint64_t pc;

    if (stop->kind != SDB_EVENT_INTERRUPT && stop->kind != SDB_EVENT_GROUP_STOP &&
        stop->kind != SDB_EVENT_GROUP_CONTINUE)
        return false;
    return sdb__registers_get_pc(thread, &pc) == 0 &&
           sdb__site_find(sdb__sites(thread->process->space), pc - 1) &&
           sdb__ptrace_pending_code(thread->tid, SIGTRAP) == SI_KERNEL;
}

/* Of a process that has sites. */
static enum sdb__verdict look(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    const bool is_sigtrap = stop->kind == SDB_EVENT_SIGNAL && stop->signal == SIGTRAP;
    struct user_regs_struct *registers;
    enum sdb__verdict verdict;

    /* What code it executes is asked with where it is, at the same price. */
    if (is_sigtrap && sdb__sites(thread->process->space)->has_low)
        (void)sdb__registers_general(thread, &registers);
    if (sdb__breakpoint_will_return(state))
        sdb__breakpoint_look_at_return(thread, stop);
    if (state->slotless.site && !sdb__breakpoint_look_at_syscall(thread, stop))
        return SDB__VERDICT_PASS;
    if (state->displaced && !show_own_place(thread, stop))
        return SDB__VERDICT_PASS;
    if (state->stays.site && sdb__breakpoint_look_whether_it_stays(thread, stop))
        return SDB__VERDICT_PASS;
    if (!is_sigtrap && has_trapped(thread, stop))
        return SDB__VERDICT_TRAP;
    if (!is_sigtrap) {
        sdb__mappings_look(thread, stop);
        return SDB__VERDICT_NONE;
    }
    verdict = look_for_hit(thread, stop);
    return verdict == SDB__VERDICT_NONE ? look_for_hardware(thread, stop) : verdict;
}

enum sdb__verdict sdb__breakpoint_look(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    enum sdb__verdict verdict;

    if (sdb__breakpoint_process(thread->process)->dumps_core)
        sdb__breakpoint_end_core(thread->process);
    if (!stop->listened) {
        state->at_site = NULL;
        state->slot_pc = 0;
    }
    if (!sdb__sites(thread->process->space))
        return stop->kind == SDB_EVENT_SIGNAL && stop->signal == SIGTRAP
                   ? look_for_hardware(thread, stop)
                   : SDB__VERDICT_NONE;
    verdict = look(thread, stop);
    if (verdict != SDB__VERDICT_TRAP) /* whose trap is still to say where it is */
        state->stays.site = NULL;
    return verdict;
}
