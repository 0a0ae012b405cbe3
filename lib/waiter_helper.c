/* SPDX-License-Identifier: MIT */
/*
 * Waiting with a helper, for systems without io_uring: an untraced task that shares our memory and
 * sleeps on a futex.  It exits at the deadline or when it is woken, and its exit ends the wait4 of
 * the thread that made it.
 *
 * Its exit signal is 0: nothing is sent to the host, and no ordinary wait of the host sees it.  It
 * is reaped by that same wait4.  It dies with the thread that made it.
 */
#include "waiter.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/futex.h>

#include "arch.h"
#include "ptrace.h"
#include "signals.h"
#include "waiter_child.h"

#define STACK_SIZE 4096

struct helper {
    struct sdb__waiter waiter;
    struct sdb__waiter_helper_room room;
    pid_t pid; /* 0: there is none */
    char stack[STACK_SIZE] __attribute__((aligned(16)));
};

static int open_helper(struct sdb__waiter **waiter)
{
    struct helper *helper;

    /* It ends a program that makes a task like this one. */
    if (sdb__on_valgrind())
        return -ENOSYS;
    helper = calloc(1, sizeof(*helper));
    if (!helper)
        return -ENOMEM;
    helper->waiter.kind = &sdb__waiter_by_helper;
    helper->room.host_pid = getpid();
    helper->room.never = true;
    *waiter = &helper->waiter;
    return 0;
}

static void turn(struct helper *helper)
{
    __atomic_add_fetch(&helper->room.turn, 1, __ATOMIC_ACQ_REL);
    syscall(SYS_futex, &helper->room.turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Have a helper that exits at the deadline. */
static int have_helper(struct helper *helper, const struct sdb__deadline *deadline)
{
    struct sdb__waiter_helper_room *room = &helper->room;
    bool is_new = helper->pid == 0;
    uint64_t mask;
    long pid;

    if (is_new || room->never != deadline->never ||
        (!deadline->never && !same_time(&room->at, &deadline->at))) {
        room->never = deadline->never;
        room->at = deadline->at;
        if (!is_new)
            turn(helper);
    }
    if (!is_new)
        return 0;

    __atomic_store_n(&room->leave, 0, __ATOMIC_RELEASE);
    mask = sdb__signals_block_all();
    pid = sdb__clone_calling(CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_UNTRACED,
                             helper->stack + STACK_SIZE, NULL, NULL, sdb__waiter_child_run, room);
    sdb__signals_restore(mask);
    if (pid < 0)
        return (int)pid;
    helper->pid = (pid_t)pid;
    return 0;
}

static void wake_helper(struct sdb__waiter *waiter)
{
    struct helper *helper = (struct helper *)waiter;
    int saved_errno = errno;

    __atomic_store_n(&helper->room.leave, 1, __ATOMIC_RELEASE);
    turn(helper);
    errno = saved_errno;
}

static pid_t sleep_beside_helper(struct sdb__waiter *waiter, const struct sdb__deadline *deadline,
                                 bool heeds_interrupt, int *status, struct rusage *usage)
{
    struct helper *helper = (struct helper *)waiter;
    pid_t tid;
    int rc = 0;

    /*
     * Whoever can neither be late nor be woken needs none, and cannot fail for want of it; and one
     * that lives would keep the wait from saying that there is nobody left to wait for.
     */
    if (heeds_interrupt || !deadline->never)
        rc = have_helper(helper, deadline);
    else if (helper->pid > 0)
        wake_helper(waiter);
    if (rc < 0)
        return rc;
    /* Whoever came before the helper was ready could not wake it. */
    if (heeds_interrupt && __atomic_load_n(&waiter->interrupted, __ATOMIC_ACQUIRE))
        return 0;
    tid = sdb__wait_tracees(true, status, usage);
    return tid == -EINTR ? 0 : tid;
}

static bool owns_helper(struct sdb__waiter *waiter, pid_t tid)
{
    struct helper *helper = (struct helper *)waiter;

    if (tid != helper->pid)
        return false;
    helper->pid = 0;
    return true;
}

static void close_helper(struct sdb__waiter *waiter, bool in_fork)
{
    struct helper *helper = (struct helper *)waiter;

    if (helper->pid > 0 && !in_fork) {
        wake_helper(waiter);
        while (waitpid(helper->pid, NULL, (int)__WCLONE) < 0 && errno == EINTR)
            ;
    }
    free(helper);
}

const struct sdb__waiter_kind sdb__waiter_by_helper = {
    .open = open_helper,
    .sleep = sleep_beside_helper,
    .owns = owns_helper,
    .wake = wake_helper,
    .close = close_helper,
};
