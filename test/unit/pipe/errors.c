/* SPDX-License-Identifier: MIT */
/*
 * Pipes that something is wrong with: foreign bytes, closed ends, arguments that cannot be right;
 * and errno, which is left alone.
 */
#include <sdb/pipe.h>

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "piping.h"

/* Put bytes into the pipe that the module has not written. */
static void write_foreign(const void *bytes, size_t len)
{
    ck_assert_int_eq(write(sdb_pipe_write_fd(channel), bytes, len), (ssize_t)len);
}

PIPE_CASE(errors);

/* ---- bytes that are not ours ---- */

/*
 * Fewer bytes than a header once made the reader wait for the rest of it, past any deadline.
 */
LOOP_TEST(foreign_bytes_are_refused_without_waiting_for_more, 1, 10)
{
    static const char text[] = "Segmentation fault\n";
    char bytes[64];

    write_foreign(text, (size_t)_i);
    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, sizeof(bytes), _i % 2 ? -1 : 0), -EPROTO);
}

LOOP_TEST(foreign_bytes_before_the_end_are_refused, 1, 10)
{
    static const char text[] = "Segmentation fault\n";

    write_foreign(text, (size_t)_i);
    sdb_pipe_close_write(channel);
    ck_assert_int_eq(sdb_pipe_wait(channel, -1), -EPROTO);
}

/* Take what a record is sent as out of the pipe. */
static void read_raw(size_t len, unsigned char *raw)
{
    send_filled(len, 0);
    ck_assert_int_eq(read(sdb_pipe_read_fd(channel), raw, HEADER_SIZE + len),
                     (ssize_t)(HEADER_SIZE + len));
}

LOOP_TEST(a_header_without_all_its_bytes_is_refused_without_waiting, 0, 4)
{
    const bool closed = _i & 1;
    const size_t bytes_there = _i & 2 ? 40 : 0;
    unsigned char raw[HEADER_SIZE + 100];
    unsigned char bytes[100];

    read_raw(100, raw);
    write_foreign(raw, HEADER_SIZE + bytes_there);
    if (closed)
        sdb_pipe_close_write(channel);
    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, sizeof(bytes), -1), -EPROTO);
}

TEST(a_header_of_more_than_a_record_is_refused)
{
    unsigned char raw[HEADER_SIZE + SDB_PIPE_RECORD_MAX];
    unsigned char bytes[SDB_PIPE_RECORD_MAX + 1] = {0};
    uint32_t header;

    read_raw(SDB_PIPE_RECORD_MAX, raw);
    memcpy(&header, raw, sizeof(header));
    header++;
    write_foreign(&header, sizeof(header));
    write_foreign(bytes, sizeof(bytes));
    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, sizeof(bytes), 0), -EPROTO);
}

/* Numbers that somebody writes in binary look like lengths. */
TEST(a_length_alone_is_no_header)
{
    const uint32_t lengths[] = {0, 1, 2, 100};
    unsigned char bytes[100] = {0};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        write_foreign(&lengths[i], sizeof(lengths[i]));
        ck_assert_int_eq(sdb_pipe_receive(channel, bytes, sizeof(bytes), 0), -EPROTO);
    }
}

/* ---- errors ---- */

TEST(open_refuses_what_cannot_be_right)
{
    struct sdb_pipe *pipe = (struct sdb_pipe *)&pipe;
    struct sdb_pipe *const untouched = pipe;

    ck_assert_int_eq(sdb_pipe_open(0, NULL), -EINVAL);
    ck_assert_int_eq(sdb_pipe_open(SDB_PIPE_INHERIT, NULL), -EINVAL);
    for (unsigned bit = 1; bit < 32; bit++) {
        ck_assert_int_eq(sdb_pipe_open(UINT32_C(1) << bit, &pipe), -EINVAL);
        ck_assert_int_eq(sdb_pipe_open(SDB_PIPE_INHERIT | UINT32_C(1) << bit, &pipe), -EINVAL);
    }
    ck_assert_ptr_eq(pipe, untouched);
}

TEST(no_pipe_is_an_invalid_argument)
{
    char byte = 0;

    ck_assert_int_eq(sdb_pipe_notify(NULL), -EINVAL);
    ck_assert_int_eq(sdb_pipe_wait(NULL, -1), -EINVAL);
    ck_assert_int_eq(sdb_pipe_send(NULL, &byte, 1), -EINVAL);
    ck_assert_int_eq(sdb_pipe_receive(NULL, &byte, 1, -1), -EINVAL);
    ck_assert_int_eq(sdb_pipe_read_fd(NULL), -EINVAL);
    ck_assert_int_eq(sdb_pipe_write_fd(NULL), -EINVAL);
    ck_assert_int_eq(sdb_pipe_release_read(NULL), -EINVAL);
    ck_assert_int_eq(sdb_pipe_release_write(NULL), -EINVAL);
    sdb_pipe_close_read(NULL);
    sdb_pipe_close_write(NULL);
    sdb_pipe_close(NULL);
}

