/* SPDX-License-Identifier: MIT */
/*
 * Core files show where the program's threads are, and no scratch page.  Where the kernel gives core files to
 * another program only the rest is tested.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>

#include "breaking.h"

#define DUMPS        SDB_TRACEE_DIR "/dumps"
#define WAITING      8
#define WAITING_TEXT "8"
#define CALL_LENGTH  2

HOLDING_CASE(cores);

/* A program with threads that wait at a breakpoint which they have hit, and that is to abort next. */
static struct target launch_dumping(const char *directory, const char *handler, uint64_t *address)
{
    const char *const argv[] = {DUMPS, directory, WAITING_TEXT, handler, NULL};
    struct target target = launch_program(DUMPS, argv);
    int hits = 0;

    resume_process(target.process);
    ck_assert_int_eq(read(target.output, address, sizeof(*address)), (ssize_t)sizeof(*address));
    (void)plant_at(target.process, *address);
    tell_target(&target, '!');
    while (hits < WAITING) {
        struct sdb_event event = next_event();

        hits += event.kind == SDB_EVENT_BREAKPOINT;
        resume(&event);
    }
    wait_ready_held(&target);
    tell_target(&target, '!');
    return target;
}

/* ---- reading one ---- */

static size_t read_core(const char *path, uint8_t **core)
{
    FILE *file = fopen(path, "rb");
    long size;

    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    *core = malloc((size_t)size);
    ck_assert_ptr_nonnull(*core);
    ck_assert_uint_eq(fread(*core, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return (size_t)size;
}

/* @return how many threads of a segment of notes stand there */
static int count_in_notes(const uint8_t *notes, size_t size, uint64_t address)
{
    int count = 0;
    size_t at = 0;

    while (at + sizeof(Elf64_Nhdr) <= size) {
        const Elf64_Nhdr *note = (const Elf64_Nhdr *)(notes + at);
        const size_t content = at + sizeof(*note) + (note->n_namesz + 3u) / 4 * 4;

        if (note->n_type == NT_PRSTATUS) {
            struct user_regs_struct registers;
            struct elf_prstatus status;

            memcpy(&status, notes + content, sizeof(status));
            memcpy(&registers, &status.pr_reg, sizeof(registers));
            count += registers.rip == address;
        }
        at = content + (note->n_descsz + 3u) / 4 * 4;
    }
    return count;
}

static int count_in_core(const char *path, uint64_t address)
{
    const Elf64_Ehdr *header;
    const Elf64_Phdr *segments;
    uint8_t *core;
    int count = 0;

    ck_assert_uint_gt(read_core(path, &core), sizeof(*header));
    header = (const Elf64_Ehdr *)core;
    segments = (const Elf64_Phdr *)(core + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_NOTE)
            count += count_in_notes(core + segments[i].p_offset, segments[i].p_filesz, address);
    }
    free(core);
    return count;
}

/* ---- the tests ---- */

static bool cores_are_files(void)
{
    FILE *file = fopen("/proc/sys/kernel/core_pattern", "r");
    char pattern[256] = "|";

    if (file) {
        (void)!fgets(pattern, sizeof(pattern), file);
        fclose(file);
    }
    return strncmp(pattern, "core", 4) == 0 && !strchr(pattern, '/');
}

SESSION_TEST(all_threads_stand_in_their_own_places)
{
    char directory[] = "/tmp/sdb-core-XXXXXX";
    char pattern[sizeof(directory) + 8];
    struct target target;
    uint64_t address;
    glob_t found;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    target = launch_dumping(directory, NULL, &address);
    resume_from_signal(SIGABRT);
    ck_assert_uint_eq(run_to_end(target.process).how, SDB_KILLED);
    finish_with(&target);
    (void)snprintf(pattern, sizeof(pattern), "%s/core*", directory);
    if (cores_are_files()) {
        ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
        ck_assert_uint_eq(found.gl_pathc, 1);
        /* Some may not have come to the call yet. */
        ck_assert_int_eq(count_in_core(found.gl_pathv[0], address) +
                             count_in_core(found.gl_pathv[0], address + CALL_LENGTH),
                         WAITING);
        unlink(found.gl_pathv[0]);
        globfree(&found);
    }
    ck_assert_int_eq(rmdir(directory), 0);
}

SESSION_TEST(who_handles_the_signal_goes_on)
{
    uint64_t address;
    struct target target = launch_dumping("/tmp", "handler", &address);

    resume_from_signal(SIGABRT);
    ck_assert_int_eq(run_to_end(target.process).code, 7);
    finish_with(&target);
}

int main(void)
{
    return run_suite("breakpoint_cores");
}
