/* SPDX-License-Identifier: MIT */
/*
 * Waiting: in the ring, or beside the helper.
 *
 * An interrupt is a flag that is set first, and then a wake of whatever the waiting thread says that
 * it sleeps in; that thread says so first, and looks at the flag then.  So one of the two sees the
 * other.
 */
#include "kernel/waiter.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "kernel/ptrace.h"
#include "kernel/status.h"
#include "kernel/waiter_ways.h"

/* So many statuses without a pause: they will go on. */
#define BUSY 32

/* How long to sleep while an end is left to another. */
#define NAP_MS 2

enum sleeping { AWAKE, IN_RING, BESIDE_HELPER };

struct sdb__waiter {
    struct sdb__uring *uring;   /* NULL: it cannot be had */
    struct sdb__helper *helper; /* NULL: it cannot be had */
    struct sdb__watch *watch;   /* only for a descriptor without a ring */
    bool has_fd;                /* somebody waits for it to become readable */
    uint32_t interrupted;       /* atomic; set by any thread, cleared by the waiting one */
    uint32_t sleeping;          /* atomic; enum sleeping */
    unsigned busy;              /* statuses since the last pause, up to BUSY */
    bool paused;                /* `look_at` is meant */
    struct sdb__deadline look_at;
    pid_t left;    /* whose end is somebody else's to take, and there still; 0: nobody's */
    bool told_off; /* the caller was sent to look for the ends that this one hides */
};

int sdb__waiter_open(bool without_uring, struct sdb__waiter **waiter)
{
    struct sdb__waiter *opened = calloc(1, sizeof(*opened));
    int rc = without_uring ? -ENOSYS : 0;
    int other;

    if (!opened)
        return -ENOMEM;
    if (rc == 0)
        rc = sdb__uring_open(&opened->uring);
    other = rc < 0 && rc != -ENOSYS ? rc : sdb__helper_open(&opened->helper);
    /* One of the two will do. */
    if (other < 0 && (rc < 0 || other != -ENOSYS)) {
        sdb__waiter_close(opened, false);
        return other;
    }
    *waiter = opened;
    return 0;
}

void sdb__waiter_close(struct sdb__waiter *waiter, bool in_fork)
{
    if (!waiter)
        return;
    sdb__watch_close(waiter->watch, waiter->helper, in_fork);
    sdb__helper_close(waiter->helper, in_fork);
    sdb__uring_close(waiter->uring);
    free(waiter);
}

/* ---- being woken ---- */

static void wake_fd(struct sdb__waiter *waiter)
{
    if (waiter->watch)
        sdb__watch_wake(waiter->watch);
    else
        sdb__uring_make_ready(waiter->uring);
}

void sdb__waiter_interrupt(struct sdb__waiter *waiter)
{
    uint32_t sleeping;

    __atomic_store_n(&waiter->interrupted, 1, __ATOMIC_SEQ_CST);
    sleeping = __atomic_load_n(&waiter->sleeping, __ATOMIC_SEQ_CST);
    if (sleeping == BESIDE_HELPER)
        sdb__helper_wake(waiter->helper);
    if (__atomic_load_n(&waiter->has_fd, __ATOMIC_ACQUIRE))
        wake_fd(waiter);
    if (sleeping == IN_RING)
        sdb__uring_wake(waiter->uring);
}

void sdb__waiter_notify(struct sdb__waiter *waiter)
{
    if (waiter->has_fd)
        wake_fd(waiter);
}

bool sdb__waiter_take_interrupt(struct sdb__waiter *waiter)
{
    return __atomic_load_n(&waiter->interrupted, __ATOMIC_SEQ_CST) &&
           __atomic_exchange_n(&waiter->interrupted, 0, __ATOMIC_SEQ_CST);
}

