/* SPDX-License-Identifier: MIT */
/*
 * What each is tested alone elsewhere, together: breakpoints, watchpoints, caught system calls, injected
 * ones, steps, group-stops, in the same threads at the same instructions.  Each is told as often as it
 * happens, in its order, and at the program's own place: never at one of the copies that instructions
 * with a breakpoint are executed in.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "breaking.h"
#include "calling.h"
#include "host.h"
#include "injecting.h"
#include "racing.h"
#include "watching.h"

#define FEW             8 /* threads */
#define MOST_STAGES     1024
#define MOST_RANGES     64
#define MOST_KINDS      32
#define SYSCALL_LENGTH  2
#define STORE_LENGTH    10
#define STORED          UINT32_C(0x1234567)
#define CALL_FINISH     7 /* of the place `system`: what comes behind the call until rcx is used */
#define NO_PLACE        PLACE_COUNT_OF_ALL
#define FIRST_RESTART   (-516)
#define LAST_RESTART    (-512)
#define GROUP_STOPS     20
#define ADDING_TURNS    40
#define STEPS_OF_A_TURN 64

/* ---- what is set, and what has come of it ---- */

/* How far one thread is. */
struct stage {
    int64_t call;          /* that it is in, or -1 */
    enum place call_place; /* whose instruction makes that */
    enum place hit;        /* at which its last event was a hit, else NO_PLACE */
};

struct together {
    struct target target;
    struct traces before; /* what it had when nothing was planted */
    struct {
        uint64_t start;
        uint64_t end;
    } text[MOST_RANGES]; /* its own code */
    int text_count;
    struct sdb_breakpoint *breakpoint; /* at all places */
    struct sdb_watchpoint *watchpoint; /* on what the place `store` writes */
    uint64_t cell;
    struct tally tally;
    uint64_t writes;
    struct {
        uint64_t entries;
        uint64_t exits;
        uint64_t restarts; /* of the exits: it is made again, without another hit */
    } calls[PLACE_COUNT_OF_ALL + 1];
    uint64_t kinds[MOST_KINDS];
    bool in_order;  /* nothing interrupts a thread between a hit and what its instruction does */
    bool is_silent; /* no hit may be told */
    void (*meanwhile)(struct together *all, const struct sdb_event *event);
    struct chance chance;
    uint64_t injected[MOST_KINDS];
    uint64_t injected_elsewhere;
};

static struct together all;
static struct stage stages[MOST_STAGES];
static int stage_count;

static void pass(int signal)
{
    ck_assert_int_eq(sdb_session_set_signal_policy(session, signal, SDB_POLICY_PASS), 0);
}

static struct stage *stage_of(struct sdb_thread *thread)
{
    struct stage *stage = sdb_thread_data(thread);

    if (!stage) {
        ck_assert_int_lt(stage_count, MOST_STAGES);
        stage = &stages[stage_count++];
        *stage = (struct stage){.call = -1, .hit = NO_PLACE};
        sdb_thread_set_data(thread, stage);
    }
    return stage;
}

static enum place place_at(uint64_t address)
{
    for (int place = 0; place < PLACE_COUNT_OF_ALL; place++) {
        if (all.target.board->addresses[place] == address)
            return (enum place)place;
    }
    return NO_PLACE;
}

/* ---- where a thread stands ---- */

static void note_text(void)
{
    const char *line = all.before.maps;

    while (line && *line) {
        char *next;

        ck_assert_int_lt(all.text_count, MOST_RANGES);
        all.text[all.text_count].start = strtoull(line, &next, 16);
        all.text[all.text_count++].end = strtoull(next + 1, NULL, 16);
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    ck_assert_int_gt(all.text_count, 0);
}

static bool is_own_text(uint64_t address)
{
    for (int i = 0; i < all.text_count; i++) {
        if (address >= all.text[i].start && address < all.text[i].end)
            return true;
    }
    return false;
}

static void expect_own_place(struct sdb_thread *thread, const char *when)
{
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    uint64_t pc = 0;

    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), 0);
    ck_assert_uint_eq(registers.rip, pc);
    ck_assert_msg(is_own_text(pc), "%s: %d stands at %#llx", when, sdb_thread_tid(thread),
                  (unsigned long long)pc);
}

/* ---- what is told ---- */

/* What comes of a thread after it has hit one of these is known. */
static void expect_in_order(const struct stage *stage, const struct sdb_event *event)
{
    uint32_t due = event->kind;

    if (stage->hit == PLACE_system)
        due = SDB_EVENT_SYSCALL_ENTRY;
    else if (stage->hit == PLACE_store)
        due = SDB_EVENT_WATCHPOINT;
    ck_assert_msg(event->kind == due, "%s came after the hit, not %s", sdb_event_name(event->kind),
                  sdb_event_name(due));
    if (event->kind == SDB_EVENT_WATCHPOINT)
        ck_assert_int_eq(stage->hit, PLACE_store);
}

static void see_write(const struct sdb_event *event)
{
    uint32_t values[2];
    uint64_t pc = 0;

    ck_assert_ptr_eq(event->watchpoint, all.watchpoint);
    ck_assert_uint_eq(event->address, all.cell);
    ck_assert_uint_eq(event->value_size, sizeof(values[0]));
    memcpy(&values[0], event->old_value, sizeof(values[0]));
    memcpy(&values[1], event->new_value, sizeof(values[1]));
    ck_assert_uint_eq(values[0], STORED);
    ck_assert_uint_eq(values[1], STORED);
    ck_assert_int_eq(sdb_thread_pc(event->thread, &pc), 0);
    ck_assert_uint_eq(pc, address_of(&all.target, PLACE_store) + STORE_LENGTH);
    all.writes++;
}

