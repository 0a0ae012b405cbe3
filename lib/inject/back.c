/* SPDX-License-Identifier: MIT */
/*
 * Having a thread back in the stop that it came from, after an injection; see inject.c for the ways.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "inject/injection.h"
#include "kernel/ptrace.h"
#include "session/session.h"

/* Any signal will do: the thread gets what its siginfo says. */
static int back_to_signal(struct sdb__injection *injection)
{
    int rc = 0;

    if (!injection->stands_at_signal) {
        int carrier = sdb__ptrace_find_carrier(injection->tid);

        rc = sdb__injection_set_mask(injection, SDB__ALL_SIGNALS & ~SDB__SIGNAL_BIT(carrier));
        if (rc == 0)
            rc = sdb__injection_run_to_with(injection, SDB__CONTINUE, SDB__STATUS_SIGNAL, &carrier);
    }
    return rc < 0 ? rc : sdb__ptrace_set_siginfo(injection->tid, &injection->siginfo);
}

static int back_to_entry(struct sdb__injection *injection)
{
    const struct user_regs_struct *saved = &injection->saved;
    const enum sdb__injection_place place = injection->place;
    uint64_t arguments[6];
    int64_t number;
    int rc;

    sdb__registers_call(saved, sdb__injection_architecture(injection), &number, arguments);
    injection->place = SDB__AT_EXIT; /* of the injected call */
    rc = sdb__injection_prepare(injection, injection->instruction_of_entry, saved->orig_rax,
                                arguments);
    if (rc == 0)
        rc = sdb__injection_run_to(injection, SDB__TO_CALL, SDB__STATUS_SYSTEM_CALL);
    if (rc == 0 && place == SDB__AT_SECCOMP)
        rc = sdb__ptrace_set_general(injection->tid, saved);
    if (rc == 0 && place == SDB__AT_SECCOMP)
        rc = sdb__injection_run_to(injection, SDB__CONTINUE, SDB__STATUS_SECCOMP);
    return rc;
}

/* At the end of the call that it was in: to where that will end again. */
static int back_inside(struct sdb__injection *injection)
{
    static const uint64_t none[6];
    int rc = sdb__injection_prepare(injection, injection->instruction, SYS_getpid, none);

    return rc < 0 ? rc
                  : sdb__injection_run_to(injection, SDB__TO_SKIPPED_CALL, SDB__STATUS_SYSTEM_CALL);
}

static int back_to_interrupt(struct sdb__injection *injection)
{
    int signal = 0;

    return sdb__injection_run_to_with(injection, SDB__INTERRUPTED, SDB__STATUS_STOP, &signal);
}

int sdb__injection_go_back(struct sdb__injection *injection)
{
    switch (injection->place) {
    case SDB__AT_SIGNAL:
        return back_to_signal(injection);
    case SDB__AT_ENTRY:
    case SDB__AT_SECCOMP:
        return back_to_entry(injection);
    case SDB__INSIDE:
        return back_inside(injection);
    case SDB__AT_EXIT:
        return 0;
    case SDB__ON_THE_WAY_OUT:
        break;
    }
    return injection->thread->in_group_stop || sdb__registers_will_restart(&injection->saved)
               ? back_to_interrupt(injection)
               : 0;
}

/* An interrupt to a stopped thread is kept, and fires as soon as it is resumed; without an event. */
static bool needs_interrupt(const struct sdb__injection *injection)
{
    const struct sdb_thread *thread = injection->thread;

    return thread->stop_is_coming ||
           (injection->place == SDB__AT_EXIT && sdb__registers_will_restart(&injection->saved));
}

int sdb__injection_restore(struct sdb__injection *injection)
{
    struct sdb_thread *thread = injection->thread;
    const int rc_of_registers = sdb__ptrace_set_general(injection->tid, &injection->saved);
    int rc = sdb__injection_set_mask(injection, injection->mask);
    int taken;

    if (rc == 0)
        rc = rc_of_registers;
    if (rc < 0)
        return rc;
    (void)sdb__wait_take_stop(injection->tid, &taken);
    if (needs_interrupt(injection)) {
        rc = sdb__ptrace_interrupt(injection->tid);
        sdb__thread_stop_is_coming(thread, rc == 0);
    }
    return rc;
}
