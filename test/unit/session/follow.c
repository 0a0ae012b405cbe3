/* SPDX-License-Identifier: MIT */
/*
 * Newborn processes and threads, and new programs: held, or let go with nothing of the session in them,
 * as each process's follow policy says.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"

#define NO_FORK_OR_VFORK (SDB_FOLLOW_ALL & ~(SDB_FOLLOW_FORK | SDB_FOLLOW_VFORK))

/* How many processes the session holds. */
static int processes_held(void)
{
    int count = 0;

    for (struct sdb_process *process = sdb_session_next_process(session, NULL); process;
         process = sdb_session_next_process(session, process))
        count++;
    return count;
}

/* The next event must be the birth of a process; @return it. */
static struct sdb_event expect_newborn(uint32_t kind, const struct target *target)
{
    struct sdb_event event = expect_of(kind, sdb_process_thread(target->process));

    ck_assert_ptr_nonnull(event.new_process);
    ck_assert_ptr_nonnull(event.new_thread);
    ck_assert_ptr_ne(event.new_process, target->process);
    ck_assert_ptr_eq(sdb_thread_process(event.new_thread), event.new_process);
    ck_assert_ptr_eq(sdb_process_thread(event.new_process), event.new_thread);
    ck_assert_int_eq(sdb_process_pid(event.new_process), sdb_thread_tid(event.new_thread));
    ck_assert_int_eq(sdb_process_thread_count(event.new_process), 1);
    ck_assert_ptr_null(sdb_process_data(event.new_process));
    ck_assert_ptr_null(sdb_thread_data(event.new_thread));
    ck_assert_int_eq(processes_held(), 2);
    return event;
}

HOLDING_CASE(let_go);

/* The newborn of this order is not held, and nothing is told of it. */
static void newborn_is_let_go(char how, int result)
{
    struct target target = crew_that_follows(1, SDB_FOLLOW_EXEC);
    int newborn;

    order(&target, 0, how);
    newborn = await_child_of(&target);
    ck_assert_int_eq(status_of(newborn, "TracerPid", 10), 0);
    ck_assert_int_eq(status_of(newborn, "SigPnd", 16), 0);
    ck_assert_int_eq(status_of(newborn, "ShdPnd", 16), 0);
    ck_assert_int_eq(status_of(newborn, "SigBlk", 16), status_of(target.pid, "SigBlk", 16));
    ck_assert_ptr_null(sdb_session_find_thread(session, newborn));
    expect_nothing();
    set_gate(target.board, true);
    if (how == 'u') {
        struct sdb_event event = expect_signal(SIGUSR1);

        resume(&event);
    }
    expect_result(&target, result);
    expect_nothing();
    ck_assert_int_eq(processes_held(), 1);
    close_input(&target);
    ck_assert_int_eq(run_to_end(target.process).code, 0);
    close_target(&target);
}

SESSION_TEST(newborns_that_are_not_followed_are_untraced)
{
    const struct {
        char how;
        int result;
    } ways[] = {{'f', 3}, {'F', 4}, {'V', 3}, {'v', 4}, {'c', 3}, {'u', 3}, {'m', 3}};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        newborn_is_let_go(ways[i].how, ways[i].result);
    finish();
}

SESSION_TEST(processes_are_not_followed_unless_asked_for)
{
    struct target target = launch_crew(1);

    pass_silently(SIGCHLD);
    set_gate(target.board, true);
    order(&target, 1, 'F');
    expect_result(&target, 4);
    order(&target, 0, 'v');
    expect_result(&target, 4);
    expect_nothing();

    /* A clone is, as threads are. */
    order(&target, 0, 'c');
    expect_newborn(SDB_EVENT_CLONE, &target);
    finish_with(&target);
}

SESSION_TEST(threads_that_are_not_followed_are_untraced)
{
    struct target target = launch_threads("crew", "3", NULL);
    int tids[8];

    set_follow(target.process, SDB_FOLLOW_EXEC);
    resume_process(target.process);
    wait_ready(&target);
    ck_assert_int_eq(sdb_process_thread_count(target.process), 1);
    ck_assert_int_eq(tasks_of(target.pid, tids, 8), 4);
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(status_of(tid_at(target.board, i), "TracerPid", 10), 0);
    order(&target, 2, 't');
    expect_turns(target.board, 2, 1);
    stop_thread(sdb_process_thread(target.process));
    expect_turns(target.board, 2, 10);
    resume_process(target.process);
    close_input(&target);
    finish_exited(&target, 0);
}

