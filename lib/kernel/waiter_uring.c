/* SPDX-License-Identifier: MIT */
/*
 * Waiting by io_uring (its waitid operation came with Linux 6.7): one ring with two requests, one
 * for any tracee and one for an eventfd, and a sleep that ends when either completes.
 *
 * The ring only says that there is something; what it is, the waiter asks itself.  Task work is deferred until we enter the ring, so that it interrupts no system call
 * that the host makes on this thread.
 */
#include "kernel/waiter_ways.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/io_uring.h>

#include "base/descriptor.h"

/* Newer than the kernel headers that some systems build with. */
#define OP_WAITID 50
#define ENTRIES   4

enum request { REQUEST_TRACEES = 1, REQUEST_WAKE = 2 };

struct sdb__uring {
    int fd;
    int wake_fd;
    int ready_fd; /* written by the kernel when the ring has something to do; -1: not wanted yet */
    bool tracees_armed;
    bool wake_armed;
    char *rings;
    size_t rings_size;
    struct io_uring_sqe *sqes;
    size_t sqes_size;
    struct io_uring_params params;
    uint32_t submitted; /* our submission tail */
};

static uint32_t *ring_word(const struct sdb__uring *uring, uint32_t offset)
{
    return (uint32_t *)(void *)(uring->rings + offset);
}

/* Whether this kernel's io_uring knows waitid. */
static bool knows_waitid(int fd)
{
    uint64_t
        room[(sizeof(struct io_uring_probe) + (OP_WAITID + 1) * sizeof(struct io_uring_probe_op)) /
             sizeof(uint64_t)] = {0};
    const struct io_uring_probe *answer = (const void *)room;

    if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, room, OP_WAITID + 1) < 0)
        return false;
    return answer->last_op >= OP_WAITID && (answer->ops[OP_WAITID].flags & IO_URING_OP_SUPPORTED);
}

static int map_rings(struct sdb__uring *uring)
{
    const struct io_uring_params *params = &uring->params;
    size_t submission_size = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    size_t completion_size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    void *rings;
    void *sqes;

    uring->rings_size = submission_size > completion_size ? submission_size : completion_size;
    rings = mmap(NULL, uring->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED, uring->fd,
                 (off_t)IORING_OFF_SQ_RING);
    if (rings == MAP_FAILED)
        return -ENOMEM;
    uring->rings = rings;

    uring->sqes_size = params->sq_entries * sizeof(struct io_uring_sqe);
    sqes = mmap(NULL, uring->sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED, uring->fd,
                (off_t)IORING_OFF_SQES);
    if (sqes == MAP_FAILED)
        return -ENOMEM;
    uring->sqes = sqes;
    return 0;
}

void sdb__uring_close(struct sdb__uring *uring)
{
    if (!uring)
        return;
    /* The ring knows its own task: a forked child's copy cannot do harm. */
    if (uring->sqes)
        munmap(uring->sqes, uring->sqes_size);
    if (uring->rings)
        munmap(uring->rings, uring->rings_size);
    sdb__fd_close(&uring->fd);
    sdb__fd_close(&uring->wake_fd);
    sdb__fd_close(&uring->ready_fd);
    free(uring);
}

int sdb__uring_open(struct sdb__uring **uring)
{
    struct sdb__uring *opened = calloc(1, sizeof(*opened));
    int rc = -ENOSYS;

    if (!opened)
        return -ENOMEM;
    opened->wake_fd = -1;
    opened->ready_fd = -1;
    opened->params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    opened->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &opened->params);
    if (opened->fd < 0)
        goto failed; /* forbidden, or an older kernel */
    opened->fd = sdb__fd_above_stdio(opened->fd);
    if (opened->fd < 0 || !knows_waitid(opened->fd))
        goto failed;
    rc = map_rings(opened);
    if (rc < 0)
        goto failed;
    opened->wake_fd = sdb__fd_event();
    rc = opened->wake_fd;
    if (rc < 0)
        goto failed;
    *uring = opened;
    return 0;

failed:
    sdb__uring_close(opened);
    return rc;
}

static struct io_uring_sqe *next_entry(struct sdb__uring *uring)
{
    uint32_t mask = *ring_word(uring, uring->params.sq_off.ring_mask);
    uint32_t at = uring->submitted++ & mask;

    ring_word(uring, uring->params.sq_off.array)[at] = at;
    memset(&uring->sqes[at], 0, sizeof(uring->sqes[at]));
    return &uring->sqes[at];
}

