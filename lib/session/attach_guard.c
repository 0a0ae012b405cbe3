/* SPDX-License-Identifier: MIT */
#include "session/attach_guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/signals.h"
#include "kernel/procfs.h"
#include "session/inside.h"

/* A seize that takes longer than this may be one that waits for us. */
#define LONG_MS 5

struct reaped {
    struct reaped *next;
    pid_t tid;
    int status;
    struct rusage usage;
};

struct sdb__attach_guard {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pid_t target;
    pid_t tracer;
    uint64_t seizes; /* begun */
    bool seizing;
    bool dismissed;
    struct reaped *reaped;
};

/* A thread of the target: reap it if it is ours and has ended.  The lock is held. */
static bool reap_if_dead(pid_t tid, void *data)
{
    struct sdb__attach_guard *guard = data;
    struct sdb__procfs_status status;
    struct reaped *reaped;

    if (tid == guard->target || sdb__procfs_thread_status(guard->target, tid, &status) < 0 ||
        status.state != 'Z' || status.tracer != guard->tracer)
        return true;
    reaped = calloc(1, sizeof(*reaped));
    if (!reaped)
        return false;
    reaped->tid = sdb__reap_sibling(tid, &reaped->status, &reaped->usage);
    if (reaped->tid == 0) {
        free(reaped);
        return true;
    }
    reaped->next = guard->reaped;
    guard->reaped = reaped;
    return true;
}

static void *stand_guard(void *data)
{
    struct sdb__attach_guard *guard = data;

    pthread_mutex_lock(&guard->lock);
    while (!guard->dismissed) {
        const uint64_t seize = guard->seizes;
        const struct sdb__deadline soon = sdb__deadline_in(LONG_MS);

        (void)pthread_cond_timedwait(&guard->changed, &guard->lock, &soon.at);
        if (guard->seizing && guard->seizes == seize)
            (void)sdb__procfs_threads(guard->target, reap_if_dead, guard);
    }
    pthread_mutex_unlock(&guard->lock);
    return NULL;
}

static void init_locks(struct sdb__attach_guard *guard)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&guard->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&guard->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

int sdb__attach_guard_post(pid_t target, struct sdb__attach_guard **guard)
{
    struct sdb__attach_guard *posted = calloc(1, sizeof(*posted));
    uint64_t mask;
    int rc;

    if (!posted)
        return -ENOMEM;
    init_locks(posted);
    posted->target = target;
    posted->tracer = (pid_t)syscall(SYS_gettid);
    mask = sdb__signals_block_all();
    rc = -pthread_create(&posted->thread, NULL, stand_guard, posted);
    sdb__signals_restore(mask);
    if (rc < 0) {
        free(posted);
        return rc;
    }
    *guard = posted;
    return 0;
}

/* Take what the guard has reaped.  The lock is held. */
static struct reaped *take_reaped(struct sdb__attach_guard *guard)
{
    struct reaped *reaped = guard->reaped;

    guard->reaped = NULL;
    return reaped;
}

int sdb__attach_guard_seize(struct sdb__attach_guard *guard, struct sdb_session *session, pid_t tid,
                            const struct sdb__ptrace_options *options)
{
    struct reaped *reaped;
    struct reaped *next;
    int rc;

    pthread_mutex_lock(&guard->lock);
    guard->seizes++;
    guard->seizing = true;
    pthread_mutex_unlock(&guard->lock);

    rc = sdb__ptrace_seize(tid, options);

    pthread_mutex_lock(&guard->lock);
    guard->seizing = false;
    reaped = take_reaped(guard);
    pthread_mutex_unlock(&guard->lock);
    for (; reaped; reaped = next) {
        next = reaped->next;
        sdb__session_take(session, reaped->tid, reaped->status, &reaped->usage);
        free(reaped);
    }
    return rc;
}

void sdb__attach_guard_dismiss(struct sdb__attach_guard *guard)
{
    if (!guard)
        return;
    pthread_mutex_lock(&guard->lock);
    guard->dismissed = true;
    pthread_cond_signal(&guard->changed);
    pthread_mutex_unlock(&guard->lock);
    pthread_join(guard->thread, NULL);
    pthread_cond_destroy(&guard->changed);
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}
