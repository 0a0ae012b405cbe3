/* SPDX-License-Identifier: MIT */
/*
 * Core files: before a signal is delivered that ends the process with one, its other threads are stopped
 * for good, and so stand in their program's own places when the kernel writes them down.
 */
#include <signal.h>

#include "breakpoint/breakpoint.h"
#include "kernel/procfs.h"
#include "kernel/ptrace.h"
#include "session/session.h"

static bool is_for_core(int signal)
{
    switch (signal) {
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
        return true;
    default:
        return false;
    }
}

static bool will_dump_core(const struct sdb_process *process, int signal)
{
    struct sdb__procfs_status status;

    return is_for_core(signal) && sdb__procfs_status(process->pid, &status) == 0 &&
           !((status.caught_signals | status.ignored_signals) & SDB__SIGNAL_BIT(signal));
}

/* Whether others may stand in scratch pages. */
static bool concerns_others(const struct sdb_process *process)
{
    const struct sdb__breakpoint_sites *sites = sdb__sites(process->space);

    return process->thread_count > 1 && process->phase == SDB__PROCESS_HELD && sites &&
           sites->scratch && !sdb__breakpoint_process(process)->dumps_core;
}

/* What is shown of a thread that stands is written back when it goes on, which they do not. */
static void write_places(const struct sdb_process *process)
{
    for (struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (sdb__thread_stands(thread))
            (void)sdb__registers_write_general(thread); /* ESRCH: it was killed just now */
    }
}

enum sdb__going sdb__breakpoint_prepare_core(struct sdb_thread *thread, struct sdb__resume *resume)
{
    struct sdb_process *process = thread->process;
    enum sdb__going going = SDB__GOING_READY;
    int rc;

    if (!concerns_others(process) || !will_dump_core(process, resume->signal))
        return SDB__GOING_READY;
    sdb_process_retain(process);
    sdb_thread_retain(thread);
    rc = sdb__session_pause(process);
    if (!sdb__thread_stands(thread) || !thread->process->session) {
        going = SDB__GOING_ENDED;
        sdb__thread_unwant(thread, SDB__REASON_WORK);
        if (rc == 0)
            sdb__session_unpause(process);
    } else if (rc == 0) {
        write_places(process);
        sdb__breakpoint_process(process)->dumps_core = true;
        resume->request = SDB_RESUME_STEP; /* if it has got a handler meanwhile, that is seen */
    }
    sdb_thread_close(thread);
    sdb_process_close(process);
    return going;
}

void sdb__breakpoint_end_core(struct sdb_process *process)
{
    sdb__breakpoint_process(process)->dumps_core = false;
    sdb__session_unpause(process);
}
