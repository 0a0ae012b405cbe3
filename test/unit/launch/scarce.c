/* SPDX-License-Identifier: MIT */
/*
 * Launching when something is short, refused or unknown.
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "forking.h"
#include "host.h"
#include "leftovers.h"
#include "trial.h"

#define OTHER_USER 54321 /* of which there are no processes */

static void limit(int resource, rlim_t soft)
{
    struct rlimit lowered;

    ck_assert_int_eq(getrlimit((__rlimit_resource_t)resource, &lowered), 0);
    lowered.rlim_cur = soft;
    ck_assert_int_eq(setrlimit((__rlimit_resource_t)resource, &lowered), 0);
}

TRIAL_CASE(no_room);

static void launch_without_room_for_a_process(void *argument)
{
    struct trial trial = trial_of(*(const int *)argument, "exit", "0", NULL);

    /* This process is the user's only one. */
    limit(RLIMIT_NPROC, 1);
    ck_assert_int_eq(setresuid(OTHER_USER, OTHER_USER, OTHER_USER), 0);
    trial.options.argv = trial.argv;
    ck_assert_int_eq(trial_try(&trial), -EAGAIN);
    ck_assert_uint_eq(trial.error.stage, SDB_STAGE_CLONE);
    ck_assert_int_eq(trial.error.index, -1);
    ck_assert_int_eq(trial.error.tid, 0);
}

TEST(no_room_for_a_process_is_told_where_the_child_is_made)
{
    int way = _i;

    if (trial_is_root())
        trial_in_fork(launch_without_room_for_a_process, &way);
}

static bool become_other_user(void *nothing)
{
    (void)nothing;
    return setresuid(OTHER_USER, OTHER_USER, OTHER_USER) == 0;
}

/* A process that the user has already. */
static pid_t fork_as_other_user(void)
{
    return fork_ready(become_other_user, NULL);
}

/* The kernel lets the change of user pass, and refuses the exec after it. */
TEST(no_room_for_a_process_of_the_new_user_is_told_by_exec)
{
    struct trial trial = trial_of_nothing(_i);
    const struct sdb_rlimit limits[] = {{.resource = RLIMIT_NPROC, .soft = 0, .hard = 0}};
    pid_t other;

    if (!trial_is_root())
        return;
    other = fork_as_other_user();
    trial_copy_report("program", 0755);
    trial.options.path = trial_path("program");
    trial.options.rlimits = limits;
    trial.options.rlimit_count = 1;
    trial.options.flags |= SDB_LAUNCH_SET_UID;
    trial.options.uid = OTHER_USER;
    trial_fails(&trial, -EAGAIN, SDB_STAGE_EXEC, -1, "Resource temporarily unavailable");
    ck_assert_int_eq(kill(other, SIGKILL), 0);
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
}

/* Take every free descriptor from 3 on, below the limit.  @return how many */
static int fill_descriptors(int *filled, int size)
{
    int count = 0;

    while (count < size) {
        int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

        if (fd < 0)
            break;
        filled[count++] = fd;
    }
    return count;
}

/* With one descriptor more each time, until there is room for all: each failure is tidy. */
TEST(no_room_for_a_descriptor_is_told_and_leaves_nothing)
{
    enum { LIMIT = 64 };
    int filled[LIMIT];
    struct rlimit before;
    int count;
    int failures = 0;
    int rc = -EMFILE;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int given = 0; rc < 0; given++) {
        int host_fds[3] = {-7, -7, -7};
        const struct sdb_fd map[] = {
            {.target = 4, .kind = SDB_FD_READ_PIPE, .host_fd = &host_fds[0]},
            {.target = 3, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fds[1]},
            {.target = 5, .kind = SDB_FD_NULL}};
        struct trial trial = trial_of(_i, "exit", "3", NULL);
        struct leftovers stock;

        trial.options.fds = map;
        trial.options.fd_count = 3;
        trial.options.flags |= SDB_LAUNCH_PTY;
        trial.options.pty_master = &host_fds[2];
        sdb_launch_trim();
        leftovers_note(&stock);

        limit(RLIMIT_NOFILE, LIMIT);
        count = fill_descriptors(filled, LIMIT);
        ck_assert_int_lt(given, count);
        for (int i = 0; i < given; i++)
            close(filled[i]);
        rc = trial_try(&trial);
        for (int i = given; i < count; i++)
            close(filled[i]);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);

        if (rc < 0) {
            failures++;
            ck_assert_msg(rc == -EMFILE, "%d free: %s", given, strerrorname_np(-rc));
            ck_assert_msg(trial.error.stage == SDB_STAGE_PREPARE ||
                              trial.error.stage == SDB_STAGE_CLONE ||
                              trial.error.stage == SDB_STAGE_FDS,
                          "%d free: at stage %u", given, trial.error.stage);
            ck_assert_int_eq(host_fds[0], -7);
            ck_assert_int_eq(host_fds[1], -7);
            ck_assert_int_eq(host_fds[2], -7);
        } else {
            trial_end(&trial);
            ck_assert_int_eq(trial.status.code, 3);
            for (size_t i = 0; i < 3; i++)
                close(host_fds[i]);
        }
        sdb_launch_trim();
        leftovers_check(&stock);
    }
    ck_assert_int_ge(failures, 6);
}

static void refuse_slowly(int signal, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;

    (void)signal;
    (void)info;
    usleep(50000); /* time enough for a program that should not run */
    machine->uc_mcontext.gregs[REG_RAX] = -EMFILE;
}

