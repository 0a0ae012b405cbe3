/* SPDX-License-Identifier: MIT */
/*
 * What a session knows of a process.
 */
#ifndef SDB_LIB_PROCESS_H
#define SDB_LIB_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include <sdb/process.h>

#include "thread.h"

/* What is being done with a process, which says what becomes of its stops. */
enum sdb__process_phase {
    SDB__PROCESS_HELD,      /* each is told as an event */
    SDB__PROCESS_LAUNCHING, /* none is: it goes on to its exec */
    SDB__PROCESS_ATTACHING, /* none is: it goes on to the stop that was asked for */
    SDB__PROCESS_DETACHING, /* none is: the first one is where it is let go */
};

struct sdb_process {
    struct sdb_session *session; /* NULL once it is gone */
    struct sdb_process *next;    /* in the session's list */
    unsigned references;         /* atomic; one is the session's */
    pid_t pid;
    int pidfd; /* -1: the system has none */
    bool launched;
    enum sdb__process_phase phase;
    struct sdb_thread *thread;
    bool ended;
    bool told; /* its end was reported: gone at the next wait */
    struct sdb_exit_status status;
};

/** @return a process with one running thread and one reference, in no session; or NULL */
struct sdb_process *sdb__process_create(pid_t pid, int pidfd);

/** Note that it has left its session, close its pidfd, and drop the session's reference. */
void sdb__process_gone(struct sdb_process *process);

/** @return whether the process is held and the caller is its session's tracer thread */
bool sdb__process_is_ours(const struct sdb_process *process);

#endif
