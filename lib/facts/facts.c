/* SPDX-License-Identifier: MIT */
/*
 * Facts of a process: its status and its threads.
 */
#include <sdb/facts.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/versioned.h"
#include "kernel/procfs.h"

#define STATUS_SIZE_OF_VERSION_0_1 128

_Static_assert(sizeof(struct sdb_facts_status) == 128, "no padding at its end");
_Static_assert(SDB_FACTS_NAME_SIZE == SDB__PROCFS_NAME_SIZE, "a name fits");

/* A process that makes and ends threads all the time is not looked at more often than this. */
#define MOST_PASSES 8

struct tids {
    pid_t *list;
    size_t count;
    size_t room;
    bool no_memory;
};

/* ---- status ---- */

/* @param tid  0: the process itself, or any thread by its id alone */
static int read_status(pid_t pid, pid_t tid, struct sdb_facts_status *status)
{
    struct sdb__procfs_status read;
    uint64_t start;
    int rc = sdb__procfs_whole_status(pid, tid, &read, &start);

    if (rc < 0)
        return rc;
    *status = (struct sdb_facts_status){
        .size = sizeof(*status),
        .pid = read.tgid,
        .tid = read.tid,
        .parent = read.parent,
        .tracer = read.tracer,
        .state = (unsigned char)read.state,
        .flags = read.kernel_thread ? SDB_FACTS_KERNEL_THREAD : 0,
        .thread_count = (uint32_t)read.thread_count,
        .uid = read.uid,
        .effective_uid = read.effective_uid,
        .gid = read.gid,
        .effective_gid = read.effective_gid,
        .start_time_ms = start * 1000 / (uint64_t)sysconf(_SC_CLK_TCK),
    };
    memcpy(status->name, read.name, sizeof(status->name));
    return 0;
}

int sdb_facts_read_status(int32_t tid, struct sdb_facts_status *status)
{
    struct sdb_facts_status ours;
    int rc;

    if (tid <= 0 || !status)
        return -EINVAL;
    rc = sdb__struct_check(status, sizeof(*status), STATUS_SIZE_OF_VERSION_0_1);
    if (rc == 0)
        rc = read_status(tid, 0, &ours);
    if (rc == 0)
        sdb__struct_export(status, &ours, sizeof(ours));
    return rc;
}

/* ---- threads ---- */

static bool add_tid(pid_t tid, void *data)
{
    struct tids *tids = data;

    if (tids->count == tids->room) {
        size_t room = tids->room == 0 ? 64 : 2 * tids->room;
        pid_t *list = realloc(tids->list, room * sizeof(*list));

        if (!list) {
            tids->no_memory = true;
            return false;
        }
        tids->list = list;
        tids->room = room;
    }
    tids->list[tids->count++] = tid;
    return true;
}

static int compare_tids(const void *a, const void *b)
{
    const pid_t left = *(const pid_t *)a;
    const pid_t right = *(const pid_t *)b;

    return (left > right) - (left < right);
}

static void sort_once(struct tids *tids)
{
    size_t kept = 0;

    if (tids->count == 0)
        return;
    qsort(tids->list, tids->count, sizeof(*tids->list), compare_tids);
    for (size_t i = 1; i < tids->count; i++) {
        if (tids->list[i] != tids->list[kept])
            tids->list[++kept] = tids->list[i];
    }
    tids->count = kept + 1;
}

/* @return whether all of the list's entries from this one on are threads still */
static bool are_there(const struct tids *tids, size_t from)
{
    for (size_t i = from; i < tids->count; i++) {
        if (syscall(SYS_tkill, tids->list[i], 0) < 0 && errno == ESRCH)
            return false;
    }
    return true;
}

/*
 * When a thread ends at which the kernel is in its list, it goes on by counting from the beginning,
 * and passes over as many as have ended.  So a pass was complete if all that it gave are still there
 * after it; else look again.
 */
static int collect_tids(pid_t pid, struct tids *tids)
{
    int passes = 0;
    size_t before;

    do {
        int rc;

        before = tids->count;
        rc = sdb__procfs_threads(pid, add_tid, tids);
        if (rc == 0 && tids->no_memory)
            rc = -ENOMEM;
        if (rc < 0)
            return rc;
    } while (!are_there(tids, before) && ++passes < MOST_PASSES);
    sort_once(tids);
    return 0;
}

/* Read the status of those that are still there. */
static int fill_threads(pid_t pid, const struct tids *tids, struct sdb_facts_threads *threads)
{
    const struct sdb_facts_status **list = (const struct sdb_facts_status **)(threads + 1);
    struct sdb_facts_status *statuses = (struct sdb_facts_status *)(list + tids->count);
    size_t count = 0;

    for (size_t i = 0; i < tids->count; i++) {
        int rc = read_status(pid, tids->list[i], &statuses[count]);

        if (rc == -ESRCH)
            continue;
        if (rc < 0)
            return rc;
        list[count] = &statuses[count];
        count++;
    }
    *threads = (struct sdb_facts_threads){sizeof(*threads), count, list};
    return count == 0 ? -ESRCH : 0;
}

int sdb_facts_read_threads(int32_t pid, struct sdb_facts_threads **threads)
{
    struct sdb_facts_threads *read = NULL;
    struct sdb_facts_status status;
    struct tids tids = {0};
    int rc;

    if (pid <= 0 || !threads)
        return -EINVAL;
    rc = collect_tids(pid, &tids);
    if (rc == -ENOSYS) { /* hidden, or is there no /proc at all? */
        int why = read_status(pid, 0, &status);

        rc = why < 0 ? why : rc;
    }
    if (rc == 0) {
        read = malloc(sizeof(*read) +
                      tids.count * (sizeof(struct sdb_facts_status *) + sizeof(status)));
        rc = read ? fill_threads(pid, &tids, read) : -ENOMEM;
    }
    free(tids.list);
    if (rc < 0) {
        free(read);
        return rc;
    }
    *threads = read;
    return 0;
}

void sdb_facts_free(void *facts)
{
    free(facts);
}
