/* SPDX-License-Identifier: MIT */
/*
 * Running one thread for a moment.
 */
#include "alone.h"

#include <time.h>

#include "event.h"
#include "process.h"
#include "procfs.h"
#include "ptrace.h"

/* While a killed thread is on its way to its end. */
#define DYING_LOOK_NS 20000

static bool is_first(const struct sdb_thread *thread)
{
    return thread == thread->process->thread;
}

static int set_options(const struct sdb_thread *thread, bool tell_exit)
{
    struct sdb__ptrace_options options = sdb__process_options(thread->process);

    options.tell_exit = tell_exit;
    return is_first(thread) ? sdb__ptrace_set_options(thread->tid, &options) : 0;
}

int sdb__alone_begin(struct sdb_thread *thread)
{
    return set_options(thread, true);
}

int sdb__alone_end(struct sdb_thread *thread)
{
    return set_options(thread, false);
}

void sdb__alone_let_die(struct sdb_thread *thread)
{
    const struct timespec moment = {.tv_nsec = DYING_LOOK_NS};
    int status;
    int signal;

    if (!is_first(thread))
        return;
    while (!sdb__wait_peek_one(thread->tid, &status)) {
        struct sdb__procfs_status task;

        if (sdb__procfs_status(thread->tid, &task) < 0 || task.state == 'Z' || task.state == 'X')
            return;
        nanosleep(&moment, NULL);
    }
    if (sdb__status_kind(status, &signal) == SDB__STATUS_EXIT) {
        (void)set_options(thread, false);
        (void)sdb__ptrace_resume(thread->tid, SDB_RESUME_CONTINUE, 0);
    }
}
