/* SPDX-License-Identifier: MIT */
/*
 * Launching: the child's descriptors.
 *
 * Where a test puts files of its own on low numbers, which belong to others, it asserts nothing
 * before they are back: what a failed assertion has to say goes through one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

#define LOW_COUNT   6
#define MAX_TARGETS 24
#define SAVED_FROM  700

/* ---- helpers ---- */

/* Files of the test's own on the first descriptors. */
struct low_files {
    int saved[MAX_TARGETS]; /* what was there, or -1 */
    int count;
};

/* Every other one is close-on-exec: that must make no difference. */
static void put_files_low(struct low_files *files, int count)
{
    char name[16];

    files->count = count;
    for (int fd = 0; fd < count; fd++) {
        files->saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, SAVED_FROM);
        (void)snprintf(name, sizeof(name), "file%d", fd);
        trial_write_file(name, name, strlen(name), 0644);
    }
    for (int fd = 0; fd < count; fd++) {
        int opened;

        (void)snprintf(name, sizeof(name), "file%d", fd);
        opened = open(name, O_RDONLY | O_CLOEXEC);
        if (opened == fd) {
            (void)fcntl(fd, F_SETFD, fd % 2 ? FD_CLOEXEC : 0);
        } else {
            (void)dup3(opened, fd, fd % 2 ? O_CLOEXEC : 0);
            close(opened);
        }
    }
}

static void restore_low(const struct low_files *files, const int flags[])
{
    for (int fd = 0; fd < files->count; fd++) {
        if (files->saved[fd] < 0) {
            close(fd);
            continue;
        }
        (void)dup3(files->saved[fd], fd, flags[fd] & FD_CLOEXEC ? O_CLOEXEC : 0);
        close(files->saved[fd]);
    }
}

/* The arguments of the report program's "fds". */
struct expected_fds {
    const char *argv[MAX_TARGETS + 4];
    char text[MAX_TARGETS][64];
    int count;
};

static void expect_begin(struct expected_fds *expected)
{
    *expected = (struct expected_fds){.argv = {REPORT, "fds"}};
}

static void expect_fd(struct expected_fds *expected, int fd, const struct stat *file)
{
    char *text = expected->text[expected->count];

    (void)snprintf(text, sizeof(expected->text[0]), "%d=%ju:%ju", fd, (uintmax_t)file->st_dev,
                   (uintmax_t)file->st_ino);
    expected->argv[2 + expected->count++] = text;
}

/* Launch and wait.  @return the exit code, or a negative errno */
static int run_quietly(struct trial *trial)
{
    int rc = trial_try(trial);

    if (rc == 0) {
        rc = sdb_child_wait(trial->child, PATIENCE_MS, &trial->status);
        sdb_child_close(trial->child);
    }
    if (rc == 0)
        rc = trial->status.how == SDB_EXITED ? trial->status.code : 1000 + trial->status.code;
    return rc;
}

static struct sdb_fd dup_of(int target, int source)
{
    return (struct sdb_fd){.target = target, .kind = SDB_FD_DUP, .source = source};
}

static void set_map(struct trial *trial, const struct sdb_fd *map, size_t count)
{
    trial->options.fds = map;
    trial->options.fd_count = count;
}

/* ---- the map as one assignment ---- */

static bool next_permutation(int *numbers, int count)
{
    int i = count - 2;
    int j = count - 1;
    int swapped;

    while (i >= 0 && numbers[i] > numbers[i + 1])
        i--;
    if (i < 0)
        return false;
    while (numbers[j] < numbers[i])
        j--;
    swapped = numbers[i];
    numbers[i] = numbers[j];
    numbers[j] = swapped;
    for (int low = i + 1, high = count - 1; low < high; low++, high--) {
        swapped = numbers[low];
        numbers[low] = numbers[high];
        numbers[high] = swapped;
    }
    return true;
}

