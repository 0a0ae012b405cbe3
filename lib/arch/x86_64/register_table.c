/* SPDX-License-Identifier: MIT */
/*
 * The registers of x86-64, with the numbers that DWARF has for them (psABI, "DWARF Register Number
 * Mapping").
 */
#include "arch/register_table.h"

#include <stddef.h>
#include <sys/user.h>

/* Lists of this kind are beyond the formatter. */
/* clang-format off */

#define EACH_8(X)  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define EACH_16(X)                                                                                 \
    EACH_8(X) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define EACH_UPPER_16(X)                                                                           \
    X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)

/* G: name, member of user_regs_struct, number.  P: name, whole, its member, size, byte in it. */
#define GENERAL_REGISTERS(G, P)                                                                    \
    G(rax, rax, 0)                                                                                 \
    P(eax, rax, rax, 4, 0) P(ax, rax, rax, 2, 0) P(al, rax, rax, 1, 0) P(ah, rax, rax, 1, 1)       \
    G(rbx, rbx, 3)                                                                                 \
    P(ebx, rbx, rbx, 4, 0) P(bx, rbx, rbx, 2, 0) P(bl, rbx, rbx, 1, 0) P(bh, rbx, rbx, 1, 1)       \
    G(rcx, rcx, 2)                                                                                 \
    P(ecx, rcx, rcx, 4, 0) P(cx, rcx, rcx, 2, 0) P(cl, rcx, rcx, 1, 0) P(ch, rcx, rcx, 1, 1)       \
    G(rdx, rdx, 1)                                                                                 \
    P(edx, rdx, rdx, 4, 0) P(dx, rdx, rdx, 2, 0) P(dl, rdx, rdx, 1, 0) P(dh, rdx, rdx, 1, 1)       \
    G(rsi, rsi, 4) P(esi, rsi, rsi, 4, 0) P(si, rsi, rsi, 2, 0) P(sil, rsi, rsi, 1, 0)             \
    G(rdi, rdi, 5) P(edi, rdi, rdi, 4, 0) P(di, rdi, rdi, 2, 0) P(dil, rdi, rdi, 1, 0)             \
    G(rbp, rbp, 6) P(ebp, rbp, rbp, 4, 0) P(bp, rbp, rbp, 2, 0) P(bpl, rbp, rbp, 1, 0)             \
    G(rsp, rsp, 7) P(esp, rsp, rsp, 4, 0) P(sp, rsp, rsp, 2, 0) P(spl, rsp, rsp, 1, 0)             \
    G(r8, r8, 8) P(r8d, r8, r8, 4, 0) P(r8w, r8, r8, 2, 0) P(r8b, r8, r8, 1, 0)                    \
    G(r9, r9, 9) P(r9d, r9, r9, 4, 0) P(r9w, r9, r9, 2, 0) P(r9b, r9, r9, 1, 0)                    \
    G(r10, r10, 10) P(r10d, r10, r10, 4, 0) P(r10w, r10, r10, 2, 0) P(r10b, r10, r10, 1, 0)        \
    G(r11, r11, 11) P(r11d, r11, r11, 4, 0) P(r11w, r11, r11, 2, 0) P(r11b, r11, r11, 1, 0)        \
    G(r12, r12, 12) P(r12d, r12, r12, 4, 0) P(r12w, r12, r12, 2, 0) P(r12b, r12, r12, 1, 0)        \
    G(r13, r13, 13) P(r13d, r13, r13, 4, 0) P(r13w, r13, r13, 2, 0) P(r13b, r13, r13, 1, 0)        \
    G(r14, r14, 14) P(r14d, r14, r14, 4, 0) P(r14w, r14, r14, 2, 0) P(r14b, r14, r14, 1, 0)        \
    G(r15, r15, 15) P(r15d, r15, r15, 4, 0) P(r15w, r15, r15, 2, 0) P(r15b, r15, r15, 1, 0)        \
    G(rip, rip, 16) P(eip, rip, rip, 4, 0)                                                         \
    G(rflags, eflags, 49) P(eflags, rflags, eflags, 4, 0)                                          \
    G(fs_base, fs_base, 58)                                                                        \
    G(gs_base, gs_base, 59)                                                                        \
    G(orig_rax, orig_rax, -1)

#define SEGMENTS(S) S(es, 50) S(cs, 51) S(ss, 52) S(ds, 53) S(fs, 54) S(gs, 55)

/* C: name, size, number, place, offset in the area.  Q: name, whole, size, offset, bit in it. */
#define CONTROL_REGISTERS(C, Q)                                                                    \
    C(mxcsr, 4, 64, MXCSR, 24)                                                                     \
    C(fctrl, 2, 65, LEGACY, 0)                                                                     \
    C(fstat, 2, 66, LEGACY, 2)                                                                     \
    C(ftag, 2, -1, TAG, 4)                                                                         \
    C(fop, 2, -1, LEGACY, 6)                                                                       \
    C(fip, 8, -1, LEGACY, 8) Q(fioff, fip, 4, 8, 0) Q(fiseg, fip, 2, 12, 32)                       \
    C(fdp, 8, -1, LEGACY, 16) Q(fooff, fdp, 4, 16, 0) Q(foseg, fdp, 2, 20, 32)

