/* SPDX-License-Identifier: MIT */
/*
 * What is measured about holding threads: their stops, attaching and detaching, memory.
 */
#include "session_measures.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>

#include <sdb/sdb.h>

#include "bench.h"
#include "raw_session.h"

size_t session_idle_threads;
size_t session_stops = 2000;

/* ---- stops ---- */

struct held {
    struct sdb_session *session;
    struct sdb_process *process;
    struct sdb_thread *first; /* stopped; the others run */
};

static void check(const char *what, int rc)
{
    if (rc < 0)
        bench_die("%s: %s", what, sdb_error_describe(rc));
}

static struct sdb_session *create_session(uint64_t flags)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct sdb_session *session = NULL;

    options.flags = flags;
    check("a session", sdb_session_create(&options, &session));
    return session;
}

static struct sdb_process *attach(struct sdb_session *session, int32_t pid)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = NULL;
    char text[512];

    if (sdb_session_attach(session, pid, &process, &error) < 0) {
        (void)sdb_error_format(&error, text, sizeof(text));
        bench_die("%s", text);
    }
    return process;
}

static void hold(struct held *held, const char *what, uint64_t flags)
{
    if (held->session)
        return;
    held->session = create_session(flags);
    held->process = attach(held->session, raw_target_start(what, session_idle_threads));
    held->first = sdb_process_thread(held->process);
    for (struct sdb_thread *thread = sdb_process_next_thread(held->process, NULL); thread;
         thread = sdb_process_next_thread(held->process, thread)) {
        if (thread != held->first)
            check("resume", sdb_thread_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS));
    }
}

static double stops_a_second(double begin)
{
    return (double)session_stops / (bench_now_us() - begin) * 1e6;
}

static double stop_by_session(const struct held *held, enum sdb_resume how, int signal)
{
    struct sdb_event event = SDB_EVENT_INIT;
    const double begin = bench_now_us();

    for (size_t i = 0; i < session_stops; i++) {
        int rc = sdb_thread_resume(held->first, how, signal);

        if (rc == 0)
            rc = sdb_session_wait(held->session, -1, &event);
        if (rc < 0 || event.thread != held->first)
            bench_die("a stop: %s", sdb_error_describe(rc));
    }
    return stops_a_second(begin);
}

double sdb_stops_at_calls(void)
{
    static struct held held;

    hold(&held, "calls", 0);
    return stop_by_session(&held, SDB_RESUME_SYSCALL, 0);
}

double sdb_stops_at_calls_helped(void)
{
    static struct held held;

    hold(&held, "calls", SDB_SESSION_NO_IO_URING);
    return stop_by_session(&held, SDB_RESUME_SYSCALL, 0);
}

double sdb_stops_at_signals(void)
{
    static struct held held;

    hold(&held, "signals", 0);
    return stop_by_session(&held, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
}

static double stop_by_hand(const char *what, void (*stop)(pid_t tid, size_t stops))
{
    static pid_t pid;
    double begin;

    if (pid == 0) {
        pid = raw_target_start(what, session_idle_threads);
        raw_hold(pid);
    }
    begin = bench_now_us();
    stop(pid, session_stops);
    return stops_a_second(begin);
}

double bare_stops_at_calls(void)
{
    return stop_by_hand("calls", raw_stop_at_calls);
}

double bare_stops_at_signals(void)
{
    return stop_by_hand("signals", raw_stop_at_signals);
}

/* ---- attach and detach ---- */

/* All threads asleep, or those that the one before has let go would still be busy. */
static pid_t sleeping_target(void)
{
    static pid_t pid;

    if (pid == 0)
        pid = raw_target_start("nothing", session_idle_threads);
    raw_target_settle(pid);
    return pid;
}

double sdb_attach_and_detach(void)
{
    static struct sdb_session *session;
    const pid_t pid = sleeping_target();
    double begin;

    if (!session)
        session = create_session(0);
    begin = bench_now_us();
    check("detach", sdb_process_detach(attach(session, pid), SDB_RELEASE_RUN, NULL));
    return bench_now_us() - begin;
}

double bare_attach_and_detach(void)
{
    const pid_t pid = sleeping_target();
    const double begin = bench_now_us();

    raw_attach_and_detach(pid);
    return bench_now_us() - begin;
}

/* ---- memory ---- */

static double allocated_kib(void)
{
    const struct mallinfo2 info = mallinfo2();

    return (double)(info.uordblks + info.hblkhd) / 1024;
}

double sdb_memory_of_thread(void)
{
    const pid_t pid = sleeping_target();
    struct sdb_session *session = create_session(0);
    const double before = allocated_kib();
    struct sdb_process *process = attach(session, pid);
    double used;

    check("resume", sdb_process_resume(process, SDB_RESUME_CONTINUE));
    used = allocated_kib() - before;
    check("detach", sdb_process_detach(process, SDB_RELEASE_RUN, NULL));
    check("the session's end", sdb_session_destroy(session));
    return used / (double)(session_idle_threads + 1);
}
