/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints and steps, beside loops of the bare requests.
 */
#include "look_measures.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "look_target.h"
#include "raw_session.h"

#define MANY_THREADS 100

/* Between two places that get a breakpoint. */
#define APART 64

static double per_second(size_t count, double begin)
{
    return (double)count / (bench_now_us() - begin) * 1e6;
}

/* ---- one hot function ---- */

/* Why it is held; and what the condition counts down to a hit that is told. */
struct hot {
    struct sdb_session *session;
    struct sdb_event event;
    size_t left;
};

static int is_last(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *left)
{
    (void)breakpoint;
    (void)thread;
    return --*(size_t *)left == 0;
}

static void to_next_hit(struct hot *hot)
{
    look_check("resume", sdb_event_resume(&hot->event));
    look_check("a wait", sdb_session_wait(hot->session, -1, &hot->event));
    if (hot->event.kind != SDB_EVENT_BREAKPOINT)
        bench_die("%s instead of a hit", sdb_event_name(hot->event.kind));
}

/* @param condition  NULL: each hit is told */
static void hold_hot(struct hot *hot, size_t threads, sdb_breakpoint_condition *condition)
{
    const struct look_target target = look_target_start_hot(threads);
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint;
    struct sdb_process *process = look_hold(&target, &hot->session);

    options.address = (uint64_t)(uintptr_t)look_hot;
    options.condition = condition;
    options.condition_data = &hot->left;
    look_check("a breakpoint", sdb_breakpoint_create(process, &options, &breakpoint));
    look_check("resume", sdb_process_resume(process, SDB_RESUME_CONTINUE));
    hot->left = 1;
    look_check("a wait", sdb_session_wait(hot->session, -1, &hot->event));
}

static double run_false_hits(size_t threads)
{
    static struct hot hot = {.event = SDB_EVENT_INIT};
    double begin;

    if (!hot.session)
        hold_hot(&hot, threads, is_last);
    hot.left = look_stops;
    begin = bench_now_us();
    to_next_hit(&hot);
    return per_second(look_stops, begin);
}

double sdb_false_hits(void)
{
    return run_false_hits(1);
}

double sdb_false_hits_of_many(void)
{
    return run_false_hits(MANY_THREADS);
}

double sdb_false_hits_unpinned(void)
{
    look_unpin();
    return run_false_hits(1);
}

double sdb_told_hits(void)
{
    static struct hot hot = {.event = SDB_EVENT_INIT};
    double begin;

    if (!hot.session)
        hold_hot(&hot, 1, NULL);
    begin = bench_now_us();
    for (size_t i = 0; i < look_stops; i++)
        to_next_hit(&hot);
    return per_second(look_stops, begin);
}

static double run_bare_hits(size_t threads)
{
    static pid_t standing;
    static pid_t pid;
    double begin;

    if (pid == 0) {
        pid = look_target_start_hot(threads).pid;
        raw_hold(pid);
        raw_plant(pid, (const void *)look_hot);
        standing = pid;
    }
    begin = bench_now_us();
    standing = raw_stop_at_hits(standing, (const void *)look_hot, look_hot_slot, look_stops,
                                threads > 1 ? -1 : pid);
    return per_second(look_stops, begin);
}

double bare_hits(void)
{
    return run_bare_hits(1);
}

double bare_hits_of_many(void)
{
    return run_bare_hits(MANY_THREADS);
}

/* ---- steps ---- */

double sdb_steps(void)
{
    static struct sdb_session *session;
    static struct sdb_thread *thread;
    struct sdb_event event = SDB_EVENT_INIT;
    double begin;

    if (!session) {
        const struct look_target target = look_target_start_hot(1);

        thread = sdb_process_thread(look_hold(&target, &session));
    }
    begin = bench_now_us();
    for (size_t i = 0; i < look_stops; i++) {
        look_check("a step", sdb_thread_resume(thread, SDB_RESUME_STEP, SDB_SIGNAL_PASS));
        look_check("a wait", sdb_session_wait(session, -1, &event));
        if (event.kind != SDB_EVENT_STEP)
            bench_die("%s instead of a step", sdb_event_name(event.kind));
    }
    return per_second(look_stops, begin);
}

double bare_steps(void)
{
    static pid_t pid;
    double begin;

    if (pid == 0) {
        pid = look_target_start_hot(1).pid;
        raw_hold(pid);
    }
    begin = bench_now_us();
    raw_step(pid, look_stops);
    return per_second(look_stops, begin);
}

/* ---- very many ---- */

static struct look_target many;

static struct sdb_process *held(void)
{
    static struct sdb_session *session;
    static struct sdb_process *process;

    if (!process) {
        many = look_target_start_hot(1);
        process = look_hold(&many, &session);
    }
    return process;
}

double sdb_plant_and_lift(void)
{
    static struct sdb_breakpoint *breakpoints[LOOK_MOST_PLACES];
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_process *process = held();
    const double begin = bench_now_us();

    for (size_t i = 0; i < look_places; i++) {
        options.address = many.large + i * APART;
        look_check("a breakpoint", sdb_breakpoint_create(process, &options, &breakpoints[i]));
    }
    for (size_t i = 0; i < look_places; i++)
        look_check("its end", sdb_breakpoint_remove(breakpoints[i]));
    return (bench_now_us() - begin) / (double)look_places;
}

static void write_everywhere(int fd, char byte)
{
    for (size_t i = 0; i < look_places; i++) {
        if (pwrite(fd, &byte, 1, (off_t)(many.large + i * APART)) != 1)
            bench_die("a byte was not written");
    }
}

double bare_plant_and_lift(void)
{
    static int fd = -1;
    char path[64];
    double begin;

    if (fd < 0) {
        (void)held();
        (void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)many.pid);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            bench_die("%s: %s", path, strerror(errno));
    }
    begin = bench_now_us();
    write_everywhere(fd, (char)0xcc);
    write_everywhere(fd, LOOK_FILL);
    return (bench_now_us() - begin) / (double)look_places;
}
