/* SPDX-License-Identifier: MIT */
/*
 * Planted bytes are checked, not believed: what the program does to its text is its own, and a breakpoint
 * that has lost its byte says so.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "holding.h"
#include "text.h"

#define TEXT_PROGRAM SDB_TRACEE_DIR "/text"

/* From the order to the call that maps: more than that are endless. */
#define MOST_STEPS 100000

static struct target target;
static struct text text;
static unsigned hits;  /* that were told since they were looked at */
static unsigned traps; /* SIGTRAPs, the same */

/* ---- the program ---- */

static void read_all(void *bytes, size_t size)
{
    ck_assert_int_eq(read(target.output, bytes, size), (ssize_t)size);
}

/* Go on until the order is done. */
static void run_to_answer(void)
{
    for (;;) {
        const struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_SIGNAL && event.signal == SIGUSR1 &&
            event.process == target.process)
            return;
        ck_assert_msg(event.kind != SDB_EVENT_EXITED || event.process != target.process,
                      "it ended: %u %d", event.status->how, event.status->code);
        hits += event.kind == SDB_EVENT_BREAKPOINT;
        traps += event.kind == SDB_EVENT_SIGNAL && event.signal == SIGTRAP;
        /* It would be killed. */
        ck_assert_int_eq(event.kind == SDB_EVENT_SIGNAL
                             ? sdb_thread_resume(event.thread, SDB_RESUME_CONTINUE, 0)
                             : sdb_event_resume(&event),
                         0);
    }
}

/* It stands afterwards. */
static struct text_answer obey(enum text_order order)
{
    struct text_answer answer;

    resume_process(target.process);
    tell_target(&target, (char)order);
    run_to_answer();
    read_all(&answer, sizeof(answer));
    return answer;
}

static void begin_text(int way)
{
    const char *const argv[] = {TEXT_PROGRAM, NULL};

    begin(way);
    pass_silently(SIGCHLD);
    target = launch_program(TEXT_PROGRAM, argv);
    resume_process(target.process);
    run_to_answer();
    read_all(&text, sizeof(text));
    hits = 0;
    traps = 0;
}

static void end_text(void)
{
    resume_process(target.process);
    close_input(&target);
    (void)expect_exit(SDB_EXITED, 0);
    finish_with(&target);
}

static struct sdb_breakpoint *create_with(uint64_t flags)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint = NULL;

    options.address = text.function;
    options.flags = flags;
    ck_assert_int_eq(sdb_breakpoint_create(target.process, &options, &breakpoint), 0);
    return breakpoint;
}

static struct sdb_breakpoint *create(void)
{
    return create_with(0);
}

/* The function does what it should, and is hit so often. */
static void expect_calls(unsigned expected)
{
    const struct text_answer answer = obey(TEXT_CALL);

    ck_assert_int_eq(answer.number, answer.written);
    ck_assert_uint_eq(hits, expected);
    ck_assert_uint_eq(traps, 0);
    hits = 0;
}

static void expect_state(const struct sdb_breakpoint *breakpoint, enum sdb_breakpoint_state state)
{
    ck_assert_int_eq(sdb_breakpoint_state(breakpoint), (int)state);
}

/* What callers see there is this, and so is what the program sees. */
static void expect_bytes(uint8_t value)
{
    const struct text_answer answer = obey(TEXT_LOOK);
    uint8_t bytes[8];

    ck_assert_int_eq(sdb_memory_read(target.process, text.function, bytes, sizeof(bytes)), 8);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        ck_assert_uint_eq(bytes[i], value);
        ck_assert_uint_eq(answer.bytes[i], value);
    }
}

/* ---- lost ---- */

HOLDING_CASE(lost);

TEST(what_takes_the_place_of_text_is_neither_hidden_nor_kept_nor_lifted)
{
    uint8_t bytes[8];
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_MAP);
    breakpoint = create();
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
    expect_calls(1);
    (void)obey(TEXT_DATA);
    expect_bytes(0x11);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
    memset(bytes, 0x22, sizeof(bytes));
    ck_assert_int_eq(sdb_memory_write(target.process, text.function, bytes, sizeof(bytes)), 8);
    expect_bytes(0x22);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    expect_bytes(0x22);
    end_text();
}

/* Of a write that comes first, too: nobody has looked before. */
TEST(what_is_written_over_what_was_text_is_written_whole)
{
    uint8_t bytes[8];
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_MAP);
    breakpoint = create();
    (void)obey(TEXT_DATA);
    memset(bytes, 0x33, sizeof(bytes));
    ck_assert_int_eq(sdb_memory_write(target.process, text.function, bytes, sizeof(bytes)), 8);
    expect_bytes(0x33);
    (void)obey(TEXT_UNMAP);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
    ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_DISABLED);
    end_text();
}

