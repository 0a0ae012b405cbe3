/* SPDX-License-Identifier: MIT */
/**
 * The registers of held threads that stand still.
 *
 * They are read from the kernel when the first one is asked for after a stop, and what was changed is
 * written back once, before the thread goes on or is let go; in between all is done in the host.  What
 * the kernel or the processor would refuse then is refused by the call that writes it.
 *
 * Only the tracer thread may use them, and only of a thread that stands still.
 *
 * Parts of registers are registers of their own.  Writing one keeps the rest, with one exception, which
 * is the processor's own: writing the lower 32 bits of a general register (eax, r8d, eip) clears the
 * upper 32.  Writing xmm0 keeps the upper part of ymm0, and writing that the upper part of zmm0.
 *
 * st0 to st7 are numbered from the top of the x87's stack; writing one makes it a valid one.  mm0 to mm7
 * are the physical registers, wherever the top is; writing one sets the upper 16 bits of that register
 * and makes it valid, as the processor does.
 *
 * Programs of 32 bits have the same registers, in their 64-bit form: eax is what they have in the lower
 * half of rax.  Their r8 to r15 and the upper halves are not theirs, and what is written there is lost.
 */
#ifndef SDB_REGISTERS_H
#define SDB_REGISTERS_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

struct sdb_thread;

/** What a register is.  Since 0.1. */
enum sdb_register_kind {
    SDB_REGISTER_GENERAL =
        0, /* rax to r15, rip, rflags, fs_base, gs_base, and orig_rax: the number of the
                                 system call that the thread is in, or -1 */
    SDB_REGISTER_PART = 1,    /* of one of those: eax, ax, al, ah, eip, eflags */
    SDB_REGISTER_SEGMENT = 2, /* cs, ds, es, fs, gs, ss: the selector */
    SDB_REGISTER_X87 = 3,     /* st0 to st7: 10 bytes each */
    SDB_REGISTER_MMX = 4,     /* mm0 to mm7 */
    SDB_REGISTER_VECTOR = 5,  /* xmm0 to xmm31, ymm0 to ymm31, zmm0 to zmm31 */
    SDB_REGISTER_MASK = 6,    /* k0 to k7 */
    SDB_REGISTER_CONTROL =
        7, /* mxcsr; of the x87: fctrl, fstat, ftag, fop, fip (whose parts are fioff and
                                 fiseg) and fdp (fooff, foseg) */
    SDB_REGISTER_DEBUG = 8, /* dr0 to dr3, dr6, dr7 */
};

/** A register of the processor's.  It is constant and lasts for ever.  Since 0.1. */
struct sdb_register {
    const char *name;                     /* in small letters */
    const struct sdb_register *container; /* the whole that it is a part of, or NULL */
    uint32_t size;                        /* in bytes */
    uint32_t kind;                        /* enum sdb_register_kind */
    int32_t dwarf;  /* its number in DWARF, or -1; 16, the return address, is rip */
    uint32_t shift; /* where it lies in the container, in bits from the lowest */
};

/**
 * @param name  as in the lists above
 * @return the register, or NULL: there is none of this name, or @p name is NULL
 *
 * Any thread.  Since 0.1.
 */
SDB_API const struct sdb_register *sdb_register_find(const char *name);

/**
 * @param number  in DWARF, by the psABI of x86-64
 * @return the register, or NULL: none has this number
 *
 * Any thread.  Since 0.1.
 */
SDB_API const struct sdb_register *sdb_register_find_dwarf(int32_t number);

/**
 * Go through all registers.  A whole comes before its parts.
 *
 * @return sdb_register_count(): how many there are, those that this processor lacks included;
 *         sdb_register_at(): one of them, or NULL beyond the last
 *
 * Any thread.  Since 0.1.
 */
SDB_API size_t sdb_register_count(void);
SDB_API const struct sdb_register *sdb_register_at(size_t index);

