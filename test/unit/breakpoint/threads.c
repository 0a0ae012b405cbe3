/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints that many threads come by at once: as many hits as calls, whatever else happens, and
 * nothing left behind in a program that is let go meanwhile.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "breaking.h"
#include "host.h"

#define MANY 100
#define FEW  8

HOLDING_CASE(counting);

static void storm(enum sdb_stop_mode mode, int threads, int turns)
{
    struct tally tally = {0};
    struct target target = launch_places(threads, turns, false);

    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, mode), 0);
    (void)plant_all(&target);
    obey(&target, 's', &tally);
    expect_exact(&target, &tally);
    ck_assert_uint_eq(tally.hits[PLACE_ret], (uint64_t)threads * (uint64_t)turns);
    end_places(&target);
    close_target(&target);
}

SESSION_TEST(a_hundred_threads_hit_as_often_as_they_come_by)
{
    for (int round = 0; round < rounds(1); round++)
        storm(SDB_NON_STOP, MANY, 1);
    finish();
}

SESSION_TEST(with_the_others_stopped_they_hit_as_often)
{
    for (int round = 0; round < rounds(1); round++)
        storm(SDB_ALL_STOP, FEW, 2);
    finish();
}

SESSION_TEST(one_place_is_hit_by_a_hundred_threads)
{
    static const enum place places[] = {PLACE_push, PLACE_call, PLACE_system, PLACE_load,
                                        PLACE_interrupt_return};

    for (int round = 0; round < rounds(1); round++) {
        struct target target = launch_places(MANY, 2, false);

        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            struct tally tally = {0};
            struct sdb_breakpoint *breakpoint = plant(&target, places[i]);

            obey(&target, 's', &tally);
            ck_assert_uint_eq(tally.hits[places[i]], UINT64_C(2) * MANY);
            ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), UINT64_C(2) * MANY);
            expect_right(&target);
            ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
        }
        end_places(&target);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(a_false_condition_is_asked_as_often_as_they_come_by)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct tally tally = {0};
    uint64_t asked = 0;
    struct target target = launch_places(MANY, 2, false);
    uint64_t addresses[PLACE_COUNT];
    struct sdb_breakpoint *breakpoint;

    for (int place = 0; place < PLACE_COUNT; place++)
        addresses[place] = target.board->addresses[place];
    options.addresses = addresses;
    options.address_count = PLACE_COUNT;
    options.condition = count_and_pass;
    options.condition_data = &asked;
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    obey(&target, 's', &tally);
    ck_assert_uint_eq(asked, UINT64_C(2) * MANY * PLACE_COUNT);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 0);
    ck_assert_uint_eq(tally.hits[PLACE_push], 0);
    expect_right(&target);
    finish_places(&target);
}

HOLDING_CASE(changing);

SESSION_TEST(it_is_switched_while_they_storm)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct tally tally = {0};
    unsigned count = 0;
    struct target target = launch_places(FEW, 100 * rounds(1), false);
    struct sdb_breakpoint *breakpoint = plant_first(&target, PLACE_inner);

    tell_target(&target, 's');
    while (tally.ends < FEW) {
        if (sdb_session_wait(session, PATIENCE_MS, &event) != 0)
            break;
        if (event.kind == SDB_EVENT_BREAKPOINT && ++count % 7 == 0) {
            ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
            ck_assert_int_eq(sdb_breakpoint_is_enabled(breakpoint), 0);
            resume(&event);
            ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
        } else if (event.kind == SDB_EVENT_BREAKPOINT && count % 31 == 0) {
            ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
            ck_assert_ptr_null(sdb_thread_next_breakpoint(event.thread, NULL));
            resume(&event);
            breakpoint = plant_first(&target, PLACE_inner);
        } else {
            tally.ends += event.kind == SDB_EVENT_THREAD_EXIT;
            ck_assert_uint_ne(event.kind, SDB_EVENT_SIGNAL);
            resume(&event);
        }
    }
    ck_assert_uint_eq(tally.ends, FEW);
    ck_assert_uint_gt(count, 20);
    run_to_answer(&target, &tally);
    expect_right(&target);
    tally = (struct tally){0};
    forget_counts(&target);
    obey(&target, 's', &tally);
    ck_assert_uint_eq(tally.hits[PLACE_push], target.board->counts[PLACE_push]);
    ck_assert_uint_eq(tally.hits[PLACE_outer], target.board->counts[PLACE_outer]);
    finish_places(&target);
}

