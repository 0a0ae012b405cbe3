/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "counts.h"
#include "numbered.h"
#include "profile.h"
#include "story.h"

struct world world;

/* ---- processes ---- */

void world_begin(struct sdb_session *session, struct ledger *ledger)
{
    memset(&world, 0, sizeof(world));
    world.session = session;
    world.ledger = ledger;
}

struct known_process *world_find_process(pid_t pid)
{
    for (int i = world.process_count - 1; i >= 0; i--) {
        if (world.processes[i].pid == pid)
            return &world.processes[i];
    }
    return NULL;
}

static struct known_process *add_process(struct sdb_process *handle)
{
    struct known_process *process;

    EXPECT(world.process_count < MOST_PROCESSES, "the model has no room for more processes");
    process = &world.processes[world.process_count++];
    *process = (struct known_process){.handle = handle,
                                      .pid = sdb_process_pid(handle),
                                      .held = true,
                                      .follow = SDB_FOLLOW_DEFAULT};
    sdb_process_set_data(handle, process);
    story_knows(process->pid);
    return process;
}

static struct known_thread *add_thread(struct known_process *process, struct sdb_thread *handle)
{
    struct known_thread *thread;

    EXPECT(world.thread_count < MOST_THREADS, "the model has no room for more threads");
    thread = &world.threads[world.thread_count++];
    *thread =
        (struct known_thread){.handle = handle, .tid = sdb_thread_tid(handle), .process = process};
    sdb_thread_set_data(handle, thread);
    process->threads++;
    return thread;
}

struct known_process *world_add_process(struct sdb_process *handle)
{
    struct known_process *process = add_process(handle);

    for (struct sdb_thread *next = sdb_process_next_thread(handle, NULL); next;
         next = sdb_process_next_thread(handle, next)) {
        struct known_thread *thread = add_thread(process, next);

        thread->started = true;
        thread->stands = sdb_thread_state(next) == SDB_THREAD_STOPPED;
        thread->silent = thread->unsure = true;
        thread->may_stop = !thread->stands;
        world.standing += thread->stands;
    }
    return process;
}

static void set_stands(struct known_thread *thread, bool stands)
{
    world.standing += stands - thread->stands;
    thread->stands = stands;
}

static void end_thread(struct known_thread *thread)
{
    if (thread->ended)
        return;
    set_stands(thread, false);
    thread->ended = true;
    thread->handle = NULL;
    thread->process->threads--;
}

void world_let_go(struct known_process *process)
{
    for (int i = 0; i < world.thread_count; i++) {
        if (world.threads[i].process == process)
            end_thread(&world.threads[i]);
    }
    process->held = false;
    process->handle = NULL;
}

struct known_thread *world_thread(struct sdb_thread *handle)
{
    return sdb_thread_data(handle);
}

struct slot *world_slot(uint64_t address)
{
    const uint64_t offset = address - world.ledger->slots_address;

    if (address < world.ledger->slots_address || offset % sizeof(struct slot) != 0 ||
        offset / sizeof(struct slot) >= LEDGER_SLOTS)
        return NULL;
    return &world.ledger->slots[offset / sizeof(struct slot)];
}

/* ---- where it stands ---- */

static bool is_in_text(const struct known_process *process, uint64_t pc)
{
    for (int i = 0; i < process->text_count; i++) {
        if (pc >= process->text[i].start && pc < process->text[i].end)
            return true;
    }
    return false;
}

/* Code of a file's, or of the kernel's own pages. */
static void read_text(struct known_process *process)
{
    struct sdb_facts_maps *maps;

    if (sdb_facts_read_maps(process->pid, &maps) < 0)
        return;
    process->text_count = 0;
    for (size_t i = 0; i < maps->count && process->text_count < MOST_RANGES; i++) {
        const struct sdb_facts_map *map = maps->list[i];

        if (!(map->flags & SDB_FACTS_EXECUTE) ||
            (map->name[0] != '/' && strncmp(map->name, "[v", 2) != 0))
            continue;
        process->text[process->text_count].start = map->start;
        process->text[process->text_count++].end = map->end;
    }
    sdb_facts_free(maps);
}

uint64_t world_expect_own_code(struct known_thread *thread)
{
    uint64_t pc = 0;
    const int rc = sdb_thread_pc(thread->handle, &pc);

    if (rc == -ESRCH)
        return 0; /* it was killed */
    EXPECT(rc == 0, "sdb_thread_pc() of a thread %d that stands: %d", thread->tid, rc);
    if (!is_in_text(thread->process, pc))
        read_text(thread->process);
    EXPECT(is_in_text(thread->process, pc) || thread->process->killed,
           "thread %d stands at %#llx after %s, which is no code of the program's", thread->tid,
           (unsigned long long)pc, sdb_event_name(thread->kind));
    return pc;
}

