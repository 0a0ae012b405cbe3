/* SPDX-License-Identifier: MIT */
/*
 * 32-bit code, for breakpoints on instructions of many kinds, some of which are others in 64-bit code.  It
 * needs no 32-bit C library.
 *
 * At first it writes how many places there are, and their addresses: those that are gone through, then
 * the ones of read(2), fork(2) and the one in the vDSO by which it makes system calls (or 0).  Then it writes
 * `r`, here and after it has done what a byte of standard input says:
 *
 *     g  go through all places, 3 times    f  fork, and wait for the child, which goes through them
 *     v  make 3 system calls by the vDSO   m  the same as g, with SIGTRAP blocked and a handler set for it
 *
 * It reads by read(2) at its place, with a handler for SIGUSR1 that has calls made again.  At the end of its
 * input it exits with 0 if all came out as it should.
 */
#include <stdint.h>

#define TURNS 3

#define SYS_exit           1
#define SYS_fork           2
#define SYS_read           3
#define SYS_write          4
#define SYS_waitpid        7
#define SYS_getppid        64
#define SYS_rt_sigaction   174
#define SYS_rt_sigprocmask 175

#define SIGTRAP     5
#define SIGUSR1     10
#define SA_SIGINFO  4
#define SA_RESTORER 0x04000000
#define SA_RESTART  0x10000000
#define AT_SYSINFO  32

#define PLACES(X)                                                                                  \
    X(increment)                                                                                   \
    X(decrement)                                                                                   \
    X(push)                                                                                        \
    X(pop)                                                                                         \
    X(push_all)                                                                                    \
    X(nop)                                                                                         \
    X(endbr)                                                                                       \
    X(jump_short)                                                                                  \
    X(jump)                                                                                        \
    X(branch)                                                                                      \
    X(branch_far)                                                                                  \
    X(branch_zero)                                                                                 \
    X(loop)                                                                                        \
    X(call)                                                                                        \
    X(call_next)                                                                                   \
    X(call_register)                                                                               \
    X(call_memory)                                                                                 \
    X(call_absolute)                                                                               \
    X(call_stack)                                                                                  \
    X(jump_register)                                                                               \
    X(jump_memory)                                                                                 \
    X(ret)                                                                                         \
    X(load)                                                                                        \
    X(load_direct)                                                                                 \
    X(store)                                                                                       \
    X(copy)                                                                                        \
    X(system)                                                                                      \
    X(push_flags)                                                                                  \
    X(pop_flags)                                                                                   \
    X(exchange)                                                                                    \
    X(vector)                                                                                      \
    X(adjust)                                                                                      \
    X(bound)                                                                                       \
    X(overflow)                                                                                    \
    X(load_segment)                                                                                \
    X(arpl)                                                                                        \
    X(enter)                                                                                       \
    X(far_return)                                                                                  \
    X(interrupt_return)                                                                            \
    X(push_segment)                                                                                \
    X(pop_stack_segment)

