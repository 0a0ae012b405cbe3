/* SPDX-License-Identifier: MIT */
/*
 * Facts of processes that may not be known, or cannot: other users' processes, a /proc that hides
 * them, none at all, descriptors used up.
 */
#include <sdb/facts.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "subject.h"
#include "trial.h"

#define NOBODY 65534

/* What each function says of a process. */
struct answers {
    int status;
    int threads;
    int arguments;
    int environment;
    int executable;
    int maps;
    int auxv;
};

static const struct answers all_is_well;

static struct answers ask(int pid)
{
    struct sdb_facts_status status = SDB_FACTS_STATUS_INIT;
    struct sdb_facts_strings *arguments = NULL;
    struct sdb_facts_strings *environment = NULL;
    struct sdb_facts_threads *threads = NULL;
    struct sdb_facts_file *executable = NULL;
    struct sdb_facts_maps *maps = NULL;
    struct sdb_facts_auxv *auxv = NULL;
    struct answers answers = {
        .status = sdb_facts_read_status(pid, &status),
        .threads = sdb_facts_read_threads(pid, &threads),
        .arguments = sdb_facts_read_arguments(pid, &arguments),
        .environment = sdb_facts_read_environment(pid, &environment),
        .executable = sdb_facts_read_executable(pid, &executable),
        .maps = sdb_facts_read_maps(pid, &maps),
        .auxv = sdb_facts_read_auxv(pid, &auxv),
    };

    sdb_facts_free(arguments);
    sdb_facts_free(environment);
    sdb_facts_free(threads);
    sdb_facts_free(executable);
    sdb_facts_free(maps);
    sdb_facts_free(auxv);
    return answers;
}

static struct answers all_say(int code)
{
    return (struct answers){code, code, code, code, code, code, code};
}

static void expect_answers(int pid, struct answers expected)
{
    struct answers answers = ask(pid);

    ck_assert_int_eq(answers.status, expected.status);
    ck_assert_int_eq(answers.threads, expected.threads);
    ck_assert_int_eq(answers.arguments, expected.arguments);
    ck_assert_int_eq(answers.environment, expected.environment);
    ck_assert_int_eq(answers.executable, expected.executable);
    ck_assert_int_eq(answers.maps, expected.maps);
    ck_assert_int_eq(answers.auxv, expected.auxv);
}

/* Of a process that one sees, but does not own. */
static struct answers only_what_is_for_all(void)
{
    struct answers answers = all_say(-EACCES);

    answers.status = answers.threads = answers.arguments = 0;
    return answers;
}

static void become_nobody(void)
{
    ck_assert_int_eq(setgid(NOBODY), 0);
    ck_assert_int_eq(setuid(NOBODY), 0);
}

SUBJECT_CASE(users);

static void look_as_nobody(void *pid)
{
    become_nobody();
    expect_answers(*(const int *)pid, only_what_is_for_all());
}

TEST(another_user_sees_what_is_for_all)
{
    struct subject subject;

    if (!trial_is_root())
        return;
    subject = subject_start("wait", NULL);
    expect_answers(subject.pid, all_is_well);
    trial_in_fork(look_as_nobody, &subject.pid);
    subject_end(&subject);
}

/* Its files are root's then, though it is the same user's. */
static void become_undumpable(void)
{
    if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        _exit(1);
    (void)prctl(PR_SET_NAME, "undumpable");
}

TEST(an_undumpable_process_is_like_another_users)
{
    struct sdb_facts_status status = SDB_FACTS_STATUS_INIT;
    int pid;

    if (!trial_is_root())
        return;
    pid = subject_fork(become_undumpable);
    do {
        ck_assert_int_eq(sdb_facts_read_status(pid, &status), 0);
    } while (strcmp(status.name, "undumpable") != 0);
    trial_in_fork(look_as_nobody, &pid);
    expect_answers(pid, all_is_well);
    subject_reap(pid);
}

static void look_at_a_zombie_as_nobody(void *pid)
{
    struct answers answers = all_say(-ESRCH);

    answers.status = answers.threads = 0;
    become_nobody();
    expect_answers(*(const int *)pid, answers);
}

/* The kernel refuses what there is no more; that once was told as a lack of permission. */
TEST(who_has_ended_is_not_forbidden)
{
    int pid;

    if (!trial_is_root())
        return;
    pid = subject_fork(NULL);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    subject_wait_zombie(pid);
    trial_in_fork(look_at_a_zombie_as_nobody, &pid);
    subject_reap(pid);
}

SUBJECT_CASE(procs);

/* Another /proc in a mount namespace of this process's own.  @return whether that could be had */
static bool mount_over_proc(const char *type, const char *options)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(type, "/proc", type, 0, options) < 0) {
        printf("%s cannot be mounted: it is not tested\n", type);
        return false;
    }
    return true;
}

