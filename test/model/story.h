/* SPDX-License-Identifier: MIT */
/*
 * What has been done: the last actions and events, the library's own trace, and what is said when
 * something is not as it must be, or does not go on.
 */
#ifndef SDB_TEST_MODEL_STORY_H
#define SDB_TEST_MODEL_STORY_H

#include <stdint.h>
#include <sys/types.h>

struct ledger;

/** Begin the story of a program: from now on its ledger is shown in failures. */
void story_begin(unsigned seed, const struct ledger *ledger);

/** Its watchdog goes, and the trace ends. */
void story_end(void);

/** Note a line.  Something is going on: the watchdog waits again. */
void story_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The same where nothing has come of it yet: the watchdog goes on waiting. */
void story_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Fail the test: say what is wrong, with the seed, the last lines and the state of all threads. */
void story_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** Processes whose threads shall be shown then. */
void story_knows(pid_t pid);

#define EXPECT(holds, ...)                                                                         \
    do {                                                                                           \
        if (!(holds))                                                                              \
            story_fail(__VA_ARGS__);                                                               \
    } while (0)

#endif