/* Each gets a number in eax and cells in edx. */
__asm__(
    ".text\n"
    ".macro place name\n"
    ".p2align 4\n"
    ".globl do_\\name\n.globl at_\\name\n"
    "do_\\name:\n"
    ".endm\n"

    "place increment\n at_increment: inc %eax\n ret\n"
    "place decrement\n mov %eax, %ecx\n at_decrement: dec %ecx\n mov %ecx, %eax\n ret\n"
    "place push\n push %ebx\n mov %eax, %ebx\n at_push: push %ebx\n pop %eax\n pop %ebx\n ret\n"
    "place pop\n push %eax\n at_pop: pop %ecx\n mov %ecx, %eax\n ret\n"
    "place push_all\n at_push_all: pusha\n mov 28(%esp), %ecx\n add $32, %esp\n"
    " lea 1(%ecx), %eax\n ret\n"
    "place nop\n at_nop: nop\n inc %eax\n ret\n"
    "place endbr\n at_endbr: .byte 0xf3, 0x0f, 0x1e, 0xfb\n add $2, %eax\n ret\n"
    "place jump_short\n at_jump_short: jmp 1f\n ud2\n 1: ret\n"
    "place jump\n at_jump: .byte 0xe9\n .long 1f - (at_jump + 5)\n ud2\n 1: ret\n"
    "place branch\n test $1, %al\n at_branch: jz 1f\n neg %eax\n 1: ret\n"
    "place branch_far\n test $1, %al\n at_branch_far: .byte 0x0f, 0x84\n"
    " .long 1f - (at_branch_far + 6)\n neg %eax\n 1: ret\n"
    "place branch_zero\n mov %eax, %ecx\n and $1, %ecx\n at_branch_zero: jecxz 1f\n neg %eax\n"
    " 1: ret\n"
    "place loop\n mov $2, %ecx\n dec %ecx\n add %eax, %ecx\n sub %eax, %ecx\n"
    " at_loop: loop 1f\n inc %eax\n 1: ret\n"
    "tell_return: mov (%esp), %ecx\n sub %edx, %ecx\n add %ecx, %eax\n ret\n"
    "place call\n mov $at_call, %edx\n at_call: call tell_return\n ret\n"
    "place call_next\n at_call_next: call 1f\n 1: pop %ecx\n sub $at_call_next, %ecx\n"
    " add %ecx, %eax\n ret\n"
    "place call_register\n mov $tell_return, %ecx\n mov $at_call_register, %edx\n"
    " at_call_register: call *%ecx\n ret\n"
    "place call_memory\n mov $tell_return, %ecx\n mov %ecx, 4(%edx)\n mov %edx, %ecx\n"
    " mov $at_call_memory, %edx\n at_call_memory: call *4(%ecx)\n ret\n"
    "place call_absolute\n mov $at_call_absolute, %edx\n at_call_absolute: call *where_to_tell\n"
    " ret\n"
    "place call_stack\n push $tell_return\n push $0\n mov $at_call_stack, %edx\n"
    " at_call_stack: call *4(%esp)\n add $8, %esp\n ret\n"
    "place jump_register\n mov $1f, %ecx\n at_jump_register: jmp *%ecx\n ud2\n 1: ret\n"
    "place jump_memory\n movl $1f, 8(%edx)\n at_jump_memory: jmp *8(%edx)\n ud2\n 1: ret\n"
    "place ret\n inc %eax\n at_ret: ret\n"
    "place load\n at_load: mov constant, %ecx\n add %ecx, %eax\n ret\n"
    "place load_direct\n mov %eax, %ecx\n at_load_direct: mov constant, %eax\n add %ecx, %eax\n "
    "ret\n"
    "place store\n at_store: movl $0x1234567, cell\n add cell, %eax\n ret\n"
    "place copy\n push %esi\n push %edi\n lea 16(%edx), %edi\n mov $constant, %esi\n"
    " mov $8, %ecx\n at_copy: rep movsb\n pop %edi\n pop %esi\n add 20(%edx), %eax\n ret\n"
    "place system\n push %ebx\n mov %eax, %ebx\n mov $64, %eax\n at_system: int $0x80\n"
    " cmp $0, %eax\n setg %al\n movzbl %al, %eax\n add %ebx, %eax\n pop %ebx\n ret\n"
    "place push_flags\n test %ecx, %ecx\n at_push_flags: pushf\n pop %ecx\n and $0x100, %ecx\n"
    " add %ecx, %eax\n ret\n"
    "place pop_flags\n pushf\n pop %ecx\n xor $1, %ecx\n and $-0x101, %ecx\n push %ecx\n"
    " push %ecx\n at_pop_flags: popf\n pushf\n pop %ecx\n xor (%esp), %ecx\n add $4, %esp\n"
    " and $0x101, %ecx\n add %ecx, %eax\n ret\n"
    "place exchange\n mov %eax, 24(%edx)\n lea 7(%eax), %ecx\n"
    " at_exchange: lock cmpxchg %ecx, 24(%edx)\n mov 24(%edx), %eax\n ret\n"
    "place vector\n at_vector: movdqu constant, %xmm1\n movd %xmm1, %ecx\n add %ecx, %eax\n ret\n"
    "place adjust\n at_adjust: daa\n ret\n"
    "place bound\n movl $0, 32(%edx)\n movl $0x7fffffff, 36(%edx)\n at_bound: bound %eax, "
    "32(%edx)\n"
    " ret\n"
    "place overflow\n test %eax, %eax\n at_overflow: into\n ret\n"
    "place load_segment\n movl $5, 40(%edx)\n mov %ds, 44(%edx)\n at_load_segment: les 40(%edx), "
    "%ecx\n"
    " add %ecx, %eax\n ret\n"
    "place arpl\n mov $0x20, %ecx\n push %ebx\n mov $3, %ebx\n at_arpl: arpl %bx, %cx\n"
    " pop %ebx\n add %ecx, %eax\n ret\n"
    "place enter\n at_enter: enter $16, $0\n mov %esp, %ecx\n sub %ebp, %ecx\n leave\n"
    " add %ecx, %eax\n ret\n"
    "place far_return\n push %cs\n push $1f\n at_far_return: lret\n ud2\n 1: ret\n"
    "place interrupt_return\n pushf\n push %cs\n push $1f\n at_interrupt_return: iret\n ud2\n"
    " 1: ret\n"
    "place push_segment\n at_push_segment: push %ds\n pop %ecx\n and $3, %ecx\n add %ecx, %eax\n "
    "ret\n"
    "place pop_stack_segment\n push %ss\n at_pop_stack_segment: pop %ss\n inc %eax\n ret\n"

    /* eax: number, edx: 3 arguments */
    "place block\n push %ebx\n mov 4(%edx), %ecx\n mov (%edx), %ebx\n mov 8(%edx), %edx\n"
    " at_block: int $0x80\n pop %ebx\n ret\n"
    "place fork\n at_fork: int $0x80\n ret\n"
    "place vdso\n call *vdso_entry\n ret\n"

    ".globl _start\n"
    "_start: mov %esp, %eax\n and $-16, %esp\n call begin\n"
    "give_back: mov $173, %eax\n int $0x80\n"
    ".data\n"
    ".p2align 4\n"
    "constant: .long 0x11223344, 0x55667788, 0x01020304, 0x05060708\n"
    "where_to_tell: .long tell_return\n"
    "cell: .long 0\n"
    ".text\n");