START_TEST(every_permutation_of_six_descriptors_is_assigned)
{
    int order[LOW_COUNT] = {0, 1, 2, 3, 4, 5};
    struct sdb_fd map[LOW_COUNT];
    struct stat files[LOW_COUNT];
    int flags[LOW_COUNT];
    struct low_files low;
    struct expected_fds expected;
    int tried = 0;
    int rc;

    for (int fd = 0; fd < LOW_COUNT; fd++)
        flags[fd] = fcntl(fd, F_GETFD);
    put_files_low(&low, LOW_COUNT);
    for (int fd = 0; fd < LOW_COUNT; fd++)
        (void)fstat(fd, &files[fd]);
    do {
        struct trial trial = trial_of_nothing(_i);

        expect_begin(&expected);
        for (int i = 0; i < LOW_COUNT; i++) {
            map[i] = dup_of(i, order[i]);
            expect_fd(&expected, i, &files[order[i]]);
        }
        trial.options.argv = expected.argv;
        set_map(&trial, map, LOW_COUNT);
        rc = run_quietly(&trial);
        tried++;
    } while (rc == 0 && next_permutation(order, LOW_COUNT));
    restore_low(&low, flags);

    ck_assert_msg(rc == 0, "0 to 5 from %d %d %d %d %d %d: %d", order[0], order[1], order[2],
                  order[3], order[4], order[5], rc);
    ck_assert_int_eq(tried, 720);
}
END_TEST

/* A map of all kinds that need no opening, beside a model of it. */
static int random_map(struct sdb_fd *map, int *model, int sources, unsigned *seed)
{
    int count = 0;

    for (int target = 0; target < MAX_TARGETS; target++) {
        model[target] = target < 3 && target < sources ? target : -1;
        if (rand_r(seed) % 3 == 0)
            continue;
        if (rand_r(seed) % 5 == 0) {
            map[count] = (struct sdb_fd){.target = target, .kind = SDB_FD_NULL};
            model[target] = sources;
        } else {
            map[count] = dup_of(target, rand_r(seed) % sources);
            model[target] = map[count].source;
        }
        count++;
    }
    /* Some become like others, which stand before or after them. */
    for (int i = 0; i < count; i++) {
        int other = rand_r(seed) % count;

        if (rand_r(seed) % 4 || map[other].kind == SDB_FD_LIKE || other == i)
            continue;
        for (int j = 0; j < count; j++) {
            if (map[j].kind == SDB_FD_LIKE && map[j].source == map[i].target)
                other = -1;
        }
        if (other < 0)
            continue;
        map[i].kind = SDB_FD_LIKE;
        map[i].source = map[other].target;
        model[map[i].target] = model[map[other].target];
    }
    for (int i = count - 1; i > 0; i--) {
        int other = rand_r(seed) % (i + 1);
        struct sdb_fd swapped = map[i];

        map[i] = map[other];
        map[other] = swapped;
    }
    return count;
}

START_TEST(any_map_is_assigned_as_if_at_once)
{
    enum { SOURCES = 12, ROUNDS = 300 };
    struct sdb_fd map[MAX_TARGETS];
    int model[MAX_TARGETS];
    struct stat files[SOURCES + 1];
    int flags[SOURCES];
    struct low_files low;
    struct expected_fds expected;
    unsigned seed = 1;
    int round = 0;
    int rc = 0;

    for (int fd = 0; fd < SOURCES; fd++)
        flags[fd] = fcntl(fd, F_GETFD);
    (void)stat("/dev/null", &files[SOURCES]);
    put_files_low(&low, SOURCES);
    for (int fd = 0; fd < SOURCES; fd++)
        (void)fstat(fd, &files[fd]);
    /* The first three are passed on where the map is silent: not if close-on-exec. */
    (void)fcntl(1, F_SETFD, 0);
    for (; rc == 0 && round < ROUNDS; round++) {
        struct trial trial = trial_of_nothing(_i);

        set_map(&trial, map, (size_t)random_map(map, model, SOURCES, &seed));
        expect_begin(&expected);
        for (int target = 0; target < MAX_TARGETS; target++) {
            if (model[target] >= 0)
                expect_fd(&expected, target, &files[model[target]]);
        }
        trial.options.argv = expected.argv;
        rc = run_quietly(&trial);
    }
    restore_low(&low, flags);
    ck_assert_msg(rc == 0, "round %d: %d", round, rc);
}
END_TEST

START_TEST(descriptor_mapped_to_itself_survives_exec)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[1];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    map[0] = dup_of(fd, fd);
    set_map(&trial, map, 1);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, fd}, 4);
    expect_fd_file(fd, "/dev/zero");
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
}
END_TEST

