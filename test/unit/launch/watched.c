/* SPDX-License-Identifier: MIT */
/*
 * A few launches that must come out the same in a host that somebody watches: this program is also
 * run under valgrind and under strace.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trial.h"

TRIAL_CASE(launches);

TEST(program_is_launched_with_all_it_was_given)
{
    const char *env[] = {"SDB_TEST_VARIABLE=here", NULL};
    struct trial trial = trial_of_state(_i);
    int output = -1;
    const struct sdb_fd map[] = {{.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output},
                                 {.target = 2, .kind = SDB_FD_LIKE, .source = 1},
                                 {.target = 0, .kind = SDB_FD_NULL}};

    trial.options.env = env;
    trial.options.cwd = "/";
    trial.options.fds = map;
    trial.options.fd_count = 3;
    trial_tells(&trial);
    expect_told("env SDB_TEST_VARIABLE=here");
    expect_told("cwd /");
    expect_told("SigBlk 0000000000000000");
    expect_told("SigCgt 0000000000000000");
    expect_fds((const int[]){0, 1, 2}, 3);
    close(output);
}

TEST(program_is_searched_for)
{
    struct trial trial = trial_of_nothing(_i);

    trial.argv[0] = "true";
    trial.options.flags |= SDB_LAUNCH_SEARCH_PATH;
    trial.options.search_path = "/nowhere:/bin:/usr/bin";
    trial_exits(&trial, 0);
}

TEST(data_go_through_pipes)
{
    struct trial trial = trial_of(_i, "cat", NULL, NULL);
    struct trial_pipes pipes;
    char text[16];

    trial_set_pipes(&trial, &pipes);
    trial_start(&trial);
    ck_assert_int_eq(write(pipes.input, "hello", 5), 5);
    close(pipes.input);
    ck_assert_int_eq(read(pipes.output, text, sizeof(text)), 5);
    ck_assert_int_eq(read(pipes.output, text, sizeof(text)), 0);
    trial_end(&trial);
    ck_assert_int_eq(trial.status.code, 0);
    close(pipes.output);
}

TEST(failures_are_told)
{
    struct trial missing = trial_of_nothing(_i);
    struct trial astray = trial_of(_i, "exit", "0", NULL);
    struct trial unmapped = trial_of(_i, "exit", "0", NULL);
    const struct sdb_fd map[] = {{.target = 3, .kind = SDB_FD_PATH, .path = "/nowhere/file"}};

    missing.options.path = "/nowhere/program";
    trial_fails(&missing, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"/nowhere/program\": No such");
    astray.options.cwd = "/nowhere";
    trial_fails(&astray, -ENOENT, SDB_STAGE_CWD, -1, "change directory to \"/nowhere\": No such");
    unmapped.options.fds = map;
    unmapped.options.fd_count = 1;
    trial_fails(&unmapped, -ENOENT, SDB_STAGE_FDS, 0, "set descriptor 3 to \"/nowhere/file\"");
    unmapped.options.flags |= UINT64_C(1) << 63;
    trial_is_refused(&unmapped, -EINVAL, -1, "unknown flag");
}

TEST(child_is_ended)
{
    struct trial trial = trial_of(_i, "wait", NULL, NULL);
    int input = -1;
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input},
                                 {.target = 1, .kind = SDB_FD_NULL}};

    trial.options.fds = map;
    trial.options.fd_count = 2;
    trial_start(&trial);
    ck_assert_int_eq(sdb_child_terminate(trial.child, PATIENCE_MS, PATIENCE_MS, &trial.status), 0);
    ck_assert_uint_eq(trial.status.how, SDB_KILLED);
    sdb_child_close(trial.child);
    close(input);
}

static int succeed(void *data)
{
    (void)data;
    return 0;
}

TEST(hook_is_run)
{
    struct trial trial = trial_of(_i, "exit", "8", NULL);

    trial.options.hook = succeed;
    trial_exits(&trial, 8);
}

TEST(hundred_launches_leave_nothing)
{
    for (int round = 0; round < 50; round++) {
        struct trial good = trial_of(_i, "exit", "1", NULL);
        struct trial missing = trial_of_nothing(_i);

        trial_exits(&good, 1);
        missing.options.path = "/nowhere";
        ck_assert_int_eq(trial_try(&missing), -ENOENT);
    }
}

int main(void)
{
    return trial_run_suite("launch: watched");
}
