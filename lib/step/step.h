/* SPDX-License-Identifier: MIT */
/*
 * Stepping to a place, see <sdb/step.h>.
 */
#ifndef SDB_LIB_STEP_STEP_H
#define SDB_LIB_STEP_STEP_H

#include <stdbool.h>

#include <sdb/step.h>

#include "session/event.h"

/**
 * A thread has come to a breakpoint.  If that is where it was to go, the step is over, and @p stop says
 * so if nothing else is to be told.
 *
 * @return whether it is over
 */
bool sdb__step_arrived(struct sdb_thread *thread, struct sdb__stop *stop);

/** Forget where a thread was to go. */
void sdb__step_cancel(struct sdb_thread *thread);

#endif
