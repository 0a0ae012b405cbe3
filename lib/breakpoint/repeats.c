/* SPDX-License-Identifier: MIT */
/*
 * What comes again: a thread that has hit a site is sent into a signal handler before it has executed the
 * instruction there, and will stand there once more when that returns.
 */
#include <string.h>

#include "breakpoint/breakpoint.h"

/* Stack pointers that are nearer to each other are of one stack, not of an alternate one. */
#define SAME_STACK 65536

static bool take_repeat(struct sdb_thread *thread, const struct sdb__site *site,
                        uint64_t stack_pointer)
{
    struct sdb__repeat *repeats = sdb__breakpoint_state(thread)->repeats;
    bool found = false;
    int left = 0;

    for (int i = 0; i < SDB__MOST_REPEATS && repeats[i].site; i++) {
        const struct sdb__repeat repeat = repeats[i];
        const uint64_t above = stack_pointer - repeat.stack_pointer;

        if (repeat.site == site && above == 0)
            found = true;
        else if (above == 0 ||
                 above >= SAME_STACK) /* else a handler has jumped out of that frame */
            repeats[left++] = repeat;
    }
    while (left < SDB__MOST_REPEATS)
        repeats[left++].site = NULL;
    return found;
}

void sdb__breakpoint_expect_again(struct sdb_thread *thread, struct sdb__site *site,
                                  uint64_t stack_pointer)
{
    struct sdb__repeat *repeats = sdb__breakpoint_state(thread)->repeats;
    int at = 0;

    /* One that comes again before it was executed is the same hit. */
    (void)take_repeat(thread, site, stack_pointer);
    while (at < SDB__MOST_REPEATS && repeats[at].site)
        at++;
    if (at == SDB__MOST_REPEATS) /* the oldest is the likeliest not to come any more */
        memmove(repeats, repeats + 1, (size_t)--at * sizeof(*repeats));
    repeats[at] = (struct sdb__repeat){.site = site, .stack_pointer = stack_pointer};
}

bool sdb__breakpoint_take_repetition(struct sdb_thread *thread, const struct sdb__site *site)
{
    struct user_regs_struct *registers;

    return sdb__breakpoint_state(thread)->repeats[0].site &&
           sdb__registers_general(thread, &registers) == 0 &&
           take_repeat(thread, site, registers->rsp);
}
