/* SPDX-License-Identifier: MIT */
/*
 * Running an instruction somewhere else.  Most instructions do not know where they are and are copied;
 * operands relative to rip get another displacement; what sets rip relatively, or stores it, is written
 * anew.  The slot ends in a jump back to the program.
 *
 * Each slot is made so that a stop at any boundary in it can be shown as a stop in the program: until
 * the instruction has had its effect the place stands for its address, from then on for what follows.
 */
#include "arch/x86_64/relocate.h"

#include <errno.h>
#include <string.h>

#include "arch/x86_64/decode.h"

#define GROUP5      0xff /* opcode of calls and jumps through registers and memory */
#define REGISTER_SS 2
#define POP_SS      0x17
#define REPEATED    (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)

/* The instruction as it stands in the program, and the slot that it goes to. */
struct moving {
    const uint8_t *bytes;
    const ZydisDecodedInstruction *instruction;
    uint64_t from;
    uint64_t to;
    uint64_t next; /* the address behind it in the program */
    bool is_32_bit;
    struct sdb__relocation *out;
};

/* Addresses of 32-bit code wrap around. */
static uint64_t in_code(const struct moving *moving, uint64_t address)
{
    return moving->is_32_bit ? (uint32_t)address : address;
}

/* ---- what it is ---- */

static bool has_relative_operand(const ZydisDecodedInstruction *instruction)
{
    return (instruction->attributes & ZYDIS_ATTRIB_IS_RELATIVE) &&
           instruction->raw.disp.size == 32 && instruction->raw.modrm.mod == 0 &&
           instruction->raw.modrm.rm == 5;
}

static bool is_relative_branch(const ZydisDecodedInstruction *instruction)
{
    return (instruction->attributes & ZYDIS_ATTRIB_IS_RELATIVE) &&
           instruction->raw.imm[0].is_relative;
}

static bool is_syscall(const ZydisDecodedInstruction *instruction)
{
    return instruction->mnemonic == ZYDIS_MNEMONIC_SYSCALL ||
           instruction->mnemonic == ZYDIS_MNEMONIC_SYSENTER ||
           (instruction->mnemonic == ZYDIS_MNEMONIC_INT && instruction->raw.imm[0].value.u == 0x80);
}

static bool is_trap(const ZydisDecodedInstruction *instruction)
{
    return instruction->mnemonic == ZYDIS_MNEMONIC_INT3 ||
           instruction->mnemonic == ZYDIS_MNEMONIC_INT1 ||
           (instruction->mnemonic == ZYDIS_MNEMONIC_INT && instruction->raw.imm[0].value.u == 3);
}

/* The one-byte nop and the long ones that assemblers write; hints that are nops today are run. */
static bool does_nothing(const ZydisDecodedInstruction *instruction)
{
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_NOP:
        return instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ||
               (instruction->opcode_map == ZYDIS_OPCODE_MAP_0F && instruction->opcode == 0x1f);
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_ENDBR32:
        return true;
    default:
        return false;
    }
}

/* ---- writing the slot ---- */

static void put(struct sdb__relocation *out, const void *bytes, size_t len)
{
    memcpy(out->code + out->code_len, bytes, len);
    out->code_len = (uint8_t)(out->code_len + len);
}

static void put_byte(struct sdb__relocation *out, unsigned byte)
{
    out->code[out->code_len++] = (uint8_t)byte;
}

static void put_point(struct sdb__relocation *out, uint64_t address)
{
    out->points[out->point_count++] = (struct sdb__relocation_point){out->code_len, address};
}

/* Whether an instruction that ends at @p end reaches the target by 32 bits, and by which. */
static bool reaches(const struct moving *moving, uint64_t end, uint64_t target,
                    int32_t *displacement)
{
    const int64_t distance = (int64_t)(target - end);

    *displacement = (int32_t)distance;
    return moving->is_32_bit || *displacement == distance;
}

/*
 * Put what an instruction reads that ends in this displacement.  Aligned: a program may have alignment
 * checked.
 */
