/* SPDX-License-Identifier: MIT */
/*
 * Pipes and the signals of the host: SIGPIPE, which a send to nobody must not cause, and others,
 * which interrupt nothing.
 */
#include <sdb/pipe.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"
#include "piping.h"

/* What the index of a loop says: the kernel leaves SIGPIPE out, or the library has to. */
enum way { BY_THE_KERNEL, BY_THE_LIBRARY, WAYS };

static struct sdb_pipe *open_pipe(uint32_t flags)
{
    struct sdb_pipe *pipe = NULL;

    ck_assert_int_eq(sdb_pipe_open(flags, &pipe), 0);
    return pipe;
}

static void take_way(enum way way)
{
    if (way == BY_THE_LIBRARY)
        host_refuse_syscall(SYS_pwritev2, EOPNOTSUPP);
}

LEFTOVERS_CASE(sigpipe);

static atomic_int handled;
static siginfo_t last_handled;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    last_handled = *info;
    atomic_fetch_add(&handled, 1);
}

static int handled_count(void)
{
    return atomic_load(&handled);
}

static void count_signal(int signal)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

    atomic_store(&handled, 0);
    ck_assert_int_eq(sigaction(signal, &action, NULL), 0);
}

static void change_mask(int how, int signal)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signal);
    ck_assert_int_eq(pthread_sigmask(how, &set, NULL), 0);
}

static bool is_pending(int signal)
{
    sigset_t set;

    sigpending(&set);
    return sigismember(&set, signal) == 1;
}

static bool is_blocked(int signal)
{
    sigset_t set;

    pthread_sigmask(SIG_SETMASK, NULL, &set);
    return sigismember(&set, signal) == 1;
}

static void send_to_nobody(void)
{
    struct sdb_pipe *pipe = open_pipe(0);

    sdb_pipe_close_read(pipe);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(sdb_pipe_notify(pipe), -EPIPE);
        ck_assert_int_eq(sdb_pipe_send(pipe, "bytes", 5), -EPIPE);
    }
    sdb_pipe_close(pipe);
}

LOOP_TEST(sending_to_nobody_does_not_kill_the_host, 0, WAYS)
{
    struct sigaction action;

    take_way((enum way)_i);
    signal(SIGPIPE, SIG_DFL);
    send_to_nobody();
    ck_assert(!is_blocked(SIGPIPE));
    sigaction(SIGPIPE, NULL, &action);
    ck_assert(action.sa_handler == SIG_DFL);
}

LOOP_TEST(sending_to_nobody_runs_no_handler_of_the_host, 0, WAYS)
{
    struct sigaction action;

    take_way((enum way)_i);
    count_signal(SIGPIPE);
    send_to_nobody();
    ck_assert_int_eq(handled_count(), 0);
    ck_assert(!is_blocked(SIGPIPE));
    sigaction(SIGPIPE, NULL, &action);
    ck_assert(action.sa_sigaction == on_signal);
}

LOOP_TEST(sending_to_nobody_leaves_an_ignored_sigpipe_ignored, 0, WAYS)
{
    struct sigaction action;

    take_way((enum way)_i);
    signal(SIGPIPE, SIG_IGN);
    send_to_nobody();
    sigaction(SIGPIPE, NULL, &action);
    ck_assert(action.sa_handler == SIG_IGN);
    ck_assert(!is_blocked(SIGPIPE));
}

LOOP_TEST(sending_to_nobody_leaves_nothing_pending, 0, WAYS)
{
    take_way((enum way)_i);
    count_signal(SIGPIPE);
    change_mask(SIG_BLOCK, SIGPIPE);
    send_to_nobody();
    ck_assert(is_blocked(SIGPIPE));
    ck_assert(!is_pending(SIGPIPE));
    change_mask(SIG_UNBLOCK, SIGPIPE);
    ck_assert_int_eq(handled_count(), 0);
}

LOOP_TEST(a_sigpipe_that_is_pending_for_the_thread_stays_and_is_one, 0, WAYS)
{
    const union sigval value = {.sival_int = 4711};

    take_way((enum way)_i);
    count_signal(SIGPIPE);
    change_mask(SIG_BLOCK, SIGPIPE);
    ck_assert_int_eq(pthread_sigqueue(pthread_self(), SIGPIPE, value), 0);
    send_to_nobody();
    ck_assert(is_pending(SIGPIPE));
    ck_assert_int_eq(handled_count(), 0);
    change_mask(SIG_UNBLOCK, SIGPIPE);
    ck_assert_int_eq(handled_count(), 1);
    ck_assert_int_eq(last_handled.si_code, SI_QUEUE);
    ck_assert_int_eq(last_handled.si_value.sival_int, value.sival_int);
}

