/* SPDX-License-Identifier: MIT */
/*
 * What the program under test makes: threads and processes that come by places and end.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

static int newborn_code(const struct slot *slot)
{
    return LEDGER_NEWBORN_EXIT((int)(slot - ledger->slots));
}

/* Wait for a newborn process, which must end as it should, unless the test has killed it. */
static void await(struct slot *child, pid_t pid, const char *what)
{
    pid_t rc;
    int status = 0;

    do
        rc = waitpid(pid, &status, 0);
    while (rc < 0 && errno == EINTR);
    if (rc != pid)
        wrong("waitpid for a newborn of %s: %d", what, errno);
    else if (!(child->killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) &&
             !(WIFEXITED(status) && WEXITSTATUS(status) == newborn_code(child)))
        wrong("a newborn of %s (process %d, slot %d) ended with status %#x, not with code %d", what,
              pid, (int)(child - ledger->slots), status, newborn_code(child));
    child->state = SLOT_DONE;
}

/*
 * Signals are blocked while a newborn has no slot yet, and while it is made by vfork(2): a handler
 * in it would count for its parent.
 */
static void unblock_signals(const sigset_t *before)
{
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---- threads ---- */

static void *be_thread(void *argument)
{
    struct slot *slot = argument;

    use_slot(slot);
    unblock_all_signals();
    visit_some(slot, 8);
    leave_slot(slot);
    return slot;
}

void deed_thread(struct slot *slot)
{
    struct slot *newborn = take_slot();
    pthread_t thread;
    sigset_t before;
    void *result = NULL;
    int rc;

    if (!newborn)
        return;
    block_all_signals(&before);
    rc = pthread_create(&thread, NULL, be_thread, newborn);
    unblock_signals(&before);
    if (rc != 0) {
        wrong("pthread_create: %d", rc);
        return;
    }
    visit_some(slot, 2);
    if (pthread_join(thread, &result) != 0 || result != newborn)
        wrong("a thread was not joined");
}

/* ---- processes ---- */

void deed_fork(struct slot *slot)
{
    struct slot *newborn = take_slot();
    sigset_t before;
    pid_t pid;

    if (!newborn)
        return;
    block_all_signals(&before);
    pid = fork();
    if (pid == 0) {
        use_slot(newborn);
        unblock_all_signals();
        visit_some(newborn, 8);
        leave_slot(newborn);
        _exit(newborn_code(newborn));
    }
    unblock_signals(&before);
    visit_some(slot, 2);
    if (pid < 0)
        wrong("fork: %d", errno);
    else
        await(newborn, pid, "fork");
}

/* It has its parent's stack and its thread's variables: what it changes there its parent finds. */
static pid_t make_vforked(struct slot *newborn, struct slot *volatile own)
{
    const pid_t pid = vfork();

    if (pid == 0) {
        use_slot(newborn);
        visit_some(newborn, 4);
        leave_slot(newborn);
        _exit(newborn_code(newborn));
    }
    mine = own;
    return pid;
}

void deed_vfork(struct slot *slot)
{
    struct slot *newborn = take_slot();
    sigset_t before;
    pid_t pid;

    if (!newborn)
        return;
    block_all_signals(&before);
    pid = make_vforked(newborn, slot);
    unblock_signals(&before);
    if (pid < 0)
        wrong("vfork: %d", errno);
    else
        await(newborn, pid, "vfork");
}

/* ---- other programs ---- */

static void execute(const struct slot *newborn)
{
    char name[] = "program";
    char number[16];
    char *arguments[] = {name, number, NULL};

    snprintf(number, sizeof(number), "%d", (int)(newborn - ledger->slots));
    (void)execv("/proc/self/exe", arguments);
    _exit(1);
}

static void *execute_in_thread(void *argument)
{
    execute(argument);
    return NULL;
}

void deed_exec(struct slot *slot)
{
    struct slot *earlier = take_slot();
    struct slot *newborn = take_slot();
    const unsigned way = chance(slot, 3);
    sigset_t before;
    pthread_t thread;
    pid_t pid;

    if (!earlier || !newborn)
        return;
    block_all_signals(&before);
    pid = way == 0 ? vfork() : fork();
    if (pid == 0) {
        if (way == 0)
            execute(newborn);
        use_slot(earlier);
        visit_some(earlier, 4);
        leave_slot(earlier);
        if (way == 1)
            execute(newborn);
        if (pthread_create(&thread, NULL, execute_in_thread, newborn) != 0)
            _exit(1);
        (void)pthread_join(thread, NULL);
        _exit(2);
    }
    unblock_signals(&before);
    earlier->state = SLOT_DONE;
    if (pid < 0)
        wrong("fork: %d", errno);
    else
        await(newborn, pid,
              way == 0   ? "vfork and exec"
              : way == 1 ? "fork and exec"
                         : "fork, thread and exec");
}

/* If it is not held any more, nothing else tells the one from the other. */
static void note_before(struct slot *slot)
{
    for (int place = 0; place < PLACES; place++) {
        slot->begun_before[place] = slot->begun[place];
        slot->done_before[place] = slot->done[place];
    }
    slot->has_executed = 1;
}

int run_executed(int index)
{
    struct slot *slot = &ledger->slots[index];

    note_before(slot);
    use_slot(slot);
    unblock_all_signals();
    check_trap_handler(false, "in a program that was just executed");
    visit_some(slot, 4);
    leave_slot(slot);
    return newborn_code(slot);
}
