/* SPDX-License-Identifier: MIT */
/*
 * Near calls, as somebody makes them who has the thread's registers: the return address is pushed, and
 * the program counter is set.
 *
 * Nothing here touches a process, and nothing is kept: any thread may call it.
 */
#ifndef SDB_LIB_ARCH_X86_64_CALL_H
#define SDB_LIB_ARCH_X86_64_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

/* How many bytes it pushes in 64-bit code. */
#define SDB__RETURN_ADDRESS_SIZE 8

/* Addresses of programs end here, but for those that ask for more of a processor that has more. */
#define SDB__USER_ADDRESS_END (UINT64_C(1) << 47)

#define SDB__NO_REGISTER 0xff

enum sdb__call_kind {
    SDB__CALL_ADDRESS,  /* to `displacement` */
    SDB__CALL_REGISTER, /* to what `base` has */
    SDB__CALL_MEMORY,   /* to what stands at an address */
};

/* Where a call goes: registers are numbered as in instructions, SDB__NO_REGISTER is none. */
struct sdb__call {
    uint8_t kind; /* enum sdb__call_kind */
    uint8_t base;
    uint8_t index;
    uint8_t shift;   /* of the index */
    uint8_t segment; /* 'f', 'g', or 0 */
    bool is_narrow;  /* the address has 32 bits */
    bool is_32_bit;  /* so has everything */
    uint64_t displacement;
};

/**
 * Say where a near call goes.
 *
 * @param bytes  the program's own bytes at @p from
 * @param len    how many there are
 * @param flags  SDB__CODE_32 or not, see relocate.h
 * @return 0, or -EILSEQ: it is no such call, or one whose operand or address has 16 bits
 */
int sdb__call_decode(const uint8_t *bytes, size_t len, uint64_t from, unsigned flags,
                     struct sdb__call *out);

/** @return how many bytes it pushes, and has as its target in memory */
static inline unsigned sdb__call_size(const struct sdb__call *call)
{
    return call->is_32_bit ? SDB__RETURN_ADDRESS_SIZE / 2 : SDB__RETURN_ADDRESS_SIZE;
}

/**
 * @param target  gets where it goes, or where that stands in memory
 * @return whether it stands in memory
 */
bool sdb__call_is_by_memory(const struct sdb__call *call, const struct user_regs_struct *registers,
                            uint64_t *target);

#endif
