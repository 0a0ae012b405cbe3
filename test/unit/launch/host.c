/* SPDX-License-Identifier: MIT */
/*
 * Launching: the host is as it was, whatever its habits.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

#define NOBODY       65534
#define SIGNAL_COUNT 64
#define NO_STALL_MS  10000 /* far longer than any launch, far shorter than a bystander sleeps */

TRIAL_CASE(untouched);

/* All that a process has and a careless launch could change. */
struct host_state {
    uint64_t blocked;
    unsigned char actions[SIGNAL_COUNT][32]; /* as the kernel has them */
    struct rlimit limits[RLIM_NLIMITS];
    char cwd[512];
    cpu_set_t cpus;
    uid_t uids[3];
    gid_t gids[3];
    gid_t groups[64];
    int group_count;
    int dumpable;
    int death_signal;
    int no_new_privs;
    int persona;
    int nice;
    mode_t umask;
    pid_t group;
    pid_t session;
    char name[17];
};

static struct host_state state_now(void)
{
    struct host_state state;

    memset(&state, 0, sizeof(state));
    (void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &state.blocked, sizeof(state.blocked));
    for (int i = 0; i < SIGNAL_COUNT; i++)
        (void)syscall(SYS_rt_sigaction, i + 1, NULL, state.actions[i], sizeof(state.blocked));
    for (int i = 0; i < (int)RLIM_NLIMITS; i++)
        (void)getrlimit((__rlimit_resource_t)i, &state.limits[i]);
    (void)!getcwd(state.cwd, sizeof(state.cwd));
    (void)sched_getaffinity(0, sizeof(state.cpus), &state.cpus);
    (void)getresuid(&state.uids[0], &state.uids[1], &state.uids[2]);
    (void)getresgid(&state.gids[0], &state.gids[1], &state.gids[2]);
    state.group_count = getgroups(64, state.groups);
    state.dumpable = prctl(PR_GET_DUMPABLE);
    (void)prctl(PR_GET_PDEATHSIG, &state.death_signal);
    state.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    state.persona = personality(0xffffffff);
    state.nice = getpriority(PRIO_PROCESS, 0);
    state.umask = umask(0);
    (void)umask(state.umask);
    state.group = getpgrp();
    state.session = getsid(0);
    (void)prctl(PR_GET_NAME, state.name);
    return state;
}

static void expect_state(const struct host_state *before)
{
    const struct host_state now = state_now();

    ck_assert_uint_eq(now.blocked, before->blocked);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        ck_assert_msg(memcmp(now.actions[i], before->actions[i], sizeof(now.actions[i])) == 0,
                      "the disposition of signal %d has changed", i + 1);
    ck_assert_str_eq(now.cwd, before->cwd);
    ck_assert_int_eq(now.dumpable, before->dumpable);
    ck_assert_uint_eq(now.umask, before->umask);
    ck_assert_int_eq(now.nice, before->nice);
    ck_assert_msg(memcmp(&now, before, sizeof(now)) == 0, "something of the host has changed");
}

static void ignore(int signal)
{
    (void)signal;
}

/* Handlers and ignored signals, some of them blocked: something to lose. */
static void set_signals(void)
{
    struct sigaction handled = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigset_t some;

    sigaddset(&handled.sa_mask, SIGUSR2);
    ck_assert_int_eq(sigaction(SIGUSR1, &handled, NULL), 0);
    ck_assert_int_eq(sigaction(SIGCHLD, &handled, NULL), 0);
    ck_assert_int_eq(sigaction(SIGRTMAX, &handled, NULL), 0);
    ck_assert_int_eq(sigaction(SIGPIPE, &ignored, NULL), 0);
    ck_assert_int_eq(sigaction(SIGHUP, &ignored, NULL), 0);
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGRTMIN);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &some, NULL), 0);
}

