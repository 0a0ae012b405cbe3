/* SPDX-License-Identifier: MIT */
/*
 * What is stepped, and looks whether it can tell.  It writes the address of end_steps(), and then its marks,
 * to standard output, waits for a byte on standard input, sends itself a SIGSTOP, which is not to be
 * delivered, plays a scene, and calls end_steps().  It exits with 0 if all is as it would be alone, else with
 * the number of what is not.
 *
 *     flags     stores and loads its flags in all ways
 *     own       steps itself for some instructions
 *     traps     has traps of its own
 *     blocked   blocks SIGTRAP, and looks at its mask in every way
 *     all       the same where it blocks all signals
 *     pending   blocks SIGTRAP, and has one sent that waits
 *     ignored   ignores SIGTRAP
 *     fork      blocks SIGTRAP, and looks at the mask that a child has
 *     exec      the same of the program that it executes
 *     system    asks for what the kernel may carry out itself; marks 0 to 9 are its instructions
 *     place     loads what cannot be loaded elsewhere, at mark 10, and goes on at mark 11
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define TRAP_FLAG UINT64_C(0x100)
#define OWN_TRAPS 5

static volatile sig_atomic_t traps;
static volatile sig_atomic_t others;
static volatile sig_atomic_t mask_was_wrong;
static volatile sig_atomic_t flag_was_seen;

/* A signal that nobody can block, where the steps begin. */
static void begin_steps(void)
{
    raise(SIGSTOP);
}

void end_steps(void);
__asm__(".text\n.globl end_steps\n.type end_steps, @function\nend_steps: ret\n");

static void count_trap(int signal)
{
    (void)signal;
    traps++;
}

/* The mask that it will return to has SIGTRAP. */
static void count_other(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *interrupted = context;

    (void)signal;
    (void)info;
    others++;
    if (!sigismember(&interrupted->uc_sigmask, SIGTRAP))
        mask_was_wrong++;
    if (interrupted->uc_mcontext.gregs[REG_EFL] & (greg_t)TRAP_FLAG)
        flag_was_seen++;
}

static void handle(int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    sigaction(signal, &action, NULL);
}

static void handle_other(void)
{
    struct sigaction action = {.sa_sigaction = count_other, .sa_flags = SA_SIGINFO};

    sigaction(SIGUSR1, &action, NULL);
}

static int is_blocked(int signal)
{
    sigset_t now;

    sigprocmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, signal);
}

static void change(int how, int signal)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(how, &set, NULL);
}

/* ---- flags ---- */

/* Which of five has the trap flag: pushed, pushed with a prefix, r11 after two calls, pushed after popf. */
static int store_flags(void)
{
    uint64_t pushed = 0;
    uint64_t prefixed = 0;
    uint64_t kept = 0;
    uint64_t again = 0;
    uint64_t last = 0;

    __asm__ volatile("pushfq\n\t"
                     "pop %0\n\t"
                     ".byte 0x48\n\tpushfq\n\t"
                     "pop %1\n\t"
                     "mov %5, %%eax\n\t"
                     "syscall\n\t"
                     "mov %%r11, %2\n\t"
                     "push %0\n\t"
                     "popfq\n\t"
                     "nop\n\t"
                     "pushfq\n\t"
                     "pop %3\n\t"
                     "push %3\n\t"
                     "popfq\n\t"
                     "mov %5, %%eax\n\t"
                     "syscall\n\t"
                     "mov %%r11, %4\n\t"
                     : "=&r"(pushed), "=&r"(prefixed), "=&r"(kept), "=&r"(again), "=&r"(last)
                     : "i"(SYS_getppid)
                     : "rax", "rcx", "r11", "memory", "cc");
    if (pushed & TRAP_FLAG)
        return 1;
    if (prefixed & TRAP_FLAG)
        return 2;
    if (kept & TRAP_FLAG)
        return 3;
    if (again & TRAP_FLAG)
        return 4;
    return last & TRAP_FLAG ? 5 : 0;
}

