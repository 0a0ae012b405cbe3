/* SPDX-License-Identifier: MIT */
/*
 * Running programs for their output.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leftovers.h"

/* What a shell script writes. */
static int run(const char *script, int timeout_ms, struct sdb_capture *capture,
               struct sdb_exit_status *status)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;

    options.path = "/bin/sh";
    options.argv = argv;
    return sdb_capture_launch(&options, timeout_ms, capture, status, &error);
}

LEFTOVERS_CASE(capture);

TEST(both_outputs_and_the_status_are_collected)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    ck_assert_int_eq(run("echo one; echo two >&2; exit 3", -1, &capture, &status), 0);
    ck_assert_str_eq(capture.output, "one\n");
    ck_assert_uint_eq(capture.output_size, 4);
    ck_assert_str_eq(capture.errors, "two\n");
    ck_assert_uint_eq(capture.result, 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 3);
    sdb_capture_free(&capture);
    ck_assert_ptr_null(capture.output);
}

TEST(merged_outputs_keep_their_order)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;

    capture.flags = SDB_CAPTURE_MERGE;
    ck_assert_int_eq(run("echo a; echo b >&2; echo c", -1, &capture, NULL), 0);
    ck_assert_str_eq(capture.output, "a\nb\nc\n");
    ck_assert_uint_eq(capture.errors_size, 0);
    sdb_capture_free(&capture);
}

/* Far more than the pipes hold, both ways at once: whoever writes first and reads later hangs. */
TEST(large_input_and_output_do_not_deadlock)
{
    enum { SIZE = 8 * 1024 * 1024 };
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    char *input = malloc(SIZE);

    for (size_t i = 0; i < SIZE; i++)
        input[i] = (char)(i * 31 >> 3);
    capture.input = input;
    capture.input_size = SIZE;
    ck_assert_int_eq(run("tee /dev/stderr", 60000, &capture, NULL), 0);
    ck_assert_uint_eq(capture.output_size, SIZE);
    ck_assert_uint_eq(capture.errors_size, SIZE);
    ck_assert_int_eq(memcmp(capture.output, input, SIZE), 0);
    ck_assert_int_eq(memcmp(capture.errors, input, SIZE), 0);
    ck_assert_uint_eq(capture.result, 0);
    sdb_capture_free(&capture);
    free(input);
}

TEST(what_is_beyond_the_limit_is_dropped)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    capture.limit = 10;
    ck_assert_int_eq(
        run("printf 0123456789; printf 0123456789x >&2; exit 1", -1, &capture, &status), 0);
    ck_assert_str_eq(capture.output, "0123456789");
    ck_assert_str_eq(capture.errors, "0123456789");
    ck_assert_uint_eq(capture.result, SDB_CAPTURE_ERRORS_CUT);
    ck_assert_int_eq(status.code, 1); /* it could write all of it */
    sdb_capture_free(&capture);
}

TEST(the_deadline_kills_it_and_keeps_what_it_wrote)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    ck_assert_int_eq(run("echo begun; exec sleep 1000", 2000, &capture, &status), -ETIMEDOUT);
    ck_assert_str_eq(capture.output, "begun\n");
    ck_assert_uint_eq(status.how, SDB_KILLED);
    ck_assert_int_eq(status.code, SIGKILL);
    sdb_capture_free(&capture);
}

TEST(output_without_end_meets_the_deadline)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    capture.limit = 1000;
    ck_assert_int_eq(run("exec yes", 2000, &capture, &status), -ETIMEDOUT);
    ck_assert_uint_eq(capture.output_size, 1000);
    ck_assert_uint_eq(capture.result, SDB_CAPTURE_OUTPUT_CUT);
    ck_assert_int_eq(status.code, SIGKILL);
    sdb_capture_free(&capture);
}

TEST(a_program_that_has_closed_its_outputs_still_meets_the_deadline)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    ck_assert_int_eq(run("exec sleep 1000 >&- 2>&-", 200, &capture, &status), -ETIMEDOUT);
    ck_assert_int_eq(status.code, SIGKILL);
    sdb_capture_free(&capture);
}

TEST(input_that_is_not_read_is_no_error)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    char *input = calloc(1, 1000000);

    capture.input = input;
    capture.input_size = 1000000;
    ck_assert_int_eq(run("exec <&-; echo done", 60000, &capture, &status), 0);
    ck_assert_str_eq(capture.output, "done\n");
    ck_assert_uint_eq(capture.result, SDB_CAPTURE_INPUT_UNREAD);
    ck_assert_int_eq(status.code, 0);
    sdb_capture_free(&capture);
    free(input);
}

TEST(input_goes_on_when_the_outputs_have_ended)
{
    char path[] = "/tmp/sdb-test-XXXXXX";
    int fd = mkstemp(path);
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    char *input = calloc(1, 1000000);
    char script[96];

    ck_assert_int_ge(fd, 0);
    snprintf(script, sizeof(script), "exec >&- 2>&-; exec cat >%s", path);
    capture.input = input;
    capture.input_size = 1000000;
    ck_assert_int_eq(run(script, 60000, &capture, NULL), 0);
    ck_assert_uint_eq(capture.result, 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 1000000);
    close(fd);
    unlink(path);
    sdb_capture_free(&capture);
    free(input);
}

TEST(without_input_it_is_empty)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;

    ck_assert_int_eq(run("wc -c", 60000, &capture, NULL), 0);
    ck_assert_str_eq(capture.output, "0\n");
    sdb_capture_free(&capture);
}

