/* SPDX-License-Identifier: MIT */
/**
 * Watchpoints: stopping where a program writes or reads certain bytes.
 *
 *     struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
 *     struct sdb_watchpoint *watchpoint;
 *
 *     options.address = address;
 *     options.length = sizeof(uint64_t);
 *     sdb_watchpoint_create(process, &options, &watchpoint);
 *     ...
 *     while (sdb_session_wait(session, -1, &event) == 0) {
 *         if (event.kind == SDB_EVENT_WATCHPOINT)
 *             report(event.thread, event.old_value, event.new_value, event.value_size);
 *         sdb_event_resume(&event);
 *     }
 *
 * The processor's debug registers do the watching, in every thread of the process, those that are made
 * later, too.  There are four.  Each watches 1, 2, 4 or 8 bytes at an address that is a multiple of
 * that; other ranges are split into such pieces, and need as many registers.  Hardware breakpoints
 * take of the same four.  Whoever sets debug registers by hand, through <sdb/registers.h> or otherwise,
 * takes them from the watchpoints.
 *
 * Each instruction that touches the bytes is one hit, told after it was executed: the program counter
 * (sdb_thread_pc()) is that of the next instruction, or in the midst of a repeated string instruction
 * its own.  The event's `address` and `value_size` are the whole range of the watchpoint, whichever of
 * its bytes were touched.  `old_value` is what was there when it was last looked at: when the
 * watchpoint was enabled, or at the last hit; `new_value` is what is there at the hit.  Other threads
 * run meanwhile: what they have just written may show as new here already, and as old at their own hit,
 * so that both of its values are the same.  If it cannot be read any more, the new value is the old.
 *
 * Where one instruction touches several watchpoints, one event tells of all of them, see
 * sdb_thread_next_watchpoint().  A single step (SDB_RESUME_STEP) that touches one is over too, and is
 * told by this event instead of SDB_EVENT_STEP.  If the program steps itself (by the trap flag), the
 * event's `signal` is the SIGTRAP of that, which reaches the program when the thread is resumed.
 *
 * A hit is a SIGTRAP of the thread's own, which the program never sees.  But if the program has SIGTRAP
 * blocked or ignored just then, the kernel unblocks it and sets it to its default, which is undone as after
 * the hit of a breakpoint (<sdb/breakpoint.h>).
 *
 * What is not seen: what the kernel itself reads or writes for a system call, as in read(2); what a
 * debugger writes; what is done through another mapping of the same memory, or by a process that is not
 * held.  The processor cannot watch for reads alone.
 *
 * Newborn processes that are held have their parent's watchpoints too, for the same addresses, be the
 * memory a copy or shared, and their hits are told as the newborn's; but for those of one thread only,
 * and but for a newborn whose parent was killed while it was made.  Newborns that are not held have
 * none.  An exec does away with the process's watchpoints, and letting a process go does first.  If the
 * host dies without its session's end, a process that is not killed with it (SDB_RELEASE_KILL) keeps
 * its debug registers, and dies of the first hit.
 *
 * A watchpoint belongs to the session of its process.  It is valid until sdb_watchpoint_remove(), or
 * the session's end.
 */
#ifndef SDB_WATCHPOINT_H
#define SDB_WATCHPOINT_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_process;
struct sdb_thread;
struct sdb_watchpoint;

/** What touches the bytes.  Since 0.1. */
enum sdb_watch {
    SDB_WATCH_WRITE = 0,  /* writing, be it of the value that is there */
    SDB_WATCH_ACCESS = 1, /* writing and reading; fetching instructions is not reading */
};

/** The first hit that is told disables it.  Since 0.1. */
#define SDB_WATCHPOINT_ONE_SHOT UINT64_C(0x1)

/** It is created disabled.  Since 0.1. */
#define SDB_WATCHPOINT_DISABLED UINT64_C(0x2)

/**
 * It is a hit only if the old value and the new one differ.  Of threads that write at the same time, the
 * one that is seen first has the change of all, and the others have none.  Since 0.1.
 */
#define SDB_WATCHPOINT_ONLY_CHANGES UINT64_C(0x4)

/** How many bytes the processor can watch at most, in aligned pieces of 8.  Since 0.1. */
#define SDB_WATCHPOINT_MOST_BYTES 32

/**
 * Whether a thread that has touched the bytes shall stop.  Called in the tracer thread, within whatever
 * call of the session sees the thread; it may read and change the thread's registers and the memory of
 * the process, look at sdb_watchpoint_values(), and ask for anything, but must not resume, wait, or let
 * go.
 *
 * @return not 0: it is a hit; 0: the thread goes on, and nothing is told or counted
 */
typedef int sdb_watchpoint_condition(struct sdb_watchpoint *watchpoint, struct sdb_thread *thread,
                                     void *data);

/** What a watchpoint shall be.  Initialise with SDB_WATCHPOINT_OPTIONS_INIT.  Since 0.1. */
struct sdb_watchpoint_options {
    size_t size;                         /* sizeof(struct sdb_watchpoint_options) */
    uint64_t flags;                      /* SDB_WATCHPOINT_... */
    uint64_t address;                    /* of the first byte */
    uint64_t length;                     /* how many bytes */
    uint64_t watch;                      /* enum sdb_watch */
    sdb_watchpoint_condition *condition; /* NULL: each time */
    void *condition_data;
    uint64_t ignore_count;     /* so many hits are counted and not told */
    struct sdb_thread *thread; /* only this thread is watched, and nothing is known of what others
                                  write; NULL: every thread */
};

