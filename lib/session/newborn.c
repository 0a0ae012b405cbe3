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

int sdb__session_reserve(struct sdb_session *session)
{
    if (!session->spare_space)
        session->spare_space = sdb__space_create();
    return session->spare_space ? sdb__orphans_reserve(&session->orphans) : -ENOMEM;
}

struct sdb_process *sdb__session_add(struct sdb_session *session, pid_t pid, int pidfd)
{
    struct sdb_process *process = sdb__process_create(session, &session->held, pid, pidfd);

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

/* @return 0, or -ENOMEM: then it is not known, as before */
static int create_thread(struct sdb_process *process, pid_t tid, struct sdb_thread **newborn)
{
    int rc = sdb__thread_create(process, tid, newborn);

    if (rc == 0) {
        rc = sdb__features_thread_born(*newborn);
        if (rc < 0)
            sdb__session_drop(*newborn);
    }
    return rc;
}

/* Let the features know of a newborn process.  @return 0, or -ENOMEM: then it is not known, as before */
static int introduce(struct sdb_process *process, const struct sdb_process *from,
                     const struct sdb_thread *parent)
{
    int rc = sdb__features_process_born(process, from, parent);

    if (rc == 0)
        rc = sdb__features_thread_born(process->thread);
    if (rc < 0)
        sdb__session_remove(process);
    return rc;
}

/* A newborn process.  @param known  whether its parent stands in the stop of its birth */
static int create_process(struct sdb_session *session, const struct sdb_thread *parent,
                          const struct sdb__birth *birth, bool known, struct sdb_thread **newborn)
{
    const struct sdb_process *from = parent->process;
    struct sdb_process *process = create_with(session, birth->tid, &from->policies);
    int rc;

    if (!process)
        return -ENOMEM;
    if (sdb__tasks_share_memory(parent->tid, process->pid))
        sdb__process_set_space(process, sdb__space_retain(from->space));
    if (sdb__process_is_hidden(from))
        process->phase = from->phase;
    else if (!sdb__session_wants_birth(from, birth->kind))
        process->phase = SDB__PROCESS_WATCHED;
    rc = introduce(process, from, known ? parent : NULL);
    *newborn = rc == 0 ? process->thread : NULL;
    return rc;
}

int sdb__session_take_birth(struct sdb_thread *parent, const struct sdb__birth *birth, bool known)
{
    struct sdb_session *session = parent->process->session;
    struct sdb_thread *newborn = NULL;
    int rc;

    if (sdb__thread_table_find(&session->held.threads, birth->tid))
        return 0; /* found otherwise, by an attach */
    if (birth->kind == SDB_EVENT_CLONE && is_thread(session, parent, birth->tid))
        rc = create_thread(parent->process, birth->tid, &newborn);
    else
        rc = create_process(session, parent, birth, known, &newborn);
    if (rc < 0 || !newborn)
        return rc;
    newborn->awaits_start = true;
    parent->process->gathered = false;
    if (sdb__thread_stands(parent) && parent->stop == birth->kind)
        parent->newborn = sdb_thread_retain(newborn);
    replay(session, birth->tid);
    return 0;
}

void sdb__session_claim(struct sdb_session *session, struct sdb_thread *parent,
                        const struct sdb__stop *stop)
{
    const struct sdb__birth birth = {.kind = stop->kind, .tid = stop->other_tid};

    (void)session;
    if (sdb__session_take_birth(parent, &birth, true) < 0)
        sdb__session_put_birth_off(parent, &birth);
}

/* ---- newborns whose parent cannot tell of them ---- */

enum fate {
    STRANGE, /* none of a newborn process of ours */
    AWAITED, /* its parent may tell of it */
    LEFT,    /* nobody will */
};

/*
 * What becomes of an orphan: nobody will tell of a process of one that has executed a program (@p executed),
 * or of one that has ended, which is whoever's parent is not held.  But the kernel may have given it to
 * another when it lost its parent, which may be held, too.
 */
static enum fate fate_of(const struct sdb_session *session, struct sdb__orphan *orphan,
                         const struct sdb_process *executed)
{
    const struct sdb__thread_table *threads = &session->held.threads;
    struct sdb__procfs_status status;

    if (sdb__status_is_end(orphan->status))
        return STRANGE;
    /* It has another parent only when that has ended. */
    if (orphan->parent == 0 || !sdb__thread_table_find(threads, orphan->parent)) {
        if (sdb__procfs_status(orphan->tid, &status) < 0 || status.tgid != orphan->tid ||
            status.tracer != (pid_t)syscall(SYS_gettid))
            return STRANGE;
        orphan->parent = status.parent;
    }
    if (executed)
        return orphan->parent == executed->pid ? LEFT : AWAITED;
    return orphan->parent_heard || !sdb__thread_table_find(threads, orphan->parent) ? LEFT
                                                                                    : AWAITED;
}

/* What the parent called it, nobody knows: it is wanted, but where births are seen for features alone. */
static bool is_wanted(const struct sdb_process *from)
{
    return (from->policies.follow & (SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK)) || !from->births_reported;
}

/* @return one that is held and has the memory of an orphan, or NULL */
static struct sdb_process *find_sharer(struct sdb_session *session, pid_t tid)
{
    struct sdb_process *process = session->held.processes;

