/* SPDX-License-Identifier: MIT */
/*
 * A program for errands that meet with failures: what it does is done in one order, and counted.
 *
 *     errands THREADS
 *
 * The board has the addresses of `counted`, of a variable, and of a string (ERRAND_... in
 * test/support/errands.h), and how often `counted` was called.  It writes "r" when it is ready; then
 * each byte on standard input is an order, which it answers with the same byte when it is done:
 *
 *     h  call `counted`                        a  each of THREADS more threads calls it, at once
 *     w  change the variable                   g  getppid(2)
 *     f  fork, v vfork: the child calls `counted` and exits with code 3
 *     t  a new thread calls it                 x  execute itself; the answer is "r"
 *     p  nothing
 *
 * It exits with code 0 at the end of its input.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/board.h"
#include "../support/errand_places.h"

static struct board *board;
static volatile uint64_t variable;
static const char text[] = "a text to be read";
static pthread_barrier_t beginning;
static pthread_barrier_t end;

/* One place, of which a compiler might make copies. */
void counted(void);
__asm__(".text\n"
        ".globl counted\n.type counted, @function\n"
        "counted:\n\t"
        "mov %rsp, %rax\n\t"
        "nop\n\t"
        "ret\n");

static void call_counted(void)
{
    __atomic_add_fetch(&board->counts[ERRAND_COUNTED], 1, __ATOMIC_SEQ_CST);
    counted();
}

static void *call_at_once(void *unused)
{
    for (;;) {
        pthread_barrier_wait(&beginning);
        call_counted();
        pthread_barrier_wait(&end);
    }
    return unused;
}

static void *call_once(void *unused)
{
    call_counted();
    return unused;
}

static void make_thread(void *(*function)(void *), bool joins)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    if (pthread_create(&thread, &attributes, function, NULL) != 0)
        _exit(125);
    pthread_attr_destroy(&attributes);
    if (joins)
        pthread_join(thread, NULL);
}

static void make_child(bool by_vfork)
{
    /* What the child does changes nothing that the parent needs. */
    pid_t pid = by_vfork ? vfork() : fork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    int status = 0;

    if (pid == 0) {
        call_counted(); /* NOLINT(clang-analyzer-unix.Vfork) */
        _exit(3);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 3)
        board->wrong++;
}

static void obey(char order, char **argv)
{
    if (order == 'h') {
        call_counted();
    } else if (order == 'a') {
        pthread_barrier_wait(&beginning);
        pthread_barrier_wait(&end);
    } else if (order == 'w') {
        variable++;
    } else if (order == 'g') {
        syscall(SYS_getppid);
    } else if (order == 'f' || order == 'v') {
        make_child(order == 'v');
    } else if (order == 't') {
        make_thread(call_once, true);
    } else if (order == 'x') {
        execv(argv[0], argv);
        _exit(126);
    }
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : 0;
    char order;

    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);
    if (board == MAP_FAILED)
        return 125;
    board->addresses[ERRAND_COUNTED] = (uint64_t)(uintptr_t)counted;
    board->addresses[ERRAND_VARIABLE] = (uint64_t)(uintptr_t)&variable;
    board->addresses[ERRAND_TEXT] = (uint64_t)(uintptr_t)text;
    pthread_barrier_init(&beginning, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&end, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++)
        make_thread(call_at_once, false);
    (void)!write(STDOUT_FILENO, "r", 1);
    while (read(STDIN_FILENO, &order, 1) == 1) {
        obey(order, argv);
        (void)!write(STDOUT_FILENO, &order, 1);
    }
    return 0;
}
