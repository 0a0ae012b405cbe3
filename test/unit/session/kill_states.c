/* SPDX-License-Identifier: MIT */
/*
 * sdb_process_kill() in every state: at each kind of event, in a vfork, while the process is dying
 * already.  It ends once, killed by 9, and what it has made goes on.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>

#include "crew.h"
#include "holding.h"
#include "host.h"
#include "racing.h"
#include "witness.h"

#define CREW 4

HOLDING_CASE(events);

static const struct {
    uint32_t kind;
    const char *life; /* in which it comes */
    enum sdb_resume how;
} instants[] = {
    {SDB_EVENT_SIGNAL, "stop", SDB_RESUME_CONTINUE},
    {SDB_EVENT_GROUP_STOP, "stop", SDB_RESUME_CONTINUE},
    {SDB_EVENT_GROUP_CONTINUE, "stop", SDB_RESUME_CONTINUE},
    {SDB_EVENT_STEP, "exit", SDB_RESUME_STEP},
    {SDB_EVENT_SYSCALL_ENTRY, "exit", SDB_RESUME_SYSCALL},
    {SDB_EVENT_SYSCALL_EXIT, "exit", SDB_RESUME_SYSCALL},
    {SDB_EVENT_FORK, "forks", SDB_RESUME_CONTINUE},
    {SDB_EVENT_VFORK, "vforks", SDB_RESUME_CONTINUE},
    {SDB_EVENT_VFORK_DONE, "vforks", SDB_RESUME_CONTINUE},
    {SDB_EVENT_CLONE, "threads", SDB_RESUME_CONTINUE},
    {SDB_EVENT_START, "threads", SDB_RESUME_CONTINUE},
    {SDB_EVENT_START, "forks", SDB_RESUME_CONTINUE},
    {SDB_EVENT_START, "vforks", SDB_RESUME_CONTINUE},
    {SDB_EVENT_THREAD_EXIT, "threads", SDB_RESUME_CONTINUE},
    {SDB_EVENT_EXEC, "leader", SDB_RESUME_CONTINUE},
    {SDB_EVENT_EXEC, "thread", SDB_RESUME_CONTINUE},
    {SDB_EVENT_EXEC, "vforks", SDB_RESUME_CONTINUE},
};

#define INSTANTS (sizeof(instants) / sizeof(instants[0]))

/* Whether a thread runs, which may end the process at the very moment at which it is killed. */
static bool some_run(const struct sdb_process *process)
{
    const struct sdb_thread *thread = NULL;

    while ((thread = sdb_process_next_thread(process, thread))) {
        if (sdb_thread_state(thread) == SDB_THREAD_RUNNING)
            return true;
    }
    return false;
}

/* The process must end killed if it was, unless it was faster; and all others as they would have. */
static void expect_end(const struct sdb_event *event, int killed, bool may_be_faster)
{
    const struct sdb_exit_status *status = event->status;

    if (status->pid == killed && (status->how == SDB_KILLED || !may_be_faster)) {
        ck_assert_uint_eq(status->how, SDB_KILLED);
        ck_assert_int_eq(status->code, SIGKILL);
    } else {
        ck_assert_uint_eq(status->how, SDB_EXITED);
        ck_assert(status->code == 17 || status->code == 40);
    }
}

/* @return whether that event came */
static bool kill_at(size_t instant, bool all_stop)
{
    struct target life = launch_lives(instants[instant].life);
    struct sdb_event event = SDB_EVENT_INIT;
    struct witness witness;
    bool may_be_faster = false;
    int killed = 0;

    event.process = life.process;
    event.thread = sdb_process_thread(life.process);
    if (all_stop)
        ck_assert_int_eq(sdb_process_set_stop_mode(life.process, SDB_ALL_STOP), 0);
    witness_begin(&witness, session, WITNESS_KILLS);
    witness.all_stop = all_stop;
    witness_hold(&witness, life.process);
    if (instants[instant].how == SDB_RESUME_CONTINUE)
        witness_resume_process(&witness, life.process);
    else
        witness_resume_how(&witness, &event, instants[instant].how);
    while (witness_next(&witness, &event)) {
        if (event.kind == SDB_EVENT_EXITED)
            expect_end(&event, killed, may_be_faster);
        if (killed == 0 && event.kind == instants[instant].kind) {
            killed = sdb_process_pid(event.process);
            may_be_faster = some_run(event.process);
            ck_assert_int_eq(sdb_process_kill(event.process), 0);
            continue; /* it needs no resuming */
        }
        if (killed == 0 && instants[instant].how != SDB_RESUME_CONTINUE)
            witness_resume_how(&witness, &event, instants[instant].how);
        else
            witness_resume(&witness, &event);
        /* Its first thread would run to its end, if it had not stopped yet, and nobody tell more. */
        if (event.kind == SDB_EVENT_GROUP_STOP && event.thread == sdb_process_thread(event.process))
            kill(sdb_process_pid(event.process), SIGCONT);
    }
    ck_assert_uint_le(witness.killed, killed != 0);
    if (!may_be_faster)
        ck_assert_uint_eq(witness.killed, killed != 0);
    witness_end(&witness);
    close_target(&life);
    return killed != 0;
}

