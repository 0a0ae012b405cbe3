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
 *     sdb_process_resume(process, SDB_RESUME_CONTINUE);          // instruction, until resumed
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
 * each stop.  A wait of the host's own for any child, in this or another thread, can take away what a
 * held thread did; sdb_session_wait() says so (-SDB_ESTOLEN) instead of hanging.  Waiting for one of
 * the host's children by pid or pidfd cannot.  The session takes the ends of children that the tracer
 * thread itself made with clone(2) and an exit signal other than SIGCHLD, and what processes do that
 * it traces by hand.
 *
 * Where there is no io_uring, and while many stops follow each other, the session has a helper: a
 * child of the tracer thread, without an exit signal, that shares the host's memory.  It goes by
 * itself within a second, also when the host executes another program meanwhile.  A wait of the host's
 * own for any child with __WALL or __WCLONE, in another thread, can take its end away, and then neither
 * a deadline nor an interrupt ends the session's wait.
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

/** The session gets a thread of its own, which is its tracer thread.  Since 0.1. */
#define SDB_SESSION_OWN_THREAD UINT64_C(0x2)

/**
 * What a session's own thread calls for each event, see SDB_SESSION_OWN_THREAD.  It may call
 * everything of the session but sdb_session_wait() and sdb_session_destroy().
 *
 * @param code   0, or what sdb_session_wait() returned: -SDB_ESTOLEN, -ENOMEM, -EAGAIN
 * @param event  the event, or NULL if @p code is not 0; valid during the call
 * @param data   the options' handler_data
 */
typedef void sdb_session_handler(struct sdb_session *session, int code,
                                 const struct sdb_event *event, void *data);

/** How a session shall be.  Initialise with SDB_SESSION_OPTIONS_INIT.  Since 0.1. */
struct sdb_session_options {
    size_t size;                  /* sizeof(struct sdb_session_options) */
    uint64_t flags;               /* SDB_SESSION_... */
    sdb_session_handler *handler; /* with SDB_SESSION_OWN_THREAD: gets the events.  NULL: the thread
                                     only makes calls, and one of these has to wait for events */
    void *handler_data;
};

#define SDB_SESSION_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(struct sdb_session_options), 0, NULL, NULL                                          \
    }

/**
 * Create the session of the calling thread, which becomes its tracer thread; or with
 * SDB_SESSION_OWN_THREAD, one with a new thread, in which sdb_session_call() runs the caller's
 * functions.
 *
 * @param options  how it shall be; NULL: all defaults
 * @param session  gets the session; end it with sdb_session_destroy()
 * @return 0, or
 *         -EINVAL  @p session is NULL, a wrong size, an unknown flag, or a handler for a session
 *                  without a thread of its own
 *         -E2BIG   members of @p options that this version does not know are set
 *         -EBUSY   this thread has a session already
 *         -ENOSYS  there is no way to wait: under valgrind, where io_uring is not to be had
 *         -ENOMEM  no memory
 *         -EMFILE, -ENFILE  no room for a descriptor
 *         -EAGAIN  no thread could be made
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_session_create(const struct sdb_session_options *options,
                               struct sdb_session **session);

/**
 * End the session, and with it its own thread if it has one.  What becomes of its processes says
 * sdb_process_set_release(): at first, those that it launched are killed and reaped, with all that was
 * born of them, and those that it attached to are detached, and go on as they were.  All handles of
 * the session become invalid, but for retained ones.
 *
 * A process that waits in vfork(2) can only be let go when its child has executed a program or ended,
 * and this waits for it.  One that is killed and does not die within a second is left to the kernel.
 *
 * In a forked child of the host it gives back the child's copy and leaves the processes alone.  A
 * thread that ends without this call loses its processes (what has SDB_RELEASE_KILL dies, the others
 * run on), and leaves the session's memory behind.
 *
 * @return 0, also for NULL, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EDEADLK           a session's own thread cannot end its own session
 *
 * Tracer thread, or a forked child of the host; for a session with its own thread any thread but that
 * one, and no other call of the session may be under way.  Since 0.1.
 */
SDB_API int sdb_session_destroy(struct sdb_session *session);

