/* SPDX-License-Identifier: MIT */
/*
 * How a thread stops and goes on: what is noted of it, and the one way by which the kernel resumes it.
 *
 * What always holds: a thread that goes on while it has a reason to stand has been asked to stop.
 */
#include <errno.h>
#include <signal.h>

#include "session/inside.h"

/* ---- stopping ---- */

int sdb__session_tell_options(struct sdb_thread *thread)
{
    const struct sdb__ptrace_options options = sdb__process_options(thread->process);
    const int rc = sdb__ptrace_set_options(thread->tid, &options);

    thread->options_due = rc < 0;
    return rc;
}

void sdb__session_stopped(struct sdb_thread *thread, uint32_t kind, int signal)
{
    sdb__thread_set_doing(thread, SDB__STANDS);
    sdb__thread_set_stop(thread, kind, signal);
    sdb__thread_stop_is_coming(thread, false);
    thread->hindrance = SDB__HINDERED_NOT;
    thread->teller = NULL;
    if (sdb__registers_are_known(&thread->registers))
        sdb__registers_forget(thread);
    if (thread->options_due)
        (void)sdb__session_tell_options(thread); /* ESRCH: it was killed, and its end comes next */
}

/* The kernel keeps a request that comes when the thread has already stopped for another reason. */
int sdb__session_ask_to_stop(struct sdb_thread *thread)
{
    int rc;

    if (thread->stop_is_coming)
        return 0;
    rc = sdb__ptrace_interrupt(thread->tid);
    /* ESRCH: it is dying, and its end is the event that follows. */
    if (rc < 0 && rc != -ESRCH)
        return rc;
    sdb__thread_stop_is_coming(thread, true);
    return 0;
}

/* A thread that still stands in the stop that was looked at last would be seen again and again. */
void sdb__session_take_last_stop(struct sdb_session *session)
{
    int taken;

    if (session->stop_to_take == 0)
        return;
    (void)sdb__wait_take_stop(session->stop_to_take, &taken);
    session->stop_to_take = 0;
}

void sdb__session_take_stop_of(struct sdb_thread *thread)
{
    if (thread->process->session->stop_to_take == thread->tid)
        sdb__session_take_last_stop(thread->process->session);
}

/* ---- going on ---- */

static bool waits_for_vfork(const struct sdb_thread *thread)
{
    /* Without the event of its end /proc has to tell. */
    return thread->stop == SDB_EVENT_VFORK &&
           (sdb__process_options(thread->process).follow & SDB_FOLLOW_VFORK);
}

/* Note that it runs, or listens.  What its stop was about is forgotten. */
static int resumed(struct sdb_thread *thread, enum sdb__doing doing, enum sdb_resume how, int rc)
{
    if (rc < 0 && rc != -ESRCH)
        return rc;
    sdb__session_forget_stop_of(thread->process->session, thread->tid);
    thread->hindrance = waits_for_vfork(thread) ? SDB__HINDERED_BY_VFORK : SDB__HINDERED_NOT;
    thread->came_from = thread->stop;
    thread->how = how;
    thread->in_group_stop = false;
    if (thread->newborn)
        sdb_thread_close(thread->newborn);
    thread->newborn = NULL;
    thread->process->gathered = false;
    if (thread->process->features & thread->process->session->moments.resumed)
        sdb__features_resumed(thread);
    sdb__thread_set_doing(thread, doing);
    sdb__thread_set_stop(thread, SDB_EVENT_NONE, 0);
    return 0;
}

/* It has gone on and stopped again, which is still to be seen. */
static int runs_unseen(struct sdb_thread *thread, enum sdb_resume how)
{
    (void)resumed(thread, SDB__RUNS, how, 0);
    sdb__thread_stop_is_coming(thread, true);
    return 0;
}

void sdb__session_runs_unseen(struct sdb_thread *thread)
{
    (void)runs_unseen(thread, thread->how);
}

/* It has executed the instruction that it was to step over, without having been resumed for that. */
static int finish_step(struct sdb_thread *thread)
{
    (void)sdb__registers_flush(thread);
    sdb__session_take_stop_of(thread); /* it stands in it still, and it would be seen again */
    (void)resumed(thread, SDB__RUNS, SDB_RESUME_STEP, 0);
    thread->step_due = false;
    sdb__session_stopped(thread, SDB_EVENT_STEP, 0);
    sdb__session_enqueue(thread->process->session, thread);
    return 0;
}

static int do_resume(struct sdb_thread *thread, const struct sdb__resume *resume)
{
    int rc;

    if (sdb__registers_are_known(&thread->registers))
        (void)sdb__registers_flush(thread); /* ESRCH: it was killed, as the kernel says again */
    if (thread->reasons || thread->owes_stop_signal || sdb__session_must_join_stop(thread))
        (void)sdb__session_ask_to_stop(thread);
    if (sdb__session_is_spared(thread, resume->signal) && sdb__session_end_spared(thread))
        return runs_unseen(thread, resume->how);
    rc = sdb__ptrace_resume(thread->tid, resume->request,
                            sdb__session_signal_to_pass(thread, resume->signal));
    thread->request = resume->request;
    if (resume->request == SDB_RESUME_STEP)
        thread->step_due = true;
    sdb__session_note_resumed(thread);
    return resumed(thread, SDB__RUNS, resume->how, rc);
}

