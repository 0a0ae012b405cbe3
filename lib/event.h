/* SPDX-License-Identifier: MIT */
/*
 * Wait statuses, decoded.  Nothing else in the library takes one apart.
 */
#ifndef SDB_LIB_EVENT_H
#define SDB_LIB_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/event.h>

#include "thread.h"

/** @return whether a wait status says that the process has ended */
bool sdb__status_is_end(int status);

/**
 * Say what a stop means.
 *
 * @param thread  the thread, as it was before the stop
 * @param signal  gets the signal that goes with it, or 0
 * @return enum sdb_event_kind
 */
uint32_t sdb__event_decode(const struct sdb_thread *thread, int status, int *signal);

#endif