/* The shell ends; what it has left behind holds the output. */
TEST(who_is_left_behind_is_waited_for_unless_told_otherwise)
{
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    char directory[] = "/tmp/sdb-test-XXXXXX";
    char fifo[64];
    char script[160];

    ck_assert_int_eq(run("(sleep 0.3; echo late) & echo early", 60000, &capture, &status), 0);
    ck_assert_str_eq(capture.output, "early\nlate\n");

    /* One who waits until all is over cannot have written before. */
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    snprintf(script, sizeof(script), "(read line <%s; echo late) 2>/dev/null & echo early", fifo);
    capture.flags = SDB_CAPTURE_UNTIL_END;
    ck_assert_int_eq(run(script, 60000, &capture, &status), 0);
    ck_assert_str_eq(capture.output, "early\n");
    ck_assert_int_eq(status.code, 0);
    close(open(fifo, O_WRONLY | O_CLOEXEC)); /* it ends now */
    unlink(fifo);
    rmdir(directory);
    sdb_capture_free(&capture);
}

TEST(a_program_that_cannot_be_launched_is_explained)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_error error = SDB_ERROR_INIT;

    options.path = "/nonexistent";
    ck_assert_int_eq(sdb_capture_launch(&options, -1, &capture, NULL, &error), -ENOENT);
    ck_assert_uint_eq(error.stage, SDB_STAGE_EXEC);
    ck_assert_int_eq(error.code, -ENOENT);
    ck_assert_ptr_null(capture.output);
}

TEST(what_cannot_be_right_is_refused)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_streams streams = SDB_STREAMS_INIT;
    struct sdb_fd fds[SDB_STREAMS_COUNT];
    const struct sdb_fd taken = {.target = 2, .kind = SDB_FD_NULL};

    options.path = "/bin/true";
    ck_assert_int_eq(sdb_capture_launch(NULL, -1, &capture, NULL, NULL), -EINVAL);
    ck_assert_int_eq(sdb_capture_launch(&options, -1, NULL, NULL, NULL), -EINVAL);
    capture.flags = 0x80;
    ck_assert_int_eq(sdb_capture_launch(&options, -1, &capture, NULL, NULL), -EINVAL);
    capture.flags = 0;
    capture.input_size = 1;
    ck_assert_int_eq(sdb_capture_launch(&options, -1, &capture, NULL, NULL), -EINVAL);
    capture.input_size = 0;
    options.fds = &taken;
    options.fd_count = 1;
    ck_assert_int_eq(sdb_capture_launch(&options, -1, &capture, NULL, NULL), -EINVAL);

    ck_assert_int_eq(sdb_streams_map(NULL, 0, fds), -EINVAL);
    ck_assert_int_eq(sdb_streams_map(&streams, 0, NULL), -EINVAL);
    ck_assert_int_eq(sdb_streams_map(&streams, SDB_CAPTURE_UNTIL_END, fds), -EINVAL);
    ck_assert_int_eq(sdb_capture_streams(NULL, 0, &capture), -EINVAL);
    ck_assert_int_eq(sdb_capture_streams(&streams, 0, NULL), -EINVAL);
    sdb_capture_free(NULL);
    sdb_streams_close(NULL);
}

/* ---- streams of a process that a session holds ---- */

struct collecting {
    struct sdb_streams streams;
    struct sdb_capture capture;
    int rc;
};

static void *collect(void *data)
{
    struct collecting *collecting = data;

    collecting->rc = sdb_capture_streams(&collecting->streams, 60000, &collecting->capture);
    return NULL;
}

TEST(a_held_program_can_be_captured_in_another_thread)
{
    const char *argv[] = {"tr", "a-z", "A-Z", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct collecting collecting = {.streams = SDB_STREAMS_INIT, .capture = SDB_CAPTURE_INIT};
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_fd fds[SDB_STREAMS_COUNT];
    struct sdb_session *session;
    struct sdb_process *process;
    pthread_t thread;

    options.argv = argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH;
    options.fds = fds;
    options.fd_count = (size_t)sdb_streams_map(&collecting.streams, 0, fds);
    collecting.capture.input = "quiet";
    collecting.capture.input_size = 5;
    ck_assert_int_eq(sdb_session_create(NULL, &session), 0);
    ck_assert_int_eq(sdb_session_launch(session, &options, &process, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, collect, &collecting), 0);
    ck_assert_int_eq(sdb_process_resume(process, SDB_RESUME_CONTINUE), 0);
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), 0);
    ck_assert_uint_eq(event.kind, SDB_EVENT_EXITED);
    pthread_join(thread, NULL);
    ck_assert_int_eq(collecting.rc, 0);
    ck_assert_str_eq(collecting.capture.output, "QUIET");
    ck_assert_int_eq(collecting.streams.output, -1);
    sdb_capture_free(&collecting.capture);
    sdb_streams_close(&collecting.streams);
    sdb_session_destroy(session);
}

static void *capture_many(void *data)
{
    for (int round = 0; round < 50; round++) {
        struct sdb_capture capture = SDB_CAPTURE_INIT;
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        char script[64];
        char expected[32];

        snprintf(script, sizeof(script), "echo %d-%d; exit %d", *(int *)data, round, round);
        snprintf(expected, sizeof(expected), "%d-%d\n", *(int *)data, round);
        if (run(script, 60000, &capture, &status) < 0 || status.code != round ||
            strcmp(capture.output, expected) != 0)
            return data;
        sdb_capture_free(&capture);
    }
    return NULL;
}

TEST(threads_capture_at_once)
{
    pthread_t threads[4];
    int numbers[4] = {0, 1, 2, 3};
    void *failed;

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, capture_many, &numbers[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
}

int main(void)
{
    return run_suite("capture");
}
