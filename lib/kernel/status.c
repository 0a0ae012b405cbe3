/* SPDX-License-Identifier: MIT */
/*
 * Wait statuses, decoded.
 */
#include "kernel/status.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/trace.h"
#include "kernel/ptrace.h"

/* The signal of a system call's stop, with PTRACE_O_TRACESYSGOOD. */
#define SYSCALL_TRAP (SIGTRAP | 0x80)

/* Its message at the end of the call (PTRACE_EVENTMSG_SYSCALL_EXIT, which glibc lacks). */
#define MESSAGE_SYSCALL_EXIT 2

enum sdb__status_kind sdb__status_kind(int status, int *signal)
{
    *signal = 0;
    if (sdb__status_is_end(status))
        return SDB__STATUS_END;
    *signal = WSTOPSIG(status);
    switch (sdb__status_event(status)) {
    case 0:
        return *signal == SYSCALL_TRAP ? SDB__STATUS_SYSTEM_CALL : SDB__STATUS_SIGNAL;
    case PTRACE_EVENT_STOP:
        return SDB__STATUS_STOP;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        return SDB__STATUS_NEWBORN;
    case PTRACE_EVENT_EXEC:
        return SDB__STATUS_EXEC;
    case PTRACE_EVENT_SECCOMP:
        return SDB__STATUS_SECCOMP;
    default:
        return SDB__STATUS_OTHER;
    }
}

/*
 * A single step ends with a SIGTRAP too.  The kernel's codes for it: TRAP_TRACE usually, TRAP_BRKPT
 * after a system call, TRAP_UNK where a signal handler begins.  A breakpoint instruction of the
 * program's own has SI_KERNEL, and a SIGTRAP that somebody sent has a code of 0 or less.
 */
bool sdb__is_step_trap(pid_t tid, uint64_t *address)
{
    siginfo_t info;

    if (sdb__ptrace_siginfo(tid, &info) < 0)
        return false;
    if (address)
        *address = info.si_code == TRAP_TRACE ? (uint64_t)(uintptr_t)info.si_addr : 0;
    return info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT || info.si_code == TRAP_UNK;
}

/* A stop that PTRACE_SEIZE has brought: a newborn's first, a group-stop, its end, or an interrupt. */
static void decode_event_stop(const struct sdb__status_before *before, int stop_signal,
                              struct sdb__stop *stop)
{
    stop->in_group_stop = stop_signal != SIGTRAP;
    if (before->is_newborn) {
        stop->kind = SDB_EVENT_START;
    } else if (stop->in_group_stop) {
        stop->kind = SDB_EVENT_GROUP_STOP;
        stop->signal = stop_signal;
    } else {
        stop->kind = before->listened ? SDB_EVENT_GROUP_CONTINUE : SDB_EVENT_INTERRUPT;
    }
}

/* What comes with a message of the kernel's. */
static int decode_with_message(pid_t tid, uint32_t kind, struct sdb__stop *stop)
{
    unsigned long message = 0;
    int rc = sdb__ptrace_message(tid, &message);

    if (rc < 0)
        return rc;
    stop->kind = kind;
    stop->other_tid = (pid_t)message;
    return 0;
}

/*
 * The two stops of a system call look alike.  From one to the next they alternate; where something
 * else was between them, the kernel's message tells.
 */
static int decode_syscall(pid_t tid, uint32_t end_before, struct sdb__stop *stop)
{
    unsigned long message = 0;
    int rc;

    if (end_before != SDB_EVENT_NONE) {
        stop->kind = end_before == SDB_EVENT_SYSCALL_ENTRY ? SDB_EVENT_SYSCALL_EXIT
                                                           : SDB_EVENT_SYSCALL_ENTRY;
        return 0;
    }
    rc = sdb__ptrace_message(tid, &message);
    stop->kind = message == MESSAGE_SYSCALL_EXIT ? SDB_EVENT_SYSCALL_EXIT : SDB_EVENT_SYSCALL_ENTRY;
    return rc;
}

