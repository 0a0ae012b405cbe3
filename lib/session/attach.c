/* SPDX-License-Identifier: MIT */
/*
 * Attaching to a process.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT only: they leave no SIGSTOP behind, keep a group-stop, and
 * detach without a trace.
 *
 * Threads are made and end while they are being seized, one after the other.  So the list of threads
 * is gone through again until there is none in it that is not held; from then on newborns are held by
 * themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/trace.h"
#include "kernel/procfs.h"
#include "session/attach_guard.h"
#include "session/inside.h"

/* How often a thread may refuse to be seized that does not seem to be dying. */
#define MOST_REFUSALS 100

/* ---- refusals ---- */

static const struct refusal {
    int code;
    const char *words;
} refusals[] = {
    [SDB_REASON_NONE] = {0, ""},
    [SDB_REASON_GONE] = {-ESRCH, ""},
    [SDB_REASON_ZOMBIE] = {-ESRCH, " (it has ended, and waits to be reaped)"},
    [SDB_REASON_THREAD] = {-ESRCH, " (it is a thread, not a process)"},
    [SDB_REASON_TRACED] = {-EBUSY, " (it is traced already)"},
    [SDB_REASON_OWN] = {-EDEADLK, " (it is the host itself)"},
    [SDB_REASON_KERNEL_THREAD] = {-EPERM, " (it is a kernel thread)"},
    [SDB_REASON_OTHER_USER] = {-EPERM, " (it belongs to another user)"},
    [SDB_REASON_NOT_DUMPABLE] = {-EPERM, " (it is not dumpable)"},
    [SDB_REASON_YAMA] = {-EPERM, " (Yama's ptrace_scope is not 0)"},
    [SDB_REASON_SECURITY] = {-EPERM, " (a security module or a sandbox forbids it)"},
};

static int refuse(struct sdb_error *error, int code, enum sdb_stage stage, pid_t pid,
                  const char *words)
{
    sdb__error_set(error, code, stage, -1);
    sdb__error_detail(error, "process %d%s", (int)pid, words);
    if (error) {
        error->tid = pid;
        error->reason = code == -ESRCH ? SDB_REASON_GONE : SDB_REASON_NONE;
    }
    return code;
}

static int refuse_for(struct sdb_error *error, enum sdb_reason reason, enum sdb_stage stage,
                      pid_t pid)
{
    (void)refuse(error, refusals[reason].code, stage, pid, refusals[reason].words);
    if (error)
        error->reason = reason;
    return refusals[reason].code;
}

static int refuse_traced(struct sdb_error *error, enum sdb_stage stage, pid_t pid, pid_t tracer)
{
    int code = refuse_for(error, SDB_REASON_TRACED, stage, pid);

    if (error)
        error->other_pid = tracer;
    return code;
}

/*
 * Whether a process has ended.  While another thread of it executes a program, the first one is a
 * zombie, the last one even, until the other has its id; so look again.
 */
static bool has_ended(pid_t pid, struct sdb__procfs_status *status)
{
    const struct timespec moment = {.tv_nsec = 200000};

    for (int looks = 0; looks < 3; looks++) {
        if (status->state != 'X' && (status->state != 'Z' || status->thread_count > 1))
            return false;
        nanosleep(&moment, NULL);
        if (sdb__procfs_status(pid, status) < 0)
            break;
    }
    return true;
}

/* Tell the reasons apart for which a process cannot be attached to.  @return 0 if none is seen */
static int find_reason(pid_t pid, enum sdb_stage stage, struct sdb_error *error)
{
    const pid_t tracer = (pid_t)syscall(SYS_gettid);
    struct sdb__procfs_status status;
    int rc = sdb__procfs_status(pid, &status);

    if (rc == -ENOSYS)
        return 0; /* the kernel's own answer will have to do */
    if (rc < 0)
        return refuse(error, rc, stage, pid, "");
    if (status.tgid == getpid())
        return refuse_for(error, SDB_REASON_OWN, stage, pid);
    if (status.tgid != pid)
        return refuse_for(error, SDB_REASON_THREAD, stage, pid);
    /* Its first thread may have been ours, and ended before it was let go. */
    if (status.tracer == tracer && has_ended(pid, &status))
        return refuse_for(error, SDB_REASON_ZOMBIE, stage, pid);
    if (status.tracer != 0 && !(status.tracer == tracer && status.state == 'Z'))
        return refuse_traced(error, stage, pid, status.tracer);
    if (has_ended(pid, &status))
        return refuse_for(error, SDB_REASON_ZOMBIE, stage, pid);
    if (status.kernel_thread)
        return refuse_for(error, SDB_REASON_KERNEL_THREAD, stage, pid);
    return 0;
}

