/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: reading and writing, past the bytes that stand in place of the program's own (planted.c).
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
#include "held/planted.h"
#include "kernel/procfs.h"

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

/* ---- the memory itself ---- */

int sdb__space_open(struct sdb__space *space, pid_t pid)
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
    fd = sdb__space_open(space, pid);
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

ssize_t sdb__space_move(int fd, uint64_t address, void *to, const void *from, size_t len)
{
    return move(fd, address, to, from, len);
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
        sdb__planted_for_each(space, address, len, sdb__planted_hide, buffer);
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
        sdb__planted_for_each(space, address, (size_t)count, sdb__planted_hide, buffer);
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

/* What is written to a piece in which bytes are planted. */
struct mix {
    const uint8_t *own; /* what the program shall have */
    uint8_t now[MIXED_PIECE];
    size_t now_len; /* of what is there, as far as it can be read */
    uint8_t written[MIXED_PIECE];
};

static bool stands(struct sdb__planted *planted, const struct mix *mix, size_t offset)
{
    return offset < mix->now_len && sdb__planted_stands(planted, mix->now[offset]);
}

static void put_planted(struct sdb__planted *planted, size_t offset, void *data)
{
    struct mix *mix = data;

    if (stands(planted, mix, offset))
        mix->written[offset] = planted->byte;
}

static void keep(struct sdb__planted *planted, size_t offset, void *data)
{
    const struct mix *mix = data;

    if (stands(planted, mix, offset))
        planted->original = mix->own[offset];
}

/*
 * Write a piece in which bytes are planted.  Those that stand there stay, and what is written in their place
 * is kept for later.
 */
static ssize_t write_mixed(struct sdb__space *space, int fd, uint64_t address, const uint8_t *bytes,
                           size_t len)
{
    struct mix mix;
    ssize_t count;

    mix.own = bytes;
    count = move(fd, address, mix.now, NULL, len);
    if (count < 0)
        return count;
    mix.now_len = (size_t)count;
    memcpy(mix.written, bytes, len);
    sdb__planted_for_each(space, address, len, put_planted, &mix);
    sdb__space_begin_change(space);
    count = move(fd, address, NULL, mix.written, len);
    if (count > 0)
        sdb__planted_for_each(space, address, (size_t)count, keep, &mix);
    sdb__space_end_change(space);
    return count;
}

static ssize_t write_piece(struct sdb__space *space, int fd, uint64_t address, const uint8_t *bytes,
                           size_t *len)
{
    bool some_planted = false;
    ssize_t count;

    pthread_mutex_lock(&space->lock);
    if (space->planted_count > 0)
        sdb__planted_for_each(space, address, *len, note_one, &some_planted);
    if (some_planted && *len > MIXED_PIECE)
        *len = MIXED_PIECE;
    count = some_planted ? write_mixed(space, fd, address, bytes, *len)
                         : move(fd, address, NULL, bytes, *len);
    __atomic_store_n(&space->writes, space->writes + 1, __ATOMIC_RELEASE);
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
