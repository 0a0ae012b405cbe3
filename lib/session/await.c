/* SPDX-License-Identifier: MIT */
/*
 * Waiting for one thread.
 */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "kernel/procfs.h"
#include "kernel/ptrace.h"
#include "kernel/status.h"
#include "session/session.h"

/* How often it is looked whether the thread has stopped, before there are breaks; and how long they are. */
#define MOST_TURNS       100
#define FIRST_PAUSE_NS   20000
#define LONGEST_PAUSE_NS 1000000

int sdb__session_await(struct sdb_thread *thread, pid_t tid, int *status)
{
    struct timespec pause = {.tv_nsec = FIRST_PAUSE_NS};
    struct sdb__procfs_status task;

    for (int turn = 0;; turn++) {
        int rc = sdb__wait_peek_one(tid, status);
        int stolen;

        if (rc != -EAGAIN)
            return rc < 0 ? -ESRCH : 0;
        if (turn < MOST_TURNS) {
            sched_yield();
            continue;
        }
        if (sdb__procfs_status(tid, &task) < 0 || task.state == 'Z' || task.state == 'X')
            return -ESRCH;
        if (task.state == 't' && sdb__status_restore(tid, &stolen) == 0 &&
            sdb__wait_peek_one(tid, status) == -EAGAIN) {
            thread->process->session->stolen = true;
            *status = stolen;
            return 0;
        }
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < LONGEST_PAUSE_NS)
            pause.tv_nsec *= 2;
    }
}
