/* SPDX-License-Identifier: MIT */
#ifndef SDB_LIB_KERNEL_WAITER_CHILD_H
#define SDB_LIB_KERNEL_WAITER_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* What the waiting thread and its helper share. */
struct sdb__waiter_helper_room {
    pid_t host_pid;
    uint32_t turn;      /* a futex: it changes whenever something below does */
    uint32_t leave;     /* the helper is to exit */
    struct timespec at; /* CLOCK_MONOTONIC: the helper exits then */
};

/**
 * What a helper does: sleep, and exit.  Does not return.
 *
 * @param shared  a struct sdb__waiter_helper_room
 */
void sdb__waiter_child_run(void *shared) __attribute__((noreturn));

#endif
