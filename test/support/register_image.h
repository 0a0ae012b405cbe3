/* SPDX-License-Identifier: MIT */
/*
 * What test/tracees/registers.c loads into the registers, and what it has found in them afterwards.  The
 * offsets of the members are known to its assembly.
 */
#ifndef SDB_TEST_REGISTER_IMAGE_H
#define SDB_TEST_REGISTER_IMAGE_H

#include <stdint.h>
#include <string.h>

enum image_general {
    IMAGE_RAX,
    IMAGE_RBX,
    IMAGE_RCX,
    IMAGE_RDX,
    IMAGE_RSI,
    IMAGE_RDI,
    IMAGE_RBP,
    IMAGE_RSP, /* is found, not loaded */
    IMAGE_R8,  /* and so on to r15 */
    IMAGE_GENERAL = 16,
};

struct register_image {
    uint64_t general[IMAGE_GENERAL];
    uint64_t flags;
    uint32_t mxcsr;
    uint16_t control;
    uint16_t unused;
    uint64_t mm[8];
    uint8_t ymm[16][32];
    uint8_t st[8][16];   /* 10 of each; to be loaded */
    uint8_t fxsave[512]; /* found */
    uint8_t fnsave[112]; /* 108 of them; found: the x87 from the top of its stack on */
};

#define IMAGE_CARRY    UINT64_C(0x1)
#define IMAGE_ZERO     UINT64_C(0x40)
#define IMAGE_SIGN     UINT64_C(0x80)
#define IMAGE_OVERFLOW UINT64_C(0x800)
#define IMAGE_FLAGS    UINT64_C(0x202) /* always set in a program */

/* Values that are all different, by a seed. */
static inline struct register_image register_image_of(unsigned seed)
{
    struct register_image image;
    uint64_t value = UINT64_C(0x0123456789abcdef) + seed;

    memset(&image, 0, sizeof(image));
    for (int i = 0; i < IMAGE_GENERAL; i++)
        image.general[i] = value *= UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < 8; i++) {
        const uint16_t exponent = (uint16_t)(0x3ff0 + i + (int)seed);
        const uint64_t fraction = (value *= UINT64_C(0x9e3779b97f4a7c15)) | UINT64_C(1) << 63;

        image.mm[i] = value *= UINT64_C(0x9e3779b97f4a7c15);
        memcpy(image.st[i], &fraction, sizeof(fraction));
        memcpy(image.st[i] + sizeof(fraction), &exponent, sizeof(exponent));
    }
    for (int i = 0; i < 16; i++) {
        for (int k = 0; k < 32; k++)
            image.ymm[i][k] = (uint8_t)(i * 37 + k * 5 + (int)seed * 91 + 1);
    }
    image.flags =
        IMAGE_FLAGS | (seed % 2 == 0 ? IMAGE_CARRY | IMAGE_SIGN : IMAGE_ZERO | IMAGE_OVERFLOW);
    image.mxcsr = seed % 2 == 0 ? 0x3f80 : 0x5f80; /* how to round */
    image.control = seed % 2 == 0 ? 0x0b7f : 0x077f;
    return image;
}

#endif
