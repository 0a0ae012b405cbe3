/* SPDX-License-Identifier: MIT */
/*
 * Injected system calls, and what happens to the thread and its process meanwhile: signals, its end, an
 * exec; and many threads.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"
#include "injecting.h"
#include "racing.h"

HOLDING_CASE(meanwhile);

struct sender {
    int tid;
    int pid;
    int signal;
    const char *path; /* of the pipe's other end */
};

/* Once it waits in its read, send it the signal, see what that has brought, and let the read end. */
static void *send_and_write(void *data)
{
    const struct sender *sender = data;
    int fd;

    while (state_of(sender->tid) != 'S' || syscall_of(sender->tid) != SYS_read)
        sched_yield();
    (void)kill(sender->pid, sender->signal);
    /* A SIGSTOP cannot be blocked: it interrupts the read. */
    while (sender->signal == SIGSTOP &&
           (status_of(sender->tid, "ShdPnd", 16) & (1 << (SIGSTOP - 1))) != 0)
        sched_yield();
    if (sender->signal != SIGKILL) {
        fd = open(sender->path, O_WRONLY | O_CLOEXEC);
        (void)!write(fd, "y", 1);
        close(fd);
    }
    return NULL;
}

static void make_pipe(struct sdb_thread *thread, int fds[2])
{
    const struct sdb_inject_buffer room = {fds, 2 * sizeof(*fds), 0, SDB_INJECT_OUT};

    ck_assert_int_eq(inject_with(thread, SYS_pipe2, none, &room, 1), 0);
}

/* Have the thread read while another thread sends its process a signal. */
static int read_under(struct sdb_thread *thread, int signal)
{
    struct sender sender = {sdb_thread_tid(thread), sdb_process_pid(sdb_thread_process(thread)),
                            signal, NULL};
    char path[64];
    char byte = 0;
    const struct sdb_inject_buffer room = {&byte, 1, 1, SDB_INJECT_OUT};
    pthread_t other;
    int64_t result = -1;
    int fds[2];
    int rc;

    make_pipe(thread, fds);
    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", sender.pid, fds[1]);
    sender.path = path;
    ck_assert_int_eq(pthread_create(&other, NULL, send_and_write, &sender), 0);
    rc = sdb_thread_inject_with(thread, SYS_read, (uint64_t[6]){(uint64_t)fds[0], 0, 1}, &room, 1,
                                &result);
    pthread_join(other, NULL);
    if (rc == 0) {
        ck_assert_int_eq(result, 1);
        ck_assert_int_eq(byte, 'y');
    }
    return rc;
}

SESSION_TEST(a_signal_that_comes_meanwhile_comes_afterwards)
{
    struct target target = launch_calling("pause", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_pause);

    stop_thread(thread);
    ck_assert_int_eq(read_under(thread, SIGUSR1), 0);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    resume_from_signal(SIGUSR1);
    end_well(&target);
}

SESSION_TEST(a_stop_that_comes_meanwhile_comes_afterwards)
{
    struct sdb_thread *thread;
    struct target target = stopped_reader(&thread);
    struct sdb_event event;

    ck_assert_int_eq(read_under(thread, SIGSTOP), 0);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    resume_from_signal(SIGSTOP);
    event = expect_of(SDB_EVENT_GROUP_STOP, thread);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    resume(&event);
    end_after_group_stop(&target, thread);
}

SESSION_TEST(one_that_is_killed_meanwhile_is_told)
{
    struct sdb_thread *thread;
    struct target target = stopped_reader(&thread);

    ck_assert_int_eq(read_under(thread, SIGKILL), -ESRCH);
    expect_exit(SDB_KILLED, SIGKILL);
    finish_with(&target);
}

SESSION_TEST(a_first_thread_that_is_killed_with_others_is_told)
{
    struct target target = launch_crew(3);
    struct sdb_thread *first = crew_thread(&target, 0);
    struct sdb_exit_status status;

    stop_thread(first);
    ck_assert_int_eq(read_under(first, SIGKILL), -ESRCH);
    status = run_to_end(target.process);
    ck_assert_int_eq(status.how, SDB_KILLED);
    finish_with(&target);
}

/* A breakpoint on the instruction by which a thread that stands at the beginning of a call has come there. */
static struct sdb_breakpoint *break_own_call(struct sdb_thread *thread, uint64_t flags)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint = NULL;

    options.address = pc_of(thread) - 2;
    options.flags = flags;
    ck_assert_int_eq(sdb_breakpoint_create(sdb_thread_process(thread), &options, &breakpoint), 0);
    return breakpoint;
}

static const uint64_t kinds_of_breakpoints[] = {0, SDB_BREAKPOINT_HARDWARE};

