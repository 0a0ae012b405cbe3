/* SPDX-License-Identifier: MIT */
/*
 * Threads: their state, and what is asked of one thread.
 *
 * The state is what the session has learnt, so it is checked before the kernel is asked: a thread
 * that it knows to be stopped answers every request, unless somebody has killed it since; then the
 * kernel says ESRCH, and the thread's end is on its way.
 */
#include "held/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <sdb/error.h>

#include "breakpoint/breakpoint.h"
#include "held/process.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "step/step.h"

int sdb__thread_create(struct sdb_process *process, pid_t tid, struct sdb_thread **thread)
{
    struct sdb_thread *created = calloc(1, sizeof(*created));

    if (!created)
        return -ENOMEM;
    created->tid = tid;
    if (sdb__thread_table_add(&process->session->threads, created) < 0) {
        free(created);
        return -ENOMEM;
    }
    created->references = 1;
    created->process = sdb_process_retain(process);
    created->next = process->threads;
    if (process->threads)
        process->threads->previous = created;
    process->threads = created;
    process->thread_count++;
    sdb__thread_set_state(created, SDB_THREAD_RUNNING);
    *thread = created;
    return 0;
}

/* Its stop is none any more, and what the kernel says of it next is news. */
static void forget_stop(struct sdb_thread *thread)
{
    struct sdb_session *session = thread->process->session;

    if (session && session->stop_to_take == thread->tid)
        session->stop_to_take = 0;
}

void sdb__thread_gone(struct sdb_thread *thread)
{
    struct sdb_process *process = thread->process;

    forget_stop(thread);
    sdb__step_cancel(thread);
    sdb__thread_set_state(thread, SDB_THREAD_GONE);
    sdb_thread_close(thread->newborn);
    thread->newborn = NULL;
    if (process->session)
        sdb__thread_table_remove(&process->session->threads, thread);
    if (thread->previous)
        thread->previous->next = thread->next;
    else
        process->threads = thread->next;
    if (thread->next)
        thread->next->previous = thread->previous;
    thread->next = NULL;
    thread->previous = NULL;
    process->thread_count--;
    sdb_thread_close(thread);
}

void sdb__thread_ended(struct sdb_thread *thread, const struct sdb_exit_status *status)
{
    const struct sdb_exit_status unknown = {.size = sizeof(unknown),
                                            .pid = thread->tid,
                                            .how = SDB_EXITED,
                                            .code = -1,
                                            .flags = SDB_EXIT_NO_USAGE};

    /* Others may get its id from now on. */
    sdb__thread_table_remove(&thread->process->session->threads, thread);
    thread->ended = true;
    sdb__step_cancel(thread);
    thread->status = status ? *status : unknown;
    sdb__thread_set_state(thread, SDB_THREAD_GONE);
}

void sdb__thread_set_state(struct sdb_thread *thread, enum sdb_thread_state state)
{
    struct sdb_process *process = thread->process;

    if (thread->state == SDB_THREAD_RUNNING)
        process->running_count--;
    if (state == SDB_THREAD_RUNNING)
        process->running_count++;
    thread->state = state;
}

void sdb__thread_stopped(struct sdb_thread *thread, uint32_t stop, int signal)
{
    sdb__thread_set_state(thread, SDB_THREAD_STOPPED);
    thread->stop = stop;
    thread->signal = signal;
    thread->listening = false;
    thread->group_stop_over = false;
    thread->in_vfork = false;
    thread->cannot_stop = false;
    thread->interrupt_asked = false;
    if (thread->watch_hits)
        thread->watch_hits->count = 0;
    thread->debug.fired_known = false;
    thread->calls.stop_known = false;
    if (sdb__registers_are_known(&thread->registers))
        sdb__registers_forget(thread);
}

/* Note that it runs.  What its stop was about is forgotten. */
static int resumed(struct sdb_thread *thread, enum sdb_resume how, int rc)
{
    if (rc < 0 && rc != -ESRCH)
        return rc;
    forget_stop(thread);
    thread->leaving_exec = thread->stop == SDB_EVENT_EXEC;
    /* Without the event of its end /proc has to tell. */
    thread->in_vfork = thread->stop == SDB_EVENT_VFORK &&
                       (sdb__process_options(thread->process).follow & SDB_FOLLOW_VFORK);
    thread->came_from = thread->stop;
    thread->stop = SDB_EVENT_NONE;
    thread->how = how;
    if (how == SDB_RESUME_STEP)
        thread->step_trap_due = true;
    thread->against_stop = thread->in_group_stop
                               ? !thread->listening
                               : thread->against_stop && thread->stop != SDB_EVENT_INTERRUPT;
    thread->in_group_stop = false;
    thread->paused = false;
    thread->process->gathered = false;
    if (thread->newborn)
        sdb_thread_close(thread->newborn);
    thread->newborn = NULL;
    thread->hit_count = 0;
    if (thread->process->space->sites)
        thread->changes_seen = thread->process->space->sites->changes;
    sdb__thread_set_state(thread, SDB_THREAD_RUNNING);
    return 0;
}

