/* SPDX-License-Identifier: MIT */
/*
 * What breakpoints can be asked for, and how they refuse it.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forking.h"
#include "holding.h"
#include "host.h"

#define BIRTHS SDB_TRACEE_DIR "/births"
#define CALLS  10

static struct target target;
static uint64_t place;

/* A program that calls the place as often as it has children, twice, and exits with 0. */
static void begin_calls(int way)
{
    const char *const argv[] = {BIRTHS, "spawn", "1", "10", NULL};

    begin(way);
    pass_silently(SIGCHLD);
    target = launch_program(BIRTHS, argv);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &place, sizeof(place)), (ssize_t)sizeof(place));
}

static struct sdb_breakpoint *create(struct sdb_breakpoint_options *options)
{
    struct sdb_breakpoint *breakpoint = NULL;
    int rc;

    options->address = place;
    rc = sdb_breakpoint_create(target.process, options, &breakpoint);
    ck_assert_msg(rc == 0, "create: %s", sdb_error_describe(rc));
    return breakpoint;
}

/* @return how many hits were told until its end */
static unsigned run_all(void)
{
    struct sdb_event event = SDB_EVENT_INIT;
    unsigned hits = 0;

    tell_target(&target, 'g');
    while (sdb_session_wait(session, PATIENCE_MS, &event) == 0) {
        if (event.kind == SDB_EVENT_BREAKPOINT) {
            ck_assert_uint_eq(event.address, place);
            ck_assert_ptr_nonnull(event.breakpoint);
            hits++;
        }
        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_uint_eq(event.status->how, SDB_EXITED);
            ck_assert_int_eq(event.status->code, 0);
        }
        ck_assert_int_eq(sdb_event_resume(&event), 0);
    }
    finish_with(&target);
    return hits;
}

HOLDING_CASE(contract);

TEST(options_choose_what_is_told)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint;

    begin_calls(_i);
    breakpoint = create(&options);
    ck_assert_int_eq(sdb_breakpoint_is_enabled(breakpoint), 1);
    sdb_breakpoint_set_data(breakpoint, &options);
    ck_assert_ptr_eq(sdb_breakpoint_data(breakpoint), &options);
    ck_assert_uint_eq(run_all(), CALLS);

    begin_calls(_i);
    options.ignore_count = 3;
    (void)create(&options);
    ck_assert_uint_eq(run_all(), CALLS - 3);

    begin_calls(_i);
    options.ignore_count = 0;
    options.flags = SDB_BREAKPOINT_ONE_SHOT;
    (void)create(&options);
    ck_assert_uint_eq(run_all(), 1);

    begin_calls(_i);
    options.flags = SDB_BREAKPOINT_DISABLED;
    breakpoint = create(&options);
    ck_assert_int_eq(sdb_breakpoint_is_enabled(breakpoint), 0);
    ck_assert_uint_eq(run_all(), 0);

    begin_calls(_i);
    breakpoint = create(&options);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
    ck_assert_int_eq(sdb_breakpoint_set_ignore_count(breakpoint, CALLS - 1), 0);
    options.flags = 0;
    options.thread = sdb_process_thread(target.process);
    (void)create(&options);
    ck_assert_uint_eq(run_all(), CALLS);
}

TEST(all_at_one_address_are_told_by_one_event)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *first;
    struct sdb_breakpoint *second;
    struct sdb_event event;

    begin_calls(_i);
    first = create(&options);
    second = create(&options);
    tell_target(&target, 'g');
    event = expect(SDB_EVENT_BREAKPOINT);
    ck_assert_ptr_eq(event.breakpoint, first);
    ck_assert_ptr_eq(sdb_thread_next_breakpoint(event.thread, NULL), first);
    ck_assert_ptr_eq(sdb_thread_next_breakpoint(event.thread, first), second);
    ck_assert_ptr_null(sdb_thread_next_breakpoint(event.thread, second));
    ck_assert_int_eq(sdb_breakpoint_remove(first), 0);
    ck_assert_ptr_eq(sdb_thread_next_breakpoint(event.thread, NULL), second);
    ck_assert_int_eq(sdb_breakpoint_disable(second), 0);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(second), 1);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(NULL), 0);
    resume(&event);
    (void)run_to_end(target.process);
    finish_with(&target);
}

/* ---- conditions ---- */

static int remove_it(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *data)
{
    uint64_t value = 0;
    uint8_t byte = 0;

    ck_assert_int_eq(sdb_thread_get_register(thread, "rip", &value), 0);
    ck_assert_uint_eq(value, place);
    ck_assert_int_eq(sdb_memory_read(sdb_thread_process(thread), place, &byte, 1), 1);
    ck_assert_uint_ne(byte, 0xcc);
    if (++*(int *)data == 4)
        ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    return 0;
}

