/* SPDX-License-Identifier: MIT */
/*
 * Calls from another thread than the tracer's, and from a forked child of the host: they are refused,
 * and do nothing.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"
#include "host.h"

/* What a stranger gets hold of. */
struct subject {
    struct sdb_process *process;
    struct sdb_thread *stopped;
    struct sdb_thread *running;
    struct sdb_event event; /* a stop of `stopped` */
    struct sdb_watchpoint *watchpoint;
    uint64_t address; /* that is mapped */
    pid_t other;      /* a process that could be attached to */
};

/* What the calls have returned, and the name of the first that was not refused. */
struct verdict {
    const char *name; /* NULL: all were */
    int rc;
};

static void judge(struct verdict *verdict, const char *name, int rc)
{
    if (rc == -SDB_EWRONGTHREAD || verdict->name)
        return;
    verdict->name = name;
    verdict->rc = rc;
}

#define JUDGE(verdict, call) judge(verdict, #call, call)

static int call_nothing(struct sdb_session *in, void *data)
{
    (void)in;
    (void)data;
    return 0;
}

static void try_session(const struct subject *subject, struct verdict *verdict)
{
    const char *argv[] = {"/bin/true", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_process *process = (void *)&options;
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    int pidfd = (int)syscall(SYS_pidfd_open, subject->other, 0);

    options.argv = argv;
    JUDGE(verdict, sdb_session_launch(session, &options, &process, &error));
    judge(verdict, "the code of the error", error.code);
    JUDGE(verdict, sdb_session_attach(session, subject->other, &process, NULL));
    JUDGE(verdict, sdb_session_attach_pidfd(session, pidfd, &process, NULL));
    judge(verdict, "the process", (void *)process == (void *)&options ? -SDB_EWRONGTHREAD : 0);
    JUDGE(verdict, sdb_session_set_signal_policy(session, SIGUSR1, SDB_POLICY_DROP));
    JUDGE(verdict, sdb_session_wait(session, 0, &event));
    JUDGE(verdict, sdb_session_fd(session));
    JUDGE(verdict, sdb_event_resume(&subject->event));
    close(pidfd);
}

static void try_process(const struct subject *subject, struct verdict *verdict)
{
    struct sdb_child *child = NULL;

    JUDGE(verdict, sdb_process_set_follow(subject->process, SDB_FOLLOW_ALL));
    JUDGE(verdict, sdb_process_set_release(subject->process, SDB_RELEASE_RUN));
    JUDGE(verdict, sdb_process_set_stop_mode(subject->process, SDB_ALL_STOP));
    JUDGE(verdict, sdb_process_stop(subject->process, 0));
    JUDGE(verdict, sdb_process_resume(subject->process, SDB_RESUME_CONTINUE));
    JUDGE(verdict, sdb_process_catch_syscalls(subject->process, SDB_CATCH_ALL, NULL, 0));
    JUDGE(verdict, sdb_process_permit_release(subject->process));
    JUDGE(verdict, sdb_process_kill(subject->process));
    JUDGE(verdict, sdb_process_detach(subject->process, SDB_RELEASE_RUN, &child));
    JUDGE(verdict, sdb_process_detach(subject->process, SDB_RELEASE_KILL, NULL));
}

static void try_threads(const struct subject *subject, struct verdict *verdict)
{
    uint64_t address = 0;
    siginfo_t info;
    struct sdb_syscall call = SDB_SYSCALL_INIT;

    JUDGE(verdict, sdb_thread_resume(subject->stopped, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS));
    JUDGE(verdict, sdb_thread_interrupt(subject->running));
    JUDGE(verdict, sdb_thread_pc(subject->stopped, &address));
    JUDGE(verdict, sdb_thread_siginfo(subject->stopped, &info, sizeof(info)));
    JUDGE(verdict, sdb_thread_syscall(subject->stopped, &call));
    JUDGE(verdict, sdb_thread_set_syscall(subject->stopped, SYS_getppid, NULL));
    JUDGE(verdict, sdb_thread_set_syscall_result(subject->stopped, 0));
    JUDGE(verdict, sdb_thread_refuse_syscall(subject->stopped, EPERM));
}

static void try_watchpoints(const struct subject *subject, struct verdict *verdict)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    struct sdb_watchpoint *watchpoint = NULL;

    options.address = subject->address;
    options.length = 1;
    JUDGE(verdict, sdb_watchpoint_create(subject->process, &options, &watchpoint));
    JUDGE(verdict, sdb_watchpoint_remove(subject->watchpoint));
    JUDGE(verdict, sdb_watchpoint_enable(subject->watchpoint));
    JUDGE(verdict, sdb_watchpoint_disable(subject->watchpoint));
    JUDGE(verdict, sdb_watchpoint_set_ignore_count(subject->watchpoint, 1));
}

