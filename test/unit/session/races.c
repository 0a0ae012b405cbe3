/* SPDX-License-Identifier: MIT */
/*
 * Races between what held processes do, what others do to them, and what the session asks: each is
 * made to happen, and ends in the one way that <sdb/event.h> promises.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "racing.h"
#include "witness.h"

HOLDING_CASE(newborns);

/* Wait until everything that is held, and its children, have come to a standstill of some kind. */
static void await_calm(const struct witness *witness)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    bool calm = false;

    while (!calm) {
        struct sdb_process *process = sdb_session_next_process(witness->session, NULL);

        ck_assert_int_lt(host_now_ms(), end);
        calm = true;
        for (; process; process = sdb_session_next_process(witness->session, process)) {
            int tids[64];
            int count = tasks_of(sdb_process_pid(process), tids, 64);

            for (int i = 0; i < count && i < 64; i++)
                calm = calm && host_task_state(tids[i]) != 'R';
        }
    }
}

/*
 * The tracer looks only when nothing moves any more: so the newborn's first stop and its parent's
 * event are both there, and the kernel tells them in whichever order it likes.
 */
SESSION_TEST(a_newborn_comes_after_its_parents_event_for_a_slow_tracer_too)
{
    static const char *const what[] = {"forks", "threads", "vforks", "all"};

    for (int round = 0; round < rounds(24); round++) {
        struct target lives = launch_lives(what[round % 4]);
        struct sdb_event event = SDB_EVENT_INIT;
        struct witness witness;

        witness_begin(&witness, session, 0);
        witness_hold(&witness, lives.process);
        witness_resume_process(&witness, lives.process);
        for (;;) {
            await_calm(&witness);
            if (!witness_next(&witness, &event))
                break;
            witness_resume(&witness, &event);
            if (event.kind == SDB_EVENT_GROUP_STOP)
                kill(lives.pid, SIGCONT);
        }
        ck_assert_uint_eq(witness.told[SDB_EVENT_START], witness.told[SDB_EVENT_FORK] +
                                                             witness.told[SDB_EVENT_VFORK] +
                                                             witness.told[SDB_EVENT_CLONE]);
        witness_end(&witness);
        close_target(&lives);
    }
    finish();
}

/* The parent is killed when it stands in its fork, and nobody has looked yet. */
SESSION_TEST(a_newborn_whose_parent_is_killed_in_its_fork_begins_with_its_start)
{
    unsigned long unannounced = 0;

    for (int round = 0; round < rounds(100); round++) {
        struct target lives = launch_lives(round % 2 == 0 ? "forks" : "vforks");
        struct sdb_event event = SDB_EVENT_INIT;
        struct witness witness;

        witness_begin(&witness, session, WITNESS_KILLS);
        witness_hold(&witness, lives.process);
        witness_resume_process(&witness, lives.process);
        await_state(lives.pid, 't');
        ck_assert_int_eq(kill(lives.pid, SIGKILL), 0);
        await_end(lives.pid);
        while (witness_next(&witness, &event))
            witness_resume(&witness, &event);
        /* Itself, the newborn, and what that one has made. */
        ck_assert_uint_eq(witness.told[SDB_EVENT_EXITED], 2 + witness.told[SDB_EVENT_FORK]);
        ck_assert_uint_eq(witness.told[SDB_EVENT_VFORK], 0);
        unannounced += witness.told[SDB_EVENT_START];
        witness_end(&witness);
        close_target(&lives);
    }
    ck_assert_uint_gt(unannounced, 0);
    finish();
}

SESSION_TEST(a_killed_vfork_child_ends_its_parents_wait)
{
    for (int round = 0; round < rounds(20); round++) {
        const char *const argv[] = {BUSY, "linger", "exit", NULL};
        struct target busy = launch_program(BUSY, argv);
        struct sdb_event event = SDB_EVENT_INIT;
        struct witness witness;
        int child = 0;

        ck_assert_int_eq(sdb_process_set_follow(busy.process, SDB_FOLLOW_ALL), 0);
        witness_begin(&witness, session, WITNESS_KILLS);
        witness_hold(&witness, busy.process);
        witness_resume_process(&witness, busy.process);
        while (witness_next(&witness, &event)) {
            if (event.kind == SDB_EVENT_VFORK)
                child = sdb_process_pid(event.new_process);
            /* In half of the rounds it is killed before it has run at all. */
            if (event.kind == SDB_EVENT_START && round % 2 == 0)
                kill(child, SIGKILL);
            witness_resume(&witness, &event);
            if (event.kind == SDB_EVENT_START && round % 2 == 1) {
                wait_ready(&busy);
                kill(child, SIGKILL);
            }
        }
        ck_assert_uint_eq(witness.killed, 1);
        ck_assert_uint_eq(witness.told[SDB_EVENT_VFORK_DONE], 1);
        ck_assert_uint_eq(witness.told[SDB_EVENT_EXITED], 2);
        witness_end(&witness);
        close_target(&busy);
    }
    finish();
}

