/* SPDX-License-Identifier: MIT */
/*
 * Sessions: launching into them, events, resuming, detaching, attaching; each test with both ways
 * of waiting (the loop's index: 0 io_uring where it is there, 1 the helper).
 */
#include <sdb/sdb.h>

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "leftovers.h"

#define TARGET        SDB_TRACEE_DIR "/target"
#define STATIC_TARGET SDB_TRACEE_DIR "/target_static"
#define WAYS          2
#define PATIENCE_MS   20000

static struct sdb_session *session;
static struct leftovers before;

static struct sdb_session *create_session(int way)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct sdb_session *created = NULL;

    if (way == 1)
        options.flags = SDB_SESSION_NO_IO_URING;
    ck_assert_int_eq(sdb_session_create(&options, &created), 0);
    return created;
}

/* Checked fixtures: they run in the test's own process, which is the tracer's. */
static void take_stock(void)
{
    leftovers_note(&before);
    session = NULL;
}

static void check_leftovers(void)
{
    sdb_launch_trim();
    leftovers_check(&before);
}

static void begin(int way)
{
    session = create_session(way);
}

static void finish(void)
{
    ck_assert_int_eq(sdb_session_destroy(session), 0);
    session = NULL;
}

/* ---- helpers ---- */

struct target {
    struct sdb_process *process;
    int pid;
    int output; /* its standard output, or -1 */
};

static struct target launch_program(const char *path, const char *const *argv, uint64_t flags)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct target target = {.output = -1};
    const struct sdb_fd fds[] = {
        {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &target.output}};
    struct sdb_error error = SDB_ERROR_INIT;
    char text[256];
    int rc;

    options.path = path;
    options.argv = argv;
    options.flags = flags;
    options.fds = fds;
    options.fd_count = 1;
    rc = sdb_session_launch(session, &options, &target.process, &error);
    sdb_error_format(&error, text, sizeof(text));
    ck_assert_msg(rc == 0, "%s", text);
    target.pid = sdb_process_pid(target.process);
    return target;
}

static struct target launch_target(const char *what, const char *first, const char *second)
{
    const char *argv[] = {TARGET, what, first, second, NULL};

    return launch_program(TARGET, argv, 0);
}

static void wait_ready(const struct target *target)
{
    char byte;

    ck_assert_int_eq(read(target->output, &byte, 1), 1);
}

static struct sdb_event next_event(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc = sdb_session_wait(session, PATIENCE_MS, &event);

    ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
    return event;
}

static struct sdb_event expect(uint32_t kind)
{
    struct sdb_event event = next_event();

    ck_assert_msg(event.kind == kind, "%s came, not %s (signal %d)", sdb_event_name(event.kind),
                  sdb_event_name(kind), event.signal);
    return event;
}

static struct sdb_event expect_signal(int signal)
{
    struct sdb_event event = expect(SDB_EVENT_SIGNAL);

    ck_assert_int_eq(event.signal, signal);
    return event;
}

static void expect_exit(uint32_t how, int code)
{
    struct sdb_event event = expect(SDB_EVENT_EXITED);

    ck_assert_uint_eq(event.status->how, how);
    ck_assert_int_eq(event.status->code, code);
}

static void resume(const struct sdb_event *event)
{
    ck_assert_int_eq(sdb_event_resume(event), 0);
}

/* The state letter of a process, or 0 if there is none. */
static char state_of(int pid)
{
    char path[64];
    char text[512];
    const char *end;
    ssize_t len;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    end = strrchr(text, ')');
    return end ? end[2] : 0;
}

/* Wait for a state that is on its way, whose coming nothing else announces. */
static void await_state(int pid, char state)
{
    for (int i = 0; i < 20000 && state_of(pid) != state; i++)
        usleep(1000);
    ck_assert_int_eq(state_of(pid), state);
}

/* A child of the host's own, untraced, waiting for signals. */
static pid_t fork_waiting(void)
{
    int ends[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!write(ends[1], "r", 1);
        close(ends[0]);
        close(ends[1]);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static struct sdb_process *attach(pid_t pid)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = NULL;
    char text[256];
    int rc = sdb_session_attach(session, pid, &process, &error);

    sdb_error_format(&error, text, sizeof(text));
    ck_assert_msg(rc == 0, "%s", text);
    return process;
}

static int refused(pid_t pid, struct sdb_error *error)
{
    struct sdb_process *process = (void *)&session;
    int rc = sdb_session_attach(session, pid, &process, error);

    ck_assert_ptr_eq(process, (void *)&session);
    ck_assert_int_eq(error->code, rc);
    return rc;
}

/* ---- creating ---- */

START_TEST(create_refuses_what_cannot_be_right)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct {
        struct sdb_session_options known;
        uint64_t later;
    } newer = {.known = {.size = sizeof(newer)}};

    ck_assert_int_eq(sdb_session_create(NULL, NULL), -EINVAL);
    options.flags = UINT64_C(1) << 63;
    ck_assert_int_eq(sdb_session_create(&options, &session), -EINVAL);
    options.flags = 0;
    options.size--;
    ck_assert_int_eq(sdb_session_create(&options, &session), -EINVAL);
    newer.later = 1;
    ck_assert_int_eq(sdb_session_create(&newer.known, &session), -E2BIG);
    ck_assert_ptr_null(session);
    newer.later = 0;
    ck_assert_int_eq(sdb_session_create(&newer.known, &session), 0);
    finish();
}
END_TEST

START_TEST(a_thread_has_one_session_at_a_time)
{
    struct sdb_session *second = NULL;

    begin(_i);
    ck_assert_int_eq(sdb_session_create(NULL, &second), -EBUSY);
    finish();
    begin(_i);
    finish();
}
END_TEST

/* ---- launching ---- */

