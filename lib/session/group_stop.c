/* SPDX-License-Identifier: MIT */
/*
 * Group-stops, which are a state of the process.  Each has a number.
 *
 * The kernel tells of them thread by thread, and what it tells may be old when it is seen: each stop of
 * PTRACE_SEIZE's says only whether the process was in a group-stop just then.  This is how they are told
 * apart nevertheless.  When one begins, the kernel notes for each thread that it is to stop, and when a
 * SIGCONT comes, that it is to stop once more; and before a thread takes another signal, it stops for
 * that.  So once a thread was seen to have stopped in a group-stop, whoever is resumed later
 *  - and stops without being in one, tells that it is over;
 *  - and takes a signal without having stopped in it, has stopped for its end before.
 * Whoever begins the next has taken the signal for it after the end of the one before.  So that end was
 * always seen before, and no two have one number.
 */
#include <signal.h>

#include "session/inside.h"

static bool is_stopped_at(unsigned number)
{
    return number % 2 == 1;
}

/* @return whether what comes from a thread now has come after the group-stop was seen */
static bool is_later(const struct sdb_thread *thread)
{
    return thread->resumed_at == thread->process->group_stop;
}

void sdb__session_note_group_stop(struct sdb_thread *thread, bool is_stopped)
{
    struct sdb_process *process = thread->process;

    if (is_stopped) {
        if (!is_stopped_at(process->group_stop))
            process->group_stop++;
        thread->joined_stop = process->group_stop;
    } else if (is_stopped_at(process->group_stop) && is_later(thread)) {
        process->group_stop++;
    }
}

static void note_signal(const struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;

    if (is_stopped_at(process->group_stop) && is_later(thread) &&
        thread->joined_stop != process->group_stop)
        process->group_stop++;
}

void sdb__session_note_stop(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    switch (stop->kind) {
    case SDB_EVENT_SIGNAL:
        thread->process->continues += stop->signal == SIGCONT;
        if (sdb__is_stop_signal(stop->signal))
            sdb__session_note_stop_signal(thread);
        note_signal(thread);
        break;
    case SDB_EVENT_GROUP_STOP:
        thread->owes_stop_signal = false; /* a SIGCONT will do away with it */
        sdb__session_note_group_stop(thread, true);
        break;
    case SDB_EVENT_START:
    case SDB_EVENT_INTERRUPT:
    case SDB_EVENT_GROUP_CONTINUE:
        sdb__session_note_group_stop(thread, stop->in_group_stop);
        break;
    default:
        break;
    }
}
