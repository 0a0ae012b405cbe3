/* SPDX-License-Identifier: MIT */
/*
 * Planted bytes: those that stand in place of a program's own.
 *
 * They are checked, not believed.  The program may have unmapped one, moved it, or written over it; so
 * each use of one looks at what is there, and what was seen to be another is lost.  Only what stands there
 * is hidden, kept or lifted.  And one that could not be lifted stays known.
 */
#include "held/planted.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SIZE 16

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

/* In place of what is known there. */
static void put(struct sdb__space *space, const struct sdb__planted *planted)
{
    struct sdb__planted *place = place_of(space, planted->address);

    if (!place->used)
        __atomic_add_fetch(&space->planted_count, 1, __ATOMIC_RELAXED);
    *place = *planted;
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

void sdb__planted_hide(struct sdb__planted *planted, size_t offset, void *data)
{
    uint8_t *byte = (uint8_t *)data + offset;

    if (sdb__planted_stands(planted, *byte))
        *byte = planted->original;
}

/* By whichever is shorter to go through: the range or the table. */
void sdb__planted_for_each(struct sdb__space *space, uint64_t address, size_t len,
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

void sdb__space_begin_change(struct sdb__space *space)
{
    __atomic_store_n(&space->changes, space->changes + 1, __ATOMIC_SEQ_CST);
}

void sdb__space_end_change(struct sdb__space *space)
{
    __atomic_store_n(&space->changes, space->changes + 1, __ATOMIC_SEQ_CST);
}

/* ---- planting ---- */

/* @return as sdb__space_look() */
static int look(struct sdb__space *space, int fd, uint64_t address)
{
    struct sdb__planted *planted = find(space, address);
    uint8_t now;
    ssize_t count;

    if (!planted || planted->lost)
        return 0;
    count = sdb__space_move(fd, address, &now, NULL, 1);
    if (count == -EFAULT) {
        __atomic_store_n(&planted->lost, true, __ATOMIC_RELAXED); /* nothing is mapped there now */
        return 0;
    }
    return count < 0 ? (int)count : sdb__planted_stands(planted, now);
}

/* @return how many bytes the program has there, one of which is replaced now; or as sdb__space_plant() */
static ssize_t plant(struct sdb__space *space, int fd, uint64_t address, uint8_t byte,
                     uint8_t own[SDB__SPACE_AROUND])
{
    struct sdb__planted planted = {.address = address, .byte = byte, .used = true};
    ssize_t count;
    ssize_t written;
    int rc = look(space, fd, address);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = make_room(space, space->planted_count + 1);
    if (rc < 0)
        return rc;
    count = sdb__space_move(fd, address, own, NULL, SDB__SPACE_AROUND);
    if (count < 0)
        return count;
    sdb__planted_for_each(space, address, (size_t)count, sdb__planted_hide, own);
    planted.original = own[0];
    sdb__space_begin_change(space);
    written = sdb__space_move(fd, address, NULL, &byte, 1);
    if (written == 1)
        put(space, &planted);
    sdb__space_end_change(space);
    if (written < 0)
        return written == -EFAULT ? -EIO /* it was there to be read */ : written;
    return count;
}

ssize_t sdb__space_plant(struct sdb__space *space, pid_t pid, uint64_t address, uint8_t byte,
                         uint8_t own[SDB__SPACE_AROUND])
{
    ssize_t rc;

    pthread_mutex_lock(&space->lock);
    rc = sdb__space_open(space, pid);
    if (rc >= 0)
        rc = plant(space, (int)rc, address, byte, own);
    pthread_mutex_unlock(&space->lock);
    return rc;
}

int sdb__space_note_planted(struct sdb__space *space, const struct sdb__planted *planted)
{
    int rc;

    pthread_mutex_lock(&space->lock);
    rc = make_room(space, space->planted_count + 1);
    if (rc == 0) {
        sdb__space_begin_change(space);
        put(space, planted);
        sdb__space_end_change(space);
    }
    pthread_mutex_unlock(&space->lock);
    return rc;
}

static int lift(struct sdb__space *space, int fd, uint64_t address)
{
    struct sdb__planted *planted = find(space, address);
    int rc;

    if (!planted)
        return 0;
    rc = look(space, fd, address);
    sdb__space_begin_change(space);
    if (rc == 1)
        rc = (int)sdb__space_move(fd, address, NULL, &planted->original, 1);
    if (rc >= 0 || rc == -ESRCH)
        take_out(space, planted);
    sdb__space_end_change(space);
    return rc;
}

int sdb__space_lift(struct sdb__space *space, pid_t pid, uint64_t address)
{
    int rc;

    pthread_mutex_lock(&space->lock);
    rc = sdb__space_open(space, pid);
    if (rc >= 0)
        rc = lift(space, rc, address);
    pthread_mutex_unlock(&space->lock);
    return rc;
}

void sdb__space_forget_planted(struct sdb__space *space, uint64_t address)
{
    struct sdb__planted *planted;

    pthread_mutex_lock(&space->lock);
    planted = find(space, address);
    if (planted) {
        sdb__space_begin_change(space);
        take_out(space, planted);
        sdb__space_end_change(space);
    }
    pthread_mutex_unlock(&space->lock);
}

int sdb__space_look(struct sdb__space *space, pid_t pid, uint64_t address)
{
    int rc;

    if (__atomic_load_n(&space->planted_count, __ATOMIC_RELAXED) == 0)
        return 0;
    pthread_mutex_lock(&space->lock);
    rc = sdb__space_open(space, pid);
    if (rc >= 0)
        rc = look(space, rc, address);
    pthread_mutex_unlock(&space->lock);
    return rc;
}

bool sdb__space_is_planted(struct sdb__space *space, uint64_t address, struct sdb__planted *planted)
{
    const struct sdb__planted *found;
    bool stands;

    if (__atomic_load_n(&space->planted_count, __ATOMIC_RELAXED) == 0)
        return false;
    /* The table is this thread's; what others change in its entries is whether they are lost. */
    found = find(space, address);
    stands = found && !__atomic_load_n(&found->lost, __ATOMIC_RELAXED);
    if (!stands || !planted)
        return stands;
    pthread_mutex_lock(&space->lock);
    *planted = *found;
    pthread_mutex_unlock(&space->lock);
    return true;
}

int sdb__space_copy_planted(struct sdb__space *copy, struct sdb__space *from)
{
    int rc;

    pthread_mutex_lock(&from->lock);
    pthread_mutex_lock(&copy->lock);
    sdb__space_begin_change(copy);
    rc = make_room(copy, copy->planted_count + from->planted_count);
    for (size_t at = 0; rc == 0 && at < from->planted_size; at++) {
        if (from->planted[at].used && !find(copy, from->planted[at].address))
            put(copy, &from->planted[at]);
    }
    sdb__space_end_change(copy);
    pthread_mutex_unlock(&copy->lock);
    pthread_mutex_unlock(&from->lock);
    return rc;
}