int sdb__status_decode(pid_t tid, int status, const struct sdb__status_before *before,
                       struct sdb__stop *stop)
{
    const int stop_signal = WSTOPSIG(status);

    *stop = (struct sdb__stop){.kind = SDB_EVENT_NONE, .listened = before->listened};
    switch (sdb__status_event(status)) {
    case PTRACE_EVENT_FORK:
        return decode_with_message(tid, SDB_EVENT_FORK, stop);
    case PTRACE_EVENT_VFORK:
        return decode_with_message(tid, SDB_EVENT_VFORK, stop);
    case PTRACE_EVENT_CLONE:
        return decode_with_message(tid, SDB_EVENT_CLONE, stop);
    case PTRACE_EVENT_EXEC:
        return decode_with_message(tid, SDB_EVENT_EXEC, stop);
    case PTRACE_EVENT_SECCOMP:
        stop->kind = SDB_EVENT_SYSCALL_ENTRY;
        stop->by_filter = true;
        return 0;
    case PTRACE_EVENT_VFORK_DONE:
        stop->kind = SDB_EVENT_VFORK_DONE;
        return 0;
    case PTRACE_EVENT_STOP:
        decode_event_stop(before, stop_signal, stop);
        return 0;
    default:
        break;
    }
    if (stop_signal == SYSCALL_TRAP)
        return decode_syscall(tid, before->end_of_call, stop);
    if (stop_signal == SIGTRAP && before->step_due && sdb__is_step_trap(tid, &stop->address)) {
        stop->kind = SDB_EVENT_STEP;
        return 0;
    }
    stop->kind = SDB_EVENT_SIGNAL;
    stop->signal = stop_signal;
    return 0;
}

int sdb__status_restore(pid_t tid, int *status)
{
    siginfo_t info = {0};
    int rc = sdb__ptrace_siginfo(tid, &info);

    if (rc < 0)
        return rc;
    /* The stops of ptrace's own have their whole code there: a signal, and the event above it. */
    if (info.si_code == SYSCALL_TRAP || info.si_code >> 8 > 0)
        *status = W_STOPCODE(info.si_code);
    else
        *status = W_STOPCODE(info.si_signo);
    return 0;
}

void sdb__status_trace(pid_t tid, int status)
{
    static const char *const events[] = {
        [PTRACE_EVENT_FORK] = "fork",
        [PTRACE_EVENT_VFORK] = "vfork",
        [PTRACE_EVENT_CLONE] = "clone",
        [PTRACE_EVENT_EXEC] = "exec",
        [PTRACE_EVENT_EXIT] = "exit",
        [PTRACE_EVENT_VFORK_DONE] = "vfork done",
        [PTRACE_EVENT_SECCOMP] = "seccomp filter",
    };
    const unsigned event = sdb__status_event(status);

    if (WIFEXITED(status))
        sdb__trace("wait: %d exited with code %d", (int)tid, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        sdb__trace("wait: %d killed by signal %d", (int)tid, WTERMSIG(status));
    else if (event == PTRACE_EVENT_STOP && WSTOPSIG(status) == SIGTRAP)
        sdb__trace("wait: %d stopped: interrupt, start, or end of group-stop", (int)tid);
    else if (event == PTRACE_EVENT_STOP)
        sdb__trace("wait: %d stopped: group-stop by signal %d", (int)tid, WSTOPSIG(status));
    else if (event < sizeof(events) / sizeof(events[0]) && events[event])
        sdb__trace("wait: %d stopped: %s", (int)tid, events[event]);
    else if (WSTOPSIG(status) == SYSCALL_TRAP)
        sdb__trace("wait: %d stopped: system call", (int)tid);
    else
        sdb__trace("wait: %d stopped: signal %d", (int)tid, WSTOPSIG(status));
}
