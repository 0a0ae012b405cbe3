/* SPDX-License-Identifier: MIT */
/*
 * Looking at tasks from outside, in /proc.
 */
#ifndef SDB_TEST_LOOKING_H
#define SDB_TEST_LOOKING_H

/** @return the state letter of a task, or 0 if there is none */
char state_of(int tid);

/** Wait for a state that is on its way, whose coming nothing else announces. */
void await_state(int tid, char state);

/**
 * @return a number of /proc/TID/status ("TracerPid", "Threads"; signal sets with base 16), or -1
 */
long long status_of(int tid, const char *name, int base);

/** @return the number of the system call that a task is in, or -1 */
long syscall_of(int tid);

/** List a process's tasks.  @return how many there are, -1 if there is no process */
int tasks_of(int pid, int *tids, int room);

/** Wait until a process has so many tasks. */
void await_tasks(int pid, int count);

#endif
