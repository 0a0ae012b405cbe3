/* SPDX-License-Identifier: MIT */
/*
 * Facts of processes: executable and auxiliary vector.
 */
#include <sdb/facts.h>

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host.h"
#include "subject.h"
#include "trial.h"

static struct sdb_facts_auxv *auxv_of(int pid)
{
    struct sdb_facts_auxv *auxv = NULL;

    ck_assert_int_eq(sdb_facts_read_auxv(pid, &auxv), 0);
    ck_assert_uint_eq(auxv->size, sizeof(*auxv));
    return auxv;
}

SUBJECT_CASE(named);

static struct sdb_facts_file *executable_of(int pid)
{
    struct sdb_facts_file *executable = NULL;

    ck_assert_int_eq(sdb_facts_read_executable(pid, &executable), 0);
    ck_assert_uint_eq(executable->size, sizeof(*executable));
    return executable;
}

static void expect_executable(int pid, const char *path, uint32_t flags)
{
    struct sdb_facts_file *executable = executable_of(pid);

    ck_assert_str_eq(executable->path, path);
    ck_assert_uint_eq(executable->flags, flags);
    sdb_facts_free(executable);
}

static struct subject start_copy(const char *name)
{
    const char *argv[] = {"subject", NULL};
    struct subject subject = subject_of(NULL);

    subject_copy(name);
    subject.options.path = trial_path(name);
    subject_launch(&subject, argv);
    subject_ready(&subject);
    return subject;
}

static const char *const odd_files[] = {
    "plain",         "with space", "with\nnewline",           "literal\\012",
    "was (deleted)", " (deleted)", "was (deleted) (deleted)", "at the end ",
    "\xff\xfe",      "[stack]",
};
#define ODD_FILES ((int)(sizeof(odd_files) / sizeof(odd_files[0])))

LOOP_TEST(an_executable_is_found_under_any_name, 0, ODD_FILES)
{
    struct subject subject = start_copy(odd_files[_i]);
    struct sdb_facts_file *executable = executable_of(subject.pid);
    struct stat file;

    ck_assert_int_eq(stat(trial_path(odd_files[_i]), &file), 0);
    ck_assert_str_eq(executable->path, trial_path(odd_files[_i]));
    ck_assert_uint_eq(executable->flags, 0);
    ck_assert_uint_eq(executable->inode, file.st_ino);
    ck_assert_uint_eq(executable->device_major, major(file.st_dev));
    ck_assert_uint_eq(executable->device_minor, minor(file.st_dev));
    sdb_facts_free(executable);
    subject_end(&subject);
}

LOOP_TEST(a_deleted_executable_is_known_as_such, 0, ODD_FILES)
{
    struct subject subject = start_copy(odd_files[_i]);

    ck_assert_int_eq(unlink(trial_path(odd_files[_i])), 0);
    expect_executable(subject.pid, trial_path(odd_files[_i]), SDB_FACTS_DELETED);
    /* Another file of that name is not the one. */
    trial_write_file(odd_files[_i], "x", 1, 0700);
    expect_executable(subject.pid, trial_path(odd_files[_i]), SDB_FACTS_DELETED);
    subject_end(&subject);
}

SUBJECT_CASE(executable);

TEST(a_name_that_is_gone_is_deleted_even_if_another_is_left)
{
    struct subject subject = start_copy("one");

    ck_assert_int_eq(link(trial_path("one"), trial_path("other")), 0);
    ck_assert_int_eq(unlink(trial_path("one")), 0);
    expect_executable(subject.pid, trial_path("one"), SDB_FACTS_DELETED);
    subject_end(&subject);
}

TEST(a_script_is_executed_by_its_interpreter)
{
    static const char script[] = "#!" SUBJECT "\n";
    const char *argv[] = {"script", NULL};
    struct subject subject = subject_of(trial_path("script"));

    trial_write_file("script", script, sizeof(script) - 1, 0700);
    subject_launch(&subject, argv);
    subject_ready(&subject);
    expect_executable(subject.pid, SUBJECT, 0);
    subject_end(&subject);
}

SUBJECT_CASE(auxv);

