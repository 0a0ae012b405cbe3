/* SPDX-License-Identifier: MIT */
/*
 * Deadlines: a time-out turned into a point of time once, so that a wait which a signal interrupts
 * goes on with what is left of it.
 */
#ifndef SDB_LIB_BASE_DEADLINE_H
#define SDB_LIB_BASE_DEADLINE_H

#include <stdbool.h>
#include <time.h>

struct sdb__deadline {
    bool never;
    struct timespec at; /* CLOCK_MONOTONIC */
};

/** @param timeout_ms  milliseconds from now */
struct sdb__deadline sdb__deadline_from_now(unsigned timeout_ms);

/** @param timeout_ms  milliseconds from now; negative: never */
static inline struct sdb__deadline sdb__deadline_in(int timeout_ms)
{
    return timeout_ms < 0 ? (struct sdb__deadline){.never = true}
                          : sdb__deadline_from_now((unsigned)timeout_ms);
}

/**
 * What is left until the deadline.
 *
 * @param left  gets the time, 0 if it has passed
 * @return @p left, or NULL if the deadline is never: what ppoll(2) and futex(2) take
 */
const struct timespec *sdb__deadline_left(const struct sdb__deadline *deadline,
                                          struct timespec *left);

/** @return what is left in milliseconds, rounded up; -1 if the deadline is never */
int sdb__deadline_left_ms(const struct sdb__deadline *deadline);

/** @return whether a deadline that is not never has passed */
bool sdb__deadline_is_over(const struct sdb__deadline *deadline);

static inline bool sdb__deadline_passed(const struct sdb__deadline *deadline)
{
    return !deadline->never && sdb__deadline_is_over(deadline);
}

/** @return whichever of the two comes first */
struct sdb__deadline sdb__deadline_earlier(struct sdb__deadline a, struct sdb__deadline b);

#endif
