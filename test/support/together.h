/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints, a watchpoint and caught calls at once in test/tracees/places.c; what is told of them
 * is looked at, whatever else a test does meanwhile: in its order, at the program's own places, as
 * often as the program has counted.
 */
#ifndef SDB_TEST_TOGETHER_H
#define SDB_TEST_TOGETHER_H

#include <stdbool.h>
#include <stdint.h>

#include <sdb/sdb.h>

#include "breaking.h"

#define FEW         8 /* threads */
#define MOST_RANGES 64
#define MOST_KINDS  32
#define NO_PLACE    PLACE_COUNT_OF_ALL
#define STORED      UINT32_C(0x1234567) /* what the place `store` writes, and what was there */

/* How far one thread is. */
struct stage {
    int64_t call;          /* that it is in, or -1 */
    enum place call_place; /* whose instruction makes that */
    enum place hit;        /* at which its last event was a hit, else NO_PLACE */
};

struct together {
    struct target target;
    struct traces before; /* what it had when nothing was planted */
    struct {
        uint64_t start;
        uint64_t end;
    } text[MOST_RANGES]; /* its own code */
    int text_count;
    struct sdb_breakpoint *breakpoint; /* at all places */
    struct sdb_watchpoint *watchpoint; /* on what the place `store` writes */
    uint64_t cell;
    struct tally tally;
    uint64_t writes;
    struct {
        uint64_t entries;
        uint64_t exits;
        uint64_t restarts; /* of the exits: it is made again, without another hit */
    } calls[PLACE_COUNT_OF_ALL + 1];
    uint64_t kinds[MOST_KINDS];
    bool in_order;  /* nothing interrupts a thread between a hit and what its instruction does */
    bool is_silent; /* no hit may be told */
    void (*meanwhile)(struct together *all, const struct sdb_event *event);
    struct chance chance;
    uint64_t injected[MOST_KINDS];
    uint64_t injected_elsewhere;
};

/* From launch_together() to end_together(). */
extern struct together all;

/** Launch test/tracees/places.c; nothing is set yet. */
void launch_together(int threads, int turns);

/**
 * Plant a breakpoint at each place, watch what is stored, and catch calls: two, or as the flags
 * say.
 */
void set_all(uint32_t flags);

/** Watch what is stored, alone. */
void watch_cell(void);

/** Have the program carry out these orders, one after the other. */
void obey_all(const char *orders);

/** The look at an event before it is resumed, for events that a test waits for by itself. */
void see_together(const struct sdb_event *event, void *data);

/** @return how far a thread is */
struct stage *stage_of(struct sdb_thread *thread);

/** @return the place at this address, or NO_PLACE */
enum place place_at(uint64_t address);

/** Inject calls into a thread that stands at an event; nothing may be different then. */
void inject_in_stop(struct sdb_thread *thread);

/** The thread must stand in the program's own code. */
void expect_own_place(struct sdb_thread *thread, const char *when);

/**
 * There must have been one hit for each execution of the call at this place, and both ends of it.
 */
void expect_calls_exact(enum place place);

/** Each must have been told as often as it happened. */
void expect_all_exact(void);

/** End its input: it must exit with 0.  Close it. */
void end_together(void);

#endif