static uint64_t entry_of(const char *path)
{
    Elf64_Ehdr header;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(read(fd, &header, sizeof(header)), (ssize_t)sizeof(header));
    close(fd);
    return header.e_entry;
}

START_TEST(launched_stands_before_its_first_instruction)
{
    const char *argv[] = {STATIC_TARGET, "exit", "0", NULL};
    const uint64_t flags[] = {0, SDB_LAUNCH_PORTABLE};
    struct target target;
    uint64_t address = 0;

    begin(_i);
    for (int path = 0; path < 2; path++) {
        target = launch_program(STATIC_TARGET, argv, flags[path]);
        ck_assert_int_eq(state_of(target.pid), 't');
        ck_assert_int_eq(sdb_thread_state(sdb_process_thread(target.process)), SDB_THREAD_STOPPED);
        ck_assert_int_eq(sdb_thread_pc(sdb_process_thread(target.process), &address), 0);
        ck_assert_uint_eq(address, entry_of(STATIC_TARGET));
        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
        expect_exit(SDB_EXITED, 0);
        close(target.output);
    }
    finish();
}
END_TEST

START_TEST(exit_code_and_usage_are_told)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("exit", "42", NULL);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    event = expect(SDB_EVENT_EXITED);
    ck_assert_int_eq(event.status->pid, target.pid);
    ck_assert_int_eq(event.status->code, 42);
    ck_assert_uint_gt(event.status->max_resident_kib, 100);
    ck_assert_uint_gt(event.status->minor_faults, 10);
    ck_assert_uint_eq(event.status->flags, 0);
    ck_assert_int_eq(sdb_event_resume(&event), 0);
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -ECHILD);
    close(target.output);
    finish();
}
END_TEST

START_TEST(an_exec_that_hangs_ends_at_the_deadline)
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
END_TEST

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

START_TEST(a_program_that_dies_in_its_exec_is_told_from_one_that_starts)
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
END_TEST

START_TEST(a_launch_that_fails_leaves_the_session_as_it_was)
{
    const uint64_t flags[] = {0, SDB_LAUNCH_PORTABLE};
    struct target target;

    begin(_i);
    target = launch_target("exit", "3", NULL);
    for (int path = 0; path < 2; path++) {
        struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
        struct sdb_error error = SDB_ERROR_INIT;
        struct sdb_process *process;

        options.path = "/nonexistent";
        options.flags = flags[path];
        ck_assert_int_eq(sdb_session_launch(session, &options, &process, &error), -ENOENT);
        ck_assert_uint_eq(error.stage, SDB_STAGE_EXEC);
    }
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    expect_exit(SDB_EXITED, 3);
    close(target.output);
    finish();
}
END_TEST

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

START_TEST(a_host_that_may_not_trace_is_told_so)
{
    int status;
    pid_t host;

    if (geteuid() != 0)
        return; /* only root can become somebody else */
    host = fork();
    if (host == 0)
        _exit(launch_undumpable(_i));
    ck_assert_int_eq(waitpid(host, &status, 0), host);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* ---- signals ---- */

START_TEST(a_signal_is_reported_and_reaches_the_program)
{
    struct target target;
    struct sdb_event event;
    siginfo_t info;

    begin(_i);
    target = launch_target("catch", "10", "7");
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, &info, sizeof(info)), 0);
    ck_assert_int_eq(info.si_signo, SIGUSR1);
    ck_assert_int_eq(info.si_pid, getpid());
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, &info, sizeof(info) - 1), -EINVAL);
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, NULL, sizeof(info)), -EINVAL);
    resume(&event);
    expect_exit(SDB_EXITED, 7);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_signal_can_be_dropped)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("raise", "10", NULL);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 0), 0);
    expect_exit(SDB_EXITED, 0);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_signal_can_be_replaced)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("raise", "10", NULL);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 65), -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, -2), -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, SIGTERM), 0);
    expect_exit(SDB_KILLED, SIGTERM);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_signal_cannot_be_given_where_none_was_coming)
{
    struct target target;

    begin(_i);
    target = launch_target("exit", "0", NULL);
    ck_assert_int_eq(
        sdb_thread_resume(sdb_process_thread(target.process), SDB_RESUME_CONTINUE, SIGTERM),
        -EINVAL);
    ck_assert_int_eq(sdb_thread_resume(sdb_process_thread(target.process), (enum sdb_resume)9, 0),
                     -EINVAL);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_group_stop_is_kept_until_sigcont)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("catch", "10", "9");
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    kill(target.pid, SIGSTOP);
    event = expect_signal(SIGSTOP);
    resume(&event);
    event = expect(SDB_EVENT_GROUP_STOP);
    ck_assert_int_eq(event.signal, SIGSTOP);
    resume(&event);

    /* It stays stopped, and nothing comes. */
    ck_assert_int_eq(sdb_session_wait(session, 50, &event), -ETIMEDOUT);
    ck_assert_int_eq(state_of(target.pid), 't');

    kill(target.pid, SIGCONT);
    event = expect(SDB_EVENT_GROUP_CONTINUE);
    resume(&event);
    event = expect_signal(SIGCONT);
    resume(&event);
    kill(target.pid, SIGUSR1);
    event = expect_signal(SIGUSR1);
    resume(&event);
    expect_exit(SDB_EXITED, 9);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_sigcont_while_the_group_stop_is_looked_at_is_not_lost)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("catch", "18", "4");
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    kill(target.pid, SIGTSTP);
    event = expect_signal(SIGTSTP);
    resume(&event);
    event = expect(SDB_EVENT_GROUP_STOP);
    ck_assert_int_eq(event.signal, SIGTSTP);
    kill(target.pid, SIGCONT);
    resume(&event);
    event = expect(SDB_EVENT_GROUP_CONTINUE);
    resume(&event);
    event = expect_signal(SIGCONT);
    resume(&event);
    expect_exit(SDB_EXITED, 4);
    close(target.output);
    finish();
}
END_TEST

