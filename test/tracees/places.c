/* SPDX-License-Identifier: MIT */
/*
 * Instructions of every kind, for breakpoints: see test/support/places.h.  Each is in a function that
 * computes something of its argument, which goes wrong if the instruction does not do what it should.
 * What that is was found out before anybody could plant anything.
 *
 *     places THREADS TURNS [strict]
 *
 * It writes `r` when the board says where the places are, and after it has done what a byte on standard
 * input tells:
 *
 *     g  go through all places, TURNS times          s  the same in THREADS threads at once
 *     b  begin a timer of 1 kHz, whose handler goes through all places   e  end it; the timer is
 *        slower where what it interrupts would get no further otherwise
 *     h  handle SIGTRAP   i  ignore it   d  leave it to the default   m  mask it   u  unmask it
 *     t  come to an int3 of its own, TURNS times, each of which its handler sees
 *     f  fork, v  vfork, p  posix_spawn, c  clone(CLONE_VM), n  make a thread: the newborn goes
 *        through the places once, and is waited for
 *     F  fork, V  vfork and execute itself, by the places of these calls
 *     l  block in a read(2), TURNS times; the timer's handler writes   y  sleep, TURNS times
 *     Y  the same, where signals may end the sleep        -  have SIGUSR1 interrupt calls
 *     x  execute itself, with the same arguments
 *     w  write to its own text: the instruction of the place `load` as it is, then put it to be
 *        another, and back
 *
 * At the end of its input it exits, with 0 if all came out as it should.  With "strict" it is under a
 * filter that kills it for mapping memory.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../support/board.h"
#include "../support/places.h"

#define PERIOD_NS   1000000
#define LONGEST_NS  100000000
#define SMALL_STACK 65536
#define MOST_RANGES 64
#define CELLS       8
#define SLEEP_NS    10000000

/* Each function gets a number and cells of its thread's own. */
__asm__(
    ".pushsection .text\n"
    ".macro place name\n"
    ".p2align 4\n"
    ".globl do_\\name\n.globl at_\\name\n.type do_\\name, @function\n"
    "do_\\name:\n"
    ".endm\n"

    "place push\n at_push: push %rbx\n mov %rdi, %rbx\n lea 1(%rbx), %rax\n pop %rbx\n ret\n"
    "place pop\n push %rdi\n at_pop: pop %rax\n ret\n"
    "place endbr\n at_endbr: endbr64\n lea 2(%rdi), %rax\n ret\n"
    "place nop\n at_nop: nopw 0(%rax,%rax,1)\n lea 3(%rdi), %rax\n ret\n"
    "place jump_short\n mov %rdi, %rax\n at_jump_short: jmp 1f\n ud2\n 1: ret\n"
    "place jump\n mov %rdi, %rax\n at_jump: .byte 0xe9\n .long 1f - (at_jump + 5)\n ud2\n 1: ret\n"
    "place branch\n mov %rdi, %rax\n test $1, %dil\n at_branch: jz 1f\n neg %rax\n 1: ret\n"
    "place branch_zero\n mov %rdi, %rcx\n and $1, %rcx\n mov %rdi, %rax\n"
    " at_branch_zero: jrcxz 1f\n neg %rax\n 1: ret\n"

    /* Where it will return to, beside rdx. */
    "tell_return: mov (%rsp), %rax\n sub %rdx, %rax\n add %rdi, %rax\n ret\n"
    "place call\n lea at_call(%rip), %rdx\n at_call: call tell_return\n ret\n"
    "place call_register\n lea tell_return(%rip), %rax\n lea at_call_register(%rip), %rdx\n"
    " at_call_register: call *%rax\n ret\n"
    "place call_memory\n lea tell_return(%rip), %rax\n mov %rax, (%rsi)\n"
    " lea at_call_memory(%rip), %rdx\n at_call_memory: call *(%rsi)\n ret\n"
    "place call_relative\n lea at_call_relative(%rip), %rdx\n"
    " at_call_relative: call *where_to_tell(%rip)\n ret\n"
    "place call_stack\n lea tell_return(%rip), %rax\n push %rax\n push %rax\n"
    " lea at_call_stack(%rip), %rdx\n at_call_stack: call *8(%rsp)\n add $16, %rsp\n ret\n"
    "place jump_register\n lea 1f(%rip), %rax\n at_jump_register: jmp *%rax\n ud2\n"
    " 1: lea 4(%rdi), %rax\n ret\n"
    "place jump_memory\n lea 1f(%rip), %rax\n mov %rax, 8(%rsi)\n at_jump_memory: jmp *8(%rsi)\n"
    " ud2\n 1: lea 5(%rdi), %rax\n ret\n"
    "place ret\n lea 6(%rdi), %rax\n at_ret: ret\n"
    "place load\n at_load: mov constant(%rip), %rax\n add %rdi, %rax\n ret\n"
    "place store\n at_store: movl $0x1234567, shared_cell(%rip)\n mov shared_cell(%rip), %eax\n"
    " add %rdi, %rax\n ret\n"
    "place copy\n push %rdi\n push %rsi\n lea 16(%rsi), %rdi\n lea constant(%rip), %rsi\n"
    " mov $16, %ecx\n at_copy: rep movsb\n pop %rsi\n pop %rdi\n mov 16(%rsi), %rax\n"
    " add 24(%rsi), %rax\n add %rdi, %rax\n ret\n"
    "place system\n mov $186, %eax\n at_system: syscall\n lea at_system(%rip), %rdx\n"
    " sub %rdx, %rcx\n mov %rax, 32(%rsi)\n lea (%rcx,%rdi), %rax\n ret\n"
    "place push_flags\n test %eax, %eax\n at_push_flags: pushfq\n pop %rax\n and $0x100, %eax\n"
    " add %rdi, %rax\n ret\n"
    "place pop_flags\n pushfq\n pop %rax\n xor $1, %rax\n and $-0x101, %rax\n mov %rax, %rdx\n"
    " push %rax\n at_pop_flags: popfq\n pushfq\n pop %rax\n xor %rdx, %rax\n and $0x101, %eax\n"
    " add %rdi, %rax\n ret\n"
    "place exchange\n mov %rdi, 40(%rsi)\n mov %rdi, %rax\n lea 7(%rdi), %rdx\n"
    " at_exchange: lock cmpxchg %rdx, 40(%rsi)\n mov 40(%rsi), %rax\n ret\n"
    "place vector\n at_vector: movdqu constant(%rip), %xmm1\n movq %xmm1, %rax\n"
    " add %rdi, %rax\n ret\n"
    "place own_thread\n at_own_thread: mov %fs:0, %rax\n sub %fs:16, %rax\n add %rdi, %rax\n ret\n"
    "place far_return\n mov %cs, %eax\n push %rax\n lea 1f(%rip), %rax\n push %rax\n"
    " at_far_return: lretq\n ud2\n 1: lea 8(%rdi), %rax\n ret\n"
    "place interrupt_return\n mov %rsp, %rdx\n mov %ss, %eax\n push %rax\n push %rdx\n pushfq\n"
    " mov %cs, %eax\n push %rax\n lea 1f(%rip), %rax\n push %rax\n"
    " at_interrupt_return: iretq\n ud2\n 1: lea 9(%rdi), %rax\n ret\n"
    /* The operand of one is the other: lea 10(%rdi), %rax; ret. */
    "place outer\n at_outer: .byte 0x48, 0xb8\n"
    " at_inner: .byte 0x48, 0x8d, 0x47, 0x0a, 0xc3, 0x90, 0x90, 0x90\n add %rdi, %rax\n ret\n"
    "place inner\n jmp at_inner\n"
    "place block\n xor %eax, %eax\n mov $1, %edx\n at_block: syscall\n ret\n"
    "place sleep\n mov $35, %eax\n mov %rsi, %rdi\n xor %esi, %esi\n at_sleep: syscall\n ret\n"
    "place restore\n mov $15, %eax\n at_restore: syscall\n"
    "place fork\n mov $57, %eax\n at_fork: syscall\n ret\n"
    /* The newborn's return must not take the parent's return address away. */
    "place vfork\n pop %rdx\n mov $58, %eax\n at_vfork: syscall\n push %rdx\n ret\n"
    "place exec\n xor %edx, %edx\n mov $59, %eax\n at_exec: syscall\n ret\n"
    "place exit\n mov $231, %eax\n at_exit: syscall\n ret\n"
    "place trap\n at_trap: int3\n lea 11(%rdi), %rax\n ret\n"

    ".popsection\n"
    ".pushsection .data.rel.local, \"aw\"\n"
    ".p2align 4\n"
    "constant: .quad 0x1122334455667788, 0x0102030405060708\n"
    "where_to_tell: .quad tell_return\n"
    "shared_cell: .quad 0\n"
    ".popsection\n");

