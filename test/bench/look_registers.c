/* SPDX-License-Identifier: MIT */
/*
 * Reading the registers of a stop: the median of many.  The stop itself is not measured, and what
 * looking at the clock costs is taken off.
 */
#include "look_measures.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "bench.h"
#include "look_target.h"
#include "raw_session.h"

#define MOST_XSAVE 16384
#define MOST_STOPS 2000

static void to_next_stop_by_session(struct sdb_session *session, struct sdb_thread *thread)
{
    struct sdb_event event = SDB_EVENT_INIT;

    look_check("resume", sdb_thread_resume(thread, SDB_RESUME_SYSCALL, 0));
    look_check("wait", sdb_session_wait(session, -1, &event));
}

static double read_by_session(void (*read)(struct sdb_thread *thread))
{
    static struct sdb_session *session;
    static struct sdb_thread *thread;
    double us[MOST_STOPS];

    if (!session) {
        const struct look_target target = look_target_start();

        thread = sdb_process_thread(look_hold(&target, &session));
    }
    for (size_t i = 0; i < look_stops && i < MOST_STOPS; i++) {
        double begin;
        double middle;

        to_next_stop_by_session(session, thread);
        begin = bench_now_us();
        middle = bench_now_us();
        read(thread);
        us[i] = bench_now_us() - middle - (middle - begin);
    }
    return bench_median(us, look_stops);
}

static double read_by_hand(void (*read)(pid_t tid))
{
    static pid_t pid;
    double us[MOST_STOPS];

    if (pid == 0) {
        pid = look_target_start().pid;
        raw_hold(pid);
    }
    for (size_t i = 0; i < look_stops && i < MOST_STOPS; i++) {
        double begin;
        double middle;

        raw_stop_at_calls(pid, 1);
        begin = bench_now_us();
        middle = bench_now_us();
        read(pid);
        us[i] = bench_now_us() - middle - (middle - begin);
    }
    return bench_median(us, look_stops);
}

static void read_general(struct sdb_thread *thread)
{
    struct sdb_registers registers = SDB_REGISTERS_INIT;

    look_check("registers", sdb_thread_get_registers(thread, &registers));
}

static void get_general(pid_t tid)
{
    struct user_regs_struct registers;

    if (ptrace(PTRACE_GETREGS, tid, NULL, &registers) < 0)
        bench_die("PTRACE_GETREGS: %s", strerror(errno));
}

static void read_vector(struct sdb_thread *thread)
{
    static const struct sdb_register *which;
    uint8_t value[16];

    if (!which)
        which = sdb_register_find("xmm5");
    look_check("xmm5", sdb_thread_read_register(thread, which, value, sizeof(value)));
}

static void get_vector(pid_t tid)
{
    static uint64_t area[MOST_XSAVE / 8];
    struct iovec all = {.iov_base = area, .iov_len = sizeof(area)};

    if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &all) < 0)
        bench_die("PTRACE_GETREGSET: %s", strerror(errno));
}

double sdb_read_registers(void)
{
    return read_by_session(read_general);
}

double bare_read_registers(void)
{
    return read_by_hand(get_general);
}

double sdb_read_vector(void)
{
    return read_by_session(read_vector);
}

double bare_read_vector(void)
{
    return read_by_hand(get_vector);
}
