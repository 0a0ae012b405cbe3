/* SPDX-License-Identifier: MIT */
/*
 * Catching system calls: a program that makes very many of them, of which one is caught, beside the
 * same under the same filter with nobody who looks; and all calls caught, beside a loop of
 * PTRACE_SYSCALL, and strace.
 */
#include "look_measures.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "bench.h"
#include "look_target.h"
#include "raw_session.h"

size_t look_calls = 1000000;
size_t look_traced_calls = 20000;

/* ---- a program that makes so many calls ---- */

/* @param options  gets the program; its strings live until the next call */
static void choose_program(struct sdb_launch_options *options, size_t calls)
{
    static char count[32];
    static const char *argv[] = {SDB_BENCH_TARGET, "count", count, NULL};

    (void)snprintf(count, sizeof(count), "%zu", calls);
    options->argv = argv;
    options->flags |= SDB_LAUNCH_NO_NEW_PRIVS;
}

static void check_end(const struct sdb_exit_status *status)
{
    if (status->how != SDB_EXITED || status->code != 0)
        bench_die("%s has not ended well", SDB_BENCH_TARGET);
}

/* Resume whatever happens until it has ended.  @return how many ends of calls were told */
static size_t run_in_session(struct sdb_session *session, struct sdb_process *process)
{
    struct sdb_event event = SDB_EVENT_INIT;
    size_t ends = 0;

    look_check("resume", sdb_process_resume(process, SDB_RESUME_CONTINUE));
    for (;;) {
        look_check("a wait", sdb_session_wait(session, -1, &event));
        if (event.kind == SDB_EVENT_EXITED)
            break;
        ends += event.kind == SDB_EVENT_SYSCALL_EXIT;
        look_check("resume", sdb_event_resume(&event));
    }
    check_end(event.status);
    return ends;
}

static struct sdb_session *get_session(void)
{
    static struct sdb_session *session;

    if (!session)
        look_check("a session", sdb_session_create(NULL, &session));
    return session;
}

double sdb_program_with_one_caught(void)
{
    static const int32_t caught[] = {SYS_getpgid};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_session *session = get_session();
    struct sdb_process *process;
    double begin;

    choose_program(&options, look_calls);
    options.caught_syscalls = caught;
    options.caught_syscall_count = 1;
    begin = bench_now_us();
    look_check("launch", sdb_session_launch(session, &options, &process, NULL));
    if (run_in_session(session, process) != 1)
        bench_die("one call should be caught");
    return (bench_now_us() - begin) / 1000;
}

/* Without a tracer the call that is picked fails, which is nothing to the program. */
double bare_program_with_filter(void)
{
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child;
    double begin;

    choose_program(&options, look_calls);
    options.seccomp_filter = filter;
    options.seccomp_length = sizeof(filter) / sizeof(filter[0]);
    begin = bench_now_us();
    look_check("launch", sdb_launch(&options, &child, NULL));
    look_check("its end", sdb_child_wait(child, -1, &status));
    check_end(&status);
    sdb_child_close(child);
    return (bench_now_us() - begin) / 1000;
}

double sdb_program_with_all_caught(void)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_session *session = get_session();
    struct sdb_process *process;
    double begin;

    choose_program(&options, look_traced_calls);
    begin = bench_now_us();
    look_check("launch", sdb_session_launch(session, &options, &process, NULL));
    look_check("catch", sdb_process_catch_syscalls(process, SDB_CATCH_ALL, NULL, 0));
    if (run_in_session(session, process) < look_traced_calls)
        bench_die("all calls should be caught");
    return (bench_now_us() - begin) / 1000;
}

double strace_program(void)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    const char *argv[] = {"strace", "-o", "/dev/null", NULL, NULL, NULL, NULL};
    struct sdb_child *child;
    double begin;

    choose_program(&options, look_traced_calls);
    for (int i = 0; i < 3; i++)
        argv[3 + i] = options.argv[i];
    options.argv = argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH;
    begin = bench_now_us();
    look_check("launch strace", sdb_launch(&options, &child, NULL));
    look_check("its end", sdb_child_wait(child, -1, &status));
    check_end(&status);
    sdb_child_close(child);
    return (bench_now_us() - begin) / 1000;
}

/* ---- both ends of each call ---- */

double sdb_ends_of_caught_calls(void)
{
    static struct sdb_session *session;
    static struct sdb_process *process;
    struct sdb_event event = SDB_EVENT_INIT;
    double begin;

    if (!session) {
        const struct look_target target = look_target_start();

        process = look_hold(&target, &session);
        look_check("catch", sdb_process_catch_syscalls(process, SDB_CATCH_ALL, NULL, 0));
    }
    event.process = process;
    event.thread = sdb_process_thread(process);
    begin = bench_now_us();
    for (size_t i = 0; i < look_stops; i++) {
        look_check("resume", sdb_event_resume(&event));
        look_check("a wait", sdb_session_wait(session, -1, &event));
    }
    return (double)look_stops / (bench_now_us() - begin) * 1e6;
}

double bare_ends_of_calls(void)
{
    static pid_t pid;
    double begin;

    if (pid == 0) {
        pid = look_target_start().pid;
        raw_hold(pid);
    }
    begin = bench_now_us();
    raw_stop_at_calls(pid, look_stops);
    return (double)look_stops / (bench_now_us() - begin) * 1e6;
}
