/* SPDX-License-Identifier: MIT */
/*
 * Who makes the calls that are none of the program's: those that the library needs for its own ends.
 *
 * A seccomp filter may kill a process for a call that the program itself would not make.  Each thread has
 * its own, and may have got it just now; so that very thread is asked, each time.
 */
#include <sys/syscall.h>

#include "held/process.h"
#include "inject/inject.h"
#include "inject/injection.h"
#include "kernel/procfs.h"

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
