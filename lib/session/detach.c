/* SPDX-License-Identifier: MIT */
/*
 * Letting processes go, as their caller says or their release policy.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/procfs.h"
#include "kernel/reaper.h"
#include "launch/child.h"
#include "session/inside.h"

/* How long a killed process may take to die before it is left to itself. */
#define DEATH_TIMEOUT_MS 1000

/* How long the vfork of one that is let go may take before it is left to later waits. */
#define VFORK_TIMEOUT_MS 200

/* And how long for the ends of those that die. */
#define REAP_TIMEOUT_MS 1000

/* How long to look after those while a child is waited for, at a time. */
#define TEND_MS 2

/*
 * Whether nothing is left of a process to be let go: but for a first thread that has ended while others
 * run, which the kernel keeps, and the end of the process; or for one whose id another thread has got, by
 * an exec since that was let go.
 */
static bool only_dead_first_is_left(const struct sdb_process *process)
{
    struct sdb__procfs_status status;
    int rc;

    if (process->thread_count != 1 || !sdb__thread_runs(process->thread))
        return false;
    rc = sdb__procfs_status(process->pid, &status);
    return rc < 0 ? rc == -ESRCH
                  : status.tracer != (pid_t)syscall(SYS_gettid) ||
                        (status.state == 'Z' && status.thread_count > 1);
}

bool sdb__session_forget_left(struct sdb_process *process)
{
    if (process->phase != SDB__PROCESS_LEAVING || !only_dead_first_is_left(process))
        return false;
    sdb__session_remove(process);
    return true;
}

/*
 * Its parent is told of its end when the kernel's first word of it, to us, has been taken.  That of a child
 * of the host's is left to whoever waits for it, see sdb__session_is_hosts_end().
 */
static int have_end_taken(const struct sdb_process *process)
{
    struct sdb__procfs_status status;

    return sdb__procfs_status(process->pid, &status) < 0 || status.parent == getpid()
               ? 0
               : sdb__reap_later(process->pid);
}

/* Begin to let it go.  @return 0, or -ESRCH: it was killed just now, and is held until its end */
static int leave(struct sdb_process *process, bool stopped)
{
    int rc;

    /* It is pending until a thread runs; a signal that was coming is delivered before it. */
    if (stopped)
        (void)sdb__send_signal(process->pid, process->pidfd, SIGSTOP);
    /* While its others stand still, nothing but its death can take the first thread away. */
    rc = sdb__session_let_go(process->thread);
    if (rc < 0)
        return rc;
    sdb__session_hide(process, SDB__PROCESS_LEAVING);
    sdb__session_let_all_go(process);
    return 0;
}

/* Let it go for the caller, and hold it on. */
static void watch(struct sdb_process *process, bool stopped)
{
    if (stopped)
        (void)sdb__send_signal(process->pid, process->pidfd, SIGSTOP);
    sdb__session_hide(process, SDB__PROCESS_WATCHED);
    sdb__session_abandon(process);
}

static bool some_die(const struct sdb_process *process)
{
    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread->dying && sdb__thread_runs(thread))
            return true;
    }
    return false;
}

/*
 * One of its threads, let go already, may have executed a program and killed the others.  It waits
 * until they are reaped, which only we can do; later, where an end that is the host's hides theirs.
 */
static int reap_dying(struct sdb_process *process)
{
    const struct sdb__deadline deadline = sdb__deadline_in(REAP_TIMEOUT_MS);
    struct sdb_session *session = process->session;
    int rc = 0;

    while (rc == 0 && process->session && some_die(process) && !sdb__deadline_passed(&deadline))
        rc = sdb__session_pump(session, &deadline, false);
    return rc;
}

/* Whether a child that has its memory is the caller's to run: a vfork of that one lasts until it has. */
static bool shares_with_held(const struct sdb_process *process)
{
    const struct sdb_process *other = process->held->processes;

    while (other && (other == process || other->space != process->space || other->ended ||
                     other->phase != SDB__PROCESS_HELD))
        other = other->next;
    return other != NULL;
}

