/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counts.h"
#include "lives.h"
#include "numbered.h"
#include "profile.h"
#include "story.h"

/* Chance of the action that is under way. */
static struct chance chance;

/* ---- threads ---- */

static void resume_one(void)
{
    struct known_thread *thread = world_choose(true, chance_below(&chance, 1000));

    if (thread)
        world_resume(thread, (enum sdb_resume)chance_below(&chance, 3), SDB_SIGNAL_PASS);
}

static void resume_running(void)
{
    struct known_thread *thread = world_choose(false, chance_below(&chance, 1000));
    int rc;

    if (!thread || thread->silent || thread->may_stop)
        return;
    rc = sdb_thread_resume(thread->handle, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
    /* It may have ended already, as will be told. */
    if (rc == 0 || rc == -ESRCH)
        thread->ends = true;
    else
        EXPECT(rc == -EBUSY, "resuming thread %d, which runs: %d", thread->tid, rc);
}

static void resume_all(void)
{
    world_resume_all();
}

static void interrupt(void)
{
    struct known_thread *thread = world_choose(false, chance_below(&chance, 1000));
    int rc;

    if (!thread)
        return;
    rc = sdb_thread_interrupt(thread->handle);
    story_tell("interrupt thread %d: %d", thread->tid, rc);
    EXPECT(rc == 0 || rc == -ESRCH || (rc == -EALREADY && (thread->silent || thread->may_stop)),
           "interrupting thread %d: %d", thread->tid, rc);
    if (rc == 0)
        thread->interrupted = true;
}

static void interrupt_standing(void)
{
    struct known_thread *thread = world_choose(true, chance_below(&chance, 1000));
    int rc;

    if (!thread)
        return;
    rc = sdb_thread_interrupt(thread->handle);
    EXPECT(rc == -EALREADY || thread->silent, "interrupting thread %d, which stands: %d",
           thread->tid, rc);
}

/* ---- the process ---- */

static void stop(void)
{
    const int rc = sdb_process_stop(world.main->handle, -1);

    story_tell("stop process %d: %d", world.main->pid, rc);
    EXPECT(rc == 0, "sdb_process_stop(): %d", rc);
    world_stopped(world.main);
}

static void set_stop_mode(void)
{
    const bool all_stop = profile.all_stop && chance_percent(&chance, 50);
    const int rc =
        sdb_process_set_stop_mode(world.main->handle, all_stop ? SDB_ALL_STOP : SDB_NON_STOP);

    story_tell("all-stop %d: %d", all_stop, rc);
    EXPECT(rc == 0, "sdb_process_set_stop_mode(): %d", rc);
    world.main->all_stop = all_stop;
}

static void set_follow(void)
{
    uint32_t follow = SDB_FOLLOW_CLONE;
    int rc;

    if (chance_percent(&chance, 60))
        follow |= SDB_FOLLOW_FORK;
    if (chance_percent(&chance, 60))
        follow |= SDB_FOLLOW_VFORK;
    if (chance_percent(&chance, 80))
        follow |= SDB_FOLLOW_EXEC;
    stop();
    /* A birth that was not told yet comes by the policy that was in force. */
    for (int i = 0; i < world.thread_count; i++) {
        const struct known_thread *thread = &world.threads[i];

        if (!thread->ended && thread->process == world.main && (thread->silent || !thread->stands))
            return;
    }
    rc = sdb_process_set_follow(world.main->handle, follow);
    story_tell("follow %#x: %d", follow, rc);
    EXPECT(rc == 0, "sdb_process_set_follow(): %d", rc);
    world.main->follow = follow;
}

static void look_again(enum sdb_release how)
{
    if (!life_let_go(how))
        return;
    if (how == SDB_RELEASE_RUN && !life.quiet && chance_percent(&chance, 70))
        life_expect_progress();
    life_attach();
}

static void attach_again(void)
{
    look_again(SDB_RELEASE_RUN);
}

/* ---- points ---- */

static int ask_condition(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *data)
{
    (void)breakpoint;
    (void)thread;
    return counts_condition(data);
}

static uint32_t choose_places(unsigned most)
{
    const unsigned count = 1 + chance_below(&chance, most);
    uint32_t places = 0;

    for (unsigned i = 0; i < count; i++)
        places |= UINT32_C(1) << chance_below(&chance, PLACE_USED);
    return places;
}

static struct point *new_point(enum point_kind kind, uint32_t places, bool hardware)
{
    const int number = counts_free();
    struct point *point;

    if (number < 0)
        return NULL;
    point = counts_new(number, kind, places, hardware);
    counts_enabling(point);
    return point;
}

static void create_breakpoint(void)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    uint64_t addresses[PLACES];
    struct point *point;
    const bool hardware = chance_percent(&chance, 25);
    const unsigned way = chance_below(&chance, 10);
    int rc;

    point = new_point(POINT_BREAKPOINT, choose_places(hardware ? 2 : 5), hardware);
    if (!point)
        return;
    for (int i = 0; i < PLACE_USED; i++) {
        if ((point->places >> i) & 1)
            addresses[options.address_count++] = world.ledger->places[i].site;
    }
    options.addresses = addresses;
    if (hardware)
        options.flags |= SDB_BREAKPOINT_HARDWARE;
    if (way == 0) {
        options.flags |= SDB_BREAKPOINT_ONE_SHOT;
        point->one_shot = true;
    } else if (way == 1 || way == 2) {
        options.condition = ask_condition;
        options.condition_data = point;
        point->conditional = true;
    } else if (way == 3) {
        options.ignore_count = point->ignored = 1 + chance_below(&chance, 50);
    }
    rc = sdb_breakpoint_create(world.main->handle, &options, &point->breakpoint);
    story_tell("breakpoint %d at places %#x, flags %#llx, way %u: %d", counts_number(point),
               point->places, (unsigned long long)options.flags, way, rc);
    if (rc == -ENOSPC && hardware && counts_debug_registers() + (int)options.address_count > 4) {
        counts_forget(point);
        return;
    }
    EXPECT(rc == 0, "sdb_breakpoint_create(): %d", rc);
    sdb_breakpoint_set_data(point->breakpoint, point);
    counts_enabled(point);
}

