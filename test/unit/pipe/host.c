/* SPDX-License-Identifier: MIT */
/*
 * The pipe and its host: signals, descriptors, exec and fork.  What is sent and received is in
 * pipe.c.
 */
#include <sdb/pipe.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "leftovers.h"

#define PATIENCE_MS 20000

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

static pid_t fork_child(void)
{
    const pid_t parent = getpid();
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(99);
    }
    return pid;
}

static int reap(pid_t pid)
{
    int status = -1;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "child's status is %#x", (unsigned)status);
    return WEXITSTATUS(status);
}

LEFTOVERS_CASE(pipe_host);

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

/* ---- other signals ---- */

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
    ck_assert_int_eq(reap(pid), 0);
    sdb_pipe_close(pipe);
}

static bool has_room(const struct sdb_pipe *pipe)
{
    struct pollfd polled = {.fd = sdb_pipe_write_fd(pipe), .events = POLLOUT};

    return poll(&polled, 1, 0) == 1;
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
    ck_assert_int_eq(reap(pid), sent);
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
    ck_assert_int_eq(reap(pid), sent % 251);
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
    ck_assert_int_eq(reap(pid), sent);
}

/* ---- descriptors ---- */

static void expect_end(int fd, int access, int flags)
{
    struct stat facts;

    ck_assert_int_ge(fd, 3);
    ck_assert_int_eq(fcntl(fd, F_GETFD), flags);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), access);
    ck_assert_int_eq(fstat(fd, &facts), 0);
    ck_assert(S_ISFIFO(facts.st_mode));
}

/* The index says which of 0, 1 and 2 are closed, and the flag. */
LOOP_TEST(the_ends_are_never_standard_descriptors, 0, 16)
{
    const unsigned closed = (unsigned)_i & 7;
    const uint32_t flags = _i & 8 ? SDB_PIPE_INHERIT : 0;
    const int expected = flags ? 0 : FD_CLOEXEC;
    struct host_stdio stdio;
    struct sdb_pipe *pipe;

    host_close_stdio(closed, &stdio);
    pipe = open_pipe(flags);
    expect_end(sdb_pipe_read_fd(pipe), O_RDONLY, expected);
    expect_end(sdb_pipe_write_fd(pipe), O_WRONLY, expected);
    ck_assert_int_eq(sdb_pipe_notify(pipe), 0);
    ck_assert_int_eq(sdb_pipe_wait(pipe, 0), 0);
    sdb_pipe_close(pipe);
    host_restore_stdio(&stdio);
}

