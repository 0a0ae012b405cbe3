/* SPDX-License-Identifier: MIT */
/*
 * What a session knows of a process.
 */
#ifndef SDB_LIB_HELD_PROCESS_H
#define SDB_LIB_HELD_PROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include <sdb/process.h>

#include "held/address_space.h"
#include "held/slots.h"
#include "held/thread.h"
#include "kernel/ptrace.h"

struct sdb__held;

/* What is being done with a process, which says what becomes of the stops of its threads. */
enum sdb__process_phase {
    SDB__PROCESS_HELD,      /* each is told as an event */
    SDB__PROCESS_LAUNCHING, /* none is: it goes on to its exec */
    SDB__PROCESS_ATTACHING, /* none is: each thread goes on to the stop that was asked for */
    SDB__PROCESS_LEAVING,   /* none is: the first one is where the thread is let go */
    SDB__PROCESS_WATCHED,   /* none is: it goes on, but must not come by a planted byte alone */
};

/* What a newborn process has from its parent. */
struct sdb__policies {
    uint32_t follow; /* SDB_FOLLOW_... */
    enum sdb_release release;
    enum sdb_stop_mode stop_mode;
    bool stops_at_filter; /* a seccomp filter has the kernel stop it */
    bool must_be_held; /* it may not be let go, nor a newborn of it: its system calls would fail */
};

struct sdb_process {
    struct sdb_session *session; /* NULL once it is gone */
    struct sdb__held *held;      /* of the session, the same */
    struct sdb_process *next;    /* in the session's list */
    struct sdb_process *previous;
    unsigned references; /* atomic; one is the session's, and one each thread's */
    pid_t pid;
    int pidfd; /* -1: the system has none */
    bool launched;
    bool first_not_held; /* its first thread had ended when it was attached to */
    bool init_known;     /* it was asked whether... */
    bool is_init;        /* ...it is that of its pid namespace */
    bool first_replaced; /* in an attach: another thread, not held, has its first one's id */
    bool adoption_due;   /* newborns of before its exec could not be taken in yet */
    enum sdb__process_phase phase;
    struct sdb__policies policies;
    bool births_reported; /* by the kernel, whatever the policies say: a feature wants it */

    struct sdb_thread *thread;  /* the first one, whose id is the pid */
    struct sdb_thread *threads; /* all */
    int thread_count;
    int running_count; /* of those that the session believes to run */
    bool gathered;     /* all that can stand still do, and nothing was resumed since */
    unsigned pauses;   /* its threads stand still for a moment: how often that was asked for */
    unsigned
        group_stop; /* the number of its last group-stop, which is odd; or one more: it is over */

    unsigned continues; /* how many SIGCONTs its threads have taken */

    bool killed;             /* by the end of its session */
    bool ended;              /* its first thread's status says how */
    bool released;           /* let go at its exec; it is still to be told */
    struct sdb_child *child; /* what it becomes when it is let go at its exec, or NULL */
    void *data;              /* the caller's */

    pthread_mutex_t space_lock; /* of the pointer: other threads read memory while the tracer thread
                                   sees an exec */
    struct sdb__space *space;   /* retained */
    bool memory_closed;         /* atomic; its memory is not for callers any more */

    unsigned features; /* those that it uses, a bit for each slot */
    void *slots[SDB__SLOT_COUNT];
};

/**
 * @param held   of the session; the process is put into its list
 * @param pidfd  becomes the process's, if this succeeds
 * @return a process with one running thread, held with the defaults; or NULL
 */
struct sdb_process *sdb__process_create(struct sdb_session *session, struct sdb__held *held,
                                        pid_t pid, int pidfd);

/**
 * @return one without threads that is in no list, whose only reference is the caller's, to remember
 *         another by; or NULL
 */
struct sdb_process *sdb__process_allocate(struct sdb_session *session, struct sdb__held *held,
                                          pid_t pid);

/** Take it out of its session, close its pidfd, and drop its threads and the session's reference. */
void sdb__process_gone(struct sdb_process *process);

/** @return whether it has ended, was let go, or is leaving */
bool sdb__process_is_gone(const struct sdb_process *process);

/** @return its address space as it is now, retained; any thread */
struct sdb__space *sdb__process_space(struct sdb_process *process);

/** Give it another address space, whose reference becomes the process's. */
void sdb__process_set_space(struct sdb_process *process, struct sdb__space *space);

/** @return whether it is held, but not for the caller any more, or never was */
static inline bool sdb__process_is_hidden(const struct sdb_process *process)
{
    return process->phase == SDB__PROCESS_LEAVING || process->phase == SDB__PROCESS_WATCHED;
}

/**
 * Go through the threads that stand still.
 *
 * @param after  the one before, or NULL: the first is wanted
 * @return the next, or NULL
 */
struct sdb_thread *sdb__process_next_standing(const struct sdb_process *process,
                                              const struct sdb_thread *after);

/** @return whether a thread of it runs that could stop */
bool sdb__process_some_run(const struct sdb_process *process);

/** @return what the kernel shall do by itself for a process's threads */
struct sdb__ptrace_options sdb__process_options(const struct sdb_process *process);

/** It has gone, for the callers, or it was reaped: no other thread opens its memory from now on. */
void sdb__process_close_memory(struct sdb_process *process);

/**
 * Open the memory that it has now for this space, which was its own just now; any thread.
 *
 * @return 0, -ESRCH: it has gone, or as sdb__procfs_open_memory()
 */
int sdb__process_open_space(struct sdb_process *process, struct sdb__space *space);

/**
 * @return whether a process whose memory is gone has another now: it has executed a program, and the
 *         tracer thread has not seen that yet; any thread
 */
bool sdb__process_has_other_memory(struct sdb_process *process);

#endif
