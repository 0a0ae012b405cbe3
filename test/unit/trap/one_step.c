/* SPDX-License-Identifier: MIT */
/*
 * A program that is stepped cannot tell: its flags, its mask, SIGTRAP's handler, its children and what it
 * executes are as they are when it runs alone; and each step is one instruction, told once.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "holding.h"

#define STEPPED    SDB_TRACEE_DIR "/stepped"
#define MARKS      12
#define MOST_STEPS 100000

static struct target target;
static struct sdb_thread *thread;
static struct {
    uint64_t end;
    uint64_t marks[MARKS];
} places;

static const char *const scenes[] = {"flags",   "own",     "traps", "blocked", "all",
                                     "pending", "ignored", "fork",  "exec",    "system"};
#define SCENES ((int)(sizeof(scenes) / sizeof(scenes[0])))

HOLDING_CASE(one_step);

/* It stands in the call before its scene. */
static void go_to_scene(const char *scene)
{
    const char *const argv[] = {STEPPED, scene, NULL};

    target = launch_program(STEPPED, argv);
    thread = sdb_process_thread(target.process);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &places, sizeof(places)), (ssize_t)sizeof(places));
    tell_target(&target, 'g');
    (void)expect_signal(SIGSTOP);
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_STEP, 0), 0);
    (void)expect_of(SDB_EVENT_STEP, thread);
}

/* Resume what has happened: the thread so, others freely.  @return whether its process has not ended */
static bool go_on(const struct sdb_event *event, enum sdb_resume how)
{
    if (event->kind == SDB_EVENT_EXITED && event->process == target.process)
        return false;
    if (event->thread == thread && event->kind != SDB_EVENT_EXITED)
        resume_thread(thread, how);
    else if (!is_end(event))
        resume(event);
    return true;
}

/* Step so often, or to the end of the scene, and have it run on from there. */
static void step_and_run(int count)
{
    enum sdb_resume how = count > 0 ? SDB_RESUME_STEP : SDB_RESUME_CONTINUE;
    struct sdb_event event;

    resume_thread(thread, how);
    for (;;) {
        event = next_event();
        if (event.thread == thread && event.kind == SDB_EVENT_STEP &&
            (--count <= 0 || pc_of(thread) == places.end))
            how = SDB_RESUME_CONTINUE;
        if (!go_on(&event, how))
            break;
    }
    ck_assert_uint_eq(event.status->how, SDB_EXITED);
    ck_assert_int_eq(event.status->code, 0);
    close_target(&target);
}

LOOP_TEST(a_program_that_is_stepped_cannot_tell, 0, SCENES)
{
    begin(WAY_IO_URING);
    go_to_scene(scenes[_i]);
    step_and_run(MOST_STEPS);
    finish();
}

/* Wherever the steps end. */
TEST(a_program_that_was_stepped_cannot_tell)
{
    begin(_i);
    for (int count = 0; count < 60; count++) {
        go_to_scene(scenes[count % 5]);
        step_and_run(count);
    }
    finish();
}

/* A signal that comes before one of the first instructions, or just as it is stepped. */
TEST(a_handler_that_comes_in_between_sees_no_trap_flag)
{
    begin(_i);
    for (int count = 0; count < 80; count++) {
        struct sdb_event event;

        go_to_scene("flags");
        for (int steps = 0; steps <= count / 2; steps++) {
            const bool sends = steps == count / 2;

            if (sends && count % 2 == 0)
                ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
            resume_thread(thread, SDB_RESUME_STEP);
            if (sends && count % 2 == 1)
                ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
            event = next_event();
            ck_assert_ptr_eq(event.thread, thread);
        }
        step_and_run(MOST_STEPS);
    }
    finish();
}

/* The same where it is let go. */
TEST(a_program_that_is_let_go_between_steps_cannot_tell)
{
    begin(_i);
    for (int count = 1; count < 60; count++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct sdb_child *child;

        go_to_scene(scenes[count % 5]);
        for (int steps = 0; steps < count; steps++) {
            struct sdb_event event;

            resume_thread(thread, SDB_RESUME_STEP);
            event = next_event();
            ck_assert_ptr_eq(event.thread, thread);
        }
        resume_thread(thread, SDB_RESUME_STEP);
        child = detach_child(target.process);
        ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
        ck_assert_uint_eq(status.how, SDB_EXITED);
        ck_assert_int_eq(status.code, 0);
        sdb_child_close(child);
        close_target(&target);
    }
    finish();
}

/* @return whether it stands behind a call that the interrupt has ended, and that is made again */
static bool is_in_call(void)
{
    uint64_t result = 0;

    ck_assert_int_eq(sdb_thread_get_register(thread, "rax", &result), 0);
    return -result >= 512 && -result <= 516;
}