TEST(bytes_from_or_to_nowhere_are_an_invalid_argument)
{
    send_filled(1, 0);
    ck_assert_int_eq(sdb_pipe_send(channel, NULL, 1), -EINVAL);
    ck_assert_int_eq(sdb_pipe_receive(channel, NULL, 1, 0), -EINVAL);
    expect_filled(1, 0);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -ETIMEDOUT);
}

LOOP_TEST(a_closed_read_end_is_a_bad_descriptor, 0, 2)
{
    char byte;

    if (_i == 0)
        sdb_pipe_close_read(channel);
    else
        ck_assert_int_eq(close(sdb_pipe_release_read(channel)), 0);
    ck_assert_int_eq(sdb_pipe_wait(channel, -1), -EBADF);
    ck_assert_int_eq(sdb_pipe_receive(channel, &byte, 1, -1), -EBADF);
    ck_assert_int_eq(sdb_pipe_read_fd(channel), -EBADF);
    ck_assert_int_eq(sdb_pipe_release_read(channel), -EBADF);
    ck_assert_int_ge(sdb_pipe_write_fd(channel), 3);
}

LOOP_TEST(a_closed_write_end_is_a_bad_descriptor, 0, 2)
{
    if (_i == 0)
        sdb_pipe_close_write(channel);
    else
        ck_assert_int_eq(close(sdb_pipe_release_write(channel)), 0);
    ck_assert_int_eq(sdb_pipe_notify(channel), -EBADF);
    ck_assert_int_eq(sdb_pipe_send(channel, "x", 1), -EBADF);
    ck_assert_int_eq(sdb_pipe_write_fd(channel), -EBADF);
    ck_assert_int_eq(sdb_pipe_release_write(channel), -EBADF);
    ck_assert_int_ge(sdb_pipe_read_fd(channel), 3);
}

TEST(a_kept_record_does_not_outlive_the_read_end)
{
    send_filled(10, 0);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EBADMSG);
    sdb_pipe_close_read(channel);
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -EBADF);
}

TEST(sending_to_nobody_is_told)
{
    sdb_pipe_close_read(channel);
    ck_assert_int_eq(sdb_pipe_notify(channel), -EPIPE);
    ck_assert_int_eq(sdb_pipe_send(channel, "x", 1), -EPIPE);
    ck_assert_int_eq(sdb_pipe_notify(channel), -EPIPE);
}

TEST(sending_goes_on_while_another_process_can_receive)
{
    pid_t pid = fork_child();

    if (pid == 0) {
        sdb_pipe_close_write(channel);
        CHILD_ASSERT(sdb_pipe_wait(channel, -1) == 0);
        _exit(0);
    }
    sdb_pipe_close_read(channel);
    ck_assert_int_eq(sdb_pipe_notify(channel), 0);
    expect_success(pid);
    ck_assert_int_eq(sdb_pipe_notify(channel), -EPIPE);
}

/* ---- errno ---- */

LOOP_TEST(success_leaves_errno_alone, 0, 2)
{
    struct sdb_pipe *pipe = NULL;
    char byte = 'b';

#define KEEPS_ERRNO(call)                                                                          \
    do {                                                                                           \
        errno = ENOTTY;                                                                            \
        ck_assert_int_ge(call, 0);                                                                 \
        ck_assert_int_eq(errno, ENOTTY);                                                           \
    } while (0)

    KEEPS_ERRNO(sdb_pipe_open(_i == 0 ? 0 : SDB_PIPE_INHERIT, &pipe));
    KEEPS_ERRNO(sdb_pipe_notify(pipe));
    KEEPS_ERRNO(sdb_pipe_wait(pipe, 0));
    KEEPS_ERRNO(sdb_pipe_send(pipe, &byte, 1));
    KEEPS_ERRNO(sdb_pipe_receive(pipe, &byte, 1, 10));
    KEEPS_ERRNO(sdb_pipe_read_fd(pipe));
    KEEPS_ERRNO(sdb_pipe_write_fd(pipe));
    KEEPS_ERRNO((sdb_pipe_close_read(pipe), 0));
    KEEPS_ERRNO((sdb_pipe_close_read(pipe), 0));
    KEEPS_ERRNO((sdb_pipe_close_write(pipe), 0));
    KEEPS_ERRNO((sdb_pipe_close(pipe), 0));
#undef KEEPS_ERRNO
}

TEST(failures_leave_errno_alone_too)
{
    char byte;

    errno = ENOTTY;
    ck_assert_int_eq(sdb_pipe_wait(channel, 0), -ETIMEDOUT);
    ck_assert_int_eq(sdb_pipe_receive(channel, &byte, 1, 1), -ETIMEDOUT);
    sdb_pipe_close_read(channel);
    ck_assert_int_eq(sdb_pipe_notify(channel), -EPIPE);
    ck_assert_int_eq(errno, ENOTTY);
}

int main(void)
{
    return run_suite("pipe_errors");
}
