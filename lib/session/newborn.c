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
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "held/address_space.h"
#include "kernel/procfs.h"
#include "session/inside.h"

#define FOLLOW_NEWBORNS (SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK | SDB_FOLLOW_CLONE)

/* Deal with what a newborn has done before it was known. */
static void replay(struct sdb_session *session, pid_t tid)
{
    struct sdb__orphan *found = sdb__orphans_find(&session->orphans, tid);
    struct sdb__orphan orphan;

    if (!found)
        return;
    orphan = *found;
    sdb__orphans_forget(&session->orphans, found);
    /* An end that was kept for long may be that of another task, whose id the newborn has got. */
    if (sdb__status_is_end(orphan.status) && sdb__task_exists(tid))
        return;
    sdb__session_take(session, tid, orphan.status, &orphan.usage);
}

/* ---- newborns ---- */

struct sdb_process *sdb__session_add(struct sdb_session *session, pid_t pid, int pidfd)
{
    struct sdb_process *process;

    /* What it needs when it ends is had now. */
    if (!session->spare)
        session->spare = sdb__process_allocate(session, &session->held, 0);
    if (!session->spare)
        return NULL;
    process = sdb__process_create(session, &session->held, pid, pidfd);
    if (process)
        sdb__waiter_notify(session->waiter); /* there is something to watch now */
    return process;
}

bool sdb__session_wants_birth(const struct sdb_process *process, uint32_t kind)
{
    switch (kind) {
    case SDB_EVENT_FORK:
        return process->policies.follow & SDB_FOLLOW_FORK;
    case SDB_EVENT_VFORK:
    case SDB_EVENT_VFORK_DONE:
        return process->policies.follow & SDB_FOLLOW_VFORK;
    default:
        return true;
    }
}

static struct sdb_process *create_with(struct sdb_session *session, pid_t pid,
                                       const struct sdb__policies *policies)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct sdb_process *process;

    if (pidfd >= 0)
        pidfd = sdb__fd_above_stdio(pidfd);
    process = sdb__session_add(session, pid, pidfd < 0 ? -1 : pidfd);
    if (!process) {
        sdb__fd_close(&pidfd);
        return NULL;
    }
    process->policies = *policies;
    return process;
}

/* @return whether a newborn of a clone is a thread of its parent's process */
static bool is_thread(struct sdb_session *session, const struct sdb_thread *parent, pid_t tid)
{
    const struct sdb__orphan *orphan = sdb__orphans_find(&session->orphans, tid);

    /* One that has ended already cannot be asked; nearly always it was one. */
    return sdb__task_is_in(parent->process->pid, tid) ||
           (orphan && sdb__status_is_end(orphan->status) && !sdb__task_exists(tid));
}

/* A newborn process, whose parent stands in the stop of its birth. */
static struct sdb_process *claim_process(struct sdb_session *session, struct sdb_thread *parent,
                                         const struct sdb__stop *stop)
{
    const struct sdb_process *from = parent->process;
    struct sdb_process *process = create_with(session, stop->other_tid, &from->policies);

    if (!process)
        return NULL;
    if (sdb__tasks_share_memory(parent->tid, process->pid))
        sdb__process_set_space(process, sdb__space_retain(from->space));
    if (sdb__process_is_hidden(from))
        process->phase = from->phase;
    else if (!sdb__session_wants_birth(from, stop->kind))
        process->phase = SDB__PROCESS_WATCHED;
    sdb__features_process_born(process, from, parent);
    return process;
}

void sdb__session_claim(struct sdb_session *session, struct sdb_thread *parent,
                        const struct sdb__stop *stop)
{
    struct sdb_thread *newborn = NULL;
    const struct sdb_process *process;

    if (sdb__thread_table_find(&session->held.threads, stop->other_tid))
        return; /* found otherwise, by an attach */
    if (stop->kind == SDB_EVENT_CLONE && is_thread(session, parent, stop->other_tid)) {
        if (sdb__thread_create(parent->process, stop->other_tid, &newborn) < 0)
            return;
    } else {
        process = claim_process(session, parent, stop);
        if (!process)
            return;
        newborn = process->thread;
    }
    newborn->awaits_start = true;
    sdb__features_thread_born(newborn);
    parent->process->gathered = false;
    if (sdb__thread_stands(parent))
        parent->newborn = sdb_thread_retain(newborn);
    replay(session, stop->other_tid);
}

/* ---- newborns whose parent cannot tell of them ---- */

/*
 * Whether an orphan is a process that nobody will tell of: of a process that has executed a program
 * (@p executed), or of one that has ended, which is whoever's parent is not held.
 */
