/* SPDX-License-Identifier: MIT */
/*
 * Newborns whose parents have not told of them yet, by the hundred: none is forgotten, and nothing is
 * taken for stolen.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forking.h"
#include "holding.h"
#include "host.h"

#define MANY 400

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

int main(void)
{
    return run_suite("session_newborns");
}
