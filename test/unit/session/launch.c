/* SPDX-License-Identifier: MIT */
/*
 * Launching into a session: where the program stands then, and launches that fail.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holding.h"

#define STATIC_TARGET SDB_TRACEE_DIR "/target_static"

HOLDING_CASE(launched);

static uint64_t entry_of(const char *path)
{
    Elf64_Ehdr header;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(read(fd, &header, sizeof(header)), (ssize_t)sizeof(header));
    close(fd);
    return header.e_entry;
}

SESSION_TEST(launched_stands_before_its_first_instruction)
{
    const char *argv[] = {STATIC_TARGET, "exit", "0", NULL};
    const uint64_t flags[] = {0, SDB_LAUNCH_PORTABLE};
    struct target target;
    uint64_t address = 0;

    for (int path = 0; path < 2; path++) {
        target = launch_program_with(STATIC_TARGET, argv, flags[path]);
        ck_assert_int_eq(state_of(target.pid), 't');
        ck_assert_int_eq(sdb_thread_state(sdb_process_thread(target.process)), SDB_THREAD_STOPPED);
        ck_assert_int_eq(sdb_thread_pc(sdb_process_thread(target.process), &address), 0);
        ck_assert_uint_eq(address, entry_of(STATIC_TARGET));
        resume_process(target.process);
        expect_exit(SDB_EXITED, 0);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(exit_code_and_usage_are_told)
{
    struct target target = launch_running("exit", "42", NULL);
    struct sdb_event event = expect(SDB_EVENT_EXITED);

    ck_assert_int_eq(event.status->pid, target.pid);
    ck_assert_int_eq(event.status->code, 42);
    ck_assert_uint_gt(event.status->max_resident_kib, 100);
    ck_assert_uint_gt(event.status->minor_faults, 10);
    ck_assert_uint_eq(event.status->flags, 0);
    ck_assert_int_eq(sdb_event_resume(&event), 0);
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -ECHILD);
    finish_with(&target);
}

HOLDING_CASE(failed);

TEST(an_exec_that_hangs_ends_at_the_deadline)
{
    char directory[] = "/tmp/sdb-test-XXXXXX";
    char fifo[64];
    const uint64_t flags[] = {0, SDB_LAUNCH_PORTABLE};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_process *process = (void *)&options;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    begin(_i);
    for (int path = 0; path < 2; path++) {
        const struct sdb_fd fds[] = {
            {.target = 0, .kind = SDB_FD_PATH, .path = fifo, .open_flags = O_RDONLY}};
        struct sdb_error error = SDB_ERROR_INIT;

        options.path = "/bin/true";
        options.fds = fds;
        options.fd_count = 1;
        options.flags = flags[path] | SDB_LAUNCH_TIMEOUT;
        /* On a busy machine the child may not get as far in a short time. */
        for (options.timeout_ms = 50; options.timeout_ms < 10000; options.timeout_ms *= 4) {
            ck_assert_int_eq(sdb_session_launch(session, &options, &process, &error), -ETIMEDOUT);
            if (error.stage == SDB_STAGE_FDS)
                break;
        }
        ck_assert_uint_eq(error.stage, SDB_STAGE_FDS);
        ck_assert_ptr_eq(process, (void *)&options);
    }
    finish();
    unlink(fifo);
    rmdir(directory);
}

/* An ELF file that the kernel accepts, and cannot map: its segment lies beyond the address space.
 */
static void write_unmappable(const char *path)
{
    struct {
        Elf64_Ehdr file;
        Elf64_Phdr segment;
    } image = {0};
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    ck_assert_int_eq(fchmod(fd, 0700), 0);
    memcpy(image.file.e_ident, ELFMAG, SELFMAG);
    image.file.e_ident[EI_CLASS] = ELFCLASS64;
    image.file.e_ident[EI_DATA] = ELFDATA2LSB;
    image.file.e_ident[EI_VERSION] = EV_CURRENT;
    image.file.e_type = ET_EXEC;
    image.file.e_machine = EM_X86_64;
    image.file.e_version = EV_CURRENT;
    image.file.e_phoff = sizeof(image.file);
    image.file.e_ehsize = sizeof(image.file);
    image.file.e_phentsize = sizeof(image.segment);
    image.file.e_phnum = 1;
    image.segment = (Elf64_Phdr){.p_type = PT_LOAD,
                                 .p_flags = PF_R | PF_X,
                                 .p_vaddr = UINT64_C(0x7ffffffff0000000),
                                 .p_filesz = sizeof(image),
                                 .p_memsz = sizeof(image),
                                 .p_align = 4096};
    ck_assert_int_eq(write(fd, &image, sizeof(image)), (ssize_t)sizeof(image));
    close(fd);
}

TEST(a_program_that_dies_in_its_exec_is_told_from_one_that_starts)
{
    char path[] = "/tmp/sdb-test-XXXXXX";
    const uint64_t flags[] = {0, SDB_LAUNCH_PORTABLE};
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    write_unmappable(path);
    begin(_i);
    for (int i = 0; i < 2; i++) {
        struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
        struct sdb_error error = SDB_ERROR_INIT;
        struct sdb_process *process;

        options.path = path;
        options.flags = flags[i];
        ck_assert_int_eq(sdb_session_launch(session, &options, &process, &error), -ESRCH);
        ck_assert_uint_eq(error.stage, SDB_STAGE_START);
        ck_assert_int_ne(error.signal, 0);
    }
    finish();
    unlink(path);
}

SESSION_TEST(a_launch_that_fails_leaves_the_session_as_it_was)
{
    const uint64_t flags[] = {0, SDB_LAUNCH_PORTABLE};
    struct target target = launch_target("exit", "3", NULL);

    for (int path = 0; path < 2; path++) {
        struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
        struct sdb_error error = SDB_ERROR_INIT;
        struct sdb_process *process;

        options.path = "/nonexistent";
        options.flags = flags[path];
        ck_assert_int_eq(sdb_session_launch(session, &options, &process, &error), -ENOENT);
        ck_assert_uint_eq(error.stage, SDB_STAGE_EXEC);
    }
    resume_process(target.process);
    finish_exited(&target, 3);
}

/* The host may not seize its own child: it has no privileges, and its memory is not dumpable. */
static int launch_undumpable(int way)
{
    const uint64_t flags[] = {0, SDB_LAUNCH_PORTABLE};

    if (setresuid(65534, 65534, 65534) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return 2;
    begin(way);
    for (int path = 0; path < 2; path++) {
        struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
        struct sdb_error error = SDB_ERROR_INIT;
        struct sdb_process *process;

        options.path = "/bin/true";
        options.flags = flags[path];
        if (sdb_session_launch(session, &options, &process, &error) != -EPERM ||
            error.stage != SDB_STAGE_SEIZE)
            return 1;
        /* Nothing is left of the child that could not be held. */
        if (waitpid(-1, NULL, __WALL) != -1)
            return 3;
    }
    finish();
    return 0;
}

TEST(a_host_that_may_not_trace_is_told_so)
{
    pid_t host;

    if (geteuid() != 0)
        return; /* only root can become somebody else */
    host = fork();
    if (host == 0)
        _exit(launch_undumpable(_i));
    expect_success(host);
}

int main(void)
{
    return run_suite("session_launch");
}
