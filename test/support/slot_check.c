/* SPDX-License-Identifier: MIT */
/*
 * Reading the code of a slot.  Unlike the library, this looks at whole operands as the decoder tells
 * them, and walks through the slot as a processor would.
 */
#include "slot_check.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <Zydis/Zydis.h>

/* ---- reading what was made ---- */

struct instruction {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    uint64_t address;
};

static bool read_instruction(const uint8_t *bytes, size_t len, uint64_t address,
                             struct instruction *instruction)
{
    ZydisDecoder decoder;

    instruction->address = address;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    return ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoder, bytes, len, &instruction->decoded, instruction->operands));
}

/* What an operand names, be it relative or not: as bytes to compare. */
struct named {
    uint64_t address;
    ZydisDecodedOperandMem memory;
    ZydisRegister reg;
    uint64_t immediate;
    ZydisOperandType type;
};

static struct named name_operand(const struct instruction *instruction, int index)
{
    const ZydisDecodedOperand *operand = &instruction->operands[index];
    struct named named;

    memset(&named, 0, sizeof(named));
    named.type = operand->type;
    if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER)
        named.reg = operand->reg.value;
    if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        named.immediate = operand->imm.value.u;
        if (operand->imm.is_relative)
            named.immediate += instruction->address + instruction->decoded.length;
    }
    if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        named.memory.base = operand->mem.base;
        named.memory.index = operand->mem.index;
        named.memory.scale = operand->mem.scale;
        named.memory.segment = operand->mem.segment;
        named.address = (uint64_t)operand->mem.disp.value;
        if (operand->mem.base == ZYDIS_REGISTER_RIP)
            named.address += instruction->address + instruction->decoded.length;
    }
    return named;
}

static bool is_same_instruction(const struct instruction *one, const struct instruction *other)
{
    if (one->decoded.mnemonic != other->decoded.mnemonic ||
        one->decoded.operand_count != other->decoded.operand_count ||
        one->decoded.operand_width != other->decoded.operand_width ||
        one->decoded.address_width != other->decoded.address_width ||
        memcmp(&one->decoded.avx, &other->decoded.avx, sizeof(one->decoded.avx)) != 0)
        return false;
    for (int i = 0; i < one->decoded.operand_count; i++) {
        const struct named first = name_operand(one, i);
        const struct named second = name_operand(other, i);

        if (memcmp(&first, &second, sizeof(first)) != 0 ||
            one->operands[i].size != other->operands[i].size ||
            one->operands[i].actions != other->operands[i].actions)
            return false;
    }
    return true;
}

/* ---- following a slot ---- */

struct slot {
    const struct sdb__relocation *relocation;
    struct instruction original;
    uint64_t to;
    unsigned seen; /* which points, as bits */
};

static const char *in_words(const struct slot *slot)
{
    static char words[512];
    const struct sdb__relocation *relocation = slot->relocation;
    int len = snprintf(words, sizeof(words), "%s of %u bytes at %#lx, to %#lx, made:",
                       ZydisMnemonicGetString(slot->original.decoded.mnemonic), relocation->length,
                       (unsigned long)slot->original.address, (unsigned long)slot->to);

    for (int i = 0; i < relocation->code_len; i++)
        len += snprintf(words + len, sizeof(words) - (size_t)len, " %02x", relocation->code[i]);
    return words;
}

