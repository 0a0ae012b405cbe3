/* SPDX-License-Identifier: MIT */
/**
 * Stepping: over a call, out of a function, to an address.
 *
 * Each resumes the thread, and SDB_EVENT_STEP tells that it has arrived.  Whatever else happens on the
 * way is told as ever (a signal, a breakpoint in the function that was stepped over); when the thread
 * is resumed then with SDB_RESUME_CONTINUE, it still goes where it was to go, and when it is resumed in
 * another way, or sent elsewhere by one of these, it does not any more.  sdb_thread_cancel_step() ends
 * it, too.  Where it arrives at a breakpoint that is hit, SDB_EVENT_BREAKPOINT tells both.
 *
 * One instruction at a time is SDB_RESUME_STEP of <sdb/thread.h>.
 */
#ifndef SDB_STEP_H
#define SDB_STEP_H

#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_thread;

/**
 * Execute one instruction; if it is a call, all that it calls, up to its return.  A deeper call of the
 * same function does not end it.
 *
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p thread is NULL
 *         -ESRCH   it is gone
 *         -EBUSY   it runs, or its event is still to be told
 *         and what sdb_breakpoint_create() returns for the address behind the call
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_step_over(struct sdb_thread *thread);

/**
 * Go on until the thread has left a function.
 *
 * @param return_address  where it goes on then
 * @param frame           the stack pointer as it is inside the function, or anything between that and
 *                        the return address's place: the thread has left the function when it comes to
 *                        @p return_address with a stack pointer above this.  0: whenever it comes there
 * @return as sdb_thread_step_over()
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_step_out(struct sdb_thread *thread, uint64_t return_address, uint64_t frame);

/**
 * Go on until the thread comes to an address.  From there it goes once around.
 *
 * @return as sdb_thread_step_over()
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_run_to(struct sdb_thread *thread, uint64_t address);

/**
 * Forget where the thread was to go.  It stays as it is, standing or running.
 *
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL  @p thread is NULL
 *         -ESRCH   it is gone
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_cancel_step(struct sdb_thread *thread);

SDB_END_DECLS

#endif
