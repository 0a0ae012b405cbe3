/* SPDX-License-Identifier: MIT */
/*
 * Injected system calls: in every kind of stop, in threads that wait for something, under signals; and
 * what a user does with them.  Neither the thread nor the session may be able to tell.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <time.h>
#include <unistd.h>

#include "holding.h"
#include "host.h"
#include "racing.h"

#define CALLING SDB_TRACEE_DIR "/calling"

/* How often an injection is repeated in one stop. */
#define TURNS 3

static const uint64_t none[6];

static struct target launch_calling(const char *what, const char *first)
{
    const char *argv[] = {CALLING, what, first, NULL};

    return launch_program(CALLING, argv);
}

static int64_t inject(struct sdb_thread *thread, long number, const uint64_t arguments[6])
{
    int64_t result = INT64_MIN;
    int rc = sdb_thread_inject(thread, number, arguments, &result);

    ck_assert_msg(rc == 0, "%s", sdb_error_describe(rc));
    return result;
}

/* What the kernel says of a thread that stands still. */
struct standing {
    struct user_regs_struct registers;
    struct user_fpregs_struct floating;
    uint64_t mask;
    long long pending;
    long long pending_of_all;
    siginfo_t siginfo;
    enum sdb_thread_state state;
};

static struct standing look_at(struct sdb_thread *thread, bool at_signal)
{
    const int tid = sdb_thread_tid(thread);
    struct standing standing;

    memset(&standing, 0, sizeof(standing));
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETREGS, tid, 0, &standing.registers), 0);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETFPREGS, tid, 0, &standing.floating), 0);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETSIGMASK, tid, 8, &standing.mask), 0);
    standing.pending = status_of(tid, "SigPnd", 16);
    standing.pending_of_all = status_of(tid, "ShdPnd", 16);
    if (at_signal)
        ck_assert_int_eq(sdb_thread_siginfo(thread, &standing.siginfo, sizeof(siginfo_t)), 0);
    standing.state = sdb_thread_state(thread);
    return standing;
}

/* Two calls, whose results are known; nothing else may be different then. */
static void inject_unseen_but(struct sdb_thread *thread, bool at_signal, bool rax_may_differ)
{
    const int pid = sdb_process_pid(sdb_thread_process(thread));

    for (int i = 0; i < TURNS; i++) {
        struct standing before = look_at(thread, at_signal);
        struct standing after;

        ck_assert_int_eq(inject(thread, SYS_getpid, none), pid);
        ck_assert_int_eq(inject(thread, SYS_gettid, none), sdb_thread_tid(thread));
        after = look_at(thread, at_signal);
        if (rax_may_differ && i == 0)
            before.registers.rax = after.registers.rax;
        ck_assert_mem_eq(&before, &after, sizeof(before));
    }
}

static void inject_unseen(struct sdb_thread *thread)
{
    inject_unseen_but(thread, false, false);
}

static void inject_unseen_at_signal(struct sdb_thread *thread)
{
    inject_unseen_but(thread, true, false);
}

static void resume_thread(struct sdb_thread *thread, enum sdb_resume how)
{
    ck_assert_int_eq(sdb_thread_resume(thread, how, SDB_SIGNAL_PASS), 0);
}

/* Run a program until it waits in this call. */
static struct sdb_thread *run_into(struct target *target, long number)
{
    struct sdb_thread *thread = sdb_process_thread(target->process);

    resume_process(target->process);
    wait_ready(target);
    while (syscall_of(target->pid) != number)
        sched_yield();
    return thread;
}

static void end_well(struct target *target)
{
    expect_exit(SDB_EXITED, 0);
    finish();
    close_target(target);
}

/* ---- kinds of stops ---- */

START_TEST(at_an_exec)
{
    struct target target;

    begin(_i);
    target = launch_calling("read", NULL);
    inject_unseen_but(sdb_process_thread(target.process), false, true);
    tell_target(&target, 'x');
    resume_process(target.process);
    end_well(&target);
}
END_TEST

START_TEST(after_an_exec_the_stops_are_the_same)
{
    struct target target;
    struct sdb_thread *thread;
    uint64_t pc;
    uint64_t next;

    begin(_i);
    target = launch_calling("read", NULL);
    thread = sdb_process_thread(target.process);
    inject_unseen_but(thread, false, true);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
    inject_unseen(thread);
    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    resume_thread(thread, SDB_RESUME_STEP);
    expect_of(SDB_EVENT_STEP, thread);
    ck_assert_int_eq(sdb_thread_pc(thread, &next), 0);
    ck_assert_uint_gt(next, pc);
    ck_assert_uint_lt(next, pc + 16);
    resume_thread(thread, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_ENTRY, thread);
    tell_target(&target, 'x');
    resume_process(target.process);
    end_well(&target);
}
END_TEST

