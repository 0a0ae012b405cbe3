/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints in the debug registers: each execution is one hit, by whatever thread, and nothing is
 * left of them in who is let go.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "breaking.h"
#include "watching.h"

#define CREW  8
#define TURNS 20

/* Above all that a program can have. */
#define KERNEL_ADDRESS UINT64_C(0xffffffff81000000)

static struct sdb_breakpoint_options hardware_at(uint64_t address)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;

    options.flags = SDB_BREAKPOINT_HARDWARE;
    options.address = address;
    return options;
}

static struct sdb_breakpoint *create(struct sdb_process *process,
                                     const struct sdb_breakpoint_options *options)
{
    struct sdb_breakpoint *breakpoint = NULL;
    int rc = sdb_breakpoint_create(process, options, &breakpoint);

    ck_assert_msg(rc == 0, "create: %s", sdb_error_describe(rc));
    return breakpoint;
}

static void expect_none(struct sdb_process *process, const struct sdb_breakpoint_options *options,
                        int code)
{
    struct sdb_breakpoint *breakpoint = NULL;
    int rc = sdb_breakpoint_create(process, options, &breakpoint);

    ck_assert_msg(rc == code, "create: %s, not %s", sdb_error_describe(rc),
                  sdb_error_describe(code));
    ck_assert_ptr_null(breakpoint);
}

static struct sdb_breakpoint *plant_hardware(const struct target *target, enum place place)
{
    const struct sdb_breakpoint_options options = hardware_at(address_of(target, place));

    return create(target->process, &options);
}

/* What a held thread's debug control register says. */
static uint64_t control_of(const struct sdb_thread *thread)
{
    uint64_t value = 0;

    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_PEEKUSER, sdb_thread_tid(thread),
                             offsetof(struct user, u_debugreg[7]), &value),
                     0);
    return value;
}

static int refuse(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *data)
{
    uint64_t address = 0;

    ck_assert_ptr_nonnull(breakpoint);
    ck_assert_int_eq(sdb_thread_pc(thread, &address), 0);
    ++*(uint64_t *)data;
    return 0;
}

HOLDING_CASE(hits);

TEST(each_execution_by_any_thread_is_a_hit)
{
    static const enum place places[] = {PLACE_push, PLACE_call, PLACE_system, PLACE_ret};

    for (int mode = SDB_NON_STOP; mode <= SDB_ALL_STOP; mode++) {
        struct tally tally = {0};
        struct target target;

        begin(_i);
        target = launch_places(CREW, TURNS, false);
        ck_assert_int_eq(sdb_process_set_stop_mode(target.process, (enum sdb_stop_mode)mode), 0);
        for (int i = 0; i < 4; i++)
            (void)plant_hardware(&target, places[i]);
        obey(&target, 's', &tally); /* newborn threads, all of them */
        for (int i = 0; i < 4; i++)
            ck_assert_uint_eq(tally.hits[places[i]], CREW * TURNS);
        obey(&target, 'g', &tally);
        for (int i = 0; i < 4; i++)
            ck_assert_uint_eq(tally.hits[places[i]], (CREW + 1) * TURNS);
        ck_assert_uint_eq(tally.signals[SIGTRAP], 0);
        expect_right(&target);
        end_places(&target);
        finish();
        close_target(&target);
    }
}

SESSION_TEST(condition_and_ignore_count_are_heeded)
{
    struct tally tally = {0};
    uint64_t asked = 0;
    struct target target = launch_places(CREW, TURNS, false);
    struct sdb_breakpoint_options options;
    struct sdb_breakpoint *asked_one;
    struct sdb_breakpoint *ignored;

    options = hardware_at(address_of(&target, PLACE_push));
    options.condition = refuse;
    options.condition_data = &asked;
    asked_one = create(target.process, &options);
    options = hardware_at(address_of(&target, PLACE_load));
    options.ignore_count = CREW;
    ignored = create(target.process, &options);
    obey(&target, 's', &tally);
    ck_assert_uint_eq(asked, CREW * TURNS);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(asked_one), 0);
    ck_assert_uint_eq(tally.hits[PLACE_push], 0);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(ignored), CREW * TURNS);
    ck_assert_uint_eq(tally.hits[PLACE_load], CREW * (TURNS - 1));
    expect_right(&target);
    finish_places(&target);
}

