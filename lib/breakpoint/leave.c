/* SPDX-License-Identifier: MIT */
/*
 * Going on from a breakpoint.
 *
 * Usually the displaced instruction runs in its slot, while the planted byte stays and all other
 * threads run.  Where that cannot be, it is executed in its own place (in_place.c).
 */
#include <signal.h>

#include "breakpoint/breakpoint.h"
#include "session/session.h"
#include "trap/debug_registers.h"

/* The program's own trap is what comes next. */
static enum sdb__going tell_own_trap(struct sdb_thread *thread, uint64_t pc)
{
    sdb__registers_set_pc(thread, pc + 1);
    sdb__thread_set_stop(thread, SDB_EVENT_SIGNAL, SIGTRAP);
    sdb__breakpoint_state(thread)->hit_count = 0;
    return SDB__GOING_STOP;
}

void sdb__breakpoint_set_out_from(struct sdb_thread *thread, uint64_t address)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);

    if (!state->at_site)
        state->at_site = sdb__site_find(sdb__sites(thread->process->space), address);
}

/* It stands at a site in whose slot it is in a system call, which the kernel may make again. */
static void leave_call(struct sdb_thread *thread, struct sdb__site *site, uint64_t slot_pc,
                       struct sdb__resume *resume)
{
    struct user_regs_struct *registers;

    if (sdb__registers_general(thread, &registers) < 0 || registers->rip != site->next)
        return;
    if (resume->signal == 0) {
        sdb__registers_set_pc(thread, slot_pc);
        sdb__breakpoint_state(thread)->displaced = true;
    } else if (sdb__registers_will_restart(registers)) {
        sdb__breakpoint_deliver(thread, site, slot_pc, resume);
    }
}

static enum sdb__going leave_in_place(struct sdb_thread *thread, struct sdb__site *site,
                                      enum sdb_resume how)
{
    sdb__breakpoint_state(thread)->at_site = site;
    return sdb__breakpoint_leave_in_place(thread, site, how);
}

/* Execute the instruction, or have it executed. */
static enum sdb__going execute(struct sdb_thread *thread, struct sdb__site *site,
                               struct sdb__resume *resume)
{
    const enum sdb_resume how = resume->how;
    uint64_t pc;

    if (sdb__breakpoint_make_room(thread, site) == SDB__GOING_ENDED)
        return SDB__GOING_ENDED;
    if (sdb__site_needs_own_place(site, thread))
        return site->is_syscall ? sdb__breakpoint_make_syscall(thread, site, resume)
                                : leave_in_place(thread, site, how);
    /* Placing it may have run a system call in the thread. */
    if (sdb__registers_get_pc(thread, &pc) < 0)
        return SDB__GOING_READY;
    switch (site->kind) {
    case SDB__RELOCATION_SLOT:
        sdb__registers_set_pc(thread, site->slot);
        sdb__breakpoint_state(thread)->displaced = true;
        return SDB__GOING_READY;
    case SDB__RELOCATION_CALL:
        if (!sdb__breakpoint_make_call(thread, site))
            return leave_in_place(thread, site, how);
        break;
    default:
        sdb__registers_set_pc(thread, site->next);
        break;
    }
    return how == SDB_RESUME_STEP ? SDB__GOING_DONE : SDB__GOING_READY;
}

static enum sdb__going leave_site(struct sdb_thread *thread, struct sdb__resume *resume)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct sdb__site *site = state->at_site;
    const uint64_t slot_pc = state->slot_pc;
    uint64_t pc;

    /* Its byte has been lifted, and the slot may be gone: the call is made again in its own place. */
    if (slot_pc != 0 && !sdb__site_stands(site)) {
        state->at_site = NULL;
        state->slot_pc = 0;
        state->slotless.site = NULL;
        return SDB__GOING_READY;
    }
    if (state->slotless.site) {
        state->at_site = NULL;
        state->slot_pc = 0;
        sdb__breakpoint_go_on_in_syscall(thread, slot_pc, resume);
        return SDB__GOING_READY;
    }
    if (!site)
        return SDB__GOING_READY;
    state->at_site = NULL;
    state->slot_pc = 0;
    if (slot_pc != 0) {
        leave_call(thread, site, slot_pc, resume);
        return SDB__GOING_READY;
    }
    if (sdb__registers_get_pc(thread, &pc) < 0 || pc != site->address)
        return SDB__GOING_READY;
    sdb__site_decode(site, thread);
    if (!sdb__site_stands(site)) {
        sdb__debug_pass(thread);
        return SDB__GOING_READY;
    }
    if (resume->signal > 0) {
        sdb__breakpoint_deliver(thread, site, 0, resume);
        return SDB__GOING_READY;
    }
    return site->own_trap ? tell_own_trap(thread, pc) : execute(thread, site, resume);
}

enum sdb__going sdb__breakpoint_leave(struct sdb_thread *thread, struct sdb__resume *resume)
{
    enum sdb__going going;

    sdb__mappings_resume(thread, resume);
    going = leave_site(thread, resume);
    if (going == SDB__GOING_READY && resume->signal > 0)
        going = sdb__breakpoint_prepare_core(thread, resume);
    if (going == SDB__GOING_READY && sdb__breakpoint_will_return(sdb__breakpoint_state(thread)))
        sdb__breakpoint_watch_for_return(resume);
    return going;
}
