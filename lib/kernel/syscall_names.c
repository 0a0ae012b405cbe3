/* SPDX-License-Identifier: MIT */
/*
 * Names and numbers of system calls, by libseccomp.
 *
 * It gives out a new copy of a name each time.  Here each name is kept from its first use on, so that
 * a caller need not free it; there are not many.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/call_set.h"

/* Where libseccomp's table ends, or later. */
#define HIGHEST_ON_I386 511

static const uint32_t tokens[SDB__CALL_WAYS] = {
    [SDB__CALLS_NATIVE] = SCMP_ARCH_X86_64,
    [SDB__CALLS_I386] = SCMP_ARCH_X86,
    [SDB__CALLS_X32] = SCMP_ARCH_X32,
};

static char *names[SDB__CALL_WAYS][SDB__CALL_NUMBERS]; /* atomic */

bool sdb__call_way(uint32_t architecture, int64_t number, enum sdb__call_way *way,
                   uint32_t *own_number)
{
    if (architecture == SDB_ARCH_I386)
        *way = SDB__CALLS_I386;
    else if (architecture == SDB_ARCH_X86_64)
        *way = number >= SDB_SYSCALL_X32_BIT ? SDB__CALLS_X32 : SDB__CALLS_NATIVE;
    else if (architecture == SDB_ARCH_X32)
        *way = SDB__CALLS_X32;
    else
        return false;
    if (*way == SDB__CALLS_X32)
        number -= SDB_SYSCALL_X32_BIT;
    *own_number = (uint32_t)number;
    return number >= 0 && number <= SDB_SYSCALL_HIGHEST;
}

const char *sdb_syscall_name(uint32_t architecture, int64_t number)
{
    enum sdb__call_way way;
    uint32_t own_number;
    char *first = NULL;
    char *name;

    if (!sdb__call_way(architecture, number, &way, &own_number))
        return NULL;
    name = __atomic_load_n(&names[way][own_number], __ATOMIC_ACQUIRE);
    if (name)
        return name;
    name = seccomp_syscall_resolve_num_arch(tokens[way], (int)number);
    if (!name || __atomic_compare_exchange_n(&names[way][own_number], &first, name, false,
                                             __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return name;
    free(name); /* another thread was faster */
    return first;
}

/*
 * libseccomp's number of a call that i386 also has in socketcall or ipc is a negative one, although it
 * knows the name of the real one.
 */
static int64_t find_on_i386(const char *wanted)
{
    for (int number = 0; number <= HIGHEST_ON_I386; number++) {
        const char *name = sdb_syscall_name(SDB_ARCH_I386, number);

        if (name && strcmp(name, wanted) == 0)
            return number;
    }
    return -ENOENT;
}

int64_t sdb_syscall_number(uint32_t architecture, const char *name)
{
    uint32_t token;
    int number;

    if (!name)
        return -EINVAL;
    if (architecture == SDB_ARCH_X86_64)
        token = SCMP_ARCH_X86_64;
    else if (architecture == SDB_ARCH_I386)
        token = SCMP_ARCH_X86;
    else if (architecture == SDB_ARCH_X32)
        token = SCMP_ARCH_X32;
    else
        return -EINVAL;
    /* A negative number stands for a call that another architecture has. */
    number = seccomp_syscall_resolve_name_arch(token, name);
    if (number >= 0)
        return number;
    return number != __NR_SCMP_ERROR && architecture == SDB_ARCH_I386 ? find_on_i386(name)
                                                                      : -ENOENT;
}
