/* SPDX-License-Identifier: MIT */
/*
 * Sessions with a thread of their own: events come to the handler, functions run in the thread, one
 * after the other and in their order, from however many threads they come.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trial.h"

#include "host.h"
#include "racing.h"
#include "witness.h"

/* What the handler and the functions share; only the session's thread touches it. */
struct own {
    struct sdb_session *session;
    struct witness witness;
    struct sdb_process *process;
    const char *life;
    pid_t thread; /* the session's */
    int busy;     /* how many functions are running */
    unsigned long calls;
    int nested_result;
    sem_t ended; /* a process has ended, and no other is held */
};

static pid_t own_tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static void await(sem_t *semaphore)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_MS / 1000;
    while (sem_timedwait(semaphore, &end) < 0)
        ck_assert_int_eq(errno, EINTR);
}

static void on_event(struct sdb_session *in, int code, const struct sdb_event *event, void *data)
{
    struct own *own = data;

    ck_assert_msg(code == 0, "%s", sdb_error_describe(code));
    ck_assert_ptr_nonnull(event);
    ck_assert_ptr_eq(in, own->session);
    ck_assert_int_eq(own->busy, 0);
    if (own->thread == 0)
        own->thread = own_tid();
    ck_assert_int_eq(own_tid(), own->thread);
    witness_see(&own->witness, event);
    witness_resume(&own->witness, event);
    if (event->kind == SDB_EVENT_GROUP_STOP)
        kill(sdb_process_pid(event->process), SIGCONT);
    if (event->kind == SDB_EVENT_EXITED && own->witness.thread_count == 0)
        sem_post(&own->ended);
}

static void create_own(struct own *own, int way, sdb_session_handler *handler)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;

    memset(own, 0, sizeof(*own));
    sem_init(&own->ended, 0, 0);
    options.flags = SDB_SESSION_OWN_THREAD | (way == WAY_HELPER ? SDB_SESSION_NO_IO_URING : 0);
    options.handler = handler;
    options.handler_data = own;
    ck_assert_int_eq(sdb_session_create(&options, &own->session), 0);
    witness_begin(&own->witness, own->session, 0);
}

static void destroy_own(struct own *own)
{
    ck_assert_int_eq(sdb_session_destroy(own->session), 0);
    witness_end(&own->witness);
    sem_destroy(&own->ended);
}

static int call(struct own *own, int (*function)(struct sdb_session *in, void *data), void *data)
{
    int result = -12345;

    ck_assert_int_eq(sdb_session_call(own->session, function, data, &result), 0);
    return result;
}

HOLDING_CASE(events);

