/* SPDX-License-Identifier: MIT */
/*
 * A program that has something to watch, and does with it what it is ordered to; see
 * test/support/watched.h.
 */
#include "../support/watched.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CREW 8

struct watched watched;
static volatile uint64_t traps;
static const char *program;

static void answer(uint64_t result)
{
    (void)!write(STDOUT_FILENO, &result, sizeof(result));
}

/*
 * What tests step to, break on and count: each is one instruction at one place.  A compiler might unroll
 * the loops, or make copies of the functions.
 *
 * `add_many` adds 1 to the counter, so many times; `call_and_add` makes a system call before each;
 * `copy_at_once` copies bytes.
 */
void *add_many(void *count);
void *call_and_add(void *count);
void copy_at_once(volatile void *to, const void *from, uint64_t count);

_Static_assert(offsetof(struct watched, counter) == 0, "the counter has the address of the whole");
_Static_assert(SYS_getppid == 110, "the number of the call");

__asm__(".text\n"
        ".globl add_many\n.type add_many, @function\n"
        "add_many:\n\t"
        "test %rdi, %rdi\n\t"
        "jz 2f\n"
        "1:\n\t"
        "lock incq watched(%rip)\n\t"
        "dec %rdi\n\t"
        "jnz 1b\n"
        "2:\n\t"
        "xor %eax, %eax\n\t"
        "ret\n"
        ".globl call_and_add\n.type call_and_add, @function\n"
        "call_and_add:\n\t"
        "push %rbx\n\t"
        "mov %rdi, %rbx\n\t"
        "test %rbx, %rbx\n\t"
        "jz 2f\n"
        "1:\n\t"
        "mov $110, %edi\n\t"
        "xor %eax, %eax\n\t"
        "call syscall@PLT\n\t"
        "lock incq watched(%rip)\n\t"
        "dec %rbx\n\t"
        "jnz 1b\n"
        "2:\n\t"
        "xor %eax, %eax\n\t"
        "pop %rbx\n\t"
        "ret\n"
        ".globl copy_at_once\n.type copy_at_once, @function\n"
        "copy_at_once:\n\t"
        "mov %rdx, %rcx\n\t"
        "rep movsb\n\t"
        "ret\n");

static void add_one(void)
{
    (void)add_many((void *)1);
}

static void on_signal(int signal)
{
    if (signal == SIGTRAP)
        traps++;
    else
        add_one();
}

static void run_threads(int count, void *(*function)(void *), uint64_t each)
{
    pthread_t threads[CREW];

    for (int i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, function, (void *)(uintptr_t)each) != 0)
            _exit(99);
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void have_kernel_write(void)
{
    const uint64_t value = watched.counter + 1;
    int ends[2];

    if (pipe(ends) != 0 || write(ends[1], &value, sizeof(value)) != sizeof(value))
        _exit(98);
    /* Not by the C library, which might copy. */
    if (syscall(SYS_read, ends[0], &watched.counter, sizeof(value)) != sizeof(value))
        _exit(97);
    close(ends[0]);
    close(ends[1]);
}

static uint64_t make_child(int shares)
{
    int status = 0;
    /* What the child changes is for the test to see. */
    pid_t pid = shares ? vfork() : fork(); /* NOLINT */

    if (pid == 0) {
        add_one();
        _exit((int)watched.counter);
    }
    while (waitpid(pid, &status, 0) != pid)
        continue;
    return (uint64_t)WEXITSTATUS(status);
}

static uint64_t step_over_adding(void)
{
    const uint64_t before = traps;

    /* Below the stack pointer there may be variables. */
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "orl $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lock incq %0\n\t"
                     "pushfq\n\t"
                     "andl $~0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "leaq 128(%%rsp), %%rsp\n\t"
                     : "+m"(watched.counter)
                     :
                     : "cc", "memory");
    return traps - before;
}

