/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the registers of stopped threads.  A program loads values that are known and stops;
 * what it finds afterwards says what has really been written.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holding.h"
#include "register_image.h"

#define REGISTERS SDB_TRACEE_DIR "/registers"

static const char *const general_names[IMAGE_GENERAL] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                                         "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                         "r12", "r13", "r14", "r15"};

static struct target target;
static struct sdb_thread *thread;

/* Launched, and at its int3. */
static void launch(int way, const char *what, const char *count)
{
    const char *const argv[] = {REGISTERS, what, count, NULL};

    begin(way);
    target = launch_program(REGISTERS, argv);
    resume_process(target.process);
    expect_signal(SIGTRAP);
    thread = sdb_process_thread(target.process);
}

static void go_on(void)
{
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, 0), 0);
}

static struct register_image found(void)
{
    struct register_image image;
    size_t done = 0;

    while (done < sizeof(image)) {
        ssize_t count = read(target.output, (char *)&image + done, sizeof(image) - done);

        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
    return image;
}

static void end(void)
{
    expect_exit(SDB_EXITED, 0);
    finish();
    close_target(&target);
}

static void expect_all(int rc, const char *what)
{
    ck_assert_msg(rc == 0, "%s: %s", what, sdb_error_describe(rc));
}

static uint64_t get(const char *name)
{
    uint64_t value = 0;

    expect_all(sdb_thread_get_register(thread, name, &value), name);
    return value;
}

static void set(const char *name, uint64_t value)
{
    expect_all(sdb_thread_set_register(thread, name, value), name);
}

static const struct sdb_register *numbered(const char *name, int number)
{
    const struct sdb_register *which;
    char text[16];

    (void)snprintf(text, sizeof(text), "%s%d", name, number);
    which = sdb_register_find(text);
    ck_assert_msg(which != NULL, "no %s", text);
    return which;
}

static void read_numbered(const char *name, int number, void *value, size_t size)
{
    expect_all(sdb_thread_read_register(thread, numbered(name, number), value, size), name);
}

static void write_numbered(const char *name, int number, const void *value, size_t size)
{
    expect_all(sdb_thread_write_register(thread, numbered(name, number), value, size), name);
}

static void expect_bytes(const void *seen, const void *wanted, size_t size, const char *what,
                         int number)
{
    ck_assert_msg(memcmp(seen, wanted, size) == 0, "%s%d is another", what, number);
}

/* @return whether the processor has a register of this name */
static bool has(const char *name)
{
    const struct sdb_register *which = sdb_register_find(name);
    uint8_t value[64];
    int rc = sdb_thread_read_register(thread, which, value, which->size);

    ck_assert(rc == 0 || rc == -ENOTSUP);
    return rc == 0;
}

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
            ck_assert_uint_eq(get(general_names[i]), image->general[i]);
    }
    ck_assert_uint_eq(get("rflags"), image->flags);
    ck_assert_uint_eq(get("eflags"), image->flags);
    ck_assert_uint_eq(get("mxcsr"), image->mxcsr);
    ck_assert_uint_eq(get("fctrl"), image->control);
    for (int i = 0; i < st_count; i++) {
        read_numbered("st", i, value, 10);
        expect_bytes(value, image->st[i], 10, "st", i);
    }
    for (int i = 0; i < 16; i++) {
        read_numbered("xmm", i, value, 16);
        expect_bytes(value, image->ymm[i], 16, "xmm", i);
        if (!has("ymm0"))
            continue;
        read_numbered("ymm", i, value, 32);
        expect_bytes(value, image->ymm[i], 32, "ymm", i);
    }
}

TEST(what_is_loaded_is_read)
{
    const struct register_image image = register_image_of(0);
    uint64_t pc = 0;

    launch(_i, "x87", "8");
    expect_loaded(&image, 8);
    ck_assert_int_eq(sdb_thread_pc(thread, &pc), 0);
    ck_assert_uint_eq(get("rip"), pc);
    ck_assert_uint_eq(get("ftag"), 0);
    ck_assert_uint_eq(get("cs"), 0x33);
    ck_assert_uint_eq(get("orig_rax"), UINT64_MAX);
    go_on();
    found();
    end();
}

