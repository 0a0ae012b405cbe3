/* SPDX-License-Identifier: MIT */
/*
 * What the tests of injected system calls share, beside holding.h: test/tracees/calling.c, which would
 * notice them, and injections after which nothing else may be different.
 */
#ifndef SDB_TEST_INJECTING_H
#define SDB_TEST_INJECTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdb/sdb.h>

#include "holding.h"

/* No arguments. */
extern const uint64_t none[6];

/** Launch test/tracees/calling.c with up to one argument more. */
struct target launch_calling(const char *what, const char *first);

/** Run it until it is ready, and waits in this call.  @return its first thread */
struct sdb_thread *run_into(struct target *target, long number);

/** It must end by itself and say that all was well; end the test with it. */
void end_well(struct target *target);

/**
 * The next events must be the end of its group-stop and the SIGCONT; give it its byte, and end it
 * well.
 */
void end_after_group_stop(struct target *target, const struct sdb_thread *thread);

/** Launch the one that reads a byte, have it wait for that, and stop it there. */
struct target stopped_reader(struct sdb_thread **thread);

/** Give it its byte, and end it well. */
void end_reader(struct target *target);

/** @return what the call returns; it must be possible */
int64_t inject(struct sdb_thread *thread, long number, const uint64_t arguments[6]);

int64_t inject_with(struct sdb_thread *thread, long number, const uint64_t arguments[6],
                    const struct sdb_inject_buffer *buffers, size_t count);

/** Make some calls whose results are known; nothing that the kernel tells may be different then. */
void inject_unseen(struct sdb_thread *thread);

/** The same at a signal, whose siginfo shall stay too. */
void inject_unseen_at_signal(struct sdb_thread *thread);

/** The same; @p rax_may_differ  after the first of them, inside a call that had no result yet */
void inject_unseen_but(struct sdb_thread *thread, bool at_signal, bool rax_may_differ);

/**
 * Find the instructions of the vDSO that make calls, the first of which is what serves those who have none.
 *
 * @return how many there are
 */
size_t calls_of_vdso(struct sdb_process *process, uint64_t *addresses, size_t most);

#endif