int sdb__waiter_fd(struct sdb__waiter *waiter)
{
    int fd = 0;

    if (!waiter->uring && !waiter->watch)
        fd = sdb__watch_open(&waiter->watch);
    if (fd == 0)
        fd = waiter->watch ? sdb__watch_fd(waiter->watch) : sdb__uring_fd(waiter->uring);
    if (fd < 0)
        return fd;
    __atomic_store_n(&waiter->has_fd, true, __ATOMIC_RELEASE);
    wake_fd(waiter); /* what came before is looked for */
    return fd;
}

/*
 * Nobody is awake from now on: the descriptor shall say when something comes.
 *
 * @param tracees  there are some
 * @return 0; 1: there may be something already, look again; or a negative errno
 */
static int watch_fd(struct sdb__waiter *waiter, bool tracees)
{
    int rc = 0;

    if (waiter->watch) {
        sdb__watch_clear_wake(waiter->watch);
        if (tracees)
            sdb__watch_arm(waiter->watch);
    } else {
        sdb__uring_clear_ready(waiter->uring);
        rc = sdb__uring_watch(waiter->uring, tracees);
    }
    /* An interrupt that came before shall not be forgotten. */
    return rc == 0 && __atomic_load_n(&waiter->interrupted, __ATOMIC_SEQ_CST) ? 1 : rc;
}

int sdb__waiter_idle(struct sdb__waiter *waiter)
{
    int rc = 0;

    if (!waiter->has_fd)
        return 0;
    do {
        if (sdb__waiter_take_interrupt(waiter))
            return -EINTR;
        rc = watch_fd(waiter, false);
    } while (rc > 0);
    return rc;
}

/* ---- ends that are left ---- */

void sdb__waiter_leave(struct sdb__waiter *waiter, pid_t tid)
{
    waiter->left = tid;
    waiter->told_off = false;
}

bool sdb__waiter_leaves(const struct sdb__waiter *waiter)
{
    return waiter->left != 0;
}

/* Whether an end is still left to another. */
static bool leaves_an_end(struct sdb__waiter *waiter)
{
    int status;

    if (waiter->left != 0 &&
        (sdb__wait_peek_one(waiter->left, &status) < 0 || !sdb__status_is_end(status)))
        waiter->left = 0;
    return waiter->left != 0;
}

/* @return whether the caller shall look for ends by itself, every other time */
static bool send_to_look(struct sdb__waiter *waiter)
{
    waiter->told_off = waiter->left != 0 && !waiter->told_off;
    return waiter->told_off;
}

static void nap(const struct sdb__deadline *deadline)
{
    const struct sdb__deadline soon = sdb__deadline_earlier(*deadline, sdb__deadline_in(NAP_MS));

    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &soon.at, NULL);
}

/* ---- waiting ---- */

pid_t sdb__waiter_peek(struct sdb__waiter *waiter, int *status)
{
    pid_t tid;

    if (leaves_an_end(waiter)) {
        tid = sdb__wait_peek_stop(status);
        return tid == -ECHILD ? 0 : tid;
    }
    do {
        tid = sdb__wait_peek(false, status);
    } while (tid > 0 && waiter->helper && sdb__helper_is(waiter->helper, tid));
    return tid;
}

bool sdb__waiter_has_tracees(struct sdb__waiter *waiter)
{
    int status;

    if (waiter->helper)
        sdb__helper_send_away(waiter->helper);
    return sdb__wait_peek(false, &status) >= 0;
}

void sdb__waiter_heard(struct sdb__waiter *waiter)
{
    waiter->paused = false;
}

/* @return whether it has been quiet for a while; once for each while */
static bool is_quiet(struct sdb__waiter *waiter)
{
    if (waiter->paused && !sdb__deadline_passed(&waiter->look_at))
        return false;
    waiter->look_at = sdb__deadline_in(SDB__WAITER_QUIET_MS);
    if (waiter->paused)
        return true;
    waiter->paused = true;
    return false;
}

static void fall_asleep(struct sdb__waiter *waiter, enum sleeping sleeping)
{
    __atomic_store_n(&waiter->sleeping, sleeping, __ATOMIC_SEQ_CST);
}

