/* SPDX-License-Identifier: MIT */
/*
 * A SIGSTOP that comes while the library does something with a thread: it is told as it was sent, and
 * stops the process unless a SIGCONT has come since.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "breaking.h"
#include "calling.h"
#include "crew.h"
#include "holding.h"

#define VALUE 42
#define TURNS 3

/* A SIGSTOP that can be told from every other. */
static void send_stop(const struct sdb_thread *thread)
{
    const int pid = sdb_process_pid(sdb_thread_process(thread));
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_value.sival_int = VALUE;
    ck_assert_int_eq(
        (int)syscall(SYS_rt_tgsigqueueinfo, pid, sdb_thread_tid(thread), SIGSTOP, &info), 0);
}

static struct sdb_event expect_stop(const struct sdb_thread *thread)
{
    struct sdb_event event = expect_of(SDB_EVENT_SIGNAL, thread);
    siginfo_t info;

    ck_assert_int_eq(event.signal, SIGSTOP);
    ck_assert_int_eq(sdb_thread_siginfo(event.thread, &info, sizeof(info)), 0);
    ck_assert_int_eq(info.si_code, SI_QUEUE);
    ck_assert_int_eq(info.si_value.sival_int, VALUE);
    return event;
}

/* The process stops, and goes on. */
static void stop_and_continue(const struct sdb_event *stop, const struct sdb_thread *thread)
{
    struct sdb_event event;

    resume(stop);
    event = expect_of(SDB_EVENT_GROUP_STOP, thread);
    resume(&event);
    expect_nothing();
    ck_assert_int_eq(kill(sdb_process_pid(event.process), SIGCONT), 0);
    resume_from(SDB_EVENT_GROUP_CONTINUE);
}

/* A SIGCONT that has come after the signal was taken. */
static void continue_early(const struct sdb_event *stop)
{
    ck_assert_int_eq(kill(sdb_process_pid(stop->process), SIGCONT), 0);
    resume(stop);
}

HOLDING_CASE(steps);

/* That it was executed, and that the process goes on, are told in either order. */
static void expect_watched_call(struct sdb_watchpoint *watchpoint)
{
    bool told[2] = {false};

    while (!told[0] || !told[1]) {
        const struct sdb_event event = next_event();
        const bool is_hit = event.kind == SDB_EVENT_WATCHPOINT;

        ck_assert(!told[is_hit]);
        told[is_hit] = true;
        if (is_hit)
            ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
        else
            ck_assert_int_eq(event.signal, SIGCONT);
        resume(&event);
    }
}

/* A call is executed where it is if what it pushes is watched. */
static void step_in_place(bool continues_early)
{
    struct target target = launch_places(1, 1, false);
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    struct tally tally = {0};

    forget_counts(&target);
    ck_assert_ptr_nonnull(plant(&target, PLACE_call));
    options.length = sizeof(uint64_t);
    for (int turn = 0; turn < TURNS; turn++) {
        struct sdb_watchpoint *watchpoint;
        struct sdb_event event;
        struct sdb_event stop;

        tell_target(&target, 'g');
        event = expect(SDB_EVENT_BREAKPOINT);
        ck_assert_int_eq(sdb_thread_get_register(event.thread, "rsp", &options.address), 0);
        options.address -= sizeof(uint64_t);
        ck_assert_int_eq(sdb_watchpoint_create(target.process, &options, &watchpoint), 0);
        send_stop(event.thread);
        resume(&event);
        stop = expect_stop(event.thread);
        ck_assert_uint_eq(pc_of(stop.thread), address_of(&target, PLACE_call));
        if (continues_early)
            continue_early(&stop);
        else
            stop_and_continue(&stop, stop.thread);
        expect_watched_call(watchpoint);
        run_to_answer(&target, &tally);
    }
    ck_assert_uint_eq(tally.hits[PLACE_call], 0);
    expect_right(&target);
    finish_places(&target);
}

SESSION_TEST(one_that_comes_before_a_step_in_place_is_delivered_first)
{
    step_in_place(false);
}