/* ---- the rules of each kind ---- */

/* The one place whose instruction is here, or -1. */
static int place_of_site(uint64_t pc)
{
    for (int i = 0; i < PLACE_USED; i++) {
        if (world.ledger->places[i].site == pc)
            return i;
    }
    return -1;
}

static void see_step(struct known_thread *thread)
{
    const int place = place_of_site(thread->resumed_at);
    uint64_t pc;

    EXPECT(thread->how == SDB_RESUME_STEP || thread->how_before == SDB_RESUME_STEP,
           "thread %d tells a step and was to go on in way %d", thread->tid, thread->how);
    pc = world_expect_own_code(thread);
    if (place < 0 || thread->got_signal || pc == 0)
        return;
    EXPECT(pc == world.ledger->places[place].next ||
               (place == PLACE_STRING && pc == world.ledger->places[place].site),
           "thread %d has stepped from place %d (%#llx) to %#llx", thread->tid, place,
           (unsigned long long)thread->resumed_at, (unsigned long long)pc);
}

static void see_signal(struct known_thread *thread, const struct sdb_event *event)
{
    const int signal = event->signal;

    EXPECT(signal == SIGUSR1 || signal == SIGNAL_NUMBERED || signal == SIGNAL_THROWS ||
               signal == SIGNAL_TIMER || signal == SIGNAL_BETWEEN || signal == SIGCHLD ||
               signal == SIGCONT || signal == SIGSTOP,
           "thread %d has got signal %d, which nobody has sent", thread->tid, signal);
    if (signal == SIGNAL_NUMBERED)
        numbered_see(thread);
}

static void see_group_stop(struct known_thread *thread)
{
    EXPECT(world.sent_stops > 0, "thread %d tells a group-stop, and nobody has sent any",
           thread->tid);
    thread->in_group_stop = true;
    thread->unsure = false;
}

static void see_group_continue(struct known_thread *thread)
{
    EXPECT(thread->in_group_stop || thread->unsure,
           "thread %d tells the end of a group-stop that it has not told", thread->tid);
    thread->in_group_stop = thread->unsure = false;
}

static void see_entry(struct known_thread *thread)
{
    struct sdb_syscall call = SDB_SYSCALL_INIT;
    const int rc = sdb_thread_syscall(thread->handle, &call);

    if (rc == -ESRCH)
        return;
    EXPECT(rc == 0 && call.end == SDB_EVENT_SYSCALL_ENTRY, "sdb_thread_syscall(): %d", rc);
    EXPECT(!thread->in_call || !thread->was_caught || thread->call_is_old,
           "thread %d begins call %lld within call %lld", thread->tid, (long long)call.number,
           (long long)thread->call);
    thread->in_call = true;
    thread->may_tell_end = false;
    thread->call = call.number;
    thread->was_caught = counts_see_call(thread, &call);
    EXPECT(thread->was_caught || thread->how == SDB_RESUME_SYSCALL ||
               thread->how_before == SDB_RESUME_SYSCALL || thread->may_tell_call,
           "thread %d tells call %lld, which is not caught", thread->tid, (long long)call.number);
}

static void see_exit(struct known_thread *thread)
{
    struct sdb_syscall call = SDB_SYSCALL_INIT;
    const int rc = sdb_thread_syscall(thread->handle, &call);

    if (rc == -ESRCH)
        return;
    EXPECT(rc == 0 && call.end == SDB_EVENT_SYSCALL_EXIT, "sdb_thread_syscall(): %d", rc);
    EXPECT(thread->in_call || thread->may_tell_end || thread->how == SDB_RESUME_SYSCALL ||
               thread->how_before == SDB_RESUME_SYSCALL,
           "thread %d tells the end of call %lld, whose beginning was not told", thread->tid,
           (long long)call.number);
    EXPECT(!thread->in_call || !call.entry_seen || call.number == thread->call,
           "thread %d ends call %lld, and has begun call %lld", thread->tid, (long long)call.number,
           (long long)thread->call);
    thread->in_call = thread->may_tell_end = false;
}

