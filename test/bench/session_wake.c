/* SPDX-License-Identifier: MIT */
/*
 * What is measured about waking a wait that is blocked: one thread waits, another one wakes it, and
 * waits for its answer.
 */
#include "session_measures.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/io_uring.h>

#include <sdb/sdb.h>

#include "bench.h"
#include "raw_session.h"

/* Newer than the kernel headers that some systems build with. */
#define OP_WAITID 50

size_t session_wakes = 1000;

/* Two threads. */
struct pair {
    struct sdb_session *session; /* NULL: the wait is that for an eventfd */
    int there;                   /* eventfds */
    int back;
    double duration_us;
};

static void notify(int fd)
{
    const uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        bench_die("an eventfd: %s", strerror(errno));
}

static void await(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        bench_die("an eventfd: %s", strerror(errno));
}

/*
 * Where both threads share one CPU, the one that wakes shall not go on until the other one sleeps, or
 * often nobody would have to be woken.
 */
static void stand_back(void)
{
    const struct sched_param none = {0};
    cpu_set_t cpus;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) == 1)
        (void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
}

static void *wake(void *argument)
{
    struct pair *pair = argument;
    double begin;

    stand_back();
    await(pair->back); /* the other one is ready */
    begin = bench_now_us();
    for (size_t i = 0; i < session_wakes; i++) {
        if (!pair->session)
            notify(pair->there);
        else if (sdb_session_interrupt(pair->session) < 0)
            bench_die("an interrupt");
        await(pair->back);
    }
    pair->duration_us = bench_now_us() - begin;
    return NULL;
}

static void be_woken(const struct pair *pair)
{
    struct sdb_event event = SDB_EVENT_INIT;

    notify(pair->back);
    for (size_t i = 0; i < session_wakes; i++) {
        if (!pair->session)
            await(pair->there);
        else if (sdb_session_wait(pair->session, -1, &event) != -EINTR)
            bench_die("a wait was not interrupted");
        notify(pair->back);
    }
}

/* @return microseconds of one round */
static double go_there_and_back(struct sdb_session *session)
{
    struct pair pair = {
        .session = session, .there = eventfd(0, EFD_CLOEXEC), .back = eventfd(0, EFD_CLOEXEC)};
    pthread_t waker;

    if (pair.there < 0 || pair.back < 0 || pthread_create(&waker, NULL, wake, &pair) != 0)
        bench_die("no thread, or no eventfd");
    be_woken(&pair);
    (void)pthread_join(waker, NULL);
    close(pair.there);
    close(pair.back);
    return pair.duration_us / (double)session_wakes;
}

/* A session that holds a process that sleeps. */
static struct sdb_session *waiting_session(uint64_t flags)
{
    static struct sdb_session *session;
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct sdb_process *process;

    options.flags = flags;
    if (!session && (sdb_session_create(&options, &session) < 0 ||
                     sdb_session_attach(session, raw_target_start("nothing", 0), &process, NULL) ||
                     sdb_process_resume(process, SDB_RESUME_CONTINUE) < 0))
        bench_die("no session that waits");
    return session;
}

double sdb_wake_by_uring(void)
{
    return go_there_and_back(waiting_session(0));
}

double sdb_wake_by_helper(void)
{
    return go_there_and_back(waiting_session(SDB_SESSION_NO_IO_URING));
}

double bare_ping_pong(void)
{
    return go_there_and_back(NULL);
}

bool session_has_uring(void)
{
    uint64_t
        room[(sizeof(struct io_uring_probe) + (OP_WAITID + 1) * sizeof(struct io_uring_probe_op)) /
             sizeof(uint64_t)] = {0};
    const struct io_uring_probe *answer = (const void *)room;
    struct io_uring_params params = {0};
    const int fd = (int)syscall(SYS_io_uring_setup, 1, &params);
    bool has = false;

    if (fd < 0)
        return false;
    if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, room, OP_WAITID + 1) == 0)
        has =
            answer->last_op >= OP_WAITID && (answer->ops[OP_WAITID].flags & IO_URING_OP_SUPPORTED);
    close(fd);
    return has;
}