SESSION_TEST(one_thread_alone_is_looked_at)
{
    struct tally tally = {0};
    struct target target = launch_places(CREW, TURNS, false);
    struct sdb_breakpoint_options options;

    options = hardware_at(address_of(&target, PLACE_push));
    options.thread = sdb_process_thread(target.process);
    (void)create(target.process, &options);
    obey(&target, 's', &tally);
    ck_assert_uint_eq(tally.hits[PLACE_push], 0);
    obey(&target, 'g', &tally);
    ck_assert_uint_eq(tally.hits[PLACE_push], TURNS);
    finish_places(&target);
}

SESSION_TEST(one_shot_is_told_once_although_many_come_by)
{
    struct target target = launch_places(CREW, TURNS, false);
    struct sdb_breakpoint_options options;
    struct sdb_breakpoint *breakpoint;

    options = hardware_at(address_of(&target, PLACE_push));
    options.flags |= SDB_BREAKPOINT_ONE_SHOT;
    breakpoint = create(target.process, &options);
    for (unsigned i = 1; i <= (unsigned)rounds(20); i++) {
        struct tally tally = {0};

        obey(&target, 's', &tally);
        ck_assert_uint_eq(tally.hits[PLACE_push], 1);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), i);
        ck_assert_int_eq(sdb_breakpoint_is_enabled(breakpoint), 0);
        ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
    }
    expect_right(&target);
    finish_places(&target);
}

SESSION_TEST(it_is_switched_while_they_storm)
{
    struct tally tally = {0};
    unsigned count = 0;
    unsigned ends = 0;
    struct target target = launch_places(CREW, 20 * rounds(5), false);
    struct sdb_breakpoint *breakpoint = plant_hardware(&target, PLACE_push);

    tell_target(&target, 's');
    while (ends < CREW) {
        struct sdb_event event = next_event();

        ck_assert_uint_ne(event.kind, SDB_EVENT_SIGNAL);
        ends += event.kind == SDB_EVENT_THREAD_EXIT;
        if (event.kind == SDB_EVENT_BREAKPOINT && ++count % 7 == 0) {
            ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
            resume(&event);
            ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
        } else if (event.kind == SDB_EVENT_BREAKPOINT && count % 31 == 0) {
            ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
            ck_assert_ptr_null(sdb_thread_next_breakpoint(event.thread, NULL));
            resume(&event);
            breakpoint = plant_hardware(&target, PLACE_push);
        } else {
            resume(&event);
        }
    }
    ck_assert_uint_gt(count, 20);
    run_to_answer(&target, &tally);
    tally = (struct tally){0};
    obey(&target, 'g', &tally);
    ck_assert_uint_eq(tally.hits[PLACE_push], 20 * (uint64_t)rounds(5));
    expect_right(&target);
    finish_places(&target);
}

SESSION_TEST(a_timers_handler_comes_by_too)
{
    struct tally tally = {0};
    struct target target;
    uint64_t calls;

    pass_silently(SIGALRM);
    target = launch_places(4, TURNS * 5, false);
    (void)plant_hardware(&target, PLACE_push);
    (void)plant_hardware(&target, PLACE_system);
    obey(&target, 'b', &tally);
    obey(&target, 's', &tally);
    obey(&target, 'e', &tally);
    calls = target.board->counts[PLACE_push];
    ck_assert_uint_gt(target.board->signals[0], 0);
    ck_assert_uint_eq(tally.hits[PLACE_push], calls);
    ck_assert_uint_eq(tally.hits[PLACE_system], calls);
    expect_right(&target);
    finish_places(&target);
}

HOLDING_CASE(steps);

