/* SPDX-License-Identifier: MIT */
/*
 * What comes again is proven: a thread that a signal takes away from where it has hit a breakpoint, and
 * that comes there once more, has hit it again only if it was not the handler that has brought it back.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "breaking.h"

#define LEAVES SDB_TRACEE_DIR "/leaves"
#define ROUNDS 20

enum { PROGRAMS, HANDLERS, PLACES };

struct leaving {
    struct target target;
    struct sdb_breakpoint *breakpoints[PLACES];
    uint64_t addresses[PLACES];
    unsigned told;
};

HOLDING_CASE(ways);

static struct leaving launch_leaving(const char *way)
{
    const char *const argv[] = {LEAVES, way, NULL};
    struct leaving leaving = {.target = launch_program(LEAVES, argv)};

    set_follow(leaving.target.process, SDB_FOLLOW_CLONE);
    resume_process(leaving.target.process);
    ck_assert_int_eq(read(leaving.target.output, leaving.addresses, sizeof(leaving.addresses)),
                     (ssize_t)sizeof(leaving.addresses));
    for (int i = 0; i < PLACES; i++)
        leaving.breakpoints[i] = plant_at(leaving.target.process, leaving.addresses[i]);
    return leaving;
}

/* To its end, by events that are resumed as they come.  @return its exit code */
static int run(struct leaving *leaving, enum sdb_resume how)
{
    struct sdb_event event;

    tell_target(&leaving->target, '!');
    for (;;) {
        event = next_event();
        if (is_end(&event))
            break;
        leaving->told += event.kind == SDB_EVENT_BREAKPOINT;
        if (event.kind == SDB_EVENT_BREAKPOINT || event.kind == SDB_EVENT_STEP ||
            event.kind == SDB_EVENT_SIGNAL)
            resume_thread(event.thread, how);
        else
            resume(&event);
    }
    ck_assert_uint_eq(event.kind, SDB_EVENT_EXITED);
    ck_assert_uint_eq(event.status->how, SDB_EXITED);
    return event.status->code;
}

static void expect_hits(const struct leaving *leaving, const char *way, int came,
                        uint64_t in_handlers)
{
    const uint64_t hits = sdb_breakpoint_hit_count(leaving->breakpoints[PROGRAMS]);

    ck_assert_msg(came == ROUNDS && hits == ROUNDS && leaving->told == ROUNDS + in_handlers,
                  "%s: came %d times, %d hits, %u told", way, came, (int)hits, leaving->told);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(leaving->breakpoints[HANDLERS]), in_handlers);
}

static void leave(const char *way, bool silently, enum sdb_resume how)
{
    struct leaving leaving = launch_leaving(way);
    const bool nests = strcmp(way, "nest") == 0;

    if (silently) {
        pass_silently(SIGALRM);
        pass_silently(SIGCHLD);
        pass_silently(SIGURG);
    }
    expect_hits(&leaving, way, run(&leaving, how), nests ? ROUNDS : 0);
    close_target(&leaving.target);
}

static const char *const ways[] = {"return", "ignore", "jump", "bare",
                                   "stack",  "leap",   "nest", "fork"};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

SESSION_TEST(a_call_is_hit_once_however_its_signal_is_handled)
{
    for (size_t i = 0; i < WAYS; i++)
        leave(ways[i], true, SDB_RESUME_CONTINUE);
    finish();
}

SESSION_TEST(nor_does_it_matter_whether_the_signal_is_told)
{
    for (size_t i = 0; i < WAYS; i++)
        leave(ways[i], false, SDB_RESUME_CONTINUE);
    finish();
}

SESSION_TEST(nor_that_its_system_calls_are)
{
    for (size_t i = 0; i < WAYS; i++)
        leave(ways[i], true, SDB_RESUME_SYSCALL);
    finish();
}

int main(void)
{
    return run_suite("breakpoint_returns");
}
