/* SPDX-License-Identifier: MIT */
/*
 * Wait statuses, decoded.
 */
#include "event.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "ptrace.h"

bool sdb__status_is_end(int status)
{
    return WIFEXITED(status) || WIFSIGNALED(status);
}

/*
 * A single step ends with a SIGTRAP too.  The kernel's codes for it: TRAP_TRACE usually, TRAP_BRKPT
 * after a system call, TRAP_UNK where a signal handler begins.  A breakpoint instruction of the
 * program's own has SI_KERNEL, and a SIGTRAP that somebody sent has a code of 0 or less.
 */
static bool is_step(const struct sdb_thread *thread)
{
    siginfo_t info;

    if (thread->how != SDB_RESUME_STEP || sdb__ptrace_siginfo(thread->tid, &info) < 0)
        return false;
    return info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT || info.si_code == TRAP_UNK;
}

/* A stop that PTRACE_SEIZE has brought: a group-stop, its end, or an interrupt. */
static uint32_t decode_event_stop(const struct sdb_thread *thread, int stop_signal, int *signal)
{
    if (stop_signal != SIGTRAP) {
        *signal = stop_signal;
        return SDB_EVENT_GROUP_STOP;
    }
    return thread->listening ? SDB_EVENT_GROUP_CONTINUE : SDB_EVENT_INTERRUPT;
}

uint32_t sdb__event_decode(const struct sdb_thread *thread, int status, int *signal)
{
    const int stop_signal = WSTOPSIG(status);

    *signal = 0;
    switch (SDB__STATUS_EVENT(status)) {
    case PTRACE_EVENT_EXEC:
        return SDB_EVENT_EXEC;
    case PTRACE_EVENT_STOP:
        return decode_event_stop(thread, stop_signal, signal);
    default:
        if (stop_signal == SIGTRAP && is_step(thread))
            return SDB_EVENT_STEP;
        *signal = stop_signal;
        return SDB_EVENT_SIGNAL;
    }
}

int sdb_event_resume(const struct sdb_event *event)
{
    if (!event || !event->thread)
        return -EINVAL;
    if (event->kind == SDB_EVENT_EXITED)
        return 0;
    return sdb_thread_resume(event->thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
}

const char *sdb_event_name(uint32_t kind)
{
    static const char *const names[] = {
        [SDB_EVENT_NONE] = "no event",
        [SDB_EVENT_SIGNAL] = "signal",
        [SDB_EVENT_GROUP_STOP] = "group-stop",
        [SDB_EVENT_GROUP_CONTINUE] = "end of group-stop",
        [SDB_EVENT_INTERRUPT] = "interrupt",
        [SDB_EVENT_STEP] = "step",
        [SDB_EVENT_EXEC] = "exec",
        [SDB_EVENT_EXITED] = "exit",
    };

    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown event";
}
