/* SPDX-License-Identifier: MIT */
/*
 * Launching: the program's user and privileges, the caller's filter and the caller's hook.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

#define NOBODY 65534

static uint64_t bit(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

/* A trial of "state" with a program that every user may execute. */
static struct trial trial_for_any_user(int way)
{
    struct trial trial = trial_of_state(way);

    trial_copy_report("program", 0755);
    trial.options.path = trial_path("program");
    return trial;
}

TRIAL_CASE(privileges);

TEST(program_has_its_user_and_groups)
{
    const uint32_t groups[] = {7, 65534, 100000};
    struct trial trial = trial_for_any_user(_i);

    if (!trial_is_root())
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

TEST(program_has_no_supplementary_groups)
{
    struct trial trial = trial_for_any_user(_i);

    if (!trial_is_root())
        return;
    trial.options.flags |= SDB_LAUNCH_SET_GROUPS;
    trial_tells(&trial);
    expect_told("groups");
    expect_told("uid 0 0 0");
}

/* A change of user takes the parent-death signal away: it is set after it. */
TEST(death_signal_outlasts_a_change_of_user)
{
    struct trial trial = trial_for_any_user(_i);

    trial.options.death_signal = SIGUSR1;
    trial_tells(&trial);
    expect_told("death_signal %d", SIGUSR1);
    if (!trial_is_root())
        return;
    trial.options.flags |= SDB_LAUNCH_SET_UID;
    trial.options.uid = NOBODY;
    trial_tells(&trial);
    expect_told("uid 65534 65534 65534");
    expect_told("death_signal %d", SIGUSR1);
}

TEST(program_can_gain_no_privileges)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    trial_tells(&trial);
    expect_told("no_new_privs 1");
}

TEST(program_is_not_randomised)
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

TEST(refused_personality_fails_or_warns_as_asked)
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

TRIAL_CASE(callers);

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

TEST(program_runs_under_its_filter)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    set_filter(&trial);
    trial_tells(&trial);
    expect_told("nice -1 EPERM");
    expect_told("Seccomp 2");
}

TEST(failure_under_a_filter_is_told)
{
    struct trial trial = trial_of_nothing(_i);

    trial.options.path = "/nowhere";
    trial.options.flags |= SDB_LAUNCH_NO_NEW_PRIVS;
    set_filter(&trial);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"/nowhere\": No such file");
}

TEST(filter_that_is_none_is_told)
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

static void filter_without_privileges(void *argument)
{
    struct trial trial = trial_for_any_user(*(const int *)argument);

    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
    set_filter(&trial);
    trial_fails(&trial, -EACCES, SDB_STAGE_SECCOMP, -1, "install the seccomp filter: Permission");
}

TEST(filter_takes_privileges_or_their_renunciation)
{
    int way = _i;

    trial_in_fork(filter_without_privileges, &way);
}

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

TEST(hook_runs_in_the_child)
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
}

static int hook_calls;

static int count_call(void *data)
{
    (void)data;
    hook_calls++;
    return 0;
}

/* Without a change of user, for which the host is forked anyway. */
TEST(hook_has_memory_of_its_own)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial.options.hook = count_call;
    trial_exits(&trial, 0);
    ck_assert_int_eq(hook_calls, 0);
}

TEST(error_of_the_hook_fails_the_launch)
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

static int die(void *data)
{
    (void)data;
    (void)raise(SIGKILL);
    return 0;
}

TEST(hook_that_dies_fails_the_launch)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial.options.hook = die;
    trial_fails(&trial, -ESRCH, SDB_STAGE_HOOK, -1, "The child was killed by SIGKILL");
    ck_assert_int_eq(trial.error.signal, SIGKILL);
}

int main(void)
{
    return trial_run_suite("launch: privileges");
}
