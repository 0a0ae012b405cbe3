/* SPDX-License-Identifier: MIT */
/*
 * Attaching to what cannot be attached to: each refusal has its errno, its reason and its sentence, and
 * leaves everything as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "racing.h"

#define NOBODY 65534

HOLDING_CASE(by_pid);

SESSION_TEST(arguments_that_cannot_be_right_are_refused)
{
    struct sdb_process *process = untouched;

    ck_assert_int_eq(sdb_session_attach(NULL, 1, &process, NULL), -EINVAL);
    ck_assert_int_eq(sdb_session_attach(session, getppid(), NULL, NULL), -EINVAL);
    ck_assert_int_eq(sdb_session_attach(session, 0, &process, NULL), -EINVAL);
    ck_assert_int_eq(sdb_session_attach(session, -7, &process, NULL), -EINVAL);
    ck_assert_int_eq(sdb_session_attach_pidfd(NULL, 0, &process, NULL), -EINVAL);
    ck_assert_int_eq(sdb_session_attach_pidfd(session, 0, NULL, NULL), -EINVAL);
    ck_assert_ptr_eq(process, untouched);
    finish();
}

TEST(what_has_ended_is_refused)
{
    pid_t pid = fork_zombie();

    begin(_i);
    expect_attach_refused(pid, -ESRCH, SDB_REASON_ZOMBIE, "ended");
    reap(pid);
    ck_assert_int_eq(expect_attach_refused(pid, -ESRCH, SDB_REASON_GONE, "").stage, SDB_STAGE_FIND);
    finish();
}

TEST(a_thread_of_a_process_is_refused)
{
    struct target busy = start_busy("idle", "1", NULL);
    int tids[4];

    begin(_i);
    ck_assert_int_eq(tasks_of(busy.pid, tids, 4), 2);
    expect_attach_refused(tids[0] == busy.pid ? tids[1] : tids[0], -ESRCH, SDB_REASON_THREAD,
                          "thread");
    ask(&busy);
    finish_busy(&busy);
}

struct sitter {
    pthread_t thread;
    pid_t tid;
    pid_t target; /* to be seized by it, or 0 */
    int ready[2];
    int leave[2];
};

static void *sit(void *argument)
{
    struct sitter *sitter = argument;
    char byte = 'r';

    sitter->tid = (pid_t)syscall(SYS_gettid);
    if (sitter->target > 0 && ptrace(PTRACE_SEIZE, sitter->target, 0, 0) < 0)
        byte = 'f';
    (void)!write(sitter->ready[1], &byte, 1);
    (void)!read(sitter->leave[0], &byte, 1);
    return NULL;
}