static void put_literal(const struct moving *moving, size_t displacement_at, uint64_t literal)
{
    struct sdb__relocation *out = moving->out;
    int32_t displacement;

    while ((moving->to + out->code_len) % sizeof(literal) != 0)
        put_byte(out, 0xcc);
    displacement = (int32_t)(out->code_len - (displacement_at + sizeof(displacement)));
    memcpy(out->code + displacement_at, &displacement, sizeof(displacement));
    put(out, &literal, sizeof(literal));
}

/* Leave the slot, from a place that stands for where it goes. */
static void put_exit(const struct moving *moving, uint64_t target)
{
    static const uint8_t jump_by_literal[] = {GROUP5, 0x25, 0, 0, 0, 0};
    struct sdb__relocation *out = moving->out;
    int32_t displacement;

    put_point(out, target);
    if (reaches(moving, moving->to + out->code_len + 5, target, &displacement)) {
        put_byte(out, 0xe9);
        put(out, &displacement, sizeof(displacement));
    } else {
        put(out, jump_by_literal, sizeof(jump_by_literal));
        put_literal(moving, out->code_len - sizeof(displacement), target);
    }
}

/* Copy the instruction. @return false if its operand is out of reach there */
static bool put_moved(const struct moving *moving)
{
    const ZydisDecodedInstruction *instruction = moving->instruction;
    struct sdb__relocation *out = moving->out;
    uint8_t *copy = out->code + out->code_len;
    int32_t displacement;

    if (has_relative_operand(instruction)) {
        if (instruction->address_width != 64 ||
            !reaches(moving, moving->to + out->code_len + instruction->length,
                     moving->next + (uint64_t)instruction->raw.disp.value, &displacement))
            return false;
        put(out, moving->bytes, instruction->length);
        memcpy(copy + instruction->raw.disp.offset, &displacement, sizeof(displacement));
    } else {
        put(out, moving->bytes, instruction->length);
    }
    return true;
}

/* ---- branches ---- */

/* jcc, which has the same 16 conditions with a byte and with 4 of displacement. */
static void move_condition(const struct moving *moving, uint64_t target)
{
    struct sdb__relocation *out = moving->out;
    const unsigned condition = moving->instruction->opcode & 0xf;
    int32_t displacement;
    uint8_t *skip;

    put_point(out, moving->from);
    if (reaches(moving, moving->to + 6, target, &displacement)) {
        put_byte(out, 0x0f);
        put_byte(out, 0x80 | condition);
        put(out, &displacement, sizeof(displacement));
        put_exit(moving, moving->next);
        return;
    }
    put_byte(out, 0x70 | condition);
    skip = &out->code[out->code_len];
    put_byte(out, 0);
    put_exit(moving, moving->next);
    *skip = (uint8_t)(out->code + out->code_len - (skip + 1));
    put_exit(moving, target);
}

/*
 * loop, loope, loopne, jrcxz: a byte of displacement is all they have.  All prefixes stay: one makes it
 * ecx that counts, and a repeat prefix, though no manual says so, makes loope of loopne or the reverse.
 */
static void move_counted(const struct moving *moving, uint64_t target)
{
    struct sdb__relocation *out = moving->out;
    uint8_t *skip;

    put_point(out, moving->from);
    put(out, moving->bytes, moving->instruction->length);
    skip = &out->code[out->code_len - 1];
    put_exit(moving, moving->next);
    *skip = (uint8_t)(out->code + out->code_len - (skip + 1));
    put_exit(moving, target);
}

