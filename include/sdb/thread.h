/* SPDX-License-Identifier: MIT */
/**
 * Threads of the processes that a session holds.
 *
 * A handle is the session's: it is valid until the sdb_session_wait() after the one that told the
 * thread's end, or until the process is detached or the session destroyed.  Retain it to keep it
 * longer; a retained handle of a thread that is gone answers with the id it had, and else with
 * -ESRCH: it never speaks of another thread that was given the same id.
 */
#ifndef SDB_THREAD_H
#define SDB_THREAD_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_process;
struct sdb_thread;

/**
 * How to go on.  Since 0.1.
 *
 * A step is one instruction, and is told once.  One that makes a system call ends with the call; a thread
 * that stands in a call, at its beginning or at SDB_EVENT_FORK say, is stepped to its end.  A step with a
 * signal that has a handler ends before the handler's first instruction.  A call that an interrupt ends, and
 * that is made again, is one step still: SDB_EVENT_INTERRUPT shows the thread behind it, and the next step is
 * that of the call.
 *
 * The program cannot tell that it is stepped: it sees no trap flag, neither in flags that it pushes nor after
 * a system call, and SIGTRAP's handler and mask are as it has set them, be the signal blocked; be it
 * ignored, too, if that was so at the first step (later, the kernel has it be the default from then on).  A
 * program that steps itself by the trap flag gets its own SIGTRAPs: the `signal` of SDB_EVENT_STEP is the one
 * that reaches it when the thread is resumed.  What cannot be had: a SIGTRAP that was sent, and waits
 * because it is blocked, waits again as one that the tracer has sent.
 *
 * Where the processor has UMIP, the kernel itself carries out `str`, `sldt`, `sgdt`, `sidt` and `smsw`,
 * and no trap comes behind one, as none comes behind `mov` to ss anywhere: a step that begins at it ends
 * after the instruction that follows.  A step of a string with a rep prefix, or of a gather, may end in its
 * midst: the pc is where it was.
 */
enum sdb_resume {
    SDB_RESUME_CONTINUE = 0, /* until something happens */
    SDB_RESUME_STEP = 1,     /* for one instruction; but see above */
    SDB_RESUME_SYSCALL = 2,  /* to the beginning or the end of the next system call */
};

/** The signal of sdb_thread_resume() that stands for "the one that was coming, if any". */
#define SDB_SIGNAL_PASS (-1)

/** What a thread is doing, as far as its events have told.  Since 0.1. */
enum sdb_thread_state {
    SDB_THREAD_GONE = 0,
    SDB_THREAD_RUNNING = 1,
    SDB_THREAD_STOPPED = 2,
};

/**
 * @return the thread id, or -EINVAL if @p thread is NULL
 *
 * Any thread.  Since 0.1.
 */
SDB_API int32_t sdb_thread_tid(const struct sdb_thread *thread);

/**
 * @return the thread's process, or NULL if @p thread is NULL
 *
 * Any thread.  Since 0.1.
 */
SDB_API struct sdb_process *sdb_thread_process(const struct sdb_thread *thread);

/**
 * A thread that has stopped, but whose event is still to be told, is RUNNING here, unless the whole
 * process was stopped meanwhile (sdb_process_stop(), all-stop).
 *
 * @return one of enum sdb_thread_state; GONE if @p thread is NULL
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API enum sdb_thread_state sdb_thread_state(const struct sdb_thread *thread);

/**
 * Resume a thread that stands still.
 *
 * A thread in a group-stop that is resumed with SDB_RESUME_CONTINUE and SDB_SIGNAL_PASS stays
 * stopped until the process gets a SIGCONT; with any other way or signal it runs, against the
 * group-stop, until its next event.  From there, too, SDB_RESUME_CONTINUE with SDB_SIGNAL_PASS has it
 * stopped again, as long as no SIGCONT has come.
 *
 * A thread that somebody kills at this very moment is resumed too: its end is the next event.
 *
 * @param thread  a thread that stands still
 * @param how     how far
 * @param signal  SDB_SIGNAL_PASS: the signal that was coming reaches it; 0: it is dropped, and no
 *                other comes instead; else the signal that it gets in its place.  Only a thread
 *                that stopped with SDB_EVENT_SIGNAL can be given one
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p thread is NULL, @p how unknown, or @p signal no signal or not to be given
 *         -ESRCH   it is gone
 *         -EBUSY   it runs, or its event is still to be told
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_resume(struct sdb_thread *thread, enum sdb_resume how, int signal);

/**
 * Ask a running thread to stop.  It does so soon, with an SDB_EVENT_INTERRUPT, or with another
 * event that came first; then no SDB_EVENT_INTERRUPT follows.  Asking again before that changes
 * nothing.  A thread that waits inside the kernel goes on waiting when it is resumed; one that waits
 * in vfork(2) stops when its child has executed a program or ended, and a first thread that has ended
 * while others run never does.  One in a group-stop is still in it when it is resumed.
 *
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL    @p thread is NULL
 *         -ESRCH     it is gone
 *         -EALREADY  it stands still
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_interrupt(struct sdb_thread *thread);

/**
 * Where a thread stands: the address of the next instruction.
 *
 * @param address  gets the address in the process
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p thread or @p address is NULL
 *         -ESRCH   it is gone
 *         -EBUSY   it runs
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_pc(struct sdb_thread *thread, uint64_t *address);

/**
 * What the kernel says about the signal of an SDB_EVENT_SIGNAL: who sent it, and why.
 *
 * @param info  room for a siginfo_t of <signal.h>
 * @param size  sizeof(siginfo_t)
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p thread or @p info is NULL, @p size is not that of a siginfo_t, or the thread
 *                  did not stop for a signal
 *         -ESRCH   it is gone
 *         -EBUSY   it runs
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_siginfo(struct sdb_thread *thread, void *info, size_t size);

/**
 * Remember something of the caller's with a thread; NULL at first.
 *
 * @return sdb_thread_data(): what was set, NULL if @p thread is NULL
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API void sdb_thread_set_data(struct sdb_thread *thread, void *data);
SDB_API void *sdb_thread_data(const struct sdb_thread *thread);

/**
 * Keep the handle until sdb_thread_close().  It keeps its process's handle too.
 *
 * @return @p thread
 *
 * Any thread.  Since 0.1.
 */
SDB_API struct sdb_thread *sdb_thread_retain(struct sdb_thread *thread);

/**
 * Give back a handle that was retained.  NULL is allowed.  The thread itself is not touched.
 *
 * Any thread.  Since 0.1.
 */
SDB_API void sdb_thread_close(struct sdb_thread *thread);

SDB_END_DECLS

#endif
