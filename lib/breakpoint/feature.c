/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints as a feature: which moments they have to do with.
 */
#include "breakpoint/breakpoint.h"
#include "breakpoint/hardware.h"
#include "session/session.h"

static void tell(struct sdb_thread *thread, struct sdb_event *event)
{
    if (event->kind != SDB_EVENT_BREAKPOINT)
        return;
    event->breakpoint = sdb_thread_next_breakpoint(thread, NULL);
    (void)sdb__registers_get_pc(thread, &event->address);
}

static void forget_stop(struct sdb_thread *thread)
{
    struct sdb__breakpoint_sites *sites = sdb__sites(thread->process->space);
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);

    state->hit_count = 0;
    if (!sites)
        return;
    state->changes_seen = sites->changes;
    sites->ranges_known = false;
}

/* Lift and plant what could not be, and have it asked for again if it cannot be now. */
static void try_again(struct sdb_session *session)
{
    for (struct sdb_process *process = session->held.processes; process; process = process->next) {
        struct sdb__breakpoint_sites *sites = sdb__sites(process->space);

        if (sites && sites->undone && !process->ended && !process->released)
            sdb__sites_try_again(sites, process);
    }
}

static int inherit(struct sdb_process *newborn, const struct sdb_process *from,
                   const struct sdb_thread *parent)
{
    int rc = 0;

    if (newborn->phase == SDB__PROCESS_HELD)
        rc = sdb__hardware_inherit(newborn, from);
    return rc < 0 ? rc : sdb__breakpoint_inherit(newborn, from, parent);
}

static int begin_thread(struct sdb_thread *newborn)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(newborn->process->space);

    /* It may begin in a slot, where its parent has made it. */
    sdb__breakpoint_state(newborn)->displaced = sites && sites->scratch;
    return sdb__breakpoint_reserve_hits_of(newborn);
}

static void forget_program(struct sdb_thread *thread)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);

    state->at_site = NULL;
    state->slot_pc = 0;
    state->slotless.site = NULL;
    state->stays = (struct sdb__stay){0};
    state->returns = (struct sdb__returns){0};
    state->displaced = false;
    state->rseq = 0;
    state->hit_count = 0;
    sdb__breakpoint_process(thread->process)->calls_seen = false;
    sdb__hardware_forget(thread->process);
}

static enum sdb__going go_on(struct sdb_thread *thread, struct sdb__resume *resume)
{
    if (resume->signal > 0)
        sdb__hardware_deliver(thread);
    return sdb__breakpoint_leave(thread, resume);
}

const struct sdb__feature sdb__breakpoint_feature = {
    .slot = SDB__BREAKPOINT_SLOT,
    .session_size = sizeof(struct sdb__breakpoint_session),
    .process_size = sizeof(struct sdb__breakpoint_process),
    .thread_size = sizeof(struct sdb__breakpoint_state),
    .look = sdb__breakpoint_look,
    .tell = tell,
    .resume = go_on,
    .resumed = forget_stop,
    .process_born = inherit,
    .newborn_lost = sdb__breakpoint_lift_copies,
    .thread_born = begin_thread,
    .executed = forget_program,
    .thread_ended = sdb__breakpoint_forget_hits,
    .withdraw = sdb__hardware_forget,
    .must_stay = sdb__breakpoint_must_stay,
    .give_back = sdb__breakpoint_lift_all,
    .process_gone = sdb__hardware_forget,
    .space_gone = sdb__breakpoint_forget_space,
    .due = try_again,
    .check = sdb__breakpoint_check,
    .session_ends = sdb__breakpoint_free_all,
};
