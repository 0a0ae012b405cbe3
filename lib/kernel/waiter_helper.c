/* SPDX-License-Identifier: MIT */
/*
 * Waiting with a helper: an untraced task that shares our memory and sleeps on a futex.  It exits at
 * the deadline or when it is woken, and its exit ends the wait4 of the thread that made it.
 *
 * Its exit signal is 0: nothing is sent to the host, and no ordinary wait of the host sees it.  It
 * is reaped by that same wait4.  It dies with the thread that made it, and goes by itself after a
 * while: then the session looks whether all is well, and a host that has executed another program
 * meanwhile is rid of it.
 */
#include "kernel/waiter_ways.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/futex.h>

#include "arch/arch.h"
#include "base/signals.h"
#include "kernel/ptrace.h"
#include "kernel/waiter_child.h"

#define STACK_SIZE  4096
#define CLONE_FLAGS (CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_UNTRACED)

struct sdb__helper {
    struct sdb__waiter_helper_room room;
    pid_t pid; /* 0: there is none */
    char stack[STACK_SIZE] __attribute__((aligned(16)));
};

int sdb__helper_open(struct sdb__helper **helper)
{
    struct sdb__helper *opened;

    /* It ends a program that makes a task like this one. */
    if (sdb__on_valgrind())
        return -ENOSYS;
    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return -ENOMEM;
    opened->room.host_pid = getpid();
    *helper = opened;
    return 0;
}

static void turn(struct sdb__helper *helper)
{
    __atomic_add_fetch(&helper->room.turn, 1, __ATOMIC_ACQ_REL);
    syscall(SYS_futex, &helper->room.turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static int make_helper(struct sdb__helper *helper)
{
    uint64_t mask = sdb__signals_block_all();
    long pid = sdb__clone_calling(CLONE_FLAGS, helper->stack + STACK_SIZE, NULL, NULL,
                                  sdb__waiter_child_run, &helper->room);

    sdb__signals_restore(mask);
    if (pid < 0)
        return (int)pid;
    helper->pid = (pid_t)pid;
    return 0;
}

int sdb__helper_have(struct sdb__helper *helper, const struct sdb__deadline *deadline)
{
    struct sdb__waiter_helper_room *room = &helper->room;
    struct sdb__deadline at;

    if (helper->pid > 0) {
        /* One that exits too early does no harm: the next is made for what is left. */
        if (!deadline->never && is_before(&deadline->at, &room->at)) {
            room->at = deadline->at;
            turn(helper);
        }
        return 0;
    }
    at = sdb__deadline_earlier(*deadline, sdb__deadline_in(SDB__WAITER_QUIET_MS));
    room->at = at.at;
    __atomic_store_n(&room->leave, 0, __ATOMIC_SEQ_CST);
    return make_helper(helper);
}

void sdb__helper_wake(struct sdb__helper *helper)
{
    int saved_errno = errno;

    __atomic_store_n(&helper->room.leave, 1, __ATOMIC_SEQ_CST);
    turn(helper);
    errno = saved_errno;
}

static void reap(struct sdb__helper *helper)
{
    while (waitpid(helper->pid, NULL, (int)__WCLONE) < 0 && errno == EINTR)
        ;
    helper->pid = 0;
}

bool sdb__helper_is(struct sdb__helper *helper, pid_t tid)
{
    if (tid != helper->pid)
        return false;
    reap(helper);
    return true;
}

void sdb__helper_send_away(struct sdb__helper *helper)
{
    if (helper->pid <= 0)
        return;
    sdb__helper_wake(helper);
    reap(helper);
}

void sdb__helper_flash(struct sdb__helper *helper)
{
    sdb__helper_send_away(helper);
    __atomic_store_n(&helper->room.leave, 1, __ATOMIC_SEQ_CST);
    (void)make_helper(helper);
}

void sdb__helper_close(struct sdb__helper *helper, bool in_fork)
{
    if (helper && !in_fork)
        sdb__helper_send_away(helper);
    free(helper);
}
