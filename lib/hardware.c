/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints in the debug registers.
 *
 * The processor traps before it executes the instruction, and the kernel has it go on when the thread
 * is resumed, by a flag that signal handlers keep, too.  So there is nothing to displace.
 */
#include "hardware.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "debug_registers.h"
#include "process.h"
#include "ptrace.h"
#include "session.h"

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
    place->next_of_process = process->hardware_places;
    process->hardware_places = place;
    return 0;
}

static void take_from_process(struct sdb__hardware_place *place)
{
    struct sdb__hardware_place **at = &place->process->hardware_places;

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
    while (breakpoint->places) {
        struct sdb__hardware_place *place = breakpoint->places;

        /* Out of the lists first: others may be looked at while threads are stopped. */
        take_from_breakpoint(place);
        take_from_process(place);
        sdb__debug_release(place->process, place);
        free(place);
    }
}

int sdb__hardware_enable(struct sdb_breakpoint *breakpoint)
{
    int rc = 0;

    for (struct sdb__hardware_place *place = breakpoint->places; place && rc == 0;
         place = place->next_of_breakpoint)
        rc = sdb__debug_acquire(place->process, place->address, 1, SDB__DEBUG_EXECUTE, place,
                                breakpoint->thread);
    if (rc < 0)
        sdb__hardware_disable(breakpoint);
    return rc;
}

void sdb__hardware_disable(struct sdb_breakpoint *breakpoint)
{
    for (struct sdb__hardware_place *place = breakpoint->places; place;
         place = place->next_of_breakpoint)
        sdb__debug_release(place->process, place);
}

void sdb__hardware_inherit(struct sdb_process *child, const struct sdb_process *parent)
{
    for (struct sdb__hardware_place *place = parent->hardware_places; place;
         place = place->next_of_process) {
        if (add_place(place->breakpoint, child, place->address) == 0)
            sdb__debug_inherit(child, child->hardware_places, parent, place);
    }
}

void sdb__hardware_forget(struct sdb_process *process)
{
    while (process->hardware_places) {
        struct sdb__hardware_place *place = process->hardware_places;

        take_from_breakpoint(place);
        take_from_process(place);
        sdb__debug_drop(process, place);
        free(place);
    }
}

/* ---- hits ---- */

static bool is_hardware_trap(const struct sdb_thread *thread)
{
    siginfo_t info;

    return sdb__ptrace_siginfo(thread->tid, &info) == 0 && info.si_code == TRAP_HWBKPT;
}

enum sdb__breakpoint_verdict sdb__hardware_look(struct sdb_thread *thread, struct sdb__stop *stop)
{
    struct sdb_breakpoint *fired[SDB__DEBUG_SLOTS];
    unsigned slots = 0;
    int count = 0;

    if (!thread->process->hardware_places || !is_hardware_trap(thread) ||
        sdb__debug_fired(thread, &slots) <= 0)
        return SDB__BREAKPOINT_NONE;
    *stop = (struct sdb__stop){.kind = SDB_EVENT_BREAKPOINT};
    if (thread->process->phase != SDB__PROCESS_HELD)
        return SDB__BREAKPOINT_PASS;
    for (int slot = 0; slot < SDB__DEBUG_SLOTS; slot++) {
        const struct sdb__debug_slot *used = sdb__debug_slot(thread->process, slot);
        const struct sdb__hardware_place *place = used->owner;

        if ((slots & (1U << slot)) && used->watch.kind == SDB__DEBUG_EXECUTE) {
            fired[count] = place->breakpoint;
            fired[count++]->references++;
        }
    }
    thread->hit_count = 0;
    for (int i = 0; i < count; i++) {
        sdb__breakpoint_ask(fired[i], thread);
        sdb__breakpoint_close(fired[i]);
    }
    return thread->hit_count > 0 ? SDB__BREAKPOINT_TOLD : SDB__BREAKPOINT_PASS;
}
