/* SPDX-License-Identifier: MIT */
/*
 * The general registers of a thread that stands still: read at the first need, once a stop; written
 * back once, before it is resumed or let go.  The program counter, which is what is mostly asked for
 * and changed, is read and written alone where nothing else is: that costs the kernel much less.
 */
#ifndef SDB_LIB_REGISTER_CACHE_H
#define SDB_LIB_REGISTER_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>

struct sdb_thread;

struct sdb__register_cache {
    struct user_regs_struct general; /* only the program counter counts, unless `is_whole` */
    bool has_pc;
    bool is_whole;
    bool pc_changed; /* to be written back */
    bool changed;    /* all of them are */
};

/**
 * @param registers  gets the thread's own copy: after changing it, call sdb__registers_changed()
 * @return 0, or -ESRCH: it was killed just now
 */
int sdb__registers_general(struct sdb_thread *thread, struct user_regs_struct **registers);

/** Note that the copy was changed. */
void sdb__registers_changed(struct sdb_thread *thread);

/** @param pc  gets the program counter.  @return 0 or -ESRCH */
int sdb__registers_get_pc(struct sdb_thread *thread, uint64_t *pc);

/** Change the program counter, after it or all registers were read. */
void sdb__registers_set_pc(struct sdb_thread *thread, uint64_t pc);

/** Write back what was changed, and forget all: the thread is about to run.  @return 0 or -ESRCH */
int sdb__registers_flush(struct sdb_thread *thread);

/** Forget all: the kernel has other values. */
void sdb__registers_forget(struct sdb_thread *thread);

#endif
