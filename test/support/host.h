/* SPDX-License-Identifier: MIT */
/*
 * Putting the host, that is the test's own process, into the states in which programs call libsdb;
 * and looking at others without guessing at times.
 */
#ifndef SDB_TEST_HOST_H
#define SDB_TEST_HOST_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

/** @return milliseconds on the monotonic clock */
int64_t host_now_ms(void);
int64_t host_now_us(void);

/** Sleep half a millisecond, between two looks at what somebody else does. */
void host_nap(void);

/**
 * Close some of the descriptors 0, 1 and 2.
 *
 * @param which  bit n closes descriptor n
 */
struct host_stdio {
    int saved[3]; /* copies of the closed ones, -1 for the others */
};
void host_close_stdio(unsigned which, struct host_stdio *stdio);

/** Put them back.  What has taken their place meanwhile fails the test. */
void host_restore_stdio(const struct host_stdio *stdio);

/** A SIGALRM every millisecond (on valgrind: 50), with a handler that counts and no SA_RESTART. */
struct host_storm {
    struct sigaction action;
    struct itimerval timer;
};
void host_storm_begin(struct host_storm *storm);

/** End it.  @return how often the handler ran */
unsigned host_storm_end(const struct host_storm *storm);

/**
 * Wait until a task sleeps (or has ended), as one that is blocked in a system call does.
 *
 * @param tid  a process or thread
 * @return whether it did within twenty seconds
 */
bool host_wait_asleep(pid_t tid);

/** Run this in another thread, and wait for its end.  @return what it has returned */
void *run_in_thread(void *(*function)(void *data), void *data);

/** @return the letter of a task's state in /proc, or 0 if there is none */
char host_task_state(pid_t tid);

/**
 * From now on the system call fails in this process and its children with this errno, as in a sandbox
 * or on a kernel that lacks it.
 */
void host_refuse_syscall(long number, int error);

/** @return whether the process runs under valgrind, where time goes slowly and much is left out */
bool host_on_valgrind(void);

/** @return whether the kernel is this version or newer */
bool host_kernel_is(int major, int minor);

#endif