static void see_entry(struct stage *stage, const struct sdb_event *event)
{
    const struct sdb_syscall call = call_of(event->thread);
    uint64_t counter = 0;
    uint64_t pc = 0;

    ck_assert_uint_eq(call.end, SDB_EVENT_SYSCALL_ENTRY);
    ck_assert_msg(stage->call == -1, "call %lld began in call %lld", (long long)call.number,
                  (long long)stage->call);
    ck_assert_int_eq(sdb_thread_pc(event->thread, &pc), 0);
    ck_assert_uint_eq(call.instruction_pointer, pc);
    ck_assert_int_eq(sdb_thread_get_register(event->thread, "rcx", &counter), 0);
    ck_assert_uint_eq(counter, pc);
    stage->call = call.number;
    stage->call_place = place_at(pc - SYSCALL_LENGTH);
    all.calls[stage->call_place].entries++;
    if (call.number == SYS_gettid) /* nobody else makes that */
        ck_assert_int_eq(stage->call_place, PLACE_system);
    if (all.in_order && call.number == SYS_gettid)
        ck_assert_int_eq(stage->hit, PLACE_system);
}

static void see_exit(struct stage *stage, const struct sdb_event *event)
{
    const struct sdb_syscall call = call_of(event->thread);
    const uint64_t begun = address_of(&all.target, stage->call_place) + SYSCALL_LENGTH;
    uint64_t pc = 0;

    ck_assert_uint_eq(call.end, SDB_EVENT_SYSCALL_EXIT);
    ck_assert_int_ne(stage->call, -1);
    ck_assert_int_eq(sdb_thread_pc(event->thread, &pc), 0);
    ck_assert_uint_eq(call.instruction_pointer, pc);
    if (call.entry_seen)
        ck_assert_int_eq(call.number, stage->call);
    if (stage->call_place != NO_PLACE && stage->call != SYS_rt_sigreturn)
        ck_assert_uint_eq(pc, begun);
    if (stage->call == SYS_gettid)
        ck_assert_int_eq(call.result, sdb_thread_tid(event->thread));
    all.calls[stage->call_place].exits++;
    all.calls[stage->call_place].restarts += stage->call != SYS_rt_sigreturn &&
                                             call.result >= FIRST_RESTART &&
                                             call.result <= LAST_RESTART;
    stage->call = -1;
}

static bool is_end(const struct sdb_event *event)
{
    return event->kind == SDB_EVENT_EXITED || event->kind == SDB_EVENT_THREAD_EXIT;
}

/* Called for each event before it is resumed. */
static void see(const struct sdb_event *event, void *data)
{
    struct stage *stage;

    (void)data;
    ck_assert_uint_lt(event->kind, MOST_KINDS);
    all.kinds[event->kind]++;
    if (is_end(event))
        return;
    stage = stage_of(event->thread);
    if (event->process == all.target.process)
        expect_own_place(event->thread, sdb_event_name(event->kind));
    if (all.in_order)
        expect_in_order(stage, event);
    if (event->kind == SDB_EVENT_BREAKPOINT)
        ck_assert(!all.is_silent);
    else if (event->kind == SDB_EVENT_WATCHPOINT)
        see_write(event);
    else if (event->kind == SDB_EVENT_SYSCALL_ENTRY)
        see_entry(stage, event);
    else if (event->kind == SDB_EVENT_SYSCALL_EXIT)
        see_exit(stage, event);
    stage->hit = event->kind == SDB_EVENT_BREAKPOINT ? place_at(event->address) : NO_PLACE;
    if (all.meanwhile)
        all.meanwhile(&all, event);
}

/* ---- setting all ---- */

static uint64_t find_cell(void)
{
    const uint64_t address = address_of(&all.target, PLACE_store);
    uint8_t code[STORE_LENGTH];
    int32_t displacement;

    ck_assert_int_eq(sdb_memory_read(all.target.process, address, code, sizeof(code)),
                     (int64_t)sizeof(code));
    ck_assert_uint_eq(code[0], 0xc7); /* movl $..., displacement(%rip) */
    ck_assert_uint_eq(code[1], 0x05);
    memcpy(&displacement, &code[2], sizeof(displacement));
    return address + STORE_LENGTH + (uint64_t)(int64_t)displacement;
}

static void watch_cell(void)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    int rc;

    options.address = all.cell;
    options.length = 4;
    rc = sdb_watchpoint_create(all.target.process, &options, &all.watchpoint);
    ck_assert_msg(rc == 0, "watch: %s", sdb_error_describe(rc));
}

/* Launch test/tracees/places.c; nothing is set yet. */
static void launch_it(int threads, int turns)
{
    memset(&all, 0, sizeof(all));
    stage_count = 0;
    all.tally.look = see;
    all.target = launch_places(threads, turns, false);
    note_traces(&all.target, &all.before);
    note_text();
    all.cell = find_cell();
    all.chance = chance_of((unsigned)threads);
}

static void set_all(uint32_t flags)
{
    static const int32_t numbers[] = {SYS_gettid, SYS_rt_sigreturn};

    all.breakpoint = plant_all(&all.target);
    watch_cell();
    catch_calls(all.target.process, flags, flags ? NULL : numbers, flags ? 0 : 2);
}

