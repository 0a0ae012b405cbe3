/* SPDX-License-Identifier: MIT */
#include "counts.h"

#include <string.h>
#include <sys/syscall.h>

#include "profile.h"
#include "story.h"

static struct point points[MOST_POINTS];

/* Of each slot and place, how often it was begun when a hit of the point was told last. */
static uint32_t last_begun[MOST_POINTS][LEDGER_SLOTS][PLACES];
static uint32_t last_aborted[MOST_POINTS][LEDGER_SLOTS][PLACES];
/* Whether that was told, and not only begun when the point was enabled: it may be hit still. */
static bool last_was_told[MOST_POINTS][LEDGER_SLOTS][PLACES];

int counts_number(const struct point *point)
{
    return (int)(point - points);
}

void counts_begin(void)
{
    memset(points, 0, sizeof(points));
}

struct point *counts_point(int number)
{
    return points[number].kind == POINT_NONE ? NULL : &points[number];
}

int counts_free(void)
{
    for (int i = 0; i < MOST_POINTS; i++) {
        if (points[i].kind == POINT_NONE)
            return i;
    }
    return -1;
}

struct point *counts_new(int number, enum point_kind kind, uint32_t places, bool hardware)
{
    points[number] = (struct point){.kind = kind, .places = places, .hardware = hardware};
    world.main->points |= UINT32_C(1) << number;
    /* Who shares the memory comes by the same bytes. */
    for (int i = 0; i < world.process_count && kind == POINT_BREAKPOINT && !hardware; i++) {
        if (world.processes[i].held && world.processes[i].shares_memory)
            world.processes[i].points |= UINT32_C(1) << number;
    }
    return &points[number];
}

static int slot_count(void)
{
    const int count = world.ledger->slot_count;

    return count < LEDGER_SLOTS ? count : LEDGER_SLOTS;
}

/* ---- sums ---- */

/* Whether what a slot has done is the point's affair. */
static bool concerns(const struct point *point, const struct slot *slot)
{
    const struct known_process *process;

    if (slot->pid == 0 || (point->only && slot != point->only && slot != point->only + 1))
        return false;
    process = world_find_process(slot->pid);
    return process && ((process->points >> counts_number(point)) & 1);
}

static void add(const struct point *point, const struct slot *slot, uint64_t *least, uint64_t *most)
{
    for (int place = 0; place < PLACE_USED; place++) {
        if (!((point->places >> place) & 1))
            continue;
        *least += slot->done[place];
        *most += slot->begun[place];
    }
}

/* How often its places were come by: what is done for certain, and what may be. */
static void sum(const struct point *point, uint64_t *least, uint64_t *most)
{
    *least = point->least_executed;
    *most = point->most_executed;
    for (int i = 0; i < slot_count(); i++) {
        if (concerns(point, &world.ledger->slots[i]))
            add(point, &world.ledger->slots[i], least, most);
    }
}

void counts_enabling(struct point *point)
{
    uint64_t most;

    sum(point, &point->least_before, &most);
}

void counts_enabled(struct point *point)
{
    const int number = counts_number(point);
    uint64_t least;

    sum(point, &least, &point->most_before);
    point->enabled = true;
    memset(last_was_told[number], 0, sizeof(last_was_told[number]));
    memset(last_begun[number], 0, sizeof(last_begun[number]));
    memset(last_aborted[number], 0, sizeof(last_aborted[number]));
    for (int i = 0; i < slot_count(); i++) {
        for (int place = 0; place < PLACE_USED; place++) {
            last_begun[number][i][place] = (uint32_t)world.ledger->slots[i].begun[place];
            last_aborted[number][i][place] = (uint32_t)world.ledger->slots[i].aborted[place];
        }
    }
}

/* How often it was come by while it was enabled, so far. */
static void span(const struct point *point, uint64_t *least, uint64_t *most)
{
    uint64_t least_now, most_now;

    *least = point->least;
    *most = point->most;
    if (!point->enabled)
        return;
    sum(point, &least_now, &most_now);
    *least += least_now > point->most_before ? least_now - point->most_before : 0;
    *most += most_now - point->least_before;
}