/* It was there twice, once as the library's own. */
LOOP_TEST(a_sigpipe_that_is_pending_for_the_process_stays_and_is_one, 0, WAYS)
{
    take_way((enum way)_i);
    count_signal(SIGPIPE);
    change_mask(SIG_BLOCK, SIGPIPE);
    ck_assert_int_eq(kill(getpid(), SIGPIPE), 0);
    send_to_nobody();
    ck_assert(is_pending(SIGPIPE));
    change_mask(SIG_UNBLOCK, SIGPIPE);
    ck_assert_int_eq(handled_count(), 1);
}

struct sender {
    pthread_t target;
    bool to_thread;
    int count;
    atomic_bool done;
};

/* Send SIGPIPEs, each once the one before has been handled. */
static void *send_signals(void *data)
{
    struct sender *sender = data;
    const int64_t end = host_now_ms() + PATIENCE_MS;

    for (int i = 0; i < sender->count; i++) {
        if (sender->to_thread)
            pthread_kill(sender->target, SIGPIPE);
        else
            kill(getpid(), SIGPIPE);
        while (atomic_load(&handled) <= i && host_now_ms() < end)
            ;
    }
    atomic_store(&sender->done, true);
    return NULL;
}

/* Signals that came at the wrong moment were doubled. */
LOOP_TEST(no_sigpipe_of_the_hosts_own_is_lost_or_doubled, 0, 2 * WAYS)
{
    const enum way way = (enum way)(_i & 1);
    struct sender sender = {.target = pthread_self(), .to_thread = _i & 2, .count = 1000};
    struct sdb_pipe *pipe;
    pthread_t thread;

    /* The library alone cannot tell a signal to the thread from its own: the kernel merges them. */
    if (sender.to_thread && (way == BY_THE_LIBRARY || !host_kernel_is(6, 18)))
        return;
    if (host_on_valgrind())
        return; /* which hands signals out in its own time */
    take_way(way);
    count_signal(SIGPIPE);
    pipe = open_pipe(0);
    sdb_pipe_close_read(pipe);

    change_mask(SIG_BLOCK, SIGPIPE); /* the thread inherits that, so the signals are this one's */
    ck_assert_int_eq(pthread_create(&thread, NULL, send_signals, &sender), 0);
    change_mask(SIG_UNBLOCK, SIGPIPE);
    while (!atomic_load(&sender.done))
        ck_assert_int_eq(sdb_pipe_notify(pipe), -EPIPE);
    pthread_join(thread, NULL);
    ck_assert_int_eq(handled_count(), sender.count);
    sdb_pipe_close(pipe);
}

LEFTOVERS_CASE(other_signals);

LOOP_TEST(a_deadline_is_kept_under_signals, 0, 2)
{
    struct sdb_pipe *pipe = open_pipe(0);
    const int timeout_ms = 150;
    struct host_storm storm;
    int64_t begun;
    int rc;

    host_storm_begin(&storm);
    begun = host_now_ms();
    if (_i == 0)
        rc = sdb_pipe_wait(pipe, timeout_ms);
    else
        rc = sdb_pipe_receive(pipe, &(char){0}, 1, timeout_ms);
    begun = host_now_ms() - begun;
    ck_assert_uint_gt(host_storm_end(&storm), 0);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_ge(begun, timeout_ms - 1);
    ck_assert_int_lt(begun, PATIENCE_MS);
    sdb_pipe_close(pipe);
}

/* Interrupt a process that is blocked in a call, several times. */
static void interrupt(pid_t pid)
{
    for (int i = 0; i < 20; i++) {
        if (!host_wait_asleep(pid) || kill(pid, SIGUSR1) < 0)
            _exit(2);
    }
    if (!host_wait_asleep(pid))
        _exit(3);
}

