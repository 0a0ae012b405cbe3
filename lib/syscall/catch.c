/* SPDX-License-Identifier: MIT */
/*
 * Catching system calls.
 *
 * Without a filter, or for calls that are not in it, a thread is resumed by PTRACE_SYSCALL: each end of
 * each call stops it, and those that are not caught pass without a word.  With a filter that suffices it
 * is resumed by PTRACE_CONT.  Then the filter stops it at the beginning of a call (PTRACE_EVENT_SECCOMP),
 * and PTRACE_SYSCALL from there stops it at the end.
 *
 * Where both are in use, a call that the filter picks has two stops at its beginning: the system call
 * stop, then the filter's.  It is told with the first.  A thread that leaves a system call stop at a
 * beginning is always watched on, so that what comes next says whether the filter has picked that call.
 *
 * A call that waits is interrupted when the library stops the thread, and the kernel makes it again.  Of
 * that nothing is told: neither the end, nor the new beginning.  Should a signal come in between, the end
 * is told after all, and the signal behind it.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "breakpoint/breakpoint.h"
#include "breakpoint/scratch.h"
#include "launch/plan.h"
#include "session/session.h"
#include "syscall/calls.h"

static struct sdb__catching *catching_of(const struct sdb_process *process)
{
    return process->slots[SDB__SYSCALL_SLOT];
}

/* The kernel knows only of the slot that a call is made in. */
static void show_own_place(const struct sdb_thread *thread, uint64_t *instruction_pointer)
{
    const struct sdb__scratch_slot *slot;
    uint64_t start;

    slot = sdb__scratch_find(sdb__sites(thread->process->space), *instruction_pointer, &start);
    if (slot)
        *instruction_pointer = slot->site->next;
}

int sdb__calls_look(struct sdb_thread *thread)
{
    struct sdb__calls *calls = sdb__calls(thread);
    int rc;

    if (calls->stop_known)
        return 0;
    rc = sdb__ptrace_call(thread->tid, &calls->stop);
    if (rc < 0)
        return rc == -ESRCH ? rc : -ENOSYS;
    calls->stop_known = true;
    show_own_place(thread, &calls->stop.instruction_pointer);
    if (thread->stop == SDB_EVENT_SYSCALL_ENTRY && !calls->entry_known && !calls->interrupted) {
        calls->entry_known = true;
        calls->entry.architecture = calls->stop.architecture;
        calls->entry.number = calls->stop.number;
        for (int i = 0; i < 6; i++)
            calls->entry.arguments[i] = calls->stop.arguments[i];
    }
    return 0;
}

/* Have what a refused call returns be what it shall. */
static void put_refusal(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;

    if (sdb__registers_general(thread, &registers) < 0)
        return; /* it was killed just now */
    sdb__registers_set_result(registers, -sdb__calls(thread)->refused);
    sdb__registers_changed(thread);
}

/* ---- calls that the library has interrupted ---- */

static bool is_made_again(int64_t result)
{
    return result == -SDB__ERESTARTSYS || result == -SDB__ERESTARTNOINTR ||
           result == -SDB__ERESTARTNOHAND || result == -SDB__ERESTART_RESTARTBLOCK;
}

/* The number of the call that a thread stands behind. */
static bool read_number(struct sdb_thread *thread, uint32_t architecture, int64_t *number)
{
    struct user_regs_struct *registers;
    uint64_t arguments[6];

    if (sdb__registers_general(thread, &registers) < 0)
        return false;
    sdb__registers_call(registers, architecture, number, arguments);
    return true;
}

/* @return whether the call at whose end a thread stands has ended only because it was asked to stop */
static bool note_interrupted(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb__calls *calls = sdb__calls(thread);

    if (!stop->asked || calls->refused != 0 || sdb__calls_look(thread) < 0 ||
        !is_made_again(calls->stop.result))
        return false;
    calls->interrupted_end.architecture = calls->stop.architecture;
    calls->interrupted_end.instruction_pointer = calls->stop.instruction_pointer;
    calls->interrupted_end.stack_pointer = calls->stop.stack_pointer;
    calls->interrupted_end.result = calls->stop.result;
    calls->interrupted =
        read_number(thread, calls->stop.architecture, &calls->interrupted_end.number);
    return calls->interrupted;
}

