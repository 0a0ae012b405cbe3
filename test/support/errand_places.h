/* SPDX-License-Identifier: MIT */
/*
 * What test/tracees/errands.c puts on its board.  Both the tests and the program include this file.
 */
#ifndef SDB_TEST_ERRAND_PLACES_H
#define SDB_TEST_ERRAND_PLACES_H

enum errand_place {
    ERRAND_COUNTED,  /* a function */
    ERRAND_VARIABLE, /* of eight bytes */
    ERRAND_TEXT,     /* "a text to be read" */
};

#endif
