/* SPDX-License-Identifier: MIT */
/*
 * Waiting for one thread that was resumed for a moment, to make a system call or to execute one
 * instruction, while the others' statuses are left to the session.
 */
#ifndef SDB_LIB_SESSION_AWAIT_H
#define SDB_LIB_SESSION_AWAIT_H

#include <sys/types.h>

struct sdb_thread;

/**
 * Wait for a thread's next stop or its end, and leave the status where it is.
 *
 * A wait in the kernel for this one thread would not always end.  The end of a process's first thread is
 * reported only when all others have been reaped, which is the session's to do, later; when another
 * thread executes a program, it is not reported at all; and a stop that the host has taken away is not
 * reported again.  A wait for any thread would end all the time, for what is not taken here.  So it is
 * looked for, with longer and longer breaks.
 *
 * @param thread  any of the session
 * @return 0 or -ESRCH
 */
int sdb__await(struct sdb_thread *thread, pid_t tid, int *status);

#endif
