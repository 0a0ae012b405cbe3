/* SPDX-License-Identifier: MIT */
/**
 * Running a program for its output: feed it input, collect what it writes, have its status.
 *
 *     struct sdb_capture capture = SDB_CAPTURE_INIT;
 *     struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
 *
 *     if (sdb_capture_launch(&options, 5000, &capture, &status, &error) == 0)
 *         printf("%d bytes, exit code %d\n", (int)capture.output_size, status.code);
 *     sdb_capture_free(&capture);
 *
 * Input, output and error output move as the program is ready for them, so neither side can wait
 * for the other for ever.  What is beyond the limit is read and dropped: a program that writes
 * without end fills neither the host's memory nor its pipe, and the deadline ends it.
 *
 * sdb_capture_launch() does all of it.  For a program that is held by a session, or that is to be
 * launched in some other way, sdb_streams_map() makes the entries of the fd map, and
 * sdb_capture_streams() moves the bytes, in any thread.
 */
#ifndef SDB_CAPTURE_H
#define SDB_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/child.h>
#include <sdb/error.h>
#include <sdb/export.h>
#include <sdb/launch.h>

SDB_BEGIN_DECLS

/** The host's ends of a program's standard streams; -1 is none.  Since 0.1. */
struct sdb_streams {
    size_t size;    /* sizeof(struct sdb_streams) */
    int32_t input;  /* what is written here is the program's standard input */
    int32_t output; /* its standard output is read here */
    int32_t errors; /* its error output is read here */
    uint32_t reserved;
};

#define SDB_STREAMS_INIT                                                                           \
    {                                                                                              \
        sizeof(struct sdb_streams), -1, -1, -1, 0                                                  \
    }

/** Entries that sdb_streams_map() writes.  Since 0.1. */
#define SDB_STREAMS_COUNT 3

/** Error output goes where standard output goes, in the order in which they are written. */
#define SDB_CAPTURE_MERGE UINT32_C(0x1)
/** Be done when the program has ended; what it had written by then is collected, but processes that
 *  it has left behind with its streams are not waited for (sdb_capture_launch() only). */
#define SDB_CAPTURE_UNTIL_END UINT32_C(0x2)

/** Results: bytes beyond the limit were dropped; the program closed its input before it had all. */
#define SDB_CAPTURE_OUTPUT_CUT   UINT32_C(0x1)
#define SDB_CAPTURE_ERRORS_CUT   UINT32_C(0x2)
#define SDB_CAPTURE_INPUT_UNREAD UINT32_C(0x4)

/** The limit where none is set: 16 MiB of each stream. */
#define SDB_CAPTURE_DEFAULT_LIMIT ((size_t)16 * 1024 * 1024)

/** What to feed a program, and what it wrote.  Initialise with SDB_CAPTURE_INIT.  Since 0.1. */
struct sdb_capture {
    size_t size; /* sizeof(struct sdb_capture) */

    /* Wanted. */
    uint32_t flags;    /* SDB_CAPTURE_MERGE, SDB_CAPTURE_UNTIL_END */
    uint32_t result;   /* gets SDB_CAPTURE_OUTPUT_CUT, ... */
    const void *input; /* bytes for its standard input, which then ends */
    size_t input_size;
    size_t limit; /* most bytes kept of each output; 0: SDB_CAPTURE_DEFAULT_LIMIT */

    /* Filled.  Each text is NUL-terminated beyond its size; free them by sdb_capture_free(). */
    char *output;
    size_t output_size;
    char *errors;
    size_t errors_size;
};

#define SDB_CAPTURE_INIT                                                                           \
    {                                                                                              \
        sizeof(struct sdb_capture), 0, 0, NULL, 0, 0, NULL, 0, NULL, 0                             \
    }

/**
 * Launch a program, feed it, collect its output until it and all who hold its streams have closed
 * them, and wait for its end.
 *
 * @param options     what to launch; its fd map must not name 0, 1 or 2
 * @param timeout_ms  milliseconds for all of it; then the program is killed.  Negative: no limit
 * @param capture     what to feed it; gets what it wrote
 * @param status      gets how it ended; may be NULL
 * @param error       gets stage, argument and errno if it cannot be launched; may be NULL
 * @return 0, or what sdb_launch() or sdb_child_wait() returns; also
 *         -EINVAL     @p capture is NULL, of a wrong size or with unknown flags, or the fd map
 *                     names 0, 1 or 2
 *         -E2BIG      members of @p capture that this version does not know are set
 *         -ENOMEM     no memory for its output; it was killed
 *         -ETIMEDOUT  it was killed at the deadline; @p capture and @p status are filled all the
 *                     same.  If @p error has this code, it had not even started
 *
 * Any thread, several at once too.  Since 0.1.
 */
SDB_API int sdb_capture_launch(const struct sdb_launch_options *options, int timeout_ms,
                               struct sdb_capture *capture, struct sdb_exit_status *status,
                               struct sdb_error *error);

/**
 * Write the entries of an fd map that put a program's standard streams on pipes.
 *
 * @param streams  gets the host's ends when the launch succeeds; it must stay until then
 * @param flags    0 or SDB_CAPTURE_MERGE
 * @param fds      room for SDB_STREAMS_COUNT entries
 * @return the number of entries written, SDB_STREAMS_COUNT, or
 *         -EINVAL  @p streams or @p fds is NULL, of a wrong size, or an unknown flag
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_streams_map(struct sdb_streams *streams, uint32_t flags, struct sdb_fd *fds);

/**
 * Close the ends that are open.  NULL is allowed.
 *
 * Any thread.  Since 0.1.
 */
SDB_API void sdb_streams_close(struct sdb_streams *streams);

/**
 * Feed and collect through streams that are open, until both outputs have ended and the input was
 * taken or refused.  Each stream is closed as it ends; after a failure those that had not ended are
 * still open.
 *
 * @param streams     the host's ends; -1 is passed over
 * @param timeout_ms  milliseconds; negative: no limit
 * @param capture     what to feed; gets what was written, after a failure too
 * @return 0, or
 *         -EINVAL     an argument is NULL, of a wrong size or with unknown flags
 *         -E2BIG      members that this version does not know are set
 *         -ENOMEM     no memory for the output
 *         -ETIMEDOUT  the deadline has passed
 *
 * Any thread.  No SIGPIPE is raised.  Since 0.1.
 */
SDB_API int sdb_capture_streams(struct sdb_streams *streams, int timeout_ms,
                                struct sdb_capture *capture);

/**
 * Free what a capture collected.  NULL is allowed, and so is a capture that was not used.
 *
 * Any thread.  Since 0.1.
 */
SDB_API void sdb_capture_free(struct sdb_capture *capture);

SDB_END_DECLS

#endif