SESSION_TEST(one_that_was_continued_before_it_was_delivered_does_not_stop)
{
    step_in_place(true);
}

HOLDING_CASE(injections);

/* Have it make a call for us while a SIGSTOP is on its way. */
static void inject_before_stop(struct sdb_thread *thread)
{
    static const uint64_t none[6];
    int64_t pid = 0;

    send_stop(thread);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, none, &pid), 0);
    ck_assert_int_eq(pid, sdb_process_pid(sdb_thread_process(thread)));
}

static void expect_stop_and_go_on(struct sdb_thread *thread, bool continues_early)
{
    const struct sdb_event stop = expect_stop(thread);

    if (continues_early)
        continue_early(&stop);
    else
        stop_and_continue(&stop, thread);
    resume_from_signal(SIGCONT);
}

/* To an end of getpgid(2). */
static void run_to_end_of_call(struct sdb_thread *thread, uint32_t end)
{
    struct sdb_event event;

    do {
        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = next_event();
    } while (event.kind != end || call_of(thread).number != SYS_getpgid);
}

/* At both ends of a call, inside one that waits, and before another signal. */
SESSION_TEST(one_that_comes_before_an_injection_is_told_as_it_was_sent)
{
    for (int early = 0; early < 2; early++) {
        struct target target = launch_calls(STEPS("121", "handler", "raise", "nap:300"));
        struct sdb_thread *thread = sdb_process_thread(target.process);

        run_to_end_of_call(thread, SDB_EVENT_SYSCALL_ENTRY);
        inject_before_stop(thread);
        run_to_end_of_call(thread, SDB_EVENT_SYSCALL_EXIT);
        inject_before_stop(thread);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        expect_stop_and_go_on(thread, early == 1);
        (void)expect_signal(SIGUSR1);
        inject_before_stop(thread);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        expect_stop_and_go_on(thread, early == 1);
        await_state(target.pid, 'S');
        stop_thread(thread);
        inject_before_stop(thread);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        expect_stop_and_go_on(thread, early == 1);
        expect_exit(SDB_EXITED, 0);
        ck_assert_int_gt(result_of(&target, 1), 0);
        ck_assert_uint_eq(target.board->signals[SIGUSR1], 1);
        ck_assert_int_eq(result_of(&target, 4), 0);
        close_target(&target);
    }
    finish();
}

/* A first hit has the program map a page. */
SESSION_TEST(one_that_comes_before_a_page_is_mapped_is_told_as_it_was_sent)
{
    struct target target = launch_places(1, 1, false);
    struct tally tally = {0};
    struct sdb_event hit;

    forget_counts(&target);
    ck_assert_ptr_nonnull(plant(&target, PLACE_load));
    tell_target(&target, 'g');
    hit = expect(SDB_EVENT_BREAKPOINT);
    send_stop(hit.thread);
    resume(&hit);
    expect_stop_and_go_on(hit.thread, false);
    run_to_answer(&target, &tally);
    ck_assert_uint_eq(tally.hits[PLACE_load], 0);
    expect_right(&target);
    finish_places(&target);
}

/* It would stop the process for good. */
SESSION_TEST(one_that_is_followed_by_a_sigcont_stops_nobody)
{
    struct target target = launch_calls(STEPS("ready", "nap:300"));

    resume_process(target.process);
    wait_ready(&target);
    await_state(target.pid, 'S');
    stop_thread(sdb_process_thread(target.process));
    inject_before_stop(sdb_process_thread(target.process));
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    resume_thread(sdb_process_thread(target.process), SDB_RESUME_CONTINUE);
    resume_from_signal(SIGCONT);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), 0);
    finish_with(&target);
}

