/* SPDX-License-Identifier: MIT */
/*
 * What is looked into.
 *
 * The hot function is as short as one can be, with a first instruction that computes something.
 */
#include "look_target.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "look_measures.h"

#define STACK_SIZE 16384

size_t look_large = (size_t)64 << 20;
size_t look_small = 1000; /* a round is soon over, so that most are not interrupted */
size_t look_stops = 2000;
size_t look_places = LOOK_MOST_PLACES;

__asm__(".text\n"
        ".globl look_hot, look_hot_slot\n"
        ".type look_hot, @function\n"
        "look_hot: lea 1(%rdi), %eax\n"
        "0: ret\n"
        ".size look_hot, . - look_hot\n"
        "look_hot_slot: lea 1(%rdi), %eax\n"
        "jmp 0b\n");

static void *call_hot(void *unused)
{
    (void)unused;
    for (int number = 0;;)
        number = look_hot(number);
    return NULL;
}

static void call_system(void)
{
    for (;;)
        syscall(SYS_getppid);
}

static void be_target(uint8_t *large, int ready, pid_t parent, size_t hot_threads)
{
    pthread_attr_t attributes;
    pthread_t thread;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    memset(large, LOOK_FILL, look_large);
    if (hot_threads > 0 && mprotect(large, look_large, PROT_READ | PROT_EXEC) < 0)
        _exit(1);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    for (size_t i = 1; i < hot_threads; i++) {
        if (pthread_create(&thread, &attributes, call_hot, NULL) != 0)
            _exit(1);
    }
    if (write(ready, "r", 1) != 1)
        _exit(1);
    close(ready);
    if (hot_threads > 0)
        (void)call_hot(NULL);
    call_system();
}

static struct look_target start(size_t hot_threads)
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
        be_target(large, ready[1], parent, hot_threads);
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        bench_die("the target does not start");
    close(ready[0]);
    target.large = (uint64_t)(uintptr_t)large;
    munmap(large, look_large); /* the target has its own */
    return target;
}

struct look_target look_target_start(void)
{
    return start(0);
}

struct look_target look_target_start_hot(size_t threads)
{
    return start(threads);
}

void look_unpin(void)
{
    cpu_set_t set;

    memset(&set, 0xff, sizeof(set));
    (void)sched_setaffinity(0, sizeof(set), &set);
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
