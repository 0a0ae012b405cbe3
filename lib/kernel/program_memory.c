/* SPDX-License-Identifier: MIT */
#include "kernel/program_memory.h"

#include <sys/uio.h>

bool sdb__program_read(pid_t tid, uint64_t address, void *buffer, size_t len)
{
    const struct iovec here = {buffer, len};
    const struct iovec there = {(void *)(uintptr_t)address, len};

    return process_vm_readv(tid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

bool sdb__program_write(pid_t tid, uint64_t address, const void *buffer, size_t len)
{
    const struct iovec here = {(void *)(uintptr_t)buffer, len};
    const struct iovec there = {(void *)(uintptr_t)address, len};

    return process_vm_writev(tid, &here, 1, &there, 1, 0) == (ssize_t)len;
}