    while (process &&
           (sdb__process_is_gone(process) || !sdb__tasks_share_memory(process->pid, tid)))
        process = process->next;
    return process;
}

/* @return 0, or -ENOMEM: then it is an orphan as before */
static int adopt_one(struct sdb_session *session, pid_t tid, const struct sdb_process *from)
{
    const struct sdb_process *sharer = find_sharer(session, tid);
    struct sdb_process *process = create_with(session, tid, &from->policies);
    int rc;

    if (!process)
        return -ENOMEM;
    if (sharer)
        sdb__process_set_space(process, sdb__space_retain(sharer->space));
    if (sdb__process_is_hidden(from) || !is_wanted(from))
        process->phase = SDB__PROCESS_WATCHED;
    rc = introduce(process, sharer ? sharer : from, NULL);
    if (rc < 0)
        return rc;
    process->thread->awaits_start = true;
    replay(session, tid);
    return 0;
}

/*
 * @param from  the process whose newborns are meant
 * @return whether there were any, or -ENOMEM: those that are left are adopted another time
 */
static int adopt(struct sdb_session *session, const struct sdb_process *from)
{
    const struct sdb_process *executed = from->ended ? NULL : from;
    struct sdb__orphans *orphans = &session->orphans;
    int adopted = 0;

    for (struct sdb__orphan *orphan = sdb__orphans_first(orphans); orphan;
         orphan = sdb__orphans_next(orphans)) {
        const enum fate fate = fate_of(session, orphan, executed);

        if (fate != LEFT) {
            orphan->looks++;
            if (fate == STRANGE && !executed)
                sdb__orphans_looked_at(orphans, orphan);
            continue;
        }
        if (adopt_one(session, orphan->tid, from) < 0) {
            if (!session->ends)
                return -ENOMEM;
            sdb__session_let_newborn_go(session, orphan->tid, from);
        }
        adopted = 1;
    }
    return adopted;
}

void sdb__session_forget_departed(struct sdb_session *session)
{
    struct sdb_process *departed = session->departed;

    session->departed = NULL;
    if (departed)
        sdb__session_leave_space(session, departed);
    sdb_process_close(departed);
}

/* Keep what the newborns of a process have from it, whose stops may still be to come. */
static void remember(struct sdb_session *session, struct sdb_process *ended)
{
    sdb__session_forget_departed(session);
    session->departed = sdb_process_retain(ended);
}

int sdb__session_adopt(struct sdb_process *process)
{
    struct sdb_session *session = process->session;

    if (!process->ended) {
        const int rc = adopt(session, process);

        process->adoption_due = rc < 0;
        session->births_due = session->births_due || rc < 0;
        return rc < 0 ? rc : 0;
    }
    if ((process->policies.follow & FOLLOW_NEWBORNS) || process->births_reported) {
        remember(session, process);
        (void)sdb__session_adopt_orphans(session);
    }
    return 0;
}

bool sdb__session_has_orphans(const struct sdb_session *session)
{
    return session->departed && session->orphans.new_stops > 0;
}

int sdb__session_adopt_orphans(struct sdb_session *session)
{
    struct sdb_process *departed = session->departed;
    int adopted;

    if (!departed)
        return 0;
    sdb_process_retain(departed); /* another may take its place meanwhile */
    adopted = adopt(session, departed);
    sdb_process_close(departed);
    session->births_due = session->births_due || adopted < 0;
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

/* Without memory for another, time and again, the old one serves on, and says that it is gone. */
static void take_new_memory(struct sdb_process *process)
{
    struct sdb_session *session = process->session;
    struct sdb__space *space = sdb__space_create();

    if (!space) {
        space = session->spare_space;
        session->spare_space = NULL;
    }
    sdb__session_leave_space(session, process);
    if (space)
        sdb__process_set_space(process, space);
    sdb__session_review(session);
}

struct sdb_thread *sdb__session_take_exec(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb_session *session = thread->process->session;
    struct sdb_thread *executing = sdb__thread_table_find(&session->held.threads, stop->other_tid);

    if (executing && executing != thread && executing->process == thread->process)
        thread = move_to_pid(thread, executing);
    (void)sdb__session_adopt(thread->process);
    sdb__features_executed(thread);
    take_new_memory(thread->process);
    return thread;
}