typedef uint32_t do_place(uint32_t number, uint32_t *cells) __attribute__((regparm(3)));

#define DECLARE(name)                                                                              \
    do_place do_##name;                                                                            \
    extern const char at_##name[];
PLACES(DECLARE)
DECLARE(block)
DECLARE(fork)
do_place do_vdso;
#undef DECLARE

static do_place *const functions[] = {
#define FUNCTION(name) do_##name,
    PLACES(FUNCTION)
#undef FUNCTION
};

#define COUNT (sizeof(functions) / sizeof(functions[0]))

static const char *const addresses[] = {
#define ADDRESS(name) at_##name,
    PLACES(ADDRESS) at_block, at_fork
#undef ADDRESS
};

struct action {
    uint32_t handler;
    uint32_t flags;
    uint32_t restorer;
    uint32_t mask[2];
};

extern const char give_back[];
void begin(const uint32_t *stack) __attribute__((regparm(3), noreturn));
uint32_t vdso_entry;

static uint32_t expected[COUNT][2];
static volatile uint32_t wrong;

static int32_t call(uint32_t number, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    int32_t result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
                     : "memory");
    return result;
}

static void put(const void *bytes, uint32_t size)
{
    if (call(SYS_write, 1, (uint32_t)bytes, size, 0) != (int32_t)size)
        wrong++;
}

static void on_signal(int signal)
{
    (void)signal;
}

