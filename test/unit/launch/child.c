/* SPDX-License-Identifier: MIT */
/*
 * Children: waiting, signalling, ending, closing.  The index of a loop says how the child is made,
 * and where a test has more to vary, that is the rest of the division by the number of ways.
 */
#include <sdb/child.h>
#include <sdb/launch.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "leftovers.h"

#define ENDING      SDB_TRACEE_DIR "/ending"
#define PATIENCE_MS 20000

enum way {
    BY_CLONE,       /* sharing the host's memory */
    BY_FORK,        /* the portable path */
    WITHOUT_PIDFDS, /* the same, on a kernel without them */
    WAYS,
};

/* ---- helpers ---- */

/* What to launch beyond the program's arguments. */
static struct sdb_launch_options options_of(int index, const char *const *argv)
{
    static bool refused;
    const enum way way = (enum way)(index % WAYS);
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    if (way == WITHOUT_PIDFDS && !refused) {
        host_refuse_syscall(SYS_pidfd_open, ENOSYS);
        refused = true;
    }
    options.path = ENDING;
    options.argv = argv;
    options.flags = way == BY_CLONE ? 0 : SDB_LAUNCH_PORTABLE;
    options.death_signal = SIGKILL;
    return options;
}

static struct sdb_child *launch_with(const struct sdb_launch_options *options)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_child *child = NULL;
    char text[512];

    if (sdb_launch(options, &child, &error) < 0) {
        sdb_error_format(&error, text, sizeof(text));
        ck_abort_msg("%s", text);
    }
    return child;
}

static struct sdb_child *launch(int way, const char *what, const char *first)
{
    const char *argv[] = {"ending", what, first, NULL};
    const struct sdb_launch_options options = options_of(way, argv);

    return launch_with(&options);
}

static struct sdb_child *launch_exit(int way, int code)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", code);
    return launch(way, "exit", number);
}

/* Launch a program that says when it is ready, and wait for that. */
static struct sdb_child *launch_ready(int way, const char *what, const char *first)
{
    const char *argv[] = {"ending", what, first, NULL};
    struct sdb_launch_options options = options_of(way, argv);
    int output = -1;
    const struct sdb_fd fds[] = {{.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output}};
    struct sdb_child *child;
    char byte;

    options.fds = fds;
    options.fd_count = 1;
    child = launch_with(&options);
    ck_assert_int_eq(read(output, &byte, 1), 1);
    close(output);
    return child;
}

static bool has_pidfd(const struct sdb_child *child)
{
    return sdb_child_pidfd(child) >= 0;
}

/* Wait until the child has ended, without taking its status. */
static void await_end(const struct sdb_child *child)
{
    struct pollfd polled = {.fd = sdb_child_pidfd(child), .events = POLLIN};
    const int64_t end = host_now_ms() + PATIENCE_MS;
    char state;

    if (has_pidfd(child)) {
        ck_assert_int_eq(poll(&polled, 1, PATIENCE_MS), 1);
        return;
    }
    do {
        state = host_task_state(sdb_child_pid(child));
    } while (state != 'Z' && state != 0 && host_now_ms() < end);
    ck_assert(state == 'Z' || state == 0);
}

static struct sdb_exit_status wait_for(struct sdb_child *child)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    int rc = sdb_child_wait(child, PATIENCE_MS, &status);

    ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
    ck_assert_uint_eq(status.size, sizeof(status));
    ck_assert_int_eq(status.pid, sdb_child_pid(child));
    return status;
}

static void expect_status(const struct sdb_exit_status *status, uint32_t how, int code)
{
    ck_assert_uint_eq(status->how, how);
    ck_assert_int_eq(status->code, code);
}

static void expect_end(struct sdb_child *child, uint32_t how, int code)
{
    const struct sdb_exit_status status = wait_for(child);

    expect_status(&status, how, code);
}

static void kill_and_close(struct sdb_child *child)
{
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    expect_end(child, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
}

/* Fork a helper that ends with the test. */
static pid_t fork_helper(void)
{
    const pid_t parent = getpid();
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(99);
    }
    return pid;
}

static void reap_helper(pid_t pid)
{
    int status = -1;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "helper's status is %#x",
                  (unsigned)status);
}

/* Fork a helper that sends the child a signal once the test's own process is blocked. */
static pid_t fork_signaller(const struct sdb_child *child, int signal)
{
    const pid_t host = getpid();
    pid_t pid = fork_helper();

    if (pid == 0)
        _exit(host_wait_asleep(host) && kill(sdb_child_pid(child), signal) == 0 ? 0 : 1);
    return pid;
}

