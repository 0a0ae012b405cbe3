/* SPDX-License-Identifier: MIT */
/*
 * The registers of a thread that stands still: read at the first need, once a stop; written back once,
 * before it is resumed or let go.  The program counter, which is what is mostly asked for and changed,
 * is read and written alone where nothing else is: that costs the kernel less.  Room for others than
 * the general ones is taken when one of them is asked for, and given back when the thread goes on.
 */
#ifndef SDB_LIB_HELD_REGISTER_CACHE_H
#define SDB_LIB_HELD_REGISTER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

struct sdb_thread;

/* The bit of the flags that a step sets. */
#define SDB__TRAP_FLAG UINT64_C(0x100)

/* The one by which the next instruction does not trap by a debug register. */
#define SDB__RESUME_FLAG UINT64_C(0x10000)

/*
 * What a system call that was interrupted has for its result, negated, until it is made again or ended;
 * the program never sees it, and no header has it.
 */
#define SDB__ERESTARTSYS           512 /* made again unless a handler without SA_RESTART comes first */
#define SDB__ERESTARTNOINTR        513 /* made again */
#define SDB__ERESTARTNOHAND        514 /* made again unless a handler comes first */
#define SDB__ERESTART_RESTARTBLOCK 516 /* the same, by restart_syscall(2) */

/* The area of XSAVE, see arch/x86_64/xsave.h. */
struct sdb__xsave {
    unsigned type; /* NT_... of <elf.h> */
    bool changed;
    size_t size;
    uint8_t area[];
};

struct sdb__register_cache {
    struct user_regs_struct general; /* only the program counter counts, unless `is_whole` */
    bool has_pc;
    bool is_whole;
    bool pc_changed;          /* to be written back */
    bool changed;             /* all of them are */
    bool is_programs;         /* it is known not to be a thread of the kernel's own */
    struct sdb__xsave *xsave; /* NULL: unread */
};

/**
 * @param registers  gets the thread's own copy: after changing it, call sdb__registers_changed()
 * @return 0, or -ESRCH: it was killed just now
 */
int sdb__registers_general(struct sdb_thread *thread, struct user_regs_struct **registers);

/** Note that the copy was changed. */
void sdb__registers_changed(struct sdb_thread *thread);

/** @param pc  gets the program counter.  @return 0 or -ESRCH */
int sdb__registers_get_pc(struct sdb_thread *thread, uint64_t *pc);

/** @return whether a thread executes 32-bit code; so does one that was killed just now, or not */
bool sdb__registers_are_of_32_bit(struct sdb_thread *thread);

/** Note the program counter, which is known from elsewhere. */
void sdb__registers_note_pc(struct sdb_thread *thread, uint64_t pc);

/** Change the program counter. */
void sdb__registers_set_pc(struct sdb_thread *thread, uint64_t pc);

/**
 * The same of what XSAVE has; set `changed` after changing it.
 *
 * @return 0, -ESRCH, -ENOMEM, or -ENOTSUP: the kernel does not give it
 */
int sdb__registers_xsave(struct sdb_thread *thread, struct sdb__xsave **xsave);

/**
 * Write back now what was changed, so that it is known whether the kernel takes it.  What it has refused
 * is still to be written back.
 *
 * @return 0, or what the kernel says
 */
int sdb__registers_write_general(struct sdb_thread *thread);
int sdb__registers_write_xsave(struct sdb_thread *thread);

/** @return whether anything is known of them, and so may have been changed */
static inline bool sdb__registers_are_known(const struct sdb__register_cache *cache)
{
    return cache->has_pc || cache->xsave;
}

/** Write back what was changed, and forget all: the thread is about to run.  @return 0 or -ESRCH */
int sdb__registers_flush(struct sdb_thread *thread);

/** @return whether they are those of an interrupted call that the kernel makes again, if no handler comes */
bool sdb__registers_will_restart(const struct user_regs_struct *registers);

/** Forget all: the kernel has other values. */
void sdb__registers_forget(struct sdb_thread *thread);

#endif