static bool makes(enum deed deed)
{
    return world.ledger->weights[deed] > 0;
}

/* Who was made before it has none of it, and may be told of after it. */
static bool may_be_late(void)
{
    if (makes(DEED_FORK) && !profile.plants_during_fork)
        return true;
    return (makes(DEED_VFORK) || makes(DEED_EXEC)) && !profile.plants_during_vfork;
}

static void create(void (*create_point)(void))
{
    const bool was_quiet = life.quiet;

    if (may_be_late())
        life_settle();
    create_point();
    if (!was_quiet && life.quiet)
        life_unsettle();
}

static void set_breakpoint(void)
{
    create(create_breakpoint);
}

static void create_watchpoint(void)
{
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    struct point *point = new_point(POINT_WATCHPOINT, UINT32_C(1) << PLACE_STORE, false);
    int rc;

    if (!point)
        return;
    options.address = world.ledger->cell;
    options.length = 8;
    if (chance_percent(&chance, 20)) {
        options.flags |= SDB_WATCHPOINT_ONE_SHOT;
        point->one_shot = true;
    }
    rc = sdb_watchpoint_create(world.main->handle, &options, &point->watchpoint);
    story_tell("watchpoint %d: %d", counts_number(point), rc);
    if (rc == -ENOSPC && counts_debug_registers() >= 4) {
        counts_forget(point);
        return;
    }
    EXPECT(rc == 0, "sdb_watchpoint_create(): %d", rc);
    sdb_watchpoint_set_data(point->watchpoint, point);
    counts_enabled(point);
}

static void set_watchpoint(void)
{
    create(create_watchpoint);
}

static struct point *choose_point(void)
{
    return counts_point((int)chance_below(&chance, MOST_POINTS));
}

