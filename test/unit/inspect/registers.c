/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the registers of stopped threads.  A program loads values that are known and
 * stops; what it finds afterwards says what has really been written.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registering.h"

static const char *const general_names[IMAGE_GENERAL] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                                         "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                         "r12", "r13", "r14", "r15"};

HOLDING_CASE(table);

TEST(every_register_is_found_by_its_name_and_number)
{
    (void)_i;
    ck_assert_uint_gt(sdb_register_count(), 200);
    for (size_t i = 0; i < sdb_register_count(); i++) {
        const struct sdb_register *which = sdb_register_at(i);

        ck_assert_ptr_eq(sdb_register_find(which->name), which);
        ck_assert_uint_gt(which->size, 0);
        if (which->dwarf >= 0)
            ck_assert_ptr_eq(sdb_register_find_dwarf(which->dwarf), which);
        if (which->container) {
            ck_assert_uint_ge(which->container->size, which->size + which->shift / 8);
            ck_assert_ptr_null(which->container->container);
            ck_assert_ptr_eq(sdb_register_find(which->container->name), which->container);
        }
        if (which->kind == SDB_REGISTER_PART)
            ck_assert_ptr_nonnull(which->container);
    }
    ck_assert_ptr_null(sdb_register_at(sdb_register_count()));
    ck_assert_ptr_null(sdb_register_at(SIZE_MAX));
}

TEST(what_is_no_register_is_not_found)
{
    static const char *const names[] = {"",      "RAX", "rax ", " rax", "r16",   "xmm32",
                                        "dr4",   "dr5", "st8",  "k8",   "rax\n", "%rax",
                                        "zmm32", "mm8", "e",    "r8l",  "cr0"};

    (void)_i;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_msg(!sdb_register_find(names[i]), "%s is one", names[i]);
    ck_assert_ptr_null(sdb_register_find(NULL));
    ck_assert_ptr_null(sdb_register_find_dwarf(-1));
    ck_assert_ptr_null(sdb_register_find_dwarf(INT32_MIN));
    ck_assert_ptr_null(sdb_register_find_dwarf(56));
    ck_assert_ptr_null(sdb_register_find_dwarf(1000));
}

TEST(numbers_are_those_of_the_psabi)
{
    static const struct {
        const char *name;
        int32_t number;
        uint32_t size;
        uint32_t kind;
    } known[] = {
        {"rax", 0, 8, SDB_REGISTER_GENERAL},      {"rdx", 1, 8, SDB_REGISTER_GENERAL},
        {"rcx", 2, 8, SDB_REGISTER_GENERAL},      {"rbx", 3, 8, SDB_REGISTER_GENERAL},
        {"rsi", 4, 8, SDB_REGISTER_GENERAL},      {"rdi", 5, 8, SDB_REGISTER_GENERAL},
        {"rbp", 6, 8, SDB_REGISTER_GENERAL},      {"rsp", 7, 8, SDB_REGISTER_GENERAL},
        {"r8", 8, 8, SDB_REGISTER_GENERAL},       {"r15", 15, 8, SDB_REGISTER_GENERAL},
        {"rip", 16, 8, SDB_REGISTER_GENERAL},     {"xmm0", 17, 16, SDB_REGISTER_VECTOR},
        {"xmm15", 32, 16, SDB_REGISTER_VECTOR},   {"st0", 33, 10, SDB_REGISTER_X87},
        {"st7", 40, 10, SDB_REGISTER_X87},        {"mm0", 41, 8, SDB_REGISTER_MMX},
        {"mm7", 48, 8, SDB_REGISTER_MMX},         {"rflags", 49, 8, SDB_REGISTER_GENERAL},
        {"es", 50, 2, SDB_REGISTER_SEGMENT},      {"cs", 51, 2, SDB_REGISTER_SEGMENT},
        {"ss", 52, 2, SDB_REGISTER_SEGMENT},      {"ds", 53, 2, SDB_REGISTER_SEGMENT},
        {"fs", 54, 2, SDB_REGISTER_SEGMENT},      {"gs", 55, 2, SDB_REGISTER_SEGMENT},
        {"fs_base", 58, 8, SDB_REGISTER_GENERAL}, {"gs_base", 59, 8, SDB_REGISTER_GENERAL},
        {"mxcsr", 64, 4, SDB_REGISTER_CONTROL},   {"fctrl", 65, 2, SDB_REGISTER_CONTROL},
        {"fstat", 66, 2, SDB_REGISTER_CONTROL},   {"xmm16", 67, 16, SDB_REGISTER_VECTOR},
        {"xmm31", 82, 16, SDB_REGISTER_VECTOR},   {"k0", 118, 8, SDB_REGISTER_MASK},
        {"k7", 125, 8, SDB_REGISTER_MASK},        {"eax", -1, 4, SDB_REGISTER_PART},
        {"ah", -1, 1, SDB_REGISTER_PART},         {"ymm3", -1, 32, SDB_REGISTER_VECTOR},
        {"zmm31", -1, 64, SDB_REGISTER_VECTOR},   {"dr7", -1, 8, SDB_REGISTER_DEBUG},
    };

    (void)_i;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct sdb_register *which = sdb_register_find(known[i].name);

        ck_assert_msg(which != NULL, "no %s", known[i].name);
        ck_assert_int_eq(which->dwarf, known[i].number);
        ck_assert_uint_eq(which->size, known[i].size);
        ck_assert_uint_eq(which->kind, known[i].kind);
    }
}

