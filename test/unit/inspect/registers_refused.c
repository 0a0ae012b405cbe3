/* SPDX-License-Identifier: MIT */
/*
 * Registers that cannot be had, values that cannot be written, and going on in a system call.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"
#include "registering.h"

HOLDING_CASE(refused);

static void refuses(const char *name, uint64_t value)
{
    const uint64_t before = register_value(name);
    int rc = sdb_thread_set_register(thread, name, value);

    ck_assert_msg(rc == -EINVAL, "%s: %s", name, sdb_error_describe(rc));
    ck_assert_uint_eq(register_value(name), before);
}

TEST(what_cannot_be_is_refused_and_loses_nothing)
{
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    const struct register_image image = register_image_of(0);
    struct register_image seen;

    launch_registers(_i, "x87", "1");
    set_register("rax", 1);
    refuses("cs", 0);
    refuses("ss", 0);
    refuses("cs", 0x30); /* the kernel's own privilege */
    refuses("fs_base", UINT64_MAX);
    refuses("gs_base", UINT64_C(1) << 63);
    refuses("rflags", image.flags ^ 0x200);  /* interrupts */
    refuses("rflags", image.flags | 0x3000); /* I/O privilege */
    refuses("eflags", image.flags | 0x20000);
    refuses("rflags", UINT64_C(1) << 40 | image.flags);
    refuses("mxcsr", 0xffff1f80);
    set_register("rbx", 2);

    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), 0);
    registers.rcx = 3;
    registers.ss = 0;
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), -EINVAL);
    registers.ss = 0x1002b;
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), -EINVAL);
    go_on();
    seen = found_registers();
    ck_assert_uint_eq(seen.general[IMAGE_RAX], 1);
    ck_assert_uint_eq(seen.general[IMAGE_RBX], 2);
    ck_assert_uint_eq(seen.general[IMAGE_RCX], image.general[IMAGE_RCX]);
    ck_assert_uint_eq(seen.flags, image.flags);
    ck_assert_uint_eq(seen.mxcsr, image.mxcsr);
    end_registers();
}