/* By iretq, to the next instruction. */
static int load_flags(void)
{
    uint64_t after = 0;

    __asm__ volatile("mov %%rsp, %%rcx\n\t"
                     "mov %%ss, %%eax\n\t"
                     "push %%rax\n\t"
                     "push %%rcx\n\t"
                     "pushfq\n\t"
                     "mov %%cs, %%eax\n\t"
                     "push %%rax\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "iretq\n\t"
                     "1: nop\n\t"
                     "pushfq\n\t"
                     "pop %0\n\t"
                     : "=&r"(after)
                     :
                     : "rax", "rcx", "memory", "cc");
    return after & TRAP_FLAG ? 6 : 0;
}

static int look_at_flags(void)
{
    int wrong;

    handle(SIGTRAP, count_trap);
    handle_other();
    begin_steps();
    wrong = store_flags();
    if (wrong == 0)
        wrong = load_flags();
    raise(SIGUSR1); /* whose handler returns to flags that were saved */
    end_steps();
    if (wrong == 0)
        wrong = store_flags();
    if (wrong == 0 && flag_was_seen)
        wrong = 8;
    return wrong == 0 && traps > 0 ? 7 : wrong;
}

/* ---- traps of its own ---- */

static void step_oneself(void)
{
    __asm__ volatile("pushfq\n\t"
                     "orl $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "nop\n\t"
                     "nop\n\t"
                     "pushfq\n\t"
                     "andl $~0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "nop\n\t"
                     :
                     :
                     : "memory", "cc");
}

static int look_at_own(void)
{
    handle(SIGTRAP, count_trap);
    begin_steps();
    step_oneself();
    end_steps();
    if (traps != OWN_TRAPS)
        return 10;
    step_oneself();
    return traps == 2 * OWN_TRAPS ? 0 : 11;
}

static int look_at_traps(void)
{
    handle(SIGTRAP, count_trap);
    begin_steps();
    __asm__ volatile("int3\n\tnop\n\tint $3\n\tnop");
    raise(SIGTRAP);
    end_steps();
    return traps == 3 ? 0 : 12;
}

/* ---- masks ---- */

/* A call that has another mask while it waits. */
static void wait_with_mask(void)
{
    const struct timespec none = {0};
    sigset_t empty;

    sigemptyset(&empty);
    sigaddset(&empty, SIGTRAP);
    (void)ppoll(NULL, 0, &none, &empty);
}

static int look_at_mask(int others_too)
{
    sigset_t pending;
    sigset_t set;
    int wrong = 0;

    handle(SIGTRAP, count_trap);
    handle_other();
    sigemptyset(&set);
    sigaddset(&set, SIGTRAP);
    if (others_too)
        sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    begin_steps();
    if (!is_blocked(SIGTRAP) || is_blocked(SIGUSR2) != others_too)
        wrong = 20;
    change(SIG_UNBLOCK, SIGTRAP);
    if (is_blocked(SIGTRAP))
        wrong = 21;
    change(SIG_BLOCK, SIGTRAP);
    wait_with_mask();
    if (!is_blocked(SIGTRAP))
        wrong = 22;
    change(SIG_UNBLOCK, SIGUSR1);
    raise(SIGUSR1);
    if (!is_blocked(SIGTRAP))
        wrong = 23;
    sigpending(&pending);
    if (sigismember(&pending, SIGTRAP))
        wrong = 24;
    end_steps();
    if (!is_blocked(SIGTRAP))
        wrong = 25;
    if (others != 1 || mask_was_wrong)
        wrong = 26;
    change(SIG_UNBLOCK, SIGTRAP);
    raise(SIGTRAP);
    return wrong == 0 && traps != 1 ? 27 : wrong;
}

static int look_at_pending(void)
{
    sigset_t pending;

    handle(SIGTRAP, count_trap);
    change(SIG_BLOCK, SIGTRAP);
    raise(SIGTRAP);
    begin_steps();
    sigpending(&pending);
    end_steps();
    if (!sigismember(&pending, SIGTRAP))
        return 30;
    if (traps != 0)
        return 31;
    change(SIG_UNBLOCK, SIGTRAP);
    return traps == 1 ? 0 : 32;
}

