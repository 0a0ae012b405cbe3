/* SPDX-License-Identifier: MIT */
/*
 * Bytes that stand in place of a program's own: no reader sees them, no writer takes them away, and once
 * they are lifted the program has what it would have had.  The kernel's other way, process_vm_readv(),
 * shows what is really there.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arena.h"
#include "held/address_space.h"
#include "held/process.h"
#include "holding.h"

#define MEMORY  SDB_TRACEE_DIR "/memory"
#define PLANTED 0xcc
#define MANY    10000

static struct arena arena;
static struct target target;
static struct sdb__space *space;

static void launch(int way)
{
    static const char *const argv[] = {MEMORY, NULL};
    size_t done = 0;

    begin(way);
    target = launch_program(MEMORY, argv);
    resume_process(target.process);
    while (done < sizeof(arena)) {
        ssize_t count = read(target.output, (char *)&arena + done, sizeof(arena) - done);

        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
    space = sdb__process_space(target.process);
}

static void end(void)
{
    sdb__space_close(space);
    close_input(&target);
    finish_exited(&target, 0);
}

static ssize_t try_to_plant(uint64_t address)
{
    uint8_t own[SDB__SPACE_AROUND];

    return sdb__space_plant(space, target.pid, address, PLANTED, own);
}

static void plant(uint64_t address)
{
    ck_assert_int_ge(try_to_plant(address), 0);
}

static void lift(uint64_t address)
{
    ck_assert_int_ge(sdb__space_lift(space, target.pid, address), 0);
}

static void read_bytes(uint64_t address, void *bytes, size_t size)
{
    ck_assert_int_eq(sdb_memory_read(target.process, address, bytes, size), (int64_t)size);
}

static void write_bytes(uint64_t address, const void *bytes, size_t size)
{
    ck_assert_int_eq(sdb_memory_write(target.process, address, bytes, size), (int64_t)size);
}

static uint8_t really_at(uint64_t address)
{
    uint8_t byte = 0;
    struct iovec local = {.iov_base = &byte, .iov_len = 1};
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of another process */
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = 1};

    ck_assert_int_eq(process_vm_readv(target.pid, &local, 1, &remote, 1, 0), 1);
    return byte;
}

static void expect_pattern(const uint8_t *bytes, uint64_t offset, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != arena_byte(offset + i))
            ck_abort_msg("byte %zu is %d, not %d", i, bytes[i], arena_byte(offset + i));
    }
}

HOLDING_CASE(planted);

TEST(planted_bytes_are_hidden_from_reads)
{
    uint8_t bytes[64];

    launch(_i);
    for (uint64_t at = 20; at < 40; at += 3)
        plant(arena.readable + at);
    for (uint64_t offset = 0; offset < 48; offset++) {
        for (size_t length = 1; length <= sizeof(bytes) - offset; length++) {
            read_bytes(arena.readable + offset, bytes, length);
            expect_pattern(bytes, offset, length);
        }
    }
    for (uint64_t at = 0; at < 64; at++)
        ck_assert_uint_eq(really_at(arena.readable + at),
                          at >= 20 && at < 40 && (at - 20) % 3 == 0 ? PLANTED : arena_byte(at));
    for (uint64_t at = 20; at < 40; at += 3)
        lift(arena.readable + at);
    for (uint64_t at = 0; at < 64; at++)
        ck_assert_uint_eq(really_at(arena.readable + at), arena_byte(at));
    end();
}

TEST(planted_bytes_are_hidden_from_parts_and_strings)
{
    uint8_t bytes[2][8];
    char string[32];
    struct sdb_memory_part parts[2];

    launch(_i);
    write_bytes(arena.readable, "an ordinary string", 19);
    for (uint64_t at = 0; at < 19; at++)
        plant(arena.readable + at);
    ck_assert_int_eq(sdb_memory_read_string(target.process, arena.readable, string, sizeof(string)),
                     18);
    ck_assert_str_eq(string, "an ordinary string");
    parts[0] = (struct sdb_memory_part){arena.readable, bytes[0], 8, 0};
    parts[1] = (struct sdb_memory_part){arena.readable + 8, bytes[1], 8, 0};
    ck_assert_int_eq(sdb_memory_read_parts(target.process, parts, 2), 16);
    ck_assert_int_eq(memcmp(bytes, "an ordinary string", 16), 0);
    end();
}

TEST(planted_bytes_are_kept_under_writes)
{
    uint8_t bytes[32];
    uint8_t seen[32];

    launch(_i);
    plant(arena.readable + 10);
    plant(arena.readable + 11);
    for (uint64_t offset = 0; offset < 16; offset++) {
        for (size_t length = 1; length <= 16; length++) {
            memset(bytes, (int)(offset * 16 + length), sizeof(bytes));
            write_bytes(arena.readable + offset, bytes, length);
            read_bytes(arena.readable + offset, seen, length);
            ck_assert_int_eq(memcmp(bytes, seen, length), 0);
            ck_assert_uint_eq(really_at(arena.readable + 10), PLANTED);
            ck_assert_uint_eq(really_at(arena.readable + 11), PLANTED);
        }
    }
    write_bytes(arena.readable, "0123456789abcdef", 16);
    lift(arena.readable + 10);
    ck_assert_uint_eq(really_at(arena.readable + 10), 'a');
    ck_assert_uint_eq(really_at(arena.readable + 11), PLANTED);
    lift(arena.readable + 11);
    ck_assert_uint_eq(really_at(arena.readable + 11), 'b');
    end();
}

