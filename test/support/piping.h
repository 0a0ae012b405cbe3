/* SPDX-License-Identifier: MIT */
/*
 * What the tests of pipes share: a pipe that each has, and checks in forked children.
 */
#ifndef SDB_TEST_PIPING_H
#define SDB_TEST_PIPING_H

#include <stdbool.h>
#include <stddef.h>

#include <sdb/pipe.h>

#include "forking.h"
#include "leftovers.h"

#ifndef PATIENCE_MS
#define PATIENCE_MS 20000
#endif

#define HEADER_SIZE 4 /* what a record takes in the pipe beyond its bytes */

/* The pipe of a test. */
extern struct sdb_pipe *channel;

/** Begin a case of tests with a pipe, which leave nothing behind. */
#define PIPE_CASE(name) SUITE_CASE(name, pipe_case)
extern const struct suite_kind pipe_case;

/** @return whether something can be sent without blocking */
bool has_room(const struct sdb_pipe *pipe);

/** Fill bytes with what depends on the seed, or see that they are so. */
void fill(unsigned char *bytes, size_t len, unsigned seed);
bool is_filled(const unsigned char *bytes, size_t len, unsigned seed);

/** Send such a record through the channel, or receive it: so must be the next. */
void send_filled(size_t len, unsigned seed);
void expect_filled(size_t len, unsigned seed);

/* A child's checks have no Check: they end it with the line at which one failed. */
#define CHILD_ASSERT(condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            child_failed(__LINE__);                                                                \
    } while (0)

_Noreturn void child_failed(int line);

#endif
