/* SPDX-License-Identifier: MIT */
/*
 * The pipe and its host: descriptors, exec and fork.
 */
#include <sdb/pipe.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "piping.h"

static struct sdb_pipe *open_pipe(uint32_t flags)
{
    struct sdb_pipe *pipe = NULL;

    ck_assert_int_eq(sdb_pipe_open(flags, &pipe), 0);
    return pipe;
}

LEFTOVERS_CASE(descriptors);

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
    ck_assert_int_eq(exit_code_of(pid), 5);
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
        ck_assert_int_eq(exit_code_of(pid), 0);
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
