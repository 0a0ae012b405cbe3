/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the memory of held processes: what is copied and how much, with every kind of
 * page; several pieces, and strings; processes that execute, fork, are let go, and end.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arena.h"
#include "holding.h"
#include "host.h"

#define MEMORY SDB_TRACEE_DIR "/memory"

static struct arena arena;

static void read_output(const struct target *target, void *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t count = read(target->output, (char *)bytes + done, size - done);

        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
}

/* Launched, and running: its arena is known. */
static struct target launch_memory(void)
{
    static const char *const argv[] = {MEMORY, NULL};
    struct target target = launch_program(MEMORY, argv);

    resume_process(target.process);
    read_output(&target, &arena, sizeof(arena));
    return target;
}

static void end_memory(struct target *target)
{
    close_input(target);
    finish_exited(target, 0);
}

static void expect_pattern(const uint8_t *bytes, uint64_t offset, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != arena_byte(offset + i))
            ck_abort_msg("byte %zu is %d, not %d", i, bytes[i], arena_byte(offset + i));
    }
}

static int32_t call_function(const struct target *target)
{
    int32_t result = 0;

    tell_target(target, 'f');
    read_output(target, &result, sizeof(result));
    return result;
}

HOLDING_CASE(how_much);

SESSION_TEST(bytes_are_read_while_the_program_runs)
{
    struct target target = launch_memory();
    uint8_t bytes[ARENA_PAGE];

    for (size_t length = 1; length <= sizeof(bytes); length = length * 2 + 1) {
        ck_assert_int_eq(sdb_memory_read(target.process, arena.readable + 1, bytes, length),
                         (int64_t)length);
        expect_pattern(bytes, 1, length);
    }
    end_memory(&target);
}

TEST(a_large_area_is_copied_whole)
{
    uint8_t *bytes = malloc(ARENA_LARGE);
    struct target target;

    begin(_i);
    target = launch_memory();
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.large, bytes, ARENA_LARGE), ARENA_LARGE);
    expect_pattern(bytes, 0, ARENA_LARGE);
    for (size_t i = 0; i < ARENA_LARGE; i++)
        bytes[i] = (uint8_t)~bytes[i];
    ck_assert_int_eq(sdb_memory_write(target.process, arena.large, bytes, ARENA_LARGE),
                     ARENA_LARGE);
    memset(bytes, 0, ARENA_LARGE);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.large, bytes, ARENA_LARGE), ARENA_LARGE);
    for (size_t i = 0; i < ARENA_LARGE; i++)
        bytes[i] = (uint8_t)~bytes[i];
    expect_pattern(bytes, 0, ARENA_LARGE);
    end_memory(&target);
    free(bytes);
}

SESSION_TEST(pages_without_permissions_are_read_and_written)
{
    struct target target = launch_memory();
    uint8_t bytes[5 * ARENA_PAGE];

    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, bytes, sizeof(bytes)),
                     sizeof(bytes));
    expect_pattern(bytes, 0, sizeof(bytes));
    memset(bytes, 'w', sizeof(bytes));
    ck_assert_int_eq(sdb_memory_write(target.process, arena.readable, bytes, sizeof(bytes)),
                     sizeof(bytes));
    memset(bytes, 0, sizeof(bytes));
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, bytes, sizeof(bytes)),
                     sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        ck_assert_uint_eq(bytes[i], 'w');
    tell_target(&target, 'd');
    read_output(&target, bytes, ARENA_PAGE);
    for (size_t i = 0; i < ARENA_PAGE; i++)
        ck_assert_uint_eq(bytes[i], 'w');
    end_memory(&target);
}

