/* SPDX-License-Identifier: MIT */
/*
 * The model: what is known of the processes and threads that are held, and what may be told of
 * them.
 */
#ifndef SDB_TEST_MODEL_WORLD_H
#define SDB_TEST_MODEL_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdb/sdb.h>

#include "ledger.h"

#define MOST_PROCESSES 4096
#define MOST_THREADS   8192
#define MOST_RANGES    16

struct known_process {
    struct sdb_process *handle;
    pid_t pid;
    bool held;
    bool is_main;
    bool executed;      /* another program: the one that the main process runs, but not its state */
    bool shares_memory; /* that of the main process */
    bool killed;        /* by the test */
    bool all_stop;
    bool may_exec; /* without an event of its own: it was let go then */
    uint32_t follow;
    uint32_t points; /* of counts.h: those that it has, as bits */
    int threads;     /* that are known and have not ended */
    struct {
        uint64_t start;
        uint64_t end;
    } text[MOST_RANGES];
    int text_count;
};

struct known_thread {
    struct sdb_thread *handle;
    pid_t tid;
    struct known_process *process;
    bool ended;
    bool ends;           /* a call has said that it is gone */
    bool started;        /* its START was told, or it needs none */
    bool stands;         /* an event was told, or a call has stopped it, and it was not resumed */
    bool silent;         /* it may stand without an event, or have one that is still to be told */
    bool may_stop;       /* without an event, as it could not when it was asked to */
    uint32_t kind;       /* of its last event, 0: none yet */
    int signal;          /* of it */
    enum sdb_resume how; /* it was resumed last */
    uint64_t resumed_at; /* the pc then, or 0 */
    bool got_signal;     /* with a signal */
    bool interrupted;    /* sdb_thread_interrupt() was called and nothing told since */
    bool in_group_stop;  /* told, and not its end */
    bool unsure;         /* whether it is in one: it was stopped without a word, or born there */
    bool listens;        /* resumed so that it stays stopped */
    bool in_call;        /* whose beginning was told */
    bool was_caught;     /* and because it is caught */
    int64_t call;
    bool may_tell_end;          /* of the call before */
    enum sdb_resume how_before; /* the same, where an event of then may be still to be told */
    bool call_is_old;           /* it was caught by what was said before */
    bool may_tell_call;         /* which was caught when it began */
};

struct world {
    struct sdb_session *session;
    struct ledger *ledger;
    struct known_process *main;
    struct known_process processes[MOST_PROCESSES];
    int process_count;
    struct known_thread threads[MOST_THREADS];
    int thread_count;
    int standing;
    uint64_t events;
    uint64_t told[65];   /* SIGNAL events of each signal that were passed on */
    uint64_t refused;    /* system calls */
    uint64_t sent_stops; /* stop signals from outside */
    bool stopped;        /* the last of these was not followed by a SIGCONT */
    bool lets_go;        /* the main process was let go once at least */
    bool main_exited;
    int main_how;
    int main_code;
};

extern struct world world;

/** Forget everything. */
void world_begin(struct sdb_session *session, struct ledger *ledger);

/** A process is held now, with all of its threads: launched, or attached to. */
struct known_process *world_add_process(struct sdb_process *handle);

/** A process is not held any more. */
void world_let_go(struct known_process *process);

/** @return the newest process of this id, held or not, or NULL */
struct known_process *world_find_process(pid_t pid);

/** Look whether an event is one that may be, and note it. */
void world_event(const struct sdb_event *event);

/** @return what is known of a thread */
struct known_thread *world_thread(struct sdb_thread *handle);

/** A call has stopped the threads of a process without a word. */
void world_stopped(struct known_process *process);

/** Other calls are told of its process from now on. */
void world_catches_other_calls(struct known_thread *thread);

/** Resume a thread, which must be possible. */
void world_resume(struct known_thread *thread, enum sdb_resume how, int signal);

/** Resume whoever stands, in the ordinary way. */
void world_resume_all(void);

/** All of a process that stands, by one call. */
void world_resume_process(struct known_process *process);

/** The thread must stand in code of the program's own. @return where */
uint64_t world_expect_own_code(struct known_thread *thread);

/** @return a thread at random among those that stand, or run; NULL: there is none */
struct known_thread *world_choose(bool stands, unsigned number);

/** @return the slot at this address in the program, or NULL */
struct slot *world_slot(uint64_t address);

#endif