START_TEST(death_by_signal_is_told)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("raise", "11", NULL);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    event = expect_signal(SIGSEGV);
    resume(&event);
    expect_exit(SDB_KILLED, SIGSEGV);
    close(target.output);
    finish();
}
END_TEST

/* ---- other events ---- */

START_TEST(an_exec_is_told_once)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("exec", "6", NULL);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    event = expect(SDB_EVENT_EXEC);
    ck_assert_ptr_eq(event.process, target.process);
    resume(&event);
    expect_exit(SDB_EXITED, 6);
    close(target.output);
    finish();
}
END_TEST

START_TEST(an_interrupt_stops_a_running_thread_once)
{
    static const char *const doing[] = {"wait", "spin"};
    struct sdb_event event;

    begin(_i);
    for (size_t i = 0; i < 2; i++) {
        struct target target = launch_target(doing[i], NULL, NULL);
        struct sdb_thread *thread = sdb_process_thread(target.process);

        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
        wait_ready(&target);
        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        event = expect(SDB_EVENT_INTERRUPT);
        ck_assert_int_eq(sdb_thread_interrupt(thread), -EALREADY);
        resume(&event);
        ck_assert_int_eq(sdb_session_wait(session, 20, &event), -ETIMEDOUT);
        ck_assert_int_eq(sdb_process_kill(target.process), 0);
        expect_exit(SDB_KILLED, SIGKILL);
        close(target.output);
    }
    finish();
}
END_TEST

/* The kernel keeps an interrupt that came too late, and it would fire after the next resume. */
START_TEST(an_interrupt_that_another_event_came_before_is_not_told_later)
{
    struct sdb_event event;

    begin(_i);
    for (int round = 0; round < 100; round++) {
        struct target target = launch_target("catch", "10", "7");

        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
        wait_ready(&target);
        await_state(target.pid, 'S');
        kill(target.pid, SIGUSR1);
        await_state(target.pid, 't'); /* it has stopped, and the session has not seen it yet */
        ck_assert_int_eq(sdb_thread_interrupt(sdb_process_thread(target.process)), 0);
        event = expect_signal(SIGUSR1);
        resume(&event);
        expect_exit(SDB_EXITED, 7);
        close(target.output);
    }
    finish();
}
END_TEST

START_TEST(a_sleep_goes_on_after_an_interrupt)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("nap", "300", NULL);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    await_state(target.pid, 'S');
    ck_assert_int_eq(sdb_thread_interrupt(sdb_process_thread(target.process)), 0);
    event = expect(SDB_EVENT_INTERRUPT);
    resume(&event);
    expect_exit(SDB_EXITED, 0);
    close(target.output);
    finish();
}
END_TEST

START_TEST(steps_move_by_one_instruction)
{
    const char *argv[] = {STATIC_TARGET, "exit", "0", NULL};
    struct target target;
    struct sdb_event event;
    uint64_t last = 0;
    uint64_t address = 0;

    begin(_i);
    target = launch_program(STATIC_TARGET, argv, 0);
    ck_assert_int_eq(sdb_thread_pc(sdb_process_thread(target.process), &last), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(sdb_thread_resume(sdb_process_thread(target.process), SDB_RESUME_STEP, 0),
                         0);
        event = expect(SDB_EVENT_STEP);
        ck_assert_int_eq(sdb_thread_pc(event.thread, &address), 0);
        /* An instruction has at most 15 bytes; where it jumps, it can go anywhere. */
        ck_assert_msg(i > 0 || (address > last && address - last <= 15), "%lx -> %lx", (long)last,
                      (long)address);
        last = address;
    }
    resume(&event);
    expect_exit(SDB_EXITED, 0);
    close(target.output);
    finish();
}
END_TEST

/* ---- waiting ---- */

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

START_TEST(deadlines_are_kept)
{
    static const int timeouts_ms[] = {0, 1, 50, 200};
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;

    begin(_i);
    target = launch_target("wait", NULL, NULL);
    for (size_t i = 0; i < sizeof(timeouts_ms) / sizeof(timeouts_ms[0]); i++) {
        long begun = now_ms();

        ck_assert_int_eq(sdb_session_wait(session, timeouts_ms[i], &event), -ETIMEDOUT);
        ck_assert_int_ge(now_ms() - begun, timeouts_ms[i] - 1);
    }
    ck_assert_uint_eq(event.kind, SDB_EVENT_NONE);
    close(target.output);
    finish();
}
END_TEST

START_TEST(wait_says_when_there_is_nothing_to_wait_for)
{
    struct sdb_event event = SDB_EVENT_INIT;

    begin(_i);
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -ECHILD);
    ck_assert_int_eq(sdb_session_wait(NULL, -1, &event), -EINVAL);
    ck_assert_int_eq(sdb_session_wait(session, -1, NULL), -EINVAL);
    event.size--;
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINVAL);
    finish();
}
END_TEST

static void *interrupt_soon(void *pid)
{
    /* Once the tracer sleeps. */
    await_state(*(int *)pid, 'S');
    ck_assert_int_eq(sdb_session_interrupt(session), 0);
    return NULL;
}

START_TEST(an_interrupt_from_another_thread_ends_a_wait)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;
    pthread_t thread;
    int own_tid = (int)syscall(SYS_gettid);

    begin(_i);
    target = launch_target("wait", NULL, NULL);
    for (int round = 0; round < 50; round++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_soon, &own_tid), 0);
        ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
        pthread_join(thread, NULL);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ETIMEDOUT);
    }
    close(target.output);
    finish();
}
END_TEST

