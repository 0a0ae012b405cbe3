/* SPDX-License-Identifier: MIT */
/*
 * Sessions: creating and destroying them, and waiting.
 *
 * What always holds: every process in the list is traced by this thread, or has ended and is about
 * to be told; a thread that is queued is stopped or its process has ended, and it is queued once.
 */
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "event.h"
#include "ptrace.h"
#include "versioned.h"

#define OPTIONS_SIZE_OF_VERSION_0_1 sizeof(struct sdb_session_options)
#define EVENT_SIZE_OF_VERSION_0_1   sizeof(struct sdb_event)
#define KNOWN_FLAGS                 SDB_SESSION_NO_IO_URING

/* How long a killed process may take to die before it is left to itself. */
#define DEATH_TIMEOUT_MS 1000

/* One session a thread: this is how the tracer thread is known. */
static _Thread_local struct sdb_session *session_of_this_thread;

bool sdb__session_is_ours(const struct sdb_session *session)
{
    /* In a forked child the first is as it was in the thread that forked; the second is not. */
    return session == session_of_this_thread && *session->mark == 1;
}

/* ---- the list and the queue ---- */

void sdb__session_add(struct sdb_session *session, struct sdb_process *process,
                      enum sdb__process_phase phase)
{
    process->session = session;
    process->phase = phase;
    process->next = session->processes;
    session->processes = process;
}

static void enqueue(struct sdb_session *session, struct sdb_thread *thread)
{
    if (thread->queued)
        return;
    thread->queued = true;
    thread->next_queued = NULL;
    if (session->last_queued)
        session->last_queued->next_queued = thread;
    else
        session->first_queued = thread;
    session->last_queued = thread;
}

static struct sdb_thread *dequeue(struct sdb_session *session)
{
    struct sdb_thread *thread = session->first_queued;

    if (!thread)
        return NULL;
    session->first_queued = thread->next_queued;
    if (!session->first_queued)
        session->last_queued = NULL;
    thread->queued = false;
    return thread;
}

void sdb__session_unqueue(struct sdb_session *session, struct sdb_thread *thread)
{
    struct sdb_thread *last = NULL;

    for (struct sdb_thread **at = &session->first_queued; *at;) {
        if (*at == thread) {
            *at = thread->next_queued;
        } else {
            last = *at;
            at = &(*at)->next_queued;
        }
    }
    session->last_queued = last;
    thread->queued = false;
}

void sdb__session_remove(struct sdb_session *session, struct sdb_process *process)
{
    for (struct sdb_process **at = &session->processes; *at; at = &(*at)->next) {
        if (*at == process) {
            *at = process->next;
            break;
        }
    }
    if (process->thread->queued)
        sdb__session_unqueue(session, process->thread);
    sdb__process_gone(process);
}

static struct sdb_process *find_process(const struct sdb_session *session, pid_t pid)
{
    for (struct sdb_process *process = session->processes; process; process = process->next) {
        if (process->pid == pid && !process->ended)
            return process;
    }
    return NULL;
}

/* ---- the pump ---- */

/* A stop of a process that is on its way to its exec: nothing that concerns the caller. */
static void pass_before_exec(struct sdb_process *process, uint32_t stop, int signal)
{
    struct sdb_thread *thread = process->thread;

    switch (stop) {
    case SDB_EVENT_EXEC:
        process->phase = SDB__PROCESS_HELD;
        break;
    case SDB_EVENT_GROUP_STOP:
        (void)sdb__thread_listen(thread); /* somebody stopped it: it waits for its SIGCONT */
        break;
    default:
        (void)sdb__thread_go(thread, SDB_RESUME_CONTINUE, signal);
        break;
    }
}

/*
 * A stop of a process that is being attached to.  A signal that comes first is passed on, and uses
 * the interrupt up (any stop does), so that it is asked for again.
 */