static void handle(int signal)
{
    const struct action action = {
        (uint32_t)on_signal, SA_SIGINFO | SA_RESTORER | SA_RESTART, (uint32_t)give_back, {0, 0}};

    if (call(SYS_rt_sigaction, (uint32_t)signal, (uint32_t)&action, 0, 8) != 0)
        wrong++;
}

static void go_through(uint32_t turns)
{
    uint32_t cells[16];

    for (; turns > 0; turns--) {
        for (uint32_t which = 0; which < COUNT; which++) {
            if (functions[which](1000 + which % 2, cells) != expected[which][which % 2])
                wrong++;
        }
    }
}

static void find_out(void)
{
    uint32_t cells[16];

    for (uint32_t which = 0; which < COUNT; which++) {
        for (uint32_t number = 0; number < 2; number++)
            expected[which][number] = functions[which](1000 + number, cells);
    }
}

static void make_child(void)
{
    const int32_t pid = (int32_t)do_fork(SYS_fork, 0);
    int32_t status = 0;

    if (pid == 0) {
        go_through(1);
        call(SYS_exit, wrong == 0 ? 3 : 4, 0, 0, 0);
    }
    if (call(SYS_waitpid, (uint32_t)pid, (uint32_t)&status, 0, 0) != pid || status != 3 << 8)
        wrong++;
}

static void call_by_vdso(void)
{
    for (int i = 0; i < TURNS && vdso_entry != 0; i++) {
        if ((int32_t)do_vdso(SYS_getppid, 0) != call(SYS_getppid, 0, 0, 0, 0))
            wrong++;
    }
}

static void go_through_with_trap_blocked(void)
{
    const uint32_t mask[2] = {1u << (SIGTRAP - 1), 0};
    uint32_t now[2] = {0, 0};
    struct action action;

    call(SYS_rt_sigprocmask, 0, (uint32_t)mask, 0, 8);
    go_through(TURNS);
    call(SYS_rt_sigprocmask, 1, (uint32_t)mask, (uint32_t)now, 8);
    call(SYS_rt_sigaction, SIGTRAP, 0, (uint32_t)&action, 8);
    if (now[0] != mask[0] || action.handler != (uint32_t)on_signal ||
        action.restorer != (uint32_t)give_back)
        wrong++;
}

/* Where in the vDSO it enters the kernel: sysenter, or syscall. */
static uint32_t find_entry(void)
{
    const uint8_t *bytes = (const uint8_t *)vdso_entry;

    for (int at = 0; bytes && at < 16; at++) {
        if (bytes[at] == 0x0f && (bytes[at + 1] == 0x34 || bytes[at + 1] == 0x05))
            return vdso_entry + (uint32_t)at;
    }
    return 0;
}

static void find_vdso(const uint32_t *stack)
{
    const uint32_t *at = stack + 1 + stack[0] + 1;

    while (*at != 0)
        at++;
    for (at++; at[0] != 0; at += 2) {
        if (at[0] == AT_SYSINFO)
            vdso_entry = at[1];
    }
}

static void obey(char order)
{
    if (order == 'g')
        go_through(TURNS);
    else if (order == 'f')
        make_child();
    else if (order == 'v')
        call_by_vdso();
    else
        go_through_with_trap_blocked();
    put("r", 1);
}

__attribute__((regparm(3))) void begin(const uint32_t *stack)
{
    const uint32_t count = COUNT;
    uint32_t entry;
    char byte;
    uint32_t arguments[3] = {0, (uint32_t)&byte, 1};

    find_vdso(stack);
    find_out();
    handle(SIGUSR1);
    handle(SIGTRAP);
    entry = find_entry();
    put(&count, sizeof(count));
    put(addresses, sizeof(addresses));
    put(&entry, sizeof(entry));
    put("r", 1);
    while (do_block(SYS_read, arguments) == 1)
        obey(byte);
    call(SYS_exit, wrong != 0, 0, 0, 0);
    __builtin_unreachable();
}
