/* SPDX-License-Identifier: MIT */
/*
 * Relocated instructions, by their code (see slot_check.h).  That they also compute the same is in
 * relocate_run.c.
 */
#include "arch/x86_64/relocate.h"
#include "arch/x86_64/call.h"

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library_text.h"
#include "racing.h"
#include "slot_check.h"
#include "suite.h"

#define HERE  UINT64_C(0x7f0000001234)
#define NEAR  UINT64_C(0x7f0000100040)
#define FAR   UINT64_C(0x100000000040)
#define FUZZ  300000
#define BYTES 15

enum { NONE = SDB__RELOCATION_NONE, SLOT, SKIP, JUMP, MADE };
enum {
    OTHER = SDB__INSTRUCTION_OTHER,
    CALL,
    RETURN,
    SYSCALL,
    PUSHES,
    POPS,
    TRAP,
    REPEATED,
    UNTRAPPED
};

static const struct {
    const char *text;
    uint8_t len;
    uint8_t bytes[BYTES];
    uint8_t near_kind; /* with the slot in reach */
    uint8_t far_kind;  /* and out of it */
    uint8_t class;
} encodings[] = {
    /* what does not know where it is */
    {"push rbp", 1, {0x55}, SLOT, SLOT, OTHER},
    {"mov rax, [rsp+8]", 5, {0x48, 0x8b, 0x44, 0x24, 8}, SLOT, SLOT, OTHER},
    {"movabs rax, imm64", 10, {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, SLOT, SLOT, OTHER},
    {"mov eax, moffs", 9, {0xa1, 1, 2, 3, 4, 5, 6, 7, 8}, SLOT, SLOT, OTHER},
    {"rep movsb", 2, {0xf3, 0xa4}, SLOT, SLOT, REPEATED},
    {"repne scasb", 2, {0xf2, 0xae}, SLOT, SLOT, REPEATED},
    {"repe cmpsq", 3, {0xf3, 0x48, 0xa7}, SLOT, SLOT, REPEATED},
    {"pushfq", 1, {0x9c}, SLOT, SLOT, PUSHES},
    {"popfq", 1, {0x9d}, SLOT, SLOT, POPS},
    {"pause", 2, {0xf3, 0x90}, SLOT, SLOT, OTHER},
    {"xchg r8, rax", 2, {0x49, 0x90}, SLOT, SLOT, OTHER},
    {"xchg eax, eax, which clears", 2, {0x87, 0xc0}, SLOT, SLOT, OTHER},
    {"rdsspq rax", 5, {0xf3, 0x48, 0x0f, 0x1e, 0xc8}, SLOT, SLOT, OTHER},
    {"mov rax, cr0 with mod 0, rm 5", 3, {0x0f, 0x20, 0x05}, SLOT, SLOT, OTHER},
    {"mov [disp32], eax", 7, {0x89, 0x04, 0x25, 1, 2, 3, 4}, SLOT, SLOT, OTHER},
    {"mov eax, [rbp+disp32]", 6, {0x8b, 0x85, 1, 2, 3, 4}, SLOT, SLOT, OTHER},
    {"hlt", 1, {0xf4}, SLOT, SLOT, OTHER},
    {"ud2", 2, {0x0f, 0x0b}, SLOT, SLOT, OTHER},
    {"rdtscp", 3, {0x0f, 0x01, 0xf9}, SLOT, SLOT, OTHER},
    {"xabort", 3, {0xc6, 0xf8, 0}, SLOT, SLOT, OTHER},
    {"xend", 3, {0x0f, 0x01, 0xd5}, SLOT, SLOT, OTHER},
    {"int 4", 2, {0xcd, 4}, SLOT, SLOT, OTHER},
    {"mov ds, eax", 2, {0x8e, 0xd8}, SLOT, SLOT, OTHER},
    {"mov eax, ss", 2, {0x8c, 0xd0}, SLOT, SLOT, OTHER},
    /* operands relative to rip */
    {"mov rax, [rip]", 7, {0x48, 0x8b, 0x05, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"lea rax, [rip]", 7, {0x48, 0x8d, 0x05, 0xff, 0xff, 0xff, 0xff}, SLOT, NONE, OTHER},
    {"lea r15, [rip]", 7, {0x4c, 0x8d, 0x3d, 0, 0, 0, 0}, SLOT, NONE, OTHER},
    {"mov dword [rip], imm32", 10, {0xc7, 0x05, 1, 2, 3, 4, 9, 9, 9, 9}, SLOT, NONE, OTHER},
    {"mov qword [rip], imm32", 11, {0x48, 0xc7, 0x05, 1, 2, 3, 4, 9, 9, 9, 9}, SLOT, NONE, OTHER},
    {"mov word [rip], imm16", 9, {0x66, 0xc7, 0x05, 1, 2, 3, 4, 9, 9}, SLOT, NONE, OTHER},
    {"cmp byte [rip], imm8", 7, {0x80, 0x3d, 1, 2, 3, 4, 5}, SLOT, NONE, OTHER},
    {"lock cmpxchg [rip], edx", 8, {0xf0, 0x0f, 0xb1, 0x15, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"movsd xmm0, [rip]", 8, {0xf2, 0x0f, 0x10, 0x05, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"pshufd xmm0, [rip], 1", 9, {0x66, 0x0f, 0x70, 0x05, 1, 2, 3, 4, 1}, SLOT, NONE, OTHER},
    {"pblendw xmm0, [rip], 1",
     10,
     {0x66, 0x0f, 0x3a, 0x0e, 0x05, 1, 2, 3, 4, 1},
     SLOT,
     NONE,
     OTHER},
    {"vmovdqa ymm0, [rip]", 8, {0xc5, 0xfd, 0x6f, 0x05, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"vperm2i128 ymm0, ymm1, [rip], 1",
     10,
     {0xc4, 0xe3, 0x75, 0x46, 0x05, 1, 2, 3, 4, 1},
     SLOT,
     NONE,
     OTHER},
    {"vmovdqu64 zmm0, [rip]",
     10,
     {0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x05, 1, 2, 3, 4},
     SLOT,
     NONE,
     OTHER},
    {"vpternlogd zmm0, zmm0, [rip], 1",
     11,
     {0x62, 0xf3, 0x7d, 0x48, 0x25, 0x05, 1, 2, 3, 4, 1},
     SLOT,
     NONE,
     OTHER},
    {"push qword [rip]", 6, {0xff, 0x35, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"fld qword [rip]", 6, {0xdd, 0x05, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"prefetchw [rip]", 7, {0x0f, 0x0d, 0x0d, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"a hint that is a nop, with [rip]", 7, {0x0f, 0x1a, 0x05, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"mov eax, fs:[rip]", 7, {0x64, 0x8b, 0x05, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"mov eax, [eip]", 7, {0x67, 0x8b, 0x05, 1, 2, 3, 4}, NONE, NONE, OTHER},
    {"lea rax, [eip]", 8, {0x67, 0x48, 0x8d, 0x05, 1, 2, 3, 4}, NONE, NONE, OTHER},
    /* nops */
    {"nop", 1, {0x90}, SKIP, SKIP, OTHER},
    {"xchg ax, ax", 2, {0x66, 0x90}, SKIP, SKIP, OTHER},
    {"nop [rax+rax]", 8, {0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, SKIP, SKIP, OTHER},
    {"nop cs:[rax+rax]", 10, {0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, SKIP, SKIP, OTHER},
    {"nop [rip]", 7, {0x0f, 0x1f, 0x05, 0, 0, 0, 0}, SKIP, SKIP, OTHER},
    {"endbr64", 4, {0xf3, 0x0f, 0x1e, 0xfa}, SKIP, SKIP, OTHER},
    /* jumps */
    {"jmp rel8", 2, {0xeb, 0x10}, JUMP, JUMP, OTHER},
    {"jmp itself", 2, {0xeb, 0xfe}, JUMP, JUMP, OTHER},
    {"jmp rel32", 5, {0xe9, 1, 2, 3, 0x84}, JUMP, JUMP, OTHER},
    {"bnd jmp rel32", 6, {0xf2, 0xe9, 1, 2, 3, 4}, JUMP, JUMP, OTHER},
    {"jmp rel32 with 16 bits", 6, {0x66, 0xe9, 1, 2, 3, 4}, NONE, NONE, OTHER},
    {"je rel8", 2, {0x74, 0x80}, SLOT, SLOT, OTHER},
    {"jg rel8", 2, {0x7f, 0x7f}, SLOT, SLOT, OTHER},
    {"jb rel32", 6, {0x0f, 0x82, 1, 2, 3, 4}, SLOT, SLOT, OTHER},
    {"jle rel32", 6, {0x0f, 0x8e, 1, 2, 3, 0x84}, SLOT, SLOT, OTHER},
    {"je rel8, taken", 3, {0x3e, 0x74, 0x10}, SLOT, SLOT, OTHER},
    {"bnd jne rel32", 7, {0xf2, 0x0f, 0x85, 1, 2, 3, 4}, SLOT, SLOT, OTHER},
    {"je rel32 with 16 bits", 7, {0x66, 0x0f, 0x84, 1, 2, 3, 4}, NONE, NONE, OTHER},
    {"loopne", 2, {0xe0, 0x10}, SLOT, SLOT, OTHER},
    {"loope", 2, {0xe1, 0x10}, SLOT, SLOT, OTHER},
    {"loop itself", 2, {0xe2, 0xfe}, SLOT, SLOT, OTHER},
    {"loop by ecx", 3, {0x67, 0xe2, 0x10}, SLOT, SLOT, OTHER},
    {"jrcxz", 2, {0xe3, 0x80}, SLOT, SLOT, OTHER},
    {"jecxz", 3, {0x67, 0xe3, 0x10}, SLOT, SLOT, OTHER},
    {"xbegin", 6, {0xc7, 0xf8, 1, 2, 3, 4}, NONE, NONE, OTHER},
    {"jmp rax", 2, {0xff, 0xe0}, SLOT, SLOT, OTHER},
    {"notrack jmp rdx", 3, {0x3e, 0xff, 0xe2}, SLOT, SLOT, OTHER},
    {"jmp [rip]", 6, {0xff, 0x25, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"bnd jmp [rip]", 7, {0xf2, 0xff, 0x25, 1, 2, 3, 4}, SLOT, NONE, OTHER},
    {"jmp [rsp+8]", 4, {0xff, 0x64, 0x24, 8}, SLOT, SLOT, OTHER},
    {"jmp far [rax]", 2, {0xff, 0x28}, NONE, NONE, OTHER},
    /* calls */
    {"call rel32", 5, {0xe8, 1, 2, 3, 4}, MADE, MADE, CALL},
    {"call next", 5, {0xe8, 0, 0, 0, 0}, MADE, MADE, CALL},
    {"call rel32, as for __tls_get_addr",
     8,
     {0x66, 0x66, 0x48, 0xe8, 1, 2, 3, 4},
     MADE,
     MADE,
     CALL},
    {"call rel32 as linkers relax it", 6, {0x67, 0xe8, 1, 2, 3, 4}, MADE, MADE, CALL},
    {"call rel32 with 16 bits", 6, {0x66, 0xe8, 1, 2, 3, 4}, NONE, NONE, CALL},
    {"the same, its rex void", 7, {0x48, 0x66, 0xe8, 1, 2, 3, 4}, NONE, NONE, CALL},
    {"call rax", 2, {0xff, 0xd0}, MADE, MADE, CALL},
    {"call r12", 3, {0x41, 0xff, 0xd4}, MADE, MADE, CALL},
    {"notrack call rdx", 3, {0x3e, 0xff, 0xd2}, MADE, MADE, CALL},
    {"call rsp", 2, {0xff, 0xd4}, MADE, MADE, CALL},
    {"call ax", 3, {0x66, 0xff, 0xd0}, NONE, NONE, CALL},
    {"call [rax]", 2, {0xff, 0x10}, MADE, MADE, CALL},
    {"call [rbx+rcx*8+16]", 4, {0xff, 0x54, 0xcb, 16}, MADE, MADE, CALL},
    {"call fs:[16]", 8, {0x64, 0xff, 0x14, 0x25, 16, 0, 0, 0}, MADE, MADE, CALL},
    {"call [rip]", 6, {0xff, 0x15, 1, 2, 3, 4}, MADE, MADE, CALL},
    {"call [rip], as for __tls_get_addr",
     8,
     {0x66, 0x48, 0xff, 0x15, 1, 2, 3, 4},
     MADE,
     MADE,
     CALL},
    {"call [eip]", 7, {0x67, 0xff, 0x15, 1, 2, 3, 4}, MADE, MADE, CALL},
    {"call [rsp]", 3, {0xff, 0x14, 0x24}, MADE, MADE, CALL},
    {"call [rsp+rbx*8]", 3, {0xff, 0x14, 0xdc}, MADE, MADE, CALL},
    {"call [rsp+119]", 4, {0xff, 0x54, 0x24, 119}, MADE, MADE, CALL},
    {"call [rsp+120]", 4, {0xff, 0x54, 0x24, 120}, MADE, MADE, CALL},
    {"call [rsp-16]", 4, {0xff, 0x54, 0x24, 0xf0}, MADE, MADE, CALL},
    {"call [rsp-8], which it overwrites", 4, {0xff, 0x54, 0x24, 0xf8}, MADE, MADE, CALL},
    {"call [rsp-1], the same", 4, {0xff, 0x54, 0x24, 0xff}, MADE, MADE, CALL},
    {"call [rsp+disp32]", 7, {0xff, 0x94, 0x24, 0, 1, 0, 0}, MADE, MADE, CALL},
    {"call [rsp+max]", 7, {0xff, 0x94, 0x24, 0xf8, 0xff, 0xff, 0x7f}, MADE, MADE, CALL},
    {"call [esp+8]", 5, {0x67, 0xff, 0x54, 0x24, 8}, MADE, MADE, CALL},
    {"call [r12+8]", 5, {0x41, 0xff, 0x54, 0x24, 8}, MADE, MADE, CALL},
    {"call [rsp+120], no room for more",
     15,
     {0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0xff, 0x54, 0x24, 120},
     MADE,
     MADE,
     CALL},
    {"call far [rax]", 2, {0xff, 0x18}, NONE, NONE, CALL},
    {"ret", 1, {0xc3}, SLOT, SLOT, RETURN},
    {"rep ret", 2, {0xf3, 0xc3}, SLOT, SLOT, RETURN},
    {"bnd ret", 2, {0xf2, 0xc3}, SLOT, SLOT, RETURN},
    {"ret 8", 3, {0xc2, 8, 0}, SLOT, SLOT, RETURN},
    {"retf", 1, {0xcb}, SLOT, SLOT, RETURN},
    {"iretq", 2, {0x48, 0xcf}, NONE, NONE, POPS},
    /* the kernel */
    {"syscall", 2, {0x0f, 0x05}, SLOT, SLOT, SYSCALL},
    {"syscall with a prefix", 3, {0x48, 0x0f, 0x05}, SLOT, SLOT, SYSCALL},
    {"sysenter", 2, {0x0f, 0x34}, SLOT, SLOT, SYSCALL},
    {"int 0x80", 2, {0xcd, 0x80}, SLOT, SLOT, SYSCALL},
    {"int3", 1, {0xcc}, NONE, NONE, TRAP},
    {"int 3", 2, {0xcd, 3}, NONE, NONE, TRAP},
    {"int1", 1, {0xf1}, NONE, NONE, TRAP},
    {"mov ss, eax", 2, {0x8e, 0xd0}, NONE, NONE, UNTRAPPED},
    {"mov ds, eax", 2, {0x8e, 0xd8}, SLOT, SLOT, OTHER},
    {"str eax", 3, {0x0f, 0x00, 0xc8}, SLOT, SLOT, UNTRAPPED},
    {"sldt [rcx]", 3, {0x0f, 0x00, 0x01}, SLOT, SLOT, UNTRAPPED},
    {"sgdt [rcx]", 3, {0x0f, 0x01, 0x01}, SLOT, SLOT, UNTRAPPED},
    {"sidt [rcx]", 3, {0x0f, 0x01, 0x09}, SLOT, SLOT, UNTRAPPED},
    {"smsw eax", 3, {0x0f, 0x01, 0xe0}, SLOT, SLOT, UNTRAPPED},
    {"rdtscp", 3, {0x0f, 0x01, 0xf9}, SLOT, SLOT, OTHER},
    {"pushfq with a prefix", 2, {0x48, 0x9c}, SLOT, SLOT, PUSHES},
    {"enclu", 3, {0x0f, 0x01, 0xd7}, NONE, NONE, OTHER},
};
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

static struct sdb__relocation relocate(int index, uint64_t to, bool shadow_stack)
{
    struct sdb__relocation relocation;

    memset(&relocation, 0xa5, sizeof(relocation));
    ck_assert_msg(sdb__relocate(encodings[index].bytes, encodings[index].len, HERE, to,
                                shadow_stack, &relocation) == 0,
                  "%s", encodings[index].text);
    ck_assert_msg(relocation.length == encodings[index].len, "%s", encodings[index].text);
    return relocation;
}

SUITE_CASE(relocate, plain_case);

LOOP_TEST(each_encoding_is_moved_or_refused_as_it_must, 0, ENCODINGS)
{
    const struct sdb__relocation close = relocate(_i, NEAR, false);
    const struct sdb__relocation far = relocate(_i, FAR, false);

    ck_assert_msg(close.kind == encodings[_i].near_kind, "%s", encodings[_i].text);
    ck_assert_msg(far.kind == encodings[_i].far_kind, "%s", encodings[_i].text);
    slot_check(encodings[_i].bytes, encodings[_i].len, HERE, NEAR, &close);
    slot_check(encodings[_i].bytes, encodings[_i].len, HERE, FAR, &far);
}

/* @return whether an instruction is taken for one of which a step need know nothing, and is none */
static bool is_taken_for_plain(const uint8_t *bytes, size_t len)
{
    const int class = sdb__instruction_class(bytes, len, 0);
    uint64_t word = 0;

    memcpy(&word, bytes, len < sizeof(word) ? len : sizeof(word));
    return sdb__instruction_is_plain(word) && class != OTHER && class != CALL && class != RETURN &&
           class != REPEATED && class >= 0;
}

/* A look without decoding is on the safe side, and knows the common ones. */
LOOP_TEST(what_a_step_must_know_of_is_never_taken_for_plain, 0, ENCODINGS)
{
    ck_assert_msg(!is_taken_for_plain(encodings[_i].bytes, encodings[_i].len), "%s",
                  encodings[_i].text);
    ck_assert(sdb__instruction_is_plain(0x55));
    ck_assert(sdb__instruction_is_plain(UINT64_C(0x08245c8b48)));
}

LOOP_TEST(what_an_instruction_is_does_not_depend_on_moving_it, 0, ENCODINGS)
{
    const struct sdb__relocation relocation = relocate(_i, FAR, true);
    const int class = sdb__instruction_class(encodings[_i].bytes, encodings[_i].len, 0);

    ck_assert_msg(class == encodings[_i].class, "%s is of class %d", encodings[_i].text, class);
    ck_assert_int_eq(sdb__instruction_length(encodings[_i].bytes, encodings[_i].len, 0),
                     encodings[_i].len);
    ck_assert_int_eq(relocation.is_call, class == SDB__INSTRUCTION_CALL);
    ck_assert_int_eq(relocation.is_return, class == SDB__INSTRUCTION_RETURN);
    ck_assert_int_eq(relocation.is_syscall, class == SDB__INSTRUCTION_SYSCALL);
}

LOOP_TEST(calls_stay_under_a_shadow_stack_and_nothing_else_does, 0, ENCODINGS)
{
    const struct sdb__relocation relocation = relocate(_i, NEAR, true);

    ck_assert_msg((int)relocation.kind ==
                      (encodings[_i].class == CALL ? NONE : (int)encodings[_i].near_kind),
                  "%s", encodings[_i].text);
}

/* In a block of just that many bytes, for the sanitizer. */
LOOP_TEST(fewer_bytes_than_it_takes_are_refused, 0, ENCODINGS)
{
    struct sdb__relocation relocation;
    struct sdb__relocation same;

    memset(&relocation, 0xa5, sizeof(relocation));
    same = relocation;
    for (size_t len = 0; len < encodings[_i].len; len++) {
        uint8_t *bytes = malloc(len ? len : 1);

        ck_assert_ptr_nonnull(bytes);
        memcpy(bytes, encodings[_i].bytes, len);
        ck_assert_int_eq(sdb__instruction_length(bytes, len, 0), -EILSEQ);
        ck_assert_int_eq(sdb__instruction_class(bytes, len, 0), -EILSEQ);
        ck_assert_int_eq(sdb__relocate(bytes, len, HERE, NEAR, 0, &relocation), -EILSEQ);
        ck_assert_mem_eq(&relocation, &same, sizeof(same));
        free(bytes);
    }
}

TEST(what_is_no_instruction_is_refused)
{
    static const uint8_t invalid[][BYTES] = {
        {0x06},             /* push es, of other times */
        {0xf0, 0x90},       /* lock nop */
        {0x8e, 0xc8},       /* mov cs, eax */
        {0x0f, 0xff, 0xc0}, /* ud0 is one: see below */
        {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66},
    };

    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        struct sdb__relocation relocation;

        ck_assert_int_eq(sdb__relocate(invalid[i], BYTES, HERE, NEAR, 0, &relocation),
                         i == 3 ? 0 : -EILSEQ);
    }
}

/* ---- 32-bit code ---- */

TEST(bytes_are_other_instructions_in_32_bit_code)
{
    static const struct {
        uint8_t bytes[6];
        uint8_t length;
        uint8_t kind;
    } cases[] = {
        {{0x41, 0x89, 0xc8}, 1, SDB__RELOCATION_SLOT},          /* inc ecx */
        {{0xa1, 0, 0x10, 0, 0}, 5, SDB__RELOCATION_SLOT},       /* mov eax, [0x1000] */
        {{0x8b, 0x05, 0, 0x10, 0, 0}, 6, SDB__RELOCATION_SLOT}, /* the same */
        {{0x62, 0x02}, 2, SDB__RELOCATION_SLOT},                /* bound eax, [edx] */
        {{0xc4, 0x0a}, 2, SDB__RELOCATION_SLOT},                /* les ecx, [edx] */
        {{0xcd, 0x80}, 2, SDB__RELOCATION_SLOT},                /* int 0x80 */
        {{0x0f, 0x34}, 2, SDB__RELOCATION_SLOT},                /* sysenter */
        {{0x17}, 1, SDB__RELOCATION_NONE},                      /* pop ss */
        {{0xff, 0x15, 0, 0x10, 0, 0}, 6, SDB__RELOCATION_CALL}, /* call [0x1000] */
        {{0x67, 0xff, 0x17}, 3, SDB__RELOCATION_NONE},          /* call [bx] */
        {{0x66, 0xe8, 0, 0}, 4, SDB__RELOCATION_NONE},          /* call, 16 bits */
        {{0xeb, 0x10}, 2, SDB__RELOCATION_JUMP},                /* jmp */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sdb__relocation relocation;

        ck_assert_int_eq(sdb__relocate(cases[i].bytes, sizeof(cases[i].bytes), 0x8048000, 0x8000000,
                                       SDB__CODE_32, &relocation),
                         0);
        ck_assert_msg(relocation.length == cases[i].length && relocation.kind == cases[i].kind,
                      "case %zu: length %u, kind %d", i, relocation.length, (int)relocation.kind);
        if (relocation.kind == SDB__RELOCATION_SLOT)
            ck_assert_int_eq(memcmp(relocation.code, cases[i].bytes, cases[i].length), 0);
    }
}

TEST(addresses_of_32_bit_code_wrap_around)
{
    static const uint8_t jump[] = {0xe9, 0, 0x10, 0, 0};
    static const uint8_t call_by_memory[] = {0xff, 0x15, 0xf0, 0xff, 0xff, 0xff};
    const struct user_regs_struct registers = {0};
    struct sdb__relocation relocation;
    struct sdb__call call;
    uint64_t target;

    ck_assert_int_eq(
        sdb__relocate(jump, sizeof(jump), 0xfffff000, 0xfffff000, SDB__CODE_32, &relocation), 0);
    ck_assert_uint_eq(relocation.next, 5);
    ck_assert_int_eq(
        sdb__call_decode(call_by_memory, sizeof(call_by_memory), 0x8048000, SDB__CODE_32, &call),
        0);
    ck_assert(sdb__call_is_by_memory(&call, &registers, &target));
    ck_assert_uint_eq(target, 0xfffffff0);
    ck_assert_uint_eq(sdb__call_size(&call), 4);
}

/* ---- reach ---- */

/* mov rax, [rip + displacement], its operand this far from the end of what is in the slot */
static int kind_at_distance(int64_t distance)
{
    uint8_t bytes[] = {0x48, 0x8b, 0x05, 0, 0, 0, 0};
    struct sdb__relocation relocation;

    ck_assert_int_eq(
        sdb__relocate(bytes, sizeof(bytes), HERE, HERE - (uint64_t)distance, 0, &relocation), 0);
    slot_check(bytes, sizeof(bytes), HERE, HERE - (uint64_t)distance, &relocation);
    return (int)relocation.kind;
}

TEST(an_operand_is_in_reach_up_to_the_last_byte)
{
    ck_assert_int_eq(kind_at_distance(INT32_MAX), SDB__RELOCATION_SLOT);
    ck_assert_int_eq(kind_at_distance(INT32_MAX + INT64_C(1)), SDB__RELOCATION_NONE);
    ck_assert_int_eq(kind_at_distance(INT32_MIN), SDB__RELOCATION_SLOT);
    ck_assert_int_eq(kind_at_distance(INT32_MIN - INT64_C(1)), SDB__RELOCATION_NONE);
}

/* ---- what a stop in a slot is shown as ---- */

static void expect_shown(const struct sdb__relocation *relocation, uint64_t offset, uint64_t rip,
                         uint64_t rsp)
{
    struct user_regs_struct registers = {.rip = NEAR + offset, .rsp = 0x1000, .rcx = 77};

    ck_assert(sdb__relocation_show(relocation, NEAR, &registers));
    ck_assert_uint_eq(registers.rip, rip);
    ck_assert_uint_eq(registers.rsp, rsp);
    ck_assert_uint_eq(registers.rcx, 77);
}

TEST(a_stop_behind_a_system_call_shows_its_own_return_address)
{
    static const uint8_t syscall[] = {0x0f, 0x05};
    struct user_regs_struct registers = {.rip = NEAR + 2, .rcx = NEAR + 2};
    struct sdb__relocation relocation;

    ck_assert_int_eq(sdb__relocate(syscall, 2, HERE, NEAR, 0, &relocation), 0);
    ck_assert(sdb__relocation_show(&relocation, NEAR, &registers));
    ck_assert_uint_eq(registers.rip, HERE + 2);
    ck_assert_uint_eq(registers.rcx, HERE + 2);
    expect_shown(&relocation, 2, HERE + 2, 0x1000); /* not one that the kernel has not set */
}

TEST(what_is_not_at_a_boundary_is_left_alone)
{
    static const uint8_t je[] = {0x74, 0x10};
    struct sdb__relocation relocation;
    int boundaries = 0;

    ck_assert_int_eq(sdb__relocate(je, 2, HERE, NEAR, 0, &relocation), 0);
    for (unsigned offset = 0; offset < SDB__SLOT_SIZE; offset++) {
        struct user_regs_struct registers = {.rip = NEAR + offset, .rsp = 0x1000};

        if (sdb__relocation_show(&relocation, NEAR, &registers))
            boundaries++;
        else
            ck_assert_uint_eq(registers.rip, NEAR + offset);
    }
    ck_assert_int_eq(boundaries, relocation.point_count);
}

/* ---- all there is ---- */

/* Each instruction of a library, at its own address.  @return how many were not moved */
static size_t move_all(const struct library_text *text, uint64_t to, size_t *count)
{
    size_t stays = 0;
    size_t at = 0;

    *count = 0;
    while (at < text->len) {
        const uint64_t from = (uintptr_t)(text->bytes + at);
        struct sdb__relocation relocation;

        if (sdb__relocate(text->bytes + at, text->len - at, from, to, 0, &relocation) < 0) {
            at++; /* data between functions */
            continue;
        }
        slot_check(text->bytes + at, text->len - at, from, to, &relocation);
        (*count)++;
        if (relocation.kind == SDB__RELOCATION_NONE)
            stays++;
        at += relocation.length;
    }
    return stays;
}

static const char *const libraries[] = {"libc.so", "libstdc++.so"};
#define LIBRARIES (sizeof(libraries) / sizeof(libraries[0]))

LOOP_TEST(nearly_all_of_a_library_moves, 0, LIBRARIES)
{
    struct library_text text;
    size_t stays;
    size_t count;

    if (!library_text(libraries[_i], &text)) {
        ck_assert_int_ne(_i, 0);
        return; /* no C++ on this machine */
    }
    stays = move_all(&text, ((uintptr_t)text.bytes - 0x100000) & ~UINT64_C(63), &count);
    printf("%s: of %zu instructions %zu stay, %.4f %% move\n", libraries[_i], count, stays,
           100.0 * (double)(count - stays) / (double)count);
    ck_assert_uint_gt(count, 100000);
    ck_assert_uint_lt(stays * 1000, count);
}

/* Bytes by chance, with much that matters among them; what comes out must be right or a refusal. */
TEST(any_bytes_are_moved_rightly_or_refused)
{
    static const uint8_t telling[] = {0x0f, 0x38, 0x3a, 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x48, 0x41,
                                      0xff, 0xe8, 0xe2, 0x15, 0x24, 0x14, 0x05, 0xc4, 0xc5, 0x62,
                                      0x8f, 0x2e, 0x64, 0xf8, 0xc7, 0x8d, 0x80, 0x74, 0xe3, 0x54};
    const char *seed = getenv("SDB_TEST_SEED");
    struct chance chance = chance_of(seed ? (unsigned)atoi(seed) : 1);
    int moved = 0;

    for (int i = rounds(FUZZ); i > 0; i--) {
        const size_t len = chance_below(&chance, 18);
        uint8_t *bytes = malloc(len ? len : 1);
        const uint64_t to = chance_below(&chance, 4) ? NEAR : FAR;
        struct sdb__relocation relocation;
        int rc;

        if (!bytes)
            ck_abort_msg("no memory");
        for (size_t j = 0; j < len; j++)
            bytes[j] = chance_below(&chance, 2) ? telling[chance_below(&chance, sizeof(telling))]
                                                : (uint8_t)chance_below(&chance, 256);
        rc = sdb__relocate(bytes, len, HERE, to, 0, &relocation);
        if (sdb__instruction_length(bytes, len, 0) != (rc < 0 ? -EILSEQ : relocation.length))
            ck_abort_msg("another length");
        if (rc == 0)
            slot_check(bytes, len, HERE, to, &relocation);
        if (is_taken_for_plain(bytes, len))
            ck_abort_msg("taken for plain");
        moved += rc == 0 && relocation.kind != SDB__RELOCATION_NONE;
        free(bytes);
    }
    ck_assert_int_gt(moved, FUZZ / 10);
}

int main(void)
{
    dlopen("libstdc++.so.6", RTLD_NOW);
    return run_suite("relocate");
}
