/* SPDX-License-Identifier: MIT */
/*
 * The pipe: records between a parent and the child that it forks.
 *
 * A record is a header that holds its length, and its bytes.  Both are written by one write of at
 * most PIPE_BUF bytes, which the kernel does not mix with other writers' bytes; so where there is a
 * header, its bytes follow at once, and a reader never blocks in the middle of a record.
 *
 * The header of a record that was looked at but could not be taken (it has bytes and a notification
 * was awaited, or it is longer than the buffer) is kept in the handle for the next call.
 */
#include <sdb/pipe.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/descriptor.h"

/* The upper half marks the header as ours: a stray byte from somebody else is told apart. */
#define HEADER_MARK        0x5db00000u
#define HEADER_MARK_MASK   0xffff0000u
#define HEADER_LENGTH_MASK 0x0000ffffu

struct sdb_pipe {
    int read_fd;  /* -1 once closed or handed over */
    int write_fd; /* likewise */
    bool has_header;
    uint32_t header; /* of the record at the pipe's front, if has_header */
};

_Static_assert(SDB_PIPE_RECORD_MAX + sizeof(uint32_t) == PIPE_BUF, "a record fills one write");

int sdb_pipe_open(uint32_t flags, struct sdb_pipe **pipe)
{
    struct sdb_pipe *opened;
    int ends[2];
    int rc;

    if (!pipe || (flags & ~SDB_PIPE_INHERIT))
        return -EINVAL;

    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return -ENOMEM;
    rc = sdb__fd_pipe(ends);
    if (rc < 0) {
        free(opened);
        return rc;
    }

    /* Only now: in between, another thread's exec must not have inherited half a pipe. */
    if (flags & SDB_PIPE_INHERIT) {
        fcntl(ends[0], F_SETFD, 0);
        fcntl(ends[1], F_SETFD, 0);
    }
    opened->read_fd = ends[0];
    opened->write_fd = ends[1];
    *pipe = opened;
    return 0;
}

/*
 * Wait until there is room for a record, where the kernel does not do it by itself: somebody has made
 * the pipe non-blocking.  That is a property of the pipe, not of the descriptor, so another program
 * that inherited it can do it to us.
 */
static void wait_writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

    (void)ppoll(&poll_fd, 1, NULL, NULL);
}

int sdb_pipe_send(struct sdb_pipe *pipe, const void *data, size_t len)
{
    int saved_errno = errno;
    uint32_t header;
    ssize_t written;

    if (!pipe || (!data && len > 0))
        return -EINVAL;
    if (len > SDB_PIPE_RECORD_MAX)
        return -EMSGSIZE;
    if (pipe->write_fd < 0)
        return -EBADF;

    header = HEADER_MARK | (uint32_t)len;
    {
        /* writev() does not write to what it is given; its struct just cannot say so. */
        struct iovec parts[2] = {
            {.iov_base = &header, .iov_len = sizeof(header)},
            {.iov_base = (void *)(uintptr_t)data, .iov_len = len},
        };

        while ((written = sdb__fd_write_quietly(pipe->write_fd, parts, 2)) == -EAGAIN)
            wait_writable(pipe->write_fd);
    }
    errno = saved_errno;
    return written < 0 ? (int)written : 0;
}

int sdb_pipe_notify(struct sdb_pipe *pipe)
{
    return sdb_pipe_send(pipe, NULL, 0);
}

