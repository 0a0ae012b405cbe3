/* SPDX-License-Identifier: MIT */
/**
 * Breakpoints: stopping where a program comes by.
 *
 *     struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
 *     struct sdb_breakpoint *breakpoint;
 *
 *     options.address = address;
 *     sdb_breakpoint_create(process, &options, &breakpoint);
 *     ...
 *     while (sdb_session_wait(session, -1, &event) == 0) {
 *         if (event.kind == SDB_EVENT_BREAKPOINT)
 *             printf("thread %d is at %#" PRIx64 "\n", sdb_thread_tid(event.thread), event.address);
 *         sdb_event_resume(&event);
 *     }
 *
 * A software breakpoint is one byte in the program's text (int3), of which there can be any number; it
 * is never seen through <sdb/memory.h>.  A program that reads its own text does see it.  A hardware
 * breakpoint changes nothing in the memory; there is room for four addresses, watchpoints included, in
 * each thread.
 *
 * Each execution of the instruction is one hit, by whatever thread, that of a thread that is stepped
 * onto the address or stopped there by chance, too: it is told when the thread goes on.  When a thread
 * that stands at its hit is resumed, the instruction is executed, and the thread goes on behind it; the
 * other threads run meanwhile, and none gets by.  For that the instruction is executed elsewhere, in a
 * page of libsdb's that is mapped into the process; the program counter that stops, signal handlers and
 * core files show is the program's own.  Few instructions cannot be moved, or none where the process may
 * not map memory, and then all threads that share the memory are stopped for a moment; but a system call
 * is made by another instruction of the process then, and the others run.
 *
 * A signal may take a thread away from there before it has executed the instruction.  When the signal's
 * handler returns to it, that is no second hit.  But it is one if the thread was let go in the handler and
 * attached to again, or if in it four more signals have done the same, each in the handler of the one before.
 *
 * Newborn processes: one that is held has its parent's breakpoints too, and their hits are told as the
 * newborn's.  One that is not held has none: they are lifted from its copy of the memory, or, while it
 * shares the memory as after vfork(2), it is watched until it has executed a program or ended, without
 * a word to the caller.  So is one that had the memory before the first breakpoint came into it, a child
 * of a vfork(2) from before the attach, say; it is not seen without /proc and kcmp(2).  Not so one that is
 * made with CLONE_UNTRACED, see <sdb/process.h>.  A breakpoint that is made while its process runs may find
 * a newborn that is there already, and is told of after it: that one has not got it.  Whoever needs it there
 * stops the process first.
 *
 * An exec does away with the process's breakpoints.  Letting a process go lifts them first.  If the host dies
 * without its session's end, a process that is not killed with it (SDB_RELEASE_KILL) keeps the bytes, and
 * dies of the first that it comes by.
 *
 * What it costs the program: a trap that comes while it blocks or ignores SIGTRAP has the kernel reset that
 * signal's handler and mask.  Both are put back, soon after the hit or when the process is let go, as far
 * as they are known: a handler if it was set before the process had its first breakpoint or watchpoint,
 * and with it the mask, whatever it is, unless several threads have trapped at the same time; then, and
 * without a handler, a mask that blocks all signals.  So a thread that blocks SIGTRAP, but not all signals, may
 * find it unblocked then.  The system calls
 * for that, and for the scratch pages, are made by a thread without a seccomp filter, as they might have the
 * process killed otherwise.  Where all threads have one, no handler is put back, and pages that were mapped
 * before stay mapped after it was let go.
 *
 * The program's memory is the program's: a byte that it has written over, or unmapped, is neither hidden nor
 * put back, and an int3 that is there later is its own.  The breakpoint is lost then, which
 * sdb_breakpoint_state() tells, until it is enabled again; or it is created with SDB_BREAKPOINT_PENDING, and
 * planted when something is mapped there.  Only an int3 that the program has written over a planted one cannot
 * be told from it.  Text that the program moves (mremap) takes the byte along, where it is seen until a thread
 * comes by or the process is let go; nothing is told of it, and the thread goes on.
 *
 * In text that is mapped shared the byte stands for all who have mapped it, and in the file.  Of processes that
 * are held no harm comes: one that is born stays held, without a word, while another wants the byte.  Others
 * die of it; and it stays in the file if the last process that has a breakpoint there ends before it is removed.
 *
 * 32-bit programs have breakpoints like others.
 *
 * An address in the middle of an instruction that has no breakpoint itself changes that instruction for
 * those who execute it.
 *
 * A breakpoint belongs to the session of its process.  It is valid until sdb_breakpoint_remove(), or
 * the session's end.
 */
