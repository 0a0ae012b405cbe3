/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a session when its tracer thread ends, when the host is killed, forks, or executes
 * another program: what was launched dies, what was attached to runs on, a forked child can do
 * nothing with it, and nothing is left over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trial.h"

#include "host.h"
#include "racing.h"

/* ---- a host of its own, in a fork ---- */

struct host {
    int way;
    enum sdb_release release; /* for what it launches */
    pid_t attach_to;
    int tell[2]; /* it writes the pid of what it has launched */
};

/* Launch one, attach to another, have both run, and wait for an event once. */
static void hold_two(const struct host *host)
{
    const char *const argv[] = {BUSY, "idle", "2", NULL};
    struct sdb_event event = SDB_EVENT_INIT;
    struct target launched;
    int rc;

    begin(host->way);
    launched = launch_program(BUSY, argv);
    ck_assert_int_eq(sdb_process_set_release(launched.process, host->release), 0);
    resume_process(launched.process);
    resume_process(attach(host->attach_to));
    run_until_ready(&launched, 2);
    rc = sdb_session_wait(session, 10, &event);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(write(host->tell[1], &launched.pid, sizeof(launched.pid)),
                     (ssize_t)sizeof(launched.pid));
}

static pid_t read_pid(const struct host *host)
{
    pid_t pid = 0;

    ck_assert_int_eq(read(host->tell[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
    return pid;
}

static struct host new_host(int way, const struct target *attach_to)
{
    struct host host = {.way = way, .release = SDB_RELEASE_KILL, .attach_to = attach_to->pid};

    ck_assert_int_eq(pipe2(host.tell, O_CLOEXEC), 0);
    return host;
}

static void close_host(const struct host *host)
{
    close(host->tell[0]);
    close(host->tell[1]);
}

HOLDING_CASE(tracer_thread);

static void *hold_two_and_leave(void *host)
{
    hold_two(host);
    return NULL;
}

static void end_the_tracer_thread(void *argument)
{
    const struct host *host = argument;
    pthread_t tracer;
    pid_t launched;

    ck_assert_int_eq(pthread_create(&tracer, NULL, hold_two_and_leave, argument), 0);
    launched = read_pid(host);
    pthread_join(tracer, NULL);
    if (host->release == SDB_RELEASE_KILL) {
        int status = 0;

        ck_assert_int_eq(waitpid(launched, &status, 0), launched);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    } else {
        ck_assert_int_eq(status_of(launched, "TracerPid", 10), 0);
        ck_assert_int_eq(waitpid(launched, NULL, WNOHANG), 0);
        end_child(launched);
    }
}

TEST(when_the_tracer_thread_ends_launched_die_and_attached_run)
{
    struct target busy = start_busy("idle", "3", NULL);
    struct host host = new_host(_i, &busy);

    trial_in_fork(end_the_tracer_thread, &host);
    ask(&busy);
    end_busy(&busy);
    close_host(&host);
}

TEST(when_the_tracer_thread_ends_what_shall_run_runs)
{
    struct target busy = start_busy("idle", "3", NULL);
    struct host host = new_host(_i, &busy);

    host.release = SDB_RELEASE_RUN;
    trial_in_fork(end_the_tracer_thread, &host);
    ask(&busy);
    end_busy(&busy);
    close_host(&host);
}

HOLDING_CASE(host);

static pid_t fork_host(struct host *host, void (*then)(void))
{
    const pid_t test = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != test)
            _exit(1);
        hold_two(host);
        then();
        _exit(1);
    }
    ck_assert_int_gt(pid, 0);
    return pid;
}

static void wait_for_ever(void)
{
    struct sdb_event event = SDB_EVENT_INIT;

    for (;;)
        (void)sdb_session_wait(session, -1, &event);
}

TEST(when_the_host_is_killed_launched_die_and_attached_run)
{
    struct target busy = start_busy("idle", "3", NULL);
    struct host host = new_host(_i, &busy);
    pid_t pid = fork_host(&host, wait_for_ever);
    pid_t launched = read_pid(&host);

    await_state(pid, 'S');
    end_child(pid);
    await_end(launched);
    ask(&busy);
    end_busy(&busy);
    close_host(&host);
}

static void execute_target(void)
{
    execl(TARGET, TARGET, "wait", (char *)NULL);
}

/* With the thread that watches for the descriptor, where there is one. */
static void execute_target_after_a_descriptor(void)
{
    ck_assert_int_ge(sdb_session_fd(session), 0);
    execute_target();
}

/* Descriptors beyond the standard ones; of ourselves only those that an exec would pass on. */
static size_t count_fds(pid_t pid)
{
    char path[64];
    const struct dirent *entry;
    size_t count = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir))) {
        const int fd = atoi(entry->d_name);

        count += fd > 2 && (pid != getpid() || !(fcntl(fd, F_GETFD) & FD_CLOEXEC));
    }
    closedir(dir);
    return count;
}

static size_t count_children_but(pid_t parent, pid_t but)
{
    const struct dirent *entry;
    size_t count = 0;
    DIR *dir = opendir("/proc");

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir))) {
        pid_t pid = (pid_t)atoi(entry->d_name);

        count += pid > 0 && pid != but && status_of(pid, "PPid", 10) == parent;
    }
    closedir(dir);
    return count;
}

static bool executes_target(pid_t pid)
{
    char path[64];
    char name[64] = "";
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!read(fd, name, sizeof(name) - 1);
        close(fd);
    }
    return strcmp(name, "target\n") == 0;
}