START_TEST(interrupts_before_a_wait_end_it_once)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;

    begin(_i);
    ck_assert_int_eq(sdb_session_interrupt(NULL), -EINVAL);
    target = launch_target("wait", NULL, NULL);
    for (int round = 0; round < 20; round++) {
        ck_assert_int_eq(sdb_session_interrupt(session), 0);
        ck_assert_int_eq(sdb_session_interrupt(session), 0);
        ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
        ck_assert_int_eq(sdb_session_wait(session, 5, &event), -ETIMEDOUT);
    }
    close(target.output);
    finish();
}
END_TEST

START_TEST(an_interrupt_during_a_launch_is_kept_for_the_wait)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;

    begin(_i);
    sdb_session_interrupt(session);
    target = launch_target("exit", "0", NULL);
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
    close(target.output);
    finish();
}
END_TEST

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void on_alarm_interrupt(int signal)
{
    (void)signal;
    sdb_session_interrupt(session);
}

static void alarm_every(long interval_us, void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler};
    const struct itimerspec time = {.it_interval = {.tv_nsec = interval_us * 1000},
                                    .it_value = {.tv_nsec = interval_us * 1000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    timer_t timer;

    sigaction(SIGALRM, &action, NULL);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &time, NULL), 0);
}

START_TEST(signals_in_the_host_neither_end_a_wait_nor_shorten_it)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;
    long begun;

    begin(_i);
    target = launch_target("wait", NULL, NULL);
    alarm_every(1000, on_alarm);
    begun = now_ms();
    ck_assert_int_eq(sdb_session_wait(session, 200, &event), -ETIMEDOUT);
    ck_assert_int_ge(now_ms() - begun, 199);
    ck_assert_int_gt(alarms, 10);
    signal(SIGALRM, SIG_IGN);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_signal_handler_can_interrupt_a_wait)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target target;

    begin(_i);
    target = launch_target("wait", NULL, NULL);
    alarm_every(2000, on_alarm_interrupt);
    for (int round = 0; round < 50; round++)
        ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
    signal(SIGALRM, SIG_IGN);
    close(target.output);
    finish();
}
END_TEST

START_TEST(children_of_the_host_are_left_to_it)
{
    struct target target;
    siginfo_t info;
    int status;
    pid_t zombie;

    begin(_i);
    zombie = fork();
    if (zombie == 0)
        _exit(33);
    ck_assert_int_eq(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
    target = launch_target("exit", "1", NULL);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    expect_exit(SDB_EXITED, 1);
    ck_assert_int_eq(waitpid(zombie, &status, WNOHANG), zombie);
    ck_assert_int_eq(WEXITSTATUS(status), 33);
    close(target.output);
    finish();
}
END_TEST

START_TEST(events_of_several_processes_are_all_told)
{
    enum { COUNT = 20 };
    struct target targets[COUNT];
    bool seen[COUNT] = {false};

    begin(_i);
    for (int i = 0; i < COUNT; i++) {
        char code[8];

        snprintf(code, sizeof(code), "%d", i);
        targets[i] = launch_target("exit", code, NULL);
    }
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(sdb_process_resume(targets[i].process, SDB_RESUME_CONTINUE), 0);
    for (int i = 0; i < COUNT; i++) {
        struct sdb_event event = expect(SDB_EVENT_EXITED);
        int code = event.status->code;

        ck_assert_int_eq(event.status->pid, targets[code].pid);
        ck_assert(!seen[code]);
        seen[code] = true;
        close(targets[code].output);
    }
    finish();
}
END_TEST

/* ---- killing and ending ---- */

START_TEST(kill_ends_a_process_in_any_state)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("wait", NULL, NULL); /* before its first instruction */
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    expect_exit(SDB_KILLED, SIGKILL);
    close(target.output);

    target = launch_target("wait", NULL, NULL); /* in a group-stop that was left */
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    kill(target.pid, SIGSTOP);
    event = expect_signal(SIGSTOP);
    resume(&event);
    event = expect(SDB_EVENT_GROUP_STOP);
    resume(&event);
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    event = expect(SDB_EVENT_EXITED);
    ck_assert_int_eq(event.status->code, SIGKILL);
    ck_assert_int_eq(sdb_process_kill(event.process), -ESRCH);
    ck_assert_int_eq(sdb_process_resume(event.process, SDB_RESUME_CONTINUE), -ESRCH);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_retained_handle_outlives_its_process)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event = SDB_EVENT_INIT;
    uint64_t address;

    begin(_i);
    target = launch_target("exit", "0", NULL);
    ck_assert_ptr_eq(sdb_process_retain(target.process), target.process);
    thread = sdb_thread_retain(sdb_process_thread(target.process));
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    ck_assert_int_eq(sdb_process_pid(target.process), target.pid);
    ck_assert_int_eq(sdb_process_kill(target.process), -ESRCH);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), -ESRCH);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, NULL), -ESRCH);
    ck_assert_ptr_null(sdb_process_thread(target.process));
    ck_assert_int_eq(sdb_thread_interrupt(thread), -ESRCH);
    ck_assert_int_eq(sdb_thread_pc(thread, &address), -ESRCH);
    finish();
    ck_assert_int_eq(sdb_process_kill(target.process), -ESRCH);
    sdb_process_close(target.process);
    ck_assert_int_eq(sdb_thread_tid(thread), target.pid);
    ck_assert_ptr_eq(sdb_thread_process(thread), target.process);
    sdb_thread_close(thread);
    close(target.output);
}
END_TEST

START_TEST(resuming_a_thread_that_is_being_killed_is_no_error)
{
    begin(_i);
    for (int round = 0; round < 100; round++) {
        struct target target = launch_target("wait", NULL, NULL);

        kill(target.pid, SIGKILL);
        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), -EBUSY);
        expect_exit(SDB_KILLED, SIGKILL);
        close(target.output);
    }
    finish();
}
END_TEST

