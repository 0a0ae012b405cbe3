/* SPDX-License-Identifier: MIT */
/*
 * All features at once, and what is told of them.
 */
#include "together.h"

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "calling.h"
#include "holding.h"
#include "host.h"
#include "injecting.h"
#include "racing.h"

#define MOST_STAGES    1024
#define SYSCALL_LENGTH 2
#define STORE_LENGTH   10
#define FIRST_RESTART  (-516)
#define LAST_RESTART   (-512)

struct together all;
static struct stage stages[MOST_STAGES];
static int stage_count;

struct stage *stage_of(struct sdb_thread *thread)
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

enum place place_at(uint64_t address)
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

void expect_own_place(struct sdb_thread *thread, const char *when)
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

void see_together(const struct sdb_event *event, void *data)
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

void watch_cell(void)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    int rc;

    options.address = all.cell;
    options.length = 4;
    rc = sdb_watchpoint_create(all.target.process, &options, &all.watchpoint);
    ck_assert_msg(rc == 0, "watch: %s", sdb_error_describe(rc));
}

void launch_together(int threads, int turns)
{
    memset(&all, 0, sizeof(all));
    stage_count = 0;
    all.tally.look = see_together;
    all.target = launch_places(threads, turns, false);
    note_traces(&all.target, &all.before);
    note_text();
    all.cell = find_cell();
    all.chance = chance_of((unsigned)threads);
}

void set_all(uint32_t flags)
{
    static const int32_t numbers[] = {SYS_gettid, SYS_rt_sigreturn};

    all.breakpoint = plant_all(&all.target);
    watch_cell();
    catch_calls(all.target.process, flags, flags ? NULL : numbers, flags ? 0 : 2);
}

void obey_all(const char *orders)
{
    for (const char *what = orders; *what; what++)
        obey(&all.target, *what, &all.tally);
}

/* Made again or not. */
void expect_calls_exact(enum place place)
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

void expect_all_exact(void)
{
    expect_exact(&all.target, &all.tally);
    expect_calls_exact(PLACE_system);
    ck_assert_uint_eq(all.calls[PLACE_system].restarts, 0);
    ck_assert_uint_eq(all.writes, all.target.board->counts[PLACE_store]);
    ck_assert_uint_eq(sdb_watchpoint_hit_count(all.watchpoint), all.writes);
    ck_assert_uint_eq(all.tally.signals[SIGTRAP], 0);
}

void end_together(void)
{
    end_places(&all.target);
    close_target(&all.target);
}

void inject_in_stop(struct sdb_thread *thread)
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
