/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait while the library stops their thread: it is told once that they begin, and once that
 * they end.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "calling.h"

#define RESTART_BLOCK (-516)
#define STOPS         5
#define NAP           "nap:100"
#define LONG_NAP      "nap:60000"

/* Of a thread, instead of a number. */
#define NOT_IN_CALL  (-1)
#define BEFORE_FIRST (-2)

/* How the thread goes on, and which calls are told. */
struct way {
    enum sdb_resume how;
    uint32_t flags;
    bool by_list;
    bool by_filter;
};

static const struct way ways[] = {
    {SDB_RESUME_CONTINUE, SDB_CATCH_ALL, false, false},
    {SDB_RESUME_CONTINUE, 0, true, false},
    {SDB_RESUME_CONTINUE, 0, true, true},
    {SDB_RESUME_CONTINUE, SDB_CATCH_ENTRIES, true, false},
    {SDB_RESUME_CONTINUE, SDB_CATCH_ENTRIES, true, true},
    {SDB_RESUME_SYSCALL, 0, false, false},
};

#define WAYS ((int)(sizeof(ways) / sizeof(ways[0])))

static bool tells_ends(const struct way *way)
{
    return !(way->flags & SDB_CATCH_ENTRIES);
}

static void go_on(const struct target *target, const struct way *way)
{
    ck_assert_int_eq(sdb_process_resume(target->process, way->how), 0);
}

/* It is let run until it sleeps in a nap whose beginning was told. */
static struct target launch_napping(const char *const *steps, const struct way *way)
{
    struct target target =
        way->by_filter ? launch_filtered(steps, NUMBERS(SYS_nanosleep)) : launch_calls(steps);
    struct sdb_event event;

    catch_calls(target.process, way->flags, (const int32_t[]){SYS_nanosleep}, way->by_list);
    do {
        go_on(&target, way);
        event = next_event();
    } while (event.kind != SDB_EVENT_SYSCALL_ENTRY ||
             call_of(event.thread).number != SYS_nanosleep);
    go_on(&target, way);
    await_state(target.pid, 'S');
    return target;
}

static void expect_end(const struct target *target, int64_t result)
{
    struct sdb_event event = expect(SDB_EVENT_SYSCALL_EXIT);
    struct sdb_syscall call = call_of(event.thread);

    ck_assert_ptr_eq(event.process, target->process);
    ck_assert_int_eq(call.number, SYS_nanosleep);
    ck_assert_uint_eq(call.entry_seen, 1);
    ck_assert_int_eq(call.result, result);
    ck_assert_uint_eq(call.is_error, result < 0);
}

/* The rest of what it tells has no nap in it. */
static void run_to_exit(const struct target *target, const struct way *way)
{
    for (;;) {
        struct sdb_event event;

        go_on(target, way);
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            return;
        ck_assert_int_ne(call_of(event.thread).number, SYS_nanosleep);
        ck_assert_int_ne(call_of(event.thread).number, SYS_restart_syscall);
    }
}

static void pause_it(const struct target *target, const struct way *way)
{
    catch_calls(target->process, way->flags, (const int32_t[]){SYS_nanosleep}, way->by_list);
}

HOLDING_CASE(one_thread);

/* A signal ends the nap. */
static void end_nap(struct target *target, const struct way *way)
{
    ck_assert_int_eq(kill(target->pid, SIGUSR1), 0);
    if (tells_ends(way)) {
        expect_end(target, RESTART_BLOCK);
        go_on(target, way);
    }
    (void)expect_signal(SIGUSR1);
    run_to_exit(target, way);
    ck_assert_int_eq(result_of(target, 2), -EINTR);
    ck_assert_uint_eq(target->board->signals[SIGUSR1], 1);
    finish_with(target);
}

static void nap_through(bool pauses, const struct way *way)
{
    struct target target = launch_napping(STEPS("handler", LONG_NAP, "121"), way);

    for (int i = 0; i < STOPS; i++) {
        if (pauses) {
            pause_it(&target, way);
        } else {
            stop_process(target.process);
            go_on(&target, way);
        }
        expect_nothing();
    }
    end_nap(&target, way);
}

LOOP_TEST(a_call_that_is_stopped_is_told_once, 0, HOLDING_WAYS *WAYS)
{
    begin(_i % HOLDING_WAYS);
    nap_through(false, &ways[_i / HOLDING_WAYS]);
}

LOOP_TEST(a_call_that_is_paused_is_told_once, 0, HOLDING_WAYS *WAYS)
{
    begin(_i % HOLDING_WAYS);
    nap_through(true, &ways[_i / HOLDING_WAYS]);
}

SESSION_TEST(an_interrupt_is_all_that_is_told_of_one)
{
    struct target target = launch_napping(STEPS("handler", LONG_NAP), &ways[0]);

    for (int i = 0; i < STOPS; i++) {
        stop_thread(sdb_process_thread(target.process));
        go_on(&target, &ways[0]);
        expect_nothing();
    }
    end_nap(&target, &ways[0]);
}

/* It may have ended before the stop, too. */
SESSION_TEST(the_end_that_is_told_is_the_call_s_own)
{
    struct target target = launch_napping(STEPS(NAP), &ways[0]);

    for (int i = 0; i < STOPS; i++) {
        stop_process(target.process);
        (void)sdb_process_resume(target.process, SDB_RESUME_CONTINUE);
    }
    expect_end(&target, 0);
    run_to_exit(&target, &ways[0]);
    ck_assert_int_eq(result_of(&target, 1), 0);
    finish_with(&target);
}

