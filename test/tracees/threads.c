/* SPDX-License-Identifier: MIT */
/*
 * Programs of several threads and processes for the session tests to hold.  The first argument says
 * what it does; when it is ready to be acted upon, it writes the byte "r" to standard output.
 *
 *     crew N      the first thread (place 0) and N others (places 1 to N) that wait for orders
 *     after       ready; exits with code 9 at the end of its input
 *     exit N      exits with code N
 *     flood N     N threads that raise SIGUSR1 all the time, without a first byte
 *     storm N     N threads that make threads and join them all the time
 *     tree DEPTH  makes two children of one less, waits for them, and exits with the number of
 *                 processes of its tree; at depth 0 it has none
 *     calls       getppid twice, a sleep of a second, getppid; exits with code 0 if they worked
 *
 * An order is two bytes on standard input: a place, and what the thread of that place shall do.  The
 * first thread reads them; when it ends or takes turns itself, the one of the highest place does.  At
 * the end of its input the crew exits with code 0.
 *
 *     e  end, with the place as exit code       q  exit the whole process, so
 *     t  take turns, with a nap between         s  take turns, never leaving user mode
 *     w  wait for the next order                k  raise SIGUSR1, which has a handler
 *     n  make one thread more, at the next free place
 *     x  execute "after"
 *     f  fork; the child exits with code 3      F  fork; the child executes "exit 4"
 *     V  vfork, and so on                       v  vfork; the child executes "exit 4"
 *     c  clone(0), u clone(SIGUSR1), m clone(CLONE_VM | SIGCHLD): the child exits with code 3
 *
 * Children say on the board who they are, and wait at its gate before they do anything.  Whoever made
 * one waits for its end, puts it on the board, and then writes "r".
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support/board.h"

#define NAP_NS       100000
#define GATE_LOOK_NS 50000000
#define SMALL_STACK  65536

enum {
    ORDER_NONE = 0,
    ORDER_READ = 1, /* become the one that reads the orders */
};

static struct board nobody;
static struct board *board = &nobody;
static const char *program;

static _Atomic int orders[BOARD_PLACES];
static _Atomic bool gone[BOARD_PLACES];
static _Atomic int places = 1;
static _Thread_local int place;

static void ready(void)
{
    (void)!write(STDOUT_FILENO, "r", 1);
}

static void nap(long nanoseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}

static int32_t own_tid(void)
{
    return (int32_t)syscall(SYS_gettid);
}

static void on_signal(int signal)
{
    (void)signal;
    board->signals[place]++;
}

static void map_board(void)
{
    void *memory = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);

    if (memory != MAP_FAILED)
        board = memory;
}

/* ---- children ---- */

/* Whoever lost the test ends by itself. */
static void wait_at_gate(void)
{
    const struct timespec look = {.tv_nsec = GATE_LOOK_NS};

    while (!board->gate) {
        struct pollfd input = {.fd = STDIN_FILENO};

        if (poll(&input, 1, 0) == 1 && (input.revents & (POLLHUP | POLLERR)))
            _exit(99);
        syscall(SYS_futex, &board->gate, FUTEX_WAIT, 0, &look, NULL, 0);
    }
}

static int be_child(void *nothing)
{
    (void)nothing;
    board->child = own_tid();
    wait_at_gate();
    syscall(SYS_exit_group, 3);
    return 0;
}

static void be_child_that_executes(void)
{
    board->child = own_tid();
    wait_at_gate();
    execl(program, program, "exit", "4", (char *)NULL);
    _exit(126);
}

static void await_child(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
        continue;
    board->result = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    ready();
}

static pid_t make_vfork(bool executes)
{
    /* What the child does is for the kernel to see only; it changes nothing that the parent needs. */
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */

    if (pid == 0) {
        if (executes)
            be_child_that_executes(); /* NOLINT(clang-analyzer-unix.Vfork) */
        be_child(NULL);               /* NOLINT(clang-analyzer-unix.Vfork) */
    }
    return pid;
}

static pid_t make_fork(bool executes)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (executes)
            be_child_that_executes();
        be_child(NULL);
    }
    return pid;
}

static pid_t make_clone(unsigned long flags)
{
    pid_t pid = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);

    if (pid == 0)
        be_child(NULL);
    return pid;
}

