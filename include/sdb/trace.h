/* SPDX-License-Identifier: MIT */
/**
 * The library's own trace: each request to the kernel, each wait status and each event, in words; what
 * one reads when something is odd.
 *
 *     SDB_TRACE=2 program                 to standard error (or another descriptor)
 *     SDB_TRACE=/tmp/sdb.log program      added to a file
 *
 * A line begins with the milliseconds since the trace began and the id of the calling thread:
 *
 *     0.231 4711: seize 4712 (exec, clone, kill on exit): ok
 *     0.460 4711: wait: 4712 stopped: exec
 *     0.462 4711: event: exec of process 4712
 *
 * The environment variable is read when the first session is created, unless the program has been
 * given more privileges than its user's (secure_getenv(3)).
 */
#ifndef SDB_TRACE_H
#define SDB_TRACE_H

#include <sdb/export.h>

SDB_BEGIN_DECLS

/**
 * What gets the lines.  It is called in whichever thread makes the request, one line at a time, and
 * shall not call libsdb.
 *
 * @param line  the line without its newline; valid during the call
 */
typedef void sdb_trace_writer(const char *line, void *data);

/**
 * Send the trace to a function of the caller's, instead of where SDB_TRACE says.
 *
 * @param writer  gets each line; NULL ends the trace
 * @param data    handed to it
 *
 * Any thread; when it returns, the writer before is not called any more.  Since 0.1.
 */
SDB_API void sdb_trace(sdb_trace_writer *writer, void *data);

SDB_END_DECLS

#endif
