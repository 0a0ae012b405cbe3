/* SPDX-License-Identifier: MIT */
/*
 * What the tests of registers look at.  The first argument says what it does:
 *
 *     x87 N   loads the values of ../support/register_image.h (seed 0) into the registers, N of them into
 *             the x87; stops at an int3; when it goes on, notes what is in the registers, tells that on
 *             standard output and exits with code 0
 *     mmx     the same with MMX instead of x87
 *     again   the same as "x87 3", twice
 *     fresh   stops at an int3 at its very beginning, and exits with code 0
 *     read    reads a byte from standard input; exits with code 1 if that worked, 2 if it did not, and
 *             with code 5 if it is sent to `elsewhere`, whose address it tells first
 *     rings   has an io_uring with a thread of the kernel's, tells "r", or "n" if it cannot have one;
 *             exits with code 0 at the end of its input
 */
#include <linux/io_uring.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../support/register_image.h"

struct register_image image_in __attribute__((aligned(16)));
struct register_image image_out __attribute__((aligned(16)));
uint32_t image_has_avx;
uint32_t image_is_mmx;
uint32_t image_st_count;

_Static_assert(offsetof(struct register_image, flags) == 128, "as below");
_Static_assert(offsetof(struct register_image, mxcsr) == 136, "as below");
_Static_assert(offsetof(struct register_image, control) == 140, "as below");
_Static_assert(offsetof(struct register_image, mm) == 144, "as below");
_Static_assert(offsetof(struct register_image, ymm) == 208, "as below");
_Static_assert(offsetof(struct register_image, st) == 720, "as below");
_Static_assert(offsetof(struct register_image, fxsave) == 848, "as below");
_Static_assert(offsetof(struct register_image, fnsave) == 1360, "as below");

extern void load_trap_store(void);
extern void elsewhere(void);