/* From Linux 6.15 on nobody can take a status away, as long as there is a pidfd. */
static bool status_is_kept(const struct sdb_child *child)
{
    return has_pidfd(child) && host_kernel_is(6, 15);
}

static const struct suite_kind child_case = {
    .rounds = WAYS, .set_up = leftovers_take_stock, .tear_down = leftovers_check_stock};

SUITE_CASE(child, child_case);

TEST(it_has_the_pid_of_the_program)
{
    struct sdb_child *child = launch_ready(_i, "wait", NULL);
    const pid_t pid = sdb_child_pid(child);

    ck_assert_int_gt(pid, 0);
    ck_assert_int_ne(pid, getpid());
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    expect_end(child, SDB_KILLED, SIGTERM);
    ck_assert_int_eq(sdb_child_pid(child), pid);
    sdb_child_close(child);
}

TEST(its_pidfd_tells_the_end)
{
    struct sdb_child *child = launch_ready(_i, "wait", NULL);
    struct pollfd polled = {.fd = sdb_child_pidfd(child), .events = POLLIN};

    if (_i == WITHOUT_PIDFDS || host_on_valgrind()) {
        ck_assert_int_eq(polled.fd, -ENOSYS);
        kill_and_close(child);
        return;
    }
    ck_assert_int_ge(polled.fd, 3);
    ck_assert_int_eq(fcntl(polled.fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    ck_assert_int_eq(poll(&polled, 1, PATIENCE_MS), 1);
    ck_assert(polled.revents & POLLIN);
    expect_end(child, SDB_KILLED, SIGKILL);
    ck_assert_int_eq(sdb_child_pidfd(child), polled.fd);
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    sdb_child_close(child);
    ck_assert_int_eq(fcntl(polled.fd, F_GETFD), -1);
}

LOOP_TEST(no_child_is_an_invalid_argument, 0, 1)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    ck_assert_int_eq(sdb_child_pid(NULL), -EINVAL);
    ck_assert_int_eq(sdb_child_pidfd(NULL), -EINVAL);
    ck_assert_int_eq(sdb_child_wait(NULL, -1, &status), -EINVAL);
    ck_assert_int_eq(sdb_child_kill(NULL, SIGKILL), -EINVAL);
    for (int grace_ms = -1; grace_ms <= 1; grace_ms++)
        ck_assert_int_eq(sdb_child_terminate(NULL, grace_ms, -1, &status), -EINVAL);
    sdb_child_close(NULL);
}

/* ---- how it ended ---- */

TEST(exit_codes_are_told)
{
    const int codes[] = {0, 1, 2, 42, 126, 127, 128, 137, 255};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct sdb_child *child = launch_exit(_i, codes[i]);
        const struct sdb_exit_status status = wait_for(child);

        expect_status(&status, SDB_EXITED, codes[i]);
        ck_assert_uint_eq(status.flags, 0);
        sdb_child_close(child);
    }
}

/* Launch it with this limit for core dumps, in a directory that may take one. */
static struct sdb_child *launch_dying(int way, int signal, uint64_t core_limit, const char *cwd)
{
    const struct sdb_rlimit limit = {RLIMIT_CORE, 0, core_limit, core_limit};
    char number[16];
    const char *argv[] = {"ending", "signal", number, NULL};
    struct sdb_launch_options options = options_of(way, argv);

    (void)snprintf(number, sizeof(number), "%d", signal);
    options.rlimits = &limit;
    options.rlimit_count = 1;
    options.cwd = cwd;
    return launch_with(&options);
}

TEST(deaths_by_signals_are_told)
{
    const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGABRT,  SIGKILL,
                           SIGSEGV, SIGPIPE, SIGTERM, SIGRTMIN, SIGRTMAX};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sdb_child *child = launch_dying(_i, signals[i], 0, NULL);
        const struct sdb_exit_status status = wait_for(child);

        expect_status(&status, SDB_KILLED, signals[i]);
        ck_assert_uint_eq(status.flags, 0);
        sdb_child_close(child);
    }
}