START_TEST(destroying_kills_the_launched_and_frees_the_attached)
{
    struct target stopped;
    struct target running;
    pid_t attached = fork_waiting();
    pid_t resumed = fork_waiting();

    begin(_i);
    stopped = launch_target("wait", NULL, NULL);
    running = launch_target("wait", NULL, NULL);
    ck_assert_int_eq(sdb_process_resume(running.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&running);
    attach(attached);
    ck_assert_int_eq(sdb_process_resume(attach(resumed), SDB_RESUME_CONTINUE), 0);
    finish();
    ck_assert_int_eq(state_of(stopped.pid), 0);
    ck_assert_int_eq(state_of(running.pid), 0);
    await_state(attached, 'S');
    await_state(resumed, 'S');
    end_child(attached);
    end_child(resumed);
    close(stopped.output);
    close(running.output);
}
END_TEST

START_TEST(launched_processes_die_with_their_tracer)
{
    int pids[2];
    int pid;
    pid_t host;

    ck_assert_int_eq(pipe2(pids, O_CLOEXEC), 0);
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    host = fork();
    if (host == 0) {
        struct target target;

        begin(_i);
        target = launch_target("wait", NULL, NULL);
        (void)!write(pids[1], &target.pid, sizeof(target.pid));
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(pids[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
    ck_assert_int_eq(state_of(pid), 't');
    end_child(host);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid); /* ours now, as the subreaper */
    while (waitpid(-1, NULL, __WALL) > 0)         /* the host's helper, too */
        ;
    close(pids[0]);
    close(pids[1]);
}
END_TEST

/* ---- detaching ---- */

START_TEST(a_launched_process_that_is_let_go_becomes_a_child)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = NULL;
    struct target target;

    begin(_i);
    target = launch_target("exit", "12", NULL);
    ck_assert_int_eq(sdb_process_detach(target.process, (enum sdb_release)7, &child), -EINVAL);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &child), 0);
    ck_assert_int_eq(sdb_child_pid(child), target.pid);
    finish(); /* does not touch it any more */
    ck_assert_int_eq(sdb_child_wait(child, -1, &status), 0);
    ck_assert_int_eq(status.code, 12);
    sdb_child_close(child);
    close(target.output);
}
END_TEST

START_TEST(a_running_process_can_be_let_go)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = NULL;
    struct target target;

    begin(_i);
    target = launch_target("catch", "10", "5");
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &child), 0);
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.code, 5);
    sdb_child_close(child);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_signal_that_was_coming_reaches_a_process_that_is_let_go)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = NULL;
    struct target target;

    begin(_i);
    target = launch_target("catch", "10", "5");
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    kill(target.pid, SIGUSR1);
    expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &child), 0);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.code, 5);
    sdb_child_close(child);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_process_can_be_left_stopped)
{
    struct sdb_child *child = NULL;
    struct target target;

    begin(_i);
    target = launch_target("exit", "2", NULL);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_STOP, &child), 0);
    await_state(target.pid, 'T');
    ck_assert_int_eq(sdb_child_wait(child, 0, NULL), -ETIMEDOUT);
    ck_assert_int_eq(sdb_child_kill(child, SIGCONT), 0);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, NULL), 0);
    sdb_child_close(child);
    close(target.output);
    finish();
}
END_TEST

START_TEST(detaching_what_was_just_killed_tells_its_end)
{
    struct sdb_process *process;
    pid_t pid = fork_waiting();

    begin(_i);
    process = attach(pid);
    kill(pid, SIGKILL);
    await_state(pid, 'Z');
    ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, NULL), -ESRCH);
    expect_exit(SDB_KILLED, SIGKILL);
    finish();
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1); /* reaped, and not left to nobody */
}
END_TEST

/* ---- what the caller has not been told yet ---- */

START_TEST(a_stop_counts_once_it_is_told)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;
    uint64_t address;
    pid_t other = fork_waiting();

    begin(_i);
    target = launch_target("catch", "10", "7");
    thread = sdb_process_thread(target.process);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    await_state(target.pid, 'S');
    kill(target.pid, SIGUSR1);
    await_state(target.pid, 't');
    attach(other); /* sees the stop, and keeps it for later */

    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_RUNNING);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), -EBUSY);
    ck_assert_int_eq(sdb_thread_pc(thread, &address), -EBUSY);
    ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
    resume(&event);
    expect_exit(SDB_EXITED, 7);
    close(target.output);
    finish();
    end_child(other);
}
END_TEST

START_TEST(a_sigcont_to_a_running_process_is_a_signal_and_nothing_else)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_target("catch", "18", "4");
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    wait_ready(&target);
    await_state(target.pid, 'S');
    kill(target.pid, SIGCONT);
    event = expect_signal(SIGCONT);
    resume(&event);
    expect_exit(SDB_EXITED, 4);
    close(target.output);
    finish();
}
END_TEST

START_TEST(waiting_for_a_child_takes_no_stop_from_the_session)
{
    const char *argv[] = {TARGET, "catch", "10", "7", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct target target = {.output = -1};
    const struct sdb_fd fds[] = {
        {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &target.output}};
    struct sdb_child *child;
    struct sdb_event event;

    options.argv = argv;
    options.fds = fds;
    options.fd_count = 1;
    ck_assert_int_eq(sdb_launch(&options, &child, NULL), 0);
    target.pid = sdb_child_pid(child);
    wait_ready(&target);
    begin(_i);
    ck_assert_int_eq(sdb_process_resume(attach(target.pid), SDB_RESUME_CONTINUE), 0);
    kill(target.pid, SIGUSR1);
    await_state(target.pid, 't');
    ck_assert_int_eq(sdb_child_wait(child, 0, NULL), -ETIMEDOUT);
    event = expect_signal(SIGUSR1);
    resume(&event);
    expect_exit(SDB_EXITED, 7);
    finish();
    sdb_child_close(child);
    close(target.output);
}
END_TEST

/* ---- attaching ---- */

START_TEST(attach_stops_and_detach_lets_run)
{
    struct sdb_child *child = (void *)&session;
    struct sdb_process *process;
    uint64_t address = 0;
    pid_t pid = fork_waiting();

    begin(_i);
    for (int round = 0; round < 100; round++) {
        process = attach(pid);
        ck_assert_int_eq(state_of(pid), 't');
        ck_assert_int_eq(sdb_thread_pc(sdb_process_thread(process), &address), 0);
        ck_assert_uint_ne(address, 0);
        ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, &child), 0);
        ck_assert_ptr_null(child); /* it is not ours to wait for */
    }
    await_state(pid, 'S');
    finish();
    end_child(pid);
}
END_TEST

