/* SPDX-License-Identifier: MIT */
/*
 * Filling a caller's struct sdb_error.  Every function here takes NULL for "the caller does not
 * want it".
 */
#ifndef SDB_LIB_BASE_ERROR_H
#define SDB_LIB_BASE_ERROR_H

#include <stdarg.h>
#include <stdint.h>

#include <sdb/error.h>

/** @return 0, or -EINVAL if its size is too small */
int sdb__error_check(const struct sdb_error *error);

/** Forget what it said. */
void sdb__error_clear(struct sdb_error *error);

/** @param index  which entry of a list is at fault, or -1.  @return @p code */
int sdb__error_set(struct sdb_error *error, int code, enum sdb_stage stage, int index);

/** Note the argument at fault; what is too long is cut. */
__attribute__((format(printf, 2, 3))) void sdb__error_detail(struct sdb_error *error,
                                                             const char *format, ...);

#endif