static bool is_left(const struct sdb_session *session, struct sdb__orphan *orphan,
                    const struct sdb_process *executed)
{
    const struct sdb__thread_table *threads = &session->held.threads;
    struct sdb__procfs_status status;

    if (sdb__status_is_end(orphan->status))
        return false;
    /* It has another parent only when that has ended. */
    if (orphan->parent == 0 || !sdb__thread_table_find(threads, orphan->parent)) {
        if (sdb__procfs_status(orphan->tid, &status) < 0 || status.tgid != orphan->tid ||
            status.tracer != (pid_t)syscall(SYS_gettid))
            return false;
        orphan->parent = status.parent;
    }
    return executed ? orphan->parent == executed->pid
                    : !sdb__thread_table_find(threads, orphan->parent);
}

/* What the parent called it, nobody knows: it is wanted, but where births are seen for features alone. */
static bool is_wanted(const struct sdb_process *from)
{
    return (from->policies.follow & (SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK)) || !from->births_reported;
}

/* Take in a newborn whose parent cannot tell of it.  @return whether there was memory for it */
static bool adopt_one(struct sdb_session *session, pid_t tid, const struct sdb_process *from)
{
    struct sdb_process *process = create_with(session, tid, &from->policies);

    if (!process)
        return false;
    if (!is_wanted(from))
        process->phase = SDB__PROCESS_WATCHED;
    process->thread->awaits_start = true;
    sdb__features_process_born(process, from, NULL);
    sdb__features_thread_born(process->thread);
    replay(session, tid);
    return true;
}

/* @param from  the process whose newborns are meant, or one that is like it */
static bool adopt(struct sdb_session *session, const struct sdb_process *from)
{
    const struct sdb_process *executed = from->ended ? NULL : from;
    struct sdb__orphans *orphans = &session->orphans;
    bool adopted = false;

    for (struct sdb__orphan *orphan = sdb__orphans_first(orphans); orphan;
         orphan = sdb__orphans_next(orphans)) {
        if (!executed)
            sdb__orphans_looked_at(orphans, orphan);
        if (!is_left(session, orphan, executed))
            continue;
        if (!adopt_one(session, orphan->tid, from))
            break;
        adopted = true;
    }
    return adopted;
}

void sdb__session_forget_departed(struct sdb_session *session)
{
    struct sdb_process *departed = session->departed;

    session->departed = NULL;
    if (departed)
        sdb__features_space_gone(session, departed->space);
    sdb_process_close(departed);
}

/* Keep what the newborns of a process have from it, whose stops may still be to come. */
static void remember(struct sdb_session *session, const struct sdb_process *ended)
{
    struct sdb_process *departed = session->spare;

    session->spare = NULL;
    if (!departed)
        departed = sdb__process_allocate(session, &session->held, 0);
    if (!departed)
        return; /* the one before is better than none */
    sdb__session_forget_departed(session);
    departed->pid = ended->pid;
    departed->policies = ended->policies;
    departed->births_reported = ended->births_reported;
    departed->phase = SDB__PROCESS_WATCHED;
    departed->ended = true;
    sdb__features_process_born(departed, ended, NULL);
    session->departed = departed;
}

void sdb__session_adopt(struct sdb_process *process)
{
    struct sdb_session *session = process->session;

    if (!process->ended) {
        (void)adopt(session, process);
        return;
    }
    if ((process->policies.follow & FOLLOW_NEWBORNS) || process->births_reported) {
        remember(session, process);
        (void)sdb__session_adopt_orphans(session);
    }
}

bool sdb__session_has_orphans(const struct sdb_session *session)
{
    return session->departed && session->orphans.new_stops > 0;
}

bool sdb__session_adopt_orphans(struct sdb_session *session)
{
    struct sdb_process *departed = session->departed;
    bool adopted;

    if (!departed)
        return false;
    sdb_process_retain(departed); /* another may take its place meanwhile */
    adopted = adopt(session, departed);
    sdb_process_close(departed);
    return adopted;
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

    sdb__session_note_end(first, NULL);
    sdb__thread_table_remove(&session->held.threads, executing);
    executing->tid = process->pid;
    process->thread = executing;
    process->first_not_held = false;
    (void)sdb__thread_table_add(&session->held.threads,
                                executing); /* there is room: two have gone */

    if (process->phase == SDB__PROCESS_HELD)
        sdb__session_enqueue(session, first);
    else
        sdb__session_drop(first);
    return executing;
}

/* Without memory for another the old one serves on, and says that it is gone. */
static void take_new_memory(struct sdb_process *process)
{
    struct sdb__space *space = sdb__space_create();

    sdb__session_leave_space(process);
    if (space)
        sdb__process_set_space(process, space);
    sdb__session_review(process->session);
}

struct sdb_thread *sdb__session_take_exec(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb_session *session = thread->process->session;
    struct sdb_thread *executing = sdb__thread_table_find(&session->held.threads, stop->other_tid);

    if (executing && executing != thread && executing->process == thread->process)
        thread = move_to_pid(thread, executing);
    sdb__session_adopt(thread->process);
    sdb__features_executed(thread);
    take_new_memory(thread->process);
    return thread;
}
