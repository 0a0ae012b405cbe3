/* SPDX-License-Identifier: MIT */
/*
 * A program in which breakpoints are hit under unusual circumstances.  The board has the addresses: 0 a
 * system call's instruction, 1 one that cannot be moved; counts[0] says how often one was come by.  When
 * it is ready it writes "r" to standard output, and waits for a byte on standard input.  The first
 * argument says what it does then:
 *
 *     pauses   pause(2) three times, at the first place; SIGUSR1 has a handler
 *     reads    read(2) of standard input three times there; SIGUSR1 has a handler, without SA_RESTART
 *     restarts the same with SA_RESTART, until it has got three bytes
 *     masks    blocks SIGUSR2 there, and exits with 0 if it is blocked
 *     waits    a second thread reads a byte there
 *     storm    comes by the second place a hundred times, while another thread makes processes that share
 *              the memory and end
 *     shares   the same, with one process that shares the memory all the while
 *     executes comes by the second place until another thread has executed this program, which ends
 *     strict   ignores SIGTRAP, and has a filter that kills it for touching handlers or mappings; makes
 *              a call at the first place, three times
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board.h"

#define ROUNDS 100

long engine_call(long number, long first, const void *second, long third, long fourth);
void engine_far(void);
extern const char engine_call_site[];
extern const char engine_far_site[];

__asm__(".text\n"
        ".globl engine_call\n"
        "engine_call:\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    mov %rdx, %rsi\n"
        "    mov %rcx, %rdx\n"
        "    mov %r8, %r10\n"
        ".globl engine_call_site\n"
        "engine_call_site:\n"
        "    syscall\n"
        "    ret\n"
        ".globl engine_far\n"
        "engine_far:\n"
        "    pop %rax\n"
        "    mov %rsp, %rdx\n"
        "    mov %ss, %ecx\n"
        "    push %rcx\n"
        "    push %rdx\n"
        "    pushf\n"
        "    mov %cs, %ecx\n"
        "    push %rcx\n"
        "    push %rax\n"
        ".globl engine_far_site\n"
        "engine_far_site:\n"
        "    iretq\n");

static struct board *board;
static volatile int done;
static char stacks[2][65536] __attribute__((aligned(16)));

static void ready(void)
{
    char byte;

    (void)!write(STDOUT_FILENO, "r", 1);
    (void)!read(STDIN_FILENO, &byte, 1);
}

static void on_signal(int signal)
{
    (void)signal;
}

static void handle(int flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = flags;
    sigaction(SIGUSR1, &action, NULL);
}

static int pauses(void)
{
    handle(0);
    ready();
    for (int i = 0; i < 3; i++) {
        board->counts[0]++;
        (void)engine_call(SYS_pause, 0, NULL, 0, 0);
    }
    return 0;
}

static int reads(void)
{
    char byte;

    handle(0);
    ready();
    for (int i = 0; i < 3; i++) {
        board->counts[0]++;
        (void)engine_call(SYS_read, STDIN_FILENO, &byte, 1, 0);
    }
    return 0;
}

static int restarts(void)
{
    char byte;

    handle(SA_RESTART);
    ready();
    for (int i = 0; i < 3; i++) {
        board->counts[0]++;
        if (engine_call(SYS_read, STDIN_FILENO, &byte, 1, 0) != 1)
            return 1;
    }
    return 0;
}

static int masks(void)
{
    const uint64_t mask = UINT64_C(1) << (SIGUSR2 - 1);
    sigset_t now;

    handle(0);
    ready();
    (void)engine_call(SYS_rt_sigprocmask, SIG_BLOCK, &mask, 0, 8);
    sigprocmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, SIGUSR2) ? 0 : 1;
}

static void *wait_there(void *unused)
{
    char byte;

    (void)unused;
    board->tids[1] = (int32_t)syscall(SYS_gettid);
    board->counts[0]++;
    (void)engine_call(SYS_read, STDIN_FILENO, &byte, 1, 0);
    return NULL;
}

static int waits(void)
{
    pthread_t thread;

    ready();
    pthread_create(&thread, NULL, wait_there, NULL);
    pthread_join(thread, NULL);
    return 0;
}

static int linger(void *as_long)
{
    while (as_long && !done)
        sched_yield();
    syscall(SYS_exit, 0);
    return 0;
}

static void *make_processes(void *unused)
{
    (void)unused;
    while (!done) {
        int pid = clone(linger, stacks[0] + sizeof(stacks[0]), CLONE_VM | SIGCHLD, NULL);

        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
    return NULL;
}

static void come_by(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        board->counts[0]++;
        engine_far();
    }
    done = 1;
}

static int storm(void)
{
    pthread_t thread;

    ready();
    pthread_create(&thread, NULL, make_processes, NULL);
    come_by();
    pthread_join(thread, NULL);
    return 0;
}

static int shares(void)
{
    int pid;

    ready();
    pid = clone(linger, stacks[1] + sizeof(stacks[1]), CLONE_VM | SIGCHLD, board);
    come_by();
    return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

static void *execute(void *unused)
{
    (void)unused;
    while (board->counts[0] < 5)
        sched_yield();
    execl("/proc/self/exe", "engine", "ends", (char *)NULL);
    return NULL;
}

static int executes(void)
{
    pthread_t thread;

    ready();
    pthread_create(&thread, NULL, execute, NULL);
    while (!done) {
        board->counts[0]++;
        engine_far();
    }
    return 1;
}

static int ends(void)
{
    return 0;
}

#define REFUSE(number)                                                                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static int strict(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        REFUSE(SYS_rt_sigaction),
        REFUSE(SYS_mmap),
        REFUSE(SYS_munmap),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

    signal(SIGTRAP, SIG_IGN);
    ready();
    board->counts[0]++;
    (void)engine_call(SYS_getppid, 0, NULL, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    ready();
    for (int i = 0; i < 2; i++) {
        board->counts[0]++;
        (void)engine_call(SYS_getppid, 0, NULL, 0, 0);
    }
    ready();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*function)(void);
    } all[] = {{"pauses", pauses},     {"reads", reads}, {"restarts", restarts}, {"masks", masks},
               {"waits", waits},       {"storm", storm}, {"shares", shares},     {"strict", strict},
               {"executes", executes}, {"ends", ends}};

    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);
    if (board == MAP_FAILED || argc < 2)
        return 2;
    board->addresses[0] = (uint64_t)(uintptr_t)engine_call_site;
    board->addresses[1] = (uint64_t)(uintptr_t)engine_far_site;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(argv[1], all[i].name) == 0)
            return all[i].function();
    }
    return 2;
}
