/* SPDX-License-Identifier: MIT */
/*
 * The general registers of a thread that stands still: read at the first need, once a stop; written
 * back once, before it is resumed or let go.
 */
#ifndef SDB_LIB_REGISTER_CACHE_H
#define SDB_LIB_REGISTER_CACHE_H

#include <stdbool.h>
#include <sys/user.h>

struct sdb_thread;

enum sdb__register_cache_state {
    SDB__REGISTERS_UNREAD = 0,
    SDB__REGISTERS_READ,
    SDB__REGISTERS_CHANGED, /* to be written back */
};

struct sdb__register_cache {
    struct user_regs_struct general;
    enum sdb__register_cache_state state;
};

/**
 * @param registers  gets the thread's own copy: after changing it, call sdb__registers_changed()
 * @return 0, or -ESRCH: it was killed just now
 */
int sdb__registers_general(struct sdb_thread *thread, struct user_regs_struct **registers);

/** Note that the copy was changed. */
void sdb__registers_changed(struct sdb_thread *thread);

/** Write back what was changed, and forget all: the thread is about to run.  @return 0 or -ESRCH */
int sdb__registers_flush(struct sdb_thread *thread);

/** Forget all: the kernel has other values. */
void sdb__registers_forget(struct sdb_thread *thread);

#endif
