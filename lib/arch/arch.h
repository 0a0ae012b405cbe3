/* SPDX-License-Identifier: MIT */
/*
 * What depends on the processor.  One folder below arch/ implements this for each.
 */
#ifndef SDB_LIB_ARCH_ARCH_H
#define SDB_LIB_ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/sched.h>
#include <sys/user.h>

#if !defined(__x86_64__) || defined(__ILP32__)
#error "libsdb is for x86-64 so far"
#endif

/**
 * clone3(2) for a child that shares this process's memory and runs on a stack of its own.
 *
 * @param function  what the child calls; it must not return
 * @return the child's pid, or a negative errno
 */
long sdb__clone3_calling(struct clone_args *arguments, size_t size, void (*function)(void *),
                         void *argument);

/** The same by clone(2), for kernels and sandboxes without clone3. */
long sdb__clone_calling(unsigned long flags, void *stack_top, int *pidfd, uint32_t *child_tid,
                        void (*function)(void *), void *argument);

/** @return whether this program runs under valgrind, which has its own idea of clone */
bool sdb__on_valgrind(void);

/* ---- debug registers ---- */

/* How many addresses they hold. */
#define SDB__DEBUG_SLOTS 4

enum sdb__debug_kind {
    SDB__DEBUG_EXECUTE, /* the thread comes to the instruction, and has not executed it */
    SDB__DEBUG_WRITE,   /* it has written there */
    SDB__DEBUG_ACCESS,  /* it has written or read there */
};

/* What one of them watches. */
struct sdb__debug_watch {
    uint64_t address; /* a multiple of the length */
    uint8_t length;   /* 1, 2, 4 or 8; 0: it is off */
    uint8_t kind;     /* enum sdb__debug_kind */
};

/** @return where in struct user the register is that holds the address of a slot */
size_t sdb__debug_address_offset(int slot);

/** @return the same of the register that says what for, and which are on */
size_t sdb__debug_control_offset(void);

/** @return the same of the register that says which have fired */
size_t sdb__debug_status_offset(void);

/** @return what the control register has to be */
uint64_t sdb__debug_control(const struct sdb__debug_watch watches[SDB__DEBUG_SLOTS]);

/** @return which slots have fired, as a bit for each */
unsigned sdb__debug_status_slots(uint64_t status);

/**
 * The longest piece that one slot can watch from the beginning of a range on.
 *
 * @param length  of the range, at least 1
 */
uint8_t sdb__debug_first_piece(uint64_t address, size_t length);
/* ---- system calls; the architecture is how a call is made, SDB_ARCH_... of <sdb/syscall.h> ---- */

/** Say which call a thread makes, or has made. */
void sdb__registers_call(const struct user_regs_struct *registers, uint32_t architecture,
                         int64_t *number, uint64_t arguments[6]);

/** Have it make another one.  @param arguments  all six, or NULL: as they are */
void sdb__registers_set_call(struct user_regs_struct *registers, uint32_t architecture,
                             int64_t number, const uint64_t *arguments);

/** Have it make none, which returns @p result. */
void sdb__registers_skip_call(struct user_regs_struct *registers, int64_t result);

/** What the call has returned. */
int64_t sdb__registers_result(const struct user_regs_struct *registers, uint32_t architecture);
void sdb__registers_set_result(struct user_regs_struct *registers, int64_t result);

#endif
