/* SPDX-License-Identifier: MIT */
/*
 * What is scarce: something that the library asks for fails, at its first time, at its second, and so
 * on; once, or from then on.  Who asks says what has come of a call, which shall fail for that reason and
 * no other, and be made again with success.
 */
#ifndef SDB_TEST_SCARCE_H
#define SDB_TEST_SCARCE_H

#include <stdbool.h>
#include <stddef.h>

enum scarcity {
    SCARCE_ONCE,     /* only once */
    SCARCE_FROM_NOW, /* and each time after that */
};

/** From now on the @p at th request fails, 1 being the first. */
void scarce_begin(unsigned at, enum scarcity scarcity);

/** @return how many there were */
unsigned scarce_end(void);

/** @return whether this request fails; any thread */
bool scarce_strikes(void);

/** The library is called, or has returned: only what it asks for itself is scarce. */
void scarce_enter(void);
void scarce_leave(void);

/** @return whether it is at work, and something is scarce */
bool scarce_is_inside(void);

/** Which errors may come of it, 0 last. */
void scarce_expect(const int *errors);

/** @return whether a call has failed, and the errand is given up: all that is left is to clean up */
bool scarce_gave_up(void);

/** Note what a call has returned.  @return whether it is to be made again */
bool scarce_again(const char *call, long rc);

/** @return the call that failed, "" if none did */
const char *scarce_failed_call(void);

/** Call the library. */
#define ASK(rc, call)                                                                              \
    do {                                                                                           \
        scarce_enter();                                                                            \
        (rc) = (call);                                                                             \
        scarce_leave();                                                                            \
    } while (0)

/** The same, and once more where that shall help. */
#define TRY(rc, call)                                                                              \
    do                                                                                             \
        ASK(rc, call);                                                                             \
    while (scarce_again(#call, (rc)))

#endif