START_TEST(one_source_serves_many_targets)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[4];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    map[0] = dup_of(40, fd);
    map[1] = dup_of(0, fd);
    map[2] = dup_of(fd, fd);
    map[3] = dup_of(41, fd);
    set_map(&trial, map, 4);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, fd, 40, 41}, 6);
    expect_fd_file(0, "/dev/zero");
    expect_fd_file(40, "/dev/zero");
    expect_fd_file(41, "/dev/zero");
    close(fd);
}
END_TEST

START_TEST(source_may_have_a_high_number)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[2];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(dup3(fd, 5000, O_CLOEXEC), 5000);
    map[0] = dup_of(3, 5000);
    map[1] = dup_of(1500, 5000);
    set_map(&trial, map, 2);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 3, 1500}, 5);
    expect_fd_file(3, "/dev/zero");
    expect_fd_file(1500, "/dev/zero");
    close(5000);
    close(fd);
}
END_TEST

/* ---- what is passed on ---- */

START_TEST(others_are_not_passed_on)
{
    struct trial trial = trial_of_state(_i);
    int fd = open("/dev/zero", O_RDONLY);

    ck_assert_int_eq(dup2(fd, 1234), 1234);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
    close(1234);
    close(fd);
}
END_TEST

START_TEST(all_are_passed_on_if_asked_for)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[1];
    int fd = open("/dev/zero", O_RDONLY);
    int private = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(dup2(fd, 1234), 1234);
    map[0] = (struct sdb_fd){.target = 50, .kind = SDB_FD_NULL};
    set_map(&trial, map, 1);
    trial.options.flags |= SDB_LAUNCH_INHERIT_FDS;
    trial_tells(&trial);
    expect_told("fd_flags %d 0", fd);
    expect_told("fd_flags 1234 0");
    expect_told("fd_flags 50 0");
    ck_assert(!told("fd_flags %d 0", private));
    ck_assert(!told("fd_flags %d 1", private));
    close(private);
    close(1234);
    close(fd);
}
END_TEST

/* What else the test's process has is its runner's; none of the library's own may be among it. */
START_TEST(passing_on_all_adds_none_of_the_librarys_own)
{
    struct expected_fds expected;
    struct trial trial = trial_of_nothing(_i);
    struct stat file;

    expect_begin(&expected);
    for (int fd = 0; fd < 1024 && expected.count < MAX_TARGETS; fd++) {
        if (fcntl(fd, F_GETFD) == 0 && fstat(fd, &file) == 0)
            expect_fd(&expected, fd, &file);
    }
    trial.options.argv = expected.argv;
    trial.options.flags |= SDB_LAUNCH_INHERIT_FDS;
    ck_assert_int_eq(run_quietly(&trial), 0);
}
END_TEST

/* ---- kinds ---- */

START_TEST(null_is_for_reading_and_writing)
{
    struct trial trial = trial_of_state(_i);
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_NULL},
                                 {.target = 1, .kind = SDB_FD_NULL},
                                 {.target = 9, .kind = SDB_FD_NULL}};

    set_map(&trial, map, 3);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 9}, 4);
    for (size_t i = 0; i < 3; i++) {
        expect_fd_file(map[i].target, "/dev/null");
        expect_told("fd_mode %d %d", map[i].target, O_RDWR);
    }
}
END_TEST

START_TEST(path_is_opened_as_asked_for)
{
    struct trial trial = trial_of_state(_i);
    const struct sdb_fd map[] = {
        {.target = 3, .kind = SDB_FD_PATH, .path = "/dev/zero", .open_flags = O_RDONLY},
        {.target = 4, .kind = SDB_FD_PATH, .path = "log", .open_flags = O_WRONLY | O_APPEND},
        {.target = 5, .kind = SDB_FD_PATH, .path = "log", .open_flags = O_RDWR | O_CLOEXEC}};

    trial_write_file("log", "", 0, 0644);
    set_map(&trial, map, 3);
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
END_TEST

static unsigned permissions_of(const char *path)
{
    struct stat status;

    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(path_is_made_with_mode_less_umask)
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
    set_map(&trial, map, 1);
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
END_TEST

START_TEST(path_is_meant_from_the_new_directory)
{
    struct trial trial = trial_of_state(_i);
    const struct sdb_fd map[] = {{.target = 3, .kind = SDB_FD_PATH, .path = "here"}};

    mkdir("inner", 0755);
    trial_write_file("inner/here", "", 0, 0644);
    trial.options.cwd = "inner";
    set_map(&trial, map, 1);
    trial_tells(&trial);
    expect_fd_file(3, "inner/here");
}
END_TEST

START_TEST(path_that_cannot_be_opened_fails_the_launch)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    const struct sdb_fd map[] = {{.target = 3, .kind = SDB_FD_NULL},
                                 {.target = 4, .kind = SDB_FD_PATH, .path = "/nowhere/file"}};

    set_map(&trial, map, 2);
    trial_fails(&trial, -ENOENT, SDB_STAGE_FDS, 1,
                "set descriptor 4 to \"/nowhere/file\": No such file or directory");
}
END_TEST

/* Two that open one path have two offsets; one like another has the same. */
START_TEST(like_shares_the_open_file)
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
    set_map(&trial, map, 2);
    trial_exits(&trial, 0);
    fd = open("output", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 14);
    ck_assert_str_eq(text, "one\ntwo\nthree\n");
    close(fd);
}
END_TEST