void sdb__thread_runs_unseen(struct sdb_thread *thread)
{
    (void)resumed(thread, thread->how, 0);
}

/* It has executed the instruction that it was to step over, without having been resumed for that. */
static int finish_step(struct sdb_thread *thread)
{
    (void)sdb__registers_flush(thread);
    (void)resumed(thread, SDB_RESUME_STEP, 0);
    thread->step_trap_due = false;
    sdb__thread_stopped(thread, SDB_EVENT_STEP, 0);
    sdb__session_enqueue(thread->process->session, thread);
    return 0;
}

/* It has come to an int3 of the program's own, whose signal is dealt with as any other is. */
static int take_own_trap(struct sdb_thread *thread, enum sdb_resume how)
{
    const uint8_t policy = thread->process->phase == SDB__PROCESS_HELD
                               ? thread->process->session->signal_policies[SIGTRAP]
                               : (uint8_t)SDB_POLICY_PASS;

    (void)sdb__registers_flush(thread);
    if (policy != SDB_POLICY_REPORT)
        return resumed(
            thread, how,
            sdb__ptrace_resume(thread->tid, how, policy == SDB_POLICY_PASS ? SIGTRAP : 0));
    thread->hit_count = 0;
    sdb__session_enqueue(thread->process->session, thread);
    return 0;
}

/*
 * The kernel takes the trap flag of a step for the program's own if it steps over an instruction that
 * loads the flags, and leaves it set.  So it is looked at before the first step and after the last.
 */
static void mind_trap_flag(struct sdb_thread *thread, enum sdb_resume how)
{
    struct user_regs_struct *registers;

    if ((how == SDB_RESUME_STEP) == (thread->how == SDB_RESUME_STEP) ||
        sdb__registers_general(thread, &registers) < 0)
        return;
    if (how == SDB_RESUME_STEP) {
        thread->has_trap_flag = registers->eflags & SDB__TRAP_FLAG;
    } else if ((registers->eflags & SDB__TRAP_FLAG) && !thread->has_trap_flag) {
        registers->eflags &= ~SDB__TRAP_FLAG;
        sdb__registers_changed(thread);
    }
}

int sdb__thread_go(struct sdb_thread *thread, enum sdb_resume how, int signal)
{
    enum sdb_resume request;

    switch (thread->at_site ? sdb__breakpoint_leave(thread, how, signal) : SDB__LEAVE_GO) {
    case SDB__LEAVE_DONE:
        return finish_step(thread);
    case SDB__LEAVE_UNSEEN:
        return resumed(thread, how, 0);
    case SDB__LEAVE_GONE:
        return 0;
    case SDB__LEAVE_OWN_TRAP:
        return take_own_trap(thread, how);
    case SDB__LEAVE_GO:
        break;
    }
    mind_trap_flag(thread, how);
    /* It was born since they were set, or could not stop then. */
    if (thread->debug.generation != thread->process->debug.generation)
        (void)sdb__debug_update(thread);
    if (signal == SIGTRAP && sdb__trap_signal_is_ignored(thread->process))
        signal = 0;
    request = sdb__calls_resume(thread, how);
    if (sdb__registers_are_known(&thread->registers))
        (void)sdb__registers_flush(thread); /* ESRCH: it was killed, as the kernel says again */
    return resumed(thread, how, sdb__ptrace_resume(thread->tid, request, signal));
}

int sdb__thread_go_on(struct sdb_thread *thread, enum sdb_resume how)
{
    int taken;
    int rc;

    if (!thread->in_group_stop || how != SDB_RESUME_CONTINUE)
        return sdb__thread_go(thread, how, sdb__thread_pending_signal(thread));
    (void)sdb__registers_flush(thread);
    thread->listening = true;
    (void)sdb__wait_take_stop(thread->tid,
                              &taken); /* it stays in it: what comes next shall be told from it */
    rc = resumed(thread, how, sdb__ptrace_listen(thread->tid));
    /* What the interrupt brings is told as the end of the group-stop that it listens for. */
    if (rc == 0 && thread->group_stop_over)
        rc = sdb__thread_ask_to_stop(thread);
    return rc;
}

int sdb__thread_ask_to_stop(struct sdb_thread *thread)
{
    int rc;

    if (thread->interrupt_asked)
        return 0;
    rc = sdb__ptrace_interrupt(thread->tid);
    /* ESRCH: it is dying, and its end is the event that follows. */
    if (rc < 0 && rc != -ESRCH)
        return rc;
    thread->interrupt_asked = true;
    return 0;
}

