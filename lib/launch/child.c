/* SPDX-License-Identifier: MIT */
/*
 * Children: waiting for them and signalling them, from any thread.
 *
 * The lock is held only for moments: threads wait in poll, and whoever comes first takes the status
 * for all.  A pid is used only under the lock and while the child has not been reaped by us.
 */
#include "launch/child.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "base/versioned.h"
#include "kernel/ptrace.h"

#define SIZE_OF_VERSION_0_1 sizeof(struct sdb_exit_status)

/* Where no pidfd tells of the moment, we look this often. */
#define LOOK_INTERVAL_MS 2

struct sdb_child {
    pid_t pid;
    int pidfd;
    pthread_mutex_t lock;
    int outcome; /* 1: it runs; 0: status is there; -ECHILD: it has ended, nobody knows how */
    struct sdb_exit_status status;
};

struct sdb_child *sdb__child_allocate(void)
{
    struct sdb_child *child = calloc(1, sizeof(*child));

    if (!child)
        return NULL;
    child->pidfd = -1;
    child->outcome = 1;
    pthread_mutex_init(&child->lock, NULL);
    return child;
}

void sdb__child_fill(struct sdb_child *child, pid_t pid, int pidfd)
{
    child->pid = pid;
    child->pidfd = pidfd;
}

void sdb__child_free(struct sdb_child *child)
{
    if (!child)
        return;
    sdb__fd_close(&child->pidfd);
    pthread_mutex_destroy(&child->lock);
    free(child);
}

int32_t sdb_child_pid(const struct sdb_child *child)
{
    return child ? child->pid : -EINVAL;
}

int sdb_child_pidfd(const struct sdb_child *child)
{
    if (!child)
        return -EINVAL;
    return child->pidfd >= 0 ? child->pidfd : -ENOSYS;
}

/*
 * Whether somebody else is reaping the child at this moment: it has ended, nobody can wait for it any
 * more, and the kernel does not tell yet how it ended.
 */
static bool is_being_reaped(const struct sdb_child *child)
{
    struct pollfd polled = {.fd = child->pidfd, .events = POLLIN};

    return child->pidfd >= 0 && poll(&polled, 1, 0) == 1 &&
           sdb__send_signal(child->pid, child->pidfd, 0) == 0;
}

static int look_at(struct sdb_child *child)
{
    int rc = sdb__wait_child(child->pid, child->pidfd, SDB__WAIT_TAKE, &child->status);

    if (rc != -ECHILD)
        return rc;
    if (is_being_reaped(child))
        return -EAGAIN;
    /* What was not yet told before that question may be told now. */
    return sdb__wait_child(child->pid, child->pidfd, SDB__WAIT_TAKE, &child->status);
}

/* Take the status if it is there.  @return 0, -EAGAIN while it runs, or -ECHILD */
static int try_to_reap(struct sdb_child *child)
{
    int rc;

    pthread_mutex_lock(&child->lock);
    if (child->outcome > 0) {
        rc = look_at(child);
        if (rc != -EAGAIN)
            child->outcome = rc;
    }
    rc = child->outcome > 0 ? -EAGAIN : child->outcome;
    pthread_mutex_unlock(&child->lock);
    return rc;
}

/* What a thread that waits may have to do meanwhile, or NULL: nothing yet. */
static bool (*tend)(void);

void sdb__child_set_tender(bool (*tender)(void))
{
    __atomic_store_n(&tend, tender, __ATOMIC_RELEASE);
}

/* @return whether there may be more to do soon */
static bool tend_others(void)
{
    bool (*tender)(void) = __atomic_load_n(&tend, __ATOMIC_ACQUIRE);

    return tender && tender();
}

/*
 * Sleep until the child may have ended.  Its pidfd tells; but once it has, there may still be nothing
 * to take: a tracer of somebody else's holds the dead child, and no descriptor says until when.
 *
 * @param told  whether the pidfd has told of the end
 * @return 0 or -ETIMEDOUT
 */
static int sleep_until_end(const struct sdb_child *child, const struct sdb__deadline *deadline,
                           bool *told)
{
    struct pollfd polled = {.fd = *told ? -1 : child->pidfd, .events = POLLIN};
    const struct sdb__deadline soon = sdb__deadline_in(LOOK_INTERVAL_MS);
    const struct sdb__deadline until =
        tend_others() || polled.fd < 0 ? sdb__deadline_earlier(*deadline, soon) : *deadline;
    struct timespec left;
    int ready = ppoll(&polled, 1, sdb__deadline_left(&until, &left), NULL);

    if (ready > 0)
        *told = true;
    return ready == 0 && sdb__deadline_passed(deadline) ? -ETIMEDOUT : 0;
}

/* The deadline has passed only if the child, looked at after it, still ran. */
static int reap_until(struct sdb_child *child, const struct sdb__deadline *deadline)
{
    bool told = false;
    int slept = 0;

    for (;;) {
        int rc = try_to_reap(child);

        if (rc != -EAGAIN)
            return rc;
        if (slept < 0)
            return slept;
        slept = sleep_until_end(child, deadline, &told);
    }
}

static int check_status(const struct sdb_exit_status *status)
{
    return status ? sdb__struct_check(status, sizeof(*status), SIZE_OF_VERSION_0_1) : 0;
}

int sdb_child_wait(struct sdb_child *child, int timeout_ms, struct sdb_exit_status *status)
{
    const struct sdb__deadline deadline = sdb__deadline_in(timeout_ms);
    int rc;

    if (!child)
        return -EINVAL;
    rc = check_status(status);
    if (rc < 0)
        return rc;

    rc = reap_until(child, &deadline);
    if (rc == 0 && status)
        sdb__struct_export(status, &child->status, sizeof(child->status));
    return rc;
}

int sdb_child_kill(struct sdb_child *child, int signal)
{
    int rc = -ESRCH;

    if (!child)
        return -EINVAL;

    pthread_mutex_lock(&child->lock);
    if (child->outcome > 0)
        rc = sdb__send_signal(child->pid, child->pidfd, signal);
    pthread_mutex_unlock(&child->lock);
    return rc;
}

int sdb_child_terminate(struct sdb_child *child, int grace_ms, int timeout_ms,
                        struct sdb_exit_status *status)
{
    int rc = check_status(status);

    if (rc < 0)
        return rc;
    if (grace_ms != 0) {
        rc = sdb_child_kill(child, SIGTERM);
        if (rc < 0 && rc != -ESRCH)
            return rc;
        rc = sdb_child_wait(child, grace_ms, status);
        if (rc != -ETIMEDOUT)
            return rc;
    }
    rc = sdb_child_kill(child, SIGKILL);
    if (rc < 0 && rc != -ESRCH)
        return rc;
    return sdb_child_wait(child, timeout_ms, status);
}

void sdb_child_close(struct sdb_child *child)
{
    if (!child)
        return;
    (void)try_to_reap(child);
    sdb__child_free(child);
}
