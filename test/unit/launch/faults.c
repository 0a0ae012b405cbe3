/* SPDX-License-Identifier: MIT */
/*
 * Launching when something hangs or is killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

#define SHORTEST_MS 20
#define FIFO        "fifo"

static void make_fifo(void)
{
    (void)unlink(FIFO);
    ck_assert_int_eq(mkfifo(FIFO, 0600), 0);
}

/* The child opens a FIFO, and hangs in it until somebody opens the other end. */
static struct trial trial_of_hanging(int way, struct sdb_fd *map)
{
    struct trial trial = trial_of(way, "exit", "0", NULL);

    *map = (struct sdb_fd){.target = 0, .kind = SDB_FD_PATH, .path = FIFO};
    trial.options.fds = map;
    trial.options.fd_count = 1;
    return trial;
}

TRIAL_CASE(deadlines);

/* Launch what hangs at this stage, with as long a time-out as it takes to come so far. */
static void hangs_until_its_deadline(struct trial *trial, enum sdb_stage stage, const char *words)
{
    char sentence[512];

    trial->options.flags |= SDB_LAUNCH_TIMEOUT;
    trial->options.timeout_ms = SHORTEST_MS;
    do {
        int64_t begin = host_now_ms();

        ck_assert_int_eq(trial_try(trial), -ETIMEDOUT);
        ck_assert_int_ge(host_now_ms() - begin, trial->options.timeout_ms);
        trial->options.timeout_ms *= 2;
    } while (trial->error.stage < stage && trial->options.timeout_ms < PATIENCE_MS);

    ck_assert_int_eq(trial->error.code, -ETIMEDOUT);
    ck_assert_uint_eq(trial->error.stage, stage);
    ck_assert_int_eq(trial->error.index, -1);
    ck_assert_int_gt(trial->error.tid, 0);
    ck_assert_int_eq(trial->error.signal, 0);
    sdb_error_format(&trial->error, sentence, sizeof(sentence));
    ck_assert_msg(strstr(sentence, words) != NULL, "\"%s\" is not in: %s", words, sentence);
}

TEST(launch_that_hangs_ends_at_its_deadline)
{
    struct sdb_fd map;
    struct trial trial;

    make_fifo();
    trial = trial_of_hanging(_i, &map);
    hangs_until_its_deadline(&trial, SDB_STAGE_FDS, "set descriptor: Connection timed out");
}

TEST(deadline_that_has_passed_already_leaves_nothing)
{
    enum { ROUNDS = 50 };
    struct sdb_fd map;
    struct trial trial;

    make_fifo();
    trial = trial_of_hanging(_i, &map);
    trial.options.flags |= SDB_LAUNCH_TIMEOUT;
    trial.options.timeout_ms = 0;
    for (int round = 0; round < ROUNDS; round++)
        ck_assert_int_eq(trial_try(&trial), -ETIMEDOUT);
}

TEST(deadline_far_away_does_no_harm)
{
    struct trial trial = trial_of(_i, "exit", "5", NULL);

    trial.options.flags |= SDB_LAUNCH_TIMEOUT;
    trial.options.timeout_ms = INT32_MAX;
    trial_exits(&trial, 5);
}

static int wait_for_ever(void *data)
{
    (void)data;
    while (pause() < 0)
        continue;
    return 0;
}

static int stop_oneself(void *data)
{
    (void)data;
    return raise(SIGSTOP) == 0 ? 0 : -EIO;
}

TEST(hook_that_hangs_ends_at_the_deadline)
{
    int (*const hooks[])(void *) = {wait_for_ever, stop_oneself};

    for (size_t i = 0; i < 2; i++) {
        struct trial trial = trial_of(_i, "exit", "0", NULL);

        trial.options.hook = hooks[i];
        hangs_until_its_deadline(&trial, SDB_STAGE_HOOK, "run the caller's hook: Connection");
    }
}

TRIAL_CASE(ends);