int sdb__thread_pending_signal(const struct sdb_thread *thread)
{
    return thread->stop == SDB_EVENT_SIGNAL || thread->stop == SDB_EVENT_WATCHPOINT ? thread->signal
                                                                                    : 0;
}

int sdb__thread_check_caller(const struct sdb_thread *thread)
{
    if (!thread)
        return -EINVAL;
    if (!sdb__process_is_ours(thread->process))
        return -SDB_EWRONGTHREAD;
    return sdb_thread_state(thread) == SDB_THREAD_GONE ? -ESRCH : 0;
}

int sdb__thread_check_stopped(const struct sdb_thread *thread)
{
    enum sdb_thread_state state;

    if (!thread)
        return -EINVAL;
    if (!sdb__process_is_ours(thread->process))
        return -SDB_EWRONGTHREAD;
    state = sdb_thread_state(thread);
    if (state == SDB_THREAD_STOPPED)
        return 0;
    return state == SDB_THREAD_GONE ? -ESRCH : -EBUSY;
}

int sdb__thread_check_told(const struct sdb_thread *thread)
{
    int rc = sdb__thread_check_stopped(thread);

    return rc == 0 && thread->queued ? -EBUSY : rc;
}

int32_t sdb_thread_tid(const struct sdb_thread *thread)
{
    return thread ? thread->tid : -EINVAL;
}

struct sdb_process *sdb_thread_process(const struct sdb_thread *thread)
{
    return thread ? thread->process : NULL;
}

enum sdb_thread_state sdb_thread_state(const struct sdb_thread *thread)
{
    /* One whose process was detached may not have gone yet, but has for the caller. */
    if (!thread || sdb__process_is_hidden(thread->process))
        return SDB_THREAD_GONE;
    /* For the caller it runs until its stop has been told, or the process was stopped as a whole. */
    if (thread->state == SDB_THREAD_STOPPED &&
        (thread->paused || (thread->queued && !thread->process->gathered)))
        return SDB_THREAD_RUNNING;
    return thread->state;
}

bool sdb__resume_is_known(enum sdb_resume how)
{
    return how == SDB_RESUME_CONTINUE || how == SDB_RESUME_STEP || how == SDB_RESUME_SYSCALL;
}

int sdb_thread_resume(struct sdb_thread *thread, enum sdb_resume how, int signal)
{
    int rc = sdb__thread_check_told(thread);

    if (rc == -ESRCH && thread->queued)
        return 0; /* it was killed since, and that is still to be told */
    if (rc < 0)
        return rc;
    if (!sdb__resume_is_known(how) || signal < SDB_SIGNAL_PASS ||
        (signal > 0 && (signal > SIGRTMAX || thread->stop != SDB_EVENT_SIGNAL)))
        return -EINVAL;
    if (how != SDB_RESUME_CONTINUE && thread->step_target)
        sdb__step_cancel(thread);
    return signal == SDB_SIGNAL_PASS ? sdb__thread_go_on(thread, how)
                                     : sdb__thread_go(thread, how, signal);
}

int sdb_thread_interrupt(struct sdb_thread *thread)
{
    int rc = sdb__thread_check_caller(thread);

    if (rc < 0)
        return rc;
    if (thread->state == SDB_THREAD_STOPPED) {
        thread->interrupt_wanted = thread->paused;
        return sdb_thread_state(thread) == SDB_THREAD_STOPPED ? -EALREADY : 0;
    }
    rc = sdb__thread_ask_to_stop(thread);
    if (rc == 0)
        thread->interrupt_wanted = true;
    return rc;
}

int sdb_thread_pc(struct sdb_thread *thread, uint64_t *address)
{
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!address)
        return -EINVAL;
    return sdb__registers_get_pc(thread, address);
}

int sdb_thread_siginfo(struct sdb_thread *thread, void *info, size_t size)
{
    int rc = sdb__thread_check_stopped(thread);

    if (rc < 0)
        return rc;
    if (!info || size != sizeof(siginfo_t) || thread->stop != SDB_EVENT_SIGNAL)
        return -EINVAL;
    return sdb__ptrace_siginfo(thread->tid, info);
}

void sdb_thread_set_data(struct sdb_thread *thread, void *data)
{
    if (thread)
        thread->data = data;
}

void *sdb_thread_data(const struct sdb_thread *thread)
{
    return thread ? thread->data : NULL;
}

struct sdb_thread *sdb_thread_retain(struct sdb_thread *thread)
{
    if (thread)
        __atomic_add_fetch(&thread->references, 1, __ATOMIC_RELAXED);
    return thread;
}

void sdb_thread_close(struct sdb_thread *thread)
{
    if (!thread || __atomic_sub_fetch(&thread->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    sdb__registers_forget(thread);
    sdb_process_close(thread->process);
    free(thread->hits);
    free(thread->watch_hits);
    free(thread);
}
