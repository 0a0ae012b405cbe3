/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints in memory that others have, too, and had before: the child of a vfork(2) from before the
 * attach, the parent of one that was attached to itself, and whom clone(2) has made with CLONE_VM.  They
 * come by the bytes and live.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forking.h"
#include "holding.h"
#include "trial.h"

#define CALLS    5
#define ROUNDS   20
#define VFORKING 16

__attribute__((noinline)) static int called(int value)
{
    __asm__ volatile("nop"); /* a place of its own, however it is compiled */
    return value + 1;
}

/* The pipes between the test and its children. */
static int go[2];   /* a byte each to go on with */
static int pids[2]; /* who was made */
static char stack[1 << 16] __attribute__((aligned(16)));

static void await_go(void)
{
    char byte;

    while (read(go[0], &byte, 1) < 0 && errno == EINTR)
        ;
}

static void give_go(void)
{
    ck_assert_int_eq(write(go[1], "g", 1), 1);
}

/* Exit code 0 if all was right. */
static int call_when_told(void *unused)
{
    pid_t self = getpid();
    int value = 0;

    (void)unused;
    (void)!write(pids[1], &self, sizeof(self));
    await_go();
    for (int i = 0; i < CALLS; i++)
        value = called(value);
    return value == CALLS ? 0 : 1;
}

static int end_of(pid_t pid)
{
    int status;

    if (pid <= 0 || waitpid(pid, &status, __WALL) != pid)
        return 2;
    return status;
}

/* The parent waits in vfork, and calls when that is over. */
static int live_by_vfork(void)
{
    pid_t pid = vfork();

    if (pid == 0)
        _exit(call_when_told(NULL));
    return end_of(pid) == 0 && called(1) == 2 ? 0 : 1;
}

static int live_by_late_vfork(void)
{
    pid_t self = getpid();

    (void)!write(pids[1], &self, sizeof(self));
    await_go();
    return live_by_vfork();
}

static int live_by_clone(void)
{
    pid_t pid = clone(call_when_told, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

    return end_of(pid) == 0 && called(1) == 2 ? 0 : 1;
}

#ifndef TRIAL_SANITIZED /* which knows nothing of such a thread */

/* Who vforks is the child's thread; the process calls meanwhile, without a pause. */
static int vfork_beside(void *unused)
{
    (void)unused;
    _exit(live_by_vfork());
}

static int live_beside_vfork(void)
{
    static char other[1 << 16] __attribute__((aligned(16)));
    const int flags = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES;

    if (clone(vfork_beside, other + sizeof(other), flags, NULL) < 0)
        return 3;
    for (int value = 0; called(value) == 1;)
        ;
    return 4;
}

#endif

/* One child after the other, for ever. */
static void *vfork_on(void *unused)
{
    for (;;) {
        pid_t pid = vfork();

        if (pid == 0)
            _exit(called(1) == 2 ? 0 : 1);
        if (end_of(pid) != 0)
            _exit(1);
    }
    return unused;
}

static int live_by_many_vforks(void)
{
    pid_t self = getpid();
    pthread_t thread;

    for (int i = 0; i < VFORKING; i++) {
        if (pthread_create(&thread, NULL, vfork_on, NULL) != 0)
            return 2;
    }
    (void)!write(pids[1], &self, sizeof(self));
    return vfork_on(NULL) != NULL;
}

static int sleep_on(void *unused)
{
    pid_t self = getpid();

    (void)unused;
    (void)!write(pids[1], &self, sizeof(self));
    while (pause() < 0)
        ;
    return 0;
}

static int live_beside_one_that_sleeps(void)
{
    pid_t pid = clone(sleep_on, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

    await_go();
    if (live_by_vfork() != 0)
        return 1;
    return end_of(pid) == SIGKILL ? 0 : 2;
}

static int vfork_when_told(void *unused)
{
    (void)unused;
    return live_by_late_vfork();
}

/* It has all that is born below it for children, and calls when they have ended, the last of them well. */
static int live_above_a_vfork(void)
{
    int status = 1;

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (clone(vfork_when_told, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL) < 0)
        return 3;
    while (waitpid(-1, &status, __WALL) > 0)
        ;
    return status == 0 && called(1) == 2 ? 0 : 1;
}

static pid_t read_made(void)
{
    pid_t made = 0;

    ck_assert_int_eq(read(pids[0], &made, sizeof(made)), (ssize_t)sizeof(made));
    return made;
}

/* Fork one that lives so.  @param made  gets whom it has made */
static pid_t begin_life(int (*live)(void), pid_t *made)
{
    pid_t pid;

    ck_assert_int_eq(pipe(go), 0);
    ck_assert_int_eq(pipe(pids), 0);
    pid = fork_child();
    if (pid == 0)
        _exit(live());
    *made = read_made();
    return pid;
}

static void end_life(void)
{
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(pids[i]);
    }
}

/* It may have no thread that stands still: one waits in vfork. */
static void let_run(struct sdb_process *process)
{
    int rc = sdb_process_resume(process, SDB_RESUME_CONTINUE);

    ck_assert(rc == 0 || rc == -EBUSY);
}

static int create(struct sdb_process *process, struct sdb_breakpoint **breakpoint)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;

    options.address = (uintptr_t)called;
    return sdb_breakpoint_create(process, &options, breakpoint);
}

