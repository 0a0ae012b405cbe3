/* SPDX-License-Identifier: MIT */
/*
 * The rules of events.  Threads are known by their handles, which are retained here, so that no
 * other can have the same address.
 */
#include "witness.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"

#define PATIENCE_MS 20000

struct witness_thread {
    struct sdb_thread *handle;
    struct sdb_process *process;
    int32_t tid;
    bool is_first; /* of its process */
    bool is_new;   /* announced, and nothing told of it yet */
    bool stands;   /* its last event has not been resumed */
};

/* ---- the message ---- */

__attribute__((format(printf, 2, 3))) static void note(struct witness *witness, const char *format,
                                                       ...)
{
    char *line = witness->lines[witness->line_count++ % WITNESS_LINES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(witness->lines[0]), format, arguments);
    va_end(arguments);
}

void witness_fail(const struct witness *witness, const char *format, ...)
{
    static char text[WITNESS_LINES * 128 + 512];
    const unsigned long first =
        witness->line_count > WITNESS_LINES ? witness->line_count - WITNESS_LINES : 0;
    size_t len;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, 400, format, arguments);
    va_end(arguments);
    len = strlen(text);
    for (unsigned long i = first; i < witness->line_count; i++) {
        int more = snprintf(text + len, sizeof(text) - len, "\n  %lu: %s", i,
                            witness->lines[i % WITNESS_LINES]);

        if (more > 0 && len + (size_t)more < sizeof(text))
            len += (size_t)more;
    }
    ck_abort_msg("%s", text);
    abort();
}

static void note_event(struct witness *witness, const struct sdb_event *event)
{
    char rest[64] = "";

    if (event->signal)
        (void)snprintf(rest, sizeof(rest), ", signal %d", event->signal);
    else if (event->status)
        (void)snprintf(rest, sizeof(rest), ", %s %d",
                       event->status->how == SDB_KILLED ? "killed by" : "code",
                       event->status->code);
    else if (event->new_thread)
        (void)snprintf(rest, sizeof(rest), ", newborn %d of %d", sdb_thread_tid(event->new_thread),
                       sdb_process_pid(event->new_process));
    else if (event->former_tid)
        (void)snprintf(rest, sizeof(rest), ", was %d", event->former_tid);
    note(witness, "%s of thread %d of process %d%s", sdb_event_name(event->kind),
         sdb_thread_tid(event->thread), sdb_process_pid(event->process), rest);
}

/* ---- who is there ---- */

static struct witness_thread *find(struct witness *witness, const struct sdb_thread *handle)
{
    for (size_t i = 0; i < witness->thread_count; i++) {
        if (witness->threads[i].handle == handle)
            return &witness->threads[i];
    }
    return NULL;
}

static struct witness_thread *add(struct witness *witness, struct sdb_thread *handle)
{
    struct witness_thread *thread;

    if (witness->thread_count == witness->thread_room) {
        witness->thread_room = witness->thread_room * 2 + 16;
        witness->threads =
            realloc(witness->threads, witness->thread_room * sizeof(*witness->threads));
        ck_assert_ptr_nonnull(witness->threads);
    }
    thread = &witness->threads[witness->thread_count++];
    *thread = (struct witness_thread){
        .handle = sdb_thread_retain(handle),
        .process = sdb_thread_process(handle),
        .tid = sdb_thread_tid(handle),
        .is_first = sdb_thread_tid(handle) == sdb_process_pid(sdb_thread_process(handle)),
    };
    return thread;
}

static void take_out(struct witness *witness, struct witness_thread *thread)
{
    sdb_thread_close(thread->handle);
    *thread = witness->threads[--witness->thread_count];
}

static size_t count_threads(const struct witness *witness, const struct sdb_process *process)
{
    size_t count = 0;

    for (size_t i = 0; i < witness->thread_count; i++)
        count += witness->threads[i].process == process;
    return count;
}

/* ---- the rules ---- */

static void see_members(const struct witness *witness, const struct sdb_event *event)
{
    const uint32_t kind = event->kind;
    const bool is_end = kind == SDB_EVENT_EXITED || kind == SDB_EVENT_THREAD_EXIT;
    const bool is_birth =
        kind == SDB_EVENT_FORK || kind == SDB_EVENT_VFORK || kind == SDB_EVENT_CLONE;
    const bool has_signal = kind == SDB_EVENT_SIGNAL || kind == SDB_EVENT_GROUP_STOP;

    if (kind == SDB_EVENT_NONE || kind >= WITNESS_KINDS)
        witness_fail(witness, "an event of kind %u", kind);
    if (sdb_thread_process(event->thread) != event->process)
        witness_fail(witness, "the thread is not of the process");
    if ((event->status != NULL) != is_end)
        witness_fail(witness, "a status with a wrong kind of event, or an end without one");
    if ((event->new_thread != NULL) != is_birth || (event->new_process != NULL) != is_birth)
        witness_fail(witness, "a newborn with a wrong kind of event, or a birth without one");
    if ((event->former_tid != 0) != (kind == SDB_EVENT_EXEC))
        witness_fail(witness, "a former id with a wrong kind of event, or an exec without one");
    if ((event->signal > 0) != has_signal || event->signal < 0)
        witness_fail(witness, "signal %d with this kind of event", event->signal);
    if (!is_end && kind != SDB_EVENT_RELEASED &&
        sdb_thread_state(event->thread) != SDB_THREAD_STOPPED)
        witness_fail(witness, "the thread does not stand still, it is in state %d",
                     (int)sdb_thread_state(event->thread));
}

