/* SPDX-License-Identifier: MIT */
/*
 * Launching: what cannot be executed, and what is said of it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trial.h"

#define NOBODY 65534

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

TRIAL_CASE(failures);

TEST(missing_program_is_not_found)
{
    path_fails(_i, "/nowhere/program", -ENOENT, ": No such file or directory");
    path_fails(_i, "nowhere", -ENOENT, ": No such file or directory");
    path_fails(_i, "", -ENOENT, ": No such file or directory");
}

TEST(directory_cannot_be_executed)
{
    path_fails(_i, "/", -EACCES, ": Permission denied");
}

TEST(file_without_permission_cannot_be_executed)
{
    trial_copy_report("program", 0644);
    path_fails(_i, trial_path("program"), -EACCES, ": Permission denied");
}

TEST(file_without_permission_for_the_new_user_cannot_be_executed)
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

TEST(path_through_a_file_is_no_directory)
{
    trial_write_file("file", "", 0, 0755);
    path_fails(_i, trial_path("file/program"), -ENOTDIR, ": Not a directory");
}

TEST(too_long_a_name_is_told)
{
    static char name[300];
    struct trial trial;

    memset(name, 'x', sizeof(name) - 1);
    trial = trial_of_path(_i, name);
    trial_fails(&trial, -ENAMETOOLONG, SDB_STAGE_EXEC, -1, "xxx: File name too long");
}

TEST(path_that_is_longer_than_the_detail_is_cut)
{
    static char path[2000];
    struct trial trial = trial_of_path(_i, path);

    memset(path, '/', sizeof(path) - 1);
    memcpy(path + sizeof(path) - 9, "nowhere!", 8);
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "No such file or directory");
    ck_assert_uint_eq(strlen(trial.error.detail), SDB_ERROR_DETAIL_SIZE - 1);
}

TEST(loop_of_symbolic_links_is_told)
{
    ck_assert_int_eq(symlink("loop", "loop"), 0);
    path_fails(_i, "./loop", -ELOOP, ": Too many levels of symbolic links");
    ck_assert_int_eq(unlink("loop"), 0);
}

TEST(file_of_unknown_format_is_told)
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

TEST(program_that_is_open_for_writing_is_busy)
{
    int fd;

    trial_copy_report("program", 0755);
    fd = open("program", O_WRONLY | O_CLOEXEC);
    path_fails(_i, "./program", -ETXTBSY, ": Text file busy");
    close(fd);
}

TEST(missing_interpreter_of_a_script_is_told)
{
    static const char script[] = "#!/nowhere/interpreter\n";

    trial_write_file("script", script, sizeof(script) - 1, 0755);
    path_fails(_i, trial_path("script"), -ENOENT,
               " (its interpreter is missing): No such file or directory");
    path_fails(_i, "./script", -ENOENT, " (its interpreter is missing): No such file or directory");
}

TEST(interpreter_that_may_not_be_executed_is_told)
{
    char script[600];
    int len = snprintf(script, sizeof(script), "#!%s\n", trial_path("interpreter"));

    trial_copy_report("interpreter", 0644);
    trial_write_file("script", script, (size_t)len, 0755);
    path_fails(_i, trial_path("script"), -EACCES, ": Permission denied");
}

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

TEST(missing_interpreter_of_a_program_is_told)
{
    write_elf("program", "/nowhere/ld.so", 0x400000);
    path_fails(_i, trial_path("program"), -ENOENT,
               " (its interpreter is missing): No such file or directory");
}

/* The kernel finds out only after it has given up the old image: nobody is left to be told. */
TEST(program_that_cannot_be_mapped_was_launched_and_dies)
{
    struct trial trial = trial_of_path(_i, "./program");

    write_elf("program", NULL, UINT64_C(0xffff800000000000));
    trial_dies(&trial, 11 /* SIGSEGV */);
}

TEST(interpreters_of_interpreters_have_an_end)
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

TEST(one_argument_that_is_too_long_is_told)
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

TEST(arguments_that_are_too_long_together_are_told)
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

TEST(without_a_program_nothing_is_started)
{
    struct trial trial = trial_of_nothing(_i);
    const char *argv[] = {NULL};

    trial_is_refused(&trial, -EINVAL, -1, "neither path nor argv");
    trial.options.argv = argv;
    trial_is_refused(&trial, -EINVAL, -1, "argv is empty");
    trial.options.path = REPORT;
    trial_is_refused(&trial, -EINVAL, -1, "argv is empty");
}

int main(void)
{
    return trial_run_suite("launch: what cannot be executed");
}
