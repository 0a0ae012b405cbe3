/* SPDX-License-Identifier: MIT */
/*
 * System calls of the test's main thread that fail, or before which something happens: a seccomp filter
 * has another thread of the test say what becomes of each (SECCOMP_RET_USER_NOTIF).  The filter stays with
 * the thread, and with the processes that it makes; so what shall not have it is made by an assistant.
 */
#ifndef SDB_TEST_INTERCEPT_H
#define SDB_TEST_INTERCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The threads that the test has for it. */
#define INTERCEPT_THREADS 2

/** @return 0: the call is made; or an errno that it fails with.  In a thread of its own. */
typedef int intercept_function(int number, const uint64_t *arguments, void *data);

/**
 * Ask about these system calls from now on.
 *
 * @return whether the system can do that
 */
bool intercept(const int *numbers, size_t count, intercept_function *ask, void *data);

/** Have the assistant, a thread that began before the filter, run this, and wait for that. */
void intercept_assist(void (*function)(void *data), void *data);

#endif