START_TEST(a_step_out_of_an_exec_executes_one_instruction)
{
    struct target target;
    struct sdb_thread *thread;
    uint64_t pc;
    uint64_t next;

    begin(_i);
    target = launch_calling("read", NULL);
    thread = sdb_process_thread(target.process);
    inject_unseen_but(thread, false, true);
    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    resume_thread(thread, SDB_RESUME_STEP);
    expect_of(SDB_EVENT_STEP, thread);
    ck_assert_int_eq(sdb_thread_pc(thread, &next), 0);
    ck_assert_uint_gt(next, pc);
    ck_assert_uint_lt(next, pc + 16);
    tell_target(&target, 'x');
    resume_process(target.process);
    end_well(&target);
}
END_TEST

START_TEST(at_both_ends_of_each_call_of_a_program)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;
    uint32_t expected = SDB_EVENT_SYSCALL_EXIT;

    begin(_i);
    target = launch_calling("kept", NULL);
    tell_target(&target, 'x');
    thread = sdb_process_thread(target.process);
    for (;;) {
        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            break;
        if (event.kind == SDB_EVENT_SIGNAL) {
            inject_unseen_at_signal(thread);
            continue;
        }
        ck_assert_uint_eq(event.kind, expected);
        expected =
            expected == SDB_EVENT_SYSCALL_EXIT ? SDB_EVENT_SYSCALL_ENTRY : SDB_EVENT_SYSCALL_EXIT;
        inject_unseen(thread);
    }
    ck_assert_int_eq(event.status->how, SDB_EXITED);
    ck_assert_int_eq(event.status->code, 0);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(after_each_of_many_steps)
{
    struct target target;
    struct sdb_thread *thread;

    begin(_i);
    target = launch_calling("read", NULL);
    thread = sdb_process_thread(target.process);
    for (int i = 0; i < 500; i++) {
        resume_thread(thread, SDB_RESUME_STEP);
        expect_of(SDB_EVENT_STEP, thread);
        inject_unseen(thread);
    }
    tell_target(&target, 'x');
    resume_process(target.process);
    end_well(&target);
}
END_TEST

