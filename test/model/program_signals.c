/* SPDX-License-Identifier: MIT */
/*
 * What the program under test does with signals, timers and waits.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "program.h"

#define TRAP_FLAG 0x100

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static __thread timer_t timer;
static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t may_jump;
static __thread volatile sig_atomic_t timer_came;

/* ---- handlers ---- */

static void check_context(int signal, const ucontext_t *context)
{
    if (context->uc_mcontext.gregs[REG_EFL] & TRAP_FLAG)
        wrong("the trap flag is set in the context of signal %d", signal);
}

static void handle(int signal, siginfo_t *info, void *context)
{
    const int saved_errno = errno;
    struct slot *aside = mine + 1;

    check_context(signal, context);
    if (signal == SIGNAL_NUMBERED && info->si_code == SI_QUEUE)
        ledger->ids_begun[info->si_value.sival_int % LEDGER_IDS]++;
    visit_some(aside, 2);
    aside->handled[signal]++;
    if (signal == SIGNAL_NUMBERED && info->si_code == SI_QUEUE)
        ledger->ids_handled[info->si_value.sival_int % LEDGER_IDS]++;
    if (signal == SIGNAL_TIMER)
        timer_came = 1;
    errno = saved_errno;
}

static void handle_jump(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;

    (void)info;
    check_context(signal, context);
    visit_some(mine + 1, 1);
    mine[1].handled[signal]++;
    if (!may_jump)
        return;
    may_jump = 0;
    leave_place(mine, (uint64_t)at->uc_mcontext.gregs[REG_RIP]);
    siglongjmp(back, 1);
}

static void handle_trap(int signal, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    mine[1].handled[signal]++;
}

static void install(int signal, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};

    sigfillset(&action.sa_mask);
    (void)sigaction(signal, &action, NULL);
}

void handle_signals(void)
{
    install(SIGUSR1, handle);
    install(SIGNAL_NUMBERED, handle);
    install(SIGNAL_TIMER, handle);
    install(SIGNAL_BETWEEN, handle);
    install(SIGNAL_THROWS, handle_jump);
    if (ledger->has_trap_handler)
        install(SIGTRAP, handle_trap);
}

void check_trap_handler(bool is_installed, const char *when)
{
    struct sigaction action;

    (void)sigaction(SIGTRAP, NULL, &action);
    if (is_installed ? action.sa_sigaction != handle_trap : action.sa_handler != SIG_DFL)
        wrong("SIGTRAP's handler is another %s", when);
}

/* ---- deeds ---- */

void begin_signals(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL_TIMER};

    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
        wrong("timer_create: %d", errno);
}

void end_signals(void)
{
    (void)timer_delete(timer);
}

static void send_to(const struct slot *slot, int signal)
{
    (void)syscall(SYS_tgkill, slot->pid, slot->tid, signal);
}

void deed_raise(struct slot *slot)
{
    const uint64_t before = slot[1].handled[SIGUSR1];

    send_to(slot, SIGUSR1);
    /* It is delivered before the call is over; another thread's may have come, too. */
    if (slot[1].handled[SIGUSR1] == before)
        wrong("SIGUSR1 has not come");
}

void deed_signal(struct slot *slot)
{
    struct slot *other = &ledger->slots[2 * chance(slot, (unsigned)ledger->slot_count / 2)];

    /* Its number may belong to a stranger once it has ended; workers stay. */
    if (other->pid == slot->pid && other->is_worker && other->state == SLOT_BUSY)
        send_to(other, SIGNAL_BETWEEN);
}

/* In its own frame, with nothing in it that the jump would make uncertain. */
static void visit_until_thrown(struct slot *slot)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL_THROWS};
    const struct itimerspec soon = {
        .it_value.tv_nsec = 1000 * (long)(50 + chance(slot, 500)),
    };
    static __thread timer_t thrower;

    event.sigev_notify_thread_id = slot->tid;
    if (timer_create(CLOCK_MONOTONIC, &event, &thrower) < 0) {
        wrong("timer_create: %d", errno);
        return;
    }
    if (sigsetjmp(back, 1) == 0) {
        may_jump = 1;
        if (timer_settime(thrower, 0, &soon, NULL) < 0)
            wrong("timer_settime: %d", errno);
        for (;;)
            visit(slot, (enum place)chance(slot, PLACE_USED));
    }
    (void)timer_delete(thrower);
}

