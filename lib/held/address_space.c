/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: reading, writing, and the bytes that stand in place of the program's own.
 *
 * /proc/PID/mem serves for all of it: it is the fastest way, any thread may use it, and it writes to
 * text that the program itself may not write.  The descriptor belongs to the memory, not to the
 * process: after an exec the process has another, and this one reads as empty.
 *
 * What changes planted bytes, or the program's own below them, does so under the lock, and `changes` is
 * odd meanwhile.  Reading takes no lock where nothing is planted: what is read counts if `changes` was
 * even and is the same afterwards.
 */
#include "held/address_space.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "arch/x86_64/raw_syscall.h"
#include "base/descriptor.h"
#include "kernel/procfs.h"

#define FIRST_SIZE 16

/* The kernel moves no more at once. */
#define MOST_AT_ONCE ((size_t)0x7ffff000)

/* What is moved while others wait for the lock, or again because something was changed meanwhile. */
#define PIECE ((size_t)1 << 20)

/* The same where bytes are planted, and what is written is put together first. */
#define MIXED_PIECE 4096

/* How often a piece is read again because something was planted or lifted meanwhile. */
#define MOST_TRIES 3

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

static void add(struct sdb__space *space, const struct sdb__planted *planted)
{
    *place_of(space, planted->address) = *planted;
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

/* The lock is held.  No reading that overlaps with this counts, until the end of it. */
static void begin_change(struct sdb__space *space)
{
    __atomic_store_n(&space->changes, space->changes + 1, __ATOMIC_SEQ_CST);
}

static void end_change(struct sdb__space *space)
{
    __atomic_store_n(&space->changes, space->changes + 1, __ATOMIC_SEQ_CST);
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

bool sdb__space_is_open(const struct sdb__space *space)
{
    return __atomic_load_n(&space->fd, __ATOMIC_ACQUIRE) >= 0;
}

void sdb__space_take_fd(struct sdb__space *space, int fd)
{
    pthread_mutex_lock(&space->lock);
    if (space->fd < 0) {
        __atomic_store_n(&space->fd, fd, __ATOMIC_RELEASE);
        fd = -1;
    }
    pthread_mutex_unlock(&space->lock);
    sdb__fd_close(&fd);
}

/* The very end of what addresses can say is no memory, so nothing that wraps around is lost. */
static size_t without_wrap(uint64_t address, size_t len)
{
    const uint64_t left = UINT64_MAX - address;
    const size_t most = left < SSIZE_MAX ? (size_t)left + (left == 0) : SSIZE_MAX;

    return len < most ? len : most;
}

/*
 * Copy a piece out to @p to, or else in from @p from.  The lock may be held, so this must not be where a
 * thread of the host is cancelled.
 *
 * @return how much, or as sdb__space_read()
 */
static inline ssize_t move(int fd, uint64_t address, void *to, const void *from, size_t len)
{
    long count;

    do {
        count = to ? sdb__raw_syscall(SYS_pread64, fd, to, len, address)
                   : sdb__raw_syscall(SYS_pwrite64, fd, from, len, address);
    } while (count == -EINTR);
    if (count < 0)
        /* What lies beyond what a file can be long is no memory. */
        return count == -EIO || count == -EINVAL || count == -EOVERFLOW ? -EFAULT : count;
    return count == 0 && len > 0 ? -ESRCH : count;
}

static void hide(struct sdb__planted *planted, size_t offset, void *data)
{
    ((uint8_t *)data)[offset] = planted->original;
}

/* @return whether what was read counts; planted bytes are hidden then.  The lock is not held. */
static inline bool is_consistent(struct sdb__space *space, unsigned before, uint64_t address,
                                 void *buffer, size_t len)
{
    bool consistent;

    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&space->planted_count, __ATOMIC_RELAXED) == 0)
        return __atomic_load_n(&space->changes, __ATOMIC_ACQUIRE) == before;
    pthread_mutex_lock(&space->lock);
    consistent = space->changes == before;
    if (consistent)
        for_each_in(space, address, len, hide, buffer);
    pthread_mutex_unlock(&space->lock);
    return consistent;
}

/* @return whether what was read counts: @p count bytes, or as sdb__space_read() */
static inline bool read_once(struct sdb__space *space, int fd, uint64_t address, void *buffer,
                             size_t len, ssize_t *count)
{
    const unsigned before = __atomic_load_n(&space->changes, __ATOMIC_ACQUIRE);

    if (before % 2 != 0)
        return false;
    *count = move(fd, address, buffer, NULL, len);
    return *count <= 0 || is_consistent(space, before, address, buffer, (size_t)*count);
}

static ssize_t read_piece(struct sdb__space *space, int fd, uint64_t address, void *buffer,
                          size_t len)
{
    ssize_t count;

    for (int tries = 0; tries < MOST_TRIES; tries++) {
        if (read_once(space, fd, address, buffer, len, &count))
            return count;
    }
    pthread_mutex_lock(&space->lock);
    count = move(fd, address, buffer, NULL, len);
    if (count > 0)
        for_each_in(space, address, (size_t)count, hide, buffer);
    pthread_mutex_unlock(&space->lock);
    return count;
}

