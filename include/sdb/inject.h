/* SPDX-License-Identifier: MIT */
/**
 * Injection: having a program's own thread make a system call.
 *
 * What a process has and only the process itself can change, it changes this way: its open files, its
 * memory, its working directory, its limits.
 *
 *     // Send what the program writes to standard error to a file.
 *     static char path[] = "/tmp/log";
 *     const struct sdb_inject_buffer name = {path, sizeof(path), 1, SDB_INJECT_IN};
 *     const uint64_t open_arguments[6] = {(uint64_t)AT_FDCWD, 0, O_WRONLY | O_CREAT, 0600};
 *     int64_t fd = -1;
 *     int64_t rc = -1;
 *
 *     if (sdb_thread_inject_with(thread, SYS_openat, open_arguments, &name, 1, &fd) == 0 && fd >= 0) {
 *         const uint64_t arguments[6] = {(uint64_t)fd, 2};
 *
 *         sdb_thread_inject(thread, SYS_dup2, arguments, &rc);
 *     }
 *
 * The thread stands still in the same stop afterwards, with the same registers, signal mask and pending
 * signals; a signal that was coming still comes, and a system call that it waits in is taken up again as
 * if nothing had been.  What the call has changed is all that has changed.
 */
#ifndef SDB_INJECT_H
#define SDB_INJECT_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>
#include <sdb/thread.h>

SDB_BEGIN_DECLS

/**
 * Make a system call in a thread that stands still.
 *
 * The thread's signals wait meanwhile, and the caller waits for the call: one that waits for something
 * (read(2) from an empty pipe) holds up the session until that comes, or until the thread is killed.
 * What other threads do is told by the next waits.
 *
 * The newborn of fork(2), clone(2) and clone3(2) is held.  It begins with its SDB_EVENT_START where the
 * thread stands, as if that had made the call; no SDB_EVENT_FORK or SDB_EVENT_CLONE tells of it.
 *
 * A call that ends the thread (exit(2)) gives -ESRCH, and the end is told as any other.
 *
 * After SDB_EVENT_FORK, SDB_EVENT_CLONE, SDB_EVENT_VFORK_DONE and SDB_EVENT_EXEC the thread is inside a
 * system call, which is ended for this: rax then has its result, and resuming goes on from there, with
 * the same stops as without this.
 *
 * @param thread     a thread that stands still, in 64-bit code
 * @param number     the call: SYS_... of <sys/syscall.h>
 * @param arguments  its six arguments; those that it does not have are not looked at
 * @param result     gets what the kernel returned: a value, or a negative errno of the call's
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL   @p thread, @p arguments or @p result is NULL, or @p number is negative
 *         -ESRCH    it is gone, or was killed just now, or has ended by the call
 *         -EBUSY    it runs, or its event is still to be told; or it cannot now: it stands at an
 *                   SDB_EVENT_VFORK, or at a signal that has come in the midst of a call which waits
 *                   with a signal mask of its own (sigsuspend(2), ppoll(2)) and is blocked otherwise
 *         -ENOTSUP  the thread executes 32-bit code, or is none of the program's own (a kernel worker);
 *                   or the call cannot be injected: execve(2), execveat(2), vfork(2), rt_sigreturn(2),
 *                   restart_syscall(2); or the clone would not be held, as its flags (CLONE_VFORK,
 *                   CLONE_UNTRACED) or the follow policy say
 *         -ENOSYS   no `syscall` instruction was found in the process
 *         -ENOMEM, -EMFILE, -ENFILE  no memory, or no descriptor, to look for one with
 *         -EACCES   the program traps the call: by a seccomp filter of its own (SECCOMP_RET_TRAP), or
 *                   by PR_SET_SYSCALL_USER_DISPATCH.  It gets no SIGSYS of that
 *         -EFAULT   the instruction that makes the call was unmapped just then
 *         -EIO      the kernel refuses registers that were set before
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_inject(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                              int64_t *result);

/** Which way a buffer's bytes go.  Since 0.1. */
enum sdb_inject_direction {
    SDB_INJECT_IN = 1,    /* to the call: a path, a struct */
    SDB_INJECT_OUT = 2,   /* from the call: what it writes; it finds zeros there */
    SDB_INJECT_INOUT = 3, /* both */
};

/** Bytes of the caller's that the call shall have in its process.  Since 0.1. */
struct sdb_inject_buffer {
    void *bytes;        /* the caller's; OUT and INOUT: gets what the call has left there */
    size_t length;      /* of them */
    uint32_t argument;  /* 0 to 5: which argument gets the address of them in the process */
    uint32_t direction; /* enum sdb_inject_direction */
};

/**
 * The same with memory for arguments, which the process has only as long as the call takes.
 *
 * Up to a kilobyte is taken from the thread's stack, below what it uses, and what was there is put
 * back: the kernel itself takes more there for any signal handler.  For more than that, and where there
 * is no such stack, the process maps memory and unmaps it afterwards, by this thread or another that
 * stands still and has no seccomp filter.  Each buffer begins at a multiple of 16; there are no bytes of
 * others in between that a call may read or write.
 *
 * A call that keeps the address for later (set_robust_list(2)) is not for this.
 *
 * @param arguments  its six arguments; those that a buffer is for are not looked at
 * @param buffers    @p count of them, for different arguments
 * @param count      0 to 6
 * @param result     gets what the kernel returned; the OUT buffers are filled whatever that is
 * @return as sdb_thread_inject(), or
 *         -EINVAL  @p buffers or the bytes of one are NULL, an argument or a direction is not one of
 *                  those, two are for the same argument, or @p count is more than 6
 *         -ENOMEM  the process could not map memory, or each of its threads that stand still has a
 *                  seccomp filter, which might kill it for that; no call has been made; or there was
 *                  none here
 *         -E2BIG   they are too long together
 *         -EFAULT  also: the memory could not be read or written (another thread has unmapped it)
 *         -EPERM, -EMFILE, -ENFILE  also: the memory of the process could not be opened
 *
 * If the thread is killed meanwhile, the caller's bytes are left as they were.
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_inject_with(struct sdb_thread *thread, long number,
                                   const uint64_t arguments[6],
                                   const struct sdb_inject_buffer *buffers, size_t count,
                                   int64_t *result);

SDB_END_DECLS

#endif
