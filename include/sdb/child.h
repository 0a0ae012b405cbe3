/* SPDX-License-Identifier: MIT */
/**
 * Children: processes that we started and do not trace.
 *
 * A child is named by its pidfd, so nothing here can hit a stranger that was given a reused pid.
 * libsdb waits for this one child only: other children of the host, and its SIGCHLD handler, are
 * left alone.  Any thread may use a child, several at once too.
 *
 * A child that a session has attached to is the session's to wait for as long as it is held:
 * whoever takes its end first has it.
 */
#ifndef SDB_CHILD_H
#define SDB_CHILD_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_child;

/** How a process ended.  Since 0.1. */
enum sdb_exit_how {
    SDB_EXITED = 1, /* it called exit; code is its exit code, 0 to 255 */
    SDB_KILLED = 2, /* a signal ended it; code is the signal's number */
};

/** Flags of struct sdb_exit_status.  Since 0.1. */
#define SDB_EXIT_CORE_DUMPED UINT32_C(0x1) /* it left a core dump */
#define SDB_EXIT_NO_USAGE    UINT32_C(0x2) /* the resources that it used could not be learnt */

/** How a process ended, and what it and the children that it waited for had used.  Since 0.1. */
struct sdb_exit_status {
    size_t size;                   /* sizeof(struct sdb_exit_status) */
    int32_t pid;                   /* its process id */
    uint32_t how;                  /* enum sdb_exit_how */
    int32_t code;                  /* exit code or signal number, as how says */
    uint32_t flags;                /* SDB_EXIT_... */
    uint64_t user_time_us;         /* processor time in user mode, microseconds */
    uint64_t system_time_us;       /* processor time in the kernel, microseconds */
    uint64_t max_resident_kib;     /* largest resident set, KiB */
    uint64_t minor_faults;         /* page faults without input or output */
    uint64_t major_faults;         /* page faults that had to wait for the disk */
    uint64_t blocks_read;          /* times the file system had to read */
    uint64_t blocks_written;       /* times the file system had to write */
    uint64_t voluntary_switches;   /* times it gave the processor up */
    uint64_t involuntary_switches; /* times the processor was taken from it */
};

#define SDB_EXIT_STATUS_INIT                                                                       \
    {                                                                                              \
        sizeof(struct sdb_exit_status), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                      \
    }

/**
 * @return the child's process id, or -EINVAL if @p child is NULL.  Once the child was waited for,
 * the number may belong to somebody else.
 *
 * Any thread.  Since 0.1.
 */
SDB_API int32_t sdb_child_pid(const struct sdb_child *child);

/**
 * The child's pidfd: readable in poll(2) and epoll(7) from the moment the child has ended.  It
 * stays the child's, and is close-on-exec.
 *
 * @return the descriptor, or
 *         -EINVAL  @p child is NULL
 *         -ENOSYS  the system has no pidfds (Linux before 5.3; valgrind 3.19)
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_child_pidfd(const struct sdb_child *child);

/**
 * Wait until the child has ended and take its status.  Once taken, the status is kept: later calls
 * return it again.
 *
 * @param timeout_ms  milliseconds to wait at most; 0 only looks, negative waits for ever
 * @param status      gets how it ended; NULL if it does not matter, else its size member is set
 * @return 0, or
 *         -EINVAL     @p child is NULL or the size of @p status is smaller than its first version's
 *         -E2BIG      @p status has members that this version of the library does not know
 *         -ETIMEDOUT  it still runs
 *         -ECHILD     it has ended, but somebody else took its status: the host ignores SIGCHLD, or
 *                     waits for any child.  From Linux 6.15 on the status is found all the same
 *                     (with SDB_EXIT_NO_USAGE), and this does not happen
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_child_wait(struct sdb_child *child, int timeout_ms, struct sdb_exit_status *status);

/**
 * Send a signal to the child.
 *
 * @param signal  a signal's number; 0 only asks whether the child is still there to be waited for
 * @return 0, or
 *         -EINVAL  @p child is NULL or @p signal is no signal
 *         -ESRCH   it has ended and was waited for
 *         -EPERM   it has changed its user id, and this process may not signal it
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_child_kill(struct sdb_child *child, int signal);

/**
 * End the child for certain: SIGTERM, time for it to comply, SIGKILL, and wait.
 *
 * @param grace_ms    milliseconds between SIGTERM and SIGKILL; 0 sends SIGKILL at once, negative
 *                    never sends it
 * @param timeout_ms  milliseconds to wait after SIGKILL at most; negative waits for ever
 * @param status      gets how it ended; may be NULL
 * @return 0 once it has ended, also when it had ended before, or
 *         -EINVAL, -E2BIG, -ECHILD  as for sdb_child_wait()
 *         -EPERM                    as for sdb_child_kill()
 *         -ETIMEDOUT                not even SIGKILL ended it in time: it hangs in the kernel
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_child_terminate(struct sdb_child *child, int grace_ms, int timeout_ms,
                                struct sdb_exit_status *status);

/**
 * Close the handle.  A child that has ended is reaped.  One that still runs goes on, as the host's
 * child like any other: once it ends, a zombie stands until the host waits for it or ends.  NULL is
 * allowed.
 *
 * Any thread, and no other may be using the handle.  Since 0.1.
 */
SDB_API void sdb_child_close(struct sdb_child *child);

SDB_END_DECLS

#endif
