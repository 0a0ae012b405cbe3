/* SPDX-License-Identifier: MIT */
/*
 * Deadlines on the monotonic clock.  Everything here is async-signal-safe.
 */
#include "base/deadline.h"

#define NANOSECONDS_PER_SECOND 1000000000L

struct sdb__deadline sdb__deadline_from_now(unsigned timeout_ms)
{
    struct sdb__deadline deadline = {.never = false};

    clock_gettime(CLOCK_MONOTONIC, &deadline.at);
    deadline.at.tv_sec += timeout_ms / 1000;
    deadline.at.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (deadline.at.tv_nsec >= NANOSECONDS_PER_SECOND) {
        deadline.at.tv_sec++;
        deadline.at.tv_nsec -= NANOSECONDS_PER_SECOND;
    }
    return deadline;
}

const struct timespec *sdb__deadline_left(const struct sdb__deadline *deadline,
                                          struct timespec *left)
{
    struct timespec now;

    if (deadline->never)
        return NULL;

    clock_gettime(CLOCK_MONOTONIC, &now);
    left->tv_sec = deadline->at.tv_sec - now.tv_sec;
    left->tv_nsec = deadline->at.tv_nsec - now.tv_nsec;
    if (left->tv_nsec < 0) {
        left->tv_sec--;
        left->tv_nsec += NANOSECONDS_PER_SECOND;
    }
    if (left->tv_sec < 0)
        *left = (struct timespec){0};
    return left;
}

int sdb__deadline_left_ms(const struct sdb__deadline *deadline)
{
    struct timespec left;

    if (!sdb__deadline_left(deadline, &left))
        return -1;
    return (int)(left.tv_sec * 1000 + (left.tv_nsec + 999999) / 1000000);
}

bool sdb__deadline_is_over(const struct sdb__deadline *deadline)
{
    struct timespec left = {0};

    (void)sdb__deadline_left(deadline, &left);
    return left.tv_sec == 0 && left.tv_nsec == 0;
}

struct sdb__deadline sdb__deadline_earlier(struct sdb__deadline a, struct sdb__deadline b)
{
    if (a.never)
        return b;
    if (b.never)
        return a;
    if (a.at.tv_sec != b.at.tv_sec)
        return a.at.tv_sec < b.at.tv_sec ? a : b;
    return a.at.tv_nsec < b.at.tv_nsec ? a : b;
}