SESSION_TEST(a_hole_ends_what_is_copied)
{
    const uint64_t end = 5 * ARENA_PAGE;
    struct target target = launch_memory();
    uint8_t bytes[2 * ARENA_PAGE];

    for (int64_t before = 1; before <= ARENA_PAGE; before = before * 3 + 1) {
        const uint64_t address = arena.readable + end - (uint64_t)before;

        memset(bytes, 0, sizeof(bytes));
        ck_assert_int_eq(sdb_memory_read(target.process, address, bytes, sizeof(bytes)), before);
        expect_pattern(bytes, end - (uint64_t)before, (size_t)before);
        ck_assert_int_eq(sdb_memory_write(target.process, address, bytes, sizeof(bytes)), before);
    }
    /* Not even one. */
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable + end, bytes, 1), -EFAULT);
    ck_assert_int_eq(sdb_memory_write(target.process, arena.readable + end, bytes, 1), -EFAULT);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable - 1, bytes, 8), -EFAULT);
    ck_assert_int_eq(sdb_memory_write(target.process, arena.readable - 1, bytes, 8), -EFAULT);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, bytes, 8), 8);
    expect_pattern(bytes, 0, 8);
    end_memory(&target);
}

SESSION_TEST(lengths_beyond_the_address_space_end_at_the_hole)
{
    static const size_t lengths[] = {SIZE_MAX, (size_t)SSIZE_MAX + 1, SSIZE_MAX, (size_t)1 << 47};
    struct target target = launch_memory();
    uint8_t bytes[16];

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        const uint64_t address = arena.readable + 5 * ARENA_PAGE - sizeof(bytes);

        ck_assert_int_eq(sdb_memory_read(target.process, address, bytes, lengths[i]),
                         sizeof(bytes));
        expect_pattern(bytes, 5 * ARENA_PAGE - sizeof(bytes), sizeof(bytes));
    }
    end_memory(&target);
}

TEST(addresses_that_are_none_are_no_memory)
{
    static const uint64_t addresses[] = {0,
                                         1,
                                         UINT64_C(1) << 47,
                                         (UINT64_C(1) << 63) - 1,
                                         UINT64_C(1) << 63,
                                         UINT64_C(0xffffffff81000000),
                                         UINT64_MAX - 4096,
                                         UINT64_MAX - 1,
                                         UINT64_MAX};
    static const size_t lengths[] = {1, 8, 4096, 1 << 21, SIZE_MAX};
    uint8_t *bytes = calloc(1, 1 << 21);
    struct target target;

    begin(_i);
    target = launch_memory();
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
            ck_assert_int_eq(sdb_memory_read(target.process, addresses[i], bytes, lengths[k]),
                             -EFAULT);
            if (lengths[k] <= 1 << 21)
                ck_assert_int_eq(sdb_memory_write(target.process, addresses[i], bytes, lengths[k]),
                                 -EFAULT);
        }
    }
    end_memory(&target);
    free(bytes);
}

SESSION_TEST(nothing_is_copied_for_nothing)
{
    uint8_t byte = 'n';
    struct target target = launch_memory();

    ck_assert_int_eq(sdb_memory_read(target.process, 0, NULL, 0), 0);
    ck_assert_int_eq(sdb_memory_write(target.process, arena.readable, NULL, 0), 0);
    ck_assert_int_eq(sdb_memory_read_parts(target.process, NULL, 0), 0);
    ck_assert_int_eq(sdb_memory_write_parts(target.process, NULL, 0), 0);

    ck_assert_int_eq(sdb_memory_read(NULL, arena.readable, &byte, 1), -EINVAL);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, NULL, 1), -EINVAL);
    ck_assert_int_eq(sdb_memory_write(NULL, arena.readable, &byte, 1), -EINVAL);
    ck_assert_int_eq(sdb_memory_write(target.process, arena.readable, NULL, 1), -EINVAL);
    ck_assert_int_eq(sdb_memory_read_parts(target.process, NULL, 1), -EINVAL);
    ck_assert_int_eq(sdb_memory_write_parts(NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_memory_read_string(target.process, arena.readable, (char *)&byte, 0),
                     -EINVAL);
    ck_assert_int_eq(sdb_memory_read_string(target.process, arena.readable, NULL, 1), -EINVAL);
    ck_assert_int_eq(sdb_memory_read_string(NULL, arena.readable, (char *)&byte, 1), -EINVAL);
    ck_assert_uint_eq(byte, 'n');
    end_memory(&target);
}