static void order_all(const char *orders)
{
    for (const char *what = orders; *what; what++)
        obey(&all.target, *what, &all.tally);
}

/* One hit for each execution, made again or not; one entry and one exit for each call. */
static void expect_calls(enum place place)
{
    const uint64_t hits = all.tally.hits[place];

    ck_assert_uint_gt(hits, 0);
    ck_assert_msg(all.calls[place].entries == hits + all.calls[place].restarts &&
                      all.calls[place].exits == all.calls[place].entries,
                  "place %d: %llu hits, %llu entries, %llu exits, %llu of them restart", place,
                  (unsigned long long)hits, (unsigned long long)all.calls[place].entries,
                  (unsigned long long)all.calls[place].exits,
                  (unsigned long long)all.calls[place].restarts);
}

static void expect_all_exact(void)
{
    expect_exact(&all.target, &all.tally);
    expect_calls(PLACE_system);
    ck_assert_uint_eq(all.calls[PLACE_system].restarts, 0);
    ck_assert_uint_eq(all.writes, all.target.board->counts[PLACE_store]);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(all.watchpoint), all.writes);
    ck_assert_uint_eq(all.tally.signals[SIGTRAP], 0);
}

static void end_it(void)
{
    end_places(&all.target);
    close_target(&all.target);
}

HOLDING_CASE(told);

TEST(the_hit_comes_before_the_call_and_the_write)
{
    static struct traces now;

    begin(_i);
    launch_it(1, 50 * rounds(1));
    set_all(0);
    all.in_order = true;
    order_all("gg");
    expect_all_exact();
    ck_assert_uint_eq(all.writes, UINT64_C(100) * (uint64_t)rounds(1));
    /* There are copies of instructions, which nothing has shown. */
    note_traces(&all.target, &now);
    ck_assert_str_ne(now.maps, all.before.maps);
    end_it();
    finish();
}

TEST(in_many_threads_each_is_told_as_often_as_it_happens)
{
    begin(_i);
    launch_it(FEW, 15 * rounds(1));
    set_all(0);
    all.in_order = true;
    order_all("s");
    expect_all_exact();
    end_it();
    finish();
}

TEST(all_calls_are_caught_beside_the_hits)
{
    begin(_i);
    launch_it(FEW, 10 * rounds(1));
    set_all(SDB_CATCH_ALL);
    if (address_of(&all.target, PLACE_thread))
        (void)plant(&all.target, PLACE_thread);
    all.in_order = true;
    order_all("ss");
    expect_all_exact();
    if (address_of(&all.target, PLACE_thread)) {
        ck_assert_uint_eq(all.tally.hits[PLACE_thread], UINT64_C(2) * FEW);
        expect_calls(PLACE_thread);
    }
    end_it();
    finish();
}

/* Handlers that come between a hit and its call, and calls that the kernel has made again. */
TEST(a_call_that_is_made_again_is_caught_again_and_hit_once)
{
    begin(_i);
    for (int round = 0; round < 2; round++) {
        launch_it(2, 6 * rounds(1));
        pass(SIGALRM);
        set_all(SDB_CATCH_ALL);
        (void)plant(&all.target, PLACE_restore);
        (void)plant(&all.target, PLACE_block);
        (void)plant(&all.target, PLACE_sleep);
        order_all("bglYse");
        expect_all_exact();
        ck_assert_uint_gt(all.target.board->signals[0], 0);
        ck_assert_uint_eq(all.tally.hits[PLACE_restore], all.target.board->signals[0]);
        ck_assert_uint_eq(all.tally.hits[PLACE_block], all.target.board->counts[PLACE_block]);
        ck_assert_uint_eq(all.tally.hits[PLACE_sleep], all.target.board->counts[PLACE_sleep]);
        expect_calls(PLACE_restore);
        expect_calls(PLACE_block);
        ck_assert_uint_eq(all.calls[PLACE_sleep].entries, all.tally.hits[PLACE_sleep]);
        ck_assert_uint_eq(all.calls[PLACE_sleep].exits, all.tally.hits[PLACE_sleep]);
        end_it();
    }
    finish();
}

TEST(newborns_have_all_of_it)
{
    begin(_i);
    launch_it(1, 1);
    ck_assert_int_eq(sdb_process_stop(all.target.process, PATIENCE_MS), 0);
    set_follow(all.target.process, SDB_FOLLOW_ALL);
    resume_process(all.target.process);
    pass(SIGCHLD);
    set_all(0);
    (void)plant(&all.target, PLACE_fork);
    (void)plant(&all.target, PLACE_vfork);
    all.in_order = true;
    for (int round = 0; round < rounds(2); round++)
        order_all("fvpcnFV");
    expect_all_exact();
    ck_assert_uint_eq(all.tally.hits[PLACE_fork], (uint64_t)rounds(2));
    ck_assert_uint_eq(all.tally.hits[PLACE_vfork], (uint64_t)rounds(2));
    end_it();
    finish();
}

HOLDING_CASE(injected);

static bool is_call(uint32_t kind)
{
    return kind == SDB_EVENT_SYSCALL_ENTRY || kind == SDB_EVENT_SYSCALL_EXIT;
}

/*
 * What the library itself has changed is written back before a call; only from then on nothing may be
 * different to who looks from outside.
 */
