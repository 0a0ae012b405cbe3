/* SPDX-License-Identifier: MIT */
/*
 * Facts of processes: arguments and environment.
 */
#include <sdb/facts.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host.h"
#include "subject.h"
#include "trial.h"

static struct sdb_facts_strings *arguments_of(int pid)
{
    struct sdb_facts_strings *arguments = NULL;

    ck_assert_int_eq(sdb_facts_read_arguments(pid, &arguments), 0);
    ck_assert_uint_eq(arguments->size, sizeof(*arguments));
    ck_assert_ptr_null(arguments->list[arguments->count]);
    return arguments;
}

static struct sdb_facts_strings *environment_of(int pid)
{
    struct sdb_facts_strings *environment = NULL;

    ck_assert_int_eq(sdb_facts_read_environment(pid, &environment), 0);
    ck_assert_ptr_null(environment->list[environment->count]);
    return environment;
}

static void expect_strings(const struct sdb_facts_strings *strings, const char *const *expected)
{
    size_t count = 0;

    for (; expected[count]; count++) {
        ck_assert_uint_lt(count, strings->count);
        ck_assert_str_eq(strings->list[count], expected[count]);
    }
    ck_assert_uint_eq(strings->count, count);
}

/* Launch it with these arguments, which must be read; end it. */
static void expect_its_arguments(struct subject *subject, const char *const *argv)
{
    struct sdb_facts_strings *arguments;

    subject_launch(subject, argv);
    subject_ready(subject);
    arguments = arguments_of(subject->pid);
    expect_strings(arguments, argv);
    sdb_facts_free(arguments);
    subject_end(subject);
}

SUBJECT_CASE(arguments);

TEST(arguments_are_those_that_were_given)
{
    const char *argv[] = {"a name of its own", "wait", "", "",  "with\nnewline", " ", "\\012",
                          "\xff\xfe\x01",      "=",    "", NULL};
    struct subject subject = subject_of(NULL);

    expect_its_arguments(&subject, argv);
}

static int input[2];
static int output[2];

static void execute_without_arguments(void)
{
    char *nothing[] = {NULL};

    (void)dup2(input[0], STDIN_FILENO);
    (void)dup2(output[1], STDOUT_FILENO);
    (void)execve(SUBJECT, nothing, nothing);
    _exit(1);
}