/* Why the kernel has said EPERM.  @param is_held  whether its first thread is held already, for this */
static int explain_denial(pid_t pid, bool is_held, struct sdb_error *error)
{
    struct sdb__procfs_status status;
    int rc = is_held ? 0 : find_reason(pid, SDB_STAGE_ATTACH, error);

    if (rc < 0)
        return rc;
    if (sdb__procfs_status(pid, &status) == 0 && status.uid != getuid() && geteuid() != 0)
        return refuse_for(error, SDB_REASON_OTHER_USER, SDB_STAGE_ATTACH, pid);
    if (!sdb__procfs_is_dumpable(pid))
        return refuse_for(error, SDB_REASON_NOT_DUMPABLE, SDB_STAGE_ATTACH, pid);
    return refuse_for(error, sdb__procfs_yama_scope() > 0 ? SDB_REASON_YAMA : SDB_REASON_SECURITY,
                      SDB_STAGE_ATTACH, pid);
}

/* ---- seizing ---- */

struct attaching {
    struct sdb_session *session;
    struct sdb_process *process;
    struct sdb_error *error;
    struct sdb__attach_guard *guard;
    bool found; /* a thread that was not held */
    int refusals;
    int rc;
};

static int seize_sibling(struct attaching *attaching, pid_t tid)
{
    const struct sdb__ptrace_options options = sdb__process_options(attaching->process);
    int rc = 0;

    if (!attaching->guard)
        rc = sdb__attach_guard_post(attaching->process->pid, &attaching->guard);
    if (rc < 0) {
        attaching->rc = refuse(attaching->error, rc, SDB_STAGE_ATTACH, attaching->process->pid, "");
        return rc;
    }
    return sdb__attach_guard_seize(attaching->guard, attaching->session, tid, &options);
}

/* The kernel has refused one of the threads: it may be dying, or held already as a newborn. */
static void look_at_refused(struct attaching *attaching, pid_t tid)
{
    const pid_t pid = attaching->process->pid;
    struct sdb__procfs_status status;

    if (sdb__procfs_thread_status(pid, tid, &status) < 0 || status.state == 'Z' ||
        status.state == 'X' || status.tracer == (pid_t)syscall(SYS_gettid))
        return;
    if (status.tracer != 0)
        attaching->rc = refuse_traced(attaching->error, SDB_STAGE_ATTACH, pid, status.tracer);
    else if (++attaching->refusals > MOST_REFUSALS)
        attaching->rc = explain_denial(pid, true, attaching->error);
    else
        attaching->found = true; /* look again */
}

/*
 * The thread that was seized last has executed a program, while the kernel let the request wait.  So
 * what was held is another now, and has the first one's id; the first one, which was asked to stop, is
 * no more, and nothing tells of that.
 */
static void hold_another_first(struct sdb_process *process)
{
    struct sdb__procfs_status status;

    if (sdb__procfs_status(process->pid, &status) < 0 ||
        status.tracer != (pid_t)syscall(SYS_gettid))
        return;
    process->first_not_held = false;
    process->thread->hindrance = SDB__HINDERED_NOT;
    sdb__thread_stop_is_coming(process->thread, false);
}

static bool visit(pid_t tid, void *data)
{
    struct attaching *attaching = data;
    struct sdb_thread *thread;

    if (sdb__thread_table_find(&attaching->session->held.threads, tid))
        return true;
    /* First: who has been seized must be known, or it would be held for ever. */
    attaching->rc = sdb__thread_create(attaching->process, tid, &thread);
    if (attaching->rc < 0) {
        (void)refuse(attaching->error, attaching->rc, SDB_STAGE_ATTACH, attaching->process->pid,
                     "");
        return false;
    }
    if (seize_sibling(attaching, tid) < 0) {
        sdb__session_drop(thread);
        if (attaching->rc == 0)
            look_at_refused(attaching, tid);
        return attaching->rc == 0;
    }
    attaching->found = true;
    sdb__thread_want(thread, SDB__REASON_HOLD);
    (void)sdb__session_ask_to_stop(thread);
    if (!sdb__task_is_in(attaching->process->pid, tid))
        hold_another_first(attaching->process);
    return true;
}

/* The kernel's list can pass one over, when another ends just as it is gone through. */
static bool some_are_left(struct attaching *attaching)
{
    const struct sdb_process *process = attaching->process;
    struct sdb__procfs_status status;

    return sdb__procfs_status(process->pid, &status) == 0 &&
           status.thread_count > process->thread_count && ++attaching->refusals <= MOST_REFUSALS;
}