typedef uint64_t do_place(uint64_t number, uint64_t *cells);

#define DECLARE(name)                                                                              \
    do_place do_##name;                                                                            \
    extern const char at_##name[];
PLACES(DECLARE)
DECLARE(trap)
DECLARE(block)
DECLARE(sleep)
DECLARE(restore)
DECLARE(fork)
DECLARE(vfork)
DECLARE(exec)
DECLARE(exit)
#undef DECLARE

static do_place *const functions[] = {
#define FUNCTION(name) do_##name,
    PLACES(FUNCTION)
#undef FUNCTION
};

static const char *const addresses[] = {
#define ADDRESS(name) at_##name,
    PLACES(ADDRESS) at_trap, at_block, at_sleep, at_restore, at_fork, at_vfork, at_exec, at_exit,
#undef ADDRESS
};

/* ---- */

static struct board nobody;
static struct board *board = &nobody;
static uint64_t expected[PLACE_COUNT][2];
static int turns;
static int thread_count;
static char **arguments;
static volatile uint64_t traps;
static int pipe_ends[2];
static struct {
    uint64_t start;
    uint64_t end;
} ranges[MOST_RANGES];
static int range_count;

static void ready(void)
{
    if (write(STDOUT_FILENO, "r", 1) != 1)
        _exit(123);
}