static void write_all(const struct register_image *image)
{
    for (int i = 0; i < IMAGE_GENERAL; i++) {
        if (i != IMAGE_RSP)
            set(general_names[i], image->general[i]);
    }
    set("rflags", image->flags);
    set("mxcsr", image->mxcsr);
    set("fctrl", image->control);
    for (int i = 0; i < 8; i++)
        write_numbered("st", i, image->st[i], 10);
    for (int i = 0; i < 16; i++)
        write_numbered(has("ymm0") ? "ymm" : "xmm", i, image->ymm[i], has("ymm0") ? 32 : 16);
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

    launch(_i, "x87", "8");
    has_ymm = has("ymm0");
    write_all(&image);
    expect_loaded(&image, 8); /* it is read back before the program goes on */
    go_on();
    seen = found();
    expect_found(&seen, &image);
    for (int i = 0; has_ymm && i < 16; i++)
        expect_bytes(seen.ymm[i], image.ymm[i], 32, "ymm", i);
    end();
}

/* Nothing but its control is there before a program has used the x87, or anything wider. */
TEST(what_the_program_never_used_is_in_its_initial_state)
{
    static const uint8_t zero[64];
    const struct register_image image = register_image_of(2);
    uint8_t value[64];

    launch(_i, "fresh", NULL);
    ck_assert_uint_eq(get("fctrl"), 0x37f);
    ck_assert_uint_eq(get("fstat"), 0);
    ck_assert_uint_eq(get("ftag"), 0xffff);
    ck_assert_uint_eq(get("mxcsr"), 0x1f80);
    for (int i = 0; i < 8; i++) {
        read_numbered("st", i, value, 10);
        expect_bytes(value, zero, 10, "st", i);
    }
    for (int i = 0; i < 8; i++)
        write_numbered("st", i, image.st[i], 10);
    ck_assert_uint_eq(get("ftag"), 0);
    go_on();
    end();
}

TEST(what_was_written_in_one_stop_is_read_in_the_next)
{
    const struct register_image image = register_image_of(1);
    const struct register_image loaded = register_image_of(0);
    struct register_image seen;

    launch(_i, "again", NULL);
    write_all(&image);
    go_on();
    seen = found();
    expect_found(&seen, &image);
    expect_signal(SIGTRAP);
    expect_loaded(&loaded, 3); /* of this stop, not what was kept of the other */
    go_on();
    seen = found();
    for (int i = 0; i < 3; i++)
        expect_bytes(seen.fnsave + 28 + 10 * i, loaded.st[i], 10, "st", i);
    end();
}

TEST(the_x87_is_seen_from_its_top)
{
    const struct register_image image = register_image_of(0);
    const struct register_image other = register_image_of(3);
    struct register_image seen;
    uint16_t tags;
    uint8_t value[10];

    launch(_i, "x87", "3");
    ck_assert_uint_eq(get("fstat") >> 11 & 7, 5);
    ck_assert_uint_eq(get("ftag"), 0x03ff);
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
    seen = found();
    memcpy(&tags, seen.fnsave + 8, sizeof(tags));
    ck_assert_uint_eq(tags, 0x83f3); /* the one with the exponent of all ones is special */
    expect_bytes(seen.fnsave + 28, image.st[0], 10, "st", 0);
    expect_bytes(seen.fnsave + 28 + 10, other.st[1], 10, "st", 1);
    expect_bytes(seen.fnsave + 28 + 20, &other.mm[7], 8, "st", 2);
    expect_bytes(seen.fnsave + 28 + 28, "\xff\xff", 2, "upper st", 2);
    expect_bytes(seen.fnsave + 28 + 40, other.st[4], 10, "st", 4);
    expect_bytes(&seen.mm[7], &other.mm[7], 8, "mm", 7);
    end();
}

TEST(tags_say_what_is_empty)
{
    struct register_image seen;
    uint16_t tags;

    launch(_i, "x87", "3");
    set("ftag", 0x3fff); /* only physical 7, which is st2 */
    ck_assert_uint_eq(get("ftag"), 0x3fff);
    go_on();
    seen = found();
    memcpy(&tags, seen.fnsave + 8, sizeof(tags));
    ck_assert_uint_eq(tags, 0x3fff);
    end();
}

