/* SPDX-License-Identifier: MIT */
/*
 * Chance that is the same for the same seed.
 */
#ifndef SDB_TEST_MODEL_CHANCE_H
#define SDB_TEST_MODEL_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

/** @return the sequence of a seed, and of one of its purposes */
static inline struct chance chance_of(uint64_t seed, uint64_t purpose)
{
    return (struct chance){(seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
                           (purpose + 1) * UINT64_C(0xbf58476d1ce4e5b9)};
}

/** @return a number from 0 to limit - 1 */
static inline unsigned chance_below(struct chance *chance, unsigned limit)
{
    uint64_t mixed;

    chance->state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (chance->state ^ (chance->state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((mixed >> 33) % limit);
}

/** @return true in so many of a hundred cases */
static inline bool chance_percent(struct chance *chance, unsigned percent)
{
    return chance_below(chance, 100) < percent;
}

#endif
