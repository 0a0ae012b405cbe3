/* SPDX-License-Identifier: MIT */
/*
 * Who makes the calls that are none of the program's: those that the library needs for its own ends.
 *
 * A seccomp filter may kill a process for a call that the program itself would not make.  Each thread has
 * its own, and may have got it just now; so that very thread is asked, each time.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "held/process.h"
#include "inject/inject.h"
#include "inject/injection.h"
#include "kernel/procfs.h"

/* Numbers of i386's; this mmap(2) counts its offset in pages. */
#define MMAP_32   192
#define MUNMAP_32 91

static bool may_make_calls(struct sdb_thread *thread)
{
    struct sdb__procfs_status status;

    /* What cannot be told is taken for the worse. */
    return sdb__procfs_thread_status(thread->process->pid, thread->tid, &status) == 0 &&
           !status.seccomp && sdb__injection_is_possible(thread);
}

struct sdb_thread *sdb__inject_helper(struct sdb_thread *thread)
{
    struct sdb_thread *other;

    if (sdb__thread_stands(thread) && may_make_calls(thread))
        return thread;
    other = sdb__process_next_standing(thread->process, NULL);
    while (other && (other == thread || !may_make_calls(other)))
        other = sdb__process_next_standing(thread->process, other);
    return other;
}

int sdb__inject_map(struct sdb_thread *helper, uint64_t start, size_t length, int protection,
                    int64_t *result)
{
    const int where = start != 0 ? MAP_FIXED_NOREPLACE : 0;
    const uint64_t arguments[6] = {
        start,        length, (uint64_t)protection, (uint64_t)(MAP_PRIVATE | MAP_ANONYMOUS | where),
        (uint64_t)-1, 0};

    return sdb__inject(helper, sdb__registers_are_of_32_bit(helper) ? MMAP_32 : SYS_mmap, arguments,
                       result);
}

int sdb__inject_unmap(struct sdb_thread *helper, uint64_t start, size_t length)
{
    const uint64_t arguments[6] = {start, length};
    int64_t result;

    return sdb__inject(helper, sdb__registers_are_of_32_bit(helper) ? MUNMAP_32 : SYS_munmap,
                       arguments, &result);
}