SESSION_TEST(code_is_written)
{
    const int32_t other = 0x55667788;
    struct target target = launch_memory();

    ck_assert_int_eq(call_function(&target), 0x11223344);
    ck_assert_int_eq(sdb_memory_write(target.process, arena.constant, &other, sizeof(other)),
                     sizeof(other));
    ck_assert_int_eq(call_function(&target), other);
    /* The file is as it was. */
    tell_target(&target, 'e');
    expect(SDB_EVENT_EXEC);
    resume_process(target.process);
    read_output(&target, &arena, sizeof(arena));
    ck_assert_int_eq(call_function(&target), 0x11223344);
    end_memory(&target);
}

SESSION_TEST(shared_read_only_memory_is_not_written)
{
    uint8_t bytes[8] = {1};
    struct target target = launch_memory();

    ck_assert_int_eq(sdb_memory_write(target.process, arena.shared, bytes, sizeof(bytes)), -EFAULT);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.shared, bytes, sizeof(bytes)), 8);
    ck_assert_uint_eq(bytes[0], 0);
    end_memory(&target);
}

/* What the kernel's other way says of the same. */
SESSION_TEST(it_is_what_the_kernel_says)
{
    uint8_t theirs[3000];
    struct iovec local = {.iov_base = theirs, .iov_len = sizeof(theirs)};
    struct iovec remote = {.iov_len = sizeof(theirs)};
    struct target target = launch_memory();
    uint8_t ours[3000];

    for (uint64_t offset = 0; offset < ARENA_LARGE - sizeof(ours); offset += 99991) {
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of another process */
        remote.iov_base = (void *)(uintptr_t)(arena.large + offset);
        ck_assert_int_eq(sdb_memory_read(target.process, arena.large + offset, ours, sizeof(ours)),
                         sizeof(ours));
        ck_assert_int_eq(process_vm_readv(target.pid, &local, 1, &remote, 1, 0), sizeof(ours));
        ck_assert_int_eq(memcmp(ours, theirs, sizeof(ours)), 0);
    }
    end_memory(&target);
}

HOLDING_CASE(several);

SESSION_TEST(each_part_has_a_count_of_its_own)
{
    struct target target = launch_memory();
    uint8_t bytes[4][64];
    struct sdb_memory_part parts[5];

    parts[0] = (struct sdb_memory_part){arena.readable, bytes[0], 64, 99};
    parts[1] = (struct sdb_memory_part){arena.readable - 8, bytes[1], 64, 99};
    parts[2] = (struct sdb_memory_part){arena.readable + 5 * ARENA_PAGE - 10, bytes[2], 64, 99};
    parts[3] = (struct sdb_memory_part){0, NULL, 0, 99};
    parts[4] = (struct sdb_memory_part){arena.hidden + 3, bytes[3], 5, 99};
    ck_assert_int_eq(sdb_memory_read_parts(target.process, parts, 5), 64 + 10 + 5);
    ck_assert_uint_eq(parts[0].done, 64);
    ck_assert_uint_eq(parts[1].done, 0);
    ck_assert_uint_eq(parts[2].done, 10);
    ck_assert_uint_eq(parts[3].done, 0);
    ck_assert_uint_eq(parts[4].done, 5);
    expect_pattern(bytes[0], 0, 64);
    expect_pattern(bytes[2], 5 * ARENA_PAGE - 10, 10);
    expect_pattern(bytes[3], 2 * ARENA_PAGE + 3, 5);

    memset(bytes, 'p', sizeof(bytes));
    ck_assert_int_eq(sdb_memory_write_parts(target.process, parts, 5), 64 + 10 + 5);
    memset(bytes, 0, sizeof(bytes));
    ck_assert_int_eq(sdb_memory_read(target.process, arena.hidden, bytes[0], 10), 10);
    ck_assert_int_eq(memcmp(bytes[0] + 3, "ppppp", 5), 0);
    expect_pattern(bytes[0], 2 * ARENA_PAGE, 3);
    expect_pattern(bytes[0] + 8, 2 * ARENA_PAGE + 8, 2);

    /* All of them holes. */
    ck_assert_int_eq(sdb_memory_read_parts(target.process, &parts[1], 1), 0);
    ck_assert_uint_eq(parts[1].done, 0);
    /* One that cannot be is found before anything is done. */
    parts[0].done = 77;
    parts[3].length = 1;
    ck_assert_int_eq(sdb_memory_read_parts(target.process, parts, 5), -EINVAL);
    ck_assert_uint_eq(parts[0].done, 77);
    end_memory(&target);
}

