/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: reading, writing, and the bytes that stand in place of the program's own.
 *
 * /proc/PID/mem serves for all of it: it is the fastest way, any thread may use it, and it writes to
 * text that the program itself may not write.  The descriptor belongs to the memory, not to the
 * process: after an exec the process has another, and this one reads as empty.
 */
#include "address_space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"
#include "procfs.h"

#define FIRST_SIZE 16

/* The kernel moves no more at once. */
#define MOST_AT_ONCE ((size_t)0x7ffff000)

struct sdb__space *sdb__space_create(void)
{
    struct sdb__space *space = calloc(1, sizeof(*space));

    if (!space)
        return NULL;
    if (pthread_mutex_init(&space->lock, NULL) != 0) {
        free(space);
        return NULL;
    }
    space->references = 1;
    space->fd = -1;
    return space;
}

struct sdb__space *sdb__space_retain(struct sdb__space *space)
{
    __atomic_add_fetch(&space->references, 1, __ATOMIC_RELAXED);
    return space;
}

void sdb__space_close(struct sdb__space *space)
{
    if (!space || __atomic_sub_fetch(&space->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    sdb__fd_close(&space->fd);
    pthread_mutex_destroy(&space->lock);
    free(space->planted);
    free(space);
}

/* ---- the table of what is planted ---- */

/* Where an address is, or would be; there is always room for one more. */
static struct sdb__planted *place_of(const struct sdb__space *space, uint64_t address)
{
    size_t at = (size_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 20);

    while (space->planted[at & (space->planted_size - 1)].used &&
           space->planted[at & (space->planted_size - 1)].address != address)
        at++;
    return &space->planted[at & (space->planted_size - 1)];
}

static struct sdb__planted *find(const struct sdb__space *space, uint64_t address)
{
    struct sdb__planted *planted = space->planted_size > 0 ? place_of(space, address) : NULL;

    return planted && planted->used ? planted : NULL;
}

static int make_room(struct sdb__space *space, size_t count)
{
    struct sdb__planted *before = space->planted;
    const size_t size_before = space->planted_size;
    size_t size = size_before == 0 ? FIRST_SIZE : size_before;

    while (count * 2 > size)
        size *= 2;
    if (size == size_before)
        return 0;
    space->planted = calloc(size, sizeof(*space->planted));
    if (!space->planted) {
        space->planted = before;
        return -ENOMEM;
    }
    space->planted_size = size;
    for (size_t at = 0; at < size_before; at++) {
        if (before[at].used)
            *place_of(space, before[at].address) = before[at];
    }
    free(before);
    return 0;
}

static void add(struct sdb__space *space, uint64_t address, uint8_t original)
{
    *place_of(space, address) =
        (struct sdb__planted){.address = address, .original = original, .used = true};
    __atomic_add_fetch(&space->planted_count, 1, __ATOMIC_RELAXED);
}

static void take_out(struct sdb__space *space, struct sdb__planted *planted)
{
    size_t at = (size_t)(planted - space->planted);

    planted->used = false;
    __atomic_sub_fetch(&space->planted_count, 1, __ATOMIC_RELAXED);
    /* Those behind it may have been put there because it was in the way. */
    for (;;) {
        struct sdb__planted *next;
        struct sdb__planted moved;

        at = (at + 1) & (space->planted_size - 1);
        next = &space->planted[at];
        if (!next->used)
            return;
        moved = *next;
        next->used = false;
        *place_of(space, moved.address) = moved;
    }
}

/* Call a function for each planted byte in a range, whichever is shorter to go through. */
static void for_each_in(struct sdb__space *space, uint64_t address, size_t len,
                        void (*visit)(struct sdb__planted *planted, size_t offset, void *data),
                        void *data)
{
    if (len < space->planted_size) {
        for (size_t offset = 0; offset < len; offset++) {
            struct sdb__planted *planted = find(space, address + offset);

            if (planted)
                visit(planted, offset, data);
        }
        return;
    }
    for (size_t at = 0; at < space->planted_size; at++) {
        struct sdb__planted *planted = &space->planted[at];

        if (planted->used && planted->address - address < len)
            visit(planted, (size_t)(planted->address - address), data);
    }
}

/* ---- the memory itself ---- */

/* The lock is held. */
static int open_memory(struct sdb__space *space, pid_t pid)
{
    int fd;

    if (space->fd >= 0)
        return space->fd;
    fd = sdb__procfs_open_memory(pid);
    if (fd < 0)
        return fd;
    __atomic_store_n(&space->fd, fd, __ATOMIC_RELEASE);
    return fd;
}

static int memory_of(struct sdb__space *space, pid_t pid)
{
    int fd = __atomic_load_n(&space->fd, __ATOMIC_ACQUIRE);

    if (fd >= 0)
        return fd;
    pthread_mutex_lock(&space->lock);
    fd = open_memory(space, pid);
    pthread_mutex_unlock(&space->lock);
    return fd;
}

/* Copy out to @p to, or else in from @p from. */
static ssize_t move(int fd, uint64_t address, void *to, const void *from, size_t len)
{
    size_t done = 0;

    while (done < len) {
        const size_t part = len - done < MOST_AT_ONCE ? len - done : MOST_AT_ONCE;
        const off_t at = (off_t)(address + done);
        ssize_t count = to ? pread(fd, (char *)to + done, part, at)
                           : pwrite(fd, (const char *)from + done, part, at);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && done == 0)
            /* What lies beyond what a file can be long is no memory. */
            return errno == EIO || errno == EINVAL || errno == EOVERFLOW ? -EFAULT : -errno;
        if (count == 0 && done == 0)
            return -ESRCH;
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

static void hide(struct sdb__planted *planted, size_t offset, void *data)
{
    ((uint8_t *)data)[offset] = planted->original;
}

ssize_t sdb__space_read(struct sdb__space *space, pid_t pid, uint64_t address, void *buffer,
                        size_t len)
{
    int fd = memory_of(space, pid);
    ssize_t count;

    if (fd < 0)
        return fd;
    if (__atomic_load_n(&space->planted_count, __ATOMIC_RELAXED) == 0)
        return move(fd, address, buffer, NULL, len);
    pthread_mutex_lock(&space->lock);
    count = move(fd, address, buffer, NULL, len);
    if (count > 0)
        for_each_in(space, address, (size_t)count, hide, buffer);
    pthread_mutex_unlock(&space->lock);
    return count;
}

struct written {
    const uint8_t *bytes;
    uint64_t end; /* of the piece that goes to the memory as it is */
    uint64_t begin;
};

static void find_first(struct sdb__planted *planted, size_t offset, void *data)
{
    struct written *written = data;

    (void)offset;
    if (planted->address < written->end)
        written->end = planted->address;
}

/* Write around what is planted.  The lock is held. */
static ssize_t write_around(struct sdb__space *space, uint64_t address, const uint8_t *bytes,
                            size_t len)
{
    size_t done = 0;

    while (done < len) {
        struct written written = {.end = address + len};
        struct sdb__planted *planted;
        size_t part;

        for_each_in(space, address + done, len - done, find_first, &written);
        part = (size_t)(written.end - (address + done));
        if (part > 0) {
            ssize_t count = move(space->fd, address + done, NULL, bytes + done, part);

            if (count < 0)
                return done > 0 ? (ssize_t)done : count;
            done += (size_t)count;
            if ((size_t)count < part)
                break;
        }
        if (done == len)
            break;
        planted = find(space, address + done);
        planted->original = bytes[done++];
    }
    return (ssize_t)done;
}

ssize_t sdb__space_write(struct sdb__space *space, pid_t pid, uint64_t address, const void *buffer,
                         size_t len)
{
    int fd = memory_of(space, pid);
    ssize_t count;

    if (fd < 0)
        return fd;
    if (__atomic_load_n(&space->planted_count, __ATOMIC_RELAXED) == 0)
        return move(fd, address, NULL, buffer, len);
    pthread_mutex_lock(&space->lock);
    count = write_around(space, address, buffer, len);
    pthread_mutex_unlock(&space->lock);
    return count;
}

/* ---- planting ---- */

/* The lock is held. */
static int plant(struct sdb__space *space, pid_t pid, uint64_t address, uint8_t byte)
{
    int fd = open_memory(space, pid);
    uint8_t original;
    ssize_t count;
    int rc;

    if (fd < 0)
        return fd;
    if (find(space, address))
        return 0;
    rc = make_room(space, space->planted_count + 1);
    if (rc < 0)
        return rc;
    count = move(fd, address, &original, NULL, 1);
    if (count == 1)
        count = move(fd, address, NULL, &byte, 1);
    if (count < 0)
        return (int)count;
    add(space, address, original);
    return 0;
}

int sdb__space_plant(struct sdb__space *space, pid_t pid, uint64_t address, uint8_t byte)
{
    int rc;

    pthread_mutex_lock(&space->lock);
    rc = plant(space, pid, address, byte);
    pthread_mutex_unlock(&space->lock);
    return rc;
}

int sdb__space_lift(struct sdb__space *space, pid_t pid, uint64_t address, uint8_t byte)
{
    struct sdb__planted *planted;
    ssize_t count = 0;
    int fd;

    pthread_mutex_lock(&space->lock);
    fd = open_memory(space, pid);
    planted = find(space, address);
    if (planted) {
        uint8_t original = planted->original;
        uint8_t now;

        count = fd < 0 ? fd : move(fd, address, &now, NULL, 1);
        if (count == 1 && now == byte)
            count = move(fd, address, NULL, &original, 1);
        take_out(space, planted);
    }
    pthread_mutex_unlock(&space->lock);
    return count < 0 ? (int)count : 0;
}

bool sdb__space_is_planted(struct sdb__space *space, uint64_t address, uint8_t *original)
{
    const struct sdb__planted *planted;

    if (__atomic_load_n(&space->planted_count, __ATOMIC_RELAXED) == 0)
        return false;
    pthread_mutex_lock(&space->lock);
    planted = find(space, address);
    if (planted && original)
        *original = planted->original;
    pthread_mutex_unlock(&space->lock);
    return planted != NULL;
}

int sdb__space_copy_planted(struct sdb__space *copy, struct sdb__space *from)
{
    int rc;

    pthread_mutex_lock(&from->lock);
    rc = make_room(copy, from->planted_count);
    for (size_t at = 0; rc == 0 && at < from->planted_size; at++) {
        if (from->planted[at].used)
            add(copy, from->planted[at].address, from->planted[at].original);
    }
    pthread_mutex_unlock(&from->lock);
    return rc;
}