SESSION_TEST(stepping_onto_one_and_off)
{
    struct tally tally = {0};
    struct target target = launch_places(1, 1, false);
    struct sdb_event event;
    uint64_t address;

    address = address_of(&target, PLACE_call); /* it is the second instruction there */
    (void)plant_hardware(&target, PLACE_call);
    (void)plant_at(target.process, address - 7);
    tell_target(&target, 'g');
    event = expect(SDB_EVENT_BREAKPOINT);
    ck_assert_uint_eq(event.address, address - 7);
    step_to(event.thread, SDB_EVENT_STEP);
    ck_assert_uint_eq(pc_of(event.thread), address);
    /* It is told when the thread goes on; then the instruction is executed. */
    event = step_to(event.thread, SDB_EVENT_BREAKPOINT);
    ck_assert_uint_eq(event.address, address);
    ck_assert_uint_eq(pc_of(event.thread), address);
    step_to(event.thread, SDB_EVENT_STEP);
    ck_assert_uint_ne(pc_of(event.thread), address);
    resume_thread(event.thread, SDB_RESUME_CONTINUE);
    run_to_answer(&target, &tally);
    ck_assert_uint_eq(tally.hits[PLACE_call], 0);
    expect_right(&target);
    finish_places(&target);
}

SESSION_TEST(running_to_one_is_both)
{
    struct tally tally = {0};
    struct target target = launch_places(1, 1, false);
    struct sdb_event event;

    (void)plant(&target, PLACE_push);
    (void)plant_hardware(&target, PLACE_load);
    tell_target(&target, 'g');
    event = expect(SDB_EVENT_BREAKPOINT);
    ck_assert_int_eq(sdb_thread_run_to(event.thread, address_of(&target, PLACE_load)), 0);
    event = expect_of(SDB_EVENT_BREAKPOINT, event.thread);
    ck_assert_uint_eq(event.address, address_of(&target, PLACE_load));
    resume(&event);
    run_to_answer(&target, &tally);
    ck_assert_uint_eq(tally.steps, 0); /* it has arrived with that event */
    expect_right(&target);
    finish_places(&target);
}

HOLDING_CASE(beside);

/* Each at the same address told a hit of its own, one after the other. */
SESSION_TEST(a_software_one_at_the_same_address_is_told_with_it)
{
    static const enum place places[] = {PLACE_push, PLACE_call, PLACE_system,
                                        PLACE_interrupt_return};

    for (int i = 0; i < 4; i++) {
        struct target target = launch_places(CREW, TURNS, false);
        struct sdb_breakpoint *hardware = plant_hardware(&target, places[i]);
        struct sdb_breakpoint *software = plant(&target, places[i]);
        struct tally tally = {0};

        obey(&target, 's', &tally);
        ck_assert_uint_eq(tally.hits[places[i]], CREW * TURNS);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(hardware), CREW * TURNS);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(software), CREW * TURNS);
        ck_assert_int_eq(sdb_breakpoint_remove(hardware), 0);
        obey(&target, 's', &tally);
        ck_assert_uint_eq(tally.hits[places[i]], UINT64_C(2) * CREW * TURNS);
        expect_right(&target);
        end_places(&target);
        close_target(&target);
    }
    finish();
}

/* It has no room to be moved to, so it is executed where it is. */
SESSION_TEST(the_same_where_nothing_can_be_displaced)
{
    for (int place = 0; place < PLACE_inner; place++) {
        struct target target = launch_places(1, 4, true);
        struct sdb_breakpoint *hardware = plant_hardware(&target, (enum place)place);
        struct sdb_breakpoint *software = plant(&target, (enum place)place);
        struct tally tally = {0};

        obey(&target, 'g', &tally);
        ck_assert_uint_eq(tally.hits[place], 4);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(hardware), 4);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(software), 4);
        expect_right(&target);
        end_places(&target);
        close_target(&target);
    }
    finish();
}