static void see_birth(struct known_thread *thread, const struct sdb_event *event)
{
    struct known_process *parent = thread->process;
    struct known_process *process = parent;
    const uint32_t follow = event->kind == SDB_EVENT_FORK    ? SDB_FOLLOW_FORK
                            : event->kind == SDB_EVENT_VFORK ? SDB_FOLLOW_VFORK
                                                             : SDB_FOLLOW_CLONE;
    struct known_thread *newborn;

    EXPECT(event->new_process && event->new_thread, "%s of thread %d without a newborn",
           sdb_event_name(event->kind), thread->tid);
    EXPECT(parent->follow & follow, "%s of thread %d is told, and the policy is %#x",
           sdb_event_name(event->kind), thread->tid, parent->follow);
    EXPECT(!sdb_thread_data(event->new_thread), "newborn %d is known already",
           sdb_thread_tid(event->new_thread));
    if (event->new_process != event->process) {
        process = add_process(event->new_process);
        process->follow = parent->follow;
        process->points = parent->points;
        process->all_stop = parent->all_stop;
        process->shares_memory = event->kind == SDB_EVENT_VFORK;
    }
    newborn = add_thread(process, event->new_thread);
    story_tell("  newborn: process %d, thread %d", process->pid, newborn->tid);
}

static void see_start(struct known_thread *thread)
{
    EXPECT(!thread->started, "thread %d starts again", thread->tid);
    thread->started = thread->unsure = true;
}

static void see_exec(struct known_thread *thread, const struct sdb_event *event)
{
    struct known_process *process = thread->process;

    EXPECT(sdb_thread_tid(event->thread) == process->pid, "thread %d has executed process %d",
           sdb_thread_tid(event->thread), process->pid);
    EXPECT(process->threads == 1, "process %d has executed a program, and has %d threads",
           process->pid, process->threads);
    EXPECT(process->follow & SDB_FOLLOW_EXEC, "an exec is told, and the policy is %#x",
           process->follow);
    thread->tid = process->pid;
    process->executed = true;
    process->text_count = 0;
    counts_executed(process, false);
}

static void see_end(struct known_thread *thread, const struct sdb_event *event)
{
    const struct sdb_exit_status *status = event->status;

    EXPECT(status && status->pid == thread->tid, "the status of the end of thread %d is of %d",
           thread->tid, status ? status->pid : 0);
    if (event->kind == SDB_EVENT_THREAD_EXIT) {
        EXPECT(thread->process->threads > 1,
               "the last thread %d of process %d tells only its own end", thread->tid,
               thread->process->pid);
        end_thread(thread);
        return;
    }
    EXPECT(thread->process->threads == 1, "process %d has ended, and %d of its threads have not",
           thread->process->pid, thread->process->threads - 1);
    if (thread->process->is_main) {
        world.main_exited = true;
        world.main_how = (int)status->how;
        world.main_code = status->code;
    }
    world_let_go(thread->process);
}

static void see_release(struct known_thread *thread, const struct sdb_event *event)
{
    EXPECT(!(thread->process->follow & SDB_FOLLOW_EXEC),
           "process %d was let go at its exec, and the policy is %#x", thread->process->pid,
           thread->process->follow);
    sdb_child_close(event->child);
    counts_executed(thread->process, true);
    thread->process->points = 0;
    world_let_go(thread->process);
}

/* Its parent was killed, or let go, before it could tell of it. */
static struct known_thread *add_orphan(const struct sdb_event *event)
{
    struct known_process *process;

    EXPECT(world.main->killed || world.lets_go, "nobody has told of newborn %d",
           sdb_thread_tid(event->thread));
    process = add_process(event->process);
    process->follow = SDB_FOLLOW_ALL;
    return add_thread(process, event->thread);
}

/* It was killed before its first stop was told, as its parent was before it could tell of it. */
static struct known_thread *add_dead(const struct sdb_event *event)
{
    struct known_process *process = sdb_process_data(event->process);

    EXPECT(process && process->killed, "nobody has told of thread %d, which has ended",
           sdb_thread_tid(event->thread));
    return add_thread(process, event->thread);
}

/* ---- any event ---- */

static bool is_end(uint32_t kind)
{
    return kind == SDB_EVENT_THREAD_EXIT || kind == SDB_EVENT_EXITED || kind == SDB_EVENT_RELEASED;
}