static void try_all(const struct subject *subject, struct verdict *verdict)
{
    try_session(subject, verdict);
    try_process(subject, verdict);
    try_threads(subject, verdict);
    try_watchpoints(subject, verdict);
}

/* The program's headers, which nobody touches. */
static void watch_headers(struct subject *subject)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    struct sdb_facts_auxv *auxv = NULL;

    ck_assert_int_eq(sdb_facts_read_auxv(sdb_process_pid(subject->process), &auxv), 0);
    ck_assert_int_eq(sdb_facts_find_auxv(auxv, AT_PHDR, &subject->address), 0);
    sdb_facts_free(auxv);
    options.address = subject->address;
    options.length = 1;
    ck_assert_int_eq(sdb_watchpoint_create(subject->process, &options, &subject->watchpoint), 0);
}

/* A crew of which place 1 stands with a signal, and the rest turns; and somebody else. */
static struct target make_subject(struct subject *subject)
{
    struct target target = launch_crew(2);

    order(&target, 1, 'k');
    order(&target, 2, 't');
    *subject = (struct subject){.process = target.process, .event = expect_signal(SIGUSR1)};
    subject->stopped = crew_thread(&target, 1);
    subject->running = crew_thread(&target, 2);
    subject->other = fork_waiting();
    watch_headers(subject);
    return target;
}

/* Nothing of what was tried has been done. */
static void expect_untouched(const struct target *target, const struct subject *subject)
{
    struct sdb_event event;

    expect_standstill(target->board, 1);
    ck_assert_int_eq(sdb_thread_state(subject->stopped), SDB_THREAD_STOPPED);
    ck_assert_int_eq(status_of(subject->other, "TracerPid", 10), 0);
    expect_nothing();
    expect_turns(target->board, 2, 5);
    resume(&subject->event);
    order(target, 1, 'k');
    event = expect_signal(SIGUSR1); /* the policy is as it was, and the first was not dropped */
    ck_assert_uint_eq(target->board->signals[1], 1);
    expect_turns(target->board, 2, 5);
    resume(&event);
}

static void finish_untouched(struct target *target, const struct subject *subject)
{
    expect_untouched(target, subject);
    end_child(subject->other);
    finish_with(target);
}

HOLDING_CASE(strangers);

struct stranger {
    const struct subject *subject;
    struct verdict verdict;
    int destroyed;
    int state;
};

/* Every call of a thread must be refused, and its end of a session must return this. */
static void expect_refused(void *(*be)(void *stranger), int destroyed)
{
    struct subject subject;
    struct stranger stranger = {.subject = &subject};
    struct target target = make_subject(&subject);

    run_in_thread(be, &stranger);
    ck_assert_msg(stranger.verdict.name == NULL, "%s: %d", stranger.verdict.name,
                  stranger.verdict.rc);
    ck_assert_int_eq(stranger.destroyed, destroyed);
    finish_untouched(&target, &subject);
}

static void *be_stranger(void *data)
{
    struct stranger *stranger = data;

    try_all(stranger->subject, &stranger->verdict);
    stranger->destroyed = sdb_session_destroy(session);
    return NULL;
}

SESSION_TEST(another_thread_is_refused)
{
    expect_refused(be_stranger, -SDB_EWRONGTHREAD);
}

static void *be_stranger_with_session(void *data)
{
    struct stranger *stranger = data;
    struct sdb_session *own = create_session(WAY_HELPER);

    try_all(stranger->subject, &stranger->verdict);
    stranger->destroyed = sdb_session_destroy(own);
    return NULL;
}

SESSION_TEST(a_thread_with_a_session_of_its_own_is_refused)
{
    expect_refused(be_stranger_with_session, 0);
}

/* What any thread may do. */
static void *be_friend(void *data)
{
    struct stranger *stranger = data;
    struct sdb_thread *thread = sdb_thread_retain(stranger->subject->stopped);
    struct sdb_process *process = sdb_process_retain(stranger->subject->process);
    int result = 0;

    stranger->verdict.rc = sdb_thread_process(thread) == process ? sdb_thread_tid(thread) : 0;
    stranger->destroyed = sdb_process_pid(process);
    stranger->state = sdb_session_call(session, call_nothing, NULL, &result);
    sdb_thread_close(thread);
    sdb_process_close(process);
    return NULL;
}

