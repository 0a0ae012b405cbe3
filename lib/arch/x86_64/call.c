/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/call.h"

#include <errno.h>

#include "arch/x86_64/decode.h"
#include "arch/x86_64/relocate.h"

#define REGISTER_STACK_POINTER 4 /* in modrm.rm: an SIB byte follows; in sib.index: none */
#define REGISTER_BASE_POINTER  5 /* with modrm.mod 0: a displacement alone */
#define EXTENDED               8

/* Of a register in an instruction, which has 3 bits there and one in a prefix. */
static uint8_t number(unsigned low, unsigned high)
{
    return (uint8_t)(low | (high ? EXTENDED : 0));
}

static uint8_t segment_of(const ZydisDecodedInstruction *instruction)
{
    if (instruction->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
        return 'f';
    return instruction->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS ? 'g' : 0;
}

static void decode_memory(const ZydisDecodedInstruction *instruction, uint64_t next,
                          struct sdb__call *out)
{
    const unsigned mod = instruction->raw.modrm.mod;
    const unsigned rm = instruction->raw.modrm.rm;

    out->kind = SDB__CALL_MEMORY;
    out->displacement = (uint64_t)instruction->raw.disp.value;
    out->segment = segment_of(instruction);
    out->is_narrow = instruction->address_width == 32;
    if (rm == REGISTER_STACK_POINTER) {
        if (instruction->raw.sib.base != REGISTER_BASE_POINTER || mod != 0)
            out->base = number(instruction->raw.sib.base, instruction->raw.rex.B);
        if (instruction->raw.sib.index != REGISTER_STACK_POINTER || instruction->raw.rex.X)
            out->index = number(instruction->raw.sib.index, instruction->raw.rex.X);
        out->shift = instruction->raw.sib.scale;
    } else if (rm == REGISTER_BASE_POINTER && mod == 0) {
        if (!out->is_32_bit)
            out->displacement += next;
    } else {
        out->base = number(rm, instruction->raw.rex.B);
    }
}

int sdb__call_decode(const uint8_t *bytes, size_t len, uint64_t from, unsigned flags,
                     struct sdb__call *out)
{
    ZydisDecodedInstruction instruction;
    int rc = sdb__decode(bytes, len, flags, &instruction);

    if (rc < 0)
        return rc;
    if (instruction.mnemonic != ZYDIS_MNEMONIC_CALL ||
        instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
        sdb__has_narrow_operand(&instruction))
        return -EILSEQ;
    if (!instruction.raw.imm[0].is_relative && instruction.address_width == 16)
        return -EILSEQ;
    *out = (struct sdb__call){.base = SDB__NO_REGISTER,
                              .index = SDB__NO_REGISTER,
                              .is_32_bit = (flags & SDB__CODE_32) != 0};
    if (instruction.raw.imm[0].is_relative) {
        out->kind = SDB__CALL_ADDRESS;
        out->displacement = from + instruction.length + instruction.raw.imm[0].value.u;
    } else if (instruction.raw.modrm.mod == 3) {
        out->kind = SDB__CALL_REGISTER;
        out->base = number(instruction.raw.modrm.rm, instruction.raw.rex.B);
    } else {
        decode_memory(&instruction, from + instruction.length, out);
    }
    return 0;
}

static uint64_t value_of(const struct user_regs_struct *registers, uint8_t which)
{
    const uint64_t values[] = {
        registers->rax, registers->rcx, registers->rdx, registers->rbx,
        registers->rsp, registers->rbp, registers->rsi, registers->rdi,
        registers->r8,  registers->r9,  registers->r10, registers->r11,
        registers->r12, registers->r13, registers->r14, registers->r15,
    };

    return which == SDB__NO_REGISTER ? 0 : values[which];
}

bool sdb__call_is_by_memory(const struct sdb__call *call, const struct user_regs_struct *registers,
                            uint64_t *target)
{
    uint64_t address = call->displacement + value_of(registers, call->base) +
                       (value_of(registers, call->index) << call->shift);

    if (call->is_narrow)
        address = (uint32_t)address;
    if (call->segment == 'f')
        address += registers->fs_base;
    else if (call->segment == 'g')
        address += registers->gs_base;
    *target = call->is_32_bit ? (uint32_t)address : address;
    return call->kind == SDB__CALL_MEMORY;
}
