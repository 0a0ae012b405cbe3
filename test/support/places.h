/* SPDX-License-Identifier: MIT */
/*
 * The places of test/tracees/places.c: instructions of every kind that treats its own address
 * differently, each in a function of its own.  Both the tests and the program include this file; the
 * board has the address of each, and how often it was executed.
 */
#ifndef SDB_TEST_PLACES_H
#define SDB_TEST_PLACES_H

#define PLACES(X)                                                                                  \
    X(push)                                                                                        \
    X(pop)                                                                                         \
    X(endbr)                                                                                       \
    X(nop)                                                                                         \
    X(jump_short)                                                                                  \
    X(jump)                                                                                        \
    X(branch)                                                                                      \
    X(branch_zero)                                                                                 \
    X(call)                                                                                        \
    X(call_register)                                                                               \
    X(call_memory)                                                                                 \
    X(call_relative)                                                                               \
    X(call_stack)                                                                                  \
    X(jump_register)                                                                               \
    X(jump_memory)                                                                                 \
    X(ret)                                                                                         \
    X(load)                                                                                        \
    X(store)                                                                                       \
    X(copy)                                                                                        \
    X(system)                                                                                      \
    X(push_flags)                                                                                  \
    X(pop_flags)                                                                                   \
    X(exchange)                                                                                    \
    X(vector)                                                                                      \
    X(own_thread)                                                                                  \
    X(far_return)                                                                                  \
    X(interrupt_return)                                                                            \
    X(outer)                                                                                       \
    X(inner)

enum place {
#define NAME(name) PLACE_##name,
    PLACES(NAME)
#undef NAME
        PLACE_COUNT,
    /* These are not among those that are gone through. */
    PLACE_trap = PLACE_COUNT, /* an int3 of the program's own */
    /* The system calls themselves. */
    PLACE_block,   /* read(2) of an empty pipe */
    PLACE_sleep,   /* nanosleep(2) */
    PLACE_restore, /* rt_sigreturn(2) of the timer's handler */
    PLACE_fork,
    PLACE_vfork,
    PLACE_exec,
    PLACE_exit,
    PLACE_thread, /* the C library's clone3(2), or 0 */
    PLACE_COUNT_OF_ALL,
};

#endif
