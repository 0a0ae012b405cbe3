/* SPDX-License-Identifier: MIT */
#include "lives.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>

#include "counts.h"
#include "numbered.h"
#include "profile.h"
#include "story.h"

struct life life;

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* ---- beginning ---- */

static struct ledger *make_ledger(void)
{
    struct ledger *ledger;

    life.ledger_fd = memfd_create("ledger", MFD_CLOEXEC);
    EXPECT(life.ledger_fd >= 0 && ftruncate(life.ledger_fd, sizeof(struct ledger)) == 0,
           "no memory for the ledger");
    ledger =
        mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE, MAP_SHARED, life.ledger_fd, 0);
    EXPECT(ledger != MAP_FAILED, "the ledger cannot be mapped");
    return ledger;
}

static void launch(bool held)
{
    static const char *const argv[] = {SDB_MODEL_PROGRAM, NULL};
    const struct sdb_fd map[] = {{.target = LEDGER_FD, .source = life.ledger_fd}};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = NULL;
    int rc;

    options.argv = argv;
    options.fds = map;
    options.fd_count = 1;
    if (held) {
        rc = sdb_session_launch(world.session, &options, &process, &error);
        EXPECT(rc == 0, "sdb_session_launch(): %d", rc);
        world.main = world_add_process(process);
        world.main->is_main = true;
        life.pid = world.main->pid;
    } else {
        options.death_signal = SIGKILL;
        rc = sdb_launch(&options, &life.child, &error);
        EXPECT(rc == 0, "sdb_launch(): %d", rc);
        life.pid = sdb_child_pid(life.child);
        story_knows(life.pid);
    }
}

void life_begin(unsigned seed)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    struct sdb_session *session;
    struct ledger *ledger;
    struct chance chance = chance_of(seed, 1);
    bool held;

    memset(&life, 0, sizeof(life));
    life.seed = seed;
    life.chance = chance_of(seed, 2);
    life.reactions = chance_of(seed, 3);
    ledger = make_ledger();
    story_begin(seed, ledger);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    profile_choose(&chance, ledger);
    if (chance_percent(&chance, 30))
        options.flags = SDB_SESSION_NO_IO_URING;
    EXPECT(sdb_session_create(&options, &session) == 0, "sdb_session_create()");
    world_begin(session, ledger);
    counts_begin();
    numbered_begin();
    held = chance_percent(&chance, 60);
    launch(held);
    /* It has said where its places are before anything is set there. */
    if (held)
        world_resume_all();
    for (int i = 0; !ledger->ready || ledger->slot_count < 2 * ledger->threads; i++) {
        life_wait(1, 10);
        world_resume_all();
        pause_ms(1);
    }
    if (!held)
        life_attach();
}

/* ---- events ---- */

/* The thread goes on in one of the ways, or stands for a while. */
static void answer(struct known_thread *thread)
{
    struct chance *chance = &life.reactions;
    const unsigned way = chance_below(chance, 100);

    if (thread->ended || !thread->stands)
        return;
    if (thread->kind == SDB_EVENT_SIGNAL && thread->signal == SIGNAL_NUMBERED &&
        chance_percent(chance, 15)) {
        numbered_drop(thread);
        world_resume(thread, SDB_RESUME_CONTINUE, 0);
    } else if (thread->process->all_stop && way < 70) {
        world_resume_process(thread->process);
    } else if (way < profile.stand_percent) {
        return;
    } else if (way < profile.stand_percent + profile.step_percent) {
        world_resume(thread, SDB_RESUME_STEP, SDB_SIGNAL_PASS);
    } else if (way < profile.stand_percent + profile.step_percent + profile.syscall_percent) {
        world_resume(thread, SDB_RESUME_SYSCALL, SDB_SIGNAL_PASS);
    } else {
        world_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
    }
}

static int wait_once(int timeout_ms, struct known_thread **thread)
{
    struct sdb_event event = SDB_EVENT_INIT;
    const int rc = sdb_session_wait(world.session, timeout_ms, &event);

    EXPECT(world.ledger->wrong == 0, "the program says: %s", world.ledger->wrong_text);
    *thread = NULL;
    if (rc == 0) {
        *thread = world_thread(event.thread);
        world_event(&event);
        return 0;
    }
    EXPECT(rc == -ETIMEDOUT || rc == -ECHILD, "sdb_session_wait(): %d", rc);
    /* In all-stop it may have stopped some, and others not yet. */
    for (int i = 0; i < world.process_count; i++) {
        if (world.processes[i].held && world.processes[i].all_stop)
            world_stopped(&world.processes[i]);
    }
    if (rc == -ECHILD) {
        for (int i = 0; i < world.process_count; i++)
            EXPECT(!world.processes[i].held, "the session holds nothing, and process %d is held",
                   world.processes[i].pid);
    }
    return rc;
}

