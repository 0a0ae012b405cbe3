/* SPDX-License-Identifier: MIT */
/*
 * Attaching to a process, and letting one go.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT only: they leave no SIGSTOP behind, keep a group-stop, and
 * detach without a trace.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "descriptor.h"
#include "error.h"
#include "procfs.h"
#include "ptrace.h"
#include "session.h"

static int refuse(struct sdb_error *error, int code, enum sdb_stage stage, pid_t pid,
                  const char *why)
{
    sdb__error_set(error, code, stage, -1);
    sdb__error_detail(error, "process %d%s", (int)pid, why);
    if (error)
        error->tid = pid;
    return code;
}

/* Tell the reasons apart for which a process cannot be attached to.  @return 0 if none is seen */
static int find_reason(pid_t pid, enum sdb_stage stage, struct sdb_error *error)
{
    struct sdb__procfs_status status;
    int rc = sdb__procfs_status(pid, &status);
    int code;

    if (rc == -ENOSYS)
        return 0; /* the kernel's own answer will have to do */
    if (rc < 0)
        return refuse(error, rc, stage, pid, "");
    if (status.tgid == getpid())
        return refuse(error, -EDEADLK, stage, pid, " (it is the host itself)");
    if (status.tgid != pid)
        return refuse(error, -ESRCH, stage, pid, " (it is a thread, not a process)");
    if (status.tracer != 0) {
        code = refuse(error, -EBUSY, stage, pid, " (it is traced already)");
        if (error)
            error->other_pid = status.tracer;
        return code;
    }
    if (status.state == 'Z' && status.thread_count > 1)
        return refuse(error, -ESRCH, stage, pid, " (its first thread has ended)");
    if (status.state == 'Z' || status.state == 'X')
        return refuse(error, -ESRCH, stage, pid, " (it has ended, and waits to be reaped)");
    if (status.kernel_thread)
        return refuse(error, -EPERM, stage, pid, " (it is a kernel thread)");
    return 0;
}

/* Why the kernel has said EPERM. */
static int explain_denial(pid_t pid, struct sdb_error *error)
{
    struct sdb__procfs_status status;
    int rc = find_reason(pid, SDB_STAGE_ATTACH, error);

    if (rc < 0)
        return rc;
    if (sdb__procfs_status(pid, &status) == 0 && status.uid != getuid() && geteuid() != 0)
        return refuse(error, -EPERM, SDB_STAGE_ATTACH, pid, " (it belongs to another user)");
    if (sdb__procfs_yama_scope() > 0)
        return refuse(error, -EPERM, SDB_STAGE_ATTACH, pid, " (Yama's ptrace_scope is not 0)");
    return refuse(error, -EPERM, SDB_STAGE_ATTACH, pid,
                  " (it is not dumpable, or a security module forbids it)");
}

static int seize(pid_t pid, struct sdb_error *error)
{
    int rc = sdb__ptrace_seize(pid, false);

    if (rc == -EPERM)
        return explain_denial(pid, error);
    return rc < 0 ? refuse(error, rc, SDB_STAGE_ATTACH, pid, "") : 0;
}

/*
 * Whether the pid has meant the same process all the while: if the one that the pidfd was opened for
 * still lives, nobody else can have been given its pid.
 */
static bool is_still_itself(const struct sdb_process *process)
{
    return process->pidfd < 0 || syscall(SYS_pidfd_send_signal, process->pidfd, 0, NULL, 0) == 0 ||
           errno != ESRCH;
}

