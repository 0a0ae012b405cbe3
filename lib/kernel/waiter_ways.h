/* SPDX-License-Identifier: MIT */
/*
 * The ways to sleep that waiter.c has.
 */
#ifndef SDB_LIB_KERNEL_WAITER_WAYS_H
#define SDB_LIB_KERNEL_WAITER_WAYS_H

#include "kernel/waiter.h"

/* Nothing tells what somebody else has taken away: after this time it is worth a look. */
#define SDB__WAITER_QUIET_MS 1000

/* ---- io_uring (waiter_uring.c) ---- */

struct sdb__uring;

/** @return 0, -ENOSYS if it cannot be had here, or another negative errno */
int sdb__uring_open(struct sdb__uring **uring);
void sdb__uring_close(struct sdb__uring *uring);

/**
 * Sleep until a tracee may have something to say, until the deadline, until woken, or until it has been
 * quiet; it may also return for no reason.
 *
 * @param heeds_wake  else it is not woken, and the wake is left for a later sleep
 * @return 0 or a negative errno
 */
int sdb__uring_sleep(struct sdb__uring *uring, const struct sdb__deadline *deadline,
                     bool heeds_wake);

/** End the running sleep, or the next one that heeds it.  Any thread, async-signal-safe. */
void sdb__uring_wake(struct sdb__uring *uring);

/** @return a descriptor that sdb__uring_watch() makes readable, the ring's; or a negative errno */
int sdb__uring_fd(struct sdb__uring *uring);

/**
 * Have that descriptor say when there is something.
 *
 * @param tracees  else only after sdb__uring_make_ready()
 * @return 0; 1: there may be something already, look again; or a negative errno
 */
int sdb__uring_watch(struct sdb__uring *uring, bool tracees);

/** Make it readable, if there is one.  Any thread, async-signal-safe. */
void sdb__uring_make_ready(struct sdb__uring *uring);
void sdb__uring_clear_ready(struct sdb__uring *uring);

/* ---- a helper task (waiter_helper.c) ---- */

struct sdb__helper;

/** @return 0, -ENOSYS if it cannot be had here, or -ENOMEM */
int sdb__helper_open(struct sdb__helper **helper);

/** @param in_fork  this is a forked child's copy: the task is not ours */
void sdb__helper_close(struct sdb__helper *helper, bool in_fork);

/**
 * Make sure that there is a helper which exits at the deadline at the latest, and soon in any case.
 *
 * @return 0 or a negative errno
 */
int sdb__helper_have(struct sdb__helper *helper, const struct sdb__deadline *deadline);

/** @return whether this tid, which has ended, is the helper's, and no tracee; it is reaped then */
bool sdb__helper_is(struct sdb__helper *helper, pid_t tid);

/** Have it exit, which ends the wait4 of the thread that made it.  Any thread, async-signal-safe. */
void sdb__helper_wake(struct sdb__helper *helper);

/** Have it exit, and reap it.  Nothing happens if there is none. */
void sdb__helper_send_away(struct sdb__helper *helper);

/** Have a child exit at once, which ends a wait of any thread for any tracee. */
void sdb__helper_flash(struct sdb__helper *helper);

/* ---- a watching thread, for a descriptor without io_uring (waiter_watch.c) ---- */

struct sdb__watch;

/** @return 0, -ENOMEM, -EAGAIN, -EMFILE or -ENFILE */
int sdb__watch_open(struct sdb__watch **watch);

/** @param helper  what its wait is ended with */
void sdb__watch_close(struct sdb__watch *watch, struct sdb__helper *helper, bool in_fork);

/** Have the descriptor become readable when a tracee has something to say. */
void sdb__watch_arm(struct sdb__watch *watch);

/** Somebody had something to say indeed. */
void sdb__watch_found(struct sdb__watch *watch);

/** Make the descriptor readable.  Any thread, async-signal-safe. */
void sdb__watch_wake(struct sdb__watch *watch);
void sdb__watch_clear_wake(struct sdb__watch *watch);

int sdb__watch_fd(const struct sdb__watch *watch);

#endif
