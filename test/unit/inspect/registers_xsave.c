/* SPDX-License-Identifier: MIT */
/*
 * Registers within the area of XSAVE on processors that are not this one: with AVX-512, with components
 * in other places, with AVX only, and without XSAVE.
 */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/xsave.h"
#include "suite.h"

#define MOST_SIZE 12000
#define PRESENT   512

/* Where an Intel server has them. */
static const struct sdb__xsave_layout with_512 = {
    .components = 0xe7,
    .size = 2688,
    .offsets = {[2] = 576, [5] = 1088, [6] = 1152, [7] = 1664},
    .sizes = {[2] = 256, [5] = 64, [6] = 512, [7] = 1024},
};

/* Where an AMD one has: there is no hole where MPX was. */
static const struct sdb__xsave_layout compact = {
    .components = 0xe7,
    .size = 2440,
    .offsets = {[2] = 576, [5] = 832, [6] = 896, [7] = 1408},
    .sizes = {[2] = 256, [5] = 64, [6] = 512, [7] = 1024},
};

static const struct sdb__xsave_layout with_avx = {
    .components = 7, .size = 832, .offsets = {[2] = 576}, .sizes = {[2] = 256}};

static const struct sdb__xsave_layout without = {.components = 3, .size = 512};

static uint8_t area[MOST_SIZE];

static const struct sdb__register_entry *entry_of(const char *name, int number)
{
    char text[16];
    const struct sdb__register_entry *entry;

    (void)snprintf(text, sizeof(text), "%s%d", name, number);
    entry = sdb__register_entry(sdb_register_find(text));
    ck_assert_msg(entry != NULL, "no %s", text);
    return entry;
}

static uint64_t present(void)
{
    uint64_t bits;

    memcpy(&bits, area + PRESENT, sizeof(bits));
    return bits;
}

static void fill(uint8_t *value, int seed)
{
    for (int i = 0; i < 64; i++)
        value[i] = (uint8_t)(seed * 31 + i * 3 + 1);
}

static void check_layout(const struct sdb__xsave_layout *layout)
{
    uint8_t wanted[64];
    uint8_t seen[64];

    memset(area, 0, sizeof(area));
    for (int i = 0; i < 32; i++) {
        fill(wanted, i);
        ck_assert(sdb__xsave_has(layout, entry_of("zmm", i), layout->size));
        sdb__xsave_write(layout, area, entry_of("zmm", i), wanted);
    }
    for (int i = 0; i < 8; i++) {
        fill(wanted, 40 + i);
        sdb__xsave_write(layout, area, entry_of("k", i), wanted);
    }
    ck_assert_uint_eq(present(), 0xe6);
    for (int i = 0; i < 32; i++) {
        fill(wanted, i);
        sdb__xsave_read(layout, area, entry_of("zmm", i), seen);
        ck_assert_int_eq(memcmp(seen, wanted, 64), 0);
        sdb__xsave_read(layout, area, entry_of("ymm", i), seen);
        ck_assert_int_eq(memcmp(seen, wanted, 32), 0);
        sdb__xsave_read(layout, area, entry_of("xmm", i), seen);
        ck_assert_int_eq(memcmp(seen, wanted, 16), 0);
    }
    /* Where the manual says that they are. */
    fill(wanted, 3);
    ck_assert_int_eq(memcmp(area + 160 + 3 * 16, wanted, 16), 0);
    ck_assert_int_eq(memcmp(area + layout->offsets[2] + 3 * 16, wanted + 16, 16), 0);
    ck_assert_int_eq(memcmp(area + layout->offsets[6] + 3 * 32, wanted + 32, 32), 0);
    fill(wanted, 20);
    ck_assert_int_eq(memcmp(area + layout->offsets[7] + 4 * 64, wanted, 64), 0);
    fill(wanted, 45);
    ck_assert_int_eq(memcmp(area + layout->offsets[5] + 5 * 8, wanted, 8), 0);
    for (size_t i = layout->size; i < sizeof(area); i++)
        ck_assert_uint_eq(area[i], 0);
}

SUITE_CASE(areas, plain_case);

TEST(vectors_of_512_bits)
{
    (void)_i;
    check_layout(&with_512);
    check_layout(&compact);
}

TEST(a_narrow_write_keeps_the_rest)
{
    uint8_t wide[64];
    uint8_t narrow[64];
    uint8_t seen[64];

    (void)_i;
    for (int i = 0; i < 32; i += 21) {
        memset(area, 0, sizeof(area));
        fill(wide, 1);
        fill(narrow, 2);
        sdb__xsave_write(&with_512, area, entry_of("zmm", i), wide);
        sdb__xsave_write(&with_512, area, entry_of("ymm", i), narrow);
        sdb__xsave_read(&with_512, area, entry_of("zmm", i), seen);
        ck_assert_int_eq(memcmp(seen, narrow, 32), 0);
        ck_assert_int_eq(memcmp(seen + 32, wide + 32, 32), 0);
        fill(narrow, 3);
        sdb__xsave_write(&with_512, area, entry_of("xmm", i), narrow);
        sdb__xsave_read(&with_512, area, entry_of("zmm", i), seen);
        ck_assert_int_eq(memcmp(seen, narrow, 16), 0);
        ck_assert_int_eq(memcmp(seen + 32, wide + 32, 32), 0);
    }
}

