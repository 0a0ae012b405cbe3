/* SPDX-License-Identifier: MIT */
/*
 * Stops of threads that have to do with breakpoints.
 *
 * Two things are found out about a stop.  Where the thread stands in a slot, the program's own place is
 * shown instead, and put into its registers: no signal handler, and nobody who is let go there, sees a
 * scratch page.  And where it has trapped on a planted byte, it is a hit, or nothing at all.
 */
#include "breakpoint/breakpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "breakpoint/hardware.h"
#include "breakpoint/scratch.h"
#include "held/process.h"
#include "held/register_cache.h"
#include "kernel/ptrace.h"
#include "step/step.h"
#include "trap/signal.h"

/* How many breakpoints one address usually has at most. */
#define USUAL_COUNT 8

/* Stack pointers that are nearer to each other are of one stack, not of an alternate one. */
#define SAME_STACK 65536

/* ---- where it stands ---- */

static const struct sdb__relocation_point *point_at(const struct sdb__scratch_slot *slot,
                                                    uint64_t offset)
{
    for (unsigned i = 0; i < slot->relocation.point_count; i++) {
        if (slot->relocation.points[i].offset == offset)
            return &slot->relocation.points[i];
    }
    return NULL;
}

/* Whether the signal that it stands before comes from the very instruction: it would come again. */
static bool stands_at_fault(const struct sdb_thread *thread)
{
    siginfo_t info;

    if (sdb__ptrace_siginfo(thread->tid, &info) < 0)
        return true; /* it is dying */
    switch (info.si_signo) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
    case SIGSYS:
        return info.si_code > 0;
    default:
        return false;
    }
}

/*
 * A signal has come before the displaced instruction was executed.  If its handler ran now, it would
 * return to the breakpoint, which would be hit a second time.  So the instruction is executed first; the
 * stop of that step can deliver any signal, and gets this one.
 *
 * @return whether the instruction was executed
 */
static bool execute_first(struct sdb_thread *thread, uint64_t place)
{
    siginfo_t info;
    int status;
    int rc;

    if (stands_at_fault(thread) || sdb__ptrace_siginfo(thread->tid, &info) < 0)
        return false;
    sdb__registers_set_pc(thread, place);
    rc = sdb__step_alone(thread);
    if (rc < 0)
        return false;
    /* A fault comes again when the handler has returned. */
    (void)sdb__wait_take_stop(thread->tid, &status);
    (void)sdb__ptrace_set_siginfo(thread->tid, &info);
    return rc == 0;
}

/* Where in a scratch page it stands.  @return the point, or NULL: it is in none */
static const struct sdb__relocation_point *find_point(struct sdb_thread *thread,
                                                      const struct sdb__scratch_slot **slot,
                                                      uint64_t *start)
{
    uint64_t pc;

    if (sdb__registers_get_pc(thread, &pc) < 0)
        return NULL;
    *slot = sdb__scratch_find(thread->process->space->sites, pc, start);
    return *slot ? point_at(*slot, pc - *start) : NULL;
}

/* Whether a system call goes on when the thread does, or is made again. */
static bool is_in_call(const struct sdb__stop *stop, const struct user_regs_struct *registers)
{
    if (stop->kind == SDB_EVENT_STEP || stop->kind == SDB_EVENT_SYSCALL_EXIT)
        return sdb__registers_will_restart(registers);
    return (int64_t)registers->orig_rax >= 0;
}

/* Show the program's own place.  @return false if the thread is between two parts of an instruction */
static bool show_own_place(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const struct sdb__relocation_point *point;
    const struct sdb__scratch_slot *slot;
    struct user_regs_struct *registers;
    uint64_t start;

    thread->displaced = false;
    /*
     * But for a call, which may wait for that very signal, and a string, which may be long; and what
     * may hit a watchpoint, which could not be told together with the signal.
     */
    do {
        point = find_point(thread, &slot, &start);
        if (!point)
            return true;
    } while (point->address == slot->site->address && stop->kind == SDB_EVENT_SIGNAL &&
             !slot->site->is_syscall && !slot->site->is_repeated && !sdb__debug_is_set(thread) &&
             execute_first(thread, start + point->offset));
    if (point->address == slot->site->address && point->offset > 0 &&
        stop->kind == SDB_EVENT_STEP) {
        thread->displaced = true;
        return false;
    }
    if (sdb__registers_general(thread, &registers) < 0)
        return true;
    if (point->address == slot->site->address) {
        thread->at_site = slot->site;
    } else if (slot->site->is_syscall && is_in_call(stop, registers)) {
        /* Which may be made again: that shall happen in the slot, without a hit. */
        thread->at_site = slot->site;
        thread->slot_pc = registers->rip;
    }
    (void)sdb__relocation_show(&slot->relocation, start, registers);
    sdb__registers_changed(thread);
    /* With the stack as it was before the first part of the instruction. */
    if (point->address == slot->site->address && stop->kind == SDB_EVENT_SIGNAL &&
        !stands_at_fault(thread))
        sdb__breakpoint_expect_again(thread, slot->site, registers->rsp);
    return true;
}