int sdb_session_attach(struct sdb_session *session, int32_t pid, struct sdb_process **process,
                       struct sdb_error *error)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);
    struct sdb_process *held;
    int pidfd;
    int rc;

    if (sdb__error_check(error) < 0)
        return -EINVAL;
    if (!session || !process || pid <= 0)
        return sdb__error_set(error, -EINVAL, SDB_STAGE_FIND, -1);
    if (!sdb__session_is_ours(session))
        return sdb__error_set(error, -SDB_EWRONGTHREAD, SDB_STAGE_FIND, -1);

    sdb__error_clear(error);
    rc = find_reason(pid, SDB_STAGE_FIND, error);
    if (rc < 0)
        return rc;
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    /* EPERM is what a sandbox says to a call that it does not know. */
    if (pidfd < 0 && errno != ENOSYS && errno != EPERM)
        return refuse(error, -errno, SDB_STAGE_FIND, pid, "");
    if (pidfd >= 0) {
        pidfd = sdb__fd_above_stdio(pidfd);
        if (pidfd < 0)
            return refuse(error, pidfd, SDB_STAGE_FIND, pid, "");
    }

    held = sdb__process_create(pid, pidfd);
    rc = held ? seize(pid, error) : refuse(error, -ENOMEM, SDB_STAGE_FIND, pid, "");
    if (rc < 0)
        goto failed;

    /* Its first stop is its group-stop if it has one, else the one that we ask for. */
    (void)sdb__thread_ask_to_stop(held->thread);
    sdb__session_add(session, held, SDB__PROCESS_ATTACHING);
    do {
        rc = sdb__session_pump(session, &never, false);
    } while (rc == 0 && !held->ended && held->phase == SDB__PROCESS_ATTACHING);
    if (rc == 0 && !held->ended && is_still_itself(held)) {
        *process = held;
        return 0;
    }
    if (rc == 0 && !held->ended) {
        (void)sdb__session_detach(held, SDB_DETACH_RUN, NULL);
        return refuse(error, -ESRCH, SDB_STAGE_ATTACH, pid, "");
    }
    rc = refuse(error, rc < 0 ? rc : -ESRCH, SDB_STAGE_STOP, pid,
                rc < 0 ? "" : " (it ended meanwhile)");
    sdb__session_remove(session, held);
    return rc;

failed:
    if (held)
        sdb__process_gone(held);
    else
        sdb__fd_close(&pidfd);
    return rc;
}

/* A thread that has ended, while others of its process live, never stops again. */
static bool has_lost_its_thread(const struct sdb_process *process)
{
    struct sdb__procfs_status status;

    return sdb__procfs_status(process->pid, &status) == 0 && status.state == 'Z' &&
           status.thread_count > 1;
}

/* Have the process stand still.  @return 0, -EBUSY if it cannot, or -ESRCH if it ends instead */
static int stop_to_detach(struct sdb_session *session, struct sdb_process *process)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);
    int rc = 0;

    if (process->thread->state != SDB_THREAD_STOPPED) {
        if (has_lost_its_thread(process))
            return -EBUSY;
        process->phase = SDB__PROCESS_DETACHING;
        (void)sdb__thread_ask_to_stop(process->thread);
        rc = sdb__session_settle(session, process, &never);
        process->phase = SDB__PROCESS_HELD;
    }
    if (rc == 0 && process->ended)
        rc = -ESRCH;
    return rc;
}

/* It was killed just now.  Its end is ours to see, and its parent waits until we have seen it. */
static void see_end_instead(struct sdb_session *session, struct sdb_process *process)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);

    if (process->thread->queued)
        sdb__session_unqueue(session, process->thread);
    process->thread->state = SDB_THREAD_RUNNING;
    (void)sdb__session_settle(session, process, &never);
}

int sdb__session_detach(struct sdb_process *process, enum sdb_detach how, struct sdb_child **child)
{
    struct sdb_session *session = process->session;
    struct sdb_child *let_go = NULL;
    int rc;

    if (child && process->launched) {
        let_go = sdb__child_allocate();
        if (!let_go)
            return -ENOMEM;
    }
    rc = stop_to_detach(session, process);
    if (rc < 0) {
        sdb__child_free(let_go);
        return rc;
    }

    /* It is pending until the thread runs; a signal that was coming is delivered before it. */
    if (how == SDB_DETACH_STOP)
        (void)sdb__send_signal(process->pid, process->pidfd, SIGSTOP);
    rc = sdb__ptrace_detach(process->pid, sdb__thread_pending_signal(process->thread));
    if (rc < 0) {
        see_end_instead(session, process);
        sdb__child_free(let_go);
        return -ESRCH;
    }

    if (let_go) {
        sdb__child_fill(let_go, process->pid, process->pidfd);
        process->pidfd = -1;
    }
    if (child)
        *child = let_go;
    sdb__session_remove(session, process);
    return 0;
}
