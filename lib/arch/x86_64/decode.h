/* SPDX-License-Identifier: MIT */
/*
 * One instruction in the decoder's words, for the files of this folder.
 */
#ifndef SDB_LIB_ARCH_X86_64_DECODE_H
#define SDB_LIB_ARCH_X86_64_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <Zydis/Zydis.h>

/**
 * @param len    more than an instruction can have does no harm
 * @param flags  SDB__CODE_32 or not, see relocate.h
 * @return 0 or -EILSEQ
 */
int sdb__decode(const uint8_t *bytes, size_t len, unsigned flags,
                ZydisDecodedInstruction *instruction);

/** @return whether a near branch has an operand of 16 bits */
bool sdb__has_narrow_operand(const ZydisDecodedInstruction *instruction);

#endif
