/* SPDX-License-Identifier: MIT */
/*
 * The places of the program under test: functions around one instruction each, which count in the
 * slot whose address they are given how often it was begun and done.
 */
#include "program.h"

_Static_assert(offsetof(struct slot, begun) == 0, "places count there");
_Static_assert(offsetof(struct slot, done) == 8 * PLACES, "places count there");

extern uint64_t place_cell;
uint64_t place_cell = 0;

#define DONE_AT "256"
_Static_assert(8 * PLACES == 256, "as above");

/* At the end of each: the next instruction counts. */
#define PLACE(name, number, before, instruction, after)                                            \
    __asm__(".text\n.p2align 4\n.type place_" name ",@function\n"                                  \
            "place_" name ":\n"                                                                    \
            "    incq 8*" number "(%rdi)\n"                                                        \
            "begun_" name ":\n" before "\n"                                                        \
            "site_" name ":\n    " instruction "\n"                                                \
            "next_" name ":\n" after "\n"                                                          \
            "count_" name ":\n"                                                                    \
            "    incq " DONE_AT "+8*" number "(%rdi)\n"                                            \
            "done_" name ":\n"                                                                     \
            "    ret\n");                                                                          \
    __asm__(".text\n")

/* What a call calls. */
#define ASIDE(name) __asm__(".text\n.p2align 4\naside_" name ":\n    ret\n")

PLACE("nop", "0", "", "nop", "");
PLACE("endbr", "1", "", "endbr64", "");
PLACE("push", "2", "", "push %rdi", "    pop %rax");
PLACE("lea", "3", "", "lea place_cell(%rip), %rax", "");
PLACE("jump", "4", "", "jmp next_jump\n    int3\n    int3", "");
PLACE("branch", "5", "    xor %eax, %eax", "jz next_branch\n    int3\n    int3", "");
ASIDE("call");
PLACE("call", "6", "", "call aside_call", "");
ASIDE("call_register");
PLACE("call_register", "7", "    lea aside_call_register(%rip), %rax", "call *%rax", "");
ASIDE("call_memory");
PLACE("call_memory", "8", "", "call *address_call_memory(%rip)", "");
PLACE("return", "9", "    lea next_return(%rip), %rax\n    push %rax", "ret\n    int3", "");
PLACE("load", "10", "", "mov place_cell(%rip), %rax", "");
PLACE("store", "11", "    mov 88(%rdi), %rax", "mov %rax, place_cell(%rip)", "");
PLACE("pushf", "12", "", "pushf",
      "    pop %rax\n    test $0x100, %eax\n    jz count_pushf\n    ud2");
PLACE("popf", "13", "    pushf", "popf", "");
PLACE("string", "14",
      "    mov %rdi, %rdx\n    sub $24, %rsp\n    mov %rsp, %rdi\n    mov $3, %ecx\n"
      "    xor %eax, %eax",
      "rep stosq", "    add $24, %rsp\n    mov %rdx, %rdi");
PLACE("loop", "15", "    mov $1, %ecx", "loop begun_loop", "");
PLACE("segment", "16", "", "mov %fs:0, %rax", "");
PLACE("flag_set", "17", "", "stc", "    jc count_flag_set\n    ud2");
PLACE("iret", "18",
      "    mov %rsp, %rdx\n    mov %ss, %ecx\n    push %rcx\n    push %rdx\n    pushf\n"
      "    mov %cs, %ecx\n    push %rcx\n    lea next_iret(%rip), %rax\n    push %rax",
      "iretq", "");
PLACE("getuid", "19", "    mov $102, %eax", "syscall", "");
PLACE("getppid", "20", "    mov $110, %eax", "syscall", "");

__asm__(".data\n.p2align 3\naddress_call_memory:\n    .quad aside_call_memory\n.text\n");

#define DECLARE(name)                                                                              \
    long place_##name(struct slot *slot);                                                          \
    extern const char begun_##name[], site_##name[], next_##name[], count_##name[], done_##name[];
#define ENTRY(number, name, next_, aside_)                                                         \
    [number] = {place_##name, begun_##name, site_##name, next_, count_##name, done_##name, aside_},

DECLARE(nop)
DECLARE(endbr)
DECLARE(push)
DECLARE(lea)
DECLARE(jump)
DECLARE(branch)
DECLARE(call)
DECLARE(call_register)
DECLARE(call_memory)
DECLARE(return )
DECLARE(load)
DECLARE(store)
DECLARE(pushf)
DECLARE(popf)
DECLARE(string)
DECLARE(loop)
DECLARE(segment)
DECLARE(flag_set)
DECLARE(iret)
DECLARE(getuid)
DECLARE(getppid)
extern const char aside_call[], aside_call_register[], aside_call_memory[];

static const struct {
    long (*function)(struct slot *slot);
    const char *begun, *site, *next, *count, *done, *aside;
} places[PLACE_USED] = {
    ENTRY(PLACE_NOP, nop, next_nop, NULL) ENTRY(PLACE_ENDBR, endbr, next_endbr,
                                                NULL) ENTRY(PLACE_PUSH, push, next_push, NULL)
        ENTRY(PLACE_LEA, lea, next_lea, NULL) ENTRY(PLACE_JUMP, jump, next_jump, NULL) ENTRY(
            PLACE_BRANCH, branch, next_branch, NULL) ENTRY(PLACE_CALL, call, aside_call, aside_call)
            ENTRY(PLACE_CALL_REGISTER, call_register, aside_call_register, aside_call_register)
                ENTRY(PLACE_CALL_MEMORY, call_memory, aside_call_memory,
                      aside_call_memory) ENTRY(PLACE_RETURN, return, next_return,
                                               NULL) ENTRY(PLACE_LOAD, load, next_load, NULL)
                    ENTRY(PLACE_STORE, store, next_store, NULL) ENTRY(PLACE_PUSHF,
                                                                      pushf, next_pushf, NULL)
                        ENTRY(PLACE_POPF, popf, next_popf,
                              NULL) ENTRY(PLACE_STRING, string, next_string, NULL)
                            ENTRY(PLACE_LOOP, loop, next_loop, NULL)
                                ENTRY(PLACE_SEGMENT, segment, next_segment, NULL)
                                    ENTRY(PLACE_FLAG_SET, flag_set, next_flag_set, NULL)
                                        ENTRY(PLACE_IRET, iret, next_iret, NULL)
                                            ENTRY(PLACE_GETUID, getuid, next_getuid, NULL)
                                                ENTRY(PLACE_GETPPID, getppid, next_getppid, NULL)};

long visit(struct slot *slot, enum place place)
{
    return places[place].function(slot);
}

void list_places(void)
{
    for (int i = 0; i < PLACE_USED; i++) {
        ledger->places[i] = (struct place_addresses){
            .begun = (uint64_t)places[i].begun,
            .site = (uint64_t)places[i].site,
            .next = (uint64_t)places[i].next,
            .count = (uint64_t)places[i].count,
            .done = (uint64_t)places[i].done,
            .aside = (uint64_t)places[i].aside,
        };
    }
    ledger->cell = (uint64_t)&place_cell;
}

void leave_place(struct slot *slot, uint64_t pc)
{
    for (int i = 0; i < PLACE_USED; i++) {
        const struct place_addresses *at = &ledger->places[i];

        if (pc >= at->begun && pc <= at->site) {
            slot->aborted[i]++;
            return;
        }
        if ((pc > at->site && pc <= at->count) || (at->aside && pc == at->aside)) {
            slot->done[i]++;
            return;
        }
    }
}
