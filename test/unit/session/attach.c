/* SPDX-License-Identifier: MIT */
/*
 * Attaching to all threads of a process and letting them go, as the process notices it: not at all.
 * Processes of many threads, stopped ones, ones that sleep, wait in vfork, have lost their first
 * thread, live in another pid namespace or under a filter.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "racing.h"
#include "witness.h"

HOLDING_CASE(many_threads);

TEST(all_threads_of_a_process_are_held)
{
    struct target busy = start_busy("idle", "200", NULL);
    int tids[512];
    int count;

    begin(_i);
    attach_target(&busy);
    count = tasks_of(busy.pid, tids, 512);
    ck_assert_int_eq(count, 201);
    ck_assert_int_eq(sdb_process_thread_count(busy.process), 201);
    ck_assert_int_eq(sdb_thread_tid(sdb_process_thread(busy.process)), busy.pid);
    expect_all_held(busy.process);
    for (int i = 0; i < count; i++) {
        uint64_t pc = 0;

        ck_assert_int_eq(sdb_thread_pc(held(tids[i]), &pc), 0);
        ck_assert_uint_ne(pc, 0);
    }
    detach(busy.process);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(status_of(tids[i], "TracerPid", 10), 0);
    busy.process = NULL;
    ask(&busy);
    finish_busy(&busy);
}

TEST(two_hundred_times_attached_held_and_let_go)
{
    struct target busy = start_busy("idle", "8", NULL);

    begin(_i);
    for (int round = 0; round < rounds(200); round++) {
        struct sdb_process *process = attach(busy.pid);

        expect_all_held(process);
        ck_assert_int_eq(sdb_process_thread_count(process), 9);
        if (round % 4 == 1)
            resume_process(process);
        if (round % 4 == 2) {
            resume_process(process);
            stop_process(process);
            expect_all_held(process);
        }
        detach(process);
        if (round % 10 == 0)
            ask(&busy);
    }
    ask(&busy);
    finish_busy(&busy);
}

TEST(a_held_process_of_many_threads_can_be_killed_with_its_release)
{
    struct target busy = start_busy("churn", "3", NULL);
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_child *child = (void *)&event;

    begin(_i);
    attach_target(&busy);
    ck_assert_int_eq(sdb_process_detach(busy.process, SDB_RELEASE_KILL, &child), 0);
    ck_assert_ptr_null(child);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    /* It was the host's child, and the session's to reap. */
    if (sdb_child_wait(busy.child, PATIENCE_MS, &status) == 0)
        ck_assert_int_eq(status.code, SIGKILL);
    finish_with(&busy);
}

HOLDING_CASE(stopped);

static void expect_stopped(int pid)
{
    int tids[64];
    int count = tasks_of(pid, tids, 64);

    for (int i = 0; i < count; i++)
        await_state(tids[i], 'T');
}

TEST(a_stopped_process_of_many_threads_stays_stopped)
{
    struct target busy = start_busy("idle", "10", NULL);

    begin(_i);
    kill(busy.pid, SIGSTOP);
    expect_stopped(busy.pid);
    for (int round = 0; round < rounds(20); round++) {
        struct sdb_process *process = attach(busy.pid);

        expect_all_held(process);
        if (round % 2 == 1)
            resume_process(process);
        if (round % 4 == 3)
            stop_process(process);
        detach(process);
        expect_stopped(busy.pid);
    }
    kill(busy.pid, SIGCONT);
    ask(&busy);
    finish_busy(&busy);
}

TEST(a_sigcont_while_a_stopped_process_is_held_counts)
{
    struct target busy = start_busy("idle", "4", NULL);

    begin(_i);
    for (int round = 0; round < rounds(40); round++) {
        struct sdb_process *process;

        kill(busy.pid, SIGSTOP);
        expect_stopped(busy.pid);
        process = attach(busy.pid);
        if (round % 2 == 1)
            resume_process(process);
        kill(busy.pid, SIGCONT);
        detach(process);
        ask(&busy);
    }
    finish_busy(&busy);
}

TEST(a_process_can_be_left_stopped_with_all_its_threads)
{
    struct target busy = start_busy("idle", "4", NULL);

    begin(_i);
    for (int round = 0; round < rounds(20); round++) {
        struct sdb_process *process = attach(busy.pid);

        if (round % 2 == 1)
            resume_process(process);
        ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_STOP, NULL), 0);
        expect_stopped(busy.pid);
        kill(busy.pid, SIGCONT);
        ask(&busy);
    }
    finish_busy(&busy);
}

HOLDING_CASE(asleep);

