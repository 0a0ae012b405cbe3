/* SPDX-License-Identifier: MIT */
/*
 * The calling thread's signal mask, by the bare system call: the C library's functions leave the
 * two signals out that it keeps for itself.
 */
#ifndef SDB_LIB_BASE_SIGNALS_H
#define SDB_LIB_BASE_SIGNALS_H

#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/** Block every signal.  @return the mask as it was */
static inline uint64_t sdb__signals_block_all(void)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t previous = 0;

    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &previous, sizeof(all));
    return previous;
}

static inline void sdb__signals_restore(uint64_t mask)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

#endif
