/* SPDX-License-Identifier: MIT */
/*
 * Launching: which program is executed, with what arguments and environment, and what is said when
 * it cannot be.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trial.h"

#define NOBODY 65534

/* ---- path, arguments, environment ---- */

START_TEST(path_is_executed_with_argv)
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
END_TEST

START_TEST(without_argv_the_path_is_the_only_argument)
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
END_TEST

START_TEST(without_path_the_first_argument_is_executed)
{
    struct trial trial = trial_of_state(_i);

    trial.options.path = NULL;
    trial_tells(&trial);
    expect_told("exe %s", REPORT);
}
END_TEST

START_TEST(relative_path_is_meant_from_the_new_directory)
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
END_TEST

START_TEST(environment_is_the_hosts_by_default)
{
    struct trial trial = trial_of_state(_i);

    setenv("SDB_TEST_VARIABLE", "of the host", 1);
    trial_tells(&trial);
    expect_told("env SDB_TEST_VARIABLE=of the host");
    unsetenv("SDB_TEST_VARIABLE");
}
END_TEST

START_TEST(envp_replaces_the_environment)
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
END_TEST

START_TEST(empty_envp_leaves_no_environment)
{
    const char *envp[] = {NULL};
    struct trial trial = trial_of_state(_i);

    trial.options.envp = envp;
    trial_tells(&trial);
    ck_assert_int_eq(told_count("env"), 0);
}
END_TEST

START_TEST(env_changes_the_environment)
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
END_TEST

START_TEST(env_changes_the_hosts_environment_for_the_child_only)
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
END_TEST

/* Only the first of several used to be taken away, and the second showed. */
START_TEST(variable_that_stands_twice_is_taken_away_twice)
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
END_TEST

START_TEST(variable_that_stands_twice_is_set_once)
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
END_TEST

START_TEST(change_without_a_name_is_refused)
{
    const char *env[] = {"A=1", "=1", NULL};
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    trial.options.env = env;
    trial_is_refused(&trial, -EINVAL, 1, "env");
    env[1] = "";
    trial_is_refused(&trial, -EINVAL, 1, "env");
}
END_TEST

START_TEST(exit_code_comes_through)
{
    struct trial trial = trial_of(_i, "exit", "77", NULL);

    trial_exits(&trial, 77);
}
END_TEST

START_TEST(script_is_run_by_its_interpreter)
{
    static const char script[] = "#!" REPORT " exit\n";
    struct trial trial = trial_of_nothing(_i);

    /* The interpreter is given "exit" and the script's own path, of which it makes 0. */
    trial_write_file("script", script, sizeof(script) - 1, 0755);
    trial.options.path = trial_path("script");
    trial_exits(&trial, 0);
}
END_TEST

/* ---- the search ---- */

static void make_search_directories(void)
{
    mkdir("first", 0755);
    mkdir("second", 0755);
    trial_write_file("file", "", 0, 0644);
}

static struct trial trial_of_search(int way, const char *name, const char *search_path)
{
    struct trial trial = trial_of_state(way);

    make_search_directories();
    trial.options.flags |= SDB_LAUNCH_SEARCH_PATH;
    trial.options.path = name;
    trial.options.search_path = search_path;
    return trial;
}

START_TEST(search_takes_the_first_directory_that_has_it)
{
    struct trial trial = trial_of_search(_i, "program", "nowhere:file:first:second");

    trial_copy_report("second/program", 0755);
    (void)unlink("first/program");
    trial_tells(&trial);
    expect_told("execfn second/program");

    trial = trial_of_search(_i, "program", "nowhere:file:first:second");
    trial_copy_report("first/program", 0755);
    trial_tells(&trial);
    expect_told("execfn first/program");
}
END_TEST

START_TEST(search_uses_the_hosts_path)
{
    struct trial trial = trial_of_search(_i, "program-of-this-test", NULL);
    char *path = strdup(getenv("PATH"));

    trial_copy_report("second/program-of-this-test", 0755);
    setenv("PATH", trial_path("second"), 1);
    trial_tells(&trial);
    expect_told("exe %s", trial_path("second/program-of-this-test"));
    setenv("PATH", path, 1);
    free(path);
}
END_TEST

