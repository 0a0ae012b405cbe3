/* SPDX-License-Identifier: MIT */
/*
 * Processes: their handles, their threads, and their memory.
 */
#include "held/process.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/descriptor.h"
#include "held/held.h"
#include "kernel/procfs.h"
#include "launch/child.h"

struct sdb_process *sdb__process_allocate(struct sdb_session *session, struct sdb__held *held,
                                          pid_t pid)
{
    struct sdb_process *process = sdb__slots_allocate(
        sizeof(*process), offsetof(struct sdb_process, slots), held->slot_sizes.of_process);

    if (!process)
        return NULL;
    process->references = 1;
    process->session = session;
    process->held = held;
    process->pid = pid;
    process->pidfd = -1;
    process->policies.follow = SDB_FOLLOW_DEFAULT;
    process->space = sdb__space_create();
    if (!process->space || pthread_mutex_init(&process->space_lock, NULL) != 0) {
        sdb__space_close(process->space);
        free(process);
        return NULL;
    }
    return process;
}

struct sdb_process *sdb__process_create(struct sdb_session *session, struct sdb__held *held,
                                        pid_t pid, int pidfd)
{
    struct sdb_process *process = sdb__process_allocate(session, held, pid);

    if (!process)
        return NULL;
    if (sdb__thread_create(process, pid, &process->thread) < 0) {
        sdb_process_close(process);
        return NULL;
    }
    process->pidfd = pidfd;
    process->next = held->processes;
    if (process->next)
        process->next->previous = process;
    held->processes = process;
    return process;
}

void sdb__process_gone(struct sdb_process *process)
{
    sdb__process_close_memory(process);
    while (process->threads)
        sdb__thread_gone(process->threads);
    process->thread = NULL;
    if (process->previous)
        process->previous->next = process->next;
    else
        process->held->processes = process->next;
    if (process->next)
        process->next->previous = process->previous;
    process->held = NULL;
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

bool sdb__process_is_gone(const struct sdb_process *process)
{
    return !process->session || process->ended || process->released ||
           sdb__process_is_hidden(process);
}

struct sdb_thread *sdb__process_next_standing(const struct sdb_process *process,
                                              const struct sdb_thread *after)
{
    struct sdb_thread *thread = after ? after->next : process->threads;

    while (thread && !sdb__thread_stands(thread))
        thread = thread->next;
    return thread;
}

bool sdb__process_some_run(const struct sdb_process *process)
{
    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (sdb__thread_runs(thread) && thread->hindrance == SDB__HINDERED_NOT)
            return true;
    }
    return false;
}

struct sdb__ptrace_options sdb__process_options(const struct sdb_process *process)
{
    return (struct sdb__ptrace_options){
        .follow = process->policies.follow |
                  (process->births_reported ? SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK : 0),
        .kill_on_exit = process->policies.release == SDB_RELEASE_KILL,
        .at_filter = process->policies.stops_at_filter,
    };
}

/* ---- handles ---- */

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
    while (thread && sdb__thread_is_gone(thread))
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
