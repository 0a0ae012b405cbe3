/* SPDX-License-Identifier: MIT */
/*
 * What the tests of races share, beside holding.h: programs that do not stand still (see
 * test/tracees/busy.c and lives.c), and chance that is the same in each run.
 */
#ifndef SDB_TEST_RACING_H
#define SDB_TEST_RACING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdb/sdb.h>

#include "holding.h"

#define BUSY  SDB_TRACEE_DIR "/busy"
#define LIVES SDB_TRACEE_DIR "/lives"

/** @return so many, times what the environment's SDB_TEST_ROUNDS says */
int rounds(int count);

/* ---- chance ---- */

struct chance {
    uint32_t state;
};

/** @return the same sequence for the same seed */
struct chance chance_of(unsigned seed);

/** @return a number from 0 to limit - 1 */
unsigned chance_below(struct chance *chance, unsigned limit);

/* ---- busy programs ---- */

/**
 * Start a program untraced, with pipes to and from it.  It dies with the calling thread, and has
 * written its first byte, an `r`, when this returns.
 */
struct target start_untraced(const char *const *argv);

/**
 * Start test/tracees/busy.c untraced, with up to two arguments more.  It dies with the calling thread.
 * It is under way when this returns.
 */
struct target start_busy(const char *what, const char *first, const char *second);

/** Launch it into the session, and have it run until it is under way, with all that it makes. */
struct target launch_busy(const char *what, const char *first, const char *second);

/**
 * Launch test/tracees/lives.c into the session, with exit code 17; all that is born of it is held.
 */
struct target launch_lives(const char *what);

/** It must answer, which it does when each part of it has made a turn. */
void ask(const struct target *busy);

/** End its input: it must exit with 0, if it is untraced. */
void end_busy(struct target *busy);

/** The same, and end the session of the test. */
void finish_busy(struct target *busy);

/** The same for one that is held. */
void end_held_busy(struct target *busy);

/* ---- refusals ---- */

/**
 * What came of an attach must be this refusal, and its sentence must have these words.  The session
 * must hold nothing.
 */
void expect_refusal(int rc, const struct sdb_error *error, int code, uint32_t reason,
                    const char *words);

/* A process that is none: a call that fails must have left it so. */
extern struct sdb_process *const untouched;

/** Attach to a process, or to what a pidfd means, which must be refused so.  @return the error */
struct sdb_error expect_attach_refused(pid_t pid, int code, uint32_t reason, const char *words);
struct sdb_error expect_pidfd_refused(int pidfd, int code, uint32_t reason, const char *words);

/** @return a child that has ended and was not reaped */
pid_t fork_zombie(void);

/* ---- tasks ---- */

/** All tasks of the process must stand still, and be those that are held. */
void expect_all_held(const struct sdb_process *process);

/** Wait until a process that is killed, or ends, is a zombie or gone. */
void await_end(pid_t pid);

/** @return a pidfd */
int open_pidfd(pid_t pid);

#endif
