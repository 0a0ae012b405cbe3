/* SPDX-License-Identifier: MIT */
/*
 * What the session's own files share.
 *
 * A wait status comes from the kernel by pump.c, becomes a stop or an end in take.c, which asks the
 * features (feature.c), and is queued (queue.c) to be told (event.c) by a wait (wait.c).  A thread goes on
 * by resume.c.  newborn.c has the births and what exec does, orphans.c those whom nobody has told of yet,
 * due_births.c those for whom there was no memory, ends.c the ends; attach.c and launch.c are the ways in,
 * leave.c and detach.c those out, watched.c is about who is held on although nobody asks for it, sharers.c
 * about who has the memory of another; gather.c stops all threads of a process, group_stop.c numbers its
 * group-stops, stolen.c notices what the host has taken away, check.c checks it all.  session.c has the
 * session's beginning and end, own_thread.c its own thread; process.c and thread.c have what callers ask
 * for.
 */
#ifndef SDB_LIB_SESSION_INSIDE_H
#define SDB_LIB_SESSION_INSIDE_H

#include <signal.h>
#include <sys/resource.h>

#include "base/deadline.h"
#include "kernel/ptrace.h"
#include "kernel/waiter.h"
#include "session/feature.h"
#include "session/session.h"

/* ---- the queue of what is to be told (queue.c) ---- */

/** Have the thread's stop or end told, after all that is to be told already; until then it stands. */
void sdb__session_enqueue(struct sdb_session *session, struct sdb_thread *thread);

/** @return the first, which is queued no more; there is one */
struct sdb_thread *sdb__session_dequeue(struct sdb_session *session);

/** Forget the stops of a process's threads that wait to be told. */
void sdb__session_unqueue(struct sdb_process *process);

/** The same of one thread, if it is queued. */
void sdb__session_unqueue_thread(struct sdb_thread *thread);

/* ---- telling (event.c) ---- */

/** Fill in what is told of a thread that was queued. */
void sdb__session_tell(struct sdb_session *session, struct sdb_thread *thread,
                       struct sdb_event *event);

/* ---- going on (resume.c) ---- */

/** Tell the kernel what its process's options are for a thread that stands.  @return 0 or -ESRCH */
int sdb__session_tell_options(struct sdb_thread *thread);

/** Note that a thread stands, and for what. */
void sdb__session_stopped(struct sdb_thread *thread, uint32_t kind, int signal);

/**
 * Resume a thread that stands.  It stops again for the reasons that it has.
 *
 * @param signal  what the thread gets, 0 for none
 * @return 0; a thread that was killed meanwhile counts as resumed
 */
int sdb__session_go(struct sdb_thread *thread, enum sdb_resume how, int signal);

/** The same in the way in which nothing is changed, see sdb__session_resume(). */
int sdb__session_go_on(struct sdb_thread *thread, enum sdb_resume how);

/**
 * Whether a thread stands before a signal that would end its process, and does not because it is held: the
 * init of a pid namespace (namespace_init.c).
 *
 * @param signal  what it is to get
 */
bool sdb__session_is_spared(struct sdb_thread *thread, int signal);

/** Before it is let go: a program's own int3 is behind it, and it shall come by that again. */
void sdb__session_fault_again(struct sdb_thread *thread);

/**
 * Have its process end by that signal, as it would alone.
 *
 * @return whether the thread runs, and has something to say
 */
bool sdb__session_end_spared(struct sdb_thread *thread);

/** Have a thread that stands, and is not queued, go on as it did, unless it has a reason to stand. */
void sdb__session_settle(struct sdb_thread *thread);

/** Take the stop that was looked at last, if the thread stands in it still: it would be seen again. */
void sdb__session_take_last_stop(struct sdb_session *session);

/** Ask a running thread to stop, unless it does so anyway.  @return 0 or a negative errno */
int sdb__session_ask_to_stop(struct sdb_thread *thread);

/* ---- group-stops (group_stop.c) ---- */

/** Note what a stop says of its process's group-stops. */
void sdb__session_note_stop(struct sdb_thread *thread, const struct sdb__stop *stop);

/** @return whether a thread's process is in a group-stop in which the thread has stopped */
static inline bool sdb__session_has_joined_stop(const struct sdb_thread *thread)
{
    const unsigned number = thread->process->group_stop;

    return number % 2 == 1 && thread->joined_stop == number;
}

/** @return whether that is so, and the caller has not had it run against it: there it has to go back */
static inline bool sdb__session_must_join_stop(const struct sdb_thread *thread)
{
    return sdb__session_has_joined_stop(thread) && thread->against_stop != thread->joined_stop &&
           thread->process->phase == SDB__PROCESS_HELD;
}

/* ---- a SIGSTOP that is still to be told (stop_signal.c) ---- */

/**
 * Take a thread that stands by an interrupt to where it stands before the SIGSTOP that it owes.
 *
 * @param stop  becomes that, unless its process has stopped meanwhile
 * @return whether it stands; else its end is what comes next
 */
