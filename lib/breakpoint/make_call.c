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
static bool read_target(const struct sdb_thread *thread, uint64_t address, uint64_t *target)
{
    return !sdb__debug_touches(thread, address, sizeof(*target), false) &&
           sdb__program_read(thread->tid, address, target, sizeof(*target));
}

static bool push(const struct sdb_thread *thread, uint64_t stack, uint64_t return_address)
{
    return !sdb__debug_touches(thread, stack, sizeof(return_address), true) &&
           sdb__program_write(thread->tid, stack, &return_address, sizeof(return_address));
}

bool sdb__breakpoint_make_call(struct sdb_thread *thread, const struct sdb__site *site)
{
    struct user_regs_struct *registers;
    uint64_t target;
    uint64_t stack;

    if (sdb__registers_general(thread, &registers) < 0)
        return false;
    if (sdb__call_is_by_memory(&site->call, registers, &target) &&
        !read_target(thread, target, &target))
        return false;
    stack = registers->rsp - SDB__RETURN_ADDRESS_SIZE;
    /* Elsewhere processors differ: some fault before they call. */
    if (target >= SDB__USER_ADDRESS_END || !push(thread, stack, site->next))
        return false;
    registers->rsp = stack;
    registers->rip = target;
    sdb__registers_changed(thread);
    return true;
}
