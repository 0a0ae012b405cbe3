/* SPDX-License-Identifier: MIT */
/*
 * System calls under a breakpoint that have no slot, as the process may not map memory.
 *
 * A call may wait for ever, and it may change or copy what a thread is: its mask, the process, the
 * program.  So none is stepped, and nobody waits for its end.  The thread is sent to another instruction
 * of its process that makes calls; at the call's beginning, of which the kernel has done nothing yet, it
 * is put back behind its own, and is in its own call from then on: for filters, newborns and signals.
 * Where there is no such instruction, or the kernel minds which it is, its own makes the call, with the
 * byte lifted and all others that share the memory standing still; but only until the call has begun.
 *
 * The end stops it, too: a call that the kernel will make again is made again by the other instruction.
 */
#include <signal.h>
#include <string.h>

#include "breakpoint/breakpoint.h"
#include "inject/inject.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/debug_registers.h"
#include "trap/signal.h"

/* The length of the instruction that makes a call in place of another. */
#define LENGTH SDB__INJECT_INSTRUCTION_SIZE

static bool ends_in(const struct sdb__site *site, const char bytes[LENGTH])
{
    return site->length >= LENGTH &&
           memcmp(site->text.bytes + site->length - LENGTH, bytes, LENGTH) == 0;
}

/* In 32-bit code it comes back to a place of the kernel's choice, as `sysenter` does. */
static bool is_syscall(const struct sdb__site *site)
{
    return ends_in(site, "\x0f\x05") && !site->is_32_bit;
}

/* @return whether there is another instruction that makes the same call, and in @p instruction where */
static bool find_other(const struct sdb_thread *thread, const struct sdb__site *site,
                       uint64_t *instruction)
{
    const bool is_i386 = ends_in(site, "\xcd\x80");

    return (is_i386 || is_syscall(site)) &&
           sdb__inject_place(thread->process, is_i386, instruction) == 0;
}

static bool is_by_own_instruction(const struct sdb__slotless *call)
{
    return call->instruction == call->site->address;
}

/* Behind the instruction that makes it. */
static uint64_t behind(const struct sdb__slotless *call)
{
    return is_by_own_instruction(call) ? call->site->next : call->instruction + LENGTH;
}

/* ---- going on ---- */

/* A debug register that is set to the other instruction is for who comes there by itself. */
static void send(struct sdb_thread *thread, uint64_t pc)
{
    sdb__registers_set_pc(thread, pc);
    sdb__debug_pass(thread);
}

enum sdb__going sdb__breakpoint_make_syscall(struct sdb_thread *thread, struct sdb__site *site,
                                             struct sdb__resume *resume)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    uint64_t instruction;

    state->at_site = NULL;
    state->slotless = (struct sdb__slotless){.site = site, .instruction = site->address};
    if (sdb__ptrace_dispatches_calls(thread->tid) || !find_other(thread, site, &instruction))
        return sdb__breakpoint_begin_in_place(thread, site);
    state->slotless.instruction = instruction;
    send(thread, instruction);
    resume->request = SDB_RESUME_SYSCALL;
    return SDB__GOING_READY;
}

void sdb__breakpoint_go_on_in_syscall(struct sdb_thread *thread, uint64_t slot_pc,
                                      struct sdb__resume *resume)
{
    struct sdb__slotless *call = &sdb__breakpoint_state(thread)->slotless;
    struct user_regs_struct *registers;

    if (slot_pc == 0) { /* it has begun, and not ended */
        resume->request = SDB_RESUME_SYSCALL;
    } else if (sdb__registers_general(thread, &registers) < 0 ||
               registers->rip != call->site->next || !sdb__registers_will_restart(registers)) {
        call->site = NULL; /* the caller has had it be over */
    } else if (resume->signal > 0) {
        sdb__breakpoint_deliver(thread, call->site, slot_pc, resume);
    } else if (is_by_own_instruction(call)) {
        sdb__breakpoint_stay(thread, call->site, slot_pc);
    } else {
        send(thread, slot_pc);
        resume->request = SDB_RESUME_SYSCALL;
    }
}

/* ---- stops ---- */

/* The registers are the program's own, behind its call; also for what the kernel says of them. */
static void show_behind(struct sdb_thread *thread, struct user_regs_struct *registers)
{
    const struct sdb__site *site = sdb__breakpoint_state(thread)->slotless.site;

    registers->rip = site->next;
    registers->eflags &= ~SDB__RESUME_FLAG;
    if (is_syscall(site)) {
        registers->rcx = site->next;
        registers->r11 &= ~SDB__RESUME_FLAG; /* the flags, as some processors keep them */
    }
    sdb__registers_changed(thread);
    (void)sdb__registers_write_general(thread); /* ESRCH: it was killed just now */
}

/* It has not begun. */
static void show_before(struct sdb_thread *thread)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);

    state->at_site = state->slotless.site;
    state->slotless.site = NULL;
    sdb__registers_set_pc(thread, state->at_site->address);
}

static void look_at_end(struct sdb_thread *thread, struct sdb__stop *stop,
                        const struct user_regs_struct *registers)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct sdb__slotless *call = &state->slotless;

    if (registers->rip == call->site->next && sdb__registers_will_restart(registers)) {
        state->at_site = call->site;
        state->slot_pc = behind(call);
    } else {
        call->site = NULL;
    }
    if (thread->how == SDB_RESUME_STEP)
        *stop = (struct sdb__stop){.kind = SDB_EVENT_STEP};
}

/*
 * It stands before the call, or after its end and before it is made again.
 *
 * @return false if it has trapped at the other instruction: somebody has a breakpoint there now, where the
 *         program is not
 */
static bool look_outside(struct sdb_thread *thread, struct sdb__stop *stop,
                         struct user_regs_struct *registers)
{
    struct sdb__breakpoint_state *state = sdb__breakpoint_state(thread);
    struct sdb__slotless *call = &state->slotless;

    if (registers->rip == call->instruction) {
        show_before(thread);
    } else if (registers->rip == behind(call)) {
        state->at_site = call->site;
        state->slot_pc = behind(call);
        show_behind(thread, registers);
    } else if (registers->rip == call->instruction + 1 && !is_by_own_instruction(call)) {
        if (stop->kind != SDB_EVENT_SIGNAL || stop->signal != SIGTRAP)
            return true; /* the trap is still to come */
        show_before(thread);
        *stop = (struct sdb__stop){.kind = SDB_EVENT_INTERRUPT};
        sdb__thread_set_stop(thread, stop->kind, 0);
        sdb__trap_signal_restore(thread);
        return false;
    } else if (registers->rip != call->site->next || !state->stays.site) {
        call->site = NULL;
    }
    return true;
}

bool sdb__breakpoint_look_at_syscall(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const struct sdb__slotless *call = &sdb__breakpoint_state(thread)->slotless;
    struct user_regs_struct *registers;

    if (sdb__registers_general(thread, &registers) < 0)
        return true; /* it was killed just now */
    switch (stop->kind) {
    case SDB_EVENT_FORK: /* within the call */
    case SDB_EVENT_VFORK:
    case SDB_EVENT_CLONE:
    case SDB_EVENT_VFORK_DONE:
        return true;
    case SDB_EVENT_SYSCALL_ENTRY:
        if (registers->rip == behind(call))
            show_behind(thread, registers);
        return true;
    case SDB_EVENT_SYSCALL_EXIT:
        look_at_end(thread, stop, registers);
        return true;
    default:
        return look_outside(thread, stop, registers);
    }
}
