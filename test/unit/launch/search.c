/* SPDX-License-Identifier: MIT */
/*
 * Launching: where a program is searched for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trial.h"

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

TRIAL_CASE(searches);

TEST(search_takes_the_first_directory_that_has_it)
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

TEST(search_uses_the_hosts_path)
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

/* The child's environment is what it gets, not where it is looked for. */
TEST(search_does_not_use_the_childs_path)
{
    struct trial trial = trial_of_search(_i, "program-of-this-test", NULL);
    const char *envp[] = {"PATH=second", NULL};
    char *path = strdup(getenv("PATH"));

    trial_copy_report("second/program-of-this-test", 0755);
    setenv("PATH", "first", 1);
    trial.options.envp = envp;
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1,
                "execute \"program-of-this-test\": No such file");
    setenv("PATH", path, 1);
    free(path);
}

TEST(search_without_any_path_is_in_bin)
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

TEST(empty_directory_is_the_childs_own)
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

TEST(relative_directory_is_meant_from_the_childs_own)
{
    struct trial trial = trial_of_search(_i, "program", "inner");

    mkdir("second/inner", 0755);
    trial_copy_report("second/inner/program", 0755);
    trial.options.cwd = "second";
    trial_tells(&trial);
    expect_told("exe %s", trial_path("second/inner/program"));
}

TEST(search_goes_on_past_a_file_that_may_not_be_executed)
{
    struct trial trial = trial_of_search(_i, "program", "first:second");

    trial_copy_report("first/program", 0644);
    trial_copy_report("second/program", 0755);
    trial_tells(&trial);
    expect_told("execfn second/program");
}

TEST(search_that_finds_only_what_may_not_be_executed_says_so)
{
    struct trial trial = trial_of_search(_i, "program", "nowhere:first:second");

    trial_copy_report("first/program", 0644);
    (void)unlink("second/program");
    trial_fails(&trial, -EACCES, SDB_STAGE_EXEC, 1, "execute \"first/program\": Permission denied");
}

TEST(search_ends_at_a_file_of_unknown_format)
{
    struct trial trial = trial_of_search(_i, "program", "first:second");

    trial_write_file("first/program", "echo hello\n", 11, 0755);
    trial_copy_report("second/program", 0755);
    trial_fails(&trial, -ENOEXEC, SDB_STAGE_EXEC, 0,
                "execute \"first/program\": Exec format error");
}

TEST(search_that_finds_nothing_names_what_was_asked_for)
{
    struct trial trial = trial_of_search(_i, "no-such-program", "first:second");

    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"no-such-program\": No such file");
}

TEST(search_that_finds_a_script_without_interpreter_names_it)
{
    static const char script[] = "#!/nowhere/interpreter\n";
    struct trial trial = trial_of_search(_i, "program", trial_path("first"));

    trial_write_file("first/program", script, sizeof(script) - 1, 0755);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, 0,
                "first/program\" (its interpreter is missing): No such file");
}

TEST(name_with_a_slash_is_not_searched_for)
{
    struct trial trial = trial_of_search(_i, "./program", "first:second");

    trial_copy_report("first/program", 0755);
    (void)unlink("program");
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"./program\": No such file");
}

TEST(empty_name_is_not_searched_for)
{
    struct trial trial = trial_of_search(_i, "", "first:second");

    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"\": No such file");
}

TEST(without_the_flag_nothing_is_searched)
{
    struct trial trial = trial_of_nothing(_i);

    trial.argv[0] = "true";
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"true\": No such file");
}

int main(void)
{
    return trial_run_suite("launch: the search");
}
