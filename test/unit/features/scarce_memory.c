/* SPDX-License-Identifier: MIT */
/*
 * No memory: every allocation that the library makes on an errand fails, one after the other; alone, and
 * with all that come after it.  The call that asked says so, nothing is left, no event is lost, and the
 * same call works afterwards.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "errands.h"
#include "leftovers.h"
#include "scarce.h"
#include "suite.h"

#define MOST_LIVE 4096

/* ---- what the linker has the library call (--wrap) ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *data);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *data);

/* What was allocated on an errand, and is not free yet. */
static void *live[MOST_LIVE];
static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;

static void replace_live(const void *before, void *now)
{
    pthread_mutex_lock(&live_lock);
    for (size_t i = 0; i < MOST_LIVE; i++) {
        if (live[i] == before) {
            live[i] = now;
            break;
        }
    }
    pthread_mutex_unlock(&live_lock);
}

static void *note(void *memory)
{
    if (memory && scarce_is_inside())
        replace_live(NULL, memory);
    return memory;
}

static size_t count_live(void)
{
    size_t count = 0;

    for (size_t i = 0; i < MOST_LIVE; i++)
        count += live[i] != NULL;
    return count;
}

static bool fails(void)
{
    if (!scarce_strikes())
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : note(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : note(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (fails())
        return NULL;
    if (memory)
        replace_live(memory, NULL);
    return note(__real_realloc(memory, size));
}

void __wrap_free(void *memory)
{
    if (memory)
        replace_live(memory, NULL);
    __real_free(memory);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(address, size, protection, flags, fd, offset);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *data)
{
    return fails() ? EAGAIN : __real_pthread_create(thread, attributes, function, data);
}

/* ---- errands ---- */

/* @return whether there was something that failed */
static bool try_at(const struct errand *errand, unsigned at, enum scarcity scarcity)
{
    struct leftovers before;
    unsigned count;

    errand_prepare(errand);
    leftovers_note(&before);
    scarce_begin(at, scarcity);
    errand->run();
    count = scarce_end();
    leftovers_check(&before);
    ck_assert_msg(count_live() == 0, "%zu pieces of memory are not freed, after %s", count_live(),
                  scarce_failed_call());
    errand_look_after(errand);
    errand_clear(errand);
    return count >= at;
}

static void try_all(const struct errand *errand, enum scarcity scarcity)
{
    static const int errors[] = {-ENOMEM, -EAGAIN, 0};
    unsigned at = 1;

    scarce_expect(errors);
    while (try_at(errand, at, scarcity))
        at++;
}

SUITE_CASE(scarce_memory, plain_case);

LOOP_TEST(each_allocation_fails, 0, MOST_ERRANDS)
{
    if ((size_t)_i < errand_count)
        try_all(&errands[_i], SCARCE_ONCE);
}

LOOP_TEST(each_allocation_fails_and_all_after_it, 0, MOST_ERRANDS)
{
    if ((size_t)_i < errand_count)
        try_all(&errands[_i], SCARCE_FROM_NOW);
}

int main(void)
{
    return run_suite("scarce_memory");
}
