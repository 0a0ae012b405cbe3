/* SPDX-License-Identifier: MIT */
/*
 * The events of the test's session: each is waited for, and must be the one that is expected; and
 * going on from them.
 */
#ifndef SDB_TEST_EVENTS_H
#define SDB_TEST_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/sdb.h>

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

/**
 * No event may come within some milliseconds (it is quick: what is wrong may be missed at times).
 */
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

/** Interrupt a thread, and wait for the event of it, which must be the next. */
void stop_thread(struct sdb_thread *thread);

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

/**
 * Resume all events, whatever they are, until this process has ended.
 *
 * @return how it ended
 */
struct sdb_exit_status run_to_end(const struct sdb_process *process);

#endif
