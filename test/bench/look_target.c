/* SPDX-License-Identifier: MIT */
/*
 * What is looked into.
 */
#include "look_target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "look_measures.h"

size_t look_large = (size_t)64 << 20;
size_t look_small = 1000; /* a round is soon over, so that most are not interrupted */
size_t look_stops = 2000;

static void be_target(uint8_t *large, int ready, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    memset(large, 'l', look_large);
    if (write(ready, "r", 1) != 1)
        _exit(1);
    close(ready);
    for (;;)
        syscall(SYS_getppid);
}

struct look_target look_target_start(void)
{
    const pid_t parent = getpid();
    struct look_target target;
    uint8_t *large =
        mmap(NULL, look_large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int ready[2];
    char byte;

    if (large == MAP_FAILED || pipe2(ready, O_CLOEXEC) < 0)
        bench_die("a target: %s", strerror(errno));
    /* Whether there are huge pages is chance, and would decide who is faster. */
    (void)madvise(large, look_large, MADV_NOHUGEPAGE);
    target.pid = fork();
    if (target.pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (target.pid == 0)
        be_target(large, ready[1], parent);
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        bench_die("the target does not start");
    close(ready[0]);
    target.large = (uint64_t)(uintptr_t)large;
    munmap(large, look_large); /* the target has its own */
    return target;
}

void look_check(const char *what, int64_t rc)
{
    if (rc < 0)
        bench_die("%s: %s", what, sdb_error_describe((int)rc));
}

struct sdb_process *look_hold(const struct look_target *target, struct sdb_session **session)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct sdb_process *process = NULL;

    look_check("a session", sdb_session_create(&options, session));
    look_check("attach", sdb_session_attach(*session, target->pid, &process, NULL));
    return process;
}
