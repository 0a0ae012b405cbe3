/* SPDX-License-Identifier: MIT */
/*
 * SIGTRAP as the program has it.
 *
 * The kernel forces the signal of an int3 on the thread: if it is blocked or ignored, it is unblocked,
 * and its disposition becomes the default, which kills.  What the disposition was is asked for when a
 * process gets its first breakpoint.  That the signal was blocked can be seen afterwards where a handler
 * is gone; and without one where all others are blocked, as in every program that blocks signals for a
 * moment, the C library when it makes a thread among them.
 */
#include "trap/signal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "held/address_space.h"
#include "inject/inject.h"
#include "kernel/procfs.h"
#include "kernel/ptrace.h"
#include "session/session.h"

/* What the program has set for SIGTRAP, as far as it is known; kept with its memory. */
struct known {
    bool is_set; /* not the default */
    bool is_ignored;
    bool is_32_bit;   /* the handler is of 32-bit code */
    bool restore_due; /* it is to be so again, see restore_due_ones() */
    struct sdb__signal_action action;
};

/* Of a thread. */
struct unseen {
    bool looked_at; /* its mask, once at least */
    uint8_t hits;   /* since then */
};

static struct known *known_of(const struct sdb__space *space)
{
    return space->slots[SDB__TRAP_SIGNAL_SLOT];
}

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

int sdb__trap_signal_note_once(struct sdb_process *process)
{
    struct sdb_thread *thread = sdb__process_next_standing(process, NULL);
    struct known *known = known_of(process->space);
    struct sdb__procfs_status status;

    sdb__feature_use(process, SDB__TRAP_SIGNAL_SLOT);
    if (known)
        return 0;
    known = process->space->slots[SDB__TRAP_SIGNAL_SLOT] = calloc(1, sizeof(*known));
    if (!known)
        return -ENOMEM;
    if (!thread || sdb__procfs_status(process->pid, &status) < 0 ||
        !((status.ignored_signals | status.caught_signals) & SDB__SIGNAL_BIT(SIGTRAP)))
        return 0;
    known->is_ignored = (status.ignored_signals & SDB__SIGNAL_BIT(SIGTRAP)) != 0;
    thread = sdb__inject_helper(thread);
    known->is_set = thread && exchange(thread, known, false) == 0;
    return 0;
}

/* @param mask  what the thread blocks otherwise */
static void block_again(struct sdb_thread *thread, uint64_t mask)
{
    (void)sdb__ptrace_set_signal_mask(thread->tid, mask | SDB__SIGNAL_BIT(SIGTRAP));
}

/* Look whether a hit has unblocked the signal, as far as the mask tells, and undo that. */
static bool restore_mask(struct sdb_thread *thread)
{
    struct unseen *unseen = thread->slots[SDB__TRAP_SIGNAL_SLOT];
    uint64_t mask = 0;
    bool was_blocked;

    if (sdb__ptrace_signal_mask(thread->tid, &mask) < 0)
        return false;
    was_blocked = (mask | NEVER_BLOCKED | OWN_OF_LIBC | SDB__SIGNAL_BIT(SIGTRAP)) == ~UINT64_C(0);
    if (was_blocked)
        block_again(thread, mask);
    /* Who blocks it once often does so again. */
    unseen->hits = was_blocked ? MOST_UNSEEN - 1 : 0;
    return was_blocked;
}

/* The same as far as a handler tells that was there, and is not any more. */
static bool restore_mask_for_handler(struct sdb_thread *thread)
{
    struct sdb__procfs_status status;
    uint64_t mask;

    if (sdb__procfs_status(thread->process->pid, &status) < 0 ||
        (status.caught_signals & SDB__SIGNAL_BIT(SIGTRAP)) ||
        sdb__ptrace_signal_mask(thread->tid, &mask) < 0)
        return false;
    block_again(thread, mask);
    return true;
}

void sdb__trap_signal_restore_unblocked(struct sdb_thread *thread)
{
    struct known *known = known_of(thread->process->space);

    if (!known || !known->is_set || !known->is_ignored)
        return;
    known->restore_due = true;
    sdb__feature_set_due(thread->process->session, SDB__TRAP_SIGNAL_SLOT);
}

void sdb__trap_signal_restore(struct sdb_thread *thread)
{
    struct unseen *unseen = thread->slots[SDB__TRAP_SIGNAL_SLOT];
    struct known *known = known_of(thread->process->space);
    bool was_blocked;

    if (!known || (!known->is_set && unseen->looked_at && ++unseen->hits < MOST_UNSEEN))
        return;
    unseen->looked_at = true;
    was_blocked = restore_mask(thread);
    if (!known->is_set || (!known->is_ignored && !was_blocked && !restore_mask_for_handler(thread)))
        return;
    if (!known->is_ignored && sdb__inject_helper(thread) == thread &&
        exchange(thread, known, true) == 0)
        return;
    known->restore_due = true;
    sdb__feature_set_due(thread->process->session, SDB__TRAP_SIGNAL_SLOT);
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
    const struct known *known = known_of(process->space);

    return known && known->restore_due;
}

/* All of its threads stand still.  A signal that comes to be ignored is forgotten where it waits. */
static void restore_due(struct sdb_process *process)
{
    struct sdb_thread *thread = sdb__process_next_standing(process, NULL);
    struct known *known = known_of(process->space);

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

/* The program ignores it, whatever the kernel knows of that now. */
static enum sdb__going drop_ignored(struct sdb_thread *thread, struct sdb__resume *resume)
{
    if (resume->signal == SIGTRAP && is_due(thread->process) &&
        known_of(thread->process->space)->is_ignored)
        resume->signal = 0;
    return SDB__GOING_READY;
}

/* ---- births and departures ---- */

static int copy_to_newborn(struct sdb_process *newborn, const struct sdb_process *from,
                           const struct sdb_thread *parent)
{
    const struct known *known = known_of(from->space);
    struct known *copy;

    (void)parent;
    if (!known || newborn->space == from->space)
        return 0;
    copy = newborn->space->slots[SDB__TRAP_SIGNAL_SLOT] = calloc(1, sizeof(*copy));
    if (!copy)
        return -ENOMEM;
    *copy = *known;
    return 0;
}

/* There will be no more hits: look at those that were not looked at. */
static void settle(struct sdb_process *process)
{
    for (struct sdb_thread *thread = sdb__process_next_standing(process, NULL); thread;
         thread = sdb__process_next_standing(process, thread)) {
        struct unseen *unseen = thread->slots[SDB__TRAP_SIGNAL_SLOT];

        if (unseen->hits > 0)
            (void)restore_mask(thread);
        unseen->looked_at = false;
    }
    if (process->running_count == 0)
        restore_due(process);
}

static void forget(struct sdb__space *space)
{
    free(known_of(space));
    space->slots[SDB__TRAP_SIGNAL_SLOT] = NULL;
}

const struct sdb__feature sdb__trap_signal_feature = {
    .slot = SDB__TRAP_SIGNAL_SLOT,
    .thread_size = sizeof(struct unseen),
    .resume = drop_ignored,
    .process_born = copy_to_newborn,
    .give_back = settle,
    .space_gone = forget,
    .due = restore_due_ones,
};
