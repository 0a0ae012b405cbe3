/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints in the debug registers.
 *
 * Each address of one, in each process that has it, is a place, which owns one slot while the
 * breakpoint is enabled.
 */
#ifndef SDB_LIB_BREAKPOINT_HARDWARE_H
#define SDB_LIB_BREAKPOINT_HARDWARE_H

#include <stddef.h>
#include <stdint.h>

#include "breakpoint/breakpoint.h"

struct sdb__hardware_place {
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process;
    struct sdb__hardware_place *next_of_breakpoint;
    struct sdb__hardware_place *next_of_process;
    uint64_t address;
};

/** Give a breakpoint its places in a process.  @return 0, -ENOSPC or -ENOMEM */
int sdb__hardware_begin(struct sdb_breakpoint *breakpoint, struct sdb_process *process,
                        const uint64_t *addresses, size_t count);

/** Take them from it, in all processes. */
void sdb__hardware_end(struct sdb_breakpoint *breakpoint);

/** Acquire slots for all of its places.  @return 0, or as sdb__debug_acquire(), and it has none */
int sdb__hardware_enable(struct sdb_breakpoint *breakpoint);

void sdb__hardware_disable(struct sdb_breakpoint *breakpoint);

/** The same without stopping any thread: hits until then are none. */
void sdb__hardware_disable_soon(struct sdb_breakpoint *breakpoint);

/**
 * Give a newborn process, which has not run yet, the same places; but for those of one thread only.
 *
 * @return 0 or -ENOMEM
 */
int sdb__hardware_inherit(struct sdb_process *child, const struct sdb_process *parent);

/** Take all from a process: it has executed another program, or is gone. */
void sdb__hardware_forget(struct sdb_process *process);

/**
 * Look whether a thread that stands before a SIGTRAP has come to such a place.
 *
 * @return as sdb__breakpoint_look()
 */
enum sdb__verdict sdb__hardware_look(struct sdb_thread *thread, struct sdb__stop *stop);

/**
 * A thread goes on to a signal.  If the instruction that it stands at has caused it by a fault, that is hit
 * again when the handler returns to it: the flag by which the processor passes a place once is not kept.
 */
void sdb__hardware_deliver(struct sdb_thread *thread);

#endif