HOLDING_CASE(values);

static void expect_loaded(const struct register_image *image, int st_count)
{
    uint8_t value[32];

    for (int i = 0; i < IMAGE_GENERAL; i++) {
        if (i != IMAGE_RSP)
            ck_assert_uint_eq(register_value(general_names[i]), image->general[i]);
    }
    ck_assert_uint_eq(register_value("rflags"), image->flags);
    ck_assert_uint_eq(register_value("eflags"), image->flags);
    ck_assert_uint_eq(register_value("mxcsr"), image->mxcsr);
    ck_assert_uint_eq(register_value("fctrl"), image->control);
    for (int i = 0; i < st_count; i++) {
        read_numbered("st", i, value, 10);
        expect_bytes(value, image->st[i], 10, "st", i);
    }
    for (int i = 0; i < 16; i++) {
        read_numbered("xmm", i, value, 16);
        expect_bytes(value, image->ymm[i], 16, "xmm", i);
        if (!has_register("ymm0"))
            continue;
        read_numbered("ymm", i, value, 32);
        expect_bytes(value, image->ymm[i], 32, "ymm", i);
    }
}

TEST(what_is_loaded_is_read)
{
    const struct register_image image = register_image_of(0);
    uint64_t pc = 0;

    launch_registers(_i, "x87", "8");
    expect_loaded(&image, 8);
    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    ck_assert_uint_eq(register_value("rip"), pc);
    ck_assert_uint_eq(register_value("ftag"), 0);
    ck_assert_uint_eq(register_value("cs"), 0x33);
    ck_assert_uint_eq(register_value("orig_rax"), UINT64_MAX);
    go_on();
    found_registers();
    end_registers();
}

static void write_all(const struct register_image *image)
{
    for (int i = 0; i < IMAGE_GENERAL; i++) {
        if (i != IMAGE_RSP)
            set_register(general_names[i], image->general[i]);
    }
    set_register("rflags", image->flags);
    set_register("mxcsr", image->mxcsr);
    set_register("fctrl", image->control);
    for (int i = 0; i < 8; i++)
        write_numbered("st", i, image->st[i], 10);
    for (int i = 0; i < 16; i++)
        write_numbered(has_register("ymm0") ? "ymm" : "xmm", i, image->ymm[i],
                       has_register("ymm0") ? 32 : 16);
}

static void expect_found(const struct register_image *seen, const struct register_image *image)
{
    for (int i = 0; i < IMAGE_GENERAL; i++) {
        if (i != IMAGE_RSP)
            ck_assert_msg(seen->general[i] == image->general[i], "%s is another", general_names[i]);
    }
    ck_assert_uint_eq(seen->flags, image->flags);
    ck_assert_uint_eq(seen->mxcsr, image->mxcsr);
    ck_assert_uint_eq(seen->control, image->control);
    for (int i = 0; i < 16; i++)
        expect_bytes(seen->ymm[i], image->ymm[i], 16, "xmm", i);
    for (int i = 0; i < 8; i++)
        expect_bytes(seen->fnsave + 28 + 10 * i, image->st[i], 10, "st", i);
}

TEST(what_is_written_is_found)
{
    const struct register_image image = register_image_of(1);
    struct register_image seen;
    bool has_ymm;

    launch_registers(_i, "x87", "8");
    has_ymm = has_register("ymm0");
    write_all(&image);
    expect_loaded(&image, 8); /* it is read back before the program goes on */
    go_on();
    seen = found_registers();
    expect_found(&seen, &image);
    for (int i = 0; has_ymm && i < 16; i++)
        expect_bytes(seen.ymm[i], image.ymm[i], 32, "ymm", i);
    end_registers();
}