TEST(mmx_registers_are_physical)
{
    const struct register_image image = register_image_of(0);
    const struct register_image other = register_image_of(1);
    struct register_image seen;
    uint64_t value = 0;

    launch(_i, "mmx", NULL);
    for (int i = 0; i < 8; i++) {
        read_numbered("mm", i, &value, sizeof(value));
        ck_assert_uint_eq(value, image.mm[i]);
        if (i % 2 == 0)
            write_numbered("mm", i, &other.mm[i], sizeof(value));
    }
    go_on();
    seen = found();
    for (int i = 0; i < 8; i++)
        ck_assert_uint_eq(seen.mm[i], i % 2 == 0 ? other.mm[i] : image.mm[i]);
    end();
}

TEST(a_narrow_vector_keeps_the_wider_ones_rest)
{
    const struct register_image image = register_image_of(0);
    const struct register_image other = register_image_of(1);
    struct register_image seen;
    uint8_t value[32];
    bool has_ymm;

    launch(_i, "x87", "0");
    has_ymm = has("ymm7");
    write_numbered("xmm", 7, other.ymm[7], 16);
    if (has_ymm) {
        read_numbered("ymm", 7, value, 32);
        expect_bytes(value, other.ymm[7], 16, "xmm", 7);
        expect_bytes(value + 16, image.ymm[7] + 16, 16, "upper ymm", 7);
    }
    go_on();
    seen = found();
    expect_bytes(seen.ymm[7], other.ymm[7], 16, "xmm", 7);
    if (has_ymm)
        expect_bytes(seen.ymm[7] + 16, image.ymm[7] + 16, 16, "upper ymm", 7);
    expect_bytes(seen.ymm[6], image.ymm[6], 16, "xmm", 6);
    end();
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

    launch(_i, "x87", "0");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const uint64_t whole = image.general[all[i].whole];

        ck_assert_uint_eq(get(all[i].parts[0]), whole & UINT32_MAX);
        ck_assert_uint_eq(get(all[i].parts[1]), whole & UINT16_MAX);
        ck_assert_uint_eq(get(all[i].parts[2]), whole & UINT8_MAX);
        if (all[i].parts[3])
            ck_assert_uint_eq(get(all[i].parts[3]), whole >> 8 & UINT8_MAX);
    }
    ck_assert_uint_eq(get("esp"), get("rsp") & UINT32_MAX);
    ck_assert_uint_eq(get("sp"), get("rsp") & UINT16_MAX);
    ck_assert_uint_eq(get("spl"), get("rsp") & UINT8_MAX);
    ck_assert_uint_eq(get("eip"), get("rip") & UINT32_MAX);
    go_on();
    found();
    end();
}

TEST(writing_a_part_does_what_the_processor_does)
{
    const struct register_image image = register_image_of(0);
    struct register_image seen;

    launch(_i, "x87", "0");
    set("eax", 0x11223344);
    set("bx", 0x5566);
    set("cl", 0x77);
    set("dh", 0x88);
    set("r8d", 1);
    set("r9w", 2);
    set("r10b", 3);
    set("sil", 4);
    go_on();
    seen = found();
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
    end();
}

/* ---- sets ---- */

TEST(all_general_registers_at_once)
{
    const struct register_image image = register_image_of(0);
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    struct register_image seen;

    launch(_i, "x87", "0");
    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), 0);
    ck_assert_uint_eq(registers.rax, image.general[IMAGE_RAX]);
    ck_assert_uint_eq(registers.r15, image.general[IMAGE_R8 + 7]);
    ck_assert_uint_eq(registers.rflags, image.flags);
    ck_assert_uint_eq(registers.rip, get("rip"));
    ck_assert_uint_eq(registers.rsp, get("rsp"));
    ck_assert_uint_eq(registers.cs, get("cs"));
    ck_assert_uint_eq(registers.ss, get("ss"));
    ck_assert_uint_eq(registers.fs_base, get("fs_base"));
    ck_assert_uint_eq(registers.orig_rax, get("orig_rax"));
    registers.rax = 10;
    registers.rbp = 11;
    registers.r12 = 12;
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), 0);
    ck_assert_uint_eq(get("rax"), 10);
    go_on();
    seen = found();
    ck_assert_uint_eq(seen.general[IMAGE_RAX], 10);
    ck_assert_uint_eq(seen.general[IMAGE_RBP], 11);
    ck_assert_uint_eq(seen.general[IMAGE_R8 + 4], 12);
    ck_assert_uint_eq(seen.general[IMAGE_RBX], image.general[IMAGE_RBX]);
    end();
}

