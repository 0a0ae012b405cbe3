/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing registers: by the table, by name, and as sets.
 *
 * All is done in the copies that the cache keeps (register_cache.c).  What the kernel might refuse is
 * written at once, so that it is the caller who hears of it; and the copy is put back then.
 */
#include <sdb/registers.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/user.h>

#include "arch/arch.h"
#include "arch/register_table.h"
#include "arch/x86_64/xsave.h"
#include "base/versioned.h"
#include "kernel/procfs.h"
#include "kernel/ptrace.h"
#include "session/session.h"

#define SIZE_OF_VERSION_0_1 sizeof(struct sdb_registers)

/* The bits of rflags that the kernel lets a tracer change; it ignores the others without a word. */
#define CHANGEABLE_FLAGS UINT64_C(0x54dd5)

/* Of the table of names: a power of two, and twice as many as there are registers. */
#define NAMES 512

_Static_assert(sizeof(struct sdb_registers) == 28 * sizeof(uint64_t), "padding");

/* ---- the table ---- */

const struct sdb__register_entry *sdb__register_entry(const struct sdb_register *which)
{
    const uintptr_t first = (uintptr_t)&sdb__register_table[0];
    const uintptr_t at = (uintptr_t)which - first;

    if (!which || (uintptr_t)which < first ||
        at >= sdb__register_table_count * sizeof(sdb__register_table[0]) ||
        at % sizeof(sdb__register_table[0]) != 0)
        return NULL;
    return &sdb__register_table[at / sizeof(sdb__register_table[0])];
}

/* Names are looked up often, and there are many: the first use makes a table of them. */
static uint16_t by_name[NAMES]; /* indices, plus 1 */
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

/* Where a name is, or would be. */
static uint16_t *place_of(const char *name)
{
    uint32_t at = 0;

    for (const char *letter = name; *letter; letter++)
        at = at * 31 + (unsigned char)*letter;
    while (by_name[at % NAMES] != 0 &&
           strcmp(sdb__register_table[by_name[at % NAMES] - 1].shown.name, name) != 0)
        at++;
    return &by_name[at % NAMES];
}

static void fill_names(void)
{
    for (size_t i = 0; i < sdb__register_table_count; i++)
        *place_of(sdb__register_table[i].shown.name) = (uint16_t)(i + 1);
}

const struct sdb_register *sdb_register_find(const char *name)
{
    uint16_t found;

    if (!name)
        return NULL;
    pthread_once(&names_once, fill_names);
    found = *place_of(name);
    return found > 0 ? &sdb__register_table[found - 1].shown : NULL;
}

const struct sdb_register *sdb_register_find_dwarf(int32_t number)
{
    for (size_t i = 0; number >= 0 && i < sdb__register_table_count; i++) {
        if (sdb__register_table[i].shown.dwarf == number)
            return &sdb__register_table[i].shown;
    }
    return NULL;
}

size_t sdb_register_count(void)
{
    return sdb__register_table_count;
}

const struct sdb_register *sdb_register_at(size_t index)
{
    return index < sdb__register_table_count ? &sdb__register_table[index].shown : NULL;
}

/* ---- the general ones ---- */

/*
 * A thread of the kernel's own in a process has no user registers, and what the kernel shows for it is
 * never to be written.  Its pc and its stack pointer are 0.
 */
static int general_of(struct sdb_thread *thread, struct user_regs_struct **registers)
{
    struct sdb__register_cache *cache = &thread->registers;
    int rc = sdb__registers_general(thread, registers);

    if (rc < 0)
        return rc == -ESRCH ? rc : -ENOTSUP;
    if (!cache->is_programs && cache->general.rip == 0 && cache->general.rsp == 0 &&
        sdb__procfs_is_kernels(thread->process->pid, thread->tid))
        return -ENODATA;
    cache->is_programs = true;
    return 0;
}

/* The same for those who need no general ones. */
static int check_is_programs(struct sdb_thread *thread)
{
    struct user_regs_struct *unused;

    return thread->registers.is_programs ? 0 : general_of(thread, &unused);
}

bool sdb__registers_will_restart(const struct user_regs_struct *registers)
{
    const int64_t result = (int64_t)registers->rax;

    return (int64_t)registers->orig_rax >= 0 &&
           (result == -SDB__ERESTARTSYS || result == -SDB__ERESTARTNOINTR ||
            result == -SDB__ERESTARTNOHAND || result == -SDB__ERESTART_RESTARTBLOCK);
}