static bool move_relative_branch(const struct moving *moving)
{
    const ZydisDecodedInstruction *instruction = moving->instruction;
    struct sdb__relocation *out = moving->out;
    const uint64_t target = in_code(moving, moving->next + instruction->raw.imm[0].value.u);
    const unsigned opcode = instruction->opcode;
    const bool is_long = instruction->opcode_map == ZYDIS_OPCODE_MAP_0F;

    if (instruction->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
        sdb__has_narrow_operand(instruction))
        return false; /* Knights Corner had jumps with VEX */
    if (is_long ? opcode < 0x80 || opcode > 0x8f
                : instruction->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
        return false;
    if (is_long || (opcode >= 0x70 && opcode <= 0x7f)) {
        move_condition(moving, target);
    } else if (opcode >= 0xe0 && opcode <= 0xe3) {
        move_counted(moving, target);
    } else if (opcode == 0xe9 || opcode == 0xeb) {
        out->kind = SDB__RELOCATION_JUMP;
        out->next = target;
        return true;
    } else {
        return false; /* xbegin: its way out of a transaction must not be in a slot */
    }
    out->kind = SDB__RELOCATION_SLOT;
    return true;
}

/* ---- the rest ---- */

/* `syscall` leaves its own return address in rcx; the program's goes there. */
static void put_counter_of_syscall(const struct moving *moving)
{
    struct sdb__relocation *out = moving->out;
    int32_t displacement;

    put_point(out, moving->next);
    if (reaches(moving, moving->to + out->code_len + 7, moving->next, &displacement)) {
        put(out, "\x48\x8d\x0d", 3); /* lea rcx, [rip + displacement] */
        put(out, &displacement, sizeof(displacement));
    } else {
        put(out, "\x48\xb9", 2); /* mov rcx, literal */
        put(out, &moving->next, sizeof(moving->next));
    }
}

/* @param goes_on  whether it ever gets to what is behind it */
static bool move_copied(const struct moving *moving, bool goes_on)
{
    put_point(moving->out, moving->from);
    if (!put_moved(moving))
        return false;
    if (moving->instruction->mnemonic == ZYDIS_MNEMONIC_SYSCALL && !moving->is_32_bit)
        put_counter_of_syscall(moving);
    if (goes_on)
        put_exit(moving, moving->next);
    moving->out->kind = SDB__RELOCATION_SLOT;
    return true;
}

static bool is_bound_to_its_place(const ZydisDecodedInstruction *instruction)
{
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_ENCLU: /* hands its own address to an enclave */
        return true;
    case ZYDIS_MNEMONIC_MOV: /* to ss: nothing may stop between it and the next instruction */
        return instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && instruction->opcode == 0x8e &&
               instruction->raw.modrm.reg == REGISTER_SS;
    case ZYDIS_MNEMONIC_POP:
        return instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && instruction->opcode == POP_SS;
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_JMP:
        return instruction->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
    default:
        return is_trap(instruction);
    }
}

static bool can_be_made(const ZydisDecodedInstruction *instruction, unsigned flags)
{
    return !(flags & SDB__SHADOW_STACK) && !sdb__has_narrow_operand(instruction) &&
           (instruction->raw.imm[0].is_relative || instruction->address_width != 16);
}

static bool move(const struct moving *moving, unsigned flags)
{
    const ZydisDecodedInstruction *instruction = moving->instruction;

    if (is_bound_to_its_place(instruction))
        return false;
    if (does_nothing(instruction)) {
        moving->out->kind = SDB__RELOCATION_SKIP;
        return true;
    }
    if (moving->out->is_call) {
        moving->out->kind = SDB__RELOCATION_CALL;
        return can_be_made(instruction, flags);
    }
    if (is_relative_branch(instruction))
        return move_relative_branch(moving);
    return move_copied(moving,
                       !moving->out->is_return && instruction->mnemonic != ZYDIS_MNEMONIC_JMP);
}

int sdb__relocate(const uint8_t *bytes, size_t len, uint64_t from, uint64_t to, unsigned flags,
                  struct sdb__relocation *out)
{
    ZydisDecodedInstruction instruction;
    struct moving moving = {bytes, &instruction, from, to, from, (flags & SDB__CODE_32) != 0, out};
    int rc = sdb__decode(bytes, len, flags, &instruction);

    if (rc < 0)
        return rc;