/* From now on no descriptor can be moved above the standard ones, and to find out takes a while. */
static void refuse_to_move_descriptors(void)
{
    const struct sigaction action = {.sa_sigaction = refuse_slowly, .sa_flags = SA_SIGINFO};
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_DUPFD_CLOEXEC, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STDERR_FILENO + 1, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    ck_assert_int_eq(sigaction(SIGSYS, &action, NULL), 0);
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

/*
 * The pidfd gets the number of a closed standard descriptor, and there is no room above: the launch
 * fails.  The program used to run for a moment all the same.
 */
TEST(launch_that_fails_for_want_of_a_descriptor_runs_nothing)
{
    struct trial trial = trial_of(_i, "touch", "touched", NULL);
    struct host_stdio stdio;
    int rc;

    (void)unlink("touched");
    host_close_stdio(1, &stdio);
    refuse_to_move_descriptors();
    rc = trial_try(&trial);
    host_restore_stdio(&stdio);
    ck_assert_int_eq(rc, -EMFILE);
    ck_assert_int_eq(access("touched", F_OK), -1);
}

/* A sanitizer has the address space to itself, and no patience with limits. */
#ifndef TRIAL_SANITIZED

static rlim_t memory_in_use(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

TEST(no_memory_for_the_plan_is_told)
{
    const size_t size = (size_t)16 << 20;
    struct trial trial = trial_of_nothing(_i);
    char *search_path = malloc(size);
    struct rlimit before;
    int rc;

    ck_assert_ptr_nonnull(search_path);
    memset(search_path, 'x', size - 1);
    search_path[size - 1] = '\0';
    trial.argv[0] = "program";
    trial.options.flags |= SDB_LAUNCH_SEARCH_PATH;
    trial.options.search_path = search_path;

    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
    limit(RLIMIT_AS, memory_in_use() + size / 2);
    rc = trial_try(&trial);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    free(search_path);
    ck_assert_int_eq(rc, -ENOMEM);
    ck_assert_uint_eq(trial.error.stage, SDB_STAGE_PREPARE);
    ck_assert_int_eq(trial.error.index, -1);
}

TEST(no_memory_for_the_childs_stack_is_told)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    struct rlimit before;
    void *room;
    int rc;

    /* The heap has room, the address space has none. */
    room = malloc(64 * 1024);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
    limit(RLIMIT_AS, memory_in_use());
    free(room);
    rc = trial_try(&trial);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    if (_i == WAY_PORTABLE) {
        /* It has no use for one. */
        ck_assert_int_eq(rc, 0);
        trial_end(&trial);
        return;
    }
    ck_assert_int_eq(rc, -ENOMEM);
    ck_assert_uint_eq(trial.error.stage, SDB_STAGE_PREPARE);
    ck_assert_int_eq(trial.error.tid, 0);
}

#endif

TRIAL_CASE(refusals);

static void ignore(int signal)
{
    (void)signal;
}

/* What a launch must do on whatever way is left to it. */
static void expect_good_launches(int way)
{
    struct trial trial = trial_of_state(way);
    struct trial missing = trial_of_nothing(way);
    int output = -1;
    const struct sdb_fd map[] = {{.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output}};
    const struct sigaction handled = {.sa_handler = ignore};

    ck_assert_int_eq(sigaction(SIGUSR1, &handled, NULL), 0);
    trial.options.fds = map;
    trial.options.fd_count = 1;
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2}, 3);
    expect_told("SigCgt 0000000000000000");
    expect_told("SigBlk 0000000000000000");
    close(output);

    missing.options.path = "/nowhere";
    ck_assert_int_eq(trial_try(&missing), -ENOENT);
    ck_assert_uint_eq(missing.error.stage, SDB_STAGE_EXEC);
}

TEST(clone3_may_be_unknown)
{
    host_refuse_syscall(SYS_clone3, ENOSYS);
    expect_good_launches(_i);
}

TEST(clone3_may_be_forbidden)
{
    host_refuse_syscall(SYS_clone3, EPERM);
    expect_good_launches(_i);
}

/* Ordinary processes that share memory are refused; threads and forks are not. */
static void refuse_shared_memory(int error)
{
    const unsigned flags_at = offsetof(struct seccomp_data, args[0]);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags_at),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_VM, 0, 4),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, CSIGNAL),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIGCHLD, 0, 2),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

TEST(sharing_memory_may_be_forbidden)
{
    refuse_shared_memory(EPERM);
    expect_good_launches(_i);
}

/* As an emulator says of a clone that is neither fork, vfork nor thread. */
TEST(sharing_memory_may_be_unknown)
{
    refuse_shared_memory(EINVAL);
    expect_good_launches(_i);
}

TEST(pidfds_may_be_unknown_where_the_host_is_forked)
{
    struct trial trial = trial_of(WAY_PORTABLE, "exit", "9", NULL);

    if (_i == WAY_FAST)
        return; /* it has its pidfd from the clone itself */
    host_refuse_syscall(SYS_pidfd_open, ENOSYS);
    trial_start(&trial);
    ck_assert_int_eq(sdb_child_pidfd(trial.child), -ENOSYS);
    trial_end(&trial);
    ck_assert_int_eq(trial.status.code, 9);
    expect_good_launches(WAY_PORTABLE);
}

/* ---- a process namespace ---- */

static void launch_into_new_namespace(void *argument)
{
    struct trial trial = trial_of(*(const int *)argument, "exit", "4", NULL);

    if (unshare(CLONE_NEWPID) < 0) {
        printf("no process namespaces: not tested\n");
        return;
    }
    trial.options.death_signal = SIGTERM;
    trial_exits(&trial, 4);
}

/* The child cannot see its parent there, and used to think that it had died. */
TEST(child_may_be_the_first_of_a_new_process_namespace)
{
    int way = _i;

    trial_in_fork(launch_into_new_namespace, &way);
}

int main(void)
{
    return trial_run_suite("launch: scarcity");
}
