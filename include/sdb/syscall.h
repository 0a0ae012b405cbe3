/* SPDX-License-Identifier: MIT */
/**
 * System calls: seeing those that a held process makes, changing them, refusing them.
 *
 *     const int32_t wanted[] = {SYS_openat, SYS_connect};
 *     struct sdb_syscall call = SDB_SYSCALL_INIT;
 *
 *     sdb_process_catch_syscalls(process, 0, wanted, 2);
 *     ...
 *     while (sdb_session_wait(session, -1, &event) == 0) {
 *         if (event.kind == SDB_EVENT_SYSCALL_ENTRY && sdb_thread_syscall(event.thread, &call) == 0) {
 *             const char *name = sdb_syscall_name(call.architecture, call.number);
 *
 *             printf("%s(%#" PRIx64 ", ...)\n", name ? name : "?", call.arguments[0]);
 *             if (call.number == SYS_connect)
 *                 sdb_thread_refuse_syscall(event.thread, EACCES);
 *         }
 *         sdb_event_resume(&event);
 *     }
 *
 * A call is told when the thread stands at its beginning (SDB_EVENT_SYSCALL_ENTRY, nothing was done
 * yet), and once more when it stands at its end (SDB_EVENT_SYSCALL_EXIT).  exit(2) and exit_group(2)
 * have no end, and a call during which the thread is killed has none.  Between the two ends of a call
 * that makes a newborn or executes a program come the events of that.
 *
 * There are three ways to be told:
 *
 *   - SDB_RESUME_SYSCALL takes a thread to the next end of any call, whatever is caught.
 *   - sdb_process_catch_syscalls(), for any held process: with SDB_RESUME_CONTINUE, and
 *     sdb_event_resume(), the calls that are caught are told.  The others are not, but each of them
 *     stops the thread for a few microseconds all the same.
 *   - `caught_syscalls` of struct sdb_launch_options, for a program that sdb_session_launch() starts: a
 *     seccomp filter picks the calls out in the kernel, and all others run at full speed.  The filter
 *     is there for good, and has a price, see there and sdb_process_permit_release().
 *
 * A call that a signal interrupts may be restarted by the kernel.  Then it comes to an end with a result
 * that <errno.h> does not know (-512, -513, -514 or -516), and the next call of the thread, unless a
 * handler comes first, is the same again, or restart_syscall(2), which takes it up where it was left.
 * restart_syscall(2) is caught if it is in the list, and also if the call that it takes up again was
 * caught with both of its ends.
 *
 * What the library itself interrupts (in all-stop, by sdb_process_stop() and sdb_thread_interrupt(), or
 * for a moment of its own) is made again too, and nothing is told of that: a call whose beginning was
 * told has one end, when it really ends.  If a signal comes while its thread stands still, that ends it:
 * the end is told when the thread is resumed, with such a result, and the signal after that.  The few
 * calls that no kernel makes again (epoll_wait(2), semop(2): signal(7) has the list) do end by an
 * interrupt, with -EINTR.
 *
 * A seccomp filter of the program's own comes into play after the entry was told (with
 * `caught_syscalls` before that: what the program's own filter does not let through is not told).  It
 * sees the call as it was changed.
 */
#ifndef SDB_SYSCALL_H
#define SDB_SYSCALL_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_process;
struct sdb_thread;

/**
 * The ways to make a system call, as the kernel names them (AUDIT_ARCH_... of <linux/audit.h>).  A
 * 64-bit program can make calls of i386, too, by int 0x80; their numbers are others.
 *
 * Calls of x32 are calls of x86-64 to the kernel, with SDB_SYSCALL_X32_BIT in their number; SDB_ARCH_X32
 * is for sdb_syscall_number() and sdb_syscall_name() only.
 *
 * Since 0.1.
 */
#define SDB_ARCH_X86_64 UINT32_C(0xc000003e)
#define SDB_ARCH_I386   UINT32_C(0x40000003)
#define SDB_ARCH_X32    UINT32_C(0x4000003e)

