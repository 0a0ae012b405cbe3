/* SPDX-License-Identifier: MIT */
/**
 * Events: what sdb_session_wait() reports.
 */
#ifndef SDB_EVENT_H
#define SDB_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/child.h>
#include <sdb/export.h>
#include <sdb/process.h>
#include <sdb/thread.h>

SDB_BEGIN_DECLS

struct sdb_breakpoint;
struct sdb_watchpoint;

/**
 * The kinds of events.  After all but EXITED, THREAD_EXIT and RELEASED the thread stands still, until
 * it is resumed.
 *
 * Their order: a thread's START comes before anything else of it; the FORK, VFORK or CLONE of whoever
 * made it comes before that; the ends of all threads of a process come before the end of the process.
 * A stop that was not told yet when the thread is killed is not told any more; thus a newborn whose
 * parent was killed in its fork begins with a START that nothing came before, and of a thread that was
 * killed before its START was told, only the end is.
 *
 * Since 0.1.
 */
enum sdb_event_kind {
    SDB_EVENT_NONE = 0,

    /* A signal has come for the thread and has not reached it yet (signal-delivery-stop).  `signal`
     * is its number; resuming delivers it unless told otherwise.
     *
     * The init of a pid namespace dies of a fault of its own as it would alone (SIGSEGV, SIGBUS, SIGILL,
     * SIGFPE or SIGTRAP, without a handler), although the kernel spares it while it is traced: its
     * breakpoints are lifted, the thread is let go, faults once more, and is held again for its end.  Where
     * it does not fault again within a second, as after a SIGSYS, it is killed by SIGKILL instead. */
    SDB_EVENT_SIGNAL = 1,

    /* The process was stopped, by SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU: `signal` says which
     * (group-stop).  Resuming lets it stay stopped, as it should be, until it gets a SIGCONT.  Each
     * of its threads tells this once, until a SIGCONT has come; but for one whose START comes when the
     * others have stopped already: that stays stopped when it is resumed. */
    SDB_EVENT_GROUP_STOP = 2,

    /* A SIGCONT has ended the group-stop.  The SIGCONT itself follows as a SIGNAL event of one of
     * the threads. */
    SDB_EVENT_GROUP_CONTINUE = 3,

    /* sdb_thread_interrupt() has stopped it. */
    SDB_EVENT_INTERRUPT = 4,

    /* One instruction was executed (SDB_RESUME_STEP), or the thread has arrived (<sdb/step.h>).  Of a
     * program that steps itself, `signal` is the SIGTRAP that comes of that. */
    SDB_EVENT_STEP = 5,

    /* The thread stands at the beginning of a system call, or at its end (SDB_RESUME_SYSCALL, or a
     * call that is caught: <sdb/syscall.h>). */
    SDB_EVENT_SYSCALL_ENTRY = 6,
    SDB_EVENT_SYSCALL_EXIT = 7,

    /* The thread is in fork(2), vfork(2) or clone(2), and has made a process or a thread that is held
     * too: `new_process` and `new_thread`.  Which of the three is what the kernel calls it: a clone(2)
     * that shares memory and says SIGCHLD is a FORK, one with another exit signal is a CLONE although
     * `new_process` is a process of its own. */
    SDB_EVENT_FORK = 8,
    SDB_EVENT_VFORK = 9,
    SDB_EVENT_CLONE = 10,

    /* The vfork(2) is over: the child has executed a program or ended.  Its own event of that may come
     * before or after. */
    SDB_EVENT_VFORK_DONE = 11,

    /* A newborn thread, or the first thread of a newborn process, stands before its first
     * instruction. */
    SDB_EVENT_START = 12,

    /* The process has executed another program, and stands before its first instruction.  It has one
     * thread now, the one that executed it; its id has become the process's, and `former_tid` says
     * what it was. */
    SDB_EVENT_EXEC = 13,

    /* A thread has ended, and others of its process live; `status` says how, with the thread's id as
     * its pid.  Of a first thread that the exec of another has done away with, nobody knows: its code
     * is -1. */
    SDB_EVENT_THREAD_EXIT = 14,

    /* The process has ended, and with it its first thread; `status` says how, and what it used.  It
     * was reaped. */
    SDB_EVENT_EXITED = 15,

    /* The process has executed another program and was let go, as its follow policy says.  If this
     * session launched it, `child` is a child that can be waited for: the caller's to close. */
    SDB_EVENT_RELEASED = 16,

    /* The thread has come to a breakpoint, `breakpoint`, at `address`; the instruction there was not
     * executed yet (<sdb/breakpoint.h>). */
    SDB_EVENT_BREAKPOINT = 17,

    /* The thread has touched what `watchpoint` watches: at `address` there was `old_value`, and there
     * is `new_value`, of `value_size` bytes each.  The instruction was executed (<sdb/watchpoint.h>). */
    SDB_EVENT_WATCHPOINT = 18,
};

/** One event.  Initialise with SDB_EVENT_INIT; it can be used again and again.  Since 0.1. */
struct sdb_event {
    size_t size;   /* sizeof(struct sdb_event) */
    uint32_t kind; /* enum sdb_event_kind */
    int32_t signal;
    struct sdb_process *process; /* whose event it is */
    struct sdb_thread *thread;
    const struct sdb_exit_status
        *status;                     /* EXITED, THREAD_EXIT; else NULL.  Lives as long as thread */
    struct sdb_process *new_process; /* FORK, VFORK, CLONE: of the newborn; else NULL */
    struct sdb_thread *new_thread;   /* FORK, VFORK, CLONE: the newborn; else NULL */
    struct sdb_child *child;         /* RELEASED; else NULL */
    int32_t former_tid;              /* EXEC; else 0 */
    uint32_t value_size;             /* WATCHPOINT; else 0 */
    uint64_t address;                /* BREAKPOINT, WATCHPOINT; else 0 */
    struct sdb_breakpoint *breakpoint; /* BREAKPOINT; else NULL */
    struct sdb_watchpoint *watchpoint; /* WATCHPOINT; else NULL */
    const void *old_value;             /* WATCHPOINT; else NULL.  Until the next wait */
    const void *new_value;
};

#define SDB_EVENT_INIT                                                                             \
    {                                                                                              \
        sizeof(struct sdb_event), 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, NULL, NULL,   \
            NULL, NULL                                                                             \
    }

/**
 * Resume what an event has stopped, in the ordinary way: a signal that was coming is delivered, a
 * stopped process stays stopped until it gets a SIGCONT, anything else goes on.  That is the thread,
 * or in all-stop (see sdb_process_set_stop_mode()) every thread of the process that stands still.
 * After EXITED, THREAD_EXIT and RELEASED nothing happens but in all-stop.
 *
 * @return 0, or what sdb_thread_resume() or sdb_process_resume() returns
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_event_resume(const struct sdb_event *event);

/**
 * @param kind  one of enum sdb_event_kind
 * @return its name in words ("group-stop"), or "unknown event"
 *
 * Any thread.  Since 0.1.
 */
SDB_API const char *sdb_event_name(uint32_t kind);

SDB_END_DECLS

#endif