static bool take_repeat(struct sdb_thread *thread, const struct sdb__site *site,
                        uint64_t stack_pointer)
{
    bool found = false;
    int left = 0;

    for (int i = 0; i < SDB__MOST_REPEATS && thread->repeats[i].site; i++) {
        const struct sdb__repeat repeat = thread->repeats[i];
        const uint64_t above = stack_pointer - repeat.stack_pointer;

        if (repeat.site == site && above == 0)
            found = true;
        else if (above == 0 ||
                 above >= SAME_STACK) /* else a handler has jumped out of that frame */
            thread->repeats[left++] = repeat;
    }
    while (left < SDB__MOST_REPEATS)
        thread->repeats[left++].site = NULL;
    return found;
}

void sdb__breakpoint_expect_again(struct sdb_thread *thread, struct sdb__site *site,
                                  uint64_t stack_pointer)
{
    int at = 0;

    /* One that comes again before it was executed is the same hit. */
    (void)take_repeat(thread, site, stack_pointer);
    while (at < SDB__MOST_REPEATS && thread->repeats[at].site)
        at++;
    if (at == SDB__MOST_REPEATS) /* the oldest is the likeliest not to come any more */
        memmove(thread->repeats, thread->repeats + 1, (size_t)--at * sizeof(thread->repeats[0]));
    thread->repeats[at] = (struct sdb__repeat){.site = site, .stack_pointer = stack_pointer};
}

bool sdb__breakpoint_take_repetition(struct sdb_thread *thread, const struct sdb__site *site)
{
    struct user_regs_struct *registers;

    return thread->repeats[0].site && sdb__registers_general(thread, &registers) == 0 &&
           take_repeat(thread, site, registers->rsp);
}

/* ---- hits ---- */

static bool add_hit(struct sdb_thread *thread, struct sdb_breakpoint *breakpoint)
{
    struct sdb_breakpoint **hits =
        realloc(thread->hits, (thread->hit_count + 1) * sizeof(struct sdb_breakpoint *));

    if (!hits)
        return false;
    thread->hits = hits;
    hits[thread->hit_count++] = breakpoint;
    breakpoint->listed = true;
    return true;
}

void sdb__breakpoint_ask(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread)
{
    if (breakpoint->removed || !breakpoint->enabled ||
        (breakpoint->thread && breakpoint->thread != thread))
        return;
    if (breakpoint->condition &&
        (!breakpoint->condition(breakpoint, thread, breakpoint->condition_data) ||
         breakpoint->removed))
        return;
    breakpoint->hit_count++;
    if (breakpoint->ignore_count > 0) {
        breakpoint->ignore_count--;
        return;
    }
    if (!add_hit(thread, breakpoint) || !(breakpoint->flags & SDB_BREAKPOINT_ONE_SHOT))
        return;
    /* No thread is stopped for it here: more would hit meanwhile. */
    sdb__hardware_disable_soon(breakpoint);
    (void)sdb_breakpoint_disable(breakpoint);
}

/* Ask all breakpoints of a site.  A condition may remove any of them. */
static void ask_all(const struct sdb__site *site, struct sdb_thread *thread)
{
    struct sdb_breakpoint *usual[USUAL_COUNT];
    struct sdb_breakpoint **all = usual;
    size_t count = 0;

    for (const struct sdb__location *location = site->locations; location;
         location = location->next_at_site)
        count++;
    if (count > USUAL_COUNT)
        all = calloc(count, sizeof(struct sdb_breakpoint *));
    if (!all)
        return;
    count = 0;
    for (const struct sdb__location *location = site->locations; location;
         location = location->next_at_site) {
        all[count] = location->breakpoint;
        all[count++]->references++;
    }
    for (size_t i = 0; i < count; i++) {
        sdb__breakpoint_ask(all[i], thread);
        sdb__breakpoint_close(all[i]);
    }
    if (all != usual)
        free(all);
}

/* @return 1: the signal is that of an int3; 0: it is another; or -ESRCH: it was killed */
static int is_trap(const struct sdb_thread *thread)
{
    siginfo_t info;
    int rc = sdb__ptrace_siginfo(thread->tid, &info);

    return rc < 0 ? rc : info.si_code == SI_KERNEL;
}

/* @return 1: its byte was lifted after the thread had trapped on it; 0: not; or -ESRCH */
static int was_lifted(const struct sdb__site *site, const struct sdb_thread *thread)
{
    uint8_t byte = SDB__TRAP_BYTE;

    if (sdb__space_read(site->sites->space, thread->process->pid, site->address, &byte, 1) != 1)
        return -ESRCH;
    return byte != SDB__TRAP_BYTE;
}

/*
 * A debug register traps before the planted byte at the same address does: both are hit, and the
 * instruction is executed once.
 */
static enum sdb__breakpoint_verdict look_for_hardware(struct sdb_thread *thread,
                                                      struct sdb__stop *stop)
{
    const enum sdb__breakpoint_verdict verdict = sdb__hardware_look(thread, stop);
    struct sdb__site *site = NULL;
    uint64_t pc;

