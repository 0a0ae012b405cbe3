/* SPDX-License-Identifier: MIT */
/*
 * Single steps: of a thread that the caller has resumed to step, and of the library's own.
 */
#ifndef SDB_LIB_TRAP_SINGLE_STEP_H
#define SDB_LIB_TRAP_SINGLE_STEP_H

#include "session/feature.h"
#include "trap/one_step.h"

/* The end of a step is looked at before others look; a step begins when others have got it ready. */
#define SDB__STEP_BEGIN_SLOT 7

extern const struct sdb__feature sdb__single_step_feature;
extern const struct sdb__feature sdb__step_begin_feature;

/** Note that a feature of a process has its threads stepped, too, by what it has them resumed with. */
static inline void sdb__single_step_use(struct sdb_process *process)
{
    sdb__feature_use(process, SDB__SINGLE_STEP_SLOT);
    sdb__feature_use(process, SDB__STEP_BEGIN_SLOT);
}

/**
 * Execute the one instruction that a stopped thread stands at, with the signals that can wait waiting.
 *
 * @return 0: it stands behind it; 1: it stands in a stop that is still to be seen: before a signal that the
 *         instruction has caused; before a SIGSTOP, which does not wait (only from there can it be
 *         delivered as it has come, or not at all if a SIGCONT has come since); or behind the instruction,
 *         which has hit a watchpoint; or -ESRCH: it is dying
 */
int sdb__step_alone(struct sdb_thread *thread);

#endif
