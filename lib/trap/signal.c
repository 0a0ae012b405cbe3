/* SPDX-License-Identifier: MIT */
/*
 * SIGTRAP as the program has it.
 *
 * The kernel forces the signal of an int3 on the thread: if it is blocked or ignored, it is unblocked,
 * and its disposition becomes the default, which kills.  What the disposition was is asked for when a
 * process gets its first breakpoint, or before the first of its threads goes on, if none can stand then, as in
 * vfork(2).  That the signal was blocked can be seen afterwards where a handler is gone, and nobody else can
 * have done away with it; and otherwise where all others are blocked, as in every program that blocks signals
 * for a moment, the C library when it makes a thread among them.
 */
#include "trap/signal.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "held/address_space.h"
#include "inject/inject.h"
#include "kernel/procfs.h"
#include "kernel/ptrace.h"
#include "session/session.h"

/* What a process has set for SIGTRAP, as far as it is known. */
struct known {
    bool is_wanted;
    bool is_noted;
    bool is_copied; /* from who has borne it, where a hit may have done away with it just before */
    bool is_set;    /* not the default */
    bool is_ignored;
    bool is_32_bit;   /* the handler is of 32-bit code */
    bool restore_due; /* it is to be so again, see restore_due_ones() */
    struct sdb__signal_action action;
};

/* Of a thread. */
struct unseen {
    bool looked_at;  /* its mask, once at least */
    uint8_t hits;    /* since then */
    bool is_suspect; /* it had trapped when a handler was found to be gone */
};

static struct known *known_of(const struct sdb_process *process)
{
    return process->slots[SDB__TRAP_SIGNAL_SLOT];
}

static struct unseen *unseen_of(const struct sdb_thread *thread)
{
    return thread->slots[SDB__TRAP_SIGNAL_SLOT];
}

#define TRAP_BIT SDB__SIGNAL_BIT(SIGTRAP)

/* What never is in a mask, and what the C library keeps for itself and may leave out. */
#define NEVER_BLOCKED (SDB__SIGNAL_BIT(SIGKILL) | SDB__SIGNAL_BIT(SIGSTOP))
#define OWN_OF_LIBC   (SDB__SIGNAL_BIT(32) | SDB__SIGNAL_BIT(33))

/*
 * Where the program has the default for the signal, a mask that lacks it does no harm for a moment: it is
 * looked at now and then, and at the end.
 */
#define MOST_UNSEEN 8

/* The number of rt_sigaction(2) among i386's. */
#define SIGACTION_32 174

/* The kernel's idea of how large a mask is, and how far below the stack pointer memory is in use. */
#define MASK_SIZE 8
#define RED_ZONE  128

/* In the memory of a 32-bit program. */
struct action_32 {
    uint32_t handler;
    uint32_t flags;
    uint32_t restorer;
    uint32_t mask[2];
};

/* An action as the kernel reads and writes it for a thread. */
struct image {
    union {
        struct sdb__signal_action own;
        struct action_32 of_32_bit;
    };
    size_t size;
};

static struct image make_image(const struct known *known, bool is_32_bit)
{
    const struct sdb__signal_action *action = &known->action;
    struct image image = {.own = *action, .size = sizeof(image.own)};

    if (is_32_bit) {
        image.of_32_bit =
            (struct action_32){(uint32_t)action->handler,
                               (uint32_t)action->flags,
                               (uint32_t)action->restorer,
                               {(uint32_t)action->mask, (uint32_t)(action->mask >> 32)}};
        image.size = sizeof(image.of_32_bit);
    }
    return image;
}

static void take_image(struct known *known, const struct image *image, bool is_32_bit)
{
    const struct action_32 *narrow = &image->of_32_bit;

    known->is_32_bit = is_32_bit;
    if (is_32_bit)
        known->action =
            (struct sdb__signal_action){narrow->handler, narrow->flags, narrow->restorer,
                                        narrow->mask[0] | (uint64_t)narrow->mask[1] << 32};
    else
        known->action = image->own;
}

