/* SPDX-License-Identifier: MIT */
/*
 * Processes whose first thread has ended while others live: the kernel keeps it as a zombie that never
 * stops, so nothing may wait for it, and its end comes with its process's.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "forking.h"
#include "holding.h"

static struct target zombie_leader(int others)
{
    struct target target = launch_crew(others);

    order(&target, 0, 'e');
    await_state(target.pid, 'Z');
    return target;
}

/* A process of two threads whose parent is another than this; each thread ends when it is told. */
struct grandchild {
    pid_t parent;
    pid_t pid;
    int first[2];
    int last[2];
    int news[2]; /* of the parent: first the pid, then the exit code */
};

static void *end_all_when_told(void *data)
{
    char byte;

    _exit(read(*(const int *)data, &byte, 1) == 1 ? 9 : 8);
}

static void live_as_grandchild(struct grandchild *grandchild)
{
    pthread_t last;
    char byte;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pthread_create(&last, NULL, end_all_when_told, &grandchild->last[0]) != 0 ||
        read(grandchild->first[0], &byte, 1) != 1)
        _exit(7);
    pthread_exit(NULL);
}

static void live_as_its_parent(struct grandchild *grandchild)
{
    pid_t pid = fork();
    int status;
    int code;

    if (pid == 0)
        live_as_grandchild(grandchild);
    if (write(grandchild->news[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid) ||
        waitpid(pid, &status, 0) != pid)
        _exit(1);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    _exit(write(grandchild->news[1], &code, sizeof(code)) == (ssize_t)sizeof(code) ? 0 : 1);
}

static void begin_grandchild(struct grandchild *grandchild)
{
    ck_assert_int_eq(pipe(grandchild->first), 0);
    ck_assert_int_eq(pipe(grandchild->last), 0);
    ck_assert_int_eq(pipe(grandchild->news), 0);
    grandchild->parent = fork_child();
    if (grandchild->parent == 0)
        live_as_its_parent(grandchild);
    ck_assert_int_eq(read(grandchild->news[0], &grandchild->pid, sizeof(pid_t)),
                     (ssize_t)sizeof(pid_t));
    await_tasks(grandchild->pid, 2);
}

static void tell(const int channel[2])
{
    ck_assert_int_eq(write(channel[1], "", 1), 1);
}

/* The parent must hear soon that it has ended with 9. */
static void finish_grandchild(struct grandchild *grandchild)
{
    struct pollfd news = {.fd = grandchild->news[0], .events = POLLIN};
    int code = -1;

    ck_assert_msg(poll(&news, 1, PATIENCE_MS) == 1, "its parent waits in vain");
    ck_assert_int_eq(read(news.fd, &code, sizeof(code)), (ssize_t)sizeof(code));
    ck_assert_int_eq(code, 9);
    expect_success(grandchild->parent);
    for (int i = 0; i < 2; i++) {
        close(grandchild->first[i]);
        close(grandchild->last[i]);
        close(grandchild->news[i]);
    }
}

/* Attach to it, and have its first thread end. */
static struct sdb_process *hold_without_first(struct grandchild *grandchild)
{
    struct sdb_process *process = attach(grandchild->pid);

    resume_process(process);
    tell(grandchild->first);
    await_state(grandchild->pid, 'Z');
    expect_nothing();
    return process;
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

TEST(the_parent_of_one_that_was_let_go_without_its_first_thread_sees_its_end)
{
    struct grandchild grandchild;

    begin_grandchild(&grandchild);
    begin(_i);
    detach(hold_without_first(&grandchild));
    tell(grandchild.last);
    finish_grandchild(&grandchild);
    finish();
}

TEST(the_parent_sees_its_end_although_the_session_has_ended)
{
    struct grandchild grandchild;

    begin_grandchild(&grandchild);
    begin(_i);
    (void)hold_without_first(&grandchild);
    finish();
    tell(grandchild.last);
    finish_grandchild(&grandchild);
}

TEST(one_that_was_let_go_without_its_first_thread_is_attached_to_again)
{
    struct grandchild grandchild;

    begin_grandchild(&grandchild);
    begin(_i);
    detach(hold_without_first(&grandchild));
    for (int i = 0; i < 3; i++)
        detach(attach(grandchild.pid));
    resume_process(attach(grandchild.pid));
    tell(grandchild.last);
    /* What the process has ended with is what its last thread has. */
    expect_thread_exit(SDB_EXITED, 9);
    ck_assert_int_eq(expect_exit(SDB_EXITED, 9).status->pid, grandchild.pid);
    finish_grandchild(&grandchild);
    finish();
}

SESSION_TEST(a_launched_process_without_its_first_thread_becomes_a_child)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct target target;
    struct sdb_child *child;

    target = zombie_leader(2);
    child = detach_child(target.process);
    ck_assert_int_eq(sdb_child_wait(child, 0, &status), -ETIMEDOUT);
    order(&target, 2, 'e');
    await_tasks(target.pid, 2);
    ck_assert_int_eq(sdb_child_wait(child, 0, &status), -ETIMEDOUT);
    order(&target, 1, 'e');
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 1);
    sdb_child_close(child);
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_first_thread");
}