/* The same of one whose end does not stop the thread. */
static bool note_interrupted_inside(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb__calls *calls = sdb__calls(thread);
    struct user_regs_struct *registers;
    int64_t number = -1;

    if (!stop->asked || !calls->caught || thread->came_from != SDB_EVENT_SYSCALL_ENTRY ||
        sdb__registers_general(thread, &registers) < 0 || !sdb__registers_will_restart(registers) ||
        !read_number(thread, calls->entry.architecture, &number) ||
        (number != calls->entry.number && !sdb__call_is_restart(calls->entry.architecture, number)))
        return false;
    calls->interrupted_end.number = number; /* its end is not told */
    calls->interrupted = true;
    return true;
}

/* @return whether what a thread stands at the beginning of is the call that was interrupted */
static bool is_taken_up_again(struct sdb_thread *thread)
{
    struct sdb__calls *calls = sdb__calls(thread);
    const bool is_same = calls->interrupted && sdb__calls_look(thread) == 0 &&
                         (calls->stop.number == calls->interrupted_end.number ||
                          sdb__call_is_restart(calls->stop.architecture, calls->stop.number));

    if (calls->interrupted && !is_same)
        calls->stop_known = false; /* it was not noted as what it is */
    calls->interrupted = false;
    calls->again = is_same;
    return is_same;
}

/* A signal has come before it was made again: that tells its end after all. */
static void tell_end_before_signal(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb__calls *calls = sdb__calls(thread);

    thread->signal_behind = stop->signal;
    *stop = (struct sdb__stop){.kind = SDB_EVENT_SYSCALL_EXIT};
    calls->stop = (struct sdb__ptrace_call){
        .architecture = calls->interrupted_end.architecture,
        .instruction_pointer = calls->interrupted_end.instruction_pointer,
        .stack_pointer = calls->interrupted_end.stack_pointer,
        .result = calls->interrupted_end.result,
        .is_error = true,
    };
    calls->stop_known = true;
}

/* ---- stops ---- */

/* Whether the call at whose beginning a thread stands is caught. */
static bool is_caught(struct sdb_thread *thread)
{
    const struct sdb__catching *catching = catching_of(thread->process);
    const struct sdb__calls *calls = sdb__calls(thread);
    int rc;

    if (!catching->some)
        return false;
    rc = sdb__calls_look(thread);
    if (catching->all || rc == -ENOSYS)
        return true; /* rather told than missed */
    if (rc < 0)
        return false;
    return sdb__call_set_has(&catching->wanted, calls->stop.architecture, calls->stop.number) ||
           (calls->restarts && sdb__call_is_restart(calls->stop.architecture, calls->stop.number));
}

static bool wants_end(const struct sdb_thread *thread)
{
    const struct sdb__catching *catching = catching_of(thread->process);

    return sdb__calls(thread)->caught && catching->some && !catching->entries_only;
}

/* A stop that a filter of the program's own has asked for: without a tracer the call fails. */
static bool is_of_other_filter(struct sdb_thread *thread)
{
    return sdb__calls_look(thread) == 0 && sdb__calls(thread)->stop.filter_data != SDB__FILTER_DATA;
}

static void fail_as_untraced(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;

    if (sdb__registers_general(thread, &registers) < 0)
        return;
    sdb__registers_skip_call(registers, -ENOSYS);
    sdb__registers_changed(thread);
}

