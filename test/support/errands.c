/* SPDX-License-Identifier: MIT */
#include "errands.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sdb/sdb.h>

#include "errand_places.h"
#include "holding.h"
#include "host.h"
#include "scarce.h"

#define ERRANDS    SDB_TRACEE_DIR "/errands"
#define LOOK_MS    20
#define SHORT_MS   2
#define MOST_TASKS 64

/* More than a thread has room for without having been asked. */
#define MANY_BREAKPOINTS 12

static struct target subject;
static struct sdb_process *process;
static int unanswered; /* orders */

/* What has happened. */
struct account {
    uint64_t hits;
    uint64_t changes;
    uint64_t births;
    uint64_t execs;
    uint64_t calls;
    uint64_t steps;
};

/* ---- the subject ---- */

static void give(char what)
{
    ck_assert_int_eq(write(subject.input, &what, 1), 1);
    unanswered++;
}

/* @return whether it has answered within this time */
static bool has_answered(int timeout_ms)
{
    struct pollfd polled = {.fd = subject.output, .events = POLLIN};
    char byte;

    if (unanswered == 0 || poll(&polled, 1, timeout_ms) != 1 || read(subject.output, &byte, 1) != 1)
        return false;
    unanswered--;
    return true;
}

static void await_answers(void)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (unanswered > 0 && host_now_ms() < end)
        (void)has_answered(LOOK_MS);
    ck_assert_msg(unanswered == 0, "the subject %d does not go on (state '%c'), after %s",
                  subject.pid, state_of(subject.pid), scarce_failed_call());
}

void errand_prepare(const struct errand *errand)
{
    char threads[16];

    if (errand->threads < 0)
        return;
    (void)snprintf(threads, sizeof(threads), "%d", errand->threads);
    subject = start_board_program(ERRANDS, threads, NULL, NULL);
    unanswered = 1; /* that it is ready */
    await_answers();
}

void errand_look_after(const struct errand *errand)
{
    int tids[MOST_TASKS];
    int count;

    if (errand->threads < 0)
        return;
    count = tasks_of(subject.pid, tids, MOST_TASKS);
    ck_assert_msg(count > 0, "the subject is gone, after %s", scarce_failed_call());
    for (int i = 0; i < count; i++)
        ck_assert_msg(status_of(tids[i], "TracerPid", 10) <= 0,
                      "task %d of %d is still held, after %s", tids[i], subject.pid,
                      scarce_failed_call());
    await_answers();
    give('h');
    give('f');
    await_answers();
    ck_assert_uint_eq(subject.board->wrong, 0);
}

void errand_clear(const struct errand *errand)
{
    if (errand->threads < 0)
        return;
    end_target(&subject);
}

/* ---- sessions ---- */

static bool open_session(uint64_t flags)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct sdb_session *created = NULL;
    int rc;

    options.flags = flags;
    session = NULL;
    process = NULL;
    TRY(rc, sdb_session_create(&options, &created));
    ck_assert_int_eq(rc == 0, created != NULL);
    session = created;
    return rc == 0;
}

static void close_session(void)
{
    int rc = 0;

    if (session)
        ASK(rc, sdb_session_destroy(session));
    ck_assert_int_eq(rc, 0);
    session = NULL;
    process = NULL;
}

static bool attach_to_subject(void)
{
    struct sdb_error error = SDB_ERROR_INIT;
    int rc;

    TRY(rc, sdb_session_attach(session, subject.pid, &process, &error));
    ck_assert_int_eq(error.code, rc);
    return rc == 0;
}

static bool open_and_attach(void)
{
    return open_session(0) && attach_to_subject();
}

static bool let_run(void)
{
    int rc;

    TRY(rc, sdb_process_resume(process, SDB_RESUME_CONTINUE));
    return rc == 0;
}

static void let_go_and_close(void)
{
    int rc;

    if (session && process && sdb_session_next_process(session, NULL)) {
        TRY(rc, sdb_process_detach(process, SDB_RELEASE_RUN, NULL));
        (void)rc;
    }
    close_session();
}