    moving.next = in_code(&moving, from + instruction.length);
    memset(out, 0, sizeof(*out));
    out->length = instruction.length;
    out->next = moving.next;
    out->is_call = instruction.mnemonic == ZYDIS_MNEMONIC_CALL;
    out->is_return = instruction.mnemonic == ZYDIS_MNEMONIC_RET;
    out->is_syscall = is_syscall(&instruction);
    if (!move(&moving, flags)) {
        out->kind = SDB__RELOCATION_NONE;
        out->code_len = 0;
        out->point_count = 0;
    }
    return 0;
}

bool sdb__relocation_show(const struct sdb__relocation *relocation, uint64_t to,
                          struct user_regs_struct *registers)
{
    static const uint8_t syscall_bytes[] = {0x0f, 0x05};
    const uint64_t offset = registers->rip - to;
    const uint8_t behind = relocation->length;

    for (uint8_t i = 0; i < relocation->point_count; i++) {
        const struct sdb__relocation_point *point = &relocation->points[i];

        if (point->offset != offset)
            continue;
        registers->rip = point->address;
        if (relocation->is_syscall && offset == behind && registers->rcx == to + behind &&
            memcmp(relocation->code + behind - 2, syscall_bytes, 2) == 0)
            registers->rcx = point->address;
        return true;
    }
    return false;
}

int sdb__instruction_length(const uint8_t *bytes, size_t len, unsigned flags)
{
    ZydisDecodedInstruction instruction;
    int rc = sdb__decode(bytes, len, flags, &instruction);

    return rc < 0 ? rc : instruction.length;
}

static bool is_prefix(uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
        return true;
    default:
        return (byte & 0xf0) == 0x40; /* REX */
    }
}

/* Of those whose opcode begins with 0f: syscall, sysenter; sldt, str; sgdt, sidt, smsw and many more. */
static bool is_plain_of_two(uint8_t second)
{
    return second != 0x05 && second != 0x34 && second != 0x00 && second != 0x01;
}

bool sdb__instruction_is_plain(uint64_t word)
{
    unsigned left = sizeof(word);

    while (left > 0 && is_prefix((uint8_t)word)) {
        word >>= 8;
        left--;
    }
    if (left < 2)
        return false;
    switch ((uint8_t)word) {
    case 0x0f:
        return is_plain_of_two((uint8_t)(word >> 8));
    case 0x8e: /* mov to a segment register */
    case 0x9c: /* pushf, popf, iret */
    case 0x9d:
    case 0xcf:
    case 0xcc: /* int3, int, int1 */
    case 0xcd:
    case 0xf1:
        return false;
    default:
        return true;
    }
}

static bool loads_stack_segment(const ZydisDecodedInstruction *instruction)
{
    return instruction->mnemonic == ZYDIS_MNEMONIC_MOV && instruction->opcode == 0x8e &&
           instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
           instruction->raw.modrm.reg == REGISTER_SS;
}

int sdb__instruction_class(const uint8_t *bytes, size_t len, unsigned flags)
{
    ZydisDecodedInstruction instruction;
    int rc = sdb__decode(bytes, len, flags, &instruction);

    if (rc < 0)
        return rc;
    if (is_syscall(&instruction))
        return SDB__INSTRUCTION_SYSCALL;
    if (is_trap(&instruction))
        return SDB__INSTRUCTION_TRAP;
    switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
        return SDB__INSTRUCTION_CALL;
    case ZYDIS_MNEMONIC_RET:
        return SDB__INSTRUCTION_RETURN;
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
        return SDB__INSTRUCTION_PUSH_FLAGS;
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
        return SDB__INSTRUCTION_POP_FLAGS;
    case ZYDIS_MNEMONIC_SGDT:
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_STR:
        return SDB__INSTRUCTION_UNTRAPPED;
    default:
        if (loads_stack_segment(&instruction))
            return SDB__INSTRUCTION_UNTRAPPED;
        return (instruction.attributes & REPEATED) ? SDB__INSTRUCTION_REPEATED
                                                   : SDB__INSTRUCTION_OTHER;
    }
}
