/* SPDX-License-Identifier: MIT */
/*
 * What a session knows of a thread.
 */
#ifndef SDB_LIB_THREAD_H
#define SDB_LIB_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdb/event.h>
#include <sdb/thread.h>

struct sdb_thread {
    struct sdb_process *process;
    pid_t tid;
    enum sdb_thread_state state;
    uint32_t stop;        /* enum sdb_event_kind: why it stands still, if it does */
    int signal;           /* that goes with it */
    bool listening;       /* it was left in its group-stop (PTRACE_LISTEN) */
    enum sdb_resume how;  /* it was last resumed so */
    bool leaving_exec;    /* it was resumed out of its exec */
    bool interrupt_asked; /* a stop was asked for, and none has come since */
    bool queued;          /* its event waits to be told */
    struct sdb_thread *next_queued;
};

struct sdb_thread *sdb__thread_create(struct sdb_process *process, pid_t tid);
void sdb__thread_free(struct sdb_thread *thread);

/** Note that it has stopped, and why. */
void sdb__thread_stopped(struct sdb_thread *thread, uint32_t stop, int signal);

/**
 * Resume a stopped thread.
 *
 * @param signal  what the thread gets, 0 for none
 * @return 0; a thread that was killed meanwhile counts as resumed
 */
int sdb__thread_go(struct sdb_thread *thread, enum sdb_resume how, int signal);

/** Resume a thread in a group-stop so that it stays stopped until a SIGCONT. */
int sdb__thread_listen(struct sdb_thread *thread);

/**
 * Ask a running thread to stop.  The kernel keeps a request that comes when the thread has already
 * stopped for another reason, so one that is under way is not made again.
 */
int sdb__thread_ask_to_stop(struct sdb_thread *thread);

/** The signal that reaches it if nobody says otherwise, or 0. */
int sdb__thread_pending_signal(const struct sdb_thread *thread);

#endif