void counts_disabling(struct point *point)
{
    uint64_t most;

    span(point, &point->least_then, &most);
}

void counts_disabled(struct point *point)
{
    uint64_t least;

    span(point, &least, &point->most);
    point->least = point->least_then;
    point->enabled = false;
}

static bool tells_each(const struct point *point)
{
    return !point->one_shot && !point->conditional && point->ignored == 0;
}

/* Who has come by since it was told last, if it is told each time. */
static void note_untold(const struct point *point)
{
    const int number = counts_number(point);

    for (int i = 0; i < slot_count(); i++) {
        const struct slot *slot = &world.ledger->slots[i];

        for (int place = 0; place < PLACE_USED && concerns(point, slot); place++) {
            const uint32_t untold = (uint32_t)slot->begun[place] - last_begun[number][i][place];

            if (((point->places >> place) & 1) && untold > 0)
                story_note("  slot %d, thread %d of process %d: place %d begun %llu times, %u "
                           "since it was told",
                           i, slot->tid, slot->pid, place, (unsigned long long)slot->begun[place],
                           untold);
        }
    }
}

void counts_check(struct point *point)
{
    uint64_t least, most, hits;

    span(point, &least, &most);
    if (point->kind == POINT_CALLS) {
        hits = point->told;
    } else {
        hits = point->kind == POINT_BREAKPOINT ? sdb_breakpoint_hit_count(point->breakpoint)
                                               : sdb_watchpoint_hit_count(point->watchpoint);
    }
    story_note("  point %d: %llu hits, %llu told, %llu to %llu executions", counts_number(point),
               (unsigned long long)hits, (unsigned long long)point->told, (unsigned long long)least,
               (unsigned long long)most);
    if (point->one_shot) {
        EXPECT(point->told <= 1, "point %d is one-shot, and was told %llu times",
               counts_number(point), (unsigned long long)point->told);
        return;
    }
    if (point->conditional) {
        EXPECT(
            point->asked >= least && (point->asked <= most || !profile.never_twice),
            "the condition of point %d was asked %llu times, and it was come by %llu to %llu times",
            counts_number(point), (unsigned long long)point->asked, (unsigned long long)least,
            (unsigned long long)most);
        EXPECT(hits == point->granted, "point %d has %llu hits, and its condition has granted %llu",
               counts_number(point), (unsigned long long)hits, (unsigned long long)point->granted);
        return;
    }
    /* What is not told each time may have come twice unseen. */
    if (!profile.never_twice && !tells_each(point))
        most = hits > most ? hits : most;
    most += point->repeated;
    if (hits < least || hits > most)
        note_untold(point);
    EXPECT(hits >= least && hits <= most,
           "point %d (kind %d, places %#x) has %llu hits, and was come by %llu to %llu times",
           counts_number(point), (int)point->kind, point->places, (unsigned long long)hits,
           (unsigned long long)least, (unsigned long long)most);
    EXPECT(point->told <= hits, "point %d has %llu hits, and %llu were told", counts_number(point),
           (unsigned long long)hits, (unsigned long long)point->told);
}

void counts_check_all(void)
{
    for (int i = 0; i < MOST_POINTS; i++) {
        if (points[i].kind != POINT_NONE)
            counts_check(&points[i]);
    }
}

void counts_forget(struct point *point)
{
    for (int i = 0; i < world.process_count; i++)
        world.processes[i].points &= ~(UINT32_C(1) << counts_number(point));
    memset(point, 0, sizeof(*point));
}

int counts_debug_registers(void)
{
    int count = 0;

    for (int i = 0; i < MOST_POINTS; i++) {
        if (!points[i].enabled)
            continue;
        if (points[i].kind == POINT_WATCHPOINT)
            count++;
        else if (points[i].kind == POINT_BREAKPOINT && points[i].hardware)
            count += __builtin_popcount(points[i].places);
    }
    return count;
}