/* Once another was seen there, the same value is no breakpoint's any more. */
TEST(what_looks_like_a_planted_byte_later_is_the_programs)
{
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_MAP);
    breakpoint = create();
    (void)obey(TEXT_DATA);
    expect_bytes(0x11);
    (void)obey(TEXT_TRAPS);
    expect_bytes(0xcc);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    expect_bytes(0xcc);
    end_text();
}

TEST(text_that_was_mapped_anew_is_hit_when_the_breakpoint_is_enabled_again)
{
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_LOAD);
    breakpoint = create();
    for (int round = 0; round < 3; round++) {
        expect_calls(1);
        (void)obey(TEXT_UNMAP);
        expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
        ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), -EFAULT);
        ck_assert_int_eq(sdb_breakpoint_is_enabled(breakpoint), 1);
        (void)obey(TEXT_LOAD);
        expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
        expect_calls(0);
        ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
        expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
    }
    /* Another at the same place has the first hit again, too. */
    (void)obey(TEXT_MAP);
    (void)create();
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
    expect_calls(1);
    ck_assert_uint_eq(sdb_breakpoint_hit_count(breakpoint), 4);
    (void)obey(TEXT_DATA);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), -EACCES);
    end_text();
}

TEST(a_program_that_writes_its_text_has_what_it_has_written)
{
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_MAP);
    breakpoint = create();
    expect_calls(1);
    (void)obey(TEXT_WRITE);
    expect_calls(0);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
    expect_calls(1);
    /* But for the byte, which stays planted: the rest of the instruction is another. */
    (void)obey(TEXT_WRITE_REST);
    expect_calls(1);
    (void)obey(TEXT_WRITE_REST);
    expect_calls(1);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
    end_text();
}

/* Where a thread stands at its hit, or has gone by it before. */
TEST(what_a_caller_writes_there_is_executed)
{
    const uint8_t code[] = {0xb8, 77, 0, 0, 0, 0xc3};
    const uint8_t value = 78;
    struct text_answer answer;

    begin_text(_i);
    (void)obey(TEXT_LOAD);
    (void)create();
    expect_calls(1);
    ck_assert_int_eq(sdb_memory_write(target.process, text.function, code, sizeof(code)),
                     sizeof(code));
    answer = obey(TEXT_CALL);
    ck_assert_int_eq(answer.number, 77);
    resume_process(target.process);
    tell_target(&target, TEXT_CALL);
    expect(SDB_EVENT_BREAKPOINT);
    ck_assert_int_eq(sdb_memory_write(target.process, text.function + 1, &value, 1), 1);
    resume_process(target.process);
    run_to_answer();
    read_all(&answer, sizeof(answer));
    ck_assert_int_eq(answer.number, 78);
    ck_assert_uint_eq(hits, 1);
    end_text();
}

TEST(an_int3_that_is_not_planted_any_more_is_the_programs)
{
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_MAP);
    breakpoint = create();
    expect_calls(1);
    (void)obey(TEXT_WRITE);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
    (void)obey(TEXT_OWN_TRAP);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
    (void)obey(TEXT_CALL);
    ck_assert_uint_eq(traps, 1);
    ck_assert_uint_eq(hits, 0);
    end_text();
}

TEST(text_that_the_kernel_has_dropped_is_as_in_its_file)
{
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_LOAD);
    breakpoint = create();
    expect_calls(1);
    (void)obey(TEXT_DROP);
    expect_calls(0);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
    end_text();
}

/* ---- moved ---- */

HOLDING_CASE(moved);

static void call_other(void)
{
    const struct text_answer answer = obey(TEXT_CALL_OTHER);

    ck_assert_int_eq(answer.number, answer.written);
}

TEST(text_that_was_moved_runs_on)
{
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_MAP);
    breakpoint = create();
    expect_calls(1);
    (void)obey(TEXT_MOVE);
    call_other();
    call_other();
    ck_assert_uint_eq(hits, 0);
    ck_assert_uint_eq(traps, 0);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_LOST);
    (void)obey(TEXT_MAP);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
    expect_calls(1);
    end_text();
}

/* Its place was planted anew before a thread came by the byte that had moved. */
TEST(text_that_was_moved_runs_on_beside_a_new_one)
{
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    (void)obey(TEXT_MAP);
    breakpoint = create();
    (void)obey(TEXT_MOVE);
    (void)obey(TEXT_LOAD);
    ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
    (void)obey(TEXT_CALL_OTHER);
    ck_assert_uint_eq(hits, 0);
    ck_assert_uint_eq(traps, 0);
    (void)obey(TEXT_CALL);
    ck_assert_uint_eq(hits, 1);
    end_text();
}

