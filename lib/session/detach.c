/* SPDX-License-Identifier: MIT */
/*
 * Letting processes go.
 *
 * A thread can only be let go while it stands still.  So a process that is to be let go is "leaving":
 * those of its threads that stand still go at once, the others are asked to stop, and go with whatever
 * stop comes first.  One that cannot stop yet stays in the session until it can, although for the
 * caller the process has gone.
 */
#include <errno.h>
#include <signal.h>

#include "breakpoint/breakpoint.h"
#include "breakpoint/hardware.h"
#include "kernel/procfs.h"
#include "launch/child.h"
#include "session/session.h"

/* How long a killed process may take to die before it is left to itself. */
#define DEATH_TIMEOUT_MS 1000

/* A first thread that has ended while others run: the kernel keeps it, and the end of the process. */
static bool has_dead_first_thread(const struct sdb_process *process)
{
    struct sdb__procfs_status status;

    return process->thread->state == SDB_THREAD_RUNNING &&
           sdb__procfs_status(process->pid, &status) == 0 && status.state == 'Z' &&
           status.thread_count > 1;
}

void sdb__session_remove_if_gone(struct sdb_process *process)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread->state != SDB_THREAD_GONE &&
            !(thread == process->thread && process->first_not_held))
            return;
    }
    sdb__session_remove(process);
}

/*
 * Let a thread's late SIGTRAP come, of a step or of the debug registers, and be dropped: without a
 * tracer it would kill.
 */
static bool must_wait_for_trap(const struct sdb_thread *thread)
{
    return ((thread->step_trap_due && thread->stop != SDB_EVENT_STEP) || thread->debug.trap_due) &&
           sdb__ptrace_has_pending(thread->tid, SIGTRAP);
}

/* @return 0, or -ESRCH: it was killed just now, and its end is ours to see */
static int let_go(struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;
    int rc;

    if (thread->state != SDB_THREAD_STOPPED)
        return 0;
    sdb__debug_clear(thread);
    if (must_wait_for_trap(thread)) {
        thread->dying = true; /* as far as waiting for it goes */
        return sdb__thread_go(thread, SDB_RESUME_CONTINUE, sdb__thread_pending_signal(thread));
    }
    (void)sdb__registers_flush(thread);
    rc = sdb__ptrace_detach(thread->tid, sdb__thread_pending_signal(thread));
    if (rc < 0) {
        thread->dying = true;
        sdb__session_unqueue_thread(thread); /* it stands in that stop no more */
        sdb__thread_set_state(thread, SDB_THREAD_RUNNING);
        return rc;
    }
    if (process->session->stop_to_take == thread->tid)
        process->session->stop_to_take = 0;
    sdb__thread_table_remove(&process->session->threads, thread);
    if (thread == process->thread)
        sdb__thread_set_state(thread, SDB_THREAD_GONE); /* it goes with the process */
    else
        sdb__thread_gone(thread);
    return 0;
}

void sdb__session_let_go(struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;

    (void)let_go(thread);
    sdb__session_remove_if_gone(process);
}

/* It is the caller's no more. */
static void hide(struct sdb_process *process, enum sdb__process_phase phase)
{
    struct sdb_session *session = process->session;

    sdb__session_unqueue(process);
    if (session->told_end && session->told_end->process == process)
        session->told_end = NULL;
    process->phase = phase;
    sdb__watchpoint_forget(process);
    sdb__hardware_forget(process);
    sdb__debug_drop_all(process);
    sdb__process_close_memory(process);
}

/* Those that stand still; the process itself, too, if it has no other. */
static void let_others_go(struct sdb_process *process)
{
    struct sdb_thread *next;

    for (struct sdb_thread *thread = process->threads; thread; thread = next) {
        next = thread->next;
        if (thread->ended && thread != process->thread)
            sdb__thread_gone(thread); /* its end is not told any more */
        else
            (void)let_go(thread);
    }
    sdb__session_remove_if_gone(process);
}

/* Begin to let it go.  @return 0, or -ESRCH: it was killed just now, and is held until its end */
static int leave(struct sdb_process *process, bool stopped)
{
    int rc;

    /* It is pending until a thread runs; a signal that was coming is delivered before it. */
    if (stopped)
        (void)sdb__send_signal(process->pid, process->pidfd, SIGSTOP);
    /* While its others stand still, nothing but its death can take the first thread away. */
    rc = let_go(process->thread);
    if (rc < 0)
        return rc;
    hide(process, SDB__PROCESS_LEAVING);
    let_others_go(process);
    return 0;
}

void sdb__session_begin_to_leave(struct sdb_process *process)
{
    hide(process, SDB__PROCESS_LEAVING);
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread->state == SDB_THREAD_RUNNING)
            (void)sdb__thread_ask_to_stop(thread);
    }
    let_others_go(process);
}

