/* SPDX-License-Identifier: MIT */
/*
 * What test/tracees/watched.c has for tests to watch, and what it can be ordered to do with it.  Both
 * sides include this file.
 */
#ifndef SDB_TEST_WATCHED_H
#define SDB_TEST_WATCHED_H

#include <stdint.h>

struct watched {
    _Alignas(64) volatile uint64_t counter;
    volatile uint64_t other;
    volatile uint8_t bytes[64];
};

/* An order on its standard input; the answer on its standard output is a uint64_t. */
struct watched_order {
    uint64_t what; /* one of these letters */
    uint64_t number;
};

/*
 * The first thing that the program writes is the address of its struct watched.
 *
 *     w  add 1 to the counter, so many times       r  read it, so many times; the answer is its value
 *     s  write the value that it has               o  add 1 to `other`
 *     b  add 1 to bytes[number]                    q  write 16 bytes from bytes[number] on at once
 *     m  copy so many bytes onto `bytes` by one instruction (rep movsb)
 *     k  have the kernel write the counter: read(2)
 *     c  so many turns of a system call and adding 1 to the counter
 *     C  8 threads at once, each does that
 *     n  so many threads, one after the other, each adds 1
 *     t  8 threads at once, each adds 1 so many times
 *     f  fork, and v vfork: the child adds 1 and exits; the answer is the child's counter
 *     x  execute itself anew, with a new first thing written
 *     h  raise SIGUSR1, whose handler adds 1       i  send itself a SIGTRAP, whose handler counts it
 *     p  step itself over adding 1; the answer is how many SIGTRAPs that made
 *     a  have SIGTRAP handled, and blocked, with all others if the number is not 0, and add 1; the
 *        answer: bit 0, it was blocked still, bit 1, it is handled still
 *     u  unmap a page and map it again: write to it; the answer is its address (0 makes the page)
 *     z  sleep so many milliseconds; the answer is how many passed
 *     e  exit with this code
 */

#endif
