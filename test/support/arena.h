/* SPDX-License-Identifier: MIT */
/*
 * The memory of test/tracees/memory.c, which tells it when it begins, as this struct on its standard
 * output.
 */
#ifndef SDB_TEST_ARENA_H
#define SDB_TEST_ARENA_H

#include <stdint.h>

#define ARENA_PAGE  4096
#define ARENA_LARGE ((uint64_t)5 << 20)

struct arena {
    uint64_t readable;   /* a page, with one before it that is not mapped; read and write */
    uint64_t read_only;  /* the next, private */
    uint64_t hidden;     /* the next: PROT_NONE */
    uint64_t executable; /* the next: PROT_EXEC only */
    uint64_t write_only; /* the next, with one behind it that is not mapped */
    uint64_t shared;     /* a page of a file that is mapped shared and read-only */
    uint64_t large;      /* ARENA_LARGE bytes */
    uint64_t function;   /* int32_t function(void), see the order `f`; its code */
    uint64_t constant;   /* where that has its 32-bit result, in its code */
    uint64_t counter;    /* uint64_t, see the order `c` */
    int32_t generation;  /* how often it was executed before */
    int32_t unused;
};

/* What is in each page, and in the large area: at this offset from `readable`, or from `large`. */
static inline uint8_t arena_byte(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 4096 * 13 + 1);
}

#endif