/* Check's own writes down each place that it has passed, and there are millions. */
#define slot_assert(slot, holds)                                                                   \
    do {                                                                                           \
        if (!(holds))                                                                              \
            ck_abort_msg("%s: %s", #holds, in_words(slot));                                        \
    } while (0)

/* The instruction at this place, which must be a point with this address. */
static struct instruction at_point(struct slot *slot, size_t offset, uint64_t address)
{
    const struct sdb__relocation *relocation = slot->relocation;
    struct instruction instruction;

    for (int i = 0; i < relocation->point_count; i++) {
        const struct sdb__relocation_point *point = &relocation->points[i];

        if (point->offset != offset)
            continue;
        slot_assert(slot, point->address == address);
        slot_assert(slot, (slot->seen & 1u << i) == 0);
        slot->seen |= 1u << i;
        slot_assert(slot, read_instruction(relocation->code + offset, relocation->code_len - offset,
                                           slot->to + offset, &instruction));
        return instruction;
    }
    ck_abort_msg("no point at %zu: %s", offset, in_words(slot));
}

static size_t behind(const struct slot *slot, const struct instruction *instruction)
{
    return instruction->address + instruction->decoded.length - slot->to;
}

static uint64_t literal_of(const struct slot *slot, const struct instruction *instruction)
{
    const size_t offset = name_operand(instruction, 0).address - slot->to;
    uint64_t literal;

    slot_assert(slot, offset + sizeof(literal) <= slot->relocation->code_len);
    slot_assert(slot, (slot->to + offset) % sizeof(literal) == 0); /* alignment may be checked */
    memcpy(&literal, slot->relocation->code + offset, sizeof(literal));
    return literal;
}

/* From this place the slot must be left for this address, by one jump. */
static size_t expect_way_out(struct slot *slot, size_t offset, uint64_t address)
{
    const struct instruction jump = at_point(slot, offset, address);

    slot_assert(slot, jump.decoded.mnemonic == ZYDIS_MNEMONIC_JMP);
    if (jump.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        slot_assert(slot, jump.operands[0].mem.base == ZYDIS_REGISTER_RIP);
        slot_assert(slot, literal_of(slot, &jump) == address);
        return behind(slot, &jump) + sizeof(address);
    }
    slot_assert(slot, name_operand(&jump, 0).immediate == address);
    return behind(slot, &jump);
}

static void expect_condition(struct slot *slot, uint64_t from, uint64_t next)
{
    const uint64_t target = name_operand(&slot->original, 0).immediate;
    const struct instruction condition = at_point(slot, 0, from);
    const uint64_t goes_to = name_operand(&condition, 0).immediate;

    slot_assert(slot, condition.decoded.mnemonic == slot->original.decoded.mnemonic);
    slot_assert(slot, condition.operands[1].reg.value == slot->original.operands[1].reg.value);
    expect_way_out(slot, behind(slot, &condition), next);
    if (goes_to != target)
        expect_way_out(slot, goes_to - slot->to, target);
}

static void expect_copy(struct slot *slot, uint64_t from, uint64_t next)
{
    const struct instruction copy = at_point(slot, 0, from);
    const ZydisMnemonic mnemonic = copy.decoded.mnemonic;
    size_t offset = behind(slot, &copy);

    slot_assert(slot, is_same_instruction(&slot->original, &copy));
    if (mnemonic == ZYDIS_MNEMONIC_RET || mnemonic == ZYDIS_MNEMONIC_JMP)
        return;
    if (mnemonic == ZYDIS_MNEMONIC_SYSCALL) {
        const struct instruction load = at_point(slot, offset, next);
        const struct named named = name_operand(&load, 1);

        slot_assert(slot, load.operands[0].reg.value == ZYDIS_REGISTER_RCX);
        slot_assert(slot, named.address + named.immediate == next);
        slot_assert(slot, load.decoded.mnemonic == ZYDIS_MNEMONIC_LEA ||
                              load.decoded.mnemonic == ZYDIS_MNEMONIC_MOV);
        offset = behind(slot, &load);
    }
    expect_way_out(slot, offset, next);
}

/* ---- what stays ---- */

static bool is_out_of_reach(const struct slot *slot, const ZydisDecodedOperand *operand)
{
    const int64_t distance =
        (int64_t)(slot->original.address + (uint64_t)operand->mem.disp.value - slot->to);

    return distance > INT32_MAX || distance < INT32_MIN;
}

static bool stays_for_its_operands(const struct slot *slot)
{
    for (int i = 0; i < slot->original.decoded.operand_count; i++) {
        const ZydisDecodedOperand *operand = &slot->original.operands[i];
        const bool is_memory = operand->type == ZYDIS_OPERAND_TYPE_MEMORY;

        if (is_memory &&
            (operand->mem.base == ZYDIS_REGISTER_EIP ||
             (operand->mem.base == ZYDIS_REGISTER_RIP && is_out_of_reach(slot, operand))))
            return true;
        if (i == 0 && operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
            operand->reg.value == ZYDIS_REGISTER_SS &&
            slot->original.decoded.mnemonic == ZYDIS_MNEMONIC_MOV)
            return true;
    }
    return false;
}

static bool stays_for_what_it_is(const ZydisDecodedInstruction *original)
{
    switch (original->mnemonic) {
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_XBEGIN:
    case ZYDIS_MNEMONIC_ENCLU:
    case ZYDIS_MNEMONIC_JKZD:
    case ZYDIS_MNEMONIC_JKNZD:
        return true;
    default:
        break;
    }
    if (original->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return true;
    for (int i = 0; i < original->raw.prefix_count; i++) {
        if (original->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
            original->raw.prefixes[i].value == 0x66)
            return true;
    }
    return false;
}

void slot_check(const uint8_t *bytes, size_t len, uint64_t from, uint64_t to,
                const struct sdb__relocation *relocation)
{
    struct slot slot = {.relocation = relocation, .to = to};
    const uint64_t next = from + relocation->length;

    if (!read_instruction(bytes, len, from, &slot.original))
        ck_abort_msg("what is no instruction was moved");
    slot_assert(&slot, relocation->length == slot.original.decoded.length);
    slot_assert(&slot, relocation->point_count <= SDB__SLOT_POINTS);
    slot_assert(&slot, relocation->code_len <= SDB__SLOT_SIZE);
    if (relocation->kind == SDB__RELOCATION_JUMP) {
        slot_assert(&slot, relocation->next == name_operand(&slot.original, 0).immediate);
        slot_assert(&slot, slot.original.decoded.mnemonic == ZYDIS_MNEMONIC_JMP);
    } else {
        slot_assert(&slot, relocation->next == next);
    }
    if (relocation->kind != SDB__RELOCATION_SLOT) {
        slot_assert(&slot, relocation->point_count == 0 && relocation->code_len == 0);
        slot_assert(&slot, relocation->kind != SDB__RELOCATION_NONE ||
                               stays_for_what_it_is(&slot.original.decoded) ||
                               stays_for_its_operands(&slot));
        return;
    }
    if (slot.original.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
        slot.original.operands[0].imm.is_relative) {
        expect_condition(&slot, from, next);
    } else {
        expect_copy(&slot, from, next);
    }
    slot_assert(&slot, slot.seen == (1u << relocation->point_count) - 1);
}