/*
 * Have a thread that may run rt_sigaction(2), with the action in memory that is lent from the stack.  What
 * kind of handler it is the kernel takes from the kind of the call.
 */
static int exchange(struct sdb_thread *thread, struct known *known, bool set)
{
    const bool is_32_bit = sdb__registers_are_of_32_bit(thread);
    struct image image = make_image(known, is_32_bit);
    struct sdb__space *space = thread->process->space;
    const ssize_t size = (ssize_t)image.size;
    const pid_t pid = thread->process->pid;
    struct user_regs_struct *registers;
    uint8_t saved[sizeof(image)];
    uint64_t arguments[6] = {SIGTRAP, 0, 0, MASK_SIZE};
    int64_t result = 0;
    uint64_t address;
    int rc = sdb__registers_general(thread, &registers);

    if (rc < 0)
        return rc;
    address = (registers->rsp - RED_ZONE - sizeof(image)) & ~UINT64_C(15);
    arguments[set ? 1 : 2] = address;
    if ((set && known->is_32_bit != is_32_bit) ||
        sdb__space_read(space, pid, address, saved, image.size) != size)
        return -1;
    if (set)
        (void)sdb__space_write(space, pid, address, &image, image.size);
    rc = sdb__inject(thread, is_32_bit ? SIGACTION_32 : SYS_rt_sigaction, arguments, &result);
    if (rc == 0 && !set && result == 0) {
        if (sdb__space_read(space, pid, address, &image, image.size) == size)
            take_image(known, &image, is_32_bit);
        else
            rc = -1;
    }
    (void)sdb__space_write(space, pid, address, saved, image.size);
    return rc < 0 || result < 0 ? -1 : 0;
}

/* Of a process of which a thread stands; if there is none, it is asked before one goes on. */
static void note(struct sdb_process *process)
{
    struct sdb_thread *thread = sdb__process_next_standing(process, NULL);
    struct known *known = known_of(process);
    struct sdb__procfs_status status;

    if (!thread)
        return;
    known->is_noted = true;
    if (sdb__procfs_status(process->pid, &status) < 0 ||
        !((status.ignored_signals | status.caught_signals) & TRAP_BIT))
        return;
    known->is_ignored = (status.ignored_signals & TRAP_BIT) != 0;
    thread = sdb__inject_helper(thread);
    known->is_set = thread && exchange(thread, known, false) == 0;
}

void sdb__trap_signal_note_once(struct sdb_process *process)
{
    struct known *known = known_of(process);

    sdb__feature_use(process, SDB__TRAP_SIGNAL_SLOT);
    if (known->is_wanted)
        return;
    known->is_wanted = true;
    note(process);
}

bool sdb__trap_signal_is_noted(const struct sdb_process *process)
{
    return known_of(process)->is_wanted;
}

/* ---- a hit ---- */

/* @param mask  what the thread blocks otherwise */
static void block_again(struct sdb_thread *thread, uint64_t mask)
{
    (void)sdb__ptrace_set_signal_mask(thread->tid, mask | TRAP_BIT);
}

/* Look whether a hit has unblocked the signal, as far as the mask tells, and undo that. */
static bool restore_mask(struct sdb_thread *thread)
{
    struct unseen *unseen = unseen_of(thread);
    uint64_t mask = 0;
    bool was_blocked;

    if (sdb__ptrace_signal_mask(thread->tid, &mask) < 0)
        return false;
    was_blocked = (mask | NEVER_BLOCKED | OWN_OF_LIBC | TRAP_BIT) == ~UINT64_C(0);
    if (was_blocked)
        block_again(thread, mask);
    /* Who blocks it once often does so again. */
    unseen->hits = was_blocked ? MOST_UNSEEN - 1 : 0;
    return was_blocked;
}

