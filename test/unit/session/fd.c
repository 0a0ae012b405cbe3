/* SPDX-License-Identifier: MIT */
/*
 * The session's descriptor in event loops: whatever there is to tell makes it readable, in poll and
 * in epoll, and no wake-up is lost, however the events and the looks at it fall together.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "racing.h"
#include "witness.h"

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int rc;

    do {
        rc = poll(&polled, 1, timeout_ms);
    } while (rc < 0 && errno == EINTR);
    ck_assert_int_ge(rc, 0);
    ck_assert(rc == 0 || polled.revents == POLLIN);
    return rc == 1;
}

/* What there is to tell by now must be nothing. */
static void expect_quiet(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc = sdb_session_wait(session, 0, &event);

    ck_assert_msg(rc == -ETIMEDOUT, "%s: %s", sdb_error_describe(rc),
                  rc == 0 ? sdb_event_name(event.kind) : "no event");
}

/* It may be readable for nothing, but not for ever. */
static void expect_calm(int fd)
{
    for (int i = 0; i < 100; i++) {
        expect_quiet();
        if (!is_readable(fd, 20))
            return;
    }
    ck_abort_msg("the descriptor is readable all the time, and there is nothing");
}

/* Wait in poll for the next event, as an event loop does. */
static struct sdb_event poll_event(int fd)
{
    struct sdb_event event = SDB_EVENT_INIT;
    const int64_t end = host_now_ms() + PATIENCE_MS;
    int rc;

    while ((rc = sdb_session_wait(session, 0, &event)) == -ETIMEDOUT) {
        ck_assert_int_lt(host_now_ms(), end);
        ck_assert_msg(is_readable(fd, PATIENCE_MS), "nothing makes the descriptor readable");
    }
    ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
    return event;
}

static struct target launch_counter(void)
{
    return launch_busy("count", "0", "1");
}

static void end_counter(struct target *counter)
{
    end_held_busy(counter);
}

HOLDING_CASE(readable);

SESSION_TEST(the_descriptor_is_one_that_is_not_passed_on)
{
    int fd;

    ck_assert_int_eq(sdb_session_fd(NULL), -EINVAL);
    fd = sdb_session_fd(session);
    ck_assert_int_ge(fd, 3);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(sdb_session_fd(session), fd);
    finish();
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}

SESSION_TEST(an_event_makes_it_readable_and_quiet_makes_it_calm)
{
    struct sdb_event event;
    struct target counter;
    int fd;

    fd = sdb_session_fd(session);
    counter = launch_counter();
    for (int round = 0; round < rounds(50); round++) {
        if (round % 10 == 0)
            expect_calm(fd);
        kill(counter.pid, SIGUSR1);
        ck_assert(is_readable(fd, PATIENCE_MS));
        event = poll_event(fd);
        ck_assert_uint_eq(event.kind, SDB_EVENT_SIGNAL);
        resume(&event);
    }
    end_counter(&counter);
    finish();
}

SESSION_TEST(what_happened_before_is_readable_too)
{
    struct target counter = launch_counter();
    struct sdb_event event;
    int fd;

    expect_quiet();
    kill(counter.pid, SIGUSR1);
    await_state(counter.pid, 't');
    fd = sdb_session_fd(session);
    ck_assert(is_readable(fd, PATIENCE_MS));
    event = poll_event(fd);
    resume(&event);
    end_counter(&counter);
    finish();
}

SESSION_TEST(an_end_makes_it_readable_and_the_session_can_go_on)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int fd;

    fd = sdb_session_fd(session);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    for (int round = 0; round < rounds(20); round++) {
        struct target target = launch_target("exit", "4", NULL);

        resume_process(target.process);
        event = poll_event(fd);
        ck_assert_uint_eq(event.kind, SDB_EVENT_EXITED);
        ck_assert_int_eq(event.status->code, 4);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
        close_target(&target);
    }
    finish();
}

static void *interrupt(void *of)
{
    ck_assert_int_eq(sdb_session_interrupt(of), 0);
    return NULL;
}