/* An interrupt that comes between an instruction and its trap makes no step of nothing. */
TEST(a_step_that_is_interrupted_is_told_once)
{
    begin(_i);
    for (int scene = 0; scene < 5; scene++) {
        uint64_t before;
        uint64_t pc;

        go_to_scene(scenes[scene]);
        pc = pc_of(thread);
        for (int turn = 0; pc != places.end; turn++) {
            struct sdb_event event;

            before = pc;
            resume_thread(thread, SDB_RESUME_STEP);
            for (volatile int wait = 0; wait < turn % 64 * 50; wait++)
                continue;
            if (turn % 2 == 0)
                (void)sdb_thread_interrupt(thread);
            event = next_event();
            ck_assert_ptr_eq(event.thread, thread);
            pc = pc_of(thread);
            if (event.kind == SDB_EVENT_STEP)
                ck_assert_uint_ne(pc, before);
            else if (event.kind == SDB_EVENT_INTERRUPT && !is_in_call())
                ck_assert_uint_eq(pc, before);
            else if (event.kind == SDB_EVENT_INTERRUPT)
                pc = before; /* it is made again, and that step is still to be told */
            else
                ck_assert_uint_eq(event.kind, SDB_EVENT_SIGNAL);
        }
        step_and_run(0);
    }
    finish();
}

/* A step goes on over one that the kernel carries out itself, and never farther. */
TEST(a_step_of_what_the_kernel_emulates_goes_on_to_the_next_instruction_at_most)
{
    begin(_i);
    go_to_scene("system");
    while (pc_of(thread) != places.marks[0])
        (void)step_to(thread, SDB_EVENT_STEP);
    for (int at = 0; at < 9;) {
        const int before = at;

        (void)step_to(thread, SDB_EVENT_STEP);
        while (at < 9 && places.marks[at] != pc_of(thread))
            at++;
        if (at < 9)
            ck_assert_int_le(at - before, 2);
    }
    step_and_run(0);
    finish();
}

/* The instruction is stepped in its own place, and that step has hit both. */
TEST(a_watchpoint_that_is_hit_by_a_displaced_instruction_is_told)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_watchpoint_options watch = SDB_WATCHPOINT_OPTIONS_INIT;
    static const enum sdb_resume ways[] = {SDB_RESUME_CONTINUE, SDB_RESUME_STEP};
    struct sdb_breakpoint *breakpoint;
    struct sdb_watchpoint *watchpoint;
    uint64_t stack = 0;

    begin(_i);
    for (int way = 0; way < 2; way++) {
        go_to_scene("place");
        options.address = places.marks[10];
        ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
        resume_thread(thread, SDB_RESUME_CONTINUE);
        (void)expect_of(SDB_EVENT_BREAKPOINT, thread);
        ck_assert_int_eq(sdb_thread_get_register(thread, "rsp", &stack), 0);
        watch.address = stack;
        watch.length = 8;
        watch.watch = SDB_WATCH_ACCESS;
        ck_assert_int_eq(sdb_watchpoint_create(target.process, &watch, &watchpoint), 0);
        resume_thread(thread, ways[way]);
        ck_assert_ptr_eq(expect_of(SDB_EVENT_WATCHPOINT, thread).watchpoint, watchpoint);
        ck_assert_uint_eq(pc_of(thread), places.marks[11]);
        ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
        step_and_run(0);
    }
    finish();
}

/* The hit shows what the program has pushed. */
TEST(a_watchpoint_on_flags_that_are_pushed_sees_no_trap_flag)
{
    struct sdb_watchpoint_options watch = SDB_WATCHPOINT_OPTIONS_INIT;
    struct sdb_watchpoint *watchpoint;
    uint64_t stack = 0;
    uint64_t flags = 0;
    uint8_t byte = 0;

    begin(_i);
    go_to_scene("place");
    while (byte != 0x9c) {
        (void)step_to(thread, SDB_EVENT_STEP);
        ck_assert_int_eq(sdb_memory_read(target.process, pc_of(thread), &byte, 1), 1);
    }
    ck_assert_int_eq(sdb_thread_get_register(thread, "rsp", &stack), 0);
    watch.address = stack - sizeof(flags);
    watch.length = sizeof(flags);
    ck_assert_int_eq(sdb_watchpoint_create(target.process, &watch, &watchpoint), 0);
    (void)step_to(thread, SDB_EVENT_WATCHPOINT);
    ck_assert_int_eq(sdb_memory_read(target.process, watch.address, &flags, sizeof(flags)),
                     (int)sizeof(flags));
    ck_assert_uint_eq(flags & 0x100, 0);
    step_and_run(0);
    finish();
}

int main(void)
{
    return run_suite("one step");
}