/* What holds of all kinds. */
static void expect_possible(const struct known_thread *thread, const struct sdb_event *event)
{
    const uint32_t kind = event->kind;

    EXPECT(!thread->ends || is_end(kind), "thread %d is gone, and tells %s", thread->tid,
           sdb_event_name(kind));
    EXPECT(!thread->ended, "thread %d has ended, and tells %s", thread->tid, sdb_event_name(kind));
    EXPECT(thread->started || kind == SDB_EVENT_START || is_end(kind),
           "thread %d tells %s before its start", thread->tid, sdb_event_name(kind));
    EXPECT(!thread->stands || thread->silent || is_end(kind),
           "thread %d stands after %s, and tells %s", thread->tid, sdb_event_name(thread->kind),
           sdb_event_name(kind));
    EXPECT(!thread->listens || kind == SDB_EVENT_GROUP_CONTINUE || kind == SDB_EVENT_GROUP_STOP ||
               kind == SDB_EVENT_INTERRUPT || is_end(kind),
           "thread %d stays stopped, and tells %s", thread->tid, sdb_event_name(kind));
    EXPECT(kind != SDB_EVENT_INTERRUPT || thread->interrupted,
           "thread %d tells an interrupt, and nobody has asked for one", thread->tid);
    EXPECT(event->process == sdb_thread_process(event->thread), "the event's process is another's");
    EXPECT(is_end(kind) || sdb_thread_state(event->thread) == SDB_THREAD_STOPPED,
           "thread %d has told %s, and is in state %d", thread->tid, sdb_event_name(kind),
           sdb_thread_state(event->thread));
}

/* In all-stop all threads of the process stand now. */
static void see_all_stop(struct known_process *process)
{
    for (int i = 0; i < world.thread_count; i++) {
        struct known_thread *thread = &world.threads[i];

        if (thread->ended || thread->process != process)
            continue;
        if (sdb_thread_state(thread->handle) == SDB_THREAD_STOPPED) {
            if (!thread->stands)
                thread->silent = thread->unsure = true;
            set_stands(thread, true);
        } else {
            thread->may_stop = true;
        }
    }
}

void world_stopped(struct known_process *process)
{
    see_all_stop(process);
}

static void see_kind(struct known_thread *thread, const struct sdb_event *event)
{
    switch (event->kind) {
    case SDB_EVENT_SIGNAL:
        see_signal(thread, event);
        break;
    case SDB_EVENT_GROUP_STOP:
        see_group_stop(thread);
        break;
    case SDB_EVENT_GROUP_CONTINUE:
        see_group_continue(thread);
        break;
    case SDB_EVENT_STEP:
        see_step(thread);
        break;
    case SDB_EVENT_SYSCALL_ENTRY:
        see_entry(thread);
        break;
    case SDB_EVENT_SYSCALL_EXIT:
        see_exit(thread);
        break;
    case SDB_EVENT_FORK:
    case SDB_EVENT_VFORK:
    case SDB_EVENT_CLONE:
        see_birth(thread, event);
        break;
    case SDB_EVENT_START:
        see_start(thread);
        break;
    case SDB_EVENT_EXEC:
        see_exec(thread, event);
        break;
    case SDB_EVENT_BREAKPOINT:
    case SDB_EVENT_WATCHPOINT:
        counts_see_hit(thread, event);
        break;
    case SDB_EVENT_INTERRUPT:
    case SDB_EVENT_VFORK_DONE:
        break;
    default:
        story_fail("thread %d tells an event of kind %u", thread->tid, event->kind);
    }
}

void world_event(const struct sdb_event *event)
{
    struct known_thread *thread = world_thread(event->thread);

    world.events++;
    story_tell("%s of thread %d, process %d, signal %d", sdb_event_name(event->kind),
               sdb_thread_tid(event->thread), sdb_process_pid(event->process), event->signal);
    if (!thread && event->kind == SDB_EVENT_START)
        thread = add_orphan(event);
    else if (!thread && event->kind == SDB_EVENT_THREAD_EXIT)
        thread = add_dead(event);
    EXPECT(thread, "nobody knows thread %d", sdb_thread_tid(event->thread));
    expect_possible(thread, event);
    thread->listens = false;
    thread->kind = event->kind;
    thread->signal = event->signal;
    if (is_end(event->kind)) {
        if (event->kind == SDB_EVENT_RELEASED)
            see_release(thread, event);
        else
            see_end(thread, event);
        if (thread->process->held && thread->process->all_stop)
            see_all_stop(thread->process);
        return;
    }
    see_kind(thread, event);
    if (event->kind == SDB_EVENT_SYSCALL_ENTRY)
        thread->call_is_old = thread->may_tell_call;
    thread->may_tell_call = false;
    thread->interrupted = false;
    thread->silent = thread->may_stop = false;
    set_stands(thread, true);
    if (event->kind != SDB_EVENT_START && event->kind != SDB_EVENT_EXEC)
        world_expect_own_code(thread);
    if (thread->process->all_stop)
        see_all_stop(thread->process);
}