TEST(no_arguments_at_all_are_one_empty_one)
{
    const char *empty[] = {"", NULL};
    struct sdb_facts_strings *arguments;
    char byte = 0;
    int pid;

    if (!host_kernel_is(5, 18)) /* which gives it that one */
        return;
    ck_assert_int_eq(pipe2(input, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    pid = subject_fork(execute_without_arguments);
    close(output[1]);
    ck_assert_int_eq(read(output[0], &byte, 1), 1);
    arguments = arguments_of(pid);
    expect_strings(arguments, empty);
    sdb_facts_free(arguments);
    close(output[0]);
    close(input[0]);
    close(input[1]);
    subject_reap(pid);
}

#define LONG_STRINGS 32
#define LONG_LENGTH  ((size_t)70000)

TEST(two_megabytes_of_arguments_are_read_whole)
{
    static char texts[LONG_STRINGS][LONG_LENGTH];
    const char *argv[LONG_STRINGS + 2] = {"subject"};
    const struct sdb_rlimit stack = {
        .resource = RLIMIT_STACK, .soft = 64u << 20, .hard = UINT64_MAX};
    const struct sdb_rlimit soft = {.resource = RLIMIT_STACK, .soft = 64u << 20, .hard = 64u << 20};
    struct subject subject = subject_of(NULL);
    struct rlimit limit;

    if (host_on_valgrind()) /* which keeps the limit from the kernel */
        return;
    ck_assert_int_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    subject.options.rlimits = limit.rlim_max == RLIM_INFINITY ? &stack : &soft;
    subject.options.rlimit_count = 1;
    for (size_t i = 0; i < LONG_STRINGS; i++) {
        memset(texts[i], 'a' + (int)(i % 26), LONG_LENGTH - 1 - i);
        argv[i + 1] = texts[i];
    }
    expect_its_arguments(&subject, argv);
}

/* The kernel shows what was written over the arguments as one string, up to its end. */
TEST(a_title_that_reaches_into_the_environment_is_one_string)
{
    static char filler[601];
    static char title[301];
    const char *argv[] = {"subject", "title", "300", NULL};
    const char *envp[] = {filler, "LAST=untouched", NULL};
    struct subject subject = subject_of(NULL);
    struct sdb_facts_strings *strings;

    memset(filler, 'f', sizeof(filler) - 1);
    memset(title, 'T', sizeof(title) - 1);
    subject.options.envp = envp;
    subject_launch(&subject, argv);
    subject_ready(&subject);

    strings = arguments_of(subject.pid);
    ck_assert_uint_eq(strings->count, 1);
    ck_assert_str_eq(strings->list[0], title);
    sdb_facts_free(strings);

    /* The end of the title, the rest of the filler, and what was not reached. */
    strings = environment_of(subject.pid);
    ck_assert_uint_eq(strings->count, 3);
    ck_assert_uint_eq(strspn(strings->list[0], "T"), strlen(strings->list[0]));
    ck_assert_uint_eq(strspn(strings->list[1], "f"), strlen(strings->list[1]));
    ck_assert_uint_eq(strlen(strings->list[0]) + 1 + strlen(strings->list[1]), sizeof(filler) - 1);
    ck_assert_str_eq(sdb_facts_find_variable(strings, "LAST"), "untouched");
    sdb_facts_free(strings);
    subject_end(&subject);
}

TEST(a_short_title_leaves_empty_arguments)
{
    struct subject subject = subject_start("short", "idle: 4711");
    struct sdb_facts_strings *arguments = arguments_of(subject.pid);

    ck_assert_str_eq(arguments->list[0], "idle: 4711");
    ck_assert_uint_gt(arguments->count, 1);
    for (size_t i = 1; i < arguments->count; i++)
        ck_assert_str_eq(arguments->list[i], "");
    sdb_facts_free(arguments);
    subject_end(&subject);
}

TEST(arguments_without_end_are_refused)
{
    struct sdb_facts_strings *arguments = NULL;
    struct subject subject = subject_start("huge", NULL);

    ck_assert_int_eq(sdb_facts_read_arguments(subject.pid, &arguments), -EFBIG);
    ck_assert_ptr_null(arguments);
    subject_end(&subject);
}

TEST(arguments_that_were_taken_away_are_none)
{
    struct subject subject = subject_start("none", NULL);
    struct sdb_facts_strings *arguments = arguments_of(subject.pid);

    ck_assert_uint_eq(arguments->count, 0);
    sdb_facts_free(arguments);
    subject_end(&subject);
}

/* sdb_launch() returns when the kernel has only begun to make the new memory. */
TEST(what_was_just_launched_has_all_of_it)
{
    const char *argv[] = {"subject", "first", "second", NULL};
    const char *envp[] = {"A=1", "B=2", NULL};

    for (int i = 0; i < 200; i++) {
        struct subject subject = subject_of(NULL);
        struct sdb_facts_strings *strings;
        struct sdb_facts_auxv *auxv;

        subject.options.envp = envp;
        subject_launch(&subject, argv);
        if (i % 3 == 0) {
            ck_assert_int_eq(sdb_facts_read_auxv(subject.pid, &auxv), 0);
            ck_assert_uint_gt(auxv->count, 10);
            sdb_facts_free(auxv);
        }
        if (i % 3 <= 1) {
            strings = environment_of(subject.pid);
            expect_strings(strings, envp);
            sdb_facts_free(strings);
        }
        strings = arguments_of(subject.pid);
        expect_strings(strings, argv);
        sdb_facts_free(strings);
        subject_ready(&subject);
        subject_end(&subject);
    }
}

TEST(the_own_arguments_are_the_own)
{
    struct sdb_facts_strings *arguments = arguments_of(getpid());

    ck_assert_uint_ge(arguments->count, 1);
    ck_assert_str_eq(arguments->list[0], program_invocation_name);
    sdb_facts_free(arguments);
}

TEST(the_arguments_of_a_script_are_its_interpreters)
{
    static const char script[] = "#!" SUBJECT " wait\n";
    const char *argv[] = {"given", "more", NULL};
    struct subject subject = subject_of(trial_path("script"));
    struct sdb_facts_strings *arguments;
    const char *expected[] = {SUBJECT, "wait", subject.options.path, "more", NULL};

    trial_write_file("script", script, sizeof(script) - 1, 0700);
    subject_launch(&subject, argv);
    subject_ready(&subject);
    arguments = arguments_of(subject.pid);
    expect_strings(arguments, expected);
    sdb_facts_free(arguments);
    subject_end(&subject);
}

SUBJECT_CASE(environment);

static struct subject start_with_environment(const char *const *envp)
{
    const char *argv[] = {"subject", NULL};
    struct subject subject = subject_of(NULL);

    subject.options.envp = envp;
    subject_launch(&subject, argv);
    subject_ready(&subject);
    return subject;
}

TEST(the_environment_is_the_one_that_was_given)
{
    const char *envp[] = {"A=1",       "",    "no value", "B=with\nnewline=and=more",
                          "\xff\xfe=", "A=2", "LONGER=3", NULL};
    struct subject subject = start_with_environment(envp);
    struct sdb_facts_strings *environment = environment_of(subject.pid);

    expect_strings(environment, envp);
    ck_assert_str_eq(sdb_facts_find_variable(environment, "A"), "1");
    ck_assert_str_eq(sdb_facts_find_variable(environment, "B"), "with\nnewline=and=more");
    ck_assert_str_eq(sdb_facts_find_variable(environment, "\xff\xfe"), "");
    ck_assert_ptr_null(sdb_facts_find_variable(environment, "LONG"));
    ck_assert_ptr_null(sdb_facts_find_variable(environment, "no value"));
    ck_assert_ptr_null(sdb_facts_find_variable(environment, ""));
    ck_assert_ptr_null(sdb_facts_find_variable(environment, NULL));
    sdb_facts_free(environment);
    subject_end(&subject);
}

TEST(an_empty_environment_is_empty)
{
    const char *envp[] = {NULL};
    struct subject subject = start_with_environment(envp);
    struct sdb_facts_strings *environment = environment_of(subject.pid);

    ck_assert_uint_eq(environment->count, 0);
    sdb_facts_free(environment);
    subject_end(&subject);
}

TEST(the_own_environment_is_the_one_of_the_start)
{
    struct sdb_facts_strings *environment = environment_of(getpid());

    ck_assert_int_eq(setenv("FACTS_SET_LATER", "1", 1), 0);
    ck_assert_str_eq(sdb_facts_find_variable(environment, "PATH"), getenv("PATH"));
    sdb_facts_free(environment);
    environment = environment_of(getpid());
    ck_assert_ptr_null(sdb_facts_find_variable(environment, "FACTS_SET_LATER"));
    sdb_facts_free(environment);
}

int main(void)
{
    return trial_run_suite("facts_strings");
}
