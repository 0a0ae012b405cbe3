/* SPDX-License-Identifier: MIT */
/*
 * Stepping to a place: a breakpoint of the library's own, for one thread, that goes when it is hit.
 */
#include "step/step.h"

#include <errno.h>

#include <sdb/breakpoint.h>
#include <sdb/error.h>

#include "breakpoint/breakpoint.h"
#include "held/process.h"
#include "held/register_cache.h"
#include "held/thread.h"
#include "session/session.h"

void sdb__step_cancel(struct sdb_thread *thread)
{
    struct sdb_breakpoint *target = thread->step_target;

    if (!target)
        return;
    thread->step_target = NULL;
    (void)sdb_breakpoint_remove(target);
}

/* Only where the frame that it was to leave is gone. */
static int has_left_frame(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *data)
{
    struct user_regs_struct *registers;

    (void)breakpoint;
    (void)data;
    return sdb__registers_general(thread, &registers) == 0 && registers->rsp > thread->step_frame;
}

static int go_to(struct sdb_thread *thread, uint64_t address, uint64_t frame)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *target;
    struct user_regs_struct *registers;
    int rc;

    options.address = address;
    options.thread = thread;
    options.condition = has_left_frame;
    rc = sdb_breakpoint_create(thread->process, &options, &target);
    if (rc < 0)
        return rc;
    sdb__step_cancel(thread);
    thread->step_target = target;
    thread->step_frame = frame;
    rc = sdb__registers_general(thread, &registers);
    /* From where it stands it goes once around. */
    if (rc == 0 && registers->rip == address && !thread->at_site)
        thread->at_site = sdb__site_find(thread->process->space->sites, address);
    if (rc == 0)
        rc = sdb__thread_go_on(thread, SDB_RESUME_CONTINUE);
    return rc;
}

/* @return the length of the call that it stands at, or 0: it is no call */
static unsigned call_length(struct sdb_thread *thread, uint64_t pc)
{
    uint8_t bytes[SDB__INSTRUCTION_SIZE];
    ssize_t count =
        sdb__space_read(thread->process->space, thread->process->pid, pc, bytes, sizeof(bytes));

    if (count <= 0 || sdb__instruction_class(bytes, (size_t)count) != SDB__INSTRUCTION_CALL)
        return 0;
    return (unsigned)sdb__instruction_length(bytes, (size_t)count);
}

int sdb_thread_step_over(struct sdb_thread *thread)
{
    struct user_regs_struct *registers;
    unsigned length;
    int rc = sdb__thread_check_told(thread);

    if (rc < 0)
        return rc;
    rc = sdb__registers_general(thread, &registers);
    if (rc < 0)
        return rc;
    length = call_length(thread, registers->rip);
    if (length == 0)
        return sdb_thread_resume(thread, SDB_RESUME_STEP, SDB_SIGNAL_PASS);
    return go_to(thread, registers->rip + length, registers->rsp - 1);
}

int sdb_thread_step_out(struct sdb_thread *thread, uint64_t return_address, uint64_t frame)
{
    int rc = sdb__thread_check_told(thread);

    return rc < 0 ? rc : go_to(thread, return_address, frame);
}

int sdb_thread_run_to(struct sdb_thread *thread, uint64_t address)
{
    int rc = sdb__thread_check_told(thread);

    return rc < 0 ? rc : go_to(thread, address, 0);
}

int sdb_thread_cancel_step(struct sdb_thread *thread)
{
    int rc = sdb__thread_check_caller(thread);

    if (rc == 0)
        sdb__step_cancel(thread);
    return rc;
}

bool sdb__step_arrived(struct sdb_thread *thread, struct sdb__stop *stop)
{
    unsigned left = 0;
    bool arrived = false;

    for (unsigned i = 0; i < thread->hit_count; i++) {
        if (thread->hits[i] == thread->step_target)
            arrived = true;
        else
            thread->hits[left++] = thread->hits[i];
    }
    thread->hit_count = left;
    if (!arrived)
        return false;
    sdb__step_cancel(thread);
    if (left == 0)
        stop->kind = SDB_EVENT_STEP;
    return true;
}
