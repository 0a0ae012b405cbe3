/* SPDX-License-Identifier: MIT */
/*
 * Programs of 32-bit code: breakpoints on instructions of many kinds, calls, steps, watchpoints and
 * registers.  Their instructions were once decoded as if they were 64-bit code: `inc` was taken for a prefix,
 * and never executed.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "breaking.h"
#include "calling.h"

#define PLACES_32   SDB_TRACEE_DIR "/places_32"
#define TURNS       3
#define MOST_PLACES 64

#define GETPPID_32 64
#define NO_32_BIT  77

/* What the program has said of itself. */
static uint32_t count;
static uint32_t addresses[MOST_PLACES + 3]; /* those that are gone through, then these */

static uint64_t block(void)
{
    return addresses[count];
}

static uint64_t fork_place(void)
{
    return addresses[count + 1];
}

/* Where the vDSO enters the kernel, unless it does so by `int $0x80`; or 0. */
static uint64_t vdso_entry(void)
{
    return addresses[count + 2];
}

static void read_all(const struct target *target, void *buffer, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = read(target->output, (char *)buffer + done, size - done);

        ck_assert_int_gt(got, 0);
        done += (size_t)got;
    }
}

/* Launch it and have it run until it waits for orders. */
static struct target launch_32(void)
{
    struct target target = launch_program(PLACES_32, (const char *const[]){PLACES_32, NULL});

    resume_process(target.process);
    read_all(&target, &count, sizeof(count));
    ck_assert_uint_le(count, MOST_PLACES);
    read_all(&target, addresses, (count + 3) * sizeof(addresses[0]));
    wait_ready(&target);
    return target;
}

/* Give an order; hits are counted by place until it is obeyed. */
struct hits {
    uint64_t at[MOST_PLACES];
    uint64_t others;
    uint64_t steps;
};

static void count_hit(struct hits *hits, uint64_t address)
{
    for (uint32_t which = 0; which < count; which++) {
        if (addresses[which] == address) {
            hits->at[which]++;
            return;
        }
    }
    hits->others++;
}

static bool has_obeyed(const struct target *target)
{
    struct pollfd output = {.fd = target->output, .events = POLLIN};

    return poll(&output, 1, 0) == 1;
}

static uint8_t byte_at(const struct target *target, uint64_t address)
{
    uint8_t byte = 0;

    ck_assert_int_eq(sdb_memory_read(target->process, address, &byte, 1), 1);
    return byte;
}

static bool moves_flags(const struct target *target, uint64_t address)
{
    const uint8_t byte = byte_at(target, address);

    return byte == 0x9c || byte == 0x9d;
}

/* @param how  whoever stands at a hit goes on so */
static struct hits order_by(const struct target *target, char what, enum sdb_resume how)
{
    struct hits hits = {0};

    tell_target(target, what);
    for (;;) {
        struct sdb_event event = SDB_EVENT_INIT;
        const int rc = sdb_session_wait(session, 1, &event);

        if (rc == -ETIMEDOUT && has_obeyed(target))
            break;
        if (rc == -ETIMEDOUT)
            continue;
        ck_assert_int_eq(rc, 0);
        ck_assert_uint_ne(event.kind, SDB_EVENT_EXITED);
        hits.steps += event.kind == SDB_EVENT_STEP;
        if (event.kind != SDB_EVENT_BREAKPOINT) {
            resume(&event);
            continue;
        }
        ck_assert_uint_eq(pc_of(event.thread), event.address);
        count_hit(&hits, event.address);
        /* A step is seen by what stores flags; that is another test's. */
        resume_thread(event.thread, moves_flags(target, event.address) ? SDB_RESUME_CONTINUE : how);
    }
    wait_ready(target);
    return hits;
}

static struct hits order(const struct target *target, char what)
{
    return order_by(target, what, SDB_RESUME_CONTINUE);
}

static void plant_all_32(const struct target *target)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint;
    uint64_t all[MOST_PLACES];

    for (uint32_t which = 0; which < count; which++)
        all[which] = addresses[which];
    options.addresses = all;
    options.address_count = count;
    ck_assert_int_eq(sdb_breakpoint_create(target->process, &options, &breakpoint), 0);
}