/* Wait until the pipe has bytes or has no writer left; a read does not block then. */
static int wait_readable(int fd, const struct sdb__deadline *deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    struct timespec left;
    int ready;

    do {
        ready = ppoll(&poll_fd, 1, sdb__deadline_left(deadline, &left), NULL);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return -errno;
    if (ready == 0)
        return -ETIMEDOUT;
    return poll_fd.revents & POLLNVAL ? -EBADF : 0;
}

/*
 * Read a part of a record.  Records are written whole, so what is there only in part is not ours;
 * to wait for the rest would be to wait for ever.
 *
 * @return 1, 0 at the end of file, or -EPROTO
 */
static int read_part(int fd, void *buf, size_t len)
{
    ssize_t count;

    do {
        count = read(fd, buf, len);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return -errno;
    if (count == 0)
        return 0;
    return (size_t)count == len ? 1 : -EPROTO;
}

/* Read a record's bytes, which must be there. */
static int read_bytes(int fd, void *buf, size_t len)
{
    const struct sdb__deadline now = sdb__deadline_in(0);
    int rc = wait_readable(fd, &now);

    if (rc == 0)
        rc = read_part(fd, buf, len);
    if (rc == 0 || rc == -ETIMEDOUT)
        return -EPROTO;
    return rc < 0 ? rc : 0;
}

/* Have the header of the record at the front in pipe->header. */
static int look_at_front(struct sdb_pipe *pipe, int timeout_ms)
{
    struct sdb__deadline deadline;
    uint32_t header;
    int rc;

    if (pipe->read_fd < 0)
        return -EBADF;
    if (pipe->has_header)
        return 0;

    deadline = sdb__deadline_in(timeout_ms);
    rc = wait_readable(pipe->read_fd, &deadline);
    if (rc < 0)
        return rc;
    rc = read_part(pipe->read_fd, &header, sizeof(header));
    if (rc < 0)
        return rc;
    if (rc == 0)
        return -EPIPE;
    if ((header & HEADER_MARK_MASK) != HEADER_MARK ||
        (header & HEADER_LENGTH_MASK) > SDB_PIPE_RECORD_MAX)
        return -EPROTO;

    pipe->header = header;
    pipe->has_header = true;
    return 0;
}

int sdb_pipe_receive(struct sdb_pipe *pipe, void *buf, size_t size, int timeout_ms)
{
    int saved_errno = errno;
    size_t len;
    int rc;

    if (!pipe || (!buf && size > 0))
        return -EINVAL;

    rc = look_at_front(pipe, timeout_ms);
    if (rc < 0)
        goto finish;
    len = pipe->header & HEADER_LENGTH_MASK;
    if (len > size) {
        rc = -EMSGSIZE;
        goto finish;
    }

    pipe->has_header = false;
    if (len > 0) {
        rc = read_bytes(pipe->read_fd, buf, len);
        if (rc < 0)
            goto finish;
    }
    rc = (int)len;

finish:
    errno = saved_errno;
    return rc;
}

int sdb_pipe_wait(struct sdb_pipe *pipe, int timeout_ms)
{
    int rc = sdb_pipe_receive(pipe, NULL, 0, timeout_ms);

    return rc == -EMSGSIZE ? -EBADMSG : rc;
}

void sdb_pipe_close_read(struct sdb_pipe *pipe)
{
    if (pipe)
        sdb__fd_close(&pipe->read_fd);
}

void sdb_pipe_close_write(struct sdb_pipe *pipe)
{
    if (pipe)
        sdb__fd_close(&pipe->write_fd);
}

int sdb_pipe_read_fd(const struct sdb_pipe *pipe)
{
    if (!pipe)
        return -EINVAL;
    return pipe->read_fd >= 0 ? pipe->read_fd : -EBADF;
}

int sdb_pipe_write_fd(const struct sdb_pipe *pipe)
{
    if (!pipe)
        return -EINVAL;
    return pipe->write_fd >= 0 ? pipe->write_fd : -EBADF;
}

int sdb_pipe_release_read(struct sdb_pipe *pipe)
{
    int fd = sdb_pipe_read_fd(pipe);

    if (fd >= 0)
        pipe->read_fd = -1;
    return fd;
}

int sdb_pipe_release_write(struct sdb_pipe *pipe)
{
    int fd = sdb_pipe_write_fd(pipe);

    if (fd >= 0)
        pipe->write_fd = -1;
    return fd;
}

void sdb_pipe_close(struct sdb_pipe *pipe)
{
    if (!pipe)
        return;
    sdb_pipe_close_read(pipe);
    sdb_pipe_close_write(pipe);
    free(pipe);
}
