/* SPDX-License-Identifier: MIT */
/*
 * Launching: options that cannot be right, sizes of structs, and the order of the stages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

#define LAST_KNOWN_FLAG SDB_LAUNCH_PORTABLE

static struct trial trial_of_anything(int way)
{
    return trial_of(way, "exit", "0", NULL);
}

TRIAL_CASE(wrong);

TEST(without_options_nothing_is_started)
{
    struct sdb_child *child = (struct sdb_child *)&child;
    struct sdb_error error = SDB_ERROR_INIT;

    (void)_i;
    ck_assert_int_eq(sdb_launch(NULL, &child, &error), -EINVAL);
    ck_assert_ptr_eq(child, (struct sdb_child *)&child);
    ck_assert_uint_eq(error.stage, SDB_STAGE_ARGUMENTS);
    ck_assert_int_eq(sdb_launch(NULL, &child, NULL), -EINVAL);
}

TEST(without_a_place_for_the_child_nothing_is_started)
{
    struct trial trial = trial_of_anything(_i);

    trial.options.argv = trial.argv;
    ck_assert_int_eq(sdb_launch(&trial.options, NULL, &trial.error), -EINVAL);
    ck_assert_uint_eq(trial.error.stage, SDB_STAGE_ARGUMENTS);
    ck_assert_int_eq(sdb_launch(&trial.options, NULL, NULL), -EINVAL);
}

TEST(every_unknown_flag_is_refused)
{
    for (uint64_t flag = LAST_KNOWN_FLAG << 1; flag != 0; flag <<= 1) {
        struct trial trial = trial_of_anything(_i);

        trial.options.flags |= flag;
        trial_is_refused(&trial, -EINVAL, -1, "check the options (unknown flag): Invalid argument");
    }
}

TRIAL_CASE(sizes);

/* In memory of exactly this size, so that a sanitizer sees what is read beyond it. */
static struct sdb_launch_options *options_of_size(const struct trial *trial, size_t size)
{
    char *bytes = calloc(1, size > sizeof(size) ? size : sizeof(size));
    size_t copied = size < sizeof(trial->options) ? size : sizeof(trial->options);

    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, &trial->options, copied);
    memcpy(bytes, &size, sizeof(size));
    return (struct sdb_launch_options *)(void *)bytes;
}

static int launch_with_size(int way, size_t size, ssize_t odd_byte, struct sdb_error *error)
{
    struct trial trial = trial_of_anything(way);
    struct sdb_launch_options *options;
    struct sdb_child *child = NULL;
    int rc;

    trial.options.argv = trial.argv;
    options = options_of_size(&trial, size);
    if (odd_byte >= 0)
        ((char *)options)[odd_byte] = 1;
    rc = sdb_launch(options, &child, error);
    free(options);
    if (rc == 0) {
        ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, NULL), 0);
        sdb_child_close(child);
    }
    return rc;
}

TEST(options_of_a_wrong_size_are_refused)
{
    const size_t size = sizeof(struct sdb_launch_options);
    const size_t wrong[] = {0, 1, sizeof(size_t), size / 2, size - 1, 100000};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sdb_error error = SDB_ERROR_INIT;

        ck_assert_int_eq(launch_with_size(_i, wrong[i], -1, &error), -EINVAL);
        ck_assert_uint_eq(error.stage, SDB_STAGE_ARGUMENTS);
        ck_assert_str_eq(error.detail, "(size)");
    }
}

TEST(options_of_a_later_version_are_taken_if_nothing_new_is_set)
{
    const size_t size = sizeof(struct sdb_launch_options);

    ck_assert_int_eq(launch_with_size(_i, size, -1, NULL), 0);
    ck_assert_int_eq(launch_with_size(_i, size + 8, -1, NULL), 0);
    ck_assert_int_eq(launch_with_size(_i, size + 256, -1, NULL), 0);
}