static ssize_t read_pieces(struct sdb__space *space, int fd, uint64_t address, uint8_t *buffer,
                           size_t len)
{
    size_t done = 0;

    while (done < len) {
        const size_t part = len - done < PIECE ? len - done : PIECE;
        const ssize_t count = read_piece(space, fd, address + done, buffer + done, part);

        if (count < 0)
            return done > 0 ? (ssize_t)done : count;
        done += (size_t)count;
        if ((size_t)count < part)
            break;
    }
    return (ssize_t)done;
}

ssize_t sdb__space_read(struct sdb__space *space, pid_t pid, uint64_t address, void *buffer,
                        size_t len)
{
    const int fd = memory_of(space, pid);
    ssize_t count;

    if (fd < 0)
        return fd;
    len = without_wrap(address, len);
    /* Nearly always nothing is changed meanwhile, and it is done. */
    if (len <= MOST_AT_ONCE && read_once(space, fd, address, buffer, len, &count))
        return count;
    return read_pieces(space, fd, address, buffer, len);
}

static void note_one(struct sdb__planted *planted, size_t offset, void *data)
{
    (void)planted;
    (void)offset;
    *(bool *)data = true;
}

static void put_planted(struct sdb__planted *planted, size_t offset, void *data)
{
    ((uint8_t *)data)[offset] = planted->byte;
}

static void keep(struct sdb__planted *planted, size_t offset, void *data)
{
    planted->original = ((const uint8_t *)data)[offset];
}

/* Write a piece in which bytes are planted: they stay, and what is written there is kept for later. */
static ssize_t write_mixed(struct sdb__space *space, int fd, uint64_t address, const uint8_t *bytes,
                           size_t len)
{
    uint8_t mixed[MIXED_PIECE];
    uint8_t own[MIXED_PIECE];
    ssize_t count;

    memcpy(mixed, bytes, len);
    memcpy(own, bytes, len);
    for_each_in(space, address, len, put_planted, mixed);
    begin_change(space);
    count = move(fd, address, NULL, mixed, len);
    if (count > 0)
        for_each_in(space, address, (size_t)count, keep, own);
    end_change(space);
    return count;
}

static ssize_t write_piece(struct sdb__space *space, int fd, uint64_t address, const uint8_t *bytes,
                           size_t *len)
{
    bool some_planted = false;
    ssize_t count;

    pthread_mutex_lock(&space->lock);
    if (space->planted_count > 0)
        for_each_in(space, address, *len, note_one, &some_planted);
    if (some_planted && *len > MIXED_PIECE)
        *len = MIXED_PIECE;
    count = some_planted ? write_mixed(space, fd, address, bytes, *len)
                         : move(fd, address, NULL, bytes, *len);
    pthread_mutex_unlock(&space->lock);
    return count;
}

ssize_t sdb__space_write(struct sdb__space *space, pid_t pid, uint64_t address, const void *buffer,
                         size_t len)
{
    const int fd = memory_of(space, pid);
    size_t done = 0;

    if (fd < 0)
        return fd;
    len = without_wrap(address, len);
    while (done < len) {
        size_t part = len - done < PIECE ? len - done : PIECE;
        const ssize_t count =
            write_piece(space, fd, address + done, (const uint8_t *)buffer + done, &part);

        if (count < 0)
            return done > 0 ? (ssize_t)done : count;
        done += (size_t)count;
        if ((size_t)count < part)
            break;
    }
    return (ssize_t)done;
}

/* ---- planting ---- */

/* The lock is held. */
static int plant(struct sdb__space *space, pid_t pid, uint64_t address, uint8_t byte)
{
    struct sdb__planted planted = {.address = address, .byte = byte, .used = true};
    int fd = open_memory(space, pid);
    ssize_t count;
    int rc;

    if (fd < 0)
        return fd;
    if (find(space, address))
        return 0;
    rc = make_room(space, space->planted_count + 1);
    if (rc < 0)
        return rc;
    count = move(fd, address, &planted.original, NULL, 1);
    if (count < 0)
        return (int)count;
    begin_change(space);
    count = move(fd, address, NULL, &byte, 1);
    if (count == 1)
        add(space, &planted);
    end_change(space);
    if (count == -EFAULT)
        return -EIO; /* it was there to be read */
    return count < 0 ? (int)count : 0;
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
        uint8_t now = 0;

        begin_change(space);
        count = fd < 0 ? fd : move(fd, address, &now, NULL, 1);
        if (count == 1 && now == byte)
            count = move(fd, address, NULL, &original, 1);
        take_out(space, planted);
        end_change(space);
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
    pthread_mutex_lock(&copy->lock);
    begin_change(copy);
    rc = make_room(copy, copy->planted_count + from->planted_count);
    for (size_t at = 0; rc == 0 && at < from->planted_size; at++) {
        if (from->planted[at].used && !find(copy, from->planted[at].address))
            add(copy, &from->planted[at]);
    }
    end_change(copy);
    pthread_mutex_unlock(&copy->lock);
    pthread_mutex_unlock(&from->lock);
    return rc;
}
