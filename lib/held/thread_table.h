/* SPDX-License-Identifier: MIT */
/*
 * Which held thread has which id: what is found for each wait status, however many are held.
 */
#ifndef SDB_LIB_HELD_THREAD_TABLE_H
#define SDB_LIB_HELD_THREAD_TABLE_H

#include <stddef.h>
#include <sys/types.h>

struct sdb_thread;

/* All zeroes is an empty one. */
struct sdb__thread_table {
    struct sdb_thread **buckets; /* chained by next_in_bucket */
    size_t bucket_count;         /* 0 or a power of two */
    size_t count;
};

/** @return 0 or -ENOMEM */
int sdb__thread_table_add(struct sdb__thread_table *table, struct sdb_thread *thread);

/** Nothing happens if it is not in it. */
void sdb__thread_table_remove(struct sdb__thread_table *table, struct sdb_thread *thread);

struct sdb_thread *sdb__thread_table_find(const struct sdb__thread_table *table, pid_t tid);

void sdb__thread_table_free(struct sdb__thread_table *table);

#endif
