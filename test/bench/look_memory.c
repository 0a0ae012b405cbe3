/* SPDX-License-Identifier: MIT */
/*
 * Reading memory.
 */
#include "look_measures.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "host.h"
#include "look_target.h"

/* Small reads go over this much, so that they are not all of one place. */
#define SPREAD 4096

static struct look_target target;

static struct sdb_process *held(void)
{
    static struct sdb_session *session;
    static struct sdb_process *process;

    if (!process) {
        target = look_target_start();
        process = look_hold(&target, &session);
    }
    return process;
}

/* Bare: what any program that reads memory has to have. */
static int opened(void)
{
    static int fd = -1;
    char path[64];

    if (fd >= 0)
        return fd;
    (void)held(); /* stopped, as the other one is */
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)target.pid);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        bench_die("%s: %s", path, strerror(errno));
    return fd;
}

static uint8_t *room(void)
{
    static uint8_t *bytes;

    if (!bytes) {
        bytes = mmap(NULL, look_large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (bytes == MAP_FAILED)
            bench_die("no memory");
        (void)madvise(bytes, look_large, MADV_NOHUGEPAGE); /* as in the target */
        memset(bytes, 1, look_large);
    }
    return bytes;
}

/* A large copy takes longer than a busy machine lets anybody run on, so its own time is what counts. */
static double own_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double sdb_read_large(void)
{
    struct sdb_process *process = held();
    uint8_t *bytes = room();
    const double begin = own_ms();

    if (sdb_memory_read(process, target.large, bytes, look_large) != (int64_t)look_large)
        bench_die("it was not read whole");
    return own_ms() - begin;
}

double bare_read_large(void)
{
    const int fd = opened();
    uint8_t *bytes = room();
    const double begin = own_ms();

    if (pread(fd, bytes, look_large, (off_t)target.large) != (ssize_t)look_large)
        bench_die("it was not read whole");
    return own_ms() - begin;
}

double sdb_read_small(void)
{
    struct sdb_process *process = held();
    uint64_t word;
    const double begin = bench_now_us();

    for (size_t i = 0; i < look_small; i++) {
        if (sdb_memory_read(process, target.large + i * 8 % SPREAD, &word, sizeof(word)) != 8)
            bench_die("a word was not read");
    }
    return (bench_now_us() - begin) / (double)look_small;
}

double bare_read_small(void)
{
    const int fd = opened();
    uint64_t word;
    const double begin = bench_now_us();

    for (size_t i = 0; i < look_small; i++) {
        if (pread(fd, &word, sizeof(word), (off_t)(target.large + i * 8 % SPREAD)) != 8)
            bench_die("a word was not read");
    }
    return (bench_now_us() - begin) / (double)look_small;
}

/* ---- by another thread, which the system call itself makes dearer ---- */

static void *call(void *measure)
{
    static double us;

    us = (*(bench_measure **)measure)();
    return &us;
}

static double elsewhere(bench_measure *measure)
{
    pthread_t thread;
    void *us;

    (void)opened();
    if (pthread_create(&thread, NULL, call, &measure) != 0 || pthread_join(thread, &us) != 0)
        bench_die("no thread");
    return *(double *)us;
}

double sdb_read_small_elsewhere(void)
{
    return elsewhere(sdb_read_small);
}

double bare_read_small_elsewhere(void)
{
    return elsewhere(bare_read_small);
}