static void launch_good_and_bad(int way)
{
    struct trial good = trial_of_state(way);
    struct trial missing = trial_of_nothing(way);
    struct trial astray = trial_of(way, "exit", "0", NULL);
    struct trial wrong = trial_of(way, "exit", "0", NULL);

    trial_tells(&good);
    expect_told("SigBlk 0000000000000000");
    expect_told("SigCgt 0000000000000000");
    missing.options.path = "/nowhere";
    ck_assert_int_eq(trial_try(&missing), -ENOENT);
    astray.options.cwd = "/nowhere";
    ck_assert_int_eq(trial_try(&astray), -ENOENT);
    wrong.options.flags |= UINT64_C(1) << 62;
    ck_assert_int_eq(trial_try(&wrong), -EINVAL);
}

static void keep_state_over_launches(void *argument)
{
    struct host_state before;

    set_signals();
    before = state_now();
    launch_good_and_bad(*(const int *)argument);
    expect_state(&before);
}

TEST(host_is_as_it_was_after_launches_good_and_bad)
{
    int way = _i;

    trial_in_fork(keep_state_over_launches, &way);
}

/* The options that the child applies to itself, while it may share the host's memory. */
static void ask_for_much(struct trial *trial, bool as_other_user)
{
    static const struct sdb_rlimit limits[] = {{.resource = RLIMIT_CORE, .soft = 0, .hard = 0},
                                               {.resource = RLIMIT_NOFILE, .soft = 50, .hard = 60}};
    static const uint32_t groups[] = {NOBODY};
    static const unsigned char first_cpu[128] = {1};
    struct sdb_launch_options *options = &trial->options;

    options->flags |= SDB_LAUNCH_NEW_SESSION | SDB_LAUNCH_SET_UMASK | SDB_LAUNCH_SET_NICE |
                      SDB_LAUNCH_NO_NEW_PRIVS | SDB_LAUNCH_RESET_IGNORED | SDB_LAUNCH_TRY_NO_ASLR;
    options->cwd = "/";
    options->umask = 0;
    options->nice = 5;
    options->rlimits = limits;
    options->rlimit_count = 2;
    options->cpu_set = first_cpu;
    options->cpu_set_size = sizeof(first_cpu);
    options->signal_mask = UINT64_C(1) << (SIGUSR1 - 1);
    options->death_signal = SIGTERM;
    if (as_other_user) {
        options->flags |= SDB_LAUNCH_SET_UID | SDB_LAUNCH_SET_GID | SDB_LAUNCH_SET_GROUPS;
        options->uid = NOBODY;
        options->gid = NOBODY;
        options->groups = groups;
        options->group_count = 1;
    }
}

static void keep_state_over_many_options(void *argument)
{
    const int way = *(const int *)argument;
    const bool as_other_user = geteuid() == 0;
    struct host_state before;

    set_signals();
    before = state_now();
    for (int change_user = 0; change_user <= as_other_user; change_user++) {
        struct trial good = trial_of_state(way);
        struct trial missing = trial_of_nothing(way);

        /* A copy: the other user need not be able to reach where this was built. */
        good.options.path = trial_path("report");
        ask_for_much(&good, change_user);
        trial_tells(&good);
        expect_told("cwd /");
        ask_for_much(&missing, change_user);
        missing.options.path = "/nowhere";
        ck_assert_int_eq(trial_try(&missing), -ENOENT);
        expect_state(&before);
    }
}

TEST(host_is_as_it_was_after_launches_with_many_options)
{
    int way = _i;

    trial_copy_report("report", 0755);
    trial_in_fork(keep_state_over_many_options, &way);
}

/* The flag belongs to the memory that the child may share. */
TEST(change_of_user_leaves_the_host_dumpable)
{
    struct trial trial = trial_of_nothing(_i);

    if (geteuid() != 0) {
        printf("not root: changes of user are not tested\n");
        return;
    }
    trial_copy_report("program", 0755);
    trial.options.path = trial_path("program");
    trial.argv[0] = "program";
    trial.argv[1] = "exit";
    trial.argv[2] = "0";
    trial.options.flags |= SDB_LAUNCH_SET_UID;
    trial.options.uid = NOBODY;
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
    trial_exits(&trial, 0);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
    trial.options.path = "/nowhere";
    ck_assert_int_eq(trial_try(&trial), -ENOENT);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
}

