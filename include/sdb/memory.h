/* SPDX-License-Identifier: MIT */
/**
 * The memory of held processes: reading and writing.
 *
 * Any thread may do this, whether the process stands still or runs; neither its tracer thread nor a
 * stop is needed.  While it runs, what is read may be changing: only what the program itself would see
 * whole is seen whole.
 *
 * The bytes that breakpoints plant are never seen: a reader gets the program's own instructions, and
 * what a writer puts there is what the program has once the breakpoint is lifted.
 *
 * What the process could not do itself is possible here: reading memory without permission to read,
 * writing read-only memory and its code (the process gets a copy of its own of such a page; files are
 * never changed by that).  Only memory that is shared and read-only cannot be written.
 *
 * The memory is that of the program that the process executes.  Between the kernel's exec and the
 * moment when the tracer thread sees it (in sdb_session_wait() and other calls that wait), the memory
 * of the old program is gone, which is -EAGAIN; but if nobody had read or written it before, that of the
 * new one is there already.
 *
 * These calls are not for a forked child of the host.
 */
#ifndef SDB_MEMORY_H
#define SDB_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_process;

/**
 * Copy bytes out of a process.
 *
 * @param address  of the first one, in the process
 * @param buffer   room for @p length bytes; what lies past the returned count is undefined
 * @param length   bytes wanted; 0 returns 0, whatever the process.  More than the address space has
 *                 left is allowed
 * @return how many: fewer than wanted where a page begins that is not mapped; or
 *         -EINVAL  @p process is NULL, or @p buffer is, and @p length is not 0
 *         -EFAULT  not even the first byte is mapped
 *         -ESRCH   the process is gone, let go, or has ended
 *         -EAGAIN  it has executed another program, and the tracer thread has not seen that yet
 *         -EACCES, -EPERM  the system does not let this host see the memory (it executes a program that
 *                  the host's user may not read)
 *         -EMFILE, -ENFILE, -ENOMEM  the memory could not be opened, which is done once a program
 *         -ENOSYS  there is no /proc to open it with
 *
 * Any thread.  Since 0.1.
 */
SDB_API int64_t sdb_memory_read(struct sdb_process *process, uint64_t address, void *buffer,
                                size_t length);

/**
 * Copy bytes into a process.
 *
 * @return how many: fewer than wanted where a page begins that cannot be written; or as
 *         sdb_memory_read(); -EFAULT: not even the first byte
 *
 * Any thread.  Since 0.1.
 */
SDB_API int64_t sdb_memory_write(struct sdb_process *process, uint64_t address, const void *buffer,
                                 size_t length);

/** A piece of memory to be read or written, one of several.  Since 0.1. */
struct sdb_memory_part {
    uint64_t address; /* in the process */
    void *buffer;     /* for writing it is only read from */
    size_t length;
    size_t done; /* gets how many of its bytes were copied */
};

/**
 * Read several pieces at once.  Each has a count of its own: one that falls short, or cannot be read at
 * all (then its count is 0), does not keep the others from being read.
 *
 * @param parts  which; their `done` is set if this does not return -EINVAL
 * @param count  how many there are; 0 returns 0
 * @return the sum of their counts, which is 0 if none of them is mapped; or as sdb_memory_read(), but
 *         for -EFAULT.  -EINVAL: also if @p parts is NULL, or a buffer is whose length is not 0; then
 *         none was read.  Where the process ends, or executes another program, after some were read,
 *         the sum of those
 *
 * Any thread.  Since 0.1.
 */
SDB_API int64_t sdb_memory_read_parts(struct sdb_process *process, struct sdb_memory_part *parts,
                                      size_t count);

/** The same the other way.  Parts that overlap are written in their order.  Since 0.1. */
SDB_API int64_t sdb_memory_write_parts(struct sdb_process *process, struct sdb_memory_part *parts,
                                       size_t count);

/**
 * Read a string that ends with a NUL.  No page beyond the one that holds the NUL is touched, but where
 * the string is longer than a page.
 *
 * @param buffer  gets the string with its NUL
 * @param size    its room in bytes, more than 0
 * @return the length of the string without its NUL, or as sdb_memory_read(); and
 *         -EINVAL        also if @p size is 0
 *         -ENAMETOOLONG  there is no NUL within @p size bytes, which are in @p buffer, without a NUL
 *         -EFAULT        it runs into memory that is not mapped before its NUL.  What lies before that is
 *                        in @p buffer, followed by a NUL
 *
 * Any thread.  Since 0.1.
 */
SDB_API int64_t sdb_memory_read_string(struct sdb_process *process, uint64_t address, char *buffer,
                                       size_t size);

SDB_END_DECLS

#endif