HOLDING_CASE(many);

#define PROCESSES 100

SESSION_TEST(a_hundred_processes_of_ten_threads)
{
    static struct target busy[PROCESSES];
    struct sdb_event event = SDB_EVENT_INIT;
    struct witness witness;

    witness_begin(&witness, session, 0);
    for (int i = 0; i < PROCESSES; i++) {
        const char *const argv[] = {BUSY, "idle", "9", NULL};

        busy[i] = launch_program(BUSY, argv);
        witness_hold(&witness, busy[i].process);
        witness_resume_process(&witness, busy[i].process);
    }
    while (witness.told[SDB_EVENT_START] < 9ul * PROCESSES) {
        ck_assert(witness_next(&witness, &event));
        witness_resume(&witness, &event);
    }
    for (int i = 0; i < PROCESSES; i++) {
        wait_ready(&busy[i]);
        ck_assert_int_eq(sdb_process_thread_count(busy[i].process), 10);
        stop_process(busy[i].process);
        expect_all_held(busy[i].process);
    }
    for (int i = 0; i < PROCESSES; i++) {
        witness_resume_process(&witness, busy[i].process);
        if (i % 2 == 0)
            close_input(&busy[i]);
        else
            sdb_process_set_release(busy[i].process, SDB_RELEASE_KILL);
    }
    while (witness.told[SDB_EVENT_EXITED] < PROCESSES / 2) {
        ck_assert(witness_next(&witness, &event));
        witness_resume(&witness, &event);
    }
    ck_assert_uint_eq(witness.told[SDB_EVENT_THREAD_EXIT], 9 * PROCESSES / 2);
    for (int i = 1; i < PROCESSES; i += 2) {
        witness_let_go(&witness, busy[i].process);
        if (i % 4 == 1) /* the others die with the session */
            ck_assert_int_eq(sdb_process_detach(busy[i].process, SDB_RELEASE_KILL, NULL), 0);
    }
    witness_end(&witness);
    finish();
    for (int i = 0; i < PROCESSES; i++)
        close_target(&busy[i]);
}

HOLDING_CASE(stops);

static atomic_bool calm_down;

static void *stop_and_continue(void *argument)
{
    const pid_t pid = *(const pid_t *)argument;
    struct chance chance = chance_of(7);

    while (!calm_down) {
        kill(pid, chance_below(&chance, 2) ? SIGSTOP : SIGCONT);
        if (chance_below(&chance, 4) == 0)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    kill(pid, SIGCONT);
    return NULL;
}

/* See events until one of this thread, at most so many others.  @return whether it came */
static bool run_until_event_of(struct witness *witness, const struct sdb_thread *thread)
{
    struct sdb_event event = SDB_EVENT_INIT;

    for (int i = 0; i < 10000; i++) {
        bool is_its;

        ck_assert(witness_next(witness, &event));
        is_its = event.thread == thread;
        witness_resume(witness, &event);
        if (is_its)
            return true;
    }
    return false;
}

static void interrupt_through_stops(int way, const char *what, bool all_stop)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct target busy;
    struct witness witness;
    pthread_t sender;

    begin(way);
    busy = launch_busy(what, "3", NULL);
    stop_process(busy.process);
    ck_assert_int_eq(
        sdb_process_set_stop_mode(busy.process, all_stop ? SDB_ALL_STOP : SDB_NON_STOP), 0);
    witness_begin(&witness, session, 0);
    witness.all_stop = all_stop;
    witness_hold(&witness, busy.process);
    witness_resume_process(&witness, busy.process);
    calm_down = false;
    ck_assert_int_eq(pthread_create(&sender, NULL, stop_and_continue, &busy.pid), 0);
    for (int round = 0; round < rounds(300); round++) {
        struct sdb_thread *thread = sdb_process_thread(busy.process);
        int rc = sdb_thread_interrupt(thread);

        ck_assert_msg(rc == 0, "interrupt: %s", sdb_error_describe(rc));
        ck_assert_msg(run_until_event_of(&witness, thread), "the interrupt is lost");
    }
    calm_down = true;
    pthread_join(sender, NULL);
    /* Then it runs, whatever it had been told. */
    tell_target(&busy, '?');
    for (;;) {
        int rc = sdb_session_wait(session, 20, &event);

        if (rc == -ECHILD)
            break;
        if (rc == -ETIMEDOUT) {
            close_input(&busy);
            continue;
        }
        ck_assert_int_eq(rc, 0);
        witness_see(&witness, &event);
        if (event.kind == SDB_EVENT_EXITED)
            ck_assert_int_eq(event.status->code, 0);
        witness_resume(&witness, &event);
    }
    witness_end(&witness);
    finish_with(&busy);
}

