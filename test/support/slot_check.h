/* SPDX-License-Identifier: MIT */
/*
 * Whether the code that was made of an instruction is right: it is decoded again, and must be the
 * program's instruction with the same operands at the same addresses, by ways that lead to the same
 * places; each boundary in it must be noted as a point, and no other.  What was not moved must have one
 * of the known reasons, among which a shadow stack is not looked for.
 */
#ifndef SDB_TEST_SLOT_CHECK_H
#define SDB_TEST_SLOT_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/relocate.h"

/** Fail the test unless what was made of these bytes, or that nothing was made, fits them. */
void slot_check(const uint8_t *bytes, size_t len, uint64_t from, uint64_t to,
                const struct sdb__relocation *relocation);

#endif
