/* SPDX-License-Identifier: MIT */
/*
 * Threads of a held process: told from their beginning, found, resumed, stepped and interrupted one by
 * one while the others do something else; and told in turn.  Their ends are in thread_ends.c.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"

#define CREW 4

static void stop_all(const struct target *target)
{
    stop_process(target->process);
}

/* Each of the crew but the ones of `runs` (bit n: place n) stands still. */
static void expect_others_still(const struct target *target, unsigned runs)
{
    for (int i = 0; i <= CREW; i++) {
        const struct sdb_thread *thread = crew_thread(target, i);

        if (runs & (1u << i)) {
            ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_RUNNING);
            continue;
        }
        ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
        expect_standstill(target->board, i);
    }
}

HOLDING_CASE(births);

SESSION_TEST(a_newborn_is_announced_and_has_not_begun)
{
    struct target target = launch_threads("crew", "1", NULL);
    struct sdb_event event;
    struct sdb_event birth;

    ck_assert_int_eq(sdb_process_thread_count(target.process), 1);
    resume_process(target.process);

    birth = expect_of(SDB_EVENT_CLONE, sdb_process_thread(target.process));
    ck_assert_ptr_eq(birth.process, target.process);
    ck_assert_ptr_eq(birth.new_process, target.process);
    ck_assert_ptr_nonnull(birth.new_thread);
    ck_assert_ptr_ne(birth.new_thread, birth.thread);
    ck_assert_ptr_null(birth.status);
    ck_assert_ptr_null(birth.child);
    ck_assert_ptr_eq(sdb_thread_process(birth.new_thread), target.process);
    ck_assert_int_ne(sdb_thread_tid(birth.new_thread), target.pid);
    ck_assert_int_eq(sdb_thread_state(birth.thread), SDB_THREAD_STOPPED);
    ck_assert_int_eq(sdb_thread_state(birth.new_thread), SDB_THREAD_RUNNING);
    ck_assert_int_eq(sdb_thread_resume(birth.new_thread, SDB_RESUME_CONTINUE, 0), -EBUSY);

    /* Its beginning does not wait for whoever made it. */
    event = expect_of(SDB_EVENT_START, birth.new_thread);
    ck_assert_ptr_eq(event.process, target.process);
    ck_assert_ptr_null(event.new_thread);
    ck_assert_ptr_null(event.new_process);
    ck_assert_int_eq(sdb_thread_state(event.thread), SDB_THREAD_STOPPED);
    ck_assert_int_eq(state_of(sdb_thread_tid(event.thread)), 't');
    ck_assert_int_eq(target.board->tids[1], 0);
    ck_assert_int_eq(sdb_process_thread_count(target.process), 2);
    expect_nothing();

    resume(&event);
    ck_assert_int_eq(tid_at(target.board, 1), sdb_thread_tid(event.thread));
    ck_assert_int_eq(sdb_thread_state(event.thread), SDB_THREAD_RUNNING);
    resume(&birth);
    wait_ready(&target);
    finish_with(&target);
}

SESSION_TEST(every_thread_is_found_once)
{
    int seen = 0;
    struct target target = launch_crew(20);
    int tids[BOARD_PLACES];

    ck_assert_int_eq(tasks_of(target.pid, tids, BOARD_PLACES), 21);
    ck_assert_int_eq(sdb_process_thread_count(target.process), 21);
    for (int i = 0; i < 21; i++) {
        ck_assert_ptr_eq(sdb_thread_process(held(tids[i])), target.process);
        ck_assert_ptr_null(sdb_thread_data(held(tids[i])));
    }

    for (struct sdb_thread *thread = sdb_process_next_thread(target.process, NULL); thread;
         thread = sdb_process_next_thread(target.process, thread)) {
        ck_assert_ptr_eq(thread, held(sdb_thread_tid(thread)));
        ck_assert_ptr_null(sdb_thread_data(thread));
        sdb_thread_set_data(thread, &tids[seen++]);
        ck_assert_ptr_eq(sdb_thread_data(thread), &tids[seen - 1]);
    }
    ck_assert_int_eq(seen, 21);
    ck_assert_ptr_eq(held(target.pid), sdb_process_thread(target.process));

    ck_assert_ptr_null(sdb_session_find_thread(session, getpid()));
    ck_assert_ptr_null(sdb_session_find_thread(session, 0));
    ck_assert_ptr_null(sdb_session_find_thread(session, -1));
    ck_assert_ptr_eq(sdb_session_next_process(session, NULL), target.process);
    ck_assert_ptr_null(sdb_session_next_process(session, target.process));
    finish_with(&target);
}

