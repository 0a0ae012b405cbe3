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

#define LOOK_MOST_PLACES 10000

/* How much is measured; to be set before the hosts are started. */
extern size_t look_large;         /* bytes that are read at once */
extern size_t look_small;         /* reads of 8 bytes */
extern size_t look_stops;         /* whose registers are read, or that are made at calls */
extern size_t look_places;        /* that get a breakpoint */
extern size_t look_debugger_hits; /* of which a debugger handles so many, and twice as many */
extern size_t look_calls;         /* of a program, of which one is caught */
extern size_t look_traced_calls;  /* of one of which all are */

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

/* Ends of calls handled a second, all of them caught. */
double sdb_ends_of_caught_calls(void);
double bare_ends_of_calls(void);

/* ---- look_breakpoints.c ---- */

/* Hits of a function that is called for ever, a second, whose condition is false. */
double sdb_false_hits(void);
double sdb_false_hits_unpinned(void);
double sdb_told_hits(void); /* of which each is told, and resumed */
double bare_hits(void);

/* The same with a hundred threads, all of which call it. */
double sdb_false_hits_of_many(void);
double bare_hits_of_many(void);

/* Steps of one instruction a second. */
double sdb_steps(void);
double bare_steps(void);

/* Breakpoints planted one by one and lifted again, in microseconds for one, and its two writes. */
double sdb_plant_and_lift(void);
double bare_plant_and_lift(void);

/* ---- look_debuggers.c ---- */

/* Hits a second whose condition is false, in debuggers; what takes them to start is taken off. */
double gdb_false_hits(void);
double gdb_false_hits_unpinned(void);
double lldb_false_hits(void);

/** @return whether a program can be run */
bool look_has(const char *program);

#endif