static bool is_lost(const struct sdb_process *process)
{
    const struct known *known = known_of(process);
    struct sdb__procfs_status status;

    return known->is_set && sdb__procfs_status(process->pid, &status) == 0 &&
           !((known->is_ignored ? status.ignored_signals : status.caught_signals) & TRAP_BIT);
}

/* Whether it has trapped, and that is still to be seen.  What does not wait any more has stopped it. */
static bool trap_is_unseen(const struct sdb_thread *thread)
{
    struct sdb__procfs_status status;
    int signal = 0;
    int wait_status;

    if (sdb__thread_is_gone(thread))
        return false;
    if (sdb__thread_stands(thread))
        return sdb__ptrace_pending_code(thread->tid, SIGTRAP) != 0;
    if (sdb__procfs_thread_status(thread->process->pid, thread->tid, &status) < 0 ||
        (status.pending_signals & TRAP_BIT))
        return true;
    return sdb__wait_peek_one(thread->tid, &wait_status) == 0 &&
           sdb__status_kind(wait_status, &signal) == SDB__STATUS_SIGNAL && signal == SIGTRAP;
}

/*
 * A handler that was there when all traps before had been seen is gone.
 *
 * @return whether nobody but this thread can have done away with it
 */
static bool is_alone_to_blame(struct sdb_thread *thread)
{
    bool alone = !unseen_of(thread)->is_suspect && !known_of(thread->process)->restore_due;

    for (struct sdb_thread *other = thread->process->threads; other; other = other->next) {
        if (other == thread || !trap_is_unseen(other))
            continue;
        unseen_of(other)->is_suspect = true;
        alone = false;
    }
    return alone;
}

/* It has a handler.  @return whether that has to be put back */
static bool restore_mask_with_handler(struct sdb_thread *thread)
{
    struct unseen *unseen = unseen_of(thread);
    const bool is_gone = is_lost(thread->process);
    const bool is_alone = is_gone && is_alone_to_blame(thread);
    uint64_t mask;

    if (is_alone && sdb__ptrace_signal_mask(thread->tid, &mask) == 0)
        block_again(thread, mask);
    else if (is_gone || unseen->is_suspect)
        (void)restore_mask(thread);
    unseen->is_suspect = false;
    return is_gone;
}

/* By another thread, before the session waits. */
static void set_restore_due(struct sdb_process *process)
{
    known_of(process)->restore_due = true;
    sdb__feature_set_due(process->session, SDB__TRAP_SIGNAL_SLOT);
}

static void restore_action(struct sdb_thread *thread)
{
    struct known *known = known_of(thread->process);

    if (known->is_ignored || sdb__inject_helper(thread) != thread ||
        exchange(thread, known, true) < 0)
        set_restore_due(thread->process);
}

void sdb__trap_signal_restore_unblocked(struct sdb_thread *thread)
{
    const struct known *known = known_of(thread->process);

    if (known->is_set && known->is_ignored)
        set_restore_due(thread->process);
}

void sdb__trap_signal_restore(struct sdb_thread *thread)
{
    const struct known *known = known_of(thread->process);
    struct unseen *unseen = unseen_of(thread);

    if (!known->is_set) {
        if (!known->is_noted || (unseen->looked_at && ++unseen->hits < MOST_UNSEEN))
            return;
        unseen->looked_at = true;
        (void)restore_mask(thread);
    } else if (known->is_ignored) {
        (void)restore_mask(thread);
        restore_action(thread);
    } else if (restore_mask_with_handler(thread)) {
        restore_action(thread);
    }
}

/*
 * One that has come to nothing, as nobody wants it any more, has done the same; and left unseen, it would be
 * another thread's fault.
 */
static enum sdb__verdict judge(struct sdb_thread *thread, struct sdb__stop *stop,
                               const struct sdb__stop *seen, enum sdb__verdict verdict)
{
    if (seen->kind == SDB_EVENT_SIGNAL && seen->signal == SIGTRAP &&
        stop->kind == SDB_EVENT_INTERRUPT)
        sdb__trap_signal_restore(thread);
    return verdict;
}

