/* SPDX-License-Identifier: MIT */
/*
 * The memory of a thread as its program may use it: what is protected from the program is from this,
 * too, unlike with the descriptors of procfs_memory.c.
 */
#ifndef SDB_LIB_KERNEL_PROGRAM_MEMORY_H
#define SDB_LIB_KERNEL_PROGRAM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** @return whether all of it could be read; the program would fault elsewhere */
bool sdb__program_read(pid_t tid, uint64_t address, void *buffer, size_t len);

/** The same the other way. */
bool sdb__program_write(pid_t tid, uint64_t address, const void *buffer, size_t len);

#endif