static int launch_life(struct sdb_session *in, void *data)
{
    struct own *own = data;
    const char *const argv[] = {LIVES, own->life, "17", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    int rc;

    options.argv = argv;
    rc = sdb_session_launch(in, &options, &own->process, NULL);
    if (rc < 0)
        return rc;
    ck_assert_int_eq(sdb_process_set_follow(own->process, SDB_FOLLOW_ALL), 0);
    witness_hold(&own->witness, own->process);
    witness_resume_process(&own->witness, own->process);
    return sdb_process_pid(own->process);
}

TEST(the_handler_gets_all_events)
{
    static const char *const lives[] = {"exit", "threads", "forks", "vforks", "thread", "all"};
    struct own own;

    create_own(&own, _i, on_event);
    for (int round = 0; round < rounds(30); round++) {
        own.life = lives[round % 6];
        ck_assert_int_gt(call(&own, launch_life, &own), 0);
        await(&own.ended);
    }
    ck_assert_int_ne(own.thread, own_tid());
    destroy_own(&own);
}

HOLDING_CASE(calls);

#define CALLERS 8
#define CALLS   500

struct caller {
    struct own *own;
    pthread_t thread;
    int number;
    int turn; /* of the call that is under way; the callers' own */
    int seen; /* the last turn that has run */
};

static int count_call(struct sdb_session *in, void *data)
{
    struct caller *caller = data;
    struct own *own = caller->own;

    ck_assert_ptr_eq(in, own->session);
    ck_assert_int_eq(own->busy++, 0); /* no other runs */
    if (own->thread == 0)
        own->thread = own_tid();
    ck_assert_int_eq(own_tid(), own->thread);
    ck_assert_int_eq(caller->seen + 1, caller->turn);
    caller->seen = caller->turn;
    own->calls++;
    if (caller->turn % 64 == 0)
        sched_yield();
    own->busy--;
    return caller->number * 100000 + caller->turn;
}

static void *call_often(void *data)
{
    struct caller *caller = data;

    for (caller->turn = 1; caller->turn <= CALLS; caller->turn++) {
        int result = 0;
        int rc = sdb_session_call(caller->own->session, count_call, caller,
                                  caller->turn % 3 ? &result : NULL);

        ck_assert_int_eq(rc, 0);
        ck_assert_int_eq(caller->seen, caller->turn);
        if (caller->turn % 3)
            ck_assert_int_eq(result, caller->number * 100000 + caller->turn);
    }
    return NULL;
}

static void call_from_many(struct own *own)
{
    struct caller callers[CALLERS];

    own->calls = 0;
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.own = own, .number = i};
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
    ck_assert_uint_eq(own->calls, CALLERS * CALLS);
}

TEST(functions_of_many_threads_run_one_after_the_other)
{
    struct own own;

    create_own(&own, _i, NULL);
    call_from_many(&own);
    destroy_own(&own);
}

/* Between the events of a program that has many. */
TEST(functions_run_between_events)
{
    struct own own;

    create_own(&own, _i, on_event);
    for (int round = 0; round < rounds(5); round++) {
        own.life = round % 2 == 0 ? "all" : "forks";
        ck_assert_int_gt(call(&own, launch_life, &own), 0);
        call_from_many(&own);
        await(&own.ended);
    }
    destroy_own(&own);
}

struct in_line {
    struct own *own;
    pthread_t thread;
    atomic_int *running; /* the kernel id of who is about to call */
    int place;
};

static atomic_int places;
static atomic_int first_tid;
static sem_t reached;
static sem_t gate;

static int block_at_gate(struct sdb_session *in, void *data)
{
    (void)in;
    (void)data;
    sem_post(&reached);
    await(&gate);
    return 0;
}

static int take_place(struct sdb_session *in, void *data)
{
    struct in_line *in_line = data;

    (void)in;
    in_line->place = places++;
    return 0;
}

static void *stand_in_line(void *data)
{
    struct in_line *in_line = data;

    *in_line->running = own_tid();
    call(in_line->own, take_place, in_line);
    return NULL;
}

static void *call_at_gate(void *own)
{
    first_tid = own_tid();
    call(own, block_at_gate, NULL);
    return NULL;
}

/*
 * Callers come one by one while another's function is running: each is asleep in its call before the
 * next one comes.  Each wakes those before it; once they sleep again, it cannot sleep for want of what
 * they had locked.
 */
TEST(functions_run_in_the_order_in_which_they_came)
{
    struct in_line line[6];
    atomic_int tids[6] = {0};
    pthread_t first;
    struct own own;

    create_own(&own, _i, NULL);
    sem_init(&reached, 0, 0);
    sem_init(&gate, 0, 0);
    places = 0;
    ck_assert_int_eq(pthread_create(&first, NULL, call_at_gate, &own), 0);
    await(&reached);
    for (int i = 0; i < 6; i++) {
        line[i] = (struct in_line){.own = &own, .running = &tids[i], .place = -1};
        ck_assert_int_eq(pthread_create(&line[i].thread, NULL, stand_in_line, &line[i]), 0);
        while (tids[i] == 0)
            sched_yield();
        ck_assert(host_wait_asleep(first_tid));
        for (int j = 0; j <= i; j++)
            ck_assert(host_wait_asleep(tids[j]));
    }
    sem_post(&gate);
    pthread_join(first, NULL);
    for (int i = 0; i < 6; i++)
        pthread_join(line[i].thread, NULL);
    for (int i = 1; i < 6; i++)
        ck_assert_int_gt(line[i].place, line[i - 1].place);
    sem_destroy(&gate);
    sem_destroy(&reached);
    destroy_own(&own);
}

