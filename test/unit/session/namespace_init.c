/* SPDX-License-Identifier: MIT */
/*
 * The init of a pid namespace.  The kernel spares it from its own faults as long as it is held, and it
 * would fault for ever; it ends by them as it would alone.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forking.h"
#include "holding.h"

enum fault { SEGV, ILL, TRAP, ABORT, BESIDE, HANDLED, SENT };

static int go[2];
static int news[2]; /* the init's pid, and then its status */

static sigjmp_buf handled;

static void handle(int signal)
{
    siglongjmp(handled, signal);
}

/* A breakpoint's place that faults itself. */
void fault_here(void);
__asm__(".text\n"
        ".globl fault_here\n.type fault_here, @function\n"
        "fault_here:\n\t"
        "movl $1, 8\n\t"
        "ret\n");

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void *fault_in_thread(void *unused)
{
    fault_here();
    return unused;
}

/* The sanitizers have handlers. */
static void forget_handlers(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], SIG_DFL);
}

static void live_as_init(enum fault fault)
{
    const struct rlimit none = {0, 0};
    pthread_t thread;
    char byte;

    forget_handlers();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)pthread_create(&thread, NULL, wait_for_ever, NULL);
    if (read(go[0], &byte, 1) != 1)
        _exit(1);
    switch (fault) {
    case SEGV:
        fault_here();
        break;
    case ILL:
        __asm__ volatile("ud2");
        break;
    case TRAP:
        __asm__ volatile("int3");
        break;
    case ABORT:
        abort();
    case BESIDE:
        (void)pthread_create(&thread, NULL, fault_in_thread, NULL);
        (void)wait_for_ever(NULL);
        break;
    case HANDLED:
        signal(SIGSEGV, handle);
        if (sigsetjmp(handled, 1) == 0)
            fault_here();
        break;
    case SENT:
        kill(getpid(), SIGSEGV);
        break;
    }
    _exit(3);
}

/* Exits with 77 where no namespace can be had. */
static void live_as_its_parent(enum fault fault)
{
    pid_t pid;
    int status;

    if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
        _exit(77);
    pid = fork();
    if (pid == 0)
        live_as_init(fault);
    if (write(news[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid) ||
        waitpid(pid, &status, 0) != pid)
        _exit(1);
    _exit(write(news[1], &status, sizeof(status)) == (ssize_t)sizeof(status) ? 0 : 1);
}

static bool read_news(void *data, size_t size)
{
    return read(news[0], data, size) == (ssize_t)size;
}

/* @return the pid of its parent; or 0: there is no namespace to be had */
static pid_t begin_init(enum fault fault, pid_t *pid)
{
    pid_t parent;

    ck_assert_int_eq(pipe(go), 0);
    ck_assert_int_eq(pipe(news), 0);
    parent = fork_child();
    if (parent == 0)
        live_as_its_parent(fault);
    close(news[1]);
    if (read_news(pid, sizeof(*pid))) {
        await_tasks(*pid, 2);
        return parent;
    }
    ck_assert_int_eq(exit_code_of(parent), 77);
    return 0;
}

static void end_init(pid_t parent, int expected)
{
    int status = 0;

    if (parent != 0) {
        ck_assert(read_news(&status, sizeof(status)));
        ck_assert_int_eq(status, expected);
        expect_success(parent);
    }
    close(go[0]);
    close(go[1]);
    close(news[0]);
}

HOLDING_CASE(init);

/* Go on to the end.  @return how often the signal was told */
static int run_to_end_by(struct sdb_process *process, uint32_t how, int code)
{
    int signals = 0;

    for (;;) {
        const struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_ptr_eq(event.process, process);
            ck_assert_uint_eq(event.status->how, how);
            ck_assert_int_eq(event.status->code, code);
            return signals;
        }
        signals += event.kind == SDB_EVENT_SIGNAL && event.signal == code;
        resume(&event);
    }
}

static void expect_end_by(int way, enum fault fault, int signal, bool is_silent)
{
    struct sdb_process *process;
    pid_t pid;
    pid_t parent = begin_init(fault, &pid);

    if (parent != 0) {
        begin(way);
        process = attach(pid);
        if (is_silent)
            pass_silently(0);
        resume_process(process);
        ck_assert_int_eq(write(go[1], "g", 1), 1);
        ck_assert_int_eq(run_to_end_by(process, SDB_KILLED, signal), !is_silent);
        finish();
    }
    end_init(parent, signal);
}

TEST(it_ends_by_its_own_faults)
{
    for (int is_silent = 0; is_silent < 2; is_silent++) {
        expect_end_by(_i, SEGV, SIGSEGV, is_silent);
        expect_end_by(_i, ILL, SIGILL, is_silent);
        expect_end_by(_i, TRAP, SIGTRAP, is_silent);
        expect_end_by(_i, ABORT, SIGSEGV, is_silent); /* its SIGABRT is ignored, held or not */
        expect_end_by(_i, BESIDE, SIGSEGV, is_silent);
    }
}

/* Neither is lost, and who faults at it faults as without. */
SESSION_TEST(it_ends_although_a_breakpoint_is_there)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process;
    struct sdb_event event;
    pid_t pid;
    pid_t parent = begin_init(SEGV, &pid);

    if (parent != 0) {
        process = attach(pid);
        options.address = (uintptr_t)fault_here;
        ck_assert_int_eq(sdb_breakpoint_create(process, &options, &breakpoint), 0);
        resume_process(process);
        ck_assert_int_eq(write(go[1], "g", 1), 1);
        event = expect(SDB_EVENT_BREAKPOINT);
        resume(&event);
        ck_assert_int_eq(run_to_end_by(process, SDB_KILLED, SIGSEGV), 1);
    }
    finish();
    end_init(parent, SIGSEGV);
}

/* Let go while it stands before the signal it ends by that, too. */
TEST(it_ends_when_it_is_let_go_at_its_fault)
{
    static const struct {
        enum fault fault;
        int signal;
    } faults[] = {{SEGV, SIGSEGV}, {ILL, SIGILL}, {TRAP, SIGTRAP}};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct sdb_process *process;
        pid_t pid;
        pid_t parent = begin_init(faults[i].fault, &pid);

        if (parent != 0) {
            begin(_i);
            process = attach(pid);
            resume_process(process);
            ck_assert_int_eq(write(go[1], "g", 1), 1);
            (void)expect_signal(faults[i].signal);
            detach(process);
            finish();
        }
        end_init(parent, faults[i].signal);
    }
}

/* What does not end it alone does not when it is held. */
TEST(it_lives_on_where_it_would_alone)
{
    static const enum fault faults[] = {HANDLED, SENT};

    for (int i = 0; i < 2; i++) {
        struct sdb_process *process;
        pid_t pid;
        pid_t parent = begin_init(faults[i], &pid);

        if (parent != 0) {
            begin(_i);
            process = attach(pid);
            resume_process(process);
            ck_assert_int_eq(write(go[1], "g", 1), 1);
            resume_from_signal(SIGSEGV);
            (void)run_to_end_by(process, SDB_EXITED, 3);
            finish();
        }
        end_init(parent, 3 << 8);
    }
}

int main(void)
{
    return run_suite("session_namespace_init");
}