/* A child of one of this process's threads, or 0. */
static int find_child(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    char name[300];
    int pid = 0;

    ck_assert_ptr_nonnull(tasks);
    while (pid == 0 && (task = readdir(tasks))) {
        FILE *children;

        (void)snprintf(name, sizeof(name), "/proc/self/task/%s/children", task->d_name);
        children = fopen(name, "re");
        if (!children)
            continue;
        if (fscanf(children, "%d", &pid) != 1)
            pid = 0;
        fclose(children);
    }
    closedir(tasks);
    return pid;
}

/* The one child of this process, once it sleeps. */
static int await_hanging_child(void)
{
    int64_t end = host_now_ms() + PATIENCE_MS;

    while (host_now_ms() < end) {
        int pid = find_child();

        if (pid > 0 && host_task_state(pid) == 'S')
            return pid;
        sched_yield();
    }
    ck_abort_msg("no child hangs");
    return -1;
}

struct hanging {
    struct sdb_fd map;
    struct trial trial;
    int rc;
};

static void *launch_hanging(void *argument)
{
    struct hanging *hanging = argument;

    hanging->rc = trial_try(&hanging->trial);
    return NULL;
}

static pthread_t begin_hanging(struct hanging *hanging, int way)
{
    pthread_t thread;

    make_fifo();
    hanging->trial = trial_of_hanging(way, &hanging->map);
    ck_assert_int_eq(pthread_create(&thread, NULL, launch_hanging, hanging), 0);
    return thread;
}

