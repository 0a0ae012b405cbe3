/* SPDX-License-Identifier: MIT */
#include "watching.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

static unsigned hits;
static unsigned traps;

static uint64_t read_answer(const struct watched_target *target)
{
    uint64_t answer;

    ck_assert_int_eq(read(target->target.output, &answer, sizeof(answer)), sizeof(answer));
    return answer;
}

uint64_t answer_of(const struct watched_target *target)
{
    struct pollfd output = {.fd = target->target.output, .events = POLLIN};

    ck_assert_int_eq(poll(&output, 1, PATIENCE_MS), 1);
    return read_answer(target);
}

struct watched_target launch_watched(void)
{
    static const char *const argv[] = {WATCHED, NULL};
    struct watched_target target = {.target = launch_program(WATCHED, argv)};

    target.process = target.target.process;
    target.thread = sdb_process_thread(target.process);
    resume_process(target.process);
    target.address = answer_of(&target);
    return target;
}

void close_watched(struct watched_target *target)
{
    close_target(&target->target);
}

void finish_watched(struct watched_target *target)
{
    finish_with(&target->target);
}

struct sdb_watchpoint_options watch_options(const struct watched_target *target, size_t offset,
                                            size_t length)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;

    options.address = target->address + offset;
    options.length = length;
    return options;
}

struct sdb_watchpoint *watch_with(const struct watched_target *target,
                                  const struct sdb_watchpoint_options *options)
{
    struct sdb_watchpoint *watchpoint = NULL;
    int rc = sdb_watchpoint_create(target->process, options, &watchpoint);

    ck_assert_msg(rc == 0, "watch: %s", sdb_error_describe(rc));
    return watchpoint;
}

struct sdb_watchpoint *watch(const struct watched_target *target, size_t offset, size_t length)
{
    const struct sdb_watchpoint_options options = watch_options(target, offset, length);

    return watch_with(target, &options);
}

struct sdb_watchpoint *watch_as(const struct watched_target *target, size_t offset, size_t length,
                                uint64_t flags)
{
    struct sdb_watchpoint_options options = watch_options(target, offset, length);

    options.flags = flags;
    return watch_with(target, &options);
}

void expect_no_watch(const struct watched_target *target,
                     const struct sdb_watchpoint_options *options, int code)
{
    struct sdb_watchpoint *watchpoint = NULL;
    int rc = sdb_watchpoint_create(target->process, options, &watchpoint);

    ck_assert_msg(rc == code, "create: %s, not %s", sdb_error_describe(rc),
                  sdb_error_describe(code));
    ck_assert_ptr_null(watchpoint);
}

void give(const struct watched_target *target, char what, uint64_t number)
{
    const struct watched_order order = {.what = (uint64_t)what, .number = number};

    ck_assert_int_eq(write(target->target.input, &order, sizeof(order)), sizeof(order));
}

static void go_on_after(const struct sdb_event *event)
{
    switch (event->kind) {
    case SDB_EVENT_WATCHPOINT:
        hits++;
        break;
    case SDB_EVENT_SIGNAL:
        traps += event->signal == SIGTRAP;
        break;
    case SDB_EVENT_CLONE:
    case SDB_EVENT_FORK:
    case SDB_EVENT_VFORK:
    case SDB_EVENT_VFORK_DONE:
    case SDB_EVENT_START:
    case SDB_EVENT_THREAD_EXIT:
    case SDB_EVENT_EXITED:
    case SDB_EVENT_EXEC:
        break;
    default:
        ck_abort_msg("%s of %d came", sdb_event_name(event->kind), sdb_thread_tid(event->thread));
    }
    resume(event);
}

uint64_t carry_out(const struct watched_target *target, char what, uint64_t number)
{
    give(target, what, number);
    return await_answer(target);
}

uint64_t await_answer(const struct watched_target *target)
{
    struct pollfd output = {.fd = target->target.output, .events = POLLIN};
    const int64_t end = host_now_ms() + PATIENCE_MS;

    hits = 0;
    traps = 0;
    while (poll(&output, 1, 0) == 0 && host_now_ms() < end) {
        struct sdb_event event = SDB_EVENT_INIT;
        int rc = sdb_session_wait(session, 1, &event);

        ck_assert_msg(rc == 0 || rc == -ETIMEDOUT, "wait: %s", sdb_error_describe(rc));
        if (rc == 0)
            go_on_after(&event);
    }
    ck_assert_int_eq(poll(&output, 1, 0), 1);
    return read_answer(target);
}

uint64_t wait_quietly(const struct watched_target *target)
{
    struct pollfd output = {.fd = target->target.output, .events = POLLIN};
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (poll(&output, 1, 0) == 0 && host_now_ms() < end) {
        struct sdb_event event = SDB_EVENT_INIT;
        int rc = sdb_session_wait(session, 1, &event);

        ck_assert_msg(rc == -ETIMEDOUT, "%s of %d came, or no wait was possible (%d)",
                      sdb_event_name(event.kind), sdb_thread_tid(event.thread), rc);
    }
    ck_assert_int_eq(poll(&output, 1, 0), 1);
    return read_answer(target);
}

unsigned seen_hits(void)
{
    return hits;
}

unsigned seen_traps(void)
{
    return traps;
}

uint64_t expect_hits(const struct watched_target *target, char what, uint64_t number,
                     unsigned expected)
{
    const uint64_t answer = carry_out(target, what, number);

    ck_assert_msg(hits == expected, "%u hits of '%c', not %u", hits, what, expected);
    return answer;
}

struct sdb_event expect_hit(const struct sdb_watchpoint *watchpoint)
{
    struct sdb_event event = expect(SDB_EVENT_WATCHPOINT);

    ck_assert_ptr_eq(event.watchpoint, watchpoint);
    ck_assert_ptr_nonnull(event.old_value);
    ck_assert_ptr_nonnull(event.new_value);
    return event;
}

uint64_t value_of(const void *value)
{
    uint64_t number;

    memcpy(&number, value, sizeof(number));
    return number;
}
