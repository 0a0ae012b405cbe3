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

#include "descriptor.h"
#include "procfs.h"
#include "session.h"
#include "trace.h"

/*
 * Statuses of threads that never become known are a host's own affair (what it traces by hand, its
 * clone children); they are forgotten when there are more than these.
 */
#define MOST_ORPHANS 256

struct sdb__orphan {
    struct sdb__orphan *next;
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
    if (sdb__status_is_end(orphan.status) && sdb__task_is_in(tid, tid))
        return;
    sdb__session_take(session, tid, orphan.status, &orphan.usage);
}

/* ---- newborns ---- */

static struct sdb_process *create_like(struct sdb_process *parent, pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct sdb_process *process;

    if (pidfd >= 0)
        pidfd = sdb__fd_above_stdio(pidfd);
    process = sdb__process_create(parent->session, pid, pidfd < 0 ? -1 : pidfd);
    if (!process) {
        sdb__fd_close(&pidfd);
        return NULL;
    }
    process->follow = parent->follow;
    process->release = parent->release;
    process->stop_mode = parent->stop_mode;
    process->phase =
        parent->phase == SDB__PROCESS_LEAVING ? SDB__PROCESS_LEAVING : SDB__PROCESS_HELD;
    return process;
}

/* @return whether a newborn of a clone is a thread of its parent's process */
static bool is_thread(struct sdb_session *session, const struct sdb_thread *parent, pid_t tid)
{
    struct sdb__orphan *orphan = *find_orphan(session, tid);

    /* One that has ended already cannot be asked; nearly always it was one. */
    return sdb__task_is_in(parent->process->pid, tid) ||
           (orphan && sdb__status_is_end(orphan->status) && !sdb__task_is_in(tid, tid));
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
        process = create_like(parent->process, stop->other_tid);
        if (!process)
            return;
        newborn = process->thread;
    }
    newborn->awaits_start = true;
    parent->process->gathered = false;
    if (parent->state == SDB_THREAD_STOPPED)
        parent->newborn = sdb_thread_retain(newborn);
    replay(session, stop->other_tid);
}

/* ---- newborns whose parent cannot tell of them ---- */

/* Whether a task that stands still unclaimed is a process that this one has made. */
static bool is_child_of(pid_t tid, const struct sdb_process *parent)
{
    struct sdb__procfs_status status;

    if (sdb__procfs_status(tid, &status) < 0 || status.tgid != tid ||
        status.tracer != (pid_t)syscall(SYS_gettid))
        return false;
    if (!parent->ended)
        return status.parent == parent->pid;
    /* A dead parent's children have another now.  One that has a held parent waits for its event. */
    return !sdb__thread_table_find(&parent->session->threads, status.parent);
}

void sdb__session_adopt(struct sdb_process *process)
{
    struct sdb_session *session = process->session;
    struct sdb__orphan *next;

    for (struct sdb__orphan *orphan = session->orphans; orphan; orphan = next) {
        struct sdb_process *newborn;
        pid_t tid = orphan->tid;

        next = orphan->next;
        if (sdb__status_is_end(orphan->status) || !is_child_of(tid, process))
            continue;
        newborn = create_like(process, tid);
        if (!newborn)
            return;
        newborn->thread->awaits_start = true;
        replay(session, tid);
        next = session->orphans; /* the list may be another now */
    }
}

/* ---- exec ---- */

/*
 * A thread that is not the first has executed a program.  The first one's end is never reported, and
 * its id is the other's now.
 */
static struct sdb_thread *move_to_pid(struct sdb_thread *first, struct sdb_thread *thread)
{
    struct sdb_process *process = first->process;
    struct sdb_session *session = process->session;

    sdb__thread_ended(first, NULL);
    sdb__thread_table_remove(&session->threads, thread);
    thread->tid = process->pid;
    process->thread = thread;
    process->first_not_held = false;
    (void)sdb__thread_table_add(&session->threads, thread); /* there is room: two have gone */

    if (process->phase == SDB__PROCESS_HELD)
        sdb__session_enqueue(session, first);
    else
        sdb__thread_gone(first);
    return thread;
}

struct sdb_thread *sdb__session_take_exec(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb_session *session = thread->process->session;
    struct sdb_thread *former = sdb__thread_table_find(&session->threads, stop->other_tid);

    if (former && former != thread && former->process == thread->process)
        thread = move_to_pid(thread, former);
    sdb__session_adopt(thread->process);
    return thread;
}
