/* SPDX-License-Identifier: MIT */
/*
 * Ends of threads: told once, with how they ended, before the end of their process; what is left of
 * their handles; an exec, which ends all threads but one.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"

static void expect_gone(struct sdb_thread *thread, int tid)
{
    uint64_t address = 0;
    siginfo_t info;

    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_GONE);
    ck_assert_int_eq(sdb_thread_tid(thread), tid);
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS), -ESRCH);
    ck_assert_int_eq(sdb_thread_interrupt(thread), -ESRCH);
    ck_assert_int_eq(sdb_thread_pc(thread, &address), -ESRCH);
    ck_assert_int_eq(sdb_thread_siginfo(thread, &info, sizeof(info)), -ESRCH);
}

static void expect_process_gone(struct sdb_process *process)
{
    ck_assert_ptr_null(sdb_process_next_thread(process, NULL));
    ck_assert_int_eq(sdb_process_resume(process, SDB_RESUME_CONTINUE), -ESRCH);
    ck_assert_int_eq(sdb_process_stop(process, 0), -ESRCH);
    ck_assert_int_eq(sdb_process_kill(process), -ESRCH);
    ck_assert_int_eq(sdb_process_set_follow(process, 0), -ESRCH);
    ck_assert_int_eq(sdb_process_set_release(process, SDB_RELEASE_RUN), -ESRCH);
    ck_assert_int_eq(sdb_process_set_stop_mode(process, SDB_ALL_STOP), -ESRCH);
    ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, NULL), -ESRCH);
}

/* Ends of so many threads, then of the process; each of them so. */
static void expect_all_ends(struct sdb_process *process, int threads, uint32_t how, int code)
{
    struct sdb_thread *const first = sdb_process_thread(process);
    int seen[BOARD_PLACES] = {0};
    struct sdb_event event;

    for (int i = 0; i < threads - 1; i++) {
        event = expect_thread_exit(how, code);
        ck_assert_ptr_eq(event.process, process);
        ck_assert_ptr_ne(event.thread, first);
        seen[i] = sdb_thread_tid(event.thread);
        for (int j = 0; j < i; j++)
            ck_assert_int_ne(seen[i], seen[j]);
    }
    event = expect_exit(how, code);
    ck_assert_ptr_eq(event.process, process);
    ck_assert_ptr_eq(event.thread, first);
    ck_assert_int_eq(event.status->pid, sdb_process_pid(process));
    expect_process_gone(process);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
}

HOLDING_CASE(ends);

SESSION_TEST(threads_that_end_one_by_one_are_told_with_their_codes)
{
    struct target target = launch_crew(5);

    for (int i = 1; i <= 5; i++) {
        struct sdb_thread *thread = crew_thread(&target, i);
        struct sdb_event event;

        order(&target, i, 'e');
        event = expect_thread_exit(SDB_EXITED, i);
        ck_assert_ptr_eq(event.thread, thread);
        ck_assert_ptr_eq(event.process, target.process);
        expect_gone(thread, target.board->tids[i]);
        ck_assert_ptr_null(sdb_session_find_thread(session, target.board->tids[i]));
        ck_assert_int_eq(sdb_process_thread_count(target.process), 6 - i);
        ck_assert_int_eq(sdb_event_resume(&event), 0);
    }
    close_input(&target);
    finish_exited(&target, 0);
}

SESSION_TEST(all_threads_end_before_their_process)
{
    struct target target = launch_crew(8);

    order(&target, 5, 'q');
    expect_all_ends(target.process, 9, SDB_EXITED, 5);
    finish_with(&target);
}

SESSION_TEST(a_kill_ends_all_threads_running_or_not)
{
    struct target target = launch_crew(8);

    for (int i = 0; i < 4; i++)
        stop_thread(crew_thread(&target, i));
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    expect_all_ends(target.process, 9, SDB_KILLED, SIGKILL);
    finish_with(&target);
}

SESSION_TEST(a_stop_that_was_not_told_is_not_told_after_a_kill)
{
    struct target target = launch_crew(2);

    order(&target, 1, 'k');
    await_state(tid_at(target.board, 1), 't');
    ck_assert_int_eq(kill(target.pid, SIGKILL), 0);
    await_state(target.pid, 'Z');
    expect_all_ends(target.process, 3, SDB_KILLED, SIGKILL);
    finish_with(&target);
}