TEST(only_ends_that_are_to_be_inherited_survive_exec)
{
    struct sdb_pipe *kept = open_pipe(SDB_PIPE_INHERIT);
    struct sdb_pipe *closed = open_pipe(0);
    char numbers[4][16];
    pid_t pid;

    (void)snprintf(numbers[0], sizeof(numbers[0]), "%d", sdb_pipe_read_fd(kept));
    (void)snprintf(numbers[1], sizeof(numbers[1]), "%d", sdb_pipe_read_fd(closed));
    (void)snprintf(numbers[2], sizeof(numbers[2]), "%d", sdb_pipe_write_fd(kept));
    (void)snprintf(numbers[3], sizeof(numbers[3]), "%d", sdb_pipe_write_fd(closed));
    pid = fork_child();
    if (pid == 0) {
        execl(SDB_TRACEE_DIR "/open_fds", "open_fds", numbers[0], numbers[1], numbers[2],
              numbers[3], (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(reap(pid), 5);
    sdb_pipe_close(kept);
    sdb_pipe_close(closed);
}

TEST(closing_twice_does_not_close_what_came_after)
{
    struct sdb_pipe *pipe = open_pipe(0);
    const int read_fd = sdb_pipe_read_fd(pipe);
    const int write_fd = sdb_pipe_write_fd(pipe);
    const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    sdb_pipe_close_read(pipe);
    ck_assert_int_eq(fcntl(read_fd, F_GETFD), -1);
    ck_assert_int_ge(fcntl(write_fd, F_GETFD), 0);
    ck_assert_int_eq(dup3(null_fd, read_fd, O_CLOEXEC), read_fd);
    sdb_pipe_close_read(pipe);
    sdb_pipe_close_write(pipe);
    ck_assert_int_eq(fcntl(write_fd, F_GETFD), -1);
    ck_assert_int_eq(dup3(null_fd, write_fd, O_CLOEXEC), write_fd);
    sdb_pipe_close_write(pipe);
    sdb_pipe_close(pipe);

    ck_assert_int_eq(close(read_fd), 0);
    ck_assert_int_eq(close(write_fd), 0);
    close(null_fd);
}

LOOP_TEST(a_released_end_is_the_callers, 0, 2)
{
    struct sdb_pipe *pipe = open_pipe(_i == 0 ? 0 : SDB_PIPE_INHERIT);
    const int expected = _i == 0 ? FD_CLOEXEC : 0;
    const int read_fd = sdb_pipe_read_fd(pipe);
    const int write_fd = sdb_pipe_write_fd(pipe);
    char bytes[3];

    ck_assert_int_eq(sdb_pipe_release_read(pipe), read_fd);
    ck_assert_int_eq(sdb_pipe_release_write(pipe), write_fd);
    sdb_pipe_close_read(pipe);
    sdb_pipe_close_write(pipe);
    sdb_pipe_close(pipe);

    expect_end(read_fd, O_RDONLY, expected);
    expect_end(write_fd, O_WRONLY, expected);
    ck_assert_int_eq(write(write_fd, "abc", 3), 3);
    ck_assert_int_eq(read(read_fd, bytes, 3), 3);
    close(read_fd);
    close(write_fd);
}

LOOP_TEST(a_pipe_closes_what_is_left_of_it, 0, 3)
{
    struct sdb_pipe *pipe = open_pipe(0);
    const int read_fd = sdb_pipe_read_fd(pipe);
    const int write_fd = sdb_pipe_write_fd(pipe);

    if (_i == 1)
        sdb_pipe_close_read(pipe);
    if (_i == 2)
        sdb_pipe_close_write(pipe);
    sdb_pipe_close(pipe);
    ck_assert_int_eq(fcntl(read_fd, F_GETFD), -1);
    ck_assert_int_eq(fcntl(write_fd, F_GETFD), -1);
}

#define LIMIT 40

/* Which of the descriptors below the limit are free, -1 ends it; and what comes of it. */
static const struct {
    int limit;
    int holes[4];
    int result;
} rooms[] = {
    {LIMIT, {-1}, -EMFILE},
    {LIMIT, {20, -1}, -EMFILE},
    {LIMIT, {LIMIT - 1, -1}, -EMFILE},
    {LIMIT, {20, 30, -1}, 0},
    {LIMIT, {0, -1}, -EMFILE},
    {LIMIT, {0, 20, -1}, -EMFILE},
    {LIMIT, {0, 1, -1}, -EMFILE},
    {LIMIT, {0, 1, 2, -1}, -EMFILE},
    {LIMIT, {1, 2, 20, -1}, -EMFILE},
    {LIMIT, {0, 20, 30, -1}, 0},
    {3, {0, 1, -1}, -EMFILE}, /* it was -EINVAL: fcntl's word for a place over the limit */
    {3, {-1}, -EMFILE},
    {0, {-1}, -EMFILE},
};
#define ROOMS (sizeof(rooms) / sizeof(rooms[0]))

static void limit_descriptors(rlim_t soft)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = soft;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

LOOP_TEST(without_room_for_descriptors_nothing_is_left, 0, ROOMS)
{
    struct sdb_pipe *pipe = (struct sdb_pipe *)&pipe;
    struct sdb_pipe *const untouched = pipe;
    int opened[LIMIT];
    int open_count = 0;
    unsigned closed = 0;
    struct host_stdio stdio;
    struct leftovers full;
    struct rlimit limit;
    char text[1024];
    int rc;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit_descriptors(LIMIT);
    while ((rc = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        opened[open_count++] = rc;
    ck_assert_int_eq(errno, EMFILE);
    limit_descriptors(limit.rlim_cur);
    for (const int *hole = rooms[_i].holes; *hole >= 0; hole++) {
        if (*hole < 3)
            closed |= 1u << *hole;
        else
            ck_assert_int_eq(close(*hole), 0);
    }
    host_close_stdio(closed, &stdio);
    leftovers_note(&full);

    limit_descriptors((rlim_t)rooms[_i].limit);
    rc = sdb_pipe_open(0, &pipe);
    limit_descriptors(limit.rlim_cur);
    ck_assert_int_eq(rc, rooms[_i].result);
    if (rc == 0) {
        ck_assert_int_ge(sdb_pipe_read_fd(pipe), 3);
        ck_assert_int_ge(sdb_pipe_write_fd(pipe), 3);
        sdb_pipe_close(pipe);
    } else {
        ck_assert_ptr_eq(pipe, untouched);
    }
    ck_assert_msg(leftovers_same(&full, text, sizeof(text)), "%s", text);

    host_restore_stdio(&stdio);
    for (int i = 0; i < open_count; i++)
        close(opened[i]);
}

static void open_and_close(int times)
{
    for (int i = 0; i < times; i++) {
        struct sdb_pipe *pipe = open_pipe(i % 2 ? SDB_PIPE_INHERIT : 0);

        ck_assert_int_eq(sdb_pipe_send(pipe, "abc", 3), 0);
        ck_assert_int_eq(sdb_pipe_wait(pipe, 0), -EBADMSG);
        sdb_pipe_close(pipe);
    }
}

TEST(opening_and_closing_leaves_no_memory)
{
    size_t used;

    open_and_close(20); /* the C library keeps some of the first ones */
    used = mallinfo2().uordblks;
    open_and_close(10000);
    ck_assert_uint_eq(mallinfo2().uordblks, used);
}

/* ---- forks of a program with threads ---- */

#define HAMMERS 2

static atomic_bool hammering;

static void *hammer_malloc(void *data)
{
    while (atomic_load(&hammering)) {
        void *volatile bytes = malloc(100);

        free(bytes);
    }
    return data;
}

/* A child that is forked while a thread holds a lock of the C library must not need that lock. */
TEST(a_forked_child_of_a_program_with_threads_can_use_it)
{
    pthread_t threads[HAMMERS];

    if (host_on_valgrind())
        return; /* which runs one thread at a time, and these would never let go */
    atomic_store(&hammering, true);
    for (int i = 0; i < HAMMERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer_malloc, NULL), 0);
    for (int i = 0; i < 60; i++) {
        struct sdb_pipe *there = open_pipe(0);
        struct sdb_pipe *back = open_pipe(0);
        pid_t pid = fork_child();

        if (pid == 0) {
            char bytes[3];

            sdb_pipe_close_write(there);
            sdb_pipe_close_read(back);
            if (sdb_pipe_receive(there, bytes, sizeof(bytes), -1) != 3)
                _exit(1);
            _exit(sdb_pipe_send(back, bytes, 3) == 0 && sdb_pipe_notify(back) == 0 ? 0 : 2);
        }
        sdb_pipe_close_read(there);
        sdb_pipe_close_write(back);
        ck_assert_int_eq(sdb_pipe_send(there, "abc", 3), 0);
        ck_assert_int_eq(sdb_pipe_receive(back, (char[3]){0}, 3, PATIENCE_MS), 3);
        ck_assert_int_eq(sdb_pipe_wait(back, PATIENCE_MS), 0);
        ck_assert_int_eq(sdb_pipe_wait(back, PATIENCE_MS), -EPIPE);
        ck_assert_int_eq(reap(pid), 0);
        sdb_pipe_close(there);
        sdb_pipe_close(back);
    }
    atomic_store(&hammering, false);
    for (int i = 0; i < HAMMERS; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    return run_suite("pipe_host");
}
