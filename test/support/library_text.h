/* SPDX-License-Identifier: MIT */
/*
 * The machine code of the libraries that this program has loaded, as an example of what compilers and
 * people write.
 */
#ifndef SDB_TEST_LIBRARY_TEXT_H
#define SDB_TEST_LIBRARY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct library_text {
    const uint8_t *bytes; /* where it is loaded: its address too */
    size_t len;
};

/**
 * Find the .text section of a library.
 *
 * @param name  how its file's name begins, "libc.so" say
 * @return whether it is loaded
 */
bool library_text(const char *name, struct library_text *text);

#endif