TEST(options_of_a_later_version_are_refused_if_something_new_is_set)
{
    const size_t size = sizeof(struct sdb_launch_options);
    struct sdb_error error = SDB_ERROR_INIT;

    ck_assert_int_eq(launch_with_size(_i, size + 8, (ssize_t)size, &error), -E2BIG);
    ck_assert_uint_eq(error.stage, SDB_STAGE_ARGUMENTS);
    ck_assert_int_eq(launch_with_size(_i, size + 8, (ssize_t)size + 7, NULL), -E2BIG);
    ck_assert_int_eq(launch_with_size(_i, size + 256, (ssize_t)size + 255, NULL), -E2BIG);
}

TEST(error_of_a_wrong_size_is_refused)
{
    const size_t sizes[] = {0, sizeof(size_t), sizeof(struct sdb_error) - 1};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct trial trial = trial_of_anything(_i);
        size_t *bytes = calloc(1, sizes[i] > sizeof(size_t) ? sizes[i] : sizeof(size_t));

        ck_assert_ptr_nonnull(bytes);
        *bytes = sizes[i];
        trial.options.argv = trial.argv;
        ck_assert_int_eq(sdb_launch(&trial.options, &trial.child, (void *)bytes), -EINVAL);
        ck_assert_uint_eq(*bytes, sizes[i]);
        ck_assert_ptr_null(trial.child);
        free(bytes);
    }
}

TEST(error_is_cleared_by_success)
{
    struct trial trial = trial_of_anything(_i);

    memset(&trial.error, 0xff, sizeof(trial.error));
    trial.error.size = sizeof(trial.error);
    trial_exits(&trial, 0);
    ck_assert_int_eq(trial.error.code, 0);
    ck_assert_uint_eq(trial.error.stage, SDB_STAGE_NONE);
    ck_assert_int_eq(trial.error.warning, 0);
    ck_assert_int_eq(trial.error.index, -1);
    ck_assert_str_eq(trial.error.detail, "");
}

TEST(error_names_the_child_that_failed)
{
    struct trial trial = trial_of_nothing(_i);

    trial.options.path = "/nowhere";
    ck_assert_int_eq(trial_try(&trial), -ENOENT);
    ck_assert_int_gt(trial.error.tid, 0);
    ck_assert_int_ne(trial.error.tid, getpid());
    ck_assert_int_eq(trial.error.signal, 0);
    ck_assert_int_eq(trial.error.other_pid, 0);
}

TRIAL_CASE(values);

static void refuse_value(struct trial *trial, const char *words)
{
    trial_is_refused(trial, -EINVAL, -1, words);
}

TEST(options_that_contradict_each_other_are_refused)
{
    const struct {
        uint64_t flags;
        const char *words;
    } pairs[] = {
        {SDB_LAUNCH_NO_ASLR | SDB_LAUNCH_TRY_NO_ASLR, "NO_ASLR and TRY_NO_ASLR"},
        {SDB_LAUNCH_PTY | SDB_LAUNCH_TERMINAL, "PTY and TERMINAL"},
        {SDB_LAUNCH_EXEC_FD | SDB_LAUNCH_SEARCH_PATH, "EXEC_FD and SEARCH_PATH"},
        {SDB_LAUNCH_SET_GROUP | SDB_LAUNCH_NEW_SESSION, "leader"},
        {SDB_LAUNCH_SET_GROUP | SDB_LAUNCH_TERMINAL, "leader"},
        {SDB_LAUNCH_SET_GROUP | SDB_LAUNCH_PTY, "leader"},
    };
    int32_t master = -7;
    struct trial trial;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        trial = trial_of_anything(_i);
        trial.options.flags |= pairs[i].flags;
        trial.options.pty_master = &master;
        refuse_value(&trial, pairs[i].words);
    }
    ck_assert_int_eq(master, -7);

    trial = trial_of_anything(_i);
    trial.options.flags |= SDB_LAUNCH_CWD_FD;
    trial.options.cwd = "/";
    refuse_value(&trial, "cwd and cwd_fd");
}

