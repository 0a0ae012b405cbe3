/* SPDX-License-Identifier: MIT */
/*
 * System calls made where no slot can be had for a breakpoint: in a page that is far from all others and
 * full, in a process that may not map memory.
 *
 *     unplaced WAY WHAT [PROGRAM]
 *
 * WAY is what keeps it from that: `filter`, a seccomp filter that kills it for mmap(2) and traps
 * getpgid(2); or `limit`, one of its address space.  It writes `r` when the board has the addresses of the
 * two instructions that make its calls: the second also begins threads.  After a byte of standard input it
 * does this, several times:
 *
 *     mask  block a signal   fork, vfork, thread  make one, and wait for it   exec  execute PROGRAM
 *     read  have a byte of a pipe, which another thread writes when it has got one of standard input
 *     intr  the same where SIGUSR1 ends the call      trap  have a call trapped
 *     quick  make calls that return at once
 *
 * It exits with 0 if all came out as it should.  The board counts the calls, and the handler's runs.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/board.h"

#define PAGE        0x100000000000
#define PAGE_SIZE   4096
#define HALT        0xf4
#define FAIL(which) _exit(20 + (which))

typedef int64_t do_call(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/*
 * Both move the arguments to where the kernel has them, and keep the return address where a child on the
 * same stack cannot overwrite it: mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx;
 * mov %r8, %r10; pop %r9.  Then: syscall.
 */
#define BEGINNING                                                                                  \
    0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2,      \
        0x41, 0x59, 0x0f, 0x05

/* Where in it that is. */
#define SYSCALL_AT 17

/* jmp *%r9, with the stack as after a return. */
static const uint8_t plain_code[] = {BEGINNING, 0x41, 0xff, 0xe1};

/* test %rax, %rax; je 1f; jmp *%r9; 1: pop %rax; call *%rax */
static const uint8_t thread_code[] = {BEGINNING, 0x48, 0x85, 0xc0, 0x74, 0x03,
                                      0x41,      0xff, 0xe1, 0x58, 0xff, 0xd0};

static do_call *call;
static do_call *call_beginning_thread;
static struct board *board;
static char **arguments;
static int pipe_ends[2];
static pthread_mutex_t input_is_others = PTHREAD_MUTEX_INITIALIZER;
static volatile int thread_result;

static void ready(void)
{
    if (write(STDOUT_FILENO, "r", 1) != 1)
        FAIL(0);
}

static void await_byte(void)
{
    char byte;

    while (read(STDIN_FILENO, &byte, 1) != 1) {
        if (errno != EINTR)
            FAIL(1);
    }
}

static void count(void)
{
    board->counts[0]++;
}

static uint64_t mask_now(void)
{
    uint64_t mask = 0;

    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
    return mask;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)context;
    board->handled++;
    if (signal == SIGSYS && (uint64_t)(uintptr_t)info->si_call_addr != board->addresses[0] + 2)
        board->wrong++;
}

static void handle(int signal, int flags)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};

    sigaction(signal, &action, NULL);
}

/* ---- what it does ---- */

static void change_mask(void)
{
    const uint64_t before = mask_now();
    const uint64_t more = UINT64_C(1) << (SIGUSR1 - 1);
    uint64_t old = 1;

    count();
    if (call(SYS_rt_sigprocmask, SIG_BLOCK, (uintptr_t)&more, (uintptr_t)&old, sizeof(old)) != 0)
        FAIL(2);
    if (old != before || mask_now() != (before | more))
        FAIL(3);
    count();
    call(SYS_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&before, 0, sizeof(old));
    if (mask_now() != before)
        FAIL(4);
}

static void make_child(bool shares)
{
    const uint64_t before = mask_now();
    int64_t pid;
    int status;

    count();
    pid = call(SYS_clone, (shares ? CLONE_VM | CLONE_VFORK : 0) | SIGCHLD, 0, 0, 0);
    if (pid == 0)
        _exit(mask_now() == before ? 7 : 8);
    if (pid < 0 || waitpid((pid_t)pid, &status, 0) != pid || status != 7 << 8)
        FAIL(5);
}