SESSION_TEST(an_interrupt_makes_it_readable)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target counter;
    int fd;

    fd = sdb_session_fd(session);
    counter = launch_counter();
    for (int round = 0; round < rounds(50); round++) {
        pthread_t other;

        if (round % 10 == 0)
            expect_calm(fd);
        ck_assert_int_eq(pthread_create(&other, NULL, interrupt, session), 0);
        ck_assert(is_readable(fd, PATIENCE_MS));
        pthread_join(other, NULL);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -EINTR);
        expect_quiet();
    }
    end_counter(&counter);
    finish();
}

static void interrupt_in_handler(int signal)
{
    (void)signal;
    (void)sdb_session_interrupt(session);
}

TEST(an_interrupt_from_a_signal_handler_makes_it_readable)
{
    struct sigaction action = {.sa_handler = interrupt_in_handler};
    struct sdb_event event = SDB_EVENT_INIT;
    struct sigaction before;
    int fd;

    sigaction(SIGUSR2, &action, &before);
    begin(_i);
    fd = sdb_session_fd(session);
    for (int round = 0; round < rounds(50); round++) {
        struct target target = launch_target("exit", "4", NULL);

        raise(SIGUSR2);
        ck_assert(is_readable(fd, PATIENCE_MS));
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -EINTR);
        resume_process(target.process);
        (void)poll_event(fd);
        close_target(&target);
    }
    finish();
    sigaction(SIGUSR2, &before, NULL);
}

/* Other calls take from the kernel what is there, and keep it to be told. */
SESSION_TEST(what_other_calls_have_found_makes_it_readable)
{
    struct sdb_event event;
    struct target first;
    struct target second;
    int fd;

    fd = sdb_session_fd(session);
    first = launch_counter();
    second = launch_counter();
    for (int round = 0; round < rounds(60); round++) {
        expect_calm(fd);
        kill(first.pid, SIGUSR1);
        await_state(first.pid, 't');
        if (round % 3 == 0) {
            struct target launched = launch_target("exit", "3", NULL);

            ck_assert_int_eq(sdb_process_detach(launched.process, SDB_RELEASE_KILL, NULL), 0);
            close_target(&launched);
        } else if (round % 3 == 1) {
            stop_process(second.process);
            resume_process(second.process);
        } else {
            pid_t other = fork_waiting();

            detach(attach(other));
            end_child(other);
        }
        ck_assert(is_readable(fd, PATIENCE_MS));
        event = poll_event(fd);
        ck_assert_uint_eq(event.kind, SDB_EVENT_SIGNAL);
        ck_assert_ptr_eq(event.process, first.process);
        resume(&event);
    }
    end_counter(&first);
    end_counter(&second);
    finish();
}

HOLDING_CASE(loops);

#define EVENTS 10000

static void *send_with_pauses(void *argument)
{
    const pid_t pid = *(const pid_t *)argument;
    struct chance chance = chance_of(8);

    for (int i = 0; i < EVENTS; i++) {
        while (sigqueue(pid, SIGRTMIN, (union sigval){.sival_int = i}) < 0)
            sched_yield();
        for (unsigned turns = chance_below(&chance, 300); turns > 0; turns--)
            atomic_signal_fence(memory_order_seq_cst);
        if (chance_below(&chance, 16) == 0)
            sched_yield();
        if (chance_below(&chance, 200) == 0)
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return NULL;
}

/* How a loop waits until something is readable. */
typedef bool wait_function(int loop);

static bool wait_in_poll(int fd)
{
    return is_readable(fd, PATIENCE_MS);
}

static bool wait_in_epoll(int epoll_fd)
{
    struct epoll_event happened;
    int rc;

    do {
        rc = epoll_wait(epoll_fd, &happened, 1, PATIENCE_MS);
    } while (rc < 0 && errno == EINTR);
    return rc == 1;
}

/*
 * A loop as the header has it: wait until it is readable, take all there is.  The program sees to it
 * that each signal has come once.
 *
 * @param pauses  whether the loop dawdles, so that events come at any of its steps
 */
static void take_all(wait_function *wait, int loop, bool pauses)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target counter = launch_busy("count", "10000", "1");
    struct chance chance = chance_of(9);
    pthread_t sender;
    int signals = 0;

    ck_assert_int_eq(pthread_create(&sender, NULL, send_with_pauses, &counter.pid), 0);
    while (signals < EVENTS) {
        int rc;

        while ((rc = sdb_session_wait(session, 0, &event)) == 0) {
            signals += event.kind == SDB_EVENT_SIGNAL && event.signal == SIGRTMIN;
            if (pauses && chance_below(&chance, 50) == 0)
                sched_yield();
            resume(&event);
        }
        ck_assert_msg(rc == -ETIMEDOUT, "wait: %s", sdb_error_describe(rc));
        if (pauses && chance_below(&chance, 20) == 0)
            sched_yield();
        if (signals < EVENTS)
            ck_assert_msg(wait(loop), "a wake-up is lost after %d events", signals);
    }
    pthread_join(sender, NULL);
    end_counter(&counter);
}