START_TEST(in_a_group_stop_which_stays)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;

    begin(_i);
    target = launch_calling("read", NULL);
    thread = run_into(&target, SYS_read);
    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    event = expect_signal(SIGSTOP);
    inject_unseen_at_signal(thread);
    resume(&event);
    event = expect_of(SDB_EVENT_GROUP_STOP, thread);
    ck_assert_int_eq(event.signal, SIGSTOP);
    inject_unseen(thread);
    resume(&event);
    expect_nothing();
    tell_target(&target, 'x');
    expect_nothing();

    /* One that ends while it stands still is told too. */
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    event = expect_of(SDB_EVENT_GROUP_CONTINUE, thread);
    inject_unseen(thread);
    resume(&event);
    event = expect_signal(SIGCONT);
    inject_unseen_at_signal(thread);
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(in_a_group_stop_that_ends_before_it)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;

    begin(_i);
    target = launch_calling("read", NULL);
    thread = run_into(&target, SYS_read);
    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    event = expect_signal(SIGSTOP);
    resume(&event);
    event = expect_of(SDB_EVENT_GROUP_STOP, thread);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    inject_unseen(thread);
    resume(&event);
    event = expect_of(SDB_EVENT_GROUP_CONTINUE, thread);
    resume(&event);
    event = expect_signal(SIGCONT);
    tell_target(&target, 'x');
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(at_a_fork_and_in_the_newborn)
{
    struct target target;
    struct sdb_event event;
    struct sdb_thread *parent;
    struct sdb_thread *newborn;

    begin(_i);
    target = crew_that_follows(1, SDB_FOLLOW_FORK | SDB_FOLLOW_CLONE | SDB_FOLLOW_VFORK);
    set_gate(target.board, true);
    order(&target, 1, 'f');
    event = expect(SDB_EVENT_FORK);
    parent = event.thread;
    newborn = event.new_thread;
    inject_unseen_but(parent, false, true);
    expect_of(SDB_EVENT_START, newborn);
    inject_unseen(newborn);
    /* The end of the fork is still to come, with its result. */
    resume_thread(parent, SDB_RESUME_SYSCALL);
    expect_of(SDB_EVENT_SYSCALL_EXIT, parent);
    inject_unseen(parent);
    resume_thread(parent, SDB_RESUME_CONTINUE);
    resume_thread(newborn, SDB_RESUME_CONTINUE);
    expect_exit(SDB_EXITED, 3);
    expect_result(&target, 3);
    close_input(&target);
    run_to_end(target.process);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(at_a_vfork_it_is_refused_and_after_it_not)
{
    struct target target;
    struct sdb_event event;
    struct sdb_thread *parent;
    struct sdb_thread *newborn;
    int64_t result;

    begin(_i);
    target = crew_that_follows(1, SDB_FOLLOW_FORK | SDB_FOLLOW_CLONE | SDB_FOLLOW_VFORK);
    set_gate(target.board, true);
    order(&target, 1, 'V');
    event = expect(SDB_EVENT_VFORK);
    parent = event.thread;
    newborn = event.new_thread;
    ck_assert_int_eq(sdb_thread_inject(parent, SYS_getpid, none, &result), -EBUSY);
    expect_of(SDB_EVENT_START, newborn);
    inject_unseen(newborn);
    resume_thread(newborn, SDB_RESUME_CONTINUE);
    resume_thread(parent, SDB_RESUME_CONTINUE);
    for (int ends = 0; ends < 2; ends++) {
        event = next_event();
        ck_assert(event.kind == SDB_EVENT_VFORK_DONE || event.kind == SDB_EVENT_EXITED);
    }
    inject_unseen_but(parent, false, true);
    resume_thread(parent, SDB_RESUME_CONTINUE);
    expect_result(&target, 3);
    close_input(&target);
    run_to_end(target.process);
    finish();
    close_target(&target);
}
END_TEST

/* ---- threads that wait ---- */

/* Interrupt it again and again, while it waits for what comes in the end. */
static void disturb(struct sdb_thread *thread)
{
    for (int i = 0; i < 5; i++) {
        struct sdb_event event;

        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        event = expect_of(SDB_EVENT_INTERRUPT, thread);
        inject_unseen(thread);
        resume(&event);
        await_state(sdb_thread_tid(thread), 'S');
    }
}

START_TEST(in_a_sleep_which_ends_in_time)
{
    struct target target;

    begin(_i);
    target = launch_calling("sleep", "600");
    disturb(run_into(&target, SYS_clock_nanosleep));
    end_well(&target);
}
END_TEST

START_TEST(in_a_sleep_to_a_point_of_time)
{
    struct target target;

    begin(_i);
    target = launch_calling("absolute", "600");
    disturb(run_into(&target, SYS_clock_nanosleep));
    end_well(&target);
}
END_TEST

START_TEST(in_a_read)
{
    struct target target;

    begin(_i);
    target = launch_calling("read", NULL);
    disturb(run_into(&target, SYS_read));
    tell_target(&target, 'x');
    end_well(&target);
}
END_TEST

START_TEST(in_a_futex_wait)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_calling("join", NULL);
    set_follow(target.process, 0);
    disturb(run_into(&target, SYS_futex));
    tell_target(&target, 'x');
    event = expect_exit(SDB_EXITED, 0);
    (void)event;
    finish();
    close_target(&target);
}
END_TEST

START_TEST(in_a_pause_and_at_its_signal)
{
    struct target target;
    struct sdb_event event;
    struct sdb_thread *thread;

    begin(_i);
    target = launch_calling("pause", NULL);
    thread = run_into(&target, SYS_pause);
    disturb(thread);
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    event = expect_signal(SIGUSR1);
    inject_unseen_at_signal(thread);
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(in_a_wait_with_a_mask_of_its_own)
{
    struct target target;
    struct sdb_event event;
    struct sdb_thread *thread;
    int64_t result;

    begin(_i);
    target = launch_calling("suspend", NULL);
    thread = run_into(&target, SYS_rt_sigsuspend);
    disturb(thread);
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    event = expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, none, &result), -EBUSY);
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(at_the_end_of_a_call_that_was_interrupted)
{
    struct target target;
    struct sdb_thread *thread;

    begin(_i);
    target = launch_calling("sleep", "600");
    thread = run_into(&target, SYS_clock_nanosleep);
    for (int i = 0; i < 3; i++) {
        stop_thread(thread);
        resume_thread(thread, SDB_RESUME_SYSCALL);
        expect_of(SDB_EVENT_SYSCALL_ENTRY, thread);
        inject_unseen(thread);
        resume_thread(thread, SDB_RESUME_SYSCALL);
        await_state(target.pid, 'S');
        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        expect_of(SDB_EVENT_SYSCALL_EXIT, thread);
        inject_unseen(thread);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        /* The session lets it go on from the interrupt that was left to it. */
        expect_nothing();
        await_state(target.pid, 'S');
    }
    end_well(&target);
}
END_TEST