/*
 * A thread that waits in vfork stands still when that is over, until it is let go; and so does whoever waits
 * for the process.  So its end is waited for, if it may come by itself, and not for ever.
 */
static void wait_for_vfork(struct sdb_process *process)
{
    const struct sdb__deadline deadline = sdb__deadline_in(VFORK_TIMEOUT_MS);
    struct sdb_session *session = process->session;
    int rc = 0;

    while (rc == 0 && process->session && !only_dead_first_is_left(process) &&
           !shares_with_held(process))
        rc = sdb__session_pump(session, &deadline, false);
}

/*
 * What was launched is killed when the tracer dies, by an option that only a thread which stands still
 * can be given.  Those that are let go have lost it with their tracer.
 */
static int detach(struct sdb_process *process, bool stopped)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);
    struct sdb_session *session = process->session;
    int rc;

    sdb_process_retain(process);
    rc = sdb__session_gather(process, &never, false);
    if (rc == 0 && process->ended)
        rc = -ESRCH;
    if (rc == 0 && sdb__features_must_stay(process)) {
        watch(process, stopped);
        sdb_process_close(process);
        return 0;
    }
    if (rc == 0) {
        sdb__features_give_back(process);
        rc = leave(process, stopped);
    }
    if (rc == 0) {
        (void)reap_dying(process); /* it has gone for the caller, whatever comes of this */
        wait_for_vfork(process);
    }
    if (process->session && only_dead_first_is_left(process) && have_end_taken(process) == 0)
        sdb__session_remove(process);
    sdb__session_review(session);
    sdb_process_close(process);
    return rc;
}

void sdb__session_give_up(struct sdb_process *process)
{
    struct sdb_thread *next;

    sdb_process_retain(process);
    process->phase = SDB__PROCESS_LEAVING;
    sdb__process_close_memory(process);
    for (struct sdb_thread *thread = process->threads; thread; thread = next) {
        next = thread->next;
        /* With its first thread gone, those that do not stand still are being killed. */
        if (sdb__thread_stands(thread)) {
            (void)sdb__session_let_go(thread);
        } else if (sdb__thread_runs(thread)) {
            thread->dying = true;
            (void)sdb__session_ask_to_stop(thread); /* or goes when it stops */
        }
    }
    sdb__session_remove_if_gone(process);
    (void)reap_dying(process);
    if (process->session)
        sdb__session_remove(process);
    sdb_process_close(process);
}

int sdb__session_kill(struct sdb_process *process)
{
    return sdb__kill_tracee(process->pid, process->pidfd);
}

/* Kill it, and see its end. */
static int detach_by_killing(struct sdb_process *process)
{
    const struct sdb__deadline deadline = sdb__deadline_in(DEATH_TIMEOUT_MS);
    struct sdb_session *session = process->session;
    int rc = sdb__session_kill(process);

    if (rc < 0 && rc != -ESRCH)
        return rc;
    rc = 0;
    while (rc == 0 && !process->ended)
        rc = sdb__session_pump(session, &deadline, false);
    if (rc < 0)
        return rc;
    sdb__session_remove(process);
    return 0;
}

int sdb__session_detach(struct sdb_process *process, enum sdb_release how, struct sdb_child **child)
{
    struct sdb_child *released = NULL;
    const pid_t pid = process->pid;
    int pidfd = process->pidfd;
    int rc;

    if (how == SDB_RELEASE_KILL) {
        rc = detach_by_killing(process);
        if (rc == 0 && child)
            *child = NULL;
        return rc;
    }
    rc = sdb__session_take_due_births(process->session);
    if (rc < 0)
        return rc; /* what was born of it would be lost */
    if (child && process->launched) {
        if (sdb__features_must_stay(process))
            return -EBUSY;
        released = sdb__child_allocate();
        if (!released)
            return -ENOMEM;
        process->pidfd = -1; /* the child's from now on */
    }

    sdb_process_retain(process);
    rc = detach(process, how == SDB_RELEASE_STOP);
    if (rc < 0) {
        if (released)
            process->pidfd = pidfd;
        sdb__child_free(released);
    } else {
        if (released)
            sdb__child_fill(released, pid, pidfd);
        if (child)
            *child = released;
    }
    sdb_process_close(process);
    return rc;
}