static void expect_each(const struct hits *hits, uint64_t times)
{
    for (uint32_t which = 0; which < count; which++)
        ck_assert_msg(hits->at[which] == times, "place %u at %#x: %llu hits", which,
                      addresses[which], (unsigned long long)hits->at[which]);
    ck_assert_uint_eq(hits->others, 0);
}

/* It exits with 0 if all came out as it should. */
static void finish_32(struct target *target)
{
    struct sdb_event event;

    close_input(target);
    do {
        event = next_event();
        if (event.kind != SDB_EVENT_EXITED)
            resume(&event);
    } while (event.kind != SDB_EVENT_EXITED || event.process != target->process);
    ck_assert_uint_eq(event.status->how, SDB_EXITED);
    ck_assert_int_eq(event.status->code, 0);
    finish_with(target);
}

HOLDING_CASE(code_32);

SESSION_TEST(each_kind_of_instruction_is_hit_once_and_does_what_it_should)
{
    struct target target = launch_32();
    struct hits hits;

    plant_all_32(&target);
    hits = order(&target, 'g');
    expect_each(&hits, TURNS);
    finish_32(&target);
}

SESSION_TEST(each_kind_can_be_stepped_over)
{
    struct target target = launch_32();
    struct hits hits;

    plant_all_32(&target);
    hits = order_by(&target, 'g', SDB_RESUME_STEP);
    expect_each(&hits, TURNS);
    ck_assert_uint_ge(hits.steps, (uint64_t)TURNS * (count - 2));
    finish_32(&target);
}

SESSION_TEST(what_it_has_set_for_sigtrap_stays)
{
    struct target target = launch_32();
    struct hits hits;

    plant_all_32(&target);
    hits = order(&target, 'm');
    expect_each(&hits, TURNS);
    finish_32(&target);
}

SESSION_TEST(nothing_is_left_when_it_is_let_go)
{
    struct target target = launch_32();
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child;
    struct sdb_facts_maps *maps;
    size_t before;

    ck_assert_int_eq(sdb_facts_read_maps(target.pid, &maps), 0);
    before = maps->count;
    sdb_facts_free(maps);
    plant_all_32(&target);
    (void)order(&target, 'g');
    stop_process(target.process);
    child = detach_child(target.process);
    ck_assert_int_eq(sdb_facts_read_maps(target.pid, &maps), 0);
    ck_assert_uint_eq(maps->count, before);
    sdb_facts_free(maps);
    tell_target(&target, 'g');
    wait_ready(&target);
    close_input(&target);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(child);
    finish_with(&target);
}

SESSION_TEST(a_forked_child_lives)
{
    struct target target = launch_32();
    struct hits hits;

    plant_all_32(&target);
    (void)plant_at(target.process, fork_place());
    hits = order(&target, 'f');
    ck_assert_uint_eq(hits.others, 1);
    finish_32(&target);
}

SESSION_TEST(calls_by_the_vdso_are_hit)
{
    struct target target = launch_32();
    struct hits hits;

    if (vdso_entry() != 0)
        (void)plant_at(target.process, vdso_entry());
    hits = order(&target, 'v');
    ck_assert_uint_eq(hits.others, vdso_entry() != 0 ? TURNS : 0);
    finish_32(&target);
}

SESSION_TEST(a_call_that_a_handler_interrupts_is_made_again_without_a_hit)
{
    struct target target = launch_32();
    struct sdb_event event;

    (void)plant_at(target.process, block());
    (void)order(&target, 'g');
    /* It comes to it anew, if it has not yet. */
    while (state_of(target.pid) != 'S') {
        event = (struct sdb_event)SDB_EVENT_INIT;
        if (sdb_session_wait(session, 1, &event) == 0)
            resume(&event);
    }
    for (int i = 0; i < TURNS; i++) {
        await_sleep_held(&target);
        ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
        event = expect_signal(SIGUSR1);
        ck_assert_uint_eq(pc_of(event.thread), block() + 2);
        resume(&event);
    }
    await_sleep_held(&target);
    finish_32(&target);
}

