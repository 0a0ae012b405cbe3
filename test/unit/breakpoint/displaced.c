/* SPDX-License-Identifier: MIT */
/*
 * A displaced instruction is a unit: it has been executed or it has not, also where it faults, and what the
 * program is told of that names its own place.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <unistd.h>

#include "breaking.h"

#define FAULTING SDB_TRACEE_DIR "/faulting"

HOLDING_CASE(units);

/* The instruction, and how often it is tried. */
static const struct {
    const char *name;
    uint64_t tries;
} ways[] = {{"stack", 2},  {"pointer", 2}, {"wild", 1},   {"illegal", 1},
            {"divide", 1}, {"refused", 1}, {"inside", 1}, {"outside", 1}};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct target launch_faulting(const char *way, uint64_t *address)
{
    const char *const argv[] = {FAULTING, way, NULL};
    struct target target = launch_program(FAULTING, argv);

    resume_process(target.process);
    ck_assert_int_eq(read(target.output, address, sizeof(*address)), (ssize_t)sizeof(*address));
    return target;
}

SESSION_TEST(the_program_is_right_without_breakpoints)
{
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t address;
        struct target target = launch_faulting(ways[i].name, &address);

        tell_target(&target, '!');
        ck_assert_msg(run_to_end(target.process).code == 0, "%s", ways[i].name);
        close_target(&target);
    }
    finish();
}

SESSION_TEST(what_faults_has_not_been_executed)
{
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t address;
        struct target target = launch_faulting(ways[i].name, &address);
        struct sdb_breakpoint *breakpoint = plant_at(target.process, address);

        tell_target(&target, '!');
        ck_assert_msg(run_to_end(target.process).code == 0, "%s", ways[i].name);
        ck_assert_msg(sdb_breakpoint_hit_count(breakpoint) == ways[i].tries, "%s: %d hits",
                      ways[i].name, (int)sdb_breakpoint_hit_count(breakpoint));
        close_target(&target);
    }
    finish();
}

/* Let go at each step over it, in the program's own place and with its own stack. */
SESSION_TEST(who_is_let_go_after_a_step_goes_on_as_the_program_would)
{
    for (size_t i = 0; i < WAYS; i++) {
        struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
        struct sdb_child *child;
        struct sdb_event event;
        uint64_t address;
        struct target target = launch_faulting(ways[i].name, &address);

        (void)plant_at(target.process, address);
        tell_target(&target, '!');
        event = expect(SDB_EVENT_BREAKPOINT);
        resume_thread(event.thread, SDB_RESUME_STEP);
        ck_assert_int_eq(sdb_process_stop(target.process, PATIENCE_MS), 0);
        ck_assert_uint_le(pc_of(event.thread) - address, 16);
        child = detach_child(target.process);
        ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
        ck_assert_msg(status.how == SDB_EXITED && status.code == 0, "%s", ways[i].name);
        sdb_child_close(child);
        close_target(&target);
    }
    finish();
}

int main(void)
{
    return run_suite("breakpoint_displaced");
}
