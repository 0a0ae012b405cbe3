/* SPDX-License-Identifier: MIT */
/*
 * Processes: their handles, their policies, and what is asked of a whole process.
 */
#include "held/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include <sdb/error.h>

#include "base/descriptor.h"
#include "breakpoint/breakpoint.h"
#include "breakpoint/hardware.h"
#include "kernel/procfs.h"
#include "launch/child.h"
#include "session/session.h"
#include "step/step.h"

struct sdb_process *sdb__process_create(struct sdb_session *session, pid_t pid, int pidfd)
{
    struct sdb_process *process = calloc(1, sizeof(*process));

    if (!process)
        return NULL;
    process->references = 1;
    process->session = session;
    process->pid = pid;
    process->pidfd = -1;
    process->policies.follow = SDB_FOLLOW_DEFAULT;
    process->space = sdb__space_create();
    if (!process->space || pthread_mutex_init(&process->space_lock, NULL) != 0) {
        sdb__space_close(process->space);
        free(process);
        return NULL;
    }
    if (sdb__thread_create(process, pid, &process->thread) < 0) {
        sdb_process_close(process);
        return NULL;
    }
    process->pidfd = pidfd;
    process->next = session->processes;
    if (process->next)
        process->next->previous = process;
    session->processes = process;
    sdb__waiter_notify(session->waiter); /* there is something to watch now */
    return process;
}

void sdb__process_gone(struct sdb_process *process)
{
    struct sdb_session *session = process->session;

    sdb__breakpoint_leave_space(process);
    sdb__process_close_memory(process);
    while (process->threads)
        sdb__thread_gone(process->threads);
    process->thread = NULL;
    sdb__watchpoint_forget(process);
    sdb__hardware_forget(process);
    if (process->previous)
        process->previous->next = process->next;
    else
        session->processes = process->next;
    if (process->next)
        process->next->previous = process->previous;
    __atomic_store_n(&process->session, NULL, __ATOMIC_RELAXED);
    sdb__fd_close(&process->pidfd);
    sdb__child_free(process->child);
    process->child = NULL;
    sdb_process_close(process);
}

/* ---- its memory ---- */

struct sdb__space *sdb__process_space(struct sdb_process *process)
{
    struct sdb__space *space;

    pthread_mutex_lock(&process->space_lock);
    space = sdb__space_retain(process->space);
    pthread_mutex_unlock(&process->space_lock);
    return space;
}

void sdb__process_set_space(struct sdb_process *process, struct sdb__space *space)
{
    struct sdb__space *before;

    pthread_mutex_lock(&process->space_lock);
    before = process->space;
    process->space = space;
    pthread_mutex_unlock(&process->space_lock);
    sdb__space_close(before);
}

void sdb__process_close_memory(struct sdb_process *process)
{
    pthread_mutex_lock(&process->space_lock);
    __atomic_store_n(&process->memory_closed, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&process->space_lock);
}

/* One whose id may belong to another by now. */
static bool has_ended(const struct sdb_process *process)
{
    struct pollfd polled = {.fd = process->pidfd, .events = POLLIN};

    return process->pidfd >= 0 && poll(&polled, 1, 0) == 1;
}

/*
 * Other threads open memory while the tracer thread reaps.  If the process has not ended after that, what
 * was opened is its own.
 */
static int open_memory(struct sdb_process *process)
{
    int fd = -ESRCH;

    pthread_mutex_lock(&process->space_lock);
    if (!process->memory_closed)
        fd = sdb__procfs_open_memory(process->pid);
    if (fd >= 0 && has_ended(process)) {
        sdb__fd_close(&fd);
        fd = -ESRCH;
    }
    pthread_mutex_unlock(&process->space_lock);
    return fd;
}

int sdb__process_open_space(struct sdb_process *process, struct sdb__space *space)
{
    int fd = open_memory(process);

    if (fd < 0)
        return fd;
    sdb__space_take_fd(space, fd);
    return 0;
}

bool sdb__process_has_other_memory(struct sdb_process *process)
{
    int fd = open_memory(process);
    const bool has_other = fd >= 0;

    sdb__fd_close(&fd);
    return has_other;
}

bool sdb__process_is_ours(const struct sdb_process *process)
{
    /* A process that is gone is nobody's, and any thread may hear so. */
    return !process->session || sdb__session_is_ours(process->session);
}

struct sdb__ptrace_options sdb__process_options(const struct sdb_process *process)
{
    return (struct sdb__ptrace_options){
        .follow = process->policies.follow |
                  (process->births_reported ? SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK : 0),
        .kill_on_exit = process->policies.release == SDB_RELEASE_KILL,
        .at_filter = process->policies.catching.has_filter,
    };
}

bool sdb__process_is_gone(const struct sdb_process *process)
{
    return !process->session || process->ended || process->released ||
           sdb__process_is_hidden(process);
}

static int check_caller(const struct sdb_process *process)
{
    if (!process)
        return -EINVAL;
    if (!sdb__process_is_ours(process))
        return -SDB_EWRONGTHREAD;
    return sdb__process_is_gone(process) ? -ESRCH : 0;
}

int32_t sdb_process_pid(const struct sdb_process *process)
{
    return process ? process->pid : -EINVAL;
}

struct sdb_thread *sdb_process_thread(const struct sdb_process *process)
{
    return process && process->session && !sdb__process_is_hidden(process) ? process->thread : NULL;
}

