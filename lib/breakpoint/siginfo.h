/* SPDX-License-Identifier: MIT */
/*
 * What a signal says of the instruction that it comes from.
 */
#ifndef SDB_LIB_BREAKPOINT_SIGINFO_H
#define SDB_LIB_BREAKPOINT_SIGINFO_H

#include <signal.h>
#include <stdbool.h>

#include "breakpoint/scratch.h"

/** @return whether it comes from the very instruction, and would come again with it */
bool sdb__siginfo_is_fault(const siginfo_t *info);

/**
 * A thread that stands in a slot does so before a signal: have that name the program's own place where it
 * names the slot.
 *
 * @param start  of the slot
 */
void sdb__siginfo_show_own_place(pid_t tid, const struct sdb__scratch_slot *slot, uint64_t start);

#endif