START_TEST(pipes_carry_data_both_ways_and_end)
{
    struct trial trial = trial_of(_i, "cat", NULL, NULL);
    int input = -1;
    int output = -1;
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input},
                                 {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output}};
    char text[16];

    set_map(&trial, map, 2);
    trial_start(&trial);
    ck_assert_int_gt(input, 2);
    ck_assert_int_gt(output, 2);
    ck_assert_int_eq(fcntl(input, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(output, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(input, "hello", 5), 5);
    ck_assert_int_eq(read(output, text, sizeof(text)), 5);
    ck_assert_mem_eq(text, "hello", 5);

    /* Neither the host nor the child has kept an end too many: each side sees the other's end. */
    close(input);
    ck_assert_int_eq(read(output, text, sizeof(text)), 0);
    trial_end(&trial);
    ck_assert_int_eq(trial.status.code, 0);
    close(output);
}
END_TEST

START_TEST(host_sees_that_nobody_reads_its_pipe)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    int input = -1;
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input}};
    sighandler_t before = signal(SIGPIPE, SIG_IGN);

    set_map(&trial, map, 1);
    trial_exits(&trial, 0);
    ck_assert_int_eq(write(input, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(input);
    signal(SIGPIPE, before);
}
END_TEST

START_TEST(program_has_no_ends_of_pipes_but_its_own)
{
    struct trial trial = trial_of_state(_i);
    int host_fds[3] = {-1, -1, -1};
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &host_fds[0]},
                                 {.target = 7, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fds[1]},
                                 {.target = 8, .kind = SDB_FD_LIKE, .source = 7},
                                 {.target = 4, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fds[2]}};

    set_map(&trial, map, 4);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 4, 7, 8}, 6);
    expect_told("fd_mode 0 %d", O_RDONLY);
    expect_told("fd_mode 4 %d", O_WRONLY);
    expect_told("fd_mode 7 %d", O_WRONLY);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(close(host_fds[i]), 0);
}
END_TEST

/* The ends of a pipe that the library opens may get the very numbers that are targets. */
START_TEST(pipes_whose_ends_are_targets_are_moved_aside)
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
    set_map(&trial, map, 12);
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
END_TEST

/* ---- limits ---- */

static struct rlimit lower_limit(rlim_t soft)
{
    struct rlimit before;
    struct rlimit lower;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    lower = before;
    lower.rlim_cur = soft;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lower), 0);
    return before;
}

START_TEST(target_may_be_the_last_number_but_no_higher)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[] = {dup_of(5, 0), dup_of(99, 0)};
    const struct rlimit before = lower_limit(100);

    set_map(&trial, map, 2);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 5, 99}, 5);

    map[1].target = 100;
    trial_fails(&trial, -EBADF, SDB_STAGE_FDS, 1,
                "set descriptor 100 to the host's 0: Bad file descriptor");
    map[1].target = INT32_MAX;
    trial_fails(&trial, -EBADF, SDB_STAGE_FDS, 1, "set descriptor 2147483647 to");
    map[1] = (struct sdb_fd){.target = 100, .kind = SDB_FD_LIKE, .source = 5};
    trial_fails(&trial, -EBADF, SDB_STAGE_FDS, 1, "set descriptor 100 like 5: Bad file descriptor");
    map[1] = (struct sdb_fd){.target = 100, .kind = SDB_FD_NULL};
    trial_fails(&trial, -EBADF, SDB_STAGE_FDS, 1,
                "set descriptor 100 to \"/dev/null\": Bad file descriptor");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

