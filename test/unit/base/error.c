/* SPDX-License-Identifier: MIT */
/*
 * Errors in words.
 */
#include <sdb/error.h>

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leftovers.h"

/* Room for any sentence. */
#define ROOM 1024

/*
 * The operation that a stage belongs to, or NULL if the number is not a stage.  The compiler refuses
 * an enumerator that is missing here.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wswitch"
static const char *operation_of(uint32_t number)
{
    switch ((enum sdb_stage)number) {
    case SDB_STAGE_NONE:
        return "sdb";
    case SDB_STAGE_ARGUMENTS:
    case SDB_STAGE_PREPARE:
    case SDB_STAGE_CLONE:
    case SDB_STAGE_SEIZE:
    case SDB_STAGE_GATE:
    case SDB_STAGE_CGROUP:
    case SDB_STAGE_SESSION:
    case SDB_STAGE_GROUP:
    case SDB_STAGE_TERMINAL:
    case SDB_STAGE_FOREGROUND:
    case SDB_STAGE_UMASK:
    case SDB_STAGE_CWD:
    case SDB_STAGE_FDS:
    case SDB_STAGE_RLIMITS:
    case SDB_STAGE_NICE:
    case SDB_STAGE_AFFINITY:
    case SDB_STAGE_GROUPS:
    case SDB_STAGE_GID:
    case SDB_STAGE_UID:
    case SDB_STAGE_ASLR:
    case SDB_STAGE_DEATH_SIGNAL:
    case SDB_STAGE_HOOK:
    case SDB_STAGE_SIGNALS:
    case SDB_STAGE_PRIVILEGES:
    case SDB_STAGE_SECCOMP:
    case SDB_STAGE_EXEC:
    case SDB_STAGE_START:
        return "launch";
    case SDB_STAGE_FIND:
    case SDB_STAGE_ATTACH:
    case SDB_STAGE_STOP:
        return "attach";
    }
    return NULL;
}
#pragma GCC diagnostic pop

#define NUMBERS 256 /* all stages are below that */

static struct sdb_error make_error(int code, uint32_t stage, const char *detail)
{
    struct sdb_error error = SDB_ERROR_INIT;

    error.code = code;
    error.stage = stage;
    (void)snprintf(error.detail, sizeof(error.detail), "%s", detail);
    return error;
}

static void expect_sentence(const struct sdb_error *error, const char *expected)
{
    char text[ROOM];

    ck_assert_int_eq(sdb_error_format(error, text, sizeof(text)), (int)strlen(expected));
    ck_assert_str_eq(text, expected);
}

LEFTOVERS_CASE(error);

TEST(every_stage_has_words_of_its_own)
{
    for (uint32_t stage = 0; stage < NUMBERS; stage++) {
        const char *words = sdb_error_stage(stage);

        ck_assert_ptr_nonnull(words);
        ck_assert_msg((strcmp(words, "unknown stage") == 0) == !operation_of(stage),
                      "stage %u is \"%s\"", (unsigned)stage, words);
        ck_assert_uint_gt(strlen(words), 2);
        for (uint32_t other = 0; other < stage && operation_of(stage); other++)
            ck_assert_str_ne(words, sdb_error_stage(other));
    }
}

TEST(numbers_that_are_no_stage_are_unknown)
{
    const uint32_t numbers[] = {63, 67, 1000, INT32_MAX, (uint32_t)INT32_MIN, UINT32_MAX};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sdb_error error = make_error(-ENOENT, numbers[i], "");

        ck_assert_str_eq(sdb_error_stage(numbers[i]), "unknown stage");
        expect_sentence(&error, "sdb: unknown stage: No such file or directory");
    }
}

TEST(every_stage_makes_a_sentence)
{
    char expected[ROOM];

    for (uint32_t stage = 0; stage < NUMBERS; stage++) {
        const char *operation = operation_of(stage);
        struct sdb_error error = make_error(-EPERM, stage, "\"that\"");

        if (!operation)
            continue;
        (void)snprintf(expected, sizeof(expected), "%s: %s \"that\": Operation not permitted",
                       operation, sdb_error_stage(stage));
        expect_sentence(&error, expected);

        error.detail[0] = '\0';
        (void)snprintf(expected, sizeof(expected), "%s: %s: Operation not permitted", operation,
                       sdb_error_stage(stage));
        expect_sentence(&error, expected);
    }
}

/* ---- sentences ---- */

TEST(sentences_read_as_the_header_says)
{
    struct sdb_error error = make_error(-ENOENT, SDB_STAGE_CWD, "\"/nope\"");

    expect_sentence(&error, "launch: change directory to \"/nope\": No such file or directory");
    error = make_error(-EACCES, SDB_STAGE_EXEC, "\"/etc/passwd\"");
    expect_sentence(&error, "launch: execute \"/etc/passwd\": Permission denied");
    error = make_error(-EBUSY, SDB_STAGE_ATTACH, "process 17");
    expect_sentence(&error, "attach: seize process 17: Device or resource busy");
}

TEST(no_error_is_a_success)
{
    struct sdb_error error = SDB_ERROR_INIT;

    expect_sentence(&error, "Success");
}

TEST(a_warning_says_what_was_left_out)
{
    struct sdb_error error = make_error(0, SDB_STAGE_ASLR, "");

    error.warning = -EPERM;
    expect_sentence(&error, "launch: switch address space randomisation off: Operation not "
                            "permitted (went on without)");
}

TEST(a_failure_is_told_before_a_warning)
{
    struct sdb_error error = make_error(-ENOENT, SDB_STAGE_EXEC, "\"x\"");

    error.warning = -EPERM;
    expect_sentence(&error, "launch: execute \"x\": No such file or directory");
}