void deed_jump(struct slot *slot)
{
    visit_until_thrown(slot);
}

void deed_timer(struct slot *slot)
{
    const struct itimerspec soon = {
        .it_value.tv_nsec = 1000 * (long)(20 + chance(slot, 300)),
    };

    timer_came = 0;
    if (timer_settime(timer, 0, &soon, NULL) < 0)
        wrong("timer_settime: %d", errno);
    while (!timer_came)
        visit_some(slot, 1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t handled_by(const struct slot *slot)
{
    uint64_t sum = 0;

    for (int i = 0; i < 65; i++)
        sum += slot[1].handled[i];
    return sum;
}

void deed_sleep(struct slot *slot)
{
    struct timespec span = {.tv_nsec = 1000 * (long)(100 + chance(slot, 2000))};
    struct pollfd nothing = {.fd = -1};
    const int64_t begin = now_ns();
    const uint64_t before = handled_by(slot);
    int64_t wanted = span.tv_nsec;
    int rc;

    if (chance(slot, 2) == 0) {
        rc = nanosleep(&span, NULL) < 0 ? errno : 0;
    } else {
        wanted = span.tv_nsec / 1000000 * 1000000;
        rc = poll(&nothing, 0, (int)(span.tv_nsec / 1000000)) < 0 ? errno : 0;
    }
    if (rc == EINTR && handled_by(slot) != before)
        return;
    if (rc != 0)
        wrong("a sleep has ended with errno %d, and no handler has run", rc);
    else if (now_ns() - begin < wanted)
        wrong("a sleep of %lld ns has taken %lld", (long long)wanted,
              (long long)(now_ns() - begin));
}

/* The C library's own function leaves two out, and then it is not all. */
void block_all_signals(sigset_t *before)
{
    const uint64_t all = UINT64_MAX;

    (void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, before, sizeof(all));
}

void unblock_all_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/*
 * What a hit does to SIGTRAP is undone soon after it, which is at once where there is a handler and
 * nobody else who might be to blame.
 */
static bool is_kept_at_once(void)
{
    return ledger->has_trap_handler && ledger->threads == 1 && ledger->weights[DEED_THREAD] == 0;
}

void deed_mask(struct slot *slot)
{
    sigset_t some, before, now;

    sigemptyset(&before);
    if (ledger->has_trap_handler && chance(slot, 2) == 0) {
        sigemptyset(&some);
        sigaddset(&some, SIGTRAP);
        sigaddset(&some, SIGUSR1);
        (void)pthread_sigmask(SIG_BLOCK, &some, &before);
    } else {
        block_all_signals(&before);
    }
    visit_some(slot, 1 + chance(slot, 6));
    (void)pthread_sigmask(SIG_SETMASK, &before, &now);
    if (sigismember(&now, SIGUSR1) != 1 || (is_kept_at_once() && sigismember(&now, SIGTRAP) != 1))
        wrong("signals that were blocked are not");
    if (is_kept_at_once())
        check_trap_handler(true, "after places with signals blocked");
    (void)pthread_sigmask(SIG_SETMASK, NULL, &now);
    if (sigismember(&now, SIGUSR1) != 0 || sigismember(&now, SIGNAL_NUMBERED) != 0 ||
        sigismember(&now, SIGTRAP) != 0)
        wrong("signals that were not blocked are");
}

void deed_pipe(struct slot *slot)
{
    char byte = 'x';
    int ends[2];
    ssize_t count;

    if (pipe(ends) < 0) {
        wrong("pipe: %d", errno);
        return;
    }
    count = write(ends[1], &byte, 1);
    visit_some(slot, 2);
    byte = 0;
    if (count != 1 || read(ends[0], &byte, 1) != 1 || byte != 'x')
        wrong("a byte has not come through a pipe");
    (void)close(ends[0]);
    (void)close(ends[1]);
}