/* ---- signals ---- */

START_TEST(a_signal_with_a_value_still_comes)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_calling("queue", NULL);
    resume_process(target.process);
    event = expect_signal(SIGRTMIN);
    inject_unseen_at_signal(event.thread);
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(a_fault_still_comes)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_calling("fault", NULL);
    resume_process(target.process);
    event = expect_signal(SIGSEGV);
    inject_unseen_at_signal(event.thread);
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(a_signal_that_was_coming_can_be_dropped)
{
    struct target target;
    struct sdb_event event;

    begin(_i);
    target = launch_calling("queue", NULL);
    resume_process(target.process);
    event = expect_signal(SIGRTMIN);
    inject_unseen_at_signal(event.thread);
    ck_assert_int_eq(sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 0), 0);
    expect_exit(SDB_EXITED, 1); /* it misses the signal */
    finish();
    close_target(&target);
}
END_TEST

START_TEST(handlers_masks_and_waiting_signals_are_kept)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;

    begin(_i);
    target = launch_calling("kept", NULL);
    thread = run_into(&target, SYS_read);
    disturb(thread);
    tell_target(&target, 'x');
    event = expect_signal(SIGTRAP);
    inject_unseen_at_signal(thread);
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(in_a_flood_of_signals)
{
    struct target target;
    struct sdb_thread *thread;
    int signals = 0;

    begin(_i);
    target = launch_calling("alarms", NULL);
    thread = sdb_process_thread(target.process);
    resume_process(target.process);
    wait_ready(&target);
    for (int i = 0; i < rounds(1000); i++) {
        struct sdb_event event;
        int rc = sdb_thread_interrupt(thread);

        ck_assert(rc == 0 || rc == -EALREADY);
        event = next_event();
        ck_assert_msg(event.kind == SDB_EVENT_INTERRUPT || event.kind == SDB_EVENT_SIGNAL, "%s",
                      sdb_event_name(event.kind));
        if (event.kind == SDB_EVENT_SIGNAL)
            ck_assert_int_eq(event.signal, SIGALRM);
        signals += event.kind == SDB_EVENT_SIGNAL;
        ck_assert_int_eq(inject(thread, SYS_gettid, none), target.pid);
        resume(&event);
    }
    ck_assert_int_gt(signals, 0);
    tell_target(&target, 'x');
    for (;;) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_int_eq(event.status->how, SDB_EXITED);
            ck_assert_int_eq(event.status->code, 0);
            break;
        }
        resume(&event);
    }
    finish();
    close_target(&target);
}
END_TEST

/* ---- what it is used for ---- */

static int64_t inject_with(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                           const struct sdb_inject_buffer *buffers, size_t count)
{
    int64_t result = INT64_MIN;
    int rc = sdb_thread_inject_with(thread, number, arguments, buffers, count, &result);

    ck_assert_msg(rc == 0, "%s", sdb_error_describe(rc));
    return result;
}

/* Launch the reader, have it wait for its byte, and stop it there. */
static struct target stopped_reader(struct sdb_thread **thread)
{
    struct target target = launch_calling("read", NULL);

    *thread = run_into(&target, SYS_read);
    stop_thread(*thread);
    return target;
}

static void end_reader(struct target *target)
{
    tell_target(target, 'x');
    resume_process(target->process);
    end_well(target);
}

