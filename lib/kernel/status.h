/* SPDX-License-Identifier: MIT */
/*
 * Wait statuses, decoded.  Nothing else in the library takes one apart.
 */
#ifndef SDB_LIB_KERNEL_STATUS_H
#define SDB_LIB_KERNEL_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <sdb/event.h>

/* What a stop means. */
struct sdb__stop {
    uint32_t kind;   /* enum sdb_event_kind */
    int signal;      /* that goes with it, or 0 */
    pid_t other_tid; /* FORK, VFORK, CLONE: the newborn's id; EXEC: the former one of the thread */
    bool in_group_stop; /* the process is in its group-stop */
    bool listened;      /* the thread has not left that since it stopped before */
    bool by_filter;     /* SYSCALL_ENTRY: a seccomp filter has asked for it */
    bool asked;         /* the session has asked the thread to stop before it did */
    uint64_t address;   /* STEP: where the processor has trapped, and it stands; or 0: not said */
};

/* What a wait status is, as far as the kernel itself says it. */
enum sdb__status_kind {
    SDB__STATUS_END,
    SDB__STATUS_SIGNAL,      /* a signal has come */
    SDB__STATUS_SYSTEM_CALL, /* the beginning or the end of one */
    SDB__STATUS_STOP,        /* an interrupt, a group-stop, a newborn's first */
    SDB__STATUS_NEWBORN,     /* fork, vfork, clone */
    SDB__STATUS_EXEC,
    SDB__STATUS_SECCOMP,
    SDB__STATUS_OTHER,
};

/** @param signal  gets the signal that goes with it */
enum sdb__status_kind sdb__status_kind(int status, int *signal);

/**
 * @param address  gets where it stands, if the processor has trapped there, else 0; may be NULL
 * @return whether the SIGTRAP that a thread stands before is that of a single step
 */
bool sdb__is_step_trap(pid_t tid, uint64_t *address);

/** @return the event of ptrace's that a wait status tells of, or 0 */
static inline unsigned sdb__status_event(int status)
{
    return (unsigned)status >> 16;
}

/** @return whether a wait status says that the process has executed a program */
static inline bool sdb__status_is_exec(int status)
{
    return sdb__status_event(status) == PTRACE_EVENT_EXEC;
}

/** @return whether a wait status says that the thread has ended */
static inline bool sdb__status_is_end(int status)
{
    return WIFEXITED(status) || WIFSIGNALED(status);
}

/* What is known of a thread before a stop, and says what that means. */
struct sdb__status_before {
    bool is_newborn; /* its first stop is still to come */
    bool listened;   /* it was left in a group-stop (PTRACE_LISTEN) */
    bool step_due;   /* it was resumed to step, and the SIGTRAP of that has not come yet */
    /* It was resumed from one end of a system call to the next: SDB_EVENT_SYSCALL_...; or NONE. */
    uint32_t end_of_call;
};

/**
 * Say what a stop means.
 *
 * @return 0, or -ESRCH: it was killed just now, and stands still no more
 */
int sdb__status_decode(pid_t tid, int status, const struct sdb__status_before *before,
                       struct sdb__stop *stop);

/**
 * Find out what a wait status was that somebody else has taken, of a thread that stands still.
 *
 * @return 0, or -ESRCH: it does not stand still
 */
int sdb__status_restore(pid_t tid, int *status);

/** Write a wait status into the trace. */
void sdb__status_trace(pid_t tid, int status);

#endif
