/* SPDX-License-Identifier: MIT */
/*
 * Facts of processes: status.
 */
#include <sdb/facts.h>

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "subject.h"
#include "trial.h"

#define FUZZ_ROUNDS 1000

SUBJECT_CASE(status);

TEST(the_own_status_is_what_system_calls_say)
{
    struct sdb_facts_status status = read_status(getpid());

    ck_assert_int_eq(status.pid, getpid());
    ck_assert_int_eq(status.parent, getppid());
    ck_assert_int_eq(status.tracer, 0);
    ck_assert_uint_eq(status.state, SDB_FACTS_RUNNING);
    ck_assert_uint_eq(status.flags, 0);
    ck_assert_uint_eq(status.thread_count, 1);
    ck_assert_uint_eq(status.uid, getuid());
    ck_assert_uint_eq(status.effective_uid, geteuid());
    ck_assert_uint_eq(status.gid, getgid());
    ck_assert_uint_eq(status.effective_gid, getegid());
    ck_assert_uint_eq(status.reserved, 0);
}

TEST(every_kind_of_name_is_told_as_it_is)
{
    for (size_t i = 0; i < SUBJECT_NAMES; i++) {
        ck_assert_int_eq(prctl(PR_SET_NAME, subject_names[i]), 0);
        ck_assert_str_eq(read_status(getpid()).name, subject_names[i]);
        ck_assert_uint_eq(read_status(getpid()).state, SDB_FACTS_RUNNING);
        ck_assert_int_eq(read_status(getpid()).parent, getppid());
    }
}

TEST(any_bytes_make_a_name)
{
    unsigned seed = 4711;

    for (int i = 0; i < FUZZ_ROUNDS; i++) {
        char name[16] = {0};

        for (size_t at = 0; at < sizeof(name) - 1; at++) {
            /* Those that mean something more often than the others. */
            static const char special[] = "\n\\)( \t:nN012";
            int byte = rand_r(&seed) % 256;

            name[at] = (char)(byte < 128 ? special[byte % (int)sizeof(special)] : byte);
        }
        ck_assert_int_eq(prctl(PR_SET_NAME, name), 0);
        ck_assert_str_eq(read_status(getpid()).name, name);
        ck_assert_int_eq(read_status(getpid()).parent, getppid());
    }
}

TEST(a_later_process_has_a_later_start)
{
    struct timespec now;
    int pid = subject_fork(NULL);
    uint64_t start = read_status(pid).start_time_ms;

    clock_gettime(CLOCK_BOOTTIME, &now);
    ck_assert_uint_ge(start, read_status(getpid()).start_time_ms);
    /* In hundredths of a second; within a minute, which is as long as a test may take. */
    ck_assert_uint_eq(start % 10, 0);
    ck_assert_uint_le(start, (uint64_t)now.tv_sec * 1000 + 1000);
    ck_assert_uint_ge(start + 60000, (uint64_t)now.tv_sec * 1000);
    subject_reap(pid);
}

TEST(a_start_is_told_whatever_the_name)
{
    uint64_t start = read_status(getpid()).start_time_ms;

    for (size_t i = 0; i < SUBJECT_NAMES; i++) {
        ck_assert_int_eq(prctl(PR_SET_NAME, subject_names[i]), 0);
        ck_assert_uint_eq(read_status(getpid()).start_time_ms, start);
    }
}

TEST(a_sleeping_a_stopped_and_an_ended_process)
{
    int pid = subject_fork(NULL);

    ck_assert(host_wait_asleep(pid));
    ck_assert_uint_eq(read_status(pid).state, SDB_FACTS_SLEEPING);
    ck_assert_int_eq(read_status(pid).parent, getpid());

    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
    ck_assert_uint_eq(read_status(pid).state, SDB_FACTS_STOPPED);

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    subject_wait_zombie(pid);
    ck_assert_uint_eq(read_status(pid).state, SDB_FACTS_ZOMBIE);
    ck_assert_uint_eq(read_status(pid).flags, 0);
    subject_reap(pid);
}

TEST(a_traced_process_tells_by_whom)
{
    int pid = subject_fork(NULL);
    int stop;

    ck_assert_int_eq(read_status(pid).tracer, 0);
    ck_assert_int_eq(ptrace(PTRACE_SEIZE, pid, 0, 0), 0);
    ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, pid, 0, 0), 0);
    ck_assert_int_eq(waitpid(pid, &stop, 0), pid);
    ck_assert_int_eq(read_status(pid).tracer, (int)syscall(SYS_gettid));
    ck_assert_uint_eq(read_status(pid).state, SDB_FACTS_TRACED);
    ck_assert_int_eq(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
    ck_assert_int_eq(read_status(pid).tracer, 0);
    subject_reap(pid);
}

