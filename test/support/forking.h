/* SPDX-License-Identifier: MIT */
/*
 * Children that are copies of the test's own process.
 */
#ifndef SDB_TEST_FORKING_H
#define SDB_TEST_FORKING_H

#include <stdbool.h>
#include <sys/types.h>

/** Fork a child that dies with the calling thread.  @return as fork(2) does; there is no failure */
pid_t fork_child(void);

/**
 * Fork a child that does this and then waits for signals; it dies with the calling thread.
 *
 * @param prepare  what it does first, and must succeed in; NULL: nothing
 * @return its pid, once it has done that
 */
pid_t fork_ready(bool (*prepare)(void *data), void *data);

/**
 * Fork a tracer that seizes this process, with these options of ptrace(2).  @return its pid, once
 * it has
 */
pid_t fork_tracer(pid_t pid, unsigned long options);

/** Wait for a child, however it ends. */
void reap(pid_t pid);

/** Wait for a child, which must exit.  @return its exit code */
int exit_code_of(pid_t pid);

/** Wait for a child, which must exit with 0. */
void expect_success(pid_t pid);

/** Kill a child and reap it. */
void end_child(pid_t pid);

#endif
