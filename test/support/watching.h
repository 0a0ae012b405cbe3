/* SPDX-License-Identifier: MIT */
/*
 * What the tests of watchpoints share, beside holding.h: test/tracees/watched.c, and its orders.
 */
#ifndef SDB_TEST_WATCHING_H
#define SDB_TEST_WATCHING_H

#include <stddef.h>
#include <stdint.h>

#include "holding.h"
#include "watched.h"

#define WATCHED SDB_TRACEE_DIR "/watched"

#define COUNTER       offsetof(struct watched, counter)
#define OTHER         offsetof(struct watched, other)
#define BYTES(number) (offsetof(struct watched, bytes) + (number))

struct watched_target {
    struct target target;
    struct sdb_process *process;
    struct sdb_thread *thread; /* the first one */
    uint64_t address;          /* of its struct watched */
};

/** Launch it, and have it run until it waits for orders. */
struct watched_target launch_watched(void);

/** Close it; it must have ended. */
void close_watched(struct watched_target *target);

/** The same after the session's end. */
void finish_watched(struct watched_target *target);

/** @return the options of a watchpoint on a part of its struct watched */
struct sdb_watchpoint_options watch_options(const struct watched_target *target, size_t offset,
                                            size_t length);

/** Create one, which must work. */
struct sdb_watchpoint *watch(const struct watched_target *target, size_t offset, size_t length);

/** The same with flags. */
struct sdb_watchpoint *watch_as(const struct watched_target *target, size_t offset, size_t length,
                                uint64_t flags);

/** Create one with these options, which must work. */
struct sdb_watchpoint *watch_with(const struct watched_target *target,
                                  const struct sdb_watchpoint_options *options);

/** Create one, and must be refused so. */
void expect_no_watch(const struct watched_target *target,
                     const struct sdb_watchpoint_options *options, int code);

void give(const struct watched_target *target, char what, uint64_t number);

/** Read an answer that must come without anything happening in the session. */
uint64_t answer_of(const struct watched_target *target);

/** Wait for an answer; nothing may be told meanwhile. */
uint64_t wait_quietly(const struct watched_target *target);

/** Give an order, and resume whatever comes until it is answered.  @return the answer */
uint64_t carry_out(const struct watched_target *target, char what, uint64_t number);

/** The same after an order was given. */
uint64_t await_answer(const struct watched_target *target);

/** How many SDB_EVENT_WATCHPOINT, and SDB_EVENT_SIGNAL of SIGTRAP, carry_out() has seen; it begins anew. */
unsigned seen_hits(void);
unsigned seen_traps(void);

/** The same, and so many hits must have come. */
uint64_t expect_hits(const struct watched_target *target, char what, uint64_t number,
                     unsigned hits);

/** The next event must be a hit of this. */
struct sdb_event expect_hit(const struct sdb_watchpoint *watchpoint);

/** A value of an event of 8 bytes. */
uint64_t value_of(const void *value);

#endif
