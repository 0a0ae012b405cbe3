/* SPDX-License-Identifier: MIT */
/*
 * Calls for the library's own ends, in programs whose threads have seccomp filters of their own: they are
 * made by a thread that may make them, or by none.  The first thread's filter was once taken for all
 * threads', and programs were killed by SIGSYS.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "breaking.h"
#include "injecting.h"

#define GUARDED SDB_TRACEE_DIR "/guarded"
#define TIMES   5

static struct target launch_guarded(const char *way)
{
    struct target target = launch_board_program(GUARDED, way, NULL, NULL);

    resume_process(target.process);
    run_until_ready(&target, 1);
    return target;
}

/* Give an order.  @return how many hits it has come to */
static uint64_t order(const struct target *target, char what)
{
    struct tally tally = {0};

    obey(target, what, &tally);
    ck_assert_uint_eq(tally.signals[SIGSYS], 0);
    return tally.hits[0];
}

static void let_go(struct target *target)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = detach_child(target->process);

    tell_target(target, 'w');
    wait_ready(target);
    tell_target(target, 'W');
    wait_ready(target);
    close_input(target);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(child);
    finish_with(target);
}

HOLDING_CASE(filters);

SESSION_TEST(pages_are_mapped_by_a_thread_without_a_filter)
{
    struct target target = launch_guarded("own");
    static struct traces before;

    note_traces(&target, &before);
    (void)order(&target, 'f');
    (void)plant_at(target.process, target.board->addresses[0]);
    ck_assert_uint_eq(order(&target, 'w'), TIMES);
    ck_assert_uint_eq(order(&target, 'W'), TIMES);
    stop_process(target.process);
    {
        struct sdb_child *child = detach_child(target.process);

        /* And unmapped by it. */
        expect_no_traces(&target, &before);
        close_input(&target);
        ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, NULL), 0);
        sdb_child_close(child);
    }
    finish_with(&target);
}

SESSION_TEST(a_thread_in_strict_mode_makes_no_call_for_others)
{
    struct target target = launch_guarded("strict");

    (void)order(&target, 'f');
    (void)plant_at(target.process, target.board->addresses[0]);
    ck_assert_uint_eq(order(&target, 'w'), TIMES);
    let_go(&target);
}

SESSION_TEST(a_filter_that_comes_later_counts_from_then_on)
{
    struct target target = launch_guarded("own");

    (void)plant_at(target.process, target.board->addresses[0]);
    (void)order(&target, 'f');
    ck_assert_uint_eq(order(&target, 'w'), TIMES);
    let_go(&target);
}

SESSION_TEST(a_filter_for_all_threads_keeps_all_from_it)
{
    struct target target = launch_guarded("all");

    (void)plant_at(target.process, target.board->addresses[0]);
    (void)order(&target, 'f');
    ck_assert_uint_eq(order(&target, 'w'), TIMES);
    ck_assert_uint_eq(order(&target, 'W'), TIMES);
    let_go(&target);
}

SESSION_TEST(pages_that_were_mapped_before_the_filter_came_stay)
{
    struct target target = launch_guarded("all");

    (void)plant_at(target.process, target.board->addresses[0]);
    ck_assert_uint_eq(order(&target, 'w'), TIMES);
    (void)order(&target, 'f');
    ck_assert_uint_eq(order(&target, 'w'), TIMES);
    let_go(&target);
}

SESSION_TEST(a_handler_is_put_back_by_a_thread_without_a_filter)
{
    struct target target = launch_guarded("own");

    (void)order(&target, 'f');
    (void)plant_at(target.process, target.board->addresses[0]);
    ck_assert_uint_eq(order(&target, 'b'), TIMES);
    (void)order(&target, 'c');
    let_go(&target);
}

HOLDING_CASE(arguments);

static int64_t inject_large(const struct target *target, int tid, int *rc)
{
    static char path[4096];
    const struct sdb_inject_buffer buffer = {path, sizeof(path), 0, SDB_INJECT_OUT};
    int64_t result = 0;

    (void)target;
    *rc = sdb_thread_inject_with(held(tid), SYS_getcwd, (const uint64_t[6]){0, sizeof(path)},
                                 &buffer, 1, &result);
    return result;
}

SESSION_TEST(memory_for_arguments_is_mapped_by_a_thread_without_a_filter)
{
    struct target target = launch_guarded("own");
    int rc;

    (void)order(&target, 'f');
    stop_process(target.process);
    ck_assert_int_gt(inject_large(&target, target.board->tids[1], &rc), 0);
    ck_assert_int_eq(rc, 0);
    resume_process(target.process);
    let_go(&target);
}

SESSION_TEST(without_such_a_thread_there_is_no_memory_for_arguments)
{
    struct target target = launch_guarded("all");
    int rc;

    (void)order(&target, 'f');
    stop_process(target.process);
    ck_assert_int_eq(inject_large(&target, target.board->tids[1], &rc), 0);
    ck_assert_int_eq(rc, -ENOMEM);
    resume_process(target.process);
    let_go(&target);
}

int main(void)
{
    return run_suite("inject_helpers");
}
