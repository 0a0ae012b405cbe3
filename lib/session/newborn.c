/* SPDX-License-Identifier: MIT */
/*
 * Newborns, and what exec does to the threads of a process.
 *
 * The kernel reports two things of a newborn that is held: its parent's event, with the newborn's id,
 * and the newborn's own first stop.  They come in either order, and either may be missing: the parent
 * can be killed before its event, the newborn before its first stop.  Here both orders become one.  A
 * status of a thread that is not known is kept until its parent's event claims it; and when the parent
 * can tell no more, the newborn is taken in without it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/trace.h"
#include "breakpoint/breakpoint.h"
#include "breakpoint/hardware.h"
#include "held/address_space.h"
#include "kernel/procfs.h"
#include "session/session.h"

/*
 * Statuses of threads that never become known are a host's own affair (what it traces by hand, its
 * clone children); they are forgotten when there are more than these.
 */
#define MOST_ORPHANS 256

/* How long the first stop of a newborn may take to come. */
#define DUE_MS 100

#define FOLLOW_NEWBORNS (SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK | SDB_FOLLOW_CLONE)

struct sdb__orphan {
    struct sdb__orphan *next;
    bool looked_at; /* whether its parent still lives */
    pid_t tid;
    int status;
    struct rusage usage;
};

/* ---- what is not known ---- */

static struct sdb__orphan **find_orphan(struct sdb_session *session, pid_t tid)
{
    struct sdb__orphan **at = &session->orphans;

    while (*at && (*at)->tid != tid)
        at = &(*at)->next;
    return at;
}

static void forget_orphan(struct sdb__orphan **at)
{
    struct sdb__orphan *orphan = *at;

    *at = orphan->next;
    free(orphan);
}

static void forget_oldest(struct sdb_session *session)
{
    size_t count = 0;

    for (struct sdb__orphan **at = &session->orphans; *at; at = &(*at)->next) {
        if (++count > MOST_ORPHANS) {
            forget_orphan(at);
            return;
        }
    }
}

void sdb__session_keep_orphan(struct sdb_session *session, pid_t tid, int status,
                              const struct rusage *usage)
{
    struct sdb__orphan **at = find_orphan(session, tid);
    struct sdb__orphan *orphan = *at;

    if (!orphan) {
        orphan = calloc(1, sizeof(*orphan));
        if (!orphan)
            return;
        orphan->tid = tid;
        orphan->next = session->orphans;
        session->orphans = orphan;
        forget_oldest(session);
    }
    orphan->status = status;
    orphan->usage = *usage;
    orphan->looked_at = false;
}

void sdb__session_free_orphans(struct sdb_session *session)
{
    while (session->orphans)
        forget_orphan(&session->orphans);
}

/* Deal with what a newborn has done before it was known. */
static void replay(struct sdb_session *session, pid_t tid)
{
    struct sdb__orphan **at = find_orphan(session, tid);
    struct sdb__orphan orphan;

    if (!*at)
        return;
    orphan = **at;
    forget_orphan(at);
    /* An end that was kept for long may be that of another task, whose id the newborn has got. */
    if (sdb__status_is_end(orphan.status) && sdb__task_exists(tid))
        return;
    sdb__session_take(session, tid, orphan.status, &orphan.usage);
}

/* ---- newborns ---- */

static struct sdb_process *create_with(struct sdb_session *session, pid_t pid,
                                       const struct sdb__policies *policies)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct sdb_process *process;

    if (pidfd >= 0)
        pidfd = sdb__fd_above_stdio(pidfd);
    process = sdb__process_create(session, pid, pidfd < 0 ? -1 : pidfd);
    if (!process) {
        sdb__fd_close(&pidfd);
        return NULL;
    }
    process->policies = *policies;
    process->thread->awaits_start = true;
    return process;
}

/* @return whether a newborn of a clone is a thread of its parent's process */
static bool is_thread(struct sdb_session *session, const struct sdb_thread *parent, pid_t tid)
{
    struct sdb__orphan *orphan = *find_orphan(session, tid);

    /* One that has ended already cannot be asked; nearly always it was one. */
    return sdb__task_is_in(parent->process->pid, tid) ||
           (orphan && sdb__status_is_end(orphan->status) && !sdb__task_exists(tid));
}

void sdb__session_claim(struct sdb_session *session, struct sdb_thread *parent,
                        const struct sdb__stop *stop)
{
    struct sdb_thread *newborn = NULL;
    struct sdb_process *process;

    if (sdb__thread_table_find(&session->threads, stop->other_tid))
        return; /* found otherwise, by an attach */
    if (stop->kind == SDB_EVENT_CLONE && is_thread(session, parent, stop->other_tid)) {
        if (sdb__thread_create(parent->process, stop->other_tid, &newborn) < 0)
            return;
    } else {
        process = create_with(session, stop->other_tid, &parent->process->policies);
        if (!process)
            return;
        newborn = process->thread;
        if (sdb__tasks_share_memory(parent->process->pid, process->pid))
            sdb__process_set_space(process, sdb__space_retain(parent->process->space));
        if (sdb__process_is_hidden(parent->process))
            process->phase = parent->process->phase;
        else if (!sdb__session_wants_birth(parent->process, stop->kind))
            process->phase = SDB__PROCESS_WATCHED;
        if (process->phase == SDB__PROCESS_HELD) {
            sdb__watchpoint_inherit(process, parent->process);
            sdb__hardware_inherit(process, parent->process);
        }
        sdb__breakpoint_inherit(process, parent->process->space,
                                !parent->process->space->sites ||
                                    parent->changes_seen == parent->process->space->sites->changes);
    }
    newborn->awaits_start = true;
    newborn->displaced = parent->process->space->sites && parent->process->space->sites->scratch;
    parent->process->gathered = false;
    if (parent->state == SDB_THREAD_STOPPED)
        parent->newborn = sdb_thread_retain(newborn);
    replay(session, stop->other_tid);
}

