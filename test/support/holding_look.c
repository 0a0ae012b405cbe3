/* SPDX-License-Identifier: MIT */
/*
 * Looking at held tasks from outside: what the kernel says of them in /proc, and what they themselves
 * have written on the board.
 */
#include "holding.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"

#define STANDSTILL_NS 5000000

char state_of(int tid)
{
    return host_task_state(tid);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
}

void await_state(int tid, char state)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (state_of(tid) != state && host_now_ms() < end)
        nap();
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
        nap();
    ck_assert_int_eq(tasks_of(pid, NULL, 0), count);
}

void expect_turns(const struct board *board, int place, unsigned count)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    const uint64_t goal = board->turns[place] + count;

    while (board->turns[place] < goal && host_now_ms() < end)
        nap();
    ck_assert_msg(board->turns[place] >= goal, "the thread of place %d (%d) stands still in '%c'",
                  place, board->tids[place], state_of(board->tids[place]));
}

void expect_all_turn(const struct board *board, int first, int last, unsigned count)
{
    for (int place = first; place <= last; place++)
        expect_turns(board, place, count);
}

void expect_standstill(const struct board *board, int place)
{
    const uint64_t turns = board->turns[place];
    const char state = state_of(board->tids[place]);

    ck_assert_msg(state == 't', "the thread of place %d is in state '%c', not 't'", place, state);
    nanosleep(&(struct timespec){.tv_nsec = STANDSTILL_NS}, NULL);
    ck_assert_uint_eq(board->turns[place], turns);
}

int tid_at(const struct board *board, int place)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (board->tids[place] == 0 && host_now_ms() < end)
        nap();
    ck_assert_int_ne(board->tids[place], 0);
    return board->tids[place];
}

struct sdb_thread *crew_thread(const struct target *target, int place)
{
    return held(tid_at(target->board, place));
}

int await_child_of(const struct target *target)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (target->board->child == 0 && host_now_ms() < end)
        nap();
    ck_assert_int_ne(target->board->child, 0);
    return target->board->child;
}