/* ---- what is told ---- */

/* A point that tells each execution.  This one must be the next of its slot. */
static void expect_next(struct point *point, const struct known_thread *thread, uint64_t address,
                        int place)
{
    struct slot *slot = world_slot(address);
    uint32_t *last, *aborted;
    uint32_t begun, gone;
    int index;

    if (address == 0 && thread->process->killed)
        return;
    EXPECT(slot, "thread %d is at place %d, with no slot: %#llx", thread->tid, place,
           (unsigned long long)address);
    EXPECT(slot->tid == thread->tid, "thread %d is at place %d with the slot of %d", thread->tid,
           place, slot->tid);
    index = (int)(slot - world.ledger->slots);
    last = &last_begun[counts_number(point)][index][place];
    aborted = &last_aborted[counts_number(point)][index][place];
    begun = (uint32_t)slot->begun[place];
    gone = (uint32_t)slot->aborted[place] - *aborted;
    EXPECT(begun - *last <= 1 + gone,
           "point %d at place %d: thread %d (slot %d) has come by %u times since it was told last, "
           "%u of "
           "these in vain",
           counts_number(point), place, thread->tid, index, begun - *last, gone);
    if (begun == *last && last_was_told[counts_number(point)][index][place]) {
        story_note("  the same execution again");
        EXPECT(!profile.never_twice,
               "point %d at place %d: thread %d (slot %d) tells the same execution again, the %uth",
               counts_number(point), place, thread->tid, index, begun);
        point->repeated++;
    }
    last_was_told[counts_number(point)][index][place] = true;
    *last = begun;
    *aborted += gone;
}

/* The address of the slot that a thread uses at a place. */
static uint64_t read_slot(struct known_thread *thread, int place)
{
    uint64_t address = 0;
    const int rc =
        sdb_thread_get_register(thread->handle, place == PLACE_STRING ? "rdx" : "rdi", &address);

    EXPECT(rc == 0 || thread->process->killed, "a register of thread %d cannot be read: %d",
           thread->tid, rc);
    return address;
}

static int place_of(uint64_t address, bool is_behind)
{
    for (int i = 0; i < PLACE_USED; i++) {
        if (address == (is_behind ? world.ledger->places[i].next : world.ledger->places[i].site))
            return i;
    }
    return -1;
}

static void see_breakpoint(struct known_thread *thread, const struct sdb_event *event)
{
    const int place = place_of(event->address, false);
    const uint64_t pc = world_expect_own_code(thread);
    int found = 0;

    story_note("  place %d, at %#llx", place, (unsigned long long)pc);
    EXPECT(place >= 0 && (pc == event->address || pc == 0),
           "thread %d tells a breakpoint at %#llx, and stands at %#llx", thread->tid,
           (unsigned long long)event->address, (unsigned long long)pc);
    for (struct sdb_breakpoint *hit = sdb_thread_next_breakpoint(thread->handle, NULL); hit;
         hit = sdb_thread_next_breakpoint(thread->handle, hit)) {
        struct point *point = sdb_breakpoint_data(hit);

        EXPECT(point && point->kind == POINT_BREAKPOINT && point->breakpoint == hit &&
                   ((point->places >> place) & 1),
               "thread %d tells a breakpoint at place %d that is not there", thread->tid, place);
        EXPECT((thread->process->points >> counts_number(point)) & 1,
               "thread %d tells point %d, which its process does not have", thread->tid,
               counts_number(point));
        found++;
        point->told++;
        if (point->one_shot) {
            EXPECT(point->enabled && point->told == 1, "point %d is one-shot and told again",
                   counts_number(point));
            EXPECT(sdb_breakpoint_is_enabled(hit) == 0, "point %d is one-shot, told, and enabled",
                   counts_number(point));
            point->enabled = false;
        } else if (point->enabled && tells_each(point)) {
            expect_next(point, thread, read_slot(thread, place), place);
        }
    }
    EXPECT(found > 0, "thread %d tells a breakpoint at place %d, and there is none", thread->tid,
           place);
}