/* ---- its files ---- */

/* @return whether somebody has a lock on the file, as another process sees it */
static bool is_locked(const char *name)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(name, O_RDWR | O_CLOEXEC);

        _exit(fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 ? 2 : lock.l_type != F_UNLCK);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

/* They belong to the table of descriptors, which the child may share for a moment. */
TEST(host_keeps_its_record_locks)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    struct trial missing = trial_of_nothing(_i);
    int fd;

    trial_write_file("locked", "", 0, 0600);
    fd = open("locked", O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(fcntl(fd, F_SETLK, &lock), 0);
    ck_assert(is_locked("locked"));
    trial_exits(&trial, 0);
    ck_assert(is_locked("locked"));
    missing.options.path = "/nowhere";
    ck_assert_int_eq(trial_try(&missing), -ENOENT);
    ck_assert(is_locked("locked"));
    close(fd);
    ck_assert(!is_locked("locked"));
}

/* ---- memory ---- */

TEST(trim_gives_the_kept_memory_back)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial_exits(&trial, 0);
    sdb_launch_trim();
    trial_check_stock();
    sdb_launch_trim();
    trial_exits(&trial, 0);
}

TRIAL_CASE(habits);

TEST(host_may_ignore_the_ends_of_its_children)
{
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    struct sigaction before;
    struct trial missing = trial_of_nothing(_i);
    struct trial good = trial_of(_i, "exit", "7", NULL);
    int rc;

    missing.options.path = "/nowhere";
    ck_assert_int_eq(sigaction(SIGCHLD, &ignored, &before), 0);
    for (int round = 0; round < 50; round++) {
        ck_assert_int_eq(trial_try(&missing), -ENOENT);
        ck_assert_uint_eq(missing.error.stage, SDB_STAGE_EXEC);
        trial_start(&good);
        rc = sdb_child_wait(good.child, PATIENCE_MS, &good.status);
        sdb_child_close(good.child);
        ck_assert_int_eq(rc, host_kernel_is(6, 15) ? 0 : -ECHILD);
        if (rc == 0)
            ck_assert_int_eq(good.status.code, 7);
    }
    ck_assert_int_eq(sigaction(SIGCHLD, &before, NULL), 0);
}

TEST(host_may_block_every_signal)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t before;
    uint64_t during;
    struct trial trial = trial_of_state(_i);
    struct trial missing = trial_of_nothing(_i);

    missing.options.path = "/nowhere";
    ck_assert_int_eq(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all)), 0);
    trial_tells(&trial);
    expect_told("SigBlk 0000000000000000");
    ck_assert_int_eq(trial_try(&missing), -ENOENT);
    ck_assert_int_eq(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, &during, sizeof(all)), 0);
    ck_assert_uint_eq(during | 1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1), all);
}

static volatile bool thief_must_end;

static void *wait_for_any_child(void *unused)
{
    (void)unused;
    while (!thief_must_end) {
        if (waitpid(-1, NULL, 0) < 0)
            sched_yield();
    }
    return NULL;
}

/* Whoever waits for any child takes the library's too; a launch knows all the same what happened. */
TEST(host_may_wait_for_any_child_in_another_thread)
{
    struct trial missing = trial_of_nothing(_i);
    struct trial good = trial_of(_i, "exit", "7", NULL);
    pthread_t thief;

    missing.options.path = "/nowhere";
    thief_must_end = false;
    ck_assert_int_eq(pthread_create(&thief, NULL, wait_for_any_child, NULL), 0);
    for (int round = 0; round < 100; round++) {
        int rc;

        ck_assert_int_eq(trial_try(&missing), -ENOENT);
        trial_start(&good);
        rc = sdb_child_wait(good.child, PATIENCE_MS, &good.status);
        sdb_child_close(good.child);
        if (rc == 0)
            ck_assert_int_eq(good.status.code, 7);
        else
            ck_assert(rc == -ECHILD && !host_kernel_is(6, 15));
    }
    thief_must_end = true;
    ck_assert_int_eq(pthread_join(thief, NULL), 0);
}