/* clang-format off */
__asm__(
    ".data\n"
    "saved_rsp: .quad 0\n"
    ".text\n"
    ".globl load_trap_store\n"
    ".type load_trap_store, @function\n"
    "load_trap_store:\n"
    "    push %rbx\n"
    "    push %rbp\n"
    "    push %r12\n"
    "    push %r13\n"
    "    push %r14\n"
    "    push %r15\n"
    "    mov %rsp, saved_rsp(%rip)\n"
    "    ldmxcsr image_in+136(%rip)\n"
    "    fninit\n"
    "    fldcw image_in+140(%rip)\n"
    "    cmpl $0, image_is_mmx(%rip)\n"
    "    jne 2f\n"
    /* The last is the top. */
    "    mov image_st_count(%rip), %ecx\n"
    "    mov %rcx, %rdx\n"
    "    shl $4, %rdx\n"
    "    lea image_in+720(%rip), %rsi\n"
    "    add %rdx, %rsi\n"
    "1:  test %ecx, %ecx\n"
    "    jz 3f\n"
    "    sub $16, %rsi\n"
    "    fldt (%rsi)\n"
    "    dec %ecx\n"
    "    jmp 1b\n"
    "2:  movq image_in+144+0(%rip), %mm0\n"
    "    movq image_in+144+8(%rip), %mm1\n"
    "    movq image_in+144+16(%rip), %mm2\n"
    "    movq image_in+144+24(%rip), %mm3\n"
    "    movq image_in+144+32(%rip), %mm4\n"
    "    movq image_in+144+40(%rip), %mm5\n"
    "    movq image_in+144+48(%rip), %mm6\n"
    "    movq image_in+144+56(%rip), %mm7\n"
    "3:  cmpl $0, image_has_avx(%rip)\n"
    "    je 4f\n"
    ".set i, 0\n"
    ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "    vmovdqu image_in+208+32*i(%rip), %ymm\\r\n"
    ".set i, i+1\n"
    ".endr\n"
    "    jmp 5f\n"
    "4:\n"
    ".set i, 0\n"
    ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "    movdqu image_in+208+32*i(%rip), %xmm\\r\n"
    ".set i, i+1\n"
    ".endr\n"
    "5:  mov image_in+8*0(%rip), %rax\n"
    "    mov image_in+8*1(%rip), %rbx\n"
    "    mov image_in+8*2(%rip), %rcx\n"
    "    mov image_in+8*3(%rip), %rdx\n"
    "    mov image_in+8*4(%rip), %rsi\n"
    "    mov image_in+8*5(%rip), %rdi\n"
    "    mov image_in+8*6(%rip), %rbp\n"
    ".irp r, 8,9,10,11,12,13,14,15\n"
    "    mov image_in+8*\\r(%rip), %r\\r\n"
    ".endr\n"
    "    pushq image_in+128(%rip)\n"
    "    popfq\n"
    "    int3\n"
    "    mov %rax, image_out+8*0(%rip)\n"
    "    mov %rbx, image_out+8*1(%rip)\n"
    "    mov %rcx, image_out+8*2(%rip)\n"
    "    mov %rdx, image_out+8*3(%rip)\n"
    "    mov %rsi, image_out+8*4(%rip)\n"
    "    mov %rdi, image_out+8*5(%rip)\n"
    "    mov %rbp, image_out+8*6(%rip)\n"
    "    mov %rsp, image_out+8*7(%rip)\n"
    ".irp r, 8,9,10,11,12,13,14,15\n"
    "    mov %r\\r, image_out+8*\\r(%rip)\n"
    ".endr\n"
    "    mov saved_rsp(%rip), %rsp\n"
    "    pushfq\n"
    "    popq image_out+128(%rip)\n"
    "    cld\n"
    "    stmxcsr image_out+136(%rip)\n"
    "    fnstcw image_out+140(%rip)\n"
    "    cmpl $0, image_has_avx(%rip)\n"
    "    je 6f\n"
    ".set i, 0\n"
    ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "    vmovdqu %ymm\\r, image_out+208+32*i(%rip)\n"
    ".set i, i+1\n"
    ".endr\n"
    "    vzeroupper\n"
    "    jmp 7f\n"
    "6:\n"
    ".set i, 0\n"
    ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "    movdqu %xmm\\r, image_out+208+32*i(%rip)\n"
    ".set i, i+1\n"
    ".endr\n"
    "7:  fxsave64 image_out+848(%rip)\n"
    /* These take the top away. */
    "    movq %mm0, image_out+144+0(%rip)\n"
    "    movq %mm1, image_out+144+8(%rip)\n"
    "    movq %mm2, image_out+144+16(%rip)\n"
    "    movq %mm3, image_out+144+24(%rip)\n"
    "    movq %mm4, image_out+144+32(%rip)\n"
    "    movq %mm5, image_out+144+40(%rip)\n"
    "    movq %mm6, image_out+144+48(%rip)\n"
    "    movq %mm7, image_out+144+56(%rip)\n"
    "    fxrstor64 image_out+848(%rip)\n"
    "    fnsave image_out+1360(%rip)\n"
    "    pushq $0x1f80\n"
    "    ldmxcsr (%rsp)\n"
    "    add $8, %rsp\n"
    "    pop %r15\n"
    "    pop %r14\n"
    "    pop %r13\n"
    "    pop %r12\n"
    "    pop %rbp\n"
    "    pop %rbx\n"
    "    ret\n"
    ".size load_trap_store, . - load_trap_store\n"
    /* exit_group(5) */
    ".globl elsewhere\n"
    ".type elsewhere, @function\n"
    "elsewhere:\n"
    "    mov $5, %edi\n"
    "    mov $231, %eax\n"
    "    syscall\n"
    "    hlt\n"
    ".size elsewhere, . - elsewhere\n");
/* clang-format on */

static void tell(const void *bytes, size_t size)
{
    if (write(STDOUT_FILENO, bytes, size) != (ssize_t)size)
        _exit(3);
}

static void load_and_tell(void)
{
    image_in = register_image_of(0);
    load_trap_store();
    tell(&image_out, sizeof(image_out));
}

static int read_or_go_elsewhere(void)
{
    const uint64_t address = (uint64_t)(uintptr_t)elsewhere;
    char byte;

    tell(&address, sizeof(address));
    return syscall(SYS_read, STDIN_FILENO, &byte, 1) == 1 ? 1 : 2;
}

static int have_rings(void)
{
    struct io_uring_params parameters;
    char byte;

    memset(&parameters, 0, sizeof(parameters));
    parameters.flags = IORING_SETUP_SQPOLL;
    parameters.sq_thread_idle = 60000;
    tell(syscall(SYS_io_uring_setup, 4, &parameters) < 0 ? "n" : "r", 1);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    image_has_avx = __builtin_cpu_supports("avx") != 0;
    image_is_mmx = strcmp(what, "mmx") == 0;
    image_st_count = argc > 2 ? (uint32_t)atoi(argv[2]) & 15 : 3;
    if (strcmp(what, "read") == 0)
        return read_or_go_elsewhere();
    if (strcmp(what, "rings") == 0)
        return have_rings();
    if (strcmp(what, "fresh") == 0) {
        __asm__ volatile("int3");
        return 0;
    }
    load_and_tell();
    if (strcmp(what, "again") == 0)
        load_and_tell();
    return 0;
}
