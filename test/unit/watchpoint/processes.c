/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints through the life of processes: children that are held or not, exec, letting go, and the
 * session's end.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "racing.h"
#include "watching.h"

#define TURNS    5
#define RELEASES 40

static struct watched_target launch_that_follows(uint32_t follow)
{
    struct watched_target target = launch_watched();

    stop_process(target.process);
    set_follow(target.process, follow);
    resume_process(target.process);
    return target;
}

/* The control register of a thread that stands still, by the kernel's own word. */
static uint64_t control_of(const struct sdb_thread *thread)
{
    unsigned long word = 1;

    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_PEEKUSER, sdb_thread_tid(thread),
                             offsetof(struct user, u_debugreg) + 7 * sizeof(word), &word),
                     0);
    return word;
}

HOLDING_CASE(children);

/* To the hit of a child; it has the parent's watchpoint. */
static struct sdb_event expect_childs_hit(const struct watched_target *target,
                                          const struct sdb_watchpoint *watchpoint, char how)
{
    struct sdb_event event;

    give(target, how, 0);
    for (;;) {
        event = next_event();
        if (event.kind == SDB_EVENT_WATCHPOINT)
            break;
        ck_assert(event.kind == SDB_EVENT_FORK || event.kind == SDB_EVENT_VFORK ||
                  event.kind == SDB_EVENT_START);
        resume(&event);
    }
    ck_assert_ptr_eq(event.watchpoint, watchpoint);
    ck_assert_ptr_ne(event.process, target->process);
    return event;
}

static void finish_child(const struct watched_target *target, int code)
{
    struct pollfd output = {.fd = target->target.output, .events = POLLIN};
    bool ended = false;

    while (!ended || poll(&output, 1, 0) == 0) {
        struct sdb_event event = SDB_EVENT_INIT;

        if (sdb_session_wait(session, 1, &event) != 0)
            continue;
        ck_assert_uint_ne(event.kind, SDB_EVENT_WATCHPOINT);
        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_uint_eq(event.status->how, SDB_EXITED);
            ck_assert_int_eq(event.status->code, code);
            ended = true;
        }
        resume(&event);
    }
    ck_assert_uint_eq(answer_of(target), (uint64_t)code);
}

SESSION_TEST(a_child_that_is_held_has_its_parents_watchpoints)
{
    struct watched_target target = launch_that_follows(SDB_FOLLOW_ALL);
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
    struct sdb_event event;

    for (uint64_t i = 0; i < TURNS; i++) {
        event = expect_childs_hit(&target, watchpoint, 'f');
        ck_assert_uint_eq(value_of(event.old_value), i);
        ck_assert_uint_eq(value_of(event.new_value), i + 1);
        resume(&event);
        finish_child(&target, (int)i + 1);
        /* What was written in the copy is not in the parent. */
        give(&target, 'w', 1);
        event = expect_hit(watchpoint);
        ck_assert_ptr_eq(event.process, target.process);
        ck_assert_uint_eq(value_of(event.old_value), i);
        ck_assert_uint_eq(value_of(event.new_value), i + 1);
        resume(&event);
        (void)answer_of(&target);
    }
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), UINT64_C(2) * TURNS);
    finish_watched(&target);
}

SESSION_TEST(a_child_that_shares_the_memory_has_them_too)
{
    struct watched_target target = launch_that_follows(SDB_FOLLOW_ALL);
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
    struct sdb_event event;

    for (uint64_t i = 0; i < TURNS; i++) {
        event = expect_childs_hit(&target, watchpoint, 'v');
        ck_assert_uint_eq(value_of(event.new_value), i + 1);
        resume(&event);
        finish_child(&target, (int)i + 1);
    }
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), TURNS);
    finish_watched(&target);
}

SESSION_TEST(a_child_that_is_not_held_has_none)
{
    struct watched_target target = launch_that_follows(SDB_FOLLOW_DEFAULT);
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);

    for (uint64_t i = 0; i < TURNS; i++) {
        ck_assert_uint_eq(expect_hits(&target, 'f', 0, 0), 2 * i + 1);
        ck_assert_uint_eq(expect_hits(&target, 'v', 0, 0), 2 * i + 1);
        expect_hits(&target, 'w', 1, 1);
    }
    ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), TURNS);
    finish_watched(&target);
}

SESSION_TEST(removing_takes_it_from_children_too)
{
    struct watched_target target = launch_that_follows(SDB_FOLLOW_ALL);
    struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
    struct sdb_event event;
    struct sdb_thread *child;

    event = expect_childs_hit(&target, watchpoint, 'f');
    child = event.thread;
    ck_assert_uint_ne(control_of(child), 0);
    ck_assert_int_eq(sdb_watchpoint_disable(watchpoint), 0);
    ck_assert_uint_eq(control_of(child), 0);
    ck_assert_int_eq(sdb_watchpoint_enable(watchpoint), 0);
    ck_assert_uint_ne(control_of(child), 0);
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
    ck_assert_uint_eq(control_of(child), 0);
    resume(&event);
    finish_child(&target, 1);
    expect_hits(&target, 'w', 1, 0);
    finish_watched(&target);
}