TEST(signal_each_millisecond_does_not_disturb)
{
    struct host_storm storm;
    int64_t end = host_now_ms() + 500;
    int launches = 0;

    host_storm_begin(&storm);
    while (host_now_ms() < end) {
        struct trial good = trial_of(_i, "exit", "3", NULL);
        struct trial missing = trial_of_nothing(_i);

        good.options.flags |= SDB_LAUNCH_TIMEOUT;
        good.options.timeout_ms = NO_STALL_MS;
        trial_exits(&good, 3);
        missing.options.path = "/nowhere";
        ck_assert_int_eq(trial_try(&missing), -ENOENT);
        launches++;
    }
    ck_assert_uint_gt(host_storm_end(&storm), 50);
    ck_assert_int_gt(launches, 10);
}

/* ---- a storm on the process group ---- */

struct storm_count {
    pid_t host;
    int in_host;
    int in_child;
};
static struct storm_count *storm_count; /* in memory that a forked child has in common too */

static void count_where(int signal)
{
    (void)signal;
    if (syscall(SYS_getpid) == storm_count->host)
        __atomic_fetch_add(&storm_count->in_host, 1, __ATOMIC_RELAXED);
    else
        __atomic_fetch_add(&storm_count->in_child, 1, __ATOMIC_RELAXED);
}

static const int storm_signals[] = {SIGUSR1, SIGHUP, SIGTERM, SIGCHLD};
#define STORM_SIGNALS (sizeof(storm_signals) / sizeof(storm_signals[0]))

static pid_t begin_group_storm(pid_t group)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setpgid(0, 0);
        for (unsigned i = 0;; i++) {
            (void)kill(-group, storm_signals[i % STORM_SIGNALS]);
            sched_yield();
        }
    }
    ck_assert_int_gt(pid, 0);
    return pid;
}

static void launch_in_group_storm(void *argument)
{
    struct sigaction action = {.sa_handler = count_where, .sa_flags = SA_RESTART};
    int64_t end;
    pid_t sender;

    ck_assert_int_eq(setpgid(0, 0), 0);
    storm_count =
        mmap(NULL, sizeof(*storm_count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(storm_count, MAP_FAILED);
    storm_count->host = getpid();
    for (size_t i = 0; i < STORM_SIGNALS; i++)
        ck_assert_int_eq(sigaction(storm_signals[i], &action, NULL), 0);

    sender = begin_group_storm(getpgrp());
    end = host_now_ms() + 1500;
    for (int round = 0; round < 20 || (round < 150 && host_now_ms() < end); round++) {
        struct trial good = trial_of(*(const int *)argument, "exit", "3", NULL);
        struct trial missing = trial_of_nothing(*(const int *)argument);
        int rc;

        /* The program gets the signals as the group does, and they may end it. */
        trial_start(&good);
        trial_end(&good);
        ck_assert(good.status.how == SDB_KILLED || good.status.code == 3);
        missing.options.path = "/nowhere";
        rc = trial_try(&missing);
        if (rc == 0)
            trial_end(&missing); /* killed at its exec, before that could fail */
        ck_assert(rc == -ENOENT || missing.status.how == SDB_KILLED);
    }
    ck_assert_int_eq(kill(sender, SIGKILL), 0);
    ck_assert_int_eq(waitpid(sender, NULL, 0), sender);
    ck_assert_int_gt(storm_count->in_host, 10);
    ck_assert_int_eq(storm_count->in_child, 0);
}

TEST(hosts_handlers_never_run_in_a_child)
{
    int way = _i;

    trial_in_fork(launch_in_group_storm, &way);
}

/* The same where clone3 cannot reset the handlers, and the child does it itself. */
TEST(hosts_handlers_never_run_in_a_child_without_clone3)
{
    int way = _i;

    host_refuse_syscall(SYS_clone3, ENOSYS);
    trial_in_fork(launch_in_group_storm, &way);
}

int main(void)
{
    return trial_run_suite("launch: the host");
}
