/* SPDX-License-Identifier: MIT */
/*
 * A SIGSTOP that a thread has taken while it ran for the library: it cannot be blocked, and could not be
 * told then.
 *
 * It is not sent again, for a SIGCONT that came before that would be done away with, and the process stop
 * for good.  The kernel lets it be delivered wherever the thread stands before a signal.  So the thread is
 * asked to stop, and is taken from there to a signal that carries the SIGSTOP.
 *
 * A SIGCONT that comes while a thread stands before a stop signal has the kernel not stop anybody.  It knows
 * that of each signal anew, so not of one that came before the thread stood before the carrier: that is found
 * here, and the SIGSTOP is told no more, as if the SIGCONT had found it waiting.  An injection brings any signal
 * back by a carrier, also a stop signal that was told: then the SIGCONT is found when that is passed on.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/trace.h"
#include "kernel/procfs.h"
#include "session/inside.h"

static bool has_taken_continue(const struct sdb_thread *thread)
{
    int signal = 0;
    int status;

    return sdb__thread_runs(thread) && sdb__wait_peek_one(thread->tid, &status) == 0 &&
           sdb__status_kind(status, &signal) == SDB__STATUS_SIGNAL && signal == SIGCONT;
}

/* @return how many SIGCONTs its threads have taken, those that are still to be seen, too */
static unsigned continues_of(const struct sdb_process *process)
{
    unsigned count = process->continues;

    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next)
        count += has_taken_continue(thread);
    return count;
}

/* A SIGCONT that waits has come later than the SIGSTOP, which would have done away with it. */
static bool was_continued(const struct sdb_thread *thread, unsigned before)
{
    return sdb__ptrace_has_pending(thread->tid, SIGCONT) ||
           sdb__ptrace_process_has_pending(thread->tid, SIGCONT) ||
           continues_of(thread->process) != before;
}

void sdb__session_owe_stop_signal(struct sdb_thread *thread)
{
    siginfo_t info;

    if (sdb__ptrace_siginfo(thread->tid, &info) < 0)
        return;
    thread->owes_stop_signal = true;
    thread->stop_signal.code = info.si_code;
    thread->stop_signal.pid = info.si_pid;
    thread->stop_signal.uid = info.si_uid;
    thread->stop_signal.value = info.si_ptr;
    thread->stop_signal.continues = continues_of(thread->process);
}

/* Have the signal that it stands before be the one that it has taken. */
static void give_back(const struct sdb_thread *thread)
{
    siginfo_t info = {.si_signo = SIGSTOP, .si_code = thread->stop_signal.code};

    info.si_pid = thread->stop_signal.pid;
    info.si_uid = thread->stop_signal.uid;
    info.si_ptr = thread->stop_signal.value;
    (void)sdb__ptrace_set_siginfo(thread->tid, &info);
}

/* @return the status that it stops with next, or -1: its end is on its way */
static int run_to_stop(struct sdb_thread *thread)
{
    int status;

    if (sdb__ptrace_resume(thread->tid, SDB_RESUME_CONTINUE, 0) < 0)
        return -1;
    sdb__session_note_resumed(thread);
    if (sdb__session_await(thread, thread->tid, &status) < 0)
        return -1;
    if (sdb__tracing())
        sdb__status_trace(thread->tid, status);
    return status;
}

/* Have it stand before a signal of ours, or another SIGSTOP.  @return that, or 0: it is dying */
static int run_to_signal(struct sdb_thread *thread)
{
    for (;;) {
        const int status = run_to_stop(thread);
        int signal;

        if (status < 0)
            return 0;
        switch (sdb__status_kind(status, &signal)) {
        case SDB__STATUS_SIGNAL:
            return signal;
        case SDB__STATUS_STOP:
            sdb__session_note_group_stop(thread, signal != SIGTRAP);
            break;
        case SDB__STATUS_END:
        case SDB__STATUS_EXEC: /* of another thread, which has its id now */
            return 0;
        default:
            break;
        }
    }
}

/* All other signals wait. */
static int run_to_carrier(struct sdb_thread *thread)
{
    const int carrier = sdb__ptrace_find_carrier(thread->tid);
    uint64_t mask;
    int signal;

    if (sdb__ptrace_signal_mask(thread->tid, &mask) < 0 ||
        sdb__ptrace_set_signal_mask(thread->tid, ~SDB__SIGNAL_BIT(carrier)) < 0)
        return 0;
    if (syscall(SYS_tgkill, thread->process->pid, thread->tid, carrier) < 0) {
        (void)sdb__ptrace_set_signal_mask(thread->tid, mask);
        return 0;
    }
    do {
        signal = run_to_signal(thread);
    } while (signal == SIGSTOP); /* which is the same */
    (void)sdb__ptrace_set_signal_mask(thread->tid, mask);
    if (signal != 0)
        give_back(thread);
    return signal;
}

bool sdb__session_tell_stop_signal(struct sdb_thread *thread, struct sdb__stop *stop)
{
    int taken;

    thread->owes_stop_signal = false;
    if (was_continued(thread, thread->stop_signal.continues))
        return true;
    sdb__session_take_stop_of(thread);
    if (run_to_carrier(thread) == 0) {
        sdb__thread_stands_no_more(thread);
        sdb__thread_stop_is_coming(thread, true); /* its end */
        return false;
    }
    (void)sdb__wait_take_stop(thread->tid, &taken);
    /* In a group-stop a SIGSTOP has nothing to say.  From now on the kernel knows of a SIGCONT. */
    if (!sdb__session_has_joined_stop(thread) &&
        !was_continued(thread, thread->stop_signal.continues)) {
        thread->continues_at_signal = thread->stop_signal.continues;
        *stop =
            (struct sdb__stop){.kind = SDB_EVENT_SIGNAL, .signal = SIGSTOP, .asked = stop->asked};
        sdb__thread_set_stop(thread, stop->kind, stop->signal);
    }
    return true;
}

void sdb__session_note_stop_signal(struct sdb_thread *thread)
{
    thread->continues_at_signal = continues_of(thread->process);
}

/* A SIGCONT does not keep a signal from its handler. */
static bool has_handler(const struct sdb_thread *thread, int signal)
{
    struct sdb__procfs_status status;

    return signal != SIGSTOP &&
           (sdb__procfs_thread_status(thread->process->pid, thread->tid, &status) < 0 ||
            (status.caught_signals & SDB__SIGNAL_BIT(signal)) != 0);
}

int sdb__session_signal_to_pass(struct sdb_thread *thread, int signal)
{
    return sdb__is_stop_signal(signal) && signal == sdb__thread_pending_signal(thread) &&
                   was_continued(thread, thread->continues_at_signal) &&
                   !has_handler(thread, signal)
               ? 0
               : signal;
}
