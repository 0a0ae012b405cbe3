/* SPDX-License-Identifier: MIT */
/*
 * Attaching to processes that change meanwhile: that make threads and processes, execute programs,
 * end, and get floods of signals.  Attaching never hangs, holds all there is, and letting go leaves
 * nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "racing.h"
#include "witness.h"

static struct chance chance;

/*
 * Attach, hold it in one of several ways, and let go.
 *
 * @param count     most events that it is run for
 * @param all_stop  whether every thread of it can be stopped at any time
 */
static void hold_once(const struct target *busy, unsigned count, bool all_stop)
{
    struct sdb_process *process = attach(busy->pid);
    const unsigned way = chance_below(&chance, 5);
    struct sdb_event event = SDB_EVENT_INIT;
    struct witness witness;

    if (all_stop)
        expect_all_held(process);
    witness_begin(&witness, session, 0);
    witness_hold(&witness, process);
    if (way >= 1)
        witness_resume_process(&witness, process);
    if (way >= 2)
        witness_run(&witness, chance_below(&chance, count + 1), 5);
    if (way >= 3) {
        stop_process(process);
        if (all_stop)
            expect_all_held(process);
        witness_stopped(&witness, process);
    }
    if (way == 4) {
        (void)sdb_process_resume(process, SDB_RESUME_CONTINUE);
        witness_run(&witness, chance_below(&chance, count + 1), 5);
    }
    detach(process);
    witness_let_go(&witness, process);
    witness_end(&witness);
    /* What waits in vfork is let go by those who wait; anything else is free already. */
    if (!all_stop)
        ck_assert_int_eq(sdb_session_wait(session, PATIENCE_MS, &event), -ECHILD);
}

HOLDING_CASE(births);

static void attach_in_a_storm(int way, const char *what, bool all_stop)
{
    struct target busy = start_busy(what, "4", NULL);

    chance = chance_of(1);
    begin(way);
    for (int round = 0; round < rounds(100); round++) {
        hold_once(&busy, 100, all_stop);
        if (round % 10 == 0)
            ask(&busy);
    }
    ask(&busy);
    finish_busy(&busy);
}

TEST(attach_in_a_storm_of_threads)
{
    attach_in_a_storm(_i, "churn", true);
}

TEST(attach_in_a_storm_of_forks)
{
    attach_in_a_storm(_i, "forks", true);
}

TEST(attach_in_a_storm_of_vforks)
{
    attach_in_a_storm(_i, "vforks", false);
}

TEST(attach_in_a_storm_of_programs)
{
    attach_in_a_storm(_i, "spawns", false);
}

HOLDING_CASE(execs);

static long exec_count(int pid)
{
    char path[64];
    char text[512] = "";
    const char *word = text;
    ssize_t len;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    for (int i = 0; i < 3; i++) /* program, how, how often still */
        word += strlen(word) + 1;
    return word < text + len ? atol(word) : 0;
}

