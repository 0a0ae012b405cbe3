/* SPDX-License-Identifier: MIT */
/*
 * System calls that a stopped thread makes for us.
 */
#ifndef SDB_LIB_INJECT_INJECT_H
#define SDB_LIB_INJECT_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/inject.h>

struct sdb_process;
struct sdb_thread;

/**
 * Have a thread that stands still make a system call; see sdb_thread_inject(), of which this is all but
 * the checks of the caller.
 *
 * Other threads' statuses are left to the session.  When the thread was killed its end is, too.
 *
 * @return 0, -ESRCH, -EBUSY, -ENOTSUP, -ENOSYS, -EACCES, -EFAULT or -EIO
 */
int sdb__inject(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                int64_t *result);

/**
 * Find a thread that can make a call for the library's own ends (helper.c): one without a seccomp filter, or
 * the program may die of it.  A thread that runs may give all others a filter: if that may be, they have to
 * stand still.
 *
 * @param thread  asked first, and after it those of its process that stand still
 * @return it, or NULL: there is none
 */
struct sdb_thread *sdb__inject_helper(struct sdb_thread *thread);

/**
 * Find an instruction `syscall` in a process (place.c), in which nothing is planted.
 *
 * @param address  gets its address
 * @return 0, -ENOSYS: there is none that can be found, or -ESRCH
 */
int sdb__inject_place(struct sdb_process *process, uint64_t *address);

/** @return whether there is an instruction `syscall` of the program's own at this address */
bool sdb__inject_is_system_call(struct sdb_process *process, uint64_t address);

#endif
