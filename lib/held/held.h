/* SPDX-License-Identifier: MIT */
/*
 * All that a session holds.
 */
#ifndef SDB_LIB_HELD_HELD_H
#define SDB_LIB_HELD_HELD_H

#include "held/process.h"
#include "held/slots.h"
#include "held/thread.h"
#include "held/thread_table.h"

struct sdb__held {
    struct sdb_process *processes; /* the newest first */
    struct sdb__thread_table threads;
    struct sdb__slot_sizes slot_sizes;
};

#endif