START_TEST(a_stopped_process_stays_stopped_through_attach_and_detach)
{
    struct sdb_process *process;
    struct sdb_event event = SDB_EVENT_INIT;
    pid_t pid = fork_waiting();

    begin(_i);
    kill(pid, SIGSTOP);
    await_state(pid, 'T');
    process = attach(pid);
    ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, NULL), 0);
    await_state(pid, 'T');

    /* Also when it was resumed, which left it in its group-stop. */
    process = attach(pid);
    ck_assert_int_eq(sdb_process_resume(process, SDB_RESUME_CONTINUE), 0);
    ck_assert_int_eq(sdb_session_wait(session, 20, &event), -ETIMEDOUT);
    ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, NULL), 0);
    await_state(pid, 'T');
    kill(pid, SIGCONT);
    await_state(pid, 'S');
    finish();
    end_child(pid);
}
END_TEST

START_TEST(an_attached_process_that_is_killed_is_told)
{
    struct sdb_process *process;
    pid_t pid = fork_waiting();

    begin(_i);
    process = attach(pid);
    ck_assert_int_eq(sdb_process_resume(process, SDB_RESUME_CONTINUE), 0);
    kill(pid, SIGHUP);
    {
        struct sdb_event event = expect_signal(SIGHUP);

        resume(&event);
    }
    expect_exit(SDB_KILLED, SIGHUP);
    finish();
    /* Its tracer was its parent too, so it has been reaped. */
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(signals_reach_a_process_that_is_being_attached_to)
{
    struct target target;
    struct sdb_child *child = NULL;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    begin(_i);
    for (int round = 0; round < 100; round++) {
        target = launch_target("catch", "10", "8");
        ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &child), 0);
        wait_ready(&target);
        kill(target.pid, SIGUSR1);
        {
            struct sdb_error error = SDB_ERROR_INIT;
            struct sdb_process *process;
            int rc = sdb_session_attach(session, target.pid, &process, &error);

            /* It may be quicker than we are, and end. */
            ck_assert(rc == 0 || rc == -ESRCH || rc == -EPERM);
            if (rc == 0) {
                struct sdb_event event;

                ck_assert_int_eq(sdb_process_resume(process, SDB_RESUME_CONTINUE), 0);
                event = next_event();
                if (event.kind == SDB_EVENT_SIGNAL) {
                    resume(&event);
                    event = next_event();
                }
                ck_assert_uint_eq(event.kind, SDB_EVENT_EXITED);
                ck_assert_int_eq(event.status->code, 8);
            } else {
                ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
                ck_assert_int_eq(status.code, 8);
            }
        }
        sdb_child_close(child);
        close(target.output);
    }
    finish();
}
END_TEST

static void *wait_for_release(void *end)
{
    char byte;

    (void)!read(*(int *)end, &byte, 1);
    return NULL;
}

START_TEST(attach_refusals_are_told_apart)
{
    struct sdb_error error = SDB_ERROR_INIT;
    siginfo_t info;
    pid_t pid;

    begin(_i);
    ck_assert_int_eq(refused(0, &error), -EINVAL);
    ck_assert_int_eq(refused(-5, &error), -EINVAL);
    ck_assert_int_eq(refused(getpid(), &error), -EDEADLK);

    pid = fork();
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(refused(pid, &error), -ESRCH);
    ck_assert_ptr_nonnull(strstr(error.detail, "ended"));
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(refused(pid, &error), -ESRCH);
    ck_assert_uint_eq(error.stage, SDB_STAGE_FIND);

    ck_assert_int_eq(refused(2, &error), -EPERM); /* kthreadd, on a plain system */
    finish();
}
END_TEST

