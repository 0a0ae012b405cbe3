/* SPDX-License-Identifier: MIT */
/*
 * Stepping to a place: a breakpoint of the library's own, for one thread, that goes when it is hit.
 */
#include "step/step.h"

#include <errno.h>

#include <sdb/breakpoint.h>

#include "breakpoint/breakpoint.h"
#include "held/address_space.h"
#include "session/session.h"

/* Where a thread is to go. */
struct target {
    struct sdb_breakpoint *breakpoint; /* or NULL: nowhere */
    uint64_t frame;                    /* and with a stack pointer above this */
};

static struct target *target_of(const struct sdb_thread *thread)
{
    return thread->slots[SDB__STEP_SLOT];
}

/* Forget it. */
static void cancel(struct sdb_thread *thread)
{
    struct target *target = target_of(thread);
    struct sdb_breakpoint *breakpoint = target->breakpoint;

    target->breakpoint = NULL;
    (void)sdb_breakpoint_remove(breakpoint);
}

/* Only where the frame that it was to leave is gone. */
static int has_left_frame(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *data)
{
    struct user_regs_struct *registers;

    (void)breakpoint;
    (void)data;
    return sdb__registers_general(thread, &registers) == 0 &&
           registers->rsp > target_of(thread)->frame;
}

static int go_to(struct sdb_thread *thread, uint64_t address, uint64_t frame)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint;
    struct user_regs_struct *registers;
    int rc;

    options.address = address;
    options.thread = thread;
    options.condition = has_left_frame;
    rc = sdb_breakpoint_create(thread->process, &options, &breakpoint);
    if (rc < 0)
        return rc;
    /* Others are stopped for it, and may have executed a program. */
    if (!sdb__thread_stands(thread)) {
        (void)sdb_breakpoint_remove(breakpoint);
        return -ESRCH;
    }
    sdb__feature_use(thread->process, SDB__STEP_SLOT);
    cancel(thread);
    *target_of(thread) = (struct target){.breakpoint = breakpoint, .frame = frame};
    rc = sdb__registers_general(thread, &registers);
    /* From where it stands it goes once around. */
    if (rc == 0 && registers->rip == address)
        sdb__breakpoint_set_out_from(thread, address);
    if (rc == 0)
        rc = sdb__session_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
    return rc;
}

/* @return the length of the call that it stands at, or 0: it is no call */
static unsigned call_length(struct sdb_thread *thread, uint64_t pc)
{
    const unsigned code = sdb__registers_are_of_32_bit(thread) ? SDB__CODE_32 : 0;
    uint8_t bytes[SDB__INSTRUCTION_SIZE];
    ssize_t count =
        sdb__space_read(thread->process->space, thread->process->pid, pc, bytes, sizeof(bytes));

    if (count <= 0 || sdb__instruction_class(bytes, (size_t)count, code) != SDB__INSTRUCTION_CALL)
        return 0;
    return (unsigned)sdb__instruction_length(bytes, (size_t)count, code);
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
        cancel(thread);
    return rc;
}

/* ---- moments ---- */

/* A thread has hit breakpoints.  If one of them is where it was to go, the step is over. */
static enum sdb__verdict arrive(struct sdb_thread *thread, struct sdb__stop *stop,
                                const struct sdb__stop *seen, enum sdb__verdict verdict)
{
    (void)seen;
    if (verdict != SDB__VERDICT_TELL || stop->kind != SDB_EVENT_BREAKPOINT ||
        !target_of(thread)->breakpoint ||
        !sdb__breakpoint_take_hit(thread, target_of(thread)->breakpoint))
        return verdict;
    cancel(thread);
    if (!sdb_thread_next_breakpoint(thread, NULL))
        stop->kind = SDB_EVENT_STEP; /* nothing else is to be told */
    return verdict;
}

/* The caller has it go on in another way. */
static enum sdb__going go_elsewhere(struct sdb_thread *thread, struct sdb__resume *resume)
{
    if (resume->how != SDB_RESUME_CONTINUE)
        cancel(thread);
    return SDB__GOING_READY;
}

const struct sdb__feature sdb__step_feature = {
    .slot = SDB__STEP_SLOT,
    .thread_size = sizeof(struct target),
    .judge = arrive,
    .resume = go_elsewhere,
    .thread_ended = cancel,
};