/* The status of a child from when it calls itself so. */
static struct sdb_facts_status await_name(int pid, const char *name)
{
    struct sdb_facts_status status;

    do {
        status = read_status(pid);
    } while (strcmp(status.name, name) != 0);
    return status;
}

static void be_somebody(void)
{
    if (setresgid(1201, 1202, 1203) < 0 || setresuid(1101, 1102, 1103) < 0)
        _exit(1);
    (void)prctl(PR_SET_NAME, "somebody");
}

TEST(real_and_effective_ids_are_told_apart)
{
    struct sdb_facts_status status;
    int pid;

    if (!trial_is_root())
        return;
    pid = subject_fork(be_somebody);
    status = await_name(pid, "somebody");
    ck_assert_uint_eq(status.uid, 1101);
    ck_assert_uint_eq(status.effective_uid, 1102);
    ck_assert_uint_eq(status.gid, 1201);
    ck_assert_uint_eq(status.effective_gid, 1202);
    subject_reap(pid);
}

static void have_many_groups(void)
{
    static gid_t groups[60000];

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        groups[i] = (gid_t)(4000000000u + i);
    if (setgroups(sizeof(groups) / sizeof(groups[0]), groups) < 0)
        _exit(1);
    (void)prctl(PR_SET_NAME, "many groups");
}

/* They stand in the middle of the file, and what came behind them was once not seen. */
TEST(sixty_thousand_groups_hide_nothing)
{
    struct sdb_facts_status status;
    struct sdb_facts_maps *maps;
    int pid;

    if (!trial_is_root())
        return;
    pid = subject_fork(have_many_groups);
    status = await_name(pid, "many groups");
    ck_assert_uint_eq(status.thread_count, 1);
    ck_assert_uint_eq(status.flags, 0);
    ck_assert_int_eq(sdb_facts_read_maps(pid, &maps), 0);
    sdb_facts_free(maps);
    subject_reap(pid);
}

/* Visible in the first pid namespace only. */
static bool has_kernel_thread(void)
{
    struct sdb_facts_status status = SDB_FACTS_STATUS_INIT;

    if (sdb_facts_read_status(2, &status) == 0 && strcmp(status.name, "kthreadd") == 0)
        return true;
    printf("no kernel thread is visible: none is tested\n");
    return false;
}

TEST(a_kernel_thread_is_known_as_one_and_has_nothing)
{
    struct sdb_facts_strings *strings;
    struct sdb_facts_file *file = NULL;
    struct sdb_facts_threads *threads;
    struct sdb_facts_maps *maps;
    struct sdb_facts_auxv *auxv;

    if (!has_kernel_thread())
        return;
    ck_assert_uint_eq(read_status(2).flags, SDB_FACTS_KERNEL_THREAD);
    ck_assert_int_eq(read_status(2).parent, 0);
    threads = read_threads(2);
    ck_assert_uint_eq(threads->count, 1);
    sdb_facts_free(threads);

    ck_assert_int_eq(sdb_facts_read_arguments(2, &strings), 0);
    ck_assert_uint_eq(strings->count, 0);
    ck_assert_ptr_null(strings->list[0]);
    sdb_facts_free(strings);
    ck_assert_int_eq(sdb_facts_read_environment(2, &strings), 0);
    ck_assert_uint_eq(strings->count, 0);
    sdb_facts_free(strings);
    ck_assert_int_eq(sdb_facts_read_maps(2, &maps), 0);
    ck_assert_uint_eq(maps->count, 0);
    ck_assert_ptr_null(sdb_facts_find_map(maps, 4096));
    sdb_facts_free(maps);
    ck_assert_int_eq(sdb_facts_read_auxv(2, &auxv), 0);
    ck_assert_uint_eq(auxv->count, 0);
    sdb_facts_free(auxv);
    ck_assert_int_eq(sdb_facts_read_executable(2, &file), -ENOENT);
    ck_assert_ptr_null(file);
}

SUBJECT_CASE(nobody);

