/* SPDX-License-Identifier: MIT */
/*
 * What becomes of processes that are not held any more: let go when they execute another program, or
 * with the session's end, or with the tracer's death.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"

#define FOLLOW_BUT_EXEC (SDB_FOLLOW_ALL & ~SDB_FOLLOW_EXEC)

static void set_release(const struct target *target, enum sdb_release release)
{
    ck_assert_int_eq(sdb_process_set_release(target->process, release), 0);
}

static void expect_untraced(int tid)
{
    ck_assert_int_eq(status_of(tid, "TracerPid", 10), 0);
    ck_assert_int_eq(status_of(tid, "SigPnd", 16), 0);
}

/* It has gone, but for the host, whose child it may be. */
static void await_death(int pid)
{
    for (int i = 0; i < PATIENCE_MS && state_of(pid) != 0 && state_of(pid) != 'Z'; i++)
        usleep(1000);
    ck_assert(state_of(pid) == 0 || state_of(pid) == 'Z');
}

static void expect_wait_status(int pid, int status)
{
    int found = 0;

    ck_assert_int_eq(waitpid(pid, &found, 0), pid);
    ck_assert_int_eq(found, status);
}

HOLDING_CASE(at_exec);

static void launched_is_let_go_at_exec(int place)
{
    struct target target = crew_that_follows(2, FOLLOW_BUT_EXEC);
    struct sdb_process *process = sdb_process_retain(target.process);
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_event event;
    struct sdb_event none = SDB_EVENT_INIT;
    int pidfd;

    order(&target, place, 'x');
    for (int i = 0; i < 2; i++) {
        event = expect(SDB_EVENT_THREAD_EXIT);
        ck_assert_ptr_eq(event.process, process);
    }
    event = expect(SDB_EVENT_RELEASED);
    ck_assert_ptr_eq(event.process, process);
    ck_assert_ptr_nonnull(event.child);
    ck_assert_int_eq(sdb_child_pid(event.child), target.pid);
    pidfd = sdb_child_pidfd(event.child);
    ck_assert_int_ge(pidfd, 0);
    expect_untraced(target.pid);
    ck_assert_int_eq(sdb_event_resume(&event), 0);
    ck_assert_int_eq(sdb_process_resume(process, SDB_RESUME_CONTINUE), -ESRCH);
    ck_assert_ptr_null(sdb_session_find_thread(session, target.pid));
    ck_assert_int_eq(sdb_session_wait(session, 0, &none), -ECHILD);

    /* The session has nothing to do with it any more. */
    finish();
    ck_assert_int_eq(sdb_process_pid(process), target.pid);
    sdb_process_close(process);
    wait_ready(&target);
    ck_assert_int_eq(sdb_child_wait(event.child, 0, &status), -ETIMEDOUT);
    close_input(&target);
    ck_assert_int_eq(sdb_child_wait(event.child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 9);
    sdb_child_close(event.child);
    close_target(&target);
}

SESSION_TEST(a_launched_process_that_is_let_go_at_its_exec_is_a_child)
{
    launched_is_let_go_at_exec(0);
}

SESSION_TEST(an_exec_of_any_thread_lets_it_go)
{
    launched_is_let_go_at_exec(2);
}

TEST(an_attached_process_that_is_let_go_at_its_exec_is_no_child)
{
    struct target target = start_threads("crew", "1", NULL);
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_event event;

    wait_ready(&target);
    begin(_i);
    attach_target(&target);
    set_follow(target.process, FOLLOW_BUT_EXEC);
    resume_process(target.process);
    order(&target, 1, 'x');
    expect(SDB_EVENT_THREAD_EXIT);
    event = expect(SDB_EVENT_RELEASED);
    ck_assert_ptr_null(event.child);
    expect_untraced(target.pid);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    finish();
    wait_ready(&target);
    close_input(&target);
    ck_assert_int_eq(sdb_child_wait(target.child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.code, 9);
    close_target(&target);
}

SESSION_TEST(a_newborn_that_is_let_go_at_its_exec_is_its_parents)
{
    struct target target = crew_that_follows(1, FOLLOW_BUT_EXEC);
    struct sdb_event event;

    order(&target, 0, 'F');
    run_births(1, NULL);
    set_gate(target.board, true);
    event = expect(SDB_EVENT_RELEASED);
    ck_assert_int_eq(sdb_process_pid(event.process), await_child_of(&target));
    ck_assert_ptr_null(event.child);
    ck_assert_int_eq(sdb_event_resume(&event), 0);
    expect_result(&target, 4);
    ck_assert_int_eq(sdb_process_thread_count(target.process), 2);
    finish_with(&target);
}

SESSION_TEST(a_vfork_child_that_is_let_go_at_its_exec_lets_its_parent_go_on)
{
    int done = 0;
    int released = 0;
    struct target target = crew_that_follows(1, FOLLOW_BUT_EXEC);

    order(&target, 1, 'v');
    run_births(1, NULL);
    set_gate(target.board, true);
    for (int i = 0; i < 2; i++) {
        struct sdb_event event = next_event();

        done += event.kind == SDB_EVENT_VFORK_DONE;
        released += event.kind == SDB_EVENT_RELEASED;
        resume(&event);
    }
    ck_assert_int_eq(done, 1);
    ck_assert_int_eq(released, 1);
    expect_result(&target, 4);
    finish_with(&target);
}

HOLDING_CASE(at_end);

SESSION_TEST(what_becomes_of_a_process_is_set_while_it_stands)
{
    struct target target = launch_crew(1);

    ck_assert_int_eq(sdb_process_set_release(target.process, SDB_RELEASE_RUN), -EBUSY);
    stop_process(target.process);
    ck_assert_int_eq(sdb_process_set_release(target.process, (enum sdb_release)3), -EINVAL);
    ck_assert_int_eq(sdb_process_set_release(target.process, SDB_RELEASE_RUN), 0);
    ck_assert_int_eq(sdb_process_set_release(target.process, SDB_RELEASE_KILL), 0);
    finish();
    ck_assert_int_eq(waitpid(target.pid, NULL, WNOHANG), -1);
    await_death(target.pid);
    close_target(&target);
}

SESSION_TEST(a_launched_process_may_run_on)
{
    struct target target = launch_crew(2);

    order(&target, 1, 't');
    expect_turns(target.board, 1, 1);
    stop_process(target.process);
    set_release(&target, SDB_RELEASE_RUN);
    finish();
    for (int i = 0; i <= 2; i++)
        expect_untraced(tid_at(target.board, i));
    expect_turns(target.board, 1, 5);
    order(&target, 2, 'q');
    expect_wait_status(target.pid, 2 << 8);
    close_target(&target);
}

SESSION_TEST(a_launched_process_may_stay_stopped)
{
    struct target target = launch_crew(2);
    uint64_t turns;

    order(&target, 1, 't');
    expect_turns(target.board, 1, 1);
    stop_process(target.process);
    set_release(&target, SDB_RELEASE_STOP);
    resume_process(target.process);
    finish();
    for (int i = 0; i <= 2; i++) {
        await_state(tid_at(target.board, i), 'T');
        ck_assert_int_eq(status_of(tid_at(target.board, i), "TracerPid", 10), 0);
    }
    turns = target.board->turns[1];
    usleep(5000);
    ck_assert_uint_eq(target.board->turns[1], turns);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    expect_turns(target.board, 1, 5);
    close_input(&target);
    expect_wait_status(target.pid, 0);
    close_target(&target);
}

TEST(an_attached_process_may_be_killed)
{
    struct target target = start_threads("crew", "2", NULL);
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    int rc;

    wait_ready(&target);
    begin(_i);
    attach_target(&target);
    set_release(&target, SDB_RELEASE_KILL);
    finish();
    /* The session has reaped it; its status is kept by Linux 6.15. */
    rc = sdb_child_wait(target.child, PATIENCE_MS, &status);
    ck_assert(rc == 0 || rc == -ECHILD);
    if (rc == 0)
        ck_assert_int_eq(status.code, SIGKILL);
    close_target(&target);
}

TEST(newborns_end_as_their_parents_do)
{
    struct target target;
    struct sdb_thread *newborn = NULL;
    int pid;

    begin(_i);
    target = crew_that_follows(1, SDB_FOLLOW_ALL);
    order(&target, 0, 'f');
    run_births(1, &newborn);
    pid = await_child_of(&target);
    finish();
    await_death(pid);
    await_death(target.pid);
    close_target(&target);

    begin(_i);
    target = crew_that_follows(1, SDB_FOLLOW_ALL);
    stop_process(target.process);
    set_release(&target, SDB_RELEASE_RUN);
    resume_process(target.process);
    order(&target, 0, 'f');
    run_births(1, &newborn);
    pid = await_child_of(&target);
    finish();
    expect_untraced(pid);
    expect_untraced(target.pid);
    set_gate(target.board, true);
    wait_ready(&target);
    ck_assert_int_eq(target.board->result, 3);
    close_input(&target);
    expect_wait_status(target.pid, 0);
    close_target(&target);
}

SESSION_TEST(a_newborn_can_end_otherwise_than_its_parent)
{
    struct sdb_thread *newborn = NULL;
    struct target target = crew_that_follows(1, SDB_FOLLOW_ALL);

    stop_process(target.process);
    set_release(&target, SDB_RELEASE_RUN);
    resume_process(target.process);
    order(&target, 0, 'f');
    run_births(1, &newborn);
    await_child_of(&target);
    stop_thread(newborn);
    ck_assert_int_eq(sdb_process_set_release(sdb_thread_process(newborn), SDB_RELEASE_KILL), 0);
    finish();
    wait_ready(&target);
    ck_assert_int_eq(target.board->result, -SIGKILL);
    close_input(&target);
    expect_wait_status(target.pid, 0);
    close_target(&target);
}

SESSION_TEST(a_newborn_that_is_detached_is_its_parents)
{
    struct sdb_thread *newborn = NULL;
    struct target target = crew_that_follows(1, SDB_FOLLOW_ALL);
    struct sdb_child *child;
    int pid;

    order(&target, 0, 'f');
    run_births(1, &newborn);
    pid = await_child_of(&target);
    child = detach_child(sdb_thread_process(newborn));
    ck_assert_ptr_null(child);
    expect_untraced(pid);
    ck_assert_ptr_null(sdb_session_find_thread(session, pid));
    set_gate(target.board, true);
    expect_result(&target, 3);
    finish_with(&target);
}

HOLDING_CASE(at_death);

struct family {
    int pid;
    int newborn;
    int input; /* the tracer's descriptor */
};

/* In a process of its own: hold a process and its newborn, and say who they are. */
static void be_tracer(int way, bool lets_live, int report)
{
    struct target target;
    struct family family;

    begin(way);
    target = crew_that_follows(1, SDB_FOLLOW_ALL);
    if (lets_live) {
        stop_process(target.process);
        set_release(&target, SDB_RELEASE_RUN);
        resume_process(target.process);
    }
    order(&target, 0, 'f');
    run_births(1, NULL);
    family = (struct family){target.pid, await_child_of(&target), target.input};
    ck_assert_int_eq(write(report, &family, sizeof(family)), (ssize_t)sizeof(family));
    for (;;)
        pause();
}

/* Kill the tracer; @return whom it has held, whose input the test has now, and whose parent it is */
static struct family kill_tracer(int way, bool lets_live)
{
    struct family family;
    int ends[2];
    int pidfd;
    pid_t tracer;

    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    ck_assert_int_eq(pipe(ends), 0);
    tracer = fork();
    ck_assert_int_ge(tracer, 0);
    if (tracer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        be_tracer(way, lets_live, ends[1]);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &family, sizeof(family)), (ssize_t)sizeof(family));
    close(ends[0]);

    /* They would end with their input. */
    pidfd = (int)syscall(SYS_pidfd_open, tracer, 0);
    family.input = (int)syscall(SYS_pidfd_getfd, pidfd, family.input, 0);
    ck_assert_int_ge(family.input, 0);
    close(pidfd);
    ck_assert_int_eq(kill(tracer, SIGKILL), 0);
    expect_wait_status(tracer, SIGKILL);
    return family;
}

/* What helped the tracer to wait goes by itself, too. */
static void adopt_no_more(const struct family *family)
{
    close(family->input);
    while (waitpid(-1, NULL, __WALL) > 0)
        continue;
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

TEST(all_that_was_launched_or_born_dies_with_the_tracer)
{
    struct family family = kill_tracer(_i, false);

    expect_wait_status(family.pid, SIGKILL);
    await_death(family.newborn); /* its parent may have reaped it */
    adopt_no_more(&family);
}

TEST(what_may_run_on_outlives_the_tracer)
{
    struct family family = kill_tracer(_i, true);

    expect_untraced(family.pid);
    expect_untraced(family.newborn);
    await_state(family.pid, 'S');
    await_state(family.newborn, 'S');
    ck_assert_int_eq(kill(family.pid, SIGTERM), 0);
    expect_wait_status(family.pid, SIGTERM);
    ck_assert_int_eq(kill(family.newborn, SIGTERM), 0);
    expect_wait_status(family.newborn, SIGTERM);
    adopt_no_more(&family);
}

int main(void)
{
    return run_suite("session_release");
}