TEST(descriptors_that_are_not_open_are_refused)
{
    const struct {
        uint64_t flag;
        size_t member;
        const char *words;
    } named[] = {
        {SDB_LAUNCH_CWD_FD, offsetof(struct sdb_launch_options, cwd_fd), "cwd_fd"},
        {SDB_LAUNCH_CGROUP, offsetof(struct sdb_launch_options, cgroup_fd), "cgroup_fd"},
        {SDB_LAUNCH_TERMINAL, offsetof(struct sdb_launch_options, terminal_fd), "terminal_fd"},
        {SDB_LAUNCH_FOREGROUND, offsetof(struct sdb_launch_options, terminal_fd), "terminal_fd"},
    };
    const int32_t closed[] = {-1, 987, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        for (size_t j = 0; j < sizeof(closed) / sizeof(closed[0]); j++) {
            struct trial trial = trial_of_anything(_i);

            trial.options.flags |= named[i].flag;
            memcpy((char *)&trial.options + named[i].member, &closed[j], sizeof(closed[j]));
            trial_is_refused(&trial, -EBADF, -1, named[i].words);
        }
    }
}

TEST(numbers_out_of_range_are_refused)
{
    struct trial trial = trial_of_anything(_i);
    const struct sdb_launch_options good = trial.options;

    trial.options.flags |= SDB_LAUNCH_SET_GROUP;
    trial.options.process_group = -1;
    refuse_value(&trial, "(process_group)");

    trial.options = good;
    trial.options.flags |= SDB_LAUNCH_SET_UMASK;
    trial.options.umask = 01000;
    refuse_value(&trial, "(umask)");

    trial.options = good;
    trial.options.flags |= SDB_LAUNCH_SET_NICE;
    trial.options.nice = -21;
    refuse_value(&trial, "(nice)");
    trial.options.nice = 20;
    refuse_value(&trial, "(nice)");

    trial.options = good;
    trial.options.flags |= SDB_LAUNCH_TIMEOUT;
    trial.options.timeout_ms = -1;
    refuse_value(&trial, "(timeout_ms)");

    trial.options = good;
    trial.options.flags |= SDB_LAUNCH_SET_UID;
    trial.options.uid = UINT32_MAX;
    refuse_value(&trial, "(uid)");

    trial.options = good;
    trial.options.flags |= SDB_LAUNCH_SET_GID;
    trial.options.gid = UINT32_MAX;
    refuse_value(&trial, "(gid)");

    trial.options = good;
    trial.options.death_signal = -1;
    refuse_value(&trial, "(death_signal)");
    trial.options.death_signal = 65;
    refuse_value(&trial, "(death_signal)");

    trial.options = good;
    trial.options.flags |= SDB_LAUNCH_PTY;
    refuse_value(&trial, "(pty_master)");
}

TEST(numbers_that_no_flag_switches_on_do_not_matter)
{
    struct trial trial = trial_of_anything(_i);

    trial.options.exec_fd = -1;
    trial.options.cwd_fd = -1;
    trial.options.process_group = -1;
    trial.options.terminal_fd = -1;
    trial.options.cgroup_fd = -1;
    trial.options.umask = UINT32_MAX;
    trial.options.nice = 1000;
    trial.options.uid = UINT32_MAX;
    trial.options.gid = UINT32_MAX;
    trial.options.timeout_ms = -1;
    trial.options.group_count = SIZE_MAX;
    trial_exits(&trial, 0);
}