/* ---- at the end of a session ---- */

static bool is_leaving(const struct sdb_process *process)
{
    return sdb__process_is_hidden(process);
}

static struct sdb_process *find(struct sdb_session *session,
                                bool (*is_wanted)(const struct sdb_process *process))
{
    struct sdb_process *process = session->held.processes;

    while (process && !is_wanted(process))
        process = process->next;
    return process;
}

bool sdb__session_tend_leaving(void)
{
    const struct sdb__deadline soon = sdb__deadline_in(TEND_MS);
    struct sdb_session *session = sdb__session_of_this_thread;

    if (!session || sdb__session_is_copy(session) || !find(session, is_leaving))
        return false;
    (void)sdb__session_pump(session, &soon, false);
    return find(session, is_leaving) != NULL;
}

static bool is_here(const struct sdb_process *process)
{
    return !process->ended && !process->released && !is_leaving(process);
}

static bool shall_die(const struct sdb_process *process)
{
    return is_here(process) && process->policies.release == SDB_RELEASE_KILL;
}

static bool shall_live(const struct sdb_process *process)
{
    return is_here(process) && process->policies.release != SDB_RELEASE_KILL;
}

static bool has_ended(const struct sdb_process *process)
{
    return process->ended;
}

/* Those that are born of them meanwhile, too. */
static void kill_all(struct sdb_session *session)
{
    const struct sdb__deadline deadline = sdb__deadline_in(DEATH_TIMEOUT_MS);
    int rc = 0;

    while (rc == 0 && find(session, shall_die)) {
        for (struct sdb_process *process = session->held.processes; process;
             process = process->next) {
            if (shall_die(process) && !process->killed) {
                process->killed = true;
                (void)sdb__session_kill(process);
            }
        }
        rc = sdb__session_pump(session, &deadline, false);
    }
}

/*
 * Threads that cannot be let go yet are waited for: without a session they would never run again, once
 * they have stopped.  A first thread that has ended stops no more; its end is taken when it comes.
 */
static void wait_for_leaving(struct sdb_session *session)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);
    struct sdb_process *process;
    int rc = 0;

    while (rc == 0 && (process = find(session, is_leaving))) {
        if (only_dead_first_is_left(process)) {
            (void)have_end_taken(process); /* without a thread for that it stays with ours */
            sdb__session_remove(process);
        } else {
            rc = sdb__session_pump(session, &never, false);
        }
    }
}

static void remove_ended(struct sdb_session *session)
{
    struct sdb_process *process;

    while ((process = find(session, has_ended)))
        sdb__session_remove(process);
}

static void detach_all(struct sdb_session *session)
{
    struct sdb_process *process;

    while ((process = find(session, shall_live))) {
        sdb_process_retain(process);
        /* One that was killed just now ends by itself, or has done so. */
        if (detach(process, process->policies.release == SDB_RELEASE_STOP) < 0 &&
            process->session && !process->ended)
            sdb__session_hide(process, SDB__PROCESS_LEAVING);
        remove_ended(session);
        sdb_process_close(process);
    }
}

void sdb__session_release_all(struct sdb_session *session)
{
    session->ends = true;
    /* A newborn of one that was killed may come only now. */
    do {
        kill_all(session);
        remove_ended(session);
        detach_all(session);
        wait_for_leaving(session);
        remove_ended(session);
    } while (!session->held.processes && sdb__session_newborns_are_due(session) &&
             sdb__session_adopt_orphans(session) > 0);
}
