/* SPDX-License-Identifier: MIT */
/*
 * What the tests of registers share, beside holding.h: test/tracees/registers.c, which loads values
 * that are known and stops, and tells what it finds in them afterwards.
 */
#ifndef SDB_TEST_REGISTERING_H
#define SDB_TEST_REGISTERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdb/sdb.h>

#include "holding.h"
#include "register_image.h"

#define REGISTERS SDB_TRACEE_DIR "/registers"

/* The program of the test, and its thread. */
extern struct target target;
extern struct sdb_thread *thread;

/** Begin the test, and launch the program up to its int3. */
void launch_registers(int way, const char *what, const char *count);

/** Have it run on from there. */
void go_on(void);

/** @return what it has found */
struct register_image found_registers(void);

/** It must exit with 0; end the test. */
void end_registers(void);

/** A call about this must have succeeded. */
void expect_done(int rc, const char *what);

/** @return the value of a register, which must be there */
uint64_t register_value(const char *name);

/** Write a register, which must work. */
void set_register(const char *name, uint64_t value);

/** @return the register of this name and number: "xmm" and 3 are xmm3 */
const struct sdb_register *numbered_register(const char *name, int number);

/** Read or write it, which must work. */
void read_numbered(const char *name, int number, void *value, size_t size);
void write_numbered(const char *name, int number, const void *value, size_t size);

/** The bytes that were seen must be those that are wanted, of what has this number. */
void expect_bytes(const void *seen, const void *wanted, size_t size, const char *what, int number);

/** @return whether the processor has a register of this name */
bool has_register(const char *name);

#endif
