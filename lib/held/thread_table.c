/* SPDX-License-Identifier: MIT */
#include "held/thread_table.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "held/thread.h"

#define FIRST_BUCKETS 16

/* Ids are given one after the other, so that their low bits spread well. */
static struct sdb_thread **bucket_of(const struct sdb__thread_table *table, pid_t tid)
{
    return &table->buckets[(size_t)tid & (table->bucket_count - 1)];
}

static void link_into(struct sdb__thread_table *table, struct sdb_thread *thread)
{
    struct sdb_thread **bucket = bucket_of(table, thread->tid);

    thread->next_in_bucket = *bucket;
    *bucket = thread;
}

static int grow(struct sdb__thread_table *table)
{
    struct sdb__thread_table bigger = {
        .bucket_count = table->bucket_count ? 2 * table->bucket_count : FIRST_BUCKETS,
        .count = table->count,
    };
    struct sdb_thread *next;

    bigger.buckets = calloc(bigger.bucket_count, sizeof(struct sdb_thread *));
    if (!bigger.buckets)
        return -ENOMEM;
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct sdb_thread *thread = table->buckets[i]; thread; thread = next) {
            next = thread->next_in_bucket;
            link_into(&bigger, thread);
        }
    }
    free(table->buckets);
    *table = bigger;
    return 0;
}

int sdb__thread_table_add(struct sdb__thread_table *table, struct sdb_thread *thread)
{
    int rc = table->count == table->bucket_count ? grow(table) : 0;

    if (rc < 0)
        return rc;
    link_into(table, thread);
    table->count++;
    return 0;
}

void sdb__thread_table_remove(struct sdb__thread_table *table, struct sdb_thread *thread)
{
    if (table->bucket_count == 0)
        return;
    for (struct sdb_thread **at = bucket_of(table, thread->tid); *at; at = &(*at)->next_in_bucket) {
        if (*at == thread) {
            *at = thread->next_in_bucket;
            table->count--;
            return;
        }
    }
}

struct sdb_thread *sdb__thread_table_find(const struct sdb__thread_table *table, pid_t tid)
{
    struct sdb_thread *thread;

    if (table->bucket_count == 0)
        return NULL;
    thread = *bucket_of(table, tid);
    while (thread && thread->tid != tid)
        thread = thread->next_in_bucket;
    return thread;
}

void sdb__thread_table_free(struct sdb__thread_table *table)
{
    free(table->buckets);
    *table = (struct sdb__thread_table){0};
}