static void note_wrong(void)
{
    __atomic_add_fetch(&board->wrong, 1, __ATOMIC_RELAXED);
}

static void go_through(uint64_t *cells)
{
    for (int which = 0; which < PLACE_COUNT; which++) {
        const uint64_t number = (uint64_t)which & 1;

        /* Ten on, so that a number can be taken for nothing else. */
        if (functions[which](number + 1000, cells) != expected[which][number]) {
            __atomic_add_fetch(&board->turns[which], 1, __ATOMIC_RELAXED);
            note_wrong();
        }
        __atomic_add_fetch(&board->counts[which], 1, __ATOMIC_RELAXED);
    }
}

/* ---- where code is ---- */

static void note_ranges(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    char line[512];

    while (file && fgets(line, sizeof(line), file) && range_count < MOST_RANGES) {
        char *next;

        ranges[range_count].start = strtoull(line, &next, 16);
        ranges[range_count].end = strtoull(next + 1, &next, 16);
        if (next[3] == 'x')
            range_count++;
    }
    if (file)
        (void)fclose(file);
}

static void check_address(uint64_t address)
{
    for (int i = 0; i < range_count; i++) {
        if (address >= ranges[i].start && address < ranges[i].end)
            return;
    }
    __atomic_add_fetch(&board->astray, 1, __ATOMIC_RELAXED);
}

/* Where the C library makes threads: mov $435, %eax; syscall. */
static uint64_t find_clone3(void)
{
    static const uint8_t code[] = {0xb8, 0xb3, 0x01, 0x00, 0x00, 0x0f, 0x05};

    for (int i = 0; i < range_count; i++) {
        const uint8_t *start = (const uint8_t *)(uintptr_t)ranges[i].start;
        const uint8_t *found =
            memmem(start, (size_t)(ranges[i].end - ranges[i].start), code, sizeof(code));

        /* Not the copy of it above. */
        if (found && found != code)
            return (uint64_t)(uintptr_t)found + 5;
    }
    return 0;
}

/* ---- what comes out ---- */

static void find_out(void)
{
    uint64_t cells[CELLS] = {0};

    for (int which = 0; which < PLACE_COUNT; which++) {
        for (uint64_t number = 0; number < 2; number++)
            expected[which][number] = functions[which](number + 1000, cells);
        board->addresses[which] = (uint64_t)(uintptr_t)addresses[which];
    }
    for (int which = PLACE_trap; which <= PLACE_exit; which++)
        board->addresses[which] = (uint64_t)(uintptr_t)addresses[which];
    board->addresses[PLACE_thread] = find_clone3();
}

/* ---- signals ---- */

static timer_t timer;
static int64_t timer_due_ns;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void set_timer(int64_t delay_ns)
{
    const struct itimerspec once = {.it_value.tv_nsec = delay_ns};

    timer_due_ns = now_ns() + delay_ns;
    timer_settime(timer, 0, &once, NULL);
}

/*
 * The next signal, after a handler of this one.  Each stop may take longer than a period, on a busy
 * machine: between two signals there shall be time for some.
 */
