/* SPDX-License-Identifier: MIT */
/*
 * The pipe: notifications and records between a process and the children that it forks.  What can
 * be wrong is in errors.c, what it does with the host's signals in signals.c, with its descriptors
 * in host.c.
 */
#include <sdb/pipe.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "piping.h"

PIPE_CASE(pipe);

LOOP_TEST(a_child_notifies_its_parent, 0, 3)
{
    const int timeouts_ms[] = {-1, PATIENCE_MS, INT_MAX};
    pid_t pid = fork_child();

    if (pid == 0) {
        sdb_pipe_close_read(channel);
        _exit(sdb_pipe_notify(channel) == 0 ? 0 : 1);
    }
    sdb_pipe_close_write(channel);
    ck_assert_int_eq(sdb_pipe_wait(channel, timeouts_ms[_i]), 0);
    expect_success(pid);
}

LOOP_TEST(a_parent_notifies_its_child, 0, 2)
{
    pid_t pid = fork_child();

    if (pid == 0) {
        sdb_pipe_close_write(channel);
        CHILD_ASSERT(sdb_pipe_wait(channel, _i == 0 ? -1 : PATIENCE_MS) == 0);
        CHILD_ASSERT(sdb_pipe_wait(channel, -1) == -EPIPE);
        _exit(0);
    }
    sdb_pipe_close_read(channel);
    ck_assert(host_wait_asleep(pid));
    ck_assert_int_eq(sdb_pipe_notify(channel), 0);
    sdb_pipe_close_write(channel);
    expect_success(pid);
}

LOOP_TEST(a_blocked_wait_ends_with_the_notification, 0, 2)
{
    const pid_t host = getpid();
    pid_t pid = fork_child();
    int64_t begun;

    if (pid == 0) {
        sdb_pipe_close_read(channel);
        CHILD_ASSERT(host_wait_asleep(host));
        CHILD_ASSERT(sdb_pipe_notify(channel) == 0);
        _exit(0);
    }
    sdb_pipe_close_write(channel);
    begun = host_now_ms();
    ck_assert_int_eq(sdb_pipe_wait(channel, _i == 0 ? -1 : PATIENCE_MS), 0);
    ck_assert_int_lt(host_now_ms() - begun, PATIENCE_MS / 2);
    expect_success(pid);
}

TEST(each_notification_is_taken_once)
{
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sdb_pipe_notify(channel), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sdb_pipe_wait(channel, i == 0 ? -1 : 0), 0);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -ETIMEDOUT);
}

TEST(a_wait_of_no_time_only_looks)
{
    char byte;

    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -ETIMEDOUT);
    ck_assert_int_eq(sdb_pipe_receive(channel, &byte, 1, 0), -ETIMEDOUT);
    ck_assert_int_eq(sdb_pipe_notify(channel), 0);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), 0);
}

LOOP_TEST(a_deadline_is_not_early, 0, 5)
{
    const int timeouts_ms[] = {1, 2, 7, 30, 100};
    const int timeout_ms = timeouts_ms[_i];
    const int64_t begun = host_now_ms();
    char byte;

    ck_assert_int_eq(sdb_pipe_wait(channel, timeout_ms), -ETIMEDOUT);
    /* The clock is read in whole milliseconds, which may make a span look shorter by one. */
    ck_assert_int_ge(host_now_ms() - begun, timeout_ms - 1);
    ck_assert_int_lt(host_now_ms() - begun, PATIENCE_MS);

    ck_assert_int_eq(sdb_pipe_receive(channel, &byte, 1, timeout_ms), -ETIMEDOUT);
    ck_assert_int_ge(host_now_ms() - begun, 2 * timeout_ms - 1);
}

/* @return how long a wait of 40 ms takes that begins just before a second does */
static int64_t wait_across_a_second(void)
{
    struct timespec now;
    int64_t begun;

    clock_gettime(CLOCK_MONOTONIC, &now);
    now.tv_sec += now.tv_nsec > 980000000;
    now.tv_nsec = 980000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL) != 0)
        ;
    begun = host_now_ms();
    ck_assert_int_eq(sdb_pipe_wait(channel, 40), -ETIMEDOUT);
    return host_now_ms() - begun;
}

