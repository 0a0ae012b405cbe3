/* SPDX-License-Identifier: MIT */
/*
 * Reaping later.  Any thread of a tracer's process may wait for its tracees.
 */
#include "kernel/reaper.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>

#include "base/signals.h"

static void *reap(void *data)
{
    const pid_t pid = (pid_t)(intptr_t)data;

    /* ECHILD: the session's thread has ended, or somebody else has taken it. */
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
    return NULL;
}

int sdb__reap_later(pid_t pid)
{
    pthread_attr_t attributes;
    pthread_t thread;
    uint64_t mask;
    int rc = -pthread_attr_init(&attributes);

    if (rc < 0)
        return rc;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    mask = sdb__signals_block_all();
    rc = -pthread_create(&thread, &attributes, reap, (void *)(intptr_t)pid);
    sdb__signals_restore(mask);
    (void)pthread_attr_destroy(&attributes);
    return rc;
}
