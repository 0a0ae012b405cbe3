/* SPDX-License-Identifier: MIT */
/*
 * Launching: what the program is given besides descriptors: its session, limits, user, signals; and
 * the caller's hook and filter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

#define NOBODY 65534

static uint64_t bit(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

static bool is_root(void)
{
    if (geteuid() == 0)
        return true;
    printf("not root: changes of user are not tested\n");
    return false;
}

/* A trial of "state" with a program that every user may execute. */
static struct trial trial_for_any_user(int way)
{
    struct trial trial = trial_of_state(way);

    trial_copy_report("program", 0755);
    trial.options.path = trial_path("program");
    return trial;
}

/* ---- nothing asked for ---- */

START_TEST(program_is_given_what_the_host_has)
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
END_TEST

/* ---- session, group, umask ---- */

START_TEST(program_leads_a_new_session)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_NEW_SESSION;
    trial_tells(&trial);
    expect_told("sid %d", trial.pid);
    expect_told("pgid %d", trial.pid);
    expect_told("controlling_terminal 0");
}
END_TEST

START_TEST(program_leads_a_new_group)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_SET_GROUP;
    trial_tells(&trial);
    expect_told("pgid %d", trial.pid);
    expect_told("sid %d", getsid(0));
}
END_TEST

START_TEST(program_joins_a_group)
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
END_TEST

START_TEST(program_has_its_umask)
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
END_TEST

/* ---- limits ---- */

START_TEST(program_has_its_limits)
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
END_TEST

/* The limit is the program's; its launch may need more descriptors. */
START_TEST(limit_of_descriptors_does_not_hinder_the_map)
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
END_TEST

START_TEST(limit_that_is_refused_is_told)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    const struct sdb_rlimit limits[] = {
        {.resource = RLIMIT_CORE, .soft = 0, .hard = 0},
        {.resource = RLIMIT_NOFILE, .soft = UINT64_MAX, .hard = UINT64_MAX}};

    trial.options.rlimits = limits;
    trial.options.rlimit_count = 2;
    trial_fails(&trial, -EPERM, SDB_STAGE_RLIMITS, 1, "set resource limit 7: Operation not");
}
END_TEST

START_TEST(program_has_its_nice_value)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_SET_NICE;
    trial.options.nice = 19;
    trial_tells(&trial);
    expect_told("nice 19");
}
END_TEST

START_TEST(program_runs_on_its_cpus)
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
END_TEST

/* ---- user and privileges ---- */

START_TEST(program_has_its_user_and_groups)
{
    const uint32_t groups[] = {7, 65534, 100000};
    struct trial trial = trial_for_any_user(_i);

    if (!is_root())
        return;
    trial.options.flags |= SDB_LAUNCH_SET_UID | SDB_LAUNCH_SET_GID | SDB_LAUNCH_SET_GROUPS;
    trial.options.uid = NOBODY;
    trial.options.gid = 4242;
    trial.options.groups = groups;
    trial.options.group_count = 3;
    trial_tells(&trial);
    expect_told("uid 65534 65534 65534");
    expect_told("gid 4242 4242 4242");
    expect_told("groups 7 65534 100000");
    expect_told("dumpable 1");
}
END_TEST

START_TEST(program_has_no_supplementary_groups)
{
    struct trial trial = trial_for_any_user(_i);

    if (!is_root())
        return;
    trial.options.flags |= SDB_LAUNCH_SET_GROUPS;
    trial_tells(&trial);
    expect_told("groups");
    expect_told("uid 0 0 0");
}
END_TEST

/* A change of user takes the parent-death signal away: it is set after it. */
START_TEST(death_signal_outlasts_a_change_of_user)
{
    struct trial trial = trial_for_any_user(_i);

    trial.options.death_signal = SIGUSR1;
    trial_tells(&trial);
    expect_told("death_signal %d", SIGUSR1);
    if (!is_root())
        return;
    trial.options.flags |= SDB_LAUNCH_SET_UID;
    trial.options.uid = NOBODY;
    trial_tells(&trial);
    expect_told("uid 65534 65534 65534");
    expect_told("death_signal %d", SIGUSR1);
}
END_TEST

START_TEST(program_can_gain_no_privileges)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    trial_tells(&trial);
    expect_told("no_new_privs 1");
}
END_TEST

START_TEST(program_is_not_randomised)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_NO_ASLR;
    trial_tells(&trial);
    expect_told("no_aslr 1");
    trial = trial_of_state(_i);
    trial.options.flags |= SDB_LAUNCH_TRY_NO_ASLR;
    trial_tells(&trial);
    expect_told("no_aslr 1");
    ck_assert_int_eq(trial.error.warning, 0);
}
END_TEST

