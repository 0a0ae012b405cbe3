#ifndef SDB_LIB_HARDWARE_H
#define SDB_LIB_HARDWARE_H
#include "breakpoint.h"
#include <errno.h>
static inline void sdb__hardware_end(struct sdb_breakpoint *b)
{
    (void)b;
}
static inline void sdb__hardware_disable(struct sdb_breakpoint *b)
{
    (void)b;
}
static inline int sdb__hardware_enable(struct sdb_breakpoint *b)
{
    (void)b;
    return -ENOSPC;
}
static inline int sdb__hardware_begin(struct sdb_breakpoint *b, struct sdb_process *p,
                                      const uint64_t *a, size_t n)
{
    (void)b;
    (void)p;
    (void)a;
    (void)n;
    return -ENOSPC;
}
#endif
