/* SPDX-License-Identifier: MIT */
/*
 * Tracing by hand, with as few system calls as will do: the limits that sessions are measured beside;
 * and what both sides hold.
 */
#ifndef SDB_BENCH_RAW_SESSION_H
#define SDB_BENCH_RAW_SESSION_H

#include <stddef.h>
#include <sys/types.h>

/**
 * Start a process to be traced, see test/tracees/bench_stops.c.  It dies with the calling thread, but
 * is not its child: the kernel would find that one at once, however many others are held.
 *
 * @param what     "calls", "signals" or "nothing"
 * @param threads  how many it has beside the first
 * @return its pid, when all threads are there
 */
pid_t raw_target_start(const char *what, size_t threads);

/** Wait until all threads of a process sleep. */
void raw_target_settle(pid_t pid);

/** Hold all threads of a process, of which the first is stopped and the others run. */
void raw_hold(pid_t pid);

/** Have the stopped thread stop so often at its system calls. */
void raw_stop_at_calls(pid_t tid, size_t stops);

/** Have it stop so often at its signals, which it gets. */
void raw_stop_at_signals(pid_t tid, size_t stops);

/** Have it stop so often after one instruction. */
void raw_step(pid_t tid, size_t steps);

/** Plant a breakpoint in the text of a process whose first thread is stopped. */
void raw_plant(pid_t pid, const void *address);

/**
 * Have the threads come to it so often, and execute its instruction elsewhere.
 *
 * @param tid      the one that stands still
 * @param address  the breakpoint, at which it may stand
 * @param slot     where its instruction is executed
 * @param only     wait for this thread, or -1: for any
 * @return the thread that stands still now, at a hit
 */
pid_t raw_stop_at_hits(pid_t tid, const void *address, const void *slot, size_t hits, pid_t only);

/** Stop all threads of a process, and let them go. */
void raw_attach_and_detach(pid_t pid);

#endif