HOLDING_CASE(handles);

SESSION_TEST(a_retained_thread_outlives_the_thread)
{
    struct target target = launch_crew(2);
    struct sdb_thread *thread;
    int tid;

    tid = tid_at(target.board, 1);
    thread = held(tid);
    sdb_thread_set_data(thread, &target);
    ck_assert_ptr_eq(sdb_thread_retain(thread), thread);
    ck_assert_ptr_eq(sdb_thread_retain(thread), thread);
    order(&target, 1, 'e');
    expect_thread_exit(SDB_EXITED, 1);
    order(&target, 2, 'e');
    expect_thread_exit(SDB_EXITED, 2);
    expect_nothing();
    expect_gone(thread, tid);
    ck_assert_ptr_eq(sdb_thread_data(thread), &target);
    ck_assert_int_eq(sdb_process_pid(sdb_thread_process(thread)), target.pid);
    sdb_thread_close(thread);
    expect_gone(thread, tid);

    /* It keeps the process's handle too, when the session is long gone. */
    finish();
    expect_gone(thread, tid);
    ck_assert_int_eq(sdb_process_pid(sdb_thread_process(thread)), target.pid);
    ck_assert_ptr_null(sdb_process_thread(sdb_thread_process(thread)));
    sdb_thread_close(thread);
    close_target(&target);
}

SESSION_TEST(a_retained_thread_of_a_process_that_is_let_go_is_gone)
{
    struct target target = start_threads("crew", "2", NULL);
    struct sdb_thread *thread;
    int tid;

    wait_ready(&target);
    attach_target(&target);
    tid = tid_at(target.board, 2);
    thread = sdb_thread_retain(held(tid));
    detach(target.process);
    expect_gone(thread, tid);
    ck_assert_ptr_null(sdb_session_find_thread(session, tid));

    /* Held again, it has another handle. */
    attach_target(&target);
    ck_assert_ptr_ne(held(tid), thread);
    expect_gone(thread, tid);
    sdb_thread_close(thread);
    finish();
    end_target(&target);
}

/* Have the system give this id to the next task. @return whether it lets us ask for that */
static bool choose_next_id(int tid)
{
    int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    bool done;

    if (fd < 0)
        return false;
    done = dprintf(fd, "%d", tid - 1) > 0;
    close(fd);
    return done;
}

SESSION_TEST(a_retained_thread_never_speaks_of_another_with_its_id)
{
    struct sdb_thread *old = NULL;
    struct sdb_thread *other = NULL;
    int tid = 0;
    struct target target = launch_crew(1);

    /* Others on the machine make tasks too, and may be faster. */
    for (int place = 1; place < 100; place++) {
        sdb_thread_close(old);
        tid = tid_at(target.board, place);
        old = sdb_thread_retain(held(tid));
        order(&target, place, 'e');
        expect_thread_exit(SDB_EXITED, place);
        if (!choose_next_id(tid))
            break;
        order(&target, 0, 'n');
        run_births(1, &other);
        if (sdb_thread_tid(other) == tid)
            break;
    }
    expect_gone(old, tid);
    ck_assert_ptr_ne(old, other);
    if (other) {
        ck_assert_int_eq(sdb_thread_tid(other), tid);
        ck_assert_ptr_eq(held(tid), other);
        stop_thread(other);
        ck_assert_int_eq(sdb_thread_state(old), SDB_THREAD_GONE);
    } else {
        printf("which ids tasks get cannot be chosen here: not tested\n");
    }
    sdb_thread_close(old);
    finish_with(&target);
}

HOLDING_CASE(exec);

