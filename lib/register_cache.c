/* SPDX-License-Identifier: MIT */
/*
 * The general registers of a thread that stands still.
 */
#include "register_cache.h"

#include "ptrace.h"
#include "thread.h"

int sdb__registers_general(struct sdb_thread *thread, struct user_regs_struct **registers)
{
    struct sdb__register_cache *cache = &thread->registers;

    if (cache->state == SDB__REGISTERS_UNREAD) {
        int rc = sdb__ptrace_get_general(thread->tid, &cache->general);

        if (rc < 0)
            return rc;
        cache->state = SDB__REGISTERS_READ;
    }
    *registers = &cache->general;
    return 0;
}

void sdb__registers_changed(struct sdb_thread *thread)
{
    thread->registers.state = SDB__REGISTERS_CHANGED;
}

int sdb__registers_flush(struct sdb_thread *thread)
{
    struct sdb__register_cache *cache = &thread->registers;
    int rc = 0;

    if (cache->state == SDB__REGISTERS_CHANGED)
        rc = sdb__ptrace_set_general(thread->tid, &cache->general);
    cache->state = SDB__REGISTERS_UNREAD;
    return rc;
}

void sdb__registers_forget(struct sdb_thread *thread)
{
    thread->registers.state = SDB__REGISTERS_UNREAD;
}