static int remove_it(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *data)
{
    struct sdb_breakpoint **other = data;

    (void)thread;
    if (*other == breakpoint || !*other)
        return 1;
    ck_assert_int_eq(sdb_breakpoint_remove(*other), 0);
    *other = NULL;
    return 1;
}

SESSION_TEST(a_condition_may_remove_any_breakpoint)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *first = NULL;
    struct sdb_breakpoint *second = NULL;
    struct sdb_breakpoint *itself = NULL;
    struct tally tally = {0};
    struct target target = launch_places(FEW, 4, false);

    first = plant(&target, PLACE_push);
    options.address = address_of(&target, PLACE_push);
    options.condition = remove_it;
    options.condition_data = &first; /* older: it was asked before, and is to be told */
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &second), 0);
    options.address = address_of(&target, PLACE_call);
    options.condition_data = &second;
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &itself), 0);
    obey(&target, 's', &tally);
    ck_assert_ptr_null(first);
    ck_assert_ptr_null(second);
    /* The second goes when the first thread comes to the place of the third. */
    ck_assert_uint_ge(tally.hits[PLACE_push], 1);
    ck_assert_uint_le(tally.hits[PLACE_push], FEW * 4);
    ck_assert_uint_eq(tally.hits[PLACE_call], FEW * 4);
    expect_right(&target);
    finish_places(&target);
}

static int remove_oneself(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *data)
{
    (void)thread;
    ++*(unsigned *)data;
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    return 1;
}

SESSION_TEST(a_condition_that_removes_its_own_is_asked_once)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct tally tally = {0};
    unsigned asked = 0;
    struct target target = launch_places(FEW, 4, false);
    static struct traces traces;
    struct sdb_breakpoint *breakpoint;

    note_traces(&target, &traces);
    options.address = address_of(&target, PLACE_push);
    options.condition = remove_oneself;
    options.condition_data = &asked;
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    obey(&target, 's', &tally);
    ck_assert_uint_eq(asked, 1);
    ck_assert_uint_eq(tally.hits[PLACE_push], 0);
    expect_no_traces(&target, &traces);
    expect_right(&target);
    finish_places(&target);
}

HOLDING_CASE(ends);

/* Have it storm, and resume so many events. */
static void storm_for(const struct target *target, unsigned events)
{
    struct tally tally = {0};

    tell_target(target, 's');
    for (unsigned i = 0; i < events; i++) {
        struct sdb_event event = next_event();

        count_event(target, &event, &tally);
    }
}

SESSION_TEST(a_program_that_is_let_go_in_a_storm_has_nothing_left)
{
    struct chance chance = chance_of(7);

    for (int round = 0; round < rounds(25); round++) {
        struct target target = launch_places(FEW, 20, false);
        static struct traces traces;
        struct sdb_child *child = NULL;
        int rc;

        note_traces(&target, &traces);
        ck_assert_int_eq(
            sdb_process_set_stop_mode(target.process, round % 2 ? SDB_ALL_STOP : SDB_NON_STOP), 0);
        (void)plant_all(&target);
        storm_for(&target, chance_below(&chance, 400));
        rc = sdb_process_detach(target.process, SDB_RELEASE_RUN, &child);
        ck_assert_msg(rc == 0, "detach: %s", sdb_error_describe(rc));
        wait_ready(&target);
        expect_right(&target);
        ck_assert_uint_eq(target.board->counts[PLACE_push], FEW * 20);
        expect_no_traces(&target, &traces);
        end_free_places(&target, child);
        close_target(&target);
    }
    finish();
}