/* The child's environment is what it gets, not where it is looked for. */
START_TEST(search_does_not_use_the_childs_path)
{
    struct trial trial = trial_of_search(_i, "program-of-this-test", NULL);
    const char *envp[] = {"PATH=second", NULL};

    trial_copy_report("second/program-of-this-test", 0755);
    trial.options.envp = envp;
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1,
                "execute \"program-of-this-test\": No such file");
}
END_TEST

START_TEST(search_without_any_path_is_in_bin)
{
    struct trial trial = trial_of_nothing(_i);
    char *path = strdup(getenv("PATH"));

    unsetenv("PATH");
    trial.options.flags |= SDB_LAUNCH_SEARCH_PATH;
    trial.argv[0] = "true";
    trial_exits(&trial, 0);
    setenv("PATH", path, 1);
    free(path);
}
END_TEST

START_TEST(empty_directory_is_the_childs_own)
{
    static const char *const searches[] = {"", ":/nowhere", "/nowhere:", "/nowhere::/nowhere"};

    for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
        struct trial trial = trial_of_search(_i, "program", searches[i]);

        trial_copy_report("second/program", 0755);
        (void)unlink("program");
        trial.options.cwd = "second";
        trial_tells(&trial);
        expect_told("execfn program");
        expect_told("exe %s", trial_path("second/program"));
    }
}
END_TEST

START_TEST(relative_directory_is_meant_from_the_childs_own)
{
    struct trial trial = trial_of_search(_i, "program", "inner");

    mkdir("second/inner", 0755);
    trial_copy_report("second/inner/program", 0755);
    trial.options.cwd = "second";
    trial_tells(&trial);
    expect_told("exe %s", trial_path("second/inner/program"));
}
END_TEST

START_TEST(search_goes_on_past_a_file_that_may_not_be_executed)
{
    struct trial trial = trial_of_search(_i, "program", "first:second");

    trial_copy_report("first/program", 0644);
    trial_copy_report("second/program", 0755);
    trial_tells(&trial);
    expect_told("execfn second/program");
}
END_TEST

START_TEST(search_that_finds_only_what_may_not_be_executed_says_so)
{
    struct trial trial = trial_of_search(_i, "program", "nowhere:first:second");

    trial_copy_report("first/program", 0644);
    (void)unlink("second/program");
    trial_fails(&trial, -EACCES, SDB_STAGE_EXEC, 1, "execute \"first/program\": Permission denied");
}
END_TEST

START_TEST(search_ends_at_a_file_of_unknown_format)
{
    struct trial trial = trial_of_search(_i, "program", "first:second");

    trial_write_file("first/program", "echo hello\n", 11, 0755);
    trial_copy_report("second/program", 0755);
    trial_fails(&trial, -ENOEXEC, SDB_STAGE_EXEC, 0,
                "execute \"first/program\": Exec format error");
}
END_TEST

START_TEST(search_that_finds_nothing_names_what_was_asked_for)
{
    struct trial trial = trial_of_search(_i, "no-such-program", "first:second");

    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"no-such-program\": No such file");
}
END_TEST

START_TEST(search_that_finds_a_script_without_interpreter_names_it)
{
    static const char script[] = "#!/nowhere/interpreter\n";
    struct trial trial = trial_of_search(_i, "program", trial_path("first"));

    trial_write_file("first/program", script, sizeof(script) - 1, 0755);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, 0,
                "first/program\" (its interpreter is missing): No such file");
}
END_TEST

START_TEST(name_with_a_slash_is_not_searched_for)
{
    struct trial trial = trial_of_search(_i, "./program", "first:second");

    trial_copy_report("first/program", 0755);
    (void)unlink("program");
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"./program\": No such file");
}
END_TEST

START_TEST(empty_name_is_not_searched_for)
{
    struct trial trial = trial_of_search(_i, "", "first:second");

    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"\": No such file");
}
END_TEST

START_TEST(without_the_flag_nothing_is_searched)
{
    struct trial trial = trial_of_nothing(_i);

    trial.argv[0] = "true";
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"true\": No such file");
}
END_TEST

/* ---- an open file ---- */

START_TEST(open_file_is_executed)
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
END_TEST

START_TEST(open_file_needs_neither_path_nor_argv)
{
    struct trial trial = trial_of_nothing(_i);

    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.exec_fd = open(REPORT, O_RDONLY | O_CLOEXEC);
    trial_exits(&trial, 120);
    close(trial.options.exec_fd);
}
END_TEST

START_TEST(open_file_is_executed_though_its_number_is_given_to_another)
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
END_TEST

