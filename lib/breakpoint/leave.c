/* SPDX-License-Identifier: MIT */
/*
 * Going on from a breakpoint.
 *
 * Usually the displaced instruction runs in its slot, while the planted byte stays and all other
 * threads run.  Where that cannot be, it is executed in its own place (in_place.c).
 */
#include <signal.h>

#include "breakpoint/breakpoint.h"
#include "breakpoint/scratch.h"
#include "kernel/procfs.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/signal.h"

/* The program's own trap is what comes next. */
static enum sdb__going tell_own_trap(struct sdb_thread *thread, uint64_t pc)
{
    sdb__registers_set_pc(thread, pc + 1);
    sdb__thread_set_stop(thread, SDB_EVENT_SIGNAL, SIGTRAP);
    sdb__breakpoint_state(thread)->hit_count = 0;
    return SDB__GOING_STOP;
}

/*
 * Whether the kernel makes an interrupted call again after a signal: always where that has no handler.
 * Otherwise most are ended; some are not if the handler says so.
 */
static bool comes_again(struct sdb_thread *thread, int64_t result, int signal)
{
    struct sdb__signal_action action;
    struct sdb__procfs_status status;

    if (sdb__procfs_status(thread->process->pid, &status) < 0 ||
        !(status.caught_signals & SDB__SIGNAL_BIT(signal)) || result == -SDB__ERESTARTNOINTR)
        return true;
    if (result != -SDB__ERESTARTSYS)
        return false;
    return sdb__signal_action(thread, signal, &action) < 0 || (action.flags & SA_RESTART);
}

/*
 * Go on in a system call that was interrupted in a slot: the kernel may make it again there; or, if a
 * signal's handler comes first, from the program's own place.
 */
static void return_to_call(struct sdb_thread *thread, struct sdb__site *site, uint64_t slot_pc,
                           int signal)
{
    struct user_regs_struct *registers;

    if (sdb__registers_general(thread, &registers) < 0 || registers->rip != site->next)
        return;
    if (signal > 0) {
        if (sdb__registers_will_restart(registers) &&
            comes_again(thread, (int64_t)registers->rax, signal))
            sdb__breakpoint_expect_again(thread, site, registers->rsp);
    } else {
        sdb__registers_set_pc(thread, slot_pc);
        sdb__breakpoint_state(thread)->displaced = true;
    }
}

void sdb__breakpoint_set_out_from(struct sdb_thread *thread, uint64_t address)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);

    if (!state->at_site)
        state->at_site = sdb__site_find(sdb__sites(thread->process->space), address);
}

enum sdb__going sdb__breakpoint_leave(struct sdb_thread *thread, struct sdb__resume *resume)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct sdb__site *site = state->at_site;
    const uint64_t slot_pc = state->slot_pc;
    uint64_t pc;

    if (!site)
        return SDB__GOING_READY;
    state->at_site = NULL;
    state->slot_pc = 0;
    if (slot_pc != 0) {
        return_to_call(thread, site, slot_pc, resume->signal);
        return SDB__GOING_READY;
    }
    if (sdb__registers_get_pc(thread, &pc) < 0 || pc != site->address || resume->signal > 0 ||
        site->enabled == 0)
        return SDB__GOING_READY;
    /* It goes on without the signal whose handler would have brought it here again. */
    (void)sdb__breakpoint_take_repetition(thread, site);
    if (site->own_trap)
        return tell_own_trap(thread, pc);
    if (sdb__site_needs_own_place(site, thread)) {
        state->at_site = site;
        return sdb__breakpoint_leave_in_place(thread, site, resume->how);
    }
    /* Placing it may have run a system call in the thread. */
    if (sdb__registers_get_pc(thread, &pc) < 0)
        return SDB__GOING_READY;
    sdb__registers_set_pc(thread, site->kind == SDB__RELOCATION_SLOT ? site->slot : site->next);
    if (site->kind == SDB__RELOCATION_SLOT) {
        state->displaced = true;
        return SDB__GOING_READY;
    }
    return resume->how == SDB_RESUME_STEP ? SDB__GOING_DONE : SDB__GOING_READY;
}