#ifndef SDB_BREAKPOINT_H
#define SDB_BREAKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_breakpoint;
struct sdb_process;
struct sdb_thread;

/** Use the processor's debug registers.  Since 0.1. */
#define SDB_BREAKPOINT_HARDWARE UINT64_C(0x1)

/** The first hit that is told disables it.  Since 0.1. */
#define SDB_BREAKPOINT_ONE_SHOT UINT64_C(0x2)

/** It is created disabled.  Since 0.1. */
#define SDB_BREAKPOINT_DISABLED UINT64_C(0x4)

/**
 * Its places may come and go: at each, the byte is planted whenever something that can be executed is mapped
 * there, and the breakpoint can be created although nothing is.  For that all system calls of its processes
 * are looked at while it is enabled, which costs them some microseconds each; no event tells of it.  With
 * HARDWARE it changes nothing: those look at no memory.  Since 0.1.
 */
#define SDB_BREAKPOINT_PENDING UINT64_C(0x8)

/** What has become of a breakpoint.  Since 0.1. */
enum sdb_breakpoint_state {
    SDB_BREAKPOINT_STATE_DISABLED = 0,
    SDB_BREAKPOINT_STATE_PLANTED = 1, /* at all of its places */
    SDB_BREAKPOINT_STATE_PENDING =
        2, /* with PENDING: nothing that can be executed is mapped at a place */
    SDB_BREAKPOINT_STATE_LOST =
        3, /* the program has written over it, or unmapped or replaced what it was
                                      planted in; or no place is left, as its process has ended or has
                                      executed another program */
};

/**
 * Whether a thread that has come to a breakpoint shall stop there.  Called in the tracer thread, within
 * whatever call of the session sees the thread; it may read and change the thread's registers and the
 * memory of the process, and ask for anything, but must not resume, wait, or let go.
 *
 * @return not 0: it is a hit; 0: the thread goes on, and nothing is told or counted
 */
typedef int sdb_breakpoint_condition(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread,
                                     void *data);

/** What a breakpoint shall be.  Initialise with SDB_BREAKPOINT_OPTIONS_INIT.  Since 0.1. */
struct sdb_breakpoint_options {
    size_t size;                         /* sizeof(struct sdb_breakpoint_options) */
    uint64_t flags;                      /* SDB_BREAKPOINT_... */
    uint64_t address;                    /* where, if there is no list */
    const uint64_t *addresses;           /* a list of places, or NULL */
    size_t address_count;                /* how many the list has */
    sdb_breakpoint_condition *condition; /* NULL: each time */
    void *condition_data;
    uint64_t ignore_count;     /* so many hits are counted and not told */
    struct sdb_thread *thread; /* only this thread's hits count; NULL: any thread's */
};

#define SDB_BREAKPOINT_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct sdb_breakpoint_options), 0, 0, NULL, 0, NULL, NULL, 0, NULL                  \
    }

