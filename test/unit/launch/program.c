/* SPDX-License-Identifier: MIT */
/*
 * Launching: which program is executed, with what arguments and environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trial.h"

TRIAL_CASE(programs);

TEST(path_is_executed_with_argv)
{
    struct trial trial = trial_of_state(_i);

    trial.argv[0] = "another name";
    trial.argv[3] = "third";
    trial.argv[4] = "";
    trial_tells(&trial);
    expect_told("exe %s", REPORT);
    expect_told("execfn %s", REPORT);
    expect_told("argc 5");
    expect_told("argv 0 another name");
    expect_told("argv 1 state");
    expect_told("argv 3 third");
    expect_told("argv 4 ");
}

TEST(without_argv_the_path_is_the_only_argument)
{
    struct trial trial = trial_of_state(_i);
    char variable[600];
    const char *env[] = {variable, NULL};

    snprintf(variable, sizeof(variable), "REPORT_STATE=%s", trial.argv[2]);
    trial.argv[0] = NULL;
    trial.options.env = env;
    trial_tells(&trial);
    expect_told("argc 1");
    expect_told("argv 0 %s", REPORT);
}

TEST(without_path_the_first_argument_is_executed)
{
    struct trial trial = trial_of_state(_i);

    trial.options.path = NULL;
    trial_tells(&trial);
    expect_told("exe %s", REPORT);
}

TEST(relative_path_is_meant_from_the_new_directory)
{
    struct trial trial = trial_of_state(_i);

    mkdir("inner", 0755);
    trial_copy_report("inner/program", 0755);
    trial.options.path = "./program";
    trial.options.cwd = "inner";
    trial_tells(&trial);
    expect_told("exe %s", trial_path("inner/program"));
    expect_told("cwd %s", trial_path("inner"));
}

TEST(environment_is_the_hosts_by_default)
{
    struct trial trial = trial_of_state(_i);

    setenv("SDB_TEST_VARIABLE", "of the host", 1);
    trial_tells(&trial);
    expect_told("env SDB_TEST_VARIABLE=of the host");
    unsetenv("SDB_TEST_VARIABLE");
}

TEST(envp_replaces_the_environment)
{
    const char *envp[] = {"A=1", "B=two words", "C=", "no equals sign", NULL};
    struct trial trial = trial_of_state(_i);

    trial.options.envp = envp;
    trial_tells(&trial);
    expect_told("env A=1");
    expect_told("env B=two words");
    expect_told("env C=");
    expect_told("env no equals sign");
    ck_assert_int_eq(told_count("env"), 4);
}

TEST(empty_envp_leaves_no_environment)
{
    const char *envp[] = {NULL};
    struct trial trial = trial_of_state(_i);

    trial.options.envp = envp;
    trial_tells(&trial);
    ck_assert_int_eq(told_count("env"), 0);
}

TEST(env_changes_the_environment)
{
    const char *envp[] = {"KEEP=1", "REPLACE=old", "GO=1", "PREFIX=1", "EMPTY=x", NULL};
    const char *env[] = {"REPLACE=new", "GO",      "ADD=a=b", "ABSENT", "PRE=short", "EMPTY=",
                         "TWICE=1",     "TWICE=2", "BRIEF=1", "BRIEF",  NULL};
    struct trial trial = trial_of_state(_i);

    trial.options.envp = envp;
    trial.options.env = env;
    trial_tells(&trial);
    expect_told("env KEEP=1");
    expect_told("env REPLACE=new");
    expect_told("env ADD=a=b");
    expect_told("env PREFIX=1");
    expect_told("env PRE=short");
    expect_told("env EMPTY=");
    expect_told("env TWICE=2");
    ck_assert_int_eq(told_count("env"), 7);
}

TEST(env_changes_the_hosts_environment_for_the_child_only)
{
    const char *env[] = {"SDB_TEST_ONE=child", "SDB_TEST_TWO", NULL};
    struct trial trial = trial_of_state(_i);

    setenv("SDB_TEST_ONE", "host", 1);
    setenv("SDB_TEST_TWO", "host", 1);
    trial.options.env = env;
    trial_tells(&trial);
    expect_told("env SDB_TEST_ONE=child");
    ck_assert(!told("env SDB_TEST_TWO=host"));
    ck_assert_str_eq(getenv("SDB_TEST_ONE"), "host");
    ck_assert_str_eq(getenv("SDB_TEST_TWO"), "host");
    unsetenv("SDB_TEST_ONE");
    unsetenv("SDB_TEST_TWO");
}

/* Only the first of several used to be taken away, and the second showed. */
TEST(variable_that_stands_twice_is_taken_away_twice)
{
    const char *envp[] = {"A=1", "B=1", "A=2", "C=1", "A=3", NULL};
    const char *env[] = {"A", NULL};
    struct trial trial = trial_of_state(_i);

    trial.options.envp = envp;
    trial.options.env = env;
    trial_tells(&trial);
    expect_told("env B=1");
    expect_told("env C=1");
    ck_assert_int_eq(told_count("env"), 2);
}

TEST(variable_that_stands_twice_is_set_once)
{
    const char *envp[] = {"A=1", "B=1", "A=2", NULL};
    const char *env[] = {"A=new", NULL};
    struct trial trial = trial_of_state(_i);

    trial.options.envp = envp;
    trial.options.env = env;
    trial_tells(&trial);
    expect_told("env A=new");
    expect_told("env B=1");
    ck_assert_int_eq(told_count("env"), 2);
}