TEST(a_condition_may_look_and_remove)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    int asked = 0;

    begin_calls(_i);
    options.condition = remove_it;
    options.condition_data = &asked;
    (void)create(&options);
    ck_assert_uint_eq(run_all(), 0);
    ck_assert_int_eq(asked, 4);
}

/* ---- refusals ---- */

static int create_at(const struct sdb_breakpoint_options *options)
{
    struct sdb_breakpoint *breakpoint = NULL;
    int rc = sdb_breakpoint_create(target.process, options, &breakpoint);

    ck_assert(rc < 0 && !breakpoint);
    return rc;
}

static void *elsewhere(void *data)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;

    options.address = place;
    ck_assert_int_eq(create_at(&options), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(sdb_breakpoint_remove(data), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(sdb_breakpoint_enable(data), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(sdb_breakpoint_disable(data), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(sdb_breakpoint_set_ignore_count(data, 1), -SDB_EWRONGTHREAD);
    return NULL;
}

/* It has no memory any more; but neither has one that executes a program. */
TEST(a_process_that_was_killed_just_now_is_gone)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;

    begin_calls(_i);
    stop_process(target.process);
    ck_assert_int_eq(kill(target.pid, SIGKILL), 0);
    await_state(target.pid, 'Z');
    options.address = place;
    ck_assert_int_eq(create_at(&options), -ESRCH);
    expect_exit(SDB_KILLED, SIGKILL);
    finish_with(&target);
}

/* The kernel writes to text that a program may not write, but not where others would see it. */
TEST(text_that_is_shared_and_only_to_be_read_is_told_from_none)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint = NULL;
    const int fd = memfd_create("text", MFD_CLOEXEC);
    struct sdb_process *process;
    void *text;
    pid_t pid;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    text = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(text, MAP_FAILED);
    pid = fork_waiting();
    begin(_i);
    process = attach(pid);
    options.address = (uint64_t)(uintptr_t)text;
    ck_assert_int_eq(sdb_breakpoint_create(process, &options, &breakpoint), -EIO);
    ck_assert_int_eq(munmap(text, 4096), 0);
    close(fd);
    detach(process);
    end_child(pid);
    finish();
}

TEST(what_cannot_be_is_refused)
{
    const struct sdb_breakpoint_options initial = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint_options options = initial;
    struct sdb_breakpoint *breakpoint = NULL;
    uint64_t list[2];
    uint64_t stack = 0;

    begin_calls(_i);
    ck_assert_int_eq(sdb_breakpoint_create(NULL, &options, &breakpoint), -EINVAL);
    ck_assert_int_eq(sdb_breakpoint_create(target.process, NULL, &breakpoint), -EINVAL);
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, NULL), -EINVAL);
    options.flags = UINT64_C(1) << 40;
    ck_assert_int_eq(create_at(&options), -EINVAL);
    options = initial;
    options.size = 8;
    ck_assert_int_eq(create_at(&options), -EINVAL);
    options = initial;
    options.addresses = list;
    ck_assert_int_eq(create_at(&options), -EINVAL);
    options = initial;
    options.address = 8;
    ck_assert_int_eq(create_at(&options), -EFAULT);
    stop_process(target.process);
    ck_assert_int_eq(sdb_thread_get_register(sdb_process_thread(target.process), "rsp", &stack), 0);
    options.address = stack;
    ck_assert_int_eq(create_at(&options), -EACCES);
    /* Nothing is planted of a list of which one cannot be. */
    list[0] = place;
    list[1] = 8;
    options.addresses = list;
    options.address_count = 2;
    ck_assert_int_eq(create_at(&options), -EFAULT);

    options = initial;
    breakpoint = create(&options);
    run_in_thread(elsewhere, breakpoint);
    ck_assert_int_eq(sdb_breakpoint_remove(NULL), 0);
    ck_assert_int_eq(sdb_breakpoint_enable(NULL), -EINVAL);
    ck_assert_int_eq(sdb_breakpoint_disable(NULL), -EINVAL);
    ck_assert_int_eq(sdb_breakpoint_is_enabled(NULL), -EINVAL);
    ck_assert_int_eq(sdb_breakpoint_set_ignore_count(NULL, 0), -EINVAL);
    ck_assert_ptr_null(sdb_thread_next_breakpoint(NULL, NULL));
    ck_assert_ptr_null(sdb_breakpoint_data(NULL));
    ck_assert_int_eq(sdb_process_set_follow(target.process, SDB_FOLLOW_EXEC), -EINVAL);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    resume_process(target.process);
    ck_assert_uint_eq(run_all(), 0);
}

TEST(a_process_that_has_ended_gets_none)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint;

    begin_calls(_i);
    breakpoint = create(&options);
    ck_assert_int_eq(sdb_process_kill(target.process), 0);
    (void)expect_exit(SDB_KILLED, SIGKILL);
    ck_assert_int_eq(create_at(&options), -ESRCH);
    ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    finish_with(&target);
}

int main(void)
{
    return run_suite("breakpoint");
}
