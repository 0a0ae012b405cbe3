/* SPDX-License-Identifier: MIT */
/*
 * Making children's handles.
 */
#ifndef SDB_LIB_LAUNCH_CHILD_H
#define SDB_LIB_LAUNCH_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include <sdb/child.h>

/** @return an empty handle, so that nothing can fail once the process is there; or NULL */
struct sdb_child *sdb__child_allocate(void);

/**
 * Fill it.
 *
 * @param pidfd  the handle's from now on; -1 if the system has none
 */
void sdb__child_fill(struct sdb_child *child, pid_t pid, int pidfd);

/**
 * Name what a thread that waits for a child has to do meanwhile: a process that it has let go may stand
 * still until it is looked at.
 *
 * @param tender  does that, for a moment; returns whether there may be more to do
 */
void sdb__child_set_tender(bool (*tender)(void));

/** Free an empty handle.  NULL is allowed. */
void sdb__child_free(struct sdb_child *child);

#endif
