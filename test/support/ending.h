/* SPDX-License-Identifier: MIT */
/*
 * What the tests of children share: children that run test/tracees/ending.c, made in each way, and
 * how they end.
 */
#ifndef SDB_TEST_ENDING_H
#define SDB_TEST_ENDING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdb/child.h>
#include <sdb/launch.h>

#include "forking.h"
#include "leftovers.h"

#define ENDING      SDB_TRACEE_DIR "/ending"
#define PATIENCE_MS 20000

/*
 * How a child is made: the index of a loop test, or the rest of its division by the number of
 * ways.
 */
enum way {
    BY_CLONE,       /* sharing the host's memory */
    BY_FORK,        /* the portable path */
    WITHOUT_PIDFDS, /* the same, on a kernel without them */
    WAYS,
};

/** Begin a case of tests of children, each made in every way, that leave nothing behind. */
#define ENDING_CASE(name) SUITE_CASE(name, ending_case)
extern const struct suite_kind ending_case;

/** @return the options that make it in this way; a test may add to them */
struct sdb_launch_options ending_options(int index, const char *const *argv);

/** Launch with these options, which must work. */
struct sdb_child *launch_ending_with(const struct sdb_launch_options *options);

/** Launch test/tracees/ending.c with up to one argument more. */
struct sdb_child *launch_ending(int way, const char *what, const char *first);

/** Launch one that exits with this code. */
struct sdb_child *launch_exit(int way, int code);

/** Launch one that says when it is ready, and wait for that. */
struct sdb_child *launch_ending_ready(int way, const char *what, const char *first);

/**
 * Launch one that dies by this signal, with this limit for core dumps, in this directory or NULL.
 */
struct sdb_child *launch_dying(int way, int signal, uint64_t core_limit, const char *cwd);

/** @return whether the library has a pidfd of it */
bool has_pidfd(const struct sdb_child *child);

/** Wait until the child has ended, without taking its status. */
void await_child_end(const struct sdb_child *child);

/** Wait for the child, which must work.  @return how it ended */
struct sdb_exit_status wait_for(struct sdb_child *child);

/** The status must say that it ended so. */
void expect_status(const struct sdb_exit_status *status, uint32_t how, int code);

/** Wait for the child, which must end so. */
void expect_child_end(struct sdb_child *child, uint32_t how, int code);

/** Kill it, wait for it and close it. */
void kill_and_close(struct sdb_child *child);

/** Fork a helper that sends the child a signal once the test's own process is blocked. */
pid_t fork_signaller(const struct sdb_child *child, int signal);

/**
 * @return whether nobody can take its status away: from Linux 6.15 on, as long as there is a pidfd
 */
bool status_is_kept(const struct sdb_child *child);

#endif