/* Whether the system leaves a core dump there: where its pattern leads is not ours to say. */
static bool system_dumps_core(const char *directory)
{
    pid_t pid = fork_helper();
    int status = 0;

    if (pid == 0) {
        const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

        if (chdir(directory) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
            _exit(1);
        execl(ENDING, "ending", "signal", "6", (char *)NULL);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    return WCOREDUMP(status);
}

static void remove_directory(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    ck_assert_int_eq(rmdir(path), 0);
}

TEST(a_core_dump_is_told)
{
    char directory[] = "/tmp/sdb-child-XXXXXX";
    uint32_t expected;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    expected = system_dumps_core(directory) ? SDB_EXIT_CORE_DUMPED : 0;
    for (int limited = 0; limited < 2; limited++) {
        struct sdb_child *child = launch_dying(_i, SIGABRT, limited ? 0 : UINT64_MAX, directory);
        const struct sdb_exit_status status = wait_for(child);

        expect_status(&status, SDB_KILLED, SIGABRT);
        ck_assert_uint_eq(status.flags, limited ? 0 : expected);
        sdb_child_close(child);
    }
    remove_directory(directory);
}

TEST(what_it_used_is_told)
{
    const char *argv[] = {"ending", "burn", "50", "32", NULL};
    const struct sdb_launch_options options = options_of(_i, argv);
    struct sdb_child *child = launch_with(&options);
    const struct sdb_exit_status status = wait_for(child);
    const uint64_t time_us = status.user_time_us + status.system_time_us;

    expect_status(&status, SDB_EXITED, 0);
    ck_assert_uint_eq(status.flags & SDB_EXIT_NO_USAGE, 0);
    /* The program's clock and the kernel's account differ by less than a tick. */
    ck_assert_uint_ge(time_us, 40000);
    ck_assert_uint_lt(time_us, (uint64_t)PATIENCE_MS * 1000);
    ck_assert_uint_ge(status.max_resident_kib, 32 << 10);
    ck_assert_uint_lt(status.max_resident_kib, 32 << 20);
    ck_assert_uint_gt(status.minor_faults, 0);
    sdb_child_close(child);
}

TEST(what_it_did_not_use_is_not_told)
{
    const char *argv[] = {"ending", "read", NULL};
    struct sdb_launch_options options = options_of(_i, argv);
    int input = -1;
    const struct sdb_fd fds[] = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &input},
                                 {.target = 1, .kind = SDB_FD_NULL}};
    struct sdb_exit_status status;
    struct sdb_child *child;

    options.fds = fds;
    options.fd_count = 2;
    child = launch_with(&options);
    for (int i = 0; i < 5; i++) {
        ck_assert(host_wait_asleep(sdb_child_pid(child)));
        ck_assert_int_eq(write(input, "x", 1), 1);
    }
    ck_assert(host_wait_asleep(sdb_child_pid(child)));
    close(input);
    status = wait_for(child);
    expect_status(&status, SDB_EXITED, 0);
    ck_assert_uint_eq(status.flags, 0);
    ck_assert_uint_gt(status.voluntary_switches, 0); /* it slept */
    ck_assert_uint_lt(status.user_time_us, 1000000);
    sdb_child_close(child);
}

/* ---- waiting ---- */

TEST(a_wait_of_no_time_only_looks)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "wait", NULL);

    status.code = -77;
    ck_assert_int_eq(sdb_child_wait(child, 0, &status), -ETIMEDOUT);
    ck_assert_int_eq(sdb_child_wait(child, 0, NULL), -ETIMEDOUT);
    ck_assert_int_eq(status.code, -77);
    ck_assert_int_eq(status.pid, 0);
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    await_end(child);
    ck_assert_int_eq(sdb_child_wait(child, 0, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
}

TEST(a_deadline_is_not_early)
{
    const int timeouts_ms[] = {1, 7, 50};
    struct sdb_child *child = launch_ready(_i, "wait", NULL);

    for (size_t i = 0; i < 3; i++) {
        const int64_t begun = host_now_ms();

        ck_assert_int_eq(sdb_child_wait(child, timeouts_ms[i], NULL), -ETIMEDOUT);
        /* The clock is read in whole milliseconds. */
        ck_assert_int_ge(host_now_ms() - begun, timeouts_ms[i] - 1);
        ck_assert_int_lt(host_now_ms() - begun, PATIENCE_MS);
    }
    kill_and_close(child);
}

LOOP_TEST(a_blocked_wait_ends_with_the_child, 0, 2 * WAYS)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "wait", NULL);
    pid_t signaller = fork_signaller(child, SIGTERM);

    ck_assert_int_eq(sdb_child_wait(child, _i >= WAYS ? PATIENCE_MS : -1, &status), 0);
    expect_status(&status, SDB_KILLED, SIGTERM);
    reap_helper(signaller);
    sdb_child_close(child);
}

