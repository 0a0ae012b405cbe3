/* SPDX-License-Identifier: MIT */
/*
 * Processes with threads: test/tracees/threads.c with a board, whose crew waits for orders; each of
 * the crew has a place on the board.
 */
#ifndef SDB_TEST_CREW_H
#define SDB_TEST_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/sdb.h>

#include "board.h"
#include "holding.h"

/** Give one of the crew an order, see test/tracees/threads.c. */
void order(const struct target *target, int place, char what);

/** Let the crew's children go on from where they linger, or have the next ones linger. */
void set_gate(struct board *board, bool open);

/** Launch the crew of the first thread and so many others, and run it until it waits for orders. */
struct target launch_crew(int others);

/** The same, each of the others turning. */
struct target launch_turning_crew(int others);

/**
 * The same as launch_crew(), with a follow policy; SIGCHLD is passed without a word from then on.
 */
struct target crew_that_follows(int others, uint32_t follow);

/** Wait until the crew's newborn has said who it is.  @return its process id */
int await_child_of(const struct target *target);

/** The crew must say that its newborn has ended so: with an exit code, or minus a signal. */
void expect_result(const struct target *target, int result);

/** @return the held thread at this place of the board */
struct sdb_thread *crew_thread(const struct target *target, int place);

/** Wait until somebody at this place of the board has turned at least so often from now. */
void expect_turns(const struct board *board, int place, unsigned count);

/** The same of each from one place to another. */
void expect_all_turn(const struct board *board, int first, int last, unsigned count);

/** The thread must be in state t, and not turn. */
void expect_standstill(const struct board *board, int place);

/** Wait until the thread of this place has begun.  @return its id */
int tid_at(const struct board *board, int place);

#endif
