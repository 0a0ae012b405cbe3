/* SPDX-License-Identifier: MIT */
/*
 * Launching: the map of descriptors as one assignment, and what the program has besides.
 *
 * Where a test puts files of its own on low numbers, which belong to others, it asserts nothing
 * before they are back: what a failed assertion has to say goes through one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

#define LOW_COUNT   6
#define MAX_TARGETS 24
#define SAVED_FROM  700

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

TRIAL_CASE(assignments);

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

TEST(every_permutation_of_six_descriptors_is_assigned)
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
            map[i] = trial_dup(i, order[i]);
            expect_fd(&expected, i, &files[order[i]]);
        }
        trial.options.argv = expected.argv;
        trial_set_map(&trial, map, LOW_COUNT);
        rc = run_quietly(&trial);
        tried++;
    } while (rc == 0 && next_permutation(order, LOW_COUNT));
    restore_low(&low, flags);

    ck_assert_msg(rc == 0, "0 to 5 from %d %d %d %d %d %d: %d", order[0], order[1], order[2],
                  order[3], order[4], order[5], rc);
    ck_assert_int_eq(tried, 720);
}

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
            map[count] = trial_dup(target, rand_r(seed) % sources);
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

TEST(any_map_is_assigned_as_if_at_once)
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

        trial_set_map(&trial, map, (size_t)random_map(map, model, SOURCES, &seed));
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

TEST(descriptor_mapped_to_itself_survives_exec)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[1];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    map[0] = trial_dup(fd, fd);
    trial_set_map(&trial, map, 1);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, fd}, 4);
    expect_fd_file(fd, "/dev/zero");
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
}

TEST(one_source_serves_many_targets)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[4];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    map[0] = trial_dup(40, fd);
    map[1] = trial_dup(0, fd);
    map[2] = trial_dup(fd, fd);
    map[3] = trial_dup(41, fd);
    trial_set_map(&trial, map, 4);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, fd, 40, 41}, 6);
    expect_fd_file(0, "/dev/zero");
    expect_fd_file(40, "/dev/zero");
    expect_fd_file(41, "/dev/zero");
    close(fd);
}

TEST(source_may_have_a_high_number)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[2];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(dup3(fd, 3000, O_CLOEXEC), 3000);
    map[0] = trial_dup(3, 3000);
    map[1] = trial_dup(1500, 3000);
    trial_set_map(&trial, map, 2);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 3, 1500}, 5);
    expect_fd_file(3, "/dev/zero");
    expect_fd_file(1500, "/dev/zero");
    close(3000);
    close(fd);
}

TRIAL_CASE(inheritance);

TEST(others_are_not_passed_on)
{
    struct trial trial = trial_of_state(_i);
    int fd = open("/dev/zero", O_RDONLY);

    ck_assert_int_eq(dup2(fd, 1234), 1234);
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
    close(1234);
    close(fd);
}

TEST(all_are_passed_on_if_asked_for)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[1];
    int fd = open("/dev/zero", O_RDONLY);
    int private = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(dup2(fd, 1234), 1234);
    map[0] = (struct sdb_fd){.target = 50, .kind = SDB_FD_NULL};
    trial_set_map(&trial, map, 1);
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

/* What else the test's process has is its runner's; none of the library's own may be among it. */
TEST(passing_on_all_adds_none_of_the_librarys_own)
{
    const struct sdb_fd map[] = {{.target = 2000, .kind = SDB_FD_PATH, .path = "/dev/zero"},
                                 {.target = 2001, .kind = SDB_FD_NULL}};
    struct expected_fds expected;
    struct trial trial = trial_of_nothing(_i);
    struct stat file;

    expect_begin(&expected);
    ck_assert_int_eq(stat("/dev/zero", &file), 0);
    expect_fd(&expected, 2000, &file);
    ck_assert_int_eq(stat("/dev/null", &file), 0);
    expect_fd(&expected, 2001, &file);
    trial_set_map(&trial, map, 2);
    for (int fd = 0; fd < 1024 && expected.count < MAX_TARGETS; fd++) {
        if (fcntl(fd, F_GETFD) == 0 && fstat(fd, &file) == 0)
            expect_fd(&expected, fd, &file);
    }
    trial.options.argv = expected.argv;
    trial.options.flags |= SDB_LAUNCH_INHERIT_FDS;
    ck_assert_int_eq(run_quietly(&trial), 0);
}

TRIAL_CASE(wrong_maps);

static void map_is_refused(int way, const struct sdb_fd *map, size_t count, int code, int index)
{
    struct trial trial = trial_of(way, "exit", "0", NULL);
    char words[64];

    (void)snprintf(words, sizeof(words), "check the options (fds, entry %d): ", index);
    trial_set_map(&trial, map, count);
    trial_is_refused(&trial, code, index, words);
}

TEST(closed_source_is_refused)
{
    const struct sdb_fd high[] = {trial_dup(0, 0), trial_dup(5, 987)};
    const struct sdb_fd negative[] = {trial_dup(5, -1)};

    map_is_refused(_i, high, 2, -EBADF, 1);
    map_is_refused(_i, negative, 1, -EBADF, 0);
}

TEST(target_that_is_given_twice_is_refused)
{
    const struct sdb_fd map[] = {
        trial_dup(5, 0), {.target = 6, .kind = SDB_FD_NULL}, trial_dup(5, 1)};

    map_is_refused(_i, map, 3, -EINVAL, 2);
}

TEST(negative_target_is_refused)
{
    const struct sdb_fd map[] = {trial_dup(-1, 0)};

    map_is_refused(_i, map, 1, -EINVAL, 0);
}

TEST(like_what_is_not_in_the_map_is_refused)
{
    const struct sdb_fd nothing[] = {trial_dup(5, 0),
                                     {.target = 2, .kind = SDB_FD_LIKE, .source = 1}};
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

TEST(entry_that_says_nothing_sensible_is_refused)
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

TEST(map_without_entries_is_refused)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    const struct sdb_fd map[] = {trial_dup(5, 0)};

    trial_set_map(&trial, NULL, 1);
    trial_is_refused(&trial, -EINVAL, -1, "(fds)");
    trial_set_map(&trial, map, SIZE_MAX);
    trial_is_refused(&trial, -EINVAL, -1, "(fds)");
    trial_set_map(&trial, map, 0);
    trial_exits(&trial, 0);
}

/* The host's ends are the caller's once the launch has succeeded, and not before. */
TEST(failed_launch_hands_no_pipe_over)
{
    struct trial trial = trial_of_nothing(_i);
    int host_fds[2] = {-7, -8};
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &host_fds[0]},
                                 {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fds[1]}};

    trial.options.path = "/nowhere";
    trial_set_map(&trial, map, 2);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "/nowhere");
    ck_assert_int_eq(host_fds[0], -7);
    ck_assert_int_eq(host_fds[1], -8);
}

int main(void)
{
    return trial_run_suite("launch: descriptors");
}