static int call_within(struct sdb_session *in, void *data)
{
    struct own *own = data;

    ck_assert_int_eq(sdb_session_call(in, launch_life, own, &own->nested_result), 0);
    return 23;
}

static void call_in_handler(struct sdb_session *in, int code, const struct sdb_event *event,
                            void *data)
{
    struct own *own = data;
    const bool is_first_end =
        code == 0 && event->kind == SDB_EVENT_EXITED && own->nested_result > 0;

    if (is_first_end)
        own->nested_result = 0;
    on_event(in, code, event, data);
    if (is_first_end)
        ck_assert_int_gt(call(own, launch_life, own), 0);
}

TEST(a_function_can_be_called_in_a_function_and_in_the_handler)
{
    struct own own;

    create_own(&own, _i, call_in_handler);
    own.life = "exit";
    ck_assert_int_eq(call(&own, call_within, &own), 23);
    await(&own.ended);
    await(&own.ended);
    destroy_own(&own);
}

HOLDING_CASE(ends);

static int destroy_in_own_thread(struct sdb_session *in, void *data)
{
    (void)data;
    return sdb_session_destroy(in);
}

static void destroy_in_handler(struct sdb_session *in, int code, const struct sdb_event *event,
                               void *data)
{
    ck_assert_int_eq(sdb_session_destroy(in), -EDEADLK);
    on_event(in, code, event, data);
}

static void *destroy_elsewhere(void *own)
{
    destroy_own(own);
    return NULL;
}

TEST(it_is_ended_from_any_thread_but_its_own)
{
    struct own own;

    create_own(&own, _i, destroy_in_handler);
    ck_assert_int_eq(call(&own, destroy_in_own_thread, NULL), -EDEADLK);
    own.life = "exit";
    ck_assert_int_gt(call(&own, launch_life, &own), 0);
    await(&own.ended);
    run_in_thread(destroy_elsewhere, &own);
}

struct holder {
    struct own *own;
    const struct target *attach_to;
    int32_t launched;
};

static int hold_two(struct sdb_session *in, void *data)
{
    struct holder *holder = data;
    const char *const argv[] = {TARGET, "wait", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_process *process;

    options.argv = argv;
    ck_assert_int_eq(sdb_session_launch(in, &options, &process, NULL), 0);
    holder->launched = sdb_process_pid(process);
    ck_assert_int_eq(sdb_session_attach(in, holder->attach_to->pid, &process, NULL), 0);
    return 0;
}

TEST(at_its_end_launched_die_and_attached_run)
{
    struct target busy = start_busy("idle", "4", NULL);
    struct holder holder = {.attach_to = &busy};
    struct own own;

    create_own(&own, _i, on_event);
    call(&own, hold_two, &holder);
    ck_assert_int_eq(status_of(busy.pid, "TracerPid", 10) > 0, 1);
    destroy_own(&own);
    ck_assert_int_eq(host_task_state(holder.launched), 0);
    ask(&busy);
    end_busy(&busy);
}

static void *create_and_leave(void *own)
{
    create_own(own, ((struct own *)own)->busy, on_event);
    return NULL;
}

TEST(it_outlives_the_thread_that_created_it)
{
    struct own own = {.busy = _i};

    run_in_thread(create_and_leave, &own);
    own.life = "threads";
    ck_assert_int_gt(call(&own, launch_life, &own), 0);
    await(&own.ended);
    destroy_own(&own);
}

HOLDING_CASE(without_handler);

static int wait_for_end(struct sdb_session *in, void *data)
{
    struct own *own = data;
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(in, PATIENCE_MS, &event)) == 0) {
        witness_see(&own->witness, &event);
        witness_resume(&own->witness, &event);
        if (event.kind == SDB_EVENT_EXITED)
            own->nested_result = event.status->code;
    }
    return rc;
}