#define DEBUG_REGISTERS(D) D(0) D(1) D(2) D(3) D(6) D(7)

/* ---- the places in the table, for what is a part of which ---- */

#define INDEX_OF_GENERAL(name, member, number)           AT_##name,
#define INDEX_OF_PART(name, whole, member, size, offset) AT_##name,
#define INDEX_OF_SEGMENT(name, number)                   AT_##name,
#define INDEX_OF_CONTROL(name, size, number, place, at)  AT_##name,
#define INDEX_OF_HALF(name, whole, size, at, bits)       AT_##name,
#define INDEX_OF_ST(n)                                   AT_st##n,
#define INDEX_OF_MM(n)                                   AT_mm##n,
#define INDEX_OF_VECTOR(n)                               AT_zmm##n, AT_ymm##n, AT_xmm##n,
#define INDEX_OF_MASK(n)                                 AT_k##n,
#define INDEX_OF_DEBUG(n)                                AT_dr##n,

enum {
    GENERAL_REGISTERS(INDEX_OF_GENERAL, INDEX_OF_PART)
    SEGMENTS(INDEX_OF_SEGMENT)
    CONTROL_REGISTERS(INDEX_OF_CONTROL, INDEX_OF_HALF)
    EACH_8(INDEX_OF_ST)
    EACH_8(INDEX_OF_MM)
    EACH_16(INDEX_OF_VECTOR)
    EACH_UPPER_16(INDEX_OF_VECTOR)
    EACH_8(INDEX_OF_MASK)
    DEBUG_REGISTERS(INDEX_OF_DEBUG)
    COUNT
};

/* ---- the table ---- */

#define MEMBER(name) offsetof(struct user_regs_struct, name)
#define WHOLE(name)  &sdb__register_table[AT_##name].shown

#define GENERAL(name, member, number)                                                              \
    {{#name, NULL, 8, SDB_REGISTER_GENERAL, number, 0}, SDB__PLACE_GENERAL, MEMBER(member)},
#define PART(name, whole, member, size, byte)                                                      \
    {{#name, WHOLE(whole), size, SDB_REGISTER_PART, -1, 8 * (byte)},                               \
         SDB__PLACE_GENERAL, MEMBER(member) + (byte)},
#define SEGMENT(name, number)                                                                      \
    {{#name, NULL, 2, SDB_REGISTER_SEGMENT, number, 0}, SDB__PLACE_GENERAL, MEMBER(name)},
#define CONTROL(name, size, number, place, at)                                                     \
    {{#name, NULL, size, SDB_REGISTER_CONTROL, number, 0}, SDB__PLACE_##place, at},
#define HALF(name, whole, size, at, bits)                                                          \
    {{#name, WHOLE(whole), size, SDB_REGISTER_CONTROL, -1, bits}, SDB__PLACE_LEGACY, at},
#define ST(n) {{"st" #n, NULL, 10, SDB_REGISTER_X87, 33 + (n), 0}, SDB__PLACE_ST, n},
#define MM(n) {{"mm" #n, NULL, 8, SDB_REGISTER_MMX, 41 + (n), 0}, SDB__PLACE_MM, n},
#define VECTOR(n)                                                                                  \
    {{"zmm" #n, NULL, 64, SDB_REGISTER_VECTOR, -1, 0}, SDB__PLACE_VECTOR, n},                      \
    {{"ymm" #n, WHOLE(zmm##n), 32, SDB_REGISTER_VECTOR, -1, 0}, SDB__PLACE_VECTOR, n},             \
    {{"xmm" #n, WHOLE(zmm##n), 16, SDB_REGISTER_VECTOR, (n) < 16 ? 17 + (n) : 51 + (n), 0},        \
     SDB__PLACE_VECTOR, n},
#define MASK(n)  {{"k" #n, NULL, 8, SDB_REGISTER_MASK, 118 + (n), 0}, SDB__PLACE_MASK, n},
#define DEBUG(n) {{"dr" #n, NULL, 8, SDB_REGISTER_DEBUG, -1, 0}, SDB__PLACE_DEBUG, n},

const struct sdb__register_entry sdb__register_table[] = {
    GENERAL_REGISTERS(GENERAL, PART)
    SEGMENTS(SEGMENT)
    CONTROL_REGISTERS(CONTROL, HALF)
    EACH_8(ST)
    EACH_8(MM)
    EACH_16(VECTOR)
    EACH_UPPER_16(VECTOR)
    EACH_8(MASK)
    DEBUG_REGISTERS(DEBUG)
};

/* clang-format on */

const size_t sdb__register_table_count = COUNT;
