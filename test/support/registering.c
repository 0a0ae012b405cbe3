/* SPDX-License-Identifier: MIT */
/*
 * test/tracees/registers.c, held at its stop.
 */
#include "registering.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct target target;
struct sdb_thread *thread;

void launch_registers(int way, const char *what, const char *count)
{
    const char *const argv[] = {REGISTERS, what, count, NULL};

    begin(way);
    target = launch_program(REGISTERS, argv);
    resume_process(target.process);
    expect_signal(SIGTRAP);
    thread = sdb_process_thread(target.process);
}

void go_on(void)
{
    ck_assert_int_eq(sdb_thread_resume(thread, SDB_RESUME_CONTINUE, 0), 0);
}

struct register_image found_registers(void)
{
    struct register_image image;
    size_t done = 0;

    while (done < sizeof(image)) {
        ssize_t count = read(target.output, (char *)&image + done, sizeof(image) - done);

        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
    return image;
}

void end_registers(void)
{
    expect_exit(SDB_EXITED, 0);
    finish();
    close_target(&target);
}

void expect_done(int rc, const char *what)
{
    ck_assert_msg(rc == 0, "%s: %s", what, sdb_error_describe(rc));
}

uint64_t register_value(const char *name)
{
    uint64_t value = 0;

    expect_done(sdb_thread_get_register(thread, name, &value), name);
    return value;
}

void set_register(const char *name, uint64_t value)
{
    expect_done(sdb_thread_set_register(thread, name, value), name);
}

const struct sdb_register *numbered_register(const char *name, int number)
{
    const struct sdb_register *which;
    char text[16];

    (void)snprintf(text, sizeof(text), "%s%d", name, number);
    which = sdb_register_find(text);
    ck_assert_msg(which != NULL, "no %s", text);
    return which;
}

void read_numbered(const char *name, int number, void *value, size_t size)
{
    expect_done(sdb_thread_read_register(thread, numbered_register(name, number), value, size),
                name);
}

void write_numbered(const char *name, int number, const void *value, size_t size)
{
    expect_done(sdb_thread_write_register(thread, numbered_register(name, number), value, size),
                name);
}

void expect_bytes(const void *seen, const void *wanted, size_t size, const char *what, int number)
{
    ck_assert_msg(memcmp(seen, wanted, size) == 0, "%s%d is another", what, number);
}

bool has_register(const char *name)
{
    const struct sdb_register *which = sdb_register_find(name);
    uint8_t value[64];
    int rc = sdb_thread_read_register(thread, which, value, which->size);

    ck_assert(rc == 0 || rc == -ENOTSUP);
    return rc == 0;
}
