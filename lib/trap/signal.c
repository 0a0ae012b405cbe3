/* SPDX-License-Identifier: MIT */
/*
 * SIGTRAP as the program has it.
 *
 * The kernel forces the signal of an int3 on the thread: if it is blocked or ignored, it is unblocked,
 * and its disposition becomes the default, which kills.  What the disposition was is asked for when a
 * process gets its first breakpoint.  That the signal was blocked can be seen afterwards only where all
 * others are: so does every program that blocks signals for a moment, the C library when it makes a
 * thread among them.
 */
#include "trap/signal.h"

#include <signal.h>
#include <sys/syscall.h>

#include "breakpoint/site.h"
#include "held/process.h"
#include "held/register_cache.h"
#include "held/thread.h"
#include "inject/inject.h"
#include "kernel/procfs.h"
#include "kernel/ptrace.h"
#include "session/session.h"

/* What never is in a mask, and what the C library keeps for itself and may leave out. */
#define NEVER_BLOCKED (SDB__SIGNAL_BIT(SIGKILL) | SDB__SIGNAL_BIT(SIGSTOP))
#define OWN_OF_LIBC   (SDB__SIGNAL_BIT(32) | SDB__SIGNAL_BIT(33))

/*
 * Where the program has the default for the signal, a mask that lacks it does no harm for a moment: it is
 * looked at now and then, and at the end.
 */
#define MOST_UNSEEN 8

/* The kernel's idea of how large a mask is, and how far below the stack pointer memory is in use. */
#define MASK_SIZE 8
#define RED_ZONE  128

/* It may kill whoever makes a call that the program itself would not make. */
static bool has_filter(pid_t pid)
{
    struct sdb__procfs_status status;

    return sdb__procfs_status(pid, &status) < 0 || status.seccomp;
}

/* Run rt_sigaction(2) with the action in memory that is lent from the stack. */
static int exchange(struct sdb_thread *thread, int signal, struct sdb__signal_action *action,
                    bool set)
{
    struct sdb__space *space = thread->process->space;
    const pid_t pid = thread->process->pid;
    struct user_regs_struct *registers;
    struct sdb__signal_action saved;
    uint64_t arguments[6] = {(uint64_t)signal, 0, 0, MASK_SIZE};
    int64_t result = 0;
    uint64_t address;
    int rc = has_filter(pid) ? -1 : sdb__registers_general(thread, &registers);

    if (rc < 0)
        return rc;
    address = (registers->rsp - RED_ZONE - sizeof(saved)) & ~UINT64_C(15);
    arguments[set ? 1 : 2] = address;
    if (sdb__space_read(space, pid, address, &saved, sizeof(saved)) != (ssize_t)sizeof(saved))
        return -1;
    if (set)
        (void)sdb__space_write(space, pid, address, action, sizeof(*action));
    rc = sdb__inject(thread, SYS_rt_sigaction, arguments, &result);
    if (rc == 0 && !set && result == 0 &&
        sdb__space_read(space, pid, address, action, sizeof(*action)) != (ssize_t)sizeof(*action))
        rc = -1;
    (void)sdb__space_write(space, pid, address, &saved, sizeof(saved));
    return rc < 0 || result < 0 ? -1 : 0;
}

int sdb__signal_action(struct sdb_thread *thread, int signal, struct sdb__signal_action *action)
{
    return exchange(thread, signal, action, false);
}

static struct sdb_thread *find_stopped(struct sdb_process *process)
{
    struct sdb_thread *thread = process->threads;

    while (thread && thread->state != SDB_THREAD_STOPPED)
        thread = thread->next;
    return thread;
}