TEST(a_status_need_not_be_taken)
{
    struct sdb_child *child = launch_exit(_i, 3);

    ck_assert_int_eq(sdb_child_wait(child, -1, NULL), 0);
    expect_end(child, SDB_EXITED, 3);
    sdb_child_close(child);
}

TEST(waiting_again_tells_the_same)
{
    struct sdb_child *child = launch_exit(_i, 9);
    const struct sdb_exit_status first = wait_for(child);

    for (int timeout_ms = -1; timeout_ms <= 1; timeout_ms++) {
        struct sdb_exit_status again = SDB_EXIT_STATUS_INIT;

        ck_assert_int_eq(sdb_child_wait(child, timeout_ms, &again), 0);
        ck_assert_mem_eq(&again, &first, sizeof(first));
    }
    sdb_child_close(child);
}

TEST(a_stopped_child_has_not_ended)
{
    struct sdb_child *child = launch_ready(_i, "wait", NULL);
    siginfo_t info;

    ck_assert_int_eq(sdb_child_kill(child, SIGSTOP), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)sdb_child_pid(child), &info, WSTOPPED | WNOWAIT), 0);
    ck_assert_int_eq(sdb_child_wait(child, 20, NULL), -ETIMEDOUT);
    ck_assert_int_eq(sdb_child_kill(child, SIGCONT), 0);
    ck_assert_int_eq(sdb_child_wait(child, 20, NULL), -ETIMEDOUT);
    /* The host can still see for itself that it was continued. */
    ck_assert_int_eq(waitid(P_PID, (id_t)sdb_child_pid(child), &info, WCONTINUED), 0);
    kill_and_close(child);
}

TEST(signals_in_the_host_neither_end_a_wait_nor_shorten_it)
{
    struct sdb_child *child = launch_ready(_i, "wait", NULL);
    const int timeout_ms = 100;
    struct host_storm storm;
    int64_t begun;
    int rc;

    host_storm_begin(&storm);
    begun = host_now_ms();
    rc = sdb_child_wait(child, timeout_ms, NULL);
    begun = host_now_ms() - begun;
    ck_assert_uint_gt(host_storm_end(&storm), 0);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_ge(begun, timeout_ms - 1);
    kill_and_close(child);
}

/*
 * A process that somebody else traces is dead to its pidfd, but not yet to its parent, until the
 * tracer has reaped it.  A wait once spun there, past any deadline.
 */