/* Go on to the end of a process, which must be with 0.  @return how many hits were told */
static unsigned run_to_good_end(const struct sdb_process *process)
{
    unsigned hits = 0;

    for (;;) {
        const struct sdb_event event = next_event();

        hits += event.kind == SDB_EVENT_BREAKPOINT;
        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_uint_eq(event.status->how, SDB_EXITED);
            ck_assert_int_eq(event.status->code, 0);
            if (event.process == process)
                return hits;
        }
        ck_assert_uint_ne(event.kind, SDB_EVENT_SIGNAL);
        resume(&event);
    }
}

HOLDING_CASE(sharers);

static void expect_child_from_before(int way, int (*live)(void))
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process;
    pid_t made;
    pid_t pid = begin_life(live, &made);

    begin(way);
    pass_silently(SIGCHLD);
    process = attach(pid);
    ck_assert_int_eq(create(process, &breakpoint), 0);
    let_run(process);
    ck_assert_ptr_null(sdb_session_find_thread(session, made));
    give_go();
    ck_assert_uint_eq(run_to_good_end(process), 1);
    finish();
    end_life();
}

TEST(a_child_of_a_vfork_from_before_the_attach_lives)
{
    expect_child_from_before(_i, live_by_vfork);
}

TEST(a_child_that_shares_the_memory_from_before_the_attach_lives)
{
    expect_child_from_before(_i, live_by_clone);
}

/* Born unseen, as the follow policy says, between the launch and the first breakpoint. */
SESSION_TEST(an_unseen_child_from_before_the_breakpoint_lives)
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process;
    pid_t made;
    pid_t pid = begin_life(live_by_late_vfork, &made);

    pass_silently(SIGCHLD);
    process = attach(pid);
    resume_process(process);
    give_go();
    made = read_made();
    ck_assert_int_ne(made, pid);
    ck_assert_int_eq(create(process, &breakpoint), 0);
    ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
    give_go();
    ck_assert_uint_eq(run_to_good_end(process), 1);
    finish();
    end_life();
}

/* Who is attached to is the child; its parent's other thread comes by all the time. */
#ifndef TRIAL_SANITIZED
SESSION_TEST(the_parent_of_a_vfork_lives)
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process;
    pid_t made;
    pid_t pid = begin_life(live_beside_vfork, &made);

    process = attach(made);
    ck_assert_int_eq(create(process, &breakpoint), 0);
    resume_process(process);
    expect_nothing();
    ck_assert_int_eq(status_of(pid, "TracerPid", 10), gettid());
    give_go();
    ck_assert_uint_eq(run_to_good_end(process), CALLS);
    finish();
    expect_success(pid);
    end_life();
}
#endif

SESSION_TEST(two_that_are_held_have_the_breakpoint_of_either)
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *parent;
    struct sdb_process *child;
    pid_t made;
    pid_t pid = begin_life(live_by_clone, &made);

    pass_silently(SIGCHLD);
    parent = attach(pid);
    child = attach(made);
    ck_assert_int_eq(create(parent, &breakpoint), 0);
    resume_process(parent);
    resume_process(child);
    give_go();
    ck_assert_uint_eq(run_to_good_end(parent), 1 + CALLS);
    finish();
    end_life();
}