static void expect_nothing_of_memory(int pid, int code)
{
    struct sdb_facts_strings *strings = NULL;
    struct sdb_facts_file *file = NULL;
    struct sdb_facts_maps *maps = NULL;
    struct sdb_facts_auxv *auxv = NULL;

    ck_assert_int_eq(sdb_facts_read_arguments(pid, &strings), code);
    ck_assert_int_eq(sdb_facts_read_environment(pid, &strings), code);
    ck_assert_ptr_null(strings);
    ck_assert_int_eq(sdb_facts_read_executable(pid, &file), code);
    ck_assert_ptr_null(file);
    ck_assert_int_eq(sdb_facts_read_maps(pid, &maps), code);
    ck_assert_ptr_null(maps);
    ck_assert_int_eq(sdb_facts_read_auxv(pid, &auxv), code);
    ck_assert_ptr_null(auxv);
}

TEST(who_has_ended_has_no_memory)
{
    struct sdb_facts_status status = SDB_FACTS_STATUS_INIT;
    const struct sdb_facts_status untouched = status;
    struct sdb_facts_threads *threads;
    int pid = subject_fork(NULL);

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    subject_wait_zombie(pid);
    expect_nothing_of_memory(pid, -ESRCH);
    threads = read_threads(pid);
    ck_assert_uint_eq(threads->count, 1);
    sdb_facts_free(threads);
    threads = NULL;
    subject_reap(pid);

    expect_nothing_of_memory(pid, -ESRCH);
    ck_assert_int_eq(sdb_facts_read_threads(pid, &threads), -ESRCH);
    ck_assert_ptr_null(threads);
    ck_assert_int_eq(sdb_facts_read_status(pid, &status), -ESRCH);
    ck_assert_mem_eq(&status, &untouched, sizeof(status));
}

TEST(what_cannot_be_right_is_refused)
{
    const int pids[] = {0, -1, INT32_MIN};
    struct sdb_facts_status status = SDB_FACTS_STATUS_INIT;
    struct sdb_facts_threads *threads = NULL;
    uint64_t value;

    for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
        ck_assert_int_eq(sdb_facts_read_status(pids[i], &status), -EINVAL);
        ck_assert_int_eq(sdb_facts_read_threads(pids[i], &threads), -EINVAL);
        expect_nothing_of_memory(pids[i], -EINVAL);
    }
    ck_assert_int_eq(sdb_facts_read_status(getpid(), NULL), -EINVAL);
    ck_assert_int_eq(sdb_facts_read_threads(getpid(), NULL), -EINVAL);
    ck_assert_int_eq(sdb_facts_read_arguments(getpid(), NULL), -EINVAL);
    ck_assert_int_eq(sdb_facts_read_environment(getpid(), NULL), -EINVAL);
    ck_assert_int_eq(sdb_facts_read_executable(getpid(), NULL), -EINVAL);
    ck_assert_int_eq(sdb_facts_read_maps(getpid(), NULL), -EINVAL);
    ck_assert_int_eq(sdb_facts_read_auxv(getpid(), NULL), -EINVAL);
    ck_assert_int_eq(sdb_facts_find_auxv(NULL, 1, &value), -EINVAL);
    ck_assert_ptr_null(sdb_facts_find_map(NULL, 1));
    ck_assert_ptr_null(sdb_facts_find_variable(NULL, "PATH"));
    sdb_facts_free(NULL);
    expect_nothing_of_memory(INT32_MAX, -ESRCH);
}

TEST(a_status_of_another_version_is_filled_as_far_as_it_is_known)
{
    struct {
        struct sdb_facts_status known;
        uint64_t newer[2];
    } status = {.known = SDB_FACTS_STATUS_INIT};

    status.known.size = sizeof(status);
    ck_assert_int_eq(sdb_facts_read_status(getpid(), &status.known), 0);
    ck_assert_int_eq(status.known.pid, getpid());
    ck_assert_uint_eq(status.known.size, sizeof(status));
    ck_assert_uint_eq(status.newer[0], 0);
    status.newer[1] = 1;
    ck_assert_int_eq(sdb_facts_read_status(getpid(), &status.known), -E2BIG);
    status.known.size = sizeof(status.known) - 1;
    ck_assert_int_eq(sdb_facts_read_status(getpid(), &status.known), -EINVAL);
    status.known.size = 0;
    ck_assert_int_eq(sdb_facts_read_status(getpid(), &status.known), -EINVAL);
}

int main(void)
{
    return trial_run_suite("facts");
}
