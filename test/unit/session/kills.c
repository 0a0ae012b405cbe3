/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL from outside between any two calls: programs that make threads and processes, execute and
 * stop themselves are killed at random instants, while the session does this and that with them.
 * Nothing hangs, each process ends once, killed by 9 or with its own exit code, and nothing is left.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "racing.h"
#include "witness.h"

#define LIFE_CODE  17
#define CHILD_CODE 40 /* of LIVES */

static const char *const lives[] = {"exit",   "threads", "forks", "vforks",
                                    "leader", "thread",  "stop",  "all"};

/* One life: a program that is held, and what is done with it. */
struct life {
    struct chance chance;
    struct witness witness;
    struct sdb_process *process; /* NULL once it is let go */
    struct sdb_child *child;     /* of an attached one, or one that was let go */
    int pidfd;
    unsigned kills_within; /* one in so many calls is followed by a kill; 0: none is */
};

/* ---- the killer ---- */

struct killer {
    pthread_t thread;
    int pidfd;
    unsigned delay_us;
};

static void *kill_later(void *argument)
{
    const struct killer *killer = argument;
    struct timespec delay = {.tv_nsec = (long)killer->delay_us * 1000};

    nanosleep(&delay, NULL);
    (void)syscall(SYS_pidfd_send_signal, killer->pidfd, SIGKILL, NULL, 0);
    return NULL;
}

static void start_killer(struct killer *killer, int pidfd, unsigned delay_us)
{
    killer->pidfd = pidfd;
    killer->delay_us = delay_us;
    ck_assert_int_eq(pthread_create(&killer->thread, NULL, kill_later, killer), 0);
}

/* Kill a process of the session right now, at times. */
static void maybe_kill(struct life *life, const struct sdb_process *process)
{
    if (life->kills_within == 0 || chance_below(&life->chance, life->kills_within) != 0)
        return;
    kill(sdb_process_pid(process), SIGKILL); /* not reaped yet, so the pid is still its own */
}

/* ---- what is done with them ---- */

static void expect_one_of(const struct life *life, const char *what, int rc, int first, int second)
{
    if (rc != 0 && rc != first && rc != second)
        witness_fail(&life->witness, "%s: %s", what, sdb_error_describe(rc));
}

/* @return whether the process was stopped and resumed as a whole */
static bool stop_and_resume(struct life *life, struct sdb_process *process)
{
    static const int timeouts[] = {-1, 0, 1, PATIENCE_MS};
    const int rc = sdb_process_stop(process, timeouts[chance_below(&life->chance, 4)]);

    expect_one_of(life, "stop", rc, -ESRCH, -ETIMEDOUT);
    maybe_kill(life, process);
    witness_resume_process(&life->witness, process);
    return true;
}

/* Ask something of a thread that stands still.  @return whether it was resumed by it */
static bool ask_something(struct life *life, const struct sdb_event *event)
{
    static const uint32_t follows[] = {SDB_FOLLOW_ALL, SDB_FOLLOW_ALL & ~SDB_FOLLOW_FORK,
                                       SDB_FOLLOW_ALL & ~SDB_FOLLOW_VFORK};
    struct sdb_process *const process = event->process;
    struct sdb_thread *const thread = event->thread;
    const enum sdb_release release =
        chance_below(&life->chance, 2) ? SDB_RELEASE_RUN : SDB_RELEASE_KILL;
    siginfo_t info;
    uint64_t pc;
    int rc;

    switch (chance_below(&life->chance, 10)) {
    case 0:
        expect_one_of(life, "pc", sdb_thread_pc(thread, &pc), -ESRCH, -ESRCH);
        break;
    case 1:
        rc = sdb_thread_siginfo(thread, &info, sizeof(info));
        expect_one_of(life, "siginfo", rc, -ESRCH,
                      event->kind == SDB_EVENT_SIGNAL ? -ESRCH : -EINVAL);
        break;
    case 2:
        rc = sdb_thread_interrupt(thread);
        expect_one_of(life, "interrupt", rc, -ESRCH, -EALREADY);
        break;
    case 3:
        rc = sdb_process_set_follow(process, follows[chance_below(&life->chance, 3)]);
        expect_one_of(life, "follow", rc, -ESRCH, -EBUSY);
        break;
    case 4:
        rc = sdb_process_set_release(process, release);
        expect_one_of(life, "release", rc, -ESRCH, -EBUSY);
        break;
    case 5:
        return stop_and_resume(life, process);
    case 6:
        witness_resume_how(&life->witness, event, SDB_RESUME_STEP);
        return true;
    case 7:
        witness_resume_how(&life->witness, event, SDB_RESUME_SYSCALL);
        return true;
    default:
        break;
    }
    return false;
}

/* Let the first process go.  @return whether it is still to be resumed */
static bool let_go(struct life *life)
{
    struct sdb_child *child = NULL;
    int rc = sdb_process_detach(life->process, SDB_RELEASE_RUN, life->child ? NULL : &child);

    expect_one_of(life, "detach", rc, -ESRCH, -EBUSY);
    if (rc != 0)
        return rc == -EBUSY; /* else it was killed, which is still to be told */
    witness_let_go(&life->witness, life->process);
    life->process = NULL;
    if (!life->child)
        life->child = child;
    return false;
}