START_TEST(open_script_is_executed_if_it_is_in_the_map)
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
END_TEST

START_TEST(open_script_that_the_interpreter_could_not_read_is_not_found)
{
    static const char script[] = "#!/bin/sh\nexit 0\n";
    struct trial trial = trial_of_nothing(_i);

    trial_write_file("script", script, sizeof(script) - 1, 0755);
    trial.options.flags |= SDB_LAUNCH_EXEC_FD;
    trial.options.exec_fd = open("script", O_RDONLY | O_CLOEXEC);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute descriptor ");
    close(trial.options.exec_fd);
}
END_TEST

START_TEST(open_file_that_is_no_program_is_an_error)
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
END_TEST

/* Both are names of a descriptor of the host; the fast path used to have none of those any more. */
START_TEST(descriptor_of_the_host_is_found_by_its_name)
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
END_TEST

/* ---- what cannot be executed ---- */

static struct trial trial_of_path(int way, const char *path)
{
    struct trial trial = trial_of_nothing(way);

    trial.options.path = path;
    return trial;
}

static void path_fails(int way, const char *path, int code, const char *words)
{
    struct trial trial = trial_of_path(way, path);
    char expected[1024];

    snprintf(expected, sizeof(expected), "launch: execute \"%s\"%s", path, words);
    trial_fails(&trial, code, SDB_STAGE_EXEC, -1, expected);
}

START_TEST(missing_program_is_not_found)
{
    path_fails(_i, "/nowhere/program", -ENOENT, ": No such file or directory");
    path_fails(_i, "nowhere", -ENOENT, ": No such file or directory");
    path_fails(_i, "", -ENOENT, ": No such file or directory");
}
END_TEST

START_TEST(directory_cannot_be_executed)
{
    path_fails(_i, "/", -EACCES, ": Permission denied");
}
END_TEST

START_TEST(file_without_permission_cannot_be_executed)
{
    trial_copy_report("program", 0644);
    path_fails(_i, trial_path("program"), -EACCES, ": Permission denied");
}
END_TEST

START_TEST(file_without_permission_for_the_new_user_cannot_be_executed)
{
    struct trial trial = trial_of_path(_i, "./program");

    if (geteuid() != 0) {
        printf("not root: changes of user are not tested\n");
        return;
    }
    trial_copy_report("program", 0700);
    trial.options.flags |= SDB_LAUNCH_SET_UID;
    trial.options.uid = NOBODY;
    trial_fails(&trial, -EACCES, SDB_STAGE_EXEC, -1, "execute \"./program\": Permission denied");
}
END_TEST

START_TEST(path_through_a_file_is_no_directory)
{
    trial_write_file("file", "", 0, 0755);
    path_fails(_i, trial_path("file/program"), -ENOTDIR, ": Not a directory");
}
END_TEST

START_TEST(too_long_a_name_is_told)
{
    static char name[300];
    struct trial trial;

    memset(name, 'x', sizeof(name) - 1);
    trial = trial_of_path(_i, name);
    trial_fails(&trial, -ENAMETOOLONG, SDB_STAGE_EXEC, -1, "xxx: File name too long");
}
END_TEST

START_TEST(path_that_is_longer_than_the_detail_is_cut)
{
    static char path[2000];
    struct trial trial = trial_of_path(_i, path);

    memset(path, '/', sizeof(path) - 1);
    memcpy(path + sizeof(path) - 9, "nowhere!", 8);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "No such file or directory");
    ck_assert_uint_eq(strlen(trial.error.detail), SDB_ERROR_DETAIL_SIZE - 1);
}
END_TEST

START_TEST(loop_of_symbolic_links_is_told)
{
    ck_assert_int_eq(symlink("loop", "loop"), 0);
    path_fails(_i, "./loop", -ELOOP, ": Too many levels of symbolic links");
    ck_assert_int_eq(unlink("loop"), 0);
}
END_TEST

START_TEST(file_of_unknown_format_is_told)
{
    unsigned char foreign[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr)] = {0};
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_EXEC,
                         .e_machine = EM_AARCH64,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof(Elf64_Ehdr),
                         .e_ehsize = sizeof(Elf64_Ehdr),
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 1};

    memcpy(foreign, &header, sizeof(header));
    trial_write_file("foreign", foreign, sizeof(foreign), 0755);
    path_fails(_i, "./foreign", -ENOEXEC, ": Exec format error");

    trial_write_file("text", "echo hello\n", 11, 0755);
    path_fails(_i, "./text", -ENOEXEC, ": Exec format error");

    trial_write_file("empty", "", 0, 0755);
    path_fails(_i, "./empty", -ENOEXEC, ": Exec format error");

    trial_write_file("truncated", &header, 40, 0755);
    path_fails(_i, "./truncated", -ENOEXEC, ": Exec format error");
}
END_TEST

