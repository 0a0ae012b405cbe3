/* SPDX-License-Identifier: MIT */
#include "numbered.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "story.h"
#include "world.h"

static struct {
    int sent;
    bool told[LEDGER_IDS];
    bool dropped[LEDGER_IDS];
} numbered;

void numbered_begin(void)
{
    memset(&numbered, 0, sizeof(numbered));
}

void numbered_send(pid_t pid, pid_t tid)
{
    siginfo_t info;
    long rc;

    if (numbered.sent == LEDGER_IDS)
        return;
    memset(&info, 0, sizeof(info));
    info.si_signo = SIGNAL_NUMBERED;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = numbered.sent;
    rc = tid ? syscall(SYS_rt_tgsigqueueinfo, pid, tid, SIGNAL_NUMBERED, &info)
             : syscall(SYS_rt_sigqueueinfo, pid, SIGNAL_NUMBERED, &info);
    story_tell("signal number %d to process %d, thread %d: %ld", numbered.sent, pid, tid, rc);
    if (rc == 0)
        numbered.sent++;
}

/* @return the number of the signal that a thread stands at, or -1: it was killed */
static int number_at(struct known_thread *thread)
{
    siginfo_t info;

    if (sdb_thread_siginfo(thread->handle, &info, sizeof(info)) < 0)
        return -1;
    EXPECT(info.si_code == SI_QUEUE && info.si_pid == getpid() && info.si_value.sival_int >= 0 &&
               info.si_value.sival_int < numbered.sent,
           "thread %d has a signal that nobody has sent: code %d, of %d, number %d", thread->tid,
           info.si_code, info.si_pid, info.si_value.sival_int);
    return info.si_value.sival_int;
}

void numbered_see(struct known_thread *thread)
{
    const int number = number_at(thread);

    if (number < 0)
        return;
    EXPECT(!numbered.told[number], "signal number %d is told twice", number);
    EXPECT(world.ledger->ids_begun[number] == 0, "signal number %d is told after it was handled",
           number);
    numbered.told[number] = true;
}

void numbered_drop(struct known_thread *thread)
{
    const int number = number_at(thread);

    if (number >= 0)
        numbered.dropped[number] = true;
}

bool numbered_all_came(void)
{
    bool all = true;

    for (int i = 0; i < numbered.sent; i++) {
        const int times = world.ledger->ids_handled[i];

        EXPECT(world.ledger->ids_begun[i] <= (numbered.dropped[i] ? 0 : 1),
               "signal number %d is handled %d times; it was%s dropped", i,
               world.ledger->ids_begun[i], numbered.dropped[i] ? "" : " not");
        if (times == 0 && !numbered.dropped[i]) {
            story_note("  signal number %d has not come", i);
            all = false;
        }
    }
    return all;
}