START_TEST(refused_personality_fails_or_warns_as_asked)
{
    struct trial trial = trial_of_state(_i);
    char sentence[256];

    trial.options.flags |= SDB_LAUNCH_NO_ASLR;
    host_refuse_syscall(SYS_personality, EPERM);
    trial_fails(&trial, -EPERM, SDB_STAGE_ASLR, -1,
                "switch address space randomisation off: Operation not permitted");

    trial = trial_of_state(_i);
    trial.options.flags |= SDB_LAUNCH_TRY_NO_ASLR;
    trial_tells(&trial);
    ck_assert_int_eq(trial.error.code, 0);
    ck_assert_int_eq(trial.error.warning, -EPERM);
    ck_assert_uint_eq(trial.error.stage, SDB_STAGE_ASLR);
    sdb_error_format(&trial.error, sentence, sizeof(sentence));
    ck_assert_str_eq(sentence, "launch: switch address space randomisation off: "
                               "Operation not permitted (went on without)");

    /* It is a warning of a success; a failure has none. */
    trial.options.path = "/nowhere";
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"/nowhere\": No such file");
}
END_TEST

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

START_TEST(program_is_in_its_cgroup)
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
END_TEST

START_TEST(directory_that_is_no_cgroup_is_told)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial.options.flags |= SDB_LAUNCH_CGROUP;
    trial.options.cgroup_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    trial_fails(&trial, -ENOENT, SDB_STAGE_CGROUP, -1, "join the cgroup: No such file");
    close(trial.options.cgroup_fd);
}
END_TEST

/* ---- signals ---- */

static void ignore(int signal)
{
    (void)signal;
}

START_TEST(program_has_its_signal_mask)
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
END_TEST

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
    expect_told("SigIgn %016jx", (uintmax_t)(bit(SIGPIPE) | bit(SIGUSR2)));

    trial.options.flags |= SDB_LAUNCH_RESET_IGNORED;
    trial_tells(&trial);
    expect_told("SigCgt 0000000000000000");
    expect_told("SigIgn 0000000000000000");
}

START_TEST(ignored_signals_stay_ignored_unless_reset)
{
    int way = _i;

    trial_in_fork(change_signals, &way);
}
END_TEST

START_TEST(ignored_signals_stay_ignored_unless_reset_without_clone3)
{
    int way = _i;

    host_refuse_syscall(SYS_clone3, ENOSYS);
    trial_in_fork(change_signals, &way);
}
END_TEST

/* ---- the caller's filter ---- */

/* getpriority(2) fails; anything else passes. */
static const struct sock_filter no_getpriority[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void set_filter(struct trial *trial)
{
    trial->options.seccomp_filter = no_getpriority;
    trial->options.seccomp_length = sizeof(no_getpriority) / sizeof(no_getpriority[0]);
}

START_TEST(program_runs_under_its_filter)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    set_filter(&trial);
    trial_tells(&trial);
    expect_told("nice -1 EPERM");
    expect_told("Seccomp 2");
}
END_TEST

START_TEST(failure_under_a_filter_is_told)
{
    struct trial trial = trial_of_nothing(_i);

    trial.options.path = "/nowhere";
    trial.options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    set_filter(&trial);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"/nowhere\": No such file");
}
END_TEST

START_TEST(filter_that_is_none_is_told)
{
    const struct sock_filter wrong[] = {{.code = 0xffff}};
    const struct sock_filter endless[] = {BPF_STMT(BPF_LD | BPF_IMM, 0)};
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial.options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    trial.options.seccomp_filter = wrong;
    trial.options.seccomp_length = 1;
    trial_fails(&trial, -EINVAL, SDB_STAGE_SECCOMP, -1, "install the seccomp filter: Invalid");
    trial.options.seccomp_filter = endless;
    trial_fails(&trial, -EINVAL, SDB_STAGE_SECCOMP, -1, "install the seccomp filter: Invalid");
}
END_TEST

static void filter_without_privileges(void *argument)
{
    struct trial trial = trial_for_any_user(*(const int *)argument);

    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
    set_filter(&trial);
    trial_fails(&trial, -EACCES, SDB_STAGE_SECCOMP, -1, "install the seccomp filter: Permission");
}

START_TEST(filter_takes_privileges_or_their_renunciation)
{
    int way = _i;

    trial_in_fork(filter_without_privileges, &way);
}
END_TEST

/* ---- the caller's hook ---- */

struct hook_facts {
    int fd; /* where it tells */
    int calls;
    uint64_t blocked;
    pid_t pid;
    uid_t uid;
    int no_new_privs;
    char cwd[64];
    int answer;
};

