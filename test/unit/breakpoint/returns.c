/* SPDX-License-Identifier: MIT */
/*
 * What comes again is proven: a thread that a signal takes away from where it has hit a breakpoint, and
 * that comes there once more, has hit it again only if it was not the handler that has brought it back.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "breaking.h"

#define LEAVES SDB_TRACEE_DIR "/leaves"
#define ROUNDS 20

/* Of `syscall`. */
#define CALL_LENGTH 2

enum { PROGRAMS, HANDLERS, PLACES };

struct leaving {
    struct target target;
    struct sdb_breakpoint *breakpoints[PLACES];
    uint64_t addresses[PLACES];
    struct sdb_thread *second; /* or NULL */
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
    const bool nests = strcmp(way, "nest") == 0 || strcmp(way, "near") == 0;

    if (silently) {
        pass_silently(SIGALRM);
        pass_silently(SIGCHLD);
        pass_silently(SIGURG);
    }
    expect_hits(&leaving, way, run(&leaving, how), nests ? ROUNDS : 0);
    close_target(&leaving.target);
}

static const char *const ways[] = {"return", "ignore", "jump", "bare", "stack",
                                   "leap",   "nest",   "near", "fork"};
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

HOLDING_CASE(stops_between);

/* @return whether a signal of its timer has interrupted the program's call */
static bool is_in_call(const struct leaving *leaving, const struct sdb_event *event)
{
    return event->kind == SDB_EVENT_SIGNAL && event->signal == SIGALRM &&
           pc_of(event->thread) - leaving->addresses[PROGRAMS] <= CALL_LENGTH;
}

/* Have it do all of its rounds; at each signal in the call something is done instead of resuming it. */
static void act_in_each_round(const char *way,
                              void (*act)(struct leaving *leaving, struct sdb_thread *thread))
{
    struct leaving leaving = launch_leaving(way);
    struct sdb_event event;
    int acted = 0;

    tell_target(&leaving.target, '!');
    for (;;) {
        event = next_event();
        if (is_end(&event))
            break;
        leaving.told += event.kind == SDB_EVENT_BREAKPOINT;
        if (event.kind == SDB_EVENT_START)
            leaving.second = event.thread;
        if (!is_in_call(&leaving, &event)) {
            resume(&event);
            continue;
        }
        act(&leaving, event.thread);
        acted++;
    }
    while (event.kind != SDB_EVENT_EXITED)
        event = next_event();
    ck_assert_int_eq(acted, ROUNDS);
    expect_hits(&leaving, way, event.status->code, 0);
    close_target(&leaving.target);
}

/* Of the end of the last group-stop some may be told late. */
static struct sdb_event resume_up_to(uint32_t kind, const struct sdb_thread *thread)
{
    struct sdb_event event = next_event();

    while (event.kind != kind || event.thread != thread) {
        resume(&event);
        event = next_event();
    }
    return event;
}

/* The frame is there when it stops for its process, which another thread has stopped. */
static void stop_before_handler(struct leaving *leaving, struct sdb_thread *thread)
{
    const pid_t pid = sdb_process_pid(leaving->target.process);
    struct sdb_event event;

    ck_assert_int_eq(syscall(SYS_tgkill, pid, sdb_thread_tid(leaving->second), SIGSTOP), 0);
    event = resume_up_to(SDB_EVENT_SIGNAL, leaving->second);
    ck_assert_int_eq(event.signal, SIGSTOP);
    resume(&event);
    expect_of(SDB_EVENT_GROUP_STOP, leaving->second);
    resume_thread(thread, SDB_RESUME_CONTINUE); /* with its signal */
    expect_of(SDB_EVENT_GROUP_STOP, thread);
    ck_assert_uint_gt(pc_of(thread) - leaving->addresses[PROGRAMS], CALL_LENGTH);
    resume_process(leaving->target.process);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
}

SESSION_TEST(a_handler_that_begins_in_a_group_stop_returns_without_a_hit)
{
    act_in_each_round("pair", stop_before_handler);
    finish();
}

static void step_through_handler(struct leaving *leaving, struct sdb_thread *thread)
{
    do {
        step_to(thread, SDB_EVENT_STEP);
    } while (pc_of(thread) != leaving->addresses[PROGRAMS]);
    resume_thread(thread, SDB_RESUME_CONTINUE);
}

SESSION_TEST(so_does_one_that_is_stepped_through)
{
    act_in_each_round("return", step_through_handler);
    finish();
}

int main(void)
{
    return run_suite("breakpoint_returns");
}
