/* SPDX-License-Identifier: MIT */
/*
 * Threads: their state, and what is asked of one thread.
 *
 * The state is what the session has learnt, so it is checked before the kernel is asked: a thread
 * that it knows to be stopped answers every request, unless somebody has killed it since; then the
 * kernel says ESRCH, and the thread's end is on its way.
 */
#include "thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <sdb/error.h>

#include "process.h"
#include "ptrace.h"

struct sdb_thread *sdb__thread_create(struct sdb_process *process, pid_t tid)
{
    struct sdb_thread *thread = calloc(1, sizeof(*thread));

    if (!thread)
        return NULL;
    thread->process = process;
    thread->tid = tid;
    thread->state = SDB_THREAD_RUNNING;
    return thread;
}

void sdb__thread_free(struct sdb_thread *thread)
{
    free(thread);
}

void sdb__thread_stopped(struct sdb_thread *thread, uint32_t stop, int signal)
{
    thread->state = SDB_THREAD_STOPPED;
    thread->stop = stop;
    thread->signal = signal;
    thread->listening = false;
    thread->interrupt_asked = false;
}

static int resumed(struct sdb_thread *thread, enum sdb_resume how, int rc)
{
    if (rc < 0 && rc != -ESRCH)
        return rc;
    thread->leaving_exec = thread->stop == SDB_EVENT_EXEC;
    thread->state = SDB_THREAD_RUNNING;
    thread->stop = SDB_EVENT_NONE;
    thread->how = how;
    return 0;
}

int sdb__thread_go(struct sdb_thread *thread, enum sdb_resume how, int signal)
{
    int rc = how == SDB_RESUME_STEP ? sdb__ptrace_step(thread->tid, signal)
                                    : sdb__ptrace_continue(thread->tid, signal);

    return resumed(thread, how, rc);
}

int sdb__thread_listen(struct sdb_thread *thread)
{
    thread->listening = true;
    return resumed(thread, SDB_RESUME_CONTINUE, sdb__ptrace_listen(thread->tid));
}

int sdb__thread_ask_to_stop(struct sdb_thread *thread)
{
    int rc;

    if (thread->interrupt_asked)
        return 0;
    rc = sdb__ptrace_interrupt(thread->tid);
    /* ESRCH: it is dying, and its end is the event that follows. */
    if (rc < 0 && rc != -ESRCH)
        return rc;
    thread->interrupt_asked = true;
    return 0;
}

int sdb__thread_pending_signal(const struct sdb_thread *thread)
{
    return thread->stop == SDB_EVENT_SIGNAL ? thread->signal : 0;
}

/* Whether the caller may ask anything of this thread. */
static int check_caller(const struct sdb_thread *thread)
{
    if (!thread)
        return -EINVAL;
    if (!sdb__process_is_ours(thread->process))
        return -SDB_EWRONGTHREAD;
    return thread->state == SDB_THREAD_GONE ? -ESRCH : 0;
}

static int check_stopped(const struct sdb_thread *thread)
{
    int rc = check_caller(thread);

    if (rc < 0)
        return rc;
    return sdb_thread_state(thread) == SDB_THREAD_STOPPED ? 0 : -EBUSY;
}

int32_t sdb_thread_tid(const struct sdb_thread *thread)
{
    return thread ? thread->tid : -EINVAL;
}

struct sdb_process *sdb_thread_process(const struct sdb_thread *thread)
{
    return thread ? thread->process : NULL;
}

enum sdb_thread_state sdb_thread_state(const struct sdb_thread *thread)
{
    if (!thread)
        return SDB_THREAD_GONE;
    /* For the caller it runs until its stop has been told. */
    return thread->queued && thread->state == SDB_THREAD_STOPPED ? SDB_THREAD_RUNNING
                                                                 : thread->state;
}

int sdb_thread_resume(struct sdb_thread *thread, enum sdb_resume how, int signal)
{
    int rc = check_stopped(thread);

    if (rc < 0)
        return rc;
    if (how != SDB_RESUME_CONTINUE && how != SDB_RESUME_STEP)
        return -EINVAL;
    if (signal < SDB_SIGNAL_PASS || signal > SIGRTMAX ||
        (signal > 0 && thread->stop != SDB_EVENT_SIGNAL))
        return -EINVAL;

    if (thread->stop == SDB_EVENT_GROUP_STOP && how == SDB_RESUME_CONTINUE &&
        signal == SDB_SIGNAL_PASS)
        return sdb__thread_listen(thread);
    return sdb__thread_go(thread, how,
                          signal == SDB_SIGNAL_PASS ? sdb__thread_pending_signal(thread) : signal);
}

int sdb_thread_interrupt(struct sdb_thread *thread)
{
    int rc = check_caller(thread);

    if (rc < 0)
        return rc;
    if (thread->state == SDB_THREAD_STOPPED)
        return thread->queued ? 0 : -EALREADY;
    return sdb__thread_ask_to_stop(thread);
}

int sdb_thread_pc(struct sdb_thread *thread, uint64_t *address)
{
    int rc = check_stopped(thread);

    if (rc < 0)
        return rc;
    return address ? sdb__ptrace_pc(thread->tid, address) : -EINVAL;
}

int sdb_thread_siginfo(struct sdb_thread *thread, void *info, size_t size)
{
    int rc = check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!info || size != sizeof(siginfo_t) || thread->stop != SDB_EVENT_SIGNAL)
        return -EINVAL;
    return sdb__ptrace_siginfo(thread->tid, info);
}
