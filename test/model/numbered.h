/* SPDX-License-Identifier: MIT */
/*
 * Signals from outside that have a number each (sigqueue(3)): every one of them is told once and
 * handled once, or dropped.
 */
#ifndef SDB_TEST_MODEL_NUMBERED_H
#define SDB_TEST_MODEL_NUMBERED_H

#include <stdbool.h>
#include <sys/types.h>

struct known_thread;

/** Forget all. */
void numbered_begin(void);

/** Send the next to a process, or to one of its threads. */
void numbered_send(pid_t pid, pid_t tid);

/** One is told. */
void numbered_see(struct known_thread *thread);

/** The one at which the thread stands is dropped. */
void numbered_drop(struct known_thread *thread);

/** @return whether all that were sent have come; fails where one has come twice */
bool numbered_all_came(void);

#endif