static void inject_in_stop(struct sdb_thread *thread)
{
    struct sdb_registers before = SDB_REGISTERS_INIT;
    struct sdb_registers after = SDB_REGISTERS_INIT;
    struct utsname own;
    struct utsname told;
    const struct sdb_inject_buffer room = {&told, sizeof(told), 0, SDB_INJECT_OUT};

    ck_assert_int_eq(uname(&own), 0);
    memset(&told, 0, sizeof(told));
    ck_assert_int_eq(sdb_thread_get_registers(thread, &before), 0);
    ck_assert_int_eq(inject_with(thread, SYS_uname, none, &room, 1), 0);
    ck_assert_str_eq(told.release, own.release);
    inject_unseen(thread);
    ck_assert_int_eq(sdb_thread_get_registers(thread, &after), 0);
    ck_assert_mem_eq(&before, &after, sizeof(before));
}

static void inject_at(struct together *here, const struct sdb_event *event)
{
    struct sdb_syscall before = SDB_SYSCALL_INIT;

    if (event->kind != SDB_EVENT_BREAKPOINT && event->kind != SDB_EVENT_WATCHPOINT &&
        !is_call(event->kind))
        return;
    /* Of the hits there are many more. */
    if (event->kind == SDB_EVENT_BREAKPOINT && chance_below(&here->chance, 10) != 0)
        return;
    if (is_call(event->kind))
        before = call_of(event->thread);
    inject_in_stop(event->thread);
    expect_own_place(event->thread, "after an injection");
    if (is_call(event->kind)) {
        const struct sdb_syscall after = call_of(event->thread);

        ck_assert_mem_eq(&before, &after, sizeof(before));
    }
    here->injected[event->kind]++;
}

static void expect_injected(void)
{
    ck_assert_uint_gt(all.injected[SDB_EVENT_BREAKPOINT], 0);
    ck_assert_uint_gt(all.injected[SDB_EVENT_WATCHPOINT], 0);
    ck_assert_uint_gt(all.injected[SDB_EVENT_SYSCALL_ENTRY], 0);
    ck_assert_uint_gt(all.injected[SDB_EVENT_SYSCALL_EXIT], 0);
}

static void inject_at_all(uint32_t flags)
{
    launch_it(FEW, 5 * rounds(1));
    set_all(flags);
    all.in_order = true;
    all.meanwhile = inject_at;
    order_all("s");
    expect_all_exact();
    expect_injected();
    end_it();
}

TEST(injected_calls_disturb_no_hit_of_others)
{
    begin(_i);
    inject_at_all(0);
    inject_at_all(SDB_CATCH_ALL); /* injected ones are not told */
    finish();
}

/* All of them stand still: wherever that has caught them, they show the program's place. */
static void inject_in_all(struct together *here, const struct sdb_event *event)
{
    struct sdb_thread *thread;

    for (thread = sdb_process_next_thread(event->process, NULL); thread;
         thread = sdb_process_next_thread(event->process, thread)) {
        int64_t result = -1;
        int rc;

        ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
        expect_own_place(thread, "another");
        if (thread == event->thread || chance_below(&here->chance, 4) != 0)
            continue;
        rc = sdb_thread_inject(thread, SYS_gettid, none, &result);
        ck_assert_msg(rc == 0 || rc == -EBUSY, "%s", sdb_error_describe(rc));
        if (rc != 0)
            continue; /* its own event is still to be told */
        ck_assert_int_eq(result, sdb_thread_tid(thread));
        expect_own_place(thread, "another, after an injection");
        here->injected_elsewhere++;
    }
    inject_at(here, event);
}

TEST(all_stop_and_calls_are_made_in_each)
{
    begin(_i);
    launch_it(FEW, 2 * rounds(1));
    ck_assert_int_eq(sdb_process_set_stop_mode(all.target.process, SDB_ALL_STOP), 0);
    set_all(0);
    all.in_order = true;
    all.meanwhile = inject_in_all;
    order_all("s");
    expect_all_exact();
    expect_injected();
    ck_assert_uint_gt(all.injected_elsewhere, 0);
    end_it();
    finish();
}

HOLDING_CASE(hits_that_write);

static struct {
    struct watched_target target;
    struct sdb_watchpoint *watchpoint;
    uint64_t at;     /* the instruction */
    uint64_t behind; /* the next one */
} adding;

static uint64_t pc_of(struct sdb_thread *thread)
{
    uint64_t pc = 0;

    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    return pc;
}

static void step(struct sdb_thread *thread)
{
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_STEP, SDB_SIGNAL_PASS), 0);
}

/* Launch test/tracees/watched.c, and find the instruction that adds: the one before which is a hit. */
static void launch_adding(void)
{
    struct sdb_event event;

    adding.target = launch_watched();
    adding.watchpoint = watch(&adding.target, COUNTER, 8);
    give(&adding.target, 'c', 2);
    event = expect_hit(adding.watchpoint);
    adding.behind = pc_of(event.thread);
    do {
        adding.at = pc_of(event.thread);
        step(event.thread);
        event = next_event();
    } while (event.kind == SDB_EVENT_STEP);
    ck_assert_ptr_eq(event.watchpoint, adding.watchpoint);
    ck_assert_uint_eq(pc_of(event.thread), adding.behind);
    ck_assert_uint_lt(adding.at, adding.behind);
    resume(&event);
    (void)await_answer(&adding.target);
}

static void expect_write(const struct sdb_event *event, uint64_t old_value)
{
    ck_assert_ptr_eq(event->watchpoint, adding.watchpoint);
    ck_assert_uint_eq(event->value_size, 8);
    ck_assert_uint_eq(value_of(event->old_value), old_value);
    ck_assert_uint_eq(value_of(event->new_value), old_value + 1);
    ck_assert_uint_eq(pc_of(event->thread), adding.behind);
}

