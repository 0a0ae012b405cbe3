/* SPDX-License-Identifier: MIT */
/*
 * Group-stops, and the end of a hold, while breakpoints, watchpoints and caught calls are told.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "breaking.h"
#include "calling.h"
#include "host.h"
#include "injecting.h"
#include "racing.h"
#include "together.h"

#define GROUP_STOPS 20

HOLDING_CASE(stops);

/* How many group-stops were told; shared with who stops the program. */
static volatile uint64_t *told_stops;

static void tell_stop(struct together *here, const struct sdb_event *event)
{
    (void)here;
    if (event->kind == SDB_EVENT_GROUP_STOP) {
        ck_assert_int_eq(event->signal, SIGSTOP);
        ++*told_stops;
    }
}

static int count_hit_and_pass(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread,
                              void *data)
{
    (void)breakpoint;
    (void)data;
    all.tally.hits[place_at(pc_of(thread))]++;
    return 0;
}

static void plant_silently(void)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    uint64_t addresses[PLACE_COUNT];

    for (int place = 0; place < PLACE_COUNT; place++)
        addresses[place] = all.target.board->addresses[place];
    options.addresses = addresses;
    options.address_count = PLACE_COUNT;
    options.condition = count_hit_and_pass;
    all.is_silent = true;
    ck_assert_int_eq(sdb_breakpoint_create(all.target.process, &options, &all.breakpoint), 0);
}

static void await_more(const volatile uint64_t *count, uint64_t than, int parent)
{
    while (*count <= than && getppid() == parent)
        usleep(20);
}

/*
 * Somebody else who stops the program and has it go on again: half of the times once the stop was
 * told, half of them at any instant.  Before the next it must have got further; else it would get
 * nowhere where to stop takes longer than to send.
 */
static int fork_stopper(int stops)
{
    const volatile uint64_t *turns = &all.target.board->counts[PLACE_ret];
    const int parent = getpid();
    const int pid = all.target.pid;
    int stopper = fork();

    ck_assert_int_ge(stopper, 0);
    if (stopper != 0)
        return stopper;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < stops && getppid() == parent; i++) {
        const uint64_t before = *turns;
        const uint64_t told = *told_stops;

        (void)kill(pid, SIGSTOP);
        if (i % 2 == 0)
            await_more(told_stops, told, parent);
        else
            usleep(chance_below(&all.chance, 200));
        (void)kill(pid, SIGCONT);
        await_more(turns, before + chance_below(&all.chance, 6), parent);
    }
    _exit(0);
}

static void storm_with_stops(bool silently)
{
    const int stops = GROUP_STOPS * rounds(1);
    int stopper;

    launch_together(FEW, 4);
    all.meanwhile = tell_stop;
    if (silently) {
        pass_silently(SIGSTOP);
        pass_silently(SIGCONT);
    }
    plant_silently();
    watch_cell();
    catch_calls(all.target.process, 0, NUMBERS(SYS_gettid));
    stopper = fork_stopper(stops);
    while (waitpid(stopper, NULL, WNOHANG) != stopper)
        obey_all("s");
    obey_all("s"); /* it runs on */
    expect_all_exact();
    ck_assert_uint_ge(all.kinds[SDB_EVENT_GROUP_STOP], (uint64_t)stops / 2);
    ck_assert_uint_ge(all.kinds[SDB_EVENT_GROUP_CONTINUE], (uint64_t)stops / 2);
    if (!silently) {
        ck_assert_uint_ge(all.tally.signals[SIGSTOP], (uint64_t)stops / 2);
        ck_assert_uint_ge(all.tally.signals[SIGCONT], (uint64_t)stops / 2);
    }
    end_together();
}