/* @return 0: an event, or a negative errno */
static int await_event(struct sdb_event *event, int timeout_ms)
{
    int rc;

    *event = (struct sdb_event)SDB_EVENT_INIT;
    do
        ASK(rc, sdb_session_wait(session, timeout_ms, event));
    while (rc != -ETIMEDOUT && scarce_again("sdb_session_wait()", rc));
    return rc;
}

static bool resume_event(const struct sdb_event *event)
{
    int rc;

    TRY(rc, sdb_event_resume(event));
    return rc == 0;
}

static void count_one(const struct sdb_event *event, struct account *account)
{
    account->hits += event->kind == SDB_EVENT_BREAKPOINT;
    account->changes += event->kind == SDB_EVENT_WATCHPOINT;
    account->execs += event->kind == SDB_EVENT_EXEC;
    account->steps += event->kind == SDB_EVENT_STEP;
    account->calls +=
        event->kind == SDB_EVENT_SYSCALL_ENTRY || event->kind == SDB_EVENT_SYSCALL_EXIT;
    if (event->kind == SDB_EVENT_FORK || event->kind == SDB_EVENT_VFORK ||
        event->kind == SDB_EVENT_CLONE) {
        account->births++;
        ck_assert_msg(event->new_thread != NULL, "a birth without a newborn, after %s",
                      scarce_failed_call());
    }
    ck_assert(event->kind != SDB_EVENT_SIGNAL || event->signal == SIGCHLD);
}

/* Have it do what it is told, and go on from all that comes of it.  @return false: given up */
static bool run_order(char what, struct account *account)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    struct sdb_event event;
    bool answered = false;

    give(what);
    while (host_now_ms() < end) {
        int rc = await_event(&event, SHORT_MS);

        if (rc == 0) {
            count_one(&event, account);
            if (!resume_event(&event))
                return false;
        } else if (rc != -ETIMEDOUT) {
            return false;
        } else if (answered) {
            return true;
        } else {
            answered = has_answered(0);
        }
    }
    ck_abort_msg("order '%c' is not done: the subject is in state '%c', after %s", what,
                 state_of(subject.pid), scarce_failed_call());
    return false;
}

static void create_and_destroy(void)
{
    if (open_session(0))
        close_session();
    if (open_session(SDB_SESSION_NO_IO_URING))
        close_session();
}

static void poll_a_descriptor(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    for (int way = 0; way < 2; way++) {
        if (!open_session(way == 0 ? 0 : SDB_SESSION_NO_IO_URING))
            return;
        TRY(rc, sdb_session_fd(session));
        if (rc >= 0) {
            struct pollfd polled = {.fd = rc, .events = POLLIN};

            ck_assert_int_eq(sdb_session_interrupt(session), 0);
            ck_assert_int_eq(poll(&polled, 1, PATIENCE_MS), 1);
            do
                ASK(rc, sdb_session_wait(session, 0, &event));
            while (rc != -EINTR && scarce_again("sdb_session_wait()", rc));
        }
        close_session();
    }
}

static int return_seven(struct sdb_session *of, void *data)
{
    (void)of;
    (void)data;
    return 7;
}

static void use_own_thread(void)
{
    int result = 0;
    int rc;

    if (!open_session(SDB_SESSION_OWN_THREAD))
        return;
    TRY(rc, sdb_session_call(session, return_seven, NULL, &result));
    if (rc == 0)
        ck_assert_int_eq(result, 7);
    close_session();
}

/* ---- launches ---- */

static const char *const five[] = {"/bin/sh", "-c", "exit 5", NULL};

static void see_end_of(struct sdb_child *child, int code)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    int rc;

    TRY(rc, sdb_child_wait(child, PATIENCE_MS, &status));
    if (rc == 0)
        ck_assert_int_eq(status.code, code);
    else
        ASK(rc, sdb_child_terminate(child, 0, PATIENCE_MS, NULL));
    sdb_child_close(child);
}

