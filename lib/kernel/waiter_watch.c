/* SPDX-License-Identifier: MIT */
/*
 * A descriptor that says when a tracee has something to say, without io_uring: a thread of the host's
 * that waits for it, and leaves it where it is.
 *
 * Any thread of a process may wait for the tracees of any other.  So it may be woken by those of
 * another session too; when that happens again and again for nothing, it slows down.
 *
 * It cannot be woken from its wait but by a child that ends, so that is how it is told to leave.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/signals.h"
#include "kernel/ptrace.h"
#include "kernel/waiter_ways.h"

#define MOST_PAUSE_US 10000

struct sdb__watch {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool armed;       /* to wait once more */
    bool waits;       /* or is about to */
    bool leaves;      /* to end */
    unsigned in_vain; /* how often it was armed again since somebody was really there */
    int fd;
};

static void pause_after(unsigned in_vain)
{
    unsigned pause_us = in_vain < 4 ? 0 : 100u << (in_vain < 12 ? in_vain - 4 : 8);

    if (pause_us > 0)
        usleep(pause_us < MOST_PAUSE_US ? pause_us : MOST_PAUSE_US);
}

static void *watch(void *data)
{
    struct sdb__watch *watch = data;

    pthread_mutex_lock(&watch->lock);
    while (!watch->leaves) {
        unsigned in_vain = watch->in_vain;

        if (!watch->armed) {
            pthread_cond_wait(&watch->changed, &watch->lock);
            continue;
        }
        watch->armed = false; /* whoever arms it from now on means the next time */
        watch->waits = true;
        pthread_mutex_unlock(&watch->lock);
        pause_after(in_vain);
        /* Without any tracee there is nothing to be told of; one that comes arms it again. */
        if (sdb__wait_for_any_tracee() == 0)
            sdb__watch_wake(watch);
        pthread_mutex_lock(&watch->lock);
        watch->waits = false;
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

int sdb__watch_open(struct sdb__watch **watching)
{
    struct sdb__watch *opened = calloc(1, sizeof(*opened));
    uint64_t mask;
    int rc;

    if (!opened)
        return -ENOMEM;
    opened->fd = sdb__fd_event();
    if (opened->fd < 0) {
        rc = opened->fd;
        free(opened);
        return rc;
    }
    pthread_mutex_init(&opened->lock, NULL);
    pthread_cond_init(&opened->changed, NULL);
    mask = sdb__signals_block_all();
    rc = -pthread_create(&opened->thread, NULL, watch, opened);
    sdb__signals_restore(mask);
    if (rc < 0) {
        sdb__fd_close(&opened->fd);
        free(opened);
        return rc;
    }
    *watching = opened;
    return 0;
}

/* Tell it to leave.  @return whether it has to be woken for that */
static bool send_away(struct sdb__watch *watch)
{
    bool waits;

    pthread_mutex_lock(&watch->lock);
    watch->leaves = true;
    pthread_cond_signal(&watch->changed);
    waits = watch->waits;
    pthread_mutex_unlock(&watch->lock);
    return waits;
}

void sdb__watch_close(struct sdb__watch *watch, struct sdb__helper *helper, bool in_fork)
{
    if (!watch)
        return;
    if (!in_fork) {
        if (send_away(watch))
            sdb__helper_flash(helper);
        pthread_join(watch->thread, NULL);
        pthread_cond_destroy(&watch->changed);
        pthread_mutex_destroy(&watch->lock);
    }
    sdb__fd_close(&watch->fd);
    free(watch);
}

void sdb__watch_arm(struct sdb__watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->armed = true;
    watch->in_vain++;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

void sdb__watch_found(struct sdb__watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->in_vain = 0;
    pthread_mutex_unlock(&watch->lock);
}

void sdb__watch_wake(struct sdb__watch *watch)
{
    static const uint64_t one = 1;
    int saved_errno = errno;

    (void)!write(watch->fd, &one, sizeof(one)); /* one that is full is readable */
    errno = saved_errno;
}

void sdb__watch_clear_wake(struct sdb__watch *watch)
{
    uint64_t count;

    (void)!read(watch->fd, &count, sizeof(count));
}

int sdb__watch_fd(const struct sdb__watch *watch)
{
    return watch->fd;
}