TEST(lists_that_are_not_there_are_refused)
{
    struct trial trial = trial_of_anything(_i);
    const struct sdb_launch_options good = trial.options;
    const struct sdb_rlimit limits[1] = {{0}};
    const uint32_t groups[1] = {0};
    const struct sock_filter filter[1] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};

    trial.options.rlimit_count = 1;
    refuse_value(&trial, "(rlimits)");
    trial.options.rlimits = limits;
    trial.options.rlimit_count = SIZE_MAX;
    refuse_value(&trial, "(rlimits)");

    trial.options = good;
    trial.options.flags |= SDB_LAUNCH_SET_GROUPS;
    trial.options.group_count = 1;
    refuse_value(&trial, "(groups)");
    trial.options.groups = groups;
    trial.options.group_count = 65537;
    refuse_value(&trial, "(groups)");

    trial.options = good;
    trial.options.cpu_set_size = 8;
    refuse_value(&trial, "(cpu_set)");
    trial.options.cpu_set = groups;
    trial.options.cpu_set_size = 0;
    refuse_value(&trial, "(cpu_set)");

    trial.options = good;
    trial.options.seccomp_length = 1;
    refuse_value(&trial, "(seccomp_filter)");
    trial.options.seccomp_filter = filter;
    trial.options.seccomp_length = 0;
    refuse_value(&trial, "(seccomp_filter)");
    trial.options.seccomp_length = 4097;
    refuse_value(&trial, "(seccomp_filter)");
}

TEST(limits_that_are_none_are_refused)
{
    const struct sdb_rlimit wrong[] = {
        {.resource = -1},
        {.resource = RLIM_NLIMITS},
        {.resource = RLIMIT_CORE, .reserved = 1},
        {.resource = RLIMIT_CORE, .soft = 2, .hard = 1},
        {.resource = RLIMIT_CORE, .soft = UINT64_MAX, .hard = 1},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct trial trial = trial_of_anything(_i);
        const struct sdb_rlimit limits[] = {{.resource = RLIMIT_CORE}, wrong[i]};

        trial.options.rlimits = limits;
        trial.options.rlimit_count = 2;
        trial_is_refused(&trial, -EINVAL, 1, "(rlimits, entry 1)");
    }
}

TRIAL_CASE(directories);

TEST(program_starts_where_the_host_is)
{
    struct trial trial = trial_of_state(_i);
    char here[512];

    ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
    trial_tells(&trial);
    expect_told("cwd %s", here);
}