static void launch_with(uint64_t flags)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_child *child = NULL;
    int rc;

    options.argv = five;
    options.flags = flags;
    TRY(rc, sdb_launch(&options, &child, &error));
    ck_assert_int_eq(error.code, rc);
    ck_assert_int_eq(rc == 0, child != NULL);
    if (rc == 0)
        see_end_of(child, 5);
    sdb_launch_trim();
}

static void launch_fast(void)
{
    launch_with(0);
}

static void launch_portable(void)
{
    launch_with(SDB_LAUNCH_PORTABLE);
}

static void launch_with_streams(void)
{
    static const char *const argv[] = {"/bin/sh", "-c", "read x; echo $x; exit 5", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    int input = -1;
    int output = -1;
    const struct sdb_fd fds[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input},
                                 {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output},
                                 {.target = 2, .kind = SDB_FD_NULL}};
    struct sdb_child *child = NULL;
    int rc;

    options.argv = argv;
    options.fds = fds;
    options.fd_count = 3;
    options.cwd = "/";
    options.flags = SDB_LAUNCH_NEW_SESSION;
    TRY(rc, sdb_launch(&options, &child, NULL));
    if (rc == 0) {
        char answer[8] = "";

        ck_assert_int_eq(write(input, "abc\n", 4), 4);
        ck_assert_int_eq(read(output, answer, sizeof(answer)), 4);
        ck_assert_str_eq(answer, "abc\n");
        close(input);
        close(output);
        see_end_of(child, 5);
    } else {
        ck_assert_int_eq(input, -1);
        ck_assert_int_eq(output, -1);
    }
    sdb_launch_trim();
}

static void capture(void)
{
    static const char *const argv[] = {"/bin/sh", "-c", "cat; echo err >&2; exit 5", NULL};
    static char input[90000];
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_capture captured = SDB_CAPTURE_INIT;
    int rc;

    memset(input, 'i', sizeof(input));
    captured.input = input;
    captured.input_size = sizeof(input);
    options.argv = argv;
    TRY(rc, sdb_capture_launch(&options, PATIENCE_MS, &captured, &status, &error));
    if (rc == 0) {
        ck_assert_uint_eq(captured.output_size, sizeof(input));
        ck_assert_mem_eq(captured.output, input, sizeof(input));
        ck_assert_str_eq(captured.errors, "err\n");
        ck_assert_int_eq(status.code, 5);
    }
    sdb_capture_free(&captured);
    sdb_launch_trim();
}

static void use_pipe(void)
{
    struct sdb_pipe *pipe = NULL;
    char received[8] = "";
    int rc;

    TRY(rc, sdb_pipe_open(0, &pipe));
    if (rc < 0)
        return;
    TRY(rc, sdb_pipe_send(pipe, "record", 7));
    if (rc == 0)
        TRY(rc, sdb_pipe_receive(pipe, received, sizeof(received), PATIENCE_MS));
    if (rc >= 0)
        ck_assert_str_eq(received, "record");
    sdb_pipe_close(pipe);
}

/* @return whether it was launched */
static bool launch_into_session(struct sdb_launch_options *options)
{
    struct sdb_error error = SDB_ERROR_INIT;
    int rc;

    options->argv = five;
    TRY(rc, sdb_session_launch(session, options, &process, &error));
    ck_assert_int_eq(error.code, rc);
    return rc == 0;
}

/* Until the process has ended with code 5. */
static void run_until_five(void)
{
    struct sdb_event event;

    while (await_event(&event, PATIENCE_MS) == 0) {
        if (event.kind == SDB_EVENT_EXITED && event.process == process) {
            ck_assert_int_eq(event.status->code, 5);
            return;
        }
        if (!resume_event(&event))
            return;
    }
    ck_assert_msg(scarce_gave_up(), "an end is lost, after %s", scarce_failed_call());
}

static void launch_and_hold(void)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    if (open_session(0) && launch_into_session(&options) && let_run())
        run_until_five();
    close_session();
    sdb_launch_trim();
}