static void see_watchpoint(struct known_thread *thread)
{
    const uint64_t pc = world_expect_own_code(thread);
    const int place = place_of(pc, true);
    int found = 0;

    EXPECT(place == PLACE_STORE || pc == 0, "thread %d tells a watchpoint, and stands at %#llx",
           thread->tid, (unsigned long long)pc);
    for (struct sdb_watchpoint *hit = sdb_thread_next_watchpoint(thread->handle, NULL); hit;
         hit = sdb_thread_next_watchpoint(thread->handle, hit)) {
        struct point *point = sdb_watchpoint_data(hit);

        EXPECT(point && point->kind == POINT_WATCHPOINT && point->watchpoint == hit,
               "thread %d tells a watchpoint that is not there", thread->tid);
        EXPECT((thread->process->points >> counts_number(point)) & 1,
               "thread %d tells point %d, which its process does not have", thread->tid,
               counts_number(point));
        found++;
        point->told++;
        if (point->one_shot) {
            EXPECT(point->enabled && point->told == 1, "point %d is one-shot and told again",
                   counts_number(point));
            point->enabled = false;
        } else if (point->enabled && tells_each(point) && pc != 0) {
            expect_next(point, thread, read_slot(thread, PLACE_STORE), PLACE_STORE);
        }
    }
    EXPECT(found > 0, "thread %d tells a watchpoint, and there is none", thread->tid);
}

void counts_see_hit(struct known_thread *thread, const struct sdb_event *event)
{
    if (event->kind == SDB_EVENT_BREAKPOINT)
        see_breakpoint(thread, event);
    else
        see_watchpoint(thread);
}

bool counts_see_call(struct known_thread *thread, const struct sdb_syscall *call)
{
    const int place = call->number == SYS_getuid    ? PLACE_GETUID
                      : call->number == SYS_getppid ? PLACE_GETPPID
                                                    : -1;

    if (place < 0 || (!world_slot(call->arguments[0]) && !thread->process->executed))
        return false;
    for (int i = 0; i < MOST_POINTS; i++) {
        struct point *point = &points[i];

        if (point->kind != POINT_CALLS || !point->enabled || !((point->places >> place) & 1) ||
            !((thread->process->points >> i) & 1))
            continue;
        point->told++;
        if (!thread->process->executed) /* else its ledger is elsewhere */
            expect_next(point, thread, call->arguments[0], place);
        return true;
    }
    /* Newborns go on with what their parent had, whatever that has now. */
    return !thread->process->is_main;
}

int counts_condition(struct point *point)
{
    point->asked++;
    if (point->asked % 3 != 0)
        return 0;
    point->granted++;
    return 1;
}

/* What it has done before; it may be doing more by now. */
static void add_before(struct point *point, const struct slot *slot)
{
    for (int place = 0; place < PLACE_USED; place++) {
        const uint64_t begun = slot->begun[place];
        const uint64_t done = slot->done[place];

        if (!((point->places >> place) & 1))
            continue;
        point->least_executed += slot->has_executed ? slot->done_before[place] : done;
        point->most_executed += slot->has_executed ? slot->begun_before[place] : begun;
    }
}

void counts_executed(struct known_process *process, bool is_let_go)
{
    for (int i = 0; i < MOST_POINTS; i++) {
        /* Calls are caught all the same, as long as it is held. */
        if (!((process->points >> i) & 1) || (points[i].kind == POINT_CALLS && !is_let_go))
            continue;
        for (int slot = 0; slot < slot_count(); slot++) {
            if (world.ledger->slots[slot].pid == process->pid)
                add_before(&points[i], &world.ledger->slots[slot]);
        }
        process->points &= ~(UINT32_C(1) << i);
    }
    process->shares_memory = false;
}
