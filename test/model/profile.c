/* SPDX-License-Identifier: MIT */
#include "profile.h"

#include "story.h"

struct profile profile;

#define STEPS_FLAGS_PERCENT                  50
#define NEVER_TWICE_PERCENT                  0
#define BOTH_INJECTS_AND_GROUP_STOPS_PERCENT 50
#define PLANTS_DURING_FORK_PERCENT           0
#define PLANTS_DURING_VFORK_PERCENT          0
#define ATTACHES_AT_ONCE_PERCENT             0

static const struct {
    unsigned percent; /* of programs that do it */
    unsigned weight;
} deeds[DEED_COUNT] = {
    [DEED_VISIT] = {100, 40}, [DEED_RAISE] = {60, 10}, [DEED_SIGNAL] = {50, 10},
    [DEED_JUMP] = {40, 4},    [DEED_TIMER] = {40, 5},  [DEED_SLEEP] = {60, 6},
    [DEED_MASK] = {50, 6},    [DEED_PIPE] = {40, 4},   [DEED_THREAD] = {50, 4},
    [DEED_FORK] = {40, 3},    [DEED_VFORK] = {40, 3},  [DEED_EXEC] = {40, 2},
};

void profile_choose(struct chance *chance, struct ledger *ledger)
{
    ledger->seed = chance_below(chance, 1U << 30);
    ledger->threads = 1 + (int)chance_below(chance, chance_percent(chance, 20) ? 12 : 5);
    ledger->has_trap_handler = chance_percent(chance, 50);
    for (int i = 0; i < DEED_COUNT; i++) {
        if (chance_percent(chance, deeds[i].percent))
            ledger->weights[i] = deeds[i].weight;
    }
    profile.stand_percent = chance_percent(chance, 50) ? chance_below(chance, 30) : 0;
    profile.step_percent = chance_percent(chance, 50) ? chance_below(chance, 30) : 0;
    profile.syscall_percent = chance_percent(chance, 30) ? chance_below(chance, 20) : 0;
    profile.attaches_at_once = chance_percent(chance, ATTACHES_AT_ONCE_PERCENT);
    profile.plants_during_fork = chance_percent(chance, PLANTS_DURING_FORK_PERCENT);
    profile.plants_during_vfork = chance_percent(chance, PLANTS_DURING_VFORK_PERCENT);
    profile.steps_flags = chance_percent(chance, STEPS_FLAGS_PERCENT);
    profile.never_twice = chance_percent(chance, NEVER_TWICE_PERCENT);
    profile.injects = chance_percent(chance, 50);
    profile.group_stops = !profile.injects;
    if (chance_percent(chance, BOTH_INJECTS_AND_GROUP_STOPS_PERCENT))
        profile.injects = profile.group_stops = true;
    profile.all_stop = chance_percent(chance, 30);
    story_tell("%d threads, trap handler %d, all-stop %d, stand %u, step %u, syscall %u",
               ledger->threads, ledger->has_trap_handler, profile.all_stop, profile.stand_percent,
               profile.step_percent, profile.syscall_percent);
    for (int i = 0; i < DEED_COUNT; i++)
        story_tell("  deed %d: %u", i, ledger->weights[i]);
}