TEST(a_deadline_in_the_next_second_is_neither_early_nor_a_second_late)
{
    int64_t shortest_ms = INT64_MAX;

    /* A busy machine may be late, but hardly five times. */
    for (int i = 0; i < 5 && shortest_ms >= 500; i++) {
        const int64_t took_ms = wait_across_a_second();

        ck_assert_int_ge(took_ms, 39);
        if (took_ms < shortest_ms)
            shortest_ms = took_ms;
    }
    ck_assert_int_lt(shortest_ms, 500);
}

/* ---- the end of the other side ---- */

enum child_end { EXITS, IS_KILLED, EXECUTES, ENDINGS };

LOOP_TEST(an_end_without_notification_is_told_from_one, 0, ENDINGS)
{
    const enum child_end how = (enum child_end)_i;
    pid_t pid = fork_child();
    int status;

    if (pid == 0) {
        if (how == IS_KILLED)
            raise(SIGKILL);
        if (how == EXECUTES) { /* a program that goes on */
            dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
            execl(SDB_TRACEE_DIR "/ending", "ending", "wait", (char *)NULL);
        }
        _exit(0);
    }
    sdb_pipe_close_write(channel);
    ck_assert_int_eq(sdb_pipe_wait(channel, PATIENCE_MS), -EPIPE);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EPIPE);
    ck_assert_int_eq(sdb_pipe_wait(channel, -1), -EPIPE);
    ck_assert_int_eq(sdb_pipe_receive(channel, NULL, 0, -1), -EPIPE);

    if (how == EXECUTES)
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, how == EXITS ? 0 : SIGKILL);
}

TEST(a_notification_outlives_its_sender)
{
    pid_t pid = fork_child();

    if (pid == 0)
        _exit(sdb_pipe_notify(channel) == 0 ? 0 : 1);
    sdb_pipe_close_write(channel);
    expect_success(pid);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), 0);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EPIPE);
}

TEST(the_own_write_end_counts_as_a_sender)
{
    pid_t pid = fork_child();

    if (pid == 0)
        _exit(0);
    expect_success(pid);
    ck_assert_int_eq(sdb_pipe_wait(channel, 20), -ETIMEDOUT);
    sdb_pipe_close_write(channel);
    ck_assert_int_eq(sdb_pipe_wait(channel, 20), -EPIPE);
}

TEST(a_wait_ends_when_the_last_sender_does)
{
    pid_t pid = fork_child();
    pid_t waiter;

    if (pid == 0) {
        for (;;)
            pause();
    }
    waiter = fork_child();
    if (waiter == 0) {
        sdb_pipe_close_write(channel);
        CHILD_ASSERT(sdb_pipe_wait(channel, -1) == -EPIPE);
        _exit(0);
    }
    sdb_pipe_close_write(channel);
    ck_assert(host_wait_asleep(waiter));
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    expect_success(waiter);
}

/* ---- records ---- */

static const size_t record_sizes[] = {
    0, 1, 2, 3, 4, 5, 100, 255, 256, 1023, 2048, 4091, SDB_PIPE_RECORD_MAX};
#define RECORD_SIZES (sizeof(record_sizes) / sizeof(record_sizes[0]))

LOOP_TEST(a_record_arrives_as_it_was_sent, 0, RECORD_SIZES)
{
    const size_t len = record_sizes[_i];
    unsigned char bytes[SDB_PIPE_RECORD_MAX + 8];

    send_filled(len, 5);
    memset(bytes, 0xee, sizeof(bytes));
    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, SDB_PIPE_RECORD_MAX, 0), (int)len);
    ck_assert(is_filled(bytes, len, 5));
    for (size_t i = len; i < sizeof(bytes); i++)
        ck_assert_uint_eq(bytes[i], 0xee);
    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, sizeof(bytes), 0), -ETIMEDOUT);
}

LOOP_TEST(a_buffer_of_just_the_size_is_enough, 0, RECORD_SIZES)
{
    const size_t len = record_sizes[_i];
    unsigned char *bytes = malloc(len ? len : 1); /* so that a sanitizer sees what is past it */

    ck_assert_ptr_nonnull(bytes);
    send_filled(len, 6);
    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, len, 0), (int)len);
    ck_assert(is_filled(bytes, len, 6));
    free(bytes);
}

