/* SPDX-License-Identifier: MIT */
/*
 * Attaching to a process of one thread, letting go of one, and refusals to attach.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holding.h"

HOLDING_CASE(attaching);

TEST(attach_stops_and_detach_lets_run)
{
    struct sdb_child *child = (void *)&session;
    struct sdb_process *process;
    uint64_t address = 0;
    pid_t pid = fork_waiting();

    begin(_i);
    for (int round = 0; round < 100; round++) {
        process = attach(pid);
        ck_assert_int_eq(state_of(pid), 't');
        ck_assert_int_eq(sdb_thread_pc(sdb_process_thread(process), &address), 0);
        ck_assert_uint_ne(address, 0);
        child = detach_child(process);
        ck_assert_ptr_null(child); /* it is not ours to wait for */
    }
    await_state(pid, 'S');
    finish();
    end_child(pid);
}

TEST(a_stopped_process_stays_stopped_through_attach_and_detach)
{
    struct sdb_process *process;
    struct sdb_event event = SDB_EVENT_INIT;
    pid_t pid = fork_waiting();

    begin(_i);
    kill(pid, SIGSTOP);
    await_state(pid, 'T');
    process = attach(pid);
    detach(process);
    await_state(pid, 'T');

    /* Also when it was resumed, which left it in its group-stop. */
    process = attach(pid);
    resume_process(process);
    ck_assert_int_eq(sdb_session_wait(session, 20, &event), -ETIMEDOUT);
    detach(process);
    await_state(pid, 'T');
    kill(pid, SIGCONT);
    await_state(pid, 'S');
    finish();
    end_child(pid);
}

TEST(an_attached_process_that_is_killed_is_told)
{
    struct sdb_process *process;
    pid_t pid = fork_waiting();

    begin(_i);
    process = attach(pid);
    resume_process(process);
    kill(pid, SIGHUP);
    {
        struct sdb_event event = expect_signal(SIGHUP);

        resume(&event);
    }
    expect_exit(SDB_KILLED, SIGHUP);
    finish();
    /* Its tracer was its parent too, so it has been reaped. */
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
}

SESSION_TEST(signals_reach_a_process_that_is_being_attached_to)
{
    struct target target;
    struct sdb_child *child = NULL;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    for (int round = 0; round < 100; round++) {
        target = launch_target("catch", "10", "8");
        child = detach_child(target.process);
        wait_ready(&target);
        kill(target.pid, SIGUSR1);
        {
            struct sdb_error error = SDB_ERROR_INIT;
            struct sdb_process *process;
            int rc = sdb_session_attach(session, target.pid, &process, &error);

            /* It may be quicker than we are, and end. */
            ck_assert(rc == 0 || rc == -ESRCH || rc == -EPERM);
            if (rc == 0) {
                struct sdb_event event;

                resume_process(process);
                event = next_event();
                if (event.kind == SDB_EVENT_SIGNAL) {
                    resume(&event);
                    event = next_event();
                }
                ck_assert_uint_eq(event.kind, SDB_EVENT_EXITED);
                ck_assert_int_eq(event.status->code, 8);
            } else {
                ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
                ck_assert_int_eq(status.code, 8);
            }
        }
        sdb_child_close(child);
        close_target(&target);
    }
    finish();
}

HOLDING_CASE(refusals);

static int refused(pid_t pid, struct sdb_error *error)
{
    struct sdb_process *process = (void *)&session;
    int rc = sdb_session_attach(session, pid, &process, error);

    ck_assert_ptr_eq(process, (void *)&session);
    ck_assert_int_eq(error->code, rc);
    return rc;
}

static void *wait_for_release(void *end)
{
    char byte;

    (void)!read(*(int *)end, &byte, 1);
    return NULL;
}

SESSION_TEST(attach_refusals_are_told_apart)
{
    struct sdb_error error = SDB_ERROR_INIT;
    siginfo_t info;
    pid_t pid;

    ck_assert_int_eq(refused(0, &error), -EINVAL);
    ck_assert_int_eq(refused(-5, &error), -EINVAL);
    ck_assert_int_eq(refused(getpid(), &error), -EDEADLK);

    pid = fork();
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(refused(pid, &error), -ESRCH);
    ck_assert_ptr_nonnull(strstr(error.detail, "ended"));
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(refused(pid, &error), -ESRCH);
    ck_assert_uint_eq(error.stage, SDB_STAGE_FIND);

    ck_assert_int_eq(refused(2, &error), -EPERM); /* kthreadd, on a plain system */
    finish();
}

