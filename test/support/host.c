/* SPDX-License-Identifier: MIT */
/*
 * The host's states.
 */
#include "host.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define SAVED_FROM  600 /* far above what a test opens */

static volatile sig_atomic_t storm_count;

int64_t host_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t host_now_ms(void)
{
    return host_now_us() / 1000;
}

void host_close_stdio(unsigned which, struct host_stdio *stdio)
{
    for (int fd = 0; fd < 3; fd++) {
        stdio->saved[fd] = -1;
        if (!(which & (1u << fd)))
            continue;
        stdio->saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, SAVED_FROM + fd);
        ck_assert_int_ge(stdio->saved[fd], 0);
        close(fd);
    }
}

void host_restore_stdio(const struct host_stdio *stdio)
{
    unsigned taken = 0;

    for (int fd = 0; fd < 3; fd++) {
        if (stdio->saved[fd] < 0)
            continue;
        if (fcntl(fd, F_GETFD) >= 0)
            taken |= 1u << fd;
        dup2(stdio->saved[fd], fd);
        close(stdio->saved[fd]);
    }
    ck_assert_msg(taken == 0, "closed standard descriptors were taken (bits %#x)", taken);
}

static void count_storm(int signal)
{
    (void)signal;
    storm_count++;
}

void host_storm_begin(struct host_storm *storm)
{
    const struct sigaction action = {.sa_handler = count_storm};
    const int interval_us = host_on_valgrind() ? 50000 : 1000;
    const struct itimerval timer = {{0, interval_us}, {0, interval_us}};

    storm_count = 0;
    sigaction(SIGALRM, &action, &storm->action);
    setitimer(ITIMER_REAL, &timer, &storm->timer);
}

unsigned host_storm_end(const struct host_storm *storm)
{
    const struct itimerval off = {0};

    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    setitimer(ITIMER_REAL, &off, NULL);
    /* A last one that is pending is dropped: Check's own handler would take it for a time-out. */
    sigaction(SIGALRM, &ignore, NULL);
    sigaction(SIGALRM, &storm->action, NULL);
    return (unsigned)storm_count;
}

char host_task_state(pid_t tid)
{
    char path[64];
    char line[512];
    const char *after_name;
    ssize_t len;
    int fd;

    /* /proc answers for threads too, though it does not list them. */
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    len = read(fd, line, sizeof(line) - 1);
    close(fd);
    line[len > 0 ? len : 0] = '\0';
    after_name = strrchr(line, ')');
    return after_name && strlen(after_name) > 2 ? after_name[2] : (char)0;
}

bool host_wait_asleep(pid_t tid)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (host_now_ms() < end) {
        char state = host_task_state(tid);

        if (state == 'S' || state == 'Z' || state == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return false;
}

void host_refuse_syscall(long number, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

bool host_on_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded && strstr(preloaded, "vgpreload");
}

bool host_kernel_is(int major, int minor)
{
    struct utsname system;
    int have_major = 0;
    int have_minor = 0;

    uname(&system);
    if (sscanf(system.release, "%d.%d", &have_major, &have_minor) != 2)
        return false;
    return have_major > major || (have_major == major && have_minor >= minor);
}

void *run_in_thread(void *(*function)(void *data), void *data)
{
    pthread_t thread;
    void *result = NULL;

    ck_assert_int_eq(pthread_create(&thread, NULL, function, data), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    return result;
}

void host_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
}
