/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of our own in the host.  Everything here is async-signal-safe.
 */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

int sdb__fd_above_stdio(int fd)
{
    int moved;

    if (fd > STDERR_FILENO)
        return fd;

    moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (moved < 0)
        moved = -errno;
    sdb__fd_close(&fd);
    return moved;
}

int sdb__fd_pipe(int ends[2])
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;

    fds[0] = sdb__fd_above_stdio(fds[0]);
    fds[1] = sdb__fd_above_stdio(fds[1]);
    if (fds[0] < 0 || fds[1] < 0) {
        int rc = fds[0] < 0 ? fds[0] : fds[1];

        sdb__fd_close(&fds[0]);
        sdb__fd_close(&fds[1]);
        return rc;
    }

    ends[0] = fds[0];
    ends[1] = fds[1];
    return 0;
}

void sdb__fd_close(int *fd)
{
    int saved_errno = errno;

    /* Not retried on EINTR: Linux has closed it even then. */
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved_errno;
}

bool sdb__fd_is_open(int fd)
{
    return fd >= 0 && fcntl(fd, F_GETFD) >= 0;
}

/*
 * A write to a pipe without readers raises SIGPIPE in this thread.  The host must never see it: it
 * is blocked meanwhile, and taken out again if it was us who caused it.  A SIGPIPE that the host
 * had blocked and pending before merges with ours, and stays.
 */
ssize_t sdb__fd_write_quietly(int fd, const struct iovec *parts, int count)
{
    static const struct timespec no_time = {0};
    sigset_t sigpipe;
    sigset_t previous;
    sigset_t pending;
    bool was_pending;
    ssize_t written;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &previous);
    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE) == 1;

    do {
        written = writev(fd, parts, count);
    } while (written < 0 && errno == EINTR);
    if (written < 0)
        written = -errno;

    if (written == -EPIPE && !was_pending) {
        while (sigtimedwait(&sigpipe, NULL, &no_time) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return written;
}
