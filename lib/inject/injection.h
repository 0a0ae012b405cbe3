/* SPDX-License-Identifier: MIT */
/*
 * What the parts of inject share: an injection that is under way.
 *
 * inject.c says whether it can be done, and makes the call; run.c runs the thread from one stop to
 * another; back.c has it back in the stop that it came from; place.c finds where a call can
 * be made, helper.c who may make it.  with.c is what the caller sees.
 */
#ifndef SDB_LIB_INJECT_INJECTION_H
#define SDB_LIB_INJECT_INJECTION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include <sdb/syscall.h>

#include "held/thread.h"
#include "kernel/status.h"

#define SDB__ALL_SIGNALS (~UINT64_C(0))

/* In what kind of stop the thread is, see inject.c. */
enum sdb__injection_place {
    SDB__ON_THE_WAY_OUT,
    SDB__AT_SIGNAL, /* that is being delivered */
    SDB__AT_ENTRY,
    SDB__AT_SECCOMP, /* also the beginning of a call, but after its filter has been asked */
    SDB__AT_EXIT,
    SDB__INSIDE,
};

struct sdb__injection {
    struct sdb_thread *thread;
    pid_t tid;
    long number;
    const uint64_t *arguments;
    enum sdb__injection_place place;
    bool is_32_bit;       /* the thread executes such code, and makes i386's calls */
    uint64_t instruction; /* that makes the call */
    uint64_t instruction_of_entry;
    struct user_regs_struct saved; /* what the thread shall have afterwards */
    uint64_t mask;                 /* the same */
    uint64_t blocked;              /* the mask it has now */
    siginfo_t siginfo;             /* SDB__AT_SIGNAL: of the signal */
    int64_t result;

    bool stands_at_signal; /* the stop it is in now is of a signal */
};

static inline uint32_t sdb__injection_architecture(const struct sdb__injection *injection)
{
    return injection->is_32_bit ? SDB_ARCH_I386 : SDB_ARCH_X86_64;
}

/* How the thread is resumed. */
enum sdb__injection_way {
    SDB__CONTINUE,
    SDB__TO_CALL,
    SDB__TO_SKIPPED_CALL,
    SDB__INTERRUPTED, /* continue to an interrupt */
};

/** Resume the thread, and run it to a stop of this kind.  @return 0 or a negative errno */
int sdb__injection_run_to(struct sdb__injection *injection, enum sdb__injection_way way,
                          enum sdb__status_kind wanted);

/** The same.  @param signal  what the thread is given first; gets that of the stop */
int sdb__injection_run_to_with(struct sdb__injection *injection, enum sdb__injection_way way,
                               enum sdb__status_kind wanted, int *signal);

int sdb__injection_set_mask(struct sdb__injection *injection, uint64_t mask);

/** Have it make a call next, in place of its own if it stands at the beginning of one. */
int sdb__injection_prepare(const struct sdb__injection *injection, uint64_t instruction,
                           uint64_t number, const uint64_t arguments[6]);

/**
 * Have it make the call again at whose end it stands: by the instruction of injected calls.  One that was made
 * in place of the program's own would come by that one's instruction, where a breakpoint may be planted.
 *
 * @param registers  those that it has there
 */
int sdb__injection_make_again(const struct sdb__injection *injection,
                              struct user_regs_struct *registers);

/** @return whether a thread that stands still can make a call where it stands */
bool sdb__injection_is_possible(struct sdb_thread *thread);

/** Have the thread back in the stop that it came from (back.c).  @return 0 or a negative errno */
int sdb__injection_go_back(struct sdb__injection *injection);

/** Have all be as it was, and what came meanwhile come again.  @return 0 or a negative errno */
int sdb__injection_restore(struct sdb__injection *injection);

#endif
