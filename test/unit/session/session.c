/* SPDX-License-Identifier: MIT */
/*
 * The beginning and the end of sessions, and of what they hold.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holding.h"

HOLDING_CASE(creating);

TEST(create_refuses_what_cannot_be_right)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct {
        struct sdb_session_options known;
        uint64_t later;
    } newer = {.known = {.size = sizeof(newer)}};

    ck_assert_int_eq(sdb_session_create(NULL, NULL), -EINVAL);
    options.flags = UINT64_C(1) << 63;
    ck_assert_int_eq(sdb_session_create(&options, &session), -EINVAL);
    options.flags = 0;
    options.size--;
    ck_assert_int_eq(sdb_session_create(&options, &session), -EINVAL);
    newer.later = 1;
    ck_assert_int_eq(sdb_session_create(&newer.known, &session), -E2BIG);
    ck_assert_ptr_null(session);
    newer.later = 0;
    ck_assert_int_eq(sdb_session_create(&newer.known, &session), 0);
    finish();
}

TEST(a_thread_has_one_session_at_a_time)
{
    struct sdb_session *second = NULL;

    begin(_i);
    ck_assert_int_eq(sdb_session_create(NULL, &second), -EBUSY);
    finish();
    begin(_i);
    finish();
}

HOLDING_CASE(killing);

SESSION_TEST(kill_ends_a_process_in_any_state)
{
    struct target target;
    struct sdb_event event;

    target = launch_target("wait", NULL, NULL); /* before its first instruction */
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    expect_exit(SDB_KILLED, SIGKILL);
    close_target(&target);

    target = launch_target("wait", NULL, NULL); /* in a group-stop that was left */
    resume_process(target.process);
    wait_ready(&target);
    kill(target.pid, SIGSTOP);
    resume_from_signal(SIGSTOP);
    resume_from(SDB_EVENT_GROUP_STOP);
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    event = expect(SDB_EVENT_EXITED);
    ck_assert_int_eq(event.status->code, SIGKILL);
    ck_assert_int_eq(sdb_process_kill(event.process), -ESRCH);
    ck_assert_int_eq(sdb_process_resume(event.process, SDB_RESUME_CONTINUE), -ESRCH);
    finish_with(&target);
}

SESSION_TEST(resuming_a_thread_that_is_being_killed_is_no_error)
{
    for (int round = 0; round < 100; round++) {
        struct target target = launch_target("wait", NULL, NULL);

        kill(target.pid, SIGKILL);
        resume_process(target.process);
        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), -EBUSY);
        expect_exit(SDB_KILLED, SIGKILL);
        close_target(&target);
    }
    finish();
}

/* Kill a target at random instants of its life in a session: there is always one end, and no hang.
 */
static void *kill_at_random(void *pid)
{
    usleep((useconds_t)(rand() % 400));
    kill(*(int *)pid, SIGKILL);
    return NULL;
}

TEST(a_kill_at_any_instant_is_told_once)
{
    srand(1);
    begin(_i);
    for (int round = 0; round < 300; round++) {
        struct target target = launch_target("raise", "10", NULL);
        struct sdb_event event;
        pthread_t thread;
        int ends = 0;

        pthread_create(&thread, NULL, kill_at_random, &target.pid);
        resume_process(target.process);
        while (ends == 0) {
            event = next_event();
            ends += event.kind == SDB_EVENT_EXITED;
            resume(&event);
        }
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
        /* Its pid may be somebody else's only after this thread has ended: pids are not reused
         * within so short a time. */
        pthread_join(thread, NULL);
        close_target(&target);
    }
    finish();
}

TEST(a_kill_while_attaching_or_detaching_never_hangs)
{
    srand(2);
    begin(_i);
    for (int round = 0; round < 300; round++) {
        struct sdb_error error = SDB_ERROR_INIT;
        struct sdb_event event = SDB_EVENT_INIT;
        struct sdb_process *process;
        pid_t pid = fork_waiting();
        pthread_t thread;
        int rc;

        pthread_create(&thread, NULL, kill_at_random, &pid);
        rc = sdb_session_attach(session, pid, &process, &error);
        ck_assert_msg(rc == 0 || rc == -ESRCH, "%s", sdb_error_describe(rc));
        if (rc == 0) {
            resume_process(process);
            rc = sdb_process_detach(process, SDB_RELEASE_RUN, NULL);
            ck_assert(rc == 0 || rc == -ESRCH);
            if (rc == -ESRCH)
                expect_exit(SDB_KILLED, SIGKILL);
        }
        pthread_join(thread, NULL);
        kill(pid, SIGKILL);
        /* The session has reaped it, if it died while it was held. */
        if (waitpid(pid, NULL, 0) < 0)
            ck_assert_int_eq(errno, ECHILD);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    }
    finish();
}

HOLDING_CASE(ending);

SESSION_TEST(a_retained_handle_outlives_its_process)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target = launch_target("exit", "0", NULL);
    struct sdb_thread *thread;
    uint64_t address;

    ck_assert_ptr_eq(sdb_process_retain(target.process), target.process);
    thread = sdb_thread_retain(sdb_process_thread(target.process));
    resume_process(target.process);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    ck_assert_int_eq(sdb_process_pid(target.process), target.pid);
    ck_assert_int_eq(sdb_process_kill(target.process), -ESRCH);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), -ESRCH);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, NULL), -ESRCH);
    ck_assert_ptr_null(sdb_process_thread(target.process));
    ck_assert_int_eq(sdb_thread_interrupt(thread), -ESRCH);
    ck_assert_int_eq(sdb_thread_pc(thread, &address), -ESRCH);
    finish();
    ck_assert_int_eq(sdb_process_kill(target.process), -ESRCH);
    sdb_process_close(target.process);
    ck_assert_int_eq(sdb_thread_tid(thread), target.pid);
    ck_assert_ptr_eq(sdb_thread_process(thread), target.process);
    sdb_thread_close(thread);
    close_target(&target);
}

TEST(destroying_kills_the_launched_and_frees_the_attached)
{
    struct target stopped;
    struct target running;
    pid_t attached = fork_waiting();
    pid_t resumed = fork_waiting();

    begin(_i);
    stopped = launch_target("wait", NULL, NULL);
    running = launch_ready("wait", NULL, NULL);
    attach(attached);
    resume_process(attach(resumed));
    finish();
    ck_assert_int_eq(state_of(stopped.pid), 0);
    ck_assert_int_eq(state_of(running.pid), 0);
    await_state(attached, 'S');
    await_state(resumed, 'S');
    end_child(attached);
    end_child(resumed);
    close_target(&stopped);
    close_target(&running);
}

TEST(launched_processes_die_with_their_tracer)
{
    int pids[2];
    int pid;
    pid_t host;

    ck_assert_int_eq(pipe2(pids, O_CLOEXEC), 0);
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    host = fork();
    if (host == 0) {
        struct target target;

        begin(_i);
        target = launch_target("wait", NULL, NULL);
        (void)!write(pids[1], &target.pid, sizeof(target.pid));
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(pids[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
    ck_assert_int_eq(state_of(pid), 't');
    end_child(host);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid); /* ours now, as the subreaper */
    while (waitpid(-1, NULL, __WALL) > 0)         /* the host's helper, too */
        ;
    close(pids[0]);
    close(pids[1]);
}

int main(void)
{
    return run_suite("session");
}
