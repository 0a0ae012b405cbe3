/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of our own in the host.  Everything here is async-signal-safe.
 */
#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of Linux 6.18, and newer than many a C library's headers. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

int sdb__fd_above_stdio(int fd)
{
    int moved;

    if (fd > STDERR_FILENO)
        return fd;

    moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (moved < 0) /* EINVAL: the limit is so low that there can be no such number */
        moved = errno == EINVAL ? -EMFILE : -errno;
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

int sdb__fd_event(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : sdb__fd_above_stdio(fd);
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

static bool is_pending(int signal)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, signal) == 1;
}

/*
 * Take back the SIGPIPE that a write of ours has raised.  It is pending for this thread, and those
 * are taken before the ones of the whole process.  If one was pending for this thread before, the
 * kernel has merged the two: then none is left now, and the host gets its own again.
 */
static void take_sigpipe(const sigset_t *sigpipe, bool was_pending)
{
    static const struct timespec no_time = {0};
    siginfo_t info;
    int taken;

    do {
        taken = sigtimedwait(sigpipe, &info, &no_time);
    } while (taken < 0 && errno == EINTR);
    if (taken > 0 && was_pending && !is_pending(SIGPIPE))
        syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGPIPE, &info);
}

static ssize_t write_with_sigpipe_blocked(int fd, const struct iovec *parts, int count)
{
    sigset_t sigpipe;
    sigset_t previous;
    bool was_pending;
    ssize_t written;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &previous);
    was_pending = is_pending(SIGPIPE);

    do {
        written = writev(fd, parts, count);
    } while (written < 0 && errno == EINTR);
    if (written < 0)
        written = -errno;

    if (written == -EPIPE)
        take_sigpipe(&sigpipe, was_pending);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return written;
}

/*
 * A write to a pipe without readers raises SIGPIPE in this thread, which the host must never see.
 * Linux 6.18 can be asked to leave it out; older ones do not know the flag, and a sandbox may not
 * know the call.
 */
ssize_t sdb__fd_write_quietly(int fd, const struct iovec *parts, int count)
{
    ssize_t written;

    do {
        written = pwritev2(fd, parts, count, -1, RWF_NOSIGNAL);
    } while (written < 0 && errno == EINTR);
    if (written >= 0)
        return written;
    if (errno == EPIPE || errno == EAGAIN)
        return -errno;
    return write_with_sigpipe_blocked(fd, parts, count);
}