TEST(the_area_of_xsave_as_it_is)
{
    const struct register_image other = register_image_of(1);
    struct register_image seen;
    size_t size = 0;
    size_t small;
    uint8_t *area;
    uint8_t *again;

    launch(_i, "x87", "2");
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
    seen = found();
    expect_bytes(seen.ymm[3], other.ymm[3], 16, "xmm", 3);
    expect_bytes(seen.ymm[4], other.ymm[4], 16, "xmm", 4);
    end();
    free(area);
    free(again);
}

HOLDING_CASE(refused);

static void refuses(const char *name, uint64_t value)
{
    const uint64_t before = get(name);
    int rc = sdb_thread_set_register(thread, name, value);

    ck_assert_msg(rc == -EINVAL, "%s: %s", name, sdb_error_describe(rc));
    ck_assert_uint_eq(get(name), before);
}

TEST(what_cannot_be_is_refused_and_loses_nothing)
{
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    const struct register_image image = register_image_of(0);
    struct register_image seen;

    launch(_i, "x87", "1");
    set("rax", 1);
    refuses("cs", 0);
    refuses("ss", 0);
    refuses("cs", 0x30); /* the kernel's own privilege */
    refuses("fs_base", UINT64_MAX);
    refuses("gs_base", UINT64_C(1) << 63);
    refuses("rflags", image.flags ^ 0x200);  /* interrupts */
    refuses("rflags", image.flags | 0x3000); /* I/O privilege */
    refuses("eflags", image.flags | 0x20000);
    refuses("rflags", UINT64_C(1) << 40 | image.flags);
    refuses("mxcsr", 0xffff1f80);
    set("rbx", 2);

    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), 0);
    registers.rcx = 3;
    registers.ss = 0;
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), -EINVAL);
    registers.ss = 0x1002b;
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), -EINVAL);
    go_on();
    seen = found();
    ck_assert_uint_eq(seen.general[IMAGE_RAX], 1);
    ck_assert_uint_eq(seen.general[IMAGE_RBX], 2);
    ck_assert_uint_eq(seen.general[IMAGE_RCX], image.general[IMAGE_RCX]);
    ck_assert_uint_eq(seen.flags, image.flags);
    ck_assert_uint_eq(seen.mxcsr, image.mxcsr);
    end();
}

