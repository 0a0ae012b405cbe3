/* SPDX-License-Identifier: MIT */
/*
 * The registers of one and the same stop as gdb shows them.  Where there is no gdb there is nothing to
 * compare.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holding.h"
#include "register_image.h"

#define REGISTERS SDB_TRACEE_DIR "/registers"
#define MOST_TEXT 65536

/* gdb at the int3; its own registers are the names' first words. */
#define GDB                                                                                        \
    "gdb -nx -batch -ex 'set confirm off' -ex 'set print repeats unlimited' -ex run"               \
    " -ex 'info registers rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15 eflags"        \
    " cs ss ds es fs gs fctrl fstat ftag fop mxcsr'"                                               \
    " -ex 'info registers st0 st1 st2'"                                                            \
    " -ex 'p/x $xmm0.v2_int64' -ex 'p/x $xmm9.v2_int64' -ex 'p/x $xmm15.v2_int64'"                 \
    " -ex kill --args " REGISTERS " x87 3 2>&1 </dev/null"

static char text[MOST_TEXT];

/* @return whether there is a gdb here that can run a program */
static bool ask_gdb(void)
{
    FILE *gdb = popen(GDB, "r"); /* NOLINT(cert-env33-c): it is searched for as a user would */
    size_t size;

    ck_assert_ptr_nonnull(gdb);
    size = fread(text, 1, sizeof(text) - 1, gdb);
    text[size] = '\0';
    (void)pclose(gdb);
    return strstr(text, "received signal SIGTRAP") != NULL;
}

/* The number that follows in a line that begins with this word. */
static uint64_t shown(const char *name, const char *before)
{
    const size_t len = strlen(name);
    const char *line = text;

    while (line && (strncmp(line, name, len) != 0 || line[len] != ' ')) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    ck_assert_msg(line != NULL, "gdb shows no %s:\n%s", name, text);
    line = strstr(line, before);
    ck_assert_ptr_nonnull(line);
    return strtoull(line + strlen(before), NULL, 16);
}

static void compare_numbers(struct sdb_thread *thread)
{
    static const char *const names[] = {"rax", "rbx",    "rcx",   "rdx",  "rsi", "rdi",  "rbp",
                                        "r8",  "r9",     "r10",   "r11",  "r12", "r13",  "r14",
                                        "r15", "eflags", "cs",    "ss",   "ds",  "es",   "fs",
                                        "gs",  "fctrl",  "fstat", "ftag", "fop", "mxcsr"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t value = 0;

        ck_assert_int_eq(sdb_thread_get_register(thread, names[i], &value), 0);
        ck_assert_msg(value == shown(names[i], "0x"), "%s is %" PRIx64 " here, %" PRIx64 " in gdb",
                      names[i], value, shown(names[i], "0x"));
    }
}

/* "st0  1.5  (raw 0x3fff8000000000000000)" */
static void compare_x87(struct sdb_thread *thread)
{
    static const char *const names[] = {"st0", "st1", "st2"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct sdb_register *which = sdb_register_find(names[i]);
        uint8_t value[10];
        char raw[32] = "(raw 0x";
        size_t len = strlen(raw);

        ck_assert_int_eq(sdb_thread_read_register(thread, which, value, sizeof(value)), 0);
        for (int k = 9; k >= 0; k--)
            len += (size_t)snprintf(raw + len, sizeof(raw) - len, "%02x", value[k]);
        ck_assert_msg(strstr(text, raw) != NULL, "gdb has no %s %s:\n%s", names[i], raw, text);
    }
}

/* "$1 = {0x..., 0x...}" */
static void compare_vectors(struct sdb_thread *thread)
{
    static const char *const names[] = {"xmm0", "xmm9", "xmm15"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t words[2];
        char line[128];

        ck_assert_int_eq(
            sdb_thread_read_register(thread, sdb_register_find(names[i]), words, sizeof(words)), 0);
        (void)snprintf(line, sizeof(line), "$%zu = {0x%" PRIx64 ", 0x%" PRIx64 "}", i + 1, words[0],
                       words[1]);
        ck_assert_msg(strstr(text, line) != NULL, "gdb has no %s %s:\n%s", names[i], line, text);
    }
}

HOLDING_CASE(gdb);

LOOP_TEST(gdb_shows_the_same, 0, 1)
{
    const char *const argv[] = {REGISTERS, "x87", "3", NULL};
    struct target target;

    if (!ask_gdb())
        return;
    begin(_i);
    target = launch_program(REGISTERS, argv);
    resume_process(target.process);
    expect_signal(SIGTRAP);
    compare_numbers(sdb_process_thread(target.process));
    compare_x87(sdb_process_thread(target.process));
    compare_vectors(sdb_process_thread(target.process));
    finish_with(&target);
}

int main(void)
{
    return run_suite("registers_peer");
}
