/* SPDX-License-Identifier: MIT */
/*
 * Stopping all threads of a process, but for those that cannot stop: to stay so, or for a moment.
 */
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/procfs.h"
#include "session/inside.h"

/*
 * How long to wait for threads to stop before it is looked at whether they can.  What keeps a thread
 * from it, a vfork or its end as the first one, is nothing that the kernel would tell.
 */
#define LOOK_AGAIN_MS 2

/* How often threads are asked one after the other; those that signals keep busy take longer. */
#define MOST_TURNS 4

/* After how many statuses of any threads. */
#define MOST_SILENT 32

static bool waits_for_vfork(const struct sdb_thread *thread)
{
    uint64_t arguments[6];
    long number = sdb__procfs_syscall(thread->process->pid, thread->tid, arguments);

    return number == SYS_vfork || (number == SYS_clone && (arguments[0] & CLONE_VFORK)) ||
           number == SYS_clone3;
}

/*
 * Whether a thread is where no interrupt stops it.  ptrace(2) does not say; /proc does.  A first thread
 * that has ended waits for the others; without any, the end of the process is on its way, if it is held.
 */
static bool is_hindered(const struct sdb_thread *thread, const struct sdb__procfs_status *status)
{
    if (status->state == 'Z' || status->state == 'X')
        return thread == thread->process->thread &&
               (status->thread_count > 1 || thread->process->first_not_held);
    return status->state == 'D' && waits_for_vfork(thread);
}

/* Whether a thread that was not held yet has executed a program, and has the first one's id. */
static bool is_replaced(const struct sdb_thread *thread, const struct sdb__procfs_status *status)
{
    const bool lives = status->state != 'Z' && status->state != 'X';

    return thread->process->phase == SDB__PROCESS_ATTACHING && thread == thread->process->thread &&
           status->tracer == 0 && (lives || status->thread_count > 1);
}

/*
 * Look at threads that do not stop.  One that exists and is not held any more is lost: another thread
 * that was not held has executed a program, and taken its id.
 */
static void look_at_running(struct sdb_process *process)
{
    const pid_t tracer = (pid_t)syscall(SYS_gettid);
    struct sdb__procfs_status status;
    struct sdb_thread *next;

    for (struct sdb_thread *thread = process->threads; thread; thread = next) {
        next = thread->next;
        if (!sdb__thread_runs(thread))
            continue;
        if (sdb__procfs_thread_status(process->pid, thread->tid, &status) < 0) {
            /* Its end, or that of an exec, is on its way; if it was ever held by that id.  But /proc may
               not tell either, without a descriptor for it. */
            if (sdb__task_is_in(process->pid, thread->tid))
                thread->missing = false;
            else if (process->phase == SDB__PROCESS_ATTACHING && thread->missing)
                sdb__session_lose(thread);
            else
                thread->missing = true;
        } else if (status.tracer == tracer || (process->first_not_held && status.state == 'Z')) {
            thread->missing = false;
            if (thread->hindrance != SDB__HINDERED_BY_VFORK)
                thread->hindrance =
                    is_hindered(thread, &status) ? SDB__HINDERED_NOW : SDB__HINDERED_NOT;
        } else if (is_replaced(thread, &status)) {
            process->first_replaced = true;
            thread->hindrance = SDB__HINDERED_NOW; /* whoever attaches sees to it */
        } else if ((status.state == 'Z' || status.state == 'X') && !thread->missing) {
            /* It may be whoever had this id before an exec, seen as the kernel does away with it. */
            thread->missing = true;
        } else {
            sdb__session_lose(thread);
        }
    }
}

/*
 * Whether there is something to wait for.  A first thread that has ended could not stop as long as there
 * were others; since they have ended too, the end of the process is on its way.
 */
static bool some_may_stop(struct sdb_process *process)
{
    const struct sdb_thread *first = process->thread;

    if (!sdb__process_some_run(process) && sdb__thread_runs(first) &&
        first->hindrance != SDB__HINDERED_BY_VFORK)
        look_at_running(process);
    return process->session && sdb__process_some_run(process);
}

/*
 * Take the stops of a process's threads, asking for one after the other: the kernel finds each at once,
 * where it would go through all that are held to find any.
 */
static void take_by_tid(struct sdb_process *process)
{
    struct sdb_session *session = process->session;
    const struct rusage none = {0};
    struct sdb_thread *next;
    int turns = 0;
    bool found;

    sdb__session_take_last_stop(session);
    do {
        found = false;
        turns++;
        for (struct sdb_thread *thread = process->threads; thread; thread = next) {
            int status;

            next = thread->next;
            if (!sdb__thread_runs(thread) || !sdb__wait_take_stop(thread->tid, &status))
                continue;
            sdb__session_take(session, thread->tid, status, &none);
            found = true;
            /* An exec has done away with the others. */
            if (sdb__status_is_exec(status))
                break;
        }
    } while (found && turns < MOST_TURNS && process->session && process->running_count > 0);
}

