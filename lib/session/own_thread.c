/* SPDX-License-Identifier: MIT */
/*
 * A session with a thread of its own.
 *
 * The thread waits for events and hands them to the caller's handler, and between two events it makes
 * the calls that other threads have queued.  Where nothing is held, or there is no handler, it only
 * waits for calls.  A caller waits for its call on a condition of its own.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/signals.h"
#include "session/inside.h"

struct call {
    struct call *next;
    int (*function)(struct sdb_session *session, void *data);
    void *data;
    int result;
    bool done;
};

struct sdb__session_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a call was queued or made, or the thread shall end */
    struct call *first;
    struct call *last;
    bool waits_for_event; /* it is inside the wait, and has to be woken for a call */
    bool shall_end;
    bool ready; /* it has begun, with `code` */
    int code;
    const struct sdb__features *features;
    uint64_t flags;
    sdb_session_handler *handler;
    void *handler_data;
    struct sdb_session *session;
};

/* ---- the thread ---- */

/* Make the calls that are queued.  The lock is held, but not while a call is made. */
static void make_calls(struct sdb__session_thread *own)
{
    struct call *call;

    while ((call = own->first)) {
        own->first = call->next;
        if (!own->first)
            own->last = NULL;
        pthread_mutex_unlock(&own->lock);
        call->result = call->function(own->session, call->data);
        pthread_mutex_lock(&own->lock);
        call->done = true;
        pthread_cond_broadcast(&own->changed);
    }
}

/* Wait for one event and hand it over.  The lock is held, but not meanwhile. */
static void handle_event(struct sdb__session_thread *own)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    own->waits_for_event = true;
    pthread_mutex_unlock(&own->lock);
    rc = sdb_session_wait(own->session, -1, &event);
    pthread_mutex_lock(&own->lock);
    own->waits_for_event = false;
    if (rc == -EINTR || rc == -ECHILD)
        return;
    pthread_mutex_unlock(&own->lock);
    own->handler(own->session, rc, rc == 0 ? &event : NULL, own->handler_data);
    pthread_mutex_lock(&own->lock);
}

/* All signals are blocked here; those that a fault of the thread's own raises are better not. */
static void unblock_faults(void)
{
    static const int faults[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigaddset(&set, faults[i]);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *run(void *data)
{
    struct sdb__session_thread *own = data;
    struct sdb_session *session = NULL;
    int rc = sdb__session_begin(own->features, own->flags, &session);

    unblock_faults();
    pthread_mutex_lock(&own->lock);
    if (rc == 0)
        session->own = own;
    own->session = session;
    own->code = rc;
    own->ready = true;
    pthread_cond_broadcast(&own->changed);
    while (rc == 0 && !own->shall_end) {
        if (own->first)
            make_calls(own);
        else if (own->handler && session->held.processes)
            handle_event(own);
        else
            pthread_cond_wait(&own->changed, &own->lock);
    }
    pthread_mutex_unlock(&own->lock);
    if (rc == 0)
        sdb__session_end(session);
    return NULL;
}

/* ---- its callers ---- */

static void free_thread(struct sdb__session_thread *own)
{
    pthread_cond_destroy(&own->changed);
    pthread_mutex_destroy(&own->lock);
    free(own);
}

int sdb__session_thread_start(const struct sdb__features *features,
                              const struct sdb_session_options *options,
                              struct sdb_session **session)
{
    struct sdb__session_thread *own = calloc(1, sizeof(*own));
    uint64_t mask;
    int rc;

    if (!own)
        return -ENOMEM;
    pthread_mutex_init(&own->lock, NULL);
    pthread_cond_init(&own->changed, NULL);
    own->features = features;
    own->flags = options->flags;
    own->handler = options->handler;
    own->handler_data = options->handler_data;

    /* The host's signals are for the host's threads. */
    mask = sdb__signals_block_all();
    rc = -pthread_create(&own->thread, NULL, run, own);
    sdb__signals_restore(mask);
    if (rc < 0) {
        free_thread(own);
        return rc;
    }
    pthread_mutex_lock(&own->lock);
    while (!own->ready)
        pthread_cond_wait(&own->changed, &own->lock);
    pthread_mutex_unlock(&own->lock);
    if (own->code < 0) {
        rc = own->code;
        pthread_join(own->thread, NULL);
        free_thread(own);
        return rc;
    }
    *session = own->session;
    return 0;
}

/* The lock is held. */
static void wake(struct sdb__session_thread *own)
{
    pthread_cond_broadcast(&own->changed);
    if (own->waits_for_event)
        sdb__waiter_interrupt(own->session->waiter);
}

int sdb__session_thread_end(struct sdb_session *session)
{
    struct sdb__session_thread *own = session->own;

    if (sdb__session_is_ours(session))
        return -EDEADLK;
    pthread_mutex_lock(&own->lock);
    own->shall_end = true;
    wake(own);
    pthread_mutex_unlock(&own->lock);
    pthread_join(own->thread, NULL);
    free_thread(own);
    return 0;
}

void sdb__session_thread_forget(struct sdb_session *session)
{
    free(session->own); /* in a forked child nobody can tell in which state its lock is */
    session->own = NULL;
}

int sdb_session_call(struct sdb_session *session,
                     int (*function)(struct sdb_session *session, void *data), void *data,
                     int *result)
{
    struct call call = {.function = function, .data = data};
    struct sdb__session_thread *own;

    if (!session || !function)
        return -EINVAL;
    if (sdb__session_is_copy(session))
        return -SDB_EWRONGTHREAD;
    own = session->own;
    if (!own)
        return -EINVAL;
    if (sdb__session_is_ours(session)) {
        call.result = function(session, data);
    } else {
        pthread_mutex_lock(&own->lock);
        if (own->last)
            own->last->next = &call;
        else
            own->first = &call;
        own->last = &call;
        wake(own);
        while (!call.done)
            pthread_cond_wait(&own->changed, &own->lock);
        pthread_mutex_unlock(&own->lock);
    }
    if (result)
        *result = call.result;
    return 0;
}