START_TEST(a_file_is_opened_in_the_program)
{
    char path[] = "/tmp/sdb-inject-XXXXXX";
    char text[] = "written by another\n";
    char content[64] = {0};
    const struct sdb_inject_buffer name = {path, sizeof(path), 1, SDB_INJECT_IN};
    const struct sdb_inject_buffer bytes = {text, strlen(text), 1, SDB_INJECT_IN};
    const uint64_t opening[6] = {(uint64_t)AT_FDCWD, 0, O_WRONLY};
    struct target target;
    struct sdb_thread *thread;
    int own = mkstemp(path);
    int64_t fd;

    ck_assert_int_ge(own, 0);
    begin(_i);
    target = stopped_reader(&thread);
    fd = inject_with(thread, SYS_openat, opening, &name, 1);
    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(
        inject_with(thread, SYS_write, (uint64_t[6]){(uint64_t)fd, 0, strlen(text)}, &bytes, 1),
        (int64_t)strlen(text));
    ck_assert_int_eq(inject(thread, SYS_dup2, (uint64_t[6]){(uint64_t)fd, 33}), 33);
    ck_assert_int_eq(inject(thread, SYS_close, (uint64_t[6]){33}), 0);
    ck_assert_int_eq(inject(thread, SYS_close, (uint64_t[6]){(uint64_t)fd}), 0);
    ck_assert_int_eq(inject(thread, SYS_close, (uint64_t[6]){(uint64_t)fd}), -EBADF);
    ck_assert_int_eq(read(own, content, sizeof(content)), (ssize_t)strlen(text));
    ck_assert_str_eq(content, text);
    close(own);
    unlink(path);
    end_reader(&target);
}
END_TEST

/* Memory for more than goes on the stack is mapped, and unmapped again. */
static char *maps_of(int pid)
{
    struct sdb_facts_maps *maps;
    char *text = calloc(1, 65536);
    size_t len = 0;

    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(sdb_facts_read_maps(pid, &maps), 0);
    for (size_t i = 0; i < maps->count; i++)
        len += (size_t)snprintf(text + len, 65536 - len, "%llx-%llx %x %s\n",
                                (unsigned long long)maps->list[i]->start,
                                (unsigned long long)maps->list[i]->end,
                                (unsigned)maps->list[i]->flags, maps->list[i]->name);
    sdb_facts_free(maps);
    return text;
}

START_TEST(the_working_directory_is_asked_for_and_changed)
{
    static const size_t sizes[] = {64, 4096, 100000};
    char directory[] = "/usr";
    const struct sdb_inject_buffer to = {directory, sizeof(directory), 0, SDB_INJECT_IN};
    struct target target;
    struct sdb_thread *thread;
    char *before;

    begin(_i);
    target = stopped_reader(&thread);
    before = maps_of(target.pid);
    ck_assert_int_eq(inject_with(thread, SYS_chdir, none, &to, 1), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *path = malloc(sizes[i]);
        const struct sdb_inject_buffer room = {path, sizes[i], 0, SDB_INJECT_OUT};
        char *after;

        memset(path, 'z', sizes[i]);
        ck_assert_int_eq(inject_with(thread, SYS_getcwd, (uint64_t[6]){0, sizes[i]}, &room, 1), 5);
        ck_assert_str_eq(path, "/usr");
        ck_assert_int_eq(path[sizes[i] - 1], 0);
        after = maps_of(target.pid);
        ck_assert_str_eq(before, after);
        free(after);
        free(path);
    }
    free(before);
    inject_unseen(thread);
    end_reader(&target);
}
END_TEST

START_TEST(a_limit_is_exchanged)
{
    struct rlimit wanted = {100, 200};
    struct rlimit had = {1, 1};
    struct rlimit now = {0, 0};
    const struct sdb_inject_buffer both[] = {
        {&wanted, sizeof(wanted), 2, SDB_INJECT_INOUT},
        {&had, sizeof(had), 3, SDB_INJECT_OUT},
    };
    struct rlimit own;
    struct target target;
    struct sdb_thread *thread;

    begin(_i);
    target = stopped_reader(&thread);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &own), 0);
    ck_assert_int_eq(inject_with(thread, SYS_prlimit64, (uint64_t[6]){0, RLIMIT_NOFILE}, both, 2),
                     0);
    ck_assert_uint_eq(had.rlim_cur, own.rlim_cur);
    ck_assert_uint_eq(wanted.rlim_max, 200);
    ck_assert_int_eq(prlimit(target.pid, RLIMIT_NOFILE, NULL, &now), 0);
    ck_assert_uint_eq(now.rlim_cur, 100);
    ck_assert_uint_eq(now.rlim_max, 200);
    end_reader(&target);
}
END_TEST