static void remove_point(void)
{
    struct point *point = choose_point();
    int rc = 0;

    if (!point || point->kind == POINT_CALLS)
        return;
    counts_check(point);
    if (point->kind == POINT_BREAKPOINT)
        rc = sdb_breakpoint_remove(point->breakpoint);
    else
        rc = sdb_watchpoint_remove(point->watchpoint);
    story_tell("remove point %d: %d", counts_number(point), rc);
    EXPECT(rc == 0, "removing a point: %d", rc);
    counts_forget(point);
}

static void disable_point(void)
{
    struct point *point = choose_point();
    int rc;

    if (!point || point->kind == POINT_CALLS || point->one_shot || !point->enabled)
        return;
    counts_disabling(point);
    rc = point->kind == POINT_BREAKPOINT ? sdb_breakpoint_disable(point->breakpoint)
                                         : sdb_watchpoint_disable(point->watchpoint);
    story_tell("disable point %d: %d", counts_number(point), rc);
    EXPECT(rc == 0, "disabling a point: %d", rc);
    counts_disabled(point);
    counts_check(point);
}

static void enable_point(void)
{
    struct point *point = choose_point();
    int rc;

    if (!point || point->kind == POINT_CALLS || point->one_shot || point->enabled)
        return;
    counts_enabling(point);
    rc = point->kind == POINT_BREAKPOINT ? sdb_breakpoint_enable(point->breakpoint)
                                         : sdb_watchpoint_enable(point->watchpoint);
    story_tell("enable point %d: %d", counts_number(point), rc);
    if (rc == -ENOSPC)
        return;
    EXPECT(rc == 0, "enabling a point: %d", rc);
    counts_enabled(point);
}

static void catch_calls(void)
{
    static const struct {
        enum place place;
        int32_t number;
    } calls[] = {{PLACE_GETUID, SYS_getuid}, {PLACE_GETPPID, SYS_getppid}};
    const unsigned which = chance_below(&chance, 4);
    struct point *point = NULL;
    uint32_t places = 0;
    int32_t numbers[2];
    size_t count = 0;
    int rc;

    for (unsigned i = 0; i < 2; i++) {
        if ((which >> i) & 1) {
            numbers[count++] = calls[i].number;
            places |= UINT32_C(1) << calls[i].place;
        }
    }
    for (int i = 0; i < MOST_POINTS; i++) {
        if (counts_point(i) && counts_point(i)->kind == POINT_CALLS)
            counts_forget(counts_point(i));
    }
    if (count > 0) {
        point = new_point(POINT_CALLS, places, false);
        if (!point)
            return;
    }
    rc = sdb_process_catch_syscalls(world.main->handle, 0, count ? numbers : NULL, count);
    story_tell("catch calls, places %#x: %d", places, rc);
    EXPECT(rc == 0, "sdb_process_catch_syscalls(): %d", rc);
    for (int i = 0; i < world.thread_count; i++)
        world_catches_other_calls(&world.threads[i]);
    if (point)
        counts_enabled(point);
}

/* ---- looking ---- */

static void inject(void)
{
    struct known_thread *thread = world_choose(true, chance_below(&chance, 1000));
    const uint64_t arguments[6] = {0};
    int64_t result = -1;
    uint64_t before = 0;
    uint64_t after = 0;
    int rc;

    if (!thread || !profile.injects || sdb_thread_pc(thread->handle, &before) != 0)
        return;
    rc = sdb_thread_inject(thread->handle, SYS_getpid, arguments, &result);
    story_tell("inject into thread %d: %d, %lld", thread->tid, rc, (long long)result);
    if (rc == -EBUSY && (thread->silent || thread->kind == SDB_EVENT_VFORK))
        return;
    EXPECT(
        rc == 0 && result == thread->process->pid,
        "injecting getpid() into thread %d of process %d, which stands after %s: %d, result %lld",
        thread->tid, thread->process->pid, sdb_event_name(thread->kind), rc, (long long)result);
    rc = sdb_thread_pc(thread->handle, &after);
    EXPECT(rc == 0 && before == after,
           "a call was injected at %#llx, and the thread stands at %#llx",
           (unsigned long long)before, (unsigned long long)after);
}