TEST(a_longer_record_is_refused_and_nothing_sent)
{
    static const unsigned char bytes[SDB_PIPE_RECORD_MAX + 1];

    ck_assert_int_eq(sdb_pipe_send(channel, bytes, sizeof(bytes)), -EMSGSIZE);
    ck_assert_int_eq(sdb_pipe_send(channel, bytes, SIZE_MAX), -EMSGSIZE);
    ck_assert_int_eq(sdb_pipe_send(channel, bytes, (size_t)INT_MAX + 1), -EMSGSIZE);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -ETIMEDOUT);
}

TEST(records_keep_their_order_and_borders)
{
    for (unsigned i = 0; i < RECORD_SIZES; i++)
        send_filled(record_sizes[i], i);
    for (unsigned i = 0; i < RECORD_SIZES; i++)
        expect_filled(record_sizes[i], i);
}

LOOP_TEST(too_small_a_buffer_keeps_the_record, 0, RECORD_SIZES)
{
    const size_t len = record_sizes[_i];
    unsigned char bytes[SDB_PIPE_RECORD_MAX];

    if (len == 0)
        return; /* no buffer is too small for it */
    send_filled(len, 7);
    send_filled(10, 8);
    memset(bytes, 0xee, sizeof(bytes));
    ck_assert_int_eq(sdb_pipe_receive(channel, NULL, 0, 0), -EMSGSIZE);
    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, 0, -1), -EMSGSIZE);
    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, len - 1, PATIENCE_MS), -EMSGSIZE);
    for (size_t i = 0; i < sizeof(bytes); i++)
        ck_assert_uint_eq(bytes[i], 0xee);
    expect_filled(len, 7);
    expect_filled(10, 8);
}

TEST(a_wait_leaves_a_record_with_bytes)
{
    send_filled(10, 1);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EBADMSG);
    ck_assert_int_eq(sdb_pipe_wait(channel, -1), -EBADMSG);
    expect_filled(10, 1);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -ETIMEDOUT);
}

TEST(a_notification_behind_a_record_waits_its_turn)
{
    send_filled(10, 1);
    ck_assert_int_eq(sdb_pipe_notify(channel), 0);
    send_filled(20, 2);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EBADMSG);
    expect_filled(10, 1);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), 0);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EBADMSG);
    expect_filled(20, 2);
}

TEST(a_record_of_no_bytes_is_a_notification)
{
    char byte = 'x';

    ck_assert_int_eq(sdb_pipe_send(channel, NULL, 0), 0);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), 0);
    ck_assert_int_eq(sdb_pipe_notify(channel), 0);
    ck_assert_int_eq(sdb_pipe_receive(channel, &byte, 1, 0), 0);
    ck_assert_int_eq(byte, 'x');
}

TEST(a_kept_record_is_still_there_after_its_sender)
{
    struct pollfd polled = {.fd = sdb_pipe_read_fd(channel), .events = POLLIN};

    send_filled(100, 3);
    sdb_pipe_close_write(channel);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EBADMSG);
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    ck_assert(polled.revents & POLLIN);
    expect_filled(100, 3);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EPIPE);
}

TEST(poll_tells_when_something_can_be_taken)
{
    struct pollfd polled = {.fd = sdb_pipe_read_fd(channel), .events = POLLIN};

    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    ck_assert_int_eq(sdb_pipe_notify(channel), 0);
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), 0);
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
}

/* ---- a full pipe, and many writers ---- */

