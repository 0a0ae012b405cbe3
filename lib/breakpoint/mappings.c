/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints that follow what is mapped at their places: the calls that map and unmap memory are seen, and
 * after each of them what concerns such a place is planted, if it can be.
 *
 * For that all system calls of the processes that have one stop their threads, which others pay nothing for.
 * A single step sees no end of a call; there the instruction tells.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "breakpoint/breakpoint.h"
#include "session/session.h"

/* The code segment of 64-bit programs. */
#define USER_CS 0x33

/* ---- which calls ---- */

/* A part of the memory that a call may have changed. */
struct part {
    uint64_t start;
    uint64_t length;
};

static const struct part all = {0, UINT64_MAX};

/* @return how many parts there are */
static unsigned changed_parts(const struct user_regs_struct *registers, struct part parts[2])
{
    const bool failed = (int64_t)registers->rax < 0;

    if (registers->cs != USER_CS) { /* 32-bit code, whose numbers are others */
        parts[0] = all;
        return 1;
    }
    switch ((long)registers->orig_rax) {
    case SYS_mmap:
        parts[0] = (struct part){registers->rax, registers->rsi};
        return !failed;
    case SYS_munmap: /* a part of it may have been done although it has failed */
    case SYS_mprotect:
    case SYS_pkey_mprotect:
    case SYS_madvise:
    case SYS_remap_file_pages:
        parts[0] = (struct part){registers->rdi, registers->rsi};
        return 1;
    case SYS_mremap:
        parts[0] = (struct part){registers->rdi, registers->rsi};
        parts[1] = (struct part){registers->rax, registers->rdx};
        return failed ? 1 : 2;
    case SYS_shmat:
    case SYS_shmdt:
    case SYS_brk:
        parts[0] = all;
        return 1;
    default:
        return 0;
    }
}

static bool is_in(uint64_t address, const struct part *parts, unsigned count)
{
    while (count > 0 && address - parts[count - 1].start >= parts[count - 1].length)
        count--;
    return count > 0;
}

/* ---- planting ---- */

static void plant_in(struct sdb_process *process, const struct part *parts, unsigned count)
{
    struct sdb__breakpoint_sites *sites = sdb__sites(process->space);
    struct sdb__site *site = NULL;
    size_t at = 0;

    sites->ranges_known = false;
    while ((site = sdb__site_next(sites, &at, site))) {
        if (site->followed > 0 && is_in(site->address, parts, count))
            (void)sdb__site_update(site, process);
    }
}

/* Whether a thread that has made a step has made a system call by it. */
static bool has_stepped_over_call(struct sdb_thread *thread, uint64_t pc)
{
    static const uint8_t by_syscall[] = {0x0f, 0x05};
    static const uint8_t by_interrupt[] = {0xcd, 0x80};
    const struct sdb_process *process = thread->process;
    uint8_t bytes[2];

    return sdb__space_read(process->space, process->pid, pc - sizeof(bytes), bytes,
                           sizeof(bytes)) == (ssize_t)sizeof(bytes) &&
           (memcmp(bytes, by_syscall, sizeof(bytes)) == 0 ||
            memcmp(bytes, by_interrupt, sizeof(bytes)) == 0);
}

static void look_at_call(struct sdb_thread *thread, bool is_step)
{
    struct user_regs_struct *registers;
    struct part parts[2];
    unsigned count;

    if (sdb__registers_general(thread, &registers) < 0 ||
        (is_step && !has_stepped_over_call(thread, registers->rip)))
        return;
    count = is_step ? 1 : changed_parts(registers, parts);
    if (is_step)
        parts[0] = all; /* which call it was is not known any more */
    if (count > 0)
        plant_in(thread->process, parts, count);
}

void sdb__mappings_look(struct sdb_thread *thread, const struct sdb__stop *stop)
{
    const bool is_step = stop->kind == SDB_EVENT_STEP;

    if (sdb__sites(thread->process->space)->followed > 0 &&
        (is_step || stop->kind == SDB_EVENT_SYSCALL_EXIT))
        look_at_call(thread, is_step);
}

/* ---- going on ---- */

void sdb__mappings_resume(struct sdb_thread *thread, struct sdb__resume *resume)
{
    struct sdb_process *process = thread->process;
    struct sdb__breakpoint_sites *sites;

    if (!sdb__breakpoint_process(process)->calls_seen)
        return;
    sites = sdb__sites(process->space);
    if (!sites || sites->followed == 0 || process->phase != SDB__PROCESS_HELD)
        return;
    /* A call that was made for the caller may have mapped something. */
    if (sites->injected_planted != process->space->injected)
        plant_in(process, &all, 1);
    sites->injected_planted = process->space->injected;
    if (resume->request == SDB_RESUME_CONTINUE)
        resume->request = SDB_RESUME_SYSCALL;
}

/* A process with such a breakpoint whose threads do not run so. */
static struct sdb_process *find_unseen(const struct sdb_session *session)
{
    for (struct sdb_process *process = session->held.processes; process; process = process->next) {
        const struct sdb__breakpoint_sites *sites = sdb__sites(process->space);

        if (sites && sites->followed > 0 && !sdb__breakpoint_process(process)->calls_seen &&
            !sdb__process_is_gone(process))
            return process;
    }
    return NULL;
}

int sdb__mappings_follow(struct sdb_session *session)
{
    struct sdb_process *process;
    int rc = 0;

    /* Those that run are resumed anew.  Pausing one may change the list. */
    while ((process = find_unseen(session))) {
        sdb_process_retain(process);
        sdb__breakpoint_process(process)->calls_seen = true;
        rc = sdb__session_pause(process);
        if (rc == 0)
            sdb__session_unpause(process);
        else
            sdb__breakpoint_process(process)->calls_seen = false;
        sdb_process_close(process);
        if (rc < 0 && rc != -ESRCH)
            return rc;
    }
    return 0;
}
