/* SPDX-License-Identifier: MIT */
/*
 * Processes that share their memory with one that is held, and are not known to.
 *
 * The kernel reports who is born to a held thread.  But one that waits in vfork(2) when it is attached to
 * has a child already, which has its memory; and what is attached to may be such a child itself.  Nothing
 * tells of them, so that all processes are looked through.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/procfs.h"
#include "session/inside.h"

struct search {
    struct sdb_process *process;
    pid_t tid; /* of a thread of it that lives: one that has ended has no memory */
    pid_t found;
};

static struct sdb_process *held_process(const struct sdb_process *process, pid_t pid)
{
    struct sdb_thread *thread = sdb__thread_table_find(&process->held->threads, pid);

    return thread ? thread->process : NULL;
}

static bool has_memory(pid_t tid)
{
    struct sdb__procfs_status status;

    return sdb__procfs_status(tid, &status) == 0 && status.has_memory;
}

/* Two that have ended are alike in having no memory: what has some now had it then. */
static bool shares_memory(pid_t tid, pid_t pid)
{
    return sdb__tasks_share_memory(tid, pid) && has_memory(pid);
}

/* Whether the kernel holds it for us: it was born just now, stands, and is still to be told of. */
static bool is_to_come(pid_t pid)
{
    struct sdb__procfs_status status;

    return sdb__procfs_status(pid, &status) == 0 && status.tracer == (pid_t)syscall(SYS_gettid);
}

static bool look_at(pid_t pid, void *data)
{
    struct search *search = data;
    const struct sdb_process *other = held_process(search->process, pid);

    if ((!other || other->space != search->process->space) && shares_memory(search->tid, pid) &&
        (other || !is_to_come(pid)))
        search->found = pid;
    return search->found == 0;
}

/* @return the id of a thread that has memory, or 0 */
static pid_t find_live(const struct sdb_process *process)
{
    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (!sdb__thread_is_gone(thread) && has_memory(thread->tid))
            return thread->tid;
    }
    return 0;
}

/* What one that is held, too, had of the memory alone is the other's now. */
static void join(struct sdb_process *other, const struct sdb_process *process)
{
    sdb__session_leave_space(process->session, other);
    sdb__process_set_space(other, sdb__space_retain(process->space));
}

/* Have one go on that was attached to, as one that is watched.  It tells nothing, and needs no room for it. */
static void watch(struct sdb_process *other, const struct sdb_process *process)
{
    other->phase = SDB__PROCESS_WATCHED;
    join(other, process);
    (void)sdb__features_process_born(other, process, NULL);
    for (struct sdb_thread *thread = other->threads; thread; thread = thread->next)
        (void)sdb__features_thread_born(thread);
    (void)sdb__process_apply_options(other);
    sdb__session_abandon(other);
}

static int hold(const struct sdb_process *process, pid_t tid, pid_t pid)
{
    struct sdb_process *other;
    int rc = sdb__session_attach(process->session, pid, &other, NULL);

    if (rc == -ESRCH || (rc < 0 && !shares_memory(tid, pid)))
        return 0; /* it has ended, or executes another program now */
    if (rc < 0)
        return rc == -EPERM || rc == -EDEADLK ? -EBUSY : rc;
    if (shares_memory(tid, pid))
        watch(other, process);
    else
        (void)sdb__session_detach(other, SDB_RELEASE_RUN, NULL);
    return 0;
}

/* Whether it has executed its program just now, and nobody can have its memory yet. */
static bool is_new(const struct sdb_process *process)
{
    return process->thread_count == 1 && process->thread->stop == SDB_EVENT_EXEC;
}

int sdb__session_find_sharers(struct sdb_process *process)
{
    struct search search = {.process = process, .tid = is_new(process) ? 0 : find_live(process)};
    struct sdb_process *other;
    int rc = 0;

    while (search.tid != 0) {
        (void)sdb__procfs_processes(look_at, &search);
        if (search.found != 0 || has_memory(search.tid))
            break;
        search.tid = find_live(process); /* that one has ended meanwhile */
    }
    if (search.found == 0) {
        process->space->all_known = true;
        return 0;
    }
    other = held_process(process, search.found);
    if (other)
        join(other, process);
    else
        rc = hold(process, search.tid, search.found);
    return rc < 0 ? rc : 1;
}
