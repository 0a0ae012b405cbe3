/* SPDX-License-Identifier: MIT */
/*
 * A call under a breakpoint is made for the thread: whoever looks at it sees it before the call or at
 * its target, and never in between.
 */
#include "breakpoint/breakpoint.h"
#include "kernel/program_memory.h"
#include "session/session.h"
#include "trap/debug_registers.h"

/* @return whether it can be read as the program would, and nobody watches for that */
static bool read_target(const struct sdb_thread *thread, const struct sdb__call *call,
                        uint64_t address, uint64_t *target)
{
    *target = 0;
    return !sdb__debug_touches(thread, address, sdb__call_size(call), false) &&
           sdb__program_read(thread->tid, address, target, sdb__call_size(call));
}

static bool push(const struct sdb_thread *thread, const struct sdb__call *call, uint64_t stack,
                 uint64_t return_address)
{
    return !sdb__debug_touches(thread, stack, sdb__call_size(call), true) &&
           sdb__program_write(thread->tid, stack, &return_address, sdb__call_size(call));
}

bool sdb__breakpoint_make_call(struct sdb_thread *thread, const struct sdb__site *site)
{
    struct user_regs_struct *registers;
    uint64_t target;
    uint64_t stack;

    if (sdb__registers_general(thread, &registers) < 0)
        return false;
    if (sdb__call_is_by_memory(&site->call, registers, &target) &&
        !read_target(thread, &site->call, target, &target))
        return false;
    stack = registers->rsp - sdb__call_size(&site->call);
    if (site->call.is_32_bit)
        stack = (uint32_t)stack;
    /* Elsewhere processors differ: some fault before they call. */
    if (target >= SDB__USER_ADDRESS_END || !push(thread, &site->call, stack, site->next))
        return false;
    registers->rsp = stack;
    registers->rip = target;
    sdb__registers_changed(thread);
    return true;
}
