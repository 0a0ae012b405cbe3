/* SPDX-License-Identifier: MIT */
/*
 * Waiting for what tracees do, with a deadline, and with a way to be woken from any thread or
 * signal handler; without a signal of our own and without polling.
 *
 * wait4(2) knows neither deadline nor wake-up.  There are two ways around: io_uring waits for
 * tracees beside an eventfd (waiter_uring.c); and where that is not to be had, a helper task whose
 * exit ends the wait (waiter_helper.c).
 */
#ifndef SDB_LIB_WAITER_H
#define SDB_LIB_WAITER_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "deadline.h"

struct sdb__waiter;

struct sdb__waiter_kind {
    /** @return 0, -ENOSYS if it cannot be had here, or another negative errno */
    int (*open)(struct sdb__waiter **waiter);

    /**
     * Sleep until a tracee may have something to say, until the deadline, or until woken; it may
     * also return for no reason.  Called only by the thread that opened it.
     *
     * @param heeds_interrupt  an interrupt that came before shall end it too
     * @return a tid whose status was taken, 0 to look again, or a negative errno
     */
    pid_t (*sleep)(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                   bool heeds_interrupt, int *status, struct rusage *usage);

    /** @return whether this tid is the waiter's own, and no tracee; its end has been seen then */
    bool (*owns)(struct sdb__waiter *waiter, pid_t tid);

    /** End the running sleep, or the next one.  Any thread, async-signal-safe. */
    void (*wake)(struct sdb__waiter *waiter);

    /** @param in_fork  this is a forked child's copy: only memory and descriptors are ours */
    void (*close)(struct sdb__waiter *waiter, bool in_fork);
};

/* The beginning of each kind's own struct. */
struct sdb__waiter {
    const struct sdb__waiter_kind *kind;
    bool interrupted; /* atomic; set by any thread, cleared by the waiting one */
};

extern const struct sdb__waiter_kind sdb__waiter_by_uring;
extern const struct sdb__waiter_kind sdb__waiter_by_helper;

/** Open the best kind there is.  @return 0 or a negative errno */
int sdb__waiter_open(bool without_uring, struct sdb__waiter **waiter);

/**
 * Take the next wait status of a tracee of this thread.
 *
 * @param heeds_interrupt  return -EINTR when interrupted; else the interrupt is left for a later
 *                         call
 * @return the tracee's tid, -ETIMEDOUT, -EINTR, or another negative errno
 */
pid_t sdb__waiter_next(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                       bool heeds_interrupt, int *status, struct rusage *usage);

/** Any thread, async-signal-safe. */
void sdb__waiter_interrupt(struct sdb__waiter *waiter);

/** NULL is allowed. */
void sdb__waiter_close(struct sdb__waiter *waiter, bool in_fork);

#endif
