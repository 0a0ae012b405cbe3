#ifndef SDB_LIB_INJECT_H
#define SDB_LIB_INJECT_H
#include <stdint.h>
struct sdb_thread;
int sdb__inject(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                int64_t *result);
#endif