TEST(the_auxiliary_vector_is_the_one_that_the_program_sees)
{
    const char *argv[] = {"subject", "auxv", NULL};
    struct subject subject = subject_of(NULL);
    struct sdb_facts_auxv *auxv;
    uint64_t told[9][2];

    subject_launch(&subject, argv);
    subject_read(&subject, told, sizeof(told));
    subject_ready(&subject);
    auxv = auxv_of(subject.pid);
    ck_assert_uint_eq(auxv->word_size, 8);
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        uint64_t value = 0;
        int rc = sdb_facts_find_auxv(auxv, told[i][0], &value);

        /* The program saw 0 if there is none. */
        ck_assert_int_eq(rc, told[i][1] == 0 && rc < 0 ? -ENOENT : 0);
        ck_assert_msg(value == told[i][1], "entry %d", (int)told[i][0]);
    }
    for (size_t i = 0; i < auxv->count; i++)
        ck_assert_uint_ne(auxv->list[i].type, AT_NULL);
    sdb_facts_free(auxv);
    subject_end(&subject);
}

TEST(an_entry_that_is_not_there_is_not_found)
{
    struct sdb_facts_auxv *auxv = auxv_of(getpid());
    uint64_t value = 4711;

    ck_assert_int_eq(sdb_facts_find_auxv(auxv, 60000, &value), -ENOENT);
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_NULL, &value), -ENOENT);
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_ENTRY, NULL), -EINVAL);
    ck_assert_uint_eq(value, 4711);
    sdb_facts_free(auxv);
}

TEST(the_own_auxiliary_vector_is_that_of_getauxval)
{
    struct sdb_facts_auxv *auxv;

    if (host_on_valgrind()) /* which makes one up */
        return;
    auxv = auxv_of(getpid());
    ck_assert_uint_gt(auxv->count, 10);
    for (size_t i = 0; i < auxv->count; i++) {
        /* The C library tells of fewer features than the kernel. */
        if (auxv->list[i].type != AT_HWCAP)
            ck_assert_uint_eq(auxv->list[i].value, getauxval(auxv->list[i].type));
    }
    sdb_facts_free(auxv);
}

/* A 32-bit program in 84 + 7 bytes: it calls pause(2), again and again. */
static void write_program_of_32_bits(const char *name)
{
    static const unsigned char code[] = {0xb8, 0x1d, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7};
    const uint32_t base = 0x08048000;
    const uint32_t at = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr);
    struct {
        Elf32_Ehdr header;
        Elf32_Phdr segment;
        unsigned char code[sizeof(code)];
    } program = {
        .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
                               EV_CURRENT},
                   .e_type = ET_EXEC,
                   .e_machine = EM_386,
                   .e_version = EV_CURRENT,
                   .e_entry = base + at,
                   .e_phoff = sizeof(Elf32_Ehdr),
                   .e_ehsize = sizeof(Elf32_Ehdr),
                   .e_phentsize = sizeof(Elf32_Phdr),
                   .e_phnum = 1},
        .segment = {.p_type = PT_LOAD,
                    .p_vaddr = base,
                    .p_paddr = base,
                    .p_filesz = at + sizeof(code),
                    .p_memsz = at + sizeof(code),
                    .p_flags = PF_R | PF_X,
                    .p_align = 4096},
    };

    memcpy(program.code, code, sizeof(code));
    trial_write_file(name, &program, at + sizeof(code), 0700);
}

TEST(a_program_of_32_bits_has_smaller_words)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_facts_auxv *auxv;
    struct sdb_child *child;
    uint64_t value;
    int rc;

    write_program_of_32_bits("small");
    options.path = trial_path("small");
    rc = sdb_launch(&options, &child, NULL);
    if (rc == -ENOEXEC) {
        printf("the system runs no 32-bit programs: none is tested\n");
        return;
    }
    ck_assert_int_eq(rc, 0);
    auxv = auxv_of(sdb_child_pid(child));
    ck_assert_uint_eq(auxv->word_size, 4);
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_ENTRY, &value), 0);
    ck_assert_uint_eq(value, 0x08048000 + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr));
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_PAGESZ, &value), 0);
    ck_assert_uint_eq(value, 4096);
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_PHNUM, &value), 0);
    ck_assert_uint_eq(value, 1);
    sdb_facts_free(auxv);
    ck_assert_int_eq(sdb_child_terminate(child, 0, PATIENCE_MS, NULL), 0);
    sdb_child_close(child);
}

int main(void)
{
    return trial_run_suite("facts_program");
}