/* Selectors and bases: the kernel knows which it takes. */
static bool is_checked_by_kernel(const struct user_regs_struct *now,
                                 const struct user_regs_struct *before)
{
    return now->cs != before->cs || now->ss != before->ss || now->ds != before->ds ||
           now->es != before->es || now->fs != before->fs || now->gs != before->gs ||
           now->fs_base != before->fs_base || now->gs_base != before->gs_base;
}

/* Take new values in.  @return 0, or what is wrong with them; then all is as before */
static int change_general(struct sdb_thread *thread, struct user_regs_struct *registers,
                          const struct user_regs_struct *wanted)
{
    const struct user_regs_struct before = *registers;
    int rc;

    if ((wanted->eflags ^ before.eflags) & ~CHANGEABLE_FLAGS)
        return -EINVAL;
    *registers = *wanted;
    sdb__registers_changed(thread);
    if (!is_checked_by_kernel(wanted, &before))
        return 0;
    rc = sdb__registers_write_general(thread);
    if (rc == 0)
        return 0;
    /* Some may have been written before it came to the one that is refused. */
    *registers = before;
    sdb__registers_changed(thread);
    return rc == -ESRCH ? rc : -EINVAL;
}

static int write_general(struct sdb_thread *thread, const struct sdb__register_entry *entry,
                         const void *value)
{
    struct user_regs_struct *registers;
    struct user_regs_struct wanted;
    int rc = general_of(thread, &registers);

    if (rc < 0)
        return rc;
    wanted = *registers;
    /* As the processor does, and the upper half of a selector's word is nothing. */
    if (entry->shown.size == 4)
        memset((char *)&wanted + entry->offset, 0, sizeof(uint64_t));
    memcpy((char *)&wanted + entry->offset, value, entry->shown.size);
    if (wanted.rip != registers->rip && sdb__registers_will_restart(registers))
        wanted.orig_rax = UINT64_MAX;
    return change_general(thread, registers, &wanted);
}

static int read_general(struct sdb_thread *thread, const struct sdb__register_entry *entry,
                        void *value)
{
    struct user_regs_struct *registers;
    int rc = general_of(thread, &registers);

    if (rc == 0)
        memcpy(value, (const char *)registers + entry->offset, entry->shown.size);
    return rc;
}

/* ---- debug registers ---- */

static size_t offset_of_debug(const struct sdb__register_entry *entry)
{
    return offsetof(struct user, u_debugreg) + sizeof(uint64_t) * entry->offset;
}

static int read_debug(struct sdb_thread *thread, const struct sdb__register_entry *entry,
                      void *value)
{
    uint64_t word = 0;
    int rc = check_is_programs(thread);

    if (rc == 0)
        rc = sdb__ptrace_peek_user(thread->tid, offset_of_debug(entry), &word);
    if (rc < 0)
        return rc == -ESRCH || rc == -ENODATA ? rc : -ENOTSUP;
    memcpy(value, &word, sizeof(word));
    return 0;
}

static int write_debug(struct sdb_thread *thread, const struct sdb__register_entry *entry,
                       const void *value)
{
    uint64_t word;
    int rc = check_is_programs(thread);

    if (rc < 0)
        return rc;
    memcpy(&word, value, sizeof(word));
    rc = sdb__ptrace_poke_user(thread->tid, offset_of_debug(entry), word);
    if (rc == 0 || rc == -ESRCH || rc == -ENOSPC || rc == -ENOMEM)
        return rc;
    return -EINVAL;
}

/* ---- the others ---- */

static int xsave_of(struct sdb_thread *thread, struct sdb__xsave **xsave)
{
    int rc = check_is_programs(thread);

    return rc < 0 ? rc : sdb__registers_xsave(thread, xsave);
}

static int read_extended(struct sdb_thread *thread, const struct sdb__register_entry *entry,
                         void *value)
{
    const struct sdb__xsave_layout *layout = sdb__xsave_layout();
    struct sdb__xsave *xsave;
    int rc = xsave_of(thread, &xsave);

    if (rc < 0)
        return rc;
    if (!sdb__xsave_has(layout, entry, xsave->size))
        return -ENOTSUP;
    sdb__xsave_read(layout, xsave->area, entry, value);
    return 0;
}

/* Write at once, or forget what was wanted: the kernel has what was there before. */
static int try_to_write_xsave(struct sdb_thread *thread, struct sdb__xsave *xsave,
                              const uint8_t *before)
{
    int rc = sdb__registers_write_xsave(thread);

    if (rc == 0)
        return 0;
    memcpy(xsave->area, before, xsave->size);
    return rc == -ESRCH || rc == -ENOMEM ? rc : -EINVAL;
}