SESSION_TEST(parts_that_overlap_are_written_in_order)
{
    char bytes[] = "aaaabbbbcc";
    char seen[9] = "";
    struct target target = launch_memory();
    struct sdb_memory_part parts[3];

    parts[0] = (struct sdb_memory_part){arena.readable, bytes, 4, 0};
    parts[1] = (struct sdb_memory_part){arena.readable + 2, bytes + 4, 4, 0};
    parts[2] = (struct sdb_memory_part){arena.readable + 1, bytes + 8, 2, 0};
    ck_assert_int_eq(sdb_memory_write_parts(target.process, parts, 3), 10);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, seen, 6), 6);
    ck_assert_str_eq(seen, "accbbb");
    end_memory(&target);
}

HOLDING_CASE(strings);

SESSION_TEST(strings_of_every_length_at_a_pages_end)
{
    static char string[3 * ARENA_PAGE];
    static char seen[3 * ARENA_PAGE];
    static const size_t lengths[] = {0,   1,    7,    254,  255,  256,  257,  511,
                                     512, 4094, 4095, 4096, 4097, 9000, 12287};
    struct target target = launch_memory();

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        const size_t length = lengths[i];
        const uint64_t at = arena.readable + 5 * ARENA_PAGE - length - 1;

        memset(string, 's', length);
        string[length] = '\0';
        ck_assert_int_eq(sdb_memory_write(target.process, at, string, length + 1),
                         (int64_t)length + 1);
        ck_assert_int_eq(sdb_memory_read_string(target.process, at, seen, sizeof(seen)),
                         (int64_t)length);
        ck_assert_str_eq(seen, string);
        /* Just enough room, and one byte less. */
        ck_assert_int_eq(sdb_memory_read_string(target.process, at, seen, length + 1),
                         (int64_t)length);
        if (length > 0) {
            memset(seen, 'x', sizeof(seen));
            ck_assert_int_eq(sdb_memory_read_string(target.process, at, seen, length),
                             -ENAMETOOLONG);
            ck_assert_int_eq(memcmp(seen, string, length), 0);
            ck_assert_int_eq(seen[length], 'x');
        }
    }
    end_memory(&target);
}

TEST(a_long_string_is_read_whole)
{
    char *string = malloc(ARENA_LARGE);
    char *seen = malloc(ARENA_LARGE);
    struct target target;

    begin(_i);
    target = launch_memory();
    memset(string, 'l', ARENA_LARGE);
    string[ARENA_LARGE - 1] = '\0';
    ck_assert_int_eq(sdb_memory_write(target.process, arena.large, string, ARENA_LARGE),
                     ARENA_LARGE);
    ck_assert_int_eq(sdb_memory_read_string(target.process, arena.large, seen, ARENA_LARGE),
                     ARENA_LARGE - 1);
    ck_assert_int_eq(memcmp(seen, string, ARENA_LARGE), 0);
    end_memory(&target);
    free(string);
    free(seen);
}

