/* SPDX-License-Identifier: MIT */
/*
 * The portable path: a fork and a pipe.
 *
 * The child is given one end of a channel (a socket pair).  Over it, it passes the read end of a
 * pipe that it has made itself, then waits there for the host to open the gate.  What the child
 * notes goes through that pipe, one record at a time, and the pipe's end of file says that the
 * child has executed its program or ended: its write end is close-on-exec, and nobody else has one.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/signals.h"
#include "kernel/ptrace.h"
#include "launch/in_child.h"
#include "launch/launching.h"

/* Wait for fd, or for the child's end if its pidfd is there.  @return 0 or -ETIMEDOUT */
static int wait_readable(const struct sdb__launching *launching, int fd,
                         const struct sdb__deadline *deadline)
{
    struct pollfd polled[2] = {{.fd = fd, .events = POLLIN},
                               {.fd = launching->pidfd, .events = POLLIN}};
    struct timespec left;
    int ready;

    do {
        ready = ppoll(polled, 2, sdb__deadline_left(deadline, &left), NULL);
    } while (ready < 0 && errno == EINTR);
    return ready == 0 ? -ETIMEDOUT : 0;
}

static int open_channel(struct sdb__launching *launching)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    launching->channel = sdb__fd_above_stdio(ends[0]);
    launching->plan.channel_fd = sdb__fd_above_stdio(ends[1]);
    if (launching->channel < 0 || launching->plan.channel_fd < 0)
        return -EMFILE;
    return 0;
}

/* Take the child's first message: its report pipe, or why it could not make one. */
static int take_report_pipe(struct sdb__launching *launching)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec bytes = {.iov_base = &launching->reported, .iov_len = sizeof(launching->reported)};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t count;
    int fd;

    do {
        count = recvmsg(launching->channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof(launching->reported))
        return -ESRCH; /* it died first */
    if (launching->reported.code < 0)
        return launching->reported.code;
    if (message.msg_controllen < CMSG_LEN(sizeof(int)))
        return -EMFILE; /* no room for the pipe here */
    memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    launching->report = sdb__fd_above_stdio(fd);
    return launching->report < 0 ? launching->report : 0;
}

static int make_child(struct sdb__launching *launching)
{
    uint64_t mask = sdb__signals_block_all();
    pid_t pid = _Fork(); /* without the host's fork handlers, which are not for this child */
    int rc = pid < 0 ? -errno : 0;

    if (pid == 0)
        sdb__launch_child_run(&launching->plan);
    sdb__signals_restore(mask);
    if (rc < 0)
        return rc;

    /* It waits at its gate, so nobody can have reaped it, and the pid is still its own. */
    launching->pid = pid;
    launching->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (launching->pidfd < 0)
        return errno == ENOSYS || errno == EPERM ? 0 : -errno; /* a sandbox says EPERM */
    launching->pidfd = sdb__fd_above_stdio(launching->pidfd);
    return launching->pidfd < 0 ? launching->pidfd : 0;
}

static int start(struct sdb__launching *launching, const struct sdb__deadline *deadline)
{
    struct sdb__launch_plan *plan = &launching->plan;
    int rc;

    plan->note.stage = SDB_STAGE_PREPARE;
    plan->unshare_from = -1;
    plan->reset_handlers = true;
    rc = open_channel(launching);
    if (rc < 0)
        return rc;

    plan->note.stage = SDB_STAGE_CLONE;
    rc = make_child(launching);
    sdb__fd_close(&plan->channel_fd);
    if (rc < 0)
        return rc;

    launching->reported.stage = SDB_STAGE_PREPARE;
    rc = wait_readable(launching, launching->channel, deadline);
    if (rc == 0)
        rc = take_report_pipe(launching);
    plan->note.stage = launching->reported.stage;
    if (rc == 0 && !launching->traced)
        launching->path->open_gate(launching);
    return rc;
}

static void open_gate(struct sdb__launching *launching)
{
    static const char open = 1;
    ssize_t sent;

    if (launching->channel < 0)
        return;
    do {
        sent = send(launching->channel, &open, sizeof(open), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    sdb__fd_close(&launching->channel);
}

/* Take one record.  @return whether there was one */
static bool read_record(struct sdb__launching *launching)
{
    struct sdb__launch_note record;
    ssize_t count;

    do {
        count = read(launching->report, &record, sizeof(record));
    } while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof(record))
        return false;
    launching->reported = record;
    return true;
}

static int wait_for_end_of_file(struct sdb__launching *launching,
                                const struct sdb__deadline *deadline)
{
    struct pollfd polled = {.fd = launching->report, .events = POLLIN};
    struct timespec left;
    int ready;

    if (launching->report < 0)
        return 0;
    for (;;) {
        ready = ppoll(&polled, 1, sdb__deadline_left(deadline, &left), NULL);
        if (ready == 0)
            return -ETIMEDOUT;
        if (ready > 0 && !read_record(launching))
            return 0;
    }
}

static struct sdb__launch_note note(struct sdb__launching *launching)
{
    const struct sdb__deadline now = sdb__deadline_in(0);

    (void)wait_for_end_of_file(launching, &now);
    return launching->reported;
}

static void finish(struct sdb__launching *launching)
{
    sdb__fd_close(&launching->plan.channel_fd);
    sdb__fd_close(&launching->channel);
    sdb__fd_close(&launching->report);
}

const struct sdb__launch_path sdb__launch_by_fork = {
    .start = start,
    .open_gate = open_gate,
    .wait = wait_for_end_of_file,
    .note = note,
    .finish = finish,
};