/*
 * The same while the first one stood still already, or by a thread that was not seized at all.
 *
 * @return whether it does not stand still any more; then it counts as running
 */
static bool first_was_replaced(struct sdb_process *process)
{
    unsigned long unused;

    if (!sdb__thread_stands(process->thread) || sdb__ptrace_message(process->pid, &unused) == 0)
        return false;
    sdb__trace("first thread of %d stands still no more", (int)process->pid);
    sdb__thread_stands_no_more(process->thread);
    return true;
}

/* @return whether the first thread is another that is not held, or was not */
static bool first_was_not_held(struct attaching *attaching)
{
    struct sdb_process *process = attaching->process;
    struct sdb__procfs_status status;

    if (!process->first_replaced)
        return false;
    process->first_replaced = false;
    if (seize_sibling(attaching, process->pid) == 0) {
        hold_another_first(process);
    } else if (attaching->rc == 0) {
        look_at_refused(attaching, process->pid);
        hold_another_first(process);
        if (sdb__procfs_status(process->pid, &status) == 0 && status.state == 'Z' &&
            status.thread_count > 1)
            process->first_not_held = true;
    }
    if (attaching->rc < 0)
        sdb__session_lose(process->thread);
    return true;
}

/* Seize and stop all threads but the first. */
static int seize_others(struct attaching *attaching)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);
    struct sdb_process *process = attaching->process;
    int rc;

    do {
        attaching->found = false;
        rc = sdb__procfs_threads(process->pid, visit, attaching);
        if (attaching->rc < 0)
            return attaching->rc;
        if (rc < 0 && rc != -ESRCH && rc != -ENOSYS)
            return refuse(attaching->error, rc, SDB_STAGE_ATTACH, process->pid, "");
        rc = sdb__session_gather(process, &never, false);
        if (rc < 0)
            return refuse(attaching->error, rc, SDB_STAGE_STOP, process->pid, "");
    } while (!process->ended && (first_was_not_held(attaching) || first_was_replaced(process) ||
                                 attaching->found || some_are_left(attaching)));
    return attaching->rc;
}

/*
 * Seize the first thread.  It may have ended while others run; then it is the only one that cannot be
 * seized.  It may also be dying while another thread executes a program, and takes its id.
 */
static int seize_first(struct attaching *attaching)
{
    struct sdb_process *process = attaching->process;
    const struct sdb__ptrace_options options = sdb__process_options(process);
    const struct timespec moment = {.tv_nsec = 100000};
    struct sdb__procfs_status status;
    int rc;

    for (;;) {
        rc = sdb__ptrace_seize(process->pid, &options);
        if (rc == 0) {
            (void)sdb__session_ask_to_stop(process->thread);
            return 0;
        }
        if (sdb__procfs_status(process->pid, &status) == 0 && status.state == 'Z' &&
            status.thread_count > 1) {
            process->first_not_held = true;
            process->thread->hindrance = SDB__HINDERED_NOW;
            return 0;
        }
        if (rc != -EPERM)
            return refuse(attaching->error, rc, SDB_STAGE_ATTACH, process->pid, "");
        rc = explain_denial(process->pid, false, attaching->error);
        if (rc != -EPERM || attaching->error->reason != SDB_REASON_SECURITY ||
            ++attaching->refusals > MOST_REFUSALS)
            return rc;
        nanosleep(&moment, NULL);
    }
}

