/* SPDX-License-Identifier: MIT */
/*
 * Running an instruction somewhere else: the code that a slot of a scratch page needs so that a thread
 * which goes through it does what the instruction does at its own place, and then goes on behind it.
 *
 * Nothing here touches a process, and nothing is kept: any thread may call it.
 */
#ifndef SDB_LIB_ARCH_X86_64_RELOCATE_H
#define SDB_LIB_ARCH_X86_64_RELOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define SDB__SLOT_SIZE        64 /* room of one slot, code and literals */
#define SDB__INSTRUCTION_SIZE 15 /* the longest */
#define SDB__SLOT_POINTS      4

/* What code it is, and for what processor. */
#define SDB__SHADOW_STACK 1u /* return addresses are kept a second time */
#define SDB__CODE_32      2u /* 32-bit code */

enum sdb__relocation_kind {
    SDB__RELOCATION_NONE = 0, /* cannot be moved: step it in place */
    SDB__RELOCATION_SLOT,     /* run the slot's code */
    SDB__RELOCATION_SKIP,     /* does nothing (nop, endbr64): just set the pc to `next` */
    SDB__RELOCATION_JUMP,     /* unconditional direct jump: just set the pc to `next` */
    SDB__RELOCATION_CALL,     /* near call: push `next`, and set the pc (call.h) */
};

/* An instruction boundary inside the slot. */
struct sdb__relocation_point {
    uint8_t offset;   /* in the slot */
    uint64_t address; /* the program's own pc that this place stands for */
};

struct sdb__relocation {
    enum sdb__relocation_kind kind;
    uint8_t length;   /* of the program's instruction */
    bool is_call;     /* these three are set whatever the kind */
    bool is_syscall;  /* syscall, sysenter, int 0x80: may block, restart, fork, exec */
    bool is_return;   /* ret, also a far one; not iret */
    uint8_t code_len; /* of `code`, with its literals; 0 unless it is a slot */
    uint8_t point_count;
    uint64_t next; /* what follows it in the program; for a jump its target */
    uint8_t code[SDB__SLOT_SIZE];
    struct sdb__relocation_point points[SDB__SLOT_POINTS]; /* every boundary, the first at 0 */
};

/* What a step over an instruction has to know of it. */
enum sdb__instruction_class {
    SDB__INSTRUCTION_OTHER = 0,
    SDB__INSTRUCTION_CALL,
    SDB__INSTRUCTION_RETURN,
    SDB__INSTRUCTION_SYSCALL,
    SDB__INSTRUCTION_PUSH_FLAGS, /* under a step it stores the trap flag */
    SDB__INSTRUCTION_POP_FLAGS,  /* and iret: may set the trap flag itself */
    SDB__INSTRUCTION_TRAP,       /* int3, int1: ends in a SIGTRAP of its own */
    SDB__INSTRUCTION_REPEATED,   /* a string with a rep prefix: a step does one element */
    SDB__INSTRUCTION_UNTRAPPED, /* a step goes on to the one behind it: mov to ss; and str and its like,
                                    where the kernel carries them out (UMIP) */
};

/**
 * Make the code of a slot for one instruction.
 *
 * What cannot be moved: a far call or jump, iret, mov to ss, int3, int1, xbegin, enclu; a near branch
 * with an operand-size prefix (processors differ in what it does); an operand relative to eip, or
 * relative to rip and out of reach of @p to; a call by an address of 16 bits; under a shadow stack, each
 * call.
 *
 * Whoever is in a slot stands before the instruction, or has executed it: no slot has an instruction in
 * two parts, which is why a call has none.
 *
 * @param bytes  the program's own bytes at @p from
 * @param len    how many there are, at most SDB__INSTRUCTION_SIZE are looked at
 * @param to     address of the slot, in the same process; for 32-bit code below 4 GB, as all of it
 * @param flags  SDB__SHADOW_STACK, SDB__CODE_32
 * @param out    filled whole on success
 * @return 0, or -EILSEQ  no valid instruction, or more bytes needed than given
 */
int sdb__relocate(const uint8_t *bytes, size_t len, uint64_t from, uint64_t to, unsigned flags,
                  struct sdb__relocation *out);

/**
 * Turn the registers of a thread that stands in a slot into those that it would have in the program:
 * the pc, and the rcx that a system call has left.
 *
 * @param to  address of the slot
 * @return whether the pc is at a boundary in the slot; if not, nothing is changed
 */
bool sdb__relocation_show(const struct sdb__relocation *relocation, uint64_t to,
                          struct user_regs_struct *registers);

/** @return the length of the instruction, or -EILSEQ as above */
int sdb__instruction_length(const uint8_t *bytes, size_t len, unsigned flags);

/** @return one of enum sdb__instruction_class, or -EILSEQ as above */
int sdb__instruction_class(const uint8_t *bytes, size_t len, unsigned flags);

/**
 * Look whether an instruction is one that a step need know nothing of, without decoding it.
 *
 * @param word  the first bytes that are there, and more behind a short one
 * @return true: it is no call of the system's, loads and stores no flags, is neither a trap nor emulated
 *         and does not keep a trap away; false: it may be
 */
bool sdb__instruction_is_plain(uint64_t word);

#endif