/* The byte traps behind the debug register, and that does not once more when the byte is gone. */
SESSION_TEST(a_software_one_that_comes_and_goes_does_not_have_it_hit_again)
{
    static const enum place places[] = {PLACE_push, PLACE_call, PLACE_system,
                                        PLACE_interrupt_return};

    for (int i = 0; i < 4; i++) {
        struct target target = launch_places(1, 1, false);
        struct sdb_breakpoint *hardware = plant_hardware(&target, places[i]);
        struct sdb_breakpoint *software;
        struct tally tally = {0};
        struct sdb_event event;

        tell_target(&target, 'g');
        (void)expect(SDB_EVENT_BREAKPOINT);
        software = plant(&target, places[i]);
        resume_process(target.process);
        event = expect(SDB_EVENT_BREAKPOINT);
        ck_assert_ptr_eq(event.breakpoint, software);
        ck_assert_int_eq(sdb_breakpoint_remove(software), 0);
        resume(&event);
        run_to_answer(&target, &tally);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(hardware), 1);
        expect_right(&target);
        end_places(&target);
        close_target(&target);
    }
    finish();
}

/* A signal that is ignored has it stand at the address once more, before it has executed anything. */
SESSION_TEST(nor_does_a_signal_have_either_hit_again)
{
    static const enum place places[] = {PLACE_push, PLACE_call, PLACE_system,
                                        PLACE_interrupt_return};

    for (int i = 0; i < 4; i++) {
        struct target target = launch_places(1, 1, false);
        struct sdb_breakpoint *software = plant(&target, places[i]);
        struct sdb_breakpoint *hardware;
        struct tally tally = {0};
        struct sdb_event event;

        tell_target(&target, 'g');
        event = expect(SDB_EVENT_BREAKPOINT);
        hardware = plant_hardware(&target, places[i]);
        for (int signals = 0; signals < 3; signals++) {
            ck_assert_int_eq(kill(target.pid, SIGURG), 0);
            resume(&event);
            event = expect_signal(SIGURG);
        }
        resume(&event);
        run_to_answer(&target, &tally);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(software), 1);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(hardware), 0);
        expect_right(&target);
        end_places(&target);
        close_target(&target);
    }
    finish();
}

/* One that has trapped on a byte, and is seen when that has gone. */
SESSION_TEST(nor_does_one_shot_that_another_thread_has_used_up)
{
    struct target target = launch_places(2, 1, false);
    struct sdb_breakpoint *hardware = plant_hardware(&target, PLACE_push);
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_thread *threads[2];
    struct sdb_breakpoint *once;
    struct tally tally = {0};
    int count = 0;

    options.address = address_of(&target, PLACE_push);
    options.flags = SDB_BREAKPOINT_ONE_SHOT;
    tell_target(&target, 's');
    while (count < 2) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_BREAKPOINT)
            threads[count++] = event.thread;
        else
            resume(&event);
    }
    once = create(target.process, &options);
    for (int i = 0; i < 2; i++)
        resume_thread(threads[i], SDB_RESUME_CONTINUE);
    for (int i = 0; i < 2; i++)
        await_state(sdb_thread_tid(threads[i]), 't');
    run_to_answer(&target, &tally);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(once), 1);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(hardware), 2);
    expect_right(&target);
    finish_places(&target);
}

