/* SPDX-License-Identifier: MIT */
/*
 * The system call at whose beginning or end a thread stands: what it is, and changing it.
 *
 * What the kernel says of it is asked for once a stop.  Changes are made in the thread's registers,
 * which are written back when it is resumed; until then they are what is told of the call.
 */
#include <sdb/syscall.h>

#include <errno.h>

#include "arch/arch.h"
#include "base/versioned.h"
#include "session/session.h"
#include "syscall/calls.h"

#define SIZE_OF_VERSION_0_1 sizeof(struct sdb_syscall)
#define HIGHEST_ERRNO       4095

static bool is_error(int64_t result)
{
    return result < 0 && result >= -HIGHEST_ERRNO;
}

/* Whether the caller may ask for the call, and what the kernel says of it. */
static int look(struct sdb_thread *thread)
{
    int rc = sdb__thread_check_told(thread);

    if (rc < 0)
        return rc;
    if (thread->stop != SDB_EVENT_SYSCALL_ENTRY && thread->stop != SDB_EVENT_SYSCALL_EXIT)
        return -EINVAL;
    sdb__feature_use(thread->process, SDB__SYSCALL_SLOT);
    return sdb__calls_look(thread);
}

/* Look at it, at one end only, to change it. */
static int look_to_change(struct sdb_thread *thread, uint32_t end,
                          struct user_regs_struct **registers)
{
    int rc = look(thread);

    if (rc < 0)
        return rc;
    if (thread->stop != end)
        return -EINVAL;
    return sdb__registers_general(thread, registers);
}

static int fill_beginning(const struct sdb_thread *thread, struct sdb_syscall *call)
{
    call->number = sdb__calls(thread)->stop.number;
    for (int i = 0; i < 6; i++)
        call->arguments[i] = sdb__calls(thread)->stop.arguments[i];
    call->entry_seen = 1;
    if (thread->registers.is_whole)
        sdb__registers_call(&thread->registers.general, call->architecture, &call->number,
                            call->arguments);
    return 0;
}

static int fill_end(struct sdb_thread *thread, struct sdb_syscall *call)
{
    const struct sdb__calls *calls = sdb__calls(thread);
    struct user_regs_struct *registers;
    int rc;

    call->result = calls->stop.result;
    call->is_error = calls->stop.is_error;
    if (calls->entry_known) {
        call->entry_seen = 1;
        call->architecture = calls->entry.architecture;
        call->number = calls->entry.number;
        for (int i = 0; i < 6; i++)
            call->arguments[i] = calls->entry.arguments[i];
    } else {
        rc = sdb__registers_general(thread, &registers);
        if (rc < 0)
            return rc;
        sdb__registers_call(registers, call->architecture, &call->number, call->arguments);
    }
    if (thread->registers.is_whole) {
        call->result = sdb__registers_result(&thread->registers.general, call->architecture);
        call->is_error = is_error(call->result);
    }
    return 0;
}

int sdb_thread_syscall(struct sdb_thread *thread, struct sdb_syscall *call)
{
    struct sdb_syscall ours = {0};
    int rc = look(thread);

    if (rc < 0)
        return rc;
    if (!call)
        return -EINVAL;
    rc = sdb__struct_check(call, sizeof(*call), SIZE_OF_VERSION_0_1);
    if (rc < 0)
        return rc;
    ours.end = thread->stop;
    ours.architecture = sdb__calls(thread)->stop.architecture;
    ours.instruction_pointer = sdb__calls(thread)->stop.instruction_pointer;
    ours.stack_pointer = sdb__calls(thread)->stop.stack_pointer;
    rc = thread->stop == SDB_EVENT_SYSCALL_ENTRY ? fill_beginning(thread, &ours)
                                                 : fill_end(thread, &ours);
    if (rc == 0)
        sdb__struct_export(call, &ours, sizeof(ours));
    return rc;
}

int sdb_thread_set_syscall(struct sdb_thread *thread, int64_t number, const uint64_t arguments[6])
{
    struct user_regs_struct *registers;
    int rc = look_to_change(thread, SDB_EVENT_SYSCALL_ENTRY, &registers);

    if (rc < 0)
        return rc;
    if (number < -1 || number > INT32_MAX)
        return -EINVAL;
    sdb__registers_set_call(registers, sdb__calls(thread)->stop.architecture, number, arguments);
    sdb__registers_set_result(registers, -ENOSYS);
    sdb__registers_changed(thread);
    sdb__calls(thread)->refused = 0;
    return 0;
}

int sdb_thread_set_syscall_result(struct sdb_thread *thread, int64_t result)
{
    struct user_regs_struct *registers;
    int rc = look_to_change(thread, SDB_EVENT_SYSCALL_EXIT, &registers);

    if (rc < 0)
        return rc;
    sdb__registers_set_result(registers, result);
    sdb__registers_changed(thread);
    return 0;
}

/*
 * A call with the number -1 is not made, and returns what the register of the result holds.  A seccomp
 * filter of the program's own may still put something else there, so it is put there again at the end.
 */
int sdb_thread_refuse_syscall(struct sdb_thread *thread, int error)
{
    struct user_regs_struct *registers;
    int rc = look_to_change(thread, SDB_EVENT_SYSCALL_ENTRY, &registers);

    if (rc < 0)
        return rc;
    if (error < 1 || error > HIGHEST_ERRNO)
        return -EINVAL;
    sdb__registers_skip_call(registers, -error);
    sdb__registers_changed(thread);
    sdb__calls(thread)->refused = error;
    return 0;
}
