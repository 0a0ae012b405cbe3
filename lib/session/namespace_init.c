/* SPDX-License-Identifier: MIT */
/*
 * The init of a pid namespace, and the signals that it brings upon itself.
 *
 * The kernel ends it by a fault of its own as any other process; but not while it is traced, where it
 * executes the faulting instruction again, for ever.  It looks at the one thread that faults.  So this is
 * let go for that moment: it faults again, its end is certain, and it is seized again before it has come
 * to it.  Where an instruction does not fault again the process is killed.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "held/address_space.h"
#include "kernel/procfs.h"
#include "session/inside.h"

#define BREAKPOINT_INSTRUCTION 0xcc

/* How long the second fault may take. */
#define FAULT_MS 1000

static bool is_init(struct sdb_process *process, struct sdb__procfs_status *status)
{
    if (!process->init_known) {
        if (sdb__procfs_status(process->pid, status) < 0)
            return false;
        process->init_known = true;
        process->is_init = status->is_init;
    }
    return process->is_init && sdb__procfs_status(process->pid, status) == 0;
}

bool sdb__session_is_spared(struct sdb_thread *thread, int signal)
{
    struct sdb__procfs_status status;
    siginfo_t info;

    if (signal == 0 || !(SDB__FAULT_SIGNALS & SDB__SIGNAL_BIT(signal)) ||
        thread->stop != SDB_EVENT_SIGNAL || thread->signal != signal ||
        !is_init(thread->process, &status))
        return false;
    /* One that is sent is ignored where it is not held, too. */
    return !(status.caught_signals & SDB__SIGNAL_BIT(signal)) &&
           sdb__ptrace_siginfo(thread->tid, &info) == 0 && info.si_code > 0;
}

void sdb__session_fault_again(struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;
    uint8_t before;
    uint64_t pc;

    if (thread->signal == SIGTRAP && sdb__registers_get_pc(thread, &pc) == 0 &&
        sdb__space_read(process->space, process->pid, pc - 1, &before, 1) == 1 &&
        before == BREAKPOINT_INSTRUCTION)
        sdb__registers_set_pc(thread, pc - 1);
}

/* @return whether it has faulted and goes to its end, or has come there */
static bool await_fault(const struct sdb_thread *thread)
{
    const struct sdb__deadline deadline = sdb__deadline_in(FAULT_MS);
    int rc;

    do {
        rc = sdb__procfs_is_ending(thread->process->pid, thread->tid);
        if (rc == 0)
            sched_yield();
    } while (rc == 0 && !sdb__deadline_passed(&deadline));
    return rc != 0;
}

bool sdb__session_end_spared(struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;
    const struct sdb__ptrace_options options = sdb__process_options(process);
    const int signal = thread->signal;
    bool faults;

    if (process->phase != SDB__PROCESS_HELD) {
        (void)sdb__kill_tracee(process->pid, process->pidfd);
        return false;
    }
    sdb__features_give_back(process); /* nobody comes by a breakpoint any more */
    sdb__session_fault_again(thread);
    (void)sdb__registers_flush(thread);
    if (sdb__ptrace_detach(thread->tid, 0) < 0)
        return false; /* it was killed just now */
    faults = await_fault(thread);
    if (!faults)
        (void)sdb__kill_tracee(process->pid, process->pidfd);
    /* If it has come to its end without us nobody else tells how. */
    if (sdb__ptrace_seize(thread->tid, &options) < 0)
        thread->ended_alone_by = signal;
    return true;
}
