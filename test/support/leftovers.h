/* SPDX-License-Identifier: MIT */
/*
 * What a test may not leave behind in its process: descriptors, children, threads, mappings of
 * memory, blocked signals.  It is noted before the test and compared afterwards, by the fixtures of
 * LEFTOVERS_CASE() and of the kinds of cases that are made of them.
 *
 * The process's children are listed whether they run or are zombies, and also those that a clone made
 * without SIGCHLD.
 */
#ifndef SDB_TEST_LEFTOVERS_H
#define SDB_TEST_LEFTOVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suite.h"

#define LEFTOVERS_DESCRIPTORS  64
#define LEFTOVERS_CHILDREN     64
#define LEFTOVERS_TARGET_BYTES 96

struct leftovers_descriptor {
    int fd;
    int flags;                           /* FD_CLOEXEC or 0 */
    char target[LEFTOVERS_TARGET_BYTES]; /* what it is open on; the beginning of it if it is long */
};

struct leftovers {
    struct leftovers_descriptor descriptors[LEFTOVERS_DESCRIPTORS];
    size_t descriptor_count;
    int children[LEFTOVERS_CHILDREN];
    size_t child_count;
    size_t thread_count;
    uint64_t anonymous_bytes; /* of memory that is neither a file's nor malloc's */
    uint64_t file_mappings;   /* how many mappings of files */
    uint64_t blocked_signals; /* of the calling thread, bit n-1 for signal n */
};

/**
 * Note what the process has.  From then on malloc takes its memory from the heap only, so that what
 * is mapped is somebody's doing.
 */
void leftovers_note(struct leftovers *before);

/** The same in a test that has some threads of its own. */
void leftovers_note_among(struct leftovers *before, size_t threads);

/**
 * Compare, and fail the test with a list of all that differs.  The calling thread should be the one
 * that noted.
 */
void leftovers_check(const struct leftovers *before);

/**
 * The same comparison without failing.
 *
 * @param text  gets the differences, one a line; "" if there are none
 * @return whether there are none
 */
bool leftovers_same(const struct leftovers *before, char *text, size_t size);

/* ---- the fixtures ---- */

/* Note what the test has; give back what the library keeps for the next launch, and compare. */
void leftovers_take_stock(void);
void leftovers_check_stock(void);

/** Begin a case of tests that leave nothing behind. */
#define LEFTOVERS_CASE(name) SUITE_CASE(name, leftovers_case)
extern const struct suite_kind leftovers_case;

#endif