static void launch_with_filter(void)
{
    const int32_t caught[] = {SYS_exit_group};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    options.caught_syscalls = caught;
    options.caught_syscall_count = 1;
    if (open_session(0) && launch_into_session(&options) && let_run())
        run_until_five();
    close_session();
    sdb_launch_trim();
}

static void launch_and_let_go(void)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_child *child = NULL;
    int rc;

    if (open_session(0) && launch_into_session(&options)) {
        TRY(rc, sdb_process_detach(process, SDB_RELEASE_RUN, &child));
        if (rc == 0)
            see_end_of(child, 5);
    }
    close_session();
    sdb_launch_trim();
}

static void launch_and_release_at_exec(void)
{
    static const char *const argv[] = {"/bin/sh", "-c", "exec sh -c 'exit 5'", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_event event;
    int rc;

    options.argv = argv;
    if (open_session(0)) {
        TRY(rc, sdb_session_launch(session, &options, &process, NULL));
        if (rc == 0)
            TRY(rc, sdb_process_set_follow(process, SDB_FOLLOW_DEFAULT & ~SDB_FOLLOW_EXEC));
        if (rc == 0 && let_run() && await_event(&event, PATIENCE_MS) == 0) {
            ck_assert_uint_eq(event.kind, SDB_EVENT_RELEASED);
            see_end_of(event.child, 5);
        }
    }
    close_session();
    sdb_launch_trim();
}

/* ---- attaching, stopping ---- */

static void attach_and_detach(void)
{
    if (open_and_attach())
        ck_assert_int_eq(sdb_process_thread_count(process), tasks_of(subject.pid, NULL, 0));
    let_go_and_close();
}

static void stop_and_go_on(void)
{
    struct account account = {0};
    struct sdb_event event;
    int rc;

    if (open_and_attach() && let_run() && run_order('p', &account)) {
        TRY(rc, sdb_process_stop(process, PATIENCE_MS));
        if (rc == 0)
            give('p');
        if (rc == 0) {
            ck_assert(!has_answered(SHORT_MS));
            if (let_run())
                await_answers();
        }
        if (rc == 0)
            TRY(rc, sdb_thread_interrupt(sdb_process_thread(process)));
        if (rc == 0 && await_event(&event, PATIENCE_MS) == 0) {
            ck_assert_uint_eq(event.kind, SDB_EVENT_INTERRUPT);
            (void)resume_event(&event);
        }
    }
    let_go_and_close();
}

static void stop_all_at_each_event(void)
{
    struct account account = {0};
    int rc;

    if (open_and_attach()) {
        TRY(rc, sdb_process_set_stop_mode(process, SDB_ALL_STOP));
        if (rc == 0)
            TRY(rc, sdb_process_catch_syscalls(process, 0, (const int32_t[]){SYS_getppid}, 1));
        if (rc == 0 && let_run() && run_order('g', &account))
            ck_assert_uint_eq(account.calls, 2);
    }
    let_go_and_close();
}

/* ---- births ---- */

static bool follow_all(void)
{
    int rc;

    TRY(rc, sdb_process_set_follow(process, SDB_FOLLOW_ALL));
    return rc == 0;
}

static void follow_births(void)
{
    struct account account = {0};

    if (open_and_attach() && follow_all() && let_run() && run_order('f', &account) &&
        run_order('t', &account) && run_order('v', &account) && run_order('x', &account)) {
        ck_assert_uint_eq(account.births, 3);
        ck_assert_uint_eq(account.execs, 1);
    }
    let_go_and_close();
}

/* ---- breakpoints and watchpoints ---- */

static struct sdb_breakpoint *break_with(uint64_t flags, struct sdb_thread *only)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *created = NULL;
    int rc;

    options.address = subject.board->addresses[ERRAND_COUNTED];
    options.flags = flags;
    options.thread = only;
    TRY(rc, sdb_breakpoint_create(process, &options, &created));
    ck_assert_int_eq(rc == 0, created != NULL);
    return created;
}