/* ---- systems that lack something ---- */

START_TEST(others_are_not_passed_on_without_close_range)
{
    struct trial trial = trial_of_state(_i);
    int fd = open("/dev/zero", O_RDONLY);

    ck_assert_int_eq(dup2(fd, 1234), 1234);
    host_refuse_syscall(SYS_close_range, ENOSYS);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
    close(1234);
    close(fd);
}
END_TEST

/* It was asked about once and for all, and a host that went into a sandbox later could not launch. */
START_TEST(close_range_may_be_lost_between_launches)
{
    struct trial trial = trial_of_state(_i);

    trial_tells(&trial);
    host_refuse_syscall(SYS_close_range, EPERM);
    trial = trial_of_state(_i);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
}
END_TEST

START_TEST(more_descriptors_than_one_look_shows_are_not_passed_on_without_close_range)
{
    struct trial trial = trial_of_state(_i);
    int fds[300];

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        fds[i] = fcntl(0, F_DUPFD, 3);
        ck_assert_int_ge(fds[i], 0);
    }
    host_refuse_syscall(SYS_close_range, ENOSYS);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        close(fds[i]);
}
END_TEST

enum { CANNOT_HIDE_PROC = 77 };

/*
 * Run a check in a child that has a /proc of its own, which is empty.  The test's own process keeps
 * its view of the file system, by which its descriptors are compared afterwards.
 */
static void without_procfs(int way, void (*check)(int way))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        /* Private: no other process shall lose its /proc. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", "/proc", "tmpfs", 0, NULL) < 0)
            _exit(CANNOT_HIDE_PROC);
        check(way);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_HIDE_PROC)
        printf("no mount namespace: a missing /proc is not tested\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void check_launch(int way)
{
    struct trial trial = trial_of(way, "exit", "7", NULL);

    trial_start(&trial);
    trial_end(&trial);
    ck_assert_int_eq(trial.status.code, 7);
}

START_TEST(launch_needs_no_procfs)
{
    without_procfs(_i, check_launch);
}
END_TEST

static void check_refusal(int way)
{
    struct trial trial = trial_of(way, "exit", "0", NULL);

    host_refuse_syscall(SYS_close_range, ENOSYS);
    ck_assert_int_eq(trial_try(&trial), -ENOENT);
    ck_assert_uint_eq(trial.error.stage, SDB_STAGE_FDS);
    ck_assert_int_eq(trial.error.index, -1);

    /* All of them can be passed on. */
    trial.options.flags |= SDB_LAUNCH_INHERIT_FDS;
    trial_start(&trial);
    trial_end(&trial);
    ck_assert_int_eq(trial.status.code, 0);
}

START_TEST(launch_fails_rather_than_pass_on_what_it_cannot_see)
{
    without_procfs(_i, check_refusal);
}
END_TEST

/* ---- hosts without standard descriptors ---- */

static void expect_stdio_kept(unsigned closed)
{
    int fds[3];
    size_t count = 0;

    for (int fd = 0; fd < 3; fd++) {
        if (!(closed & (1u << fd)))
            fds[count++] = fd;
    }
    expect_fds(fds, count);
}

START_TEST(closed_standard_descriptors_stay_closed)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        struct trial trial = trial_of_state(_i);
        struct host_stdio stdio;

        host_close_stdio(closed, &stdio);
        trial_start(&trial);
        ck_assert_int_gt(sdb_child_pidfd(trial.child), 2);
        trial_end(&trial);
        host_restore_stdio(&stdio);
        trial_read_state();
        expect_stdio_kept(closed);
    }
}
END_TEST

