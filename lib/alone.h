/* SPDX-License-Identifier: MIT */
/*
 * Running one thread for a moment, waiting for it alone.
 *
 * The kernel does not report the end of a first thread as long as others of its process have not been
 * reaped, which nobody does while one thread is waited for.  So first threads are asked to tell their
 * exit meanwhile, and whoever waits is told of that instead.
 */
#ifndef SDB_LIB_ALONE_H
#define SDB_LIB_ALONE_H

struct sdb_thread;

/** Before the thread is resumed.  @return 0 or -ESRCH */
int sdb__alone_begin(struct sdb_thread *thread);

/** When it stands still again.  @return 0 or -ESRCH */
int sdb__alone_end(struct sdb_thread *thread);

/** Instead of that, when it was killed: have its exit not wait for us. */
void sdb__alone_let_die(struct sdb_thread *thread);

#endif