/* @return whether it was late, which a busy machine may be the reason of */
static bool disturb_sleeps(int release_in_between)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct target busy = start_busy("sleeps", "800", NULL);
    int64_t end = host_now_ms() + 600;
    bool is_late;

    while (host_now_ms() < end) {
        struct sdb_process *process = attach(busy.pid);

        if (release_in_between)
            resume_process(process);
        detach(process);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    ck_assert_int_eq(sdb_child_wait(busy.child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    is_late = status.code == 15;
    ck_assert(status.code == 0 || is_late);
    close_target(&busy);
    return is_late;
}

SESSION_TEST(sleeps_go_on_and_end_on_time)
{
    for (int resumed = 0; resumed < 2; resumed++) {
        int tries = 0;

        while (tries < 4 && disturb_sleeps(resumed))
            tries++;
        ck_assert_int_lt(tries, 4);
    }
    finish();
}

HOLDING_CASE(in_vfork);

static const char *const linger_ways[] = {"exit", "exec"};

/* Pump the session until the program has ended, whatever the session has to do in between. */
static void expect_end_of_released(struct target *busy)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    int64_t end = host_now_ms() + PATIENCE_MS;
    int rc;

    while ((rc = sdb_child_wait(busy->child, 1, &status)) == -ETIMEDOUT && host_now_ms() < end) {
        rc = sdb_session_wait(session, 1, &event);
        ck_assert_msg(rc == -ECHILD || rc == -ETIMEDOUT, "wait: %d, event %s", rc,
                      rc == 0 ? sdb_event_name(event.kind) : "none");
    }
    ck_assert_msg(rc == 0, "%d has not ended, its state is %c", busy->pid,
                  host_task_state(busy->pid));
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    close_target(busy);
}

SESSION_TEST(a_process_in_vfork_can_be_attached_to_and_let_go)
{
    for (int round = 0; round < rounds(20); round++) {
        struct target busy = start_busy("linger", linger_ways[round % 2], NULL);
        struct sdb_process *process;

        await_state(busy.pid, 'D');
        process = attach(busy.pid);
        ck_assert_int_eq(sdb_process_thread_count(process), 1);
        ck_assert_int_eq(sdb_thread_state(sdb_process_thread(process)), SDB_THREAD_RUNNING);
        detach(process);
        tell_target(&busy, 'x');
        expect_end_of_released(&busy);
    }
    finish();
}

/* Nobody but sdb_child_wait() looks after it. */
SESSION_TEST(who_waits_for_a_child_that_was_let_go_in_vfork_sees_its_end)
{
    for (int round = 0; round < rounds(4); round++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct target busy = start_busy("linger", linger_ways[round % 2], NULL);

        await_state(busy.pid, 'D');
        detach(attach(busy.pid));
        tell_target(&busy, 'x');
        ck_assert_int_eq(sdb_child_wait(busy.child, PATIENCE_MS, &status), 0);
        ck_assert_uint_eq(status.how, SDB_EXITED);
        ck_assert_int_eq(status.code, 0);
        close_target(&busy);
    }
    finish();
}

/* Nobody looks after it at all: a vfork that is soon over is waited for by the detach. */
SESSION_TEST(a_process_that_was_let_go_among_vforks_runs_on)
{
    for (int round = 0; round < rounds(20); round++) {
        struct target busy = start_busy("vforks", "4", NULL);

        detach(attach(busy.pid));
        for (int i = 0; i < 2; i++)
            ask(&busy);
        close_input(&busy);
        ck_assert_int_eq(exit_code_of(busy.pid), 0);
        (void)sdb_child_wait(busy.child, 0, NULL);
        close_target(&busy);
    }
    finish();
}

SESSION_TEST(a_process_in_vfork_is_held_once_it_has_left_it)
{
    for (int round = 0; round < rounds(20); round++) {
        struct target busy = start_busy("linger", linger_ways[round % 2], NULL);
        struct sdb_thread *thread;

        await_state(busy.pid, 'D');
        attach_target(&busy);
        thread = sdb_process_thread(busy.process);
        tell_target(&busy, 'x');
        await_state(busy.pid, 't');
        stop_process(busy.process);
        ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
        expect_all_held(busy.process);
        expect_nothing();
        resume_process(busy.process);
        for (;;) { /* its child's end is a SIGCHLD */
            struct sdb_event event = next_event();

            if (event.kind == SDB_EVENT_EXITED) {
                ck_assert_int_eq(event.status->code, 0);
                break;
            }
            ck_assert_uint_eq(event.kind, SDB_EVENT_SIGNAL);
            ck_assert_int_eq(event.signal, SIGCHLD);
            resume(&event);
        }
        close_target(&busy);
    }
    finish();
}

TEST(a_session_can_end_while_a_process_waits_in_vfork)
{
    for (int round = 0; round < 4; round++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct target busy = start_busy("linger", linger_ways[round % 2], NULL);

        begin(_i);
        await_state(busy.pid, 'D');
        attach_target(&busy);
        if (round >= 2)
            detach(busy.process);
        tell_target(&busy, 'x');
        finish();
        ck_assert_int_eq(sdb_child_wait(busy.child, PATIENCE_MS, &status), 0);
        ck_assert_int_eq(status.code, 0);
        close_target(&busy);
    }
}

HOLDING_CASE(without_first_thread);

TEST(a_process_whose_first_thread_has_ended_can_be_held_and_let_go)
{
    struct target busy = start_busy("zombie", "3", NULL);

    begin(_i);
    await_state(busy.pid, 'Z');
    for (int round = 0; round < rounds(40); round++) {
        int tids[16];
        struct sdb_process *process = attach(busy.pid);

        ck_assert_int_eq(sdb_process_pid(process), busy.pid);
        expect_all_held(process);
        ck_assert_int_eq(tasks_of(busy.pid, tids, 16), 5);
        for (int i = 0; i < 5; i++)
            ck_assert(tids[i] == busy.pid || sdb_session_find_thread(session, tids[i]) != NULL);
        if (round % 2 == 1)
            resume_process(process);
        detach(process);
        if (round % 10 == 0)
            ask(&busy);
    }
    ask(&busy);
    finish_busy(&busy);
}

TEST(the_end_of_a_process_whose_first_thread_had_ended_is_told)
{
    struct target busy = start_busy("zombie", "3", NULL);
    struct sdb_event event = SDB_EVENT_INIT;
    int thread_ends = 0;

    begin(_i);
    await_state(busy.pid, 'Z');
    attach_target(&busy);
    resume_process(busy.process);
    close_input(&busy);
    for (;;) {
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            break;
        thread_ends += event.kind == SDB_EVENT_THREAD_EXIT;
        resume(&event);
    }
    ck_assert_int_eq(thread_ends, 4);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    finish_with(&busy);
}

HOLDING_CASE(surroundings);

TEST(a_strict_filter_in_a_process_is_no_hindrance)
{
    struct target busy = start_busy("strict", NULL, NULL);

    begin(_i);
    for (int round = 0; round < rounds(20); round++) {
        struct sdb_process *process = attach(busy.pid);
        struct sdb_thread *thread = sdb_process_thread(process);

        expect_all_held(process);
        if (round % 2 == 1) {
            resume_thread(thread, SDB_RESUME_SYSCALL);
            stop_process(process);
        }
        detach(process);
        ask(&busy);
    }
    finish_busy(&busy);
}

/* Make a pid namespace with the program in it.  @return its pid as we see it */
static pid_t start_in_namespace(const char *what, int input, int output, pid_t *keeper)
{
    const pid_t parent = getpid();
    int ends[2];
    pid_t pid = -1;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    *keeper = fork();
    if (*keeper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || unshare(CLONE_NEWPID) < 0)
            _exit(1);
        pid = fork();
        if (pid == 0) {
            dup2(input, STDIN_FILENO);
            dup2(output, STDOUT_FILENO);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            execl(BUSY, BUSY, what, "1", (char *)NULL);
            _exit(1);
        }
        (void)!write(ends[1], &pid, sizeof(pid));
        close_range(3, ~0u, 0); /* among them the other ends of the pipes */
        _exit(waitpid(pid, &pid, 0) > 0 && WIFEXITED(pid) ? WEXITSTATUS(pid) : 1);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
    close(ends[0]);
    return pid;
}

TEST(a_process_in_another_pid_namespace_is_held_with_its_children)
{
    struct target busy = {.input = -1, .output = -1};
    struct sdb_event event = SDB_EVENT_INIT;
    struct witness witness;
    int input[2];
    int output[2];
    pid_t keeper;
    int status;

    if (geteuid() != 0) {
        (void)printf("only root can make a pid namespace: skipped\n");
        return;
    }
    ck_assert_int_eq(pipe2(input, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    busy.pid = start_in_namespace("forks", input[0], output[1], &keeper);
    busy.input = input[1];
    busy.output = output[0];
    close(input[0]);
    close(output[1]);
    wait_ready(&busy);

    begin(_i);
    attach_target(&busy);
    witness_begin(&witness, session, 0);
    witness_hold(&witness, busy.process);
    expect_all_held(busy.process);
    ck_assert_int_eq(sdb_process_set_follow(busy.process, SDB_FOLLOW_ALL), 0);
    witness_resume_process(&witness, busy.process);
    while (witness.told[SDB_EVENT_EXITED] < 50) {
        ck_assert(witness_next(&witness, &event));
        if (event.kind == SDB_EVENT_START)
            ck_assert_int_eq(status_of(sdb_process_pid(event.process), "PPid", 10), busy.pid);
        witness_resume(&witness, &event);
    }
    close_input(&busy);
    while (witness_next(&witness, &event))
        witness_resume(&witness, &event);
    witness_end(&witness);
    ck_assert_uint_eq(witness.told[SDB_EVENT_EXITED], witness.told[SDB_EVENT_FORK] + 1);
    ck_assert_int_eq(waitpid(keeper, &status, 0), keeper);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    finish_with(&busy);
}

int main(void)
{
    return run_suite("session_attach");
}
