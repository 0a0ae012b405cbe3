/* SPDX-License-Identifier: MIT */
/*
 * A program whose signal handlers return in many ways, or do not.  It writes to standard output the
 * addresses of two system calls, one of the program's and one of its handlers'; waits for a byte on standard
 * input, does what its argument says ROUNDS times, and exits with how often it came to the first of them.
 *
 *     return   a handler with SA_RESTART returns to the call that waits, which is made again
 *     ignore   signals without a handler come, and the call is made again
 *     jump     the handler jumps out by siglongjmp()
 *     bare     the same without a system call: the mask is not kept
 *     stack    a handler on a stack of its own returns
 *     leap     and one that jumps out
 *     nest     a second signal comes while a handler waits in the second call
 *     near     and is handled on a stack that lies above that of the program, not far
 *     fork     the handler forks, and the child goes back through it, too; its exit code must be 0
 *     pair     as `return`, and there is a second thread, which gets no signal but SIGSTOP
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define ROUNDS 20

/* read(fd, buffer, len) */
long place(long fd, void *buffer, long len);
extern char place_call[];
__asm__(".text\n.globl place\n.type place, @function\nplace:\n\txor %eax, %eax\n"
        ".globl place_call\nplace_call:\n\tsyscall\n\tret\n");

/* The same, for a handler. */
long inner(long fd, void *buffer, long len);
extern char inner_call[];
__asm__(".text\n.globl inner\n.type inner, @function\ninner:\n\txor %eax, %eax\n"
        ".globl inner_call\ninner_call:\n\tsyscall\n\tret\n");

static const char *way;
static int fds[2];
static int inner_fds[2];
static sigjmp_buf before;
static volatile int came;
static volatile int is_child;
static volatile int depth; /* 1: a handler waits */

#define NEAR_SIZE 65536

static stack_t near_stack = {.ss_size = NEAR_SIZE};

static int is(const char *name)
{
    return strcmp(way, name) == 0;
}

static void set_timer(long us)
{
    const struct itimerval value = {.it_value = {.tv_usec = us}};

    setitimer(ITIMER_REAL, &value, NULL);
}

static void answer(int fd)
{
    if (write(fd, "x", 1) != 1)
        _exit(1);
}

static void wait_for_another(void)
{
    char byte;

    set_timer(2000);
    if (inner(inner_fds[0], &byte, 1) != 1)
        _exit(1);
}

/* With a pipe of its own, but the same numbers. */
static void begin_as_child(void)
{
    int own[2];

    is_child = 1;
    if (pipe(own) < 0 || dup2(own[0], fds[0]) < 0 || dup2(own[1], fds[1]) < 0)
        _exit(1);
}

/* Whether it has interrupted the call: on a busy machine it may come before that. */
static int is_in(const char *call, const void *context)
{
    const greg_t place = ((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

    return place == (greg_t)call || place == (greg_t)(call + 2);
}

static void handle(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!is_in(depth == 0 ? place_call : inner_call, context)) {
        set_timer(1000);
        return;
    }
    if (is("jump") || is("bare") || is("leap"))
        siglongjmp(before, 1);
    if ((is("nest") || is("near")) && depth == 1) {
        answer(inner_fds[1]);
        return;
    }
    if (is("nest")) {
        depth = 1;
        wait_for_another();
    }
    if (is("near")) {
        const stack_t none = {.ss_flags = SS_DISABLE};

        depth = 1;
        sigaltstack(&near_stack, NULL);
        wait_for_another();
        sigaltstack(&none, NULL);
    }
    if (is("fork") && fork() == 0)
        begin_as_child();
    answer(fds[1]);
}

static void set_handler(void)
{
    const int on_stack = is("stack") || is("leap") || is("near") ? SA_ONSTACK : 0;
    struct sigaction action = {.sa_sigaction = handle};
    stack_t stack = {.ss_size = 65536};

    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER | on_stack;
    stack.ss_sp = malloc(stack.ss_size);
    if (!stack.ss_sp || (on_stack && !is("near") && sigaltstack(&stack, NULL) < 0))
        _exit(1);
    if (!is("ignore"))
        sigaction(SIGALRM, &action, NULL);
}

/* Somebody sends signals that nobody handles, and then the answer. */
static void be_sent_signals(void)
{
    const int parent = getpid();

    if (fork() == 0) {
        for (int i = 0; i < 5; i++) {
            usleep(1000);
            kill(parent, SIGCHLD);
            kill(parent, SIGURG);
        }
        answer(fds[1]);
        _exit(0);
    }
}

static void *wait_for_ever(void *data)
{
    for (;;)
        pause();
    return data;
}

static void start_second(void)
{
    pthread_t thread;
    sigset_t own;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &own);
    if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
        _exit(1);
    pthread_sigmask(SIG_SETMASK, &own, NULL);
}

static void go_round(void)
{
    char byte;

    depth = 0;
    if (sigsetjmp(before, !is("bare")) != 0)
        return;
    if (is("ignore"))
        be_sent_signals();
    else
        set_timer(3000);
    came++;
    if (place(fds[0], &byte, 1) != 1)
        _exit(1);
    if (is_child)
        _exit(0);
}

/* That of main(), which outlives all that uses it. */
static __attribute__((noinline)) void set_near_stack(void *stack)
{
    near_stack.ss_sp = stack;
}

int main(int argc, char **argv)
{
    const uint64_t addresses[] = {(uintptr_t)place_call, (uintptr_t)inner_call};
    char above[NEAR_SIZE];
    int status;
    char byte;

    set_near_stack(above);
    if (argc != 2 || pipe(fds) < 0 || pipe(inner_fds) < 0 ||
        write(STDOUT_FILENO, addresses, sizeof(addresses)) != (ssize_t)sizeof(addresses) ||
        read(STDIN_FILENO, &byte, 1) != 1)
        return 1;
    way = argv[1];
    set_handler();
    if (is("pair"))
        start_second();
    for (int i = 0; i < ROUNDS; i++)
        go_round();
    while (wait(&status) > 0) {
        if (status != 0)
            return 2;
    }
    return came;
}