static void read_text(void)
{
    for (int i = 0; i < PLACE_USED; i++) {
        uint8_t bytes[4];
        const int64_t count =
            sdb_memory_read(world.main->handle, world.ledger->places[i].site, bytes, sizeof(bytes));

        EXPECT(count == (int64_t)sizeof(bytes), "reading text: %lld", (long long)count);
        EXPECT(bytes[0] != 0xcc, "a planted byte is seen at place %d", i);
    }
}

/* ---- signals ---- */

static void send_numbered(void)
{
    numbered_send(life.pid, 0);
}

static void send_numbered_to_thread(void)
{
    const struct slot *slot =
        &world.ledger->slots[2 * chance_below(&chance, (unsigned)world.ledger->threads)];

    if (slot->is_worker && slot->tid)
        numbered_send(life.pid, slot->tid);
}

static void stop_from_outside(void)
{
    if (!profile.group_stops)
        return;
    story_tell("SIGSTOP");
    world.sent_stops++;
    world.stopped = true;
    (void)kill(life.pid, SIGSTOP);
}

static void continue_from_outside(void)
{
    story_tell("SIGCONT");
    world.stopped = false;
    (void)kill(life.pid, SIGCONT);
}

/* ---- all of them ---- */

static void settle(void)
{
    life_settle();
    life_unsettle();
}

static void settle_and_act(void)
{
    life_settle();
    switch (chance_below(&chance, 4)) {
    case 0:
        set_breakpoint();
        break;
    case 1:
        set_watchpoint();
        break;
    case 2:
        attach_again();
        break;
    default:
        catch_calls();
        break;
    }
    life_unsettle();
}

static const struct {
    const char *name;
    unsigned weight;
    void (*function)(void);
} actions[] = {
    {"resume one", 20, resume_one},
    {"resume a running one", 4, resume_running},
    {"resume all", 20, resume_all},
    {"interrupt", 20, interrupt},
    {"interrupt a standing one", 4, interrupt_standing},
    {"stop", 6, stop},
    {"stop mode", 6, set_stop_mode},
    {"follow", 4, set_follow},
    {"attach again", 4, attach_again},
    {"breakpoint", 10, set_breakpoint},
    {"watchpoint", 4, set_watchpoint},
    {"remove", 20, remove_point},
    {"disable", 10, disable_point},
    {"enable", 10, enable_point},
    {"catch calls", 5, catch_calls},
    {"inject", 15, inject},
    {"read text", 5, read_text},
    {"numbered signal", 10, send_numbered},
    {"numbered signal to a thread", 10, send_numbered_to_thread},
    {"SIGSTOP", 5, stop_from_outside},
    {"SIGCONT", 8, continue_from_outside},
    {"settle", 6, settle},
    {"settle and act", 6, settle_and_act},
};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

/* The environment can have some left out: to find out who is to blame. */
static unsigned weight_of(size_t number)
{
    const char *only = getenv("SDB_TEST_WITHOUT");

    if (only) {
        char *rest = NULL;
        char names[256];

        snprintf(names, sizeof(names), "%s", only);
        for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
            if (strcmp(name, actions[number].name) == 0)
                return 0;
        }
    }
    return actions[number].weight;
}

void act(unsigned number)
{
    unsigned sum = 0;
    unsigned at;

    chance = chance_of(life.seed, 1000 + number);
    for (size_t i = 0; i < ACTIONS; i++)
        sum += weight_of(i);
    at = chance_below(&chance, sum);
    for (size_t i = 0; i < ACTIONS; i++) {
        const unsigned weight = weight_of(i);

        if (at < weight) {
            story_tell("action %u: %s", number, actions[i].name);
            actions[i].function();
            return;
        }
        at -= weight;
    }
}
