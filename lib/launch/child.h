/* SPDX-License-Identifier: MIT */
/*
 * Making children's handles.
 */
#ifndef SDB_LIB_LAUNCH_CHILD_H
#define SDB_LIB_LAUNCH_CHILD_H

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

/** Free an empty handle.  NULL is allowed. */
void sdb__child_free(struct sdb_child *child);

#endif