static void end_adding(void)
{
    close_input(&adding.target.target);
    expect_exit(SDB_EXITED, 0);
    close_watched(&adding.target);
}

TEST(an_instruction_with_both_is_told_once_of_each)
{
    struct sdb_breakpoint *breakpoint;

    begin(_i);
    launch_adding();
    breakpoint = plant_at(adding.target.process, adding.at);
    catch_calls(adding.target.process, 0, NUMBERS(SYS_getppid));
    give(&adding.target, 'c', ADDING_TURNS);
    for (uint64_t turn = 0; turn < ADDING_TURNS; turn++) {
        struct sdb_event event;

        expect_whole_call(SYS_getppid);
        event = expect(SDB_EVENT_BREAKPOINT);
        ck_assert_ptr_eq(event.breakpoint, breakpoint);
        ck_assert_uint_eq(event.address, adding.at);
        ck_assert_uint_eq(pc_of(event.thread), adding.at);
        if (turn % 2 == 0)
            inject_in_stop(event.thread);
        resume(&event);
        event = expect_hit(adding.watchpoint);
        expect_write(&event, turn + 2);
        if (turn % 3 == 0)
            inject_in_stop(event.thread);
        resume(&event);
    }
    (void)wait_quietly(&adding.target);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), ADDING_TURNS);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(adding.watchpoint), ADDING_TURNS + 2);
    end_adding();
    finish();
}

/* How far each of the threads is, as its handle's data: which of these comes next. */
static const uint32_t turn_of_adding[] = {SDB_EVENT_SYSCALL_ENTRY, SDB_EVENT_SYSCALL_EXIT,
                                          SDB_EVENT_BREAKPOINT, SDB_EVENT_WATCHPOINT};

/* @return whether it was one of those */
static bool expect_turn(const struct sdb_event *event)
{
    static char steps[4];
    const char *at = sdb_thread_data(event->thread);
    const int next = at ? (int)(at - steps) : 0;

    if (event->kind == SDB_EVENT_CLONE || event->kind == SDB_EVENT_START || is_end(event)) {
        ck_assert_int_eq(next, 0);
        return false;
    }
    ck_assert_msg(event->kind == turn_of_adding[next], "%s of %d came, not %s",
                  sdb_event_name(event->kind), sdb_thread_tid(event->thread),
                  sdb_event_name(turn_of_adding[next]));
    sdb_thread_set_data(event->thread, &steps[(next + 1) % 4]);
    return true;
}

static void add_in_threads(enum sdb_stop_mode mode, uint64_t turns)
{
    struct chance chance = chance_of(11);
    uint64_t counts[MOST_KINDS] = {0};
    uint64_t added = 0;
    int ends = 0;

    launch_adding();
    ck_assert_int_eq(sdb_process_set_stop_mode(adding.target.process, mode), 0);
    (void)plant_at(adding.target.process, adding.at);
    catch_calls(adding.target.process, 0, NUMBERS(SYS_getppid));
    give(&adding.target, 'C', turns);
    while (ends < FEW) {
        struct sdb_event event = next_event();

        ends += event.kind == SDB_EVENT_THREAD_EXIT;
        if (expect_turn(&event)) {
            counts[event.kind]++;
            if (event.kind == SDB_EVENT_BREAKPOINT)
                ck_assert_uint_eq(pc_of(event.thread), adding.at);
            if (event.kind == SDB_EVENT_WATCHPOINT) {
                ck_assert_uint_eq(pc_of(event.thread), adding.behind);
                /* Another's write may be in this one's values; in the sum each is in once. */
                added += value_of(event.new_value) - value_of(event.old_value);
            }
            if (chance_below(&chance, 4) == 0)
                inject_in_stop(event.thread);
        }
        resume(&event);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(counts[turn_of_adding[i]], FEW * turns);
    ck_assert_uint_eq(added, FEW * turns);
    (void)wait_quietly(&adding.target);
    ck_assert_uint_eq(carry_out(&adding.target, 'r', 1), FEW * turns + 2);
    end_adding();
}

TEST(many_threads_tell_both_of_each_turn)
{
    begin(_i);
    add_in_threads(SDB_NON_STOP, 25 * (uint64_t)rounds(1));
    add_in_threads(SDB_ALL_STOP, 4 * (uint64_t)rounds(1));
    finish();
}

HOLDING_CASE(steps);

/*
 * Step over everything in one turn, from behind the adding to there.
 *
 * @param pcs  gets where it came
 * @return how many these are
 */
static int step_through_turn(struct sdb_thread *thread, uint64_t *pcs, unsigned hits)
{
    unsigned told[MOST_KINDS] = {0};
    int count = 0;

    for (;;) {
        struct sdb_event event;

        ck_assert_int_eq(sdb_thread_step_over(thread), 0);
        event = next_event();
        while (is_call(event.kind)) {
            told[event.kind]++;
            resume(&event);
            event = next_event();
        }
        told[event.kind]++;
        if (event.kind == SDB_EVENT_WATCHPOINT) {
            ck_assert_uint_eq(pc_of(thread), adding.behind);
            break;
        }
        /* Back from the call it comes to one, and that is told instead of the step's end. */
        if (event.kind == SDB_EVENT_BREAKPOINT)
            ck_assert_uint_eq(pc_of(thread), adding.at);
        else
            ck_assert_msg(event.kind == SDB_EVENT_STEP, "%s came", sdb_event_name(event.kind));
        ck_assert_int_lt(count, STEPS_OF_A_TURN);
        pcs[count++] = pc_of(thread);
    }
    ck_assert_uint_eq(told[SDB_EVENT_SYSCALL_ENTRY], 1);
    ck_assert_uint_eq(told[SDB_EVENT_SYSCALL_EXIT], 1);
    ck_assert_uint_eq(told[SDB_EVENT_BREAKPOINT], hits);
    return count;
}

static int count_and_pass(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *data)
{
    (void)breakpoint;
    (void)thread;
    ++*(uint64_t *)data;
    return 0;
}

TEST(steps_are_the_same_with_all_of_it)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    uint64_t bare[STEPS_OF_A_TURN + 1];
    uint64_t pcs[STEPS_OF_A_TURN];
    struct sdb_breakpoint *asked_one;
    struct sdb_event event;
    uint64_t asked = 0;
    int count;

    begin(_i);
    launch_adding();
    catch_calls(adding.target.process, 0, NUMBERS(SYS_getppid));
    give(&adding.target, 'c', ADDING_TURNS);
    expect_whole_call(SYS_getppid);
    event = expect_hit(adding.watchpoint);
    count = step_through_turn(event.thread, bare, 0);
    ck_assert_int_gt(count, 2);
    ck_assert_uint_eq(bare[count - 1], adding.at);

    bare[count] = adding.behind;
    options.addresses = bare;
    options.address_count = (size_t)count + 1;
    options.condition = count_and_pass;
    options.condition_data = &asked;
    ck_assert_int_eq(sdb_breakpoint_create(adding.target.process, &options, &asked_one), 0);
    (void)plant_at(adding.target.process, adding.at);
    for (int turn = 2; turn < ADDING_TURNS; turn++) {
        const int now = step_through_turn(event.thread, pcs, 1);
        ck_assert_int_eq(now, count);
        ck_assert_mem_eq(pcs, bare, (size_t)count * sizeof(pcs[0]));
        ck_assert_uint_eq(asked, (uint64_t)(turn - 1) * ((uint64_t)count + 1));
    }
    resume_process(adding.target.process);
    (void)wait_quietly(&adding.target);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(adding.watchpoint), ADDING_TURNS + 2);
    end_adding();
    finish();
}