static void start_sitter(struct sitter *sitter, pid_t target)
{
    char byte = 0;

    *sitter = (struct sitter){.target = target};
    ck_assert_int_eq(pipe2(sitter->ready, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(sitter->leave, O_CLOEXEC), 0);
    ck_assert_int_eq(pthread_create(&sitter->thread, NULL, sit, sitter), 0);
    ck_assert_int_eq(read(sitter->ready[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'r');
}

static void end_sitter(const struct sitter *sitter)
{
    (void)!write(sitter->leave[1], "x", 1);
    pthread_join(sitter->thread, NULL);
    for (int i = 0; i < 2; i++) {
        close(sitter->ready[i]);
        close(sitter->leave[i]);
    }
}

TEST(the_host_itself_is_refused)
{
    struct sitter sitter;
    int pidfd = open_pidfd(getpid());
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = untouched;
    int rc;

    begin(_i);
    start_sitter(&sitter, 0);
    expect_attach_refused(getpid(), -EDEADLK, SDB_REASON_OWN, "");
    expect_pidfd_refused(pidfd, -EDEADLK, SDB_REASON_OWN, "");
    rc = sdb_session_attach(session, sitter.tid, &process, &error);
    ck_assert(rc == -EDEADLK || rc == -ESRCH); /* both are true */
    end_sitter(&sitter);
    close(pidfd);
    finish();
}

TEST(what_is_traced_already_is_refused_and_its_tracer_named)
{
    pid_t target = fork_waiting();
    struct sitter sitter;

    begin(_i);
    /* By a thread of the host that is not ours, ... */
    start_sitter(&sitter, target);
    ck_assert_int_eq(expect_attach_refused(target, -EBUSY, SDB_REASON_TRACED, "traced").other_pid,
                     sitter.tid);
    end_sitter(&sitter);
    finish();
    end_child(target);
}

TEST(what_is_traced_by_another_process_is_refused)
{
    struct target busy = start_busy("idle", "3", NULL);
    pid_t tracer = fork_tracer(busy.pid, 0);
    int pidfd;

    begin(_i);
    ck_assert_int_eq(expect_attach_refused(busy.pid, -EBUSY, SDB_REASON_TRACED, "traced").other_pid,
                     tracer);
    pidfd = open_pidfd(busy.pid);
    ck_assert_int_eq(expect_pidfd_refused(pidfd, -EBUSY, SDB_REASON_TRACED, "traced").other_pid,
                     tracer);
    close(pidfd);
    end_child(tracer);
    detach(attach(busy.pid));
    ask(&busy);
    finish_busy(&busy);
}

/* Only a thread that is not the first one is traced by another: all or nothing. */
TEST(a_process_of_which_another_holds_a_thread_is_refused_and_runs_on)
{
    struct target busy = start_busy("idle", "6", NULL);
    struct sitter sitter;
    int tids[16];

    begin(_i);
    ck_assert_int_eq(tasks_of(busy.pid, tids, 16), 7);
    start_sitter(&sitter, tids[6]);
    ck_assert_int_eq(expect_attach_refused(busy.pid, -EBUSY, SDB_REASON_TRACED, "traced").other_pid,
                     sitter.tid);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(status_of(tids[i], "TracerPid", 10), 0);
    ask(&busy);
    end_sitter(&sitter);
    ask(&busy);
    finish_busy(&busy);
}

TEST(what_the_session_holds_is_refused_a_second_time)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = untouched;
    pid_t target = fork_waiting();
    struct sdb_process *held_process;

    begin(_i);
    held_process = attach(target);
    ck_assert_int_eq(sdb_session_attach(session, target, &process, &error), -EBUSY);
    ck_assert_uint_eq(error.reason, SDB_REASON_TRACED);
    ck_assert_int_eq(error.other_pid, (int)syscall(SYS_gettid));
    ck_assert_ptr_eq(process, untouched);
    ck_assert_ptr_eq(sdb_session_next_process(session, NULL), held_process);
    detach(held_process);
    finish();
    end_child(target);
}

static pid_t find_kernel_thread(void)
{
    for (pid_t pid = 2; pid < 20; pid++) {
        if (status_of(pid, "Kthread", 10) == 1 ||
            (status_of(pid, "VmSize", 10) < 0 && host_task_state(pid) == 'S'))
            return pid;
    }
    return 0;
}

TEST(a_kernel_thread_is_refused)
{
    pid_t pid = find_kernel_thread();

    if (pid == 0) {
        (void)printf("no kernel thread in sight: skipped\n");
        return;
    }
    begin(_i);
    expect_attach_refused(pid, -EPERM, SDB_REASON_KERNEL_THREAD, "kernel");
    finish();
}

HOLDING_CASE(by_permission);

struct stranger {
    int way;
    pid_t target;
    bool refuses_ptrace;
    bool pretends_yama; /* /proc says that it is there */
    uint32_t reason;
    const char *words;
};

/*
 * In a mount namespace of its own, where the kernel's settings are these.
 *
 * @return whether it could be had
 */
static bool pretend_yama(void)
{
    static const char directory[] = "/proc/sys/kernel/yama";
    int fd;
    bool done;

    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "/proc/sys/kernel", "tmpfs", 0, "mode=755") < 0 || mkdir(directory, 0755) < 0)
        return false;
    fd = open("/proc/sys/kernel/yama/ptrace_scope", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    done = fd >= 0 && write(fd, "1\n", 2) == 2;
    if (fd >= 0)
        close(fd);
    return done;
}

static void try_as_nobody(const struct stranger *stranger)
{
    const pid_t test = getpid();
    pid_t host = fork();

    if (host == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != test)
            _exit(2);
        if (stranger->pretends_yama && !pretend_yama()) {
            (void)printf("no mount namespace: skipped\n");
            _exit(0);
        }
        if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
            _exit(2);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* the change of user has cleared it */
        if (stranger->refuses_ptrace)
            host_refuse_syscall(SYS_ptrace, EPERM);
        begin(stranger->way);
        expect_attach_refused(stranger->target, -EPERM, stranger->reason, stranger->words);
        finish();
        _exit(0);
    }
    expect_success(host);
}

