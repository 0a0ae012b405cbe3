/* SPDX-License-Identifier: MIT */
/*
 * System calls of held threads: which are caught in a process, and what is known of the one that a
 * thread is in.
 *
 * syscall_catch.c decides what becomes of a stop at either end of a call; syscall.c has what a caller
 * asks of one.
 */
#ifndef SDB_LIB_SYSCALL_CALLS_H
#define SDB_LIB_SYSCALL_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/thread.h>

#include "kernel/ptrace.h"
#include "launch/call_set.h"

struct sdb__stop;

/* What is caught in a process.  A newborn has it from its parent. */
struct sdb__catching {
    bool some;              /* anything at all */
    bool all;               /* else `wanted` */
    bool entries_only;      /* no ends */
    bool has_filter;        /* that of `caught_syscalls`, which picks out `filter` */
    bool filter_suffices;   /* all that is wanted is in it */
    bool release_permitted; /* although it has a filter */
    struct sdb__call_set wanted;
    struct sdb__call_set filter;
};

/* The call that a thread is in. */
struct sdb__calls {
    bool watched;       /* it was resumed so that both ends of any call stop it (PTRACE_SYSCALL) */
    bool caught;        /* its beginning was */
    bool before_filter; /* its beginning was seen, and the filter is still to see it */
    bool restarts;      /* it was caught, and has ended to be taken up by restart_syscall(2) */
    bool entry_known;   /* `entry` is what it was made with */
    bool stop_known;    /* `stop` is what the kernel says of where the thread stands */
    int refused;        /* the errno that it shall return, or 0 */
    struct {
        uint32_t architecture;
        int64_t number;
        uint64_t arguments[6];
    } entry;
    struct sdb__ptrace_call stop;
};

/**
 * Begin with the filter of a launch: its calls are wanted.
 *
 * @param wanted  filled by sdb__call_set_fill()
 */
void sdb__catching_by_filter(struct sdb__catching *catching, const struct sdb__call_set *wanted);

/** @return whether the process may not be let go */
static inline bool sdb__catching_holds(const struct sdb__catching *catching)
{
    return catching->has_filter && !catching->release_permitted;
}

/**
 * Note a stop of a thread.
 *
 * @return whether nothing is to be told of it, and the thread shall go on as it did before
 */
bool sdb__calls_take_stop(struct sdb_thread *thread, const struct sdb__stop *stop);

/**
 * Note that a thread is about to be resumed.
 *
 * @return how the kernel shall do it
 */
enum sdb_resume sdb__calls_resume(struct sdb_thread *thread, enum sdb_resume how);

/** Ask the kernel about the call that a thread stands in, once a stop.  @return 0, -ESRCH or -ENOSYS */
int sdb__calls_look(struct sdb_thread *thread);

/** Have what a refused call returns be what it shall. */
void sdb__calls_put_refusal(struct sdb_thread *thread);

#endif