/* @return whether one of them is known to be where it cannot stop */
static bool ask_all(struct sdb_process *process, enum sdb__reason reason)
{
    bool found = false;

    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (sdb__thread_is_gone(thread))
            continue;
        sdb__thread_want(thread, reason);
        if (!sdb__thread_runs(thread))
            continue;
        (void)sdb__session_ask_to_stop(thread);
        if (thread->hindrance != SDB__HINDERED_NOT)
            found = true;
    }
    return found;
}

static int stop_all(struct sdb_process *process, enum sdb__reason reason,
                    const struct sdb__deadline *deadline, bool heeds_interrupt)
{
    struct sdb_session *session = process->session;
    bool some_cannot;
    unsigned turns = 0;
    int rc = 0;

    some_cannot = ask_all(process, reason);
    take_by_tid(process);
    while (process->session && !process->ended && process->running_count > 0 &&
           (!some_cannot || some_may_stop(process))) {
        const struct sdb__deadline soon =
            sdb__deadline_earlier(*deadline, sdb__deadline_in(LOOK_AGAIN_MS));

        rc = sdb__session_pump(session, &soon, heeds_interrupt);
        /* Others may have so much to say that these are not heard, and the time not looked at. */
        if (rc == 0 && process->session && ++turns % MOST_SILENT == 0) {
            take_by_tid(process);
            rc = sdb__session_is_over(session, deadline, heeds_interrupt);
            if (rc < 0)
                break;
        }
        if (rc < 0 && rc != -ETIMEDOUT)
            break;
        if (rc == -ETIMEDOUT) {
            look_at_running(process);
            some_cannot = true;
            if (sdb__process_some_run(process) && sdb__deadline_passed(deadline))
                break;
            (void)ask_all(process, reason); /* of newborns, one may have been let run meanwhile */
            rc = 0;
        }
    }
    return rc;
}

int sdb__session_gather(struct sdb_process *process, const struct sdb__deadline *deadline,
                        bool heeds_interrupt)
{
    int rc;

    /* It may end meanwhile, and go if it is leaving. */
    sdb_process_retain(process);
    rc = stop_all(process, SDB__REASON_HOLD, deadline, heeds_interrupt);
    if (rc == 0)
        process->gathered = true;
    sdb_process_close(process);
    return rc;
}

/* ---- for a moment ---- */

/* Its threads shall stand, those that stand already, too. */
static void begin_pause(struct sdb_process *process)
{
    process->pauses++;
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next)
        sdb__thread_want(thread, SDB__REASON_PAUSE);
}

int sdb__session_pause(struct sdb_process *process)
{
    const struct sdb__deadline never = sdb__deadline_in(-1);
    int rc = 0;

    if (!process->session || process->phase == SDB__PROCESS_LEAVING)
        return -ESRCH;
    sdb_process_retain(process);
    begin_pause(process);
    if (process->running_count > 0)
        rc = stop_all(process, SDB__REASON_PAUSE, &never, false);
    if (rc == 0 && (!process->session || process->ended || process->released))
        rc = -ESRCH;
    if (rc < 0)
        sdb__session_unpause(process);
    sdb_process_close(process);
    return rc;
}

/* An interrupt that the caller has asked for while it paused is told, as nothing else of its stop is. */
static void end_pause(struct sdb_thread *thread)
{
    if (!sdb__thread_wants(thread, SDB__REASON_INTERRUPT)) {
        sdb__session_settle(thread);
        return;
    }
    sdb__thread_unwant(thread, SDB__REASON_INTERRUPT);
    sdb__thread_set_stop(thread, SDB_EVENT_INTERRUPT, 0);
    thread->teller = NULL;
    sdb__session_enqueue(thread->process->session, thread);
}

void sdb__session_unpause(struct sdb_process *process)
{
    struct sdb_thread *next;

    if (--process->pauses > 0)
        return;
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next)
        sdb__thread_unwant(thread, SDB__REASON_PAUSE);
    /* Whoever goes on may have the others stop, and end; and go, where nobody is told of that. */
    sdb_process_retain(process);
    for (struct sdb_thread *thread = process->threads; thread; thread = next) {
        next = thread->next;
        if (!sdb__thread_pauses(thread))
            continue;
        sdb_thread_retain(thread);
        end_pause(thread);
        next = sdb__thread_is_gone(thread) ? process->threads : thread->next;
        sdb_thread_close(thread);
    }
    sdb_process_close(process);
}

void sdb__session_abandon(struct sdb_process *process)
{
    begin_pause(process);
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        sdb__thread_unwant(thread, SDB__REASON_HOLD);
        sdb__thread_unwant(thread, SDB__REASON_INTERRUPT);
        thread->against_stop = 0;
        thread->how = SDB_RESUME_CONTINUE;
    }
    sdb__session_unpause(process);
}
