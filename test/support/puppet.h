/* SPDX-License-Identifier: MIT */
/*
 * A child in which single instructions are run: its registers and memory are set, it makes a step or
 * runs to a place, and what has become of it is looked at.  Its memory to work on, two slots for code
 * and a page of text are shared with it, so that to set and to look takes no call.
 */
#ifndef SDB_TEST_PUPPET_H
#define SDB_TEST_PUPPET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "racing.h"

#define PUPPET_MEMORY 16384
#define PUPPET_XSTATE 16384 /* at most */
#define PUPPET_NAMED  64

struct outcome {
    struct user_regs_struct registers;
    int signal; /* 0: it made its step */
    int signal_code;
    uint64_t fault_address;
    uint8_t xstate[PUPPET_XSTATE];
    uint8_t memory[PUPPET_MEMORY];
    uint8_t named[PUPPET_NAMED]; /* what was named to puppet_prepare() */
    size_t named_len;
};

/** Start the child, and have this process on one processor with it. */
void puppet_start(void);
void puppet_end(void);

/** @return an address in its memory, with as much below as above it */
uint64_t puppet_middle(void);

/** @return the address of one slot or the other: near the libraries, or farther than 2 GiB */
uint64_t puppet_slot(bool far);
void puppet_write_slot(uint64_t slot, const uint8_t *code, size_t len);

/** Write an instruction to the page of text, with numbers around it. @return where */
const uint8_t *puppet_write_text(const uint8_t *bytes, size_t len);

/** @return registers by chance: addresses in its memory, small numbers, any; a stack */
struct user_regs_struct puppet_registers(struct chance *chance);

/**
 * Note a state to begin with: these registers, the others and the memory by chance.
 *
 * @param named  where else it may write, in its own data; 0: nowhere
 */
void puppet_prepare(struct user_regs_struct registers, uint64_t named, struct chance *chance,
                    struct outcome *before);

/** Set that state, with another pc. */
void puppet_restore(const struct outcome *before, uint64_t pc);

/** Read and write its memory as it could do itself.  @return whether all of it could be */
bool puppet_read(uint64_t address, void *buffer, size_t len);
bool puppet_write(uint64_t address, const void *buffer, size_t len);

/** Make a step, and fill in registers and signal. @return whether it did, or was stopped by a fault */
bool puppet_step(struct outcome *outcome);

/**
 * Let it run, with a trap at @p end instead of what is there.  Fill in registers and signal; the pc is
 * @p end if it came by there.
 */
void puppet_run(uint64_t end, struct outcome *outcome);

/** Fill in the rest. */
void puppet_look(struct outcome *outcome);

bool outcome_has_registers(const struct outcome *one, const struct outcome *other);
bool outcome_is_same(const struct outcome *one, const struct outcome *other);

/** @return in words what differs, until the next call */
const char *outcome_differences(const struct outcome *one, const struct outcome *other);

#endif