static int look_at_ignored(void)
{
    struct sigaction action;

    handle(SIGTRAP, SIG_IGN);
    begin_steps();
    for (volatile int i = 0; i < 3; i++)
        continue;
    sigaction(SIGTRAP, NULL, &action);
    if (action.sa_handler != SIG_IGN)
        return 40;
    raise(SIGTRAP);
    end_steps();
    sigaction(SIGTRAP, NULL, &action);
    raise(SIGTRAP);
    return action.sa_handler == SIG_IGN ? 0 : 41;
}

static int look_at_child(void)
{
    int status = 0;
    pid_t pid;

    handle(SIGTRAP, count_trap);
    change(SIG_BLOCK, SIGTRAP);
    begin_steps();
    pid = fork();
    if (pid == 0) {
        if (!is_blocked(SIGTRAP))
            _exit(50);
        change(SIG_UNBLOCK, SIGTRAP);
        raise(SIGTRAP);
        _exit(traps == 1 ? 0 : 51);
    }
    end_steps();
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 52;
}

static int look_at_exec(char *const *argv)
{
    char *const again[] = {argv[0], NULL};

    change(SIG_BLOCK, SIGTRAP);
    begin_steps();
    execv("/proc/self/exe", again);
    return 60;
}

/* ---- single instructions ---- */

void ask_system(void *room);
void load_all(void);
extern const char system_0[], system_1[], system_2[], system_3[], system_4[], system_5[],
    system_6[], system_7[], system_8[], system_9[], place_0[], place_1[];
__asm__(".text\n"
        ".globl ask_system\n.type ask_system, @function\n"
        "ask_system:\n"
        "system_0: str (%rdi)\n"
        "system_1: nop\n"
        "system_2: sldt %eax\n"
        "system_3: nop\n"
        "system_4: sgdt (%rdi)\n"
        "system_5: nop\n"
        "system_6: smsw (%rdi)\n"
        "system_7: nop\n"
        "system_8: mov %ss, %eax\n"
        "mov %eax, %ss\n"
        "system_9: nop\n"
        "ret\n"
        ".globl load_all\n.type load_all, @function\n"
        "load_all: mov %rsp, %rcx\n"
        "mov %ss, %eax\n"
        "push %rax\n"
        "push %rcx\n"
        "pushfq\n"
        "mov %cs, %eax\n"
        "push %rax\n"
        "lea place_1(%rip), %rax\n"
        "push %rax\n"
        "place_0: iretq\n"
        "place_1: ret\n");

static int ask(void)
{
    uint8_t room[16];

    begin_steps();
    ask_system(room);
    end_steps();
    return 0;
}

static int call(void)
{
    begin_steps();
    load_all();
    end_steps();
    return 0;
}

static int look(char *const *argv)
{
    const char *what = argv[1];

    if (strcmp(what, "flags") == 0)
        return look_at_flags();
    if (strcmp(what, "own") == 0)
        return look_at_own();
    if (strcmp(what, "traps") == 0)
        return look_at_traps();
    if (strcmp(what, "blocked") == 0)
        return look_at_mask(0);
    if (strcmp(what, "all") == 0)
        return look_at_mask(1);
    if (strcmp(what, "pending") == 0)
        return look_at_pending();
    if (strcmp(what, "ignored") == 0)
        return look_at_ignored();
    if (strcmp(what, "fork") == 0)
        return look_at_child();
    if (strcmp(what, "system") == 0)
        return ask();
    if (strcmp(what, "place") == 0)
        return call();
    return look_at_exec(argv);
}

int main(int argc, char **argv)
{
    const uint64_t places[] = {(uintptr_t)end_steps, (uintptr_t)system_0, (uintptr_t)system_1,
                               (uintptr_t)system_2,  (uintptr_t)system_3, (uintptr_t)system_4,
                               (uintptr_t)system_5,  (uintptr_t)system_6, (uintptr_t)system_7,
                               (uintptr_t)system_8,  (uintptr_t)system_9, (uintptr_t)place_0,
                               (uintptr_t)place_1};
    char byte;

    if (argc < 2) /* it was executed */
        return is_blocked(SIGTRAP) ? 0 : 61;
    if (write(STDOUT_FILENO, places, sizeof(places)) != (ssize_t)sizeof(places) ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 1;
    return look(argv);
}
