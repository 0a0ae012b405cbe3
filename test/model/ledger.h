/* SPDX-License-Identifier: MIT */
/*
 * What the program under test has done, by its own count: memory that it shares with the test, as
 * its descriptor 3.  Both sides include this file.
 *
 * Each thread has a slot of its own for what it does, and the next one for what its signal handlers
 * do, so that nobody counts for two at once.
 */
#ifndef SDB_TEST_LEDGER_H
#define SDB_TEST_LEDGER_H

#include <stdint.h>

#define LEDGER_FD    3
#define LEDGER_SLOTS 6000
#define LEDGER_IDS   4096 /* numbered signals */
#define LEDGER_TEXT  256

/* What the threads of the program do, at random. */
enum deed {
    DEED_VISIT,  /* come by places */
    DEED_RAISE,  /* send itself a signal, whose handler comes by places */
    DEED_SIGNAL, /* send one to another thread */
    DEED_JUMP,   /* be thrown out of coming by places, by a timer's signal whose handler jumps */
    DEED_TIMER,  /* wait for a timer's signal, coming by places */
    DEED_SLEEP,  /* which must take as long as it should */
    DEED_MASK,   /* come by places with all signals blocked; then they must be, and no more after */
    DEED_PIPE,   /* wait for a byte that another thread writes */
    DEED_THREAD, /* make a thread that comes by places, and join it */
    DEED_FORK,   /* make a process that comes by places, and wait for it */
    DEED_VFORK,  /* the same by vfork(2) */
    DEED_EXEC,   /* the same, which executes this program */
    DEED_COUNT,
};

/* A place: one instruction, where breakpoints are set.  See places.c. */
#define PLACES 32

enum place {
    PLACE_NOP,
    PLACE_ENDBR,
    PLACE_PUSH,
    PLACE_LEA,
    PLACE_JUMP,
    PLACE_BRANCH,
    PLACE_CALL,
    PLACE_CALL_REGISTER,
    PLACE_CALL_MEMORY,
    PLACE_RETURN,
    PLACE_LOAD,
    PLACE_STORE, /* writes 8 bytes: `cell` of struct ledger */
    PLACE_PUSHF,
    PLACE_POPF,
    PLACE_STRING,
    PLACE_LOOP,
    PLACE_SEGMENT,
    PLACE_FLAG_SET,
    PLACE_IRET,
    PLACE_GETUID, /* system calls, whose first argument is the slot's address */
    PLACE_GETPPID,
    PLACE_USED,
};

struct place_addresses {
    uint64_t begun; /* behind the instruction that counts it as begun */
    uint64_t site;  /* the instruction */
    uint64_t next;  /* the one that is executed after it */
    uint64_t count; /* the one that counts it as done */
    uint64_t done;  /* behind that */
    uint64_t aside; /* a function of one instruction that it calls, or 0 */
};

enum slot_state {
    SLOT_FREE,
    SLOT_BORN, /* nobody has begun to use it */
    SLOT_BUSY,
    SLOT_PARKED, /* a worker that waits for the gate */
    SLOT_DONE,
};

struct slot {
    volatile uint64_t begun[PLACES];
    volatile uint64_t done[PLACES];
    volatile uint64_t aborted[PLACES]; /* begun, and left for good before they were done */
    volatile int32_t state;
    volatile int32_t pid;
    volatile int32_t tid;
    volatile int32_t is_worker; /* it lives as long as the program, and heeds the gate */
    volatile int32_t is_aside;  /* a handlers' slot */
    volatile int32_t killed;    /* by the test: its end may be a SIGKILL */
    volatile int32_t deed;      /* what it is at */
    volatile int32_t step;      /* and how far */
    volatile uint64_t handled[65];
    volatile uint64_t refused; /* results of system calls that are not as they should be */

    /* What of that was before it has executed a program, which goes on with the slot. */
    volatile int32_t has_executed;
    volatile uint64_t begun_before[PLACES];
    volatile uint64_t done_before[PLACES];
};

struct ledger {
    /* What the test says. */
    uint32_t seed;
    int32_t threads;
    int32_t processes;
    int32_t has_trap_handler;
    uint32_t weights[DEED_COUNT];
    volatile int32_t gate; /* 1: workers park (a futex) */
    volatile int32_t end;  /* 1: workers end */

    /* What the program says. */
    volatile int32_t ready;
    volatile int32_t slot_count;
    volatile int32_t wrong;
    char wrong_text[LEDGER_TEXT];
    struct place_addresses places[PLACES];
    uint64_t slots_address;
    uint64_t cell;
    uint64_t text_begin; /* of the program's own code */
    uint64_t text_end;
    int64_t uid; /* what PLACE_GETUID should return */
    volatile uint8_t ids_begun[LEDGER_IDS];
    volatile uint8_t ids_handled[LEDGER_IDS];
    struct slot slots[LEDGER_SLOTS];
};

/* The program ends with this code if nothing was wrong. */
#define LEDGER_EXIT 42

/* A newborn's code: of the slot that it was given. */
#define LEDGER_NEWBORN_EXIT(slot) (50 + (slot) % 100)

/* A signal with a number (sigqueue(3)), one that throws, one of a timer, one between threads. */
#define SIGNAL_NUMBERED (SIGRTMIN + 1)
#define SIGNAL_THROWS   (SIGRTMIN + 2)
#define SIGNAL_TIMER    (SIGRTMIN + 3)
#define SIGNAL_BETWEEN  (SIGRTMIN + 4)

#endif
