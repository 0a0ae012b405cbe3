/* SPDX-License-Identifier: MIT */
/*
 * The registers of a thread that stands still.
 */
#include "held/register_cache.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "arch/x86_64/xsave.h"
#include "held/thread.h"
#include "kernel/ptrace.h"

#define PC_OFFSET (offsetof(struct user, regs) + offsetof(struct user_regs_struct, rip))

/* In 32-bit code of a program's. */
#define USER_32_CS 0x23

/* Room beyond what is expected, so that what is larger is noticed; the kernel wants whole words. */
#define MORE sizeof(uint64_t)

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

bool sdb__registers_are_of_32_bit(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;

    return sdb__registers_general(thread, &registers) == 0 && registers->cs == USER_32_CS;
}

void sdb__registers_note_pc(struct sdb_thread *thread, uint64_t pc)
{
    struct sdb__register_cache *cache = &thread->registers;

    if (cache->has_pc)
        return;
    cache->general.rip = pc;
    cache->has_pc = true;
}

void sdb__registers_set_pc(struct sdb_thread *thread, uint64_t pc)
{
    struct sdb__register_cache *cache = &thread->registers;

    cache->general.rip = pc;
    cache->has_pc = true;
    cache->pc_changed = true;
}

/* Read a set of registers, however large it is; the kernel says nothing of what it leaves out. */
static int read_set(pid_t tid, unsigned type, size_t room, struct sdb__xsave **xsave)
{
    struct sdb__xsave *read = NULL;
    size_t size;
    int rc;

    for (;; room *= 2) {
        free(read);
        read = malloc(sizeof(*read) + room);
        if (!read)
            return -ENOMEM;
        size = room;
        rc = sdb__ptrace_get_register_set(tid, type, read->area, &size);
        if (rc < 0)
            break;
        if (size < room) {
            read->type = type;
            read->changed = false;
            read->size = size;
            *xsave = read;
            return 0;
        }
    }
    free(read);
    return rc;
}

int sdb__registers_xsave(struct sdb_thread *thread, struct sdb__xsave **xsave)
{
    const struct sdb__xsave_layout *layout = sdb__xsave_layout();
    struct sdb__register_cache *cache = &thread->registers;
    int rc = 0;

    if (!cache->xsave) {
        rc = read_set(thread->tid, NT_X86_XSTATE, layout->size + MORE, &cache->xsave);
        if (rc == -ENODEV || rc == -EINVAL) /* no XSAVE */
            rc = read_set(thread->tid, NT_PRFPREG, SDB__FXSAVE_SIZE + MORE, &cache->xsave);
        if (rc == 0)
            sdb__xsave_complete(layout, cache->xsave->area, cache->xsave->size);
    }
    if (rc < 0)
        return rc == -ESRCH || rc == -ENOMEM ? rc : -ENOTSUP;
    *xsave = cache->xsave;
    return 0;
}

int sdb__registers_write_general(struct sdb_thread *thread)
{
    struct sdb__register_cache *cache = &thread->registers;
    int rc = 0;

    if (cache->changed)
        rc = sdb__ptrace_set_general(thread->tid, &cache->general);
    else if (cache->pc_changed)
        rc = sdb__ptrace_poke_user(thread->tid, PC_OFFSET, cache->general.rip);
    if (rc == 0) {
        cache->changed = false;
        cache->pc_changed = false;
    }
    return rc;
}

int sdb__registers_write_xsave(struct sdb_thread *thread)
{
    struct sdb__xsave *xsave = thread->registers.xsave;
    int rc = 0;

    if (xsave && xsave->changed)
        rc = sdb__ptrace_set_register_set(thread->tid, xsave->type, xsave->area, xsave->size);
    if (rc == 0 && xsave)
        xsave->changed = false;
    return rc;
}

int sdb__registers_flush(struct sdb_thread *thread)
{
    int rc = sdb__registers_write_general(thread);
    int xsave_rc = sdb__registers_write_xsave(thread);

    sdb__registers_forget(thread);
    return rc < 0 ? rc : xsave_rc;
}

void sdb__registers_forget(struct sdb_thread *thread)
{
    struct sdb__register_cache *cache = &thread->registers;

    cache->has_pc = false;
    cache->is_whole = false;
    cache->pc_changed = false;
    cache->changed = false;
    if (cache->xsave)
        free(cache->xsave);
    cache->xsave = NULL;
}
