/* SPDX-License-Identifier: MIT */
/*
 * Facts of processes: their threads, also while others come and go.
 */
#include <sdb/facts.h>

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "subject.h"
#include "trial.h"

static size_t count_named(const struct sdb_facts_threads *threads, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < threads->count; i++)
        count += strcmp(threads->list[i]->name, name) == 0;
    return count;
}

SUBJECT_CASE(threads);

TEST(threads_have_their_names)
{
    const char *argv[SUBJECT_NAMES + 3] = {"subject", "names"};
    struct subject subject = subject_of(NULL);
    struct sdb_facts_threads *threads;

    memcpy(argv + 2, subject_names, sizeof(subject_names));
    subject_launch(&subject, argv);
    subject_ready(&subject);
    threads = read_threads(subject.pid);
    ck_assert_uint_eq(threads->count, SUBJECT_NAMES + 1);
    ck_assert_uint_eq(count_named(threads, "subject"), 1);
    for (size_t i = 0; i < SUBJECT_NAMES; i++)
        ck_assert_msg(count_named(threads, subject_names[i]) == 1, "\"%s\" is missing",
                      subject_names[i]);
    for (size_t i = 0; i < threads->count; i++) {
        struct sdb_facts_status status = read_status(threads->list[i]->tid);

        ck_assert_int_eq(status.pid, subject.pid);
        ck_assert_str_eq(status.name, threads->list[i]->name);
        ck_assert_uint_eq(status.thread_count, SUBJECT_NAMES + 1);
        ck_assert_int_eq(status.parent, getpid());
    }
    sdb_facts_free(threads);
    subject_end(&subject);
}

TEST(any_thread_stands_for_its_process)
{
    const char *argv[] = {"subject", "names", "other", NULL};
    struct subject subject = subject_of(NULL);
    struct sdb_facts_strings *arguments;
    struct sdb_facts_threads *threads;
    struct sdb_facts_threads *again;
    int other;

    subject_launch(&subject, argv);
    subject_ready(&subject);
    threads = read_threads(subject.pid);
    ck_assert_uint_eq(threads->count, 2);
    other = threads->list[threads->list[0]->tid == subject.pid]->tid;
    ck_assert_str_eq(read_status(other).name, "other");
    ck_assert_int_eq(sdb_facts_read_threads(other, &again), 0);
    ck_assert_uint_eq(again->count, 2);
    ck_assert_int_eq(sdb_facts_read_arguments(other, &arguments), 0);
    ck_assert_uint_eq(arguments->count, 3);
    sdb_facts_free(arguments);
    sdb_facts_free(again);
    sdb_facts_free(threads);
    subject_end(&subject);
}

/* When a thread ends while they are listed, the kernel passes others over. */
TEST(threads_that_stay_are_listed_while_others_come_and_go)
{
    struct subject subject = subject_start("storm", "40");

    for (int i = 0; i < 300; i++) {
        struct sdb_facts_threads *threads = read_threads(subject.pid);

        ck_assert_uint_eq(count_named(threads, "stays"), 40);
        sdb_facts_free(threads);
    }
    subject_kill(&subject);
}

/* The kernel once passed over those that stay when those before them ended. */
TEST(threads_that_stay_are_listed_while_those_before_them_end)
{
    for (int i = 0; i < 12; i++) {
        struct subject subject = subject_start("leaves", "400");
        size_t count = SIZE_MAX;

        for (int look = 0; look < 10 && count > 41; look++) {
            struct sdb_facts_threads *threads = read_threads(subject.pid);

            count = threads->count;
            ck_assert_uint_eq(count_named(threads, "stays"), 40);
            sdb_facts_free(threads);
        }
        subject_end(&subject);
    }
}

TEST(a_first_thread_that_has_ended_does_not_hide_the_others)
{
    struct subject subject = subject_start("leader", NULL);
    struct sdb_facts_strings *strings;
    struct sdb_facts_threads *threads;
    struct sdb_facts_file *file;
    struct sdb_facts_maps *maps;
    struct sdb_facts_auxv *auxv;

    subject_wait_state(subject.pid, SDB_FACTS_ZOMBIE);
    ck_assert_uint_eq(read_status(subject.pid).thread_count, 2);
    threads = read_threads(subject.pid);
    ck_assert_uint_eq(threads->count, 2);
    sdb_facts_free(threads);

    ck_assert_int_eq(sdb_facts_read_arguments(subject.pid, &strings), 0);
    ck_assert_uint_eq(strings->count, 2);
    ck_assert_str_eq(strings->list[1], "leader");
    sdb_facts_free(strings);
    ck_assert_int_eq(sdb_facts_read_environment(subject.pid, &strings), 0);
    ck_assert_str_eq(sdb_facts_find_variable(strings, "PATH"), getenv("PATH"));
    sdb_facts_free(strings);
    ck_assert_int_eq(sdb_facts_read_maps(subject.pid, &maps), 0);
    ck_assert_uint_gt(maps->count, 5);
    sdb_facts_free(maps);
    ck_assert_int_eq(sdb_facts_read_auxv(subject.pid, &auxv), 0);
    ck_assert_uint_gt(auxv->count, 10);
    sdb_facts_free(auxv);
    ck_assert_int_eq(sdb_facts_read_executable(subject.pid, &file), 0);
    ck_assert_ptr_nonnull(strstr(file->path, "/subject"));
    sdb_facts_free(file);
    subject_end(&subject);
}

int main(void)
{
    return trial_run_suite("facts_threads");
}
