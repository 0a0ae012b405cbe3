/* SPDX-License-Identifier: MIT */
/*
 * What is measured about looking into held programs: functions for a host (host.h) to call.  Each host
 * has one of them, and what that holds.  A host's first measurement also prepares it, and does not count.
 *
 * A row is a line of the table in look.c and two of these.
 */
#ifndef SDB_BENCH_LOOK_MEASURES_H
#define SDB_BENCH_LOOK_MEASURES_H

#include <stddef.h>

/* How much is measured; to be set before the hosts are started. */
extern size_t look_large; /* bytes that are read at once */
extern size_t look_small; /* reads of 8 bytes */
extern size_t look_stops; /* whose registers are read */

/* ---- look_memory.c ---- */

/* The large area read at once, in milliseconds of its own CPU time. */
double sdb_read_large(void);
double bare_read_large(void);

/* One read of 8 bytes, in microseconds: by the tracer thread, and by another one. */
double sdb_read_small(void);
double sdb_read_small_elsewhere(void);
double bare_read_small(void);
double bare_read_small_elsewhere(void);

/* ---- look_registers.c ---- */

/* The first read of the general registers of a stop, in microseconds, without the stop. */
double sdb_read_registers(void);
double bare_read_registers(void);

/* The same of a vector register. */
double sdb_read_vector(void);
double bare_read_vector(void);

#endif
