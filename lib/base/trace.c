/* SPDX-License-Identifier: MIT */
/*
 * The library's own trace: who gets the lines, and what is put before them.
 */
#include "base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"

#define LINE_SIZE 512

bool sdb__trace_on;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sdb_trace_writer *writer_now;
static void *writer_data;
static struct timespec begun;

static void write_to_fd(const char *line, void *data)
{
    char text[LINE_SIZE + 1];
    int len = snprintf(text, sizeof(text), "%s\n", line);

    (void)!write((int)(intptr_t)data, text, (size_t)len);
}

/* The lock is held. */
static void set_writer(sdb_trace_writer *writer, void *data)
{
    writer_now = writer;
    writer_data = data;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    __atomic_store_n(&sdb__trace_on, writer != NULL, __ATOMIC_RELAXED);
}

void sdb_trace(sdb_trace_writer *writer, void *data)
{
    pthread_mutex_lock(&lock);
    set_writer(writer, data);
    pthread_mutex_unlock(&lock);
}

/* A number is a descriptor, anything else a file.  @return the descriptor, or a negative number */
static int open_target(const char *target)
{
    char *end;
    long number = strtol(target, &end, 10);
    int fd;

    if (*end == '\0')
        return number >= 0 && number < 1 << 20 ? (int)number : -1;
    fd = open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : sdb__fd_above_stdio(fd);
}

static void look_at_environment(void)
{
    const char *target = secure_getenv("SDB_TRACE");
    int fd = target && *target ? open_target(target) : -1;

    if (fd < 0)
        return;
    pthread_mutex_lock(&lock);
    if (!writer_now)
        set_writer(write_to_fd, (void *)(intptr_t)fd);
    pthread_mutex_unlock(&lock);
}

void sdb__trace_from_environment(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, look_at_environment);
}

void sdb__trace(const char *format, ...)
{
    int saved_errno = errno;
    char line[LINE_SIZE];
    struct timespec now;
    va_list arguments;
    int64_t us;
    int len;

    pthread_mutex_lock(&lock);
    if (writer_now) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        us = (int64_t)(now.tv_sec - begun.tv_sec) * 1000000 + (now.tv_nsec - begun.tv_nsec) / 1000;
        len = snprintf(line, sizeof(line), "%lld.%03d %d: ", (long long)(us / 1000),
                       (int)(us % 1000), (int)syscall(SYS_gettid));
        va_start(arguments, format);
        (void)vsnprintf(line + len, sizeof(line) - (size_t)len, format, arguments);
        va_end(arguments);
        writer_now(line, writer_data);
    }
    pthread_mutex_unlock(&lock);
    errno = saved_errno;
}
