/* SPDX-License-Identifier: MIT */
/*
 * A program that maps, writes, moves and unmaps text as it is told on standard input, and calls it: see
 * test/support/text.h.
 */
#include "text.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static uint8_t *place; /* a page */
static uint8_t *other;
static int file = -1;
static int32_t number;
static int to_child[2];
static int from_child[2];
static pid_t child;

static void fail(void)
{
    _exit(99);
}

/* mov number, %eax; ret */
static void write_function(uint8_t *page, size_t from)
{
    uint8_t code[] = {0xb8, 0, 0, 0, 0, 0xc3};

    number++;
    memcpy(code + 1, &number, sizeof(number));
    memcpy(page + TEXT_OFFSET + from, code + from, sizeof(code) - from);
}

static void map(int protection, int flags, int fd)
{
    if (mmap(place, PAGE, protection, flags | MAP_FIXED, fd, 0) != place)
        fail();
}

static void fill(uint8_t value)
{
    map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memset(place, value, PAGE);
}

static void load(void)
{
    if (file < 0) {
        uint8_t page[PAGE] = {0};

        file = memfd_create("text", MFD_CLOEXEC);
        write_function(page, 0);
        if (file < 0 || write(file, page, PAGE) != PAGE)
            fail();
    }
    map(PROT_READ | PROT_EXEC, MAP_PRIVATE, file);
}

static int call(const uint8_t *page)
{
    int (*function)(void);
    const uint8_t *address = page + TEXT_OFFSET;

    memcpy(&function, &address, sizeof(function));
    return function();
}

static int first_byte(const uint8_t *page)
{
    return page[TEXT_OFFSET];
}

/* @return what a child has exited with, or 0: it was killed */
static int do_in_child(int (*act)(const uint8_t *page))
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(act(place));
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 0;
    return WEXITSTATUS(status);
}

static void keep_child(void)
{
    char byte;

    if (pipe(to_child) != 0 || pipe(from_child) != 0)
        fail();
    child = fork();
    if (child != 0) {
        close(to_child[0]);
        close(from_child[1]);
        return;
    }
    close(to_child[1]);
    while (read(to_child[0], &byte, 1) == 1) {
        const int32_t answer = call(place);

        if (write(from_child[1], &answer, sizeof(answer)) != sizeof(answer))
            break;
    }
    _exit(0);
}

static int ask_child(void)
{
    int32_t answer = 0;

    if (write(to_child[1], "", 1) != 1 ||
        read(from_child[0], &answer, sizeof(answer)) != sizeof(answer))
        return 0;
    return answer;
}

static void map_new(int flags)
{
    map(PROT_READ | PROT_WRITE | PROT_EXEC, flags | MAP_ANONYMOUS, -1);
    write_function(place, 0);
}

static void protect(int protection)
{
    if (mprotect(place, PAGE, protection) != 0)
        fail();
}

static void obey(char order, struct text_answer *answer)
{
    switch ((enum text_order)order) {
    case TEXT_MAP:
        map_new(MAP_PRIVATE);
        break;
    case TEXT_SHARE:
        map_new(MAP_SHARED);
        break;
    case TEXT_LOAD:
        load();
        break;
    case TEXT_UNMAP:
        munmap(place, PAGE);
        break;
    case TEXT_DATA:
        fill(0x11);
        break;
    case TEXT_TRAPS:
        fill(0xcc);
        break;
    case TEXT_WRITE:
        write_function(place, 0);
        break;
    case TEXT_WRITE_REST:
        write_function(place, 1);
        break;
    case TEXT_OWN_TRAP: /* and then nothing, up to the return */
        memset(place + TEXT_OFFSET + 1, 0x90, sizeof(number));
        place[TEXT_OFFSET] = 0xcc;
        break;
    case TEXT_MOVE:
        if (mremap(place, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other) != other)
            fail();
        break;
    case TEXT_DROP:
        madvise(place, PAGE, MADV_DONTNEED);
        break;
    case TEXT_PROTECT:
        protect(PROT_READ | PROT_EXEC);
        break;
    case TEXT_HIDE:
        protect(PROT_READ | PROT_WRITE);
        break;
    case TEXT_SHOW:
        protect(PROT_READ | PROT_WRITE | PROT_EXEC);
        break;
    case TEXT_CALL:
        answer->number = call(place);
        break;
    case TEXT_CALL_OTHER:
        answer->number = call(other);
        break;
    case TEXT_FORK:
        answer->number = do_in_child(call);
        break;
    case TEXT_KEEP_CHILD:
        keep_child();
        break;
    case TEXT_ASK_CHILD:
        answer->number = ask_child();
        break;
    case TEXT_LOOK_IN_CHILD:
        answer->number = do_in_child(first_byte);
        break;
    case TEXT_LOOK:
        memcpy(answer->bytes, place + TEXT_OFFSET, sizeof(answer->bytes));
        break;
    }
}

int main(void)
{
    struct text text;
    char order;

    signal(SIGUSR1, SIG_IGN);
    place = mmap(NULL, 256 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        fail();
    other = place + 128 * PAGE;
    text.function = (uint64_t)(uintptr_t)place + TEXT_OFFSET;
    text.other = (uint64_t)(uintptr_t)other + TEXT_OFFSET;
    munmap(place, PAGE);
    if (write(STDOUT_FILENO, &text, sizeof(text)) != sizeof(text))
        fail();
    raise(SIGUSR1);
    while (read(STDIN_FILENO, &order, 1) == 1) {
        struct text_answer answer = {0};

        obey(order, &answer);
        answer.written = number;
        if (write(STDOUT_FILENO, &answer, sizeof(answer)) != sizeof(answer))
            fail();
        raise(SIGUSR1);
    }
    if (child > 0) {
        close(to_child[1]);
        waitpid(child, NULL, 0);
    }
    return 0;
}
