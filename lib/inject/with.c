/* SPDX-License-Identifier: MIT */
/*
 * Injected system calls, from the outside: the checks, and memory for arguments.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <sdb/error.h>

#include "held/address_space.h"
#include "inject/inject.h"
#include "session/session.h"

#define ARGUMENTS 6

/* What the ABI lets a function use below its stack pointer. */
#define RED_ZONE 128

#define ALIGNMENT 16

/* A signal's frame takes more. */
#define MOST_ON_STACK 1024

/* Memory that is borrowed. */
struct loan {
    struct sdb_thread *thread;
    const struct sdb_inject_buffer *buffers;
    size_t count;
    size_t length; /* of all */
    uint64_t address;
    uint8_t *bytes;  /* ours: what goes there, and comes from there */
    uint8_t *before; /* on the stack: what was there */
    bool mapped;
};

static int check(struct sdb_thread *thread, long number, const uint64_t *arguments,
                 const int64_t *result)
{
    int rc = sdb__thread_check_told(thread);

    if (rc < 0)
        return rc;
    if (!arguments || !result || number < 0)
        return -EINVAL;
    return sdb__registers_are_of_32_bit(thread) ? -ENOTSUP : 0; /* the numbers are others */
}

int sdb_thread_inject(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                      int64_t *result)
{
    int rc = check(thread, number, arguments, result);

    return rc < 0 ? rc : sdb__inject(thread, number, arguments, result);
}

static size_t aligned(size_t length)
{
    return (length + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* Check the buffers, and find out how long they are together. */
static int measure(struct loan *loan)
{
    bool used[ARGUMENTS] = {false};

    if (loan->count > ARGUMENTS || (loan->count > 0 && !loan->buffers))
        return -EINVAL;
    for (size_t i = 0; i < loan->count; i++) {
        const struct sdb_inject_buffer *buffer = &loan->buffers[i];

        if (!buffer->bytes || buffer->argument >= ARGUMENTS || used[buffer->argument] ||
            buffer->direction < SDB_INJECT_IN || buffer->direction > SDB_INJECT_INOUT)
            return -EINVAL;
        used[buffer->argument] = true;
        if (buffer->length > (size_t)INT32_MAX - loan->length)
            return -E2BIG;
        loan->length += aligned(buffer->length);
    }
    return 0;
}

static ssize_t read_memory(const struct loan *loan, void *bytes)
{
    struct sdb_process *process = loan->thread->process;

    return sdb__space_read(process->space, process->pid, loan->address, bytes, loan->length);
}

static ssize_t write_memory(const struct loan *loan, const void *bytes)
{
    struct sdb_process *process = loan->thread->process;

    return sdb__space_write(process->space, process->pid, loan->address, bytes, loan->length);
}

/* @return 0, or a negative errno: a part that was not moved is memory that is not there */
static int moved(const struct loan *loan, ssize_t count)
{
    if (count < 0)
        return (int)count;
    return (size_t)count == loan->length ? 0 : -EFAULT;
}

/* @return whether there is room on the stack, whose content is kept */
static bool borrow_stack(struct loan *loan)
{
    struct user_regs_struct *registers;

    if (loan->length > MOST_ON_STACK || sdb__registers_general(loan->thread, &registers) < 0)
        return false;
    loan->address = (registers->rsp - RED_ZONE - loan->length) & ~(uint64_t)(ALIGNMENT - 1);
    return loan->address < registers->rsp && moved(loan, read_memory(loan, loan->before)) == 0 &&
           moved(loan, write_memory(loan, loan->bytes)) == 0;
}

static int borrow_mapping(struct loan *loan)
{
    struct sdb_thread *helper = sdb__inject_helper(loan->thread);
    int64_t address;
    int rc;

    if (!helper)
        return -ENOMEM;
    rc = sdb__inject_map(helper, 0, loan->length, PROT_READ | PROT_WRITE, &address);
    if (rc < 0)
        return rc;
    if (address < 0 && address > -4096)
        return -ENOMEM;
    loan->address = (uint64_t)address;
    loan->mapped = true;
    return moved(loan, write_memory(loan, loan->bytes));
}

/* @return 0 or a negative errno; it must be given back in either case */
static int borrow(struct loan *loan)
{
    size_t at = 0;

    loan->bytes = calloc(2, loan->length);
    if (!loan->bytes)
        return -ENOMEM;
    loan->before = loan->bytes + loan->length;
    for (size_t i = 0; i < loan->count; i++) {
        const struct sdb_inject_buffer *buffer = &loan->buffers[i];

        if (buffer->direction & SDB_INJECT_IN)
            memcpy(loan->bytes + at, buffer->bytes, buffer->length);
        at += aligned(buffer->length);
    }
    return borrow_stack(loan) ? 0 : borrow_mapping(loan);
}

static int give_back(struct loan *loan)
{
    struct sdb_thread *helper;

    if (!loan->mapped)
        return moved(loan, write_memory(loan, loan->before));
    helper = sdb__inject_helper(loan->thread);
    return helper ? sdb__inject_unmap(helper, loan->address, loan->length) : 0;
}

static void set_arguments(const struct loan *loan, const uint64_t from[ARGUMENTS],
                          uint64_t arguments[ARGUMENTS])
{
    uint64_t address = loan->address;

    memcpy(arguments, from, ARGUMENTS * sizeof(*arguments));
    for (size_t i = 0; i < loan->count; i++) {
        arguments[loan->buffers[i].argument] = address;
        address += aligned(loan->buffers[i].length);
    }
}

static void copy_results(const struct loan *loan)
{
    size_t at = 0;

    for (size_t i = 0; i < loan->count; i++) {
        const struct sdb_inject_buffer *buffer = &loan->buffers[i];

        if (buffer->direction & SDB_INJECT_OUT)
            memcpy(buffer->bytes, loan->bytes + at, buffer->length);
        at += aligned(buffer->length);
    }
}

static int inject_with(struct loan *loan, long number, const uint64_t from[ARGUMENTS],
                       int64_t *result)
{
    uint64_t arguments[ARGUMENTS];
    int64_t returned;
    int rc = borrow(loan);
    int rc_of_return;

    if (rc < 0 && !loan->mapped)
        return rc;
    set_arguments(loan, from, arguments);
    if (rc == 0)
        rc = sdb__inject(loan->thread, number, arguments, &returned);
    if (rc == -ESRCH)
        return rc;
    if (rc == 0)
        rc = moved(loan, read_memory(loan, loan->bytes));
    rc_of_return = give_back(loan);
    if (rc == 0)
        rc = rc_of_return;
    if (rc == 0) {
        copy_results(loan);
        *result = returned;
    }
    return rc;
}

int sdb_thread_inject_with(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                           const struct sdb_inject_buffer *buffers, size_t count, int64_t *result)
{
    struct loan loan = {.thread = thread, .buffers = buffers, .count = count};
    int rc = check(thread, number, arguments, result);

    if (rc == 0)
        rc = measure(&loan);
    if (rc < 0)
        return rc;
    if (loan.length == 0) {
        /* The address of no bytes is nobody's. */
        uint64_t none[ARGUMENTS];

        set_arguments(&loan, arguments, none);
        return sdb__inject(thread, number, none, result);
    }
    rc = inject_with(&loan, number, arguments, result);
    free(loan.bytes);
    return rc;
}
