/* SPDX-License-Identifier: MIT */
/*
 * What a session knows of a thread.
 */
#ifndef SDB_LIB_HELD_THREAD_H
#define SDB_LIB_HELD_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdb/event.h>
#include <sdb/thread.h>

#include "held/register_cache.h"
#include "syscall/calls.h"
#include "trap/debug_registers.h"
#include "watchpoint/watchpoint.h"

struct sdb_breakpoint;
struct sdb__site;

/* How deep in handlers of handlers a site is known to have been hit already. */
#define SDB__MOST_REPEATS 5

/* A thread will come to a site again, without a new hit, with this stack pointer. */
struct sdb__repeat {
    struct sdb__site *site; /* or NULL */
    uint64_t stack_pointer;
};

struct sdb_thread {
    struct sdb_process *process; /* retained */
    struct sdb_thread *next;     /* in the process's list */
    struct sdb_thread *previous;
    struct sdb_thread *next_in_bucket; /* in the session's table */
    struct sdb_thread *next_queued;
    unsigned references; /* atomic; one is the process's list's */
    pid_t tid;
    enum sdb_thread_state state;

    /* Its stop, if it stands still. */
    uint32_t stop; /* enum sdb_event_kind */
    int signal;    /* that goes with it */
    pid_t former_tid;
    struct sdb_thread *newborn; /* that it has made, retained */

    struct sdb__register_cache registers;
    struct sdb__debug_state debug;
    struct sdb__watch_hits *watch_hits; /* where it stands, if its stop is a WATCHPOINT; or NULL */

    /* Breakpoints, see breakpoint.h. */
    struct sdb__site
        *at_site;     /* whose instruction is executed when it goes on, and which was hit */
    uint64_t slot_pc; /* it is in a system call there, in a slot, and may restart; or 0 */
    struct sdb__repeat repeats[SDB__MOST_REPEATS]; /* oldest first */
    bool trap_first;       /* it was in a group-stop, and takes the trap of a planted byte first */
    bool displaced;        /* it may stand in a scratch page when it stops */
    unsigned changes_seen; /* of what is planted, when it was resumed */
    uint64_t rseq;         /* its struct rseq, 0: not known */
    uint32_t rseq_signature;
    bool masks_looked_at; /* once at least */
    uint8_t masks_unseen; /* hits since its signal mask was looked at, see trap_signal.c */
    struct sdb_breakpoint *step_target; /* where it is to go, see step.h; or NULL */
    uint64_t step_frame;                /* and with a stack pointer above this */
    struct sdb_breakpoint **hits;       /* that are told now */
    unsigned hit_count;
    struct sdb__calls calls;

    enum sdb_resume how; /* it was last resumed so */
    uint32_t came_from;  /* and out of this stop */

    /* Whether something is so now. */
    bool queued;           /* its event waits to be told */
    bool ended;            /* and `status` says how; its id may belong to another by now */
    bool awaits_start;     /* a newborn, whose first stop is still to come */
    bool in_group_stop;    /* it stands still in the group-stop of its process */
    bool group_stop_over;  /* and that has ended meanwhile, which the kernel will not tell again */
    bool listening;        /* it was left in its group-stop (PTRACE_LISTEN) */
    bool leaving_exec;     /* it was resumed out of its exec */
    bool has_trap_flag;    /* of its own, since before it was stepped */
    bool step_trap_due;    /* it was resumed to step, and the SIGTRAP of that has not come yet */
    bool in_vfork;         /* it was resumed into waiting for its vfork child */
    bool cannot_stop;      /* it was found to be where no interrupt stops it */
    bool dying;            /* it was killed while it was to be let go */
    bool lost;             /* it has ended, or is held no more, and the kernel has not told how */
    bool missing;          /* no task has had its id when it was looked for */
    bool interrupt_asked;  /* the kernel was asked to stop it, and it has not stopped since */
    bool interrupt_wanted; /* the caller wants the event of that */
    bool hold_wanted;      /* it shall stop and stay, without an event of that */
    bool pause_wanted;     /* it shall stop for a moment, without an event of that */
    bool paused;           /* it stands still for that and nothing else: for the caller it runs */
    bool against_stop;     /* it was resumed against the group-stop of its process */

    void *data;
    struct sdb_exit_status status;
};

/** @return a running thread with one reference, in its process's list and its session's table */
int sdb__thread_create(struct sdb_process *process, pid_t tid, struct sdb_thread **thread);

/** Take a thread out of its process: it has ended and was told, or is let go. */
void sdb__thread_gone(struct sdb_thread *thread);

/** Note that it has ended.  @param status  how, or NULL: nobody knows */
void sdb__thread_ended(struct sdb_thread *thread, const struct sdb_exit_status *status);

/** Note in which state it is. */
void sdb__thread_set_state(struct sdb_thread *thread, enum sdb_thread_state state);

/** Note that it has stopped, and why. */
void sdb__thread_stopped(struct sdb_thread *thread, uint32_t stop, int signal);

/**
 * Resume a stopped thread.
 *
 * @param signal  what the thread gets, 0 for none
 * @return 0; a thread that was killed meanwhile counts as resumed
 */
int sdb__thread_go(struct sdb_thread *thread, enum sdb_resume how, int signal);

/**
 * Resume a stopped thread in the way in which nothing is changed: the signal that was coming is
 * delivered, a group-stop kept if it continues.
 */
int sdb__thread_go_on(struct sdb_thread *thread, enum sdb_resume how);

/**
 * Ask a running thread to stop.  The kernel keeps a request that comes when the thread has already
 * stopped for another reason, so one that is under way is not made again.
 */
int sdb__thread_ask_to_stop(struct sdb_thread *thread);

/**
 * Whether the caller may ask something of a thread: at all, if it stands still, or only if it has also
 * been told why, which it has not yet been of all that stand still when a process is stopped as a whole.
 *
 * @return 0, -EINVAL (NULL), -SDB_EWRONGTHREAD, -ESRCH (gone), or -EBUSY (it runs, or is to be told)
 */
int sdb__thread_check_caller(const struct sdb_thread *thread);
int sdb__thread_check_stopped(const struct sdb_thread *thread);
int sdb__thread_check_told(const struct sdb_thread *thread);

/** @return whether it is one of enum sdb_resume */
bool sdb__resume_is_known(enum sdb_resume how);

/** Note that it runs, in the way in which it was last resumed; its next stop may be there already. */
void sdb__thread_runs_unseen(struct sdb_thread *thread);

/** The signal that reaches it if nobody says otherwise, or 0. */
int sdb__thread_pending_signal(const struct sdb_thread *thread);

#endif
