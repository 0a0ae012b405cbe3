/* SPDX-License-Identifier: MIT */
/*
 * How x86-64 lays out its debug registers: DR0 to DR3 hold addresses, DR6 says which have fired, DR7
 * which are on, and for what.
 */
#include <stddef.h>
#include <sys/user.h>

#include "arch/arch.h"

#define STATUS_REGISTER  6
#define CONTROL_REGISTER 7

/* In DR7, for slot 0: the local enable bit, and two bits each of kind and length. */
#define ENABLE_SHIFT 0
#define ENABLE_WIDTH 2
#define KIND_SHIFT   16
#define LENGTH_SHIFT 18
#define FIELDS_WIDTH 4

#define LONGEST 8

static size_t offset_of(int number)
{
    return offsetof(struct user, u_debugreg) +
           (size_t)number * sizeof(((struct user *)NULL)->u_debugreg[0]);
}

size_t sdb__debug_address_offset(int slot)
{
    return offset_of(slot);
}

size_t sdb__debug_control_offset(void)
{
    return offset_of(CONTROL_REGISTER);
}

size_t sdb__debug_status_offset(void)
{
    return offset_of(STATUS_REGISTER);
}

static uint64_t bits_of_kind(uint8_t kind)
{
    switch (kind) {
    case SDB__DEBUG_WRITE:
        return 1;
    case SDB__DEBUG_ACCESS:
        return 3;
    default: /* to execute */
        return 0;
    }
}

static uint64_t bits_of_length(uint8_t length)
{
    return length == LONGEST ? 2 : length - UINT64_C(1);
}

uint64_t sdb__debug_control(const struct sdb__debug_watch watches[SDB__DEBUG_SLOTS])
{
    uint64_t control = 0;

    for (int slot = 0; slot < SDB__DEBUG_SLOTS; slot++) {
        const struct sdb__debug_watch *watch = &watches[slot];
        const int fields = FIELDS_WIDTH * slot;

        /* One that is off has a length of 1, so that the kernel takes any address for it. */
        if (watch->length == 0)
            continue;
        control |= UINT64_C(1) << (ENABLE_SHIFT + ENABLE_WIDTH * slot);
        control |= bits_of_kind(watch->kind) << (KIND_SHIFT + fields);
        control |= bits_of_length(watch->length) << (LENGTH_SHIFT + fields);
    }
    return control;
}

unsigned sdb__debug_status_slots(uint64_t status)
{
    return (unsigned)status & ((1U << SDB__DEBUG_SLOTS) - 1);
}

uint8_t sdb__debug_first_piece(uint64_t address, size_t length)
{
    uint8_t piece = LONGEST;

    while (piece > length || address % piece != 0)
        piece /= 2;
    return piece;
}
