/* SPDX-License-Identifier: MIT */
/*
 * Launching: what the program is given besides descriptors: its session, limits and signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

static uint64_t bit(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

TRIAL_CASE(sessions);

TEST(program_is_given_what_the_host_has)
{
    struct trial trial = trial_of_state(_i);
    struct rlimit limit;
    mode_t mask = umask(0);

    (void)umask(mask);
    trial_tells(&trial);
    expect_told("pid %d", trial.pid);
    expect_told("ppid %d", getpid());
    expect_told("pgid %d", getpgrp());
    expect_told("sid %d", getsid(0));
    expect_told("umask %04o", mask);
    expect_told("uid %u %u %u", getuid(), geteuid(), geteuid());
    expect_told("gid %u %u %u", getgid(), getegid(), getegid());
    expect_told("nice %d", getpriority(PRIO_PROCESS, 0));
    expect_told("no_aslr %d", (personality(0xffffffff) & ADDR_NO_RANDOMIZE) != 0);
    expect_told("no_new_privs 0");
    expect_told("death_signal 0");
    expect_told("dumpable 1");
    for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
        ck_assert_int_eq(getrlimit((__rlimit_resource_t)i, &limit), 0);
        expect_told("rlimit %d %ju %ju", i, (uintmax_t)limit.rlim_cur, (uintmax_t)limit.rlim_max);
    }
}

/* ---- session, group, umask ---- */

TEST(program_leads_a_new_session)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_NEW_SESSION;
    trial_tells(&trial);
    expect_told("sid %d", trial.pid);
    expect_told("pgid %d", trial.pid);
    expect_told("controlling_terminal 0");
}

TEST(program_leads_a_new_group)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_SET_GROUP;
    trial_tells(&trial);
    expect_told("pgid %d", trial.pid);
    expect_told("sid %d", getsid(0));
}

TEST(program_joins_a_group)
{
    struct trial leader = trial_of(_i, "wait", NULL, NULL);
    struct trial trial = trial_of_state(_i);
    int input = -1;
    int output = -1;
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input},
                                 {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output}};

    leader.options.flags |= SDB_LAUNCH_SET_GROUP;
    leader.options.fds = map;
    leader.options.fd_count = 2;
    trial_start(&leader);
    trial.options.flags |= SDB_LAUNCH_SET_GROUP;
    trial.options.process_group = leader.pid;
    trial_tells(&trial);
    expect_told("pgid %d", leader.pid);
    close(input);
    close(output);
    trial_end(&leader);

    /* There is no such group any more. */
    trial_fails(&trial, -EPERM, SDB_STAGE_GROUP, -1, "set the process group to ");
}

TEST(program_has_its_umask)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_SET_UMASK;
    trial.options.umask = 0;
    trial_tells(&trial);
    expect_told("umask 0000");
    trial.options.umask = 0777;
    trial_tells(&trial);
    expect_told("umask 0777");
}

TRIAL_CASE(limits);

TEST(program_has_its_limits)
{
    struct trial trial = trial_of_state(_i);
    struct rlimit stack;
    struct sdb_rlimit limits[] = {{.resource = RLIMIT_CORE, .soft = 4096, .hard = 8192},
                                  {.resource = RLIMIT_NOFILE, .soft = 33, .hard = 44},
                                  {.resource = RLIMIT_STACK, .soft = 1 << 20},
                                  {.resource = RLIMIT_CORE, .soft = 0, .hard = 8192}};

    ck_assert_int_eq(getrlimit(RLIMIT_STACK, &stack), 0);
    limits[2].hard = stack.rlim_max;
    trial.options.rlimits = limits;
    trial.options.rlimit_count = 4;
    trial_tells(&trial);
    expect_told("rlimit %d 0 8192", RLIMIT_CORE); /* the later one */
    expect_told("rlimit %d 33 44", RLIMIT_NOFILE);
    expect_told("rlimit %d %d %ju", RLIMIT_STACK, 1 << 20, (uintmax_t)stack.rlim_max);
}

/* The limit is the program's; its launch may need more descriptors. */
TEST(limit_of_descriptors_does_not_hinder_the_map)
{
    struct trial trial = trial_of_state(_i);
    const struct sdb_rlimit limits[] = {{.resource = RLIMIT_NOFILE, .soft = 5, .hard = 5}};
    const struct sdb_fd map[] = {{.target = 30, .kind = SDB_FD_NULL},
                                 {.target = 31, .kind = SDB_FD_PATH, .path = "/dev/zero"}};

    trial.options.rlimits = limits;
    trial.options.rlimit_count = 1;
    trial.options.fds = map;
    trial.options.fd_count = 2;
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, 30, 31}, 5);
    expect_told("rlimit %d 5 5", RLIMIT_NOFILE);
}

TEST(limit_that_is_refused_is_told)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    const struct sdb_rlimit limits[] = {
        {.resource = RLIMIT_CORE, .soft = 0, .hard = 0},
        {.resource = RLIMIT_NOFILE, .soft = UINT64_MAX, .hard = UINT64_MAX}};

    trial.options.rlimits = limits;
    trial.options.rlimit_count = 2;
    trial_fails(&trial, -EPERM, SDB_STAGE_RLIMITS, 1, "set resource limit 7: Operation not");
}

