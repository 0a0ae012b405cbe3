/* SPDX-License-Identifier: MIT */
/*
 * The program under test: threads that do what the ledger says, at random and again and again, until
 * they are to end.  It counts what it does in the ledger, its descriptor 3.  It exits with
 * LEDGER_EXIT if all came out as it should.
 *
 * With an argument it is what itself has executed, for the slot of that number.
 */
#include "program.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_THREADS 16

struct ledger *ledger;
__thread struct slot *mine;
static __thread uint64_t chance_state;

/* ---- what is shared by the others ---- */

void wrong(const char *format, ...)
{
    va_list arguments;

    if (__atomic_add_fetch(&ledger->wrong, 1, __ATOMIC_SEQ_CST) != 1)
        return;
    va_start(arguments, format);
    (void)vsnprintf(ledger->wrong_text, LEDGER_TEXT, format, arguments);
    va_end(arguments);
}

unsigned chance(struct slot *slot, unsigned limit)
{
    if (chance_state == 0)
        chance_state =
            (ledger->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)(slot - ledger->slots);
    chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((chance_state >> 33) % limit);
}

void visit_some(struct slot *slot, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const enum place place = (enum place)chance(slot, PLACE_USED);

        /* It may be refused, and is noted. */
        if (visit(slot, place) != ledger->uid && place == PLACE_GETUID)
            slot->refused++;
    }
}

struct slot *take_slot(void)
{
    const int index = __atomic_fetch_add(&ledger->slot_count, 2, __ATOMIC_SEQ_CST);

    if (index + 2 > LEDGER_SLOTS) {
        (void)__atomic_fetch_sub(&ledger->slot_count, 2, __ATOMIC_SEQ_CST);
        return NULL;
    }
    ledger->slots[index].state = SLOT_BORN;
    ledger->slots[index + 1].is_aside = 1;
    return &ledger->slots[index];
}

void use_slot(struct slot *slot)
{
    mine = slot;
    for (int i = 0; i < 2; i++) {
        slot[i].pid = (int)syscall(SYS_getpid);
        slot[i].tid = (int)syscall(SYS_gettid);
    }
    slot->state = SLOT_BUSY;
}

void leave_slot(struct slot *slot)
{
    slot->state = SLOT_DONE;
}

/* ---- workers ---- */

static void park(struct slot *slot)
{
    slot->state = SLOT_PARKED;
    while (ledger->gate && !ledger->end)
        (void)syscall(SYS_futex, &ledger->gate, FUTEX_WAIT, 1, NULL, NULL, 0);
    slot->state = SLOT_BUSY;
}

static void deed_visit(struct slot *slot)
{
    visit_some(slot, 1 + chance(slot, 20));
}

static void (*const deeds[DEED_COUNT])(struct slot *slot) = {
    [DEED_VISIT] = deed_visit, [DEED_RAISE] = deed_raise, [DEED_SIGNAL] = deed_signal,
    [DEED_JUMP] = deed_jump,   [DEED_TIMER] = deed_timer, [DEED_SLEEP] = deed_sleep,
    [DEED_MASK] = deed_mask,   [DEED_PIPE] = deed_pipe,   [DEED_THREAD] = deed_thread,
    [DEED_FORK] = deed_fork,   [DEED_VFORK] = deed_vfork, [DEED_EXEC] = deed_exec,
};

static enum deed choose(struct slot *slot)
{
    unsigned sum = 0;
    unsigned at;

    for (int i = 0; i < DEED_COUNT; i++)
        sum += ledger->weights[i];
    at = chance(slot, sum);
    for (int i = 0; i < DEED_COUNT; i++) {
        if (at < ledger->weights[i])
            return (enum deed)i;
        at -= ledger->weights[i];
    }
    return DEED_VISIT;
}

static void *work(void *argument)
{
    struct slot *slot = argument;

    slot->is_worker = 1;
    use_slot(slot);
    unblock_all_signals();
    begin_signals();
    while (!ledger->end) {
        const enum deed deed = choose(slot);

        if (ledger->gate)
            park(slot);
        slot->deed = (int)deed;
        slot->step++;
        deeds[deed](slot);
    }
    end_signals();
    leave_slot(slot);
    return NULL;
}

static void run(struct slot *first)
{
    pthread_t threads[MOST_THREADS];
    sigset_t before;
    int rc;

    block_all_signals(&before);
    for (int i = 1; i < ledger->threads; i++) {
        rc = pthread_create(&threads[i], NULL, work, take_slot());
        if (rc != 0)
            wrong("pthread_create: %d", rc);
    }
    work(first);
    for (int i = 1; i < ledger->threads; i++)
        (void)pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, LEDGER_FD, 0);
    if (ledger == MAP_FAILED)
        return 1;
    if (argc > 1)
        return run_executed(atoi(argv[1]));

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    list_places();
    ledger->slots_address = (uint64_t)ledger->slots;
    ledger->uid = (int64_t)getuid();
    mine = take_slot();
    handle_signals();
    ledger->ready = 1;
    run(mine);
    return ledger->wrong ? 1 : LEDGER_EXIT;
}
