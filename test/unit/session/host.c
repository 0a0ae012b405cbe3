/* SPDX-License-Identifier: MIT */
/*
 * A session and its host: the host's other children, its SIGCHLD, its waits, its threads, forks and
 * execs.  Neither gets in the other's way, and where the kernel lets the host take something away,
 * that is told.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"
#include "host.h"
#include "racing.h"
#include "witness.h"

#define LIFE_CODE  17
#define CHILD_CODE 40 /* of LIVES */

/* ---- one life after the other, in any session ---- */

static bool is_life_end(const struct sdb_exit_status *status)
{
    return status->how == SDB_EXITED && (status->code == LIFE_CODE || status->code == CHILD_CODE);
}

static struct sdb_process *launch_life(struct sdb_session *in, const char *what)
{
    const char *const argv[] = {LIVES, what, "17", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_process *process = NULL;

    options.argv = argv;
    ck_assert_int_eq(sdb_session_launch(in, &options, &process, NULL), 0);
    ck_assert_int_eq(sdb_process_set_follow(process, SDB_FOLLOW_ALL), 0);
    return process;
}

/* Launch a life and see all of it; after each event something else may happen. */
static void see_life(struct sdb_session *in, const char *what, void (*meanwhile)(void))
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_process *process;
    struct witness witness;

    witness_begin(&witness, in, 0);
    witness.is_right_end = is_life_end;
    process = launch_life(in, what);
    witness_hold(&witness, process);
    witness_resume_process(&witness, process);
    while (witness_next(&witness, &event)) {
        witness_resume(&witness, &event);
        if (event.kind == SDB_EVENT_GROUP_STOP)
            kill(sdb_process_pid(event.process), SIGCONT);
        if (meanwhile)
            meanwhile();
    }
    ck_assert_uint_ge(witness.told[SDB_EVENT_EXITED], 1);
    witness_end(&witness);
}

static const char *const lives[] = {"threads", "forks", "vforks", "all"};

HOLDING_CASE(children);

/* A child that ends at once, or soon. */
static pid_t fork_ending(int code)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(code % 256);
    ck_assert_int_gt(pid, 0);
    return pid;
}

static void reap_child(pid_t pid, int code)
{
    int status = -1;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), code % 256);
}

/* In the tracer thread: some children are there all the time, ended and not. */
#define OWN_CHILDREN 4
static pid_t own_children[OWN_CHILDREN];
static int own_turn;

static void turn_children(void)
{
    const int place = own_turn % OWN_CHILDREN;

    if (own_turn >= OWN_CHILDREN)
        reap_child(own_children[place], own_turn - OWN_CHILDREN);
    own_children[place] = fork_ending(own_turn);
    own_turn++;
}

static void end_children(void)
{
    for (int turn = own_turn > OWN_CHILDREN ? own_turn - OWN_CHILDREN : 0; turn < own_turn; turn++)
        reap_child(own_children[turn % OWN_CHILDREN], turn);
}

static atomic_bool over;

static void *make_children(void *unused)
{
    for (int i = 0; !over; i++)
        reap_child(fork_ending(i), i);
    return unused;
}

SESSION_TEST(children_of_both_threads_keep_their_statuses)
{
    pthread_t other;

    over = false;
    own_turn = 0;
    ck_assert_int_eq(pthread_create(&other, NULL, make_children, NULL), 0);
    for (int round = 0; round < rounds(12); round++)
        see_life(session, lives[round % 4], turn_children);
    over = true;
    pthread_join(other, NULL);
    end_children();
    finish();
}

HOLDING_CASE(sigchld);

TEST(a_host_that_ignores_sigchld_gets_all_events)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction no_zombies = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    struct sigaction before;

    for (int kind = 0; kind < 2; kind++) {
        sigaction(SIGCHLD, kind == 0 ? &ignore : &no_zombies, &before);
        begin(_i);
        for (int round = 0; round < rounds(8); round++)
            see_life(session, lives[round % 4], NULL);
        finish();
        sigaction(SIGCHLD, &before, NULL);
    }
}

static volatile pid_t handled_children[OWN_CHILDREN];
static volatile sig_atomic_t handled;
static volatile sig_atomic_t handled_wrongly;

