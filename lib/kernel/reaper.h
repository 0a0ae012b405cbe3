/* SPDX-License-Identifier: MIT */
/*
 * Reaping what is not worth waiting for: a first thread that has ended before its process is let go.
 *
 * The kernel cannot detach it, and gives the end of the process to its tracer first, when all others have
 * ended; until that has been taken, the process's parent waits in vain.
 */
#ifndef SDB_LIB_KERNEL_REAPER_H
#define SDB_LIB_KERNEL_REAPER_H

#include <sys/types.h>

/**
 * Have the end of a tracee of this process taken when it comes, by a thread that sleeps until then.  Its
 * signals are blocked, and it ends with that.
 *
 * @param pid  a zombie that waits for other threads
 * @return 0, -ENOMEM or -EAGAIN
 */
int sdb__reap_later(pid_t pid);

#endif
