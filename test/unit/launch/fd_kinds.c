/* SPDX-License-Identifier: MIT */
/*
 * Launching: each kind of entry in the map of descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

TRIAL_CASE(kinds);

TEST(null_is_for_reading_and_writing)
{
    struct trial trial = trial_of_state(_i);
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_NULL},
                                 {.target = 1, .kind = SDB_FD_NULL},
                                 {.target = 9, .kind = SDB_FD_NULL}};

    trial_set_map(&trial, map, 3);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 9}, 4);
    for (size_t i = 0; i < 3; i++) {
        expect_fd_file(map[i].target, "/dev/null");
        expect_told("fd_mode %d %d", map[i].target, O_RDWR);
    }
}

TEST(path_is_opened_as_asked_for)
{
    struct trial trial = trial_of_state(_i);
    const struct sdb_fd map[] = {
        {.target = 3, .kind = SDB_FD_PATH, .path = "/dev/zero", .open_flags = O_RDONLY},
        {.target = 4, .kind = SDB_FD_PATH, .path = "log", .open_flags = O_WRONLY | O_APPEND},
        {.target = 5, .kind = SDB_FD_PATH, .path = "log", .open_flags = O_RDWR | O_CLOEXEC}};

    trial_write_file("log", "", 0, 0644);
    trial_set_map(&trial, map, 3);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 3, 4, 5}, 6);
    expect_fd_file(3, "/dev/zero");
    expect_told("fd_mode 3 %d", O_RDONLY);
    expect_fd_file(4, "log");
    expect_told("fd_mode 4 %d", O_WRONLY);
    expect_told("fd_append 4 1");
    expect_told("fd_mode 5 %d", O_RDWR);
    expect_told("fd_append 5 0");
}

static unsigned permissions_of(const char *path)
{
    struct stat status;

    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 07777;
}

TEST(path_is_made_with_mode_less_umask)
{
    struct trial trial = trial_of(_i, "echo", "hello", NULL);
    struct sdb_fd map[] = {{.target = 1,
                            .kind = SDB_FD_PATH,
                            .path = "made",
                            .open_flags = O_WRONLY | O_CREAT | O_EXCL,
                            .mode = 0666}};
    mode_t host_umask = umask(0007);
    struct stat status;

    (void)unlink("made");
    trial_set_map(&trial, map, 1);
    trial_exits(&trial, 0);
    ck_assert_uint_eq(permissions_of("made"), 0660);
    ck_assert_int_eq(stat("made", &status), 0);
    ck_assert_int_eq(status.st_size, 5);
    ck_assert_int_eq(unlink("made"), 0);

    /* Its own umask counts, if it has one. */
    trial.options.flags |= SDB_LAUNCH_SET_UMASK;
    trial.options.umask = 0026;
    trial_exits(&trial, 0);
    ck_assert_uint_eq(permissions_of("made"), 0640);
    umask(host_umask);

    trial_fails(&trial, -EEXIST, SDB_STAGE_FDS, 0, "set descriptor 1 to \"made\": File exists");
}

TEST(path_is_meant_from_the_new_directory)
{
    struct trial trial = trial_of_state(_i);
    const struct sdb_fd map[] = {{.target = 3, .kind = SDB_FD_PATH, .path = "here"}};

    mkdir("inner", 0755);
    trial_write_file("inner/here", "", 0, 0644);
    trial.options.cwd = "inner";
    trial_set_map(&trial, map, 1);
    trial_tells(&trial);
    expect_fd_file(3, "inner/here");
}

TEST(path_that_cannot_be_opened_fails_the_launch)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    const struct sdb_fd map[] = {{.target = 3, .kind = SDB_FD_NULL},
                                 {.target = 4, .kind = SDB_FD_PATH, .path = "/nowhere/file"}};

    trial_set_map(&trial, map, 2);
    trial_fails(&trial, -ENOENT, SDB_STAGE_FDS, 1,
                "set descriptor 4 to \"/nowhere/file\": No such file or directory");
}

