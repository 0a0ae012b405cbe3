/* SPDX-License-Identifier: MIT */
/*
 * What tests of sessions share: the test's session, in each way of waiting, and tracees in it,
 * launched, born or attached to.  Its events are in events.h, looking at tasks from outside in
 * looking.h; processes with many threads are in crew.h.
 *
 * A test ends with finish().  A SESSION_TEST() has a session from its beginning, another begins one
 * with begin(_i): _i is the index of a loop test and says how the session waits.
 */
#ifndef SDB_TEST_HOLDING_H
#define SDB_TEST_HOLDING_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdb/sdb.h>

#include "board.h"
#include "events.h"
#include "forking.h"
#include "looking.h"
#include "suite.h"

/* The ways of waiting: the index of a loop test. */
enum holding_way {
    WAY_IO_URING, /* where it is there */
    WAY_HELPER,   /* SDB_SESSION_NO_IO_URING */
    HOLDING_WAYS,
};

#define TARGET  SDB_TRACEE_DIR "/target"
#define THREADS SDB_TRACEE_DIR "/threads"

#ifndef PATIENCE_MS
#define PATIENCE_MS 20000
#endif

/* The session of the test: from begin() to finish(). */
extern struct sdb_session *session;

/* ---- a test's beginning and end ---- */

/* Fixtures: note what the test has, and see that it has no more and no less afterwards. */
void holding_take_stock(void);
void holding_check_stock(void);

/** Begin a case of tests that hold something, each in every way of waiting. */
#define HOLDING_CASE(name) SUITE_CASE(name, holding_case)
extern const struct suite_kind holding_case;

/** Create the test's session, which waits this way. */
void begin(int way);

/** A test that has a session from its beginning, which waits as _i says. */
#define SESSION_TEST(name_)                                                                        \
    static void name_##_in_session(int _i);                                                        \
    TEST(name_)                                                                                    \
    {                                                                                              \
        begin(_i);                                                                                 \
        name_##_in_session(_i);                                                                    \
    }                                                                                              \
    static void name_##_in_session(int _i __attribute__((unused)))

/** @return another session, for another thread than the test's */
struct sdb_session *create_session(int way);

/** Destroy the test's session. */
void finish(void);

struct target;

/** Destroy it, and close this target of it. */
void finish_with(struct target *target);

/** The next event must be its exit with this code; finish with it. */
void finish_exited(struct target *target, int code);

/** Pass a signal without a word from now on. */
void pass_silently(int signal);

/* ---- tracees ---- */

struct target {
    struct sdb_process *process; /* NULL: not held */
    struct sdb_child *child;     /* of a program that was started untraced, else NULL */
    int pid;
    int input;           /* a pipe to its standard input */
    int output;          /* a pipe from its standard output */
    struct board *board; /* of the threads program, else NULL */
};

/** Launch a program into the session; it stands before its first instruction. */
struct target launch_program(const char *path, const char *const *argv);

/** The same with flags of the launch, SDB_LAUNCH_PORTABLE say. */
struct target launch_program_with(const char *path, const char *const *argv, uint64_t flags);

/** Launch test/tracees/target.c with up to two arguments more. */
struct target launch_target(const char *what, const char *first, const char *second);

/** The same, and have it run. */
struct target launch_running(const char *what, const char *first, const char *second);

/** The same, and have it run until it is ready. */
struct target launch_ready(const char *what, const char *first, const char *second);

/** Start test/tracees/target.c untraced; it dies with the test. */
struct target start_target(const char *what, const char *first, const char *second);

/** Launch test/tracees/threads.c, with a board, and up to two arguments more. */
struct target launch_threads(const char *what, const char *first, const char *second);

/** Launch a program with a board and up to three arguments more. */
struct target launch_board_program(const char *path, const char *first, const char *second,
                                   const char *third);

/** Give a target a board.  @return its descriptor, for the program's BOARD_FD */
int make_board(struct target *target);

/** Start a program untraced with a board and up to three arguments more; it dies with the test. */
struct target start_board_program(const char *path, const char *first, const char *second,
                                  const char *third);

/** Start test/tracees/threads.c untraced; it dies with the test.  It is not yet ready. */
struct target start_threads(const char *what, const char *first, const char *second);

/** Close the test's ends, the board and the child.  What became of the process is the test's affair;
 *  a child must have ended. */
void close_target(struct target *target);

/** Kill an untraced one, wait for it, and close it. */
void end_target(struct target *target);

/** Wait for its next ready byte: nobody but the program must have to act for it to come. */
void wait_ready(const struct target *target);

/** The same while the session waits, so that it deals with signals that are passed without a word; no
 *  event may come meanwhile. */
void wait_ready_held(const struct target *target);

/** Send the program a byte on its standard input. */
void tell_target(const struct target *target, char byte);

/** Close its standard input; the program sees end of file. */
void close_input(struct target *target);

/** Attach to a process, which must work. */
struct sdb_process *attach(pid_t pid);

/** Attach to a started target, which must work, and keep the handle in it. */
void attach_target(struct target *target);

/** @return a child of the host's own, untraced, that waits for signals, and for end_child() */
pid_t fork_waiting(void);

/** run_births(), and then wait for its ready byte. */
void run_until_ready(const struct target *target, int births);

/** Set the follow policy of a process that stands still, which must work. */
void set_follow(struct sdb_process *process, uint32_t follow);

/** @return the held thread with this id; there must be one */
struct sdb_thread *held(int tid);

/** @return where a thread stands */
uint64_t pc_of(struct sdb_thread *thread);

/* ---- the host's CPUs ---- */

/** Run this thread, and what is launched from now on, on this many CPUs. */
void use_cpus(int count);

#endif
