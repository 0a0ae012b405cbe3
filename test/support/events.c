/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <check.h>
#include <errno.h>

#include "holding.h"

#define QUIET_MS 30

bool is_end(const struct sdb_event *event)
{
    return event->kind == SDB_EVENT_EXITED || event->kind == SDB_EVENT_THREAD_EXIT;
}

struct sdb_event next_event(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc = sdb_session_wait(session, PATIENCE_MS, &event);

    ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
    ck_assert_ptr_nonnull(event.process);
    ck_assert_ptr_nonnull(event.thread);
    return event;
}

struct sdb_event expect(uint32_t kind)
{
    struct sdb_event event = next_event();

    ck_assert_msg(event.kind == kind, "%s of %d came, not %s (signal %d)",
                  sdb_event_name(event.kind), sdb_thread_tid(event.thread), sdb_event_name(kind),
                  event.signal);
    return event;
}

struct sdb_event expect_of(uint32_t kind, const struct sdb_thread *thread)
{
    struct sdb_event event = expect(kind);

    ck_assert_msg(event.thread == thread, "%s of %d came, not of %d", sdb_event_name(kind),
                  sdb_thread_tid(event.thread), sdb_thread_tid(thread));
    return event;
}

struct sdb_event expect_signal(int signal)
{
    struct sdb_event event = expect(SDB_EVENT_SIGNAL);

    ck_assert_int_eq(event.signal, signal);
    return event;
}

static struct sdb_event expect_end(uint32_t kind, uint32_t how, int code)
{
    struct sdb_event event = expect(kind);

    ck_assert_ptr_nonnull(event.status);
    ck_assert_uint_eq(event.status->how, how);
    ck_assert_int_eq(event.status->code, code);
    return event;
}

struct sdb_event expect_exit(uint32_t how, int code)
{
    return expect_end(SDB_EVENT_EXITED, how, code);
}

struct sdb_event expect_thread_exit(uint32_t how, int code)
{
    return expect_end(SDB_EVENT_THREAD_EXIT, how, code);
}

void expect_nothing(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc = sdb_session_wait(session, QUIET_MS, &event);

    if (rc == 0)
        ck_abort_msg("%s of %d came, and nothing should", sdb_event_name(event.kind),
                     sdb_thread_tid(event.thread));
    ck_assert_msg(rc == -ETIMEDOUT, "wait: %s", sdb_error_describe(rc));
}

void resume(const struct sdb_event *event)
{
    int rc = sdb_event_resume(event);

    ck_assert_msg(rc == 0, "resume after %s: %s", sdb_event_name(event->kind),
                  sdb_error_describe(rc));
}

void resume_from(uint32_t kind)
{
    const struct sdb_event event = expect(kind);

    resume(&event);
}

void resume_from_signal(int signal)
{
    const struct sdb_event event = expect_signal(signal);

    resume(&event);
}

void resume_thread(struct sdb_thread *thread, enum sdb_resume how)
{
    ck_assert_int_eq(sdb_thread_resume(thread, how, SDB_SIGNAL_PASS), 0);
}

struct sdb_event step_to(struct sdb_thread *thread, uint32_t kind)
{
    resume_thread(thread, SDB_RESUME_STEP);
    return expect_of(kind, thread);
}

void resume_process(struct sdb_process *process)
{
    int rc = sdb_process_resume(process, SDB_RESUME_CONTINUE);

    ck_assert_msg(rc == 0, "resume: %s", sdb_error_describe(rc));
}

void stop_process(struct sdb_process *process)
{
    int rc = sdb_process_stop(process, PATIENCE_MS);

    ck_assert_msg(rc == 0, "stop: %s", sdb_error_describe(rc));
}

void stop_thread(struct sdb_thread *thread)
{
    ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
    expect_of(SDB_EVENT_INTERRUPT, thread);
}

static void detach_as(struct sdb_process *process, struct sdb_child **child)
{
    int rc = sdb_process_detach(process, SDB_RELEASE_RUN, child);

    ck_assert_msg(rc == 0, "detach: %s", sdb_error_describe(rc));
}

void detach(struct sdb_process *process)
{
    detach_as(process, NULL);
}

struct sdb_child *detach_child(struct sdb_process *process)
{
    struct sdb_child *child = (struct sdb_child *)&child; /* to be seen if it is not set */

    detach_as(process, &child);
    ck_assert_ptr_ne(child, &child);
    return child;
}

static bool is_birth(uint32_t kind)
{
    return kind == SDB_EVENT_FORK || kind == SDB_EVENT_VFORK || kind == SDB_EVENT_CLONE;
}

static bool is_among(const struct sdb_thread *thread, struct sdb_thread *const *threads, int count)
{
    for (int i = 0; i < count; i++) {
        if (threads[i] == thread)
            return true;
    }
    return false;
}

void run_births(int count, struct sdb_thread **begun)
{
    struct sdb_thread *announced[BOARD_PLACES];
    int known = 0;

    ck_assert_int_le(count, BOARD_PLACES);
    for (int starts = 0; starts < count || known < count;) {
        struct sdb_event event = next_event();

        if (is_birth(event.kind)) {
            ck_assert_int_lt(known, count);
            ck_assert_ptr_nonnull(event.new_process);
            ck_assert_ptr_nonnull(event.new_thread);
            announced[known++] = event.new_thread;
        } else {
            ck_assert_msg(event.kind == SDB_EVENT_START, "%s of %d came, not a birth (signal %d)",
                          sdb_event_name(event.kind), sdb_thread_tid(event.thread), event.signal);
            ck_assert_msg(is_among(event.thread, announced, known), "%d began unannounced",
                          sdb_thread_tid(event.thread));
            if (begun)
                begun[starts] = event.thread;
            starts++;
        }
        resume(&event);
    }
}

struct sdb_exit_status run_to_end(const struct sdb_process *process)
{
    struct sdb_event event;

    for (;;) {
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED && event.process == process)
            return *event.status;
        resume(&event);
    }
}