/**
 * Create a breakpoint in a process.  Its threads may run or stand still; those that run are stopped for
 * a moment, and no event tells of that, where the kernel has to be told to report newborns first.
 *
 * Where two breakpoints have the same address, one event tells of both, see
 * sdb_thread_next_breakpoint().  At an address inside an instruction that has one itself, it works for
 * who jumps there.  Where the program has an int3 of its own, the hit is told first, and when the
 * thread is resumed, the program's own SIGTRAP follows.
 *
 * @param process     a held process
 * @param options     what it shall be
 * @param breakpoint  gets it
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL   a pointer is NULL, a wrong size, an unknown flag, a list without entries; with
 *                   HARDWARE, an address that no program can have; a thread
 *                   of another process, or a process of which threads are not held
 *                   (SDB_FOLLOW_CLONE is not in its follow policy)
 *         -E2BIG    members of @p options that this version does not know are set
 *         -ESRCH    the process, or the thread, is gone
 *         -EFAULT   nothing is mapped at an address, without PENDING
 *         -EACCES   what is mapped there cannot be executed, without PENDING
 *         -EIO      it is mapped, and cannot be written to: shared, and only to be read
 *         -EBUSY    another process shares the memory, as after vfork(2), and cannot be held, as it is
 *                   traced already or the system does not permit it: it would die of the breakpoint
 *         -ENOSPC   with HARDWARE: the debug registers do not suffice.  What is mapped at the address
 *                   is not looked at then: it may come later
 *         -EAGAIN   it is executing another program, as an event will tell; or there was no way to
 *                   wait for its threads
 *         -ENOMEM, -EMFILE, -ENFILE  no memory, or no descriptor for the process's memory
 *         When it fails nothing is planted.
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_breakpoint_create(struct sdb_process *process,
                                  const struct sdb_breakpoint_options *options,
                                  struct sdb_breakpoint **breakpoint);

/**
 * Remove a breakpoint from all processes that have it.  A byte that the program has overwritten since
 * stays what the program has written.  A thread that stands at a hit of it goes on when it is resumed,
 * as ever.
 *
 * @return 0, also for NULL, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_breakpoint_remove(struct sdb_breakpoint *breakpoint);

/**
 * Enable or disable a breakpoint.  A disabled one is lifted, keeps its counts, and costs nothing.
 * Doing it again changes nothing, but that what the program has done away with is planted anew.
 *
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL   @p breakpoint is NULL
 *         -EFAULT, -EACCES, -EIO, -ENOSPC, -ENOMEM, -ESRCH, -EAGAIN  as from sdb_breakpoint_create():
 *                   it stays as it was
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_breakpoint_enable(struct sdb_breakpoint *breakpoint);
SDB_API int sdb_breakpoint_disable(struct sdb_breakpoint *breakpoint);

/**
 * Look what has become of a breakpoint in its processes: whether each hit will be told.  The memory is looked
 * at now.
 *
 * @return the worst of its places, one of enum sdb_breakpoint_state, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL   @p breakpoint is NULL
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_breakpoint_state(const struct sdb_breakpoint *breakpoint);

/**
 * @return 1 if it is enabled, 0 if not, or -EINVAL if @p breakpoint is NULL.  An enabled one may have lost its
 *         byte, see sdb_breakpoint_state()
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API int sdb_breakpoint_is_enabled(const struct sdb_breakpoint *breakpoint);

/**
 * Have so many of the hits that follow be counted and not told.
 *
 * @return 0, -EINVAL if @p breakpoint is NULL, or -SDB_EWRONGTHREAD
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_breakpoint_set_ignore_count(struct sdb_breakpoint *breakpoint, uint64_t count);

/**
 * @return how many hits there were, ignored ones included, in all of its processes; 0 if
 *         @p breakpoint is NULL.  An instruction that faults, and is executed again after the
 *         program's handler, is hit again
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API uint64_t sdb_breakpoint_hit_count(const struct sdb_breakpoint *breakpoint);

/**
 * Go through the breakpoints that a thread has hit where it stands (SDB_EVENT_BREAKPOINT), oldest
 * first.
 *
 * @param after  the one before, or NULL for the first
 * @return a breakpoint, or NULL after the last, or if @p thread is NULL or stands at none
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API struct sdb_breakpoint *sdb_thread_next_breakpoint(const struct sdb_thread *thread,
                                                          const struct sdb_breakpoint *after);

/**
 * Remember something of the caller's with a breakpoint; NULL at first.
 *
 * @return sdb_breakpoint_data(): what was set, NULL if @p breakpoint is NULL
 *
 * Tracer thread only (not checked).  Since 0.1.
 */
SDB_API void sdb_breakpoint_set_data(struct sdb_breakpoint *breakpoint, void *data);
SDB_API void *sdb_breakpoint_data(const struct sdb_breakpoint *breakpoint);

SDB_END_DECLS

#endif