/* The first event of a thread that nothing has announced. */
static struct witness_thread *see_unknown(struct witness *witness, const struct sdb_event *event)
{
    struct witness_thread *thread;

    if (!(witness->flags & WITNESS_KILLS))
        witness_fail(witness, "an event of a thread that nothing has announced");
    thread = add(witness, event->thread);
    thread->is_new = true;
    return thread;
}

static void see_order(const struct witness *witness, const struct witness_thread *thread,
                      const struct sdb_event *event)
{
    const bool is_end = event->kind == SDB_EVENT_EXITED || event->kind == SDB_EVENT_THREAD_EXIT;

    if (thread->is_new && event->kind != SDB_EVENT_START && !is_end)
        witness_fail(witness, "the newborn does not begin with its start");
    if (!thread->is_new && event->kind == SDB_EVENT_START)
        witness_fail(witness, "a start of a thread that had started");
    if (thread->stands && !is_end)
        witness_fail(witness, "an event of a thread that was not resumed");
}

static void see_birth(struct witness *witness, const struct sdb_event *event)
{
    struct witness_thread *newborn;
    bool is_thread = event->new_process == event->process;

    if (find(witness, event->new_thread))
        witness_fail(witness, "the newborn was known before");
    if (is_thread && event->kind != SDB_EVENT_CLONE)
        witness_fail(witness, "a process was made, but the newborn is a thread");
    if (sdb_thread_process(event->new_thread) != event->new_process)
        witness_fail(witness, "the newborn is of another process than the event says");
    newborn = add(witness, event->new_thread);
    newborn->is_new = true;
    if (newborn->is_first == is_thread)
        witness_fail(witness, "the newborn has the id of its process, or should have it");
}

static void see_exec(struct witness *witness, struct witness_thread *thread,
                     const struct sdb_event *event)
{
    if (event->former_tid != thread->tid)
        witness_fail(witness, "the former id is %d, not %d", event->former_tid, thread->tid);
    if (sdb_thread_tid(event->thread) != sdb_process_pid(event->process))
        witness_fail(witness, "the id has not become the process's");
    if (sdb_process_thread(event->process) != event->thread)
        witness_fail(witness, "the thread has not become the process's first");
    if (count_threads(witness, event->process) != 1 ||
        sdb_process_thread_count(event->process) != 1)
        witness_fail(witness, "%zu threads are known after an exec, and %d held",
                     count_threads(witness, event->process),
                     sdb_process_thread_count(event->process));
    thread->tid = sdb_thread_tid(event->thread);
    thread->is_first = true;
}

static void see_end(struct witness *witness, struct witness_thread *thread,
                    const struct sdb_event *event)
{
    const struct sdb_exit_status *status = event->status;

    if (event->kind == SDB_EVENT_EXITED) {
        if (count_threads(witness, event->process) != 1)
            witness_fail(witness, "the process has ended before its threads");
        if (!thread->is_first || status->pid != sdb_process_pid(event->process))
            witness_fail(witness, "the process has ended with another thread than its first");
        if (status->how == SDB_KILLED && status->code == SIGKILL) {
            witness->killed++;
            if (!(witness->flags & WITNESS_KILLS))
                witness_fail(witness, "nobody has killed it");
        } else if (thread->is_new) {
            witness_fail(witness, "a newborn process has ended before its start");
        } else if (witness->is_right_end && !witness->is_right_end(status)) {
            witness_fail(witness, "it has not ended so");
        }
    } else if (status->pid != thread->tid) {
        witness_fail(witness, "the status is that of %d, not of %d", status->pid, thread->tid);
    }
    take_out(witness, thread);
}

/* It may be just on its way out of a vfork, or to its end, after a moment that nobody waits for. */
static bool comes_to_a_stop(int32_t tid)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    char state;

    while ((state = host_task_state(tid)) == 'R' || state == 'S') {
        if (host_now_ms() > end)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return true;
}

/* In all-stop, no thread runs when an event is told, but one that cannot stop. */
static void see_standstill(const struct witness *witness, const struct sdb_process *process)
{
    struct sdb_thread *thread = sdb_process_next_thread(process, NULL);

    for (; thread; thread = sdb_process_next_thread(process, thread)) {
        if (sdb_thread_state(thread) == SDB_THREAD_RUNNING &&
            !comes_to_a_stop(sdb_thread_tid(thread)))
            witness_fail(witness, "thread %d runs, in all-stop", sdb_thread_tid(thread));
    }
}