void life_wait(int timeout_ms, int most)
{
    struct known_thread *thread;

    for (int i = 0; i < most && wait_once(timeout_ms, &thread) == 0; i++) {
        if (thread && !thread->ended) /* not an end of whom nobody has told */
            answer(thread);
    }
}

/* Who is held besides may be waited for by who is not. */
static void have_others_go_on(void)
{
    struct known_thread *thread;

    world_resume_all();
    (void)wait_once(1, &thread);
}

/* ---- quiet ---- */

/* Whether somebody who counts is still at something. */
static bool all_parked(void)
{
    const int count = world.ledger->slot_count;

    for (int i = 0; i < count && i < LEDGER_SLOTS; i += 2) {
        const struct slot *slot = &world.ledger->slots[i];

        if (slot->state != SLOT_PARKED && slot->state != SLOT_DONE && !slot->killed)
            return false;
    }
    return true;
}

/* What is told of signals is what handlers have seen, if everything was told from the beginning. */
static void compare_signals(void)
{
    const int checked[] = {SIGUSR1, SIGNAL_THROWS, SIGNAL_TIMER, SIGNAL_BETWEEN};

    if (life.attached)
        return;
    for (unsigned i = 0; i < sizeof(checked) / sizeof(checked[0]); i++) {
        uint64_t handled = 0;

        for (int slot = 0; slot < world.ledger->slot_count && slot < LEDGER_SLOTS; slot++)
            handled += world.ledger->slots[slot].handled[checked[i]];
        EXPECT(handled == world.told[checked[i]],
               "signal %d was handled %llu times and told %llu times", checked[i],
               (unsigned long long)handled, (unsigned long long)world.told[checked[i]]);
    }
}

static void compare_refusals(void)
{
    uint64_t refused = 0;

    for (int slot = 0; slot < world.ledger->slot_count && slot < LEDGER_SLOTS; slot++)
        refused += world.ledger->slots[slot].refused;
    EXPECT(refused == world.refused, "%llu calls have failed and %llu were refused",
           (unsigned long long)refused, (unsigned long long)world.refused);
}

static void continue_if_stopped(void)
{
    if (world.stopped)
        (void)kill(life.pid, SIGCONT);
    world.stopped = false;
}

void life_settle(void)
{
    struct known_thread *thread;

    if (life.quiet)
        return;
    story_tell("settle");
    world.ledger->gate = 1;
    continue_if_stopped();
    for (;;) {
        int rc;

        world_resume_all();
        rc = wait_once(5, &thread);
        if (rc == 0)
            continue;
        if (all_parked() && numbered_all_came() && wait_once(0, &thread) != 0 &&
            world.standing == 0)
            break;
        if (rc == -ECHILD)
            pause_ms(1);
    }
    story_tell("settled");
    counts_check_all();
    compare_signals();
    compare_refusals();
    life.quiet = true;
}

void life_unsettle(void)
{
    life.quiet = false;
    world.ledger->gate = 0;
    (void)syscall(SYS_futex, &world.ledger->gate, FUTEX_WAKE, 1000, NULL, NULL, 0);
}

/* ---- attaching and detaching ---- */

/* @return whether one of its threads is still held, as it waits in vfork(2) */
static bool some_are_held(void)
{
    struct sdb_facts_threads *threads;
    bool some = false;

    if (sdb_facts_read_threads(life.pid, &threads) < 0)
        return false;
    for (size_t i = 0; i < threads->count; i++)
        some = some || threads->list[i]->tracer != 0;
    sdb_facts_free(threads);
    return some;
}

static void wait_until_let_go(void)
{
    while (some_are_held())
        have_others_go_on();
}

void life_attach(void)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process = NULL;
    int rc;

    if (!profile.attaches_at_once)
        wait_until_let_go();
    /* It is held until a vfork in which it was let go is over. */
    do {
        rc = sdb_session_attach(world.session, life.pid, &process, &error);
        story_note("attach to %d: %d", life.pid, rc);
        if (rc == -EBUSY)
            have_others_go_on();
    } while (rc == -EBUSY);
    story_tell("attached to %d: %d", life.pid, rc);
    EXPECT(rc == 0, "sdb_session_attach(): %d", rc);
    world.main = world_add_process(process);
    world.main->is_main = true;
    life.attached = true;
}

/* A newborn of vfork that is held may stand in the way. */
static bool shares_memory(void)
{
    for (int i = 0; i < world.process_count; i++) {
        if (world.processes[i].held && !world.processes[i].is_main)
            return true;
    }
    return false;
}