/* ---- where it is ignored, or another thread has to put it back ---- */

static bool some_have_trapped(const struct sdb_process *process)
{
    for (const struct sdb_thread *thread = process->threads; thread; thread = thread->next) {
        if (!sdb__thread_stands(thread) || sdb__ptrace_pending_code(thread->tid, SIGTRAP) != 0)
            return true;
    }
    return false;
}

static bool is_due(const struct sdb_process *process)
{
    return known_of(process)->restore_due;
}

/* All of its threads stand still.  A signal that comes to be ignored is forgotten where it waits. */
static void restore_due(struct sdb_process *process)
{
    struct sdb_thread *thread = sdb__process_next_standing(process, NULL);
    struct known *known = known_of(process);

    if (!is_due(process))
        return;
    if (!thread || some_have_trapped(process)) {
        sdb__feature_set_due(process->session, SDB__TRAP_SIGNAL_SLOT); /* another time */
        return;
    }
    thread = sdb__inject_helper(thread);
    if (thread)
        (void)exchange(thread, known, true);
    known->restore_due = false; /* if none may, it stays as it is */
}

static struct sdb_process *find_due(struct sdb_session *session, const struct sdb_process *after)
{
    struct sdb_process *process = after ? after->next : session->held.processes;

    while (process && (process->phase != SDB__PROCESS_HELD || sdb__process_is_gone(process) ||
                       !is_due(process)))
        process = process->next;
    return process;
}

/* Have the signal be what it was; the threads are stopped for a moment. */
static void restore_due_ones(struct sdb_session *session)
{
    struct sdb_process *process = find_due(session, NULL);

    while (process) {
        struct sdb_process *next;

        sdb_process_retain(process);
        if (sdb__session_pause(process) == 0) {
            restore_due(process);
            sdb__session_unpause(process);
        }
        next = process->session ? find_due(session, process) : NULL;
        sdb_process_close(process);
        process = next;
    }
}

/* What could not be asked before it goes on is; and what the program ignores does not come. */
static enum sdb__going get_ready(struct sdb_thread *thread, struct sdb__resume *resume)
{
    struct known *known = known_of(thread->process);

    if (known->is_wanted && !known->is_noted)
        note(thread->process);
    if (known->is_copied && is_lost(thread->process))
        restore_action(thread);
    known->is_copied = false;
    if (resume->signal == SIGTRAP && known->restore_due && known->is_ignored)
        resume->signal = 0;
    return SDB__GOING_READY;
}

/* ---- births and departures ---- */

/* One that shares the memory has a copy of the handlers all the same. */
static int copy_to_newborn(struct sdb_process *newborn, const struct sdb_process *from,
                           const struct sdb_thread *parent)
{
    (void)parent;
    *known_of(newborn) = *known_of(from);
    known_of(newborn)->is_copied = true;
    return 0;
}

/* There will be no more hits: look at those that were not looked at. */
static void settle(struct sdb_process *process)
{
    for (struct sdb_thread *thread = sdb__process_next_standing(process, NULL); thread;
         thread = sdb__process_next_standing(process, thread)) {
        struct unseen *unseen = unseen_of(thread);

        if (unseen->hits > 0)
            (void)restore_mask(thread);
        unseen->looked_at = false;
    }
    if (process->running_count == 0)
        restore_due(process);
}

static void forget_program(struct sdb_thread *thread)
{
    *known_of(thread->process) = (struct known){0};
    *unseen_of(thread) = (struct unseen){0};
}

const struct sdb__feature sdb__trap_signal_feature = {
    .slot = SDB__TRAP_SIGNAL_SLOT,
    .process_size = sizeof(struct known),
    .thread_size = sizeof(struct unseen),
    .judge = judge,
    .resume = get_ready,
    .process_born = copy_to_newborn,
    .executed = forget_program,
    .give_back = settle,
    .due = restore_due_ones,
};
