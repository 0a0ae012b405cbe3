/* SPDX-License-Identifier: MIT */
/*
 * Newborns whose parents have not told of them yet, by the hundred: none is forgotten, and nothing is
 * taken for stolen.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forking.h"
#include "holding.h"
#include "host.h"

#define MANY 400
#define CODE 7

/* Two pipes, a byte or an end of file of which says what comes next. */
struct family {
    int begin[2];  /* its first process makes its children */
    int gather[2]; /* these make theirs, all at once */
};

static void await_byte(const int channel[2])
{
    char byte;

    close(channel[1]);
    while (read(channel[0], &byte, 1) < 0 && errno == EINTR)
        ;
}

static void make_one_and_end(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    _exit(pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : 1);
}

static void live_as_family(const struct family *family)
{
    int left = MANY;

    await_byte(family->begin);
    for (int i = 0; i < MANY; i++) {
        if (fork() == 0) {
            await_byte(family->gather);
            make_one_and_end();
        }
    }
    close(family->gather[0]);
    close(family->gather[1]);
    for (int status; left > 0 && wait(&status) > 0; left--) {
        if (status != 0)
            _exit(2);
    }
    _exit(left);
}

static void make_one_and_stay(const int go[2])
{
    await_byte(go);
    if (fork() == 0)
        _exit(CODE);
    for (;;)
        pause();
}

/* Has for its own whom its child leaves behind, and waits for both, asleep or awake. */
static void live_as_reaper(bool is_awake, const int go[2], const int child[2])
{
    pid_t pid;
    int left = 2;

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid = fork();
    if (pid == 0)
        make_one_and_stay(go);
    (void)!write(child[1], &pid, sizeof(pid));
    while (left > 0)
        left -= waitpid(-1, NULL, is_awake ? WNOHANG : 0) > 0;
    _exit(0);
}

/* Everybody's events to the end of the first, whose code must be 0. */
struct told {
    int forks;
    int starts;
    int ends;
};

static void add_event(struct told *told, const struct sdb_event *event)
{
    told->forks += event->kind == SDB_EVENT_FORK;
    told->starts += event->kind == SDB_EVENT_START;
    told->ends += event->kind == SDB_EVENT_EXITED;
    if (event->kind == SDB_EVENT_EXITED)
        ck_assert_int_eq(event->status->code, 0);
    else
        resume(event);
}

HOLDING_CASE(newborns);

SESSION_TEST(newborns_by_the_hundred_are_held_before_their_parents_tell_of_them)
{
    struct family family;
    struct sdb_process *first;
    struct told told = {0};
    pid_t pids[MANY];
    pid_t pid;

    ck_assert_int_eq(pipe(family.begin), 0);
    ck_assert_int_eq(pipe(family.gather), 0);
    pid = fork_child();
    if (pid == 0)
        live_as_family(&family);
    first = attach(pid);
    stop_process(first);
    ck_assert_int_eq(sdb_process_set_follow(first, SDB_FOLLOW_ALL), 0);
    pass_silently(SIGCHLD);
    resume_process(first);
    close(family.begin[1]);
    while (told.forks < MANY || told.starts < MANY) {
        const struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_FORK)
            pids[told.forks] = sdb_process_pid(event.new_process);
        add_event(&told, &event);
    }

    /* While nobody looks, all stop within their forks; the newborns before they are anything. */
    close(family.gather[0]);
    close(family.gather[1]);
    for (int i = 0; i < MANY; i++)
        await_state(pids[i], 't');
    while (told.ends < 2 * MANY + 1) {
        const struct sdb_event event = next_event();

        add_event(&told, &event);
    }
    ck_assert_int_eq(told.forks, 2 * MANY);
    ck_assert_int_eq(told.starts, 2 * MANY);
    close(family.begin[0]);
    finish();
}

/* Its parent is killed in the very stop of its birth; and who is its parent then is held, too. */
static void expect_start_of_left(bool is_awake)
{
    struct sdb_process *reaper;
    struct sdb_process *parent;
    struct sdb_event event;
    int starts = 0;
    int ends = 0;
    int child[2];
    int go[2];
    pid_t made;
    pid_t pid;

    ck_assert_int_eq(pipe(go), 0);
    ck_assert_int_eq(pipe(child), 0);
    pid = fork_child();
    if (pid == 0)
        live_as_reaper(is_awake, go, child);
    ck_assert_int_eq(read(child[0], &made, sizeof(made)), (ssize_t)sizeof(made));
    pass_silently(SIGCHLD);
    reaper = attach(pid);
    set_follow(reaper, SDB_FOLLOW_ALL);
    resume_process(reaper);
    parent = attach(made);
    set_follow(parent, SDB_FOLLOW_ALL);
    resume_process(parent);
    ck_assert_int_eq(write(go[1], "g", 1), 1);
    await_state(made, 't');
    ck_assert_int_eq(kill(made, SIGKILL), 0);
    await_state(made, 'Z');
    do {
        event = next_event();
        starts += event.kind == SDB_EVENT_START;
        ends += event.kind == SDB_EVENT_EXITED && event.status->code == CODE;
        resume(&event);
    } while (event.kind != SDB_EVENT_EXITED || event.process != reaper);
    ck_assert_int_eq(starts, 1);
    ck_assert_int_eq(ends, 1);
    finish();
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(child[i]);
    }
}

SESSION_TEST(who_is_left_to_one_that_is_held_and_sleeps_starts)
{
    expect_start_of_left(false);
}

SESSION_TEST(who_is_left_to_one_that_is_held_and_runs_starts)
{
    expect_start_of_left(true);
}

int main(void)
{
    return run_suite("session_newborns");
}
