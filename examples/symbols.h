/* SPDX-License-Identifier: MIT */
/*
 * What the examples `breakpoint` and `watch` share: names for addresses and addresses for names, and the
 * way from a function back to its callers.  elfutils' libdw does it; memory and registers it gets from
 * libsdb.
 */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sdb_process;
struct sdb_thread;
struct symbols;

/* Get the symbols of a process as it is now.  @return them, or NULL: libdw cannot read them */
struct symbols *symbols_open(struct sdb_process *process);
void symbols_close(struct symbols *symbols);

/* Look again what is mapped. */
void symbols_refresh(struct symbols *symbols);

/* Places in the code; the same only once. */
struct places {
    uint64_t *addresses;
    size_t count;
};

/*
 * Add all places that a text means: FUNCTION, FILE:LINE, or an address (0x...).  Of a line without code
 * those of the next one that has some are meant.
 *
 * @return how many were not there yet
 */
size_t symbols_find_places(struct symbols *symbols, const char *text, struct places *places);

/* Find a variable of the program or of a library.  @return whether there is one */
bool symbols_find_variable(struct symbols *symbols, const char *name, uint64_t *address,
                           uint64_t *size);

/*
 * Where the dynamic linker comes by when it has mapped libraries, and before anything in them runs; at
 * first that is so when all are mapped that the program needs.
 *
 * @return the address, or 0: there is no dynamic linker
 */
uint64_t symbols_find_loader_place(struct symbols *symbols);

/*
 * Write "function+0x12 at file.c:34", or what is known of it.
 *
 * @param is_behind  the address is the one behind an instruction that is meant
 * @return text
 */
const char *symbols_describe(struct symbols *symbols, uint64_t address, bool is_behind, char *text,
                             size_t size);

/* Print the calls that a thread, which stands still, is in, the latest first. */
void symbols_print_backtrace(struct symbols *symbols, struct sdb_thread *thread, FILE *file);

#endif