bool life_let_go(enum sdb_release how)
{
    struct sdb_child *child = NULL;
    int rc;

    for (int i = 0; i < MOST_POINTS; i++) {
        struct point *point = counts_point(i);

        if (!point)
            continue;
        if (point->breakpoint || point->watchpoint)
            counts_check(point);
    }
    rc = sdb_process_detach(world.main->handle, how, life.child ? NULL : &child);
    story_tell("detach in way %d: %d", (int)how, rc);
    if (rc == -EBUSY && shares_memory())
        return false;
    EXPECT(rc == 0, "sdb_process_detach(): %d", rc);
    world_let_go(world.main);
    world.lets_go = true;
    if (child)
        life.child = child;
    for (int i = 0; i < MOST_POINTS; i++) {
        struct point *point = counts_point(i);

        if (!point)
            continue;
        if (point->kind == POINT_BREAKPOINT)
            EXPECT(sdb_breakpoint_remove(point->breakpoint) == 0, "sdb_breakpoint_remove()");
        else if (point->kind == POINT_WATCHPOINT)
            EXPECT(sdb_watchpoint_remove(point->watchpoint) == 0, "sdb_watchpoint_remove()");
        counts_forget(point);
    }
    life.attached = true;
    return true;
}

static uint64_t all_done(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < world.ledger->slot_count && i < LEDGER_SLOTS; i++) {
        for (int place = 0; place < PLACE_USED; place++)
            sum += world.ledger->slots[i].done[place];
    }
    return sum;
}

/* @return the state of the program's first thread, as /proc has it */
static char state_of_program(void)
{
    char path[64];
    char text[256] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", life.pid);
    file = fopen(path, "re");
    if (file) {
        (void)!fgets(text, sizeof(text), file);
        fclose(file);
    }
    return strrchr(text, ')') ? strrchr(text, ')')[2] : '?';
}

/* Whoever was stopped stays so, until it is continued. */
static void end_group_stop(void)
{

    if (!world.stopped)
        return;
    story_tell("it must be stopped");
    while (state_of_program() != 'T') {
        have_others_go_on();
        pause_ms(1);
    }
    world.stopped = false;
    (void)kill(life.pid, SIGCONT);
}

void life_expect_progress(void)
{
    uint64_t before;

    end_group_stop();
    before = all_done();

    story_tell("it must go on by itself");
    while (all_done() < before + 10) {
        EXPECT(world.ledger->wrong == 0, "the program says: %s", world.ledger->wrong_text);
        have_others_go_on();
        pause_ms(1);
    }
}

/* ---- end ---- */

static void expect_child_ends(bool killed)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    const int rc = sdb_child_wait(life.child, 20000, &status);

    EXPECT(rc == 0, "sdb_child_wait(): %d", rc);
    EXPECT(killed ? status.how == SDB_KILLED && status.code == SIGKILL
                  : status.how == SDB_EXITED && status.code == LEDGER_EXIT,
           "the program has ended in way %u with code %d: %s", status.how, status.code,
           world.ledger->wrong_text);
}

/* What its end has left: newborns that were not waited for any more. */
static void reap_orphans(void)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, 0)) > 0) {
        story_tell("orphan %d has ended: %#x", pid, status);
        EXPECT(!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL,
               "orphan %d was ended by signal %d", pid, WTERMSIG(status));
    }
}

static void end_all_workers(void)
{
    world.ledger->end = 1;
    continue_if_stopped();
    life_unsettle();
}

static void wait_until_all_ended(void)
{
    struct known_thread *thread;
    int rc;

    do {
        world_resume_all();
        rc = wait_once(100, &thread);
    } while (rc != -ECHILD);
}

/* It ends by itself, held. */
static void end_held(void)
{
    end_all_workers();
    wait_until_all_ended();
    EXPECT(world.main_exited && world.main_how == SDB_EXITED && world.main_code == LEDGER_EXIT,
           "the program has ended in way %d with code %d: %s", world.main_how, world.main_code,
           world.ledger->wrong_text);
}

static void end_killed(void)
{
    world.main->killed = true;
    if (chance_percent(&life.chance, 50)) {
        const int rc = sdb_process_kill(world.main->handle);

        EXPECT(rc == 0, "sdb_process_kill(): %d", rc);
    } else {
        EXPECT(kill(life.pid, SIGKILL) == 0, "kill()");
    }
    story_tell("killed");
    wait_until_all_ended();
    EXPECT(world.main_exited && world.main_how == SDB_KILLED && world.main_code == SIGKILL,
           "the program was killed and has ended in way %d with code %d", world.main_how,
           world.main_code);
}

void life_end(void)
{
    const unsigned way = chance_below(&life.chance, 4);
    int rc;

    story_tell("end in way %u", way);
    if (way == 0)
        life_settle();
    if (way == 1) {
        end_killed();
    } else if (way == 2) {
        while (!life_let_go(SDB_RELEASE_RUN)) {
            world_resume_all();
            life_wait(1, 1);
        }
        life_unsettle();
        life_expect_progress();
        end_all_workers();
        wait_until_all_ended();
    } else {
        end_held();
    }
    rc = sdb_session_destroy(world.session);
    EXPECT(rc == 0, "sdb_session_destroy(): %d", rc);
    world.session = NULL;
    if (life.child && way == 2)
        expect_child_ends(false);
    sdb_child_close(life.child);
    reap_orphans();
    story_end();
    close(life.ledger_fd);
    munmap(world.ledger, sizeof(struct ledger));
}
