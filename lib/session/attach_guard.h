/* SPDX-License-Identifier: MIT */
/*
 * A guard for attaching to a process of several threads.
 *
 * PTRACE_SEIZE takes a mutex of the target's that an execve of it holds until all other threads of it
 * have been reaped.  If we hold some of these already, we are the ones to reap them, and sit in the
 * seize: nothing but another thread of ours can help.  The guard is that thread: when a seize takes
 * long, it reaps what has died, and keeps the statuses for the session.
 */
#ifndef SDB_LIB_SESSION_ATTACH_GUARD_H
#define SDB_LIB_SESSION_ATTACH_GUARD_H

#include <sys/types.h>

#include "kernel/ptrace.h"

struct sdb__attach_guard;
struct sdb_session;

/** Post a guard over the target.  Called by the tracer thread.  @return 0, -ENOMEM or -EAGAIN */
int sdb__attach_guard_post(pid_t target, struct sdb__attach_guard **guard);

/** Seize a thread of the target under the guard, and tell the session what it has reaped. */
int sdb__attach_guard_seize(struct sdb__attach_guard *guard, struct sdb_session *session, pid_t tid,
                            const struct sdb__ptrace_options *options);

/** Dismiss it.  NULL is allowed. */
void sdb__attach_guard_dismiss(struct sdb__attach_guard *guard);

#endif