/* Look at a process in a fork of a test that is run by root. */
static void look_as_root(void (*look)(void *pid))
{
    struct subject subject;

    if (!trial_is_root())
        return;
    subject = subject_start("wait", NULL);
    trial_in_fork(look, &subject.pid);
    subject_end(&subject);
}

static void look_where_others_are_hidden(void *data)
{
    const int *pids = data;

    if (!mount_over_proc("proc", "hidepid=2"))
        return;
    expect_answers(pids[0], all_is_well);
    become_nobody();
    expect_answers(pids[0], all_say(-EACCES));
    expect_answers(pids[1], all_say(-ESRCH));
}

TEST(a_hidden_process_is_not_gone)
{
    struct subject subject;
    int pids[2];

    if (!trial_is_root())
        return;
    subject = subject_start("wait", NULL);
    pids[0] = subject.pid;
    pids[1] = subject_gone();
    trial_in_fork(look_where_others_are_hidden, pids);
    subject_end(&subject);
}

static void look_where_others_are_closed(void *pid)
{
    if (!mount_over_proc("proc", "hidepid=1"))
        return;
    become_nobody();
    expect_answers(*(const int *)pid, all_say(-EACCES));
}

TEST(a_closed_process_is_not_gone)
{
    look_as_root(look_where_others_are_closed);
}

static void look_without_proc(void *pid)
{
    if (!mount_over_proc("tmpfs", NULL))
        return;
    expect_answers(*(const int *)pid, all_say(-ENOSYS));
    if (!host_on_valgrind()) /* which makes up its arguments */
        expect_answers(getpid(), all_say(-ENOSYS));
}

TEST(no_proc_is_told_as_such)
{
    look_as_root(look_without_proc);
}

static void look_from_an_empty_root(void *pid)
{
    ck_assert_int_eq(chroot(trial_path("empty")), 0);
    expect_answers(*(const int *)pid, all_say(-ENOSYS));
}

TEST(a_root_directory_without_proc_is_like_none)
{
    ck_assert_int_eq(mkdir("empty", 0755), 0);
    look_as_root(look_from_an_empty_root);
}

static void look_into_another_namespace(void *data)
{
    const char *argv[] = {"subject", NULL};
    struct subject subject = subject_of(trial_path("under/program (deleted)"));
    struct sdb_facts_file *executable;
    int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

    (void)data;
    ck_assert_int_ge(own, 0);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "under", "tmpfs", 0, NULL) < 0) {
        printf("tmpfs cannot be mounted: it is not tested\n");
        return;
    }
    /* The program lies in a file system that only this namespace has. */
    subject_copy("under/program (deleted)");
    subject_launch(&subject, argv);
    subject_ready(&subject);
    ck_assert_int_eq(setns(own, CLONE_NEWNS), 0);
    ck_assert_int_lt(access(subject.options.path, F_OK), 0);
    ck_assert_int_eq(sdb_facts_read_executable(subject.pid, &executable), 0);
    ck_assert_uint_eq(executable->flags, 0);
    ck_assert_ptr_nonnull(strstr(executable->path, "/program (deleted)"));
    sdb_facts_free(executable);
    subject_end(&subject);
    close(own);
}

TEST(a_file_of_another_mount_namespace_is_not_taken_for_deleted)
{
    if (!trial_is_root())
        return;
    ck_assert_int_eq(mkdir("under", 0755), 0);
    trial_in_fork(look_into_another_namespace, NULL);
}

SUBJECT_CASE(descriptors);

#define DESCRIPTORS 64

static void look_without_descriptors(void *pid)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = DESCRIPTORS;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (dup(0) >= 0)
        ;
    ck_assert_int_eq(errno, EMFILE);

    expect_answers(*(const int *)pid, all_say(-EMFILE));
    close(DESCRIPTORS - 1);
    ck_assert_int_eq(ask(*(const int *)pid).status, -EMFILE);
    close(DESCRIPTORS - 2); /* a directory, and a file in it */
    expect_answers(*(const int *)pid, all_is_well);
}

TEST(descriptors_used_up_are_told)
{
    struct subject subject = subject_start("wait", NULL);

    trial_in_fork(look_without_descriptors, &subject.pid);
    subject_end(&subject);
}

static void look_with_stdio_closed(void *pid)
{
    struct host_stdio stdio;

    host_close_stdio(7, &stdio);
    expect_answers(*(const int *)pid, all_is_well);
    host_restore_stdio(&stdio);
}

TEST(closed_standard_descriptors_stay_closed)
{
    struct subject subject = subject_start("wait", NULL);

    trial_in_fork(look_with_stdio_closed, &subject.pid);
    subject_end(&subject);
}

TEST(signals_do_not_get_in_the_way)
{
    struct subject subject = subject_start("wait", NULL);
    struct host_storm storm;

    host_storm_begin(&storm);
    for (int i = 0; i < 300; i++)
        expect_answers(subject.pid, all_is_well);
    (void)host_storm_end(&storm);
    subject_end(&subject);
}

int main(void)
{
    return trial_run_suite("facts_denied");
}
