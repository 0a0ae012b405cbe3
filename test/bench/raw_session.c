/* SPDX-License-Identifier: MIT */
/*
 * Tracing by hand.  Nothing here is how it should be done: threads that are born meanwhile are
 * missed, what stops for another reason loses its signal, and nobody can wake a wait.
 */
#include "raw_session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MOST_THREADS 2000

/* What a session asks for as well. */
#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)

/* ---- the target ---- */

/* Die with the parent.  @return whether it is still there */
static bool hang_on_to(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == parent;
}

static void become_target(const char *what, size_t threads, int ready, pid_t parent)
{
    char count[32];

    (void)snprintf(count, sizeof(count), "%zu", threads);
    if (hang_on_to(parent) && dup2(ready, STDOUT_FILENO) >= 0)
        execl(SDB_BENCH_TARGET, SDB_BENCH_TARGET, what, count, (char *)NULL);
    _exit(127);
}

static void become_keeper(const char *what, size_t threads, int ready, int tell, pid_t parent)
{
    const pid_t keeper = getpid();
    pid_t pid;

    if (!hang_on_to(parent))
        _exit(127);
    pid = fork();
    if (pid == 0)
        become_target(what, threads, ready, keeper);
    if (write(tell, &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
        _exit(127);
    close(tell);
    close(ready);
    for (;;)
        pause();
}

pid_t raw_target_start(const char *what, size_t threads)
{
    const pid_t parent = getpid();
    int ready[2];
    int tell[2];
    char byte;
    pid_t keeper;
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(tell, O_CLOEXEC) < 0)
        bench_die("pipe: %s", strerror(errno));
    keeper = fork();
    if (keeper < 0)
        bench_die("fork: %s", strerror(errno));
    if (keeper == 0)
        become_keeper(what, threads, ready[1], tell[1], parent);
    close(ready[1]);
    close(tell[1]);
    if (read(tell[0], &pid, sizeof(pid)) != (ssize_t)sizeof(pid) || pid < 0 ||
        read(ready[0], &byte, 1) != 1)
        bench_die("%s does not start", SDB_BENCH_TARGET);
    close(ready[0]);
    close(tell[0]);
    return pid;
}

/* The threads of a process, the first one first.  @return how many */
static size_t list_threads(pid_t pid, pid_t *tids)
{
    char path[64];
    const struct dirent *entry;
    size_t count = 0;
    DIR *directory;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    directory = opendir(path);
    if (!directory)
        bench_die("%s: %s", path, strerror(errno));
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (count == MOST_THREADS)
            bench_die("too many threads");
        tids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    (void)closedir(directory);
    return count;
}

/* Not from its "stat": for that the kernel adds up the times of all threads. */
static bool is_asleep(pid_t tid)
{
    static const char wanted[] = "\nState:\tS";
    char path[64];
    char text[512];
    ssize_t count;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    count = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (count < 0)
        bench_die("%s: %s", path, strerror(errno));
    close(fd);
    text[count] = '\0';
    return strstr(text, wanted) != NULL;
}

void raw_target_settle(pid_t pid)
{
    pid_t tids[MOST_THREADS];
    const size_t count = list_threads(pid, tids);

    for (size_t i = 0; i < count; i++) {
        while (!is_asleep(tids[i]))
            (void)sched_yield();
    }
}

/* ---- tracing ---- */

static void request(enum __ptrace_request what, pid_t tid, long data)
{
    if (ptrace(what, tid, NULL, data) < 0)
        bench_die("ptrace request %#x of %d: %s", (unsigned)what, (int)tid, strerror(errno));
}

/* @param tid  the thread to wait for, or -1 for any */
static int wait_for_stop(pid_t tid)
{
    int status;

    if (wait4(tid, &status, __WALL, NULL) < 0 || !WIFSTOPPED(status))
        bench_die("a traced thread did not stop");
    return status;
}

static size_t seize(pid_t pid, pid_t *tids)
{
    const size_t count = list_threads(pid, tids);

    for (size_t i = 0; i < count; i++)
        request(PTRACE_SEIZE, tids[i], OPTIONS);
    return count;
}

void raw_hold(pid_t pid)
{
    pid_t tids[MOST_THREADS];

    (void)seize(pid, tids);
    request(PTRACE_INTERRUPT, pid, 0);
    (void)wait_for_stop(-1);
}

void raw_stop_at_calls(pid_t tid, size_t stops)
{
    while (stops-- > 0) {
        request(PTRACE_SYSCALL, tid, 0);
        (void)wait_for_stop(-1);
    }
}

void raw_stop_at_signals(pid_t tid, size_t stops)
{
    int status = 0;

    while (stops-- > 0) {
        request(PTRACE_CONT, tid, status ? WSTOPSIG(status) : 0);
        status = wait_for_stop(-1);
    }
}

void raw_step(pid_t tid, size_t steps)
{
    while (steps-- > 0) {
        request(PTRACE_SINGLESTEP, tid, 0);
        (void)wait_for_stop(tid);
    }
}

void raw_plant(pid_t pid, const void *address)
{
    long word;

    errno = 0;
    word = ptrace(PTRACE_PEEKTEXT, pid, address, NULL);
    if (errno != 0 || ptrace(PTRACE_POKETEXT, pid, address, (word & ~0xffL) | 0xcc) < 0)
        bench_die("a breakpoint in %d: %s", (int)pid, strerror(errno));
}

pid_t raw_stop_at_hits(pid_t tid, const void *address, const void *slot, size_t hits, pid_t only)
{
    const size_t pc = offsetof(struct user, regs.rip);
    const long standing = ptrace(PTRACE_PEEKUSER, tid, pc, NULL);
    bool hit = standing == (long)(intptr_t)address + 1;

    while (hits-- > 0) {
        int status;

        if (hit && ptrace(PTRACE_POKEUSER, tid, pc, slot) < 0)
            bench_die("the program counter of %d: %s", (int)tid, strerror(errno));
        request(PTRACE_CONT, tid, 0);
        tid = wait4(only, &status, __WALL, NULL);
        if (tid < 0 || status != W_STOPCODE(SIGTRAP))
            bench_die("a traced thread did not trap: %#x", (unsigned)status);
        hit = true;
    }
    return tid;
}

void raw_attach_and_detach(pid_t pid)
{
    pid_t tids[MOST_THREADS];
    const size_t count = seize(pid, tids);

    for (size_t i = 0; i < count; i++)
        request(PTRACE_INTERRUPT, tids[i], 0);
    for (size_t i = 0; i < count; i++)
        (void)wait_for_stop(tids[i]); /* for any, each would be a search among all of them */
    for (size_t i = 0; i < count; i++)
        request(PTRACE_DETACH, tids[i], 0);
}