TEST(names_sizes_and_arguments_are_checked)
{
    const struct sdb_register *rax = sdb_register_find("rax");
    const struct sdb_register *xmm = sdb_register_find("xmm0");
    const struct sdb_register copy = *rax;
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    struct {
        struct sdb_registers known;
        uint64_t more;
    } larger = {.known = SDB_REGISTERS_INIT};
    uint8_t bytes[65] = {0};
    uint64_t value = 99;
    size_t size = 8;

    launch_registers(_i, "x87", "1");
    for (size_t wrong = 0; wrong < sizeof(bytes); wrong++) {
        if (wrong != 8) {
            ck_assert_int_eq(sdb_thread_read_register(thread, rax, bytes, wrong), -EINVAL);
            ck_assert_int_eq(sdb_thread_write_register(thread, rax, bytes, wrong), -EINVAL);
        }
        if (wrong != 16) {
            ck_assert_int_eq(sdb_thread_read_register(thread, xmm, bytes, wrong), -EINVAL);
            ck_assert_int_eq(sdb_thread_write_register(thread, xmm, bytes, wrong), -EINVAL);
        }
    }
    ck_assert_int_eq(sdb_thread_read_register(thread, NULL, bytes, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_read_register(thread, &copy, bytes, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_write_register(thread, &copy, bytes, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_read_register(thread, rax, NULL, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_write_register(thread, rax, NULL, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_read_register(NULL, rax, bytes, 8), -EINVAL);
    ck_assert_int_eq(sdb_thread_get_register(thread, "raxx", &value), -ENOENT);
    ck_assert_int_eq(sdb_thread_set_register(thread, "", 0), -ENOENT);
    ck_assert_int_eq(sdb_thread_get_register(thread, NULL, &value), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_register(thread, NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_get_register(thread, "rax", NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_get_register(thread, "xmm0", &value), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_register(thread, "st0", 0), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_register(thread, "al", 256), -ERANGE);
    ck_assert_int_eq(sdb_thread_set_register(thread, "eax", UINT64_C(1) << 32), -ERANGE);
    ck_assert_int_eq(sdb_thread_get_registers(thread, NULL), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_registers(thread, NULL), -EINVAL);
    registers.size = 8;
    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), -EINVAL);
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), -EINVAL);
    larger.known.size = sizeof(larger);
    larger.more = 1;
    ck_assert_int_eq(sdb_thread_set_registers(thread, &larger.known), -E2BIG);
    ck_assert_int_eq(sdb_thread_read_xsave(thread, NULL, &size), -EINVAL);
    ck_assert_int_eq(sdb_thread_read_xsave(thread, bytes, NULL), -EINVAL);
    ck_assert_uint_eq(value, 99);
    go_on();
    found_registers();
    end_registers();
}

TEST(registers_that_the_processor_lacks)
{
    uint8_t value[64] = {0};
    const bool has_512 = __builtin_cpu_supports("avx512f");
    const bool has_avx = __builtin_cpu_supports("avx");

    launch_registers(_i, "x87", "1");
    for (size_t i = 0; i < sdb_register_count(); i++) {
        const struct sdb_register *which = sdb_register_at(i);
        const int rc = sdb_thread_read_register(thread, which, value, which->size);
        const int number = which->kind == SDB_REGISTER_VECTOR ? atoi(which->name + 3) : 0;
        bool wanted = true;

        if (which->kind == SDB_REGISTER_MASK ||
            (which->kind == SDB_REGISTER_VECTOR && (number > 15 || which->size == 64)))
            wanted = has_512;
        else if (which->kind == SDB_REGISTER_VECTOR && which->size == 32)
            wanted = has_avx;
        ck_assert_msg(rc == (wanted ? 0 : -ENOTSUP), "%s: %s", which->name, sdb_error_describe(rc));
        if (!wanted)
            ck_assert_int_eq(sdb_thread_write_register(thread, which, value, which->size),
                             -ENOTSUP);
    }
    go_on();
    found_registers();
    end_registers();
}

TEST(debug_registers_are_the_kernels_to_check)
{
    launch_registers(_i, "again", "1");
    ck_assert_uint_eq(register_value("dr0"), 0);
    ck_assert_uint_eq(register_value("dr7") & 0xff, 0);
    set_register("dr0", register_value("rsp") - 64);
    set_register("dr7", 0x1); /* execute: it is a stack, so never */
    ck_assert_uint_eq(register_value("dr7") & 3, 1);
    ck_assert_uint_eq(register_value("dr0"), register_value("rsp") - 64);
    refuses("dr0", UINT64_C(0xffffffff80000000));
    go_on();
    found_registers();
    expect_signal(SIGTRAP);
    ck_assert_uint_eq(register_value("dr7") & 3, 1);
    set_register("dr7", 0);
    go_on();
    found_registers();
    end_registers();
}

HOLDING_CASE(going_on);

static uint64_t launch_reader(int way)
{
    const char *const argv[] = {REGISTERS, "read", NULL};
    uint64_t address = 0;

    begin(way);
    target = launch_program(REGISTERS, argv);
    thread = sdb_process_thread(target.process);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &address, sizeof(address)), sizeof(address));
    await_state(target.pid, 'S');
    stop_thread(thread);
    return address;
}

TEST(a_thread_in_a_system_call_goes_on_exactly_elsewhere)
{
    const uint64_t address = launch_reader(_i);

    ck_assert_uint_eq(register_value("orig_rax"), 0);
    set_register("rip", address);
    ck_assert_uint_eq(register_value("orig_rax"), UINT64_MAX);
    resume_process(target.process);
    finish_exited(&target, 5);
}

TEST(a_system_call_goes_on_when_all_is_put_back)
{
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    const uint64_t address = launch_reader(_i);

    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), 0);
    set_register("rip", address);
    set_register("rip", registers.rip);
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), 0);
    resume_process(target.process);
    await_state(target.pid, 'S');
    tell_target(&target, 'x');
    finish_exited(&target, 1);
}

TEST(writing_the_same_place_changes_nothing)
{
    (void)launch_reader(_i);
    set_register("rip", register_value("rip"));
    set_register("rbx", register_value("rbx"));
    ck_assert_uint_eq(register_value("orig_rax"), 0);
    resume_process(target.process);
    await_state(target.pid, 'S');
    tell_target(&target, 'x');
    finish_exited(&target, 1);
}

TEST(what_is_written_stays_when_a_process_is_let_go)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    uint64_t address = launch_reader(_i);

    set_register("rip", address);
    ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &target.child), 0);
    ck_assert_int_eq(sdb_child_wait(target.child, PATIENCE_MS, &status), 0);
    ck_assert_int_eq(status.code, 5);
    finish_with(&target);
}

HOLDING_CASE(cannot_be_asked);