/* What is done with a signal that a thread stands before. */
static uint8_t policy_of(const struct sdb_thread *thread, int signal)
{
    return thread->process->phase == SDB__PROCESS_HELD
               ? thread->process->session->signal_policies[signal]
               : (uint8_t)SDB_POLICY_PASS;
}

/* It stands before a signal of its program, which is dealt with as any other is. */
static int take_signal(struct sdb_thread *thread, enum sdb_resume how)
{
    const uint8_t policy = policy_of(thread, thread->signal);
    const struct sdb__resume resume = {
        .how = how, .request = how, .signal = policy == SDB_POLICY_PASS ? thread->signal : 0};

    if (policy != SDB_POLICY_REPORT)
        return do_resume(thread, &resume);
    (void)sdb__registers_flush(thread);
    sdb__session_enqueue(thread->process->session, thread);
    return 0;
}

/* @return how far the features have got it ready */
static enum sdb__going get_ready(struct sdb_thread *thread, struct sdb__resume *resume)
{
    enum sdb__going going;

    /* They may stop the others, and have them go on; not this one. */
    sdb__thread_want(thread, SDB__REASON_WORK);
    going = sdb__features_resume(thread, resume);
    if (going != SDB__GOING_ENDED)
        sdb__thread_unwant(thread, SDB__REASON_WORK);
    return going;
}

/*
 * What it stands before is told behind what was told of it.
 *
 * @param signal  gets what it is to get, if that is not told
 * @return whether it is
 */
static bool tell_signal_behind(struct sdb_thread *thread, int *signal)
{
    const uint8_t policy = policy_of(thread, thread->signal_behind);

    sdb__thread_set_stop(thread, SDB_EVENT_SIGNAL, thread->signal_behind);
    thread->signal_behind = 0;
    *signal = policy == SDB_POLICY_PASS ? thread->signal : 0;
    if (policy == SDB_POLICY_REPORT)
        sdb__session_enqueue(thread->process->session, thread);
    return policy == SDB_POLICY_REPORT;
}

int sdb__session_go(struct sdb_thread *thread, enum sdb_resume how, int signal)
{
    struct sdb_process *process = thread->process;
    const struct sdb__moments *moments = &process->session->moments;
    struct sdb__resume resume = {.how = how, .request = how, .signal = signal};

    if (thread->signal_behind != 0 && tell_signal_behind(thread, &resume.signal))
        return 0;
    process->features |= moments->used_by[how];
    switch (process->features & moments->resume ? get_ready(thread, &resume) : SDB__GOING_READY) {
    case SDB__GOING_DONE:
        return finish_step(thread);
    case SDB__GOING_SEEN:
        return runs_unseen(thread, how);
    case SDB__GOING_ENDED:
        return 0;
    case SDB__GOING_STOP:
        return take_signal(thread, how);
    case SDB__GOING_READY:
        break;
    }
    return do_resume(thread, &resume);
}

/* Leave it in its group-stop: what comes next is told from there. */
static int listen(struct sdb_thread *thread)
{
    int taken;
    int rc;

    (void)sdb__registers_flush(thread);
    (void)sdb__wait_take_stop(thread->tid, &taken);
    if (sdb__session_has_joined_stop(thread))
        thread->owes_stop_signal = false;
    rc = resumed(thread, SDB__LISTENS, SDB_RESUME_CONTINUE, sdb__ptrace_listen(thread->tid));
    sdb__session_note_resumed(thread);
    /* An injection has seen its end, or the next, which the kernel does not tell again unasked. */
    if (rc == 0 &&
        (thread->reasons || !sdb__session_has_joined_stop(thread) ||
         (thread->process->phase == SDB__PROCESS_HELD && thread->told_stop != thread->joined_stop)))
        rc = sdb__session_ask_to_stop(thread);
    return rc;
}

int sdb__session_go_on(struct sdb_thread *thread, enum sdb_resume how)
{
    return thread->in_group_stop && how == SDB_RESUME_CONTINUE
               ? listen(thread)
               : sdb__session_go(thread, how, sdb__thread_pending_signal(thread));
}

int sdb__session_resume(struct sdb_thread *thread, enum sdb_resume how, int signal)
{
    const bool as_it_was = how == SDB_RESUME_CONTINUE && signal == SDB_SIGNAL_PASS;
    int rc;

    sdb__thread_unwant(thread, SDB__REASON_HOLD);
    /* Whoever was not told of a group-stop does not run against it. */
    thread->against_stop = as_it_was ? 0 : thread->told_stop;
    rc = signal == SDB_SIGNAL_PASS ? sdb__session_go_on(thread, how)
                                   : sdb__session_go(thread, how, signal);
    if (rc < 0)
        sdb__thread_want(thread, SDB__REASON_HOLD);
    return rc;
}

void sdb__session_settle(struct sdb_thread *thread)
{
    if (thread->reasons)
        return;
    if (thread->in_group_stop && thread->against_stop != thread->joined_stop)
        (void)listen(thread);
    else
        (void)sdb__session_go(thread, thread->how, sdb__thread_pending_signal(thread));
}

void sdb__session_untell(struct sdb_thread *thread)
{
    sdb__session_unqueue_thread(thread);
    /* Where the whole process was stopped it stays. */
    if (thread->process->gathered)
        return;
    sdb__thread_unwant(thread, SDB__REASON_HOLD);
    sdb__session_settle(thread);
}