static void share_told_stops(bool silently)
{
    void *shared =
        mmap(NULL, sizeof(*told_stops), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(shared, MAP_FAILED);
    told_stops = shared;
    storm_with_stops(silently);
    munmap(shared, sizeof(*told_stops));
}

SESSION_TEST(group_stops_lose_no_hit_and_no_call)
{
    share_told_stops(false);
    finish();
}

SESSION_TEST(group_stops_that_are_passed_lose_none_either)
{
    share_told_stops(true);
    finish();
}

HOLDING_CASE(ends);

#define OWN_TURNS 20

static struct sdb_child *let_go;

static void on_event(struct sdb_session *in, int code, const struct sdb_event *event, void *data)
{
    (void)data;
    ck_assert_msg(code == 0, "%s", sdb_error_describe(code));
    ck_assert_ptr_eq(in, session);
    count_event(&all.target, event, &all.tally);
}

static int launch_and_set(struct sdb_session *in, void *data)
{
    const int round = *(const int *)data;

    session = in;
    launch_together(FEW, OWN_TURNS);
    ck_assert_int_eq(
        sdb_process_set_stop_mode(all.target.process, round % 4 == 3 ? SDB_ALL_STOP : SDB_NON_STOP),
        0);
    set_all(round % 2 ? SDB_CATCH_ALL : 0);
    all.in_order = true;
    return 0;
}

/* Nothing of it may be told from then on, but the ends of calls that are under way. */
static int lift_all(struct sdb_session *in, void *data)
{
    (void)in;
    (void)data;
    ck_assert_int_eq(sdb_breakpoint_remove(all.breakpoint), 0);
    ck_assert_int_eq(sdb_watchpoint_remove(all.watchpoint), 0);
    catch_calls(all.target.process, 0, NULL, 0);
    all.watchpoint = NULL;
    all.in_order = false;
    all.is_silent = true;
    return 0;
}

static int let_it_go(struct sdb_session *in, void *data)
{
    int rc = sdb_process_detach(all.target.process, SDB_RELEASE_RUN, &let_go);

    (void)in;
    (void)data;
    ck_assert_msg(rc == 0, "detach: %s", sdb_error_describe(rc));
    return 0;
}

static int keep_it_running(struct sdb_session *in, void *data)
{
    (void)in;
    (void)data;
    stop_process(all.target.process);
    ck_assert_int_eq(sdb_process_set_release(all.target.process, SDB_RELEASE_RUN), 0);
    (void)sdb_process_resume(all.target.process, SDB_RESUME_CONTINUE);
    return 0;
}

static void call_own(struct sdb_session *own, int (*function)(struct sdb_session *in, void *data),
                     int round)
{
    int result = -1;

    ck_assert_int_eq(sdb_session_call(own, function, &round, &result), 0);
    ck_assert_int_eq(result, 0);
}

/* Until the program is so far. */
static void await_turns(uint64_t turns)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (all.target.board->counts[PLACE_ret] < turns) {
        ck_assert_int_lt(host_now_ms(), end);
        sched_yield();
    }
}

static void expect_nothing_left(void)
{
    wait_ready(&all.target);
    expect_right(&all.target);
    ck_assert_uint_eq(all.target.board->counts[PLACE_ret], FEW * OWN_TURNS);
    expect_no_traces(&all.target, &all.before);
}

static void let_go_in_storm(struct sdb_session *own, int round, struct chance *chance)
{
    const unsigned instant = chance_below(chance, FEW * OWN_TURNS * 2 / 3);
    const int pid = all.target.pid;

    tell_target(&all.target, 's');
    await_turns(instant);
    if (round % 3 != 0) {
        call_own(own, lift_all, round);
        await_turns(instant + chance_below(chance, FEW * OWN_TURNS / 3));
    }
    if (round % 5 != 4) {
        call_own(own, let_it_go, round);
        expect_nothing_left();
        end_free_places(&all.target, let_go);
        close_target(&all.target);
        ck_assert_int_eq(sdb_session_destroy(own), 0);
        return;
    }
    call_own(own, keep_it_running, round);
    ck_assert_int_eq(sdb_session_destroy(own), 0);
    expect_nothing_left();
    close_target(&all.target);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

TEST(a_thread_of_its_own_lifts_and_lets_go_at_any_instant)
{
    struct chance chance = chance_of(13);

    for (int round = 0; round < rounds(8); round++) {
        struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
        struct sdb_session *own = NULL;

        options.flags = SDB_SESSION_OWN_THREAD | (_i == WAY_HELPER ? SDB_SESSION_NO_IO_URING : 0);
        options.handler = on_event;
        ck_assert_int_eq(sdb_session_create(&options, &own), 0);
        call_own(own, launch_and_set, round);
        let_go_in_storm(own, round, &chance);
    }
}

int main(void)
{
    return run_suite("together_stops");
}