/* A wake that does not see this yet finds nobody, and does no harm. */
static void wake_up(struct sdb__waiter *waiter)
{
    __atomic_store_n(&waiter->sleeping, AWAKE, __ATOMIC_RELEASE);
}

/* @return the tid of a tracee that has a status, 0 to look again, or a negative errno */
static pid_t sleep_beside_helper(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                                 bool heeds_interrupt, int *status)
{
    pid_t tid;

    fall_asleep(waiter, BESIDE_HELPER);
    if (heeds_interrupt && __atomic_load_n(&waiter->interrupted, __ATOMIC_SEQ_CST)) {
        tid = 0;
    } else {
        tid = sdb__helper_have(waiter->helper, deadline);
        /* A new helper does not know of an interrupt that came before it. */
        if (heeds_interrupt && __atomic_load_n(&waiter->interrupted, __ATOMIC_SEQ_CST))
            tid = -EINTR;
        /* Whoever can neither be late nor be woken cannot fail for want of it. */
        if (tid == 0 || (!heeds_interrupt && deadline->never))
            tid = sdb__wait_peek(true, status);
    }
    wake_up(waiter);
    if (tid == -EINTR)
        return 0;
    if (tid > 0 && sdb__helper_is(waiter->helper, tid)) {
        waiter->busy = 0;
        return 0;
    }
    return tid;
}

static int sleep_in_ring(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                         bool heeds_interrupt)
{
    int rc = 0;

    fall_asleep(waiter, IN_RING);
    if (!heeds_interrupt || !__atomic_load_n(&waiter->interrupted, __ATOMIC_SEQ_CST))
        rc = sdb__uring_sleep(waiter->uring, deadline, heeds_interrupt);
    wake_up(waiter);
    return rc;
}

/*
 * There is nothing now.
 *
 * @param slept  although it was waited for
 * @return 0 to wait, 1 if it has been quiet, or a negative errno
 */
static int have_nothing(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                        bool heeds_interrupt, bool slept)
{
    const bool passed = sdb__deadline_passed(deadline);
    int rc = 0;

    if (slept)
        waiter->busy = 0;

    if (heeds_interrupt && sdb__waiter_take_interrupt(waiter)) {
        waiter->busy = 0;
        return -EINTR;
    }
    if ((slept || passed) && is_quiet(waiter))
        return 1;
    if (!passed)
        return 0;
    if (waiter->has_fd && heeds_interrupt)
        rc = watch_fd(waiter, true);
    return rc > 0 ? 0 : rc < 0 ? rc : -ETIMEDOUT;
}

pid_t sdb__waiter_next(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                       bool heeds_interrupt, int *status)
{
    bool looks = waiter->busy < BUSY || waiter->left != 0 || sdb__deadline_passed(deadline);
    bool slept = false;
    pid_t tid = 0;

    while (tid == 0) {
        /* While statuses follow each other, the wait that sleeps is the look too. */
        const bool beside_helper = !waiter->uring || (waiter->helper && !looks);

        if (looks) {
            int rc;

            tid = sdb__waiter_peek(waiter, status);
            if (tid != 0)
                break;
            if (send_to_look(waiter))
                return 0;
            rc = have_nothing(waiter, deadline, heeds_interrupt, slept);
            if (rc != 0)
                return rc > 0 ? 0 : rc;
        }
        if (waiter->left != 0) {
            nap(deadline);
            slept = true;
            continue;
        }
        if (looks && sdb__deadline_passed(deadline))
            continue; /* something has come after all */
        if (beside_helper)
            tid = sleep_beside_helper(waiter, deadline, heeds_interrupt, status);
        else
            tid = sleep_in_ring(waiter, deadline, heeds_interrupt);
        looks = true;
        slept = true;
    }
    if (tid > 0) {
        if (waiter->watch)
            sdb__watch_found(waiter->watch);
        if (waiter->busy < BUSY)
            waiter->busy++;
    }
    return tid;
}