LOOP_TEST(a_full_pipe_blocks_the_sender_until_something_is_received, 0, 2)
{
    const size_t len = _i == 0 ? 0 : SDB_PIPE_RECORD_MAX;
    volatile int *sent =
        mmap(NULL, sizeof(*sent), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned filled = 0;
    pid_t pid;

    ck_assert_ptr_ne((void *)(uintptr_t)sent, MAP_FAILED);
    while (has_room(channel))
        send_filled(len, filled++);
    ck_assert_uint_ge(filled, 4);
    /* The last page still takes notifications, until it is full too. */
    if (len == 0) {
        int flags = fcntl(sdb_pipe_write_fd(channel), F_GETPIPE_SZ);

        for (; filled < (unsigned)flags / HEADER_SIZE; filled++)
            ck_assert_int_eq(sdb_pipe_notify(channel), 0);
        ck_assert_uint_ge(filled, 4000); /* "thousands of records" */
    }

    pid = fork_child();
    if (pid == 0) {
        unsigned char bytes[SDB_PIPE_RECORD_MAX];

        sdb_pipe_close_read(channel);
        fill(bytes, len, filled);
        CHILD_ASSERT(sdb_pipe_send(channel, bytes, len) == 0);
        *sent = 1;
        _exit(0);
    }
    sdb_pipe_close_write(channel);
    ck_assert(host_wait_asleep(pid));
    ck_assert_int_eq(*sent, 0);
    ck_assert_int_ne(host_task_state(pid), 'Z');
    for (unsigned i = 0; i <= filled; i++) {
        unsigned char bytes[SDB_PIPE_RECORD_MAX];

        ck_assert_int_eq(sdb_pipe_receive(channel, bytes, sizeof(bytes), PATIENCE_MS), (int)len);
        ck_assert(is_filled(bytes, len, i));
    }
    expect_success(pid);
    ck_assert_int_eq(*sent, 1);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EPIPE);
    munmap((void *)(uintptr_t)sent, sizeof(*sent));
}

TEST(a_sender_that_is_blocked_is_told_when_nobody_can_receive_any_more)
{
    pid_t pid;

    while (has_room(channel))
        send_filled(SDB_PIPE_RECORD_MAX, 0);
    pid = fork_child();
    if (pid == 0) {
        sdb_pipe_close_read(channel);
        CHILD_ASSERT(sdb_pipe_send(channel, "x", 1) == -EPIPE);
        _exit(0);
    }
    ck_assert(host_wait_asleep(pid));
    sdb_pipe_close_read(channel);
    expect_success(pid);
}

#define WRITERS 8
#define RECORDS 1000

/* Its begin says whose it is, and the rest follows from that. */
struct numbered {
    uint32_t writer;
    uint32_t number;
};

static size_t numbered_length(const struct numbered *head)
{
    const size_t room = SDB_PIPE_RECORD_MAX - sizeof(*head);

    return sizeof(*head) + (head->number * 2654435761u + head->writer * 977) % (room + 1);
}

static _Noreturn void write_numbered(uint32_t writer)
{
    unsigned char bytes[SDB_PIPE_RECORD_MAX];

    sdb_pipe_close_read(channel);
    for (uint32_t number = 0; number < RECORDS; number++) {
        const struct numbered head = {writer, number};
        const size_t len = numbered_length(&head);

        memcpy(bytes, &head, sizeof(head));
        fill(bytes + sizeof(head), len - sizeof(head), writer * RECORDS + number);
        CHILD_ASSERT(sdb_pipe_send(channel, bytes, len) == 0);
    }
    _exit(0);
}

TEST(records_of_many_writers_stay_whole)
{
    unsigned char bytes[SDB_PIPE_RECORD_MAX];
    uint32_t next[WRITERS] = {0};
    pid_t writers[WRITERS];

    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = fork_child();
        if (writers[i] == 0)
            write_numbered(i);
    }
    sdb_pipe_close_write(channel);
    for (int i = 0; i < WRITERS * RECORDS; i++) {
        struct numbered head;
        int len = sdb_pipe_receive(channel, bytes, sizeof(bytes), PATIENCE_MS);

        ck_assert_int_ge(len, (int)sizeof(head));
        memcpy(&head, bytes, sizeof(head));
        ck_assert_uint_lt(head.writer, WRITERS);
        ck_assert_uint_eq(head.number, next[head.writer]);
        next[head.writer]++;
        ck_assert_int_eq(len, (int)numbered_length(&head));
        ck_assert(is_filled(bytes + sizeof(head), (size_t)len - sizeof(head),
                            head.writer * RECORDS + head.number));
    }
    ck_assert_int_eq(sdb_pipe_wait(channel, PATIENCE_MS), -EPIPE);
    for (int i = 0; i < WRITERS; i++)
        expect_success(writers[i]);
}

int main(void)
{
    return run_suite("pipe");
}