void sdb__trap_signal_note(struct sdb_process *process)
{
    struct sdb__breakpoint_sites *sites = sdb__sites_of(process->space);
    struct sdb_thread *thread = find_stopped(process);
    struct sdb__trap_signal *known;
    struct sdb__procfs_status status;

    if (!sites)
        return;
    known = &sites->trap_signal;
    *known = (struct sdb__trap_signal){0};
    if (!thread || sdb__procfs_status(process->pid, &status) < 0 ||
        !((status.ignored_signals | status.caught_signals) & SDB__SIGNAL_BIT(SIGTRAP)))
        return;
    known->is_ignored = (status.ignored_signals & SDB__SIGNAL_BIT(SIGTRAP)) != 0;
    known->is_set = exchange(thread, SIGTRAP, &known->action, false) == 0;
}

/* Look whether a hit has unblocked the signal, and undo that. */
static bool restore_mask(struct sdb_thread *thread)
{
    uint64_t mask = 0;
    bool was_blocked;

    if (sdb__ptrace_signal_mask(thread->tid, &mask) < 0)
        return false;
    was_blocked = (mask | NEVER_BLOCKED | OWN_OF_LIBC | SDB__SIGNAL_BIT(SIGTRAP)) == ~UINT64_C(0);
    if (was_blocked)
        (void)sdb__ptrace_set_signal_mask(thread->tid, mask | SDB__SIGNAL_BIT(SIGTRAP));
    /* Who blocks it once often does so again. */
    thread->masks_unseen = was_blocked ? MOST_UNSEEN - 1 : 0;
    return was_blocked;
}

void sdb__trap_signal_restore(struct sdb_thread *thread)
{
    struct sdb__trap_signal *known = &thread->process->space->sites->trap_signal;
    bool was_blocked;

    if (!known->is_set && thread->masks_looked_at && ++thread->masks_unseen < MOST_UNSEEN)
        return;
    thread->masks_looked_at = true;
    was_blocked = restore_mask(thread);
    if (known->is_set && known->is_ignored) {
        known->restore_due = true;
        thread->process->session->some_restore_due = true;
    } else if (known->is_set && was_blocked) {
        (void)exchange(thread, SIGTRAP, &known->action, true);
    }
}

static bool some_have_trapped(const struct sdb_process *process)
{
    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (thread->state != SDB_THREAD_STOPPED ||
            sdb__ptrace_pending_code(thread->tid, SIGTRAP) != 0)
            return true;
    }
    return false;
}

/* All of its threads stand still.  A signal that comes to be ignored is forgotten where it waits. */
static void restore_ignored(struct sdb_process *process)
{
    struct sdb__breakpoint_sites *sites = process->space->sites;
    struct sdb_thread *thread = find_stopped(process);

    if (!sites || !sites->trap_signal.restore_due)
        return;
    if (!thread || some_have_trapped(process) ||
        exchange(thread, SIGTRAP, &sites->trap_signal.action, true) < 0)
        process->session->some_restore_due = true; /* another time */
    else
        sites->trap_signal.restore_due = false;
}

static struct sdb_process *find_due(struct sdb_session *session, const struct sdb_process *after)
{
    struct sdb_process *process = after ? after->next : session->processes;

    while (process && (process->phase != SDB__PROCESS_HELD || sdb__process_is_gone(process) ||
                       !process->space->sites || !process->space->sites->trap_signal.restore_due))
        process = process->next;
    return process;
}

void sdb__trap_signal_restore_due(struct sdb_session *session)
{
    struct sdb_process *process = find_due(session, NULL);

    session->some_restore_due = false;
    while (process) {
        struct sdb_process *next;

        sdb_process_retain(process);
        if (sdb__session_pause(process) == 0) {
            restore_ignored(process);
            sdb__session_unpause(process);
        }
        next = process->session ? find_due(session, process) : NULL;
        sdb_process_close(process);
        process = next;
    }
}

bool sdb__trap_signal_is_ignored(const struct sdb_process *process)
{
    const struct sdb__breakpoint_sites *sites = process->space->sites;

    return sites && sites->trap_signal.restore_due;
}

void sdb__trap_signal_settle(struct sdb_thread *thread)
{
    if (thread->masks_unseen > 0)
        (void)restore_mask(thread);
    thread->masks_looked_at = false;
    if (thread->process->running_count == 0)
        restore_ignored(thread->process);
}