static uint64_t calls_made(void)
{
    return subject.board->counts[ERRAND_COUNTED];
}

/* Orders whose hits are as many as the calls. */
static void count_hits(const char *orders)
{
    struct account account = {0};
    const uint64_t before = calls_made();

    for (; *orders; orders++) {
        if (!run_order(*orders, &account))
            return;
    }
    ck_assert_msg(account.hits == calls_made() - before, "%d hits of %d, after %s",
                  (int)account.hits, (int)(calls_made() - before), scarce_failed_call());
}

static void break_in_software(void)
{
    struct sdb_breakpoint *breakpoint;
    int rc;

    if (open_and_attach() && (breakpoint = break_with(0, NULL)) && let_run()) {
        count_hits("hah");
        TRY(rc, sdb_breakpoint_disable(breakpoint));
        if (rc == 0)
            TRY(rc, sdb_breakpoint_enable(breakpoint));
        if (rc == 0)
            count_hits("h");
        TRY(rc, sdb_breakpoint_remove(breakpoint));
    }
    let_go_and_close();
}

static void break_in_hardware(void)
{
    struct sdb_breakpoint *breakpoint;
    int rc;

    if (open_and_attach() && (breakpoint = break_with(SDB_BREAKPOINT_HARDWARE, NULL)) &&
        let_run()) {
        count_hits("hah");
        TRY(rc, sdb_breakpoint_remove(breakpoint));
    }
    let_go_and_close();
}

static void break_often_at_one_place(void)
{
    struct sdb_breakpoint *breakpoint = NULL;
    struct sdb_event event;
    int count = 0;

    if (open_and_attach()) {
        do
            breakpoint = break_with(0, NULL);
        while (breakpoint && ++count < MANY_BREAKPOINTS);
    }
    if (breakpoint && let_run()) {
        give('h');
        if (await_event(&event, PATIENCE_MS) == 0) {
            int told = 0;

            ck_assert_uint_eq(event.kind, SDB_EVENT_BREAKPOINT);
            for (breakpoint = event.breakpoint; breakpoint;
                 breakpoint = sdb_thread_next_breakpoint(event.thread, breakpoint))
                told++;
            ck_assert_msg(told == MANY_BREAKPOINTS, "%d breakpoints are told, after %s", told,
                          scarce_failed_call());
            (void)resume_event(&event);
        }
    }
    let_go_and_close();
}

static void break_in_newborns(void)
{
    if (open_and_attach() && follow_all() && break_with(0, NULL) && let_run())
        count_hits("hftvfah");
    let_go_and_close();
}

static void break_in_newborns_by_hardware(void)
{
    if (open_and_attach() && follow_all() && break_with(SDB_BREAKPOINT_HARDWARE, NULL) && let_run())
        count_hits("hftfh");
    let_go_and_close();
}

/* Newborns that are not followed live, and are not told of. */
static void break_but_not_in_newborns(void)
{
    struct account account = {0};

    if (open_and_attach() && break_with(0, NULL) && let_run() && run_order('f', &account) &&
        run_order('v', &account) && run_order('h', &account))
        ck_assert_uint_eq(account.hits, 1);
    let_go_and_close();
}

static void break_and_execute(void)
{
    struct account account = {0};

    if (open_and_attach() && break_with(0, NULL) && let_run() && run_order('h', &account) &&
        run_order('x', &account) && break_with(0, NULL) && run_order('h', &account))
        ck_assert_uint_eq(account.hits, 2);
    let_go_and_close();
}

static struct sdb_watchpoint *watch_variable(void)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    struct sdb_watchpoint *created = NULL;
    int rc;

    options.address = subject.board->addresses[ERRAND_VARIABLE];
    options.length = 8;
    TRY(rc, sdb_watchpoint_create(process, &options, &created));
    ck_assert_int_eq(rc == 0, created != NULL);
    return created;
}