/* As hosts have it that know what they do: each of their own children, by its pid. */
static void reap_by_pid(int signal)
{
    int saved = errno;
    int status;

    (void)signal;
    for (int i = 0; i < OWN_CHILDREN; i++) {
        pid_t pid = handled_children[i];

        if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
            handled_children[i] = 0;
            handled++;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != i)
                handled_wrongly++;
        }
    }
    errno = saved;
}

static void give_handler_work(void)
{
    sigset_t sigchld;
    sigset_t before;

    sigemptyset(&sigchld);
    sigaddset(&sigchld, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &sigchld, &before);
    for (int i = 0; i < OWN_CHILDREN; i++) {
        if (handled_children[i] == 0) {
            handled_children[i] = fork_ending(i);
            own_turn++;
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

TEST(a_sigchld_handler_that_waits_by_pid_takes_nothing_away)
{
    struct sigaction action = {.sa_handler = reap_by_pid};
    struct sigaction before;
    const int64_t end = host_now_ms() + PATIENCE_MS;

    handled = 0;
    handled_wrongly = 0;
    own_turn = 0;
    sigaction(SIGCHLD, &action, &before);
    begin(_i);
    for (int round = 0; round < rounds(12); round++)
        see_life(session, lives[round % 4], give_handler_work);
    finish();
    while (handled < own_turn && host_now_ms() < end)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    sigaction(SIGCHLD, &before, NULL);
    ck_assert_int_gt(own_turn, 0);
    ck_assert_int_eq(handled, own_turn);
    ck_assert_int_eq(handled_wrongly, 0);
}

HOLDING_CASE(stolen);

static void *steal_once(void *status)
{
    pid_t pid = waitpid(-1, status, 0);

    return (void *)(intptr_t)pid;
}

/* Something happens; a wait of the host's in another thread takes it.  @return the status */
static int let_steal(int pid, void (*happen)(int pid))
{
    pthread_t thief;
    void *stolen = NULL;
    int status = 0;

    ck_assert_int_eq(pthread_create(&thief, NULL, steal_once, &status), 0);
    happen(pid);
    pthread_join(thief, &stolen);
    ck_assert_int_eq((intptr_t)stolen, pid);
    return status;
}

static void send_usr1(int pid)
{
    kill(pid, SIGUSR1);
}

static void send_kill(int pid)
{
    kill(pid, SIGKILL);
}

static void expect_stolen(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    const int64_t begin_ms = host_now_ms();
    int rc = sdb_session_wait(session, PATIENCE_MS, &event);

    ck_assert_msg(rc == -SDB_ESTOLEN, "wait: %s", sdb_error_describe(rc));
    ck_assert_int_lt(host_now_ms() - begin_ms, 10000); /* two seconds, and a busy machine */
}

SESSION_TEST(a_stolen_stop_is_told_as_such_and_then_as_itself)
{
    struct target target = launch_ready("catch", "10", "7");
    struct sdb_event event;

    ck_assert(WIFSTOPPED(let_steal(target.pid, send_usr1)));
    expect_stolen();
    event = expect_signal(SIGUSR1);
    ck_assert_ptr_eq(event.process, target.process);
    resume(&event);
    finish_exited(&target, 7);
}

SESSION_TEST(a_stolen_end_is_told_as_such_and_then_as_an_end)
{
    struct target target = launch_ready("wait", NULL, NULL);
    struct sdb_event event;

    ck_assert(WIFSIGNALED(let_steal(target.pid, send_kill)));
    expect_stolen();
    event = expect(SDB_EVENT_EXITED);
    ck_assert_ptr_eq(event.process, target.process);
    ck_assert_uint_ne(event.status->flags & SDB_EXIT_NO_USAGE, 0);
    if (host_kernel_is(6, 15)) {
        ck_assert_uint_eq(event.status->how, SDB_KILLED);
        ck_assert_int_eq(event.status->code, SIGKILL);
    } else {
        ck_assert_uint_eq(event.status->how, SDB_EXITED);
        ck_assert_int_eq(event.status->code, -1);
    }
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    finish_with(&target);
}

static void *steal_from(void *tid)
{
    int status;

    ck_assert_int_eq(waitpid(*(const int *)tid, &status, 0), *(const int *)tid);
    ck_assert(WIFEXITED(status));
    return NULL;
}

/* That the thread is not there does not prove it: it might be executing a program. */
SESSION_TEST(the_stolen_end_of_another_thread_is_told)
{
    struct target target = launch_crew(2);
    int tid = tid_at(target.board, 2);
    const struct sdb_thread *const thread = crew_thread(&target, 2);
    pthread_t thief;

    ck_assert_int_eq(pthread_create(&thief, NULL, steal_from, &tid), 0);
    order(&target, 2, 'e');
    pthread_join(thief, NULL);
    expect_stolen();
    ck_assert_ptr_eq(expect_thread_exit(SDB_EXITED, -1).thread, thread);
    finish_with(&target);
}

static void *steal_some(void *count)
{
    for (int i = *(int *)count; i > 0; i--) {
        if (waitpid(-1, NULL, 0) < 0)
            break; /* there are none any more */
    }
    return NULL;
}

HOLDING_CASE(stolen_anywhere);

/* Whatever is stolen of whatever: no hang, and each process ends once. */
SESSION_TEST(what_is_stolen_hangs_nothing)
{
    static const char *const programs[] = {"forks", "threads", "thread", "stop"};

    for (int round = 0; round < rounds(4); round++) {
        struct sdb_event event = SDB_EVENT_INIT;
        struct sdb_process *process = launch_life(session, programs[round % 4]);
        const int pid = sdb_process_pid(process);
        pthread_t thief;
        int count = 2;
        int ends = 0;
        int rc;

        ck_assert_int_eq(pthread_create(&thief, NULL, steal_some, &count), 0);
        resume_process(process);
        while ((rc = sdb_session_wait(session, PATIENCE_MS, &event)) != -ECHILD) {
            if (rc == -SDB_ESTOLEN)
                continue;
            ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
            ends += event.kind == SDB_EVENT_EXITED && sdb_process_pid(event.process) == pid;
            resume(&event);
            if (event.kind == SDB_EVENT_GROUP_STOP)
                kill(pid, SIGCONT);
        }
        ck_assert_int_eq(ends, 1);
        pthread_join(thief, NULL);
    }
    finish();
}

HOLDING_CASE(several);

static void *live_in_own_session(void *way)
{
    struct sdb_session *own = create_session(*(const int *)way);

    for (int round = 0; round < rounds(12); round++)
        see_life(own, lives[round % 4], NULL);
    ck_assert_int_eq(sdb_session_destroy(own), 0);
    return NULL;
}

TEST(sessions_in_several_threads_do_not_see_each_other)
{
    int ways[] = {_i, 1 - _i, _i};
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, live_in_own_session, &ways[i]), 0);
    begin(_i);
    for (int round = 0; round < rounds(12); round++)
        see_life(session, lives[(round + 2) % 4], NULL);
    finish();
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

HOLDING_CASE(sandboxes);

static void live_without_uring(int error)
{
    host_refuse_syscall(SYS_io_uring_setup, error);
    begin(WAY_IO_URING);
    for (int round = 0; round < rounds(8); round++)
        see_life(session, lives[round % 4], NULL);
    finish();
}

TEST(where_io_uring_is_forbidden_it_is_done_without)
{
    live_without_uring(_i == 0 ? EPERM : ENOSYS);
}

HOLDING_CASE(deadlines);

static void *interrupt_soon(void *of)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    sdb_session_interrupt(of);
    return NULL;
}

SESSION_TEST(deadlines_of_nothing_a_millisecond_and_for_ever)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int64_t shortest = INT64_MAX;
    struct target target = launch_ready("wait", NULL, NULL);
    pthread_t other;
    int64_t begun;

    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ETIMEDOUT);
    for (int ms = 1; ms <= 20; ms++) {
        struct timespec from;
        struct timespec to;
        int64_t took_us;

        clock_gettime(CLOCK_MONOTONIC, &from);
        ck_assert_int_eq(sdb_session_wait(session, ms, &event), -ETIMEDOUT);
        clock_gettime(CLOCK_MONOTONIC, &to);
        took_us = (int64_t)(to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
        ck_assert_int_ge(took_us, ms * 1000);
        if (took_us - ms * 1000 < shortest)
            shortest = took_us - ms * 1000;
    }
    ck_assert_int_lt(shortest, 2000); /* one of them at least was not late */

    begun = host_now_ms();
    ck_assert_int_eq(pthread_create(&other, NULL, interrupt_soon, session), 0);
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
    ck_assert_int_ge(host_now_ms() - begun, 99);
    pthread_join(other, NULL);
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_host");
}
