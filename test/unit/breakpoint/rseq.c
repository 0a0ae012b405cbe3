/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints inside restartable sequences: a thread that has stopped there was interrupted, so the
 * sequence must be aborted.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "breaking.h"

#define SECTIONS SDB_TRACEE_DIR "/sections"
#define NO_RSEQ  77

/* Two places with conditions that are false. */
static void run_sections(int turns)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint;
    struct sdb_exit_status end;
    struct target target;
    uint64_t places[2];
    uint64_t counts[2] = {0};
    char text[16];
    const char *argv[] = {SECTIONS, text, NULL};
    char byte = 0;

    (void)snprintf(text, sizeof(text), "%d", turns);
    target = launch_program(SECTIONS, argv);
    resume_process(target.process);
    if (read(target.output, &byte, 1) != 1) {
        (void)expect_exit(SDB_EXITED, NO_RSEQ); /* there is none in this C library */
        close_target(&target);
        return;
    }
    ck_assert_int_eq(read(target.output, places, sizeof(places)), (ssize_t)sizeof(places));
    options.condition = count_and_pass;
    for (int i = 0; i < 2; i++) {
        options.address = places[i];
        options.condition_data = &counts[i];
        ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    }
    tell_target(&target, 'g');
    end = run_to_end(target.process);
    ck_assert_int_eq((int)end.how, SDB_EXITED);
    ck_assert_int_eq(end.code, 0);
    ck_assert_uint_eq(counts[0], 2 * (uint64_t)turns);
    ck_assert_uint_eq(counts[1], (uint64_t)turns);
    close_target(&target);
}

HOLDING_CASE(sequences);

SESSION_TEST(a_sequence_that_is_hit_is_aborted)
{
    run_sections(3);
    finish();
}

/* Later on it is known whether the place can be in one. */
SESSION_TEST(a_sequence_that_is_hit_very_often_is_aborted_each_time)
{
    run_sections(3000);
    finish();
}

int main(void)
{
    return run_suite("breakpoint_rseq");
}
