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
#include <sdb/thread.h>

SDB_BEGIN_DECLS

struct sdb_process;

/** What becomes of a process that is let go.  Since 0.1. */
enum sdb_release {
    SDB_RELEASE_RUN = 0,  /* it goes on as if nothing had been there: running, or stopped by its own
                             group-stop; signals that were coming reach it */
    SDB_RELEASE_STOP = 1, /* it stays where it is, stopped by SIGSTOP, until it gets a SIGCONT */
    SDB_RELEASE_KILL = 2, /* it is killed, and reaped */
};

/**
 * Which newborns of a process are held, as flags; the others go on untraced, with nothing of libsdb in
 * them, and no event tells of them.
 *
 * Those that are made with CLONE_UNTRACED of clone(2) are out of reach of them all: the kernel shows them to
 * no tracer.  They go on whatever becomes of the session, and one that is made while its parent has software
 * breakpoints has their bytes, and dies of the first that it comes by.  Hardly any program does that; who
 * has to do with one catches clone(2) and clone3(2), sdb_process_catch_syscalls(), and takes the flag out at
 * the beginning of the call, sdb_thread_set_syscall(): then the newborn is as any other.  The library does
 * not do so by itself, as it would have to stop each thread at each of its system calls.  Since 0.1.
 */
#define SDB_FOLLOW_FORK  UINT32_C(0x1) /* processes made by fork(2) and the like */
#define SDB_FOLLOW_VFORK UINT32_C(0x2) /* processes made by vfork(2), posix_spawn(3) and the like */
#define SDB_FOLLOW_CLONE UINT32_C(0x4) /* threads, and processes with another exit signal */
#define SDB_FOLLOW_EXEC  UINT32_C(0x8) /* the process itself, when it executes another program */

#define SDB_FOLLOW_DEFAULT (SDB_FOLLOW_CLONE | SDB_FOLLOW_EXEC)
#define SDB_FOLLOW_ALL     (SDB_FOLLOW_DEFAULT | SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK)

/** What happens to the other threads of a process when one has an event.  Since 0.1. */
enum sdb_stop_mode {
    SDB_NON_STOP = 0, /* they run on */
    SDB_ALL_STOP = 1, /* they are stopped before it is told */
};

/**
 * @return the process id, or -EINVAL if @p process is NULL
 *
 * Any thread.  Since 0.1.
 */
SDB_API int32_t sdb_process_pid(const struct sdb_process *process);

