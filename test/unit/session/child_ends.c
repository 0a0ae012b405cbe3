/* SPDX-License-Identifier: MIT */
/*
 * Ends of the host's own children.  The kernel gives the end of a child that is traced by its own parent
 * once, to whoever asks first: what the session does not hold for its caller is the host's to learn.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"
#include "racing.h"

/* Of the host's child, which must have exited with this. */
static void expect_end_of_child(pid_t pid, int code)
{
    int status = 0;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), code);
}

static void spin(unsigned turns)
{
    for (volatile unsigned left = turns; left > 0; left--)
        ;
}

/* A child that ends just about when it is attached to.  @return whether that has failed for it */
static bool attach_to_the_ending(unsigned delay)
{
    struct sdb_process *process;
    struct sdb_event event;
    pid_t pid = fork();
    int rc;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        spin(20000);
        _exit(7);
    }
    spin(delay);
    rc = sdb_session_attach(session, pid, &process, NULL);
    if (rc < 0) {
        ck_assert_int_eq(rc, -ESRCH);
        event = (struct sdb_event)SDB_EVENT_INIT;
        ck_assert_int_eq(sdb_session_wait(session, 0, &event), -ECHILD);
        expect_end_of_child(pid, 7);
        return true;
    }
    resume_process(process);
    event = expect_exit(SDB_EXITED, 7);
    ck_assert_ptr_eq(event.process, process);
    ck_assert_int_eq(waitpid(pid, NULL, 0), -1);
    return false;
}

HOLDING_CASE(children);

TEST(a_child_that_could_not_be_attached_to_ends_for_the_host)
{
    struct chance chance = chance_of(2);
    int refused = 0;

    begin(_i);
    for (int round = 0; round < rounds(1000); round++)
        refused += attach_to_the_ending(chance_below(&chance, 60000));
    ck_assert_int_gt(refused, 0);
    finish();
}

/* A crew of the host's own, held, whose first thread has ended; let go.  One thread lives on. */
static struct target let_go_without_first(void)
{
    struct target target = start_threads("crew", "1", NULL);

    wait_ready(&target);
    attach_target(&target);
    resume_process(target.process);
    order(&target, 0, 'e');
    await_state(target.pid, 'Z');
    detach(target.process);
    return target;
}

static void end_untraced(struct target *target, int code)
{
    expect_end_of_child(target->pid, code);
    (void)sdb_child_wait(target->child, 0, NULL); /* it was reaped, and is known to be */
    close_target(target);
}

/* The kernel shows an end that nobody has taken yet before those of others. */
SESSION_TEST(the_session_goes_on_while_an_end_is_left)
{
    struct target held = launch_crew(3);
    struct target first = let_go_without_first();
    struct target second = let_go_without_first();
    struct sdb_event event = SDB_EVENT_INIT;

    order(&first, 1, 'e');
    await_tasks(first.pid, 1);
    order(&second, 1, 'e');
    await_tasks(second.pid, 1);
    ck_assert_int_eq(sdb_session_wait(session, 50, &event), -ETIMEDOUT);
    for (int i = 0; i < 10; i++) {
        order(&held, 1, 'k');
        resume_from_signal(SIGUSR1);
    }
    ck_assert_int_eq(sdb_session_interrupt(session), 0);
    ck_assert_int_eq(sdb_session_wait(session, -1, &event), -EINTR);
    order(&held, 2, 'e');
    expect_thread_exit(SDB_EXITED, 2);
    end_untraced(&second, 1);
    order(&held, 3, 'e');
    expect_thread_exit(SDB_EXITED, 3);
    close_input(&held);
    ck_assert_int_eq(run_to_end(held.process).code, 0);
    end_untraced(&first, 1);
    finish_with(&held);
}

/* Its end is the session's as long as the caller holds it. */
SESSION_TEST(the_end_of_a_child_that_is_held_without_its_first_thread_is_told)
{
    struct target target = start_threads("crew", "1", NULL);

    wait_ready(&target);
    attach_target(&target);
    resume_process(target.process);
    order(&target, 0, 'e');
    await_state(target.pid, 'Z');
    order(&target, 1, 'e');
    expect_thread_exit(SDB_EXITED, 1);
    (void)expect_exit(SDB_EXITED, 1);
    finish();
    close_target(&target);
}

int main(void)
{
    return run_suite("session_child_ends");
}
