/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <check.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define STANDSTILL_NS 5000000

void order(const struct target *target, int place, char what)
{
    const char bytes[2] = {(char)place, what};

    ck_assert_int_eq(write(target->input, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
}

void set_gate(struct board *board, bool open)
{
    board->gate = open;
    syscall(SYS_futex, &board->gate, FUTEX_WAKE, BOARD_PLACES, NULL, NULL, 0);
}

struct target launch_crew(int others)
{
    struct target target;
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", others);
    target = launch_threads("crew", number, NULL);
    resume_process(target.process);
    run_until_ready(&target, others);
    return target;
}

struct target launch_turning_crew(int others)
{
    struct target target = launch_crew(others);

    for (int i = 1; i <= others; i++) {
        order(&target, i, 't');
        expect_turns(target.board, i, 1);
    }
    return target;
}

struct target crew_that_follows(int others, uint32_t follow)
{
    struct target target = launch_crew(others);

    pass_silently(SIGCHLD);
    stop_process(target.process);
    set_follow(target.process, follow);
    resume_process(target.process);
    return target;
}

int await_child_of(const struct target *target)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;

    while (target->board->child == 0 && host_now_ms() < end)
        host_nap();
    ck_assert_int_ne(target->board->child, 0);
    return target->board->child;
}

void expect_result(const struct target *target, int result)
{
    wait_ready_held(target);
    ck_assert_int_eq(target->board->result, result);
}

struct sdb_thread *crew_thread(const struct target *target, int place)
{
    return held(tid_at(target->board, place));
}

void expect_turns(const struct board *board, int place, unsigned count)
{
    const int64_t end = host_now_ms() + PATIENCE_MS;
    const uint64_t goal = board->turns[place] + count;

    while (board->turns[place] < goal && host_now_ms() < end)
        host_nap();
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
        host_nap();
    ck_assert_int_ne(board->tids[place], 0);
    return board->tids[place];
}
