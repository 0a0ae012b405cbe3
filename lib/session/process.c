/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a whole process: its policies, and that it stops, goes on, as an event says or
 * otherwise, dies or is let go.
 */
#include <sdb/process.h>

#include <errno.h>

#include "launch/child.h"
#include "session/inside.h"

int sdb__process_check_caller(const struct sdb_process *process)
{
    if (!process)
        return -EINVAL;
    if (!sdb__process_is_ours(process))
        return -SDB_EWRONGTHREAD;
    return sdb__process_is_gone(process) ? -ESRCH : 0;
}

/* ---- policies ---- */

int sdb__process_apply_options(struct sdb_process *process)
{
    int rc = 0;

    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        int rc_of_thread;

        thread->options_due = true; /* whoever cannot be told now is at its next stop */
        rc_of_thread = sdb__thread_stands(thread) ? sdb__session_tell_options(thread) : 0;
        if (rc == 0)
            rc = rc_of_thread;
    }
    return rc;
}

/* Have the kernel do as these policies say; if it does not, those before stay. */
static int change_policies(struct sdb_process *process, const struct sdb__policies *wanted)
{
    const struct sdb__policies before = process->policies;
    int rc;

    if (sdb__process_some_run(process))
        return -EBUSY;
    process->policies = *wanted;
    rc = sdb__process_apply_options(process);
    if (rc < 0)
        process->policies = before;
    return rc;
}

int sdb_process_set_follow(struct sdb_process *process, uint32_t follow)
{
    int rc = sdb__process_check_caller(process);
    struct sdb__policies wanted;

    if (rc < 0)
        return rc;
    if (follow & ~SDB_FOLLOW_ALL)
        return -EINVAL;
    if (process->births_reported && !(follow & SDB_FOLLOW_CLONE))
        return -EINVAL; /* no thread may go unseen */
    if (follow != SDB_FOLLOW_ALL && process->policies.must_be_held)
        return -EPERM;
    if (process->launched && !(follow & SDB_FOLLOW_EXEC) && !process->child) {
        process->child = sdb__child_allocate();
        if (!process->child)
            return -ENOMEM;
    }
    wanted = process->policies;
    wanted.follow = follow;
    return change_policies(process, &wanted);
}

static bool release_is_known(enum sdb_release release)
{
    return release == SDB_RELEASE_RUN || release == SDB_RELEASE_STOP || release == SDB_RELEASE_KILL;
}

int sdb_process_set_release(struct sdb_process *process, enum sdb_release release)
{
    int rc = sdb__process_check_caller(process);
    struct sdb__policies wanted;

    if (rc < 0)
        return rc;
    if (!release_is_known(release))
        return -EINVAL;
    if (release != SDB_RELEASE_KILL && process->policies.must_be_held)
        return -EPERM;
    wanted = process->policies;
    wanted.release = release;
    return change_policies(process, &wanted);
}

int sdb_process_set_stop_mode(struct sdb_process *process, enum sdb_stop_mode mode)
{
    int rc = sdb__process_check_caller(process);

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
    int rc = sdb__process_check_caller(process);

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
    int rc = sdb__process_check_caller(process);
    bool found = false;

    if (rc == -ESRCH && process->session && (process->ended || process->released) &&
        process->thread->queued)
        return 0; /* it was killed or let go since, and that is still to be told */
    if (rc < 0)
        return rc;
    if (!sdb__resume_is_known(how))
        return -EINVAL;
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (!sdb__thread_stands(thread)) {
            /* One that was to stop with the others, and could not yet, shall not do so later. */
            sdb__thread_unwant(thread, SDB__REASON_HOLD);
            continue;
        }
        if (thread->queued)
            continue;
        found = true;
        rc = sdb__session_resume(thread, how, SDB_SIGNAL_PASS);
        if (rc < 0)
            return rc;
    }
    return found ? 0 : -EBUSY;
}

int sdb_event_resume(const struct sdb_event *event)
{
    bool is_end;

    if (!event || !event->thread)
        return -EINVAL;
    is_end = event->kind == SDB_EVENT_EXITED || event->kind == SDB_EVENT_THREAD_EXIT ||
             event->kind == SDB_EVENT_RELEASED;
    if (event->process->policies.stop_mode == SDB_ALL_STOP && event->kind != SDB_EVENT_EXITED &&
        event->kind != SDB_EVENT_RELEASED) {
        int rc = sdb_process_resume(event->process, SDB_RESUME_CONTINUE);

        /* All others may have something to tell themselves. */
        return is_end && rc == -EBUSY ? 0 : rc;
    }
    return is_end ? 0 : sdb_thread_resume(event->thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
}

int sdb_process_kill(struct sdb_process *process)
{
    int rc = sdb__process_check_caller(process);

    return rc < 0 ? rc : sdb__session_kill(process);
}

int sdb_process_detach(struct sdb_process *process, enum sdb_release how, struct sdb_child **child)
{
    int rc = sdb__process_check_caller(process);

    if (rc < 0)
        return rc;
    if (!release_is_known(how))
        return -EINVAL;
    if (how != SDB_RELEASE_KILL && process->policies.must_be_held)
        return -EPERM;
    return sdb__session_detach(process, how, child);
}