/* Nothing but its control is there before a program has used the x87, or anything wider. */
TEST(what_the_program_never_used_is_in_its_initial_state)
{
    static const uint8_t zero[64];
    const struct register_image image = register_image_of(2);
    uint8_t value[64];

    launch_registers(_i, "fresh", NULL);
    ck_assert_uint_eq(register_value("fctrl"), 0x37f);
    ck_assert_uint_eq(register_value("fstat"), 0);
    ck_assert_uint_eq(register_value("ftag"), 0xffff);
    ck_assert_uint_eq(register_value("mxcsr"), 0x1f80);
    for (int i = 0; i < 8; i++) {
        read_numbered("st", i, value, 10);
        expect_bytes(value, zero, 10, "st", i);
    }
    for (int i = 0; i < 8; i++)
        write_numbered("st", i, image.st[i], 10);
    ck_assert_uint_eq(register_value("ftag"), 0);
    go_on();
    end_registers();
}

TEST(what_was_written_in_one_stop_is_read_in_the_next)
{
    const struct register_image image = register_image_of(1);
    const struct register_image loaded = register_image_of(0);
    struct register_image seen;

    launch_registers(_i, "again", NULL);
    write_all(&image);
    go_on();
    seen = found_registers();
    expect_found(&seen, &image);
    expect_signal(SIGTRAP);
    expect_loaded(&loaded, 3); /* of this stop, not what was kept of the other */
    go_on();
    seen = found_registers();
    for (int i = 0; i < 3; i++)
        expect_bytes(seen.fnsave + 28 + 10 * i, loaded.st[i], 10, "st", i);
    end_registers();
}

TEST(the_x87_is_seen_from_its_top)
{
    const struct register_image image = register_image_of(0);
    const struct register_image other = register_image_of(3);
    struct register_image seen;
    uint16_t tags;
    uint8_t value[10];

    launch_registers(_i, "x87", "3");
    ck_assert_uint_eq(register_value("fstat") >> 11 & 7, 5);
    ck_assert_uint_eq(register_value("ftag"), 0x03ff);
    for (int i = 0; i < 3; i++) {
        uint64_t low;

        read_numbered("st", i, value, 10);
        expect_bytes(value, image.st[i], 10, "st", i);
        /* Physically they are the last three. */
        memcpy(&low, image.st[i], sizeof(low));
        read_numbered("mm", 5 + i, value, 8);
        expect_bytes(value, &low, 8, "mm", 5 + i);
    }
    write_numbered("st", 1, other.st[1], 10);
    write_numbered("st", 4, other.st[4], 10); /* physically 1: it was empty */
    write_numbered("mm", 7, &other.mm[7], 8); /* st2 */
    go_on();
    seen = found_registers();
    memcpy(&tags, seen.fnsave + 8, sizeof(tags));
    ck_assert_uint_eq(tags, 0x83f3); /* the one with the exponent of all ones is special */
    expect_bytes(seen.fnsave + 28, image.st[0], 10, "st", 0);
    expect_bytes(seen.fnsave + 28 + 10, other.st[1], 10, "st", 1);
    expect_bytes(seen.fnsave + 28 + 20, &other.mm[7], 8, "st", 2);
    expect_bytes(seen.fnsave + 28 + 28, "\xff\xff", 2, "upper st", 2);
    expect_bytes(seen.fnsave + 28 + 40, other.st[4], 10, "st", 4);
    expect_bytes(&seen.mm[7], &other.mm[7], 8, "mm", 7);
    end_registers();
}

TEST(tags_say_what_is_empty)
{
    struct register_image seen;
    uint16_t tags;

    launch_registers(_i, "x87", "3");
    set_register("ftag", 0x3fff); /* only physical 7, which is st2 */
    ck_assert_uint_eq(register_value("ftag"), 0x3fff);
    go_on();
    seen = found_registers();
    memcpy(&tags, seen.fnsave + 8, sizeof(tags));
    ck_assert_uint_eq(tags, 0x3fff);
    end_registers();
}

