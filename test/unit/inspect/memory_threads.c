/* SPDX-License-Identifier: MIT */
/*
 * Other threads read and write memory while the tracer thread plants and lifts bytes in it, while the
 * process executes, and while it ends: they see what the program has, or are told that it is gone.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "held/address_space.h"
#include "held/process.h"
#include "holding.h"
#include "racing.h"

#define MEMORY  SDB_TRACEE_DIR "/memory"
#define PLANTED 0xcc
#define READERS 3

/* What the threads work on, and what they have found. */
static struct sdb_process *process;
static struct arena arena;
static struct target target;
static _Atomic uint64_t address;
static atomic_bool shall_end;
static atomic_ulong good;
static atomic_ulong bad;
static atomic_ulong refused;
static _Atomic int64_t unexpected;

static void read_arena(void)
{
    size_t done = 0;

    while (done < sizeof(arena)) {
        ssize_t count = read(target.output, (char *)&arena + done, sizeof(arena) - done);

        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
    atomic_store(&address, arena.readable);
}

static void launch(void)
{
    static const char *const argv[] = {MEMORY, NULL};

    target = launch_program(MEMORY, argv);
    process = sdb_process_retain(target.process);
    resume_process(process);
    read_arena();
    atomic_store(&shall_end, false);
    atomic_store(&good, 0);
    atomic_store(&bad, 0);
    atomic_store(&refused, 0);
    atomic_store(&unexpected, 0);
}

static void end(void)
{
    sdb_process_close(process);
    close_target(&target);
}

static void start(pthread_t *threads, int count, void *(*run)(void *))
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, NULL), 0);
}

static void join(const pthread_t *threads, int count)
{
    atomic_store(&shall_end, true);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

static void await(atomic_ulong *counted, unsigned long count)
{
    while (atomic_load(counted) < count && atomic_load(&bad) == 0)
        sched_yield();
}

static bool is_pattern(const uint8_t *bytes, uint64_t offset, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != arena_byte(offset + i))
            return false;
    }
    return true;
}

HOLDING_CASE(planting);

static void *read_small(void *nothing)
{
    uint8_t bytes[16];

    while (!atomic_load(&shall_end)) {
        if (sdb_memory_read(process, arena.readable + 96, bytes, sizeof(bytes)) == sizeof(bytes) &&
            is_pattern(bytes, 96, sizeof(bytes)))
            atomic_fetch_add(&good, 1);
        else
            atomic_fetch_add(&bad, 1);
    }
    return nothing;
}

static void *read_large(void *nothing)
{
    const size_t size = (size_t)1 << 18;
    uint8_t *bytes = malloc(size);

    while (bytes && !atomic_load(&shall_end)) {
        if (sdb_memory_read(process, arena.large, bytes, size) == (int64_t)size &&
            is_pattern(bytes, 0, size))
            atomic_fetch_add(&good, 1);
        else
            atomic_fetch_add(&bad, 1);
    }
    free(bytes);
    return nothing;
}

static void plant(struct sdb__space *space, uint64_t where)
{
    uint8_t own[SDB__SPACE_AROUND];

    ck_assert_int_gt(sdb__space_plant(space, target.pid, where, PLANTED, own), 0);
}

static void plant_and_lift(struct sdb__space *space, uint64_t where)
{
    plant(space, where);
    ck_assert_int_eq(sdb__space_lift(space, target.pid, where), 1);
}

SESSION_TEST(readers_never_see_what_is_planted)
{
    pthread_t threads[READERS];
    struct sdb__space *space;

    launch();
    space = sdb__process_space(process);
    start(threads, READERS - 1, read_small);
    start(&threads[READERS - 1], 1, read_large);
    for (int i = 0; i < 20000 * rounds(1); i++) {
        plant_and_lift(space, arena.readable + 96 + (uint64_t)i % 16);
        plant_and_lift(space, arena.large + (uint64_t)i % 4096 * 64);
        if (i % 1000 == 0)
            await(&good, atomic_load(&good) + 10);
    }
    join(threads, READERS);
    ck_assert_uint_eq(atomic_load(&bad), 0);
    ck_assert_uint_gt(atomic_load(&good), 100);
    sdb__space_close(space);
    close_input(&target);
    expect_exit(SDB_EXITED, 0);
    finish();
    end();
}

/* One writer: what it reads back is what it wrote. */
static void *write_and_read(void *nothing)
{
    uint64_t seen = 0;

    for (uint64_t value = 1; !atomic_load(&shall_end); value++) {
        const uint64_t written = value * UINT64_C(0x9e3779b97f4a7c15);

        if (sdb_memory_write(process, arena.readable, &written, sizeof(written)) == 8 &&
            sdb_memory_read(process, arena.readable, &seen, sizeof(seen)) == 8 && seen == written)
            atomic_fetch_add(&good, 1);
        else
            atomic_fetch_add(&bad, 1);
    }
    return nothing;
}