#define SDB_SYSCALL_X32_BIT INT64_C(0x40000000)

/** The highest number that can be caught by a list.  Since 0.1. */
#define SDB_SYSCALL_HIGHEST 1023

/* ---- names ---- */

/**
 * The name of a system call ("openat").
 *
 * @param architecture  SDB_ARCH_...; of SDB_ARCH_X86_64 a number with SDB_SYSCALL_X32_BIT is one of x32
 * @return the name, which is never freed; or NULL: libseccomp does not know the number (it is newer
 *         than that library), there is no such call, or no memory
 *
 * Any thread.  Since 0.1.
 */
SDB_API const char *sdb_syscall_name(uint32_t architecture, int64_t number);

/**
 * The number of a system call.
 *
 * @param architecture  SDB_ARCH_...; for SDB_ARCH_X32 the number has SDB_SYSCALL_X32_BIT
 * @return the number, or
 *         -EINVAL  @p name is NULL, or @p architecture is none of those
 *         -ENOENT  libseccomp knows no call of this name there
 *
 * Any thread.  Since 0.1.
 */
SDB_API int64_t sdb_syscall_number(uint32_t architecture, const char *name);

/* ---- a call that a thread is in ---- */

/** A call, at one of its ends.  Initialise with SDB_SYSCALL_INIT; it can be used again.  Since 0.1. */
struct sdb_syscall {
    size_t size;           /* sizeof(struct sdb_syscall) */
    uint32_t end;          /* SDB_EVENT_SYSCALL_ENTRY or SDB_EVENT_SYSCALL_EXIT */
    uint32_t architecture; /* SDB_ARCH_X86_64 or SDB_ARCH_I386 */
    int64_t number;        /* -1: none is made, or at the EXIT: it is not known (rt_sigreturn(2)) */
    uint64_t arguments[6]; /* all six registers, however many the call has */
    int64_t result;        /* EXIT: what the call returns, errors as negative errno; else 0 */
    uint32_t is_error;     /* EXIT: 1 if the result is an error; else 0 */
    uint32_t
        entry_seen; /* EXIT: 1 if number and arguments are those of the ENTRY; 0 if they are what
                              the registers hold now: exec and rt_sigreturn(2) change them.  ENTRY: 1 */
    uint64_t instruction_pointer; /* behind the instruction that makes the call */
    uint64_t stack_pointer;
};

#define SDB_SYSCALL_INIT                                                                           \
    {                                                                                              \
        sizeof(struct sdb_syscall), 0, 0, 0, {0, 0, 0, 0, 0, 0}, 0, 0, 0, 0, 0                     \
    }

/**
 * Say which call a thread is at the beginning or at the end of: after SDB_EVENT_SYSCALL_ENTRY or
 * SDB_EVENT_SYSCALL_EXIT.  Changes that were made at this stop show.
 *
 * At the end, number and arguments are those of the beginning if the call was caught, or if this
 * function was called at the beginning; of a refused or changed one, those that were in force when the
 * thread was resumed there, and for a refused one those of the program's.
 *
 * @param call  gets the call; its size member is set by SDB_SYSCALL_INIT
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p thread or @p call is NULL, a wrong size, or the thread stopped for something else
 *         -E2BIG   the size is larger than this version's, and the members beyond are not 0
 *         -ESRCH   it is gone, or was killed just now
 *         -EBUSY   it runs, or its event is still to be told
 *         -ENOSYS  the kernel cannot tell (it is older than Linux 5.3)
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_syscall(struct sdb_thread *thread, struct sdb_syscall *call);

/**
 * Have a thread make another call than the one at whose beginning it stands, or the same with other
 * arguments.  The program sees them nowhere but in the result; the registers that held the arguments
 * keep the new ones.  The number is one of the architecture that the thread makes its call by, and -1 is
 * no call at all: the result is -ENOSYS, unless it is changed at the end.
 *
 * A call that was refused is made again.
 *
 * @param arguments  all six, or NULL: as they are
 * @return as sdb_thread_syscall(); -EINVAL also if the thread stands at an end, or @p number is less
 *         than -1 or more than INT32_MAX
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_set_syscall(struct sdb_thread *thread, int64_t number,
                                   const uint64_t arguments[6]);

/**
 * Have the call at whose end a thread stands return something else.
 *
 * @param result  what the program gets; an error as a negative errno
 * @return as sdb_thread_syscall(); -EINVAL also if the thread stands at a beginning
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_set_syscall_result(struct sdb_thread *thread, int64_t result);

/**
 * Have the call at whose beginning a thread stands not be made: it returns this error to the program.
 * Nothing is needed at the end, which is told as ever if it is caught.  It holds for this call once.
 *
 * A seccomp filter of the program's own that ends the process, or sends SIGSYS, for calls that it does
 * not know does so for a refused one too, which it sees as the call -1; but not with
 * `caught_syscalls`, which comes after it.
 *
 * @param error  what errno shall be: 1 to 4095
 * @return as sdb_thread_syscall(); -EINVAL also if the thread stands at an end, or @p error is out of its
 *         range
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_refuse_syscall(struct sdb_thread *thread, int error);

/* ---- which calls are told ---- */

