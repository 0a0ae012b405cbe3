/* SPDX-License-Identifier: MIT */
/*
 * Structs that begin with their size, by the calls that take them: what a program may be built with
 * that is older or newer than the library.  The index of a loop is the struct's in the table.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "leftovers.h"

#define ENDING SDB_TRACEE_DIR "/ending"

static const char *const arguments[] = {"ending", "exit", "0", NULL};

/* ---- the calls; each undoes what it has done ---- */

static const struct sdb_launch_options launch_options = {
    .size = sizeof(launch_options), .path = ENDING, .argv = arguments, .death_signal = SIGKILL};

static int call_launch(void *options)
{
    struct sdb_child *child = NULL;
    int rc = sdb_launch(options, &child, NULL);

    if (rc == 0)
        ck_assert_int_eq(sdb_child_wait(child, -1, NULL), 0);
    sdb_child_close(child);
    return rc;
}

static const struct sdb_exit_status exit_status = SDB_EXIT_STATUS_INIT;

static int call_child_wait(void *status)
{
    struct sdb_child *child = NULL;
    int rc;

    ck_assert_int_eq(sdb_launch(&launch_options, &child, NULL), 0);
    rc = sdb_child_wait(child, -1, status);
    if (rc < 0)
        ck_assert_int_eq(sdb_child_wait(child, -1, NULL), 0);
    sdb_child_close(child);
    return rc;
}

static const struct sdb_error error_struct = SDB_ERROR_INIT;

static int call_launch_with_error(void *error)
{
    struct sdb_launch_options options = launch_options;
    struct sdb_child *child = NULL;

    options.path = "/nonexistent/program";
    return sdb_launch(&options, &child, error);
}

static int call_format(void *error)
{
    return sdb_error_format(error, NULL, 0);
}

static const struct sdb_session_options session_options = SDB_SESSION_OPTIONS_INIT;

static int call_session_create(void *options)
{
    struct sdb_session *session = NULL;
    int rc = sdb_session_create(options, &session);

    if (rc == 0)
        ck_assert_int_eq(sdb_session_destroy(session), 0);
    return rc;
}

static const struct sdb_event event_struct = SDB_EVENT_INIT;

static int call_session_wait(void *event)
{
    struct sdb_session *session = NULL;
    struct sdb_process *process = NULL;
    int rc;

    ck_assert_int_eq(sdb_session_create(NULL, &session), 0);
    ck_assert_int_eq(sdb_session_launch(session, &launch_options, &process, NULL), 0);
    ck_assert_int_eq(sdb_process_resume(process, SDB_RESUME_CONTINUE), 0);
    rc = sdb_session_wait(session, -1, event);
    ck_assert_int_eq(sdb_session_destroy(session), 0);
    return rc;
}

static const struct sdb_watchpoint_options watchpoint_options = {
    .size = sizeof(watchpoint_options), .address = 8, .length = 8};

/* Nothing is mapped there, which is found out last. */
static int call_watchpoint_create(void *options)
{
    struct sdb_session *session = NULL;
    struct sdb_process *process = NULL;
    struct sdb_watchpoint *watchpoint = NULL;
    int rc;

    ck_assert_int_eq(sdb_session_create(NULL, &session), 0);
    ck_assert_int_eq(sdb_session_launch(session, &launch_options, &process, NULL), 0);
    rc = sdb_watchpoint_create(process, options, &watchpoint);
    ck_assert_int_eq(sdb_session_destroy(session), 0);
    return rc;
}

static const struct sdb_capture capture_struct = SDB_CAPTURE_INIT;

static int call_capture(void *capture)
{
    int rc = sdb_capture_launch(&launch_options, -1, capture, NULL, NULL);

    if (rc == 0)
        sdb_capture_free(capture);
    return rc;
}

static const struct sdb_streams streams_struct = SDB_STREAMS_INIT;

static int call_streams(void *streams)
{
    struct sdb_fd fds[SDB_STREAMS_COUNT];

    return sdb_streams_map(streams, 0, fds);
}

LEFTOVERS_CASE(versioned);