static bool pass_beginning(struct sdb_thread *thread, bool by_filter)
{
    struct sdb__calls *calls = sdb__calls(thread);
    const bool was_seen = by_filter && calls->before_filter;

    /* A step tells of no call, by whatever instruction that is made. */
    if (!by_filter && thread->how == SDB_RESUME_STEP)
        return true;
    calls->before_filter = !by_filter && catching_of(thread->process)->has_filter;
    if (by_filter && is_of_other_filter(thread)) {
        if (!was_seen)
            calls->caught = false;
        fail_as_untraced(thread);
        return true;
    }
    if (was_seen || is_taken_up_again(thread))
        return true;
    calls->refused = 0;
    if (!calls->stop_known)
        calls->entry_known = false;
    calls->caught = is_caught(thread);
    calls->restarts = false;
    return !calls->caught && thread->how != SDB_RESUME_SYSCALL;
}

/* Whether the end of the call that a thread is in is told. */
static bool tells_end(const struct sdb_thread *thread)
{
    return thread->how == SDB_RESUME_SYSCALL || wants_end(thread);
}

static bool pass_end(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb__calls *calls = sdb__calls(thread);
    const bool is_told = tells_end(thread);

    if ((is_told || calls->caught) && note_interrupted(thread, stop)) {
        calls->before_filter = false;
        return true;
    }
    if (calls->refused != 0)
        put_refusal(thread);
    if (wants_end(thread) && !catching_of(thread->process)->all)
        calls->restarts =
            sdb__calls_look(thread) == 0 && calls->stop.result == -SDB__ERESTART_RESTARTBLOCK;
    calls->caught = false;
    calls->before_filter = false;
    calls->refused = 0;
    return !is_told;
}

/* Something else than a call has stopped it. */
static void leave_call(struct sdb_thread *thread)
{
    struct sdb__calls *calls = sdb__calls(thread);

    calls->caught = false;
    calls->before_filter = false;
    calls->interrupted = false;
    calls->refused = 0;
}

/* @return whether nothing is to be told of it */
static bool take_stop(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb__calls *calls = sdb__calls(thread);

    switch (stop->kind) {
    case SDB_EVENT_SYSCALL_ENTRY:
        return pass_beginning(thread, stop->by_filter);
    case SDB_EVENT_SYSCALL_EXIT:
        return pass_end(thread, stop);
    case SDB_EVENT_FORK: /* within the call */
    case SDB_EVENT_VFORK:
    case SDB_EVENT_CLONE:
    case SDB_EVENT_VFORK_DONE:
    case SDB_EVENT_EXEC:
        break;
    case SDB_EVENT_INTERRUPT: /* it may still be in the call */
    case SDB_EVENT_GROUP_STOP:
    case SDB_EVENT_GROUP_CONTINUE:
        if (calls->interrupted || note_interrupted_inside(thread, stop))
            break;
        leave_call(thread);
        calls->entry_known = false;
        break;
    default:
        if (stop->kind == SDB_EVENT_SIGNAL && calls->interrupted && tells_end(thread))
            tell_end_before_signal(thread, stop);
        else
            calls->entry_known = false;
        leave_call(thread);
        break;
    }
    return false;
}

static enum sdb__verdict judge(struct sdb_thread *thread, struct sdb__stop *stop,
                               const struct sdb__stop *seen, enum sdb__verdict verdict)
{
    (void)seen;
    if (verdict == SDB__VERDICT_ON) /* it is on its way through a call that is stepped */
        return verdict;
    if (take_stop(thread, stop))
        return SDB__VERDICT_ON;
    return stop->kind == SDB_EVENT_SYSCALL_ENTRY || stop->kind == SDB_EVENT_SYSCALL_EXIT
               ? SDB__VERDICT_TELL
               : verdict;
}

/* ---- resuming ---- */

/* Whether both ends of the thread's calls are needed, although the caller has not asked for them. */
static bool must_watch(const struct sdb_thread *thread)
{
    const struct sdb__catching *catching = catching_of(thread->process);
    const struct sdb__calls *calls = sdb__calls(thread);

    if (thread->process->phase != SDB__PROCESS_HELD)
        return false;
    return (catching->some && !catching->filter_suffices) || calls->before_filter ||
           calls->refused != 0 || calls->interrupted || wants_end(thread);
}

