/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints and processes that are born or let go: those that are held hit them, the others run on as
 * if there were none.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "breaking.h"
#include "crew.h"
#include "forking.h"
#include "holding.h"
#include "racing.h"

#define BIRTHS        SDB_TRACEE_DIR "/births"
#define SLOTS         SDB_TRACEE_DIR "/slots"
#define SLOT_DISTANCE 16
#define CHILDREN      20
#define CALLS         5
#define CHILDREN_TEXT "20"
#define CALLS_TEXT    "5"

static struct target target;
static struct sdb_breakpoint *breakpoint;

static void begin_births(int way, const char *how, uint32_t follow)
{
    const char *const argv[] = {BIRTHS, how, CHILDREN_TEXT, CALLS_TEXT, NULL};
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;

    begin(way);
    pass_silently(SIGCHLD);
    target = launch_program(BIRTHS, argv);
    ck_assert_int_eq(sdb_process_set_follow(target.process, follow), 0);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &options.address, sizeof(options.address)),
                     (ssize_t)sizeof(options.address));
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    tell_target(&target, 'g');
}

/* @return how many hits were told, of which process's is not looked at */
static unsigned run_to_all_ends(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    unsigned hits = 0;
    int rc;

    while ((rc = sdb_session_wait(session, PATIENCE_MS, &event)) == 0) {
        hits += event.kind == SDB_EVENT_BREAKPOINT;
        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_uint_eq(event.status->how, SDB_EXITED);
            ck_assert_int_eq(event.status->code, 0);
        }
        ck_assert_int_eq(sdb_event_resume(&event), 0);
    }
    ck_assert_int_eq(rc, -ECHILD);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), hits);
    return hits;
}

static void expect_births(int way, const char *how, uint32_t follow, unsigned hits)
{
    begin_births(way, how, follow);
    ck_assert_uint_eq(run_to_all_ends(), hits);
    finish_with(&target);
}

HOLDING_CASE(births);

TEST(newborns_that_are_not_held_run_free)
{
    expect_births(_i, "fork", SDB_FOLLOW_DEFAULT, CHILDREN * CALLS);
    expect_births(_i, "vfork", SDB_FOLLOW_DEFAULT, CHILDREN * CALLS);
    expect_births(_i, "spawn", SDB_FOLLOW_DEFAULT, CHILDREN * CALLS);
    expect_births(_i, "clone", SDB_FOLLOW_DEFAULT, CHILDREN * CALLS);
}

TEST(newborns_that_are_held_hit_too)
{
    expect_births(_i, "fork", SDB_FOLLOW_ALL, 2 * CHILDREN * CALLS);
    expect_births(_i, "vfork", SDB_FOLLOW_ALL, 2 * CHILDREN * CALLS);
    expect_births(_i, "spawn", SDB_FOLLOW_ALL, CHILDREN * CALLS);
    expect_births(_i, "clone", SDB_FOLLOW_ALL, 2 * CHILDREN * CALLS);
}

/* At any hit, of the parent or of a child. */
TEST(who_is_let_go_runs_on)
{
    static const char *const ways[] = {"fork", "vfork", "spawn", "clone"};

    for (int round = 0; round < rounds(24); round++) {
        struct chance chance = chance_of((unsigned)round);
        const unsigned after = 1 + chance_below(&chance, CHILDREN * CALLS - 1);
        struct sdb_event event = SDB_EVENT_INIT;
        struct sdb_child *child = NULL;
        struct sdb_exit_status status = {.size = sizeof(status)};
        unsigned hits = 0;
        int rc;

        begin_births(_i, ways[round % 4], SDB_FOLLOW_DEFAULT);
        while (hits < after && sdb_session_wait(session, PATIENCE_MS, &event) == 0) {
            hits += event.kind == SDB_EVENT_BREAKPOINT;
            if (hits < after)
                ck_assert_int_eq(sdb_event_resume(&event), 0);
        }
        rc = sdb_process_detach(target.process, SDB_RELEASE_RUN, &child);
        ck_assert_msg(rc == 0, "detach: %s", sdb_error_describe(rc));
        ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
        ck_assert_uint_eq(status.how, SDB_EXITED);
        ck_assert_int_eq(status.code, 0);
        sdb_child_close(child);
        finish();
        close_target(&target);
    }
}

TEST(the_end_of_a_session_lifts_all)
{
    static const char *const ways[] = {"fork", "vfork"};

    for (int i = 0; i < 2; i++) {
        begin_births(_i, ways[i], SDB_FOLLOW_ALL);
        (void)run_to_all_ends();
        ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
        finish();
        close_target(&target);
    }
}

__attribute__((noinline)) static int called(int value)
{
    __asm__ volatile("nop"); /* a place of its own, however it is compiled */
    return value + 1;
}

/* Forks once it is told, and exits with what its child has. */
static void fork_when_told(const int channel[2])
{
    char byte;
    int status;
    pid_t pid;

    if (read(channel[0], &byte, 1) != 1)
        _exit(1);
    pid = fork();
    if (pid == 0)
        _exit(called(6));
    _exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

/* Its copy of the memory has the byte that was lifted before its birth was seen. */
TEST(an_unwanted_child_lives_although_a_breakpoint_is_lifted_when_it_is_born)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_process *process;
    int channel[2];
    pid_t pid;

    ck_assert_int_eq(pipe(channel), 0);
    pid = fork_child();
    if (pid == 0)
        fork_when_told(channel);
    begin(_i);
    pass_silently(SIGCHLD);
    process = attach(pid);
    set_follow(process, SDB_FOLLOW_EXEC | SDB_FOLLOW_CLONE);
    options.address = (uint64_t)(uintptr_t)called;
    ck_assert_int_eq(sdb_breakpoint_create(process, &options, &breakpoint), 0);
    resume_process(process);
    ck_assert_int_eq(write(channel[1], "", 1), 1);
    await_state(pid, 't'); /* in the event of its fork */
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    ck_assert_int_eq(expect_exit(SDB_EXITED, 7).status->pid, pid);
    close(channel[0]);
    close(channel[1]);
    finish();
}

/* ---- slots that are filled while a copy of them is made ---- */

/*
 * The copy is made before the fork is told of, and until that the parent's other thread may get a slot; one
 * in a page that is there already, as for a page all are stopped.
 */
SESSION_TEST(a_newborn_goes_through_a_slot_that_was_filled_after_it_was_born)
{
    const char *const argv[] = {SLOTS, NULL};
    struct sdb_event forking;
    struct sdb_event hit;
    uint64_t address;

    target = launch_program(SLOTS, argv);
    set_follow(target.process, SDB_FOLLOW_FORK | SDB_FOLLOW_CLONE);
    pass_silently(SIGCHLD);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &address, sizeof(address)), (ssize_t)sizeof(address));
    (void)plant_at(target.process, address);
    breakpoint = plant_at(target.process, address + SLOT_DISTANCE);
    tell_target(&target, 'g');
    forking = expect(SDB_EVENT_CLONE);
    resume_from(SDB_EVENT_START);
    resume_from(SDB_EVENT_BREAKPOINT);
    hit = expect(SDB_EVENT_BREAKPOINT);
    resume(&forking);
    await_state(target.pid, 't');
    resume(&hit);
    ck_assert_int_eq(run_to_end(target.process).code, 0);
    finish_with(&target);
}

int main(void)
{
    return run_suite("breakpoint_births");
}
