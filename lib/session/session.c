/* SPDX-License-Identifier: MIT */
/*
 * Sessions: creating and destroying them, and what is asked of a session as a whole.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/trace.h"
#include "base/versioned.h"
#include "launch/child.h"
#include "session/inside.h"

/* It was first published with its handler. */
#define OPTIONS_SIZE_OF_VERSION_0_1 sizeof(struct sdb_session_options)
#define KNOWN_FLAGS                 (SDB_SESSION_NO_IO_URING | SDB_SESSION_OWN_THREAD)

/* ---- beginning and end ---- */

static void free_session(struct sdb_session *session, bool in_fork)
{
    while (session->held.processes)
        sdb__session_remove(session->held.processes);
    sdb__session_forget_departed(session);
    sdb__features_session_ends(session);
    sdb__thread_table_free(&session->held.threads);
    sdb__orphans_free(&session->orphans);
    sdb__space_close(session->spare_space);
    sdb__waiter_close(session->waiter, in_fork);
    if (session->mark)
        munmap(session->mark, session->mark_size);
    free(session);
}

static int make_mark(struct sdb_session *session)
{
    void *page;

    session->mark_size = (size_t)sysconf(_SC_PAGESIZE);
    page =
        mmap(NULL, session->mark_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -ENOMEM;
    session->mark = page;
    *session->mark = 1;
    return madvise(page, session->mark_size, MADV_WIPEONFORK) < 0 ? -errno : 0;
}

int sdb__session_begin(const struct sdb__features *features, uint64_t flags,
                       struct sdb_session **session)
{
    struct sdb__slot_sizes sizes;
    struct sdb__moments moments;
    struct sdb_session *created;
    int rc;

    if (sdb__session_of_this_thread && sdb__session_is_ours(sdb__session_of_this_thread))
        return -EBUSY;
    sdb__trace_from_environment();
    sdb__features_measure(features, &sizes, &moments);
    created = sdb__slots_allocate(sizeof(*created), offsetof(struct sdb_session, slots),
                                  sizes.of_session);
    if (!created)
        return -ENOMEM;
    created->held.slot_sizes = sizes;
    created->features = features;
    created->moments = moments;
    rc = make_mark(created);
    if (rc == 0)
        rc = sdb__waiter_open(flags & SDB_SESSION_NO_IO_URING, &created->waiter);
    if (rc < 0) {
        free_session(created, false);
        return rc;
    }
    sdb__child_set_tender(sdb__session_tend_leaving);
    sdb__session_of_this_thread = created;
    *session = created;
    return 0;
}

void sdb__session_end(struct sdb_session *session)
{
    const bool in_fork = sdb__session_is_copy(session);

    if (!in_fork)
        sdb__session_release_all(session);
    free_session(session, in_fork);
    if (sdb__session_of_this_thread == session)
        sdb__session_of_this_thread = NULL;
}

int sdb__session_create(const struct sdb__features *features,
                        const struct sdb_session_options *options, struct sdb_session **session)
{
    struct sdb_session_options ours = SDB_SESSION_OPTIONS_INIT;
    int rc = 0;

    if (!session)
        return -EINVAL;
    if (options)
        rc = sdb__struct_import(&ours, sizeof(ours), OPTIONS_SIZE_OF_VERSION_0_1, options);
    if (rc < 0)
        return rc;
    if ((ours.flags & ~KNOWN_FLAGS) || (ours.handler && !(ours.flags & SDB_SESSION_OWN_THREAD)))
        return -EINVAL;
    return ours.flags & SDB_SESSION_OWN_THREAD ? sdb__session_thread_start(features, &ours, session)
                                               : sdb__session_begin(features, ours.flags, session);
}

int sdb_session_destroy(struct sdb_session *session)
{
    if (!session)
        return 0;
    if (sdb__session_is_copy(session)) {
        if (session->own)
            sdb__session_thread_forget(session);
    } else if (session->own) {
        return sdb__session_thread_end(session);
    } else if (!sdb__session_is_ours(session)) {
        return -SDB_EWRONGTHREAD;
    }
    sdb__session_end(session);
    return 0;
}

/* ---- policies and lists ---- */

int sdb_session_set_signal_policy(struct sdb_session *session, int signal,
                                  enum sdb_signal_policy policy)
{
    if (!session)
        return -EINVAL;
    if (!sdb__session_is_ours(session))
        return -SDB_EWRONGTHREAD;
    if (signal < 0 || signal > SIGRTMAX || signal == SIGKILL ||
        (policy != SDB_POLICY_REPORT && policy != SDB_POLICY_PASS && policy != SDB_POLICY_DROP))
        return -EINVAL;
    for (int each = 1; each < NSIG; each++) {
        if (signal == 0 || each == signal)
            session->signal_policies[each] = (uint8_t)policy;
    }
    return 0;
}

struct sdb_process *sdb_session_next_process(const struct sdb_session *session,
                                             const struct sdb_process *after)
{
    struct sdb_process *process;

    if (!session)
        return NULL;
    process = after ? after->next : session->held.processes;
    while (process && (process->ended || process->released || sdb__process_is_hidden(process)))
        process = process->next;
    return process;
}

struct sdb_thread *sdb_session_find_thread(const struct sdb_session *session, int32_t tid)
{
    struct sdb_thread *thread =
        session ? sdb__thread_table_find(&session->held.threads, tid) : NULL;

    return thread && !sdb__process_is_hidden(thread->process) ? thread : NULL;
}