static pid_t make_sharer(void)
{
    static char stack[SMALL_STACK] __attribute__((aligned(16)));

    return clone(be_child, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
}

static void make_child(int how)
{
    if (how == 'f' || how == 'F')
        await_child(make_fork(how == 'F'));
    else if (how == 'v' || how == 'V')
        await_child(make_vfork(how == 'v'));
    else if (how == 'c')
        await_child(make_clone(0));
    else if (how == 'u')
        await_child(make_clone(SIGUSR1));
    else
        await_child(make_sharer());
}

/* ---- the crew ---- */

static void begin_at(int own)
{
    place = own;
    board->tids[own] = own_tid();
}

static void give_order(int to, int order)
{
    while (orders[to] != ORDER_NONE)
        nap(NAP_NS);
    orders[to] = order;
    syscall(SYS_futex, &orders[to], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool has_orders(void)
{
    return atomic_load_explicit(&orders[place], memory_order_relaxed) != ORDER_NONE;
}

static int await_order(void)
{
    while (!has_orders())
        syscall(SYS_futex, &orders[place], FUTEX_WAIT_PRIVATE, ORDER_NONE, NULL, NULL, 0);
    return atomic_exchange(&orders[place], ORDER_NONE);
}

/* The pthread functions would wait for this or that of the others. */
static void end_thread(void)
{
    gone[place] = true;
    syscall(SYS_exit, place);
}

static void *follow_orders(void *own);

static void make_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, SMALL_STACK);
    if (pthread_create(&thread, &attributes, follow_orders, (void *)(intptr_t)places++) != 0)
        _exit(125);
    pthread_attr_destroy(&attributes);
}

static void take_turns(bool naps)
{
    while (!has_orders()) {
        board->turns[place]++;
        if (naps)
            nap(NAP_NS);
    }
}

static void obey(int order)
{
    if (order == 'e')
        end_thread();
    else if (order == 'q')
        _exit(place);
    else if (order == 't' || order == 's')
        take_turns(order == 't');
    else if (order == 'k')
        syscall(SYS_tgkill, getpid(), own_tid(), SIGUSR1);
    else if (order == 'n')
        make_thread();
    else if (order == 'x')
        execl(program, program, "after", (char *)NULL);
    else if (order != 'w')
        make_child(order);
}

static void pass_the_reading_on(void)
{
    for (int other = places - 1; other >= 0; other--) {
        if (other != place && !gone[other]) {
            give_order(other, ORDER_READ);
            return;
        }
    }
}

static void read_orders(void)
{
    unsigned char bytes[2];

    for (;;) {
        ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));

        if (count < 0 && errno == EINTR)
            continue;
        if (count != (ssize_t)sizeof(bytes))
            _exit(count == 0 ? 0 : 124);
        if (bytes[0] != place) {
            give_order(bytes[0], bytes[1]);
        } else if (bytes[1] == 'e' || bytes[1] == 't' || bytes[1] == 's') {
            pass_the_reading_on();
            obey(bytes[1]);
            return;
        } else {
            obey(bytes[1]);
        }
    }
}

static void *follow_orders(void *own)
{
    begin_at((int)(intptr_t)own);
    for (;;) {
        int order = await_order();

        if (order == ORDER_READ)
            read_orders();
        else
            obey(order);
    }
    return NULL;
}

static void await_beginnings(int count)
{
    for (int i = 0; i <= count; i++) {
        while (board->tids[i] == 0)
            nap(NAP_NS);
    }
}

static int be_crew(int count)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    begin_at(0);
    for (int i = 0; i < count; i++)
        make_thread();
    await_beginnings(count);
    ready();
    read_orders();
    follow_orders((void *)0);
    return 0;
}

/* ---- the others ---- */

static int be_after(void)
{
    char byte;

    ready();
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    return 9;
}

static void *raise_signals(void *own)
{
    begin_at((int)(intptr_t)own);
    for (;;) {
        board->turns[place]++;
        syscall(SYS_tgkill, getpid(), own_tid(), SIGUSR1);
    }
    return NULL;
}

static void *end_at_once(void *nothing)
{
    return nothing;
}

static void *make_threads(void *own)
{
    pthread_t thread;

    begin_at((int)(intptr_t)own);
    for (;;) {
        board->turns[place]++;
        if (pthread_create(&thread, NULL, end_at_once, NULL) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

/* Until the end of the input. */
static int be_many(int count, void *(*function)(void *))
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    pthread_t thread;

    sigaction(SIGUSR1, &action, NULL);
    begin_at(0);
    for (int i = 1; i <= count; i++) {
        if (pthread_create(&thread, NULL, function, (void *)(intptr_t)i) != 0)
            return 125;
    }
    return be_after();
}

/* NOLINTNEXTLINE(misc-no-recursion): a tree */
static int be_tree(int depth)
{
    int total = 1;
    int status;

    if (depth == 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        if (fork() == 0)
            _exit(be_tree(depth - 1));
    }
    while (wait(&status) > 0)
        total += WEXITSTATUS(status);
    return total;
}

static int make_calls(void)
{
    const struct timespec second = {.tv_sec = 1};
    struct timespec begin;
    struct timespec end;

    syscall(SYS_getppid);
    syscall(SYS_getppid);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (syscall(SYS_nanosleep, &second, NULL) != 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    syscall(SYS_getppid);
    return (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec < 1000000000L;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;

    program = argv[0];
    map_board();
    if (strcmp(what, "crew") == 0 && number < BOARD_PLACES)
        return be_crew(number);
    if (strcmp(what, "after") == 0)
        return be_after();
    if (strcmp(what, "exit") == 0)
        return number;
    if (strcmp(what, "flood") == 0 && number < BOARD_PLACES)
        return be_many(number, raise_signals);
    if (strcmp(what, "storm") == 0 && number < BOARD_PLACES)
        return be_many(number, make_threads);
    if (strcmp(what, "tree") == 0)
        return be_tree(number);
    if (strcmp(what, "calls") == 0)
        return make_calls();
    return 125;
}
