/* SPDX-License-Identifier: MIT */
/*
 * What the parts of facts_*.c share.
 */
#ifndef SDB_LIB_FACTS_FACTS_H
#define SDB_LIB_FACTS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "kernel/procfs.h"

/* What the kernel puts behind the name of a file that is no longer there. */
#define SDB__FACTS_DELETED_MARK " (deleted)"

/** @return whether a path of the kernel's ends with the mark, which is no part of the file's name */
bool sdb__facts_is_deleted(pid_t pid, const char *path, size_t len,
                           const struct sdb__procfs_file *file);

#endif