static void watch(void)
{
    struct account account = {0};
    struct sdb_watchpoint *watchpoint;
    int rc;

    if (open_and_attach() && follow_all() && (watchpoint = watch_variable()) && let_run() &&
        run_order('w', &account) && run_order('f', &account) && run_order('w', &account)) {
        ck_assert_msg(account.changes == 2, "%d hits of 2, after %s", (int)account.changes,
                      scarce_failed_call());
        TRY(rc, sdb_watchpoint_remove(watchpoint));
    }
    let_go_and_close();
}

static void step_from_a_breakpoint(void)
{
    struct sdb_event event;
    int rc;

    if (open_and_attach() && break_with(SDB_BREAKPOINT_ONE_SHOT, NULL) && let_run()) {
        give('h');
        rc = await_event(&event, PATIENCE_MS);
        if (rc == 0) {
            ck_assert_uint_eq(event.kind, SDB_EVENT_BREAKPOINT);
            TRY(rc, sdb_thread_step_over(event.thread));
        }
        if (rc == 0)
            rc = await_event(&event, PATIENCE_MS);
        if (rc == 0) {
            ck_assert_uint_eq(event.kind, SDB_EVENT_STEP);
            TRY(rc, sdb_thread_run_to(event.thread, subject.board->addresses[ERRAND_COUNTED] + 4));
        }
        if (rc == 0)
            TRY(rc, sdb_thread_cancel_step(event.thread));
    }
    let_go_and_close();
}

/* ---- system calls, memory, registers ---- */

static void catch_calls(void)
{
    const int32_t wanted[] = {SYS_getppid};
    struct account account = {0};
    int rc;

    if (open_and_attach()) {
        TRY(rc, sdb_process_catch_syscalls(process, 0, wanted, 1));
        if (rc == 0 && let_run() && run_order('g', &account))
            ck_assert_uint_eq(account.calls, 2);
    }
    let_go_and_close();
}

static void inject(void)
{
    static char directory[3000];
    struct sdb_inject_buffer buffer = {directory, sizeof(directory), 0, SDB_INJECT_OUT};
    const uint64_t of_getcwd[6] = {0, sizeof(directory)};
    const uint64_t none[6] = {0};
    int64_t result = 0;
    int rc;

    if (open_and_attach()) {
        TRY(rc, sdb_thread_inject(sdb_process_thread(process), SYS_getpid, none, &result));
        if (rc == 0) {
            ck_assert_int_eq(result, subject.pid);
            TRY(rc, sdb_thread_inject_with(sdb_process_thread(process), SYS_getcwd, of_getcwd,
                                           &buffer, 1, &result));
        }
        if (rc == 0)
            ck_assert_int_eq(directory[0], '/');
    }
    let_go_and_close();
}

static void read_and_write_memory(void)
{
    char read[32] = "";
    uint64_t word = 7;
    int64_t rc;

    if (open_and_attach()) {
        TRY(rc, sdb_memory_read(process, subject.board->addresses[ERRAND_TEXT], read, 19));
        if (rc >= 0) {
            ck_assert_str_eq(read, "a text to be read");
            TRY(rc, sdb_memory_write(process, subject.board->addresses[ERRAND_VARIABLE], &word,
                                     sizeof(word)));
        }
        if (rc >= 0)
            TRY(rc, sdb_memory_read_string(process, subject.board->addresses[ERRAND_TEXT], read,
                                           sizeof(read)));
        if (rc >= 0)
            ck_assert_int_eq(rc, 17);
    }
    let_go_and_close();
}

static void read_and_write_registers(void)
{
    struct sdb_registers general = SDB_REGISTERS_INIT;
    struct sdb_thread *thread;
    unsigned char vector[32];
    uint64_t pc;
    int rc;

    if (open_and_attach()) {
        const struct sdb_register *ymm = sdb_register_find("ymm3");

        thread = sdb_process_thread(process);
        TRY(rc, sdb_thread_pc(thread, &pc));
        if (rc == 0)
            TRY(rc, sdb_thread_get_registers(thread, &general));
        if (rc == 0)
            TRY(rc, sdb_thread_set_registers(thread, &general));
        if (rc == 0 && sdb_thread_read_register(thread, ymm, vector, sizeof(vector)) != -ENOTSUP) {
            TRY(rc, sdb_thread_read_register(thread, ymm, vector, sizeof(vector)));
            if (rc == 0)
                TRY(rc, sdb_thread_write_register(thread, ymm, vector, sizeof(vector)));
        }
    }
    let_go_and_close();
}