TEST(text_that_was_moved_is_let_go_without_the_byte)
{
    struct sdb_exit_status status = {.size = sizeof(status)};
    struct text_answer answer;
    struct sdb_child *child;

    begin_text(_i);
    (void)obey(TEXT_MAP);
    (void)create();
    (void)obey(TEXT_MOVE);
    child = detach_child(target.process);
    tell_target(&target, TEXT_CALL_OTHER);
    read_all(&answer, sizeof(answer));
    ck_assert_int_eq(answer.number, answer.written);
    close_input(&target);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    sdb_child_close(child);
    finish_with(&target);
}

/* ---- pending ---- */

HOLDING_CASE(pending);

TEST(a_breakpoint_waits_for_what_is_mapped)
{
    static const enum text_order ways[] = {TEXT_MAP, TEXT_LOAD, TEXT_SHARE};
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    breakpoint = create_with(SDB_BREAKPOINT_PENDING);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_PENDING);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        (void)obey(ways[i]);
        if (ways[i] == TEXT_MAP) {
            /* It is written after it was mapped, and is shown after that. */
            (void)obey(TEXT_HIDE);
            (void)obey(TEXT_WRITE);
            (void)obey(TEXT_SHOW);
        } else if (ways[i] == TEXT_SHARE) {
            ck_assert_int_eq(sdb_breakpoint_enable(breakpoint), 0);
        }
        expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
        (void)obey(TEXT_CALL);
        ck_assert_uint_eq(hits, 1);
        hits = 0;
        (void)obey(TEXT_UNMAP);
        expect_state(breakpoint, SDB_BREAKPOINT_STATE_PENDING);
    }
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    (void)obey(TEXT_LOAD);
    (void)obey(TEXT_CALL);
    ck_assert_uint_eq(hits, 0);
    ck_assert_uint_eq(traps, 0);
    end_text();
}

/* Nothing tells of the calls that are looked at, and those that are asked for are told. */
TEST(calls_that_are_seen_for_a_pending_breakpoint_are_not_told)
{
    const int32_t wanted[] = {SYS_mmap};
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    breakpoint = create_with(SDB_BREAKPOINT_PENDING);
    resume_process(target.process);
    tell_target(&target, TEXT_LOAD);
    (void)expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_process_catch_syscalls(target.process, 0, wanted, 1), 0);
    resume_process(target.process);
    tell_target(&target, TEXT_LOAD);
    resume_from(SDB_EVENT_SYSCALL_ENTRY);
    resume_from(SDB_EVENT_SYSCALL_EXIT);
    (void)expect_signal(SIGUSR1);
    ck_assert_int_eq(sdb_process_catch_syscalls(target.process, 0, NULL, 0), 0);
    ck_assert_int_eq(sdb_breakpoint_disable(breakpoint), 0);
    resume_process(target.process);
    tell_target(&target, TEXT_CALL);
    (void)expect_signal(SIGUSR1);
    end_text();
}

/* One that runs, and waits in a call. */
TEST(a_pending_breakpoint_is_created_in_a_process_that_runs)
{
    struct sdb_breakpoint *breakpoint;

    begin_text(_i);
    resume_process(target.process);
    breakpoint = create_with(SDB_BREAKPOINT_PENDING);
    tell_target(&target, TEXT_LOAD);
    (void)expect_signal(SIGUSR1);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
    end_text();
}

TEST(a_pending_breakpoint_is_the_childrens_too)
{
    begin_text(_i);
    set_follow(target.process, SDB_FOLLOW_ALL);
    (void)create_with(SDB_BREAKPOINT_PENDING);
    (void)obey(TEXT_LOAD);
    (void)obey(TEXT_FORK);
    ck_assert_uint_eq(hits, 1);
    end_text();
}

/* Of a step nothing tells that it was over a call. */
TEST(memory_that_is_mapped_by_a_step_is_seen)
{
    struct sdb_breakpoint *breakpoint;
    struct sdb_thread *thread;
    struct text_answer answer;
    unsigned steps = 0;

    begin_text(_i);
    breakpoint = create_with(SDB_BREAKPOINT_PENDING);
    thread = sdb_process_thread(target.process);
    tell_target(&target, TEXT_LOAD);
    while (sdb_breakpoint_state(breakpoint) == SDB_BREAKPOINT_STATE_PENDING && steps++ < MOST_STEPS)
        step_to(thread, SDB_EVENT_STEP);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    run_to_answer();
    read_all(&answer, sizeof(answer));
    expect_calls(1);
    end_text();
}

