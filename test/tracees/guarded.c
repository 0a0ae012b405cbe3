/* SPDX-License-Identifier: MIT */
/*
 * Two threads, one of which gets a seccomp filter: calls that the program does not make itself kill it.
 *
 *     guarded WAY
 *
 * WAY says what it gets: `own`, a filter of its own; `all`, one for both threads; `strict`, the strict mode.
 * The board has the ids of the threads, and the address of an instruction.  It writes `r` at first, and
 * when it has done what a byte of standard input tells:
 *
 *     f  the second thread gets its filter   w, W  the second, the first thread executes the instruction
 *     b  the same as w with SIGTRAP blocked  c  look whether SIGTRAP's handler is still there
 *
 * At the end of its input it exits with 0 if all came out as it should.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../support/board.h"

#define TIMES 5

uint64_t work(uint64_t number);
extern const char the_instruction[];

__asm__(".text\n"
        "work: nop\n"
        "the_instruction: lea 1(%rdi), %rax\n"
        " ret\n");

static struct board *board;
static const char *way;
static char order;

static void ready(void)
{
    if (write(STDOUT_FILENO, "r", 1) != 1)
        _exit(20);
}

static void do_work(void)
{
    for (uint64_t i = 0; i < TIMES; i++) {
        board->counts[0]++;
        if (work(i) != i + 1)
            board->wrong++;
    }
}

/* ---- the second thread ---- */

#define KILL_FOR(number)                                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static void get_filter(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        KILL_FOR(SYS_mmap),
        KILL_FOR(SYS_munmap),
        KILL_FOR(SYS_rt_sigaction),
        KILL_FOR(SYS_getpid),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    const unsigned flags = strcmp(way, "all") == 0 ? SECCOMP_FILTER_FLAG_TSYNC : 0;

    if (strcmp(way, "strict") == 0) {
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0)
            _exit(21);
    } else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
               syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0) {
        _exit(22);
    }
}

static void work_with_trap_blocked(void)
{
    sigset_t trap;

    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    pthread_sigmask(SIG_BLOCK, &trap, NULL);
    do_work();
    pthread_sigmask(SIG_UNBLOCK, &trap, NULL);
}

/* It waits for orders without any system call. */
static void *obey(void *data)
{
    board->tids[1] = (int32_t)syscall(SYS_gettid);
    for (;;) {
        const char what = __atomic_load_n(&order, __ATOMIC_ACQUIRE);

        if (what == 0) {
            __builtin_ia32_pause();
            continue;
        }
        if (what == 'f')
            get_filter();
        else if (what == 'b')
            work_with_trap_blocked();
        else
            do_work();
        __atomic_store_n(&order, 0, __ATOMIC_RELEASE);
    }
    return data;
}

/* ---- the first ---- */

static void on_trap(int signal)
{
    (void)signal;
}

static void check_handler(void)
{
    struct sigaction action;

    /* It is put back soon, not at once. */
    for (int tries = 0; tries < 10000; tries++) {
        sigaction(SIGTRAP, NULL, &action);
        if (action.sa_handler == on_trap)
            return;
        usleep(100);
    }
    board->wrong++;
}

static void await_second(void)
{
    while (__atomic_load_n(&order, __ATOMIC_ACQUIRE) != 0)
        usleep(100);
}

int main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = on_trap};
    pthread_t thread;
    char byte;

    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);
    if (argc < 2 || board == MAP_FAILED)
        return 23;
    way = argv[1];
    board->tids[0] = (int32_t)getpid();
    board->addresses[0] = (uint64_t)(uintptr_t)the_instruction;
    sigaction(SIGTRAP, &action, NULL);
    if (pthread_create(&thread, NULL, obey, NULL) != 0)
        return 24;
    while (board->tids[1] == 0)
        usleep(100);
    ready();
    while (read(STDIN_FILENO, &byte, 1) == 1) {
        if (byte == 'c') {
            check_handler();
        } else if (byte == 'W') {
            do_work();
        } else {
            __atomic_store_n(&order, byte, __ATOMIC_RELEASE);
            await_second();
        }
        ready();
    }
    _exit(board->wrong != 0);
}
