/* SPDX-License-Identifier: MIT */
/*
 * The text that test/tracees/text.c makes and unmakes: what it tells at its beginning, what can be asked
 * of it, and what it answers.
 */
#ifndef SDB_TEST_TEXT_H
#define SDB_TEST_TEXT_H

#include <stdint.h>

#define TEXT_OFFSET 0x123 /* of the function in its page */

/* What it writes at its beginning. */
struct text {
    uint64_t
        function; /* int function(void): a number, which changes with each time that it is written */
    uint64_t other; /* where TEXT_MOVE takes it */
};

enum text_order {
    TEXT_MAP = 'm',        /* anonymous text, private, with the function */
    TEXT_SHARE = 's',      /* the same, shared */
    TEXT_LOAD = 'l',       /* text of a file, private */
    TEXT_UNMAP = 'u',      /* no more */
    TEXT_DATA = 'd',       /* data instead, which cannot be executed */
    TEXT_TRAPS = 't',      /* data of the value of an int3 */
    TEXT_WRITE = 'w',      /* the function is written anew */
    TEXT_WRITE_REST = 'r', /* the same, but for its first byte */
    TEXT_OWN_TRAP = 'o',   /* its first byte becomes an int3 */
    TEXT_MOVE = 'v',       /* to the other place */
    TEXT_DROP = 'z',       /* MADV_DONTNEED */
    TEXT_PROTECT = 'p',    /* mprotect: it cannot be written */
    TEXT_HIDE = 'h',       /* mprotect: it cannot be executed */
    TEXT_SHOW = 'x',       /* it can */
    TEXT_CALL = 'c',       /* the answer's number is the function's */
    TEXT_CALL_OTHER = 'C',
    TEXT_FORK = 'f',          /* a child calls it, the number is its exit code */
    TEXT_KEEP_CHILD = 'k',    /* a child calls it whenever TEXT_ASK_CHILD says so */
    TEXT_ASK_CHILD = 'a',     /* the number is the child's, or 0: it has died */
    TEXT_LOOK_IN_CHILD = 'F', /* the number is the first byte that a child has there */
    TEXT_LOOK = '?',          /* what the program itself sees there */
};

/* To each order; then SIGUSR1, which is ignored, is raised. */
struct text_answer {
    int32_t number;   /* that the function has returned */
    int32_t written;  /* the number that is in the text, as far as that goes */
    uint8_t bytes[8]; /* TEXT_LOOK: that the program has there */
};

#endif
