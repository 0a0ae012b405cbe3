/* SPDX-License-Identifier: MIT */
/*
 * A program's life in the hands of the test: its beginning, waiting for events, quiet moments in
 * which all counts must agree, and its end.
 */
#ifndef SDB_TEST_MODEL_LIVES_H
#define SDB_TEST_MODEL_LIVES_H

#include <stdbool.h>

#include "chance.h"
#include "world.h"

/* The life that is being led. */
struct life {
    unsigned seed;
    struct chance chance;    /* of what is done to it */
    struct chance reactions; /* of how its events are answered */
    struct sdb_child *child; /* while it is not held, or was launched so */
    pid_t pid;
    bool attached;
    bool quiet; /* all that counts is at rest */
    int ledger_fd;
};

extern struct life life;

/** Begin: a program as the seed says is launched, and stands, or runs and was attached to. */
void life_begin(unsigned seed);

/** Wait for events and answer each at random. @param most  so many at most */
void life_wait(int timeout_ms, int most);

/** Have everybody go on until all workers are parked, and compare all counts.  They stay parked. */
void life_settle(void);

/** Let them go on. */
void life_unsettle(void);

/** Let the main process go.  @return false if that cannot be just now: it shares its memory */
bool life_let_go(enum sdb_release how);

/** Attach to it again. */
void life_attach(void);

/** It lives without us: it must come by places. */
void life_expect_progress(void);

/** Its end, in one of several ways; everything must be gone. */
void life_end(void);

#endif
