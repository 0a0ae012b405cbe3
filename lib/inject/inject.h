/* SPDX-License-Identifier: MIT */
/*
 * System calls that a stopped thread makes for us.
 */
#ifndef SDB_LIB_INJECT_INJECT_H
#define SDB_LIB_INJECT_INJECT_H

#include <stdbool.h>
#include <stddef.h>
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
 * In 32-bit code the number is one of i386's.
 *
 * @return 0, -ESRCH, -EBUSY, -ENOTSUP, -ENOSYS, -EACCES, -EFAULT, -EIO, -ENOMEM, -EMFILE or -ENFILE
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
 * Have it map memory, or unmap that.
 *
 * @param start   where, and nowhere else; or 0: where the kernel likes
 * @param result  gets what the kernel returned
 * @return as sdb__inject()
 */
int sdb__inject_map(struct sdb_thread *helper, uint64_t start, size_t length, int protection,
                    int64_t *result);
int sdb__inject_unmap(struct sdb_thread *helper, uint64_t start, size_t length);

/* An instruction that makes system calls: `syscall`, or `int $0x80` for those of i386. */
#define SDB__INJECT_INSTRUCTION_SIZE 2

/**
 * Find such an instruction in a process (place.c), in which nothing is planted.
 *
 * @param is_i386  `int $0x80`
 * @param address  gets its address
 * @return 0, -ESRCH, -ENOSYS: there is none that can be found, -ENOMEM, -EMFILE or -ENFILE
 */
int sdb__inject_place(struct sdb_process *process, bool is_i386, uint64_t *address);

/** @return whether there is one of the program's own at this address */
bool sdb__inject_is_system_call(struct sdb_process *process, bool is_i386, uint64_t address);

#endif