START_TEST(attach_names_the_tracer_in_the_way)
{
    struct sdb_error error = SDB_ERROR_INIT;
    pid_t target = fork_waiting();
    int ready[2];
    char byte;
    pid_t tracer;

    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    tracer = fork();
    if (tracer == 0) {
        ptrace(PTRACE_SEIZE, target, 0, 0);
        (void)!write(ready[1], "r", 1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    begin(_i);
    ck_assert_int_eq(refused(target, &error), -EBUSY);
    ck_assert_int_eq(error.other_pid, tracer);
    finish();
    end_child(tracer);
    end_child(target);
    close(ready[0]);
    close(ready[1]);
}
END_TEST

START_TEST(attach_refuses_a_thread_of_a_process)
{
    struct sdb_error error = SDB_ERROR_INIT;
    int release[2];
    int tids[2];
    int tid;
    pid_t pid;

    ck_assert_int_eq(pipe2(release, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(tids, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        pthread_t thread;
        char path[64];

        pthread_create(&thread, NULL, wait_for_release, &release[0]);
        /* The next task that was made here is the thread. */
        tid = getpid();
        do {
            snprintf(path, sizeof(path), "/proc/self/task/%d", ++tid);
        } while (access(path, F_OK) < 0);
        (void)!write(tids[1], &tid, sizeof(tid));
        pthread_join(thread, NULL);
        _exit(0);
    }
    ck_assert_int_eq(read(tids[0], &tid, sizeof(tid)), (ssize_t)sizeof(tid));
    begin(_i);
    ck_assert_int_eq(refused(tid, &error), -ESRCH);
    ck_assert_ptr_nonnull(strstr(error.detail, "thread"));
    finish();
    end_child(pid);
    close(release[0]);
    close(release[1]);
    close(tids[0]);
    close(tids[1]);
}
END_TEST

START_TEST(attach_without_permission_says_so)
{
    struct sdb_error error = SDB_ERROR_INIT;
    pid_t target = fork_waiting();
    int status;
    pid_t host;

    if (geteuid() != 0) {
        end_child(target);
        return; /* only root can become somebody else */
    }
    host = fork();
    if (host == 0) {
        if (setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        begin(_i);
        _exit(refused(target, &error) == -EPERM && strstr(error.detail, "user") ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(host, &status, 0), host);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    end_child(target);
}
END_TEST

/* ---- the wrong thread ---- */

/* Every call that needs the tracer thread, from somewhere else. */
static bool all_are_refused(struct sdb_process *process, struct sdb_thread *thread)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *other;
    struct sdb_child *child;
    uint64_t address;
    siginfo_t info;
    const int wrong = -SDB_EWRONGTHREAD;

    options.path = "/bin/true";
    return sdb_session_wait(session, 0, &event) == wrong &&
           sdb_session_launch(session, &options, &other, &error) == wrong && error.code == wrong &&
           sdb_session_attach(session, 1, &other, &error) == wrong && error.code == wrong &&
           sdb_process_resume(process, SDB_RESUME_CONTINUE) == wrong &&
           sdb_process_kill(process) == wrong &&
           sdb_process_detach(process, SDB_RELEASE_RUN, &child) == wrong &&
           sdb_thread_resume(thread, SDB_RESUME_CONTINUE, 0) == wrong &&
           sdb_thread_interrupt(thread) == wrong && sdb_thread_pc(thread, &address) == wrong &&
           sdb_thread_siginfo(thread, &info, sizeof(info)) == wrong;
}

static void *try_all(void *held)
{
    struct sdb_process *process = held;
    bool refused_all = all_are_refused(process, sdb_process_thread(process)) &&
                       sdb_session_destroy(session) == -SDB_EWRONGTHREAD;

    return refused_all ? held : NULL;
}

START_TEST(other_threads_are_refused)
{
    struct target target;
    pthread_t thread;
    void *result = NULL;

    begin(_i);
    target = launch_target("exit", "0", NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, try_all, target.process), 0);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, target.process);
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    expect_exit(SDB_EXITED, 0);
    close(target.output);
    finish();
}
END_TEST

START_TEST(a_forked_host_is_refused_and_can_clean_up)
{
    struct target target;
    int status;
    pid_t child;

    begin(_i);
    target = launch_target("exit", "0", NULL);
    child = fork();
    if (child == 0) {
        bool right = all_are_refused(target.process, sdb_process_thread(target.process)) &&
                     sdb_session_interrupt(session) == -SDB_EWRONGTHREAD &&
                     sdb_session_destroy(session) == 0;
        struct sdb_session *own = NULL;

        /* And it may have a session of its own. */
        right = right && sdb_session_create(NULL, &own) == 0 && sdb_session_destroy(own) == 0;
        _exit(right ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);

    /* The host's own session is as it was. */
    ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
    expect_exit(SDB_EXITED, 0);
    close(target.output);
    finish();
}
END_TEST

/* ---- races ---- */

/* Kill a target at random instants of its life in a session: there is always one end, and no hang.
 */
static void *kill_at_random(void *pid)
{
    usleep((useconds_t)(rand() % 400));
    kill(*(int *)pid, SIGKILL);
    return NULL;
}

START_TEST(a_kill_at_any_instant_is_told_once)
{
    srand(1);
    begin(_i);
    for (int round = 0; round < 300; round++) {
        struct target target = launch_target("raise", "10", NULL);
        struct sdb_event event;
        pthread_t thread;
        int ends = 0;

        pthread_create(&thread, NULL, kill_at_random, &target.pid);
        ck_assert_int_eq(sdb_process_resume(target.process, SDB_RESUME_CONTINUE), 0);
        while (ends == 0) {
            event = next_event();
            ends += event.kind == SDB_EVENT_EXITED;
            resume(&event);
        }
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
        /* Its pid may be somebody else's only after this thread has ended: pids are not reused
         * within so short a time. */
        pthread_join(thread, NULL);
        close(target.output);
    }
    finish();
}
END_TEST

START_TEST(a_kill_while_attaching_or_detaching_never_hangs)
{
    srand(2);
    begin(_i);
    for (int round = 0; round < 300; round++) {
        struct sdb_error error = SDB_ERROR_INIT;
        struct sdb_event event = SDB_EVENT_INIT;
        struct sdb_process *process;
        pid_t pid = fork_waiting();
        pthread_t thread;
        int rc;

        pthread_create(&thread, NULL, kill_at_random, &pid);
        rc = sdb_session_attach(session, pid, &process, &error);
        ck_assert_msg(rc == 0 || rc == -ESRCH, "%s", sdb_error_describe(rc));
        if (rc == 0) {
            ck_assert_int_eq(sdb_process_resume(process, SDB_RESUME_CONTINUE), 0);
            rc = sdb_process_detach(process, SDB_RELEASE_RUN, NULL);
            ck_assert(rc == 0 || rc == -ESRCH);
            if (rc == -ESRCH)
                expect_exit(SDB_KILLED, SIGKILL);
        }
        pthread_join(thread, NULL);
        kill(pid, SIGKILL);
        /* The session has reaped it, if it died while it was held. */
        if (waitpid(pid, NULL, 0) < 0)
            ck_assert_int_eq(errno, ECHILD);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
    }
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tests = tcase_create("both ways of waiting");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, take_stock, check_leftovers);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, create_refuses_what_cannot_be_right);
    tcase_add_loop_test(tests, a_thread_has_one_session_at_a_time, 0, WAYS);
    tcase_add_loop_test(tests, launched_stands_before_its_first_instruction, 0, WAYS);
    tcase_add_loop_test(tests, exit_code_and_usage_are_told, 0, WAYS);
    tcase_add_loop_test(tests, an_exec_that_hangs_ends_at_the_deadline, 0, WAYS);
    tcase_add_loop_test(tests, a_program_that_dies_in_its_exec_is_told_from_one_that_starts, 0,
                        WAYS);
    tcase_add_loop_test(tests, a_launch_that_fails_leaves_the_session_as_it_was, 0, WAYS);
    tcase_add_loop_test(tests, a_host_that_may_not_trace_is_told_so, 0, WAYS);
    tcase_add_loop_test(tests, a_signal_is_reported_and_reaches_the_program, 0, WAYS);
    tcase_add_loop_test(tests, a_signal_can_be_dropped, 0, WAYS);
    tcase_add_loop_test(tests, a_signal_can_be_replaced, 0, WAYS);
    tcase_add_loop_test(tests, a_signal_cannot_be_given_where_none_was_coming, 0, WAYS);
    tcase_add_loop_test(tests, a_group_stop_is_kept_until_sigcont, 0, WAYS);
    tcase_add_loop_test(tests, a_sigcont_while_the_group_stop_is_looked_at_is_not_lost, 0, WAYS);
    tcase_add_loop_test(tests, death_by_signal_is_told, 0, WAYS);
    tcase_add_loop_test(tests, an_exec_is_told_once, 0, WAYS);
    tcase_add_loop_test(tests, an_interrupt_stops_a_running_thread_once, 0, WAYS);
    tcase_add_loop_test(tests, an_interrupt_that_another_event_came_before_is_not_told_later, 0,
                        WAYS);
    tcase_add_loop_test(tests, a_sleep_goes_on_after_an_interrupt, 0, WAYS);
    tcase_add_loop_test(tests, steps_move_by_one_instruction, 0, WAYS);
    tcase_add_loop_test(tests, deadlines_are_kept, 0, WAYS);
    tcase_add_loop_test(tests, wait_says_when_there_is_nothing_to_wait_for, 0, WAYS);
    tcase_add_loop_test(tests, an_interrupt_from_another_thread_ends_a_wait, 0, WAYS);
    tcase_add_loop_test(tests, interrupts_before_a_wait_end_it_once, 0, WAYS);
    tcase_add_loop_test(tests, an_interrupt_during_a_launch_is_kept_for_the_wait, 0, WAYS);
    tcase_add_loop_test(tests, signals_in_the_host_neither_end_a_wait_nor_shorten_it, 0, WAYS);
    tcase_add_loop_test(tests, a_signal_handler_can_interrupt_a_wait, 0, WAYS);
    tcase_add_loop_test(tests, children_of_the_host_are_left_to_it, 0, WAYS);
    tcase_add_loop_test(tests, events_of_several_processes_are_all_told, 0, WAYS);
    tcase_add_loop_test(tests, kill_ends_a_process_in_any_state, 0, WAYS);
    tcase_add_loop_test(tests, a_retained_handle_outlives_its_process, 0, WAYS);
    tcase_add_loop_test(tests, resuming_a_thread_that_is_being_killed_is_no_error, 0, WAYS);
    tcase_add_loop_test(tests, destroying_kills_the_launched_and_frees_the_attached, 0, WAYS);
    tcase_add_loop_test(tests, launched_processes_die_with_their_tracer, 0, WAYS);
    tcase_add_loop_test(tests, a_launched_process_that_is_let_go_becomes_a_child, 0, WAYS);
    tcase_add_loop_test(tests, a_running_process_can_be_let_go, 0, WAYS);
    tcase_add_loop_test(tests, a_signal_that_was_coming_reaches_a_process_that_is_let_go, 0, WAYS);
    tcase_add_loop_test(tests, a_process_can_be_left_stopped, 0, WAYS);
    tcase_add_loop_test(tests, detaching_what_was_just_killed_tells_its_end, 0, WAYS);
    tcase_add_loop_test(tests, a_stop_counts_once_it_is_told, 0, WAYS);
    tcase_add_loop_test(tests, a_sigcont_to_a_running_process_is_a_signal_and_nothing_else, 0,
                        WAYS);
    tcase_add_loop_test(tests, waiting_for_a_child_takes_no_stop_from_the_session, 0, WAYS);
    tcase_add_loop_test(tests, attach_stops_and_detach_lets_run, 0, WAYS);
    tcase_add_loop_test(tests, a_stopped_process_stays_stopped_through_attach_and_detach, 0, WAYS);
    tcase_add_loop_test(tests, an_attached_process_that_is_killed_is_told, 0, WAYS);
    tcase_add_loop_test(tests, signals_reach_a_process_that_is_being_attached_to, 0, WAYS);
    tcase_add_loop_test(tests, attach_refusals_are_told_apart, 0, WAYS);
    tcase_add_loop_test(tests, attach_names_the_tracer_in_the_way, 0, WAYS);
    tcase_add_loop_test(tests, attach_refuses_a_thread_of_a_process, 0, WAYS);
    tcase_add_loop_test(tests, attach_without_permission_says_so, 0, WAYS);
    tcase_add_loop_test(tests, other_threads_are_refused, 0, WAYS);
    tcase_add_loop_test(tests, a_forked_host_is_refused_and_can_clean_up, 0, WAYS);
    tcase_add_loop_test(tests, a_kill_at_any_instant_is_told_once, 0, WAYS);
    tcase_add_loop_test(tests, a_kill_while_attaching_or_detaching_never_hangs, 0, WAYS);
    suite_add_tcase(suite, tests);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    if (srunner_ntests_run(runner) == 0)
        failed = 1;
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