/* It must go on executing. */
static void expect_execs(int pid)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    const long before = exec_count(pid);
    long now;

    while ((now = exec_count(pid)) == 0 || now == before) {
        ck_assert_msg(host_now_ms() < end, "%d executes no more, its state is %c", pid,
                      host_task_state(pid));
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

static void attach_to_executing(int way, const char *what, bool all_stop)
{
    struct target busy = start_busy(what, "0", NULL);

    chance = chance_of(2);
    begin(way);
    for (int round = 0; round < rounds(300); round++) {
        hold_once(&busy, 20, all_stop);
        if (round % 20 == 0)
            expect_execs(busy.pid);
    }
    expect_execs(busy.pid);
    finish_busy(&busy);
}

TEST(attach_while_the_first_thread_executes_programs)
{
    attach_to_executing(_i, "leader", true);
}

TEST(attach_while_other_threads_execute_programs)
{
    attach_to_executing(_i, "thread", true);
}

TEST(attach_while_one_and_the_other_execute_programs)
{
    attach_to_executing(_i, "either", true);
}

/* Its exec is over only when each of the others has been reaped, by whoever has seized it. */
TEST(attach_while_one_of_many_threads_executes_programs)
{
    attach_to_executing(_i, "crowd", true);
}

/* The kernel keeps the first one for its tracer until it has been replaced, and lets nobody detach it. */
TEST(attach_while_another_thread_executes_programs_and_the_first_ends)
{
    attach_to_executing(_i, "heir", false);
}

HOLDING_CASE(ends);

static const char *const lives[] = {"exit",   "threads", "forks", "vforks",
                                    "leader", "thread",  "all"};

static struct sdb_child *start_life(const char *what)
{
    const char *const argv[] = {LIVES, what, "17", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_child *child = NULL;

    options.argv = argv;
    options.death_signal = SIGKILL;
    ck_assert_int_eq(sdb_launch(&options, &child, NULL), 0);
    return child;
}

static bool is_life_end(const struct sdb_exit_status *status)
{
    return status->how == SDB_EXITED && (status->code == 17 || status->code == -1);
}

/* Let a held life go on to its end. */
static void run_life(struct sdb_process *process)
{
    const int32_t pid = sdb_process_pid(process);
    struct sdb_event event = SDB_EVENT_INIT;
    struct witness witness;

    witness_begin(&witness, session, 0);
    witness.is_right_end = is_life_end;
    witness_hold(&witness, process);
    witness_resume_process(&witness, process);
    kill(pid, SIGCONT); /* it may have stopped itself before it was attached to */
    while (witness_next(&witness, &event)) {
        witness_resume(&witness, &event);
        if (event.kind == SDB_EVENT_GROUP_STOP)
            kill(pid, SIGCONT);
    }
    ck_assert_uint_eq(witness.told[SDB_EVENT_EXITED], 1);
    witness_end(&witness);
}

/* Wait for the end of a life that is not held any more, or never was. */
static void await_life(struct sdb_child *child, const char *what)
{
    const bool makes_vforks = strcmp(what, "vforks") == 0 || strcmp(what, "all") == 0;
    const int64_t end = host_now_ms() + PATIENCE_MS;
    struct sdb_event event = SDB_EVENT_INIT;

    while (sdb_child_wait(child, 5, NULL) == -ETIMEDOUT) {
        ck_assert_msg(host_now_ms() < end, "\"%s\" does not end, its state is %c", what,
                      host_task_state(sdb_child_pid(child)));
        (void)sdb_child_kill(child, SIGCONT); /* one that stops itself needs somebody to do so */
        if (makes_vforks)                     /* what waits in vfork is let go by those who wait */
            ck_assert_int_lt(sdb_session_wait(session, 0, &event), 0);
    }
}

TEST(attach_to_processes_that_end_soon)
{
    chance = chance_of(3);
    begin(_i);
    for (int round = 0; round < rounds(210); round++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        const char *what = lives[(size_t)round % 7];
        struct sdb_child *child = start_life(what);
        const int32_t pid = sdb_child_pid(child);
        struct sdb_error error = SDB_ERROR_INIT;
        struct sdb_process *process = NULL;
        int rc;

        nanosleep(&(struct timespec){.tv_nsec = (long)chance_below(&chance, 1500000)}, NULL);
        rc = sdb_session_attach(session, pid, &process, &error);
        if (rc == 0 && round % 2 == 0) {
            run_life(process);
        } else if (rc == 0) {
            rc = sdb_process_detach(process, SDB_RELEASE_RUN, NULL);
            ck_assert_msg(rc == 0, "detach: %s", sdb_error_describe(rc));
        } else {
            char text[512] = "";

            (void)sdb_error_format(&error, text, sizeof(text));
            ck_assert_msg(rc == -ESRCH, "%s", text);
            ck_assert(error.reason == SDB_REASON_GONE || error.reason == SDB_REASON_ZOMBIE);
        }
        await_life(child, what);
        ck_assert_int_eq(sdb_child_wait(child, 0, &status), 0);
        ck_assert_uint_eq(status.how, SDB_EXITED);
        ck_assert_int_eq(status.code, 17);
        sdb_child_close(child);
    }
    finish();
}

HOLDING_CASE(signals);

#define FLOOD 10000
#define WAVE  200 /* are sent for each time that the target is held */

static int waves[2]; /* a byte for each wave that may be sent */

/* A process that sends signals, by waves; it ends with 0 when all were sent. */
static pid_t fork_sender(void (*send)(pid_t target), pid_t target)
{
    const pid_t parent = getpid();
    pid_t pid;

    ck_assert_int_eq(pipe2(waves, O_CLOEXEC), 0);
    pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        chance = chance_of(4);
        send(target);
        _exit(0);
    }
    return pid;
}

/* Called before each signal. */
static void await_wave(int number)
{
    char byte;

    if (number % WAVE == 0)
        (void)!read(waves[0], &byte, 1);
}

/* Allow one wave more, unless all are sent. */
static bool has_ended(pid_t sender)
{
    int status = 0;
    pid_t pid = waitpid(sender, &status, WNOHANG);

    if (pid == 0) {
        ck_assert_int_eq(write(waves[1], "w", 1), 1);
        return false;
    }
    ck_assert_int_eq(pid, sender);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(waves[0]);
    close(waves[1]);
    return true;
}

static void send_values(pid_t target)
{
    for (int i = 0; i < FLOOD; i++) {
        await_wave(i);
        while (sigqueue(target, SIGRTMIN, (union sigval){.sival_int = i}) < 0)
            sched_yield(); /* the queue is full */
        if (i % 4 == 0)
            kill(target, SIGUSR1);
        if (i % 64 == 0)
            sched_yield();
    }
}

TEST(each_queued_signal_comes_once_through_attaches_and_releases)
{
    struct target busy = start_busy("count", "10000", "3");
    pid_t sender = fork_sender(send_values, busy.pid);
    int held_times = 0;

    chance = chance_of(5);
    begin(_i);
    while (!has_ended(sender)) {
        hold_once(&busy, 60, true);
        held_times++;
    }
    for (int i = 0; i < 5; i++) /* what is still queued */
        hold_once(&busy, 60, true);
    ask(&busy);
    ck_assert_int_ge(held_times, FLOOD / WAVE);
    finish_busy(&busy);
}

static void stop_and_continue(pid_t target)
{
    static const int signals[] = {SIGSTOP, SIGCONT, SIGUSR1, SIGTSTP, SIGCONT};

    for (int i = 0; i < FLOOD; i++) {
        await_wave(i);
        kill(target, signals[chance_below(&chance, 5)]);
        if (i % 16 == 0)
            sched_yield();
        if (i % 500 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void stop_and_continue_to_run(pid_t target)
{
    stop_and_continue(target);
    kill(target, SIGCONT);
}

static void stop_and_continue_to_stand(pid_t target)
{
    stop_and_continue(target);
    kill(target, SIGSTOP);
}

static void attach_through_stops(int way, bool runs)
{
    struct target busy = start_busy("count", "0", "3");
    pid_t sender =
        fork_sender(runs ? stop_and_continue_to_run : stop_and_continue_to_stand, busy.pid);

    chance = chance_of(6);
    begin(way);
    while (!has_ended(sender))
        hold_once(&busy, 40, true);
    for (int i = 0; i < 10; i++)
        hold_once(&busy, 40, true);
    if (!runs) {
        int tids[8];
        int count = tasks_of(busy.pid, tids, 8);

        for (int i = 0; i < count; i++)
            await_state(tids[i], 'T');
        kill(busy.pid, SIGCONT);
    }
    ask(&busy);
    finish_busy(&busy);
}

TEST(stops_and_continues_never_leave_it_stopped)
{
    attach_through_stops(_i, true);
}

TEST(stops_and_continues_never_leave_it_running)
{
    attach_through_stops(_i, false);
}

int main(void)
{
    return run_suite("session_attach_races");
}
