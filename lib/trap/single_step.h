/* SPDX-License-Identifier: MIT */
/*
 * Single steps: of a thread that the caller has resumed to step, and of the library's own.
 */
#ifndef SDB_LIB_TRAP_SINGLE_STEP_H
#define SDB_LIB_TRAP_SINGLE_STEP_H

#include "session/feature.h"

#define SDB__SINGLE_STEP_SLOT 2

extern const struct sdb__feature sdb__single_step_feature;

/**
 * Execute the one instruction that a stopped thread stands at, with the signals that can wait waiting.
 *
 * @return 0: it stands behind it; 1: it stands before a signal that the instruction has caused, or before
 *         a SIGSTOP, which does not wait: only from there can it be delivered as it has come, or not at
 *         all if a SIGCONT has come since; or -ESRCH: it is dying
 */
int sdb__step_alone(struct sdb_thread *thread);

#endif
