/* SPDX-License-Identifier: MIT */
/*
 * Executing an instruction under a breakpoint in its own place, with the byte lifted and all others that
 * share the memory standing still: one that cannot be moved, and one inside a restartable sequence (rseq),
 * which has to be aborted, as it was interrupted; out of its place it would be completed.
 */
#include <assert.h>
#include <errno.h>

#include "breakpoint/breakpoint.h"
#include "breakpoint/scratch.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/debug_registers.h"
#include "trap/single_step.h"

bool sdb__site_needs_own_place(struct sdb__site *site, struct sdb_thread *thread)
{
    if (sdb__site_is_in_section(site, thread) || site->kind == SDB__RELOCATION_NONE ||
        (site->is_syscall && sdb__ptrace_dispatches_calls(thread->tid)))
        return true;
    return site->kind == SDB__RELOCATION_SLOT && sdb__scratch_place(site, thread->process->pid) < 0;
}

/* @return whether nothing of ours stands where the instruction and the next begin */
static bool lift_around(struct sdb__site *site, struct sdb_process *process)
{
    bool lifted = true;

    for (uint64_t address = site->address; address <= site->address + site->length; address++) {
        struct sdb__site *other = sdb__site_find(site->sites, address);

        if (other && sdb__site_step_aside(other, process) < 0)
            lifted = false;
    }
    return lifted;
}

static void plant_around(struct sdb__site *site, struct sdb_process *process)
{
    for (uint64_t address = site->address; address <= site->address + site->length; address++) {
        struct sdb__site *other = sdb__site_find(site->sites, address);

        if (other)
            sdb__site_step_back(other, process);
    }
}

/* @return as sdb__step_alone(), or -EAGAIN: it stands there still */
static int step_in_place(struct sdb_thread *thread, struct sdb__site *site)
{
    int rc = -EAGAIN;

    sdb__debug_pass(thread);
    if (lift_around(site, thread->process))
        rc = sdb__step_alone(thread);
    else
        sdb__breakpoint_stay(thread, site, 0); /* it comes to the byte again, which is no new hit */
    plant_around(site, thread->process);
    sdb__breakpoint_state(thread)->at_site = NULL;
    /* The instruction is still to be executed, when what has come has been dealt with. */
    if (rc == 1 && !sdb__breakpoint_stands_at_fault(thread))
        sdb__breakpoint_stay(thread, site, 0);
    return rc;
}

/*
 * Until it has begun the system call there, or has stopped before.
 *
 * @return 1, -ESRCH, or -EAGAIN: it stands there still
 */
static int begin_call_in_place(struct sdb_thread *thread, struct sdb__site *site)
{
    int status;
    int rc = sdb__registers_flush(thread);

    if (!lift_around(site, thread->process)) {
        sdb__breakpoint_stay(thread, site, 0);
        rc = -EAGAIN;
    }
    if (rc == 0)
        rc = sdb__ptrace_resume(thread->tid, SDB_RESUME_SYSCALL, 0);
    if (rc == 0) {
        thread->request = SDB_RESUME_SYSCALL;
        rc = sdb__session_await(thread, thread->tid, &status);
    }
    plant_around(site, thread->process);
    if (rc == -EAGAIN)
        return rc;
    return rc < 0 ? -ESRCH : 1;
}

/*
 * The others that stand at such a place, too, step now.  Otherwise each of them would stop all when they
 * are resumed.  But whoever has stopped for its process stays as it is: a step would have it leave that.
 */
static void step_others(struct sdb_process *process)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        const struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
        struct sdb__site *site = state->at_site;

        if (!sdb__thread_pauses(thread) || thread->in_group_stop || !site || state->slot_pc != 0)
            continue;
        sdb__site_decode(site, thread);
        if (!site->is_syscall && sdb__site_needs_own_place(site, thread) &&
            step_in_place(thread, site) == 1)
            sdb__session_runs_unseen(thread);
    }
}

/*
 * Holding all that share a memory needs no memory itself: each process notes on which level it was asked
 * to stand still.  Whoever goes on meanwhile may have to hold others itself, one level deeper.
 */
#define MOST_LEVELS 32

static struct sdb__breakpoint_session *state_of(const struct sdb_session *session)
{
    return session->slots[SDB__BREAKPOINT_SLOT];
}

