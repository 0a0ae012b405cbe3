/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints as a feature: which moments they have to do with.
 */
#include "trap/stop_point.h"
#include "watchpoint/watchpoint.h"

static void forget_program(struct sdb_thread *thread)
{
    sdb__watchpoint_forget(thread->process);
}

const struct sdb__feature sdb__watchpoint_feature = {
    .slot = SDB__WATCHPOINT_SLOT,
    .session_size = sizeof(struct sdb__stop_points),
    .process_size = sizeof(struct sdb__watch_process),
    .thread_size = sizeof(struct sdb__watch_hits),
    .look = sdb__watchpoint_look,
    .judge = sdb__watchpoint_judge,
    .tell = sdb__watchpoint_tell,
    .resumed = sdb__watchpoint_forget_stop,
    .process_born = sdb__watchpoint_inherit,
    .executed = forget_program,
    .thread_ended = sdb__watchpoint_forget_stop,
    .withdraw = sdb__watchpoint_forget,
    .process_gone = sdb__watchpoint_forget,
    .session_ends = sdb__watchpoint_free_all,
};