START_TEST(memory_is_mapped_and_unmapped)
{
    const uint64_t arguments[6] = {
        0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0};
    char word[] = "word";
    char back[sizeof(word)] = "";
    char path[64];
    struct target target;
    struct sdb_thread *thread;
    int64_t address;
    int fd;

    begin(_i);
    target = stopped_reader(&thread);
    address = inject(thread, SYS_mmap, arguments);
    ck_assert(address > 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", target.pid);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(pwrite(fd, word, sizeof(word), address), sizeof(word));
    ck_assert_int_eq(pread(fd, back, sizeof(back), address), sizeof(word));
    ck_assert_str_eq(back, word);
    ck_assert_int_eq(
        inject(thread, SYS_mprotect, (uint64_t[6]){(uint64_t)address, 4096, PROT_NONE}), 0);
    ck_assert_int_eq(inject(thread, SYS_munmap, (uint64_t[6]){(uint64_t)address, 4096}), 0);
    ck_assert_int_eq(pread(fd, back, sizeof(back), address), -1);
    close(fd);
    end_reader(&target);
}
END_TEST

START_TEST(a_changed_mask_and_thread_pointer_stay)
{
    uint64_t set = UINT64_C(1) << (SIGUSR2 - 1);
    uint64_t old = UINT64_MAX;
    uint64_t mask = 0;
    const struct sdb_inject_buffer masks[] = {
        {&set, sizeof(set), 1, SDB_INJECT_IN},
        {&old, sizeof(old), 2, SDB_INJECT_OUT},
    };
    struct user_regs_struct registers;
    struct target target;
    struct sdb_thread *thread;

    begin(_i);
    target = stopped_reader(&thread);
    ck_assert_int_eq(inject_with(thread, SYS_rt_sigprocmask,
                                 (uint64_t[6]){SIG_BLOCK, 0, 0, sizeof(set)}, masks, 2),
                     0);
    ck_assert_uint_eq(old, 0);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETSIGMASK, target.pid, 8, &mask), 0);
    ck_assert_uint_eq(mask, set);
    ck_assert_int_eq(inject(thread, SYS_arch_prctl, (uint64_t[6]){0x1001 /* set gs */, 4096}), 0);
    inject_unseen(thread);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETREGS, target.pid, 0, &registers), 0);
    ck_assert_uint_eq(registers.gs_base, 4096);
    ck_assert_int_eq(kill(target.pid, SIGUSR2), 0); /* it would end it */
    end_reader(&target);
}
END_TEST

START_TEST(a_forked_child_is_held_where_its_parent_stands)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;
    struct user_regs_struct of_parent;
    struct user_regs_struct of_child;
    int64_t child;

    begin(_i);
    target = stopped_reader(&thread);
    set_follow(target.process, SDB_FOLLOW_FORK | SDB_FOLLOW_CLONE);
    child = inject(thread, SYS_fork, none);
    ck_assert_int_gt(child, 0);
    inject_unseen(thread);
    event = expect(SDB_EVENT_START);
    ck_assert_int_eq(sdb_process_pid(event.process), (int)child);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETREGS, target.pid, 0, &of_parent), 0);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETREGS, (pid_t)child, 0, &of_child), 0);
    ck_assert_uint_eq(of_child.rip, of_parent.rip);
    ck_assert_uint_eq(of_child.rsp, of_parent.rsp);
    ck_assert_uint_eq(of_child.rax, 0);
    ck_assert_int_eq(status_of((int)child, "SigBlk", 16), 0);
    inject_unseen(event.thread);
    /* It reads 0 bytes, as it seems. */
    resume(&event);
    expect_exit(SDB_EXITED, 1);
    inject_unseen(thread);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    event = expect_signal(SIGCHLD);
    tell_target(&target, 'x');
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(an_exit_is_told)
{
    struct target target;
    struct sdb_thread *thread;
    int64_t result = 7;

    begin(_i);
    target = stopped_reader(&thread);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_exit_group, (uint64_t[6]){42}, &result), -ESRCH);
    ck_assert_int_eq(result, 7);
    expect_exit(SDB_EXITED, 42);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(an_exit_of_a_first_thread_is_told_with_the_last)
{
    struct target target;
    struct sdb_thread *first;
    struct sdb_thread *other;
    struct sdb_event event;
    int64_t result;

    begin(_i);
    target = launch_crew(1);
    first = crew_thread(&target, 0);
    other = crew_thread(&target, 1);
    stop_thread(first);
    stop_thread(other);
    ck_assert_int_eq(sdb_thread_inject(first, SYS_exit, (uint64_t[6]){5}, &result), -ESRCH);
    expect_nothing();
    inject_unseen(other);
    ck_assert_int_eq(sdb_thread_inject(other, SYS_exit, (uint64_t[6]){6}, &result), -ESRCH);
    event = expect_thread_exit(SDB_EXITED, 6);
    ck_assert_ptr_eq(event.thread, other);
    expect_exit(SDB_EXITED, 6);
    finish();
    close_target(&target);
}
END_TEST