static struct sdb_process *find_sharer(const struct sdb_session *session,
                                       const struct sdb__space *space, uint32_t level)
{
    struct sdb_process *process = session->held.processes;

    while (process &&
           (process->space != space || (sdb__breakpoint_process(process)->asked_to_stand & level)))
        process = process->next;
    return process;
}

static struct sdb_process *find_held(const struct sdb_session *session, uint32_t level)
{
    struct sdb_process *process = session->held.processes;

    while (process && !(sdb__breakpoint_process(process)->held & level))
        process = process->next;
    return process;
}

/*
 * Have all stand still that share the memory.  While one is stopped another may be born, or end, or
 * execute a program.
 */
static uint32_t hold_sharers(struct sdb_session *session, const struct sdb__space *space)
{
    const unsigned depth = state_of(session)->holders++;
    const uint32_t level = UINT32_C(1) << depth;
    struct sdb_process *process;

    assert(depth < MOST_LEVELS);
    while ((process = find_sharer(session, space, level))) {
        sdb_process_retain(process);
        sdb__breakpoint_process(process)->asked_to_stand |= level;
        if (sdb__session_pause(process) == 0)
            sdb__breakpoint_process(process)->held |= level;
        sdb_process_close(process);
    }
    return level;
}

static void let_sharers_go_on(struct sdb_session *session, uint32_t level)
{
    struct sdb_process *process;

    for (process = session->held.processes; process; process = process->next)
        sdb__breakpoint_process(process)->asked_to_stand &= ~level;
    while ((process = find_held(session, level))) {
        sdb__breakpoint_process(process)->held &= ~level;
        sdb__session_unpause(process);
    }
    state_of(session)->holders--;
}

/* It was killed, perhaps by an exec of another, and that was seen. */
static bool is_gone(const struct sdb_thread *thread)
{
    return !sdb__thread_stands(thread) || !thread->process->session;
}

/* @return as @p act, which is done meanwhile; or -ECHILD: its end was seen */
static int with_others_held(struct sdb_thread *thread, struct sdb__site *site,
                            int (*act)(struct sdb_thread *thread, struct sdb__site *site))
{
    struct sdb__space *space = sdb__space_retain(thread->process->space);
    struct sdb_session *session = thread->process->session;
    uint32_t level;
    int rc = -ECHILD;

    sdb_thread_retain(thread);
    level = hold_sharers(session, space);
    if (!is_gone(thread) && thread->process->space == space) {
        rc = act(thread, site);
        for (struct sdb_process *process = session->held.processes; process;
             process = process->next) {
            if (process->space == space && (sdb__breakpoint_process(process)->held & level))
                step_others(process);
        }
    }
    let_sharers_go_on(session, level);
    if (is_gone(thread))
        rc = -ECHILD;
    if (rc == -ECHILD)
        sdb__thread_unwant(thread, SDB__REASON_WORK); /* nobody else may touch it any more */
    sdb_thread_close(thread);
    sdb__space_close(space);
    return rc;
}

enum sdb__going sdb__breakpoint_leave_in_place(struct sdb_thread *thread, struct sdb__site *site,
                                               enum sdb_resume how)
{
    const int rc = with_others_held(thread, site, step_in_place);

    if (rc == -ECHILD)
        return SDB__GOING_ENDED;
    if (rc == 1)
        return SDB__GOING_SEEN;
    return rc == 0 && how == SDB_RESUME_STEP ? SDB__GOING_DONE : SDB__GOING_READY;
}

enum sdb__going sdb__breakpoint_begin_in_place(struct sdb_thread *thread, struct sdb__site *site)
{
    const int rc = with_others_held(thread, site, begin_call_in_place);

    if (rc == -ECHILD)
        return SDB__GOING_ENDED;
    return rc == 1 ? SDB__GOING_SEEN : SDB__GOING_READY;
}

static int make_room(struct sdb_thread *thread, struct sdb__site *site)
{
    sdb__scratch_make_room(site, thread);
    return 0;
}

enum sdb__going sdb__breakpoint_make_room(struct sdb_thread *thread, struct sdb__site *site)
{
    if (site->kind != SDB__RELOCATION_SLOT || !sdb__scratch_lacks_room(site))
        return SDB__GOING_READY;
    if (with_others_held(thread, site, make_room) == -ECHILD)
        return SDB__GOING_ENDED;
    sdb__site_decode(site, thread); /* others have run meanwhile */
    return SDB__GOING_READY;
}