SESSION_TEST(one_that_is_followed_by_a_sigcont_of_another_thread_stops_nobody)
{
    struct target target = launch_turning_crew(2);
    struct sdb_thread *thread = crew_thread(&target, 1);

    for (int told = 0; told < 2; told++) {
        stop_thread(thread);
        inject_before_stop(thread);
        ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
        if (told == 1)
            resume_from_signal(SIGCONT);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        if (told == 0)
            resume_from_signal(SIGCONT);
        expect_nothing();
        expect_all_turn(target.board, 1, 2, TURNS);
    }
    finish_with(&target);
}

/* Launch one that naps, and have it stand before a stop signal. */
static struct target launch_before_stop(int signal)
{
    struct target target = launch_calls(STEPS("ready", "nap:300"));

    resume_process(target.process);
    wait_ready(&target);
    await_state(target.pid, 'S');
    ck_assert_int_eq(kill(target.pid, signal), 0);
    (void)expect_signal(signal);
    return target;
}

static void inject_getpid(struct sdb_thread *thread)
{
    static const uint64_t none[6];
    int64_t pid = 0;

    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, none, &pid), 0);
    ck_assert_int_eq(pid, sdb_process_pid(sdb_thread_process(thread)));
}

/* The kernel has forgotten the SIGCONT by then, and would stop the process for good. */
SESSION_TEST(one_that_was_told_stops_nobody_after_a_sigcont_and_an_injection)
{
    static const int signals[] = {SIGSTOP, SIGTSTP};

    for (int i = 0; i < 2; i++) {
        struct target target = launch_before_stop(signals[i]);
        struct sdb_thread *thread = sdb_process_thread(target.process);

        ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
        inject_getpid(thread);
        inject_getpid(thread);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        resume_from_signal(SIGCONT);
        expect_exit(SDB_EXITED, 0);
        ck_assert_int_eq(result_of(&target, 2), 0);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(one_that_was_told_stops_after_an_injection)
{
    struct target target = launch_before_stop(SIGSTOP);
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_event event;

    inject_getpid(thread);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    event = expect_of(SDB_EVENT_GROUP_STOP, thread);
    resume(&event);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    resume_from(SDB_EVENT_GROUP_CONTINUE);
    resume_from_signal(SIGCONT);
    expect_exit(SDB_EXITED, 0);
    finish_with(&target);
}

SESSION_TEST(one_that_was_told_stops_nobody_after_a_sigcont_of_another_thread)
{
    struct target target = launch_turning_crew(2);
    struct sdb_thread *thread = crew_thread(&target, 1);

    send_stop(thread);
    (void)expect_stop(thread);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    resume_from_signal(SIGCONT);
    inject_getpid(thread);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    expect_nothing();
    expect_all_turn(target.board, 1, 2, TURNS);
    finish_with(&target);
}

SESSION_TEST(one_that_was_told_stops_nobody_who_is_let_go_after_a_sigcont)
{
    struct target target = launch_before_stop(SIGSTOP);
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child;

    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    inject_getpid(sdb_process_thread(target.process));
    child = detach_child(target.process);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(result_of(&target, 2), 0);
    sdb_child_close(child);
    finish_with(&target);
}

SESSION_TEST(whoever_is_let_go_after_a_sigcont_runs)
{
    struct target target = launch_calls(STEPS("ready", "nap:300"));
    struct sdb_child *child;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    resume_process(target.process);
    wait_ready(&target);
    await_state(target.pid, 'S');
    stop_thread(sdb_process_thread(target.process));
    inject_before_stop(sdb_process_thread(target.process));
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    child = detach_child(target.process);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(result_of(&target, 2), 0);
    sdb_child_close(child);
    finish_with(&target);
}

SESSION_TEST(whoever_is_let_go_after_an_injection_stops)
{
    struct target target = launch_calls(STEPS("ready", "nap:300"));
    struct sdb_child *child;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    resume_process(target.process);
    wait_ready(&target);
    await_state(target.pid, 'S');
    stop_thread(sdb_process_thread(target.process));
    inject_before_stop(sdb_process_thread(target.process));
    child = detach_child(target.process);
    await_state(target.pid, 'T');
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(result_of(&target, 2), 0);
    sdb_child_close(child);
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_stop_signals");
}