/* All others' ends, then the exec of this thread; @return the exec */
static struct sdb_event expect_exec(const struct target *target, struct sdb_thread *thread,
                                    int others)
{
    const int former = sdb_thread_tid(thread);
    struct sdb_event event;

    for (int i = 0; i < others; i++) {
        event = expect(SDB_EVENT_THREAD_EXIT);
        ck_assert_ptr_ne(event.thread, thread);
        ck_assert_ptr_eq(event.process, target->process);
        ck_assert_ptr_nonnull(event.status);
    }
    event = expect_of(SDB_EVENT_EXEC, thread);
    ck_assert_int_eq(event.former_tid, former);
    ck_assert_ptr_eq(event.process, target->process);
    ck_assert_int_eq(sdb_process_pid(target->process), target->pid);
    ck_assert_int_eq(sdb_process_thread_count(target->process), 1);
    ck_assert_ptr_eq(sdb_process_thread(target->process), thread);
    ck_assert_ptr_eq(sdb_process_next_thread(target->process, NULL), thread);
    ck_assert_ptr_null(sdb_process_next_thread(target->process, thread));
    ck_assert_ptr_eq(held(target->pid), thread);
    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
    ck_assert_int_eq(state_of(target->pid), 't');
    return event;
}

static void run_after(struct target *target, const struct sdb_event *exec)
{
    resume(exec);
    wait_ready(target);
    stop_thread(exec->thread);
    resume_process(target->process);
    close_input(target);
    expect_exit(SDB_EXITED, 9);
}

SESSION_TEST(an_exec_of_another_thread_than_the_first_keeps_its_handle)
{
    struct target target = launch_crew(3);
    struct sdb_thread *first;
    struct sdb_thread *thread;
    struct sdb_event event;
    int tid;

    first = sdb_thread_retain(sdb_process_thread(target.process));
    tid = tid_at(target.board, 2);
    thread = held(tid);
    order(&target, 2, 'x');
    event = expect_exec(&target, thread, 3);
    ck_assert_int_eq(event.former_tid, tid);
    ck_assert_ptr_null(sdb_session_find_thread(session, tid));
    ck_assert_ptr_ne(first, thread);
    expect_gone(first, target.pid);
    run_after(&target, &event);
    sdb_thread_close(first);
    finish_with(&target);
}

SESSION_TEST(an_exec_of_the_second_of_two_threads_is_told)
{
    struct target target = launch_crew(1);
    struct sdb_event event;

    order(&target, 1, 'x');
    event = expect_exec(&target, crew_thread(&target, 1), 1);
    run_after(&target, &event);
    finish_with(&target);
}

SESSION_TEST(an_exec_of_the_first_of_many_threads_is_told)
{
    struct target target = launch_crew(4);
    struct sdb_event event;

    order(&target, 0, 'x');
    event = expect_exec(&target, crew_thread(&target, 0), 4);
    ck_assert_int_eq(event.former_tid, target.pid);
    run_after(&target, &event);
    finish_with(&target);
}

SESSION_TEST(an_exec_ends_threads_that_stand_still)
{
    struct target target = launch_crew(4);
    struct sdb_event event;

    order(&target, 0, 't'); /* the reader is 4 now, which nobody has to wake for its own order */
    expect_turns(target.board, 0, 1);
    stop_process(target.process);
    order(&target, 4, 'x');
    ck_assert_int_eq(
        sdb_thread_resume(crew_thread(&target, 4), SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS), 0);
    event = expect_exec(&target, crew_thread(&target, 4), 4);
    run_after(&target, &event);
    finish_with(&target);
}

SESSION_TEST(a_stop_that_was_not_told_is_not_told_after_an_exec)
{
    struct target target = launch_crew(2);
    struct sdb_thread *thread = crew_thread(&target, 1);
    struct sdb_event event;
    int old;

    old = tid_at(target.board, 2);
    order(&target, 2, 'k');
    await_state(old, 't');
    order(&target, 1, 'x');
    await_state(old, 'Z');
    event = expect_exec(&target, thread, 2);
    run_after(&target, &event);
    finish_with(&target);
}

SESSION_TEST(an_exec_brings_the_first_thread_back)
{
    struct target target = launch_crew(2);
    struct sdb_event event;

    order(&target, 0, 'e');
    await_state(target.pid, 'Z');
    order(&target, 2, 'x');
    event = expect_exec(&target, crew_thread(&target, 2), 2);
    run_after(&target, &event);
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_thread_ends");
}
