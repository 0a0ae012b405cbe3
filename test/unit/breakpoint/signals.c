/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints and signals: handlers run, and go back, as without breakpoints; no signal makes a hit
 * count twice or not at all, and SIGTRAP is what the program has made of it.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "breaking.h"
#include "host.h"
#include "racing.h"

#define MASKED           SDB_TRACEE_DIR "/masked"
#define THREADS_IN_STORM 8

static void pass(int signal)
{
    pass_silently(signal);
}

HOLDING_CASE(handlers);

static void under_timer(int threads, int turns, bool silently)
{
    struct tally tally = {0};
    struct target target = launch_places(threads, turns, false);

    if (silently)
        pass(SIGALRM);
    (void)plant_all(&target);
    (void)plant(&target, PLACE_restore);
    obey(&target, 'b', &tally);
    obey(&target, threads > 1 ? 's' : 'g', &tally);
    obey(&target, 'e', &tally);
    expect_exact(&target, &tally);
    ck_assert_uint_gt(target.board->signals[0], 0);
    ck_assert_uint_eq(tally.hits[PLACE_restore], target.board->signals[0]);
    if (!silently)
        ck_assert_uint_ge(tally.signals[SIGALRM], target.board->signals[0]);
    end_places(&target);
    close_target(&target);
}

SESSION_TEST(a_handler_of_1_khz_is_hit_as_what_it_interrupts_is)
{
    under_timer(1, 100 * rounds(1), true);
    finish();
}

SESSION_TEST(a_handler_whose_signal_is_told_is_hit_as_well)
{
    under_timer(1, 100 * rounds(1), false);
    finish();
}

SESSION_TEST(handlers_are_hit_in_any_of_many_threads)
{
    under_timer(THREADS_IN_STORM, 10 * rounds(1), true);
    finish();
}

/* ---- signals from outside ---- */

/* @return for how long it was waited, in microseconds; no longer than 100 ms */
static unsigned await_handled(const struct board *board, uint64_t before)
{
    const int64_t begin = host_now_us();
    int64_t passed = 0;

    while (board->handled == before && passed < 100000) {
        sched_yield();
        passed = host_now_us() - begin;
    }
    return (unsigned)passed;
}

/*
 * Somebody else who sends a signal with a value all the time: the next at some instant after the one
 * before was handled.  For how long that took, so long may the target go on in between; without that, it
 * would get no further where a stop takes longer than sending.
 */
static int fork_sender(const struct target *target, bool kill_only)
{
    const pid_t parent = getpid();
    int sender = fork();

    ck_assert_int_ge(sender, 0);
    if (sender == 0) {
        struct chance chance = chance_of((unsigned)getpid());

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent) {
            const uint64_t before = target->board->handled;

            if (kill_only)
                (void)kill(target->pid, SIGUSR1);
            else
                (void)sigqueue(target->pid, SIGUSR1, (union sigval){.sival_int = 4711});
            usleep(chance_below(&chance, await_handled(target->board, before) * 3 + 10));
        }
        _exit(0);
    }
    return sender;
}

static void flooded(int threads, int turns, bool silently)
{
    struct tally tally = {0};
    struct target target = launch_places(threads, turns, false);
    int sender;

    if (silently)
        pass(SIGUSR1);
    (void)plant_all(&target);
    sender = fork_sender(&target, false);
    /* On a busy machine the sender may begin late. */
    for (int tries = 0; tries < 100 && target.board->signals[1] == 0; tries++)
        obey(&target, threads > 1 ? 's' : 'g', &tally);
    end_child(sender);
    expect_exact(&target, &tally);
    ck_assert_uint_gt(target.board->signals[1], 0);
    pass(SIGUSR1);
    end_places(&target);
    close_target(&target);
}

SESSION_TEST(no_signal_makes_a_hit_count_twice)
{
    flooded(1, 100 * rounds(1), true);
    finish();
}

SESSION_TEST(no_signal_that_is_told_makes_a_hit_count_twice)
{
    flooded(1, 30 * rounds(1), false);
    finish();
}

SESSION_TEST(no_signal_makes_a_hit_of_many_threads_count_twice)
{
    flooded(THREADS_IN_STORM, 10 * rounds(1), true);
    finish();
}