static const struct {
    const void *plain;
    size_t size;
    int (*call)(void *theirs);
    int plain_result; /* with the size of now, and with a larger one and zeros */
    int set_result;   /* with unknown members that are not zero */
} structs[] = {
    {&launch_options, sizeof(launch_options), call_launch, 0, -E2BIG},
    {&exit_status, sizeof(exit_status), call_child_wait, 0, -E2BIG},
    {&session_options, sizeof(session_options), call_session_create, 0, -E2BIG},
    {&event_struct, sizeof(event_struct), call_session_wait, 0, -E2BIG},
    {&watchpoint_options, sizeof(watchpoint_options), call_watchpoint_create, -EFAULT, -E2BIG},
    {&capture_struct, sizeof(capture_struct), call_capture, 0, -E2BIG},
    {&streams_struct, sizeof(streams_struct), call_streams, SDB_STREAMS_COUNT, -EINVAL},
    /* An error is only filled, and older texts of it are still read: more than is known is allowed. */
    {&error_struct, sizeof(error_struct), call_launch_with_error, -ENOENT, -ENOENT},
    {&error_struct, sizeof(error_struct), call_format, 7, 7},
};
#define STRUCTS               (sizeof(structs) / sizeof(structs[0]))
#define IS_FILLED_ONLY(index) (structs[index].plain == &error_struct)

/*
 * A copy of the struct that says it has this size, in a block of just this many bytes, so that a
 * sanitizer sees what is past it.
 */
static unsigned char *copy_of(int index, size_t size, size_t room)
{
    unsigned char *copy = calloc(1, room);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, structs[index].plain, room < structs[index].size ? room : structs[index].size);
    memcpy(copy, &size, sizeof(size));
    return copy;
}

LOOP_TEST(the_size_of_now_is_taken, 0, STRUCTS)
{
    unsigned char *copy = copy_of(_i, structs[_i].size, structs[_i].size);

    ck_assert_int_eq(structs[_i].call(copy), structs[_i].plain_result);
    free(copy);
}

LOOP_TEST(smaller_than_the_first_version_is_refused_and_left_alone, 0, STRUCTS)
{
    for (size_t size = 0; size < structs[_i].size; size++) {
        const size_t room = size < sizeof(size_t) ? sizeof(size_t) : size;
        unsigned char *copy = copy_of(_i, size, room);
        unsigned char *same = copy_of(_i, size, room);

        ck_assert_int_eq(structs[_i].call(copy), -EINVAL);
        ck_assert_mem_eq(copy, same, room);
        free(copy);
        free(same);
    }
}

LOOP_TEST(larger_with_zeros_is_taken, 0, STRUCTS)
{
    const size_t more[] = {1, 8, 100};

    for (size_t i = 0; i < 3; i++) {
        const size_t size = structs[_i].size + more[i];
        unsigned char *copy = copy_of(_i, size, size);
        size_t size_after;

        ck_assert_int_eq(structs[_i].call(copy), structs[_i].plain_result);
        memcpy(&size_after, copy, sizeof(size_after));
        ck_assert_uint_eq(size_after, size);
        for (size_t at = structs[_i].size; at < size; at++)
            ck_assert_uint_eq(copy[at], 0);
        free(copy);
    }
}

LOOP_TEST(larger_with_anything_else_is_refused, 0, STRUCTS)
{
    const size_t size = structs[_i].size + 16;

    for (size_t at = structs[_i].size; at < size; at++) {
        unsigned char *copy = copy_of(_i, size, size);
        unsigned char *same = copy_of(_i, size, size);

        copy[at] = same[at] = 0x80;
        ck_assert_int_eq(structs[_i].call(copy), structs[_i].set_result);
        if (IS_FILLED_ONLY(_i))
            ck_assert_mem_eq(copy + structs[_i].size, same + structs[_i].size, 16);
        else
            ck_assert_mem_eq(copy, same, size);
        free(copy);
        free(same);
    }
}

/* A size that was never set must not send the library through all memory. */
LOOP_TEST(an_impossible_size_is_refused_without_a_look, 0, STRUCTS)
{
    const size_t sizes[] = {4097, 1 << 20, SIZE_MAX / 2, SIZE_MAX};

    if (IS_FILLED_ONLY(_i))
        return; /* nothing beyond what is known is looked at */
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *copy = copy_of(_i, sizes[i], structs[_i].size);

        ck_assert_int_eq(structs[_i].call(copy), -EINVAL);
        free(copy);
    }
}

int main(void)
{
    return run_suite("versioned");
}
