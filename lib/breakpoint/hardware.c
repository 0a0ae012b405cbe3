/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints in the debug registers.
 *
 * The processor traps before it executes the instruction, and the kernel has it go on when the thread
 * is resumed, by a flag that signal handlers keep, too.  So there is nothing to displace.
 */
#include "breakpoint/hardware.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "breakpoint/siginfo.h"
#include "kernel/ptrace.h"
#include "session/session.h"
#include "trap/debug_registers.h"
#include "trap/signal.h"

static int add_place(struct sdb_breakpoint *breakpoint, struct sdb_process *process,
                     uint64_t address)
{
    struct sdb__hardware_place *place = calloc(1, sizeof(*place));

    if (!place)
        return -ENOMEM;
    place->breakpoint = breakpoint;
    place->process = process;
    place->address = address;
    place->next_of_breakpoint = breakpoint->places;
    breakpoint->places = place;
    place->next_of_process = sdb__breakpoint_process(process)->hardware_places;
    sdb__breakpoint_process(process)->hardware_places = place;
    return 0;
}

static void take_from_process(struct sdb__hardware_place *place)
{
    struct sdb__hardware_place **at = &sdb__breakpoint_process(place->process)->hardware_places;

    while (*at != place)
        at = &(*at)->next_of_process;
    *at = place->next_of_process;
}

static void take_from_breakpoint(struct sdb__hardware_place *place)
{
    struct sdb__hardware_place **at = &place->breakpoint->places;

    while (*at != place)
        at = &(*at)->next_of_breakpoint;
    *at = place->next_of_breakpoint;
}

int sdb__hardware_begin(struct sdb_breakpoint *breakpoint, struct sdb_process *process,
                        const uint64_t *addresses, size_t count)
{
    int rc = count > SDB__DEBUG_SLOTS ? -ENOSPC : 0;

    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_place(breakpoint, process, addresses[i]);
    return rc;
}

void sdb__hardware_end(struct sdb_breakpoint *breakpoint)
{
    struct sdb__hardware_place *place;

    while ((place = breakpoint->places)) {
        /* Out of the lists first: others may be looked at while threads are stopped. */
        take_from_breakpoint(place); /* NOLINT(clang-analyzer-unix.Malloc): what is freed is out */
        take_from_process(place);
        sdb__debug_release(place->process, place);
        free(place);
    }
}

/* @return one that has a slot, or needs one; or NULL */
static struct sdb__hardware_place *find_place(const struct sdb_breakpoint *breakpoint,
                                              bool has_slot)
{
    struct sdb__hardware_place *place = breakpoint->places;

    while (place && (sdb__debug_owns(place->process, place) != has_slot ||
                     (!has_slot && sdb__process_is_gone(place->process))))
        place = place->next_of_breakpoint;
    return place;
}

/*
 * While threads are stopped for one place, processes may be born, end and execute programs, and places
 * come and go with them: so each time it is looked anew.
 */
int sdb__hardware_enable(struct sdb_breakpoint *breakpoint)
{
    struct sdb__hardware_place *place;
    int rc = 0;

    while (rc == 0 && (place = find_place(breakpoint, false))) {
        struct sdb_process *process = sdb_process_retain(place->process);

        rc = sdb__debug_acquire(process, place->address, 1, SDB__DEBUG_EXECUTE, place,
                                breakpoint->point.only);
        if (rc == -ESRCH && sdb__process_is_gone(process))
            rc = 0; /* the others may live */
        sdb_process_close(process);
    }
    if (rc < 0)
        sdb__hardware_disable(breakpoint);
    return rc;
}

void sdb__hardware_disable(struct sdb_breakpoint *breakpoint)
{
    struct sdb__hardware_place *place;

    while ((place = find_place(breakpoint, true)))
        sdb__debug_release(place->process, place);
}

void sdb__hardware_disable_soon(struct sdb_breakpoint *breakpoint)
{
    struct sdb__hardware_place *place;

    while ((place = find_place(breakpoint, true)))
        sdb__debug_drop(place->process, place);
}

int sdb__hardware_inherit(struct sdb_process *child, const struct sdb_process *parent)
{
    for (struct sdb__hardware_place *place = sdb__breakpoint_process(parent)->hardware_places;
         place; place = place->next_of_process) {
        int rc;

        if (place->breakpoint->point.only)
            continue;
        rc = add_place(place->breakpoint, child, place->address);
        if (rc < 0)
            return rc;
        sdb__debug_inherit(child, sdb__breakpoint_process(child)->hardware_places, parent, place);
    }
    return 0;
}

void sdb__hardware_forget(struct sdb_process *process)
{
    while (sdb__breakpoint_process(process)->hardware_places) {
        struct sdb__hardware_place *place = sdb__breakpoint_process(process)->hardware_places;

        take_from_breakpoint(place);
        take_from_process(place);
        sdb__debug_drop(process, place);
        free(place);
    }
}

/* ---- signals ---- */

static bool is_place(const struct sdb_process *process, uint64_t pc)
{
    const struct sdb__hardware_place *place = sdb__breakpoint_process(process)->hardware_places;

    while (place && (place->address != pc || !place->breakpoint->point.enabled))
        place = place->next_of_process;
    return place;
}

void sdb__hardware_deliver(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;
    siginfo_t info;

    if (!sdb__breakpoint_process(thread->process)->hardware_places ||
        sdb__registers_general(thread, &registers) < 0 || !(registers->eflags & SDB__RESUME_FLAG) ||
        !is_place(thread->process, registers->rip) || sdb__ptrace_siginfo(thread->tid, &info) < 0 ||
        !sdb__siginfo_is_fault(&info))
        return;
    registers->eflags &= ~(unsigned long long)SDB__RESUME_FLAG;
    sdb__registers_changed(thread);
}

/* ---- hits ---- */

enum sdb__verdict sdb__hardware_look(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb_breakpoint *fired[SDB__DEBUG_SLOTS];
    unsigned slots = 0;
    int count = 0;

    if (!sdb__breakpoint_process(thread->process)->hardware_places || !sdb__debug_is_trap(thread) ||
        sdb__debug_fired(thread, &slots) <= 0)
        return SDB__VERDICT_NONE;
    *stop = (struct sdb__stop){.kind = SDB_EVENT_BREAKPOINT};
    sdb__thread_set_stop(thread, stop->kind, 0); /* its signal is none of the program's */
    sdb__trap_signal_restore(thread);
    if (thread->process->phase != SDB__PROCESS_HELD)
        return SDB__VERDICT_PASS;
    for (int slot = 0; slot < SDB__DEBUG_SLOTS; slot++) {
        const struct sdb__debug_slot *used = sdb__debug_slot(thread->process, slot);
        const struct sdb__hardware_place *place = used->owner;

        if ((slots & (1U << slot)) && used->watch.kind == SDB__DEBUG_EXECUTE) {
            fired[count] = place->breakpoint;
            sdb__stop_point_retain(&fired[count++]->point);
        }
    }
    sdb__breakpoint_state(thread)->hit_count = 0;
    for (int i = 0; i < count; i++) {
        sdb__breakpoint_ask(fired[i], thread);
        sdb__stop_point_drop(&fired[i]->point);
    }
    return sdb__breakpoint_state(thread)->hit_count > 0 ? SDB__VERDICT_TELL : SDB__VERDICT_PASS;
}
