/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/decode.h"

#include <errno.h>

#include "arch/x86_64/relocate.h"

#define OPERAND_SIZE_PREFIX 0x66

int sdb__decode(const uint8_t *bytes, size_t len, unsigned flags,
                ZydisDecodedInstruction *instruction)
{
    const bool is_32_bit = (flags & SDB__CODE_32) != 0;
    ZydisDecoder decoder;

    /*
     * Some nanoseconds each time, for no state shared between threads.  Without MPX, which Linux has
     * dropped, its instructions are the nops that they also are to processors.
     */
    if (!ZYAN_SUCCESS(ZydisDecoderInit(
            &decoder, is_32_bit ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64,
            is_32_bit ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_64)) ||
        !ZYAN_SUCCESS(ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE)))
        return -EILSEQ;
    if (len > SDB__INSTRUCTION_SIZE)
        len = SDB__INSTRUCTION_SIZE;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, len, instruction)))
        return -EILSEQ;
    return 0;
}

static bool has_prefix(const ZydisDecodedInstruction *instruction, uint8_t prefix)
{
    for (uint8_t i = 0; i < instruction->raw.prefix_count; i++) {
        if (instruction->raw.prefixes[i].value == prefix)
            return true;
    }
    return false;
}

/* Intel ignores the prefix with near branches, AMD does not; REX.W overrules it with both. */
bool sdb__has_narrow_operand(const ZydisDecodedInstruction *instruction)
{
    return has_prefix(instruction, OPERAND_SIZE_PREFIX) && instruction->raw.rex.W == 0;
}