/**
 * The first thread of the process: the one whose id is the process's.
 *
 * @return the thread, until the sdb_session_wait() after the one that told the process's end; then, or
 *         if @p process is NULL, NULL
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API struct sdb_thread *sdb_process_thread(const struct sdb_process *process);

/**
 * Go through the threads of the process that are held, in no particular order.
 *
 *     for (thread = sdb_process_next_thread(process, NULL); thread;
 *          thread = sdb_process_next_thread(process, thread))
 *
 * @param after  the one before, or NULL for the first; it must not be gone
 * @return a thread, or NULL after the last, or if @p process is NULL or gone
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API struct sdb_thread *sdb_process_next_thread(const struct sdb_process *process,
                                                   const struct sdb_thread *after);

/**
 * @return how many of its threads are held, or -EINVAL if @p process is NULL; one that others of the
 *         program have joined already counts until the session has seen its end
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_thread_count(const struct sdb_process *process);

/**
 * Say which newborns shall be held.  At first that is SDB_FOLLOW_DEFAULT, or for a program that was
 * launched with `caught_syscalls` SDB_FOLLOW_ALL; a newborn process begins with what its parent has.
 *
 * Without SDB_FOLLOW_EXEC the process is let go when it executes another program, which an
 * SDB_EVENT_RELEASED tells.  Without SDB_FOLLOW_CLONE it is lost to its session when a thread that is
 * not held executes a program.
 *
 * @param follow  SDB_FOLLOW_... flags
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL, or an unknown flag; or SDB_FOLLOW_CLONE is not among them, and
 *                  the process has or had breakpoints
 *         -ESRCH   it is gone, or was killed just now
 *         -EBUSY   not all of its threads stand still: see sdb_process_stop().  Those that it does not
 *                  wait for may run; the policy is theirs from their next stop on
 *         -EPERM   it has the filter of `caught_syscalls`, and a newborn would be let go
 *                  (sdb_process_permit_release())
 *         -ENOMEM  no memory
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_set_follow(struct sdb_process *process, uint32_t follow);

/**
 * Say what becomes of the process at the end of the session.  At first that is SDB_RELEASE_KILL for
 * launched processes, SDB_RELEASE_RUN for others; a newborn begins with what its parent has.
 *
 * When the tracer thread ends without ending its session, as when the host is killed, the kernel
 * keeps SDB_RELEASE_KILL too, and lets all others run.
 *
 * @return as sdb_process_set_follow(); -EINVAL also for an unknown @p release, -EPERM if it would be let
 *         go
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_set_release(struct sdb_process *process, enum sdb_release release);

/**
 * Say what happens to its other threads when one has an event.  At first that is SDB_NON_STOP; a
 * newborn process begins with what its parent has.
 *
 * In all-stop, sdb_session_wait() tells an event of the process when all of its threads stand still.
 * One that cannot stop yet is not waited for: it waits in vfork(2), or is a first thread that has
 * ended while others run.  A thread that meanwhile stops for a reason of its own tells its own event
 * later.
 *
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL, or @p mode unknown
 *         -ESRCH   it is gone
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_set_stop_mode(struct sdb_process *process, enum sdb_stop_mode mode);

/**
 * Stop all threads of the process now.  They stand still when this returns, but for those that cannot
 * stop yet (as in all-stop), which do so without an event once they can.  No event tells of those that
 * were stopped by this; the others' are still to be told.
 *
 * @param timeout_ms  milliseconds to wait at most; negative waits for ever
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL     @p process is NULL
 *         -ESRCH      it is gone, or ended meanwhile: then its end is still to be told
 *         -ETIMEDOUT  some still run, and stop without an event when they can
 *         -ENOMEM, -EAGAIN  as from sdb_session_wait()
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_stop(struct sdb_process *process, int timeout_ms);

/**
 * Resume every thread of the process that stands still and whose event was told.  Each gets the signal
 * that was coming for it; one in a group-stop stays stopped until the process gets a SIGCONT, if
 * @p how is SDB_RESUME_CONTINUE.  A process that was killed, whose end is still to be told, is resumed
 * too.
 *
 * @param how  how far
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL, or @p how unknown
 *         -ESRCH   it is gone
 *         -EBUSY   no such thread
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_resume(struct sdb_process *process, enum sdb_resume how);

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
 * Let the process go, with all of its threads.  The handle becomes invalid.
 *
 * A thread that waits in vfork(2) cannot be let go before that is over.  It is waited for up to 200 ms;
 * but not where the one that it has made is held, and so is the caller's to run.  If it is not over then,
 * the session lets the thread go as soon as it can, within sdb_session_wait() and the other calls that wait,
 * and within sdb_child_wait() in the tracer thread: until one of these the process stands still once its
 * vfork is over, and so does whoever waits for it otherwise.
 *
 * A first thread that has ended while others run stays with the session's thread until they have ended.
 * It is waited for by a thread of the library's own, so that the process's parent sees its end.
 *
 * @param process  a process that stands still or runs
 * @param how      what becomes of it
 * @param child    for a process that this session launched: gets a child that can be waited for;
 *                 NULL if it is not wanted.  For another process, or with SDB_RELEASE_KILL, it gets
 *                 NULL
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL or @p how unknown
 *         -ESRCH   it is gone, or ended meanwhile; then its event is still told
 *         -EPERM   it has the filter of `caught_syscalls` (sdb_process_permit_release())
 *         -EBUSY   @p child is wanted, and it shares its memory with another held process that has
 *                  breakpoints there
 *         -ETIMEDOUT  with SDB_RELEASE_KILL: it hangs in the kernel; its end is still told
 *         -ENOMEM  no memory for the child, or for a newborn that is still to be told; the process is
 *                  held as before
 *         -EAGAIN  the means of waiting could not be had; the process is held as before
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_detach(struct sdb_process *process, enum sdb_release how,
                               struct sdb_child **child);

/**
 * Remember something of the caller's with a process; NULL at first.
 *
 * @return sdb_process_data(): what was set, NULL if @p process is NULL
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API void sdb_process_set_data(struct sdb_process *process, void *data);
SDB_API void *sdb_process_data(const struct sdb_process *process);

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
