/* SPDX-License-Identifier: MIT */
/*
 * What is measured about launches.
 */
#include "measures.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sdb/sdb.h>

#include "bench.h"
#include "raw_launch.h"

uint64_t crowd_ms = 100;

/* ---- by libsdb ---- */

static struct sdb_child *launch(uint64_t flags)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_child *child;
    char text[256];

    options.argv = raw_argv;
    options.flags = flags;
    if (sdb_launch(&options, &child, &error) < 0) {
        (void)sdb_error_format(&error, text, sizeof(text));
        bench_die("%s", text);
    }
    return child;
}

static void finish(struct sdb_child *child)
{
    if (sdb_child_wait(child, -1, NULL) < 0)
        bench_die("a launched child cannot be waited for");
    sdb_child_close(child);
}

static double time_launch(uint64_t flags)
{
    double begin = bench_now_us();
    struct sdb_child *child = launch(flags);
    double end = bench_now_us();

    finish(child);
    return end - begin;
}

double sdb_default(void)
{
    return time_launch(0);
}

double sdb_reset(void)
{
    return time_launch(SDB_LAUNCH_RESET_IGNORED);
}

double sdb_portable(void)
{
    return time_launch(SDB_LAUNCH_PORTABLE);
}

static struct sdb_session *session_of_this_host(void)
{
    static struct sdb_session *session;

    if (!session && sdb_session_create(NULL, &session) < 0)
        bench_die("no session");
    return session;
}

double sdb_traced(void)
{
    struct sdb_session *session = session_of_this_host();
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_process *process;
    double begin;
    double end;
    int rc;

    options.argv = raw_argv;
    begin = bench_now_us();
    rc = sdb_session_launch(session, &options, &process, NULL);
    if (rc == 0)
        rc = sdb_process_resume(process, SDB_RESUME_CONTINUE);
    end = bench_now_us();
    if (rc == 0)
        rc = sdb_session_wait(session, -1, &event);
    if (rc < 0 || event.kind != SDB_EVENT_EXITED)
        bench_die("a traced launch: %s", sdb_error_describe(rc));
    return end - begin;
}

/* ---- by hand ---- */

static double time_raw(pid_t (*raw)(void))
{
    double begin = bench_now_us();
    pid_t pid = raw();
    double end = bench_now_us();

    raw_reap(pid);
    return end - begin;
}

double bare_vfork(void)
{
    return time_raw(raw_vfork);
}

double bare_fork(void)
{
    return time_raw(raw_fork);
}

double bare_spawn(void)
{
    return time_raw(raw_spawn);
}

static double time_raw_traced(pid_t (*raw)(void))
{
    double begin = bench_now_us();
    pid_t pid = raw();
    double end;

    raw_resume(pid);
    end = bench_now_us();
    raw_reap(pid);
    return end - begin;
}

double bare_seize(void)
{
    return time_raw_traced(raw_seize);
}

double bare_traceme(void)
{
    return time_raw_traced(raw_traceme);
}

/* ---- from many threads ---- */

struct crowd {
    void (*launch_one)(void);
    pthread_barrier_t ready;
    atomic_bool over;
    atomic_uint launches;
};

static void *launch_until_over(void *argument)
{
    struct crowd *crowd = argument;

    (void)pthread_barrier_wait(&crowd->ready);
    while (!atomic_load(&crowd->over)) {
        crowd->launch_one();
        atomic_fetch_add(&crowd->launches, 1);
    }
    return NULL;
}

