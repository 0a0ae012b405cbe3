/* SPDX-License-Identifier: MIT */
/*
 * The fast path: a child that shares the host's memory until its exec.
 *
 * Unlike vfork(2) the host's thread is not suspended by the kernel meanwhile: it can seize the
 * child at its gate, and give up on it at a deadline.  It learns that the child has left the shared
 * memory, by exec or by death, when the kernel clears a word and wakes the futex on it
 * (CLONE_CHILD_CLEARTID).  Until then the child's stack, and the plan that it reads, must stay.
 *
 * All signals are blocked in the host's thread across the clone, 32 and 33 too, which the C library
 * keeps for itself: the child starts with this mask, and so none of the host's handlers can run in
 * it, on the host's memory.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

#include "arch/arch.h"
#include "base/descriptor.h"
#include "base/signals.h"
#include "launch/in_child.h"
#include "launch/launching.h"

#define GUARD_SIZE 4096
#define STACK_SIZE (GUARD_SIZE + 32 * 1024)

/* Stacks are kept between launches, one for each of as many as were under way at once. */
#define MOST_KEPT 8
static char *kept_stacks[MOST_KEPT];

static char *take_stack(void)
{
    char *stack;

    for (size_t i = 0; i < MOST_KEPT; i++) {
        stack = __atomic_exchange_n(&kept_stacks[i], NULL, __ATOMIC_ACQ_REL);
        if (stack)
            return stack;
    }
    stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return NULL;
    if (mprotect(stack, GUARD_SIZE, PROT_NONE) < 0) {
        munmap(stack, STACK_SIZE);
        return NULL;
    }
    return stack;
}

static void drop_stack(char *stack)
{
    if (stack)
        munmap(stack, STACK_SIZE);
}

/* Keep this stack, or drop it if there are enough. */
static void keep_stack(char *stack)
{
    for (size_t i = 0; i < MOST_KEPT; i++) {
        char *none = NULL;

        if (__atomic_compare_exchange_n(&kept_stacks[i], &none, stack, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return;
    }
    drop_stack(stack);
}

void sdb_launch_trim(void)
{
    for (size_t i = 0; i < MOST_KEPT; i++)
        drop_stack(__atomic_exchange_n(&kept_stacks[i], NULL, __ATOMIC_ACQ_REL));
}

/* A program that unloads the library gets its memory back. */
__attribute__((destructor)) static void trim_at_unload(void)
{
    sdb_launch_trim();
}

/* EPERM is what sandboxes answer to a system call that they do not know. */
static bool is_refused(long result)
{
    return result == -ENOSYS || result == -EPERM;
}

static long make_child(struct sdb__launching *launching)
{
    uint64_t flags = CLONE_VM | CLONE_PIDFD | CLONE_CHILD_CLEARTID;
    struct clone_args arguments;
    long pid;

    /* Or a tracer of the host (strace -f) would have the child before us. */
    if (launching->traced)
        flags |= CLONE_UNTRACED;
    if (launching->plan.unshare_from >= 0)
        flags |= CLONE_FILES;

    arguments = (struct clone_args){
        .flags = flags | CLONE_CLEAR_SIGHAND,
        .pidfd = (uintptr_t)&launching->pidfd,
        .child_tid = (uintptr_t)&launching->memory_shared,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)launching->stack,
        .stack_size = STACK_SIZE,
    };
    pid =
        sdb__clone3_calling(&arguments, sizeof(arguments), sdb__launch_child_run, &launching->plan);
    /* EINVAL: it does not know how to clear handlers (before Linux 5.5). */
    if (!is_refused(pid) && pid != -EINVAL)
        return pid;

    /* The older call cannot reset handlers, so the child does. */
    launching->plan.reset_handlers = true;
    return sdb__clone_calling((unsigned long)flags | SIGCHLD, launching->stack + STACK_SIZE,
                              &launching->pidfd, &launching->memory_shared, sdb__launch_child_run,
                              &launching->plan);
}

static int start(struct sdb__launching *launching, const struct sdb__deadline *deadline)
{
    struct sdb__launch_plan *plan = &launching->plan;
    uint64_t mask;
    long pid;

    (void)deadline; /* nothing here waits */
    plan->note.stage = SDB_STAGE_PREPARE;
    launching->stack = take_stack();
    if (!launching->stack)
        return -ENOMEM;

    plan->note.stage = SDB_STAGE_CLONE;
    plan->gate = 0;
    plan->pidfd = launching->traced ? NULL : &launching->pidfd;
    plan->reset_handlers = false;
    launching->memory_shared = 1;
    mask = sdb__signals_block_all();
    pid = make_child(launching);
    sdb__signals_restore(mask);
    if (pid < 0) {
        launching->memory_shared = 0;
        launching->pidfd = -1;
        /* An emulator says EINVAL to a clone that is neither fork, vfork nor thread. */
        return is_refused(pid) || pid == -EINVAL ? -ENOSYS : (int)pid;
    }

    launching->pid = (pid_t)pid;
    if (launching->pidfd > STDERR_FILENO)
        return 0;
    /*
     * The host has closed one of them, and the move can fail, so the child waits for it; or the
     * kernel has no pidfds (before Linux 5.2).
     */
    if (launching->pidfd >= 0) {
        launching->pidfd = sdb__fd_above_stdio(launching->pidfd);
        if (launching->pidfd < 0)
            return launching->pidfd;
    }
    if (!launching->traced)
        launching->path->open_gate(launching);
    return 0;
}

static void open_gate(struct sdb__launching *launching)
{
    __atomic_store_n(&launching->plan.gate, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &launching->plan.gate, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static int wait_for_end_of_sharing(struct sdb__launching *launching,
                                   const struct sdb__deadline *deadline)
{
    struct timespec left;

    while (__atomic_load_n(&launching->memory_shared, __ATOMIC_ACQUIRE) != 0) {
        /* Not the private kind: the kernel's own wake-up is not. */
        if (syscall(SYS_futex, &launching->memory_shared, FUTEX_WAIT, 1,
                    sdb__deadline_left(deadline, &left), NULL, 0) < 0 &&
            errno == ETIMEDOUT)
            return -ETIMEDOUT;
    }
    return 0;
}

static struct sdb__launch_note note(struct sdb__launching *launching)
{
    struct sdb__launch_note copy;

    /* The child writes code last, so the rest belongs to it. */
    copy.code = __atomic_load_n(&launching->plan.note.code, __ATOMIC_ACQUIRE);
    copy.stage = __atomic_load_n(&launching->plan.note.stage, __ATOMIC_ACQUIRE);
    copy.index = launching->plan.note.index;
    copy.warning = launching->plan.note.warning;
    return copy;
}

static void finish(struct sdb__launching *launching)
{
    if (launching->stack)
        keep_stack(launching->stack);
    launching->stack = NULL;
}

const struct sdb__launch_path sdb__launch_by_clone = {
    .start = start,
    .open_gate = open_gate,
    .wait = wait_for_end_of_sharing,
    .note = note,
    .finish = finish,
};