static void expect_refusal(int wanted)
{
    const struct sdb_register *rax = sdb_register_find("rax");
    struct sdb_registers registers = SDB_REGISTERS_INIT;
    uint64_t value = 7;
    uint8_t area[16];
    size_t size = sizeof(area);

    ck_assert_int_eq(sdb_thread_read_register(thread, rax, &value, sizeof(value)), wanted);
    ck_assert_int_eq(sdb_thread_write_register(thread, rax, &value, sizeof(value)), wanted);
    ck_assert_int_eq(sdb_thread_get_register(thread, "mxcsr", &value), wanted);
    ck_assert_int_eq(sdb_thread_set_register(thread, "dr0", value), wanted);
    ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), wanted);
    ck_assert_int_eq(sdb_thread_set_registers(thread, &registers), wanted);
    ck_assert_int_eq(sdb_thread_read_xsave(thread, area, &size), wanted);
    ck_assert_int_eq(sdb_thread_write_xsave(thread, area, size), wanted);
    ck_assert_uint_eq(value, 7);
}

static void *expect_wrong_thread(void *nothing)
{
    expect_refusal(-SDB_EWRONGTHREAD);
    return nothing;
}

TEST(a_thread_that_runs_or_is_another_sessions)
{

    (void)launch_reader(_i);
    run_in_thread(expect_wrong_thread, NULL);
    resume_process(target.process);
    expect_refusal(-EBUSY);
    tell_target(&target, 'x');
    expect_exit(SDB_EXITED, 1);
    expect_refusal(-ESRCH);
    sdb_thread_retain(thread);
    finish();
    expect_refusal(-ESRCH);
    sdb_thread_close(thread);
    close_target(&target);
}

/* Stopped, as far as the session knows, and killed meanwhile. */
SESSION_TEST(a_thread_that_was_killed_just_now)
{
    for (int used = 0; used < 2; used++) {
        const char *const argv[] = {REGISTERS, "x87", "1", NULL};

        target = launch_program(REGISTERS, argv);
        thread = sdb_process_thread(target.process);
        if (used)
            (void)register_value("mxcsr"); /* they are known, then */
        ck_assert_int_eq(kill(target.pid, SIGKILL), 0);
        await_state(target.pid, 'Z');
        if (used) {
            set_register("rax", 1);
            set_register("fctrl", 0x37f);
            ck_assert_int_eq(sdb_thread_set_register(thread, "fs_base", 4096), -ESRCH);
            ck_assert_int_eq(sdb_thread_set_register(thread, "mxcsr", 0x1f80), -ESRCH);
        } else {
            struct sdb_registers registers = SDB_REGISTERS_INIT;
            uint64_t value;

            ck_assert_int_eq(sdb_thread_get_register(thread, "rax", &value), -ESRCH);
            ck_assert_int_eq(sdb_thread_set_register(thread, "rax", 1), -ESRCH);
            ck_assert_int_eq(sdb_thread_get_register(thread, "mxcsr", &value), -ESRCH);
            ck_assert_int_eq(sdb_thread_get_register(thread, "dr0", &value), -ESRCH);
            ck_assert_int_eq(sdb_thread_get_registers(thread, &registers), -ESRCH);
        }
        resume_process(target.process);
        expect_exit(SDB_KILLED, SIGKILL);
        close_target(&target);
    }
    finish();
}

/* A thread of the kernel's in a process: what it shows is nothing of the program's. */
SESSION_TEST(threads_of_the_kernels_have_none)
{
    const char *const argv[] = {REGISTERS, "rings", NULL};
    char answer = 0;

    target = launch_program(REGISTERS, argv);
    resume_process(target.process);
    ck_assert_int_eq(read(target.output, &answer, 1), 1);
    if (answer == 'r') {
        struct sdb_process *process;
        int without = 0;

        ck_assert_int_eq(sdb_process_detach(target.process, SDB_RELEASE_RUN, &target.child), 0);
        process = attach(target.pid);
        for (thread = sdb_process_next_thread(process, NULL); thread;
             thread = sdb_process_next_thread(process, thread)) {
            uint64_t value;

            if (sdb_thread_get_register(thread, "rip", &value) == 0)
                continue;
            expect_refusal(-ENODATA);
            without++;
        }
        ck_assert_int_eq(without, sdb_process_thread_count(process) - 1);
        detach(process);
        close_input(&target);
        ck_assert_int_eq(sdb_child_wait(target.child, PATIENCE_MS, NULL), 0);
    } else {
        close_input(&target);
        expect_exit(SDB_EXITED, 0);
    }
    finish_with(&target);
}

int main(void)
{
    return run_suite("registers_refused");
}