/* Have the requests in the ring.  @return how many the kernel has not taken yet */
static unsigned arm(struct sdb__uring *uring, bool tracees, bool wake)
{
    struct io_uring_sqe *entry;

    if (!uring->tracees_armed && tracees) {
        entry = next_entry(uring);
        entry->opcode = OP_WAITID;
        entry->len = P_ALL;
        /* The same children as sdb__wait_peek() sees. */
        entry->file_index = (uint32_t)(WEXITED | WNOWAIT) | __WCLONE | __WNOTHREAD;
        entry->user_data = REQUEST_TRACEES;
        uring->tracees_armed = true;
    }
    if (!uring->wake_armed && wake) {
        entry = next_entry(uring);
        entry->opcode = IORING_OP_POLL_ADD;
        entry->fd = uring->wake_fd;
        entry->poll32_events = POLLIN;
        entry->user_data = REQUEST_WAKE;
        uring->wake_armed = true;
    }
    __atomic_store_n(ring_word(uring, uring->params.sq_off.tail), uring->submitted,
                     __ATOMIC_RELEASE);
    /* Not only those that are new: it may have refused them before. */
    return uring->submitted -
           __atomic_load_n(ring_word(uring, uring->params.sq_off.head), __ATOMIC_ACQUIRE);
}

static void signal_fd(int fd)
{
    static const uint64_t one = 1;
    int saved_errno = errno;

    (void)!write(fd, &one, sizeof(one)); /* a counter that is full has been signalled already */
    errno = saved_errno;
}

static void clear_fd(int fd)
{
    uint64_t count;

    (void)!read(fd, &count, sizeof(count));
}

/* @return whether there were any */
static bool take_completions(struct sdb__uring *uring)
{
    const struct io_uring_cqe *entries = (const void *)(uring->rings + uring->params.cq_off.cqes);
    uint32_t mask = *ring_word(uring, uring->params.cq_off.ring_mask);
    uint32_t *head = ring_word(uring, uring->params.cq_off.head);
    uint32_t tail = __atomic_load_n(ring_word(uring, uring->params.cq_off.tail), __ATOMIC_ACQUIRE);
    uint32_t at = *head;
    bool found = at != tail;

    for (; at != tail; at++) {
        if (entries[at & mask].user_data == REQUEST_TRACEES) {
            uring->tracees_armed = false;
        } else {
            uring->wake_armed = false;
            clear_fd(uring->wake_fd); /* a wake that comes late shall not end each sleep */
        }
    }
    __atomic_store_n(head, at, __ATOMIC_RELEASE);
    return found;
}

int sdb__uring_sleep(struct sdb__uring *uring, const struct sdb__deadline *deadline,
                     bool heeds_wake)
{
    const struct timespec quiet = {.tv_sec = SDB__WAITER_QUIET_MS / 1000};
    struct timespec left;
    const struct timespec *limit = sdb__deadline_left(deadline, &left);
    struct __kernel_timespec time;
    struct io_uring_getevents_arg argument = {.ts = (uintptr_t)&time};
    long rc;

    if (!limit || limit->tv_sec >= quiet.tv_sec)
        limit = &quiet;
    time.tv_sec = limit->tv_sec;
    time.tv_nsec = limit->tv_nsec;
    rc = syscall(SYS_io_uring_enter, uring->fd, arm(uring, true, heeds_wake), 1,
                 IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof(argument));
    if (rc < 0 && errno != EINTR && errno != ETIME)
        return -errno;
    (void)take_completions(uring);
    return 0;
}

int sdb__uring_watch(struct sdb__uring *uring, bool tracees)
{
    if (syscall(SYS_io_uring_enter, uring->fd, arm(uring, tracees, true), 0, IORING_ENTER_GETEVENTS,
                NULL, 0) < 0 &&
        errno != EINTR)
        return -errno;
    return take_completions(uring);
}

void sdb__uring_wake(struct sdb__uring *uring)
{
    signal_fd(uring->wake_fd);
}

/*
 * With deferred task work the ring's own descriptor does not become readable when there is some; an
 * eventfd that is registered with the ring does.
 */
int sdb__uring_fd(struct sdb__uring *uring)
{
    int fd;

    if (uring->ready_fd >= 0)
        return uring->ready_fd;
    fd = sdb__fd_event();
    if (fd < 0)
        return fd;
    if (syscall(SYS_io_uring_register, uring->fd, IORING_REGISTER_EVENTFD, &fd, 1) < 0) {
        int rc = -errno;

        sdb__fd_close(&fd);
        return rc;
    }
    uring->ready_fd = fd;
    return fd;
}

void sdb__uring_make_ready(struct sdb__uring *uring)
{
    signal_fd(uring->ready_fd);
}

void sdb__uring_clear_ready(struct sdb__uring *uring)
{
    clear_fd(uring->ready_fd);
}