void world_catches_other_calls(struct known_thread *thread)
{
    thread->may_tell_call = true;
    thread->may_tell_end = thread->may_tell_end || thread->in_call;
    thread->in_call = false;
}

/* ---- going on ---- */

static void note_resumed(struct known_thread *thread, enum sdb_resume how, int signal)
{
    const int given =
        signal == SDB_SIGNAL_PASS && thread->kind == SDB_EVENT_SIGNAL && !thread->silent
            ? thread->signal
        : signal > 0 ? signal
                     : 0;

    thread->got_signal = given != 0;
    if (thread->in_call &&
        (how == SDB_RESUME_STEP || (how == SDB_RESUME_CONTINUE && !thread->was_caught))) {
        /* Its end is not told then, but where the thread is within it and goes on as before. */
        thread->may_tell_end = how == SDB_RESUME_STEP || thread->call_is_old;
        thread->in_call = false;
    }
    if (given > 0)
        world.told[given]++;
    if (!thread->silent)
        thread->how_before = how;
    else if (thread->how != SDB_RESUME_CONTINUE)
        thread->how_before = thread->how;
    thread->how = how;
    thread->listens = thread->kind == SDB_EVENT_GROUP_STOP && !thread->silent &&
                      how == SDB_RESUME_CONTINUE && signal == SDB_SIGNAL_PASS;
    set_stands(thread, false);
}

static bool may_be_stepped(uint64_t pc)
{
    switch (place_of_site(pc)) {
    case PLACE_GETUID:
    case PLACE_GETPPID:
        return false; /* it would not be told although it is caught */
    case PLACE_PUSHF:
    case PLACE_POPF:
    case PLACE_IRET:
        return profile.steps_flags;
    default:
        return true;
    }
}

void world_resume(struct known_thread *thread, enum sdb_resume how, int signal)
{
    uint64_t pc = 0;
    int rc;

    (void)sdb_thread_pc(thread->handle, &pc);
    if (how == SDB_RESUME_STEP && !may_be_stepped(pc))
        how = SDB_RESUME_CONTINUE;
    rc = sdb_thread_resume(thread->handle, how, signal);
    story_tell("  resume thread %d at %#llx (site of %d), way %d, signal %d: %d", thread->tid,
               (unsigned long long)pc, place_of_site(pc), how, signal, rc);
    if (rc == -EBUSY && thread->silent) {
        set_stands(thread, false); /* its event is still to be told */
        return;
    }
    EXPECT(rc == 0, "resuming thread %d, which stands after %s: %d", thread->tid,
           sdb_event_name(thread->kind), rc);
    thread->resumed_at = pc;
    note_resumed(thread, how, signal);
}

void world_resume_all(void)
{
    for (int i = 0; i < world.thread_count; i++) {
        struct known_thread *thread = &world.threads[i];

        if (thread->ended)
            continue;
        if (thread->may_stop && sdb_thread_state(thread->handle) == SDB_THREAD_STOPPED) {
            thread->may_stop = false;
            thread->silent = thread->unsure = true;
            set_stands(thread, true);
        }
        if (thread->stands)
            world_resume(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
    }
}

void world_resume_process(struct known_process *process)
{
    const int rc = sdb_process_resume(process->handle, SDB_RESUME_CONTINUE);
    bool expected = false;

    story_tell("  resume process %d: %d", process->pid, rc);
    for (int i = 0; i < world.thread_count; i++) {
        struct known_thread *thread = &world.threads[i];

        if (thread->ended || thread->process != process || !thread->stands)
            continue;
        expected = expected || !thread->silent;
        thread->resumed_at = 0;
        note_resumed(thread, SDB_RESUME_CONTINUE, SDB_SIGNAL_PASS);
    }
    EXPECT(rc == 0 || (rc == -EBUSY && !expected), "resuming process %d: %d", process->pid, rc);
}

struct known_thread *world_choose(bool stands, unsigned number)
{
    int count = 0;

    for (int i = 0; i < world.thread_count; i++)
        count += !world.threads[i].ended && world.threads[i].stands == stands;
    if (count == 0)
        return NULL;
    count = (int)(number % (unsigned)count);
    for (int i = 0; i < world.thread_count; i++) {
        if (!world.threads[i].ended && world.threads[i].stands == stands && count-- == 0)
            return &world.threads[i];
    }
    return NULL;
}
