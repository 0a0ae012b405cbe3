/* SPDX-License-Identifier: MIT */
/*
 * The helper's side of waiting.  It shares its parent's memory, so all that launch/in_child.c says of
 * itself holds here too: no C library, nothing that the compiler slips in.
 */
#include "kernel/waiter_child.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/close_range.h>
#include <linux/futex.h>

#include "arch/x86_64/raw_syscall.h"

void sdb__waiter_child_run(void *shared)
{
    struct sdb__waiter_helper_room *room = shared;

    /* It shares the host's descriptors only to leave them at once, without a copy. */
    sdb__raw_syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE);
    sdb__raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    while (sdb__raw_syscall(SYS_getppid) == room->host_pid) {
        uint32_t turn = __atomic_load_n(&room->turn, __ATOMIC_ACQUIRE);

        if (__atomic_load_n(&room->leave, __ATOMIC_ACQUIRE))
            break;
        /* If the deadline is being changed at this moment, so is the turn, and this returns. */
        if (sdb__raw_syscall(SYS_futex, &room->turn, FUTEX_WAIT_BITSET_PRIVATE, turn, &room->at,
                             NULL, FUTEX_BITSET_MATCH_ANY) == -ETIMEDOUT)
            break;
    }
    for (;;)
        sdb__raw_syscall(SYS_exit_group, 0);
}