TEST(a_child_that_a_tracer_has_not_let_go_has_not_ended)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "wait", NULL);
    int ready[2];
    struct rusage usage;
    int64_t used_us;
    pid_t tracer;
    char byte;

    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    tracer = fork_helper();
    if (tracer == 0) {
        if (ptrace(PTRACE_SEIZE, sdb_child_pid(child), NULL, NULL) < 0)
            _exit(1);
        (void)!write(ready[1], "r", 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    await_end(child);

    ck_assert_int_eq(sdb_child_wait(child, 0, &status), -ETIMEDOUT);
    getrusage(RUSAGE_THREAD, &usage);
    used_us = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec +
              (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000;
    ck_assert_int_eq(sdb_child_wait(child, 400, &status), -ETIMEDOUT);
    getrusage(RUSAGE_THREAD, &usage);
    used_us = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec +
              (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 - used_us;
    ck_assert_int_lt(used_us, 200000); /* it slept */

    ck_assert_int_eq(kill(tracer, SIGKILL), 0);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    ck_assert_int_eq(waitpid(tracer, NULL, 0), tracer);
    sdb_child_close(child);
}

#define WAITERS 4

struct waiter {
    pthread_t thread;
    struct sdb_child *child;
    pthread_barrier_t *barrier;
    int timeout_ms;
    int rc;
    struct sdb_exit_status status;
};

static void *wait_with_others(void *data)
{
    struct waiter *waiter = data;

    pthread_barrier_wait(waiter->barrier);
    waiter->rc = sdb_child_wait(waiter->child, waiter->timeout_ms, &waiter->status);
    return NULL;
}

TEST(all_threads_that_wait_are_told)
{
    for (int round = 0; round < 100; round++) {
        struct sdb_child *child = launch_ready(_i, "comply", "21");
        struct waiter waiters[WAITERS];
        pthread_barrier_t barrier;
        int rc = 0;

        pthread_barrier_init(&barrier, NULL, WAITERS + 1);
        for (int i = 0; i < WAITERS; i++) {
            waiters[i] = (struct waiter){.child = child,
                                         .barrier = &barrier,
                                         .timeout_ms = i % 2 ? -1 : PATIENCE_MS,
                                         .status = SDB_EXIT_STATUS_INIT};
            ck_assert_int_eq(
                pthread_create(&waiters[i].thread, NULL, wait_with_others, &waiters[i]), 0);
        }
        pthread_barrier_wait(&barrier);
        /* Signals meanwhile reach the child or nobody. */
        while (rc == 0)
            rc = sdb_child_kill(child, SIGTERM);
        ck_assert_int_eq(rc, -ESRCH);
        for (int i = 0; i < WAITERS; i++) {
            pthread_join(waiters[i].thread, NULL);
            ck_assert_int_eq(waiters[i].rc, 0);
            expect_status(&waiters[i].status, SDB_EXITED, 21);
            ck_assert_mem_eq(&waiters[i].status, &waiters[0].status, sizeof(waiters[0].status));
        }
        pthread_barrier_destroy(&barrier);
        sdb_child_close(child);
    }
}

/* ---- sizes of the status ---- */

TEST(a_status_of_an_impossible_size_is_refused)
{
    const size_t sizes[] = {0, 8, sizeof(struct sdb_exit_status) - 8,
                            sizeof(struct sdb_exit_status) - 1};
    struct sdb_child *child = launch_exit(_i, 7);

    await_end(child);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        /* Just the size, so that a sanitizer sees what is past it. */
        const size_t room = sizes[i] < sizeof(size_t) ? sizeof(size_t) : sizes[i];
        struct sdb_exit_status *status = calloc(1, room);

        ck_assert_ptr_nonnull(status);
        memcpy(status, &sizes[i], sizeof(size_t));
        ck_assert_int_eq(sdb_child_wait(child, -1, status), -EINVAL);
        for (size_t byte = sizeof(size_t); byte < room; byte++)
            ck_assert_uint_eq(((unsigned char *)status)[byte], 0);
        free(status);
    }
    expect_end(child, SDB_EXITED, 7);
    sdb_child_close(child);
}

TEST(a_status_of_a_newer_program_is_filled_as_far_as_known)
{
    struct {
        struct sdb_exit_status known;
        uint64_t newer[3];
    } status = {.known = {.size = sizeof(status)}};
    struct sdb_child *child = launch_exit(_i, 7);

    ck_assert_int_eq(sdb_child_wait(child, -1, &status.known), 0);
    ck_assert_uint_eq(status.known.size, sizeof(status));
    ck_assert_int_eq(status.known.pid, sdb_child_pid(child));
    expect_status(&status.known, SDB_EXITED, 7);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(status.newer[i], 0);
    sdb_child_close(child);
}

TEST(a_status_with_unknown_members_set_is_refused)
{
    struct {
        struct sdb_exit_status known;
        unsigned char newer[24];
    } status = {.known = {.size = sizeof(status)}};
    struct sdb_child *child = launch_exit(_i, 7);

    await_end(child);
    for (size_t i = 0; i < sizeof(status.newer); i++) {
        status.newer[i] = 1;
        ck_assert_int_eq(sdb_child_wait(child, -1, &status.known), -E2BIG);
        ck_assert_int_eq(status.known.pid, 0);
        status.newer[i] = 0;
    }
    ck_assert_int_eq(sdb_child_wait(child, -1, &status.known), 0);
    sdb_child_close(child);
}

LOOP_TEST(the_initialiser_says_nothing_but_the_size, 0, 1)
{
    const struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    const struct sdb_exit_status nothing = {.size = sizeof(status)};

    ck_assert_mem_eq(&status, &nothing, sizeof(status));
    ck_assert_uint_eq(offsetof(struct sdb_exit_status, size), 0);
    ck_assert_uint_eq(offsetof(struct sdb_exit_status, involuntary_switches) + sizeof(uint64_t),
                      sizeof(status));
}

/* ---- signalling ---- */

TEST(a_signal_reaches_the_child)
{
    struct sdb_child *child = launch_ready(_i, "comply", "33");

    ck_assert_int_eq(sdb_child_kill(child, 0), 0);
    ck_assert_int_eq(sdb_child_kill(child, SIGTERM), 0);
    expect_end(child, SDB_EXITED, 33);
    sdb_child_close(child);
}

TEST(a_signal_to_a_child_that_was_waited_for_is_refused)
{
    struct sdb_child *child = launch_exit(_i, 0);

    await_end(child);
    ck_assert_int_eq(sdb_child_kill(child, 0), 0); /* it is still there to be waited for */
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), 0);
    expect_end(child, SDB_EXITED, 0);
    ck_assert_int_eq(sdb_child_kill(child, 0), -ESRCH);
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), -ESRCH);
    sdb_child_close(child);
}