/* The only one of which the kernel refuses values.  What was changed before is written with it. */
static int write_mxcsr(struct sdb_thread *thread, struct sdb__xsave *xsave,
                       const struct sdb__register_entry *entry, const void *value)
{
    uint8_t before[sizeof(uint32_t)];
    int rc;

    memcpy(before, xsave->area + entry->offset, sizeof(before));
    sdb__xsave_write(sdb__xsave_layout(), xsave->area, entry, value);
    xsave->changed = true;
    rc = sdb__registers_write_xsave(thread);
    if (rc == 0)
        return 0;
    memcpy(xsave->area + entry->offset, before, sizeof(before));
    return rc == -ESRCH || rc == -ENOMEM ? rc : -EINVAL;
}

static int write_extended(struct sdb_thread *thread, const struct sdb__register_entry *entry,
                          const void *value)
{
    const struct sdb__xsave_layout *layout = sdb__xsave_layout();
    struct sdb__xsave *xsave;
    int rc = xsave_of(thread, &xsave);

    if (rc < 0)
        return rc;
    if (!sdb__xsave_has(layout, entry, xsave->size))
        return -ENOTSUP;
    if (entry->place == SDB__PLACE_MXCSR)
        return write_mxcsr(thread, xsave, entry, value);
    sdb__xsave_write(layout, xsave->area, entry, value);
    xsave->changed = true;
    return 0;
}

/* ---- any ---- */

static int read_entry(struct sdb_thread *thread, const struct sdb__register_entry *entry,
                      void *value)
{
    if (entry->place == SDB__PLACE_GENERAL)
        return read_general(thread, entry, value);
    if (entry->place == SDB__PLACE_DEBUG)
        return read_debug(thread, entry, value);
    return read_extended(thread, entry, value);
}

static int write_entry(struct sdb_thread *thread, const struct sdb__register_entry *entry,
                       const void *value)
{
    if (entry->place == SDB__PLACE_GENERAL)
        return write_general(thread, entry, value);
    if (entry->place == SDB__PLACE_DEBUG)
        return write_debug(thread, entry, value);
    return write_extended(thread, entry, value);
}

int sdb_thread_read_register(struct sdb_thread *thread, const struct sdb_register *which,
                             void *value, size_t size)
{
    const struct sdb__register_entry *entry = sdb__register_entry(which);
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!entry || !value || size != entry->shown.size)
        return -EINVAL;
    return read_entry(thread, entry, value);
}

int sdb_thread_write_register(struct sdb_thread *thread, const struct sdb_register *which,
                              const void *value, size_t size)
{
    const struct sdb__register_entry *entry = sdb__register_entry(which);
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!entry || !value || size != entry->shown.size)
        return -EINVAL;
    return write_entry(thread, entry, value);
}

/* @return 0, -EINVAL or -ENOENT */
static int find_small(const char *name, const struct sdb__register_entry **entry)
{
    const struct sdb__register_entry *found = sdb__register_entry(sdb_register_find(name));

    if (!name)
        return -EINVAL;
    if (!found)
        return -ENOENT;
    if (found->shown.size > sizeof(uint64_t))
        return -EINVAL;
    *entry = found;
    return 0;
}

int sdb_thread_get_register(struct sdb_thread *thread, const char *name, uint64_t *value)
{
    const struct sdb__register_entry *entry = NULL;
    int rc = sdb__thread_check_stopped(thread);
    uint64_t read = 0;

    if (rc < 0)
        return rc;
    if (!value)
        return -EINVAL;
    rc = find_small(name, &entry);
    if (rc == 0)
        rc = read_entry(thread, entry, &read);
    if (rc == 0)
        *value = read;
    return rc;
}

int sdb_thread_set_register(struct sdb_thread *thread, const char *name, uint64_t value)
{
    const struct sdb__register_entry *entry = NULL;
    int rc = sdb__thread_check_stopped(thread);

    if (rc == 0)
        rc = find_small(name, &entry);
    if (rc != 0)
        return rc;
    if (entry->shown.size < sizeof(value) && value >> (8 * entry->shown.size) != 0)
        return -ERANGE;
    return write_entry(thread, entry, &value);
}

/* ---- all of the general ones ---- */