    if (verdict != SDB__BREAKPOINT_NONE && sdb__registers_get_pc(thread, &pc) == 0)
        site = sdb__site_find(thread->process->space->sites, pc);
    if (!site || site->enabled == 0)
        return verdict;
    thread->at_site = site;
    if (thread->process->phase != SDB__PROCESS_HELD ||
        sdb__breakpoint_take_repetition(thread, site))
        return verdict;
    ask_all(site, thread);
    return sdb__step_arrived(thread, stop) || thread->hit_count > 0 ? SDB__BREAKPOINT_TOLD
                                                                    : verdict;
}

static enum sdb__breakpoint_verdict look_for_hit(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const struct sdb__breakpoint_sites *sites = thread->process->space->sites;
    struct sdb__site *site;
    uint64_t pc;
    int rc = 1;

    if (sdb__registers_get_pc(thread, &pc) < 0)
        return SDB__BREAKPOINT_AGAIN; /* it was killed: what it stood before is no news any more */
    site = sdb__site_find(sites, pc - 1);
    if (!site)
        return SDB__BREAKPOINT_NONE;
    sdb__site_decode(site, thread->process->pid);
    if (site->is_ambiguous || thread->process->hardware_places)
        rc = is_trap(thread);
    if (rc > 0 && site->enabled == 0)
        rc = was_lifted(site, thread);
    if (rc <= 0)
        return rc < 0 ? SDB__BREAKPOINT_AGAIN : SDB__BREAKPOINT_NONE;

    sdb__registers_set_pc(thread, site->address);
    *stop = (struct sdb__stop){.kind = SDB_EVENT_BREAKPOINT};
    thread->stop = SDB_EVENT_BREAKPOINT; /* its signal is none of the program's */
    thread->signal = 0;
    sdb__trap_signal_restore(thread);
    if (site->enabled == 0)
        return SDB__BREAKPOINT_PASS;
    thread->at_site = site;
    if (thread->process->phase != SDB__PROCESS_HELD ||
        sdb__breakpoint_take_repetition(thread, site))
        return SDB__BREAKPOINT_PASS;
    thread->hit_count = 0;
    ask_all(site, thread);
    if (sdb__step_arrived(thread, stop) || thread->hit_count > 0)
        return SDB__BREAKPOINT_TOLD;
    if (!site->own_trap)
        return SDB__BREAKPOINT_PASS;
    /* Nobody wants to know, but the program's own trap is its own affair. */
    if (sdb__registers_get_pc(thread, &pc) == 0 && pc == site->address)
        sdb__registers_set_pc(thread, site->address + 1);
    thread->at_site = NULL;
    *stop = (struct sdb__stop){.kind = SDB_EVENT_SIGNAL, .signal = SIGTRAP};
    return SDB__BREAKPOINT_NONE;
}

/*
 * A thread that is interrupted just as it has trapped stops for the interrupt first, behind the planted
 * byte, and its SIGTRAP waits.  So the trap is taken first.
 */
static bool has_trapped(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    uint64_t pc;

    if (stop->kind != SDB_EVENT_INTERRUPT && stop->kind != SDB_EVENT_GROUP_STOP &&
        stop->kind != SDB_EVENT_GROUP_CONTINUE)
        return false;
    if (sdb__registers_get_pc(thread, &pc) < 0 ||
        !sdb__site_find(thread->process->space->sites, pc - 1) ||
        sdb__ptrace_pending_code(thread->tid, SIGTRAP) != SI_KERNEL)
        return false;
    thread->trap_first = stop->in_group_stop || stop->kind == SDB_EVENT_GROUP_CONTINUE;
    return true;
}

enum sdb__breakpoint_verdict sdb__breakpoint_look(struct sdb_thread *thread, struct sdb__stop *stop,
                                                  bool was_listening)
{
    if (!was_listening) {
        thread->at_site = NULL;
        thread->slot_pc = 0;
    }
    if (!thread->process->space->sites)
        return stop->kind == SDB_EVENT_SIGNAL && stop->signal == SIGTRAP
                   ? look_for_hardware(thread, stop)
                   : SDB__BREAKPOINT_NONE;
    if (thread->displaced && !show_own_place(thread, stop))
        return SDB__BREAKPOINT_PASS;
    /* Its trap has it leave a group-stop.  An interrupt asked for before would have come before it. */
    if (thread->trap_first)
        (void)sdb__ptrace_interrupt(thread->tid);
    thread->trap_first = false;
    if (stop->kind == SDB_EVENT_SIGNAL && stop->signal == SIGTRAP) {
        const enum sdb__breakpoint_verdict verdict = look_for_hit(thread, stop);

        return verdict == SDB__BREAKPOINT_NONE ? look_for_hardware(thread, stop) : verdict;
    }
    return has_trapped(thread, stop) ? SDB__BREAKPOINT_AGAIN : SDB__BREAKPOINT_NONE;
}

void sdb__breakpoint_forget_thread(struct sdb_thread *thread)
{
    thread->at_site = NULL;
    thread->slot_pc = 0;
    memset(thread->repeats, 0, sizeof(thread->repeats));
    thread->displaced = false;
    thread->trap_first = false;
    thread->rseq = 0;
    thread->hit_count = 0;
}