TEST(names_sizes_and_arguments_are_checked)
{
    const struct sdb_register *rax = sdb_register_find("rax");
    const struct sdb_register *xmm = sdb_register_find("xmm0");
    const struct sdb_register copy = *rax;
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    struct {
        struct sdb_registers known;
        uint64_t more;
    } larger = {.known = SDB_REGISTERS_INIT};
    uint8_t bytes[65] = {0};
    uint64_t value = 99;
    size_t size = 8;

    launch(_i, "x87", "1");
    for (size_t wrong = 0; wrong < sizeof(bytes); wrong++) {
        if (wrong != 8) {
            ck_assert_int_eq(sdb_thread_read_register(thread, rax, bytes, wrong), -EINVAL);
            ck_assert_int_eq(sdb_thread_write_register(thread, rax, bytes, wrong), -EINVAL);
        }
        if (wrong != 16) {
            ck_assert_int_eq(sdb_thread_read_register(thread, xmm, bytes, wrong), -EINVAL);
            ck_assert_int_eq(sdb_thread_write_register(thread, xmm, bytes, wrong), -EINVAL);
        }
    }
    ck_assert_int_eq(sdb_thread_read_register(thread, NULL, bytes, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_read_register(thread, &copy, bytes, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_write_register(thread, &copy, bytes, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_read_register(thread, rax, NULL, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_write_register(thread, rax, NULL, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_read_register(NULL, rax, bytes, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_get_register(thread, "raxx", &value), -ENOENT);
    ck_assert_int_eq(sdb_thread_set_register(thread, "", 0), -ENOENT);
    ck_assert_int_eq(sdb_thread_get_register(thread, NULL, &value), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_register(thread, NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_get_register(thread, "rax", NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_get_register(thread, "xmm0", &value), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_register(thread, "st0", 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_register(thread, "al", 256), -ERANGE);
    ck_assert_int_eq(sdb_thread_set_register(thread, "eax", UINT64_C(1) << 32), -ERANGE);
    ck_assert_int_eq(sdb_thread_get_registers(thread, NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_registers(thread, NULL), -EINVAL);
    registers.size = 8;
    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), -EINVAL);
    larger.known.size = sizeof(larger);
    larger.more = 1;
    ck_assert_int_eq(sdb_thread_set_registers(thread, &larger.known), -E2BIG);
    ck_assert_int_eq(sdb_thread_read_xsave(thread, NULL, &size), -EINVAL);
    ck_assert_int_eq(sdb_thread_read_xsave(thread, bytes, NULL), -EINVAL);
    ck_assert_uint_eq(value, 99);
    go_on();
    found();
    end();
}

TEST(registers_that_the_processor_lacks)
{
    uint8_t value[64] = {0};
    const bool has_512 = __builtin_cpu_supports("avx512f");
    const bool has_avx = __builtin_cpu_supports("avx");

    launch(_i, "x87", "1");
    for (size_t i = 0; i < sdb_register_count(); i++) {
        const struct sdb_register *which = sdb_register_at(i);
        const int rc = sdb_thread_read_register(thread, which, value, which->size);
        const int number = which->kind == SDB_REGISTER_VECTOR ? atoi(which->name + 3) : 0;
        bool wanted = true;

        if (which->kind == SDB_REGISTER_MASK ||
            (which->kind == SDB_REGISTER_VECTOR && (number > 15 || which->size == 64)))
            wanted = has_512;
        else if (which->kind == SDB_REGISTER_VECTOR && which->size == 32)
            wanted = has_avx;
        ck_assert_msg(rc == (wanted ? 0 : -ENOTSUP), "%s: %s", which->name, sdb_error_describe(rc));
        if (!wanted)
            ck_assert_int_eq(sdb_thread_write_register(thread, which, value, which->size),
                             -ENOTSUP);
    }
    go_on();
    found();
    end();
}

TEST(debug_registers_are_the_kernels_to_check)
{
    launch(_i, "again", "1");
    ck_assert_uint_eq(get("dr0"), 0);
    ck_assert_uint_eq(get("dr7") & 0xff, 0);
    set("dr0", get("rsp") - 64);
    set("dr7", 0x1); /* execute: it is a stack, so never */
    ck_assert_uint_eq(get("dr7") & 3, 1);
    ck_assert_uint_eq(get("dr0"), get("rsp") - 64);
    refuses("dr0", UINT64_C(0xffffffff80000000));
    go_on();
    found();
    expect_signal(SIGTRAP);
    ck_assert_uint_eq(get("dr7") & 3, 1);
    set("dr7", 0);
    go_on();
    found();
    end();
}

HOLDING_CASE(going_on);

static uint64_t launch_reader(int way)
{
    const char *const argv[] = {REGISTERS, "read", NULL};
    uint64_t address = 0;

    begin(way);
    target = launch_program(REGISTERS, argv);
    thread = sdb_process_thread(target.process);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &address, sizeof(address)), sizeof(address));
    await_state(target.pid, 'S');
    stop_thread(thread);
    return address;
}

TEST(a_thread_in_a_system_call_goes_on_exactly_elsewhere)
{
    const uint64_t address = launch_reader(_i);

    ck_assert_uint_eq(get("orig_rax"), 0);
    set("rip", address);
    ck_assert_uint_eq(get("orig_rax"), UINT64_MAX);
    resume_process(target.process);
    expect_exit(SDB_EXITED, 5);
    finish();
    close_target(&target);
}

TEST(a_system_call_goes_on_when_all_is_put_back)
{
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    const uint64_t address = launch_reader(_i);

    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), 0);
    set("rip", address);
    set("rip", registers.rip);
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), 0);
    resume_process(target.process);
    await_state(target.pid, 'S');
    tell_target(&target, 'x');
    expect_exit(SDB_EXITED, 1);
    finish();
    close_target(&target);
}

TEST(writing_the_same_place_changes_nothing)
{
    (void)launch_reader(_i);
    set("rip", get("rip"));
    set("rbx", get("rbx"));
    ck_assert_uint_eq(get("orig_rax"), 0);
    resume_process(target.process);
    await_state(target.pid, 'S');
    tell_target(&target, 'x');
    expect_exit(SDB_EXITED, 1);
    finish();
    close_target(&target);
}

TEST(what_is_written_stays_when_a_process_is_let_go)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    uint64_t address;

    address = launch_reader(_i);
    set("rip", address);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &target.child), 0);
    ck_assert_int_eq(sdb_child_wait(target.child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.code, 5);
    finish();
    close_target(&target);
}

HOLDING_CASE(cannot_be_asked);