static void to_public(const struct user_regs_struct *from, struct sdb_registers *to)
{
    to->rax = from->rax;
    to->rbx = from->rbx;
    to->rcx = from->rcx;
    to->rdx = from->rdx;
    to->rsi = from->rsi;
    to->rdi = from->rdi;
    to->rbp = from->rbp;
    to->rsp = from->rsp;
    to->r8 = from->r8;
    to->r9 = from->r9;
    to->r10 = from->r10;
    to->r11 = from->r11;
    to->r12 = from->r12;
    to->r13 = from->r13;
    to->r14 = from->r14;
    to->r15 = from->r15;
    to->rip = from->rip;
    to->rflags = from->eflags;
    to->cs = from->cs;
    to->ss = from->ss;
    to->ds = from->ds;
    to->es = from->es;
    to->fs = from->fs;
    to->gs = from->gs;
    to->fs_base = from->fs_base;
    to->gs_base = from->gs_base;
    to->orig_rax = from->orig_rax;
}

static struct user_regs_struct to_kernel(const struct sdb_registers *from)
{
    return (struct user_regs_struct){
        .rax = from->rax,
        .rbx = from->rbx,
        .rcx = from->rcx,
        .rdx = from->rdx,
        .rsi = from->rsi,
        .rdi = from->rdi,
        .rbp = from->rbp,
        .rsp = from->rsp,
        .r8 = from->r8,
        .r9 = from->r9,
        .r10 = from->r10,
        .r11 = from->r11,
        .r12 = from->r12,
        .r13 = from->r13,
        .r14 = from->r14,
        .r15 = from->r15,
        .rip = from->rip,
        .eflags = from->rflags,
        .cs = from->cs,
        .ss = from->ss,
        .ds = from->ds,
        .es = from->es,
        .fs = from->fs,
        .gs = from->gs,
        .fs_base = from->fs_base,
        .gs_base = from->gs_base,
        .orig_rax = from->orig_rax,
    };
}

int sdb_thread_get_registers(struct sdb_thread *thread, struct sdb_registers *registers)
{
    struct user_regs_struct *general;
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!registers)
        return -EINVAL;
    /* There has been no smaller version. */
    if (registers->size != sizeof(*registers))
        rc = sdb__struct_check(registers, sizeof(*registers), SIZE_OF_VERSION_0_1);
    if (rc == 0)
        rc = general_of(thread, &general);
    if (rc == 0)
        to_public(general, registers);
    return rc;
}

int sdb_thread_set_registers(struct sdb_thread *thread, const struct sdb_registers *registers)
{
    struct user_regs_struct *general;
    struct user_regs_struct wanted;
    struct sdb_registers ours;
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!registers)
        return -EINVAL;
    rc = sdb__struct_import(&ours, sizeof(ours), SIZE_OF_VERSION_0_1, registers);
    if (rc == 0)
        rc = general_of(thread, &general);
    if (rc != 0)
        return rc;
    if ((ours.cs | ours.ss | ours.ds | ours.es | ours.fs | ours.gs) >> 16 != 0)
        return -EINVAL; /* the kernel takes the lower half only */
    wanted = to_kernel(&ours);
    return change_general(thread, general, &wanted);
}

/* ---- all of the others ---- */

int sdb_thread_read_xsave(struct sdb_thread *thread, void *area, size_t *size)
{
    struct sdb__xsave *xsave;
    size_t room;
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!size || (!area && *size > 0))
        return -EINVAL;
    rc = xsave_of(thread, &xsave);
    if (rc < 0)
        return rc;
    room = *size;
    *size = xsave->size;
    if (!area || room < xsave->size)
        return -ENOSPC;
    memcpy(area, xsave->area, xsave->size);
    return 0;
}

int sdb_thread_write_xsave(struct sdb_thread *thread, const void *area, size_t size)
{
    struct sdb__xsave *xsave;
    uint8_t *before;
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!area)
        return -EINVAL;
    rc = xsave_of(thread, &xsave);
    if (rc < 0)
        return rc;
    if (size != xsave->size)
        return -EINVAL;
    before = malloc(size);
    if (!before)
        return -ENOMEM;
    /* What was changed before is not lost if this is refused. */
    memcpy(before, xsave->area, size);
    memcpy(xsave->area, area, size);
    xsave->changed = true;
    rc = try_to_write_xsave(thread, xsave, before);
    if (rc == 0)
        sdb__xsave_complete(sdb__xsave_layout(), xsave->area, xsave->size);
    free(before);
    return rc;
}
