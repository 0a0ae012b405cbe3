/* SPDX-License-Identifier: MIT */
/*
 * The host's side of a launch: which path is taken, what came of it, and the launch of an untraced
 * program.
 */
#include <sdb/launch.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "kernel/ptrace.h"
#include "launch/child.h"
#include "launch/launching.h"

/* How long a killed child may take to die before it is left to itself. */
#define DEATH_TIMEOUT_MS 1000

/*
 * Sharing the host's memory is not possible under valgrind, which ends a program that tries it;
 * and is not polite for a hook, which would run on the host's own variables, nor for a change of
 * user, which would clear the dumpable flag of the memory, the host's.
 */
static bool must_fork(const struct sdb__launch_plan *plan)
{
    return (plan->options.flags & SDB_LAUNCH_PORTABLE) || plan->options.hook || plan->change_user ||
           sdb__on_valgrind();
}

static int start(struct sdb__launching *launching)
{
    int rc = -ENOSYS;

    if (!must_fork(&launching->plan)) {
        launching->path = &sdb__launch_by_clone;
        rc = launching->path->start(launching, &launching->deadline);
        if (rc == -ENOSYS)
            launching->path->finish(launching);
    }
    if (rc == -ENOSYS) {
        launching->path = &sdb__launch_by_fork;
        rc = launching->path->start(launching, &launching->deadline);
    }
    return rc;
}

int sdb__launching_begin(struct sdb__launching **begun, const struct sdb_launch_options *options,
                         bool traced, struct sdb_error *error)
{
    struct sdb__launching *launching;
    int signal = 0;
    int rc;

    launching = calloc(1, sizeof(*launching));
    if (!launching) {
        sdb__error_set(error, -ENOMEM, SDB_STAGE_PREPARE, -1);
        return -ENOMEM;
    }
    launching->pidfd = -1;
    launching->channel = -1;
    launching->report = -1;
    launching->traced = traced;

    rc = sdb__launch_plan_make(&launching->plan, options, error);
    if (rc == 0) {
        const struct sdb_launch_options *own = &launching->plan.options;

        if (!traced && own->caught_syscall_count > 0) {
            rc = sdb__launch_refuse(error, -EINVAL, -1, "caught_syscalls of an untraced program");
            sdb__launching_end(launching);
            return rc;
        }
        launching->deadline =
            sdb__deadline_in(own->flags & SDB_LAUNCH_TIMEOUT ? own->timeout_ms : -1);
        rc = start(launching);
        if (rc < 0) {
            sdb__launching_kill(launching, &signal);
            sdb__error_set(error, rc, (enum sdb_stage)launching->plan.note.stage, -1);
            if (error) {
                error->tid = launching->pid;
                error->signal = rc == -ESRCH ? signal : 0;
            }
        }
    }
    if (rc < 0) {
        sdb__launching_end(launching);
        return rc;
    }
    *begun = launching;
    return 0;
}

bool sdb__launching_reached_exec(struct sdb__launching *launching)
{
    const struct sdb__launch_note note = launching->path->note(launching);

    /* A filter may keep the last step from being told. */
    return note.code == 0 && note.stage >= SDB_STAGE_SECCOMP;
}

int sdb__launching_explain(struct sdb__launching *launching, int code, int signal,
                           struct sdb_error *error)
{
    struct sdb__launch_note note = launching->path->note(launching);
    enum sdb_stage stage = (enum sdb_stage)note.stage;

    if (code == 0)
        code = note.code < 0 ? note.code : -ESRCH;
    if (code == -ESRCH && signal != 0 && launching->traced &&
        sdb__launching_reached_exec(launching))
        stage = SDB_STAGE_START;
    sdb__error_set(error, code, stage, note.index);
    if (error) {
        error->tid = launching->pid;
        error->signal = code == -ESRCH ? signal : 0;
    }
    note.stage = stage;
    note.code = code;
    sdb__launch_plan_explain(&launching->plan, &note, error);
    return code;
}

void sdb__launching_succeed(struct sdb__launching *launching, struct sdb_error *error)
{
    const struct sdb__launch_note note = launching->path->note(launching);

    sdb__error_clear(error);
    if (error && note.warning < 0) {
        error->stage = SDB_STAGE_ASLR;
        error->warning = note.warning;
    }
}

/* Wait for the end of the child, which is certain to come. */
static int reap(struct sdb__launching *launching, int *signal)
{
    struct sdb_exit_status status;
    int rc = sdb__wait_child(launching->pid, launching->pidfd, SDB__WAIT_BLOCK, &status);

    *signal = rc == 0 && status.how == SDB_KILLED ? status.code : 0;
    return rc;
}

void sdb__launching_kill(struct sdb__launching *launching, int *signal)
{
    struct sdb_exit_status status;

    *signal = 0;
    if (launching->pid <= 0)
        return;
    (void)sdb__send_signal(launching->pid, launching->pidfd, SIGKILL);
    if (sdb__wait_killed(launching->pid, launching->pidfd, DEATH_TIMEOUT_MS, &status) == 0 &&
        status.how == SDB_KILLED)
        *signal = status.code;
}

void sdb__launching_end(struct sdb__launching *launching)
{
    if (!launching)
        return;

    /*
     * A child that even SIGKILL did not end in time still reads its plan and stands on its stack.
     * They are given up to it.
     */
    if (launching->memory_shared)
        return;

    if (launching->path)
        launching->path->finish(launching);
    sdb__launch_plan_release(&launching->plan);
    sdb__fd_close(&launching->pidfd);
    free(launching);
}

int sdb_launch(const struct sdb_launch_options *options, struct sdb_child **child,
               struct sdb_error *error)
{
    struct sdb__launching *launching = NULL;
    struct sdb_child *launched = NULL;
    int signal;
    int rc;

    if (sdb__error_check(error) < 0)
        return -EINVAL;
    if (!child) {
        sdb__error_set(error, -EINVAL, SDB_STAGE_ARGUMENTS, -1);
        sdb__error_detail(error, "(no place for the child)");
        return -EINVAL;
    }
    launched = sdb__child_allocate();
    if (!launched)
        return sdb__error_set(error, -ENOMEM, SDB_STAGE_PREPARE, -1);
    rc = sdb__launching_begin(&launching, options, false, error);
    if (rc < 0)
        goto finish;

    rc = launching->path->wait(launching, &launching->deadline); /* NOLINT: it was begun */
    if (rc == -ETIMEDOUT) {
        sdb__launching_explain(launching, rc, 0, error);
        sdb__launching_kill(launching, &signal);
        goto finish;
    }
    if (!sdb__launching_reached_exec(launching)) {
        (void)reap(launching, &signal);
        rc = sdb__launching_explain(launching, 0, signal, error);
        goto finish;
    }

    sdb__launch_plan_hand_over(&launching->plan);
    sdb__launching_succeed(launching, error);
    sdb__child_fill(launched, launching->pid, launching->pidfd);
    launching->pidfd = -1;
    *child = launched;
    launched = NULL;

finish:
    sdb__child_free(launched);
    sdb__launching_end(launching);
    return rc;
}