static int wait_for_interrupt(struct sdb_session *in, void *data)
{
    struct sdb_event event = SDB_EVENT_INIT;

    (void)data;
    return sdb_session_wait(in, PATIENCE_MS, &event);
}

static void *interrupt(void *of)
{
    ck_assert_int_eq(sdb_session_interrupt(of), 0);
    return NULL;
}

TEST(without_a_handler_a_function_waits)
{
    struct holder holder = {0};
    struct target busy = start_busy("idle", "1", NULL);
    struct own own;

    create_own(&own, _i, NULL);
    own.life = "threads";
    ck_assert_int_gt(call(&own, launch_life, &own), 0);
    ck_assert_int_eq(call(&own, wait_for_end, &own), -ECHILD);
    ck_assert_int_eq(own.nested_result, 17);

    holder.attach_to = &busy;
    call(&own, hold_two, &holder);
    for (int round = 0; round < rounds(20); round++) {
        pthread_t other;

        ck_assert_int_eq(pthread_create(&other, NULL, interrupt, own.session), 0);
        ck_assert_int_eq(call(&own, wait_for_interrupt, NULL), -EINTR);
        pthread_join(other, NULL);
    }
    destroy_own(&own);
    ask(&busy);
    end_busy(&busy);
}

TEST(interrupts_do_not_disturb_a_handler)
{
    struct own own;

    create_own(&own, _i, on_event);
    own.life = "all";
    ck_assert_int_gt(call(&own, launch_life, &own), 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(sdb_session_interrupt(own.session), 0);
    await(&own.ended);
    destroy_own(&own);
}

HOLDING_CASE(refusals);

static int do_nothing(struct sdb_session *in, void *data)
{
    (void)in;
    (void)data;
    return 0;
}

static void call_in_fork(void *data)
{
    struct own *own = data;
    int result = 5;

    ck_assert_int_eq(sdb_session_call(own->session, do_nothing, NULL, &result), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(result, 5);
    ck_assert_int_eq(sdb_session_interrupt(own->session), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(sdb_session_destroy(own->session), 0);
}

TEST(other_threads_and_forks_are_refused)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_session_options wrong = SDB_SESSION_OPTIONS_INIT;
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_process *process = NULL;
    struct sdb_session *none = NULL;
    struct own own;

    wrong.handler = on_event;
    ck_assert_int_eq(sdb_session_create(&wrong, &none), -EINVAL);
    ck_assert_ptr_null(none);
    create_own(&own, _i, on_event);
    options.path = "/bin/true";
    ck_assert_int_eq(sdb_session_wait(own.session, 0, &event), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(sdb_session_fd(own.session), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(sdb_session_launch(own.session, &options, &process, NULL), -SDB_EWRONGTHREAD);
    ck_assert_int_eq(sdb_session_call(own.session, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(sdb_session_call(NULL, do_nothing, NULL, NULL), -EINVAL);
    trial_in_fork(call_in_fork, &own);

    /* This thread can have one of its own beside it, and more of those. */
    begin(_i);
    ck_assert_int_eq(sdb_session_call(session, do_nothing, NULL, NULL), -EINVAL);
    for (int i = 0; i < 4; i++) {
        struct own another;

        create_own(&another, _i, on_event);
        another.life = "forks";
        ck_assert_int_gt(call(&another, launch_life, &another), 0);
        await(&another.ended);
        destroy_own(&another);
    }
    finish();
    own.life = "threads";
    ck_assert_int_gt(call(&own, launch_life, &own), 0);
    await(&own.ended);
    destroy_own(&own);
}

int main(void)
{
    return run_suite("session_own_thread");
}
