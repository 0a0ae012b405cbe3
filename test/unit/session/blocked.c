/* SPDX-License-Identifier: MIT */
/*
 * What blocks in a system call goes on in it, through attaches, stops and releases: nothing is lost,
 * and no call returns early but the few of which the kernel makes it so, and the README says so.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "racing.h"

#define MOST_TASKS 64
#define MOST_TEXT  4096

/* These return EINTR after any stop, whatever one does. */
static const char *const excused[] = {"epoll_wait", "recv SO_RCVTIMEO", "semop", "semtimedop",
                                      "sigtimedwait"};

static bool is_excused(const char *name)
{
    for (size_t i = 0; i < sizeof(excused) / sizeof(excused[0]); i++) {
        if (strcmp(name, excused[i]) == 0)
            return true;
    }
    return false;
}

/* @return one that has all of its threads in their calls */
static struct target start_blocked(void)
{
    const char *const argv[] = {SDB_TRACEE_DIR "/blocked", NULL};
    struct target blocked = start_untraced(argv);
    int tids[MOST_TASKS];
    const int count = tasks_of(blocked.pid, tids, MOST_TASKS);

    ck_assert_int_gt(count, 20);
    for (int i = 0; i < count; i++)
        ck_assert(host_wait_asleep(tids[i]));
    return blocked;
}

/* What it tells of each call: "name: how often it was interrupted, right". */
static void expect_all_right(const struct target *blocked)
{
    char text[MOST_TEXT] = "";
    char *rest = text;
    size_t length = 0;
    ssize_t count;
    int lines = 0;

    while ((count = read(blocked->output, text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)count;
    for (char *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        char *after = line;
        const char *name = strsep(&after, ":");

        ck_assert_msg(after && strstr(after, ", right"), "%s: %s", name, after);
        ck_assert_msg(strcmp(after, " 0, right") == 0 || is_excused(name), "%s: %s", name, after);
    }
    ck_assert_int_gt(lines, 20);
}

static void end_untraced(struct target *blocked)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    close_input(blocked);
    expect_all_right(blocked);
    ck_assert_int_eq(sdb_child_wait(blocked->child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    close_target(blocked);
}

HOLDING_CASE(calls);

TEST(blocked_calls_go_on_after_an_attach)
{
    struct target blocked = start_blocked();

    begin(_i);
    for (int round = 0; round < rounds(40); round++) {
        struct sdb_process *process = attach(blocked.pid);

        expect_all_held(process);
        if (round % 4 >= 2)
            resume_process(process);
        if (round % 4 == 3)
            stop_process(process);
        detach(process);
    }
    finish();
    end_untraced(&blocked);
}

TEST(blocked_calls_go_on_after_a_stop_by_sigstop_and_an_attach)
{
    struct target blocked = start_blocked();

    begin(_i);
    for (int round = 0; round < rounds(20); round++) {
        struct sdb_process *process = attach(blocked.pid);

        ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_STOP, NULL), 0);
        await_state(blocked.pid, 'T');
        process = attach(blocked.pid);
        detach(process);
        await_state(blocked.pid, 'T');
        ck_assert_int_eq(kill(blocked.pid, SIGCONT), 0);
    }
    finish();
    end_untraced(&blocked);
}

/* Each thread by itself, and all at once; and it comes to its end while it is held. */
TEST(blocked_calls_go_on_after_interrupts)
{
    struct target blocked = start_blocked();
    struct sdb_event event = SDB_EVENT_INIT;

    begin(_i);
    attach_target(&blocked);
    resume_process(blocked.process);
    for (int round = 0; round < rounds(10); round++) {
        struct sdb_thread *thread = sdb_process_next_thread(blocked.process, NULL);

        for (; thread; thread = sdb_process_next_thread(blocked.process, thread)) {
            stop_thread(thread);
            resume_thread(thread, SDB_RESUME_CONTINUE);
        }
        stop_process(blocked.process);
        resume_process(blocked.process);
    }
    expect_nothing();
    close_input(&blocked);
    do {
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            ck_assert_int_eq(event.status->code, 0);
        resume(&event);
    } while (event.kind != SDB_EVENT_EXITED);
    finish();
    expect_all_right(&blocked);
    close_target(&blocked);
}

int main(void)
{
    return run_suite("session_blocked");
}
