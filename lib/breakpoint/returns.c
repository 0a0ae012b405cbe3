/* SPDX-License-Identifier: MIT */
/*
 * What comes again: a thread that has hit a site is sent into a signal handler before it has executed the
 * instruction there, and will stand there once more when that returns.
 *
 * Nothing of that is guessed.  The signal is delivered by a step, which leads no further than to where the
 * handler begins, whatever the thread stops for there.  So at that stop it stands at the site still, or has
 * trapped there, or there is a frame on the stack that leads back.  From then on the thread's system calls
 * are watched, until it returns by that very frame, or has left it by a jump.
 */
#include <sys/syscall.h>

#include "breakpoint/breakpoint.h"
#include "breakpoint/siginfo.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/debug_registers.h"

/* The numbers that sigreturn has in 32-bit programs. */
#define SIGRETURN_32    119
#define RT_SIGRETURN_32 173

/* Where in a signal's frame is what the handler returns to; in 32-bit code with a siginfo_t and without. */
#define PLACE_IN_FRAME        176
#define PLACE_IN_FRAME_32     220
#define PLACE_IN_OLD_FRAME_32 64

/* Stack pointers that are nearer to each other are of one stack, not of an alternate one. */
#define SAME_STACK 131072

/* Of its frame, a handler that returns has taken off a word, or two. */
static bool is_return_by(const struct sdb__return *frame, uint64_t stack_pointer)
{
    const uint64_t taken = stack_pointer - frame->frame;

    return taken > 0 && taken <= 2 * sizeof(uint64_t);
}

static void drop(struct sdb__returns *returns, unsigned at)
{
    returns->count--;
    for (; at < returns->count; at++)
        returns->all[at] = returns->all[at + 1];
}

/* A stack pointer above a frame on its stack: a handler has jumped out. */
static bool is_left(const struct sdb__return *frame, uint64_t stack_pointer)
{
    return stack_pointer > frame->frame && !is_return_by(frame, stack_pointer) &&
           stack_pointer - frame->frame < SAME_STACK;
}

/* Where the last is not left, those before it are not either, whatever lies above them. */
static void drop_left(struct sdb__returns *returns, uint64_t stack_pointer)
{
    while (returns->count > 0 && is_left(&returns->all[returns->count - 1], stack_pointer))
        returns->count--;
}

/* ---- into a handler ---- */

bool sdb__breakpoint_stands_at_fault(const struct sdb_thread *thread)
{
    siginfo_t info;

    return sdb__ptrace_siginfo(thread->tid, &info) < 0 /* it is dying */ ||
           sdb__siginfo_is_fault(&info);
}

void sdb__breakpoint_stay(struct sdb_thread *thread, struct sdb__site *site, uint64_t slot_pc)
{
    sdb__breakpoint_state(thread)->stays = (struct sdb__stay){.site = site, .slot_pc = slot_pc};
}

void sdb__breakpoint_deliver(struct sdb_thread *thread, struct sdb__site *site, uint64_t slot_pc,
                             struct sdb__resume *resume)
{
    struct user_regs_struct *registers;

    /* An instruction that faults is hit again when it is tried again. */
    if (sdb__breakpoint_stands_at_fault(thread))
        return;
    if (sdb__registers_general(thread, &registers) < 0)
        return; /* it was killed just now */
    sdb__breakpoint_stay(thread, site, slot_pc);
    sdb__breakpoint_state(thread)->stays.stack_pointer = registers->rsp;
    sdb__debug_pass(thread); /* also when it comes back: the frame keeps that */
    resume->request = SDB_RESUME_STEP;
}

static bool has_address(const struct sdb_thread *thread, uint64_t at, uint64_t mask,
                        uint64_t address)
{
    uint64_t word;

    return sdb__ptrace_peek_memory(thread->tid, at, &word) == 0 && (word & mask) == address;
}

/* @return whether the stack pointer is at a signal's frame whose handler returns to an address */
static bool leads_back(struct sdb_thread *thread, uint64_t frame, uint64_t address)
{
    if (!sdb__registers_are_of_32_bit(thread))
        return has_address(thread, frame + PLACE_IN_FRAME, UINT64_MAX, address);
    return has_address(thread, frame + PLACE_IN_FRAME_32, UINT32_MAX, address) ||
           has_address(thread, frame + PLACE_IN_OLD_FRAME_32, UINT32_MAX, address);
}

