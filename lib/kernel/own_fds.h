/* SPDX-License-Identifier: MIT */
/*
 * The descriptors that the caller itself has open, as /proc lists them; without the C library, for a
 * child that shares its parent's memory.
 */
#ifndef SDB_LIB_KERNEL_OWN_FDS_H
#define SDB_LIB_KERNEL_OWN_FDS_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "arch/x86_64/raw_syscall.h"

/* The head of what getdents64(2) writes. */
struct sdb__directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

/** @return the number that a name is, or -1: it is none */
static inline int sdb__own_fds_parse(const char *name)
{
    int fd = 0;

    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Branch): the kernel has written it */
    for (; *name; name++) {
        if (*name < '0' || *name > '9')
            return -1;
        fd = fd * 10 + (*name - '0');
    }
    return fd;
}

/**
 * Have those from a number on closed by an exec: for kernels before 5.11, and sandboxes, where
 * close_range(2) does not do it.
 *
 * @return 0 or a negative errno
 */
static inline long sdb__own_fds_close_on_exec(int first)
{
    char entries[1024] __attribute__((aligned(8)));
    long directory =
        sdb__raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long len;

    if (directory < 0)
        return directory;
    while ((len = sdb__raw_syscall(SYS_getdents64, directory, entries, sizeof(entries))) > 0) {
        for (long at = 0; at < len;) {
            const struct sdb__directory_entry *entry = (const void *)(entries + at);
            const int fd = sdb__own_fds_parse(entry->name);

            if (fd >= first)
                sdb__raw_syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
            at += entry->length;
        }
    }
    sdb__raw_syscall(SYS_close, directory);
    return len;
}

#endif
