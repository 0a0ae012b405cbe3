/* temporary: replaced at the merge */
#include "inject.h"
#include "process.h"
#include "ptrace.h"
#include "register_cache.h"
#include "session.h"
#include "thread.h"
#include <errno.h>
#include <sdb/facts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static uint64_t find_syscall(struct sdb_process *p)
{
    struct sdb_facts_maps *m;
    uint64_t at = 0;
    if (sdb_facts_read_maps(p->pid, &m) < 0)
        return 0;
    for (size_t i = 0; i < m->count && !at; i++)
        if (!strcmp(m->list[i]->name, "[vdso]")) {
            size_t n = m->list[i]->end - m->list[i]->start;
            unsigned char *b = malloc(n);
            if (sdb__space_read(p->space, p->pid, m->list[i]->start, b, n) == (ssize_t)n)
                for (size_t k = 0; k + 1 < n; k++)
                    if (b[k] == 0x0f && b[k + 1] == 5) {
                        at = m->list[i]->start + k;
                        break;
                    }
            free(b);
        }
    sdb_facts_free(m);
    return at;
}
int sdb__inject(struct sdb_thread *t, long number, const uint64_t a[6], int64_t *result)
{
    struct user_regs_struct *r, saved, work;
    uint64_t mask;
    int status;
    uint64_t at = find_syscall(t->process);
    if (!at)
        return -ENOSYS;
    if (t->process->session->stop_to_take == t->tid)
        sdb__session_take_last_stop(t->process->session);
    if (sdb__registers_general(t, &r) < 0)
        return -ESRCH;
    saved = *r;
    work = saved;
    work.rip = at;
    work.rax = (uint64_t)number;
    work.orig_rax = (uint64_t)-1;
    work.rdi = a[0];
    work.rsi = a[1];
    work.rdx = a[2];
    work.r10 = a[3];
    work.r8 = a[4];
    work.r9 = a[5];
    sdb__ptrace_signal_mask(t->tid, &mask);
    sdb__ptrace_set_signal_mask(t->tid, ~0ull & ~(1ull << 4));
    *r = work;
    sdb__registers_changed(t);
    sdb__registers_flush(t);
    for (int i = 0; i < 2; i++) {
        if (sdb__ptrace_resume(t->tid, SDB_RESUME_SYSCALL, 0) < 0)
            return -ESRCH;
        if (sdb__wait_for_stop(t->tid, &status) < 0)
            return -ESRCH;
    }
    sdb__wait_take_stop(t->tid, &status);
    sdb__registers_general(t, &r);
    *result = (int64_t)r->rax;
    *r = saved;
    sdb__registers_changed(t);
    sdb__ptrace_set_signal_mask(t->tid, mask);
    return 0;
}