struct sdb_thread *sdb_process_next_thread(const struct sdb_process *process,
                                           const struct sdb_thread *after)
{
    struct sdb_thread *thread;

    if (!process || sdb__process_is_hidden(process))
        return NULL;
    thread = after ? after->next : process->threads;
    while (thread && thread->state == SDB_THREAD_GONE)
        thread = thread->next;
    return thread;
}

int sdb_process_thread_count(const struct sdb_process *process)
{
    int count = 0;

    if (!process)
        return -EINVAL;
    for (const struct sdb_thread *thread = sdb_process_next_thread(process, NULL); thread;
         thread = sdb_process_next_thread(process, thread))
        count++;
    return count;
}

/* ---- policies ---- */

int sdb__process_apply_options(struct sdb_process *process)
{
    const struct sdb__ptrace_options options = sdb__process_options(process);

    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        int rc = thread->ended ? 0 : sdb__ptrace_set_options(thread->tid, &options);

        if (rc < 0)
            return rc;
    }
    return 0;
}

int sdb_process_set_follow(struct sdb_process *process, uint32_t follow)
{
    int rc = check_caller(process);
    uint32_t before;

    if (rc < 0)
        return rc;
    if (follow & ~SDB_FOLLOW_ALL)
        return -EINVAL;
    if (process->births_reported && !(follow & SDB_FOLLOW_CLONE))
        return -EINVAL; /* a thread that is not held would die of a breakpoint */
    if (follow != SDB_FOLLOW_ALL && sdb__catching_holds(&process->policies.catching))
        return -EPERM;
    if (process->running_count > 0)
        return -EBUSY;
    if (process->launched && !(follow & SDB_FOLLOW_EXEC) && !process->child) {
        process->child = sdb__child_allocate();
        if (!process->child)
            return -ENOMEM;
    }
    before = process->policies.follow;
    process->policies.follow = follow;
    rc = sdb__process_apply_options(process);
    if (rc < 0)
        process->policies.follow = before;
    return rc;
}

static bool release_is_known(enum sdb_release release)
{
    return release == SDB_RELEASE_RUN || release == SDB_RELEASE_STOP || release == SDB_RELEASE_KILL;
}

int sdb_process_set_release(struct sdb_process *process, enum sdb_release release)
{
    int rc = check_caller(process);
    enum sdb_release before;

    if (rc < 0)
        return rc;
    if (!release_is_known(release))
        return -EINVAL;
    if (release != SDB_RELEASE_KILL && sdb__catching_holds(&process->policies.catching))
        return -EPERM;
    if (process->running_count > 0)
        return -EBUSY;
    before = process->policies.release;
    process->policies.release = release;
    rc = sdb__process_apply_options(process);
    if (rc < 0)
        process->policies.release = before;
    return rc;
}

int sdb_process_set_stop_mode(struct sdb_process *process, enum sdb_stop_mode mode)
{
    int rc = check_caller(process);

    if (rc < 0)
        return rc;
    if (mode != SDB_NON_STOP && mode != SDB_ALL_STOP)
        return -EINVAL;
    process->policies.stop_mode = mode;
    return 0;
}

/* ---- requests ---- */

int sdb_process_stop(struct sdb_process *process, int timeout_ms)
{
    const struct sdb__deadline deadline = sdb__deadline_in(timeout_ms);
    int rc = check_caller(process);

    if (rc < 0)
        return rc;
    sdb_process_retain(process);
    rc = sdb__session_gather(process, &deadline, false);
    if (rc == 0 && sdb__process_is_gone(process))
        rc = -ESRCH;
    sdb_process_close(process);
    return rc;
}

int sdb_process_resume(struct sdb_process *process, enum sdb_resume how)
{
    int rc = check_caller(process);
    bool found = false;

    if (rc == -ESRCH && process->session && (process->ended || process->released) &&
        process->thread->queued)
        return 0; /* it was killed or let go since, and that is still to be told */
    if (rc < 0)
        return rc;
    if (!sdb__resume_is_known(how))
        return -EINVAL;
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        /* A thread that was to stop with the others, and could not yet, shall not do so later. */
        thread->hold_wanted = false;
        if (thread->state != SDB_THREAD_STOPPED || thread->queued)
            continue;
        found = true;
        if (how != SDB_RESUME_CONTINUE)
            sdb__step_cancel(thread);
        rc = sdb__thread_go_on(thread, how);
        if (rc < 0)
            return rc;
    }
    return found ? 0 : -EBUSY;
}

int sdb_process_kill(struct sdb_process *process)
{
    int rc = check_caller(process);

    return rc < 0 ? rc : sdb__session_kill(process);
}

int sdb_process_detach(struct sdb_process *process, enum sdb_release how, struct sdb_child **child)
{
    int rc = check_caller(process);

    if (rc < 0)
        return rc;
    if (!release_is_known(how))
        return -EINVAL;
    if (how != SDB_RELEASE_KILL && sdb__catching_holds(&process->policies.catching))
        return -EPERM;
    return sdb__session_detach(process, how, child);
}

void sdb_process_set_data(struct sdb_process *process, void *data)
{
    if (process)
        process->data = data;
}

void *sdb_process_data(const struct sdb_process *process)
{
    return process ? process->data : NULL;
}

struct sdb_process *sdb_process_retain(struct sdb_process *process)
{
    if (process)
        __atomic_add_fetch(&process->references, 1, __ATOMIC_RELAXED);
    return process;
}

void sdb_process_close(struct sdb_process *process)
{
    if (!process || __atomic_sub_fetch(&process->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    sdb__space_close(process->space);
    pthread_mutex_destroy(&process->space_lock);
    free(process);
}