/* As without the stop: the end that the signal has brought, then the signal. */
static struct target nap_to_signal(const char *disposition, bool is_early)
{
    struct target target = launch_napping(STEPS(disposition, LONG_NAP), &ways[0]);

    stop_process(target.process);
    if (is_early)
        ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    go_on(&target, &ways[0]);
    if (!is_early)
        ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    expect_end(&target, RESTART_BLOCK);
    return target;
}

SESSION_TEST(a_signal_that_ends_one_tells_its_end_first)
{
    for (int early = 0; early < 2; early++) {
        struct target target = nap_to_signal("handler", early == 1);
        struct sdb_event event;

        go_on(&target, &ways[0]);
        event = expect_signal(SIGUSR1);
        resume(&event);
        resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_rt_sigreturn);
        (void)expect(SDB_EVENT_SYSCALL_EXIT);
        run_to_exit(&target, &ways[0]);
        ck_assert_int_eq(result_of(&target, 2), -EINTR);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(a_signal_that_is_passed_tells_its_end_too)
{
    struct target target;

    pass_silently(SIGUSR1);
    target = nap_to_signal("handler", true);
    go_on(&target, &ways[0]);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_rt_sigreturn);
    (void)expect(SDB_EVENT_SYSCALL_EXIT);
    run_to_exit(&target, &ways[0]);
    ck_assert_int_eq(result_of(&target, 2), -EINTR);
    finish_with(&target);
}

SESSION_TEST(a_call_that_a_signal_has_made_begin_again_is_told_so)
{
    struct target target = nap_to_signal("ignore", true);
    struct sdb_event event;

    go_on(&target, &ways[0]);
    event = expect_signal(SIGUSR1);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_ENTRY, SYS_restart_syscall);
    stop_process(target.process);
    go_on(&target, &ways[0]);
    expect_nothing();
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    expect_exit(SDB_KILLED, SIGKILL);
    finish_with(&target);
}

SESSION_TEST(what_its_end_returns_can_be_changed_before_the_signal)
{
    struct target target = nap_to_signal("handler", true);
    struct sdb_event event;

    ck_assert_int_eq(sdb_thread_set_syscall_result(sdb_process_thread(target.process), 42), 0);
    go_on(&target, &ways[0]);
    event = expect_signal(SIGUSR1);
    resume(&event);
    (void)run_to_end(target.process);
    ck_assert_int_eq(result_of(&target, 2), 42);
    ck_assert_uint_eq(target.board->signals[SIGUSR1], 1);
    finish_with(&target);
}

SESSION_TEST(an_injection_at_its_end_leaves_the_signal)
{
    static const uint64_t none[6];
    struct target target = nap_to_signal("handler", true);
    struct sdb_event event;
    int64_t pid = 0;

    ck_assert_int_eq(sdb_thread_inject(sdb_process_thread(target.process), SYS_getpid, none, &pid),
                     0);
    ck_assert_int_eq(pid, target.pid);
    go_on(&target, &ways[0]);
    event = expect_signal(SIGUSR1);
    resume(&event);
    (void)run_to_end(target.process);
    ck_assert_int_eq(result_of(&target, 2), -EINTR);
    ck_assert_uint_eq(target.board->signals[SIGUSR1], 1);
    finish_with(&target);
}

SESSION_TEST(whoever_is_let_go_at_its_end_gets_the_signal)
{
    struct target target = nap_to_signal("handler", true);
    struct sdb_child *child = detach_child(target.process);
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(result_of(&target, 2), -EINTR);
    ck_assert_uint_eq(target.board->signals[SIGUSR1], 1);
    sdb_child_close(child);
    finish_with(&target);
}

HOLDING_CASE(some_threads);

/* The calls of one thread must begin and end in turn.  @return whether it is a nap that begins */
static bool see_call(const struct sdb_event *event, int64_t *inside)
{
    const struct sdb_syscall call = call_of(event->thread);

    ck_assert_int_ne(call.number, SYS_restart_syscall);
    if (event->kind == SDB_EVENT_SYSCALL_EXIT) {
        ck_assert(*inside == call.number ||
                  *inside == 0); /* the first may be of an exec, or a birth */
        *inside = NOT_IN_CALL;
        return false;
    }
    ck_assert_int_lt(*inside, 0);
    *inside = call.number;
    return call.number == SYS_nanosleep;
}

SESSION_TEST(all_stop_tells_each_once)
{
    struct target target =
        launch_calls(STEPS("thread", "nap:20", "nap:20", "nap:20", "nap:20", "nap:20"));
    int64_t inside[2] = {BEFORE_FIRST, BEFORE_FIRST};
    int naps = 0;

    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, SDB_ALL_STOP), 0);
    set_follow(target.process, SDB_FOLLOW_ALL);
    catch_calls(target.process, SDB_CATCH_ALL, NULL, 0);
    resume_process(target.process);
    for (struct sdb_event event = next_event(); event.kind != SDB_EVENT_EXITED;
         event = next_event()) {
        if (is_call(event.kind))
            naps += see_call(&event, &inside[event.thread != sdb_process_thread(event.process)]);
        resume(&event);
    }
    ck_assert_int_eq(naps, 5);
    finish_with(&target);
}

int main(void)
{
    return run_suite("syscall_interrupted");
}
