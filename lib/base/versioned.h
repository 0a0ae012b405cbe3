/* SPDX-License-Identifier: MIT */
/*
 * Structs that begin with their size, so that programs built against another version of the header
 * keep working.  The size that a struct had when it was first published is the least that we take;
 * members that a newer caller has beyond ours must be zero, which is their default.
 */
#ifndef SDB_LIB_BASE_VERSIONED_H
#define SDB_LIB_BASE_VERSIONED_H

#include <stddef.h>

/**
 * Take an options struct of any version in as ours; members that the caller's lacks become 0.
 *
 * @param ours   gets the copy, its size member set to @p size
 * @param size   the size of our version
 * @param first  the size of the first published version
 * @return 0, -EINVAL (smaller than @p first) or -E2BIG (unknown members that are not 0)
 */
int sdb__struct_import(void *ours, size_t size, size_t first, const void *theirs);

/**
 * Check a struct that is to be filled.
 *
 * @return 0, -EINVAL or -E2BIG as above
 */
int sdb__struct_check(const void *theirs, size_t size, size_t first);

/** Fill a checked struct from ours, as far as it knows our members; its size member stays. */
void sdb__struct_export(void *theirs, const void *ours, size_t size);

#endif