/**
 * Run a function in the session's own thread, between two events, and wait until it has returned.
 * Functions of several callers run one after the other, in the order in which they came.  When it is
 * called in that thread itself, the function is simply called.
 *
 * @param function  what to run; it gets @p session and @p data
 * @param result    gets what the function returned; may be NULL
 * @return 0, or
 *         -EINVAL            @p session or @p function is NULL, or the session has no thread of its own
 *         -SDB_EWRONGTHREAD  this is a forked child of the host
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_session_call(struct sdb_session *session,
                             int (*function)(struct sdb_session *session, void *data), void *data,
                             int *result);

/**
 * Launch a program and hold it: it stands before its first instruction, with all of its memory in
 * place and nothing of it run, not even the dynamic linker.  Resume it with sdb_process_resume().
 *
 * The process dies with its tracer thread, however that ends, unless sdb_process_set_release() says
 * otherwise.
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
 * Attach to all threads of a running or stopped process and hold them.  They stand still when this
 * returns, but for those that cannot stop yet, which do so without an event when they can: a thread
 * that waits in vfork(2), and a first thread that has ended while others run.  The process runs on as
 * it was when it is detached.  Signals that arrive meanwhile reach it.
 *
 * A process that executes another program meanwhile is held too, with the new program.
 *
 * The end of a child of the host is told by the session as long as it holds it, and the host's own wait for
 * it finds nothing then.  Where the attach fails, or the child is let go again, its end is the host's.
 *
 * @param session  the session that shall hold it
 * @param pid      its process id
 * @param process  gets the process; the session owns it, see <sdb/process.h>
 * @param error    gets stage, errno and reason (enum sdb_reason), and for -EBUSY the tracer's id; may
 *                 be NULL
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL     @p session or @p process is NULL, or @p pid is not positive
 *         -ESRCH      no such process, or it ended meanwhile (a zombie too; the reason says which)
 *         -EBUSY      it is traced already: other_pid tells by which thread
 *         -EDEADLK    it is the host itself
 *         -EPERM      the system does not permit it: another user's, not dumpable, a kernel thread,
 *                     or a security module; the reason says what is known
 *         -ENOMEM     no memory
 *         -EMFILE, -ENFILE  no room for a descriptor
 *         -EAGAIN     no thread could be made: one stands by while a process of several threads is
 *                     attached to
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_session_attach(struct sdb_session *session, int32_t pid,
                               struct sdb_process **process, struct sdb_error *error);

/**
 * The same for the process that a pidfd stands for; it cannot hit another that was given the same pid.
 *
 * @param pidfd  a descriptor of pidfd_open(2) or sdb_child_pidfd(); it stays the caller's
 * @return as sdb_session_attach(); -EINVAL also if @p pidfd is no pidfd, -EBADF if it is not open,
 *         -ENOSYS if the system does not say which process it stands for (no /proc)
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_session_attach_pidfd(struct sdb_session *session, int pidfd,
                                     struct sdb_process **process, struct sdb_error *error);

/** What is done with a signal that has come for a held thread.  Since 0.1. */
enum sdb_signal_policy {
    SDB_POLICY_REPORT = 0, /* an SDB_EVENT_SIGNAL tells of it, and resuming delivers it */
    SDB_POLICY_PASS = 1,   /* it is delivered, and nothing told */
    SDB_POLICY_DROP = 2,   /* it is not delivered, and nothing told */
};

/**
 * Say what is done with a signal from now on, in all processes of the session.
 *
 * A SIGSTOP and its like that is passed stops the process: the SDB_EVENT_GROUP_STOP is told in any
 * case.
 *
 * @param signal  its number, or 0 for all
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p session is NULL, @p signal is no signal, or SIGKILL, which cannot be caught; or
 *                  @p policy is unknown
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_session_set_signal_policy(struct sdb_session *session, int signal,
                                          enum sdb_signal_policy policy);

/**
 * Wait for the next event of any process of the session.
 *
 * Until it is resumed, the thread that stopped stands still.  Handles in the event are the
 * session's, and of a thread or process that has ended they are valid until the next call of this
 * function, unless they are retained.  Threads that all have something to tell are told in turn.
 *
 * @param timeout_ms  milliseconds to wait at most; 0 only looks, negative waits for ever
 * @param event       gets the event; its size member is set by SDB_EVENT_INIT
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL     @p session or @p event is NULL, or the size is smaller than the first
 *                     version's
 *         -E2BIG      the size is larger than this version's, and the members beyond are not 0
 *         -ETIMEDOUT  nothing happened in time
 *         -EINTR      sdb_session_interrupt() was called; where the session holds nothing, only one
 *                     that uses sdb_session_fd() is told so
 *         -ECHILD     the session holds nothing: no event can come
 *         -SDB_ESTOLEN  the host has taken away what a held thread did, by a wait of its own for any
 *                     child.  It is noticed within a few seconds of waiting, and the session has found
 *                     out what it was: the next call tells it (of a process that was reaped, an end
 *                     whose usage is not known, and whose status only where the kernel keeps it,
 *                     Linux 6.15; else as SDB_EXITED with code -1)
 *         -ENOMEM     no memory; call again, nothing is lost.  Where it was a newborn that there was
 *                     none for, the newborn stands still until there is some, and so does who made it
 *         -EAGAIN     the means of waiting could not be had; call again
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

/**
 * A descriptor for poll, epoll and any event loop: it becomes readable when sdb_session_wait() has
 * something to tell, an interrupt included.  When it is readable, call sdb_session_wait() with a
 * time-out of 0 until it returns -ETIMEDOUT (or -ECHILD); it may also be readable for nothing.  Do so
 * once before the first poll, too.  What the host has taken away (-SDB_ESTOLEN) does not make it
 * readable: a call of sdb_session_wait() now and then finds it out.
 *
 * Where there is no io_uring, the session gets a thread of its own that watches its processes: it
 * has all signals blocked, and calls nothing of the host's.
 *
 * @return the descriptor, close-on-exec and the session's: neither read nor close it; or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p session is NULL
 *         -EMFILE, -ENFILE, -ENOMEM, -EAGAIN  it could not be had
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_session_fd(struct sdb_session *session);

/**
 * Go through the processes that the session holds, in no particular order; those that have ended are not
 * among them, although their end may still be to be told.
 *
 * @param after  the one before, or NULL for the first; it must not be gone
 * @return a process, or NULL after the last, or if @p session is NULL
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API struct sdb_process *sdb_session_next_process(const struct sdb_session *session,
                                                     const struct sdb_process *after);

/**
 * @return the held thread that has this id, or NULL if there is none
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API struct sdb_thread *sdb_session_find_thread(const struct sdb_session *session, int32_t tid);

SDB_END_DECLS

#endif
