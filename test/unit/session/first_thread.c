/* SPDX-License-Identifier: MIT */
/*
 * Processes whose first thread has ended while others live: the kernel keeps it as a zombie that never
 * stops, so nothing may wait for it, and its end comes with its process's.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>

#include "crew.h"
#include "holding.h"

static struct target zombie_leader(int others)
{
    struct target target = launch_crew(others);

    order(&target, 0, 'e');
    await_state(target.pid, 'Z');
    return target;
}

HOLDING_CASE(first_thread);

SESSION_TEST(threads_live_on_without_the_first)
{
    struct target target;
    struct sdb_event event;

    target = zombie_leader(3);
    expect_nothing();

    /* To interrupt it is harmless, and nothing waits for it. */
    ck_assert_int_eq(sdb_thread_interrupt(sdb_process_thread(target.process)), 0);
    ck_assert_int_eq(sdb_thread_interrupt(sdb_process_thread(target.process)), 0);
    expect_nothing();
    for (int i = 1; i <= 2; i++) { /* 3 reads the orders */
        order(&target, i, 't');
        expect_turns(target.board, i, 1);
    }
    stop_process(target.process);
    for (int i = 1; i <= 3; i++)
        expect_standstill(target.board, i);
    resume_process(target.process);
    expect_all_turn(target.board, 1, 2, 1);

    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, SDB_ALL_STOP), 0);
    order(&target, 2, 'k');
    event = expect_signal(SIGUSR1);
    expect_standstill(target.board, 1);
    expect_standstill(target.board, 3);
    resume(&event);
    expect_turns(target.board, 1, 1);
    finish_with(&target);
}

SESSION_TEST(without_its_first_thread_a_process_ends_with_its_last)
{
    struct target target;
    struct sdb_thread *first;
    struct sdb_event event;

    target = zombie_leader(3);
    first = sdb_process_thread(target.process);
    for (int i = 1; i <= 3; i++) {
        order(&target, i, 'e');
        expect_thread_exit(SDB_EXITED, i);
    }
    event = expect_exit(SDB_EXITED, 3);
    ck_assert_ptr_eq(event.thread, first);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    finish_with(&target);
}

SESSION_TEST(a_process_without_its_first_thread_can_be_killed)
{
    struct target target;
    struct sdb_event event;

    target = zombie_leader(3);
    stop_thread(crew_thread(&target, 2));
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    for (int i = 0; i < 3; i++)
        expect_thread_exit(SDB_KILLED, SIGKILL);
    event = expect_exit(SDB_KILLED, SIGKILL);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    finish_with(&target);
}

TEST(a_process_without_its_first_thread_can_be_attached_to_and_let_go)
{
    struct target target = start_threads("crew", "3", NULL);
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    wait_ready(&target);
    order(&target, 0, 'e');
    await_state(target.pid, 'Z');
    begin(_i);
    attach_target(&target);
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(sdb_thread_state(crew_thread(&target, i)), SDB_THREAD_STOPPED);
    resume_process(target.process);
    order(&target, 3, 'e');
    expect_thread_exit(SDB_EXITED, 3);
    detach(target.process);
    for (int i = 1; i <= 2; i++)
        ck_assert_int_eq(status_of(tid_at(target.board, i), "TracerPid", 10), 0);
    order(&target, 2, 'e');
    await_tasks(target.pid, 2);
    order(&target, 1, 'e');
    finish();
    ck_assert_int_eq(sdb_child_wait(target.child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 1);
    close_target(&target);
}

SESSION_TEST(a_launched_process_without_its_first_thread_is_no_child_yet)
{
    struct target target;
    struct sdb_child *child = (void *)&target;

    target = zombie_leader(2);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &child), -EBUSY);
    ck_assert_ptr_eq((void *)child, (void *)&target);

    /* It is held as before. */
    order(&target, 2, 't');
    expect_turns(target.board, 2, 1);
    stop_thread(crew_thread(&target, 2));
    resume_process(target.process);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_KILL, &child), 0);
    ck_assert_ptr_null(child);
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_first_thread");
}