/* ---- filters ---- */

START_TEST(a_filter_of_the_programs_own_refuses)
{
    struct target target;
    struct sdb_thread *thread;

    begin(_i);
    target = launch_calling("refuse", NULL);
    thread = run_into(&target, SYS_read);
    stop_thread(thread);
    ck_assert_int_eq(inject(thread, SYS_getppid, none), -EPERM);
    inject_unseen(thread);
    end_reader(&target);
}
END_TEST

START_TEST(a_filter_of_the_programs_own_traps)
{
    struct target target;
    struct sdb_thread *thread;
    int64_t result;

    begin(_i);
    target = launch_calling("trap", NULL);
    thread = run_into(&target, SYS_read);
    stop_thread(thread);
    for (int i = 0; i < TURNS; i++) {
        ck_assert_int_eq(sdb_thread_inject(thread, SYS_getppid, none, &result), -EACCES);
        inject_unseen(thread);
    }
    end_reader(&target);
}
END_TEST

/* ---- what comes meanwhile ---- */

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

    while (syscall_of(sender->tid) != SYS_read)
        sched_yield();
    (void)kill(sender->pid, sender->signal);
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

START_TEST(a_signal_that_comes_meanwhile_comes_afterwards)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;

    begin(_i);
    target = launch_calling("pause", NULL);
    thread = run_into(&target, SYS_pause);
    stop_thread(thread);
    ck_assert_int_eq(read_under(thread, SIGUSR1), 0);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    event = expect_signal(SIGUSR1);
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(a_stop_that_comes_meanwhile_comes_afterwards)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_event event;

    begin(_i);
    target = stopped_reader(&thread);
    ck_assert_int_eq(read_under(thread, SIGSTOP), 0);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    event = expect_signal(SIGSTOP);
    resume(&event);
    event = expect_of(SDB_EVENT_GROUP_STOP, thread);
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    resume(&event);
    event = expect_of(SDB_EVENT_GROUP_CONTINUE, thread);
    resume(&event);
    event = expect_signal(SIGCONT);
    tell_target(&target, 'x');
    resume(&event);
    end_well(&target);
}
END_TEST

START_TEST(one_that_is_killed_meanwhile_is_told)
{
    struct target target;
    struct sdb_thread *thread;

    begin(_i);
    target = stopped_reader(&thread);
    ck_assert_int_eq(read_under(thread, SIGKILL), -ESRCH);
    expect_exit(SDB_KILLED, SIGKILL);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(a_first_thread_that_is_killed_with_others_is_told)
{
    struct target target;
    struct sdb_thread *first;
    struct sdb_exit_status status;

    begin(_i);
    target = launch_crew(3);
    first = crew_thread(&target, 0);
    stop_thread(first);
    ck_assert_int_eq(read_under(first, SIGKILL), -ESRCH);
    status = run_to_end(target.process);
    ck_assert_int_eq(status.how, SDB_KILLED);
    finish();
    close_target(&target);
}
END_TEST

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

START_TEST(killed_at_random_instants)
{
    kill_at_random(_i, 0, rounds(150), 1);
}
END_TEST

START_TEST(killed_at_random_instants_with_other_threads)
{
    kill_at_random(_i, 2, rounds(100), 2);
}
END_TEST

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

START_TEST(in_a_first_thread_while_another_executes_a_program)
{
    execute_meanwhile(_i, 0);
}
END_TEST

START_TEST(in_another_thread_while_one_executes_a_program)
{
    execute_meanwhile(_i, 1);
}
END_TEST

START_TEST(in_each_of_many_threads)
{
    struct target target;

    begin(_i);
    target = launch_crew(20);
    ck_assert_int_eq(sdb_process_stop(target.process, PATIENCE_MS), 0);
    for (int place = 0; place <= 20; place++)
        inject_unseen(crew_thread(&target, place));
    resume_process(target.process);
    close_input(&target);
    run_to_end(target.process);
    finish();
    close_target(&target);
}
END_TEST

START_TEST(one_that_is_let_go_afterwards_goes_on)
{
    struct target target;
    struct sdb_thread *thread;
    struct sdb_child *child = NULL;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    begin(_i);
    target = launch_calling("sleep", "400");
    thread = run_into(&target, SYS_clock_nanosleep);
    stop_thread(thread);
    inject_unseen(thread);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &child), 0);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(child);
    finish();
    close_target(&target);
}
END_TEST

/* ---- refusals ---- */

