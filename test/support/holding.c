/* SPDX-License-Identifier: MIT */
/*
 * The session of a test and what it holds.
 *
 * A failed assertion ends the test's process at once, so whatever is made here dies with the thread
 * that made it: held ones by the session's kill on exit, others by a parent-death signal.
 */
#include "holding.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"
#include "leftovers.h"

#define QUIET_MS 30

struct sdb_session *session;

static cpu_set_t cpus_before;

/* ---- a test's beginning and end ---- */

void holding_take_stock(void)
{
    session = NULL;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus_before), &cpus_before), 0);
    leftovers_take_stock();
}

void holding_check_stock(void)
{
    leftovers_check_stock();
    ck_assert_int_eq(sched_setaffinity(0, sizeof(cpus_before), &cpus_before), 0);
}

const struct suite_kind holding_case = {
    .rounds = HOLDING_WAYS,
    .set_up = holding_take_stock,
    .tear_down = holding_check_stock,
};

struct sdb_session *create_session(int way)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct sdb_session *created = NULL;

    if (way == WAY_HELPER)
        options.flags = SDB_SESSION_NO_IO_URING;
    ck_assert_int_eq(sdb_session_create(&options, &created), 0);
    return created;
}

void begin(int way)
{
    session = create_session(way);
}

void finish(void)
{
    ck_assert_int_eq(sdb_session_destroy(session), 0);
    session = NULL;
}

void finish_with(struct target *target)
{
    finish();
    close_target(target);
}

void finish_exited(struct target *target, int code)
{
    expect_exit(SDB_EXITED, code);
    finish_with(target);
}

void pass_silently(int signal)
{
    ck_assert_int_eq(sdb_session_set_signal_policy(session, signal, SDB_POLICY_PASS), 0);
}

/* ---- tracees ---- */

static void fail_with(const struct sdb_error *error, int rc)
{
    char text[512] = "";

    (void)sdb_error_format(error, text, sizeof(text));
    ck_abort_msg("%s (%d)", text, rc);
}

