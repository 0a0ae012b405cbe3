/* SPDX-License-Identifier: MIT */
/*
 * Registers within the area of XSAVE.
 *
 * The first 512 bytes are those of FXSAVE, then comes a header of 64 bytes, then the other components,
 * each where CPUID says.  The x87's registers are there from the top of its stack on, whichever that is
 * physically.  A vector register is spread: its lowest 16 bytes are with SSE, the next 16 with AVX, the
 * upper 32 with AVX-512; but numbers 16 to 31 are in one piece.
 */
#include "arch/x86_64/xsave.h"

#include <cpuid.h>
#include <pthread.h>
#include <string.h>

/* Components: bits of the header, and of XCR0. */
#define X87         0
#define SSE         1
#define AVX         2
#define MASKS       5
#define ZMM_UPPER   6
#define ZMM_16      7
#define BIT(number) (UINT64_C(1) << (number))

/* Within the first part. */
#define STATUS    2
#define TAGS      4
#define MXCSR     24
#define ST_FIRST  32
#define ST_STEP   16
#define ST_SIZE   10
#define XMM_FIRST 160
#define XMM_SIZE  16

#define PRESENT     512 /* the header's word of components that are not in their initial state */
#define HEADER_SIZE 64

#define INITIAL_CONTROL 0x037f

static struct sdb__xsave_layout machine;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t used_components(void)
{
    uint32_t low;
    uint32_t high;

    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void find_layout(void)
{
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;

    machine.components = BIT(X87) | BIT(SSE);
    machine.size = SDB__FXSAVE_SIZE;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
        return;
    machine.components = used_components();
    if (!__get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx))
        return;
    machine.size = ebx;
    for (unsigned i = AVX; i < SDB__XSAVE_COMPONENTS; i++) {
        if (!(machine.components & BIT(i)) || !__get_cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx))
            continue;
        machine.sizes[i] = eax;
        machine.offsets[i] = ebx;
    }
}

const struct sdb__xsave_layout *sdb__xsave_layout(void)
{
    pthread_once(&once, find_layout);
    return &machine;
}

/* ---- the header ---- */

/* FXSAVE's has none, and nothing is in its initial state then. */
static bool has_header(const struct sdb__xsave_layout *layout)
{
    return layout->size > SDB__FXSAVE_SIZE;
}

static uint64_t present(const uint8_t *area)
{
    uint64_t bits;

    memcpy(&bits, area + PRESENT, sizeof(bits));
    return bits;
}

static void make_present(const struct sdb__xsave_layout *layout, uint8_t *area, unsigned component)
{
    uint64_t bits;

    if (!has_header(layout))
        return;
    bits = present(area) | BIT(component);
    memcpy(area + PRESENT, &bits, sizeof(bits));
}

void sdb__xsave_complete(const struct sdb__xsave_layout *layout, uint8_t *area, size_t size)
{
    const uint16_t control = INITIAL_CONTROL;
    uint64_t initial;

    if (!has_header(layout) || size < SDB__FXSAVE_SIZE + HEADER_SIZE)
        return;
    initial = layout->components & ~present(area);
    if (initial & BIT(X87)) {
        memset(area, 0, MXCSR);
        memcpy(area, &control, sizeof(control));
        memset(area + ST_FIRST, 0, XMM_FIRST - ST_FIRST);
    }
    if (initial & BIT(SSE)) /* mxcsr is always there */
        memset(area + XMM_FIRST, 0, (size_t)16 * XMM_SIZE);
    for (unsigned i = AVX; i < SDB__XSAVE_COMPONENTS; i++) {
        if ((initial & BIT(i)) && layout->offsets[i] + (size_t)layout->sizes[i] <= size)
            memset(area + layout->offsets[i], 0, layout->sizes[i]);
    }
}

/* ---- where the bytes are ---- */

/* A piece of a register in the area. */
struct piece {
    unsigned component;
    size_t offset;
    size_t size;
};

/* @return how many pieces a vector register or a mask has */
static int find_pieces(const struct sdb__xsave_layout *layout,
                       const struct sdb__register_entry *entry, struct piece pieces[3])
{
    const size_t number = entry->offset;
    const size_t size = entry->shown.size;

    if (entry->place == SDB__PLACE_MASK) {
        pieces[0] = (struct piece){MASKS, layout->offsets[MASKS] + 8 * number, size};
        return 1;
    }
    if (number >= 16) {
        pieces[0] = (struct piece){ZMM_16, layout->offsets[ZMM_16] + 64 * (number - 16), size};
        return 1;
    }
    pieces[0] = (struct piece){SSE, XMM_FIRST + XMM_SIZE * number, XMM_SIZE};
    pieces[1] = (struct piece){AVX, layout->offsets[AVX] + 16 * number, 16};
    pieces[2] = (struct piece){ZMM_UPPER, layout->offsets[ZMM_UPPER] + 32 * number, 32};
    return size == 16 ? 1 : size == 32 ? 2 : 3;
}