SESSION_TEST(nothing_is_what_null_has)
{
    ck_assert_ptr_null(sdb_process_thread(NULL));
    ck_assert_ptr_null(sdb_process_next_thread(NULL, NULL));
    ck_assert_int_eq(sdb_process_thread_count(NULL), -EINVAL);
    ck_assert_int_eq(sdb_process_pid(NULL), -EINVAL);
    ck_assert_ptr_null(sdb_process_data(NULL));
    ck_assert_int_eq(sdb_process_stop(NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_process_resume(NULL, SDB_RESUME_CONTINUE), -EINVAL);
    ck_assert_int_eq(sdb_process_set_follow(NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_process_set_release(NULL, SDB_RELEASE_RUN), -EINVAL);
    ck_assert_int_eq(sdb_process_set_stop_mode(NULL, SDB_ALL_STOP), -EINVAL);
    ck_assert_int_eq(sdb_thread_tid(NULL), -EINVAL);
    ck_assert_ptr_null(sdb_thread_process(NULL));
    ck_assert_int_eq(sdb_thread_state(NULL), SDB_THREAD_GONE);
    ck_assert_int_eq(sdb_thread_resume(NULL, SDB_RESUME_CONTINUE, 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_interrupt(NULL), -EINVAL);
    ck_assert_ptr_null(sdb_thread_data(NULL));
    ck_assert_ptr_null(sdb_session_next_process(NULL, NULL));
    ck_assert_ptr_null(sdb_session_next_process(session, NULL));
    sdb_thread_close(NULL);
    sdb_process_close(NULL);
    finish();
}

HOLDING_CASE(one_among_others);

SESSION_TEST(one_thread_runs_while_the_others_stand)
{
    struct target target = launch_turning_crew(CREW);

    stop_all(&target);
    expect_others_still(&target, 0);
    for (int i = 1; i <= CREW; i++) {
        struct sdb_thread *thread = crew_thread(&target, i);

        resume_thread(thread, SDB_RESUME_CONTINUE);
        expect_turns(target.board, i, 5);
        expect_others_still(&target, 1u << i);
        ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS), -EBUSY);
        stop_thread(thread);
        expect_others_still(&target, 0);
    }
    resume_process(target.process);
    expect_all_turn(target.board, 1, CREW, 1);
    finish_with(&target);
}

SESSION_TEST(one_thread_steps_while_the_others_stand)
{
    struct target target = launch_crew(CREW);
    struct sdb_thread *thread;
    uint64_t first = 0;
    uint64_t address = 0;
    int moved = 0;

    for (int i = 1; i <= CREW; i++) {
        order(&target, i, 's');
        expect_turns(target.board, i, 1);
    }
    stop_all(&target);
    thread = crew_thread(&target, 2);
    ck_assert_int_eq(sdb_thread_pc(thread, &first), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_STEP, 0), 0);
        expect_of(SDB_EVENT_STEP, thread);
        ck_assert_int_eq(sdb_thread_pc(thread, &address), 0);
        moved += address != first;
    }
    ck_assert_int_gt(moved, 10);
    expect_others_still(&target, 0);

    /* A step is over when it is over. */
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, 0), 0);
    expect_turns(target.board, 2, 1000);
    expect_nothing();
    expect_others_still(&target, 1u << 2);
    finish_with(&target);
}

SESSION_TEST(one_thread_is_interrupted_while_the_others_run)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_thread *thread;

    for (int i = 1; i <= CREW; i++) {
        thread = crew_thread(&target, i);
        stop_thread(thread);
        ck_assert_int_eq(sdb_thread_interrupt(thread), -EALREADY);
        expect_standstill(target.board, i);
        for (int other = i + 1; other <= CREW; other++)
            expect_turns(target.board, other, 5);
    }
    expect_nothing();
    finish_with(&target);
}

SESSION_TEST(every_thread_that_is_interrupted_says_so_once)
{
    struct target target = launch_turning_crew(CREW);
    int told[CREW + 1] = {0};

    for (int i = 0; i <= CREW; i++) {
        sdb_thread_set_data(crew_thread(&target, i), &told[i]);
        ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, i)), 0);
        ck_assert_int_eq(sdb_thread_interrupt(crew_thread(&target, i)), 0);
    }
    for (int i = 0; i <= CREW; i++) {
        struct sdb_event event = expect(SDB_EVENT_INTERRUPT);

        ++*(int *)sdb_thread_data(event.thread);
    }
    for (int i = 0; i <= CREW; i++)
        ck_assert_int_eq(told[i], 1);
    expect_nothing();
    resume_process(target.process);
    expect_all_turn(target.board, 1, CREW, 1);
    finish_with(&target);
}

