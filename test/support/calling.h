/* SPDX-License-Identifier: MIT */
/*
 * What tests of system calls share: launching test/tracees/calls.c, and looking at the calls that it
 * makes.
 */
#ifndef SDB_TEST_CALLING_H
#define SDB_TEST_CALLING_H

#include <stdbool.h>
#include <stdint.h>

#include "holding.h"

#define CALLS SDB_TRACEE_DIR "/calls"

/** Launch test/tracees/calls.c into the session, with steps, NULL last. */
struct target launch_calls(const char *const *steps);

/** The same with more options of the launch (its program, its descriptors are not taken). */
struct target launch_calls_with(const char *const *steps, const struct sdb_launch_options *more);

/** The same with a filter for these calls, and nothing else. */
struct target launch_filtered(const char *const *steps, const int32_t *numbers, size_t count);

/** The same with a filter for getpgid(2), and run; SIGCHLD passes without a word. */
struct target run_filtered(const char *const *steps);

#define STEPS(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define NUMBERS(...) ((const int32_t[]){__VA_ARGS__}), sizeof((int32_t[]){__VA_ARGS__}) / 4

/** @return what the call of a step has returned, the first one being 1 */
int64_t result_of(const struct target *target, int step);

/** @return what getpriority(2) gives to this process, and to what it launches */
int64_t own_priority(void);

/** @return whether an event of this kind is the entry or the exit of a call */
bool is_call(uint32_t kind);

/** @return the call that a thread stands in; there must be one */
struct sdb_syscall call_of(struct sdb_thread *thread);

/** The next event must be this end of this call; go on from it. */
void resume_from_call(uint32_t end, int64_t number);

/** The next event must be this end of this call of x86-64.  @return it */
struct sdb_event expect_call(uint32_t end, int64_t number);

/** Both ends of a call must be the next events; they are resumed. */
void expect_whole_call(int64_t number);

/** Wait until a process sleeps, while the session lets its calls pass; no event may come meanwhile. */
void await_sleep_held(const struct target *target);

/** Catch calls, which must work. */
void catch_calls(struct sdb_process *process, uint32_t flags, const int32_t *numbers, size_t count);

/**
 * Resume all events until the exit: so many entries and exits of this call are told, and of no
 * other.
 */
void expect_calls_until_exit(int64_t number, int count);

#endif