TEST(what_is_no_signal_is_refused)
{
    const int numbers[] = {-1, -SIGKILL, 65, 1000, INT32_MAX, INT32_MIN};
    struct sdb_child *child = launch_ready(_i, "wait", NULL);

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ck_assert_int_eq(sdb_child_kill(child, numbers[i]), -EINVAL);
    ck_assert_int_eq(sdb_child_wait(child, 0, NULL), -ETIMEDOUT);
    kill_and_close(child);
}

TEST(a_child_of_another_user_may_not_be_signalled)
{
    struct sdb_child *child;
    pid_t pid;

    if (geteuid() != 0)
        return; /* only root can become somebody else */
    child = launch_ready(_i, "wait", NULL);
    pid = fork_helper();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) < 0)
            _exit(1);
        if (sdb_child_kill(child, SIGTERM) != -EPERM || sdb_child_kill(child, 0) != -EPERM)
            _exit(2);
        if (sdb_child_terminate(child, 0, -1, NULL) != -EPERM ||
            sdb_child_terminate(child, 10, -1, NULL) != -EPERM ||
            sdb_child_terminate(child, -1, -1, NULL) != -EPERM)
            _exit(3);
        _exit(0);
    }
    reap_helper(pid);
    kill_and_close(child);
}

/* ---- ending ---- */

TEST(terminate_lets_it_comply)
{
    const int graces_ms[] = {PATIENCE_MS, -1};

    for (int i = 0; i < 2; i++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct sdb_child *child = launch_ready(_i, "comply", "5");

        ck_assert_int_eq(sdb_child_terminate(child, graces_ms[i], 0, &status), 0);
        expect_status(&status, SDB_EXITED, 5);
        sdb_child_close(child);
    }
}

TEST(terminate_kills_what_does_not_comply_after_its_grace)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "refuse", NULL);
    const int64_t begun = host_now_ms();

    ck_assert_int_eq(sdb_child_terminate(child, 60, -1, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    ck_assert_int_ge(host_now_ms() - begun, 59);
    sdb_child_close(child);
}

TEST(terminate_without_grace_kills)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "comply", "5");

    ck_assert_int_eq(sdb_child_terminate(child, 0, PATIENCE_MS, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
}

TEST(terminate_with_endless_grace_never_kills)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "refuse", NULL);
    pid_t signaller = fork_signaller(child, SIGUSR1);

    ck_assert_int_eq(sdb_child_terminate(child, -1, 0, &status), 0);
    expect_status(&status, SDB_KILLED, SIGUSR1);
    reap_helper(signaller);
    sdb_child_close(child);
}

TEST(terminate_ends_a_stopped_child)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "comply", "5");

    ck_assert_int_eq(sdb_child_kill(child, SIGSTOP), 0);
    ck_assert_int_eq(sdb_child_terminate(child, 10, PATIENCE_MS, &status), 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
}

LOOP_TEST(terminate_tells_how_a_dead_child_ended, 0, 2 * WAYS)
{
    for (int grace_ms = -1; grace_ms <= 1; grace_ms++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct sdb_child *child = launch_exit(_i, 17);

        await_end(child);
        if (_i >= WAYS)
            ck_assert_int_eq(sdb_child_wait(child, -1, NULL), 0);
        ck_assert_int_eq(sdb_child_terminate(child, grace_ms, 0, &status), 0);
        expect_status(&status, SDB_EXITED, 17);
        ck_assert_int_eq(sdb_child_terminate(child, grace_ms, 0, NULL), 0);
        sdb_child_close(child);
    }
}

/* It once ended the child first and found fault with the status afterwards. */
TEST(terminate_refuses_a_bad_status_before_it_signals)
{
    struct {
        struct sdb_exit_status known;
        uint64_t newer;
    } status = {.known = {.size = sizeof(status)}, .newer = 1};
    struct sdb_child *child = launch_ready(_i, "wait", NULL);

    for (int grace_ms = -1; grace_ms <= 1; grace_ms++) {
        ck_assert_int_eq(sdb_child_terminate(child, grace_ms, -1, &status.known), -E2BIG);
        status.known.size = 8;
        ck_assert_int_eq(sdb_child_terminate(child, grace_ms, -1, &status.known), -EINVAL);
        status.known.size = sizeof(status);
    }
    ck_assert_int_eq(sdb_child_wait(child, 20, NULL), -ETIMEDOUT);
    kill_and_close(child);
}

