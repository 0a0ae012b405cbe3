/* SPDX-License-Identifier: MIT */
/*
 * A witness of a session's events: it is shown each one, and fails the test when they contradict what
 * <sdb/event.h> promises, with the last of them in the message.
 *
 *     struct witness witness;
 *     struct sdb_event event = SDB_EVENT_INIT;
 *
 *     witness_begin(&witness, session, WITNESS_KILLS);
 *     witness_hold(&witness, process);            after each launch and attach
 *     sdb_process_resume(process, SDB_RESUME_CONTINUE);
 *     while (witness_next(&witness, &event))      until the session holds nothing
 *         witness_resume(&witness, &event);
 *     witness_end(&witness);
 *
 * What it sees to: a newborn is announced before its first event, which is its START; nothing comes of
 * a thread that stands still, but its end, and nothing at all after that; threads end before their
 * process; each process ends once; handles, states and members are as they should be.
 */
#ifndef SDB_TEST_WITNESS_H
#define SDB_TEST_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdb/sdb.h>

/* Processes may be killed by SIGKILL at any instant. */
#define WITNESS_KILLS 0x1u

#define WITNESS_KINDS 17 /* of events, SDB_EVENT_NONE included */
#define WITNESS_LINES 40 /* that are kept for the message of a failure */

struct witness_thread;

struct witness {
    struct sdb_session *session;
    unsigned flags;
    bool all_stop;                  /* set it if the processes are in all-stop */
    struct witness_thread *threads; /* those that live */
    size_t thread_count;
    size_t thread_room;
    unsigned long told[WITNESS_KINDS]; /* how many events of each kind there were */
    unsigned long killed;              /* how many processes were killed by SIGKILL */

    /* Is asked at each end of a process that was not by SIGKILL; NULL: any end is right. */
    bool (*is_right_end)(const struct sdb_exit_status *status);

    char lines[WITNESS_LINES][120];
    unsigned long line_count;
};

void witness_begin(struct witness *witness, struct sdb_session *session, unsigned flags);

/** The session holds this process now, with all of its threads standing still. */
void witness_hold(struct witness *witness, const struct sdb_process *process);

/** The process was let go. */
void witness_let_go(struct witness *witness, const struct sdb_process *process);

/** An event that sdb_session_wait() has told. */
void witness_see(struct witness *witness, const struct sdb_event *event);

/**
 * Wait for the next event and see it.
 *
 * @return whether there was one; if not, the session holds nothing.  Anything else, and no event for
 *         a long time, fails the test
 */
bool witness_next(struct witness *witness, struct sdb_event *event);

/**
 * Wait for some events, see each and resume it, until none comes for so long.
 *
 * @return whether one of them was an end of a process
 */
bool witness_run(struct witness *witness, unsigned count, int quiet_ms);

/** Resume what the event has stopped; that must succeed. */
void witness_resume(struct witness *witness, const struct sdb_event *event);

/** Resume the event's thread in this way; that must succeed. */
void witness_resume_how(struct witness *witness, const struct sdb_event *event,
                        enum sdb_resume how);

/** The same for all of a process; also right if there was nothing to resume. */
void witness_resume_process(struct witness *witness, struct sdb_process *process);

/** Say that the process stands still now, after sdb_process_stop(). */
void witness_stopped(struct witness *witness, const struct sdb_process *process);

/** Nothing may be held any more. */
void witness_end(struct witness *witness);

/** Fail the test with these words and the last events. */
void witness_fail(const struct witness *witness, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

#endif