/* Or whether a thread that was not seized has executed a program, and has its id now. */
static bool first_is_still_dead(const struct sdb_process *process)
{
    struct sdb__procfs_status status;

    return process->thread_count > 1 && sdb__procfs_status(process->pid, &status) == 0 &&
           status.state == 'Z';
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

/* @param pidfd  becomes the process's, or is closed */
static int try_attach(struct sdb_session *session, pid_t pid, int pidfd,
                      struct sdb_process **process, struct sdb_error *error)
{
    struct sdb_error unwanted = SDB_ERROR_INIT;
    struct attaching attaching = {.session = session, .error = error ? error : &unwanted};
    struct sdb_thread *known = sdb__thread_table_find(&session->held.threads, pid);
    struct sdb_process *held;
    int rc;

    if (known && !sdb__session_forget_left(known->process)) {
        sdb__fd_close(&pidfd); /* it is leaving, and cannot stop yet */
        return refuse_traced(error, SDB_STAGE_FIND, pid, (pid_t)syscall(SYS_gettid));
    }
    held = sdb__session_add(session, pid, pidfd);
    if (!held) {
        sdb__fd_close(&pidfd);
        return refuse(error, -ENOMEM, SDB_STAGE_FIND, pid, "");
    }
    attaching.process = held;
    held->phase = SDB__PROCESS_ATTACHING;

    rc = seize_first(&attaching);
    if (rc < 0) {
        sdb__session_remove(held);
        return rc;
    }
    sdb__error_clear(error); /* of what was refused at first */
    rc = seize_others(&attaching);
    sdb__attach_guard_dismiss(attaching.guard);
    if (rc == 0 && held->first_not_held && !held->ended && !first_is_still_dead(held))
        sdb__session_lose(held->thread);
    if (rc == 0 && !held->ended && is_still_itself(held)) {
        held->phase = SDB__PROCESS_HELD;
        *process = held;
        return 0;
    }
    if (rc == 0)
        rc = refuse(error, -ESRCH, held->ended ? SDB_STAGE_STOP : SDB_STAGE_ATTACH, pid,
                    held->ended ? " (it ended meanwhile)" : "");
    sdb_process_retain(held);
    if ((held->ended || sdb__session_detach(held, SDB_RELEASE_RUN, NULL) < 0) && held->session)
        sdb__session_give_up(held);
    sdb_process_close(held);
    return rc;
}

/* Whether the process lives, after an attach has said that it ended. */
static bool lives(pid_t pid, int pidfd)
{
    struct sdb__procfs_status status;

    return (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0) &&
           sdb__procfs_status(pid, &status) == 0 && !has_ended(pid, &status);
}

/*
 * A thread that was not seized yet may execute a program: then it takes the process over from those
 * that were, and the attach begins anew.
 *
 * @param pidfd  becomes the process's, or is closed
 */
static int attach(struct sdb_session *session, pid_t pid, int pidfd, struct sdb_process **process,
                  struct sdb_error *error)
{
    int rc;

    do {
        int own = pidfd < 0 ? -1 : fcntl(pidfd, F_DUPFD_CLOEXEC, 3);

        if (pidfd >= 0 && own < 0) {
            rc = refuse(error, -errno, SDB_STAGE_FIND, pid, "");
            break;
        }
        rc = try_attach(session, pid, own, process, error);
    } while (rc == -ESRCH && lives(pid, pidfd));
    sdb__fd_close(&pidfd);
    if (rc == 0)
        sdb__error_clear(error);
    return rc;
}

int sdb__session_attach(struct sdb_session *session, pid_t pid, struct sdb_process **process,
                        struct sdb_error *error)
{
    int rc = find_reason(pid, SDB_STAGE_FIND, error);
    int pidfd;

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
    return attach(session, pid, pidfd < 0 ? -1 : pidfd, process, error);
}

static int check_caller(struct sdb_session *session, struct sdb_process **process,
                        struct sdb_error *error)
{
    if (sdb__error_check(error) < 0)
        return -EINVAL;
    if (!session || !process)
        return sdb__error_set(error, -EINVAL, SDB_STAGE_FIND, -1);
    if (!sdb__session_is_ours(session))
        return sdb__error_set(error, -SDB_EWRONGTHREAD, SDB_STAGE_FIND, -1);
    sdb__error_clear(error);
    return 0;
}

int sdb_session_attach(struct sdb_session *session, int32_t pid, struct sdb_process **process,
                       struct sdb_error *error)
{
    int rc = check_caller(session, process, error);

    if (rc < 0)
        return rc;
    if (pid <= 0)
        return sdb__error_set(error, -EINVAL, SDB_STAGE_FIND, -1);
    return sdb__session_attach(session, pid, process, error);
}

int sdb_session_attach_pidfd(struct sdb_session *session, int pidfd, struct sdb_process **process,
                             struct sdb_error *error)
{
    int rc = check_caller(session, process, error);
    int own;
    int pid;

    if (rc < 0)
        return rc;
    pid = sdb__procfs_pid_of_pidfd(pidfd);
    if (pid == -ESRCH)
        return refuse(error, pid, SDB_STAGE_FIND, 0, "");
    if (pid < 0)
        return sdb__error_set(error, pid, SDB_STAGE_FIND, -1);
    rc = find_reason(pid, SDB_STAGE_FIND, error);
    if (rc < 0)
        return rc;
    own = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return refuse(error, -errno, SDB_STAGE_FIND, pid, "");
    return attach(session, pid, own, process, error);
}
