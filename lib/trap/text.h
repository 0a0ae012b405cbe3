/* SPDX-License-Identifier: MIT */
/*
 * The text of a program, for steps: what the next instruction is has to be known before each of them.
 *
 * A look into another's memory costs as much as all else that a step needs.  So pages are kept that cannot
 * change while nothing happens but steps of plain instructions: of a file, private, and not to be written
 * to; and only as long as no other thread of the process runs.
 */
#ifndef SDB_LIB_TRAP_TEXT_H
#define SDB_LIB_TRAP_TEXT_H

#include <stdint.h>

struct sdb__space;
struct sdb_process;
struct sdb_thread;

/**
 * Read the first bytes of the instruction at an address, and what follows.
 *
 * @param thread  stands
 * @return 0, -EIO (not all of them are mapped), or -ESRCH
 */
int sdb__text_word(struct sdb_thread *thread, uint64_t address, uint64_t *word);

/** A thread of a process goes on, and may change the memory. */
void sdb__text_may_change(const struct sdb_process *process);

/** Nobody is held with this memory any more. */
void sdb__text_forget(struct sdb__space *space);

#endif
