/* SPDX-License-Identifier: MIT */
/*
 * The state of x87, SSE, AVX and so on, as XSAVE has it in its standard form: where the processor says
 * that a component is.
 */
#ifndef SDB_LIB_ARCH_X86_64_XSAVE_H
#define SDB_LIB_ARCH_X86_64_XSAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/register_table.h"

#define SDB__XSAVE_COMPONENTS 64

/* What FXSAVE has: the state without XSAVE. */
#define SDB__FXSAVE_SIZE 512

struct sdb__xsave_layout {
    uint64_t components; /* that the system uses: bit n for component n */
    uint32_t size;       /* of all of them */
    uint32_t offsets[SDB__XSAVE_COMPONENTS];
    uint32_t sizes[SDB__XSAVE_COMPONENTS];
};

/** @return this machine's */
const struct sdb__xsave_layout *sdb__xsave_layout(void);

/** @return whether a register that XSAVE may have is in an area of this size */
bool sdb__xsave_has(const struct sdb__xsave_layout *layout, const struct sdb__register_entry *entry,
                    size_t size);

/** Fill in what components have that are in their initial state, which need not be in @p area. */
void sdb__xsave_complete(const struct sdb__xsave_layout *layout, uint8_t *area, size_t size);

/** Read a register that there is. */
void sdb__xsave_read(const struct sdb__xsave_layout *layout, const uint8_t *area,
                     const struct sdb__register_entry *entry, uint8_t *value);

/** Write one, and note that its components are not in their initial state. */
void sdb__xsave_write(const struct sdb__xsave_layout *layout, uint8_t *area,
                      const struct sdb__register_entry *entry, const uint8_t *value);

#endif