static int tell_facts(void *data)
{
    struct hook_facts *facts = data;

    facts->calls++;
    facts->pid = getpid();
    facts->uid = getuid();
    facts->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    (void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &facts->blocked, sizeof(facts->blocked));
    if (!getcwd(facts->cwd, sizeof(facts->cwd)))
        return -errno;
    if (write(facts->fd, facts, sizeof(*facts)) != (ssize_t)sizeof(*facts))
        return -errno;
    return facts->answer;
}

START_TEST(hook_runs_in_the_child)
{
    struct trial trial = trial_for_any_user(_i);
    struct hook_facts facts = {0};
    struct hook_facts seen;
    int ends[2];
    struct sdb_fd map[1];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    facts.fd = 40;
    map[0] = (struct sdb_fd){.target = 40, .kind = SDB_FD_DUP, .source = ends[1]};
    trial.options.fds = map;
    trial.options.fd_count = 1;
    trial.options.cwd = "/";
    trial.options.hook = tell_facts;
    trial.options.hook_data = &facts;
    trial.options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    if (geteuid() == 0)
        trial.options.flags |= SDB_LAUNCH_SET_UID;
    trial.options.uid = NOBODY;
    trial_tells(&trial);
    expect_told("no_new_privs 1");

    ck_assert_int_eq(read(ends[0], &seen, sizeof(seen)), (ssize_t)sizeof(seen));
    close(ends[0]);
    close(ends[1]);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.pid, trial.pid);
    ck_assert_uint_eq(seen.uid, geteuid() == 0 ? NOBODY : getuid());
    ck_assert_str_eq(seen.cwd, "/");
    ck_assert_int_eq(seen.no_new_privs, 0);
    ck_assert_uint_eq(seen.blocked, ~(bit(SIGKILL) | bit(SIGSTOP)));
    /* The host's own memory is not its. */
    ck_assert_int_eq(facts.calls, 0);
}
END_TEST

START_TEST(error_of_the_hook_fails_the_launch)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    struct hook_facts facts = {.answer = -EDOM};
    const struct sdb_fd map[] = {{.target = 40, .kind = SDB_FD_NULL}};

    facts.fd = 40;
    trial.options.fds = map;
    trial.options.fd_count = 1;
    trial.options.hook = tell_facts;
    trial.options.hook_data = &facts;
    trial_fails(&trial, -EDOM, SDB_STAGE_HOOK, -1, "run the caller's hook: Numerical argument");
    facts.answer = 5;
    trial_fails(&trial, -EINVAL, SDB_STAGE_HOOK, -1, "run the caller's hook: Invalid argument");
    facts.answer = 0;
    trial_exits(&trial, 0);
}
END_TEST

static int die(void *data)
{
    (void)data;
    (void)raise(SIGKILL);
    return 0;
}

START_TEST(hook_that_dies_fails_the_launch)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial.options.hook = die;
    trial_fails(&trial, -ESRCH, SDB_STAGE_HOOK, -1, "The child was killed by SIGKILL");
    ck_assert_int_eq(trial.error.signal, SIGKILL);
}
END_TEST

static Suite *make_suite(void)
{
    const TTest *const sessions[] = {
        program_is_given_what_the_host_has,
        program_leads_a_new_session,
        program_leads_a_new_group,
        program_joins_a_group,
        program_has_its_umask,
    };
    const TTest *const limits[] = {
        program_has_its_limits,
        limit_of_descriptors_does_not_hinder_the_map,
        limit_that_is_refused_is_told,
        program_has_its_nice_value,
        program_runs_on_its_cpus,
        program_is_in_its_cgroup,
        directory_that_is_no_cgroup_is_told,
    };
    const TTest *const privileges[] = {
        program_has_its_user_and_groups,
        program_has_no_supplementary_groups,
        death_signal_outlasts_a_change_of_user,
        program_can_gain_no_privileges,
        program_is_not_randomised,
        refused_personality_fails_or_warns_as_asked,
    };
    const TTest *const signals[] = {
        program_has_its_signal_mask,
        ignored_signals_stay_ignored_unless_reset,
        ignored_signals_stay_ignored_unless_reset_without_clone3,
    };
    const TTest *const callers[] = {
        program_runs_under_its_filter,
        failure_under_a_filter_is_told,
        filter_that_is_none_is_told,
        filter_takes_privileges_or_their_renunciation,
        hook_runs_in_the_child,
        error_of_the_hook_fails_the_launch,
        hook_that_dies_fails_the_launch,
    };
    Suite *suite = suite_create("launch: the program's state");

    TRIAL_CASE(suite, sessions);
    TRIAL_CASE(suite, limits);
    TRIAL_CASE(suite, privileges);
    TRIAL_CASE(suite, signals);
    TRIAL_CASE(suite, callers);
    return suite;
}

int main(void)
{
    return trial_run_suite(make_suite());
}