SESSION_TEST(calls_are_told_by_their_own_table)
{
    struct target target = launch_32();
    int told = 0;

    catch_calls(target.process, SDB_CATCH_ALL, NULL, 0);
    tell_target(&target, 'v');
    close_input(&target);
    for (;;) {
        struct sdb_event event = next_event();
        struct sdb_syscall call = SDB_SYSCALL_INIT;

        if (event.kind == SDB_EVENT_EXITED) {
            ck_assert_int_eq(event.status->code, 0);
            break;
        }
        ck_assert(is_call(event.kind));
        ck_assert_int_eq(sdb_thread_syscall(event.thread, &call), 0);
        ck_assert_uint_eq(call.architecture, SDB_ARCH_I386);
        if (call.number == GETPPID_32 && event.kind == SDB_EVENT_SYSCALL_EXIT) {
            ck_assert_int_eq(call.result, getpid());
            ck_assert_str_eq(sdb_syscall_name(call.architecture, call.number), "getppid");
            told++;
        }
        resume(&event);
    }
    /* Half of them by the vDSO. */
    ck_assert(told == 2 * TURNS || (told == 0 && vdso_entry() == 0));
    finish_with(&target);
}

SESSION_TEST(registers_and_steps_are_those_of_32_bits)
{
    struct target target = launch_32();
    struct sdb_event event;
    uint64_t before;
    uint64_t value;

    (void)plant_at(target.process, addresses[0]); /* inc %eax */
    tell_target(&target, 'g');
    event = expect(SDB_EVENT_BREAKPOINT);
    ck_assert_int_eq(sdb_thread_get_register(event.thread, "eax", &before), 0);
    (void)step_to(event.thread, SDB_EVENT_STEP);
    ck_assert_uint_eq(pc_of(event.thread), addresses[0] + 1);
    ck_assert_int_eq(sdb_thread_get_register(event.thread, "eax", &value), 0);
    ck_assert_uint_eq(value, before + 1);
    resume_thread(event.thread, SDB_RESUME_CONTINUE);
    for (int turn = 1; turn < TURNS; turn++)
        resume_from(SDB_EVENT_BREAKPOINT);
    wait_ready_held(&target);
    finish_32(&target);
}

SESSION_TEST(a_call_is_stepped_over_and_out_of)
{
    struct target target = launch_32();
    struct sdb_event event;
    uint64_t call = 0;

    for (uint32_t which = 0; which < count && call == 0; which++) {
        if (byte_at(&target, addresses[which]) == 0xe8)
            call = addresses[which];
    }
    (void)plant_at(target.process, call);
    tell_target(&target, 'g');
    for (int turn = 0; turn < TURNS; turn++) {
        event = expect(SDB_EVENT_BREAKPOINT);
        ck_assert_int_eq(sdb_thread_step_over(event.thread), 0);
        event = expect(SDB_EVENT_STEP);
        ck_assert_uint_eq(pc_of(event.thread), call + 5);
        resume(&event);
    }
    wait_ready_held(&target);
    finish_32(&target);
}

SESSION_TEST(what_it_writes_is_watched)
{
    struct target target = launch_32();
    struct sdb_watchpoint_options options = SDB_WATCHPOINT_OPTIONS_INIT;
    struct sdb_watchpoint *watchpoint;
    uint32_t cell = 0;

    /* movl $..., cell */
    for (uint32_t which = 0; which < count; which++) {
        if (byte_at(&target, addresses[which]) == 0xc7)
            ck_assert_int_eq(sdb_memory_read(target.process, addresses[which] + 2, &cell, 4), 4);
    }
    options.address = cell;
    options.length = 4;
    ck_assert_int_eq(sdb_watchpoint_create(target.process, &options, &watchpoint), 0);
    plant_all_32(&target);
    tell_target(&target, 'g');
    for (int watched = 0; watched < TURNS;) {
        struct sdb_event event = next_event();

        watched += event.kind == SDB_EVENT_WATCHPOINT;
        resume(&event);
    }
    ck_assert_int_eq(sdb_watchpoint_remove(watchpoint), 0);
    finish_32(&target);
}

/* A kernel may be built without what such programs need. */
static bool kernel_has_32_bit(void)
{
    const pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        execl(PLACES_32, PLACES_32, (char *)NULL);
        _exit(errno == ENOEXEC ? NO_32_BIT : 0);
    }
    return waitpid(pid, &status, 0) == pid && status != NO_32_BIT << 8;
}

int main(void)
{
    if (!kernel_has_32_bit()) {
        (void)puts("no 32-bit programs here");
        return 0;
    }
    return run_suite("breakpoint_code_32");
}