SESSION_TEST(a_newborn_let_go_is_clean_of_what_was_done_to_its_parent)
{
    struct target target = crew_that_follows(0, NO_FORK_OR_VFORK);
    struct sdb_thread *thread = sdb_process_thread(target.process);
    int newborn;

    stop_thread(thread);
    order(&target, 0, 'f');
    do { /* the fork's own end is told by the next one */
        resume_thread(thread, SDB_RESUME_SYSCALL);
        (void)next_event();
    } while (syscall_of(target.pid) != SYS_clone);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, thread);

    newborn = await_child_of(&target);
    ck_assert_int_eq(status_of(newborn, "TracerPid", 10), 0);
    resume_process(target.process);
    set_gate(target.board, true);
    expect_result(&target, 3);
    expect_nothing();
    finish_with(&target);
}

HOLDING_CASE(newborns_held);

SESSION_TEST(a_fork_is_told_before_the_newborn_begins)
{
    struct target target = crew_that_follows(2, SDB_FOLLOW_ALL);
    struct sdb_event birth;
    struct sdb_event event;

    order(&target, 0, 'f');
    birth = expect_newborn(SDB_EVENT_FORK, &target);
    event = expect_of(SDB_EVENT_START, birth.new_thread);
    ck_assert_ptr_eq(event.process, birth.new_process);
    ck_assert_int_eq(target.board->child, 0);
    ck_assert_int_eq(state_of(sdb_thread_tid(event.thread)), 't');
    expect_nothing();

    resume(&event);
    ck_assert_int_eq(await_child_of(&target), sdb_process_pid(birth.new_process));
    resume(&birth);
    set_gate(target.board, true);
    event = expect_exit(SDB_EXITED, 3);
    ck_assert_ptr_eq(event.process, birth.new_process);
    ck_assert_ptr_eq(event.thread, birth.new_thread);
    expect_nothing(); /* and its parent can wait for it now */
    expect_result(&target, 3);
    ck_assert_int_eq(processes_held(), 1);
    finish_with(&target);
}

SESSION_TEST(a_clone_may_make_a_process)
{
    const struct {
        char how;
        uint32_t kind;
    } ways[] = {{'c', SDB_EVENT_CLONE}, {'u', SDB_EVENT_CLONE}, {'m', SDB_EVENT_FORK}};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct target target = crew_that_follows(1, SDB_FOLLOW_ALL);
        struct sdb_event birth;
        struct sdb_event event;

        set_gate(target.board, true);
        order(&target, 0, ways[i].how);
        birth = expect_newborn(ways[i].kind, &target);
        event = expect_of(SDB_EVENT_START, birth.new_thread);
        resume(&birth);
        resume(&event);
        event = expect_exit(SDB_EXITED, 3);
        ck_assert_ptr_eq(event.process, birth.new_process);
        if (ways[i].how == 'u') {
            event = expect_signal(SIGUSR1);
            ck_assert_ptr_eq(event.process, target.process);
            resume(&event);
        }
        expect_result(&target, 3);
        ck_assert_int_eq(sdb_process_kill(target.process), 0);
        ck_assert_int_eq(run_to_end(target.process).code, SIGKILL);
        close_target(&target);
    }
    finish();
}

HOLDING_CASE(descendants);

/* Run all of it; @return the end of the first */
static struct sdb_exit_status run_family(const struct target *target, int *births, int *starts,
                                         int *ends)
{
    struct sdb_exit_status first = SDB_EXIT_STATUS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    *births = *starts = *ends = 0;
    while ((rc = sdb_session_wait(session, PATIENCE_MS, &event)) == 0) {
        *births += event.kind == SDB_EVENT_FORK;
        *starts += event.kind == SDB_EVENT_START;
        ck_assert_int_le(*starts, *births);
        if (event.kind == SDB_EVENT_EXITED) {
            ++*ends;
            if (event.process == target->process)
                first = *event.status;
        }
        resume(&event);
    }
    ck_assert_int_eq(rc, -ECHILD);
    return first;
}

SESSION_TEST(descendants_are_followed_as_their_parents_are)
{
    struct target target = launch_threads("tree", "4", NULL);
    struct sdb_exit_status status;
    int births;
    int starts;
    int ends;

    set_follow(target.process, SDB_FOLLOW_ALL);
    resume_process(target.process);
    status = run_family(&target, &births, &starts, &ends);
    ck_assert_int_eq(status.code, 31);
    ck_assert_int_eq(births, 30);
    ck_assert_int_eq(starts, 30);
    ck_assert_int_eq(ends, 31);
    finish_with(&target);
}

SESSION_TEST(a_newborn_can_have_a_policy_of_its_own)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    int starts = 0;
    struct target target = launch_threads("tree", "3", NULL);
    int rc;

    set_follow(target.process, SDB_FOLLOW_ALL);
    resume_process(target.process);
    while ((rc = sdb_session_wait(session, PATIENCE_MS, &event)) == 0) {
        if (event.kind == SDB_EVENT_START) {
            starts++;
            set_follow(event.process, NO_FORK_OR_VFORK);
        } else if (event.kind == SDB_EVENT_EXITED) {
            status = *event.status;
        }
        resume(&event);
    }
    ck_assert_int_eq(rc, -ECHILD);
    ck_assert_int_eq(starts, 2); /* its own children, and none of theirs */
    ck_assert_int_eq(status.code, 15);
    finish_with(&target);
}