SESSION_TEST(any_thread_may_ask_who_it_is)
{
    struct subject subject;
    struct stranger stranger = {.subject = &subject};
    struct target target = make_subject(&subject);

    run_in_thread(be_friend, &stranger);
    ck_assert_int_eq(stranger.verdict.rc, tid_at(target.board, 1));
    ck_assert_int_eq(stranger.destroyed, target.pid);
    ck_assert_int_eq(stranger.state, -EINVAL); /* the session has no thread of its own */
    finish_untouched(&target, &subject);
}

HOLDING_CASE(copies);

/* In the child; no assertion of it could be heard. */
static int be_copy(const struct subject *subject)
{
    struct verdict verdict = {0};
    int result = 0;

    try_all(subject, &verdict);
    JUDGE(&verdict, sdb_session_interrupt(session));
    JUDGE(&verdict, sdb_session_call(session, call_nothing, NULL, &result));
    if (verdict.name) {
        (void)!write(STDERR_FILENO, verdict.name, strlen(verdict.name));
        (void)!write(STDERR_FILENO, "\n", 1);
        return 1;
    }
    if (sdb_thread_tid(subject->stopped) <= 0 || sdb_process_pid(subject->process) <= 0)
        return 2;
    return sdb_session_destroy(session) == 0 ? 0 : 3;
}

static int have_own_session(const struct subject *subject)
{
    struct sdb_session *own = NULL;
    struct sdb_process *process = NULL;

    if (sdb_session_destroy(session) != 0 || sdb_session_create(NULL, &own) != 0)
        return 1;
    if (sdb_session_attach(own, subject->other, &process, NULL) != 0)
        return 2;
    return sdb_session_destroy(own) == 0 ? 0 : 3;
}

/* What this returns in a forked child must be 0, and nothing of it may be seen here. */
static void expect_fork_to_succeed(int (*be)(const struct subject *subject))
{
    struct subject subject;
    struct target target = make_subject(&subject);
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(be(&subject));
    expect_success(pid);
    finish_untouched(&target, &subject);
}

SESSION_TEST(a_forked_child_is_refused_and_gives_its_copy_back)
{
    expect_fork_to_succeed(be_copy);
}

SESSION_TEST(a_forked_child_can_have_a_session_of_its_own)
{
    expect_fork_to_succeed(have_own_session);
}

HOLDING_CASE(standing);

/* Every call that needs the tracer thread, from somewhere else. */
static bool all_are_refused(struct sdb_process *process, struct sdb_thread *thread)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *other;
    struct sdb_child *child;
    uint64_t address;
    siginfo_t info;
    const int wrong = -SDB_EWRONGTHREAD;

    options.path = "/bin/true";
    return sdb_session_wait(session, 0, &event) == wrong &&
           sdb_session_launch(session, &options, &other, &error) == wrong && error.code == wrong &&
           sdb_session_attach(session, 1, &other, &error) == wrong && error.code == wrong &&
           sdb_process_resume(process, SDB_RESUME_CONTINUE) == wrong &&
           sdb_process_kill(process) == wrong &&
           sdb_process_detach(process, SDB_RELEASE_RUN, &child) == wrong &&
           sdb_thread_resume(thread, SDB_RESUME_CONTINUE, 0) == wrong &&
           sdb_thread_interrupt(thread) == wrong && sdb_thread_pc(thread, &address) == wrong &&
           sdb_thread_siginfo(thread, &info, sizeof(info)) == wrong;
}

static void *try_from_elsewhere(void *held)
{
    struct sdb_process *process = held;
    bool refused_all = all_are_refused(process, sdb_process_thread(process)) &&
                       sdb_session_destroy(session) == -SDB_EWRONGTHREAD;

    return refused_all ? held : NULL;
}

SESSION_TEST(other_threads_are_refused)
{
    struct target target = launch_target("exit", "0", NULL);

    ck_assert_ptr_eq(run_in_thread(try_from_elsewhere, target.process), target.process);
    resume_process(target.process);
    finish_exited(&target, 0);
}

SESSION_TEST(a_forked_host_is_refused_and_can_clean_up)
{
    struct target target = launch_target("exit", "0", NULL);
    pid_t child = fork();

    if (child == 0) {
        bool right = all_are_refused(target.process, sdb_process_thread(target.process)) &&
                     sdb_session_interrupt(session) == -SDB_EWRONGTHREAD &&
                     sdb_session_destroy(session) == 0;
        struct sdb_session *own = NULL;

        /* And it may have a session of its own. */
        right = right && sdb_session_create(NULL, &own) == 0 && sdb_session_destroy(own) == 0;
        _exit(right ? 0 : 1);
    }
    expect_success(child);

    /* The host's own session is as it was. */
    resume_process(target.process);
    finish_exited(&target, 0);
}

int main(void)
{
    return run_suite("session_wrong_thread");
}