/* ---- newborns whose parent cannot tell of them ---- */

/*
 * Whether an orphan is a process that nobody will tell of: of a process that has executed a program
 * (@p executed), or of one that has ended, which is whoever's parent is not held.
 */
static bool is_left(const struct sdb_session *session, const struct sdb__orphan *orphan,
                    const struct sdb_process *executed)
{
    struct sdb__procfs_status status;

    if (sdb__status_is_end(orphan->status) || sdb__procfs_status(orphan->tid, &status) < 0 ||
        status.tgid != orphan->tid || status.tracer != (pid_t)syscall(SYS_gettid))
        return false;
    if (executed)
        return status.parent == executed->pid;
    return !sdb__thread_table_find(&session->threads, status.parent);
}

static bool adopt(struct sdb_session *session, const struct sdb__policies *policies,
                  const struct sdb_process *executed)
{
    struct sdb__space *parent_space = executed ? executed->space : session->departed_space;
    struct sdb_process *process;
    bool adopted = false;

    for (struct sdb__orphan *orphan = session->orphans; orphan;) {
        const pid_t tid = orphan->tid;

        orphan->looked_at = true;
        if (!is_left(session, orphan, executed)) {
            orphan = orphan->next;
        } else if ((process = create_with(session, tid, policies))) {
            /* What the parent called it, nobody knows. */
            if (!(policies->follow & (SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK)) && parent_space)
                process->phase = SDB__PROCESS_WATCHED;
            if (executed && process->phase == SDB__PROCESS_HELD) {
                sdb__watchpoint_inherit(process, executed);
                sdb__hardware_inherit(process, executed);
            }
            sdb__breakpoint_inherit(process, parent_space, false);
            replay(session, tid);
            adopted = true;
            orphan = session->orphans; /* the list is another now */
        } else {
            break;
        }
    }
    return adopted;
}

void sdb__session_adopt(struct sdb_process *process)
{
    struct sdb_session *session = process->session;

    /* Its newborns' stops may still be to come. */
    if (process->ended &&
        ((process->policies.follow & FOLLOW_NEWBORNS) || process->births_reported)) {
        session->departed = process->policies;
        session->some_departed = true;
        sdb__breakpoint_disinherit(session->departed_space);
        session->departed_space = sdb__breakpoint_bequeath(process);
    }
    (void)adopt(session, &process->policies, process->ended ? NULL : process);
}

bool sdb__session_has_orphans(const struct sdb_session *session)
{
    for (const struct sdb__orphan *orphan = session->orphans; orphan; orphan = orphan->next) {
        if (session->some_departed && !orphan->looked_at && !sdb__status_is_end(orphan->status))
            return true;
    }
    return false;
}

bool sdb__session_adopt_orphans(struct sdb_session *session)
{
    return adopt(session, &session->departed, NULL);
}

bool sdb__session_newborns_are_due(struct sdb_session *session)
{
    const struct sdb__deadline soon = sdb__deadline_in(DUE_MS);

    if (!session->some_departed)
        return false;
    while (!session->processes && !sdb__session_has_orphans(session) &&
           !sdb__deadline_passed(&soon)) {
        if (!sdb__waiter_has_tracees(session->waiter))
            break;
        (void)sdb__session_pump(session, &soon, false);
    }
    if (session->processes || sdb__session_has_orphans(session))
        return true;
    session->some_departed = false;
    return false;
}

/* ---- exec ---- */

/*
 * A thread that is not the first has executed a program.  The first one's end is never reported, and
 * its id is the other's now.
 */
static struct sdb_thread *move_to_pid(struct sdb_thread *first, struct sdb_thread *executing)
{
    struct sdb_process *process = first->process;
    struct sdb_session *session = process->session;

    sdb__thread_ended(first, NULL);
    sdb__thread_table_remove(&session->threads, executing);
    executing->tid = process->pid;
    process->thread = executing;
    process->first_not_held = false;
    (void)sdb__thread_table_add(&session->threads, executing); /* there is room: two have gone */

    if (process->phase == SDB__PROCESS_HELD)
        sdb__session_enqueue(session, first);
    else
        sdb__thread_gone(first);
    return executing;
}

/* Without memory for another the old one serves on, and says that it is gone. */
static void take_new_memory(struct sdb_process *process)
{
    struct sdb__space *space = sdb__space_create();

    sdb__breakpoint_leave_space(process);
    if (space)
        sdb__process_set_space(process, space);
    sdb__breakpoint_review(process->session);
}

struct sdb_thread *sdb__session_take_exec(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb_session *session = thread->process->session;
    struct sdb_thread *executing = sdb__thread_table_find(&session->threads, stop->other_tid);

    if (executing && executing != thread && executing->process == thread->process)
        thread = move_to_pid(thread, executing);
    sdb__session_adopt(thread->process);
    sdb__breakpoint_forget_thread(thread);
    sdb__watchpoint_forget(thread->process);
    sdb__hardware_forget(thread->process);
    sdb__debug_forget(thread);
    take_new_memory(thread->process);
    return thread;
}
