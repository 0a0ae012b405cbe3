/* SPDX-License-Identifier: MIT */
/*
 * Sessions from the inside: the list of what is held, the queue of what is to be told, and the pump
 * that takes wait statuses from the kernel and makes stops and ends of them.
 *
 * session.c has the session itself, session_launch.c and session_attach.c the ways into and out of
 * it.
 */
#ifndef SDB_LIB_SESSION_H
#define SDB_LIB_SESSION_H

#include <stdbool.h>

#include <sdb/session.h>

#include "deadline.h"
#include "process.h"
#include "waiter.h"

struct sdb_session {
    struct sdb__waiter *waiter;
    struct sdb_process *processes;
    struct sdb_thread *first_queued;
    struct sdb_thread *last_queued;
    uint8_t *mark; /* a page that the kernel empties in a forked child: 1 where we were created */
    size_t mark_size;
};

/** @return whether the caller is the session's tracer thread; without a system call */
bool sdb__session_is_ours(const struct sdb_session *session);

/** Take a process into the session, in a phase. */
void sdb__session_add(struct sdb_session *session, struct sdb_process *process,
                      enum sdb__process_phase phase);

/** Take a process that ended or was let go out of the session; its handle may die here. */
void sdb__session_remove(struct sdb_session *session, struct sdb_process *process);

/** Forget the stop of a thread that waits to be told. */
void sdb__session_unqueue(struct sdb_session *session, struct sdb_thread *thread);

/**
 * Take one status from the kernel and deal with it.
 *
 * @return 0, -ETIMEDOUT, -EINTR (only if @p heeds_interrupt) or another negative errno
 */
int sdb__session_pump(struct sdb_session *session, const struct sdb__deadline *deadline,
                      bool heeds_interrupt);

/** Pump until the process has stopped or ended. @return as sdb__session_pump() */
int sdb__session_settle(struct sdb_session *session, struct sdb_process *process,
                        const struct sdb__deadline *deadline);

/** Let a process go, see sdb_process_detach(). */
int sdb__session_detach(struct sdb_process *process, enum sdb_detach how, struct sdb_child **child);

#endif