/* If a frame was pushed that leads back to the site, note that.  @return whether it was */
static bool enter_handler(struct sdb_thread *thread, const struct sdb__stay *stay)
{
    struct sdb__returns *returns = &sdb__breakpoint_state(thread)->returns;
    struct user_regs_struct *registers;

    if (stay->stack_pointer == 0 || sdb__registers_general(thread, &registers) < 0 ||
        registers->rsp == stay->stack_pointer ||
        !leads_back(thread, registers->rsp, stay->site->address))
        return false;
    drop_left(returns, stay->stack_pointer);
    for (unsigned at = returns->count; at-- > 0;) {
        if (returns->all[at].frame == registers->rsp)
            drop(returns, at);
    }
    if (returns->count == SDB__MOST_RETURNS) /* the oldest is the likeliest not to come any more */
        drop(returns, 0);
    returns->all[returns->count++] =
        (struct sdb__return){.address = stay->site->address, .frame = registers->rsp};
    return true;
}

/* @return whether it stands before the instruction still, or in the call, or before making that again */
static bool is_there_still(struct sdb_thread *thread, const struct sdb__stay *stay)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct user_regs_struct *registers;

    if (sdb__registers_general(thread, &registers) < 0)
        return false;
    if (registers->rip == stay->site->address) {
        state->at_site = stay->site;
        return true;
    }
    if (stay->slot_pc == 0 || registers->rip != stay->site->next ||
        !sdb__registers_will_restart(registers))
        return false;
    state->at_site = stay->site;
    state->slot_pc = stay->slot_pc;
    return true;
}

bool sdb__breakpoint_look_whether_it_stays(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    const struct sdb__stay stay = state->stays;

    if (!enter_handler(thread, &stay) && !is_there_still(thread, &stay) &&
        stop->kind != SDB_EVENT_STEP)
        return false; /* it may have trapped there, see sdb__breakpoint_look() */
    state->stays.site = NULL;
    return stop->kind == SDB_EVENT_STEP && thread->how != SDB_RESUME_STEP;
}

/* ---- and back ---- */

static void begin_return(struct sdb_thread *thread, const struct user_regs_struct *registers)
{
    struct sdb__returns *returns = &sdb__breakpoint_state(thread)->returns;

    for (unsigned at = returns->count; at-- > 0;) {
        if (is_return_by(&returns->all[at], registers->rsp)) {
            returns->to = returns->all[at].address;
            drop(returns, at);
        }
    }
}

static bool is_return(int64_t number)
{
    return number == SYS_rt_sigreturn || number == SIGRETURN_32 || number == RT_SIGRETURN_32;
}

/* At the beginning of a system call. */
static void look_at_call(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;

    if (sdb__registers_general(thread, &registers) < 0)
        return;
    if (is_return((int64_t)registers->orig_rax))
        begin_return(thread, registers);
    else
        drop_left(&sdb__breakpoint_state(thread)->returns, registers->rsp);
}

void sdb__breakpoint_look_at_return(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    struct sdb__returns *returns = &sdb__breakpoint_state(thread)->returns;
    uint64_t pc;

    if (stop->kind == SDB_EVENT_SYSCALL_ENTRY) {
        look_at_call(thread); /* a filter may stop it there once more */
        return;
    }
    if (returns->to != 0 && sdb__registers_get_pc(thread, &pc) == 0 && pc == returns->to)
        sdb__breakpoint_set_out_from(thread, pc);
    returns->to = 0;
}

void sdb__breakpoint_watch_for_return(struct sdb__resume *resume)
{
    if (resume->request == SDB_RESUME_CONTINUE)
        resume->request = SDB_RESUME_SYSCALL; /* where one is stepped, it stops the thread, too */
}

void sdb__breakpoint_inherit_returns(struct sdb_thread *newborn, const struct sdb_thread *parent)
{
    sdb__breakpoint_state(newborn)->returns = sdb__breakpoint_state(parent)->returns;
}