bool sdb__xsave_has(const struct sdb__xsave_layout *layout, const struct sdb__register_entry *entry,
                    size_t size)
{
    struct piece pieces[3];
    int count = 0;

    if (entry->place == SDB__PLACE_VECTOR || entry->place == SDB__PLACE_MASK)
        count = find_pieces(layout, entry, pieces);
    for (int i = 0; i < count; i++) {
        if (!(layout->components & BIT(pieces[i].component)) ||
            pieces[i].offset + pieces[i].size > size)
            return false;
    }
    return size >= SDB__FXSAVE_SIZE;
}

/* The top of the x87's stack is register 0 in the area. */
static size_t offset_of_physical(const uint8_t *area, size_t number)
{
    const size_t top = (area[STATUS + 1] >> 3) & 7;

    return ST_FIRST + ST_STEP * ((number - top) & 7);
}

static size_t offset_of_x87(const uint8_t *area, const struct sdb__register_entry *entry)
{
    return entry->place == SDB__PLACE_MM ? offset_of_physical(area, entry->offset)
                                         : ST_FIRST + ST_STEP * (size_t)entry->offset;
}

/* ---- tags ---- */

/* What the x87 says of a register that is not empty: 0 valid, 1 zero, 2 special. */
static uint16_t tag_of(const uint8_t *value)
{
    uint64_t fraction;
    uint16_t exponent;

    memcpy(&fraction, value, sizeof(fraction));
    memcpy(&exponent, value + sizeof(fraction), sizeof(exponent));
    exponent &= 0x7fff;
    if (exponent == 0 && fraction == 0)
        return 1;
    return exponent == 0 || exponent == 0x7fff || !(fraction >> 63) ? 2 : 0;
}

/* The area has one bit for each physical register, whether it is in use; the x87 has two. */
static uint16_t read_tags(const uint8_t *area)
{
    uint16_t tags = 0;

    for (unsigned i = 0; i < 8; i++) {
        const unsigned tag =
            area[TAGS] & (1U << i) ? tag_of(area + offset_of_physical(area, i)) : 3U;

        tags = (uint16_t)(tags | tag << (2 * i));
    }
    return tags;
}

static void write_tags(uint8_t *area, const uint8_t *value)
{
    uint16_t tags;
    uint8_t used = 0;

    memcpy(&tags, value, sizeof(tags));
    for (unsigned i = 0; i < 8; i++) {
        if ((tags >> (2 * i) & 3) != 3)
            used = (uint8_t)(used | 1U << i);
    }
    area[TAGS] = used;
}

/* Have the register at this offset not be empty. */
static void make_used(uint8_t *area, size_t offset)
{
    const unsigned top = (area[STATUS + 1] >> 3) & 7;
    const unsigned physical = ((unsigned)((offset - ST_FIRST) / ST_STEP) + top) & 7;

    area[TAGS] = (uint8_t)(area[TAGS] | 1U << physical);
}

/* ---- reading and writing ---- */

void sdb__xsave_read(const struct sdb__xsave_layout *layout, const uint8_t *area,
                     const struct sdb__register_entry *entry, uint8_t *value)
{
    const size_t size = entry->shown.size;
    struct piece pieces[3];
    uint16_t tags;
    int count;

    switch (entry->place) {
    case SDB__PLACE_TAG:
        tags = read_tags(area);
        memcpy(value, &tags, sizeof(tags));
        break;
    case SDB__PLACE_ST:
    case SDB__PLACE_MM:
        memcpy(value, area + offset_of_x87(area, entry), size);
        break;
    case SDB__PLACE_VECTOR:
    case SDB__PLACE_MASK:
        count = find_pieces(layout, entry, pieces);
        for (int i = 0; i < count; i++) {
            memcpy(value, area + pieces[i].offset, pieces[i].size);
            value += pieces[i].size;
        }
        break;
    default:
        memcpy(value, area + entry->offset, size);
        break;
    }
}

static void write_x87(uint8_t *area, const struct sdb__register_entry *entry, const uint8_t *value)
{
    const size_t offset = offset_of_x87(area, entry);

    memcpy(area + offset, value, entry->shown.size);
    if (entry->place == SDB__PLACE_MM)
        memset(area + offset + entry->shown.size, 0xff, ST_SIZE - entry->shown.size);
    make_used(area, offset);
}

void sdb__xsave_write(const struct sdb__xsave_layout *layout, uint8_t *area,
                      const struct sdb__register_entry *entry, const uint8_t *value)
{
    struct piece pieces[3];
    int count;

    switch (entry->place) {
    case SDB__PLACE_VECTOR:
    case SDB__PLACE_MASK:
        count = find_pieces(layout, entry, pieces);
        for (int i = 0; i < count; i++) {
            memcpy(area + pieces[i].offset, value, pieces[i].size);
            make_present(layout, area, pieces[i].component);
            value += pieces[i].size;
        }
        return;
    case SDB__PLACE_TAG:
        write_tags(area, value);
        break;
    case SDB__PLACE_ST:
    case SDB__PLACE_MM:
        write_x87(area, entry, value);
        break;
    default:
        memcpy(area + entry->offset, value, entry->shown.size);
        break;
    }
    make_present(layout, area, entry->place == SDB__PLACE_MXCSR ? SSE : X87);
}