/** All calls; without it, those of the list.  Since 0.1. */
#define SDB_CATCH_ALL UINT32_C(0x1)

/** Only the beginnings of calls are told.  Since 0.1. */
#define SDB_CATCH_ENTRIES UINT32_C(0x2)

/**
 * Say which calls of a process are told from now on, when its threads are resumed with
 * SDB_RESUME_CONTINUE or sdb_event_resume().  At first these are none, or those of `caught_syscalls`.  A
 * newborn process begins with what its parent has; an exec changes nothing.
 *
 * Its threads may run or stand still.  Those that run are stopped for a moment, and no event tells of
 * that; a call that one of them waits in is taken up again, and is told then as one that begins, if it
 * is caught and was not told to begin before.  A thread that cannot stop yet (it waits in vfork(2)) begins with it at its next stop.
 *
 * A call is caught by its number on x86-64, and when it is made as a call of i386 or x32 that has the
 * same name there.  i386 has calls that stand for several (socketcall, ipc, mmap2 beside mmap); only
 * SDB_CATCH_ALL catches these.
 *
 * The end of a call is told if its beginning was caught.  An end that is the first thing of its thread
 * (out of the exec of its program, or of the call that it was in when it was attached to) is not.
 *
 * In a process with `caught_syscalls`, calls that are not in its filter can be caught too; then every
 * call stops the thread, as in other processes.
 *
 * @param flags    SDB_CATCH_...; 0: the beginning and the end of those in the list
 * @param numbers  the list: numbers on x86-64, 0 to SDB_SYSCALL_HIGHEST; once or more often.  Nothing is
 *                 kept of it
 * @param count    how many these are; 0 without SDB_CATCH_ALL catches none
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL, an unknown flag, a list with SDB_CATCH_ALL, no list where one was
 *                  counted, or a number out of its range
 *         -ESRCH   it is gone
 *         -ENOMEM, -EAGAIN  no memory, or no way to wait for its threads; all is as it was
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_catch_syscalls(struct sdb_process *process, uint32_t flags,
                                       const int32_t *numbers, size_t count);

/**
 * Permit that a process with the filter of `caught_syscalls` is let go.
 *
 * Once nobody holds a process with such a filter, each call that the filter picks fails with ENOSYS, for
 * good: an openat(2), say, that ends most programs.  So until this is called, what would let it go is
 * refused with -EPERM: sdb_process_detach() and sdb_process_set_release() other than with
 * SDB_RELEASE_KILL, and sdb_process_set_follow() with less than SDB_FOLLOW_ALL, which such a process
 * begins with.  Newborns begin with what their parent has, the filter as well as this.
 *
 * @return 0, also for a process without a filter, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p process is NULL
 *         -ESRCH   it is gone
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_process_permit_release(struct sdb_process *process);

SDB_END_DECLS

#endif