static void expect_step_to(struct sdb_thread *thread, uint64_t pc)
{
    struct sdb_event event = expect_of(SDB_EVENT_STEP, thread);

    ck_assert_uint_eq(pc_of(event.thread), pc);
    see(&event, NULL);
}

static struct sdb_event expect_end_of_call(uint32_t end)
{
    struct sdb_event event = expect_call(end, SYS_gettid);

    see(&event, NULL);
    return event;
}

/* The thread stands at a hit of the place `system`, or has just been resumed to its call's entry. */
static void expect_call_done(struct sdb_thread *thread)
{
    uint64_t value = 0;

    ck_assert_int_eq(sdb_thread_get_register(thread, "rcx", &value), 0);
    ck_assert_uint_eq(value, address_of(&all.target, PLACE_system) + SYSCALL_LENGTH);
    ck_assert_int_eq(sdb_thread_get_register(thread, "rax", &value), 0);
    ck_assert_uint_eq(value, (uint64_t)sdb_thread_tid(thread));
}

/* Ways past a caught call that has a breakpoint.  @return how many entries and exits are told of it */
static uint64_t go_past_call(int way, const struct sdb_event *hit)
{
    const uint64_t behind = address_of(&all.target, PLACE_system) + SYSCALL_LENGTH;
    struct sdb_thread *thread = hit->thread;
    struct sdb_event event;

    switch (way) {
    case 0: /* a step makes the call; only a thread that is continued tells it */
        step(thread);
        expect_step_to(thread, behind);
        expect_call_done(thread);
        step(thread);
        expect_step_to(thread, behind + CALL_FINISH);
        return 0;
    case 1:
        ck_assert_int_eq(sdb_thread_step_over(thread), 0);
        expect_step_to(thread, behind);
        expect_call_done(thread);
        ck_assert_int_eq(sdb_thread_step_over(thread), 0);
        expect_step_to(thread, behind + CALL_FINISH);
        return 0;
    case 2: /* to an address: it is continued */
        ck_assert_int_eq(sdb_thread_run_to(thread, behind + CALL_FINISH), 0);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_ENTRY);
        resume(&event);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_EXIT);
        resume(&event);
        expect_step_to(thread, behind + CALL_FINISH);
        return 2;
    case 3: /* a step from the call's end */
        resume(hit);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_ENTRY);
        resume(&event);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_EXIT);
        expect_call_done(thread);
        step(thread);
        expect_step_to(thread, behind + CALL_FINISH);
        return 2;
    case 4: /* from end to end */
        ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_SYSCALL, SDB_SIGNAL_PASS), 0);
        (void)expect_end_of_call(SDB_EVENT_SYSCALL_ENTRY);
        ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_SYSCALL, SDB_SIGNAL_PASS), 0);
        event = expect_end_of_call(SDB_EVENT_SYSCALL_EXIT);
        ck_assert_int_eq(sdb_thread_run_to(thread, behind + CALL_FINISH), 0);
        expect_step_to(thread, behind + CALL_FINISH);
        return 2;
    default: /* a step from its beginning, past its end */
        resume(hit);
        (void)expect_end_of_call(SDB_EVENT_SYSCALL_ENTRY);
        step(thread);
        expect_step_to(thread, behind);
        expect_call_done(thread);
        stage_of(thread)->call = -1;
        step(thread);
        expect_step_to(thread, behind + CALL_FINISH);
        return 1;
    }
}

