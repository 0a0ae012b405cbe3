/* SPDX-License-Identifier: MIT */
/*
 * The program that the tests of facts look at: started with its standard input and output on pipes,
 * ready when it says so, and ended by closing its input.  See test/tracees/subject.c.
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include <sdb/facts.h>
#include <sdb/sdb.h>

#include "trial.h"

#define SUBJECT SDB_TRACEE_DIR "/subject"

/* Names of threads that have led parsers of /proc astray. */
#define SUBJECT_NAMES 13
extern const char *const subject_names[SUBJECT_NAMES];

struct subject {
    struct sdb_launch_options options; /* to be changed before the start */
    struct sdb_streams streams;
    struct sdb_child *child;
    int pid;
};

/** @return one that has not been started, of this program; NULL: SUBJECT */
struct subject subject_of(const char *path);

/** Launch it.  It has these arguments, NULL last. */
void subject_launch(struct subject *subject, const char *const *argv);

/** Make a copy of SUBJECT in the test case's directory. */
void subject_copy(const char *name);

/** Read what it tells, so many bytes. */
void subject_read(const struct subject *subject, void *bytes, size_t size);

/** Wait until it is ready. */
void subject_ready(const struct subject *subject);

/** Launch it and wait until it is ready: "subject WHAT ARGUMENT". */
struct subject subject_start(const char *what, const char *argument);

/** End it, and reap it. */
void subject_end(struct subject *subject);

/** Kill it, and reap it. */
void subject_kill(struct subject *subject);

/* ---- a child that is a copy of the test's own process ---- */

/** Run this in a fork of the test, or wait for ever if it is NULL.  @return its pid */
int subject_fork(void (*run)(void));

/** Wait until it has ended, without reaping it. */
void subject_wait_zombie(int pid);

/** Kill it if it has not ended, and reap it. */
void subject_reap(int pid);

/** @return a pid that no process has */
int subject_gone(void);

/** Wait until a process is in this state: one of enum sdb_facts_state. */
void subject_wait_state(int pid, uint32_t state);

/* ---- facts of it ---- */

/** @return the status of a task, which must be there */
struct sdb_facts_status read_status(int tid);

/** @return the threads of a process, which must be there; sdb_facts_free() them */
struct sdb_facts_threads *read_threads(int pid);

/* ---- test cases ---- */

/** Begin a case of tests that have a directory of their own, and a look at what is left. */
#define SUBJECT_CASE(name) SUITE_CASE(name, subject_case)
extern const struct suite_kind subject_case;

#endif
