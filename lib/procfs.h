/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a process.  Nothing else in the library reads it.
 */
#ifndef SDB_LIB_PROCFS_H
#define SDB_LIB_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* From /proc/PID/status. */
struct sdb__procfs_status {
    char state; /* R, S, D, T, t, Z, X, I */
    pid_t tgid;
    pid_t tracer; /* 0: none */
    uint32_t uid; /* real */
    bool kernel_thread;
    long thread_count;
};

/**
 * @return 0, -ESRCH if there is no such task, or -ENOSYS if /proc does not tell (not mounted,
 * hidden)
 */
int sdb__procfs_status(pid_t pid, struct sdb__procfs_status *status);

/** @return Yama's ptrace_scope, 0 where there is no Yama */
int sdb__procfs_yama_scope(void);

#endif