static void execute_in_host(int way, void (*execute)(void))
{
    const size_t inheritable = count_fds(getpid()); /* Check has some */
    struct target busy = start_busy("idle", "3", NULL);
    struct host host = new_host(way, &busy);
    pid_t pid = fork_host(&host, execute);
    pid_t launched = read_pid(&host);
    int64_t end = host_now_ms() + PATIENCE_MS;
    size_t open_fds;

    while (!executes_target(pid) && host_now_ms() < end)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    ck_assert(executes_target(pid));
    /* While it is loaded, the program has its libraries open. */
    while ((open_fds = count_fds(pid)) != inheritable && host_now_ms() < end)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    ck_assert_uint_eq(open_fds, inheritable);
    ck_assert_int_eq(status_of(pid, "Threads", 10), 1);
    /* What helped the session to wait goes within a second; a busy machine may be slower. */
    end = host_now_ms() + 5000;
    while (count_children_but(pid, launched) > 0 && host_now_ms() < end)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    ck_assert_uint_eq(count_children_but(pid, launched), 0);
    end_child(pid);
    await_end(launched);
    ask(&busy);
    end_busy(&busy);
    close_host(&host);
}

TEST(a_host_that_executes_a_program_leaves_nothing_in_it)
{
    execute_in_host(_i, execute_target);
}

TEST(a_host_with_a_descriptor_that_executes_a_program_leaves_nothing_in_it)
{
    execute_in_host(_i, execute_target_after_a_descriptor);
}

HOLDING_CASE(forks);

/* What the forked child has of its parent's. */
struct inherited {
    struct target *busy;
    struct sdb_thread *thread;
    pid_t other;
};

static void expect_wrong(const char *what, int rc)
{
    ck_assert_msg(rc == -SDB_EWRONGTHREAD, "%s: %s (%d)", what, sdb_error_describe(rc), rc);
}

#define WRONG(call) expect_wrong(#call, call)

/* Everything that needs the tracer thread. */
static void expect_all_refused(const struct inherited *inherited)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_process *const process = inherited->busy->process;
    struct sdb_thread *const thread = inherited->thread;
    struct sdb_process *other = NULL;
    struct sdb_child *child = NULL;
    siginfo_t info;
    uint64_t pc;
    int pidfd = open_pidfd(inherited->other);

    options.path = "/bin/true";
    WRONG(sdb_session_launch(session, &options, &other, NULL));
    WRONG(sdb_session_attach(session, inherited->other, &other, NULL));
    WRONG(sdb_session_attach_pidfd(session, pidfd, &other, NULL));
    WRONG(sdb_session_set_signal_policy(session, 0, SDB_POLICY_PASS));
    WRONG(sdb_session_wait(session, 0, &event));
    WRONG(sdb_session_fd(session));
    WRONG(sdb_process_set_follow(process, SDB_FOLLOW_ALL));
    WRONG(sdb_process_set_release(process, SDB_RELEASE_RUN));
    WRONG(sdb_process_set_stop_mode(process, SDB_ALL_STOP));
    WRONG(sdb_process_stop(process, 0));
    WRONG(sdb_process_resume(process, SDB_RESUME_CONTINUE));
    WRONG(sdb_process_kill(process));
    WRONG(sdb_process_detach(process, SDB_RELEASE_RUN, &child));
    WRONG(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS));
    WRONG(sdb_thread_interrupt(thread));
    WRONG(sdb_thread_pc(thread, &pc));
    WRONG(sdb_thread_siginfo(thread, &info, sizeof(info)));
    ck_assert_ptr_null(other);
    ck_assert_ptr_null(child);
    close(pidfd);
}

static void *refuse_in_thread(void *inherited)
{
    expect_all_refused(inherited);
    WRONG(sdb_session_destroy(session));
    return NULL;
}

static void refuse_in_fork(void *inherited)
{
    expect_all_refused(inherited);
    WRONG(sdb_session_interrupt(session));
    finish(); /* it gives back the copy */

    begin(WAY_IO_URING); /* and may have one of its own */
    {
        struct target target = launch_target("exit", "3", NULL);

        resume_process(target.process);
        expect_exit(SDB_EXITED, 3);
        close_target(&target);
    }
    finish();
}

static void leave_at_once(void *unused)
{
    (void)unused;
}

static void *fork_elsewhere(void *inherited)
{
    trial_in_fork(refuse_in_fork, inherited);
    return NULL;
}

TEST(a_forked_child_and_another_thread_are_refused_everything)
{
    struct target other = start_busy("idle", "1", NULL);
    struct target busy;
    struct inherited inherited;

    begin(_i);
    busy = launch_busy("idle", "2", NULL);
    inherited = (struct inherited){
        .busy = &busy, .thread = sdb_process_thread(busy.process), .other = other.pid};
    for (int with_fd = 0; with_fd < 2; with_fd++) {
        if (with_fd)
            ck_assert_int_ge(sdb_session_fd(session), 0);
        trial_in_fork(refuse_in_fork, &inherited);
        trial_in_fork(leave_at_once, NULL);
        run_in_thread(refuse_in_thread, &inherited);
        run_in_thread(fork_elsewhere, &inherited);
        /* The session is as it was. */
        ask(&busy);
        stop_thread(inherited.thread);
        resume_thread(inherited.thread, SDB_RESUME_CONTINUE);
    }
    end_held_busy(&busy);
    finish();
    end_busy(&other);
}

int main(void)
{
    return run_suite("session_host_ends");
}