SESSION_TEST(one_of_one_thread_is_not_its_childs)
{
    struct watched_target target = launch_that_follows(SDB_FOLLOW_ALL);
    struct sdb_watchpoint_options options = watch_options(&target, COUNTER, 8);

    options.thread = target.thread;
    (void)watch_with(&target, &options);
    expect_hits(&target, 'f', 0, 0);
    expect_hits(&target, 'w', 1, 1);
    finish_watched(&target);
}

/* The parent cannot stop while it waits for its child. */
SESSION_TEST(a_parent_in_vfork_is_watched_when_it_goes_on)
{
    struct watched_target target = launch_that_follows(SDB_FOLLOW_ALL);
    struct sdb_watchpoint *watchpoint;
    struct sdb_event event;
    struct sdb_watchpoint_options options;

    give(&target, 'v', 0);
    resume_from(SDB_EVENT_VFORK);
    event = expect(SDB_EVENT_START);
    options = watch_options(&target, OTHER, 8);
    watchpoint = watch_with(&target, &options);
    resume(&event);
    finish_child(&target, 1);
    expect_hits(&target, 'o', 0, 1);
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
    expect_hits(&target, 'o', 0, 0);
    finish_watched(&target);
}

HOLDING_CASE(ends);

SESSION_TEST(an_exec_does_away_with_all)
{
    struct watched_target target = launch_watched();
    struct sdb_watchpoint *watchpoint;
    struct sdb_event event;

    for (int i = 0; i < TURNS; i++) {
        watchpoint = watch(&target, BYTES(0), 32);
        expect_hits(&target, 'b', 1, 1);
        give(&target, 'x', 0);
        event = expect(SDB_EVENT_EXEC);
        ck_assert_uint_eq(control_of(event.thread), 0);
        resume(&event);
        target.address = answer_of(&target);
        expect_hits(&target, 'b', 1, 0);

        /* The handle lives, and there is nothing that it could do. */
        ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 1);
        ck_assert_int_eq(sdb_watchpoint_disable(watchpoint), 0);
        ck_assert_int_eq(sdb_watchpoint_enable(watchpoint), 0);
        expect_hits(&target, 'b', 1, 0);
        ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
    }
    finish_watched(&target);
}

/* ---- letting go ---- */

/* Untraced it must go on as if nothing had been: no SIGTRAP reaches it, and no register is set. */
static void expect_untouched(struct watched_target *target, struct sdb_child *child)
{
    struct sdb_exit_status status = {.size = sizeof(status)};

    (void)answer_of(target);
    give(target, 'w', 3);
    (void)answer_of(target);
    give(target, 'i', 0);
    ck_assert_uint_eq(answer_of(target), 1);

    target->process = attach(target->target.pid);
    for (struct sdb_thread *thread = sdb_process_next_thread(target->process, NULL); thread;
         thread = sdb_process_next_thread(target->process, thread))
        ck_assert_uint_eq(control_of(thread), 0);
    detach(target->process);

    close_input(&target->target);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(child);
    close_watched(target);
}

SESSION_TEST(letting_go_clears_all_threads_while_they_hit)
{
    for (int i = 0; i < rounds(RELEASES); i++) {
        struct chance chance = chance_of((unsigned)i);
        struct watched_target target = launch_watched();
        struct sdb_child *child = NULL;

        watch(&target, COUNTER, 8);
        watch(&target, BYTES(1), 3);
        give(&target, 't', 2000);
        for (unsigned left = chance_below(&chance, 100); left > 0; left--) {
            struct sdb_event event = next_event();

            resume(&event);
        }
        child = detach_child(target.process);
        expect_untouched(&target, child);
    }
    finish();
}

SESSION_TEST(letting_go_at_a_hit_clears_it)
{
    for (int i = 0; i < 2; i++) {
        struct watched_target target = launch_watched();
        struct sdb_watchpoint *watchpoint = watch(&target, COUNTER, 8);
        struct sdb_child *child = NULL;

        give(&target, 'w', 10);
        if (i == 0)
            expect_hit(watchpoint);
        else
            await_state(target.target.pid, 't'); /* it was not told yet */
        child = detach_child(target.process);
        ck_assert_uint_eq(sdb_watchpoint_hit_count(watchpoint), 1);
        ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
        expect_untouched(&target, child);
    }
    finish();
}

int main(void)
{
    return run_suite("watchpoint_processes");
}