SESSION_TEST(letting_go_frees_both)
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process;
    pid_t made;
    pid_t pid = begin_life(live_by_clone, &made);

    process = attach(pid);
    ck_assert_int_eq(create(process, &breakpoint), 0);
    resume_process(process);
    detach(process);
    finish();
    ck_assert_int_eq(status_of(made, "TracerPid", 10), 0);
    give_go();
    expect_success(pid);
    end_life();
}

static void run_to_hit(void)
{
    struct sdb_event event;

    do {
        event = next_event();
        resume(&event);
    } while (event.kind != SDB_EVENT_BREAKPOINT);
}

/* Who is born as the breakpoint is created is the session's already: it was once a reason to refuse it. */
static void expect_birth_to_be_no_hindrance(int way, uint32_t follow)
{
    struct sdb_breakpoint *breakpoint;
    pid_t made;
    pid_t pid = begin_life(live_by_many_vforks, &made);

    for (int round = 0; round < ROUNDS; round++) {
        struct sdb_process *process;
        int rc;

        begin(way);
        pass_silently(SIGCHLD);
        process = attach(pid);
        set_follow(process, follow);
        let_run(process);
        rc = create(process, &breakpoint);
        ck_assert_msg(rc == 0, "round %d: %s", round, sdb_error_describe(rc));
        if (follow & SDB_FOLLOW_VFORK)
            run_to_hit();
        finish();
    }
    end_child(pid);
    end_life();
}

TEST(births_meanwhile_forbid_nothing)
{
    expect_birth_to_be_no_hindrance(_i, SDB_FOLLOW_DEFAULT);
}

TEST(births_meanwhile_that_are_told_forbid_nothing)
{
    expect_birth_to_be_no_hindrance(_i, SDB_FOLLOW_ALL);
}

/* The same for certain: the birth is reported, as it was tried before, and nobody has waited for it. */
SESSION_TEST(a_birth_that_is_still_to_be_told_forbids_nothing)
{
    struct sdb_breakpoint *breakpoint = NULL;
    struct sdb_process *process;
    pid_t made;
    pid_t pid = begin_life(live_beside_one_that_sleeps, &made);
    pid_t tracer = fork_tracer(made, 0);

    pass_silently(SIGCHLD);
    process = attach(pid);
    ck_assert_int_eq(create(process, &breakpoint), -EBUSY);
    let_run(process);
    give_go();
    await_state(pid, 't');
    end_child(tracer);
    ck_assert_int_eq(kill(made, SIGKILL), 0);
    await_state(made, 'Z');
    ck_assert_int_eq(create(process, &breakpoint), 0);
    give_go();
    ck_assert_uint_eq(run_to_good_end(process), 1);
    finish();
    end_life();
}

/* It has lifted the breakpoint from under the others when it ended. */
SESSION_TEST(whose_parent_is_killed_before_it_is_told_of_shares_the_memory)
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process;
    pid_t made;
    pid_t pid = begin_life(live_above_a_vfork, &made);

    pass_silently(SIGCHLD);
    process = attach(pid);
    ck_assert_int_eq(create(process, &breakpoint), 0);
    let_run(process);
    give_go();
    await_state(made, 't');
    ck_assert_int_eq(kill(made, SIGKILL), 0);
    await_state(made, 'Z');
    give_go();
    ck_assert_uint_eq(run_to_good_end(process), 1);
    finish();
    end_life();
}

SESSION_TEST(who_cannot_be_held_forbids_it)
{
    struct sdb_breakpoint *breakpoint = NULL;
    struct sdb_process *process;
    pid_t made;
    pid_t pid = begin_life(live_by_vfork, &made);
    pid_t tracer = fork_tracer(made, 0);

    pass_silently(SIGCHLD);
    process = attach(pid);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(create(process, &breakpoint), -EBUSY);
    ck_assert_ptr_null(breakpoint);
    end_child(tracer);
    await_state(made, 'S');
    ck_assert_int_eq(create(process, &breakpoint), 0);
    let_run(process);
    give_go();
    ck_assert_uint_eq(run_to_good_end(process), 1);
    finish();
    end_life();
}

int main(void)
{
    return run_suite("breakpoint_sharers");
}
