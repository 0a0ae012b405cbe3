/* SPDX-License-Identifier: MIT */
/*
 * What is measured about sessions: functions for a host (host.h) to call.  Each host has one of them,
 * and what that traces: tracers in one process would disturb each other.  A host's first measurement
 * also prepares it, and does not count.
 */
#ifndef SDB_BENCH_SESSION_MEASURES_H
#define SDB_BENCH_SESSION_MEASURES_H

#include <stdbool.h>
#include <stddef.h>

/* How much is measured; to be set before the hosts are started. */
extern size_t session_idle_threads; /* held threads that do nothing, beside one that stops */
extern size_t session_stops;        /* of one measurement */
extern size_t session_wakes;        /* of one measurement */
extern size_t session_commands;     /* that the fork-heavy shell runs */

/* ---- session_stops.c ---- */

/* Stops handled a second. */
double sdb_stops_at_calls(void);
double sdb_stops_at_calls_helped(void); /* by a session without io_uring */
double bare_stops_at_calls(void);
double sdb_stops_at_signals(void);
double bare_stops_at_signals(void);

/* Attach to all threads and detach, in microseconds. */
double sdb_attach_and_detach(void);
double bare_attach_and_detach(void);

/* For each thread held, in KiB. */
double sdb_memory_of_thread(void);

/* ---- session_wake.c ---- */

/* There and back between two threads, in microseconds. */
double sdb_wake_by_uring(void);
double sdb_wake_by_helper(void);
double bare_ping_pong(void);

/** @return whether io_uring can wait for processes here */
bool session_has_uring(void);

/* ---- session_commands.c ---- */

/** @return whether this program can be run: it is asked for its version */
bool session_has_program(const char *name);

/* A shell that runs many commands, in milliseconds. */
double sdb_shell_followed(void);
double strace_shell(void);
double shell_alone(void);

/* gdb attaching to a process and detaching, with its start-up, in milliseconds. */
double gdb_attach_to_all(void);
double gdb_attach_to_one(void); /* thread: the same program without the others */

#endif