/* Two that open one path have two offsets; one like another has the same. */
TEST(like_shares_the_open_file)
{
    const char *argv[] = {"/bin/sh", "-c", "echo one; echo two >&2; echo three", NULL};
    struct trial trial = trial_of_nothing(_i);
    const struct sdb_fd map[] = {{.target = 2, .kind = SDB_FD_LIKE, .source = 1},
                                 {.target = 1,
                                  .kind = SDB_FD_PATH,
                                  .path = "output",
                                  .open_flags = O_WRONLY | O_CREAT | O_TRUNC,
                                  .mode = 0600}};
    char text[64] = "";
    int fd;

    trial.options.argv = argv;
    trial_set_map(&trial, map, 2);
    trial_exits(&trial, 0);
    fd = open("output", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 14);
    ck_assert_str_eq(text, "one\ntwo\nthree\n");
    close(fd);
}

TEST(pipes_carry_data_both_ways_and_end)
{
    struct trial trial = trial_of(_i, "cat", NULL, NULL);
    struct trial_pipes pipes;
    char text[16];

    trial_set_pipes(&trial, &pipes);
    trial_start(&trial);
    ck_assert_int_gt(pipes.input, 2);
    ck_assert_int_gt(pipes.output, 2);
    ck_assert_int_eq(fcntl(pipes.input, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(pipes.output, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(pipes.input, "hello", 5), 5);
    ck_assert_int_eq(read(pipes.output, text, sizeof(text)), 5);
    ck_assert_mem_eq(text, "hello", 5);

    /* Neither the host nor the child has kept an end too many: each side sees the other's end. */
    close(pipes.input);
    ck_assert_int_eq(read(pipes.output, text, sizeof(text)), 0);
    trial_end(&trial);
    ck_assert_int_eq(trial.status.code, 0);
    close(pipes.output);
}

TEST(host_sees_that_nobody_reads_its_pipe)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    int input = -1;
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input}};
    sighandler_t before = signal(SIGPIPE, SIG_IGN);

    trial_set_map(&trial, map, 1);
    trial_exits(&trial, 0);
    ck_assert_int_eq(write(input, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(input);
    signal(SIGPIPE, before);
}

TEST(program_has_no_ends_of_pipes_but_its_own)
{
    struct trial trial = trial_of_state(_i);
    int host_fds[3] = {-1, -1, -1};
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &host_fds[0]},
                                 {.target = 7, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fds[1]},
                                 {.target = 8, .kind = SDB_FD_LIKE, .source = 7},
                                 {.target = 4, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fds[2]}};

    trial_set_map(&trial, map, 4);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 4, 7, 8}, 6);
    expect_told("fd_mode 0 %d", O_RDONLY);
    expect_told("fd_mode 4 %d", O_WRONLY);
    expect_told("fd_mode 7 %d", O_WRONLY);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(close(host_fds[i]), 0);
}

/* The ends of a pipe that the library opens may get the very numbers that are targets. */
TEST(pipes_whose_ends_are_targets_are_moved_aside)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[12];
    int host_fds[12];
    int fds[15] = {0, 1, 2};

    for (int i = 0; i < 12; i++) {
        fds[3 + i] = 3 + i;
        map[i] = (struct sdb_fd){.target = 14 - i,
                                 .kind = i % 2 ? SDB_FD_READ_PIPE : SDB_FD_WRITE_PIPE,
                                 .host_fd = &host_fds[i]};
    }
    trial_set_map(&trial, map, 12);
    trial_tells(&trial);
    expect_fds(fds, 15);
    for (int i = 0; i < 12; i++) {
        struct stat status;

        ck_assert_int_eq(fstat(host_fds[i], &status), 0);
        expect_told("fd_file %d %ju:%ju", 14 - i, (uintmax_t)status.st_dev,
                    (uintmax_t)status.st_ino);
        expect_told("fd_mode %d %d", 14 - i, i % 2 ? O_RDONLY : O_WRONLY);
        close(host_fds[i]);
    }
}

int main(void)
{
    return trial_run_suite("launch: kinds of descriptors");
}