SESSION_TEST(threads_stop_and_run_on_their_own)
{
    struct target target = launch_turning_crew(CREW);
    struct sdb_event event;

    order(&target, 3, 'k');
    event = expect_signal(SIGUSR1);
    ck_assert_ptr_eq(event.thread, crew_thread(&target, 3));
    for (int i = 1; i <= CREW; i++) {
        if (i != 3)
            expect_turns(target.board, i, 5);
    }
    expect_others_still(&target, (1u << CREW << 1) - 1 - (1u << 3));
    ck_assert_uint_eq(target.board->signals[3], 0);
    resume(&event);
    order(&target, 3, 't');
    expect_turns(target.board, 3, 1);
    ck_assert_uint_eq(target.board->signals[3], 1);
    finish_with(&target);
}

HOLDING_CASE(fairness);

#define FLOODERS   4
#define TOLD_EACH  200
#define MOST_AHEAD 64 /* events of others, of which each has one or two: "in turn" is not exact */

struct flooder {
    int tid;
    int told;
    int ahead; /* events of others since it was seen standing with something to tell */
};

/* How often each gets a processor is the scheduler's affair; how long it waits then is ours. */
static void count_those_ahead(struct flooder *flooders)
{
    for (int i = 1; i <= FLOODERS; i++) {
        struct flooder *flooder = &flooders[i];

        flooder->ahead = state_of(flooder->tid) == 't' ? flooder->ahead + 1 : 0;
        ck_assert_msg(flooder->ahead <= MOST_AHEAD, "thread %d waits, told %d, %d, %d, %d", i,
                      flooders[1].told, flooders[2].told, flooders[3].told, flooders[4].told);
    }
}

/* Every signal is told, of every thread, however fast the others are. */
static void flood_is_told_fairly(int cpus)
{
    struct flooder flooders[FLOODERS + 1] = {{0, 0, 0}};
    struct target target;
    char number[16];
    int begun = 0;
    int satisfied = 0;

    use_cpus(cpus);
    (void)snprintf(number, sizeof(number), "%d", FLOODERS);
    target = launch_threads("flood", number, NULL);
    resume_process(target.process);
    while (satisfied < FLOODERS) {
        struct sdb_event event = next_event();
        struct flooder *flooder = sdb_thread_data(event.thread);

        if (event.kind == SDB_EVENT_START) {
            flooder = &flooders[++begun];
            flooder->tid = sdb_thread_tid(event.thread);
            sdb_thread_set_data(event.thread, flooder);
        } else if (event.kind == SDB_EVENT_SIGNAL) {
            flooder->ahead = 0;
            satisfied += ++flooder->told == TOLD_EACH;
        }
        resume(&event);
        if (begun == FLOODERS && event.kind == SDB_EVENT_SIGNAL)
            count_those_ahead(flooders);
    }
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    ck_assert_int_eq(run_to_end(target.process).code, SIGKILL);
    close_target(&target);
}

SESSION_TEST(busy_threads_are_told_in_turn_on_one_cpu)
{
    flood_is_told_fairly(1);
    finish();
}

SESSION_TEST(busy_threads_are_told_in_turn_on_all_cpus)
{
    flood_is_told_fairly(CPU_SETSIZE);
    finish();
}

SESSION_TEST(a_quiet_thread_is_heard_in_a_flood)
{
    int others = 0;
    int begun = 0;
    struct target target = launch_threads("flood", "8", NULL);
    struct sdb_thread *first = sdb_process_thread(target.process);

    resume_process(target.process);
    while (begun < 8) {
        struct sdb_event event = next_event();

        begun += event.kind == SDB_EVENT_START;
        resume(&event);
    }
    ck_assert_int_eq(sdb_thread_interrupt(first), 0);
    await_state(target.pid, 't');
    for (;;) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_INTERRUPT) {
            ck_assert_ptr_eq(event.thread, first);
            break;
        }
        /* Each of the others may have something from before; "in turn" is not to be exact. */
        ck_assert_int_lt(others++, 100);
        resume(&event);
    }
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_threads");
}