/* Let it go for the caller, and hold it on: it shares its memory with another that has breakpoints. */
static void watch(struct sdb_process *process, bool stopped)
{
    if (stopped)
        (void)sdb__send_signal(process->pid, process->pidfd, SIGSTOP);
    hide(process, SDB__PROCESS_WATCHED);
    process->pauses++;
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        thread->hold_wanted = false;
        thread->interrupt_wanted = false;
        thread->against_stop = false;
        thread->how = SDB_RESUME_CONTINUE;
        thread->paused = thread->state == SDB_THREAD_STOPPED;
    }
    sdb__session_unpause(process);
}

static bool some_die(const struct sdb_process *process)
{
    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread->dying && thread->state == SDB_THREAD_RUNNING)
            return true;
    }
    return false;
}

/*
 * One of its threads, let go already, may have executed a program and killed the others.  It waits
 * until they are reaped, which only we can do.
 */
static int reap_dying(struct sdb_process *process)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);
    struct sdb_session *session = process->session;
    int rc = 0;

    while (rc == 0 && process->session && some_die(process))
        rc = sdb__session_pump(session, &never, false);
    return rc;
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
    if (rc == 0 && sdb__breakpoint_is_shared(process)) {
        watch(process, stopped);
        sdb_process_close(process);
        return 0;
    }
    if (rc == 0) {
        sdb__breakpoint_lift_all(process);
        rc = leave(process, stopped);
    }
    if (rc == 0)
        (void)reap_dying(process); /* it has gone for the caller, whatever comes of this */
    sdb__breakpoint_review(session);
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
        if (thread->state == SDB_THREAD_STOPPED)
            (void)let_go(thread);
        else if (thread->state == SDB_THREAD_RUNNING) {
            thread->dying = true;
            (void)sdb__thread_ask_to_stop(thread); /* or goes when it stops */
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
    struct sdb_child *let_go = NULL;
    const pid_t pid = process->pid;
    int pidfd = process->pidfd;
    int rc;

    if (how == SDB_RELEASE_KILL) {
        rc = detach_by_killing(process);
        if (rc == 0 && child)
            *child = NULL;
        return rc;
    }
    if (child && process->launched) {
        if (has_dead_first_thread(process) || sdb__breakpoint_is_shared(process))
            return -EBUSY;
        let_go = sdb__child_allocate();
        if (!let_go)
            return -ENOMEM;
        process->pidfd = -1; /* the child's from now on */
    }

    sdb_process_retain(process);
    rc = detach(process, how == SDB_RELEASE_STOP);
    if (rc < 0) {
        if (let_go)
            process->pidfd = pidfd;
        sdb__child_free(let_go);
    } else {
        if (let_go)
            sdb__child_fill(let_go, pid, pidfd);
        if (child)
            *child = let_go;
    }
    sdb_process_close(process);
    return rc;
}

bool sdb__session_release_at_exec(struct sdb_process *process)
{
    struct sdb_thread *thread = process->thread;

    (void)sdb__registers_flush(thread);
    if (sdb__ptrace_detach(thread->tid, 0) < 0)
        return false; /* it was killed just now */
    if (process->session->stop_to_take == thread->tid)
        process->session->stop_to_take = 0;
    sdb__thread_table_remove(&process->session->threads, thread);
    sdb__thread_set_state(thread, SDB_THREAD_GONE);
    process->released = true;
    sdb__process_close_memory(process);
    if (process->launched && process->child) {
        sdb__child_fill(process->child, process->pid, process->pidfd);
        process->pidfd = -1;
    }
    sdb__session_enqueue(process->session, thread);
    return true;
}

/* ---- at the end of a session ---- */

static bool is_leaving(const struct sdb_process *process)
{
    return sdb__process_is_hidden(process);
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

static struct sdb_process *find(struct sdb_session *session,
                                bool (*is_wanted)(const struct sdb_process *process))
{
    struct sdb_process *process = session->processes;

    while (process && !is_wanted(process))
        process = process->next;
    return process;
}

/* Those that are born of them meanwhile, too. */
static void kill_all(struct sdb_session *session)
{
    const struct sdb__deadline deadline = sdb__deadline_in(DEATH_TIMEOUT_MS);
    int rc = 0;

    while (rc == 0 && find(session, shall_die)) {
        for (struct sdb_process *process = session->processes; process; process = process->next) {
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
 * they have stopped.  A first thread that has ended stops no more; it stays with the tracer thread.
 */
static void wait_for_leaving(struct sdb_session *session)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);
    struct sdb_process *process;
    int rc = 0;

    while (rc == 0 && (process = find(session, is_leaving))) {
        if (process->thread_count == 1 && has_dead_first_thread(process))
            sdb__session_remove(process);
        else
            rc = sdb__session_pump(session, &never, false);
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
            process->phase = SDB__PROCESS_LEAVING;
        remove_ended(session);
        sdb_process_close(process);
    }
}

void sdb__session_release_all(struct sdb_session *session)
{
    /* A newborn of one that was killed may come only now. */
    do {
        kill_all(session);
        remove_ended(session);
        detach_all(session);
        wait_for_leaving(session);
        remove_ended(session);
    } while (!session->processes && sdb__session_newborns_are_due(session) &&
             sdb__session_adopt_orphans(session));
}