SESSION_TEST(a_fifth_is_refused_as_a_whole)
{
    struct sdb_watchpoint_options watch = SDB_WATCHPOINT_OPTIONS_INIT;
    struct sdb_watchpoint *watchpoint = NULL;
    struct tally tally = {0};
    struct target target = launch_places(CREW, 1, false);
    struct sdb_breakpoint_options options;
    struct sdb_breakpoint *breakpoints[3];
    uint64_t addresses[5];

    for (int i = 0; i < 5; i++)
        addresses[i] = address_of(&target, (enum place)i);
    options = hardware_at(0);
    options.addresses = addresses;
    options.address_count = 5;
    expect_none(target.process, &options, -ENOSPC);
    for (int i = 0; i < 3; i++)
        breakpoints[i] = plant_hardware(&target, (enum place)i);
    options.address_count = 2;
    expect_none(target.process, &options, -ENOSPC);
    /* Its first has left nothing: there is room for one. */
    watch.address = (uint64_t)addresses[0] & ~UINT64_C(7);
    watch.length = 8;
    ck_assert_int_eq(sdb_watchpoint_create(target.process, &watch, &watchpoint), 0);
    options = hardware_at(addresses[3]);
    expect_none(target.process, &options, -ENOSPC);
    options.flags |= SDB_BREAKPOINT_DISABLED;
    breakpoints[2] = create(target.process, &options);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoints[2]), -ENOSPC);
    ck_assert_int_eq(sdb_breakpoint_is_enabled(breakpoints[2]), 0);
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoints[2]), 0);
    obey(&target, 's', &tally);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(tally.hits[i], CREW);
    finish_places(&target);
}

TEST(what_is_mapped_does_not_matter)
{
    struct sdb_breakpoint_options options = hardware_at(UINT64_C(0x123456789000));
    struct sdb_breakpoint *breakpoint;
    struct tally tally = {0};
    struct target target;

    begin(_i);
    target = launch_places(1, 1, false);
    breakpoint = create(target.process, &options);
    obey(&target, 'g', &tally);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 0);
    options.address = KERNEL_ADDRESS;
    expect_none(target.process, &options, -EINVAL);
    finish_places(&target);
}

HOLDING_CASE(births);

static struct target launch_with_follow(uint32_t follow)
{
    struct target target = launch_places(2, 2, false);

    pass_silently(SIGCHLD);
    stop_process(target.process);
    set_follow(target.process, follow);
    resume_process(target.process);
    return target;
}

SESSION_TEST(newborns_that_are_held_have_it)
{
    static const char kinds[] = "fvc";

    for (int i = 0; kinds[i]; i++) {
        struct target target = launch_with_follow(SDB_FOLLOW_ALL);
        struct sdb_breakpoint *breakpoint = plant_hardware(&target, PLACE_push);
        struct tally tally = {0};

        obey(&target, kinds[i], &tally);
        ck_assert_uint_eq(tally.hits[PLACE_push], 1);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 1);
        obey(&target, 'g', &tally);
        ck_assert_uint_eq(tally.hits[PLACE_push], 3);
        expect_right(&target);
        end_places(&target);
        close_target(&target);
    }
    finish();
}

/* The newborn had a place for it, which took a register of its own when it was enabled anew. */
SESSION_TEST(newborns_do_not_have_that_of_one_thread)
{
    struct sdb_thread *newborn = NULL;
    struct tally tally = {0};
    struct target target = launch_with_follow(SDB_FOLLOW_ALL);
    struct sdb_breakpoint_options options;
    struct sdb_breakpoint *breakpoint;

    options = hardware_at(address_of(&target, PLACE_push));
    options.thread = sdb_process_thread(target.process);
    breakpoint = create(target.process, &options);
    tell_target(&target, 'f');
    while (!newborn) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_START)
            newborn = event.thread;
        else
            resume(&event);
    }
    ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
    options = hardware_at(address_of(&target, PLACE_load));
    for (int i = 0; i < 4; i++)
        (void)create(sdb_thread_process(newborn), &options);
    resume_thread(newborn, SDB_RESUME_CONTINUE);
    run_to_answer(&target, &tally);
    ck_assert_uint_eq(tally.hits[PLACE_push], 0);
    ck_assert_uint_eq(tally.hits[PLACE_load], 1);
    expect_right(&target);
    finish_places(&target);
}