TEST(a_caught_call_with_a_breakpoint_is_stepped_over)
{
    const int turns = 24 * rounds(1);
    struct tally tally = {0};
    struct sdb_event event;
    uint64_t ends = 0;

    begin(_i);
    launch_it(1, turns);
    (void)plant(&all.target, PLACE_system);
    watch_cell();
    catch_calls(all.target.process, 0, NUMBERS(SYS_gettid));
    tell_target(&all.target, 'g');
    for (int turn = 0; turn < turns; turn++) {
        event = expect(SDB_EVENT_WATCHPOINT);
        see(&event, NULL);
        resume(&event);
        event = expect(SDB_EVENT_BREAKPOINT);
        see(&event, NULL);
        ck_assert_int_eq(stage_of(event.thread)->hit, PLACE_system);
        ends += go_past_call(turn % 6, &event);
        resume_process(all.target.process);
    }
    run_to_answer(&all.target, &tally);
    expect_right(&all.target);
    ck_assert_uint_eq(all.kinds[SDB_EVENT_SYSCALL_ENTRY] + all.kinds[SDB_EVENT_SYSCALL_EXIT], ends);
    ck_assert_uint_eq(all.kinds[SDB_EVENT_BREAKPOINT], (uint64_t)turns);
    ck_assert_uint_eq(all.writes, (uint64_t)turns);
    end_it();
    finish();
}

/*
 * The kernel may take the trap flag of a step for the program's own where the instruction loads the
 * flags; the program would die of it.
 */
TEST(steps_from_what_loads_the_flags_leave_no_trap)
{
    begin(_i);
    for (int count = 1; count <= 3; count++) {
        struct tally tally = {0};
        struct sdb_event event;

        launch_it(1, 3);
        catch_calls(all.target.process, 0, NUMBERS(SYS_gettid));
        (void)plant(&all.target, PLACE_interrupt_return);
        tell_target(&all.target, 'g');
        expect_whole_call(SYS_gettid);
        event = expect(SDB_EVENT_BREAKPOINT);
        for (int i = 0; i < count; i++) {
            step(event.thread);
            (void)expect_of(SDB_EVENT_STEP, event.thread);
        }
        resume_process(all.target.process);
        run_to_answer(&all.target, &tally);
        ck_assert_uint_eq(tally.signals[SIGTRAP], 0);
        expect_right(&all.target);
        end_it();
    }
    finish();
}

HOLDING_CASE(stops);

/* How many group-stops were told; shared with who stops the program. */
static volatile uint64_t *told_stops;

static void tell_stop(struct together *here, const struct sdb_event *event)
{
    (void)here;
    if (event->kind == SDB_EVENT_GROUP_STOP) {
        ck_assert_int_eq(event->signal, SIGSTOP);
        ++*told_stops;
    }
}

static int count_hit_and_pass(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread,
                              void *data)
{
    (void)breakpoint;
    (void)data;
    all.tally.hits[place_at(pc_of(thread))]++;
    return 0;
}

static void plant_silently(void)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    uint64_t addresses[PLACE_COUNT];

    for (int place = 0; place < PLACE_COUNT; place++)
        addresses[place] = all.target.board->addresses[place];
    options.addresses = addresses;
    options.address_count = PLACE_COUNT;
    options.condition = count_hit_and_pass;
    all.is_silent = true;
    ck_assert_int_eq(sdb_breakpoint_create(all.target.process, &options, &all.breakpoint), 0);
}

static void await_more(const volatile uint64_t *count, uint64_t than, int parent)
{
    while (*count <= than && getppid() == parent)
        usleep(20);
}

/*
 * Somebody else who stops the program and has it go on again: half of the times once the stop was told,
 * half of them at any instant.  Before the next it must have got further; else it would get nowhere
 * where to stop takes longer than to send.
 */
static int fork_stopper(int stops)
{
    const volatile uint64_t *turns = &all.target.board->counts[PLACE_ret];
    const int parent = getpid();
    const int pid = all.target.pid;
    int stopper = fork();

    ck_assert_int_ge(stopper, 0);
    if (stopper != 0)
        return stopper;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < stops && getppid() == parent; i++) {
        const uint64_t before = *turns;
        const uint64_t told = *told_stops;

        (void)kill(pid, SIGSTOP);
        if (i % 2 == 0)
            await_more(told_stops, told, parent);
        else
            usleep(chance_below(&all.chance, 200));
        (void)kill(pid, SIGCONT);
        await_more(turns, before + chance_below(&all.chance, 6), parent);
    }
    _exit(0);
}

static void storm_with_stops(bool silently)
{
    const int stops = GROUP_STOPS * rounds(1);
    int stopper;

    launch_it(FEW, 4);
    all.meanwhile = tell_stop;
    if (silently) {
        pass(SIGSTOP);
        pass(SIGCONT);
    }
    plant_silently();
    watch_cell();
    catch_calls(all.target.process, 0, NUMBERS(SYS_gettid));
    stopper = fork_stopper(stops);
    while (waitpid(stopper, NULL, WNOHANG) != stopper)
        order_all("s");
    order_all("s"); /* it runs on */
    expect_all_exact();
    ck_assert_uint_ge(all.kinds[SDB_EVENT_GROUP_STOP], (uint64_t)stops / 2);
    ck_assert_uint_ge(all.kinds[SDB_EVENT_GROUP_CONTINUE], (uint64_t)stops / 2);
    if (!silently) {
        ck_assert_uint_ge(all.tally.signals[SIGSTOP], (uint64_t)stops / 2);
        ck_assert_uint_ge(all.tally.signals[SIGCONT], (uint64_t)stops / 2);
    }
    end_it();
}

