/* SPDX-License-Identifier: MIT */
/*
 * A program whose instructions fault, and whose handlers look at what they are told of that.  It writes the
 * address of the instruction that its argument names to standard output, waits for a byte on standard input,
 * and exits with 0 if all was right.
 *
 *     stack    a call that cannot push; the handler makes the stack writable, and it is made again
 *     pointer  a call through memory that cannot be read; the same
 *     wild     a call to an address that no program can have; the handler goes on behind it
 *     illegal  ud2; the handler goes on behind it
 *     divide   a division by zero; the same
 *     refused  a system call that a filter of its own answers with SIGSYS
 *     inside   a system call out of the text that may make them (syscall user dispatch)
 *     outside  and one out of another, which is answered with SIGSYS
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

#define PAGE 4096

/* Each gets its argument in rdi: a stack, memory with a pointer, an address. */
__asm__(".text\n"
        "target: ret\n"
        ".globl by_stack, stack_call\n"
        "by_stack: push %rbp\n mov %rsp, %rbp\n mov %rdi, %rsp\n"
        "stack_call: call target\n mov %rbp, %rsp\n pop %rbp\n ret\n"
        ".globl by_pointer, pointer_call\n"
        "by_pointer: sub $8, %rsp\n"
        "pointer_call: call *8(%rdi)\n add $8, %rsp\n ret\n"
        ".globl by_address, address_call\n"
        "by_address: sub $8, %rsp\n"
        "address_call: call *%rdi\n add $8, %rsp\n ret\n"
        ".globl illegal, illegal_place\n"
        "illegal: nop\nillegal_place: ud2\n ret\n"
        ".globl divide, divide_place\n"
        "divide: xor %ecx, %ecx\n mov $1, %eax\n cltd\ndivide_place: idiv %ecx\n ret\n"
        ".globl refused, refused_place\n"
        "refused: mov $110, %eax\nrefused_place: syscall\n ret\n"
        ".globl inside, inside_place, outside, outside_place\n"
        "inside: mov $110, %eax\ninside_place: syscall\n ret\n"
        "outside: mov $110, %eax\noutside_place: syscall\n ret\n");
void by_stack(void *), by_pointer(void *), by_address(void *), illegal(void *), divide(void *),
    refused(void *), inside(void *), outside(void *);
extern char target[], stack_call[], pointer_call[], address_call[], illegal_place[], divide_place[],
    refused_place[], inside_place[], outside_place[];

static const struct way {
    const char *name;
    void (*run)(void *);
    const char *place;
    int signal;
    int length; /* 0: the handler mends it, and it is tried again */
} ways[] = {
    {"stack", by_stack, stack_call, SIGSEGV, 0}, {"pointer", by_pointer, pointer_call, SIGSEGV, 0},
    {"wild", by_address, address_call, 0, 2},    {"illegal", illegal, illegal_place, SIGILL, 2},
    {"divide", divide, divide_place, SIGFPE, 2}, {"refused", refused, refused_place, SIGSYS, 0},
    {"inside", inside, inside_place, 0, 0},      {"outside", outside, outside_place, SIGSYS, 0},
};

static const struct way *way;
static uint8_t *page;
static int faults;
static volatile char calls_are_dispatched;

static int tells_the_place(const siginfo_t *info)
{
    if (info->si_signo == SIGSYS)
        return info->si_call_addr == way->place + 2;
    return info->si_signo == SIGSEGV || info->si_addr == way->place;
}

static void handle(int signal, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const char *expected = way->place + (signal == SIGSYS ? 2 : 0);

    calls_are_dispatched = 0;
    faults++;
    if (strcmp(way->name, "wild") == 0) {
        /* Some processors have made the call by now. */
        if ((const char *)registers[REG_RIP] != way->place)
            registers[REG_RSP] += 8;
        registers[REG_RIP] = (greg_t)(way->place + way->length);
        return;
    }
    if (signal != way->signal || !tells_the_place(info) ||
        (const char *)registers[REG_RIP] != expected ||
        (way->run == by_stack && (uint8_t *)registers[REG_RSP] != page + PAGE))
        _exit(2);
    registers[REG_RIP] += way->length;
    if (mprotect(page, PAGE, PROT_READ | PROT_WRITE) < 0)
        _exit(3);
}

static int set_filter(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {4, filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0;
}

/* @return whether the kernel can */
static int dispatch(void)
{
    const uint64_t length = (uintptr_t)outside - (uintptr_t)inside;

    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, (uintptr_t)inside, length, &calls_are_dispatched) <
        0)
        return 0;
    calls_are_dispatched = 1;
    return 1;
}

static void *argument(void)
{
    void *const pointer = target;

    if (way->run == by_stack && mprotect(page, PAGE, PROT_READ) == 0)
        return page + PAGE;
    if (way->run == by_pointer) {
        memcpy(page + 8, &pointer, sizeof(pointer));
        (void)mprotect(page, PAGE, PROT_NONE);
    }
    return way->run == by_address ? (void *)(uintptr_t)UINT64_C(0x1234567890abcdef) : page;
}

static int prepare(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    const stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};

    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || !stack.ss_sp || sigaltstack(&stack, NULL) < 0)
        return 1;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGSYS, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    return way->run == refused && set_filter();
}

int main(int argc, char **argv)
{
    uint64_t address;
    char byte;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && argc > 1; i++) {
        if (strcmp(argv[1], ways[i].name) == 0)
            way = &ways[i];
    }
    address = way ? (uintptr_t)way->place : 0;
    if (!way || prepare() || write(STDOUT_FILENO, &address, sizeof(address)) < 0 ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 1;
    if ((way->run == inside || way->run == outside) && !dispatch())
        return 0;
    way->run(argument());
    calls_are_dispatched = 0;
    return faults == (way->signal != 0 || way->length != 0) ? 0 : 4;
}
