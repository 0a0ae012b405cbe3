/* SPDX-License-Identifier: MIT */
/*
 * Restartable sequences, for breakpoints inside of them.
 *
 *     sections TURNS
 *
 * It writes `r` and the addresses of two instructions, 8 bytes each: one inside a sequence, and one
 * outside.  After a byte on standard input it comes so often to the first, without having said that
 * this is a sequence; then so often to both, and exits with
 *
 *     0   each sequence was aborted
 *     1   some were completed
 *     2   something is wrong
 *     77  the C library has registered no struct rseq
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>

/* @return 1 if it was completed, 0 if it was aborted */
int run_section(struct rseq *area);
int run_unsaid(struct rseq *area); /* the same without a sequence: it is completed */
int run_plain(int number);
extern const char at_section[];
extern const char at_plain[];

__asm__(".pushsection __rseq_cs, \"aw\"\n"
        ".balign 32\n"
        "section: .long 0, 0\n"
        ".quad section_start, section_end - section_start, section_abort\n"
        ".popsection\n"
        ".text\n"
        ".globl run_section, run_unsaid, at_section, run_plain, at_plain\n"
        "run_section:\n"
        "lea section(%rip), %rax\n"
        "mov %rax, 8(%rdi)\n"
        "section_start: xor %eax, %eax\n"
        "at_section: lea 1(%rax), %eax\n"
        "section_end: movq $0, 8(%rdi)\n"
        "ret\n"
        ".byte 0x0f, 0xb9, 0x3d\n"
        ".long 0x53053053\n"
        "section_abort: xor %eax, %eax\n"
        "ret\n"
        "run_unsaid: jmp section_start\n"
        "run_plain:\n"
        "at_plain: lea 1(%rdi), %eax\n"
        "ret\n");

int main(int argc, char **argv)
{
    const int turns = argc == 2 ? atoi(argv[1]) : 0;
    const uint64_t places[] = {(uintptr_t)at_section, (uintptr_t)at_plain};
    struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
    int completed = 0;
    char byte;

    if (__rseq_size == 0)
        return 77;
    if (write(STDOUT_FILENO, "r", 1) != 1 ||
        write(STDOUT_FILENO, places, sizeof(places)) != (ssize_t)sizeof(places) ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 2;
    for (int i = 0; i < turns; i++) {
        if (run_unsaid(area) != 1)
            return 2;
    }
    for (int i = 0; i < turns; i++) {
        completed += run_section(area);
        if (run_plain(i) != i + 1)
            return 2;
    }
    return completed > 0;
}
#else
int main(void)
{
    return 77;
}
#endif