TEST(mmx_registers_are_physical)
{
    const struct register_image image = register_image_of(0);
    const struct register_image other = register_image_of(1);
    struct register_image seen;
    uint64_t value = 0;

    launch_registers(_i, "mmx", NULL);
    for (int i = 0; i < 8; i++) {
        read_numbered("mm", i, &value, sizeof(value));
        ck_assert_uint_eq(value, image.mm[i]);
        if (i % 2 == 0)
            write_numbered("mm", i, &other.mm[i], sizeof(value));
    }
    go_on();
    seen = found_registers();
    for (int i = 0; i < 8; i++)
        ck_assert_uint_eq(seen.mm[i], i % 2 == 0 ? other.mm[i] : image.mm[i]);
    end_registers();
}

TEST(a_narrow_vector_keeps_the_wider_ones_rest)
{
    const struct register_image image = register_image_of(0);
    const struct register_image other = register_image_of(1);
    struct register_image seen;
    uint8_t value[32];
    bool has_ymm;

    launch_registers(_i, "x87", "0");
    has_ymm = has_register("ymm7");
    write_numbered("xmm", 7, other.ymm[7], 16);
    if (has_ymm) {
        read_numbered("ymm", 7, value, 32);
        expect_bytes(value, other.ymm[7], 16, "xmm", 7);
        expect_bytes(value + 16, image.ymm[7] + 16, 16, "upper ymm", 7);
    }
    go_on();
    seen = found_registers();
    expect_bytes(seen.ymm[7], other.ymm[7], 16, "xmm", 7);
    if (has_ymm)
        expect_bytes(seen.ymm[7] + 16, image.ymm[7] + 16, 16, "upper ymm", 7);
    expect_bytes(seen.ymm[6], image.ymm[6], 16, "xmm", 6);
    end_registers();
}

/* ---- parts ---- */

TEST(parts_are_read_out_of_the_whole)
{
    static const struct {
        const char *parts[4]; /* 4, 2, 1 bytes, and the second byte */
        int whole;
    } all[] = {
        {{"eax", "ax", "al", "ah"}, IMAGE_RAX},         {{"ebx", "bx", "bl", "bh"}, IMAGE_RBX},
        {{"ecx", "cx", "cl", "ch"}, IMAGE_RCX},         {{"edx", "dx", "dl", "dh"}, IMAGE_RDX},
        {{"esi", "si", "sil", NULL}, IMAGE_RSI},        {{"edi", "di", "dil", NULL}, IMAGE_RDI},
        {{"ebp", "bp", "bpl", NULL}, IMAGE_RBP},        {{"r8d", "r8w", "r8b", NULL}, IMAGE_R8},
        {{"r15d", "r15w", "r15b", NULL}, IMAGE_R8 + 7},
    };
    const struct register_image image = register_image_of(0);

    launch_registers(_i, "x87", "0");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const uint64_t whole = image.general[all[i].whole];

        ck_assert_uint_eq(register_value(all[i].parts[0]), whole & UINT32_MAX);
        ck_assert_uint_eq(register_value(all[i].parts[1]), whole & UINT16_MAX);
        ck_assert_uint_eq(register_value(all[i].parts[2]), whole & UINT8_MAX);
        if (all[i].parts[3])
            ck_assert_uint_eq(register_value(all[i].parts[3]), whole >> 8 & UINT8_MAX);
    }
    ck_assert_uint_eq(register_value("esp"), register_value("rsp") & UINT32_MAX);
    ck_assert_uint_eq(register_value("sp"), register_value("rsp") & UINT16_MAX);
    ck_assert_uint_eq(register_value("spl"), register_value("rsp") & UINT8_MAX);
    ck_assert_uint_eq(register_value("eip"), register_value("rip") & UINT32_MAX);
    go_on();
    found_registers();
    end_registers();
}