START_TEST(what_cannot_be_injected_is_refused)
{
    static const long numbers[] = {SYS_execve,       SYS_execveat,        SYS_vfork,
                                   SYS_rt_sigreturn, SYS_restart_syscall, SYS_fork};
    char byte = 0;
    const struct sdb_inject_buffer wrong[] = {
        {NULL, 1, 0, SDB_INJECT_IN},
        {&byte, 1, 6, SDB_INJECT_IN},
        {&byte, 1, 0, 0},
        {&byte, 1, 0, 4},
        {&byte, SIZE_MAX, 0, SDB_INJECT_IN},
    };
    const struct sdb_inject_buffer twice[] = {
        {&byte, 1, 0, SDB_INJECT_IN},
        {&byte, 1, 0, SDB_INJECT_IN},
    };
    struct target target;
    struct sdb_thread *thread;
    int64_t result = 7;

    begin(_i);
    target = stopped_reader(&thread);
    set_follow(target.process, SDB_FOLLOW_CLONE);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ck_assert_int_eq(sdb_thread_inject(thread, numbers[i], none, &result), -ENOTSUP);
    ck_assert_int_eq(sdb_thread_inject(NULL, SYS_getpid, none, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject(thread, -1, none, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, NULL, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, none, NULL), -EINVAL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(sdb_thread_inject_with(thread, SYS_getpid, none, &wrong[i], 1, &result),
                         wrong[i].length == SIZE_MAX ? -E2BIG : -EINVAL);
    ck_assert_int_eq(sdb_thread_inject_with(thread, SYS_getpid, none, twice, 2, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject_with(thread, SYS_getpid, none, NULL, 1, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject_with(thread, SYS_getpid, none, twice, 7, &result), -EINVAL);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(inject(thread, 100000, none), -ENOSYS);
    inject_unseen(thread);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, none, &result), -EBUSY);
    tell_target(&target, 'x');
    end_well(&target);
}
END_TEST

int main(void)
{
    const TTest *const stops[] = {
        at_an_exec,
        after_an_exec_the_stops_are_the_same,
        a_step_out_of_an_exec_executes_one_instruction,
        at_both_ends_of_each_call_of_a_program,
        after_each_of_many_steps,
        in_a_group_stop_which_stays,
        in_a_group_stop_that_ends_before_it,
        at_a_fork_and_in_the_newborn,
        at_a_vfork_it_is_refused_and_after_it_not,
    };
    const TTest *const waits[] = {
        in_a_sleep_which_ends_in_time,
        in_a_sleep_to_a_point_of_time,
        in_a_read,
        in_a_futex_wait,
        in_a_pause_and_at_its_signal,
        in_a_wait_with_a_mask_of_its_own,
        at_the_end_of_a_call_that_was_interrupted,
    };
    const TTest *const signals[] = {
        a_signal_with_a_value_still_comes,
        a_fault_still_comes,
        a_signal_that_was_coming_can_be_dropped,
        handlers_masks_and_waiting_signals_are_kept,
        in_a_flood_of_signals,
    };
    const TTest *const uses[] = {
        a_file_is_opened_in_the_program,
        the_working_directory_is_asked_for_and_changed,
        a_limit_is_exchanged,
        memory_is_mapped_and_unmapped,
        a_changed_mask_and_thread_pointer_stay,
        a_forked_child_is_held_where_its_parent_stands,
        an_exit_is_told,
        an_exit_of_a_first_thread_is_told_with_the_last,
        a_filter_of_the_programs_own_refuses,
        a_filter_of_the_programs_own_traps,
        what_cannot_be_injected_is_refused,
    };
    const TTest *const meanwhile[] = {
        a_signal_that_comes_meanwhile_comes_afterwards,
        a_stop_that_comes_meanwhile_comes_afterwards,
        one_that_is_killed_meanwhile_is_told,
        a_first_thread_that_is_killed_with_others_is_told,
        killed_at_random_instants,
        killed_at_random_instants_with_other_threads,
        in_a_first_thread_while_another_executes_a_program,
        in_another_thread_while_one_executes_a_program,
        in_each_of_many_threads,
        one_that_is_let_go_afterwards_goes_on,
    };
    Suite *suite = suite_create("inject");

    HOLDING_CASE(suite, stops);
    HOLDING_CASE(suite, waits);
    HOLDING_CASE(suite, signals);
    HOLDING_CASE(suite, uses);
    HOLDING_CASE(suite, meanwhile);
    return holding_run_suite(suite);
}
