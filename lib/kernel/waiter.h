/* SPDX-License-Identifier: MIT */
/*
 * Waiting for what tracees do, with a deadline, and with a way to be woken from any thread or
 * signal handler; without a signal of our own and without polling.
 *
 * wait4(2) knows neither deadline nor wake-up.  There are two ways around.  io_uring waits for tracees
 * beside an eventfd (waiter_uring.c); that is the cheaper one to be woken from.  A helper task whose
 * exit ends the wait4 (waiter_helper.c) costs nothing as long as only tracees have something to say.
 * So a waiter that has a ring sleeps in it, but beside a helper while statuses follow each other.
 */
#ifndef SDB_LIB_KERNEL_WAITER_H
#define SDB_LIB_KERNEL_WAITER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/deadline.h"

struct sdb__waiter;

/** @return 0 or a negative errno: -ENOSYS if there is no way to wait here */
int sdb__waiter_open(bool without_uring, struct sdb__waiter **waiter);

/**
 * Look at the next wait status of a tracee of this thread, see sdb__wait_peek().
 *
 * @param heeds_interrupt  return -EINTR when interrupted; else the interrupt is left for a later
 *                         call
 * @return the tracee's tid; 0 if nothing has come for a while (it is not waited on: look whether
 *         somebody else has taken it, and call again); -ETIMEDOUT, -EINTR, or another negative errno
 */
pid_t sdb__waiter_next(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                       bool heeds_interrupt, int *status);

/** Look at a status that is there already.  @return the tracee's tid, or 0 or less if there is none */
pid_t sdb__waiter_peek(struct sdb__waiter *waiter, int *status);

/**
 * Leave the end that was looked at where it is: it is not this thread's to take.
 *
 * Until somebody has taken it, the kernel shows it before the ends that come after it in its list, and
 * wakes whoever waits.  So meanwhile only stops are looked at, with naps, and sdb__waiter_next() returns
 * 0 again and again: the caller looks for ends by their tids (sdb__wait_peek_one()).
 */
void sdb__waiter_leave(struct sdb__waiter *waiter, pid_t tid);

/** @return whether there is such an end; it may have been taken just now */
bool sdb__waiter_leaves(const struct sdb__waiter *waiter);

/** A status has come, maybe otherwise than from here: it is not quiet. */
void sdb__waiter_heard(struct sdb__waiter *waiter);

/** @return whether the thread has tracees, or clone children of another kind, that have not ended */
bool sdb__waiter_has_tracees(struct sdb__waiter *waiter);

/** Any thread, async-signal-safe. */
void sdb__waiter_interrupt(struct sdb__waiter *waiter);

/** @return whether it was interrupted, once for each time */
bool sdb__waiter_take_interrupt(struct sdb__waiter *waiter);

/**
 * A descriptor that becomes readable when there is something for sdb__waiter_next(), or after
 * sdb__waiter_notify(), until the former has returned -ETIMEDOUT.
 *
 * @return the waiter's descriptor, or a negative errno
 */
int sdb__waiter_fd(struct sdb__waiter *waiter);

/** Have the descriptor become readable, if there is one. */
void sdb__waiter_notify(struct sdb__waiter *waiter);

/**
 * There is nothing to wait for: only sdb__waiter_interrupt() and sdb__waiter_notify() shall make the
 * descriptor readable.  Does nothing without one.
 *
 * @return 0, -EINTR: it was interrupted; or another negative errno
 */
int sdb__waiter_idle(struct sdb__waiter *waiter);

/** NULL is allowed.  @param in_fork  this is a forked child's copy: only memory and descriptors are ours */
void sdb__waiter_close(struct sdb__waiter *waiter, bool in_fork);

#endif