static void pass_before_attached(struct sdb_process *process, uint32_t stop, int signal)
{
    if (stop == SDB_EVENT_SIGNAL) {
        (void)sdb__thread_ask_to_stop(process->thread);
        (void)sdb__thread_go(process->thread, SDB_RESUME_CONTINUE, signal);
        return;
    }
    process->phase = SDB__PROCESS_HELD;
}

static void take_stop(struct sdb_session *session, struct sdb_process *process, int status)
{
    struct sdb_thread *thread = process->thread;
    int signal;
    uint32_t stop = sdb__event_decode(thread, status, &signal);
    bool asked = thread->interrupt_asked;

    sdb__thread_stopped(thread, stop, signal);
    /* A request that came after another stop is kept by the kernel, and fires when it is over. */
    if (stop == SDB_EVENT_INTERRUPT && !asked) {
        (void)sdb__thread_go(thread, thread->how, 0);
        return;
    }
    /* The first step out of an exec only ends the system call; nothing of the program has run. */
    if (stop == SDB_EVENT_STEP && thread->leaving_exec) {
        (void)sdb__thread_go(thread, SDB_RESUME_STEP, 0);
        return;
    }
    switch (process->phase) {
    case SDB__PROCESS_LAUNCHING:
        pass_before_exec(process, stop, signal);
        break;
    case SDB__PROCESS_ATTACHING:
        pass_before_attached(process, stop, signal);
        break;
    case SDB__PROCESS_DETACHING:
        break;
    case SDB__PROCESS_HELD:
        enqueue(session, thread);
        break;
    }
}

static void take_end(struct sdb_session *session, struct sdb_process *process, int status,
                     const struct rusage *usage)
{
    sdb__exit_status(process->pid, status, usage, &process->status);
    process->ended = true;
    process->thread->state = SDB_THREAD_GONE;
    /* A launch or an attach that fails tells this by itself. */
    if (process->phase == SDB__PROCESS_HELD || process->phase == SDB__PROCESS_DETACHING)
        enqueue(session, process->thread);
}

int sdb__session_pump(struct sdb_session *session, const struct sdb__deadline *deadline,
                      bool heeds_interrupt)
{
    struct sdb_process *process;
    struct rusage usage;
    int status;
    pid_t tid = sdb__waiter_next(session->waiter, deadline, heeds_interrupt, &status, &usage);

    if (tid < 0)
        return tid;

    process = find_process(session, tid);
    if (!process)
        return 0; /* a process that the host traces by hand, or a clone child of its own */
    if (sdb__status_is_end(status))
        take_end(session, process, status, &usage);
    else
        take_stop(session, process, status);
    return 0;
}

int sdb__session_settle(struct sdb_session *session, struct sdb_process *process,
                        const struct sdb__deadline *deadline)
{
    int rc = 0;

    while (rc == 0 && !process->ended && process->thread->state != SDB_THREAD_STOPPED)
        rc = sdb__session_pump(session, deadline, false);
    return rc;
}

/* ---- waiting ---- */

static void remove_those_told(struct sdb_session *session)
{
    struct sdb_process *next;

    for (struct sdb_process *process = session->processes; process; process = next) {
        next = process->next;
        if (process->told)
            sdb__session_remove(session, process);
    }
}

static void tell(struct sdb_thread *thread, struct sdb_event *event)
{
    struct sdb_process *process = thread->process;
    struct sdb_event told = {
        .kind = process->ended ? (uint32_t)SDB_EVENT_EXITED : thread->stop,
        .signal = process->ended ? 0 : thread->signal,
        .process = process,
        .thread = thread,
        .status = process->ended ? &process->status : NULL,
    };

    process->told = process->ended;
    sdb__struct_export(event, &told, sizeof(told));
}