bool sdb__session_tell_stop_signal(struct sdb_thread *thread, struct sdb__stop *stop);

/** A thread has come to stand before a signal that may stop its process. */
void sdb__session_note_stop_signal(struct sdb_thread *thread);

/**
 * @param signal  that a thread which stands is to get
 * @return it, or 0: it is one that would stop the process, and a SIGCONT has come since
 */
int sdb__session_signal_to_pass(struct sdb_thread *thread, int signal);

/** @return whether a signal stops a process that does nothing else with it */
static inline bool sdb__is_stop_signal(int signal)
{
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* ---- statuses (take.c, pump.c) ---- */

/** Deal with one status. */
void sdb__session_take(struct sdb_session *session, pid_t tid, int status,
                       const struct rusage *usage);

/** Note that a thread has ended, and have it told.  @param end  how, or NULL: nobody knows */
void sdb__session_take_end(struct sdb_thread *thread, const struct sdb_exit_status *end);

/**
 * Take one status from the kernel and deal with it.
 *
 * @return 0, -ETIMEDOUT, -EINTR (only if @p heeds_interrupt) or another negative errno
 */
int sdb__session_pump(struct sdb_session *session, const struct sdb__deadline *deadline,
                      bool heeds_interrupt);

/** Take what one thread has, if that is there.  @return whether it was */
bool sdb__session_take_of(struct sdb_thread *thread);

/** Take all statuses that are there by now.  @return whether there were any */
bool sdb__session_drain(struct sdb_session *session);

/**
 * Look at the time and the interrupt although there is always something.
 *
 * @return 0, -ETIMEDOUT, or -EINTR (only if @p heeds_interrupt)
 */
int sdb__session_is_over(struct sdb_session *session, const struct sdb__deadline *deadline,
                         bool heeds_interrupt);

/* ---- waiting (wait.c) ---- */

/** Do what sdb_session_wait() does, without its checks. */
int sdb__session_wait(struct sdb_session *session, const struct sdb__deadline *deadline,
                      struct sdb_event *event);

/**
 * When no process is held any more: whether there are newborns of those that have ended.  Their first
 * stop may still be to come, and is waited for.
 */
bool sdb__session_newborns_are_due(struct sdb_session *session);

/* ---- stopping all (gather.c) ---- */

/**
 * Have all threads of a process stand still, as far as they can.
 *
 * @return 0, also if the process has ended; or as sdb__session_pump()
 */
int sdb__session_gather(struct sdb_process *process, const struct sdb__deadline *deadline,
                        bool heeds_interrupt);

/** Have all threads of a process go on that nobody asks anything of any more. */
void sdb__session_abandon(struct sdb_process *process);

/* ---- newborns and exec (newborn.c) ---- */

/** Take a process in.  @param pidfd  becomes the process's, if this succeeds.  @return it, or NULL */
struct sdb_process *sdb__session_add(struct sdb_session *session, pid_t pid, int pidfd);

/** @return whether a process's newborns of this kind of event are held for the caller */
bool sdb__session_wants_birth(const struct sdb_process *process, uint32_t kind);

/**
 * Take in the newborns whose parent can tell of them no more, as the process has ended or executed.
 *
 * @return 0, or -ENOMEM: it has executed, and they are still to be taken in
 */
int sdb__session_adopt(struct sdb_process *process);

/** @return whether there are unknown threads whose parent may have ended */
bool sdb__session_has_orphans(const struct sdb_session *session);

/** Take in those of them whose parent has ended.  @return whether there were any, or -ENOMEM */
int sdb__session_adopt_orphans(struct sdb_session *session);

/** No more newborns are to be expected of processes that have ended. */
void sdb__session_forget_departed(struct sdb_session *session);

/**
 * Note that a process has executed a program: its other threads are gone.
 *
 * @param thread  the thread that has the process's id
 * @return the thread that executed it
 */
struct sdb_thread *sdb__session_take_exec(struct sdb_thread *thread, const struct sdb__stop *stop);

/**
 * Take in a newborn, and what it has done already.
 *
 * @param known  whether its parent stands in the very stop of its birth
 * @return 0, or -ENOMEM: it is not known, as before
 */
int sdb__session_take_birth(struct sdb_thread *parent, const struct sdb__birth *birth, bool known);

/** Have room for what can come by itself when there is no memory.  @return 0 or -ENOMEM */
int sdb__session_reserve(struct sdb_session *session);

/* ---- births that could not be taken in (due_births.c) ---- */

/** There is no memory for a newborn: its parent stands until there is, or it is let go. */
void sdb__session_put_birth_off(struct sdb_thread *parent, const struct sdb__birth *birth);

/** Take in all that were put off.  @return 0, or -ENOMEM: some still are */
int sdb__session_take_due_births(struct sdb_session *session);

/** A thread is to be let go: let the newborn go whose birth was put off, if there is one. */
void sdb__session_drop_due_birth(struct sdb_thread *parent);

/**
 * Let a newborn go that was not taken in.
 *
 * @param from  the process that it was born of
 */
void sdb__session_let_newborn_go(struct sdb_session *session, pid_t tid,
                                 const struct sdb_process *from);

/* ---- what the host has taken away (stolen.c) ---- */

/**
 * Look for what held threads have done without the session being told, and take it from what the kernel
 * still knows.
 *
 * @param all_lost  the kernel says that the tracer thread has no tracee at all
 */
void sdb__session_look_for_stolen(struct sdb_session *session, bool all_lost);

/** Note that a thread is not held any more, although nothing has told so. */
void sdb__session_lose(struct sdb_thread *thread);

/* ---- ends (ends.c) ---- */

/** Note that a thread has ended.  @param end  how, or NULL: nobody knows */
void sdb__session_note_end(struct sdb_thread *thread, const struct sdb_exit_status *end);

/**
 * Whether an end that the kernel gives to the session is the host's to take: that of a child of the
 * host's which the session still traces, but does not hold for the caller.
 */
bool sdb__session_is_hosts_end(const struct sdb_session *session, pid_t tid);

/** Take a thread out of its process: it has ended and was told, or is let go; its handle may die here. */
void sdb__session_drop(struct sdb_thread *thread);

/** The same of a process that has ended or was let go. */
void sdb__session_remove(struct sdb_process *process);

/** The same of one that is leaving, if all of its threads have gone. */
void sdb__session_remove_if_gone(struct sdb_process *process);

/** A process has its memory no more: if nobody else has it, forget what is in it. */
void sdb__session_leave_space(struct sdb_session *session, const struct sdb_process *process);

/* ---- the ways in (attach.c, launch.c) ---- */

/** Do what sdb_session_attach() does, without its checks.  @param error  may be NULL */
int sdb__session_attach(struct sdb_session *session, pid_t pid, struct sdb_process **process,
                        struct sdb_error *error);

/* ---- the ways out (leave.c, detach.c) ---- */

/** Take a process from the caller; its phase is another from now on. */
void sdb__session_hide(struct sdb_process *process, enum sdb__process_phase phase);

/** Let a process go, with each of its threads as soon as that stands still. */
void sdb__session_begin_to_leave(struct sdb_process *process);

/**
 * Let a thread go that stands still, and nothing if it does not.
 *
 * @return 0, or -ESRCH: it was killed just now, and its end is ours to see
 */
int sdb__session_let_go(struct sdb_thread *thread);

/** The same of all that stand; the process goes with the last. */
void sdb__session_let_all_go(struct sdb_process *process);

/** Let a process go that stands at its exec, as its follow policy says.  @return whether it went */
bool sdb__session_release_at_exec(struct sdb_process *process);

/** Let a process go, see sdb_process_detach(). */
int sdb__session_detach(struct sdb_process *process, enum sdb_release how,
                        struct sdb_child **child);

int sdb__session_kill(struct sdb_process *process);

/** Take a process out that an attach has failed to hold, and let go what is held of it. */
void sdb__session_give_up(struct sdb_process *process);

/**
 * What a thread that waits for a child has to do meanwhile, see sdb__child_set_tender(): let go those of
 * its session that can be by now.
 */
bool sdb__session_tend_leaving(void);

/** Take a process out of which nothing is left that could be let go.  @return whether it was such a one */
bool sdb__session_forget_left(struct sdb_process *process);

/** Do with every process what its release policy says. */
void sdb__session_release_all(struct sdb_session *session);

/* ---- those that are held on (watched.c) ---- */

/** Let those go that are watched and need not be any more. */
void sdb__session_review(struct sdb_session *session);

/** Deal with a stop of a process that is watched.  @return whether it is leaving now */
bool sdb__session_take_watched_stop(struct sdb_thread *thread, const struct sdb__stop *stop);

/* ---- what is asked (process.c, thread.c) ---- */

/** @return whether it is one of enum sdb_resume */
bool sdb__resume_is_known(enum sdb_resume how);

/* ---- beginning and end (session.c), its own thread (own_thread.c) ---- */

/** Create the session of the calling thread. */
int sdb__session_begin(const struct sdb__features *features, uint64_t flags,
                       struct sdb_session **session);

/** End the session of the calling thread, or a forked child's copy. */
void sdb__session_end(struct sdb_session *session);

int sdb__session_thread_start(const struct sdb__features *features,
                              const struct sdb_session_options *options,
                              struct sdb_session **session);

/** End the thread, and the session with it.  @return 0 or -EDEADLK */
int sdb__session_thread_end(struct sdb_session *session);

/** Free what is left of it in a forked child. */
void sdb__session_thread_forget(struct sdb_session *session);

/* ---- what must always hold (check.c) ---- */

/** Check all threads of a session that is about to wait; nothing in a release build. */
void sdb__session_check(const struct sdb_session *session);

#endif
