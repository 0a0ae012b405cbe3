/* SPDX-License-Identifier: MIT */
/*
 * One launch in a test: options, what came of it, and what the program that was started tells of
 * itself.  A test body takes the way in which the child is made from its loop's index, so that
 * everything is tried on each.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <check.h>

#include <sdb/sdb.h>

#include "suite.h"

#if defined(__SANITIZE_ADDRESS__)
#define TRIAL_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRIAL_SANITIZED
#endif
#endif

/* The ways in which a child is made: the index of a loop test. */
enum trial_way {
    WAY_FAST,
    WAY_PORTABLE,
    WAY_COUNT,
};

/* The program that tells what it was given: see its file. */
#define REPORT SDB_TRACEE_DIR "/report"

#define PATIENCE_MS 20000

struct trial {
    struct sdb_launch_options options;
    struct sdb_error error;
    struct sdb_child *child; /* NULL unless it runs */
    int pid;
    struct sdb_exit_status status;
    const char *argv[8];
};

/* ---- fixtures ---- */

/* Unchecked: a directory of the test case's own, which is the working directory, and its end. */
void trial_enter_directory(void);
void trial_leave_directory(void);

/* Checked: note what the test has, and see that it has no more and no less afterwards. */
void trial_take_stock(void);
void trial_check_stock(void);

/** Begin a case of launches, each in every way and with both kinds of fixture. */
#define TRIAL_CASE(name) SUITE_CASE(name, trial_case)
extern const struct suite_kind trial_case;

/** run_suite() in a process that may have many descriptors, and ignores no signal. */
int trial_run_suite(const char *name);

/** @return the absolute path of a name in the test case's directory; it stays until the next 16 */
const char *trial_path(const char *name);

/** Make a file there, with these permission bits whatever the umask. */
void trial_write_file(const char *name, const void *bytes, size_t size, unsigned mode);

/** Make a copy of the report program there. */
void trial_copy_report(const char *name, unsigned mode);

/**
 * Run this in a child of the test's, which may become what the test itself must not: another user,
 * the leader of a session.  An assertion that fails in it fails the test.
 */
void trial_in_fork(void (*body)(void *), void *argument);

/** @return whether changes of user can be tested; says so if not */
bool trial_is_root(void);

/* ---- launching ---- */

/** @return a trial of the report program with these arguments, at most three of them, then NULLs */
struct trial trial_of(int way, const char *what, const char *first, const char *second);

/** @return a trial of the report program's "state" */
struct trial trial_of_state(int way);

/** @return a trial of no program yet */
struct trial trial_of_nothing(int way);

/** Give it this map of descriptors. */
void trial_set_map(struct trial *trial, const struct sdb_fd *map, size_t count);

/** @return an entry of a map: the host's descriptor `source` as the program's `target` */
struct sdb_fd trial_dup(int target, int source);

/* Pipes to a program's standard input and from its standard output. */
struct trial_pipes {
    int input; /* the host's ends, once it is launched */
    int output;
    struct sdb_fd map[2];
};

/** Give it these. */
void trial_set_pipes(struct trial *trial, struct trial_pipes *pipes);

/** Launch.  @return what the launch returned */
int trial_try(struct trial *trial);

/** Launch, which must succeed. */
void trial_start(struct trial *trial);

/** Wait for its end and let go of it. */
void trial_end(struct trial *trial);

/** Launch; it must exit with this code. */
void trial_exits(struct trial *trial, int code);

/** Launch; it must be killed by this signal. */
void trial_dies(struct trial *trial, int signal);

/**
 * Launch, which must fail like this, and leave nothing.
 *
 * @param words  what the error's sentence must contain
 */
void trial_fails(struct trial *trial, int code, enum sdb_stage stage, int index, const char *words);

/** A trial of options that are wrong: nothing was started. */
void trial_is_refused(struct trial *trial, int code, int index, const char *words);

/* ---- what the program tells ---- */

/** Launch a trial of "state", which must succeed, and read what it tells. */
void trial_tells(struct trial *trial);

/** Read what a program tells that was started in some other way. */
void trial_read_state(void);

/** @return whether what was told has this line */
bool told(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** What was told must have this line. */
void expect_told(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** @return the rest of the first line that begins with this name, or "" */
const char *told_value(const char *name);

/** @return how many lines begin with this name */
int told_count(const char *name);

/** The program's descriptors must be these, each without close-on-exec. */
void expect_fds(const int *fds, size_t count);

/** The program's descriptor must be this file. */
void expect_fd_file(int fd, const char *path);

#endif
