/* SPDX-License-Identifier: MIT */
/*
 * Waiting: what both kinds have in common.
 */
#include "waiter.h"

#include <errno.h>

#include "ptrace.h"

int sdb__waiter_open(bool without_uring, struct sdb__waiter **waiter)
{
    int rc = without_uring ? -ENOSYS : sdb__waiter_by_uring.open(waiter);

    return rc == -ENOSYS ? sdb__waiter_by_helper.open(waiter) : rc;
}

pid_t sdb__waiter_next(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                       bool heeds_interrupt, int *status, struct rusage *usage)
{
    for (;;) {
        pid_t tid = sdb__wait_tracees(false, status, usage);

        if (tid == 0) {
            if (heeds_interrupt &&
                __atomic_exchange_n(&waiter->interrupted, false, __ATOMIC_ACQ_REL))
                return -EINTR;
            if (sdb__deadline_passed(deadline))
                return -ETIMEDOUT;
            tid = waiter->kind->sleep(waiter, deadline, heeds_interrupt, status, usage);
        }
        if (tid != 0 && !waiter->kind->owns(waiter, tid))
            return tid;
    }
}

void sdb__waiter_interrupt(struct sdb__waiter *waiter)
{
    __atomic_store_n(&waiter->interrupted, true, __ATOMIC_RELEASE);
    waiter->kind->wake(waiter);
}

void sdb__waiter_close(struct sdb__waiter *waiter, bool in_fork)
{
    if (waiter)
        waiter->kind->close(waiter, in_fork);
}
