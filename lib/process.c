/* SPDX-License-Identifier: MIT */
/*
 * Processes: their handles, and what is asked of a whole process.
 */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <sdb/error.h>

#include "descriptor.h"
#include "ptrace.h"
#include "session.h"

struct sdb_process *sdb__process_create(pid_t pid, int pidfd)
{
    struct sdb_process *process = calloc(1, sizeof(*process));

    if (!process)
        return NULL;
    process->thread = sdb__thread_create(process, pid);
    if (!process->thread) {
        free(process);
        return NULL;
    }
    process->references = 1;
    process->pid = pid;
    process->pidfd = pidfd;
    return process;
}

void sdb__process_gone(struct sdb_process *process)
{
    process->session = NULL;
    process->thread->state = SDB_THREAD_GONE;
    sdb__fd_close(&process->pidfd);
    sdb_process_close(process);
}

bool sdb__process_is_ours(const struct sdb_process *process)
{
    /* A process that is gone is nobody's, and any thread may hear so. */
    return !process->session || sdb__session_is_ours(process->session);
}

static int check_caller(const struct sdb_process *process)
{
    if (!process)
        return -EINVAL;
    if (!sdb__process_is_ours(process))
        return -SDB_EWRONGTHREAD;
    return !process->session || process->ended ? -ESRCH : 0;
}

int32_t sdb_process_pid(const struct sdb_process *process)
{
    return process ? process->pid : -EINVAL;
}

struct sdb_thread *sdb_process_thread(const struct sdb_process *process)
{
    return process && process->session ? process->thread : NULL;
}

int sdb_process_resume(struct sdb_process *process)
{
    int rc = check_caller(process);

    return rc < 0 ? rc : sdb_thread_resume(process->thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
}

int sdb_process_kill(struct sdb_process *process)
{
    int rc = check_caller(process);

    return rc < 0 ? rc : sdb__kill_tracee(process->pid, process->pidfd);
}

int sdb_process_detach(struct sdb_process *process, enum sdb_detach how, struct sdb_child **child)
{
    int rc = check_caller(process);

    if (rc < 0)
        return rc;
    if (how != SDB_DETACH_RUN && how != SDB_DETACH_STOP)
        return -EINVAL;
    return sdb__session_detach(process, how, child);
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
    sdb__thread_free(process->thread);
    free(process);
}