SESSION_TEST(what_is_written_lasts_while_bytes_are_planted)
{
    struct sdb__space *space;
    uint64_t seen = 0;
    uint64_t dumped[ARENA_PAGE / 8];
    pthread_t thread;

    launch();
    space = sdb__process_space(process);
    start(&thread, 1, write_and_read);
    for (int i = 0; i < 20000 * rounds(1); i++) {
        plant_and_lift(space, arena.readable + (uint64_t)i % 8);
        if (i % 1000 == 0)
            await(&good, atomic_load(&good) + 10);
    }
    join(&thread, 1);
    ck_assert_uint_eq(atomic_load(&bad), 0);
    ck_assert_int_eq(sdb_memory_read(process, arena.readable, &seen, sizeof(seen)), sizeof(seen));
    tell_target(&target, 'd');
    for (size_t done = 0; done < sizeof(dumped);) {
        ssize_t count = read(target.output, (char *)dumped + done, sizeof(dumped) - done);

        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
    ck_assert_uint_eq(dumped[0], seen);
    sdb__space_close(space);
    close_input(&target);
    expect_exit(SDB_EXITED, 0);
    finish();
    end();
}

static void *write_alike(void *nothing)
{
    uint8_t bytes[32];

    for (uint8_t value = 1; !atomic_load(&shall_end); value++) {
        memset(bytes, value, sizeof(bytes));
        if (sdb_memory_write(process, arena.readable, bytes, sizeof(bytes)) != sizeof(bytes))
            atomic_fetch_add(&bad, 1);
    }
    return nothing;
}

static void *read_alike(void *nothing)
{
    uint8_t bytes[32];

    while (!atomic_load(&shall_end)) {
        bool alike =
            sdb_memory_read(process, arena.readable, bytes, sizeof(bytes)) == sizeof(bytes);

        for (size_t i = 1; i < sizeof(bytes); i++)
            alike = alike && bytes[i] == bytes[0];
        atomic_fetch_add(alike ? &good : &bad, 1);
    }
    return nothing;
}

SESSION_TEST(a_write_around_planted_bytes_is_never_seen_by_half)
{
    const unsigned long enough = 20000UL * (unsigned long)rounds(1);
    struct sdb__space *space;
    uint8_t alike[32] = {0};
    pthread_t threads[2];

    launch();
    space = sdb__process_space(process);
    ck_assert_int_eq(sdb_memory_write(process, arena.readable, alike, sizeof(alike)), 32);
    for (uint64_t at = 3; at < 32; at += 7)
        plant(space, arena.readable + at);
    start(threads, 1, write_alike);
    start(&threads[1], 1, read_alike);
    await(&good, enough);
    join(threads, 2);
    ck_assert_uint_eq(atomic_load(&bad), 0);
    sdb__space_close(space);
    close_input(&target);
    expect_exit(SDB_EXITED, 0);
    finish();
    end();
}

HOLDING_CASE(going);

static void *read_while_it_goes(void *nothing)
{
    uint8_t bytes[64];

    while (!atomic_load(&shall_end)) {
        const int64_t count = sdb_memory_read(process, atomic_load(&address), bytes, sizeof(bytes));

        if (count == sizeof(bytes))
            atomic_fetch_add(is_pattern(bytes, 0, sizeof(bytes)) ? &good : &bad, 1);
        else if (count == -EFAULT || count == -EAGAIN || count == -ESRCH)
            atomic_fetch_add(count == -ESRCH ? &refused : &good, 1);
        else
            atomic_store(&unexpected, count);
    }
    return nothing;
}

SESSION_TEST(readers_beside_an_exec)
{
    pthread_t threads[READERS];

    launch();
    start(threads, READERS, read_while_it_goes);
    for (int i = 0; i < 50 * rounds(1); i++) {

        tell_target(&target, 'e');
        resume_from(SDB_EVENT_EXEC);
        read_arena();
        ck_assert_int_eq(arena.generation, i % 8 + 1);
        if (i % 8 == 7) {
            /* It counts to eight only. */
            ck_assert_int_eq(sdb_process_kill(process), 0);
            expect_exit(SDB_KILLED, SIGKILL);
            join(threads, READERS);
            ck_assert_uint_eq(atomic_load(&bad), 0);
            ck_assert_int_eq(atomic_load(&unexpected), 0);
            end();
            launch();
            start(threads, READERS, read_while_it_goes);
        }
    }
    ck_assert_uint_eq(atomic_load(&refused), 0);
    join(threads, READERS);
    ck_assert_uint_eq(atomic_load(&bad), 0);
    ck_assert_int_eq(atomic_load(&unexpected), 0);
    ck_assert_int_eq(sdb_process_kill(process), 0);
    expect_exit(SDB_KILLED, SIGKILL);
    finish();
    end();
}

SESSION_TEST(readers_beside_an_end)
{
    for (int i = 0; i < 50 * rounds(1); i++) {
        pthread_t threads[READERS];

        launch();
        start(threads, READERS, read_while_it_goes);
        if (i % 3 != 0) /* else they may be the first to open it */
            await(&good, 20);
        if (i % 2 == 0)
            tell_target(&target, 'q');
        else
            ck_assert_int_eq(sdb_process_kill(process), 0);
        expect(SDB_EVENT_EXITED);
        atomic_store(&refused, 0);
        await(&refused, 10);
        join(threads, READERS);
        ck_assert_uint_eq(atomic_load(&bad), 0);
        ck_assert_int_eq(atomic_load(&unexpected), 0);
        end();
    }
    finish();
}

SESSION_TEST(readers_beside_a_detach)
{
    for (int i = 0; i < 50 * rounds(1); i++) {
        pthread_t threads[READERS];

        launch();
        start(threads, READERS, read_while_it_goes);
        if (i % 3 != 0)
            await(&good, 20);
        ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, &target.child), 0);
        atomic_store(&refused, 0);
        await(&refused, 10);
        join(threads, READERS);
        ck_assert_uint_eq(atomic_load(&bad), 0);
        ck_assert_int_eq(atomic_load(&unexpected), 0);
        sdb_process_close(process);
        end_target(&target);
    }
    finish();
}

int main(void)
{
    return run_suite("memory_threads");
}
