/* SPDX-License-Identifier: MIT */
#include "breakpoint/siginfo.h"

#include "kernel/ptrace.h"

bool sdb__siginfo_is_fault(const siginfo_t *info)
{
    return (SDB__FAULT_SIGNALS & SDB__SIGNAL_BIT(info->si_signo)) && info->si_code > 0;
}

/* @return the member that names an instruction, or may */
static void **named_place(siginfo_t *info)
{
    return info->si_signo == SIGSYS ? &info->si_call_addr : &info->si_addr;
}

void sdb__siginfo_show_own_place(pid_t tid, const struct sdb__scratch_slot *slot, uint64_t start)
{
    struct user_regs_struct there;
    siginfo_t info;
    void **place;

    if (sdb__ptrace_siginfo(tid, &info) < 0 || !sdb__siginfo_is_fault(&info))
        return;
    place = named_place(&info);
    there = (struct user_regs_struct){.rip = (uint64_t)(uintptr_t)*place};
    if (!sdb__relocation_show(&slot->relocation, start, &there))
        return;
    *place = (void *)(uintptr_t)there.rip;
    (void)sdb__ptrace_set_siginfo(tid, &info); /* ESRCH: it was killed just now */
}
