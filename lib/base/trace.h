/* SPDX-License-Identifier: MIT */
/*
 * The library's own trace, see <sdb/trace.h>.  Where it is off, which is the usual case, it costs a
 * look at one byte.
 */
#ifndef SDB_LIB_BASE_TRACE_H
#define SDB_LIB_BASE_TRACE_H

#include <stdbool.h>

#include <sdb/trace.h>

extern bool sdb__trace_on; /* atomic */

static inline bool sdb__tracing(void)
{
    return __atomic_load_n(&sdb__trace_on, __ATOMIC_RELAXED);
}

/** Write a line.  errno stays what it was. */
void sdb__trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Begin the trace that the environment asks for, if it does; only the first call looks. */
void sdb__trace_from_environment(void);

#endif