START_TEST(closed_standard_descriptors_can_be_mapped)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        struct trial trial = trial_of_state(_i);
        struct host_stdio stdio;
        int input = -1;
        int output = -1;
        const struct sdb_fd map[] = {{.target = 2, .kind = SDB_FD_LIKE, .source = 1},
                                     {.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input},
                                     {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output}};

        set_map(&trial, map, 3);
        host_close_stdio(closed, &stdio);
        trial_start(&trial);
        ck_assert_int_gt(sdb_child_pidfd(trial.child), 2);
        ck_assert_int_gt(input, 2);
        ck_assert_int_gt(output, 2);
        trial_end(&trial);
        host_restore_stdio(&stdio);
        close(input);
        close(output);
        trial_read_state();
        expect_fds((const int[]){0, 1, 2}, 3);
        expect_told("fd_mode 0 %d", O_RDONLY);
        expect_told("fd_mode 1 %d", O_WRONLY);
        expect_told("fd_mode 2 %d", O_WRONLY);
    }
}
END_TEST

START_TEST(closed_standard_descriptors_can_be_mapped_in_part)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        for (int target = 0; target < 3; target++) {
            struct trial trial = trial_of_state(_i);
            const struct sdb_fd map[] = {
                {.target = target, .kind = SDB_FD_PATH, .path = "/dev/zero"}};
            struct host_stdio stdio;

            set_map(&trial, map, 1);
            host_close_stdio(closed, &stdio);
            trial_start(&trial);
            trial_end(&trial);
            host_restore_stdio(&stdio);
            trial_read_state();
            expect_stdio_kept(closed & ~(1u << target));
            expect_fd_file(target, "/dev/zero");
        }
    }
}
END_TEST

START_TEST(closed_standard_descriptors_stay_closed_in_the_host_after_failures)
{
    for (unsigned closed = 0; closed < 8; closed++) {
        struct trial trial = trial_of_nothing(_i);
        struct host_stdio stdio;
        int host_fd = -1;
        const struct sdb_fd map[] = {{.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fd}};

        trial.options.path = "/nowhere";
        set_map(&trial, map, 1);
        host_close_stdio(closed, &stdio);
        trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"/nowhere\"");
        host_restore_stdio(&stdio);
        ck_assert_int_eq(host_fd, -1);
    }
}
END_TEST

/* ---- maps that cannot be right ---- */

static void map_is_refused(int way, const struct sdb_fd *map, size_t count, int code, int index)
{
    struct trial trial = trial_of(way, "exit", "0", NULL);
    char words[64];

    (void)snprintf(words, sizeof(words), "check the options (fds, entry %d): ", index);
    set_map(&trial, map, count);
    trial_is_refused(&trial, code, index, words);
}

START_TEST(closed_source_is_refused)
{
    const struct sdb_fd high[] = {dup_of(0, 0), dup_of(5, 987)};
    const struct sdb_fd negative[] = {dup_of(5, -1)};

    map_is_refused(_i, high, 2, -EBADF, 1);
    map_is_refused(_i, negative, 1, -EBADF, 0);
}
END_TEST

START_TEST(target_that_is_given_twice_is_refused)
{
    const struct sdb_fd map[] = {dup_of(5, 0), {.target = 6, .kind = SDB_FD_NULL}, dup_of(5, 1)};

    map_is_refused(_i, map, 3, -EINVAL, 2);
}
END_TEST

START_TEST(negative_target_is_refused)
{
    const struct sdb_fd map[] = {dup_of(-1, 0)};

    map_is_refused(_i, map, 1, -EINVAL, 0);
}
END_TEST

START_TEST(like_what_is_not_in_the_map_is_refused)
{
    const struct sdb_fd nothing[] = {dup_of(5, 0), {.target = 2, .kind = SDB_FD_LIKE, .source = 1}};
    const struct sdb_fd chain[] = {{.target = 1, .kind = SDB_FD_NULL},
                                   {.target = 2, .kind = SDB_FD_LIKE, .source = 1},
                                   {.target = 3, .kind = SDB_FD_LIKE, .source = 2}};
    const struct sdb_fd itself[] = {{.target = 2, .kind = SDB_FD_LIKE, .source = 2}};
    const struct sdb_fd circle[] = {{.target = 1, .kind = SDB_FD_LIKE, .source = 2},
                                    {.target = 2, .kind = SDB_FD_LIKE, .source = 1}};

    map_is_refused(_i, nothing, 2, -EINVAL, 1);
    map_is_refused(_i, chain, 3, -EINVAL, 2);
    map_is_refused(_i, itself, 1, -EINVAL, 0);
    map_is_refused(_i, circle, 2, -EINVAL, 0);
}
END_TEST