LOOP_TEST(a_wait_goes_on_after_signals, 0, 2)
{
    struct sdb_pipe *pipe = open_pipe(0);
    const pid_t host = getpid();
    pid_t pid;

    count_signal(SIGUSR1);
    pid = fork_child();
    if (pid == 0) {
        sdb_pipe_close_read(pipe);
        interrupt(host);
        _exit(sdb_pipe_notify(pipe) == 0 ? 0 : 1);
    }
    sdb_pipe_close_write(pipe);
    errno = ENOTTY;
    ck_assert_int_eq(sdb_pipe_wait(pipe, _i == 0 ? -1 : PATIENCE_MS), 0);
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_int_gt(handled_count(), 0);
    ck_assert_int_eq(exit_code_of(pid), 0);
    sdb_pipe_close(pipe);
}

/* Receive all there is.  @return how many records, or -1 if one was not as it should be */
static int drain(struct sdb_pipe *pipe)
{
    unsigned char bytes[SDB_PIPE_RECORD_MAX];
    int count = 0;
    int len;

    while ((len = sdb_pipe_receive(pipe, bytes, sizeof(bytes), PATIENCE_MS)) > 0) {
        if (len != SDB_PIPE_RECORD_MAX || bytes[0] != (unsigned char)count ||
            bytes[SDB_PIPE_RECORD_MAX - 1] != (unsigned char)count)
            return -1;
        count++;
    }
    return len == -EPIPE ? count : -1;
}

static void send_numbered(struct sdb_pipe *pipe, int number)
{
    unsigned char bytes[SDB_PIPE_RECORD_MAX];

    memset(bytes, number, sizeof(bytes));
    ck_assert_int_eq(sdb_pipe_send(pipe, bytes, sizeof(bytes)), 0);
}

LOOP_TEST(a_blocked_sender_goes_on_after_signals, 0, WAYS)
{
    struct sdb_pipe *pipe = open_pipe(0);
    const pid_t host = getpid();
    int sent = 0;
    pid_t pid;

    take_way((enum way)_i);
    count_signal(SIGUSR1);
    while (has_room(pipe))
        send_numbered(pipe, sent++);
    pid = fork_child();
    if (pid == 0) {
        sdb_pipe_close_write(pipe);
        interrupt(host);
        _exit(drain(pipe));
    }
    sdb_pipe_close_read(pipe);
    for (int i = 0; i < 50; i++)
        send_numbered(pipe, sent++);
    ck_assert_int_gt(handled_count(), 0);
    sdb_pipe_close(pipe);
    ck_assert_int_eq(exit_code_of(pid), sent);
}

LOOP_TEST(records_pass_whole_through_a_storm_of_signals, 0, WAYS)
{
    struct sdb_pipe *pipe = open_pipe(0);
    struct host_storm storm;
    unsigned storms = 0;
    int sent = 0;
    pid_t pid;

    take_way((enum way)_i);
    pid = fork_child();
    if (pid == 0) {
        sdb_pipe_close_write(pipe);
        host_storm_begin(&storm);
        sent = drain(pipe);
        _exit(host_storm_end(&storm) > 0 ? sent % 251 : 255);
    }
    sdb_pipe_close_read(pipe);
    host_storm_begin(&storm);
    for (int64_t end = host_now_ms() + 100; host_now_ms() < end;)
        send_numbered(pipe, sent++);
    storms = host_storm_end(&storm);
    sdb_pipe_close(pipe);
    ck_assert_uint_gt(storms, 0);
    ck_assert_int_eq(exit_code_of(pid), sent % 251);
}

LOOP_TEST(a_pipe_that_somebody_made_non_blocking_blocks_all_the_same, 0, WAYS)
{
    struct sdb_pipe *pipe = open_pipe(0);
    const pid_t host = getpid();
    int sent = 0;
    pid_t pid;

    take_way((enum way)_i);
    ck_assert_int_eq(fcntl(sdb_pipe_write_fd(pipe), F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(fcntl(sdb_pipe_read_fd(pipe), F_SETFL, O_NONBLOCK), 0);
    while (has_room(pipe))
        send_numbered(pipe, sent++);
    pid = fork_child();
    if (pid == 0) {
        sdb_pipe_close_write(pipe);
        if (!host_wait_asleep(host))
            _exit(255);
        _exit(drain(pipe));
    }
    sdb_pipe_close_read(pipe);
    for (int i = 0; i < 50; i++)
        send_numbered(pipe, sent++);
    sdb_pipe_close(pipe);
    ck_assert_int_eq(exit_code_of(pid), sent);
}

int main(void)
{
    return run_suite("pipe_signals");
}