TEST(writing_a_part_does_what_the_processor_does)
{
    const struct register_image image = register_image_of(0);
    struct register_image seen;

    launch_registers(_i, "x87", "0");
    set_register("eax", 0x11223344);
    set_register("bx", 0x5566);
    set_register("cl", 0x77);
    set_register("dh", 0x88);
    set_register("r8d", 1);
    set_register("r9w", 2);
    set_register("r10b", 3);
    set_register("sil", 4);
    go_on();
    seen = found_registers();
    ck_assert_uint_eq(seen.general[IMAGE_RAX], 0x11223344);
    ck_assert_uint_eq(seen.general[IMAGE_RBX],
                      (image.general[IMAGE_RBX] & ~UINT64_C(0xffff)) | 0x5566);
    ck_assert_uint_eq(seen.general[IMAGE_RCX], (image.general[IMAGE_RCX] & ~UINT64_C(0xff)) | 0x77);
    ck_assert_uint_eq(seen.general[IMAGE_RDX],
                      (image.general[IMAGE_RDX] & ~UINT64_C(0xff00)) | 0x8800);
    ck_assert_uint_eq(seen.general[IMAGE_R8], 1);
    ck_assert_uint_eq(seen.general[IMAGE_R8 + 1],
                      (image.general[IMAGE_R8 + 1] & ~UINT64_C(0xffff)) | 2);
    ck_assert_uint_eq(seen.general[IMAGE_R8 + 2],
                      (image.general[IMAGE_R8 + 2] & ~UINT64_C(0xff)) | 3);
    ck_assert_uint_eq(seen.general[IMAGE_RSI], (image.general[IMAGE_RSI] & ~UINT64_C(0xff)) | 4);
    ck_assert_uint_eq(seen.general[IMAGE_RDI], image.general[IMAGE_RDI]);
    end_registers();
}

/* ---- sets ---- */

TEST(all_general_registers_at_once)
{
    const struct register_image image = register_image_of(0);
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    struct register_image seen;

    launch_registers(_i, "x87", "0");
    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), 0);
    ck_assert_uint_eq(registers.rax, image.general[IMAGE_RAX]);
    ck_assert_uint_eq(registers.r15, image.general[IMAGE_R8 + 7]);
    ck_assert_uint_eq(registers.rflags, image.flags);
    ck_assert_uint_eq(registers.rip, register_value("rip"));
    ck_assert_uint_eq(registers.rsp, register_value("rsp"));
    ck_assert_uint_eq(registers.cs, register_value("cs"));
    ck_assert_uint_eq(registers.ss, register_value("ss"));
    ck_assert_uint_eq(registers.fs_base, register_value("fs_base"));
    ck_assert_uint_eq(registers.orig_rax, register_value("orig_rax"));
    registers.rax = 10;
    registers.rbp = 11;
    registers.r12 = 12;
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), 0);
    ck_assert_uint_eq(register_value("rax"), 10);
    go_on();
    seen = found_registers();
    ck_assert_uint_eq(seen.general[IMAGE_RAX], 10);
    ck_assert_uint_eq(seen.general[IMAGE_RBP], 11);
    ck_assert_uint_eq(seen.general[IMAGE_R8 + 4], 12);
    ck_assert_uint_eq(seen.general[IMAGE_RBX], image.general[IMAGE_RBX]);
    end_registers();
}

TEST(the_area_of_xsave_as_it_is)
{
    const struct register_image other = register_image_of(1);
    struct register_image seen;
    size_t size = 0;
    size_t small;
    uint8_t *area;
    uint8_t *again;

    launch_registers(_i, "x87", "2");
    ck_assert_int_eq(sdb_thread_read_xsave(thread, NULL, &size), -ENOSPC);
    ck_assert_uint_ge(size, 512);
    area = malloc(size);
    again = malloc(size);
    small = size - 1;
    ck_assert_int_eq(sdb_thread_read_xsave(thread, area, &small), -ENOSPC);
    ck_assert_uint_eq(small, size);
    ck_assert_int_eq(sdb_thread_read_xsave(thread, area, &size), 0);
    ck_assert_int_eq(sdb_thread_write_xsave(thread, area, size - 1), -EINVAL);
    ck_assert_int_eq(sdb_thread_write_xsave(thread, area, size + 1), -EINVAL);
    ck_assert_int_eq(sdb_thread_write_xsave(thread, NULL, size), -EINVAL);

    memcpy(area + 160 + 3 * 16, other.ymm[3], 16);
    ck_assert_int_eq(sdb_thread_write_xsave(thread, area, size), 0);
    ck_assert_int_eq(sdb_thread_read_xsave(thread, again, &size), 0);
    ck_assert_int_eq(memcmp(area, again, size), 0);

    /* What the kernel refuses changes nothing, and takes nothing away that was changed before. */
    write_numbered("xmm", 4, other.ymm[4], 16);
    memcpy(again, area, size);
    memset(again + 24, 0xff, 4);
    ck_assert_int_eq(sdb_thread_write_xsave(thread, again, size), -EINVAL);
    go_on();
    seen = found_registers();
    expect_bytes(seen.ymm[3], other.ymm[3], 16, "xmm", 3);
    expect_bytes(seen.ymm[4], other.ymm[4], 16, "xmm", 4);
    end_registers();
    free(area);
    free(again);
}

int main(void)
{
    return run_suite("registers");
}