TEST(change_without_a_name_is_refused)
{
    const char *env[] = {"A=1", "=1", NULL};
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial.options.env = env;
    trial_is_refused(&trial, -EINVAL, 1, "env");
    env[1] = "";
    trial_is_refused(&trial, -EINVAL, 1, "env");
}

TEST(exit_code_comes_through)
{
    struct trial trial = trial_of(_i, "exit", "77", NULL);

    trial_exits(&trial, 77);
}

TEST(script_is_run_by_its_interpreter)
{
    static const char script[] = "#!" REPORT " exit\n";
    struct trial trial = trial_of_nothing(_i);

    /* The interpreter is given "exit" and the script's own path, of which it makes 0. */
    trial_write_file("script", script, sizeof(script) - 1, 0755);
    trial.options.path = trial_path("script");
    trial_exits(&trial, 0);
}

TRIAL_CASE(open_files);

TEST(open_file_is_executed)
{
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.path = NULL;
    trial.options.exec_fd = open(REPORT, O_RDONLY | O_CLOEXEC);
    trial_tells(&trial);
    expect_told("exe %s", REPORT);
    expect_fds((const int[]){0, 1, 2}, 3);

    /* One that is open for nothing but its name, under a high number. */
    close(trial.options.exec_fd);
    trial = trial_of_state(_i);
    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.exec_fd = open(REPORT, O_PATH | O_CLOEXEC);
    ck_assert_int_eq(dup3(trial.options.exec_fd, 1000, O_CLOEXEC), 1000);
    close(trial.options.exec_fd);
    trial.options.exec_fd = 1000;
    trial_tells(&trial);
    expect_told("exe %s", REPORT);
    close(1000);
}

TEST(open_file_needs_neither_path_nor_argv)
{
    struct trial trial = trial_of_nothing(_i);

    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.exec_fd = open(REPORT, O_RDONLY | O_CLOEXEC);
    trial_exits(&trial, 120);
    close(trial.options.exec_fd);
}

TEST(open_file_is_executed_though_its_number_is_given_to_another)
{
    struct trial trial = trial_of_state(_i);
    struct sdb_fd map[] = {{.target = -1, .kind = SDB_FD_NULL}};

    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.exec_fd = open(REPORT, O_RDONLY | O_CLOEXEC);
    map[0].target = trial.options.exec_fd;
    trial.options.fds = map;
    trial.options.fd_count = 1;
    trial_tells(&trial);
    expect_fds((const int[]){0, 1, 2, map[0].target}, 4);
    expect_fd_file(map[0].target, "/dev/null");
    close(trial.options.exec_fd);
}

TEST(open_script_is_executed_if_it_is_in_the_map)
{
    static const char script[] = "#!" REPORT " state\n";
    struct trial trial = trial_of_nothing(_i);
    struct sdb_fd map[] = {{.target = -1, .kind = SDB_FD_DUP}};
    char name[32];

    trial_write_file("script", script, sizeof(script) - 1, 0755);
    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.exec_fd = open("script", O_RDONLY | O_CLOEXEC);
    map[0].target = map[0].source = trial.options.exec_fd;
    trial.options.fds = map;
    trial.options.fd_count = 1;

    /* The interpreter is told to write its state over the script, and finds it open for reading. */
    trial_exits(&trial, 0);
    snprintf(name, sizeof(name), "argv 2 /dev/fd/%d", map[0].target);
    close(trial.options.exec_fd);
    ck_assert_int_eq(rename("script", "state"), 0);
    trial_read_state();
    expect_told("%s", name);
    expect_told("fds 4");
}

TEST(open_script_that_the_interpreter_could_not_read_is_not_found)
{
    static const char script[] = "#!/bin/sh\nexit 0\n";
    struct trial trial = trial_of_nothing(_i);

    trial_write_file("script", script, sizeof(script) - 1, 0755);
    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.exec_fd = open("script", O_RDONLY | O_CLOEXEC);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute descriptor ");
    close(trial.options.exec_fd);
}

TEST(open_file_that_is_no_program_is_an_error)
{
    struct trial trial = trial_of_nothing(_i);

    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.exec_fd = open("/", O_RDONLY | O_CLOEXEC);
    trial_fails(&trial, -EACCES, SDB_STAGE_EXEC, -1, "execute descriptor ");
    close(trial.options.exec_fd);
    trial_is_refused(&trial, -EBADF, -1, "exec_fd");
    trial.options.exec_fd = -1;
    trial_is_refused(&trial, -EBADF, -1, "exec_fd");
}

/* Both are names of a descriptor of the host; the fast path used to have none of those any more. */
TEST(descriptor_of_the_host_is_found_by_its_name)
{
    struct trial trial = trial_of_state(_i);
    int fd = open(REPORT, O_RDONLY | O_CLOEXEC);
    int directory_fd = open(trial_path("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct sdb_fd map[] = {{.target = 5, .kind = SDB_FD_PATH}};
    char path[64];
    char cwd[64];
    char mapped[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", directory_fd);
    snprintf(mapped, sizeof(mapped), "/dev/fd/%d", fd);
    map[0].path = mapped;
    trial.options.path = path;
    trial.options.cwd = cwd;
    trial.options.fds = map;
    trial.options.fd_count = 1;
    trial_tells(&trial);
    expect_told("exe %s", REPORT);
    expect_fd_file(5, REPORT);
    close(directory_fd);
    close(fd);
}

int main(void)
{
    return trial_run_suite("launch: the program");
}