START_TEST(program_that_is_open_for_writing_is_busy)
{
    int fd;

    trial_copy_report("program", 0755);
    fd = open("program", O_WRONLY | O_CLOEXEC);
    path_fails(_i, "./program", -ETXTBSY, ": Text file busy");
    close(fd);
}
END_TEST

START_TEST(missing_interpreter_of_a_script_is_told)
{
    static const char script[] = "#!/nowhere/interpreter\n";

    trial_write_file("script", script, sizeof(script) - 1, 0755);
    path_fails(_i, trial_path("script"), -ENOENT,
               " (its interpreter is missing): No such file or directory");
    path_fails(_i, "./script", -ENOENT, " (its interpreter is missing): No such file or directory");
}
END_TEST

START_TEST(interpreter_that_may_not_be_executed_is_told)
{
    char script[600];
    int len = snprintf(script, sizeof(script), "#!%s\n", trial_path("interpreter"));

    trial_copy_report("interpreter", 0644);
    trial_write_file("script", script, (size_t)len, 0755);
    path_fails(_i, trial_path("script"), -EACCES, ": Permission denied");
}
END_TEST

/* A small program: a header, an optional interpreter, and one segment. */
static void write_elf(const char *name, const char *interpreter, uint64_t address)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segments[2];
        char interpreter[64];
    } file = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_EXEC,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_entry = address,
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = interpreter ? 2 : 1},
        .segments = {{.p_type = PT_LOAD,
                      .p_flags = PF_R | PF_X,
                      .p_vaddr = address,
                      .p_filesz = sizeof(file),
                      .p_memsz = sizeof(file),
                      .p_align = 4096}},
    };

    if (interpreter) {
        file.segments[1] = (Elf64_Phdr){.p_type = PT_INTERP,
                                        .p_offset = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr),
                                        .p_filesz = strlen(interpreter) + 1,
                                        .p_memsz = strlen(interpreter) + 1};
        (void)snprintf(file.interpreter, sizeof(file.interpreter), "%s", interpreter);
    }
    trial_write_file(name, &file, sizeof(file), 0755);
}

START_TEST(missing_interpreter_of_a_program_is_told)
{
    write_elf("program", "/nowhere/ld.so", 0x400000);
    path_fails(_i, trial_path("program"), -ENOENT,
               " (its interpreter is missing): No such file or directory");
}
END_TEST

/* The kernel finds out only after it has given up the old image: nobody is left to be told. */
START_TEST(program_that_cannot_be_mapped_was_launched_and_dies)
{
    struct trial trial = trial_of_path(_i, "./program");

    write_elf("program", NULL, UINT64_C(0xffff800000000000));
    trial_dies(&trial, 11 /* SIGSEGV */);
}
END_TEST

START_TEST(interpreters_of_interpreters_have_an_end)
{
    char name[16];
    char script[64];
    struct trial shallow = trial_of_path(_i, "./script1");
    int len;

    trial_copy_report("script0", 0755);
    for (int depth = 1; depth <= 6; depth++) {
        snprintf(name, sizeof(name), "script%d", depth);
        len = snprintf(script, sizeof(script), "#!./script%d\n", depth - 1);
        trial_write_file(name, script, (size_t)len, 0755);
    }
    /* The program at the bottom is run, and does not know what to do. */
    trial_exits(&shallow, 120);
    path_fails(_i, "./script6", -ELOOP, ": Too many levels of symbolic links");
}
END_TEST

START_TEST(one_argument_that_is_too_long_is_told)
{
    const size_t limit = 128 * 1024;
    char *argument = malloc(limit + 1);
    struct trial trial;

    ck_assert_ptr_nonnull(argument);
    memset(argument, 'x', limit);
    trial = trial_of(_i, "exit", "0", argument);
    argument[limit] = '\0';
    trial_fails(&trial, -E2BIG, SDB_STAGE_EXEC, -1, ": Argument list too long");
    argument[limit - 1] = '\0';
    trial_exits(&trial, 0);
    free(argument);
}
END_TEST

