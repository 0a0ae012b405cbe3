/* SPDX-License-Identifier: MIT */
#include "scarce.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MOST_ERRORS 16

static unsigned count;
static unsigned struck_at;
static bool counting;
static enum scarcity how;
static int expected[MOST_ERRORS] = {-ENOMEM};
static unsigned failures;
static char failed_call[400];
static bool inside;

void scarce_begin(unsigned at, enum scarcity scarcity)
{
    __atomic_store_n(&count, 0, __ATOMIC_SEQ_CST);
    struck_at = at;
    how = scarcity;
    failures = 0;
    failed_call[0] = '\0';
    __atomic_store_n(&counting, true, __ATOMIC_SEQ_CST);
}

unsigned scarce_end(void)
{
    __atomic_store_n(&counting, false, __ATOMIC_SEQ_CST);
    return count;
}

bool scarce_strikes(void)
{
    unsigned number;

    if (!scarce_is_inside())
        return false;
    number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    return number == struck_at || (number > struck_at && how == SCARCE_FROM_NOW);
}

void scarce_enter(void)
{
    __atomic_store_n(&inside, true, __ATOMIC_SEQ_CST);
}

void scarce_leave(void)
{
    __atomic_store_n(&inside, false, __ATOMIC_SEQ_CST);
}

bool scarce_is_inside(void)
{
    return __atomic_load_n(&counting, __ATOMIC_SEQ_CST) &&
           __atomic_load_n(&inside, __ATOMIC_SEQ_CST);
}

void scarce_expect(const int *errors)
{
    size_t i = 0;

    do
        expected[i] = errors[i];
    while (errors[i] != 0 && ++i < MOST_ERRORS - 1);
    expected[i] = 0;
}

bool scarce_gave_up(void)
{
    return how == SCARCE_FROM_NOW && failures > 0;
}

const char *scarce_failed_call(void)
{
    return failed_call;
}

static bool is_expected(long rc)
{
    for (size_t i = 0; expected[i] != 0; i++) {
        if (rc == expected[i])
            return true;
    }
    return false;
}

bool scarce_again(const char *call, long rc)
{
    if (rc >= 0)
        return false;
    ck_assert_msg(is_expected(rc), "%s: %ld (%s), the %u. request of %u failed%s", call, rc,
                  strerror((int)-rc), struck_at, count,
                  how == SCARCE_FROM_NOW ? " and all after it" : "");
    if (failures++ == 0)
        (void)snprintf(failed_call, sizeof(failed_call), "%s: %ld", call, rc);
    if (how == SCARCE_FROM_NOW)
        return false;
    ck_assert_msg(failures < 4, "%s fails again: %ld, the %u. request failed", call, rc, struck_at);
    return true;
}