static double launches_a_second(void (*launch_one)(void))
{
    const struct timespec duration = {.tv_nsec = (long)crowd_ms * 1000000};
    struct crowd crowd = {.launch_one = launch_one};
    pthread_t threads[CROWD_THREADS];
    double begin;

    (void)pthread_barrier_init(&crowd.ready, NULL, CROWD_THREADS + 1);
    for (size_t i = 0; i < CROWD_THREADS; i++) {
        if (pthread_create(&threads[i], NULL, launch_until_over, &crowd) != 0)
            bench_die("no thread");
    }
    (void)pthread_barrier_wait(&crowd.ready);
    begin = bench_now_us();
    (void)nanosleep(&duration, NULL);
    atomic_store(&crowd.over, true);
    for (size_t i = 0; i < CROWD_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_barrier_destroy(&crowd.ready);
    return atomic_load(&crowd.launches) / (bench_now_us() - begin) * 1e6;
}

static void launch_and_finish(void)
{
    finish(launch(0));
}

static void vfork_and_reap(void)
{
    raw_reap(raw_vfork());
}

double sdb_crowd(void)
{
    return launches_a_second(launch_and_finish);
}

double bare_crowd(void)
{
    return launches_a_second(vfork_and_reap);
}

/* ---- memory ---- */

/*
 * A launch whose child hangs before its exec, so that what it takes can be counted: the child opens
 * two FIFOs.  When somebody can open one for writing, the child has come as far as to open it, and
 * then hangs at the other.
 */
struct hung_launch {
    char directory[64];
    char fifos[2][96];
    struct sdb_child *child;
};

static void *launch_and_hang(void *argument)
{
    struct hung_launch *hung = argument;
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    const struct sdb_fd fds[] = {
        {.target = 3, .kind = SDB_FD_PATH, .open_flags = O_RDONLY, .path = hung->fifos[0]},
        {.target = 4, .kind = SDB_FD_PATH, .open_flags = O_RDONLY, .path = hung->fifos[1]},
    };

    options.argv = raw_argv;
    options.fds = fds;
    options.fd_count = 2;
    if (sdb_launch(&options, &hung->child, NULL) < 0)
        bench_die("a launch with FIFOs");
    finish(hung->child);
    return NULL;
}

/* Memory that this process has mapped or allocated, in KiB. */
static double memory_in_use(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    long pages;

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        bench_die("/proc/self/statm: %s", strerror(errno));
    close(fd);
    pages = strtol(text, NULL, 10);
    return ((double)pages * (double)sysconf(_SC_PAGESIZE) + (double)mallinfo2().uordblks) / 1024;
}

/* Let the child come to the other FIFO.  @return which one that is */
static int pass_one_fifo(const struct hung_launch *hung)
{
    for (int i = 0;; i = !i) {
        int fd = open(hung->fifos[i], O_WRONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd >= 0) {
            close(fd);
            return !i;
        }
        (void)sched_yield();
    }
}

/* A stack for the thread that is ours, so that its mapping is not counted. */
static void start_thread(pthread_t *thread, struct hung_launch *hung)
{
    static char stack[256 * 1024] __attribute__((aligned(4096)));
    pthread_attr_t attributes;

    (void)pthread_attr_init(&attributes);
    if (pthread_attr_setstack(&attributes, stack, sizeof(stack)) != 0 ||
        pthread_create(thread, &attributes, launch_and_hang, hung) != 0)
        bench_die("no thread");
    (void)pthread_attr_destroy(&attributes);
}

/* The memory in use while a launch is under way, in KiB. */
static double memory_while_launching(void)
{
    struct hung_launch hung = {.directory = "/tmp/sdb-bench-XXXXXX"};
    pthread_t thread;
    double used;
    int other;
    int fd;

    if (!mkdtemp(hung.directory))
        bench_die("%s: %s", hung.directory, strerror(errno));
    for (int i = 0; i < 2; i++) {
        (void)snprintf(hung.fifos[i], sizeof(hung.fifos[i]), "%s/%d", hung.directory, i);
        if (mkfifo(hung.fifos[i], 0600) < 0)
            bench_die("%s: %s", hung.fifos[i], strerror(errno));
    }

    start_thread(&thread, &hung);
    other = pass_one_fifo(&hung);
    used = memory_in_use();
    fd = open(hung.fifos[other], O_WRONLY | O_CLOEXEC);
    (void)pthread_join(thread, NULL);

    close(fd);
    for (int i = 0; i < 2; i++)
        unlink(hung.fifos[i]);
    rmdir(hung.directory);
    return used;
}

double memory_of_launch(void)
{
    double before;

    (void)mallopt(M_ARENA_MAX, 1);
    before = memory_in_use();
    return memory_while_launching() - before;
}

/* What one more launch leaves. */
static double memory_left(bool trim)
{
    double before;

    /* Until the allocator's caches are full, memory that was freed counts as used. */
    for (int i = 0; i < 10; i++)
        (void)memory_while_launching();
    sdb_launch_trim();
    before = memory_in_use();
    (void)memory_while_launching();
    if (trim)
        sdb_launch_trim();
    return memory_in_use() - before;
}

double memory_kept(void)
{
    return memory_left(false);
}

double memory_kept_after_trim(void)
{
    return memory_left(true);
}