HOLDING_CASE(calls);

SESSION_TEST(a_call_that_is_made_again_is_hit_once)
{
    struct tally tally = {0};
    struct target target = launch_places(1, 10, false);

    pass(SIGALRM);
    (void)plant(&target, PLACE_block);
    (void)plant(&target, PLACE_push);
    obey(&target, 'b', &tally);
    obey(&target, 'l', &tally);
    obey(&target, 'e', &tally);
    ck_assert_uint_eq(tally.hits[PLACE_block], 10);
    ck_assert_uint_eq(tally.hits[PLACE_push], target.board->counts[PLACE_push]);
    expect_right(&target);
    finish_places(&target);
}

/* One whose handler has it made again, one that gives up, and others that come before it was made. */
SESSION_TEST(a_call_in_a_flood_of_signals_is_hit_once)
{
    for (int way = 0; way < 3; way++) {
        struct tally tally = {0};
        struct target target = launch_places(1, 8, false);
        int sender;

        pass(SIGALRM);
        pass(SIGUSR1);
        (void)plant(&target, PLACE_block);
        (void)plant(&target, PLACE_sleep);
        if (way == 1)
            (void)plant_all(&target);
        if (way == 2)
            obey(&target, '-', &tally);
        sender = fork_sender(&target, way == 1);
        obey(&target, 'b', &tally);
        obey(&target, 'l', &tally);
        if (way != 2)
            obey(&target, 'Y', &tally);
        obey(&target, 'e', &tally);
        end_child(sender);
        ck_assert_msg(tally.hits[PLACE_block] == target.board->counts[PLACE_block],
                      "way %d: %d hits, %d calls", way, (int)tally.hits[PLACE_block],
                      (int)target.board->counts[PLACE_block]);
        ck_assert_uint_eq(tally.hits[PLACE_sleep], target.board->counts[PLACE_sleep]);
        ck_assert_uint_ge(tally.hits[PLACE_block], 8);
        expect_right(&target);
        end_places(&target);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(a_sleep_that_is_interrupted_is_hit_once)
{
    struct tally tally = {0};
    unsigned stops = 0;
    struct target target = launch_places(1, 10, false);

    (void)plant(&target, PLACE_sleep);
    tell_target(&target, 'y');
    while (target.board->counts[PLACE_sleep] < 10) {
        struct sdb_event event = SDB_EVENT_INIT;

        while (sdb_session_wait(session, 1, &event) == 0)
            count_event(&target, &event, &tally);
        stop_process(target.process);
        stops++;
        while (sdb_session_wait(session, 0, &event) == 0)
            count_event(&target, &event, &tally);
        (void)sdb_process_resume(target.process, SDB_RESUME_CONTINUE);
    }
    run_to_answer(&target, &tally);
    ck_assert_uint_gt(stops, 0);
    ck_assert_uint_eq(tally.hits[PLACE_sleep], 10);
    expect_right(&target);
    finish_places(&target);
}

/* A thread of the whole that sleeps in a slot is let go. */
SESSION_TEST(a_sleep_goes_on_after_the_program_was_let_go)
{
    static struct traces traces;
    struct sdb_child *child = NULL;
    struct target target;

    for (int round = 0; round < rounds(10); round++) {
        target = launch_places(1, 1, false);
        note_traces(&target, &traces);
        (void)plant(&target, PLACE_sleep);
        tell_target(&target, 'y');
        resume_from(SDB_EVENT_BREAKPOINT);
        await_state(target.pid, 'S');
        child = detach_child(target.process);
        wait_ready(&target);
        expect_right(&target);
        expect_no_traces(&target, &traces);
        end_free_places(&target, child);
        close_target(&target);
    }
    finish();
}

HOLDING_CASE(traps);

/* The program looks after each order whether its SIGTRAP is as it has set it. */
static void with_trap(const char *orders, const char *after)
{
    struct target target = launch_places(4, 3, false);
    struct tally tally = {0};

    for (const char *what = orders; *what; what++)
        obey(&target, *what, &tally);
    (void)plant_all(&target);
    obey(&target, 'g', &tally);
    expect_right(&target);
    obey(&target, 's', &tally);
    for (const char *what = after; *what; what++)
        obey(&target, *what, &tally);
    expect_exact(&target, &tally);
    ck_assert_uint_eq(tally.signals[SIGTRAP], 0);
    end_places(&target);
    close_target(&target);
}

SESSION_TEST(a_handler_of_sigtrap_stays)
{
    with_trap("h", "");
    finish();
}

SESSION_TEST(an_ignored_sigtrap_stays_ignored)
{
    with_trap("i", "");
    finish();
}

SESSION_TEST(a_blocked_sigtrap_stays_blocked)
{
    with_trap("m", "ugm");
    with_trap("hm", "ugm");
    with_trap("im", "ugm");
    finish();
}

/* Have a breakpoint where the program says, and have it go on. */
static void plant_where_told_with(const struct target *target, uint64_t flags)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint = NULL;

    ck_assert_int_eq(read(target->output, &options.address, sizeof(options.address)),
                     (ssize_t)sizeof(options.address));
    options.flags = flags;
    ck_assert_int_eq(sdb_breakpoint_create(target->process, &options, &breakpoint), 0);
    tell_target(target, 'g');
}

static void plant_where_told(const struct target *target)
{
    plant_where_told_with(target, 0);
}

static void expect_masked_to_end(const struct target *target)
{
    struct sdb_event event;

    for (;;) {
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED && event.process == target->process)
            break;
        if (!is_end(&event))
            resume(&event);
    }
    ck_assert_int_eq(event.status->code, 11);
}

