/* SPDX-License-Identifier: MIT */
/*
 * The table of registers: what is told of each, and where its bytes are.
 */
#ifndef SDB_LIB_ARCH_REGISTER_TABLE_H
#define SDB_LIB_ARCH_REGISTER_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/registers.h>

/* Where a register is. */
enum sdb__register_place {
    SDB__PLACE_GENERAL, /* in struct user_regs_struct, at `offset` */
    SDB__PLACE_LEGACY,  /* in the part of XSAVE that FXSAVE has, at `offset`: the x87's control */
    SDB__PLACE_MXCSR,
    SDB__PLACE_TAG,    /* the x87's tags, of which XSAVE has half */
    SDB__PLACE_ST,     /* x87 number `offset` from the top */
    SDB__PLACE_MM,     /* x87 number `offset`, its lower part */
    SDB__PLACE_VECTOR, /* vector register `offset`, as much as the size says */
    SDB__PLACE_MASK,   /* AVX-512 mask `offset` */
    SDB__PLACE_DEBUG,  /* debug register `offset` */
};

struct sdb__register_entry {
    struct sdb_register shown;
    uint16_t place; /* enum sdb__register_place */
    uint16_t offset;
};

extern const struct sdb__register_entry sdb__register_table[];
extern const size_t sdb__register_table_count;

/** @return the entry of a register, or NULL if it is none of the table's */
const struct sdb__register_entry *sdb__register_entry(const struct sdb_register *which);

#endif