TEST(the_programs_own_planted_byte_is_its_own)
{
    const uint8_t own = PLANTED;
    uint8_t byte = 0;

    launch(_i);
    write_bytes(arena.readable, &own, 1);
    plant(arena.readable);
    plant(arena.readable); /* it is there */
    read_bytes(arena.readable, &byte, 1);
    ck_assert_uint_eq(byte, own);
    lift(arena.readable);
    ck_assert_uint_eq(really_at(arena.readable), own);
    lift(arena.readable); /* there is none */
    ck_assert_uint_eq(really_at(arena.readable), own);
    end();
}

TEST(what_the_program_has_overwritten_stays)
{
    launch(_i);
    plant(arena.function);
    ck_assert_uint_eq(really_at(arena.function), PLANTED);
    /* As the program would. */
    for (int i = 0; i < 2; i++) {
        const uint8_t other = 0x90;
        struct iovec local = {.iov_base = (void *)(uintptr_t)&other, .iov_len = 1};
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of another process */
        struct iovec remote = {.iov_base = (void *)(uintptr_t)arena.readable, .iov_len = 1};

        if (i == 0)
            plant(arena.readable);
        ck_assert_int_eq(process_vm_writev(target.pid, &local, 1, &remote, 1, 0), 1);
        if (i == 0)
            lift(arena.readable);
        ck_assert_uint_eq(really_at(arena.readable), other);
    }
    lift(arena.function);
    ck_assert_uint_eq(really_at(arena.function), 0xb8);
    end();
}

TEST(nothing_is_planted_in_a_hole)
{
    uint8_t byte;

    launch(_i);
    ck_assert_int_eq(try_to_plant(arena.readable - 1), -EFAULT);
    ck_assert_int_eq(try_to_plant(UINT64_MAX), -EFAULT);
    ck_assert_int_eq(try_to_plant(arena.shared), -EIO);
    ck_assert(!sdb__space_is_planted(space, arena.readable - 1, NULL));
    ck_assert(!sdb__space_is_planted(space, arena.shared, NULL));
    ck_assert_int_eq(sdb_memory_read(target.process, arena.shared, &byte, 1), 1);
    ck_assert_uint_eq(byte, 0);
    end();
}

TEST(many_are_hidden_and_kept)
{
    uint8_t *bytes = malloc(ARENA_LARGE);
    struct sdb__planted planted;

    launch(_i);
    for (uint64_t i = 0; i < MANY; i++)
        plant(arena.large + i * 523);
    read_bytes(arena.large, bytes, ARENA_LARGE);
    expect_pattern(bytes, 0, ARENA_LARGE);
    for (size_t i = 0; i < ARENA_LARGE; i++)
        bytes[i] = (uint8_t)~bytes[i];
    write_bytes(arena.large, bytes, ARENA_LARGE);
    for (uint64_t i = 0; i < MANY; i += 7) {
        ck_assert_uint_eq(really_at(arena.large + i * 523), PLANTED);
        ck_assert(sdb__space_is_planted(space, arena.large + i * 523, &planted));
        ck_assert_uint_eq(planted.original, (uint8_t)~arena_byte(i * 523));
        ck_assert(!sdb__space_is_planted(space, arena.large + i * 523 + 1, NULL));
    }
    /* In another order than they came. */
    for (uint64_t i = 0; i < MANY; i += 2)
        lift(arena.large + i * 523);
    for (uint64_t i = 1; i < MANY; i += 2)
        ck_assert(sdb__space_is_planted(space, arena.large + i * 523, NULL));
    for (uint64_t i = MANY; i-- > 0;)
        lift(arena.large + i * 523);
    ck_assert_uint_eq(space->planted_count, 0);
    read_bytes(arena.large, bytes, ARENA_LARGE);
    for (size_t i = 0; i < ARENA_LARGE; i++)
        bytes[i] = (uint8_t)~bytes[i];
    expect_pattern(bytes, 0, ARENA_LARGE);
    end();
    free(bytes);
}

TEST(a_copy_of_the_memory_knows_what_is_planted)
{
    struct sdb__space *copy = sdb__space_create();
    struct sdb__planted planted;

    launch(_i);
    plant(arena.readable);
    plant(arena.readable + 100);
    ck_assert_int_eq(sdb__space_copy_planted(copy, space), 0);
    ck_assert_int_eq(sdb__space_copy_planted(copy, space), 0); /* again: nothing new */
    ck_assert_uint_eq(copy->planted_count, 2);
    lift(arena.readable);
    ck_assert(sdb__space_is_planted(copy, arena.readable, &planted));
    ck_assert_uint_eq(planted.original, arena_byte(0));
    ck_assert(sdb__space_is_planted(copy, arena.readable + 100, NULL));
    sdb__space_close(copy);
    end();
}

TEST(an_exec_leaves_nothing_planted)
{
    uint8_t bytes[8];

    launch(_i);
    plant(arena.function);
    tell_target(&target, 'e');
    expect(SDB_EVENT_EXEC);
    sdb__space_close(space);
    space = sdb__process_space(target.process);
    ck_assert(!sdb__space_is_planted(space, arena.function, NULL));
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &arena, sizeof(arena)), sizeof(arena));
    read_bytes(arena.function, bytes, sizeof(bytes));
    ck_assert_uint_eq(really_at(arena.function), 0xb8);
    end();
}

int main(void)
{
    return run_suite("memory_planted");
}
