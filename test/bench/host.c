/* SPDX-License-Identifier: MIT */
/*
 * Hosts to launch from.  A host is forked from the benchmark, so the addresses of its functions are
 * the same, and a command can name the measures by them.
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define COMMAND_FD 3
#define RESULT_FD  4
#define FIRST_FREE 5
#define PAGE       4096

struct command {
    bench_measure *measures[BENCH_MOST_MEASURES];
    size_t count;
    size_t rounds;
};

static void write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t written = write(fd, at, size);

        if (written < 0)
            bench_die("write: %s", strerror(errno));
        at += written;
        size -= (size_t)written;
    }
}

static void read_all(int fd, void *bytes, size_t size)
{
    char *at = bytes;

    while (size > 0) {
        ssize_t count = read(fd, at, size);

        if (count <= 0)
            bench_die("a host has ended before its time");
        at += count;
        size -= (size_t)count;
    }
}

static void touch_memory(size_t size)
{
    char *memory;

    if (size == 0)
        return;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        bench_die("mmap: %s", strerror(errno));
    /* With huge pages a fork copies 1/512 of the page tables, and would look good. */
    (void)madvise(memory, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += PAGE)
        memory[i] = 1;
}

/* Exactly so many, whatever this process had inherited. */
static void open_descriptors(size_t count)
{
    if (close_range(FIRST_FREE, ~0u, 0) < 0)
        bench_die("close_range: %s", strerror(errno));
    for (size_t i = FIRST_FREE; i < count; i++) {
        if (fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_FREE) < 0)
            bench_die("only %zu of %zu descriptors: %s", i, count, strerror(errno));
    }
}

static void serve(void)
{
    struct command command;

    for (;;) {
        double *results;

        if (read(COMMAND_FD, &command, sizeof(command)) != (ssize_t)sizeof(command))
            _exit(0);
        results = calloc(command.count * command.rounds, sizeof(*results));
        if (!results)
            bench_die("no memory");
        for (size_t round = 0; round < command.rounds; round++) {
            for (size_t i = 0; i < command.count; i++)
                results[i * command.rounds + round] = command.measures[i]();
        }
        write_all(RESULT_FD, results, command.count * command.rounds * sizeof(*results));
        free(results);
    }
}

static void take_descriptor(int fd, int place)
{
    if (fd == place ? fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 : dup3(fd, place, O_CLOEXEC) < 0)
        bench_die("dup3: %s", strerror(errno));
}

static void become_host(int commands, int results, size_t memory, size_t descriptors, int cpu)
{
    cpu_set_t set;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Both out of the way of both places first. */
    commands = fcntl(commands, F_DUPFD, FIRST_FREE);
    results = fcntl(results, F_DUPFD, FIRST_FREE);
    take_descriptor(commands, COMMAND_FD);
    take_descriptor(results, RESULT_FD);
    if (cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
            bench_die("CPU %d: %s", cpu, strerror(errno));
    }
    open_descriptors(descriptors);
    touch_memory(memory);
    serve();
}

struct bench_host bench_host_start(size_t memory, size_t descriptors, int cpu)
{
    struct bench_host host;
    int commands[2];
    int results[2];

    if (pipe2(commands, O_CLOEXEC) < 0 || pipe2(results, O_CLOEXEC) < 0)
        bench_die("pipe: %s", strerror(errno));
    host.pid = fork();
    if (host.pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (host.pid == 0)
        become_host(commands[0], results[1], memory, descriptors, cpu);
    close(commands[0]);
    close(results[1]);
    host.to = commands[1];
    host.from = results[0];
    return host;
}

void bench_host_run(const struct bench_host *host, bench_measure *const *measures, size_t count,
                    size_t rounds, double *results)
{
    struct command command = {.count = count, .rounds = rounds};

    memcpy(command.measures, measures, count * sizeof(*measures));
    write_all(host->to, &command, sizeof(command));
    read_all(host->from, results, count * rounds * sizeof(*results));
}

void bench_host_stop(struct bench_host *host)
{
    close(host->to);
    close(host->from);
    while (waitpid(host->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