__attribute__((noreturn)) static void be_thread(void)
{
    uint64_t mask = 1;
    int64_t result;
    register uint64_t size __asm__("r10") = sizeof(mask);

    /* Without the C library, which does not know of this thread. */
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_rt_sigprocmask), "D"(0), "S"(0), "d"(&mask), "r"(size)
                     : "rcx", "r11", "memory");
    thread_result = result == 0 && mask == 0 ? 7 : 8;
    for (;;)
        __asm__ volatile("syscall" : : "a"(SYS_exit), "D"(0) : "rcx", "r11", "memory");
}

static void make_thread(void)
{
    static uint64_t stack[4096] __attribute__((aligned(16)));
    uint64_t *top = &stack[4093];
    static volatile int tid;

    *top = (uintptr_t)be_thread;
    thread_result = 0;
    tid = 1;
    count();
    if (call_beginning_thread(SYS_clone,
                              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                  CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
                              (uintptr_t)top, 0, (uintptr_t)&tid) <= 0)
        FAIL(6);
    while (tid != 0)
        sched_yield();
    if (thread_result != 7)
        FAIL(7);
}

static void execute(void)
{
    char *const argv[] = {arguments[3], NULL};

    count();
    call(SYS_execve, (uintptr_t)argv[0], (uintptr_t)argv, 0, 0);
    FAIL(8);
}

static void *write_on_order(void *data)
{
    pthread_mutex_lock(&input_is_others);
    for (;;) {
        await_byte();
        if (write(pipe_ends[1], "", 1) != 1)
            FAIL(9);
    }
    return data;
}

static void read_byte(bool is_ended)
{
    char byte;
    int64_t result;

    do {
        count();
        result = call(SYS_read, (uint64_t)pipe_ends[0], (uintptr_t)&byte, 1, 0);
    } while (is_ended && result == -EINTR);
    if (result != 1)
        FAIL(10);
}

static void do_it(const char *what)
{
    if (strcmp(what, "mask") == 0)
        change_mask();
    else if (strcmp(what, "fork") == 0 || strcmp(what, "vfork") == 0)
        make_child(what[0] == 'v');
    else if (strcmp(what, "thread") == 0)
        make_thread();
    else if (strcmp(what, "exec") == 0)
        execute();
    else if (strcmp(what, "read") == 0 || strcmp(what, "intr") == 0)
        read_byte(what[0] == 'i');
    else if (strcmp(what, "trap") == 0)
        count(), call(SYS_getpgid, 0, 0, 0, 0);
    else if (count(), call(SYS_getppid, 0, 0, 0, 0) != getppid())
        FAIL(11);
}

/* ---- */

static void be_filtered(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        FAIL(12);
}

int main(int argc, char **argv)
{
    const struct rlimit limit = {1 << 20, 1 << 20};
    uint8_t *page;
    pthread_t thread;

    arguments = argv;
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): where nothing else is */
    page = mmap((void *)(uintptr_t)PAGE, PAGE_SIZE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (argc < 3 || board == MAP_FAILED || page == MAP_FAILED || pipe(pipe_ends) != 0)
        FAIL(13);
    memset(page, HALT, PAGE_SIZE);
    memcpy(page, plain_code, sizeof(plain_code));
    memcpy(page + PAGE_SIZE / 2, thread_code, sizeof(thread_code));
    mprotect(page, PAGE_SIZE, PROT_READ | PROT_EXEC);
    call = (do_call *)(uintptr_t)page;
    call_beginning_thread = (do_call *)(uintptr_t)(page + PAGE_SIZE / 2);
    board->addresses[0] = (uintptr_t)page + SYSCALL_AT;
    board->addresses[1] = (uintptr_t)page + PAGE_SIZE / 2 + SYSCALL_AT;
    handle(SIGUSR1, strcmp(argv[2], "intr") == 0 ? 0 : SA_RESTART);
    handle(SIGSYS, 0);
    pthread_mutex_lock(&input_is_others);
    if (pthread_create(&thread, NULL, write_on_order, NULL) != 0)
        FAIL(14);
    if (strcmp(argv[1], "filter") == 0)
        be_filtered();
    else
        setrlimit(RLIMIT_AS, &limit);
    ready();
    await_byte();
    pthread_mutex_unlock(&input_is_others);
    for (int i = 0; i < 3; i++)
        do_it(argv[2]);
    _exit(board->wrong != 0);
}