TEST(program_has_its_nice_value)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_SET_NICE;
    trial.options.nice = 19;
    trial_tells(&trial);
    expect_told("nice 19");
}

TEST(program_runs_on_its_cpus)
{
    struct trial trial = trial_of_state(_i);
    cpu_set_t cpus;
    cpu_set_t one;
    size_t last = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &cpus))
            last = i;
    }
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    trial.options.cpu_set = &one;
    trial.options.cpu_set_size = sizeof(one);
    trial_tells(&trial);
    expect_told("cpus %zu", last);

    /* A short one is as good. */
    trial.options.cpu_set_size = last / 64 * 8 + 8;
    trial_tells(&trial);
    expect_told("cpus %zu", last);

    CPU_ZERO(&one);
    trial_fails(&trial, -EINVAL, SDB_STAGE_AFFINITY, -1, "set the CPU affinity: Invalid argument");
}

/* ---- cgroup ---- */

/* Where control groups of the second kind are, or NULL. */
static const char *cgroup_mount(void)
{
    static char directory[256];
    char kind[64];
    FILE *mounts = fopen("/proc/mounts", "re");
    bool found = false;

    while (mounts && !found && fscanf(mounts, "%*s %255s %63s %*[^\n]", directory, kind) == 2)
        found = strcmp(kind, "cgroup2") == 0;
    if (mounts)
        fclose(mounts);
    return found ? directory : NULL;
}

TEST(program_is_in_its_cgroup)
{
    const char *mount = cgroup_mount();
    struct trial trial = trial_of_state(_i);
    char path[512];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/sdb-test-%d", mount ? mount : "/nowhere", getpid());
    if (mkdir(path, 0755) < 0) {
        printf("no cgroup can be made: not tested\n");
        return;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    trial.options.flags |= SDB_LAUNCH_CGROUP;
    trial.options.cgroup_fd = fd;
    trial_exits(&trial, 0);
    close(fd);
    ck_assert_int_eq(rmdir(path), 0);
    trial_read_state();
    expect_told("cgroup 0::/%s", strrchr(path, '/') + 1);
}

TEST(directory_that_is_no_cgroup_is_told)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial.options.flags |= SDB_LAUNCH_CGROUP;
    trial.options.cgroup_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    trial_fails(&trial, -ENOENT, SDB_STAGE_CGROUP, -1, "join the cgroup: No such file");
    close(trial.options.cgroup_fd);
}

TRIAL_CASE(signals);

static void ignore(int signal)
{
    (void)signal;
}

TEST(program_has_its_signal_mask)
{
    struct trial trial = trial_of_state(_i);
    sigset_t blocked;
    sigset_t before;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    trial_tells(&trial);
    expect_told("SigBlk 0000000000000000");

    trial.options.signal_mask = bit(SIGUSR2) | bit(32) | bit(64);
    trial_tells(&trial);
    expect_told("SigBlk 8000000080000800");

    trial.options.signal_mask = UINT64_MAX;
    trial_tells(&trial);
    expect_told("SigBlk fffffffffffbfeff"); /* but SIGKILL and SIGSTOP */
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

/* The signals that this process ignores, some of them perhaps since it was started. */
static uint64_t ignored_signals(void)
{
    struct sigaction action;
    uint64_t ignored = 0;

    for (int i = 1; i < NSIG; i++) {
        if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            ignored |= bit(i);
    }
    return ignored;
}

static void change_signals(void *argument)
{
    const int way = *(const int *)argument;
    const struct sigaction handled = {.sa_handler = ignore};
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    struct trial trial = trial_of_state(way);

    ck_assert_int_eq(sigaction(SIGUSR1, &handled, NULL), 0);
    ck_assert_int_eq(sigaction(SIGRTMAX, &handled, NULL), 0);
    ck_assert_int_eq(sigaction(SIGPIPE, &ignored, NULL), 0);
    ck_assert_int_eq(sigaction(SIGUSR2, &ignored, NULL), 0);
    trial_tells(&trial);
    expect_told("SigCgt 0000000000000000");
    ck_assert_uint_eq(ignored_signals() & bit(SIGUSR2), bit(SIGUSR2));
    expect_told("SigIgn %016jx", (uintmax_t)ignored_signals());

    trial.options.flags |= SDB_LAUNCH_RESET_IGNORED;
    trial_tells(&trial);
    expect_told("SigCgt 0000000000000000");
    expect_told("SigIgn 0000000000000000");
}

TEST(ignored_signals_stay_ignored_unless_reset)
{
    int way = _i;

    trial_in_fork(change_signals, &way);
}

TEST(ignored_signals_stay_ignored_unless_reset_without_clone3)
{
    int way = _i;

    host_refuse_syscall(SYS_clone3, ENOSYS);
    trial_in_fork(change_signals, &way);
}

int main(void)
{
    return trial_run_suite("launch: the program's state");
}