/* What the call is made with, if the registers were looked at: they may have been changed. */
static void note_changes(struct sdb_thread *thread)
{
    struct sdb__calls *calls = sdb__calls(thread);

    if (thread->stop == SDB_EVENT_SYSCALL_ENTRY && !calls->again && calls->entry_known &&
        calls->refused == 0 && thread->registers.is_whole)
        sdb__registers_call(&thread->registers.general, calls->entry.architecture,
                            &calls->entry.number, calls->entry.arguments);
}

static enum sdb__going choose_request(struct sdb_thread *thread, struct sdb__resume *resume)
{
    struct sdb__calls *calls = sdb__calls(thread);

    if (resume->request == SDB_RESUME_CONTINUE && must_watch(thread))
        resume->request = SDB_RESUME_SYSCALL;
    note_changes(thread);
    if (resume->request == SDB_RESUME_STEP)
        calls->interrupted = false; /* a step does not stop where it begins again */
    calls->entry_known = calls->entry_known && resume->request == SDB_RESUME_SYSCALL;
    return SDB__GOING_READY;
}

static void forget_stop(struct sdb_thread *thread)
{
    sdb__calls(thread)->stop_known = false;
    sdb__calls(thread)->again = false;
}

/* ---- what is caught ---- */

int sdb_process_catch_syscalls(struct sdb_process *process, uint32_t flags, const int32_t *numbers,
                               size_t count)
{
    const bool all = (flags & SDB_CATCH_ALL) != 0;
    struct sdb__catching *catching;
    struct sdb__call_set wanted;
    int rc = sdb__process_check_caller(process);

    if (rc < 0)
        return rc;
    if ((flags & ~(SDB_CATCH_ALL | SDB_CATCH_ENTRIES)) || (all && count > 0) ||
        (count > 0 && !numbers))
        return -EINVAL;
    rc = sdb__call_set_fill(&wanted, numbers, count, NULL);
    if (rc < 0)
        return rc;
    /* How a thread runs says whether its calls stop it: those that run are resumed anew. */
    rc = sdb__session_pause(process);
    if (rc < 0)
        return rc;
    sdb__feature_use(process, SDB__SYSCALL_SLOT);
    catching = catching_of(process);
    catching->some = all || count > 0;
    catching->all = all;
    catching->entries_only = (flags & SDB_CATCH_ENTRIES) != 0;
    catching->wanted = wanted;
    catching->filter_suffices =
        catching->has_filter && !all && sdb__call_set_covers(&catching->filter, &wanted);
    sdb__session_unpause(process);
    return 0;
}

int sdb_process_permit_release(struct sdb_process *process)
{
    int rc = sdb__process_check_caller(process);

    if (rc == 0)
        process->policies.must_be_held = false;
    return rc;
}

/* ---- births ---- */

/* Begin with the filter of a launch: its calls are wanted. */
static void catch_by_filter(struct sdb_process *process, const struct sdb__launch_plan *plan)
{
    struct sdb__catching *catching = catching_of(process);

    if (plan->caught_filter.len == 0)
        return;
    sdb__feature_use(process, SDB__SYSCALL_SLOT);
    *catching = (struct sdb__catching){
        .some = true, .has_filter = true, .filter_suffices = true, .wanted = plan->caught};
    catching->filter = plan->caught;
    sdb__call_set_add(&catching->filter, SYS_restart_syscall);
}

static int inherit(struct sdb_process *newborn, const struct sdb_process *from,
                   const struct sdb_thread *parent)
{
    (void)parent;
    *catching_of(newborn) = *catching_of(from);
    return 0;
}

const struct sdb__feature sdb__syscall_feature = {
    .slot = SDB__SYSCALL_SLOT,
    .process_size = sizeof(struct sdb__catching),
    .thread_size = sizeof(struct sdb__calls),
    .judge = judge,
    .resume = choose_request,
    .resumed = forget_stop,
    .launched = catch_by_filter,
    .process_born = inherit,
};