START_TEST(entry_that_says_nothing_sensible_is_refused)
{
    int host_fd = -7;
    const struct sdb_fd wrong[] = {
        {.target = 5, .kind = 7},
        {.target = 5, .kind = UINT32_MAX},
        {.target = 5, .kind = SDB_FD_NULL, .reserved = 1},
        {.target = 5, .kind = SDB_FD_PATH},
        {.target = 5, .kind = SDB_FD_PATH, .path = "made", .open_flags = O_CREAT, .mode = 010000},
        {.target = 5, .kind = SDB_FD_READ_PIPE},
        {.target = 5, .kind = SDB_FD_WRITE_PIPE},
        {.target = 5, .kind = SDB_FD_PTY},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct sdb_fd map[] = {{.target = 9, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fd},
                                     wrong[i]};

        map_is_refused(_i, map, 2, -EINVAL, 1);
    }
    ck_assert_int_eq(host_fd, -7);
}
END_TEST

START_TEST(map_without_entries_is_refused)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    const struct sdb_fd map[] = {dup_of(5, 0)};

    set_map(&trial, NULL, 1);
    trial_is_refused(&trial, -EINVAL, -1, "(fds)");
    set_map(&trial, map, SIZE_MAX);
    trial_is_refused(&trial, -EINVAL, -1, "(fds)");
    set_map(&trial, map, 0);
    trial_exits(&trial, 0);
}
END_TEST

/* The host's ends are the caller's once the launch has succeeded, and not before. */
START_TEST(failed_launch_hands_no_pipe_over)
{
    struct trial trial = trial_of_nothing(_i);
    int host_fds[2] = {-7, -8};
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &host_fds[0]},
                                 {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fds[1]}};

    trial.options.path = "/nowhere";
    set_map(&trial, map, 2);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "/nowhere");
    ck_assert_int_eq(host_fds[0], -7);
    ck_assert_int_eq(host_fds[1], -8);
}
END_TEST

static Suite *make_suite(void)
{
    const TTest *const assignments[] = {
        every_permutation_of_six_descriptors_is_assigned,
        any_map_is_assigned_as_if_at_once,
        descriptor_mapped_to_itself_survives_exec,
        one_source_serves_many_targets,
        source_may_have_a_high_number,
    };
    const TTest *const inheritance[] = {
        others_are_not_passed_on,
        all_are_passed_on_if_asked_for,
        passing_on_all_adds_none_of_the_librarys_own,
    };
    const TTest *const kinds[] = {
        null_is_for_reading_and_writing,
        path_is_opened_as_asked_for,
        path_is_made_with_mode_less_umask,
        path_is_meant_from_the_new_directory,
        path_that_cannot_be_opened_fails_the_launch,
        like_shares_the_open_file,
        pipes_carry_data_both_ways_and_end,
        host_sees_that_nobody_reads_its_pipe,
        program_has_no_ends_of_pipes_but_its_own,
        pipes_whose_ends_are_targets_are_moved_aside,
    };
    const TTest *const systems[] = {
        target_may_be_the_last_number_but_no_higher,
        others_are_not_passed_on_without_close_range,
        close_range_may_be_lost_between_launches,
        more_descriptors_than_one_look_shows_are_not_passed_on_without_close_range,
        launch_needs_no_procfs,
        launch_fails_rather_than_pass_on_what_it_cannot_see,
    };
    const TTest *const closed_stdio[] = {
        closed_standard_descriptors_stay_closed,
        closed_standard_descriptors_can_be_mapped,
        closed_standard_descriptors_can_be_mapped_in_part,
        closed_standard_descriptors_stay_closed_in_the_host_after_failures,
    };
    const TTest *const wrong_maps[] = {
        closed_source_is_refused,
        target_that_is_given_twice_is_refused,
        negative_target_is_refused,
        like_what_is_not_in_the_map_is_refused,
        entry_that_says_nothing_sensible_is_refused,
        map_without_entries_is_refused,
        failed_launch_hands_no_pipe_over,
    };
    Suite *suite = suite_create("launch: descriptors");

    TRIAL_CASE(suite, assignments);
    TRIAL_CASE(suite, inheritance);
    TRIAL_CASE(suite, kinds);
    TRIAL_CASE(suite, systems);
    TRIAL_CASE(suite, closed_stdio);
    TRIAL_CASE(suite, wrong_maps);
    return suite;
}

int main(void)
{
    return trial_run_suite(make_suite());
}