/**
 * Read a register.
 *
 * @param value  gets its bytes, the lowest first
 * @param size   the register's own
 * @return 0, or
 *         -SDB_EWRONGTHREAD  not the tracer thread
 *         -EINVAL   an argument is NULL, @p size is not the register's, or it is none of the above
 *         -ESRCH    the thread is gone, or was killed just now
 *         -EBUSY    it runs
 *         -ENOTSUP  the processor has no such register, or the system does not use it
 *         -ENODATA  the thread is one of the kernel's in this process (of io_uring): it has none
 *         -ENOMEM   no memory for the registers that are not general ones
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_read_register(struct sdb_thread *thread, const struct sdb_register *which,
                                     void *value, size_t size);

/**
 * Write a register.
 *
 * Writing rip where the thread stands within a system call that would be restarted (it waits, and was
 * interrupted) gives up the restart: the thread goes on at that very address, and rax has what the
 * kernel left there, unless it is written too.
 *
 * ftag is written as far as it says which registers are empty; the rest of it follows from what they
 * hold.  Debug registers are the kernel's to check: an address before it is switched on in dr7.
 * Watchpoints and hardware breakpoints use them; they and the caller must not use the same.
 *
 * @return as sdb_thread_read_register(); -EINVAL also where the thread cannot have this value: a
 *         selector or a base that is none, bits of rflags that programs may not change or of mxcsr that
 *         are reserved, a debug register's value that the kernel refuses; the register is as before.
 *         And
 *         -ENOSPC  the processor's debug registers are in use by others
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_write_register(struct sdb_thread *thread, const struct sdb_register *which,
                                      const void *value, size_t size);

/**
 * Read a register of up to 8 bytes by its name.
 *
 * @param value  gets it, as an unsigned number
 * @return as sdb_thread_read_register(), -EINVAL also for a larger one; and
 *         -ENOENT  there is none of this name
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_get_register(struct sdb_thread *thread, const char *name, uint64_t *value);

/**
 * Write a register of up to 8 bytes by its name.
 *
 * @return as sdb_thread_write_register(), -EINVAL also for a larger one; and
 *         -ENOENT  there is none of this name
 *         -ERANGE  the value does not fit into it
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_set_register(struct sdb_thread *thread, const char *name, uint64_t value);

/** All general registers and selectors of a thread.  Initialise with SDB_REGISTERS_INIT.  Since 0.1. */
struct sdb_registers {
    size_t size; /* sizeof(struct sdb_registers) */
    uint64_t rax;
    uint64_t rbx;
    uint64_t rcx;
    uint64_t rdx;
    uint64_t rsi;
    uint64_t rdi;
    uint64_t rbp;
    uint64_t rsp;
    uint64_t r8;
    uint64_t r9;
    uint64_t r10;
    uint64_t r11;
    uint64_t r12;
    uint64_t r13;
    uint64_t r14;
    uint64_t r15;
    uint64_t rip;
    uint64_t rflags;
    uint64_t cs;
    uint64_t ss;
    uint64_t ds;
    uint64_t es;
    uint64_t fs;
    uint64_t gs;
    uint64_t fs_base;
    uint64_t gs_base;
    uint64_t orig_rax;
};

#define SDB_REGISTERS_INIT                                                                         \
    {                                                                                              \
        sizeof(struct sdb_registers), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
            0, 0, 0, 0, 0, 0, 0                                                                    \
    }

/**
 * Read them all.
 *
 * @param registers  gets them; its size member must be set
 * @return as sdb_thread_read_register(), or -E2BIG: members that this library does not know
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_get_registers(struct sdb_thread *thread, struct sdb_registers *registers);

/**
 * Write them all, as they are: a thread that was within a system call when they were read, and that has
 * been elsewhere since, restarts it.  If one of them is refused none is written.
 *
 * @return as sdb_thread_write_register(), or -E2BIG as above
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_set_registers(struct sdb_thread *thread,
                                     const struct sdb_registers *registers);

/**
 * Read the state of x87, SSE, AVX and what else there is, as the processor's XSAVE has it in its standard
 * form (NT_X86_XSTATE).
 *
 * @param area  room for it; may be NULL if @p size is 0
 * @param size  the room in bytes; gets the size of the state, also if this says -ENOSPC
 * @return as sdb_thread_read_register(), or -ENOSPC: the room is too small
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_read_xsave(struct sdb_thread *thread, void *area, size_t *size);

/**
 * Write all of it.
 *
 * @param size  what sdb_thread_read_xsave() gave
 * @return as sdb_thread_write_register(); -EINVAL: also another size, or anything that the kernel
 *         refuses
 *
 * Tracer thread only.  Since 0.1.
 */
SDB_API int sdb_thread_write_xsave(struct sdb_thread *thread, const void *area, size_t size);

SDB_END_DECLS

#endif