/* Until it hangs in the FIFO itself: from there on there is a reader. */
static int open_other_end(void)
{
    int64_t end = host_now_ms() + PATIENCE_MS;
    int fd = -1;

    while (fd < 0 && host_now_ms() < end) {
        fd = open(FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            sched_yield();
    }
    ck_assert_int_ge(fd, 0);
    return fd;
}

TEST(launch_that_hangs_does_not_hold_up_others)
{
    enum { ROUNDS = 50 };
    struct hanging hanging;
    pthread_t thread = begin_hanging(&hanging, _i);
    struct trial trial = trial_of(_i, "exit", "6", NULL);
    struct trial missing = trial_of_nothing(_i);
    int fd;

    (void)await_hanging_child();
    missing.options.path = "/nowhere";
    for (int round = 0; round < ROUNDS; round++) {
        trial_exits(&trial, 6);
        ck_assert_int_eq(trial_try(&missing), -ENOENT);
    }
    fd = open_other_end();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    close(fd);
    ck_assert_int_eq(hanging.rc, 0);
    trial_end(&hanging.trial);
    ck_assert_int_eq(hanging.trial.status.code, 0);
}

TEST(child_that_is_killed_before_its_exec_is_told)
{
    struct hanging hanging;
    pthread_t thread = begin_hanging(&hanging, _i);
    int pid = await_hanging_child();
    char sentence[256];

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(hanging.rc, -ESRCH);
    ck_assert_int_eq(hanging.trial.error.signal, SIGKILL);
    sdb_error_format(&hanging.trial.error, sentence, sizeof(sentence));
    ck_assert_msg(strstr(sentence, "The child was killed by SIGKILL") != NULL, "%s", sentence);
}

/* ---- the end of the host ---- */

static void *launch_in_thread(void *argument)
{
    trial_start(argument);
    return NULL;
}

TEST(child_outlives_the_thread_that_launched_it)
{
    struct trial trial = trial_of(_i, "cat", NULL, NULL);
    struct trial_pipes pipes;
    char byte;

    trial_set_pipes(&trial, &pipes);
    run_in_thread(launch_in_thread, &trial);
    ck_assert_int_eq(write(pipes.input, "x", 1), 1);
    ck_assert_int_eq(read(pipes.output, &byte, 1), 1);
    close(pipes.input);
    trial_end(&trial);
    ck_assert_uint_eq(trial.status.how, SDB_EXITED);
    close(pipes.output);
}

TEST(child_with_a_death_signal_ends_with_the_thread_that_launched_it)
{
    struct trial trial = trial_of(_i, "wait", NULL, NULL);
    struct trial_pipes pipes;

    trial_set_pipes(&trial, &pipes);
    trial.options.death_signal = SIGUSR2;
    run_in_thread(launch_in_thread, &trial);
    trial_end(&trial);
    ck_assert_uint_eq(trial.status.how, SDB_KILLED);
    ck_assert_int_eq(trial.status.code, SIGUSR2);
    close(pipes.input);
    close(pipes.output);
}

/* A host that launches until it is killed: programs that end at once, and ones that never start. */
static void launch_for_ever(int way, int ready)
{
    struct sdb_fd map;
    struct trial hanging = trial_of_hanging(way, &map);
    struct trial good = trial_of(way, "exit", "0", NULL);

    hanging.options.flags |= SDB_LAUNCH_TIMEOUT;
    hanging.options.timeout_ms = 2;
    (void)!write(ready, "r", 1);
    for (;;) {
        if (trial_try(&good) == 0) {
            (void)sdb_child_wait(good.child, -1, NULL);
            sdb_child_close(good.child);
        }
        (void)trial_try(&hanging);
    }
}

/*
 * What is left of the host becomes this process's, and must end by itself: the program does, and a
 * child that has not come so far is killed, or gives up as it finds nobody to report to.
 */
static void expect_orphans_to_end(int round)
{
    int64_t end = host_now_ms() + PATIENCE_MS;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
        if (pid == 0) {
            ck_assert_msg(host_now_ms() < end, "round %d: a child is left", round);
            sched_yield();
        } else {
            ck_assert_msg((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                              (WIFEXITED(status) && WEXITSTATUS(status) == 127) ||
                              (WIFSIGNALED(status) &&
                               (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGPIPE)),
                          "round %d: child %d ended with status %#x", round, pid, status);
        }
    }
}

TEST(host_that_is_killed_leaves_no_child_in_the_middle)
{
    enum { ROUNDS = 200, LATEST_US = 6000 };
    unsigned seed = 1;

    make_fifo();
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec delay = {.tv_nsec = (long)(rand_r(&seed) % LATEST_US) * 1000};
        int ready[2];
        char byte;
        pid_t host;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        host = fork();
        if (host == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            launch_for_ever(_i, ready[1]);
        }
        close(ready[1]);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        nanosleep(&delay, NULL); /* any instant will do */
        ck_assert_int_eq(kill(host, SIGKILL), 0);
        expect_orphans_to_end(round);
    }
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

TRIAL_CASE(many);

TEST(ten_thousand_launches_leave_nothing)
{
    /* Five launches a round, in two ways. */
#ifdef TRIAL_SANITIZED
    enum { ROUNDS = 200 };
#else
    enum { ROUNDS = 1000 };
#endif
    struct sdb_fd no_map = {.target = 3, .kind = SDB_FD_PATH, .path = "/nowhere"};

    for (int round = 0; round < ROUNDS; round++) {
        struct trial good = trial_of(_i, "exit", "1", NULL);
        struct trial missing = trial_of_nothing(_i);
        struct trial astray = trial_of(_i, "exit", "1", NULL);
        struct trial unmapped = trial_of(_i, "exit", "1", NULL);
        int host_fd = -1;
        struct sdb_fd map = {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &host_fd};

        missing.options.path = "/nowhere";
        missing.options.fds = &map;
        missing.options.fd_count = 1;
        ck_assert_int_eq(trial_try(&missing), -ENOENT);
        astray.options.cwd = "/nowhere";
        ck_assert_int_eq(trial_try(&astray), -ENOENT);
        unmapped.options.fds = &no_map;
        unmapped.options.fd_count = 1;
        ck_assert_int_eq(trial_try(&unmapped), -ENOENT);
        unmapped.options.flags |= UINT64_C(1) << 63;
        ck_assert_int_eq(trial_try(&unmapped), -EINVAL);

        good.options.fds = &map;
        good.options.fd_count = 1;
        trial_exits(&good, 1);
        close(host_fd);
    }
}

int main(void)
{
    return trial_run_suite("launch: faults");
}