static void handle(struct life *life, const struct sdb_event *event)
{
    const bool is_end = event->kind == SDB_EVENT_EXITED || event->kind == SDB_EVENT_THREAD_EXIT;
    const int32_t pid = sdb_process_pid(event->process);
    const bool is_first = event->process == life->process;

    if (is_end) {
        witness_resume(&life->witness, event);
        if (event->kind == SDB_EVENT_EXITED && is_first)
            life->process = NULL;
        return;
    }
    maybe_kill(life, event->process);
    if (is_first && chance_below(&life->chance, 100) == 0 && !let_go(life))
        return;
    if (event->kind == SDB_EVENT_GROUP_STOP) {
        witness_resume(&life->witness, event);
        kill(pid, SIGCONT);
    } else if (life->witness.all_stop || !ask_something(life, event)) {
        witness_resume(&life->witness, event);
    }
    maybe_kill(life, event->process);
}

HOLDING_CASE(kills);

static bool is_right_end(const struct sdb_exit_status *status)
{
    return status->how == SDB_EXITED && (status->code == LIFE_CODE || status->code == CHILD_CODE);
}

static void launch_life(struct life *life, const char *what)
{
    const char *const argv[] = {LIVES, what, "17", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    options.argv = argv;
    ck_assert_int_eq(sdb_session_launch(session, &options, &life->process, NULL), 0);
    life->pidfd = open_pidfd(sdb_process_pid(life->process));
}

static void start_life(struct life *life, const char *what)
{
    const char *const argv[] = {LIVES, what, "17", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    options.argv = argv;
    options.death_signal = SIGKILL;
    ck_assert_int_eq(sdb_launch(&options, &life->child, NULL), 0);
    life->pidfd = open_pidfd(sdb_child_pid(life->child));
}

static void attach_to_life(struct life *life)
{
    struct sdb_error error = SDB_ERROR_INIT;
    char text[512] = "";
    int rc = sdb_session_attach(session, sdb_child_pid(life->child), &life->process, &error);

    (void)sdb_error_format(&error, text, sizeof(text));
    ck_assert_msg(rc == 0 || rc == -ESRCH, "%s", text);
}

/* Hold it from its beginning, or from now on, and see it to its end. */
static void run(struct life *life)
{
    struct sdb_event event = SDB_EVENT_INIT;

    if (life->process) {
        const bool was_attached = life->child != NULL;
        const int rc = sdb_process_set_follow(life->process, SDB_FOLLOW_ALL);

        expect_one_of(life, "follow", rc, -ESRCH, -EBUSY);
        if (life->witness.all_stop)
            ck_assert_int_eq(sdb_process_set_stop_mode(life->process, SDB_ALL_STOP), 0);
        witness_hold(&life->witness, life->process);
        maybe_kill(life, life->process);
        witness_resume_process(&life->witness, life->process);
        /* It may have stopped itself before. */
        if (was_attached)
            (void)syscall(SYS_pidfd_send_signal, life->pidfd, SIGCONT, NULL, 0);
    }
    while (witness_next(&life->witness, &event))
        handle(life, &event);
    witness_end(&life->witness);
}

static unsigned long live_once(unsigned seed)
{
    struct life life = {.chance = chance_of(seed)};
    struct chance *const chance = &life.chance;
    const char *what = lives[chance_below(chance, 8)];
    const bool launches = chance_below(chance, 4) > 0;
    const bool has_killer = chance_below(chance, 4) > 0;
    struct killer killer;

    witness_begin(&life.witness, session, WITNESS_KILLS);
    life.witness.is_right_end = is_right_end;
    life.witness.all_stop = chance_below(chance, 4) == 0;
    if (chance_below(chance, 3) == 0)
        life.kills_within = 1 + chance_below(chance, 60);
    if (launches)
        launch_life(&life, what);
    else
        start_life(&life, what);
    if (has_killer)
        start_killer(&killer, life.pidfd,
                     chance_below(chance, chance_below(chance, 2) ? 300 : 3000));
    if (!launches)
        attach_to_life(&life);
    run(&life);

    if (has_killer)
        pthread_join(killer.thread, NULL);
    /* What was let go, or never held, is killed if it is still there. */
    (void)syscall(SYS_pidfd_send_signal, life.pidfd, SIGKILL, NULL, 0);
    close(life.pidfd);
    if (life.child)
        ck_assert_int_eq(sdb_child_wait(life.child, PATIENCE_MS, NULL), 0);
    sdb_child_close(life.child);
    return life.witness.killed;
}

TEST(a_kill_at_any_instant_is_told_once_and_hangs_nothing)
{
    const char *first = getenv("SDB_TEST_SEED");
    const unsigned seed = first ? (unsigned)atoi(first) : 1;
    const unsigned count = first ? 1 : (unsigned)rounds(1000);
    unsigned long killed = 0;

    begin(_i);
    for (unsigned round = 0; round < count; round++) {
        tcase_fn_start("a_kill_at_any_instant", __FILE__, (int)(seed + round));
        killed += live_once((seed + round) * 2 + (unsigned)_i);
    }
    ck_assert(count < 100 || killed > 0);
    finish();
}

int main(void)
{
    return run_suite("session_kills");
}
