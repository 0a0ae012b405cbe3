/* SPDX-License-Identifier: MIT */
/**
 * A pipe between a parent and the child that it forks, to synchronise them.
 *
 * Between fork and exec, parent and child race: the child must be traced before its parent waits
 * for it, or must wait until its parent has done something.  One notification through a pipe ends
 * the race.  Open the pipe before the fork; afterwards each side closes the end that it does not
 * use, so that the death of one side is seen by the other as -EPIPE instead of a hang:
 *
 *     struct sdb_pipe *pipe;
 *     int rc = sdb_pipe_open(0, &pipe);
 *     pid_t pid = fork();
 *     if (pid == 0) {                      // the child says that it is traced
 *         sdb_pipe_close_read(pipe);
 *         ptrace(PTRACE_TRACEME, 0, 0, 0);
 *         sdb_pipe_notify(pipe);
 *         execv(...);
 *         _exit(127);
 *     }
 *     sdb_pipe_close_write(pipe);          // the parent waits for it
 *     rc = sdb_pipe_wait(pipe, 5000);
 *     sdb_pipe_close(pipe);
 *
 * What travels are records of at most SDB_PIPE_RECORD_MAX bytes, each sent and received whole; a
 * notification is a record without bytes.
 *
 * Both ends are close-on-exec unless asked otherwise, and are never descriptor 0, 1 or 2, whatever
 * the host has closed.  No call raises SIGPIPE in the host.  A signal handler that runs in the
 * middle of a call changes nothing: calls go on afterwards, with their deadline kept.
 *
 * A handle belongs to whoever opened it and is not locked: one thread at a time on each side.
 * After a fork each process has a handle of its own.  notify, wait, send, receive, close_read and
 * close_write are async-signal-safe, so they may be called in the forked child of a program with
 * threads.
 */
#ifndef SDB_PIPE_H
#define SDB_PIPE_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_pipe;

/** The longest record, in bytes: with its header it is written in one piece.  Since 0.1. */
#define SDB_PIPE_RECORD_MAX 4092

/** Flag of sdb_pipe_open(): both ends survive exec.  Since 0.1. */
#define SDB_PIPE_INHERIT UINT32_C(0x1)

/**
 * Open a pipe.
 *
 * @param flags  0 or SDB_PIPE_INHERIT
 * @param pipe   gets the new handle; close it with sdb_pipe_close()
 * @return 0, or
 *         -EINVAL  an unknown flag, or @p pipe is NULL
 *         -EMFILE  the process has no room for two more descriptors
 *         -ENFILE  the system has none
 *         -ENOMEM  no memory
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_pipe_open(uint32_t flags, struct sdb_pipe **pipe);

/**
 * Send a notification: a record without bytes.  Waits only while the pipe is full of thousands of
 * records that nobody has received.
 *
 * @return 0, or
 *         -EINVAL  @p pipe is NULL
 *         -EBADF   the write end is closed or was released
 *         -EPIPE   every read end is closed: nobody can ever receive it
 *
 * Any thread, async-signal-safe.  Since 0.1.
 */
SDB_API int sdb_pipe_notify(struct sdb_pipe *pipe);

/**
 * Wait for a notification.
 *
 * @param timeout_ms  milliseconds to wait at most; 0 only looks, negative waits for ever
 * @return 0 once a notification was taken, or
 *         -EINVAL     @p pipe is NULL
 *         -EBADF      the read end is closed or was released
 *         -EPIPE      every write end was closed before a notification: the other side has failed
 *                     (this side's own write end counts too: close it first)
 *         -ETIMEDOUT  none came in time
 *         -EBADMSG    the next record has bytes; it stays, for sdb_pipe_receive()
 *         -EPROTO     what came was not written by this module
 *
 * Any thread, async-signal-safe.  Since 0.1.
 */
SDB_API int sdb_pipe_wait(struct sdb_pipe *pipe, int timeout_ms);

/**
 * Send one record.  Waits, as sdb_pipe_notify() does, while the pipe is full.
 *
 * @param data  the bytes; may be NULL if @p len is 0
 * @param len   how many; 0 is a notification
 * @return 0, or
 *         -EINVAL    @p pipe is NULL, or @p data is NULL and @p len is not 0
 *         -EMSGSIZE  @p len is over SDB_PIPE_RECORD_MAX
 *         -EBADF     the write end is closed or was released
 *         -EPIPE     every read end is closed
 *
 * Any thread, async-signal-safe.  Since 0.1.
 */
SDB_API int sdb_pipe_send(struct sdb_pipe *pipe, const void *data, size_t len);

/**
 * Receive one record.
 *
 * @param buf         room for @p size bytes; may be NULL if @p size is 0
 * @param size        its size in bytes; SDB_PIPE_RECORD_MAX is always enough
 * @param timeout_ms  milliseconds to wait at most; 0 only looks, negative waits for ever
 * @return the record's length in bytes, 0 for a notification, or
 *         -EINVAL     @p pipe is NULL, or @p buf is NULL and @p size is not 0
 *         -EMSGSIZE   the record is longer than @p size; it stays, a larger buffer gets it
 *         -EBADF, -EPIPE, -ETIMEDOUT, -EPROTO  as for sdb_pipe_wait()
 *
 * Any thread, async-signal-safe.  Since 0.1.
 */
SDB_API int sdb_pipe_receive(struct sdb_pipe *pipe, void *buf, size_t size, int timeout_ms);

/**
 * Close this process's read end.  Nothing happens if it is closed already or @p pipe is NULL.
 *
 * Any thread, async-signal-safe.  Since 0.1.
 */
SDB_API void sdb_pipe_close_read(struct sdb_pipe *pipe);

/**
 * Close this process's write end.  Nothing happens if it is closed already or @p pipe is NULL.
 *
 * Any thread, async-signal-safe.  Since 0.1.
 */
SDB_API void sdb_pipe_close_write(struct sdb_pipe *pipe);

/**
 * The read end, for poll(2); it stays the pipe's.
 *
 * @return the descriptor, or
 *         -EINVAL  @p pipe is NULL
 *         -EBADF   it is closed or was released
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_pipe_read_fd(const struct sdb_pipe *pipe);

/**
 * The write end; it stays the pipe's.  Results as for sdb_pipe_read_fd().
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_pipe_write_fd(const struct sdb_pipe *pipe);

/**
 * Hand the read end over: the caller now owns the descriptor, and closes it.  Results as for
 * sdb_pipe_read_fd().
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_pipe_release_read(struct sdb_pipe *pipe);

/**
 * Hand the write end over: the caller now owns the descriptor, and closes it.  Results as for
 * sdb_pipe_read_fd().
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_pipe_release_write(struct sdb_pipe *pipe);

/**
 * Close the ends that are still open and free the handle.  NULL is allowed.
 *
 * Any thread.  Not async-signal-safe: a forked child that goes on to exec leaves the handle alone.
 * Since 0.1.
 */
SDB_API void sdb_pipe_close(struct sdb_pipe *pipe);

SDB_END_DECLS

#endif