TEST(a_session_that_ends_in_a_storm_leaves_nothing)
{
    struct chance chance = chance_of(8);

    for (int round = 0; round < rounds(10); round++) {
        static struct traces traces;
        struct target target;
        int pid;

        begin(_i);
        target = launch_places(FEW, 20, false);
        pid = target.pid;
        note_traces(&target, &traces);
        stop_process(target.process);
        ck_assert_int_eq(sdb_process_set_release(target.process, SDB_RELEASE_RUN), 0);
        resume_process(target.process);
        (void)plant_all(&target);
        storm_for(&target, chance_below(&chance, 400));
        finish();
        wait_ready(&target);
        expect_right(&target);
        expect_no_traces(&target, &traces);
        close_target(&target);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    }
}

/* Somebody else kills it, at any instant. */
static int fork_killer(int pid, unsigned after_us)
{
    int killer = fork();

    ck_assert_int_ge(killer, 0);
    if (killer == 0) {
        const struct timespec soon = {.tv_nsec = (long)after_us * 1000};

        nanosleep(&soon, NULL);
        (void)kill(pid, SIGKILL);
        _exit(0);
    }
    return killer;
}

SESSION_TEST(a_program_that_is_killed_in_a_storm_just_ends)
{
    struct chance chance = chance_of(9);

    for (int round = 0; round < rounds(50); round++) {
        struct target target = launch_places(FEW, 10000, false);
        struct sdb_event event;
        int killer;

        ck_assert_int_eq(
            sdb_process_set_stop_mode(target.process, round % 3 ? SDB_NON_STOP : SDB_ALL_STOP), 0);
        (void)plant_all(&target);
        tell_target(&target, 's');
        killer = fork_killer(target.pid, chance_below(&chance, 8000));
        for (;;) {
            event = next_event();
            if (event.kind == SDB_EVENT_EXITED)
                break;
            ck_assert_msg(event.kind != SDB_EVENT_SIGNAL, "round %d: signal %d", round,
                          event.signal);
            (void)sdb_event_resume(&event);
        }
        ck_assert_uint_eq(event.status->how, SDB_KILLED);
        ck_assert_int_eq(event.status->code, SIGKILL);
        expect_right(&target);
        ck_assert_int_eq(waitpid(killer, NULL, 0), killer);
        close_target(&target);
    }
    finish();
}

HOLDING_CASE(stopped);

/* Have both newborns of a storm stand at their hits. */
static void gather_hits(const struct target *target, struct sdb_thread *threads[2])
{
    int count = 0;

    tell_target(target, 's');
    while (count < 2) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_BREAKPOINT)
            threads[count++] = event.thread;
        else
            resume(&event);
    }
}

/* So many threads have to stop for their process. */
static void expect_group_stops(int count)
{
    while (count-- > 0) {
        struct sdb_event event = expect(SDB_EVENT_GROUP_STOP);

        resume(&event);
    }
}

/* While one steps in place, others do; but not who has stopped for its process: it is to stay so. */
SESSION_TEST(a_stopped_thread_stays_so_while_another_executes_in_place)
{
    struct target target = launch_places(2, 1, false);
    struct sdb_thread *threads[2];
    struct tally tally = {0};

    pass_silently(SIGCONT);
    (void)plant(&target, PLACE_interrupt_return); /* which cannot be moved */
    gather_hits(&target, threads);
    ck_assert_int_eq(syscall(SYS_tgkill, target.pid, sdb_thread_tid(threads[1]), SIGSTOP), 0);
    resume_thread(threads[1], SDB_RESUME_CONTINUE);
    resume_from_signal(SIGSTOP);
    expect_group_stops(2); /* the first thread, too */
    resume_thread(threads[0], SDB_RESUME_CONTINUE);
    expect_group_stops(1);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    run_to_answer(&target, &tally);
    ck_assert_uint_eq(tally.hits[PLACE_interrupt_return], 0);
    expect_right(&target);
    finish_places(&target);
}

int main(void)
{
    return run_suite("breakpoint_threads");
}