static uint64_t add_with_trap_blocked(uint64_t blocks_all)
{
    struct sigaction action;
    uint64_t result = 0;
    sigset_t before;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTRAP);
    if (blocks_all)
        sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, &before);
    add_one();
    sigprocmask(SIG_SETMASK, &before, &set);
    if (sigismember(&set, SIGTRAP))
        result |= 1;
    sigaction(SIGTRAP, NULL, &action);
    if (action.sa_handler == on_signal)
        result |= 2;
    return result;
}

static uint64_t use_page(uint64_t number)
{
    static uint64_t *page;

    if (number > 0)
        munmap(page, 4096);
    page = mmap(page, 4096, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | (number > 0 ? MAP_FIXED : 0), -1, 0);
    if (page == MAP_FAILED)
        _exit(96);
    *(volatile uint64_t *)page = number;
    return (uint64_t)(uintptr_t)page;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t sleep_ms(uint64_t duration)
{
    const struct timespec time = {.tv_sec = (time_t)(duration / 1000),
                                  .tv_nsec = (long)(duration % 1000) * 1000000};
    const uint64_t begin = now_ms();

    if (syscall(SYS_nanosleep, &time, NULL) != 0)
        _exit(95);
    return now_ms() - begin;
}

static void copy_to_bytes(uint64_t count)
{
    static uint8_t from[64];

    memset(from, (int)watched.bytes[0] + 1, sizeof(from));
    copy_at_once(watched.bytes, from, count);
}

static void write_sixteen(uint64_t offset)
{
    __asm__ volatile("pcmpeqb %%xmm0, %%xmm0\n\tmovdqu %%xmm0, %0"
                     : "=m"(watched.bytes[offset])
                     :
                     : "xmm0", "memory");
}

static uint64_t obey_makers(const struct watched_order *order)
{
    switch (order->what) {
    case 'n':
        for (uint64_t left = order->number; left > 0; left--)
            run_threads(1, add_many, 1);
        return 0;
    case 't':
        run_threads(CREW, add_many, order->number);
        return 0;
    case 'f':
        return make_child(0);
    case 'v':
        return make_child(1);
    case 'x':
        execl(program, program, (char *)NULL);
        _exit(94);
    case 'e':
        _exit((int)order->number);
    default:
        _exit(93);
    }
}

static uint64_t obey_signals(const struct watched_order *order)
{
    switch (order->what) {
    case 'h':
        raise(SIGUSR1);
        return 0;
    case 'i':
        kill(getpid(), SIGTRAP);
        return traps;
    case 'p':
        return step_over_adding();
    case 'a':
        return add_with_trap_blocked(order->number);
    case 'u':
        return use_page(order->number);
    case 'z':
        return sleep_ms(order->number);
    default:
        return obey_makers(order);
    }
}

static uint64_t obey(const struct watched_order *order)
{
    switch (order->what) {
    case 'w':
        add_many((void *)(uintptr_t)order->number);
        return watched.counter;
    case 'r':
        for (uint64_t left = order->number; left > 1; left--)
            (void)watched.counter;
        return watched.counter;
    case 's':
        __asm__ volatile("movq %0, %%rax\n\tmovq %%rax, %0" : "+m"(watched.counter) : : "rax");
        return 0;
    case 'o':
        __asm__ volatile("lock incq %0" : "+m"(watched.other));
        return 0;
    case 'b':
        __asm__ volatile("incb %0" : "+m"(watched.bytes[order->number]));
        return 0;
    case 'q':
        write_sixteen(order->number);
        return 0;
    case 'm':
        copy_to_bytes(order->number);
        return 0;
    case 'k':
        have_kernel_write();
        return 0;
    case 'c':
        call_and_add((void *)(uintptr_t)order->number);
        return 0;
    case 'C':
        run_threads(CREW, call_and_add, order->number);
        return 0;
    default:
        return obey_signals(order);
    }
}

int main(int argc, char **argv)
{
    struct watched_order order;

    (void)argc;
    program = argv[0];
    signal(SIGUSR1, on_signal);
    signal(SIGTRAP, on_signal);
    answer((uint64_t)(uintptr_t)&watched);
    while (read(STDIN_FILENO, &order, sizeof(order)) == (ssize_t)sizeof(order))
        answer(obey(&order));
    return 0;
}
