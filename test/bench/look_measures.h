/* SPDX-License-Identifier: MIT */
/*
 * What is measured about looking into held programs: functions for a host (host.h) to call.  Each host
 * has one of them, and what that holds.  A host's first measurement also prepares it, and does not count.
 *
 * A row is a line of the table in look.c and two of these.
 */
#ifndef SDB_BENCH_LOOK_MEASURES_H
#define SDB_BENCH_LOOK_MEASURES_H

#include <stdbool.h>
#include <stddef.h>

/* How much is measured; to be set before the hosts are started. */
extern size_t look_large;        /* bytes that are read at once */
extern size_t look_small;        /* reads of 8 bytes */
extern size_t look_stops;        /* whose registers are read, or that are made at calls */
extern size_t look_calls;        /* of a program, of which one is caught */
extern size_t look_traced_calls; /* of one of which all are */

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

/* ---- look_calls.c ---- */

/* A program that makes very many calls, from its launch to its end, in milliseconds. */
double sdb_program_with_one_caught(void);
double bare_program_with_filter(void); /* the same filter, and nobody holds it */

/* One that makes fewer, and all are caught, with both ends. */
double sdb_program_with_all_caught(void);
double strace_program(void);

/** @return whether strace can be run */
bool look_has_strace(void);

/* Ends of calls handled a second, all of them caught. */
double sdb_ends_of_caught_calls(void);
double bare_ends_of_calls(void);

#endif