TEST(only_what_is_written_becomes_present)
{
    uint8_t value[64] = {1};

    (void)_i;
    memset(area, 0, sizeof(area));
    sdb__xsave_write(&with_512, area, entry_of("xmm", 1), value);
    ck_assert_uint_eq(present(), 0x2);
    sdb__xsave_write(&with_512, area, entry_of("ymm", 1), value);
    ck_assert_uint_eq(present(), 0x6);
    sdb__xsave_write(&with_512, area, entry_of("xmm", 16), value);
    ck_assert_uint_eq(present(), 0x86);
    sdb__xsave_write(&with_512, area, entry_of("st", 1), value);
    ck_assert_uint_eq(present(), 0x87);
    sdb__xsave_write(&with_512, area, entry_of("k", 1), value);
    ck_assert_uint_eq(present(), 0xa7);
}

TEST(what_is_not_present_is_initial)
{
    static const uint8_t zero[64];
    uint8_t seen[64];
    uint32_t mxcsr = 0;
    uint16_t control = 0;

    (void)_i;
    memset(area, 0xee, sizeof(area));
    memset(area + PRESENT, 0, 64);
    area[PRESENT] = 0x80;
    sdb__xsave_complete(&with_512, area, with_512.size);
    for (int i = 0; i < 32; i++) {
        sdb__xsave_read(&with_512, area, entry_of("zmm", i), seen);
        if (i < 16)
            ck_assert_int_eq(memcmp(seen, zero, 64), 0);
        else
            ck_assert_uint_eq(seen[63], 0xee);
    }
    sdb__xsave_read(&with_512, area, entry_of("k", 7), seen);
    ck_assert_int_eq(memcmp(seen, zero, 8), 0);
    sdb__xsave_read(&with_512, area, entry_of("st", 7), seen);
    ck_assert_int_eq(memcmp(seen, zero, 10), 0);
    sdb__xsave_read(&with_512, area, sdb__register_entry(sdb_register_find("fctrl")),
                    (uint8_t *)&control);
    ck_assert_uint_eq(control, 0x37f);
    /* The kernel has it there in any case. */
    sdb__xsave_read(&with_512, area, sdb__register_entry(sdb_register_find("mxcsr")),
                    (uint8_t *)&mxcsr);
    ck_assert_uint_eq(mxcsr, 0xeeeeeeee);
}

static void expect_only(const struct sdb__xsave_layout *layout, size_t size, uint32_t widest)
{
    for (size_t i = 0; i < sdb_register_count(); i++) {
        const struct sdb_register *which = sdb_register_at(i);
        const bool vector = which->kind == SDB_REGISTER_VECTOR;
        bool wanted = which->kind != SDB_REGISTER_MASK || widest == 64;

        if (vector)
            wanted = which->size <= widest && (widest == 64 || atoi(which->name + 3) < 16);
        if (which->kind >= SDB_REGISTER_X87 && which->kind <= SDB_REGISTER_CONTROL)
            ck_assert_msg(sdb__xsave_has(layout, sdb__register_entry(which), size) == wanted, "%s",
                          which->name);
    }
}

TEST(only_what_there_is)
{
    (void)_i;
    expect_only(&with_512, with_512.size, 64);
    expect_only(&with_avx, with_avx.size, 32);
    expect_only(&without, without.size, 16);
    /* A kernel that gives less than the processor has. */
    expect_only(&with_512, 832, 32);
    expect_only(&with_512, 576, 16);
}

/* Its bytes where others have their header are its own. */
TEST(an_area_without_a_header_has_nothing_beyond_its_end)
{
    uint8_t value[64];

    (void)_i;
    memset(area, 0xee, sizeof(area));
    fill(value, 1);
    sdb__xsave_complete(&without, area, 512);
    sdb__xsave_write(&without, area, entry_of("xmm", 15), value);
    sdb__xsave_write(&without, area, entry_of("st", 7), value);
    for (size_t i = 512; i < sizeof(area); i++)
        ck_assert_uint_eq(area[i], 0xee);
    ck_assert_int_eq(memcmp(area + 160 + 15 * 16, value, 16), 0);
}

/* By the definition: ST(i) is physical register (top + i) modulo 8. */
TEST(physical_registers_at_every_top)
{
    (void)_i;
    for (unsigned top = 0; top < 8; top++) {
        memset(area, 0, sizeof(area));
        area[3] = (uint8_t)(top << 3);
        for (unsigned i = 0; i < 8; i++) {
            uint8_t value[10] = {0};
            uint8_t seen[64];

            fill(seen, (int)i);
            memcpy(value, seen, sizeof(value));
            sdb__xsave_write(&with_512, area, entry_of("st", (int)i), value);
            sdb__xsave_read(&with_512, area, entry_of("mm", (int)((top + i) % 8)), seen);
            ck_assert_int_eq(memcmp(seen, value, 8), 0);
            ck_assert(area[4] & 1U << ((top + i) % 8));
            fill(seen, (int)i + 50);
            sdb__xsave_write(&with_512, area, entry_of("mm", (int)((top + i) % 8)), seen);
            sdb__xsave_read(&with_512, area, entry_of("st", (int)i), value);
            ck_assert_int_eq(memcmp(seen, value, 8), 0);
            ck_assert_uint_eq(value[8] & value[9], 0xff);
        }
        ck_assert_uint_eq(area[4], 0xff);
    }
}

int main(void)
{
    return run_suite("registers_xsave");
}