int sdb_session_wait(struct sdb_session *session, int timeout_ms, struct sdb_event *event)
{
    const struct sdb__deadline deadline = sdb__deadline_in(timeout_ms);
    int rc;

    if (!session || !event)
        return -EINVAL;
    if (!sdb__session_is_ours(session))
        return -SDB_EWRONGTHREAD;
    rc = sdb__struct_check(event, sizeof(*event), EVENT_SIZE_OF_VERSION_0_1);
    if (rc < 0)
        return rc;

    remove_those_told(session);
    while (!session->first_queued) {
        if (!session->processes)
            return -ECHILD;
        rc = sdb__session_pump(session, &deadline, true);
        if (rc < 0)
            return rc;
    }
    tell(dequeue(session), event);
    return 0;
}

int sdb_session_interrupt(struct sdb_session *session)
{
    if (!session)
        return -EINVAL;
    if (*session->mark != 1)
        return -SDB_EWRONGTHREAD; /* a forked child shall not wake its parent */
    sdb__waiter_interrupt(session->waiter);
    return 0;
}

/* ---- beginning and end ---- */

static void free_session(struct sdb_session *session, bool in_fork)
{
    while (session->processes)
        sdb__session_remove(session, session->processes);
    sdb__waiter_close(session->waiter, in_fork);
    if (session->mark)
        munmap(session->mark, session->mark_size);
    free(session);
}

static int make_mark(struct sdb_session *session)
{
    void *page;

    session->mark_size = (size_t)sysconf(_SC_PAGESIZE);
    page =
        mmap(NULL, session->mark_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -ENOMEM;
    session->mark = page;
    *session->mark = 1;
    return madvise(page, session->mark_size, MADV_WIPEONFORK) < 0 ? -errno : 0;
}

int sdb_session_create(const struct sdb_session_options *options, struct sdb_session **session)
{
    struct sdb_session_options ours = SDB_SESSION_OPTIONS_INIT;
    struct sdb_session *created;
    int rc = 0;

    if (!session)
        return -EINVAL;
    if (options)
        rc = sdb__struct_import(&ours, sizeof(ours), OPTIONS_SIZE_OF_VERSION_0_1, options);
    if (rc == 0 && (ours.flags & ~KNOWN_FLAGS))
        rc = -EINVAL;
    if (rc == 0 && session_of_this_thread && sdb__session_is_ours(session_of_this_thread))
        rc = -EBUSY;
    if (rc < 0)
        return rc;

    created = calloc(1, sizeof(*created));
    if (!created)
        return -ENOMEM;
    rc = make_mark(created);
    if (rc == 0)
        rc = sdb__waiter_open(ours.flags & SDB_SESSION_NO_IO_URING, &created->waiter);
    if (rc < 0) {
        free_session(created, false);
        return rc;
    }
    session_of_this_thread = created;
    *session = created;
    return 0;
}

/*
 * Launched processes die.  They are waited for one by one, by what identifies them, so that no one of
 * them can be missed, whatever else the kernel has to tell.
 */
static void kill_launched(struct sdb_session *session)
{
    for (struct sdb_process *process = session->processes; process; process = process->next) {
        if (process->launched && !process->ended)
            (void)sdb__kill_tracee(process->pid, process->pidfd);
    }
    for (struct sdb_process *process = session->processes; process; process = process->next) {
        if (!process->launched || process->ended)
            continue;
        (void)sdb__wait_killed(process->pid, process->pidfd, DEATH_TIMEOUT_MS, &process->status);
        process->ended = true;
    }
}

int sdb_session_destroy(struct sdb_session *session)
{
    bool in_fork;
    struct sdb_process *next;

    if (!session)
        return 0;
    in_fork = *session->mark != 1;
    if (!in_fork && !sdb__session_is_ours(session))
        return -SDB_EWRONGTHREAD;

    if (!in_fork) {
        kill_launched(session);
        for (struct sdb_process *process = session->processes; process; process = next) {
            next = process->next;
            if (!process->ended)
                (void)sdb__session_detach(process, SDB_DETACH_RUN, NULL);
        }
    }
    free_session(session, in_fork);
    if (session_of_this_thread == session)
        session_of_this_thread = NULL;
    return 0;
}