/* One that was interrupted there once came by the breakpoint. */
TEST(a_stop_that_comes_meanwhile_in_a_call_under_a_breakpoint_comes_afterwards)
{
    for (int kind = 0; kind < 2; kind++) {
        struct target target;
        struct sdb_thread *thread;
        struct sdb_breakpoint *breakpoint;
        struct sdb_event event;

        begin(_i);
        target = stopped_reader(&thread);
        resume_thread(thread, SDB_RESUME_SYSCALL);
        expect_of(SDB_EVENT_SYSCALL_ENTRY, thread);
        breakpoint = break_own_call(thread, kinds_of_breakpoints[kind]);
        ck_assert_int_eq(read_under(thread, SIGSTOP), 0);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 0);
        ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        resume_from_signal(SIGSTOP);
        event = expect_of(SDB_EVENT_GROUP_STOP, thread);
        ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
        resume(&event);
        end_after_group_stop(&target, thread);
    }
}

struct killer {
    int pid;
    unsigned turns;
};

static void *kill_after(void *data)
{
    const struct killer *killer = data;

    for (volatile unsigned i = 0; i < killer->turns; i++)
        continue;
    (void)kill(killer->pid, SIGKILL);
    return NULL;
}

static void kill_at_random(int way, int others, int times, unsigned seed)
{
    struct chance chance = chance_of(seed);
    int last = 0;

    begin(way);
    for (int i = 0; i < times; i++) {
        struct target target = launch_crew(others);
        struct sdb_thread *thread =
            crew_thread(&target, (int)chance_below(&chance, (unsigned)others + 1));
        struct killer killer = {target.pid, chance_below(&chance, 60000)};
        struct sdb_exit_status status;
        pthread_t other;
        int64_t result;
        int rc;

        stop_thread(thread);
        if (chance_below(&chance, 2) == 0) {
            resume_thread(thread, SDB_RESUME_SYSCALL);
            ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
            (void)next_event();
        }
        ck_assert_int_eq(pthread_create(&other, NULL, kill_after, &killer), 0);
        do {
            result = -1;
            rc = sdb_thread_inject(thread, SYS_gettid, none, &result);
            if (rc == 0)
                ck_assert_int_eq(result, sdb_thread_tid(thread));
        } while (rc == 0);
        ck_assert_int_eq(rc, -ESRCH);
        pthread_join(other, NULL);
        ck_assert_int_eq(sdb_thread_inject(thread, SYS_gettid, none, &result), -ESRCH);
        status = run_to_end(target.process);
        ck_assert_int_eq(status.how, SDB_KILLED);
        ck_assert_int_eq(status.code, SIGKILL);
        last += status.pid == target.pid;
        close_target(&target);
    }
    ck_assert_int_eq(last, times);
    finish();
}

TEST(killed_at_random_instants)
{
    kill_at_random(_i, 0, rounds(150), 1);
}

TEST(killed_at_random_instants_with_other_threads)
{
    kill_at_random(_i, 2, rounds(100), 2);
}

/* Another thread executes a program while calls are made in this one. */
static void execute_meanwhile(int way, int place)
{
    begin(way);
    for (int i = 0; i < rounds(20); i++) {
        struct target target = launch_crew(2);
        struct sdb_thread *thread = crew_thread(&target, place);
        struct sdb_exit_status status;
        int64_t result;
        int rc;

        order(&target, 0, 't');
        expect_turns(target.board, 0, 1);
        stop_thread(thread);
        order(&target, place == 1 ? 2 : 1, 'x');
        do {
            result = -1;
            rc = sdb_thread_inject(thread, SYS_gettid, none, &result);
            ck_assert(rc == -ESRCH || result == sdb_thread_tid(thread));
        } while (rc == 0);
        ck_assert_int_eq(rc, -ESRCH);
        close_input(&target);
        status = run_to_end(target.process);
        ck_assert_int_eq(status.how, SDB_EXITED);
        ck_assert_int_eq(status.code, 9);
        close_target(&target);
    }
    finish();
}

TEST(in_a_first_thread_while_another_executes_a_program)
{
    execute_meanwhile(_i, 0);
}

TEST(in_another_thread_while_one_executes_a_program)
{
    execute_meanwhile(_i, 1);
}

SESSION_TEST(in_each_of_many_threads)
{
    struct target target = launch_crew(20);

    stop_process(target.process);
    for (int place = 0; place <= 20; place++)
        inject_unseen(crew_thread(&target, place));
    resume_process(target.process);
    close_input(&target);
    run_to_end(target.process);
    finish_with(&target);
}

/* Let it go; it must end well by itself. */
static void let_it_end(struct target *target)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = detach_child(target->process);

    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(child);
    finish_with(target);
}

SESSION_TEST(one_that_is_let_go_afterwards_goes_on)
{
    struct target target = launch_calling("sleep", "1000");
    struct sdb_thread *thread = run_into(&target, SYS_clock_nanosleep);

    stop_thread(thread);
    inject_unseen(thread);
    let_it_end(&target);
}

SESSION_TEST(one_that_is_let_go_at_the_end_of_an_interrupted_call_goes_on)
{
    struct target target = launch_calling("sleep", "1000");
    struct sdb_thread *thread = run_into(&target, SYS_clock_nanosleep);

    stop_thread(thread);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_ENTRY, thread);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    await_state(target.pid, 'S');
    ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
    expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
    inject_unseen(thread);
    let_it_end(&target);
}

int main(void)
{
    return run_suite("inject_meanwhile");
}