#define SDB_WATCHPOINT_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct sdb_watchpoint_options), 0, 0, 0, SDB_WATCH_WRITE, NULL, NULL, 0, NULL       \
    }

/**
 * Create a watchpoint in a process.  Its threads may run or stand still; those that run are stopped for
 * a moment, and no event tells of that; but for a thread that runs to the end of a system call
 * (SDB_RESUME_SYSCALL), and waits in it: the call is interrupted and taken up again, which is told.
 * A thread that cannot stop yet (it waits in vfork(2)) is watched from its next stop on.
 *
 * Where others use the processor's debug registers for the whole machine (perf(1)), fewer are left, and
 * it may be that a thread which is made later cannot be watched.
 *
 * @param process     a held process
 * @param options     what it shall be
 * @param watchpoint  gets it
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL   a pointer is NULL, a wrong size, an unknown flag or `watch`, a length of 0, a
 *                   thread of another process, or a process of which threads are not held
 *                   (SDB_FOLLOW_CLONE is not in its follow policy)
 *         -E2BIG    members of @p options that this version does not know are set
 *         -ESRCH    the process, or the thread, is gone
 *         -EFAULT   not all of the bytes are mapped
 *         -ENOSPC   the debug registers do not suffice
 *         -EACCES, -EPERM  the process's memory may not be read
 *         -ENOMEM, -EMFILE, -ENFILE, -EAGAIN  no memory, no descriptor for the process's memory, or no
 *                   way to wait for its threads
 *         When it fails nothing is watched that was not before.
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_watchpoint_create(struct sdb_process *process,
                                  const struct sdb_watchpoint_options *options,
                                  struct sdb_watchpoint **watchpoint);

/**
 * Remove a watchpoint from all processes that have it.  Hits of it that were not told yet are not told
 * any more.
 *
 * @return 0, also for NULL, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_watchpoint_remove(struct sdb_watchpoint *watchpoint);

/**
 * Enable or disable a watchpoint, in all processes that have it.  A disabled one takes no debug
 * register, keeps its counts, and costs nothing.  Hits that were not told yet when it is disabled are
 * told.  Doing it again changes nothing.
 *
 * @return 0, also if its processes are gone or have executed another program, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL   @p watchpoint is NULL
 *         -EFAULT, -ENOSPC, -EACCES, -EPERM, -ENOMEM, -EMFILE, -ENFILE, -EAGAIN  from
 *                   sdb_watchpoint_enable() only, as from sdb_watchpoint_create(): it stays disabled
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_watchpoint_enable(struct sdb_watchpoint *watchpoint);
SDB_API int sdb_watchpoint_disable(struct sdb_watchpoint *watchpoint);

/**
 * @return 1 if it is enabled, 0 if not, or -EINVAL if @p watchpoint is NULL
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API int sdb_watchpoint_is_enabled(const struct sdb_watchpoint *watchpoint);

/**
 * Have so many of the hits that follow be counted and not told.
 *
 * @return 0, -EINVAL if @p watchpoint is NULL, or -SDB_EWRONGTHREAD
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_watchpoint_set_ignore_count(struct sdb_watchpoint *watchpoint, uint64_t count);

/**
 * @return how many hits there were, ignored ones included, in all of its processes; 0 if
 *         @p watchpoint is NULL
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API uint64_t sdb_watchpoint_hit_count(const struct sdb_watchpoint *watchpoint);

/**
 * Go through the watchpoints that the instruction before has hit where a thread stands
 * (SDB_EVENT_WATCHPOINT), oldest first.
 *
 * @param after  the one before, or NULL for the first
 * @return a watchpoint, or NULL after the last, or if @p thread is NULL or stands at no hit
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API struct sdb_watchpoint *sdb_thread_next_watchpoint(const struct sdb_thread *thread,
                                                          const struct sdb_watchpoint *after);

/**
 * The values of one of the watchpoints that a thread has hit where it stands, or of the one whose
 * condition is being asked.
 *
 * @param old_value  gets where what was there is: as many bytes as the watchpoint has, until the
 *                   thread is resumed
 * @param new_value  gets the same of what is there now
 * @return 0, or
 *         -EINVAL  a pointer is NULL, or the thread does not stand at a hit of it
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API int sdb_watchpoint_values(const struct sdb_watchpoint *watchpoint,
                                  const struct sdb_thread *thread, const void **old_value,
                                  const void **new_value);

/**
 * Remember something of the caller's with a watchpoint; NULL at first.
 *
 * @return sdb_watchpoint_data(): what was set, NULL if @p watchpoint is NULL
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API void sdb_watchpoint_set_data(struct sdb_watchpoint *watchpoint, void *data);
SDB_API void *sdb_watchpoint_data(const struct sdb_watchpoint *watchpoint);

SDB_END_DECLS

#endif
