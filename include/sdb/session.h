/* SPDX-License-Identifier: MIT */
/**
 * Sessions: holding processes.
 *
 * A session is the set of traced processes that one thread, its tracer thread, holds.  The kernel
 * takes ptrace requests from the tracing thread only, so the calls of a session belong to the
 * thread that created it, except where a comment says otherwise; elsewhere, and in a forked child
 * of the host, they return -SDB_EWRONGTHREAD and do nothing.
 *
 *     struct sdb_session *session;
 *     struct sdb_process *process;
 *     struct sdb_event event = SDB_EVENT_INIT;
 *
 *     sdb_session_create(NULL, &session);
 *     sdb_session_launch(session, &options, &process, &error);   // stands before its first
 *     sdb_process_resume(process);                               // instruction, until resumed
 *     while (sdb_session_wait(session, -1, &event) == 0) {
 *         if (event.kind == SDB_EVENT_EXITED)
 *             printf("exit code %d\n", event.status->code);
 *         else
 *             sdb_event_resume(&event);                          // signals reach the program
 *     }
 *     sdb_session_destroy(session);
 *
 * What a session leaves alone: the host's other children (they are neither seen nor reaped), its
 * signal handlers and masks, its SIGCHLD disposition.
 *
 * What the kernel does not let it hide: a SIGCHLD handler of the host without SA_NOCLDSTOP runs at
 * each stop, and a wait of the host's own for any child, in this or another thread, can take a stop
 * away (waiting for one of its children by pid or pidfd cannot).  The session takes the ends of
 * children that the tracer thread itself made with clone(2) and an exit signal other than SIGCHLD,
 * and of processes that it traces by hand.  Where there is no io_uring, the session has a helper: a
 * child of the tracer thread, without an exit signal, that shares the host's memory.  Destroy the
 * session before the host executes another program, or the helper stays behind with the old memory.
 *
 * In version 0.1 a process is held by its first thread: further threads and children of a program
 * run untraced.  It follows that
 *
 *   - a process is lost to its session when a thread other than its first executes a program;
 *   - one whose first thread has ended while others run cannot be interrupted or detached;
 *   - attaching to, and detaching, a process that waits in vfork(2) takes until its child has executed
 *     a program or ended.
 */
#ifndef SDB_SESSION_H
#define SDB_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/error.h>
#include <sdb/event.h>
#include <sdb/export.h>
#include <sdb/launch.h>
#include <sdb/process.h>

SDB_BEGIN_DECLS

struct sdb_session;

/** Wait without io_uring, even where it is there.  Since 0.1. */
#define SDB_SESSION_NO_IO_URING UINT64_C(0x1)

/** How a session shall be.  Initialise with SDB_SESSION_OPTIONS_INIT.  Since 0.1. */
struct sdb_session_options {
    size_t size;    /* sizeof(struct sdb_session_options) */
    uint64_t flags; /* SDB_SESSION_... */
};

#define SDB_SESSION_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(struct sdb_session_options), 0                                                      \
    }

/**
 * Create the session of the calling thread, which becomes its tracer thread.
 *
 * @param options  how it shall be; NULL: all defaults
 * @param session  gets the session; end it with sdb_session_destroy()
 * @return 0, or
 *         -EINVAL  @p session is NULL, a wrong size, or an unknown flag
 *         -E2BIG   members of @p options that this version does not know are set
 *         -EBUSY   this thread has a session already
 *         -ENOSYS  there is no way to wait: under valgrind, where io_uring is not to be had
 *         -ENOMEM  no memory
 *         -EMFILE, -ENFILE  no room for a descriptor
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_session_create(const struct sdb_session_options *options,
                               struct sdb_session **session);

/**
 * End the session.  Processes that it launched are killed and reaped; those that it attached to are
 * detached, and go on as they were.  Detach or kill them before for anything else.  All handles of
 * the session become invalid.
 *
 * In a forked child of the host it gives back the child's copy and leaves the processes alone.  A
 * thread that ends without this call loses its processes in the same way (what was launched dies,
 * what was attached runs on), and leaves the session's memory behind.
 *
 * @return 0, also for NULL, or -SDB_EWRONGTHREAD
 *
 * Tracer thread, or a forked child of the host.  Since 0.1.
 */
