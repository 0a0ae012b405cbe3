/* SPDX-License-Identifier: MIT */
/*
 * The general registers of a thread that stands still.
 */
#include "register_cache.h"

#include <stddef.h>

#include "ptrace.h"
#include "thread.h"

#define PC_OFFSET (offsetof(struct user, regs) + offsetof(struct user_regs_struct, rip))

int sdb__registers_general(struct sdb_thread *thread, struct user_regs_struct **registers)
{
    struct sdb__register_cache *cache = &thread->registers;

    if (!cache->is_whole) {
        const unsigned long long pc = cache->general.rip;
        int rc = sdb__ptrace_get_general(thread->tid, &cache->general);

        if (rc < 0)
            return rc;
        if (cache->pc_changed)
            cache->general.rip = pc;
        cache->is_whole = true;
        cache->has_pc = true;
    }
    *registers = &cache->general;
    return 0;
}

void sdb__registers_changed(struct sdb_thread *thread)
{
    thread->registers.changed = true;
}

int sdb__registers_get_pc(struct sdb_thread *thread, uint64_t *pc)
{
    struct sdb__register_cache *cache = &thread->registers;

    if (!cache->has_pc) {
        uint64_t word;
        int rc = sdb__ptrace_peek_user(thread->tid, PC_OFFSET, &word);

        if (rc < 0)
            return rc;
        cache->general.rip = word;
        cache->has_pc = true;
    }
    *pc = cache->general.rip;
    return 0;
}

void sdb__registers_set_pc(struct sdb_thread *thread, uint64_t pc)
{
    thread->registers.general.rip = pc;
    thread->registers.pc_changed = true;
}

int sdb__registers_flush(struct sdb_thread *thread)
{
    struct sdb__register_cache *cache = &thread->registers;
    int rc = 0;

    if (cache->changed)
        rc = sdb__ptrace_set_general(thread->tid, &cache->general);
    else if (cache->pc_changed)
        rc = sdb__ptrace_poke_user(thread->tid, PC_OFFSET, cache->general.rip);
    sdb__registers_forget(thread);
    return rc;
}

void sdb__registers_forget(struct sdb_thread *thread)
{
    struct sdb__register_cache *cache = &thread->registers;

    cache->has_pc = false;
    cache->is_whole = false;
    cache->pc_changed = false;
    cache->changed = false;
}