LOOP_TEST(terminate_gives_up_on_what_even_sigkill_does_not_end, 0, 2 * WAYS)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "wait", NULL);
    int ready[2];
    pid_t tracer;
    char byte;

    /* A tracer that is told of exits holds the dying there until it says otherwise. */
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    tracer = fork_helper();
    if (tracer == 0) {
        if (ptrace(PTRACE_SEIZE, sdb_child_pid(child), NULL, PTRACE_O_TRACEEXIT) < 0)
            _exit(1);
        (void)!write(ready[1], "r", 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);

    ck_assert_int_eq(sdb_child_terminate(child, _i >= WAYS ? 10 : 0, 20, &status), -ETIMEDOUT);
    ck_assert_int_eq(status.pid, 0);
    ck_assert_int_eq(kill(tracer, SIGKILL), 0);
    ck_assert_int_eq(waitpid(tracer, NULL, 0), tracer);
    ck_assert_int_eq(sdb_child_terminate(child, 0, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_KILLED);
    sdb_child_close(child);
}

TEST(the_grace_is_kept_under_signals)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = launch_ready(_i, "refuse", NULL);
    struct host_storm storm;
    int64_t begun;
    int rc;

    host_storm_begin(&storm);
    begun = host_now_ms();
    rc = sdb_child_terminate(child, 80, -1, &status);
    begun = host_now_ms() - begun;
    ck_assert_uint_gt(host_storm_end(&storm), 0);
    ck_assert_int_eq(rc, 0);
    expect_status(&status, SDB_KILLED, SIGKILL);
    ck_assert_int_ge(begun, 79);
    sdb_child_close(child);
}

/* ---- closing ---- */

static bool is_child_of_ours(pid_t pid)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

TEST(closing_a_dead_child_leaves_no_zombie)
{
    struct sdb_child *child = launch_exit(_i, 0);
    const pid_t pid = sdb_child_pid(child);

    await_end(child);
    ck_assert_int_eq(host_task_state(pid), 'Z');
    sdb_child_close(child);
    ck_assert(!is_child_of_ours(pid));
}

TEST(closing_a_running_child_lets_it_run)
{
    struct sdb_child *child = launch_ready(_i, "comply", "8");
    const pid_t pid = sdb_child_pid(child);
    int status;

    sdb_child_close(child);
    ck_assert(is_child_of_ours(pid));
    ck_assert(host_wait_asleep(pid));
    ck_assert_int_eq(host_task_state(pid), 'S');
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 8);
}

/* ---- other waits in the host ---- */

TEST(other_children_of_the_host_are_left_to_it)
{
    enum { OTHERS = 4 };
    pid_t others[OTHERS];
    siginfo_t info;
    int status;

    for (int i = 0; i < OTHERS; i++) {
        others[i] = fork_helper();
        if (others[i] == 0)
            _exit(50 + i);
    }
    for (int i = 0; i < OTHERS; i++)
        ck_assert_int_eq(waitid(P_PID, (id_t)others[i], &info, WEXITED | WNOWAIT), 0);

    for (int i = 0; i < 20; i++) {
        struct sdb_child *child = launch_exit(_i, i);

        if (i % 4 == 0)
            expect_end(child, SDB_EXITED, i);
        else if (i % 4 == 1)
            ck_assert_int_eq(sdb_child_terminate(child, i % 3, -1, NULL), 0);
        else if (i % 4 == 2)
            await_end(child);
        else
            while (sdb_child_wait(child, 0, NULL) == -ETIMEDOUT)
                ;
        sdb_child_close(child);
    }
    for (int i = 0; i < OTHERS; i++) {
        ck_assert_int_eq(waitpid(others[i], &status, WNOHANG), others[i]);
        ck_assert_int_eq(WEXITSTATUS(status), 50 + i);
    }
}

/* What there is to know of a child that somebody else has reaped. */
static void expect_stolen(struct sdb_child *child, uint32_t how, int code)
{
    for (int i = 0; i < 2; i++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        int rc = sdb_child_wait(child, i == 0 ? PATIENCE_MS : 0, &status);

        if (!status_is_kept(child)) {
            ck_assert_int_eq(rc, -ECHILD);
            continue;
        }
        ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
        ck_assert_int_eq(status.pid, sdb_child_pid(child));
        expect_status(&status, how, code);
        ck_assert_uint_eq(status.flags & SDB_EXIT_NO_USAGE, SDB_EXIT_NO_USAGE);
        ck_assert_uint_eq(status.user_time_us | status.system_time_us | status.max_resident_kib |
                              status.minor_faults | status.voluntary_switches,
                          0);
    }
    ck_assert_int_eq(sdb_child_kill(child, SIGKILL), -ESRCH);
}

