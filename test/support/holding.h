/* SPDX-License-Identifier: MIT */
/*
 * What tests of sessions share: the test's session, in each way of waiting; tracees in it, launched,
 * born or attached to; its events, each of which is waited for and must be the one that is expected;
 * and looking at tasks from outside, in /proc.
 *
 * A test ends with finish().  A SESSION_TEST() has a session from its beginning, another begins one with
 * begin(_i): _i is the index of a loop test and says how the session waits.
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
#include "forking.h"
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

/** Give one of the crew an order, see test/tracees/threads.c. */
void order(const struct target *target, int place, char what);

/** Let the crew's children go on from where they linger, or have the next ones linger. */
void set_gate(struct board *board, bool open);

/** Close its standard input; the program sees end of file. */
void close_input(struct target *target);

/** Attach to a process, which must work. */
struct sdb_process *attach(pid_t pid);

/** Attach to a started target, which must work, and keep the handle in it. */
void attach_target(struct target *target);

/** @return a child of the host's own, untraced, that waits for signals, and for end_child() */
pid_t fork_waiting(void);

/* ---- events ---- */

/** @return whether it is the end of a thread or a process */
bool is_end(const struct sdb_event *event);

/** @return the next event; one must come */
struct sdb_event next_event(void);

/** @return the next event, which must be of this kind */
struct sdb_event expect(uint32_t kind);

/** The next event must be this kind of this thread. */
struct sdb_event expect_of(uint32_t kind, const struct sdb_thread *thread);

struct sdb_event expect_signal(int signal);

/** The next event must be the end of a process.  It stays valid until the next wait. */
struct sdb_event expect_exit(uint32_t how, int code);

/** The next event must be the end of a thread that is not its process's last. */
struct sdb_event expect_thread_exit(uint32_t how, int code);

/** No event may come within some milliseconds (it is quick: what is wrong may be missed at times). */
void expect_nothing(void);

/** Go on as after an event, which must work. */
void resume(const struct sdb_event *event);

/** The next event must be of this kind; go on from it. */
void resume_from(uint32_t kind);

/** The next event must be this signal; go on from it, with the signal. */
void resume_from_signal(int signal);

/** Resume a thread that stands still, which must work; a signal passes. */
void resume_thread(struct sdb_thread *thread, enum sdb_resume how);

/** Step by one instruction; the next event must be this kind of the thread. */
struct sdb_event step_to(struct sdb_thread *thread, uint32_t kind);

/** Resume all threads of a process that stand still, which must work. */
void resume_process(struct sdb_process *process);

/** Stop all threads of a process, which must work. */
void stop_process(struct sdb_process *process);

/** Let go of a process, which runs on. */
void detach(struct sdb_process *process);

/** The same.  @return it as a child; NULL if it was not launched */
struct sdb_child *detach_child(struct sdb_process *process);

/**
 * Resume each FORK, VFORK, CLONE and START until so many of what was born have begun, in whatever
 * order the threads' events come; anything else fails the test.
 *
 * @param begun  gets the newborns' threads in the order of their START; may be NULL
 */
void run_births(int count, struct sdb_thread **begun);

/** The same, and then wait for the ready byte. */
void run_until_ready(const struct target *target, int births);

/**
 * Resume all events, whatever they are, until this process has ended.
 *
 * @return how it ended
 */
struct sdb_exit_status run_to_end(const struct sdb_process *process);

/** Launch the crew of the first thread and so many others, and run it until it waits for orders. */
struct target launch_crew(int others);

/** The same, each of the others turning. */
struct target launch_turning_crew(int others);

/** Set the follow policy of a process that stands still, which must work. */
void set_follow(struct sdb_process *process, uint32_t follow);

/** The same as launch_crew(), with a follow policy; SIGCHLD is passed without a word from then on. */
struct target crew_that_follows(int others, uint32_t follow);

/** Wait until the crew's newborn has said who it is.  @return its process id */
int await_child_of(const struct target *target);

/** The crew must say that its newborn has ended so: with an exit code, or minus a signal. */
void expect_result(const struct target *target, int result);

/** @return the held thread at this place of the board */
struct sdb_thread *crew_thread(const struct target *target, int place);

/** Interrupt a thread, and wait for the event of it, which must be the next. */
void stop_thread(struct sdb_thread *thread);

/** @return the held thread with this id; there must be one */
struct sdb_thread *held(int tid);

/** @return where a thread stands */
uint64_t pc_of(struct sdb_thread *thread);

/* ---- looking from outside ---- */

/** @return the state letter of a task, or 0 if there is none */
char state_of(int tid);

/** Wait for a state that is on its way, whose coming nothing else announces. */
void await_state(int tid, char state);

/** @return a number of /proc/TID/status ("TracerPid", "Threads"; signal sets with base 16), or -1 */
long long status_of(int tid, const char *name, int base);

/** @return the number of the system call that a task is in, or -1 */
long syscall_of(int tid);

/** List a process's tasks.  @return how many there are, -1 if there is no process */
int tasks_of(int pid, int *tids, int room);

/** Wait until a process has so many tasks. */
void await_tasks(int pid, int count);

/** Wait until somebody at this place of the board has turned at least so often from now. */
void expect_turns(const struct board *board, int place, unsigned count);

/** The same of each from one place to another. */
void expect_all_turn(const struct board *board, int first, int last, unsigned count);

/** The thread must be in state t, and not turn. */
void expect_standstill(const struct board *board, int place);

/** Wait until the thread of this place has begun.  @return its id */
int tid_at(const struct board *board, int place);

/* ---- the host's CPUs ---- */

/** Run this thread, and what is launched from now on, on this many CPUs. */
void use_cpus(int count);

#endif
