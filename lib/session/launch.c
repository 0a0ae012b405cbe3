/* SPDX-License-Identifier: MIT */
/*
 * Launching into a session.
 *
 * The child is seized at its gate, with all options at once, among them the one that kills it with
 * its tracer: there is no moment at which a dying host leaves it behind.  Then the gate is opened,
 * and the launch has succeeded when the kernel reports the exec, and failed when it reports the
 * end.
 */
#include <errno.h>
#include <sys/wait.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "kernel/ptrace.h"
#include "launch/launching.h"
#include "session/inside.h"

#define DEATH_TIMEOUT_MS 1000

/* Let the child run to its exec.  @return 0, or a negative errno with the error filled */
static int run_to_exec(struct sdb_session *session, struct sdb_process *process,
                       struct sdb__launching *launching, struct sdb_error *error)
{
    const struct sdb__deadline *deadline = &launching->deadline;
    const struct sdb_exit_status *end;
    struct sdb_exit_status ignored;
    int rc;

    launching->path->open_gate(launching);
    do {
        rc = sdb__session_pump(session, deadline, false);
    } while (rc == 0 && !process->ended && process->phase == SDB__PROCESS_LAUNCHING);
    if (rc == 0 && !process->ended)
        return 0;

    if (rc < 0) {
        sdb__launching_explain(launching, rc, 0, error);
        (void)sdb__kill_tracee(process->pid, process->pidfd);
        (void)sdb__wait_killed(process->pid, process->pidfd, DEATH_TIMEOUT_MS, &ignored);
        return rc;
    }
    end = &process->thread->status;
    return sdb__launching_explain(launching, 0, end->how == SDB_KILLED ? end->code : 0, error);
}

/* Why the child could not be seized: it may have been killed at its gate. */
static int explain_refusal(struct sdb__launching *launching, int rc, struct sdb_error *error)
{
    struct sdb_exit_status status;
    int signal;

    if (sdb__wait_child(launching->pid, launching->pidfd, SDB__WAIT_TAKE, &status) == 0)
        return sdb__launching_explain(launching, 0, status.how == SDB_KILLED ? status.code : 0,
                                      error);
    sdb__error_set(error, rc, SDB_STAGE_SEIZE, -1);
    sdb__launching_kill(launching, &signal);
    return rc;
}

static int hold(struct sdb_session *session, struct sdb__launching *launching,
                struct sdb_process **process, struct sdb_error *error)
{
    const bool has_filter = launching->plan.caught_filter.len > 0;
    /* Who was not held would have the filter, and nobody to tell it what to do. */
    const struct sdb__ptrace_options options = {
        .follow = has_filter ? SDB_FOLLOW_ALL : SDB_FOLLOW_DEFAULT,
        .kill_on_exit = true,
        .at_filter = has_filter,
    };
    struct sdb_process *held;
    int rc = sdb__ptrace_seize(launching->pid, &options);

    held = rc == 0 ? sdb__session_add(session, launching->pid, launching->pidfd) : NULL;
    if (!held)
        return explain_refusal(launching, rc < 0 ? rc : -ENOMEM, error);
    launching->pidfd = -1;
    held->launched = true;
    held->policies.release = SDB_RELEASE_KILL;
    held->policies.follow = options.follow;
    held->policies.stops_at_filter = has_filter;
    held->policies.must_be_held = has_filter;
    held->phase = SDB__PROCESS_LAUNCHING;
    sdb__features_launched(held, &launching->plan);

    rc = run_to_exec(session, held, launching, error);
    if (rc < 0) {
        sdb__session_remove(held);
        return rc;
    }
    *process = held;
    return 0;
}

int sdb_session_launch(struct sdb_session *session, const struct sdb_launch_options *options,
                       struct sdb_process **process, struct sdb_error *error)
{
    struct sdb__launching *launching;
    int rc;

    if (sdb__error_check(error) < 0)
        return -EINVAL;
    if (!session || !process)
        return sdb__error_set(error, -EINVAL, SDB_STAGE_ARGUMENTS, -1);
    if (!sdb__session_is_ours(session))
        return sdb__error_set(error, -SDB_EWRONGTHREAD, SDB_STAGE_ARGUMENTS, -1);

    rc = sdb__launching_begin(&launching, options, true, error);
    if (rc < 0)
        return rc;
    rc = hold(session, launching, process, error);
    if (rc == 0) {
        sdb__launch_plan_hand_over(&launching->plan);
        sdb__launching_succeed(launching, error);
    }
    sdb__launching_end(launching);
    return rc;
}