TEST(program_starts_in_the_directory_that_is_named)
{
    struct trial trial = trial_of_state(_i);
    int fd;

    trial.options.cwd = "/";
    trial_tells(&trial);
    expect_told("cwd /");

    mkdir("inner", 0755);
    trial = trial_of_state(_i);
    fd = open("inner", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(dup3(fd, 1001, O_CLOEXEC), 1001);
    trial.options.flags |= SDB_LAUNCH_CWD_FD;
    trial.options.cwd_fd = 1001;
    trial_tells(&trial);
    expect_told("cwd %s", trial_path("inner"));
    close(1001);
    close(fd);
}

TEST(directory_that_is_none_fails_the_launch)
{
    struct trial trial = trial_of_anything(_i);

    trial.options.cwd = "/nowhere";
    trial_fails(&trial, -ENOENT, SDB_STAGE_CWD, -1,
                "launch: change directory to \"/nowhere\": No such file or directory");
    trial.options.cwd = "";
    trial_fails(&trial, -ENOENT, SDB_STAGE_CWD, -1, "change directory to \"\": No such file");
    trial.options.cwd = REPORT;
    trial_fails(&trial, -ENOTDIR, SDB_STAGE_CWD, -1, ": Not a directory");

    trial.options.cwd = NULL;
    trial.options.flags |= SDB_LAUNCH_CWD_FD;
    trial.options.cwd_fd = open(REPORT, O_RDONLY | O_CLOEXEC);
    trial_fails(&trial, -ENOTDIR, SDB_STAGE_CWD, -1, "change directory to descriptor ");
    close(trial.options.cwd_fd);
}

TRIAL_CASE(order);

static int refuse_in_hook(void *data)
{
    (void)data;
    return -EDOM;
}

/* Everything is wrong; one after the other is put right, and the next comes to light. */
static void fail_in_order(void *argument)
{
    const int way = *(const int *)argument;
    const struct sdb_fd map[] = {{.target = 3, .kind = SDB_FD_PATH, .path = "/nowhere/file"}};
    const struct sdb_rlimit limits[] = {
        {.resource = RLIMIT_NOFILE, .soft = UINT64_MAX, .hard = UINT64_MAX}};
    const struct sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const uint32_t groups[] = {1, 2};
    const unsigned char no_cpus[128] = {0};
    struct trial trial = trial_of_nothing(way);
    struct sdb_launch_options *options = &trial.options;

    /* Without privileges most of it is forbidden. */
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);

    options->path = "/nowhere/program";
    options->flags |= SDB_LAUNCH_CGROUP | SDB_LAUNCH_SET_GROUP | SDB_LAUNCH_FOREGROUND |
                      SDB_LAUNCH_SET_NICE | SDB_LAUNCH_SET_GROUPS | SDB_LAUNCH_SET_GID |
                      SDB_LAUNCH_SET_UID | SDB_LAUNCH_RESET_IGNORED;
    options->cgroup_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    options->terminal_fd = options->cgroup_fd;
    options->process_group = 1; /* of another session */
    options->cwd = "/nowhere";
    options->fds = map;
    options->fd_count = 1;
    options->rlimits = limits;
    options->rlimit_count = 1;
    options->nice = -20;
    options->cpu_set = no_cpus;
    options->cpu_set_size = sizeof(no_cpus);
    options->groups = groups;
    options->group_count = 2;
    options->gid = 0;
    options->uid = 0;
    options->hook = refuse_in_hook;
    options->seccomp_filter = filter;
    options->seccomp_length = 1;

    trial_fails(&trial, -ENOENT, SDB_STAGE_CGROUP, -1, "join the cgroup: No such file");
    options->flags &= ~SDB_LAUNCH_CGROUP;
    trial_fails(&trial, -EPERM, SDB_STAGE_GROUP, -1, "set the process group to 1: Operation not");
    options->flags &= ~SDB_LAUNCH_SET_GROUP;
    trial_fails(&trial, -ENOTTY, SDB_STAGE_FOREGROUND, -1, "foreground group: Inappropriate ioctl");
    options->flags &= ~SDB_LAUNCH_FOREGROUND;
    trial_fails(&trial, -ENOENT, SDB_STAGE_CWD, -1, "change directory to \"/nowhere\": No such");
    options->cwd = NULL;
    trial_fails(&trial, -ENOENT, SDB_STAGE_FDS, 0,
                "set descriptor 3 to \"/nowhere/file\": No such");
    options->fd_count = 0;
    trial_fails(&trial, -EPERM, SDB_STAGE_RLIMITS, 0, "set resource limit 7: Operation not");
    options->rlimit_count = 0;
    trial_fails(&trial, -EACCES, SDB_STAGE_NICE, -1, "set the nice value to -20: Permission");
    options->flags &= ~SDB_LAUNCH_SET_NICE;
    trial_fails(&trial, -EINVAL, SDB_STAGE_AFFINITY, -1, "set the CPU affinity: Invalid");
    options->cpu_set = NULL;
    options->cpu_set_size = 0;
    trial_fails(&trial, -EPERM, SDB_STAGE_GROUPS, -1, "set the supplementary groups: Operation");
    options->flags &= ~SDB_LAUNCH_SET_GROUPS;
    options->gid = 5;
    trial_fails(&trial, -EPERM, SDB_STAGE_GID, -1, "set the group id to 5: Operation not");
    options->flags &= ~SDB_LAUNCH_SET_GID;
    trial_fails(&trial, -EPERM, SDB_STAGE_UID, -1, "set the user id to 0: Operation not");
    options->flags &= ~SDB_LAUNCH_SET_UID;
    trial_fails(&trial, -EDOM, SDB_STAGE_HOOK, -1, "run the caller's hook: Numerical argument");
    options->hook = NULL;
    trial_fails(&trial, -EACCES, SDB_STAGE_SECCOMP, -1, "install the seccomp filter: Permission");
    options->flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"/nowhere/program\": No such file");
    close(options->cgroup_fd);
}

TEST(stages_come_in_their_order)
{
    int way = _i;

    trial_in_fork(fail_in_order, &way);
}

int main(void)
{
    return trial_run_suite("launch: options");
}