static void set_timer_again(int64_t begin_ns)
{
    int64_t delay_ns = (begin_ns - timer_due_ns) * 4 + (now_ns() - begin_ns) / 4;

    if (delay_ns < PERIOD_NS)
        delay_ns = PERIOD_NS;
    set_timer(delay_ns < LONGEST_NS ? delay_ns : LONGEST_NS);
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *interrupted = context;
    uint64_t cells[CELLS];
    const int64_t begin_ns = now_ns();
    const int error = errno;

    check_address((uint64_t)interrupted->uc_mcontext.gregs[REG_RIP]);
    if (signal == SIGTRAP) {
        if (interrupted->uc_mcontext.gregs[REG_RIP] !=
                (greg_t)(uintptr_t)addresses[PLACE_trap] + 1 ||
            info->si_code != SI_KERNEL)
            note_wrong();
        traps++;
        return;
    }
    if (signal == SIGUSR1 && info->si_code == SI_QUEUE) {
        if (info->si_value.sival_int != 4711)
            note_wrong();
        board->signals[1]++;
        __atomic_add_fetch(&board->handled, 1, __ATOMIC_RELAXED);
        return;
    }
    if (board->signals[0]++ % 5 == 0)
        (void)!write(pipe_ends[1], "", 1);
    go_through(cells);
    if (signal == SIGALRM)
        set_timer_again(begin_ns);
    else
        __atomic_add_fetch(&board->handled, 1, __ATOMIC_RELAXED);
    errno = error;
}

/* With a way back of its own. */
static void handle_timer(void)
{
    const struct {
        void (*handler)(int, siginfo_t *, void *);
        unsigned long flags;
        const void *restorer;
        uint64_t mask;
    } action = {on_signal, SA_SIGINFO | SA_RESTART | 0x04000000, (const void *)do_restore, 0};

    if (syscall(SYS_rt_sigaction, SIGALRM, &action, NULL, sizeof(action.mask)) != 0)
        note_wrong();
}

static void handle(int signal, bool restart)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | (restart ? SA_RESTART : 0)};

    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

static void run_timer(bool on)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};

    if (on) {
        handle_timer();
        timer_create(CLOCK_MONOTONIC, &event, &timer);
        set_timer(PERIOD_NS);
    } else {
        timer_delete(timer);
    }
}

/* What the program has set must be what it still has. */
static struct sigaction trap_action;
static bool trap_masked;

static void check_trap(void)
{
    struct sigaction action;
    sigset_t mask;

    sigaction(SIGTRAP, NULL, &action);
    /* That it is ignored is put back soon after a hit, not at once. */
    for (int tries = 0;
         trap_action.sa_handler == SIG_IGN && action.sa_handler == SIG_DFL && tries < 10000;
         tries++) {
        usleep(100);
        sigaction(SIGTRAP, NULL, &action);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (action.sa_handler != trap_action.sa_handler || action.sa_flags != trap_action.sa_flags ||
        sigismember(&mask, SIGTRAP) != trap_masked)
        note_wrong();
}

static void set_trap(void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler};

    sigaction(SIGTRAP, &action, NULL);
    sigaction(SIGTRAP, NULL, &trap_action);
}

static void mask_all(bool on)
{
    static sigset_t before;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, on ? &all : &before, on ? &before : NULL);
    trap_masked = on;
}

static void come_to_traps(void)
{
    uint64_t cells[CELLS] = {0};

    traps = 0;
    for (int i = 0; i < turns; i++) {
        if (do_trap((uint64_t)i, cells) != (uint64_t)i + 11)
            note_wrong();
        board->counts[PLACE_trap]++;
    }
    if (traps != (uint64_t)turns)
        note_wrong();
}

/* Calls that wait, and are interrupted. */
static void wait_in(do_place *call, enum place which, bool patient)
{
    uint64_t cells[CELLS] = {0};
    const int64_t expected_result = which == PLACE_block ? 1 : 0;
    int64_t result;

    for (int i = 0; i < turns; i++) {
        struct timespec begin;
        struct timespec end;

        cells[0] = 0;
        cells[1] = SLEEP_NS;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        do {
            board->counts[which]++;
            result = (int64_t)call((uint64_t)pipe_ends[0], cells);
            if (patient && which == PLACE_sleep)
                break;
        } while (result == -EINTR);
        if (result != expected_result && !(patient && result == -EINTR))
            note_wrong();
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (which == PLACE_sleep && !patient &&
            (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec < SLEEP_NS)
            note_wrong();
    }
}

/* ---- newborns ---- */

static void *go_in_thread(void *times)
{
    uint64_t cells[CELLS] = {0};

    for (int i = 0; i < *(const int *)times; i++)
        go_through(cells);
    return NULL;
}

static void run_threads(int count, const int *times)
{
    pthread_t threads[BOARD_PLACES];
    pthread_attr_t attributes;
    int made = 0;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, SMALL_STACK);
    while (made < count &&
           pthread_create(&threads[made], &attributes, go_in_thread, (void *)(uintptr_t)times) == 0)
        made++;
    for (int i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&attributes);
    if (made < count)
        note_wrong();
}