SESSION_TEST(newborns_that_are_not_held_run_without_it)
{
    static const char kinds[] = "fvpc";

    for (int i = 0; kinds[i]; i++) {
        struct target target = launch_with_follow(SDB_FOLLOW_DEFAULT);
        struct tally tally = {0};

        (void)plant_hardware(&target, PLACE_push);
        obey(&target, kinds[i], &tally);
        ck_assert_uint_eq(tally.hits[PLACE_push], 0);
        expect_right(&target);
        end_places(&target);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(an_exec_does_away_with_it)
{
    struct tally tally = {0};
    struct target target = launch_places(1, 1, false);
    struct sdb_breakpoint *breakpoint = plant_hardware(&target, PLACE_push);
    struct sdb_event event;

    tell_target(&target, 'x');
    event = expect(SDB_EVENT_EXEC);
    ck_assert_uint_eq(control_of(event.thread) & 0xff, 0);
    ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
    ck_assert_uint_eq(control_of(event.thread) & 0xff, 0);
    resume(&event);
    run_to_answer(&target, &tally);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 0);
    finish_places(&target);
}

SESSION_TEST(one_that_is_let_go_in_a_storm_runs_on)
{
    struct chance chance = chance_of(3);

    for (int round = 0; round < rounds(20); round++) {
        struct target target = launch_places(CREW, TURNS, false);
        unsigned left = chance_below(&chance, 300);
        struct tally tally = {0};
        struct sdb_child *child = NULL;

        ck_assert_int_eq(
            sdb_process_set_stop_mode(target.process, round % 2 ? SDB_ALL_STOP : SDB_NON_STOP), 0);
        (void)plant_hardware(&target, PLACE_push);
        (void)plant_hardware(&target, PLACE_ret);
        if (round % 3 == 0)
            (void)plant(&target, PLACE_ret);
        tell_target(&target, 's');
        while (left-- > 0) {
            struct sdb_event event = next_event();

            count_event(&target, &event, &tally);
        }
        child = detach_child(target.process);
        wait_ready(&target);
        expect_right(&target);
        ck_assert_uint_eq(target.board->counts[PLACE_push], CREW * TURNS);
        target.process = attach(target.pid);
        ck_assert_uint_eq(control_of(sdb_process_thread(target.process)) & 0xff, 0);
        detach(target.process);
        tell_target(&target, 'g');
        wait_ready(&target);
        end_free_places(&target, child);
        close_target(&target);
    }
    finish();
}

/* Others end and execute programs while it is switched: its places there go meanwhile. */
SESSION_TEST(it_is_switched_while_newborns_come_and_go)
{
    unsigned turns = 0;
    struct target target = launch_with_follow(SDB_FOLLOW_ALL);
    struct sdb_breakpoint *breakpoint = plant_hardware(&target, PLACE_push);

    for (int round = 0; round < rounds(15); round++) {
        static const char kinds[] = "fvpc";
        struct sdb_event event;
        struct tally tally = {0};

        tell_target(&target, kinds[round % 4]);
        do {
            event = next_event();
            ck_assert_uint_ne(event.kind, SDB_EVENT_SIGNAL);
            ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
            resume(&event);
            ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
            turns++;
        } while (event.kind != SDB_EVENT_EXITED);
        run_to_answer(&target, &tally);
    }
    ck_assert_uint_gt(turns, 3);
    expect_right(&target);
    finish_places(&target);
}

/* As by a planted byte: it is tried twice, with the program's handler in between. */
SESSION_TEST(an_instruction_that_faults_is_hit_again_when_it_is_tried_again)
{
    static const char *const ways[] = {"stack", "pointer"};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        const char *const argv[] = {SDB_TRACEE_DIR "/faulting", ways[i], NULL};
        struct target target = launch_program(argv[0], argv);
        struct sdb_breakpoint_options options;
        struct sdb_breakpoint *breakpoint;
        uint64_t address;

        resume_process(target.process);
        ck_assert_int_eq(read(target.output, &address, sizeof(address)), (ssize_t)sizeof(address));
        options = hardware_at(address);
        breakpoint = create(target.process, &options);
        tell_target(&target, '!');
        ck_assert_int_eq(run_to_end(target.process).code, 0);
        ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 2);
        close_target(&target);
    }
    finish();
}

int main(void)
{
    return run_suite("breakpoint_hardware");
}
