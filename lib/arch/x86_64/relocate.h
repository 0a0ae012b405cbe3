/* placeholder until the real one is merged */
#ifndef SDB_LIB_ARCH_X86_64_RELOCATE_H
#define SDB_LIB_ARCH_X86_64_RELOCATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#define SDB__SLOT_SIZE 64          /* room of one slot, code and literals */
#define SDB__INSTRUCTION_SIZE 15
enum sdb__relocation_kind {
    SDB__RELOCATION_NONE = 0,      /* cannot be moved: step it in place */
    SDB__RELOCATION_SLOT,          /* run the slot's code */
    SDB__RELOCATION_SKIP,          /* does nothing (nop, endbr64): just set pc to `next` */
    SDB__RELOCATION_JUMP,          /* unconditional direct jump: just set pc to `next` */
};
struct sdb__relocation_point {     /* an instruction boundary inside the slot */
    uint8_t offset;                /* in the slot */
    int8_t stack_adjust;           /* add to rsp to have the program's own state */
    uint64_t address;              /* the program's own pc that this place stands for */
};
struct sdb__relocation {
    enum sdb__relocation_kind kind;
    uint8_t length;                /* of the program's instruction */
    bool is_call; bool is_syscall; /* syscall/sysenter/int 0x80: may block, restart, fork, exec */
    bool is_return; /* ret */
    uint64_t next;                 /* address of what follows it in the program; for JUMP the target */
    uint8_t code[SDB__SLOT_SIZE]; uint8_t code_len;
    struct sdb__relocation_point points[4]; uint8_t point_count;
};
int sdb__relocate(const uint8_t *bytes, size_t len, uint64_t from, uint64_t to, bool shadow_stack, struct sdb__relocation *out);
int sdb__instruction_length(const uint8_t *bytes, size_t len);
#endif