TEST(interrupts_come_through_stops_and_continues)
{
    interrupt_through_stops(_i, "idle", false);
}

TEST(interrupts_come_through_stops_and_continues_in_all_stop)
{
    interrupt_through_stops(_i, "idle", true);
}

HOLDING_CASE(ends);

/* Every request to a process that was killed while it stood still.  None hangs, or says nonsense. */
static void ask_the_dead(struct sdb_process *process, struct sdb_thread *thread, int turn)
{
    struct sdb_child *child = NULL;
    siginfo_t info;
    uint64_t pc;
    int rc = 0;

    switch (turn % 9) {
    case 0:
        rc = sdb_thread_pc(thread, &pc);
        ck_assert(rc == 0 || rc == -ESRCH);
        break;
    case 1:
        rc = sdb_thread_siginfo(thread, &info, sizeof(info));
        ck_assert(rc == -EINVAL || rc == -ESRCH);
        break;
    case 2:
        rc = sdb_thread_interrupt(thread);
        ck_assert(rc == -EALREADY || rc == 0 || rc == -ESRCH);
        break;
    case 3:
        rc = sdb_thread_resume(thread, SDB_RESUME_STEP, SDB_SIGNAL_PASS);
        ck_assert_int_eq(rc, 0);
        break;
    case 4:
        rc = sdb_process_stop(process, PATIENCE_MS);
        ck_assert(rc == 0 || rc == -ESRCH);
        break;
    case 5:
        rc = sdb_process_set_follow(process, SDB_FOLLOW_ALL);
        ck_assert(rc == 0 || rc == -ESRCH);
        break;
    case 6:
        rc = sdb_process_set_release(process, SDB_RELEASE_RUN);
        ck_assert(rc == 0 || rc == -ESRCH);
        break;
    case 7:
        rc = sdb_process_kill(process);
        ck_assert(rc == 0 || rc == -ESRCH);
        break;
    default:
        rc = sdb_process_detach(process, SDB_RELEASE_RUN, &child);
        ck_assert_int_eq(rc, -ESRCH);
        ck_assert_ptr_null(child);
        break;
    }
}

SESSION_TEST(requests_to_what_was_killed_say_so)
{
    for (int round = 0; round < rounds(90); round++) {
        struct target busy = launch_busy("idle", "3", NULL);
        struct sdb_event event = SDB_EVENT_INIT;
        struct sdb_thread *thread = sdb_process_thread(busy.process);
        int ends = 0;

        stop_thread(thread);
        stop_process(busy.process);
        kill(busy.pid, SIGKILL);
        if (round % 2 == 0)
            await_end(busy.pid);
        ask_the_dead(busy.process, thread, round);
        while (sdb_session_wait(session, PATIENCE_MS, &event) == 0) {
            ck_assert(event.kind == SDB_EVENT_THREAD_EXIT || event.kind == SDB_EVENT_EXITED);
            ck_assert_uint_eq(event.status->how, SDB_KILLED);
            ends++;
            resume(&event);
        }
        ck_assert_int_eq(ends, 4);
        close_target(&busy);
    }
    finish();
}

/* Another thread ends the process while one stands in a stop that was told. */
SESSION_TEST(a_thread_that_stands_still_ends_with_its_process)
{
    for (int round = 0; round < rounds(40); round++) {
        struct target busy = launch_busy("idle", "3", NULL);
        struct sdb_thread *thread = sdb_process_next_thread(busy.process, NULL);
        struct sdb_event event = SDB_EVENT_INIT;
        int threads_ended = 0;

        while (thread == sdb_process_thread(busy.process))
            thread = sdb_process_next_thread(busy.process, thread);
        stop_thread(thread);
        kill(busy.pid, SIGHUP);
        event = expect_signal(SIGHUP);
        resume(&event); /* it is deadly, and for all */
        while ((event = next_event()).kind != SDB_EVENT_EXITED) {
            ck_assert_uint_eq(event.kind, SDB_EVENT_THREAD_EXIT);
            threads_ended++;
        }
        ck_assert_int_eq(threads_ended, 3);
        ck_assert_uint_eq(event.status->how, SDB_KILLED);
        ck_assert_int_eq(event.status->code, SIGHUP);
        close_target(&busy);
    }
    finish();
}

int main(void)
{
    return run_suite("session_races");
}
