/* SPDX-License-Identifier: MIT */
/*
 * What is asked of one thread.
 *
 * Its state is what the session has learnt, so it is checked before the kernel is asked: a thread
 * that it knows to stand answers every request, unless somebody has killed it since; then the
 * kernel says ESRCH, and the thread's end is on its way.
 */
#include <sdb/thread.h>

#include <errno.h>
#include <signal.h>

#include "session/inside.h"

int sdb__thread_check_caller(const struct sdb_thread *thread)
{
    if (!thread)
        return -EINVAL;
    if (!sdb__process_is_ours(thread->process))
        return -SDB_EWRONGTHREAD;
    return sdb_thread_state(thread) == SDB_THREAD_GONE ? -ESRCH : 0;
}

int sdb__thread_check_stopped(const struct sdb_thread *thread)
{
    enum sdb_thread_state state;

    if (!thread)
        return -EINVAL;
    if (!sdb__process_is_ours(thread->process))
        return -SDB_EWRONGTHREAD;
    state = sdb_thread_state(thread);
    if (state == SDB_THREAD_STOPPED)
        return 0;
    return state == SDB_THREAD_GONE ? -ESRCH : -EBUSY;
}

int sdb__thread_check_told(const struct sdb_thread *thread)
{
    int rc = sdb__thread_check_stopped(thread);

    return rc == 0 && thread->queued ? -EBUSY : rc;
}

bool sdb__resume_is_known(enum sdb_resume how)
{
    return how == SDB_RESUME_CONTINUE || how == SDB_RESUME_STEP || how == SDB_RESUME_SYSCALL;
}

int sdb_thread_resume(struct sdb_thread *thread, enum sdb_resume how, int signal)
{
    int rc = sdb__thread_check_told(thread);

    if (rc == -ESRCH && thread->queued)
        return 0; /* it was killed since, and that is still to be told */
    if (rc < 0)
        return rc;
    if (!sdb__resume_is_known(how) || signal < SDB_SIGNAL_PASS ||
        (signal > 0 && (signal > SIGRTMAX || thread->stop != SDB_EVENT_SIGNAL)))
        return -EINVAL;
    return sdb__session_resume(thread, how, signal);
}

int sdb_thread_interrupt(struct sdb_thread *thread)
{
    int rc = sdb__thread_check_caller(thread);

    if (rc < 0)
        return rc;
    if (!sdb__thread_stands(thread)) {
        rc = sdb__session_ask_to_stop(thread);
        if (rc == 0)
            sdb__thread_want(thread, SDB__REASON_INTERRUPT);
        return rc;
    }
    if (sdb__thread_pauses(thread))
        sdb__thread_want(thread, SDB__REASON_INTERRUPT);
    return sdb_thread_state(thread) == SDB_THREAD_STOPPED ? -EALREADY : 0;
}

int sdb_thread_pc(struct sdb_thread *thread, uint64_t *address)
{
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!address)
        return -EINVAL;
    return sdb__registers_get_pc(thread, address);
}

int sdb_thread_siginfo(struct sdb_thread *thread, void *info, size_t size)
{
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!info || size != sizeof(siginfo_t) || thread->stop != SDB_EVENT_SIGNAL)
        return -EINVAL;
    return sdb__ptrace_siginfo(thread->tid, info);
}