SESSION_TEST(a_process_can_be_killed_at_every_event)
{
    for (int round = 0; round < rounds(4); round++) {
        for (size_t instant = 0; instant < INSTANTS; instant++) {
            int tries = 0;

            /* One thread may take the SIGSTOP, and the first end the process before it stops. */
            while (!kill_at(instant, round % 2 == 1))
                ck_assert_msg(++tries < 20, "it never comes to instant %zu", instant);
        }
    }
    finish();
}

HOLDING_CASE(vforks);

/* A crew whose place 1 is in a vfork, and stays there until the gate is open. */
static struct target vforking_crew(uint32_t follow, int *child)
{
    struct target target = crew_that_follows(CREW, follow);

    order(&target, 1, 'v');
    if (follow & SDB_FOLLOW_VFORK)
        run_births(1, NULL);
    *child = await_child_of(&target);
    await_state(tid_at(target.board, 1), 'D');
    return target;
}

static void expect_crew_killed(const struct target *target)
{
    struct sdb_event event;

    for (int i = 0; i < CREW; i++)
        expect_thread_exit(SDB_KILLED, SIGKILL);
    event = expect_exit(SDB_KILLED, SIGKILL);
    ck_assert_ptr_eq(event.process, target->process);
}

SESSION_TEST(a_process_in_vfork_can_be_killed)
{
    for (int round = 0; round < rounds(10); round++) {
        struct sdb_event event = SDB_EVENT_INIT;
        int child;
        struct target target = vforking_crew(SDB_FOLLOW_DEFAULT, &child);

        if (round % 2 == 1)
            stop_process(target.process);
        ck_assert_int_eq(sdb_process_kill(target.process), 0);
        expect_crew_killed(&target);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
        set_gate(target.board, true); /* its child has a life of its own */
        await_end(child);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(a_process_in_vfork_can_be_released_by_killing)
{
    for (int round = 0; round < rounds(10); round++) {
        struct sdb_event event = SDB_EVENT_INIT;
        int child;
        struct target target = vforking_crew(SDB_FOLLOW_DEFAULT, &child);

        ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_KILL, NULL), 0);
        ck_assert_int_eq(state_of(target.pid), 0); /* it was reaped */
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
        set_gate(target.board, true);
        await_end(child);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(a_vfork_child_that_is_held_outlives_its_parent)
{
    for (int round = 0; round < rounds(10); round++) {
        int child;
        struct target target = vforking_crew(SDB_FOLLOW_ALL, &child);
        struct sdb_event event;

        ck_assert_int_eq(sdb_process_kill(target.process), 0);
        expect_crew_killed(&target);
        set_gate(target.board, true);
        event = expect(SDB_EVENT_EXEC);
        ck_assert_int_eq(sdb_process_pid(event.process), child);
        resume(&event);
        expect_exit(SDB_EXITED, 4);
        close_target(&target);
    }
    finish();
}

HOLDING_CASE(ends);

/* A kill is right as long as there is something of it, and its end is told once. */
static void expect_kill(struct sdb_process *process)
{
    int rc = sdb_process_kill(process);

    ck_assert_msg(rc == 0 || rc == -ESRCH, "kill: %s", sdb_error_describe(rc));
}

SESSION_TEST(a_dying_process_can_be_killed_again)
{
    for (int round = 0; round < rounds(40); round++) {
        struct target target = launch_crew(CREW);
        struct sdb_event event = SDB_EVENT_INIT;
        int ends = 0;

        if (round % 4 >= 2)
            stop_process(target.process);
        ck_assert_int_eq(sdb_process_kill(target.process), 0);
        expect_kill(target.process);
        if (round % 2 == 1)
            await_end(target.pid);
        expect_kill(target.process);
        do {
            event = next_event();
            ck_assert(event.kind == SDB_EVENT_THREAD_EXIT || event.kind == SDB_EVENT_EXITED);
            ck_assert_uint_eq(event.status->how, SDB_KILLED);
            ck_assert_int_eq(event.status->code, SIGKILL);
            expect_kill(event.process);
            ends++;
        } while (event.kind != SDB_EVENT_EXITED);
        ck_assert_int_eq(ends, CREW + 1);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
        close_target(&target);
    }
    finish();
}

/* One that ends by itself, with a code that nobody sees if the kill comes first. */
SESSION_TEST(an_ending_process_can_be_killed)
{
    for (int round = 0; round < rounds(60); round++) {
        struct target target = launch_crew(CREW);
        struct sdb_event event = SDB_EVENT_INIT;

        order(&target, round % CREW, 'q');
        if (round % 2 == 1)
            await_end(target.pid);
        expect_kill(target.process);
        while ((event = next_event()).kind != SDB_EVENT_EXITED)
            ck_assert_uint_eq(event.kind, SDB_EVENT_THREAD_EXIT);
        if (event.status->how == SDB_EXITED)
            ck_assert_int_eq(event.status->code, round % CREW);
        else
            ck_assert_int_eq(event.status->code, SIGKILL);
        ck_assert(round % 2 == 0 || event.status->how == SDB_EXITED);
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
        close_target(&target);
    }
    finish();
}

int main(void)
{
    return run_suite("session_kill_states");
}