static void share_told_stops(bool silently)
{
    void *shared =
        mmap(NULL, sizeof(*told_stops), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(shared, MAP_FAILED);
    told_stops = shared;
    storm_with_stops(silently);
    munmap(shared, sizeof(*told_stops));
}

TEST(group_stops_lose_no_hit_and_no_call)
{
    begin(_i);
    share_told_stops(false);
    finish();
}

TEST(group_stops_that_are_passed_lose_none_either)
{
    begin(_i);
    share_told_stops(true);
    finish();
}

HOLDING_CASE(ends);

#define OWN_TURNS 20

static struct sdb_child *let_go;

static void on_event(struct sdb_session *in, int code, const struct sdb_event *event, void *data)
{
    (void)data;
    ck_assert_msg(code == 0, "%s", sdb_error_describe(code));
    ck_assert_ptr_eq(in, session);
    count_event(&all.target, event, &all.tally);
}

static int launch_and_set(struct sdb_session *in, void *data)
{
    const int round = *(const int *)data;

    session = in;
    launch_it(FEW, OWN_TURNS);
    ck_assert_int_eq(
        sdb_process_set_stop_mode(all.target.process, round % 4 == 3 ? SDB_ALL_STOP : SDB_NON_STOP),
        0);
    set_all(round % 2 ? SDB_CATCH_ALL : 0);
    all.in_order = true;
    return 0;
}

/* Nothing of it may be told from then on, but the ends of calls that are under way. */
static int lift_all(struct sdb_session *in, void *data)
{
    (void)in;
    (void)data;
    ck_assert_int_eq(sdb_breakpoint_remove(all.breakpoint), 0);
    ck_assert_int_eq(sdb_watchpoint_remove(all.watchpoint), 0);
    catch_calls(all.target.process, 0, NULL, 0);
    all.watchpoint = NULL;
    all.in_order = false;
    all.is_silent = true;
    return 0;
}

static int let_it_go(struct sdb_session *in, void *data)
{
    int rc = sdb_process_detach(all.target.process, SDB_RELEASE_RUN, &let_go);

    (void)in;
    (void)data;
    ck_assert_msg(rc == 0, "detach: %s", sdb_error_describe(rc));
    return 0;
}

static int keep_it_running(struct sdb_session *in, void *data)
{
    (void)in;
    (void)data;
    ck_assert_int_eq(sdb_process_stop(all.target.process, PATIENCE_MS), 0);
    ck_assert_int_eq(sdb_process_set_release(all.target.process, SDB_RELEASE_RUN), 0);
    (void)sdb_process_resume(all.target.process, SDB_RESUME_CONTINUE);
    return 0;
}

static void call_own(struct sdb_session *own, int (*function)(struct sdb_session *in, void *data),
                     int round)
{
    int result = -1;

    ck_assert_int_eq(sdb_session_call(own, function, &round, &result), 0);
    ck_assert_int_eq(result, 0);
}

/* Until the program is so far. */
static void await_turns(uint64_t turns)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (all.target.board->counts[PLACE_ret] < turns) {
        ck_assert_int_lt(host_now_ms(), end);
        sched_yield();
    }
}

static void expect_nothing_left(void)
{
    wait_ready(&all.target);
    expect_right(&all.target);
    ck_assert_uint_eq(all.target.board->counts[PLACE_ret], FEW * OWN_TURNS);
    expect_no_traces(&all.target, &all.before);
}

static void let_go_in_storm(struct sdb_session *own, int round, struct chance *chance)
{
    const unsigned instant = chance_below(chance, FEW * OWN_TURNS * 2 / 3);
    const int pid = all.target.pid;

    tell_target(&all.target, 's');
    await_turns(instant);
    if (round % 3 != 0) {
        call_own(own, lift_all, round);
        await_turns(instant + chance_below(chance, FEW * OWN_TURNS / 3));
    }
    if (round % 5 != 4) {
        call_own(own, let_it_go, round);
        expect_nothing_left();
        end_free_places(&all.target, let_go);
        close_target(&all.target);
        ck_assert_int_eq(sdb_session_destroy(own), 0);
        return;
    }
    call_own(own, keep_it_running, round);
    ck_assert_int_eq(sdb_session_destroy(own), 0);
    expect_nothing_left();
    close_target(&all.target);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

TEST(a_thread_of_its_own_lifts_and_lets_go_at_any_instant)
{
    struct chance chance = chance_of(13);

    for (int round = 0; round < rounds(8); round++) {
        struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
        struct sdb_session *own = NULL;

        options.flags = SDB_SESSION_OWN_THREAD | (_i == WAY_HELPER ? SDB_SESSION_NO_IO_URING : 0);
        options.handler = on_event;
        ck_assert_int_eq(sdb_session_create(&options, &own), 0);
        call_own(own, launch_and_set, round);
        let_go_in_storm(own, round, &chance);
    }
}

int main(void)
{
    return run_suite("together");
}