static bool become_nobody(void *dumpable)
{
    return setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
           prctl(PR_SET_DUMPABLE, *(const bool *)dumpable) == 0;
}

/* A waiting child of user nobody. */
static pid_t fork_nobody(bool dumpable)
{
    return fork_ready(become_nobody, &dumpable);
}

static bool is_root(void)
{
    if (geteuid() == 0)
        return true;
    (void)printf("only root can become somebody else: skipped\n");
    return false;
}

TEST(another_users_process_is_refused)
{
    struct stranger stranger = {.way = _i, .reason = SDB_REASON_OTHER_USER, .words = "user"};

    if (!is_root())
        return;
    stranger.target = fork_waiting();
    try_as_nobody(&stranger);
    end_child(stranger.target);
}

TEST(an_undumpable_process_is_refused)
{
    struct stranger stranger = {.way = _i, .reason = SDB_REASON_NOT_DUMPABLE, .words = "dump"};

    if (!is_root())
        return;
    stranger.target = fork_nobody(false);
    try_as_nobody(&stranger);
    /* Root may. */
    begin(_i);
    detach(attach(stranger.target));
    finish();
    end_child(stranger.target);
}

TEST(a_sandbox_without_ptrace_is_told_as_such)
{
    struct stranger stranger = {
        .way = _i, .refuses_ptrace = true, .reason = SDB_REASON_SECURITY, .words = ""};

    if (!is_root())
        return;
    stranger.target = fork_nobody(true);
    try_as_nobody(&stranger);
    end_child(stranger.target);
}

static int write_yama(int scope)
{
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "we");
    int rc = -1;

    if (file) {
        rc = fprintf(file, "%d", scope) > 0 ? 0 : -1;
        if (fclose(file) != 0)
            rc = -1;
    }
    return rc;
}

TEST(yama_is_named_where_it_forbids)
{
    struct stranger stranger = {.way = _i, .reason = SDB_REASON_YAMA, .words = "Yama"};
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    int scope = -1;

    if (!file || !is_root()) {
        (void)printf("no Yama here, or not root: skipped\n");
        if (file)
            (void)fclose(file);
        return;
    }
    ck_assert_int_eq(fscanf(file, "%d", &scope), 1);
    (void)fclose(file);
    /* 1 allows descendants only, which this target is not of the stranger. */
    if (scope == 0 && write_yama(1) < 0)
        return;
    stranger.target = fork_nobody(true);
    try_as_nobody(&stranger);
    end_child(stranger.target);
    if (scope == 0)
        ck_assert_int_eq(write_yama(0), 0);
}

/* The kernels of most machines that build this have no Yama; so the refusal is a sandbox's. */
TEST(yama_is_named_where_its_setting_says_so)
{
    struct stranger stranger = {.way = _i,
                                .refuses_ptrace = true,
                                .pretends_yama = true,
                                .reason = SDB_REASON_YAMA,
                                .words = "Yama"};

    if (!is_root())
        return;
    stranger.target = fork_nobody(true);
    try_as_nobody(&stranger);
    end_child(stranger.target);
}

int main(void)
{
    return run_suite("session_refusals");
}