#define PIPELINE                                                                                   \
    "exec 3>&1; echo $$ >&3;"                                                                      \
    "for i in 1 2 3; do"                                                                           \
    "  sh -c 'echo $$ >&3; echo one; echo two' |"                                                  \
    "  sh -c 'echo $$ >&3; while read x; do sh -c \"echo \\$\\$ >&3\"; :; done; echo end' |"       \
    "  sh -c 'echo $$ >&3; read x; exit 5';"                                                       \
    "done;"                                                                                        \
    "echo $? >&3"

/* Whether the shells have told this id; each tells its own. */
static bool is_told(char *told, int pid)
{
    char line[16];
    char *at;

    (void)snprintf(line, sizeof(line), "%d\n", pid);
    for (at = strstr(told, line); at; at = strstr(at + 1, line)) {
        if (at == told || at[-1] == '\n')
            return true;
    }
    return false;
}

SESSION_TEST(a_pipeline_of_a_shell_is_followed_whole)
{
    const char *argv[] = {"/bin/sh", "-c", PIPELINE, NULL};
    struct sdb_event event = SDB_EVENT_INIT;
    int count = 0;
    int lines = 0;
    struct target target = launch_program("/bin/sh", argv);
    char told[4096];
    int ended[64];
    ssize_t len;
    int rc;

    set_follow(target.process, SDB_FOLLOW_ALL);
    resume_process(target.process);
    while ((rc = sdb_session_wait(session, PATIENCE_MS, &event)) == 0) {
        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_int_lt(count, 64);
            ended[count++] = sdb_process_pid(event.process);
        }
        resume(&event);
    }
    ck_assert_int_eq(rc, -ECHILD);
    len = read(target.output, told, sizeof(told) - 1);
    ck_assert_int_gt(len, 0);
    told[len] = '\0';
    for (const char *at = told; *at; at++)
        lines += *at == '\n';
    ck_assert_int_eq(count, 1 + 3 * 5);
    ck_assert_int_eq(lines, count + 1); /* and the status of the last */
    ck_assert_ptr_nonnull(strstr(told, "\n5\n"));
    for (int i = 0; i < count; i++)
        ck_assert_msg(is_told(told, ended[i]), "%d is not among\n%s", ended[i], told);
    finish_with(&target);
}

SESSION_TEST(a_policy_survives_an_exec)
{
    const char *argv[] = {"/bin/sh", "-c", "exec sh -c '(exit 7); exit $?'", NULL};
    struct target target = launch_program("/bin/sh", argv);
    struct sdb_event event;

    pass_silently(SIGCHLD);
    set_follow(target.process, SDB_FOLLOW_ALL);
    resume_process(target.process);
    event = expect_of(SDB_EVENT_EXEC, sdb_process_thread(target.process));
    resume(&event);
    run_births(1, NULL);
    event = expect_exit(SDB_EXITED, 7);
    ck_assert_ptr_ne(event.process, target.process);
    event = expect_exit(SDB_EXITED, 7);
    ck_assert_ptr_eq(event.process, target.process);
    finish_with(&target);
}

HOLDING_CASE(setting);

SESSION_TEST(a_policy_is_set_while_all_threads_stand)
{
    struct target target = launch_crew(2);

    ck_assert_int_eq(sdb_process_set_follow(target.process, SDB_FOLLOW_ALL), -EBUSY);
    stop_thread(crew_thread(&target, 0));
    stop_thread(crew_thread(&target, 2));
    ck_assert_int_eq(sdb_process_set_follow(target.process, SDB_FOLLOW_ALL), -EBUSY);
    stop_process(target.process);
    ck_assert_int_eq(sdb_process_set_follow(target.process, UINT32_C(1) << 31), -EINVAL);
    ck_assert_int_eq(sdb_process_set_follow(target.process, SDB_FOLLOW_ALL), 0);
    resume_process(target.process);

    /* It holds for every thread. */
    order(&target, 2, 'f');
    expect_of(SDB_EVENT_FORK, crew_thread(&target, 2));
    finish_with(&target);
}

SESSION_TEST(threads_born_later_follow_as_their_process_does)
{
    struct target target = crew_that_follows(1, SDB_FOLLOW_ALL);

    order(&target, 1, 'n');
    run_births(1, NULL);
    order(&target, 2, 'f');
    expect_of(SDB_EVENT_FORK, crew_thread(&target, 2));
    finish_with(&target);
}

int main(void)
{
    return run_suite("session_follow");
}
