/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of our own in the host: close-on-exec, and never 0, 1 or 2, which belong to the host
 * even when they are closed.
 */
#ifndef SDB_LIB_BASE_DESCRIPTOR_H
#define SDB_LIB_BASE_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

/**
 * Take a descriptor that was just opened close-on-exec out of the range 0 to 2.
 *
 * @param fd  the descriptor; owned by this call, and closed when it fails
 * @return a close-on-exec descriptor of 3 or more, or -EMFILE
 */
int sdb__fd_above_stdio(int fd);

/** Open a close-on-exec pipe outside 0 to 2.  @return 0, -EMFILE or -ENFILE */
int sdb__fd_pipe(int ends[2]);

/** Open a close-on-exec, non-blocking eventfd outside 0 to 2.  @return it, -EMFILE or -ENFILE */
int sdb__fd_event(void);

/** Close @p *fd if it is not negative, and set it to -1.  errno stays as it was. */
void sdb__fd_close(int *fd);

/** @return whether @p fd is open in this process */
bool sdb__fd_is_open(int fd);

/**
 * Write without SIGPIPE ever reaching the host.
 *
 * @return the number of bytes written, or a negative errno: -EPIPE if nobody reads
 */
ssize_t sdb__fd_write_quietly(int fd, const struct iovec *parts, int count);

#endif