static void expect_refusal(int wanted)
{
    const struct sdb_register *rax = sdb_register_find("rax");
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    uint64_t value = 7;
    uint8_t area[16];
    size_t size = sizeof(area);

    ck_assert_int_eq(sdb_thread_read_register(thread, rax, &value, sizeof(value)), wanted);
    ck_assert_int_eq(sdb_thread_write_register(thread, rax, &value, sizeof(value)), wanted);
    ck_assert_int_eq(sdb_thread_get_register(thread, "mxcsr", &value), wanted);
    ck_assert_int_eq(sdb_thread_set_register(thread, "dr0", value), wanted);
    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), wanted);
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), wanted);
    ck_assert_int_eq(sdb_thread_read_xsave(thread, area, &size), wanted);
    ck_assert_int_eq(sdb_thread_write_xsave(thread, area, size), wanted);
    ck_assert_uint_eq(value, 7);
}

static void *expect_wrong_thread(void *nothing)
{
    expect_refusal(-SDB_EWRONGTHREAD);
    return nothing;
}

TEST(a_thread_that_runs_or_is_another_sessions)
{
    pthread_t other;

    (void)launch_reader(_i);
    ck_assert_int_eq(pthread_create(&other, NULL, expect_wrong_thread, NULL), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    resume_process(target.process);
    expect_refusal(-EBUSY);
    tell_target(&target, 'x');
    expect_exit(SDB_EXITED, 1);
    expect_refusal(-ESRCH);
    sdb_thread_retain(thread);
    finish();
    expect_refusal(-ESRCH);
    sdb_thread_close(thread);
    close_target(&target);
}

/* Stopped, as far as the session knows, and killed meanwhile. */
TEST(a_thread_that_was_killed_just_now)
{
    begin(_i);
    for (int used = 0; used < 2; used++) {
        const char *const argv[] = {REGISTERS, "x87", "1", NULL};

        target = launch_program(REGISTERS, argv);
        thread = sdb_process_thread(target.process);
        if (used)
            (void)get("mxcsr"); /* they are known, then */
        ck_assert_int_eq(kill(target.pid, SIGKILL), 0);
        await_state(target.pid, 'Z');
        if (used) {
            set("rax", 1);
            set("fctrl", 0x37f);
            ck_assert_int_eq(sdb_thread_set_register(thread, "fs_base", 4096), -ESRCH);
            ck_assert_int_eq(sdb_thread_set_register(thread, "mxcsr", 0x1f80), -ESRCH);
        } else {
            struct sdb_registers registers = SDB_REGISTERS_INIT;
            uint64_t value;

            ck_assert_int_eq(sdb_thread_get_register(thread, "rax", &value), -ESRCH);
            ck_assert_int_eq(sdb_thread_set_register(thread, "rax", 1), -ESRCH);
            ck_assert_int_eq(sdb_thread_get_register(thread, "mxcsr", &value), -ESRCH);
            ck_assert_int_eq(sdb_thread_get_register(thread, "dr0", &value), -ESRCH);
            ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), -ESRCH);
        }
        resume_process(target.process);
        expect_exit(SDB_KILLED, SIGKILL);
        close_target(&target);
    }
    finish();
}

/* A thread of the kernel's in a process: what it shows is nothing of the program's. */
TEST(threads_of_the_kernels_have_none)
{
    const char *const argv[] = {REGISTERS, "rings", NULL};
    char answer = 0;

    begin(_i);
    target = launch_program(REGISTERS, argv);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &answer, 1), 1);
    if (answer == 'r') {
        struct sdb_process *process;
        int without = 0;

        ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &target.child), 0);
        process = attach(target.pid);
        for (thread = sdb_process_next_thread(process, NULL); thread;
             thread = sdb_process_next_thread(process, thread)) {
            uint64_t value;

            if (sdb_thread_get_register(thread, "rip", &value) == 0)
                continue;
            expect_refusal(-ENODATA);
            without++;
        }
        ck_assert_int_eq(without, sdb_process_thread_count(process) - 1);
        ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, NULL), 0);
        close_input(&target);
        ck_assert_int_eq(sdb_child_wait(target.child, PATIENCE_MS, NULL), 0);
    } else {
        close_input(&target);
        expect_exit(SDB_EXITED, 0);
    }
    finish();
    close_target(&target);
}

int main(void)
{
    return run_suite("registers");
}
