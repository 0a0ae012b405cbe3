/* SPDX-License-Identifier: MIT */
/*
 * Random programs, to which random things are done, beside a model of what must be true.
 *
 * Each life is a program (program.c) that does things at random and counts them, and a sequence of
 * actions; both follow from a seed, which is printed with each failure: SDB_TEST_SEED=n leads that
 * life alone, again and again.  SDB_TEST_SECONDS says for how long lives are led altogether.
 * SDB_TEST_WITHOUT is a list of actions, between commas, that are left out: to find out who is to
 * blame.  SDB_TEST_LINES says how much of the story is shown, SDB_TEST_PATIENCE after how many
 * seconds a standstill is a failure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sdb/sdb.h>

#include "../support/leftovers.h"
#include "../support/suite.h"

#include "actions.h"
#include "lives.h"
#include "story.h"

#define PARTS           10
#define SECONDS         50
#define ACTIONS_OF_LIFE 150

static int seconds_from_environment(void)
{
    const char *text = getenv("SDB_TEST_SECONDS");
    const char *rounds = getenv("SDB_TEST_ROUNDS");
    const int seconds = text ? atoi(text) : 0;

    return seconds > 0 ? seconds : SECONDS * (rounds ? atoi(rounds) : 1);
}

static unsigned first_seed(void)
{
    const char *text = getenv("SDB_TEST_SEED");

    return text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)time(NULL) * 100000U;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void lead(unsigned seed)
{
    const char *length = getenv("SDB_TEST_ACTIONS");
    const unsigned count = length ? (unsigned)atoi(length) : ACTIONS_OF_LIFE;

    life_begin(seed);
    for (unsigned i = 0; i < count; i++) {
        act(i);
        life_wait((int)chance_below(&life.chance, 4), (int)chance_below(&life.chance, 40));
    }
    life_end();
}

static unsigned seed_of_run;

SUITE_CASE(lives, leftovers_case);

LOOP_TEST(what_is_told_is_what_was_done, 0, PARTS)
{
    const double end = now() + (double)seconds_from_environment() / PARTS;
    const bool again = getenv("SDB_TEST_SEED") != NULL;
    struct leftovers before;
    char text[4096];
    unsigned count = 0;

    if (again && _i > 0)
        return;
    leftovers_note(&before);
    do {
        const unsigned seed = again ? seed_of_run : seed_of_run + (unsigned)_i * 10000U + count;

        lead(seed);
        sdb_launch_trim();
        if (!leftovers_same(&before, text, sizeof(text)))
            ck_abort_msg("SDB_TEST_SEED=%u has left behind:\n%s", seed, text);
        count++;
    } while (now() < end);
    if (getenv("SDB_TEST_VERBOSE"))
        printf("part %d: %u lives\n", _i, count);
}
END_TEST

int main(void)
{
    char timeout[16];

    seed_of_run = first_seed();
    printf("SDB_TEST_SEED=%u\n", seed_of_run);
    (void)fflush(stdout);
    snprintf(timeout, sizeof(timeout), "%d", seconds_from_environment() / PARTS + 120);
    (void)setenv("CK_DEFAULT_TIMEOUT", timeout, 1);
    return run_suite("model");
}
