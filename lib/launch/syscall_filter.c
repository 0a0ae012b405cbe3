/* SPDX-License-Identifier: MIT */
/*
 * Sets of system calls, and the seccomp filter that picks a set out.
 *
 * The filter is not libseccomp's: that refuses numbers that it does not know in a filter for several
 * architectures, and has its own mind about i386's socketcall.  A set here and its filter say the same.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "kernel/call_set.h"

#define I386_RESTART 0

static void put(struct sdb__call_set *set, enum sdb__call_way way, uint32_t number)
{
    set->bits[way][number / 64] |= UINT64_C(1) << number % 64;
}

static bool has(const struct sdb__call_set *set, enum sdb__call_way way, uint32_t number)
{
    return (set->bits[way][number / 64] >> number % 64) & 1;
}

void sdb__call_set_add(struct sdb__call_set *set, int32_t number)
{
    static const uint32_t others[] = {SDB_ARCH_I386, SDB_ARCH_X32};
    const char *name = sdb_syscall_name(SDB_ARCH_X86_64, number);
    enum sdb__call_way way;
    uint32_t own_number;

    put(set, SDB__CALLS_NATIVE, (uint32_t)number);
    for (size_t i = 0; name && i < sizeof(others) / sizeof(others[0]); i++) {
        if (sdb__call_way(others[i], sdb_syscall_number(others[i], name), &way, &own_number))
            put(set, way, own_number);
    }
}

int sdb__call_set_fill(struct sdb__call_set *set, const int32_t *numbers, size_t count,
                       size_t *wrong)
{
    *set = (struct sdb__call_set){0};
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] < 0 || numbers[i] > SDB_SYSCALL_HIGHEST) {
            if (wrong)
                *wrong = i;
            return -EINVAL;
        }
        if (!has(set, SDB__CALLS_NATIVE, (uint32_t)numbers[i]))
            sdb__call_set_add(set, numbers[i]);
    }
    return 0;
}

bool sdb__call_set_has(const struct sdb__call_set *set, uint32_t architecture, int64_t number)
{
    enum sdb__call_way way;
    uint32_t own_number;

    return sdb__call_way(architecture, number, &way, &own_number) && has(set, way, own_number);
}

bool sdb__call_set_covers(const struct sdb__call_set *set, const struct sdb__call_set *some)
{
    for (int way = 0; way < SDB__CALL_WAYS; way++) {
        for (int word = 0; word < SDB__CALL_SET_WORDS; word++) {
            if (some->bits[way][word] & ~set->bits[way][word])
                return false;
        }
    }
    return true;
}

bool sdb__call_is_restart(uint32_t architecture, int64_t number)
{
    enum sdb__call_way way;
    uint32_t own_number;

    return sdb__call_way(architecture, number, &way, &own_number) &&
           own_number == (way == SDB__CALLS_I386 ? I386_RESTART : SYS_restart_syscall);
}

/* ---- the filter ---- */

/* Two instructions for each number, and these: */
#define OTHER_INSTRUCTIONS 10

_Static_assert(SDB__CALL_WAYS *SDB__CALL_NUMBERS * 2 + OTHER_INSTRUCTIONS <= UINT16_MAX,
               "a filter's length has 16 bits");

static void append(struct sock_fprog *filter, uint16_t code, uint32_t value, uint8_t if_not)
{
    filter->filter[filter->len++] = (struct sock_filter){.code = code, .k = value, .jf = if_not};
}

/* Have each number of one way of calling traced. */
static void append_numbers(struct sock_fprog *filter, const struct sdb__call_set *set,
                           enum sdb__call_way way)
{
    const uint32_t bit = way == SDB__CALLS_X32 ? (uint32_t)SDB_SYSCALL_X32_BIT : 0;

    for (uint32_t number = 0; number < SDB__CALL_NUMBERS; number++) {
        if (!has(set, way, number))
            continue;
        append(filter, BPF_JMP | BPF_JEQ | BPF_K, number | bit, 1);
        append(filter, BPF_RET | BPF_K, SECCOMP_RET_TRACE | SDB__FILTER_DATA, 0);
    }
}

int sdb__call_set_filter(const struct sdb__call_set *set, struct sock_fprog *filter)
{
    struct sock_fprog made = {0};
    size_t count = OTHER_INSTRUCTIONS;
    unsigned jump;

    for (int way = 0; way < SDB__CALL_WAYS; way++) {
        for (int word = 0; word < SDB__CALL_SET_WORDS; word++)
            count += 2 * (size_t)__builtin_popcountll(set->bits[way][word]);
    }
    made.filter = calloc(count, sizeof(*made.filter));
    if (!made.filter)
        return -ENOMEM;

    append(&made, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0);
    append(&made, BPF_JMP | BPF_JEQ | BPF_K, SDB_ARCH_X86_64, 1);
    jump = made.len;
    append(&made, BPF_JMP | BPF_JA, 0, 0);
    /* Not x86-64. */
    append(&made, BPF_JMP | BPF_JEQ | BPF_K, SDB_ARCH_I386, 1);
    append(&made, BPF_JMP | BPF_JA, 1, 0);
    append(&made, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
    append(&made, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0);
    append_numbers(&made, set, SDB__CALLS_I386);
    append(&made, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);

    made.filter[jump].k = made.len - jump - 1;
    append(&made, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0);
    append_numbers(&made, set, SDB__CALLS_NATIVE);
    append_numbers(&made, set, SDB__CALLS_X32);
    append(&made, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
    *filter = made;
    return 0;
}