void witness_see(struct witness *witness, const struct sdb_event *event)
{
    struct witness_thread *thread;

    ck_assert_ptr_nonnull(event->process);
    ck_assert_ptr_nonnull(event->thread);
    note_event(witness, event);
    see_members(witness, event);
    witness->told[event->kind]++;

    thread = find(witness, event->thread);
    if (!thread)
        thread = see_unknown(witness, event);
    see_order(witness, thread, event);
    thread->is_new = false;
    thread->stands = true;
    switch (event->kind) {
    case SDB_EVENT_FORK:
    case SDB_EVENT_VFORK:
    case SDB_EVENT_CLONE:
        see_birth(witness, event);
        break;
    case SDB_EVENT_EXEC:
        see_exec(witness, thread, event);
        break;
    case SDB_EVENT_THREAD_EXIT:
    case SDB_EVENT_EXITED:
        see_end(witness, thread, event);
        break;
    case SDB_EVENT_RELEASED:
        witness_let_go(witness, event->process);
        break;
    default:
        break;
    }
    if (witness->all_stop && event->kind != SDB_EVENT_EXITED && event->kind != SDB_EVENT_RELEASED)
        see_standstill(witness, event->process);
}

/* ---- the test's side ---- */

void witness_begin(struct witness *witness, struct sdb_session *session, unsigned flags)
{
    *witness = (struct witness){.session = session, .flags = flags};
}

void witness_hold(struct witness *witness, const struct sdb_process *process)
{
    struct sdb_thread *thread = sdb_process_next_thread(process, NULL);

    note(witness, "(holding process %d)", sdb_process_pid(process));
    for (; thread; thread = sdb_process_next_thread(process, thread)) {
        if (find(witness, thread))
            witness_fail(witness, "thread %d is held twice", sdb_thread_tid(thread));
        add(witness, thread)->stands = true;
    }
}

void witness_let_go(struct witness *witness, const struct sdb_process *process)
{
    note(witness, "(letting process go)");
    for (size_t i = witness->thread_count; i > 0; i--) {
        if (witness->threads[i - 1].process == process)
            take_out(witness, &witness->threads[i - 1]);
    }
}

bool witness_next(struct witness *witness, struct sdb_event *event)
{
    int rc = sdb_session_wait(witness->session, PATIENCE_MS, event);

    if (rc == -ECHILD)
        return false;
    if (rc != 0)
        witness_fail(witness, "wait: %s", sdb_error_describe(rc));
    witness_see(witness, event);
    return true;
}

static void mark(struct witness *witness, const struct sdb_process *process, bool stands)
{
    for (size_t i = 0; i < witness->thread_count; i++) {
        struct witness_thread *thread = &witness->threads[i];

        if (thread->process == process && !thread->is_new)
            thread->stands = stands;
    }
}

void witness_resume(struct witness *witness, const struct sdb_event *event)
{
    struct witness_thread *thread = find(witness, event->thread);
    int rc = sdb_event_resume(event);

    if (rc != 0)
        witness_fail(witness, "resume: %s", sdb_error_describe(rc));
    if (event->kind != SDB_EVENT_RELEASED && witness->all_stop)
        mark(witness, event->process, false);
    else if (thread)
        thread->stands = false;
}

void witness_resume_how(struct witness *witness, const struct sdb_event *event, enum sdb_resume how)
{
    struct witness_thread *thread = find(witness, event->thread);
    int rc = sdb_thread_resume(event->thread, how, SDB_SIGNAL_PASS);

    if (rc != 0)
        witness_fail(witness, "resume in way %d: %s", (int)how, sdb_error_describe(rc));
    if (thread)
        thread->stands = false;
}

void witness_resume_process(struct witness *witness, struct sdb_process *process)
{
    int rc = sdb_process_resume(process, SDB_RESUME_CONTINUE);

    /* Nothing to resume, or it was killed, which is still to be told. */
    if (rc != 0 && rc != -EBUSY && !(rc == -ESRCH && (witness->flags & WITNESS_KILLS)))
        witness_fail(witness, "resume of a process: %s", sdb_error_describe(rc));
    note(witness, "(resuming process %d)", sdb_process_pid(process));
    mark(witness, process, false);
}

void witness_stopped(struct witness *witness, const struct sdb_process *process)
{
    note(witness, "(process %d is stopped)", sdb_process_pid(process));
    mark(witness, process, false); /* what it had to tell is told all the same */
}

void witness_end(struct witness *witness)
{
    if (witness->thread_count != 0)
        witness_fail(witness, "thread %d was held and has not been told to have ended",
                     witness->threads[0].tid);
    free(witness->threads);
    witness->threads = NULL;
}

bool witness_run(struct witness *witness, unsigned count, int quiet_ms)
{
    struct sdb_event event = SDB_EVENT_INIT;
    bool ended = false;

    for (unsigned i = 0; i < count; i++) {
        int rc = sdb_session_wait(witness->session, quiet_ms, &event);

        if (rc == -ETIMEDOUT)
            break;
        ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
        witness_see(witness, &event);
        ended = ended || event.kind == SDB_EVENT_EXITED;
        witness_resume(witness, &event);
    }
    return ended;
}