static void ignore_sigchld(bool by_flag)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct sigaction no_zombies = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};

    ck_assert_int_eq(sigaction(SIGCHLD, by_flag ? &no_zombies : &ignore, NULL), 0);
}

LOOP_TEST(the_status_is_found_though_the_host_ignores_sigchld, 0, 2 * WAYS)
{
    ignore_sigchld(_i >= WAYS);
    /* Each time the wait comes at another moment of the child's end. */
    for (int round = 0; round < 300; round++) {
        struct sdb_child *child = launch_exit(_i, round % 256);

        if (round % 3 == 0)
            await_end(child);
        if (round % 3 == 1)
            sched_yield();
        expect_stolen(child, SDB_EXITED, round % 256);
        sdb_child_close(child);
    }
    signal(SIGCHLD, SIG_DFL);
}

LOOP_TEST(children_of_a_host_that_ignores_sigchld_can_be_ended, 0, 2 * WAYS)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child;
    int expected;

    ignore_sigchld(_i >= WAYS);
    child = launch_ready(_i, "comply", "6");
    expected = status_is_kept(child) ? 0 : -ECHILD;
    ck_assert_int_eq(sdb_child_wait(child, 10, NULL), -ETIMEDOUT);
    ck_assert_int_eq(sdb_child_terminate(child, PATIENCE_MS, -1, &status), expected);
    expect_stolen(child, SDB_EXITED, 6);
    sdb_child_close(child);

    child = launch_ready(_i, "refuse", NULL);
    ck_assert_int_eq(sdb_child_terminate(child, 10, -1, &status), expected);
    expect_stolen(child, SDB_KILLED, SIGKILL);
    sdb_child_close(child);
    signal(SIGCHLD, SIG_DFL);
}

TEST(the_status_is_found_though_the_host_has_taken_it)
{
    struct sdb_child *child = launch_dying(_i, SIGSEGV, 0, NULL);
    int status;

    ck_assert_int_eq(waitpid(-1, &status, 0), sdb_child_pid(child));
    expect_stolen(child, SDB_KILLED, SIGSEGV);
    sdb_child_close(child);

    child = launch_exit(_i, 12);
    ck_assert_int_eq(waitpid(-1, &status, 0), sdb_child_pid(child));
    sdb_child_close(child); /* never waited for */
}

struct thief {
    pthread_t thread;
    atomic_bool stop;
    int taken;
};

/* Waits for any child, as badly behaved libraries do. */
static void *take_any(void *data)
{
    struct thief *thief = data;

    while (!atomic_load(&thief->stop)) {
        if (waitpid(-1, NULL, 0) > 0)
            thief->taken++;
        else
            sched_yield();
    }
    return NULL;
}

TEST(the_status_is_found_though_another_thread_waits_for_any_child)
{
    struct thief thief = {.taken = 0};
    int round;

    ck_assert_int_eq(pthread_create(&thief.thread, NULL, take_any, &thief), 0);
    for (round = 0; round < 500; round++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct sdb_child *child = launch_exit(_i, round % 256);
        int rc = sdb_child_wait(child, round % 2 ? -1 : PATIENCE_MS, &status);

        if (rc != -ECHILD || status_is_kept(child)) {
            ck_assert_msg(rc == 0, "wait in round %d: %s", round, sdb_error_describe(rc));
            expect_status(&status, SDB_EXITED, round % 256);
        }
        ck_assert_int_eq(sdb_child_kill(child, 0), -ESRCH);
        sdb_child_close(child);
    }
    atomic_store(&thief.stop, true);
    pthread_join(thief.thread, NULL);
}

/* ---- many ---- */

TEST(many_children_leave_nothing)
{
    enum { AT_ONCE = 30 };
    struct sdb_child *children[AT_ONCE];

    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < AT_ONCE; i++)
            children[i] = launch_exit(_i, i);
        for (int i = AT_ONCE - 1; i >= 0; i--) {
            if (i % 3 != 0)
                expect_end(children[i], SDB_EXITED, i);
            else
                await_end(children[i]);
            sdb_child_close(children[i]);
        }
    }
}

int main(void)
{
    return run_suite("child");
}