TEST(memory_that_is_mapped_for_the_caller_is_seen)
{
    uint64_t arguments[6] = {
        0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1, 0};
    struct sdb_breakpoint *breakpoint;
    struct sdb_thread *thread;
    int64_t result = 0;

    begin_text(_i);
    arguments[0] = text.function - TEXT_OFFSET;
    thread = sdb_process_thread(target.process);
    breakpoint = create_with(SDB_BREAKPOINT_PENDING);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_mmap, arguments, &result), 0);
    ck_assert_int_eq(result, (int64_t)arguments[0]);
    (void)obey(TEXT_LOOK);
    expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
    end_text();
}

/* ---- shared ---- */

HOLDING_CASE(shared);

TEST(a_byte_in_shared_text_stays_for_the_parent)
{
    struct sdb_breakpoint *breakpoint;
    struct text_answer answer;

    begin_text(_i);
    (void)obey(TEXT_SHARE);
    breakpoint = create();
    for (int round = 0; round < 3; round++) {
        expect_calls(1);
        answer = obey(TEXT_FORK); /* which comes by the byte */
        ck_assert_int_eq(answer.number, answer.written);
        ck_assert_uint_eq(hits, 0);
        expect_state(breakpoint, SDB_BREAKPOINT_STATE_PLANTED);
    }
    end_text();
}

TEST(a_byte_in_shared_text_goes_with_the_last_who_wants_it)
{
    struct sdb_breakpoint *breakpoint;
    struct text_answer answer;

    begin_text(_i);
    set_follow(target.process, SDB_FOLLOW_ALL);
    (void)obey(TEXT_SHARE);
    breakpoint = create();
    (void)obey(TEXT_KEEP_CHILD);
    answer = obey(TEXT_ASK_CHILD);
    ck_assert_int_eq(answer.number, answer.written);
    ck_assert_uint_eq(hits, 1);
    /* The child is let go, and the byte stays for its parent. */
    for (struct sdb_process *process = sdb_session_next_process(session, NULL); process;
         process = sdb_session_next_process(session, process)) {
        if (process == target.process)
            continue;
        stop_process(process);
        detach(process);
        break;
    }
    answer = obey(TEXT_ASK_CHILD);
    ck_assert_int_eq(answer.number, answer.written);
    ck_assert_uint_eq(hits, 1);
    hits = 0;
    expect_calls(1);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    expect_calls(0);
    answer = obey(TEXT_ASK_CHILD);
    ck_assert_int_eq(answer.number, answer.written);
    answer = obey(TEXT_LOOK);
    ck_assert_uint_eq(answer.bytes[0], 0xb8);
    end_text();
}

/* The kernel writes to shared memory only where the program may.  Nobody sees the byte meanwhile. */
TEST(a_byte_that_cannot_be_lifted_is_lifted_later)
{
    struct sdb_breakpoint *breakpoint;
    struct text_answer answer;
    uint8_t byte = 0;

    begin_text(_i);
    (void)obey(TEXT_SHARE);
    breakpoint = create();
    expect_calls(1);
    (void)obey(TEXT_PROTECT);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    expect_calls(0);
    expect_calls(0);
    ck_assert_int_eq(sdb_memory_read(target.process, text.function, &byte, 1), 1);
    ck_assert_uint_eq(byte, 0xb8);
    /* One that comes meanwhile has it. */
    breakpoint = create();
    expect_calls(1);
    ck_assert_int_eq(sdb_breakpoint_remove(breakpoint), 0);
    answer = obey(TEXT_LOOK);
    ck_assert_uint_eq(answer.bytes[0], 0xcc);
    (void)obey(TEXT_SHOW);
    answer = obey(TEXT_LOOK);
    ck_assert_uint_eq(answer.bytes[0], 0xb8);
    expect_calls(0);
    end_text();
}

/* ---- copies ---- */

HOLDING_CASE(copies);

TEST(a_childs_data_is_its_own)
{
    static const uint32_t policies[] = {SDB_FOLLOW_DEFAULT, SDB_FOLLOW_ALL};

    for (int i = 0; i < 2; i++) {
        begin_text(_i);
        set_follow(target.process, policies[i]);
        (void)obey(TEXT_MAP);
        (void)create();
        (void)obey(TEXT_DATA);
        ck_assert_int_eq(obey(TEXT_LOOK_IN_CHILD).number, 0x11);
        expect_bytes(0x11);
        end_text();
    }
}

int main(void)
{
    return run_suite("breakpoint_planted");
}
