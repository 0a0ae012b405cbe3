/* SPDX-License-Identifier: MIT */
/*
 * What the tests of memory look at: pages of every kind, each with a pattern.  When they are there it
 * tells where (../support/arena.h), and then obeys the orders on its standard input, a byte each:
 *
 *     f  calls a function, and tells its result, an int32_t
 *     d  tells what is in the readable page
 *     c  counts in a word without end, in another thread
 *     e  executes itself
 *     l  its first thread ends; another obeys
 *     k  forks a child that obeys while it does not; when the child has ended it tells its exit code, an
 *        int32_t
 *     v  the same with vfork
 *     q  exits with code 7
 *
 * At the end of its input it exits with code 0.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/arena.h"

static char *program;
static volatile uint64_t counter;
static struct arena arena;

/* mov $0x11223344, %eax; ret */
__asm__(".text\n"
        ".globl arena_function\n"
        "arena_function:\n"
        ".byte 0xb8, 0x44, 0x33, 0x22, 0x11, 0xc3\n");
extern int32_t arena_function(void);

static void tell(const void *bytes, size_t size)
{
    if (write(STDOUT_FILENO, bytes, size) != (ssize_t)size)
        _exit(3);
}

static uint8_t *map(uint64_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        _exit(4);
    return memory;
}

static void fill(uint8_t *bytes, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = arena_byte(i);
}

static uint64_t map_shared(void)
{
    int fd = memfd_create("shared", MFD_CLOEXEC);
    void *memory;

    if (fd < 0 || ftruncate(fd, ARENA_PAGE) < 0)
        _exit(4);
    memory = mmap(NULL, ARENA_PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        _exit(4);
    return (uint64_t)(uintptr_t)memory;
}

static void make_arena(void)
{
    uint8_t *pages = map((uint64_t)7 * ARENA_PAGE);
    uint8_t *first = pages + ARENA_PAGE;
    uint8_t *large = map(ARENA_LARGE);
    const uint64_t shared = map_shared();

    fill(first, (uint64_t)5 * ARENA_PAGE);
    fill(large, ARENA_LARGE);
    /* From here on nothing is mapped that would fit into the holes. */
    if (munmap(pages, ARENA_PAGE) < 0 || munmap(first + 5 * ARENA_PAGE, ARENA_PAGE) < 0 ||
        mprotect(first + 1 * ARENA_PAGE, ARENA_PAGE, PROT_READ) < 0 ||
        mprotect(first + 2 * ARENA_PAGE, ARENA_PAGE, PROT_NONE) < 0 ||
        mprotect(first + 3 * ARENA_PAGE, ARENA_PAGE, PROT_EXEC) < 0 ||
        mprotect(first + 4 * ARENA_PAGE, ARENA_PAGE, PROT_WRITE) < 0)
        _exit(4);
    arena.readable = (uint64_t)(uintptr_t)first;
    arena.read_only = arena.readable + 1 * ARENA_PAGE;
    arena.hidden = arena.readable + 2 * ARENA_PAGE;
    arena.executable = arena.readable + 3 * ARENA_PAGE;
    arena.write_only = arena.readable + 4 * ARENA_PAGE;
    arena.large = (uint64_t)(uintptr_t)large;
    arena.shared = shared;
    arena.function = (uint64_t)(uintptr_t)arena_function;
    arena.constant = arena.function + 1;
    arena.counter = (uint64_t)(uintptr_t)&counter;
}

static void *count(void *nothing)
{
    (void)nothing;
    for (;;)
        counter++;
    return NULL;
}

static void obey(void);

static void *obey_on(void *nothing)
{
    obey();
    return nothing;
}

static void start(void *(*function)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, NULL) != 0)
        _exit(5);
}

/* NOLINTNEXTLINE(misc-no-recursion): the child obeys */
static void await_child(pid_t pid)
{
    int32_t code;
    int status = 0;

    if (pid == 0) {
        obey();
        _exit(6);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    tell(&code, sizeof(code));
}

static void execute_itself(void)
{
    char generation[] = {(char)('1' + arena.generation), '\0'};

    execl(program, program, generation, (char *)NULL);
    _exit(126);
}

/* NOLINTNEXTLINE(misc-no-recursion): a child obeys, too */
static void obey_one(char order)
{
    int32_t result;

    if (order == 'f') {
        result = arena_function();
        tell(&result, sizeof(result));
    } else if (order == 'd') {
        tell((const void *)(uintptr_t)arena.readable, ARENA_PAGE);
    } else if (order == 'c') {
        start(count);
    } else if (order == 'e') {
        execute_itself();
    } else if (order == 'l') {
        start(obey_on);
        syscall(SYS_exit, 0);
    } else if (order == 'k') {
        await_child(fork());
    } else if (order == 'v') {
        await_child(vfork()); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    } else {
        _exit(order == 'q' ? 7 : 8);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): a child obeys, too */
static void obey(void)
{
    char order;
    ssize_t size;

    for (;;) {
        size = read(STDIN_FILENO, &order, 1);
        if (size == 1)
            obey_one(order);
        else if (size == 0)
            _exit(0);
        else if (errno != EINTR)
            _exit(9);
    }
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1)
        arena.generation = atoi(argv[1]);
    make_arena();
    tell(&arena, sizeof(arena));
    obey();
    return 0;
}