SESSION_TEST(a_string_that_runs_into_a_hole)
{
    struct target target = launch_memory();
    char seen[ARENA_PAGE];

    for (size_t length = 1; length < 2000; length = length * 2 + 5) {
        const uint64_t at = arena.readable + 5 * ARENA_PAGE - length;
        char string[ARENA_PAGE];

        memset(string, 'h', sizeof(string));
        ck_assert_int_eq(sdb_memory_write(target.process, at, string, length), (int64_t)length);
        memset(seen, 'x', sizeof(seen));
        ck_assert_int_eq(sdb_memory_read_string(target.process, at, seen, sizeof(seen)), -EFAULT);
        ck_assert_uint_eq(strlen(seen), length);
        /* One that has no room for the hole does not see it. */
        ck_assert_int_eq(sdb_memory_read_string(target.process, at, seen, length), -ENAMETOOLONG);
    }
    seen[0] = 'x';
    ck_assert_int_eq(sdb_memory_read_string(target.process, 0, seen, sizeof(seen)), -EFAULT);
    ck_assert_int_eq(seen[0], '\0');
    end_memory(&target);
}

HOLDING_CASE(which);

SESSION_TEST(an_exec_brings_another_memory)
{
    int32_t generation = -1;
    struct target target = launch_memory();
    uint64_t before;

    before = arena.counter;
    ck_assert_int_eq(sdb_memory_read(target.process, before, &generation, 4), 4);
    tell_target(&target, 'e');
    await_state(target.pid, 't');
    /* The kernel has executed it, and the session has not been asked yet. */
    ck_assert_int_eq(sdb_memory_read(target.process, before, &generation, 4), -EAGAIN);
    ck_assert_int_eq(sdb_memory_write(target.process, before, &generation, 4), -EAGAIN);
    expect(SDB_EVENT_EXEC);
    ck_assert_int_eq(sdb_memory_read(target.process, before, &generation, 4), -EFAULT);
    resume_process(target.process);
    read_output(&target, &arena, sizeof(arena));
    ck_assert_int_eq(arena.generation, 1);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.function, &generation, 4), 4);
    ck_assert_int_eq(generation & 0xff, 0xb8);
    end_memory(&target);
}

SESSION_TEST(memory_that_was_not_used_before_an_exec)
{
    uint8_t byte = 0;
    struct target target = launch_memory();

    tell_target(&target, 'e');
    await_state(target.pid, 't');
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, &byte, 1), -EFAULT);
    expect(SDB_EVENT_EXEC);
    resume_process(target.process);
    read_output(&target, &arena, sizeof(arena));
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, &byte, 1), 1);
    ck_assert_uint_eq(byte, arena_byte(0));
    end_memory(&target);
}

SESSION_TEST(memory_without_its_first_thread)
{
    uint8_t bytes[16];

    for (int used = 0; used < 2; used++) {
        static const char *const argv[] = {MEMORY, NULL};
        struct target target = launch_program(MEMORY, argv);

        resume_process(target.process);
        read_output(&target, &arena, sizeof(arena));
        if (used)
            ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, bytes, 16), 16);
        tell_target(&target, 'l');
        run_births(1, NULL);
        await_state(target.pid, 'Z');
        ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, bytes, 16), 16);
        expect_pattern(bytes, 0, 16);
        ck_assert_int_eq(sdb_memory_write(target.process, arena.read_only, bytes, 16), 16);
        tell_target(&target, 'q');
        run_to_end(target.process);
        close_target(&target);
    }
    finish();
}

static struct target launch_memory_followed(void)
{
    struct target target;

    pass_silently(SIGCHLD);
    target = launch_memory();
    stop_process(target.process);
    set_follow(target.process, SDB_FOLLOW_ALL);
    resume_process(target.process);
    return target;
}

SESSION_TEST(a_fork_has_memory_of_its_own)
{
    const uint8_t other = 'o';
    struct target target = launch_memory_followed();
    struct sdb_process *child;
    uint8_t byte = 0;

    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, &byte, 1), 1);
    tell_target(&target, 'k');
    child = expect(SDB_EVENT_FORK).new_process;
    resume_from(SDB_EVENT_START);
    resume_process(target.process);
    ck_assert_int_eq(sdb_memory_write(child, arena.readable, &other, 1), 1);
    ck_assert_int_eq(sdb_memory_read(child, arena.readable, &byte, 1), 1);
    ck_assert_uint_eq(byte, other);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, &byte, 1), 1);
    ck_assert_uint_eq(byte, arena_byte(0));
    tell_target(&target, 'q');
    expect_exit(SDB_EXITED, 7);
    ck_assert_int_eq(sdb_memory_read(child, arena.readable, &byte, 1), -ESRCH);
    end_memory(&target);
}