SDB_API int sdb_session_destroy(struct sdb_session *session);

/**
 * Launch a program and hold it: it stands before its first instruction, with all of its memory in
 * place and nothing of it run, not even the dynamic linker.  Resume it with sdb_process_resume().
 *
 * The process dies with its tracer thread, however that ends.
 *
 * @param session  the session that shall hold it
 * @param options  what to launch, see <sdb/launch.h>
 * @param process  gets the process; the session owns it, see <sdb/process.h>
 * @param error    gets stage, argument and errno of a failure; may be NULL
 * @return 0, or what sdb_launch() returns, and
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EPERM             with stage SEIZE: the host may not trace its own child; it is not
 *                            dumpable (PR_SET_DUMPABLE) and has no CAP_SYS_PTRACE, or it runs under
 *                            a seccomp filter without ptrace
 *         -ESRCH             with stage START: the kernel had given up the old image, found the
 *                            new one unfit, and ended the process by the signal told
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_session_launch(struct sdb_session *session,
                               const struct sdb_launch_options *options,
                               struct sdb_process **process, struct sdb_error *error);

/**
 * Attach to a running or stopped process and hold it.  It has stopped when this returns; it runs on
 * as it was when it is detached.  Signals that arrive meanwhile reach it.
 *
 * @param session  the session that shall hold it
 * @param pid      its process id
 * @param process  gets the process; the session owns it, see <sdb/process.h>
 * @param error    gets stage, errno and, for -EBUSY, the tracer's pid; may be NULL
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL     @p session or @p process is NULL, or @p pid is not positive
 *         -ESRCH      no such process, or it ended meanwhile (a zombie too; the detail says which)
 *         -EBUSY      it is traced already: other_pid tells by which process or thread
 *         -EDEADLK    it is the host itself
 *         -EPERM      the system does not permit it: another user's, not dumpable, a kernel thread,
 *                     or a security module; the detail says what is known
 *         -ENOMEM     no memory
 *         -EMFILE, -ENFILE  no room for a descriptor
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_session_attach(struct sdb_session *session, int32_t pid,
                               struct sdb_process **process, struct sdb_error *error);

/**
 * Wait for the next event of any process of the session.
 *
 * Until it is resumed, the thread that stopped stands still.  Handles in the event are the
 * session's, and of a process that has ended they are valid until the next call of this function,
 * unless they are retained.
 *
 * @param timeout_ms  milliseconds to wait at most; 0 only looks, negative waits for ever
 * @param event       gets the event; its size member is set by SDB_EVENT_INIT
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL     @p session or @p event is NULL, or the size is smaller than the first
 *                     version's
 *         -E2BIG      the size is larger than this version's, and the members beyond are not 0
 *         -ETIMEDOUT  nothing happened in time
 *         -EINTR      sdb_session_interrupt() was called
 *         -ECHILD     the session holds nothing: no event can come
 *         -ENOMEM, -EAGAIN  the means of waiting could not be had; call again
 *
 * A signal handler of the host that runs meanwhile does not end it.
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_session_wait(struct sdb_session *session, int timeout_ms, struct sdb_event *event);

/**
 * Make the running sdb_session_wait() return -EINTR, or else the next one that finds no event
 * waiting.  Several calls before it count as one.
 *
 * @return 0, or
 *         -EINVAL            @p session is NULL
 *         -SDB_EWRONGTHREAD  this is a forked child of the host
 *
 * Any thread, and signal handlers: it is async-signal-safe.  The session must not be destroyed
 * meanwhile.  Since 0.1.
 */
SDB_API int sdb_session_interrupt(struct sdb_session *session);

SDB_END_DECLS

#endif
