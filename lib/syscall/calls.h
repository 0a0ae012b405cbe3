/* SPDX-License-Identifier: MIT */
/*
 * System calls of held threads: which are caught in a process, and what is known of the one that a
 * thread is in.
 *
 * catch.c decides what becomes of a stop at either end of a call; syscall.c has what a caller
 * asks of one.
 */
#ifndef SDB_LIB_SYSCALL_CALLS_H
#define SDB_LIB_SYSCALL_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/thread.h>

#include "kernel/call_set.h"
#include "kernel/ptrace.h"
#include "session/feature.h"

#define SDB__SYSCALL_SLOT 6

extern const struct sdb__feature sdb__syscall_feature;

/* What is caught in a process.  A newborn has it from its parent. */
struct sdb__catching {
    bool some;            /* anything at all */
    bool all;             /* else `wanted` */
    bool entries_only;    /* no ends */
    bool has_filter;      /* that of `caught_syscalls`, which picks out `filter` */
    bool filter_suffices; /* all that is wanted is in it */
    struct sdb__call_set wanted;
    struct sdb__call_set filter;
};

/* The call that a thread is in. */
struct sdb__calls {
    bool caught;        /* its beginning was */
    bool before_filter; /* its beginning was seen, and the filter is still to see it */
    bool restarts;      /* it was caught, and has ended to be taken up by restart_syscall(2) */
    bool entry_known;   /* `entry` is what it was made with */
    bool stop_known;    /* `stop` is what the kernel says of where the thread stands */
    bool interrupted;   /* the library has interrupted it, without a word; it is made again next */
    bool again;         /* the thread stands where that begins, of which nothing is told either */
    int refused;        /* the errno that it shall return, or 0 */
    struct {
        uint32_t architecture;
        int64_t number;
        uint64_t arguments[6];
    } entry;
    struct sdb__ptrace_call stop;
    struct {
        uint32_t architecture;
        int64_t number;
        uint64_t instruction_pointer;
        uint64_t stack_pointer;
        int64_t result;
    } interrupted_end; /* what would have been told */
};

static inline struct sdb__calls *sdb__calls(const struct sdb_thread *thread)
{
    return thread->slots[SDB__SYSCALL_SLOT];
}

/** Ask the kernel about the call that a thread stands in, once a stop.  @return 0, -ESRCH or -ENOSYS */
int sdb__calls_look(struct sdb_thread *thread);

#endif
