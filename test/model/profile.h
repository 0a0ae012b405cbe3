/* SPDX-License-Identifier: MIT */
/*
 * What kind of program it is, and what is done to it: by the seed.
 */
#ifndef SDB_TEST_MODEL_PROFILE_H
#define SDB_TEST_MODEL_PROFILE_H

#include "chance.h"
#include "ledger.h"

struct profile {
    unsigned stand_percent; /* of events after which the thread stands for a while */
    unsigned step_percent;
    unsigned syscall_percent;
    bool all_stop;
    bool attaches_at_once;    /* again, while a thread that waits in vfork(2) is not let go yet */
    bool plants_during_fork;  /* while somebody may be born who is still to be told of */
    bool plants_during_vfork; /* the same of newborns of vfork(2), which may live long */
    bool never_twice;         /* an execution must not be told twice, whatever comes between */
    bool injects;             /* calls are injected */
    bool group_stops;         /* it gets SIGSTOP and SIGCONT */
    bool steps_flags;         /* instructions that push or pop flags are stepped */
};

extern struct profile profile;

/** Choose one, and tell the program. */
void profile_choose(struct chance *chance, struct ledger *ledger);

#endif