SESSION_TEST(no_wake_up_is_lost_in_poll)
{
    for (int round = 0; round < rounds(1); round++)
        take_all(wait_in_poll, sdb_session_fd(session), true);
    finish();
}

static void take_all_in_epoll(uint32_t flags)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN | flags};

    ck_assert_int_eq(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sdb_session_fd(session), &wanted), 0);
    take_all(wait_in_epoll, epoll_fd, flags == 0);
    close(epoll_fd);
}

SESSION_TEST(no_wake_up_is_lost_in_epoll)
{
    for (int round = 0; round < rounds(1); round++)
        take_all_in_epoll(0);
    finish();
}

SESSION_TEST(no_wake_up_is_lost_in_edge_triggered_epoll)
{
    for (int round = 0; round < rounds(1); round++)
        take_all_in_epoll(EPOLLET);
    finish();
}

/* A loop in which everything is born and ends all the time. */
SESSION_TEST(a_loop_sees_whole_families)
{
    static const char *const lives[] = {"threads", "forks", "vforks", "all"};
    int fd;

    fd = sdb_session_fd(session);
    for (int round = 0; round < rounds(20); round++) {
        const char *const argv[] = {LIVES, lives[round % 4], "17", NULL};
        struct target family = launch_program(LIVES, argv);
        struct sdb_event event = SDB_EVENT_INIT;
        struct witness witness;
        int rc;

        ck_assert_int_eq(sdb_process_set_follow(family.process, SDB_FOLLOW_ALL), 0);
        witness_begin(&witness, session, 0);
        witness_hold(&witness, family.process);
        witness_resume_process(&witness, family.process);
        while ((rc = sdb_session_wait(session, 0, &event)) != -ECHILD) {
            if (rc == -ETIMEDOUT) {
                ck_assert_msg(is_readable(fd, PATIENCE_MS), "a wake-up is lost");
                continue;
            }
            ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
            witness_see(&witness, &event);
            witness_resume(&witness, &event);
            if (event.kind == SDB_EVENT_GROUP_STOP)
                kill(family.pid, SIGCONT);
        }
        witness_end(&witness);
        close_target(&family);
    }
    finish();
}

/* Somebody who waits in the ordinary way now and then loses nothing either. */
SESSION_TEST(waits_and_looks_can_be_mixed)
{
    struct chance chance = chance_of(10);
    struct sdb_event event = SDB_EVENT_INIT;
    int signals = 0;
    struct target counter;
    pthread_t sender;
    int fd;

    fd = sdb_session_fd(session);
    counter = launch_busy("count", "10000", "1");
    ck_assert_int_eq(pthread_create(&sender, NULL, send_with_pauses, &counter.pid), 0);
    while (signals < EVENTS) {
        int rc = sdb_session_wait(session, chance_below(&chance, 2) ? PATIENCE_MS : 0, &event);

        if (rc == -ETIMEDOUT) {
            ck_assert_msg(is_readable(fd, PATIENCE_MS), "a wake-up is lost");
            continue;
        }
        ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
        signals += event.kind == SDB_EVENT_SIGNAL && event.signal == SIGRTMIN;
        resume(&event);
    }
    pthread_join(sender, NULL);
    end_counter(&counter);
    finish();
}

int main(void)
{
    return run_suite("session_fd");
}
