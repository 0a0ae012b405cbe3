/* SPDX-License-Identifier: MIT */
/*
 * Running a program for its output.
 *
 * The host's ends are set non-blocking, which the program's ends do not share, and moved by one
 * loop around poll.  A stream that has ended is closed, and a negative descriptor is what poll
 * passes over, so the state of the loop is the streams themselves.
 */
#include <sdb/capture.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/versioned.h"

#define STREAMS_SIZE_OF_VERSION_0_1 sizeof(struct sdb_streams)
#define CAPTURE_SIZE_OF_VERSION_0_1 sizeof(struct sdb_capture)
#define CHUNK_SIZE                  65536

/* One output on its way into memory. */
struct collector {
    int32_t *fd;
    char *bytes;
    size_t len;
    size_t room;
    size_t limit;
    bool cut;
};

/* The loop's state. */
struct exchange {
    struct sdb_streams *streams;
    const unsigned char *input;
    size_t input_left;
    bool input_unread;
    struct collector output;
    struct collector errors;
    int end_fd; /* readable once the program has ended and nobody else is to be waited for, or -1 */
};

int sdb_streams_map(struct sdb_streams *streams, uint32_t flags, struct sdb_fd *fds)
{
    if (!streams || !fds || (flags & ~SDB_CAPTURE_MERGE) ||
        sdb__struct_check(streams, sizeof(*streams), STREAMS_SIZE_OF_VERSION_0_1) < 0)
        return -EINVAL;

    fds[0] = (struct sdb_fd){
        .target = STDIN_FILENO, .kind = SDB_FD_READ_PIPE, .host_fd = &streams->input};
    fds[1] = (struct sdb_fd){
        .target = STDOUT_FILENO, .kind = SDB_FD_WRITE_PIPE, .host_fd = &streams->output};
    fds[2] = (struct sdb_fd){
        .target = STDERR_FILENO, .kind = SDB_FD_WRITE_PIPE, .host_fd = &streams->errors};
    if (flags & SDB_CAPTURE_MERGE)
        fds[2] =
            (struct sdb_fd){.target = STDERR_FILENO, .kind = SDB_FD_LIKE, .source = STDOUT_FILENO};
    return SDB_STREAMS_COUNT;
}

void sdb_streams_close(struct sdb_streams *streams)
{
    if (!streams)
        return;
    sdb__fd_close(&streams->input);
    sdb__fd_close(&streams->output);
    sdb__fd_close(&streams->errors);
}

/* ---- moving bytes ---- */

static void set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static bool would_block(ssize_t result)
{
    return result == -EAGAIN || result == -EINTR;
}

/* Write what the program takes now. */
static void feed(struct exchange *exchange)
{
    /* writev() does not write to what it is given; its struct just cannot say so. */
    const struct iovec part = {.iov_base = (void *)(uintptr_t)exchange->input,
                               .iov_len = exchange->input_left};
    ssize_t written = sdb__fd_write_quietly(exchange->streams->input, &part, 1);

    if (would_block(written))
        return;
    if (written >= 0) {
        exchange->input += written;
        exchange->input_left -= (size_t)written;
    }
    exchange->input_unread = written < 0; /* it has closed its input */
    if (written < 0 || exchange->input_left == 0)
        sdb__fd_close(&exchange->streams->input);
}

/* Have room for one more chunk and a final NUL.  @return 0 or -ENOMEM */
static int make_room(struct collector *collector)
{
    size_t wanted = collector->len + CHUNK_SIZE + 1;
    size_t room = collector->room ? collector->room : CHUNK_SIZE + 1;
    char *bytes;

    if (collector->room >= wanted)
        return 0;
    while (room < wanted)
        room *= 2;
    bytes = realloc(collector->bytes, room);
    if (!bytes)
        return -ENOMEM;
    collector->bytes = bytes;
    collector->room = room;
    return 0;
}

/* Read one chunk of what is there now.  @return 1, 0 if there was none, or -ENOMEM */
static int collect(struct collector *collector)
{
    ssize_t count;
    int rc;

    if (*collector->fd < 0)
        return 0;
    rc = make_room(collector);
    if (rc < 0)
        return rc;
    count = read(*collector->fd, collector->bytes + collector->len, CHUNK_SIZE);
    if (count < 0 && would_block(-errno))
        return 0;
    if (count <= 0) {
        sdb__fd_close(collector->fd);
        return 0;
    }
    collector->len += (size_t)count;
    if (collector->len > collector->limit) {
        collector->len = collector->limit;
        collector->cut = true;
    }
    return 1;
}

