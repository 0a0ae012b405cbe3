/* SPDX-License-Identifier: MIT */
#include "looking.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holding.h"
#include "host.h"

char state_of(int tid)
{
    return host_task_state(tid);
}

void await_state(int tid, char state)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (state_of(tid) != state && host_now_ms() < end)
        host_nap();
    ck_assert_msg(state_of(tid) == state, "%d is in state '%c', not '%c'", tid, state_of(tid),
                  state);
}

/* Open a file of a task in /proc.  @return it, or NULL if there is no such task */
static FILE *open_of(int tid, const char *name)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
    return fopen(path, "re");
}

long long status_of(int tid, const char *name, int base)
{
    const size_t len = strlen(name);
    long long value = -1;
    char line[256];
    FILE *file = open_of(tid, "status");

    if (!file)
        return -1;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            value = (long long)strtoull(line + len + 1, NULL, base);
            break;
        }
    }
    (void)fclose(file);
    return value;
}

long syscall_of(int tid)
{
    long number = -1;
    FILE *file = open_of(tid, "syscall");

    if (!file)
        return -1;
    if (fscanf(file, "%ld", &number) != 1)
        number = -1;
    (void)fclose(file);
    return number;
}

int tasks_of(int pid, int *tids, int room)
{
    const struct dirent *entry;
    char path[64];
    int count = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
    dir = opendir(path);
    if (!dir)
        return -1;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        if (count < room)
            tids[count] = atoi(entry->d_name);
        count++;
    }
    closedir(dir);
    return count;
}

void await_tasks(int pid, int count)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (tasks_of(pid, NULL, 0) != count && host_now_ms() < end)
        host_nap();
    ck_assert_int_eq(tasks_of(pid, NULL, 0), count);
}