static void finish_masked(struct target *target)
{
    expect_masked_to_end(target);
    finish_with(target);
}

/* What was known of the signal is the old program's. */
SESSION_TEST(a_blocked_sigtrap_stays_blocked_after_an_exec)
{
    const char *const argv[] = {MASKED, "again", NULL};
    struct target target = launch_program(MASKED, argv);

    resume_process(target.process);
    plant_where_told(&target);
    resume_from(SDB_EVENT_EXEC);
    plant_where_told(&target);
    finish_masked(&target);
}

static void masked(const char *how)
{
    const char *const argv[] = {MASKED, how, NULL};
    struct target target = launch_program(MASKED, argv);

    set_follow(target.process, SDB_FOLLOW_CLONE);
    resume_process(target.process);
    plant_where_told(&target);
    finish_masked(&target);
}

/* That it was blocked is told by the loss of the handler, whatever else is blocked. */
SESSION_TEST(a_handler_of_sigtrap_stays_where_that_alone_is_blocked)
{
    masked("handler");
}

/* As long as the handler is there it was not blocked, whatever else is. */
SESSION_TEST(a_sigtrap_that_alone_is_not_blocked_stays_so)
{
    masked("rest");
}

/* No thread stands when the breakpoint is made: the handler was taken for none. */
SESSION_TEST(a_handler_of_sigtrap_stays_where_a_breakpoint_was_made_in_a_vfork)
{
    masked("vfork");
}

/* The loss of the handler is another's fault, who has trapped at the same time. */
SESSION_TEST(a_thread_that_blocks_sigtrap_does_not_have_another_block_it)
{
    masked("threads");
}

SESSION_TEST(a_hardware_breakpoint_leaves_sigtrap_as_it_is)
{
    static const char *const how[] = {NULL, "handler"};

    for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
        const char *const argv[] = {MASKED, how[i], NULL};
        struct target target = launch_program(MASKED, argv);

        resume_process(target.process);
        plant_where_told_with(&target, SDB_BREAKPOINT_HARDWARE);
        expect_masked_to_end(&target);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(a_sigtrap_that_is_sent_is_the_programs)
{
    struct tally tally = {0};
    struct target target = launch_places(1, 3, false);

    (void)plant_all(&target);
    obey(&target, 'g', &tally);
    ck_assert_int_eq(kill(target.pid, SIGTRAP), 0);
    resume_from_signal(SIGTRAP);
    expect_exit(SDB_KILLED, SIGTRAP);
    finish_with(&target);
}

int main(void)
{
    return run_suite("breakpoint_signals");
}
