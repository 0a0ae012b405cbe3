/* SPDX-License-Identifier: MIT */
/**
 * Processes that a session holds.
 *
 * A handle is the session's: it is valid until the sdb_session_wait() after the one that reported
 * the process's end, or until the process is detached or the session destroyed.  Retain it to keep
 * it longer; a retained handle of a process that is gone answers with the pid it had, and else with
 * -ESRCH.
 */
#ifndef SDB_PROCESS_H
#define SDB_PROCESS_H

#include <stdint.h>

#include <sdb/child.h>
#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_process;
struct sdb_thread;

/** What becomes of a process that is let go.  Since 0.1. */
enum sdb_detach {
    SDB_DETACH_RUN = 0,  /* it goes on as if nothing had been there: running, or stopped by its own
                            group-stop; a signal that was coming reaches it */
    SDB_DETACH_STOP = 1, /* it stays where it is, stopped by SIGSTOP, until it gets a SIGCONT */
};

/**
 * @return the process id, or -EINVAL if @p process is NULL
 *
 * Any thread.  Since 0.1.
 */
SDB_API int32_t sdb_process_pid(const struct sdb_process *process);

/**
 * The thread by which the process is held.
 *
 * @return the thread, or NULL if @p process is NULL or gone
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API struct sdb_thread *sdb_process_thread(const struct sdb_process *process);

/**
 * Resume every thread of the process that stands still, as sdb_event_resume() does.
 *
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL
 *         -ESRCH   it is gone
 *         -EBUSY   no thread stands still
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_resume(struct sdb_process *process);

/**
 * Kill the process by SIGKILL, in whatever state it is.  Its end comes as an SDB_EVENT_EXITED.
 *
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL
 *         -ESRCH   it is gone
 *         -EPERM   it has changed its user id, and this process may not signal it
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_kill(struct sdb_process *process);

/**
 * Let the process go.  The handle becomes invalid.
 *
 * @param process  a process that stands still or runs
 * @param how      what becomes of it
 * @param child    for a process that this session launched: gets a child that can be waited for;
 *                 NULL if it is not wanted.  For an attached one it gets NULL
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL or @p how unknown
 *         -ESRCH   it is gone, or ended meanwhile; then its event is still told
 *         -EBUSY   its first thread has ended while others run: it is held until all have
 *         -ENOMEM  no memory for the child; the process is held as before
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_detach(struct sdb_process *process, enum sdb_detach how,
                               struct sdb_child **child);

/**
 * Keep the handle until sdb_process_close().
 *
 * @return @p process
 *
 * Any thread.  Since 0.1.
 */
SDB_API struct sdb_process *sdb_process_retain(struct sdb_process *process);

/**
 * Give back a handle that was retained.  NULL is allowed.  The process itself is not touched.
 *
 * Any thread.  Since 0.1.
 */
SDB_API void sdb_process_close(struct sdb_process *process);

SDB_END_DECLS

#endif