TEST(a_signal_that_killed_the_child_is_named)
{
    struct sdb_error error = make_error(-ESRCH, SDB_STAGE_START, "\"/bin/odd\"");

    error.signal = SIGKILL;
    expect_sentence(&error, "launch: start \"/bin/odd\": The child was killed by SIGKILL");
    error.signal = SIGSEGV;
    expect_sentence(&error, "launch: start \"/bin/odd\": The child was killed by SIGSEGV");
    error.signal = SIGRTMIN + 1;
    expect_sentence(&error, "launch: start \"/bin/odd\": The child was killed by signal 35");
    error.signal = 0;
    expect_sentence(&error, "launch: start \"/bin/odd\": No such process");
}

TEST(a_signal_is_named_only_where_it_is_the_cause)
{
    struct sdb_error error = make_error(-EIO, SDB_STAGE_EXEC, "\"x\"");

    error.signal = SIGKILL;
    expect_sentence(&error, "launch: execute \"x\": Input/output error");
}

TEST(the_longest_detail_is_told_in_full)
{
    struct sdb_error error = make_error(-ENOENT, SDB_STAGE_EXEC, "");
    char expected[ROOM];

    memset(error.detail, 'd', sizeof(error.detail) - 1);
    (void)snprintf(expected, sizeof(expected), "launch: execute %s: No such file or directory",
                   error.detail);
    expect_sentence(&error, expected);
}

LOOP_TEST(a_sentence_is_cut_to_its_room, 0, 2)
{
    const struct sdb_error error = make_error(-ENOENT, SDB_STAGE_CWD, "\"/nope\"");
    const struct sdb_error success = SDB_ERROR_INIT;
    const struct sdb_error *errors[] = {&error, &success};
    char whole[ROOM];
    int len = sdb_error_format(errors[_i], whole, sizeof(whole));

    ck_assert_int_eq(len, (int)strlen(whole));
    ck_assert_int_eq(sdb_error_format(errors[_i], NULL, 0), len);
    for (size_t size = 0; size <= (size_t)len + 3; size++) {
        const size_t kept = size == 0 ? 0 : size <= (size_t)len ? size - 1 : (size_t)len;
        char *text = malloc(size + 1); /* so that a sanitizer sees what is past it */

        ck_assert_ptr_nonnull(text);
        memset(text, '#', size + 1);
        ck_assert_int_eq(sdb_error_format(errors[_i], text, size), len);
        ck_assert_mem_eq(text, whole, kept);
        if (size > 0)
            ck_assert_int_eq(text[kept], '\0');
        for (size_t i = size > 0 ? kept + 1 : 0; i <= size; i++)
            ck_assert_int_eq(text[i], '#');
        free(text);
    }
}

TEST(format_refuses_what_cannot_be_right)
{
    struct sdb_error error = make_error(-ENOENT, SDB_STAGE_CWD, "");
    char text[8] = "#######";

    ck_assert_int_eq(sdb_error_format(NULL, text, sizeof(text)), -EINVAL);
    ck_assert_int_eq(sdb_error_format(NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_error_format(&error, NULL, 1), -EINVAL);
    error.size = 0;
    ck_assert_int_eq(sdb_error_format(&error, text, sizeof(text)), -EINVAL);
    error.size = sizeof(error) - 1;
    ck_assert_int_eq(sdb_error_format(&error, text, sizeof(text)), -EINVAL);
    ck_assert_str_eq(text, "#######");
}

TEST(an_error_of_a_newer_program_is_understood)
{
    struct {
        struct sdb_error known;
        uint64_t newer[2];
    } error = {.known = make_error(-ENOENT, SDB_STAGE_CWD, "\"x\""), .newer = {1, 2}};

    error.known.size = sizeof(error);
    expect_sentence(&error.known, "launch: change directory to \"x\": No such file or directory");
}

/* ---- codes ---- */

TEST(the_wrong_thread_is_not_a_cross_device_link)
{
    struct sdb_error error = make_error(-SDB_EWRONGTHREAD, SDB_STAGE_PREPARE, "");

    ck_assert_str_eq(sdb_error_describe(-SDB_EWRONGTHREAD), "Not the session's tracer thread");
    expect_sentence(&error, "launch: prepare: Not the session's tracer thread");
}

TEST(codes_are_described_as_the_c_library_does)
{
    for (int code = 0; code < 134; code++) {
        const char *expected = strerrordesc_np(code);

        if (code == SDB_EWRONGTHREAD || code == SDB_ESTOLEN)
            continue;
        ck_assert_str_eq(sdb_error_describe(-code), expected ? expected : "Unknown error");
    }
}

/* The most negative number once could not be negated. */
TEST(unknown_codes_are_described_too)
{
    const int codes[] = {-41, -58, -134, -4095, -100000, INT_MIN, INT_MIN + 1, 100000, INT_MAX};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct sdb_error error = make_error(codes[i], SDB_STAGE_EXEC, "");

        ck_assert_str_eq(sdb_error_describe(codes[i]), "Unknown error");
        expect_sentence(&error, "launch: execute: Unknown error");
    }
}

/* ---- the struct ---- */

TEST(the_initialiser_says_that_nothing_has_happened)
{
    const struct sdb_error error = SDB_ERROR_INIT;
    const struct sdb_error nothing = {.size = sizeof(error), .index = -1};

    ck_assert_mem_eq(&error, &nothing, sizeof(error));
    ck_assert_uint_eq(offsetof(struct sdb_error, size), 0);
    /* No padding at its end, which would be neither zero nor anybody's. */
    ck_assert_uint_eq(offsetof(struct sdb_error, detail) + SDB_ERROR_DETAIL_SIZE, sizeof(error));
}

int main(void)
{
    return run_suite("error");
}