SESSION_TEST(a_vfork_shares_memory)
{
    const uint8_t other = 'o';
    struct target target = launch_memory_followed();
    struct sdb_process *child;
    uint8_t byte = 0;

    tell_target(&target, 'v');
    child = sdb_process_retain(expect(SDB_EVENT_VFORK).new_process);
    resume_from(SDB_EVENT_START);
    resume_process(target.process);
    ck_assert_int_eq(sdb_memory_write(child, arena.readable, &other, 1), 1);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, &byte, 1), 1);
    ck_assert_uint_eq(byte, other);
    tell_target(&target, 'q');
    run_to_end(child);
    /* The child is gone, and what it shared is not. */
    ck_assert_int_eq(sdb_memory_read(child, arena.readable, &byte, 1), -ESRCH);
    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, &byte, 1), 1);
    sdb_process_close(child);
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    run_to_end(target.process);
    finish_with(&target);
}

HOLDING_CASE(gone);

static void expect_gone(struct sdb_process *process)
{
    uint8_t bytes[8] = {0};
    struct sdb_memory_part part = {arena.readable, bytes, sizeof(bytes), 5};

    ck_assert_int_eq(sdb_memory_read(process, arena.readable, bytes, sizeof(bytes)), -ESRCH);
    ck_assert_int_eq(sdb_memory_write(process, arena.readable, bytes, sizeof(bytes)), -ESRCH);
    ck_assert_int_eq(sdb_memory_read_parts(process, &part, 1), -ESRCH);
    ck_assert_uint_eq(part.done, 0);
    ck_assert_int_eq(sdb_memory_write_parts(process, &part, 1), -ESRCH);
    ck_assert_int_eq(sdb_memory_read_string(process, arena.readable, (char *)bytes, sizeof(bytes)),
                     -ESRCH);
    ck_assert_int_eq(sdb_memory_read(process, arena.readable, NULL, 0), 0);
}

static void *expect_gone_here(void *process)
{
    expect_gone(process);
    return NULL;
}

TEST(memory_of_a_process_that_has_ended)
{
    uint8_t byte;

    begin(_i);
    for (int used = 0; used < 2; used++) {
        struct target target = launch_memory();
        struct sdb_process *process = sdb_process_retain(target.process);

        if (used)
            ck_assert_int_eq(sdb_memory_read(process, arena.readable, &byte, 1), 1);
        tell_target(&target, 'q');
        await_state(target.pid, 'Z');
        expect_gone(process); /* before anybody has been told */
        expect_exit(SDB_EXITED, 7);
        expect_gone(process);
        finish();
        expect_gone(process); /* with its session */
        run_in_thread(expect_gone_here, process);
        sdb_process_close(process);
        close_target(&target);
        if (!used)
            begin(_i);
    }
}

SESSION_TEST(memory_of_a_process_that_was_killed)
{
    struct target target = launch_memory();
    uint8_t byte;

    ck_assert_int_eq(sdb_memory_read(target.process, arena.readable, &byte, 1), 1);
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    await_state(target.pid, 'Z');
    expect_gone(target.process);
    expect_exit(SDB_KILLED, SIGKILL);
    finish_with(&target);
}

SESSION_TEST(memory_of_a_process_that_was_let_go)
{
    for (int used = 0; used < 2; used++) {
        struct target target = launch_memory();
        struct sdb_process *process = sdb_process_retain(target.process);
        uint8_t byte;

        if (used)
            ck_assert_int_eq(sdb_memory_read(process, arena.readable, &byte, 1), 1);
        ck_assert_int_eq(sdb_process_detach(process, SDB_RELEASE_RUN, &target.child), 0);
        expect_gone(process);
        sdb_process_close(process);
        end_target(&target);
    }
    finish();
}

int main(void)
{
    return run_suite("memory");
}