TEST(attach_names_the_tracer_in_the_way)
{
    struct sdb_error error = SDB_ERROR_INIT;
    pid_t target = fork_waiting();
    pid_t tracer = fork_tracer(target, 0);

    begin(_i);
    ck_assert_int_eq(refused(target, &error), -EBUSY);
    ck_assert_int_eq(error.other_pid, tracer);
    finish();
    end_child(tracer);
    end_child(target);
}

TEST(attach_refuses_a_thread_of_a_process)
{
    struct sdb_error error = SDB_ERROR_INIT;
    int release[2];
    int tids[2];
    int tid;
    pid_t pid;

    ck_assert_int_eq(pipe2(release, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(tids, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        pthread_t thread;
        char path[64];

        pthread_create(&thread, NULL, wait_for_release, &release[0]);
        /* The next task that was made here is the thread. */
        tid = getpid();
        do {
            snprintf(path, sizeof(path), "/proc/self/task/%d", ++tid);
        } while (access(path, F_OK) < 0);
        (void)!write(tids[1], &tid, sizeof(tid));
        pthread_join(thread, NULL);
        _exit(0);
    }
    ck_assert_int_eq(read(tids[0], &tid, sizeof(tid)), (ssize_t)sizeof(tid));
    begin(_i);
    ck_assert_int_eq(refused(tid, &error), -ESRCH);
    ck_assert_ptr_nonnull(strstr(error.detail, "thread"));
    finish();
    end_child(pid);
    close(release[0]);
    close(release[1]);
    close(tids[0]);
    close(tids[1]);
}

TEST(attach_without_permission_says_so)
{
    struct sdb_error error = SDB_ERROR_INIT;
    pid_t target = fork_waiting();
    pid_t host;

    if (geteuid() != 0) {
        end_child(target);
        return; /* only root can become somebody else */
    }
    host = fork();
    if (host == 0) {
        if (setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        begin(_i);
        _exit(refused(target, &error) == -EPERM && strstr(error.detail, "user") ? 0 : 1);
    }
    expect_success(host);
    end_child(target);
}

HOLDING_CASE(detaching);

/* It must end with this code; close it. */
static void expect_code(struct sdb_child *child, int code)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.code, code);
    sdb_child_close(child);
}

SESSION_TEST(a_launched_process_that_is_let_go_becomes_a_child)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = NULL;
    struct target target = launch_target("exit", "12", NULL);

    ck_assert_int_eq(sdb_process_detach(target.process, (enum sdb_release)7, &child), -EINVAL);
    child = detach_child(target.process);
    ck_assert_int_eq(sdb_child_pid(child), target.pid);
    finish(); /* does not touch it any more */
    ck_assert_int_eq(sdb_child_wait(child, -1, &status), 0);
    ck_assert_int_eq(status.code, 12);
    sdb_child_close(child);
    close_target(&target);
}

SESSION_TEST(a_running_process_can_be_let_go)
{
    struct sdb_child *child = NULL;
    struct target target = launch_ready("catch", "10", "5");

    child = detach_child(target.process);
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    expect_code(child, 5);
    finish_with(&target);
}

SESSION_TEST(a_signal_that_was_coming_reaches_a_process_that_is_let_go)
{
    struct sdb_child *child = NULL;
    struct target target = launch_ready("catch", "10", "5");

    kill(target.pid, SIGUSR1);
    expect_signal(SIGUSR1);
    child = detach_child(target.process);
    expect_code(child, 5);
    finish_with(&target);
}

SESSION_TEST(a_process_can_be_left_stopped)
{
    struct sdb_child *child = NULL;
    struct target target = launch_target("exit", "2", NULL);

    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_STOP, &child), 0);
    await_state(target.pid, 'T');
    ck_assert_int_eq(sdb_child_wait(child, 0, NULL), -ETIMEDOUT);
    ck_assert_int_eq(sdb_child_kill(child, SIGCONT), 0);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, NULL), 0);
    sdb_child_close(child);
    finish_with(&target);
}

TEST(detaching_what_was_just_killed_tells_its_end)
{
    struct sdb_process *process;
    pid_t pid = fork_waiting();

    begin(_i);
    process = attach(pid);
    kill(pid, SIGKILL);
    await_state(pid, 'Z');
    ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, NULL), -ESRCH);
    expect_exit(SDB_KILLED, SIGKILL);
    finish();
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1); /* reaped, and not left to nobody */
}

int main(void)
{
    return run_suite("session_attach_detach");
}