START_TEST(arguments_that_are_too_long_together_are_told)
{
    const size_t length = 100 * 1024;
    const size_t count = 100;
    const char **argv = calloc(count + 1, sizeof(*argv));
    char *argument = malloc(length + 1);
    struct trial trial = trial_of_path(_i, REPORT);

    memset(argument, 'x', length);
    argument[length] = '\0';
    for (size_t i = 0; i < count; i++)
        argv[i] = argument;
    trial.options.argv = argv;
    trial_fails(&trial, -E2BIG, SDB_STAGE_EXEC, -1, ": Argument list too long");
    trial.options.argv = NULL;
    trial.options.envp = argv;
    trial_fails(&trial, -E2BIG, SDB_STAGE_EXEC, -1, ": Argument list too long");
    free(argument);
    free(argv);
}
END_TEST

START_TEST(without_a_program_nothing_is_started)
{
    struct trial trial = trial_of_nothing(_i);
    const char *argv[] = {NULL};

    trial_is_refused(&trial, -EINVAL, -1, "neither path nor argv");
    trial.options.argv = argv;
    trial_is_refused(&trial, -EINVAL, -1, "argv is empty");
    trial.options.path = REPORT;
    trial_is_refused(&trial, -EINVAL, -1, "argv is empty");
}
END_TEST

static Suite *make_suite(void)
{
    const TTest *const programs[] = {
        path_is_executed_with_argv,
        without_argv_the_path_is_the_only_argument,
        without_path_the_first_argument_is_executed,
        relative_path_is_meant_from_the_new_directory,
        environment_is_the_hosts_by_default,
        envp_replaces_the_environment,
        empty_envp_leaves_no_environment,
        env_changes_the_environment,
        env_changes_the_hosts_environment_for_the_child_only,
        variable_that_stands_twice_is_taken_away_twice,
        variable_that_stands_twice_is_set_once,
        change_without_a_name_is_refused,
        exit_code_comes_through,
        script_is_run_by_its_interpreter,
    };
    const TTest *const searches[] = {
        search_takes_the_first_directory_that_has_it,
        search_uses_the_hosts_path,
        search_does_not_use_the_childs_path,
        search_without_any_path_is_in_bin,
        empty_directory_is_the_childs_own,
        relative_directory_is_meant_from_the_childs_own,
        search_goes_on_past_a_file_that_may_not_be_executed,
        search_that_finds_only_what_may_not_be_executed_says_so,
        search_ends_at_a_file_of_unknown_format,
        search_that_finds_nothing_names_what_was_asked_for,
        search_that_finds_a_script_without_interpreter_names_it,
        name_with_a_slash_is_not_searched_for,
        empty_name_is_not_searched_for,
        without_the_flag_nothing_is_searched,
    };
    const TTest *const open_files[] = {
        open_file_is_executed,
        open_file_needs_neither_path_nor_argv,
        open_file_is_executed_though_its_number_is_given_to_another,
        open_script_is_executed_if_it_is_in_the_map,
        open_script_that_the_interpreter_could_not_read_is_not_found,
        open_file_that_is_no_program_is_an_error,
        descriptor_of_the_host_is_found_by_its_name,
    };
    const TTest *const failures[] = {
        missing_program_is_not_found,
        directory_cannot_be_executed,
        file_without_permission_cannot_be_executed,
        file_without_permission_for_the_new_user_cannot_be_executed,
        path_through_a_file_is_no_directory,
        too_long_a_name_is_told,
        path_that_is_longer_than_the_detail_is_cut,
        loop_of_symbolic_links_is_told,
        file_of_unknown_format_is_told,
        program_that_is_open_for_writing_is_busy,
        missing_interpreter_of_a_script_is_told,
        interpreter_that_may_not_be_executed_is_told,
        missing_interpreter_of_a_program_is_told,
        program_that_cannot_be_mapped_was_launched_and_dies,
        interpreters_of_interpreters_have_an_end,
        one_argument_that_is_too_long_is_told,
        arguments_that_are_too_long_together_are_told,
        without_a_program_nothing_is_started,
    };
    Suite *suite = suite_create("launch: the program");

    TRIAL_CASE(suite, programs);
    TRIAL_CASE(suite, searches);
    TRIAL_CASE(suite, open_files);
    TRIAL_CASE(suite, failures);
    return suite;
}

int main(void)
{
    return trial_run_suite(make_suite());
}
