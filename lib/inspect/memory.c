/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing memory, from any thread.
 *
 * The address space does the work (address_space.c).  Here it is found, kept as long as it is used, and
 * opened; and where it is gone, it is found out why.
 */
#include <sdb/memory.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "held/process.h"
#include "session/session.h"

/* Strings are looked for in small pieces first: most end there. */
#define FIRST_PIECE 256
#define MOST_PIECE  65536
#define PAGE        4096

/* The memory of a process while a call uses it. */
struct use {
    struct sdb_process *process;
    struct sdb__space *space;
    bool retained;
};

/*
 * Only the tracer thread changes which memory a process has, so that it needs no reference of its own.
 * Others may look at whose session it is: it can be that of their own thread only if it stays so.
 */
static int begin_use(struct use *use, struct sdb_process *process)
{
    const struct sdb_session *session = __atomic_load_n(&process->session, __ATOMIC_RELAXED);
    int rc = 0;

    if (__atomic_load_n(&process->memory_closed, __ATOMIC_ACQUIRE))
        return -ESRCH;
    use->process = process;
    use->retained = !session || !sdb__session_is_ours(session);
    use->space = use->retained ? sdb__process_space(process) : process->space;
    if (!sdb__space_is_open(use->space))
        rc = sdb__process_open_space(process, use->space);
    if (rc < 0 && use->retained)
        sdb__space_close(use->space);
    return rc;
}

/* @return @p count, or why the memory is gone */
static int64_t end_use(const struct use *use, int64_t count)
{
    if (count == -ESRCH && sdb__process_has_other_memory(use->process))
        count = -EAGAIN;
    if (use->retained)
        sdb__space_close(use->space);
    return count;
}

int64_t sdb_memory_read(struct sdb_process *process, uint64_t address, void *buffer, size_t length)
{
    struct use use;
    int rc;

    if (!process || (!buffer && length > 0))
        return -EINVAL;
    if (length == 0)
        return 0;
    rc = begin_use(&use, process);
    if (rc < 0)
        return rc;
    return end_use(&use, sdb__space_read(use.space, process->pid, address, buffer, length));
}

int64_t sdb_memory_write(struct sdb_process *process, uint64_t address, const void *buffer,
                         size_t length)
{
    struct use use;
    int rc;

    if (!process || (!buffer && length > 0))
        return -EINVAL;
    if (length == 0)
        return 0;
    rc = begin_use(&use, process);
    if (rc < 0)
        return rc;
    return end_use(&use, sdb__space_write(use.space, process->pid, address, buffer, length));
}

/* ---- several pieces ---- */

static ssize_t copy_part(const struct use *use, const struct sdb_memory_part *part, bool writes)
{
    if (part->length == 0)
        return 0;
    return writes ? sdb__space_write(use->space, use->process->pid, part->address, part->buffer,
                                     part->length)
                  : sdb__space_read(use->space, use->process->pid, part->address, part->buffer,
                                    part->length);
}

static int64_t copy_parts(const struct use *use, struct sdb_memory_part *parts, size_t count,
                          bool writes)
{
    int64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        ssize_t done = copy_part(use, &parts[i], writes);

        if (done == -EFAULT)
            continue;
        if (done < 0)
            return total > 0 ? total : done;
        parts[i].done = (size_t)done;
        total += done;
    }
    return total;
}

static int64_t use_parts(struct sdb_process *process, struct sdb_memory_part *parts, size_t count,
                         bool writes)
{
    struct use use;
    int rc;

    if (!process || (!parts && count > 0))
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (!parts[i].buffer && parts[i].length > 0)
            return -EINVAL;
    }
    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        parts[i].done = 0;
    rc = begin_use(&use, process);
    if (rc < 0)
        return rc;
    return end_use(&use, copy_parts(&use, parts, count, writes));
}

int64_t sdb_memory_read_parts(struct sdb_process *process, struct sdb_memory_part *parts,
                              size_t count)
{
    return use_parts(process, parts, count, false);
}

int64_t sdb_memory_write_parts(struct sdb_process *process, struct sdb_memory_part *parts,
                               size_t count)
{
    return use_parts(process, parts, count, true);
}

/* ---- strings ---- */

/* How much to read at once where so much of a string has been read: not into a page that it may not
 * reach. */
static size_t piece_at(uint64_t address, size_t done)
{
    const size_t to_page_end = PAGE - (size_t)((address + done) % PAGE);

    if (done == 0)
        return to_page_end < FIRST_PIECE ? to_page_end : FIRST_PIECE;
    /* Beyond a page a string is expected to go on for as long again. */
    if (done >= PAGE && to_page_end == PAGE)
        return done / PAGE * PAGE < MOST_PIECE ? done / PAGE * PAGE : MOST_PIECE;
    return to_page_end;
}

static int64_t read_string(const struct use *use, uint64_t address, char *buffer, size_t size)
{
    size_t done = 0;

    while (done < size) {
        const size_t piece = piece_at(address, done);
        const size_t part = size - done < piece ? size - done : piece;
        ssize_t count =
            sdb__space_read(use->space, use->process->pid, address + done, buffer + done, part);
        const char *end = count > 0 ? memchr(buffer + done, '\0', (size_t)count) : NULL;

        if (end)
            return end - buffer;
        if (count < 0 && count != -EFAULT)
            return count;
        done += count > 0 ? (size_t)count : 0;
        if (count < (ssize_t)part) {
            buffer[done] = '\0';
            return -EFAULT;
        }
    }
    return -ENAMETOOLONG;
}

int64_t sdb_memory_read_string(struct sdb_process *process, uint64_t address, char *buffer,
                               size_t size)
{
    struct use use;
    int rc;

    if (!process || !buffer || size == 0)
        return -EINVAL;
    rc = begin_use(&use, process);
    if (rc < 0)
        return rc;
    return end_use(&use, read_string(&use, address, buffer, size));
}