int make_board(struct target *target)
{
    int fd = memfd_create("board", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof(*target->board)), 0);
    target->board = mmap(NULL, sizeof(*target->board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(target->board, MAP_FAILED);
    return fd;
}

/* What is launched, and how. */
struct launching {
    const char *path;
    const char *const *argv;
    uint64_t flags;
    bool with_board;
    bool untraced; /* a child of its own */
};

static struct target launch(const struct launching *what)
{
    struct target target = {.input = -1, .output = -1};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    int board = what->with_board ? make_board(&target) : -1;
    const struct sdb_fd fds[] = {
        {.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &target.input},
        {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &target.output},
        {.target = BOARD_FD, .kind = SDB_FD_DUP, .source = board}};
    int rc;

    options.path = what->path;
    options.argv = what->argv;
    options.flags = what->flags;
    options.fds = fds;
    options.fd_count = what->with_board ? 3 : 2;
    if (what->untraced) {
        options.death_signal = SIGKILL;
        rc = sdb_launch(&options, &target.child, &error);
    } else {
        rc = sdb_session_launch(session, &options, &target.process, &error);
    }
    if (rc != 0)
        fail_with(&error, rc);
    target.pid = what->untraced ? sdb_child_pid(target.child) : sdb_process_pid(target.process);
    if (what->with_board)
        close(board);
    return target;
}

/* The arguments of a program: its path, and up to three more. */
#define ARGUMENTS(path, first, second, third)                                                      \
    ((const char *const[]){path, first, second, third, NULL})

struct target launch_program(const char *path, const char *const *argv)
{
    return launch_program_with(path, argv, 0);
}

struct target launch_program_with(const char *path, const char *const *argv, uint64_t flags)
{
    return launch(&(struct launching){.path = path, .argv = argv, .flags = flags});
}

struct target launch_target(const char *what, const char *first, const char *second)
{
    return launch_program(TARGET, ARGUMENTS(TARGET, what, first, second));
}

struct target launch_running(const char *what, const char *first, const char *second)
{
    struct target target = launch_target(what, first, second);

    resume_process(target.process);
    return target;
}

struct target launch_ready(const char *what, const char *first, const char *second)
{
    struct target target = launch_running(what, first, second);

    wait_ready(&target);
    return target;
}

struct target start_target(const char *what, const char *first, const char *second)
{
    return launch(&(struct launching){
        .path = TARGET, .argv = ARGUMENTS(TARGET, what, first, second), .untraced = true});
}

struct target launch_board_program(const char *path, const char *first, const char *second,
                                   const char *third)
{
    return launch(&(struct launching){
        .path = path, .argv = ARGUMENTS(path, first, second, third), .with_board = true});
}

struct target launch_threads(const char *what, const char *first, const char *second)
{
    return launch_board_program(THREADS, what, first, second);
}

struct target start_threads(const char *what, const char *first, const char *second)
{
    return launch(&(struct launching){.path = THREADS,
                                      .argv = ARGUMENTS(THREADS, what, first, second),
                                      .with_board = true,
                                      .untraced = true});
}

void close_target(struct target *target)
{
    close_input(target);
    if (target->output >= 0)
        close(target->output);
    if (target->board)
        munmap(target->board, sizeof(*target->board));
    sdb_child_close(target->child);
    *target = (struct target){.input = -1, .output = -1};
}

void end_target(struct target *target)
{
    ck_assert_int_eq(sdb_child_terminate(target->child, 0, PATIENCE_MS, NULL), 0);
    close_target(target);
}

void wait_ready(const struct target *target)
{
    char byte;

    ck_assert_int_eq(read(target->output, &byte, 1), 1);
    ck_assert_int_eq(byte, 'r');
}

void tell_target(const struct target *target, char byte)
{
    ck_assert_int_eq(write(target->input, &byte, 1), 1);
}

void order(const struct target *target, int place, char what)
{
    const char bytes[2] = {(char)place, what};

    ck_assert_int_eq(write(target->input, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
}

void set_gate(struct board *board, bool open)
{
    board->gate = open;
    syscall(SYS_futex, &board->gate, FUTEX_WAKE, BOARD_PLACES, NULL, NULL, 0);
}

void close_input(struct target *target)
{
    if (target->input >= 0)
        close(target->input);
    target->input = -1;
}

struct sdb_process *attach(pid_t pid)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = NULL;
    int rc = sdb_session_attach(session, pid, &process, &error);

    if (rc != 0)
        fail_with(&error, rc);
    return process;
}

void attach_target(struct target *target)
{
    target->process = attach(target->pid);
}

pid_t fork_waiting(void)
{
    return fork_ready(NULL, NULL);
}

/* ---- events ---- */

bool is_end(const struct sdb_event *event)
{
    return event->kind == SDB_EVENT_EXITED || event->kind == SDB_EVENT_THREAD_EXIT;
}

struct sdb_event next_event(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc = sdb_session_wait(session, PATIENCE_MS, &event);

    ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
    ck_assert_ptr_nonnull(event.process);
    ck_assert_ptr_nonnull(event.thread);
    return event;
}

struct sdb_event expect(uint32_t kind)
{
    struct sdb_event event = next_event();

    ck_assert_msg(event.kind == kind, "%s of %d came, not %s (signal %d)",
                  sdb_event_name(event.kind), sdb_thread_tid(event.thread), sdb_event_name(kind),
                  event.signal);
    return event;
}

struct sdb_event expect_of(uint32_t kind, const struct sdb_thread *thread)
{
    struct sdb_event event = expect(kind);

    ck_assert_msg(event.thread == thread, "%s of %d came, not of %d", sdb_event_name(kind),
                  sdb_thread_tid(event.thread), sdb_thread_tid(thread));
    return event;
}

struct sdb_event expect_signal(int signal)
{
    struct sdb_event event = expect(SDB_EVENT_SIGNAL);

    ck_assert_int_eq(event.signal, signal);
    return event;
}

static struct sdb_event expect_end(uint32_t kind, uint32_t how, int code)
{
    struct sdb_event event = expect(kind);

    ck_assert_ptr_nonnull(event.status);
    ck_assert_uint_eq(event.status->how, how);
    ck_assert_int_eq(event.status->code, code);
    return event;
}

struct sdb_event expect_exit(uint32_t how, int code)
{
    return expect_end(SDB_EVENT_EXITED, how, code);
}

struct sdb_event expect_thread_exit(uint32_t how, int code)
{
    return expect_end(SDB_EVENT_THREAD_EXIT, how, code);
}

void expect_nothing(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc = sdb_session_wait(session, QUIET_MS, &event);

    if (rc == 0)
        ck_abort_msg("%s of %d came, and nothing should", sdb_event_name(event.kind),
                     sdb_thread_tid(event.thread));
    ck_assert_msg(rc == -ETIMEDOUT, "wait: %s", sdb_error_describe(rc));
}

void resume(const struct sdb_event *event)
{
    int rc = sdb_event_resume(event);

    ck_assert_msg(rc == 0, "resume after %s: %s", sdb_event_name(event->kind),
                  sdb_error_describe(rc));
}

void resume_from(uint32_t kind)
{
    const struct sdb_event event = expect(kind);

    resume(&event);
}

void resume_from_signal(int signal)
{
    const struct sdb_event event = expect_signal(signal);

    resume(&event);
}

void resume_thread(struct sdb_thread *thread, enum sdb_resume how)
{
    ck_assert_int_eq(sdb_thread_resume(thread, how, SDB_SIGNAL_PASS), 0);
}

struct sdb_event step_to(struct sdb_thread *thread, uint32_t kind)
{
    resume_thread(thread, SDB_RESUME_STEP);
    return expect_of(kind, thread);
}

void resume_process(struct sdb_process *process)
{
    int rc = sdb_process_resume(process, SDB_RESUME_CONTINUE);

    ck_assert_msg(rc == 0, "resume: %s", sdb_error_describe(rc));
}

void stop_process(struct sdb_process *process)
{
    int rc = sdb_process_stop(process, PATIENCE_MS);

    ck_assert_msg(rc == 0, "stop: %s", sdb_error_describe(rc));
}

static void detach_as(struct sdb_process *process, struct sdb_child **child)
{
    int rc = sdb_process_detach(process, SDB_RELEASE_RUN, child);

    ck_assert_msg(rc == 0, "detach: %s", sdb_error_describe(rc));
}

void detach(struct sdb_process *process)
{
    detach_as(process, NULL);
}

struct sdb_child *detach_child(struct sdb_process *process)
{
    struct sdb_child *child = (struct sdb_child *)&child; /* to be seen if it is not set */

    detach_as(process, &child);
    ck_assert_ptr_ne(child, &child);
    return child;
}

void wait_ready_held(const struct target *target)
{
    struct pollfd output = {.fd = target->output, .events = POLLIN};
    const int64_t end = host_now_ms() + PATIENCE_MS;
    int rc;

    while (poll(&output, 1, 0) == 0 && host_now_ms() < end) {
        struct sdb_event event = SDB_EVENT_INIT;

        rc = sdb_session_wait(session, 1, &event);
        ck_assert_msg(rc == -ETIMEDOUT, "%s of %d came, or no wait was possible (%d)",
                      sdb_event_name(event.kind), sdb_thread_tid(event.thread), rc);
    }
    ck_assert_int_eq(poll(&output, 1, 0), 1);
    wait_ready(target);
}

static bool is_birth(uint32_t kind)
{
    return kind == SDB_EVENT_FORK || kind == SDB_EVENT_VFORK || kind == SDB_EVENT_CLONE;
}

static bool is_among(const struct sdb_thread *thread, struct sdb_thread *const *threads, int count)
{
    for (int i = 0; i < count; i++) {
        if (threads[i] == thread)
            return true;
    }
    return false;
}

void run_births(int count, struct sdb_thread **begun)
{
    struct sdb_thread *announced[BOARD_PLACES];
    int known = 0;

    ck_assert_int_le(count, BOARD_PLACES);
    for (int starts = 0; starts < count || known < count;) {
        struct sdb_event event = next_event();

        if (is_birth(event.kind)) {
            ck_assert_int_lt(known, count);
            ck_assert_ptr_nonnull(event.new_process);
            ck_assert_ptr_nonnull(event.new_thread);
            announced[known++] = event.new_thread;
        } else {
            ck_assert_msg(event.kind == SDB_EVENT_START, "%s of %d came, not a birth (signal %d)",
                          sdb_event_name(event.kind), sdb_thread_tid(event.thread), event.signal);
            ck_assert_msg(is_among(event.thread, announced, known), "%d began unannounced",
                          sdb_thread_tid(event.thread));
            if (begun)
                begun[starts] = event.thread;
            starts++;
        }
        resume(&event);
    }
}

void run_until_ready(const struct target *target, int births)
{
    run_births(births, NULL);
    wait_ready(target);
}

struct sdb_exit_status run_to_end(const struct sdb_process *process)
{
    struct sdb_event event;

    for (;;) {
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED && event.process == process)
            return *event.status;
        resume(&event);
    }
}

void stop_thread(struct sdb_thread *thread)
{
    ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
    expect_of(SDB_EVENT_INTERRUPT, thread);
}

struct sdb_thread *held(int tid)
{
    struct sdb_thread *thread = sdb_session_find_thread(session, tid);

    ck_assert_msg(thread != NULL, "%d is not held", tid);
    ck_assert_int_eq(sdb_thread_tid(thread), tid);
    return thread;
}

uint64_t pc_of(struct sdb_thread *thread)
{
    uint64_t pc = 0;

    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    return pc;
}

struct target launch_crew(int others)
{
    struct target target;
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", others);
    target = launch_threads("crew", number, NULL);
    resume_process(target.process);
    run_until_ready(&target, others);
    return target;
}

struct target launch_turning_crew(int others)
{
    struct target target = launch_crew(others);

    for (int i = 1; i <= others; i++) {
        order(&target, i, 't');
        expect_turns(target.board, i, 1);
    }
    return target;
}

void set_follow(struct sdb_process *process, uint32_t follow)
{
    int rc = sdb_process_set_follow(process, follow);

    ck_assert_msg(rc == 0, "set follow: %s", sdb_error_describe(rc));
}

struct target crew_that_follows(int others, uint32_t follow)
{
    struct target target = launch_crew(others);

    pass_silently(SIGCHLD);
    stop_process(target.process);
    set_follow(target.process, follow);
    resume_process(target.process);
    return target;
}

void expect_result(const struct target *target, int result)
{
    wait_ready_held(target);
    ck_assert_int_eq(target->board->result, result);
}

/* ---- the host's CPUs ---- */

void use_cpus(int count)
{
    cpu_set_t chosen;

    CPU_ZERO(&chosen);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&chosen) < count; cpu++) {
        if (CPU_ISSET(cpu, &cpus_before))
            CPU_SET(cpu, &chosen);
    }
    ck_assert_int_eq(sched_setaffinity(0, sizeof(chosen), &chosen), 0);
}