/* ---- facts ---- */

static void read_facts(void)
{
    struct sdb_facts_strings *strings = NULL;
    struct sdb_facts_threads *threads = NULL;
    struct sdb_facts_maps *maps = NULL;
    struct sdb_facts_auxv *auxv = NULL;
    struct sdb_facts_file *file = NULL;
    int rc;

    TRY(rc, sdb_facts_read_threads(subject.pid, &threads));
    if (rc == 0)
        ck_assert_int_eq((int)threads->count, tasks_of(subject.pid, NULL, 0));
    TRY(rc, sdb_facts_read_executable(subject.pid, &file));
    if (rc == 0)
        ck_assert_str_eq(file->path, ERRANDS);
    TRY(rc, sdb_facts_read_arguments(subject.pid, &strings));
    if (rc == 0)
        ck_assert_str_eq(strings->list[0], ERRANDS);
    sdb_facts_free(strings);
    strings = NULL;
    TRY(rc, sdb_facts_read_environment(subject.pid, &strings));
    TRY(rc, sdb_facts_read_maps(subject.pid, &maps));
    if (rc == 0)
        ck_assert_ptr_nonnull(sdb_facts_find_map(maps, subject.board->addresses[ERRAND_COUNTED]));
    TRY(rc, sdb_facts_read_auxv(subject.pid, &auxv));
    sdb_facts_free(threads);
    sdb_facts_free(file);
    sdb_facts_free(strings);
    sdb_facts_free(maps);
    sdb_facts_free(auxv);
}

/* ---- all ---- */

const struct errand errands[] = {
    {"create_and_destroy", create_and_destroy, -1, false},
    {"poll_a_descriptor", poll_a_descriptor, -1, false},
    {"use_own_thread", use_own_thread, -1, false},
    {"launch_fast", launch_fast, -1, false},
    {"launch_portable", launch_portable, -1, false},
    {"launch_with_streams", launch_with_streams, -1, false},
    {"capture", capture, -1, false},
    {"use_pipe", use_pipe, -1, false},
    {"launch_and_hold", launch_and_hold, -1, false},
    {"launch_with_filter", launch_with_filter, -1, false},
    {"launch_and_let_go", launch_and_let_go, -1, false},
    {"launch_and_release_at_exec", launch_and_release_at_exec, -1, false},
    {"attach_and_detach", attach_and_detach, 0, false},
    {"attach_and_detach 20", attach_and_detach, 19, false},
    {"stop_and_go_on", stop_and_go_on, 1, false},
    {"stop_all_at_each_event", stop_all_at_each_event, 3, false},
    {"follow_births", follow_births, 0, false},
    {"break_in_software", break_in_software, 3, true},
    {"break_in_hardware", break_in_hardware, 3, true},
    {"break_often_at_one_place", break_often_at_one_place, 3, true},
    {"break_in_newborns", break_in_newborns, 2, true},
    {"break_in_newborns_by_hardware", break_in_newborns_by_hardware, 0, true},
    {"break_but_not_in_newborns", break_but_not_in_newborns, 1, true},
    {"break_and_execute", break_and_execute, 0, true},
    {"watch", watch, 1, true},
    {"step_from_a_breakpoint", step_from_a_breakpoint, 0, true},
    {"catch_calls", catch_calls, 1, false},
    {"inject", inject, 1, false},
    {"read_and_write_memory", read_and_write_memory, 0, false},
    {"read_and_write_registers", read_and_write_registers, 0, false},
    {"read_facts", read_facts, 2, false},
};

const size_t errand_count = sizeof(errands) / sizeof(errands[0]);