static void await_child(pid_t pid)
{
    int status;

    board->child = pid;
    while (waitpid(pid, &status, __WALL) < 0) {
        if (errno != EINTR) {
            note_wrong();
            return;
        }
    }
    board->result = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (board->result != 3)
        note_wrong();
}

static int go_once(void *cells)
{
    go_through(cells);
    _exit(3);
}

static void make_process(char how)
{
    static char stack[SMALL_STACK] __attribute__((aligned(16)));
    char *const argv[] = {arguments[0], (char *)(uintptr_t) "exit", NULL};
    uint64_t cells[CELLS] = {0};
    pid_t pid = -1;

    switch (how) {
    case 'f':
        pid = fork();
        if (pid == 0)
            go_once(cells);
        break;
    case 'F':
        pid = (pid_t)do_fork(0, NULL);
        if (pid == 0) {
            go_through(cells);
            do_exit(3, NULL);
        }
        break;
    case 'V':
        pid = (pid_t)do_vfork(0, NULL);
        if (pid == 0) {
            do_exec((uint64_t)(uintptr_t)argv[0], (uint64_t *)(uintptr_t)argv);
            _exit(4);
        }
        break;
    case 'v':
        /* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): what it is about */
        pid = vfork();
        if (pid == 0)
            go_once(cells);
        break;
    case 'p':
        if (posix_spawn(&pid, arguments[0], NULL, NULL, argv, NULL) != 0)
            pid = -1;
        break;
    default:
        pid = clone(go_once, stack + sizeof(stack), CLONE_VM | SIGCHLD, cells);
        break;
    }
    if (pid < 0)
        note_wrong();
    else
        await_child(pid);
}

/* ---- its own text ---- */

static void rewrite(void)
{
    /* Volatile: a compiler may take it that nobody writes to a function. */
    volatile uint8_t *instruction = (uint8_t *)(uintptr_t)addresses[PLACE_load];
    uint8_t *page = (uint8_t *)((uintptr_t)instruction & ~UINT64_C(4095));
    const uint8_t before = instruction[0];
    uint64_t cells[CELLS] = {0};

    if (mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        note_wrong();
    /* mov becomes lea: what the breakpoint stood for is gone, and so is the breakpoint. */
    instruction[0] = 0x48;
    board->signals[2] = before;
    if (do_load(1000, cells) != expected[PLACE_load][0])
        note_wrong();
    ready();
    if (mprotect(page, 8192, PROT_READ | PROT_EXEC) != 0)
        note_wrong();
}

/* ---- */

static void be_strict(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(122);
}

static void obey(char order)
{
    static const int once = 1;

    switch (order) {
    case 'g':
        (void)go_in_thread(&turns);
        break;
    case 's':
        run_threads(thread_count, &turns);
        break;
    case 'b':
    case 'e':
        run_timer(order == 'b');
        break;
    case 'h':
        handle(SIGTRAP, true);
        sigaction(SIGTRAP, NULL, &trap_action);
        break;
    case 'i':
        set_trap(SIG_IGN);
        break;
    case 'd':
        set_trap(SIG_DFL);
        break;
    case 'm':
    case 'u':
        mask_all(order == 'm');
        break;
    case 't':
        come_to_traps();
        break;
    case 'n':
        run_threads(1, &once);
        break;
    case 'l':
        wait_in(do_block, PLACE_block, false);
        break;
    case 'y':
        wait_in(do_sleep, PLACE_sleep, false);
        break;
    case 'Y':
        wait_in(do_sleep, PLACE_sleep, true);
        break;
    case '-':
        handle(SIGUSR1, false);
        break;
    case 'w':
        rewrite();
        break;
    case 'x':
        execv(arguments[0], arguments);
        note_wrong();
        break;
    default:
        make_process(order);
        break;
    }
    check_trap();
}

int main(int argc, char **argv)
{
    void *shared;
    char byte;

    arguments = argv;
    shared = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);
    if (shared != MAP_FAILED)
        board = shared;
    if (argc == 2)
        return 3; /* what was spawned */
    thread_count = argc > 1 ? atoi(argv[1]) : 1;
    turns = argc > 2 ? atoi(argv[2]) : 1;
    board->tids[0] = (int32_t)getpid();
    note_ranges();
    find_out();
    if (pipe(pipe_ends) != 0)
        return 121;
    handle(SIGUSR1, true);
    if (argc > 3)
        be_strict();
    ready();
    for (;;) {
        ssize_t count = read(STDIN_FILENO, &byte, 1);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return board->wrong != 0;
        obey(byte);
        ready();
    }
}
