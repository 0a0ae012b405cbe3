/* SPDX-License-Identifier: MIT */
#include "adding.h"

struct adding adding;

void launch_adding(void)
{
    struct sdb_event event;

    adding.target = launch_watched();
    adding.watchpoint = watch(&adding.target, COUNTER, 8);
    give(&adding.target, 'c', 2);
    event = expect_hit(adding.watchpoint);
    adding.behind = pc_of(event.thread);
    do {
        adding.at = pc_of(event.thread);
        resume_thread(event.thread, SDB_RESUME_STEP);
        event = next_event();
    } while (event.kind == SDB_EVENT_STEP);
    ck_assert_ptr_eq(event.watchpoint, adding.watchpoint);
    ck_assert_uint_eq(pc_of(event.thread), adding.behind);
    ck_assert_uint_lt(adding.at, adding.behind);
    resume(&event);
    (void)await_answer(&adding.target);
}

void end_adding(void)
{
    close_input(&adding.target.target);
    expect_exit(SDB_EXITED, 0);
    close_watched(&adding.target);
}