/* Read what the program had written by now; others who still write are not waited for. */
static int drain(struct collector *collector)
{
    int capacity = *collector->fd >= 0 ? fcntl(*collector->fd, F_GETPIPE_SZ) : 0;
    int rc = 1;

    for (int done = 0; rc > 0 && done <= capacity; done += CHUNK_SIZE)
        rc = collect(collector);
    return rc < 0 ? rc : 0;
}

/* Whether there is anything to move: output to come, or input that somebody may still read. */
static bool has_work(const struct exchange *exchange)
{
    const struct sdb_streams *streams = exchange->streams;

    return streams->output >= 0 || streams->errors >= 0 ||
           (streams->input >= 0 && exchange->input_left > 0);
}

static int move_bytes(struct exchange *exchange, const struct sdb__deadline *deadline)
{
    struct sdb_streams *streams = exchange->streams;
    int rc = 0;

    while (rc >= 0 && has_work(exchange)) {
        struct pollfd polled[] = {
            {.fd = streams->input, .events = POLLOUT},
            {.fd = streams->output, .events = POLLIN},
            {.fd = streams->errors, .events = POLLIN},
            {.fd = exchange->end_fd, .events = POLLIN},
        };
        struct timespec left;
        int ready = ppoll(polled, 4, sdb__deadline_left(deadline, &left), NULL);

        /* Also where there is always something: the program may never stop writing. */
        if (ready == 0 || sdb__deadline_passed(deadline))
            return -ETIMEDOUT;
        if (ready < 0)
            continue; /* a signal handler of the host has run */
        if (polled[3].revents) {
            rc = drain(&exchange->output);
            return rc < 0 ? rc : drain(&exchange->errors);
        }
        if (polled[0].revents)
            feed(exchange);
        if (polled[1].revents)
            rc = collect(&exchange->output);
        if (rc >= 0 && polled[2].revents)
            rc = collect(&exchange->errors);
    }
    return rc < 0 ? rc : 0;
}

/* ---- taking a caller's struct in, and filling it ---- */

static int check_capture(const struct sdb_capture *capture)
{
    int rc;

    if (!capture)
        return -EINVAL;
    rc = sdb__struct_check(capture, sizeof(*capture), CAPTURE_SIZE_OF_VERSION_0_1);
    if (rc < 0)
        return rc;
    if (capture->flags & ~(SDB_CAPTURE_MERGE | SDB_CAPTURE_UNTIL_END))
        return -EINVAL;
    return !capture->input && capture->input_size > 0 ? -EINVAL : 0;
}

static void begin(struct exchange *exchange, struct sdb_streams *streams,
                  const struct sdb_capture *capture)
{
    size_t limit = capture->limit ? capture->limit : SDB_CAPTURE_DEFAULT_LIMIT;

    *exchange = (struct exchange){
        .streams = streams,
        .input = capture->input,
        .input_left = capture->input_size,
        .output = {.fd = &streams->output, .limit = limit},
        .errors = {.fd = &streams->errors, .limit = limit},
        .end_fd = -1,
    };
    set_nonblocking(streams->input);
    set_nonblocking(streams->output);
    set_nonblocking(streams->errors);
    if (streams->input >= 0 && exchange->input_left == 0)
        sdb__fd_close(&streams->input);
}

static void fill(struct sdb_capture *capture, struct exchange *exchange)
{
    sdb_capture_free(capture);
    if (exchange->output.bytes)
        exchange->output.bytes[exchange->output.len] = '\0';
    if (exchange->errors.bytes)
        exchange->errors.bytes[exchange->errors.len] = '\0';
    capture->output = exchange->output.bytes;
    capture->output_size = exchange->output.len;
    capture->errors = exchange->errors.bytes;
    capture->errors_size = exchange->errors.len;
    capture->result =
        (exchange->output.cut ? SDB_CAPTURE_OUTPUT_CUT : 0) |
        (exchange->errors.cut ? SDB_CAPTURE_ERRORS_CUT : 0) |
        (exchange->input_unread || exchange->input_left > 0 ? SDB_CAPTURE_INPUT_UNREAD : 0);
}

