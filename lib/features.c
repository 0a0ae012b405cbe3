/* SPDX-License-Identifier: MIT */
/*
 * The features that there are, in the order in which they are asked, and the sessions that have them.
 *
 * The order is that of their slots.  Of a stop, watchpoints look before breakpoints do, since these show
 * the thread at its program's own place; the debug registers are set before any instruction is executed.
 * The end of a step is looked at before all that would see what it has changed for a moment, and a step
 * begins when all others have got the thread ready.
 */
#include <sdb/session.h>

#include "breakpoint/breakpoint.h"
#include "session/session.h"
#include "step/step.h"
#include "syscall/calls.h"
#include "trap/debug_registers.h"
#include "trap/signal.h"
#include "trap/single_step.h"
#include "watchpoint/watchpoint.h"

static const struct sdb__features features = {
    .by_slot = {
        [SDB__DEBUG_REGISTERS_SLOT] = &sdb__debug_registers_feature,
        [SDB__SINGLE_STEP_SLOT] = &sdb__single_step_feature,
        [SDB__WATCHPOINT_SLOT] = &sdb__watchpoint_feature,
        [SDB__TRAP_SIGNAL_SLOT] = &sdb__trap_signal_feature,
        [SDB__STEP_SLOT] = &sdb__step_feature,
        [SDB__BREAKPOINT_SLOT] = &sdb__breakpoint_feature,
        [SDB__SYSCALL_SLOT] = &sdb__syscall_feature,
        [SDB__STEP_BEGIN_SLOT] = &sdb__step_begin_feature,
    }};

int sdb_session_create(const struct sdb_session_options *options, struct sdb_session **session)
{
    return sdb__session_create(&features, options, session);
}
