/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: what processes that share their memory (vfork, CLONE_VM) have in common.  That is the
 * descriptor of the memory and the bytes that are planted in it.
 *
 * Any thread may read and write; only the tracer thread plants and lifts.
 */
#ifndef SDB_LIB_HELD_ADDRESS_SPACE_H
#define SDB_LIB_HELD_ADDRESS_SPACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "held/slots.h"

/* A byte of the program's own that another stands in place of. */
struct sdb__planted {
    uint64_t address;
    uint8_t original;
    uint8_t byte; /* the other */
    bool used;    /* this place of the table */
    bool lost; /* something else was seen there since: whatever stands there now is the program's */
    bool shared; /* other processes have that memory too, and it may be lifted and planted there */
};

struct sdb__space {
    unsigned references;  /* atomic; one each process's, and one each copy's that is being used */
    pthread_mutex_t lock; /* of what follows, but for the tracer thread's */
    int fd;               /* /proc/PID/mem; -1: not open yet */
    struct sdb__planted *planted; /* a hash table by address, open addressing */
    size_t planted_size;          /* a power of two, or 0 */
    size_t planted_count;         /* atomic */
    unsigned changes;             /* atomic; odd while what is planted is being changed */
    unsigned writes;              /* atomic; counts what is written */

    /* The tracer thread's. */
    bool all_known;          /* whoever has this memory is held, and will be */
    uint64_t system_call;    /* an instruction that makes one, or 0: none is known */
    uint64_t system_call_32; /* the same for one of i386's */
    unsigned injected;       /* counts the system calls that stopped threads were had to make */
    void
        *slots[SDB__SLOT_COUNT]; /* what features know of the memory, each to be freed by its own */
};

/** @return a new one with one reference, or NULL */
struct sdb__space *sdb__space_create(void);

struct sdb__space *sdb__space_retain(struct sdb__space *space);

/** Drop a reference; NULL is allowed. */
void sdb__space_close(struct sdb__space *space);

/** @return whether its memory has been opened; any thread */
bool sdb__space_is_open(const struct sdb__space *space);

/** Give it the descriptor of its memory; it is closed if there is one already. */
void sdb__space_take_fd(struct sdb__space *space, int fd);

/**
 * Copy bytes out of the memory of a process, as the program has them: planted bytes are hidden.
 *
 * Bytes that are planted or lifted meanwhile are never seen, nor half of what is written at once where
 * bytes are planted.
 *
 * @param pid  a process that has this memory, for the first time that it is opened: one of the tracer
 *             thread's, which has not been reaped.  Other threads see to it that it is open
 * @return how many: fewer than wanted where the first page begins that cannot be read; or
 *         -EFAULT  not even the first byte
 *         -ESRCH   the memory is gone: the process has ended, or executes another program
 *         -EACCES, -EPERM, -EMFILE, -ENFILE, -ENOMEM, -ENOSYS  it could not be opened
 */
ssize_t sdb__space_read(struct sdb__space *space, pid_t pid, uint64_t address, void *buffer,
                        size_t len);

/** The same the other way; planted bytes stay, and what is written there is what the program has. */
ssize_t sdb__space_write(struct sdb__space *space, pid_t pid, uint64_t address, const void *buffer,
                         size_t len);

/* How much of what is around a byte is looked at when it is planted: an instruction. */
#define SDB__SPACE_AROUND 15

/**
 * Put a byte in place of the program's own, and remember that.  One that stands there stays.
 *
 * @param own  gets the program's own bytes from there on, as many as there are
 * @return how many; 0: it stood there, and nothing was done; -EIO: it can be read and not written, or as
 *         sdb__space_write()
 */
ssize_t sdb__space_plant(struct sdb__space *space, pid_t pid, uint64_t address, uint8_t byte,
                         uint8_t own[SDB__SPACE_AROUND]);

/**
 * Remember a byte that came there otherwise: with memory that others have too, or that has moved.
 *
 * @return 0 or -ENOMEM
 */
int sdb__space_note_planted(struct sdb__space *space, const struct sdb__planted *planted);

/**
 * Put the program's own byte back where ours stands.
 *
 * @return 1, 0: it stood there no more; or as sdb__space_write(): it is remembered still, but for -ESRCH
 */
int sdb__space_lift(struct sdb__space *space, pid_t pid, uint64_t address);

/** Remember a byte no more: it was lifted from memory that others have too. */
void sdb__space_forget_planted(struct sdb__space *space, uint64_t address);

/**
 * Look whether a byte that was planted stands there.
 *
 * @return 1, 0: there is none or it is lost, as of now; or as sdb__space_read(), but for -EFAULT
 */
int sdb__space_look(struct sdb__space *space, pid_t pid, uint64_t address);

/**
 * Tracer thread only.
 *
 * @param planted  unless it is NULL, gets what is known of it
 * @return whether a byte was planted there, and nothing else was seen there since
 */
bool sdb__space_is_planted(struct sdb__space *space, uint64_t address,
                           struct sdb__planted *planted);

/** Note for a copy of the memory (fork) what is planted in it.  @return 0 or -ENOMEM */
int sdb__space_copy_planted(struct sdb__space *copy, struct sdb__space *from);

#endif