int sdb_capture_streams(struct sdb_streams *streams, int timeout_ms, struct sdb_capture *capture)
{
    const struct sdb__deadline deadline = sdb__deadline_in(timeout_ms);
    struct exchange exchange;
    int rc = check_capture(capture);

    if (rc < 0)
        return rc;
    if (!streams || sdb__struct_check(streams, sizeof(*streams), STREAMS_SIZE_OF_VERSION_0_1) < 0)
        return -EINVAL;

    begin(&exchange, streams, capture);
    rc = move_bytes(&exchange, &deadline);
    fill(capture, &exchange);
    return rc;
}

void sdb_capture_free(struct sdb_capture *capture)
{
    if (!capture)
        return;
    free(capture->output);
    free(capture->errors);
    capture->output = NULL;
    capture->output_size = 0;
    capture->errors = NULL;
    capture->errors_size = 0;
}

/* ---- all of it ---- */

/* The caller's options with the standard streams on pipes. */
static int add_streams(struct sdb_launch_options *options, const struct sdb_launch_options *theirs,
                       struct sdb_streams *streams, uint32_t flags, struct sdb_fd **fds)
{
    size_t count;
    int rc = sdb__struct_import(options, sizeof(*options), sizeof(*options), theirs);

    if (rc < 0)
        return rc;
    count = options->fd_count;
    if (count > 0 && !options->fds)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (options->fds[i].target >= 0 && options->fds[i].target < SDB_STREAMS_COUNT)
            return -EINVAL;
    }
    *fds = calloc(count + SDB_STREAMS_COUNT, sizeof(**fds));
    if (!*fds)
        return -ENOMEM;
    if (count > 0)
        memcpy(*fds, options->fds, count * sizeof(**fds));
    options->fds = *fds;
    options->fd_count = count + (size_t)sdb_streams_map(streams, flags, *fds + count);
    return 0;
}

/* What is left of the time, for a launch that may have a shorter one of its own. */
static void limit_launch(struct sdb_launch_options *options, int timeout_ms)
{
    if (timeout_ms < 0 ||
        ((options->flags & SDB_LAUNCH_TIMEOUT) && options->timeout_ms <= timeout_ms))
        return;
    options->flags |= SDB_LAUNCH_TIMEOUT;
    options->timeout_ms = timeout_ms;
}

static int run(struct sdb_child *child, struct sdb_streams *streams,
               const struct sdb__deadline *deadline, struct sdb_capture *capture,
               struct sdb_exit_status *status)
{
    struct exchange exchange;
    int rc;

    begin(&exchange, streams, capture);
    if (capture->flags & SDB_CAPTURE_UNTIL_END)
        exchange.end_fd = sdb_child_pidfd(child);
    rc = move_bytes(&exchange, deadline);
    fill(capture, &exchange);
    if (rc == 0) {
        sdb_streams_close(streams); /* it may wait for the end of its input */
        rc = sdb_child_wait(child, sdb__deadline_left_ms(deadline), status);
    }
    /* Killed before its streams are closed: it shall not die of a SIGPIPE instead. */
    if (rc == -ETIMEDOUT || rc == -ENOMEM)
        (void)sdb_child_terminate(child, 0, -1, status);
    sdb_streams_close(streams);
    return rc;
}

int sdb_capture_launch(const struct sdb_launch_options *options, int timeout_ms,
                       struct sdb_capture *capture, struct sdb_exit_status *status,
                       struct sdb_error *error)
{
    const struct sdb__deadline deadline = sdb__deadline_in(timeout_ms);
    struct sdb_streams streams = SDB_STREAMS_INIT;
    struct sdb_launch_options own = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_fd *fds = NULL;
    struct sdb_child *child;
    int rc;

    if (sdb__error_check(error) < 0)
        return -EINVAL;
    rc = check_capture(capture);
    if (rc == 0 && status)
        rc = sdb__struct_check(status, sizeof(*status), sizeof(*status));
    if (rc == 0)
        rc = options
                 ? add_streams(&own, options, &streams, capture->flags & SDB_CAPTURE_MERGE, &fds)
                 : -EINVAL;
    if (rc < 0)
        return sdb__error_set(error, rc, SDB_STAGE_ARGUMENTS, -1);

    limit_launch(&own, timeout_ms);
    rc = sdb_launch(&own, &child, error);
    free(fds);
    if (rc < 0)
        return rc;
    rc = run(child, &streams, &deadline, capture, status);
    sdb_child_close(child);
    return rc;
}
