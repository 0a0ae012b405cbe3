/* SPDX-License-Identifier: MIT */
/*
 * The pipe of a test.
 */
#include "piping.h"

#include <check.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "suite.h"

struct sdb_pipe *channel;

static void open_channel(void)
{
    leftovers_take_stock();
    channel = NULL;
    ck_assert_int_eq(sdb_pipe_open(0, &channel), 0);
}

static void close_channel(void)
{
    sdb_pipe_close(channel);
    leftovers_check_stock();
}

const struct suite_kind pipe_case = {.set_up = open_channel, .tear_down = close_channel};

bool has_room(const struct sdb_pipe *pipe)
{
    struct pollfd polled = {.fd = sdb_pipe_write_fd(pipe), .events = POLLOUT};

    return poll(&polled, 1, 0) == 1 && (polled.revents & POLLOUT);
}

_Noreturn void child_failed(int line)
{
    char text[] = "child's check failed in line 0000\n";

    for (size_t i = sizeof(text) - 3; line > 0; i--, line /= 10)
        text[i] = (char)('0' + line % 10);
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

void fill(unsigned char *bytes, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

bool is_filled(const unsigned char *bytes, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != (unsigned char)(seed * 31 + i * 7 + (i >> 8)))
            return false;
    }
    return true;
}

void send_filled(size_t len, unsigned seed)
{
    unsigned char bytes[SDB_PIPE_RECORD_MAX];

    fill(bytes, len, seed);
    ck_assert_int_eq(sdb_pipe_send(channel, bytes, len), 0);
}

void expect_filled(size_t len, unsigned seed)
{
    unsigned char bytes[SDB_PIPE_RECORD_MAX];

    ck_assert_int_eq(sdb_pipe_receive(channel, bytes, sizeof(bytes), 0), (int)len);
    ck_assert(is_filled(bytes, len, seed));
}
