/* SPDX-License-Identifier: MIT */
/*
 * Launching by hand, with as few system calls as will do: the limits that libsdb is measured beside.
 */
#ifndef SDB_BENCH_RAW_LAUNCH_H
#define SDB_BENCH_RAW_LAUNCH_H

#include <sys/types.h>

/** What all of them launch: it does nothing but exit. */
extern const char *const raw_argv[];

/** vfork and execve.  @return the child */
pid_t raw_vfork(void);

/** fork and execve, and a pipe whose end says that the exec has happened.  @return the child */
pid_t raw_fork(void);

/** The C library's posix_spawn.  @return the child */
pid_t raw_spawn(void);

/** A traced child at its exec stop: clone with CLONE_VM, PTRACE_SEIZE at a gate, execve. */
pid_t raw_seize(void);

/** A traced child at its exec stop: fork, PTRACE_TRACEME, execve. */
pid_t raw_traceme(void);

/** Let a traced child go on. */
void raw_resume(pid_t pid);

/** Wait for a child's end. */
void raw_reap(pid_t pid);

#endif
