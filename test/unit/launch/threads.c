/* SPDX-License-Identifier: MIT */
/*
 * Launching beside other threads of the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "trial.h"

#define NO_STALL_MS 10000 /* far longer than any launch, far shorter than a bystander sleeps */

#define MOST_BYSTANDERS 500
#define BETWEEN_US      500

struct bystanders {
    volatile bool must_end;
    int count;
};

/*
 * Fork children that hold whatever the host has open at that moment, and sleep until all is over: a
 * launch that waits for one of them waits for ever.
 */
static void *fork_bystanders(void *argument)
{
    static pid_t pids[MOST_BYSTANDERS];
    struct bystanders *bystanders = argument;

    while (!bystanders->must_end) {
        if (bystanders->count < MOST_BYSTANDERS) {
            pid_t pid = fork();

            if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                    (void)syscall(SYS_pause);
            }
            if (pid > 0)
                pids[bystanders->count++] = pid;
        }
        usleep(BETWEEN_US);
    }
    for (int i = 0; i < bystanders->count; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
    return NULL;
}

TRIAL_CASE(threads);

TEST(sleeping_forks_of_other_threads_hold_nothing_up)
{
    struct bystanders bystanders = {.must_end = false};
    pthread_t thread;
    int64_t slowest = 0;

    ck_assert_int_eq(pthread_create(&thread, NULL, fork_bystanders, &bystanders), 0);
    for (int round = 0; round < 200; round++) {
        struct trial good = trial_of(_i, "exit", "4", NULL);
        struct trial missing = trial_of_nothing(_i);
        int64_t begin = host_now_ms();

        good.options.flags |= SDB_LAUNCH_TIMEOUT;
        good.options.timeout_ms = NO_STALL_MS;
        trial_exits(&good, 4);
        missing.options.path = "/nowhere";
        missing.options.flags |= SDB_LAUNCH_TIMEOUT;
        missing.options.timeout_ms = NO_STALL_MS;
        ck_assert_int_eq(trial_try(&missing), -ENOENT);
        if (host_now_ms() - begin > slowest)
            slowest = host_now_ms() - begin;
    }
    bystanders.must_end = true;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_gt(bystanders.count, 20);
    ck_assert_msg(slowest < NO_STALL_MS, "one took %d ms", (int)slowest);
}

struct restless {
    volatile bool must_end;
    volatile int turns;
};

/* Descriptors that come and go, most of the time some that would survive an exec. */
static void *open_and_close(void *argument)
{
    struct restless *restless = argument;
    int fds[40];

    while (!restless->must_end) {
        for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
            fds[i] = fcntl(STDIN_FILENO, F_DUPFD, 3 + (int)i * 7);
        for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
            close(fds[i]);
        restless->turns++;
    }
    return NULL;
}

TEST(descriptors_that_come_and_go_are_not_passed_on)
{
    struct restless restless = {.must_end = false};
    struct trial trial = trial_of_nothing(_i);
    char expected[3][64];
    pthread_t thread;

    trial.options.path = REPORT;
    trial.argv[0] = REPORT;
    trial.argv[1] = "fds";
    for (int fd = 0; fd < 3; fd++) {
        struct stat file;

        ck_assert_int_eq(fstat(fd, &file), 0);
        (void)snprintf(expected[fd], sizeof(expected[fd]), "%d=%ju:%ju", fd, (uintmax_t)file.st_dev,
                       (uintmax_t)file.st_ino);
        trial.argv[2 + fd] = expected[fd];
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, open_and_close, &restless), 0);
    for (int round = 0; round < 300 || restless.turns < 100; round++)
        trial_exits(&trial, 0);
    restless.must_end = true;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

#define THREADS       8
#define LAUNCHES_EACH (1000 / THREADS)

struct launcher {
    int way;
    int number;
    int wrong; /* which launch went wrong first, or -1 */
    int rc;
};

/* @return 0, or what went wrong */
static int launch_and_read(const struct launcher *launcher, int round)
{
    char text[32];
    char output[64] = "";
    int output_fd = -1;
    const struct sdb_fd map[] = {{.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &output_fd}};
    struct trial trial;
    ssize_t len;
    int rc;

    (void)snprintf(text, sizeof(text), "%d of %d", round, launcher->number);
    trial = trial_of(launcher->way, "echo", text, NULL);
    trial.options.fds = map;
    trial.options.fd_count = 1;
    rc = trial_try(&trial);
    if (rc < 0)
        return rc;
    len = read(output_fd, output, sizeof(output) - 1);
    rc = sdb_child_wait(trial.child, PATIENCE_MS, &trial.status);
    sdb_child_close(trial.child);
    if (rc == 0 && (len != (ssize_t)strlen(text) || strcmp(output, text) != 0))
        rc = 1;
    if (rc == 0 && read(output_fd, output, 1) != 0)
        rc = 2; /* somebody else has the write end */
    close(output_fd);
    if (rc == 0 && (trial.status.how != SDB_EXITED || trial.status.code != 0))
        rc = 3;
    if (rc == 0) {
        struct trial missing = trial_of_nothing(launcher->way);

        missing.options.path = "/nowhere";
        rc = trial_try(&missing) == -ENOENT ? 0 : 4;
    }
    return rc;
}

static void *launch_many(void *argument)
{
    struct launcher *launcher = argument;

    launcher->wrong = -1;
    for (int round = 0; round < LAUNCHES_EACH && launcher->wrong < 0; round++) {
        launcher->rc = launch_and_read(launcher, round);
        if (launcher->rc != 0)
            launcher->wrong = round;
    }
    return NULL;
}

TEST(eight_threads_launch_at_once)
{
    struct launcher launchers[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        launchers[i] = (struct launcher){.way = _i, .number = i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, launch_many, &launchers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_msg(launchers[i].wrong < 0, "thread %d, launch %d: %d", i, launchers[i].wrong,
                      launchers[i].rc);
}

/* Both ways at once, in one host. */
TEST(ways_do_not_disturb_each_other)
{
    struct launcher launchers[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        launchers[i] = (struct launcher){.way = (i + _i) % WAY_COUNT, .number = i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, launch_many, &launchers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(launchers[i].wrong, -1);
    }
}

int main(void)
{
    return trial_run_suite("launch: threads");
}
