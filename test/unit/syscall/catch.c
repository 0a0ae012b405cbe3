/* SPDX-License-Identifier: MIT */
/*
 * Catching system calls: which are told, and that nothing else is touched by it.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calling.h"
#include "crew.h"
#include "host.h"

#define RESTART_BLOCK (-516)

#define STORMING 4

/* Of one thread: as many ends of calls as can be on their way when the wish changes. */
#define UNDER_WAY 2

static struct target launch_catching(const char *const *steps, uint32_t flags,
                                     const int32_t *numbers, size_t count)
{
    struct target target = launch_calls(steps);

    set_follow(target.process, SDB_FOLLOW_ALL);
    pass_silently(SIGCHLD);
    catch_calls(target.process, flags, numbers, count);
    resume_process(target.process);
    return target;
}

HOLDING_CASE(telling);

SESSION_TEST(one_among_many_is_told)
{
    struct target target;

    use_cpus(1);
    target = launch_catching(STEPS("many:20000", "121", "many:1000"), 0, NUMBERS(SYS_getpgid));
    expect_whole_call(SYS_getpgid);
    finish_exited(&target, 0);
}

SESSION_TEST(all_are_told_at_both_ends_in_turn)
{
    struct sdb_event event;
    struct sdb_syscall entry = SDB_SYSCALL_INIT;
    struct sdb_syscall call;
    bool inside = false;
    int count = 0;
    int wanted = 0;
    struct target target =
        launch_catching(STEPS("many:100", "handler", "raise"), SDB_CATCH_ALL, NULL, 0);

    for (;;) {
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            break;
        if (event.kind == SDB_EVENT_SIGNAL) {
            ck_assert(!inside);
            resume(&event);
            continue;
        }
        /* The end of the exec that was before is not told. */
        ck_assert_uint_eq(event.kind, inside ? SDB_EVENT_SYSCALL_EXIT : SDB_EVENT_SYSCALL_ENTRY);
        call = call_of(event.thread);
        if (inside) {
            ck_assert_int_eq(call.number, entry.number);
            ck_assert(memcmp(call.arguments, entry.arguments, sizeof(call.arguments)) == 0);
        } else {
            entry = call;
            wanted += call.number == SYS_getppid;
        }
        inside = !inside;
        count++;
        resume(&event);
    }
    ck_assert_int_eq(entry.number, SYS_exit_group);
    ck_assert(inside);
    ck_assert_int_eq(wanted, 100);
    ck_assert_int_gt(count, 220);
    finish_with(&target);
}

SESSION_TEST(only_beginnings_are_told_where_that_is_wanted)
{
    int count = 0;
    struct target target = launch_catching(STEPS("many:10", "121"), SDB_CATCH_ENTRIES,
                                           NUMBERS(SYS_getppid, SYS_getpgid, SYS_getppid));

    for (struct sdb_event event = next_event(); event.kind != SDB_EVENT_EXITED;
         event = next_event()) {
        ck_assert_uint_eq(event.kind, SDB_EVENT_SYSCALL_ENTRY);
        count++;
        resume(&event);
    }
    ck_assert_int_eq(count, 11);
    finish_with(&target);
}

SESSION_TEST(calls_of_i386_are_caught_by_their_name)
{
    struct target target;
    struct sdb_event event;

    /* 121 is setdomainname there, 132 is getpgid there and munlock on x86-64. */
    target =
        launch_catching(STEPS("i386:121", "i386:132:0", "132", "i386:64"), 0, NUMBERS(SYS_getpgid));
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, 132);
    ck_assert_uint_eq(call_of(event.thread).architecture, SDB_ARCH_I386);
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, 132);
    finish_exited(&target, 0);
}

SESSION_TEST(numbers_that_nobody_knows_are_caught)
{
    struct target target = launch_catching(STEPS("1023", "1022"), 0, NUMBERS(SDB_SYSCALL_HIGHEST));

    expect_whole_call(SDB_SYSCALL_HIGHEST);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 1), -ENOSYS);
    finish_with(&target);
}

SESSION_TEST(what_is_caught_can_be_changed_meanwhile)
{
    struct target target;
    struct sdb_event event;

    target =
        launch_catching(STEPS("121", "140", "121", "140", "121", "140"), 0, NUMBERS(SYS_getpgid));
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpgid);
    catch_calls(target.process, 0, NUMBERS(SYS_getpriority));
    resume(&event);
    resume_from_call(SDB_EVENT_SYSCALL_EXIT, SYS_getpgid);
    event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_getpriority);
    catch_calls(target.process, 0, NULL, 0);
    resume(&event);
    finish_exited(&target, 0);
}

SESSION_TEST(resuming_to_calls_means_what_it_meant)
{
    struct target target = launch_calls(STEPS("many:20", "121"));
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_event event;
    int ends[2] = {0};

    catch_calls(target.process, SDB_CATCH_ENTRIES, NUMBERS(SYS_getpgid));
    for (;;) {
        resume_thread(thread, SDB_RESUME_SYSCALL);
        event = next_event();
        if (event.kind == SDB_EVENT_EXITED)
            break;
        if (call_of(thread).number == SYS_getppid || call_of(thread).number == SYS_getpgid)
            ends[event.kind == SDB_EVENT_SYSCALL_EXIT]++;
    }
    ck_assert_int_eq(ends[0], 21);
    ck_assert_int_eq(ends[1], 21);
    finish_with(&target);
}

HOLDING_CASE(special_calls);

static const int32_t births_and_ends[] = {SYS_clone,  SYS_clone3, SYS_fork,       SYS_vfork,
                                          SYS_execve, SYS_exit,   SYS_exit_group, SYS_getpgid};

#define MOST_KINDS 32

/* What one thread tells, by its first letters, until it ends: e entry, x exit, and so on. */
struct story {
    struct sdb_thread *thread;
    char text[MOST_KINDS];
};

static void append(struct story *stories, const struct sdb_event *event)
{
    static const char letters[] = {
        [SDB_EVENT_SYSCALL_ENTRY] = 'e', [SDB_EVENT_SYSCALL_EXIT] = 'x',
        [SDB_EVENT_FORK] = 'F',          [SDB_EVENT_VFORK] = 'V',
        [SDB_EVENT_CLONE] = 'C',         [SDB_EVENT_VFORK_DONE] = 'D',
        [SDB_EVENT_START] = 'S',         [SDB_EVENT_EXEC] = 'X',
        [SDB_EVENT_THREAD_EXIT] = 'T',   [SDB_EVENT_EXITED] = 'E',
    };

    while (stories->thread && stories->thread != event->thread)
        stories++;
    if (!stories->thread)
        stories->thread = sdb_thread_retain(event->thread);
    ck_assert_uint_lt(event->kind, sizeof(letters));
    stories->text[strlen(stories->text)] = letters[event->kind];
}

static void expect_stories(const char *maker, const char *first, const char *second)
{
    struct target target = launch_catching(STEPS(maker, "121"), 0, births_and_ends,
                                           sizeof(births_and_ends) / sizeof(int32_t));
    struct story stories[4] = {0};
    int processes = 1;

    while (processes > 0) {
        struct sdb_event event = next_event();

        append(stories, &event);
        processes += event.kind == SDB_EVENT_FORK || event.kind == SDB_EVENT_VFORK;
        processes -= event.kind == SDB_EVENT_EXITED;
        resume(&event);
    }
    ck_assert_str_eq(stories[0].text, first);
    ck_assert_str_eq(stories[1].text, second);
    ck_assert_ptr_null(stories[2].thread);
    sdb_thread_close(stories[0].thread);
    sdb_thread_close(stories[1].thread);
    close_target(&target);
}

SESSION_TEST(births_are_within_their_calls)
{
    expect_stories("fork", "eFxeE", "SexeE");
    expect_stories("vfork", "eVDxeE", "SexeE");
    expect_stories("thread", "eCxE", "SexeT"); /* the newborn ends the process */
    expect_stories("exec", "eXxexeE", "");
    finish();
}

SESSION_TEST(call_that_ends_a_handler_has_both_ends)
{
    struct target target = launch_catching(STEPS("handler", "raise", "121"), 0,
                                           NUMBERS(SYS_rt_sigreturn, SYS_getpgid));

    resume_from_signal(SIGUSR1);
    expect_whole_call(SYS_rt_sigreturn);
    expect_whole_call(SYS_getpgid);
    finish_exited(&target, 0);
}

/* A caught sleep that a signal interrupts, as far as that signal's event. */
static struct sdb_event interrupt_nap(struct target *target)
{
    struct sdb_event event = expect_call(SDB_EVENT_SYSCALL_ENTRY, SYS_nanosleep);

    wait_ready(target);
    resume(&event);
    await_state(target->pid, 'S');
    ck_assert_int_eq(kill(target->pid, SIGUSR1), 0);
    event = expect_call(SDB_EVENT_SYSCALL_EXIT, SYS_nanosleep);
    ck_assert_int_eq(call_of(event.thread).result, RESTART_BLOCK);
    ck_assert_uint_eq(call_of(event.thread).is_error, 1);
    resume(&event);
    return expect_signal(SIGUSR1);
}

SESSION_TEST(restart_of_a_caught_call_is_caught)
{
    struct sdb_event event;
    struct target target =
        launch_catching(STEPS("ignore", "ready", "nap:300", "121"), 0, NUMBERS(SYS_nanosleep));

    event = interrupt_nap(&target);
    resume(&event);
    expect_whole_call(SYS_restart_syscall);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 3), 0);
    finish_with(&target);
}

SESSION_TEST(handled_signal_leaves_no_restart)
{
    struct sdb_event event;
    struct target target =
        launch_catching(STEPS("handler", "ready", "nap:60000"), 0, NUMBERS(SYS_nanosleep));

    event = interrupt_nap(&target);
    resume(&event);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 3), -EINTR);
    finish_with(&target);
}

SESSION_TEST(restart_of_another_call_is_not_told)
{
    struct target target =
        launch_catching(STEPS("ignore", "ready", "nap:300", "121"), 0, NUMBERS(SYS_getpgid));

    wait_ready_held(&target);
    await_sleep_held(&target);
    ck_assert_int_eq(kill(target.pid, SIGUSR1), 0);
    resume_from_signal(SIGUSR1);
    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 3), 0);
    finish_with(&target);
}

HOLDING_CASE(beside_others);

SESSION_TEST(threads_storm_and_none_is_missed)
{
    struct target target = launch_catching(STEPS("storm:8:200"), 0, NUMBERS(SYS_getpriority));

    expect_calls_until_exit(SYS_getpriority, 1600);
    finish_with(&target);
}

SESSION_TEST(all_threads_stop_for_a_caught_call)
{
    int count = 0;
    struct target target = launch_calls(STEPS("storm:4:25"));

    ck_assert_int_eq(sdb_process_set_stop_mode(target.process, SDB_ALL_STOP), 0);
    catch_calls(target.process, 0, NUMBERS(SYS_getpriority));
    resume_process(target.process);
    for (struct sdb_event event = next_event(); event.kind != SDB_EVENT_EXITED;
         event = next_event()) {
        if (event.kind == SDB_EVENT_SYSCALL_ENTRY || event.kind == SDB_EVENT_SYSCALL_EXIT) {
            count++;
            for (struct sdb_thread *thread = sdb_process_next_thread(event.process, NULL); thread;
                 thread = sdb_process_next_thread(event.process, thread))
                ck_assert_int_eq(sdb_thread_state(thread), SDB_THREAD_STOPPED);
        }
        resume(&event);
    }
    ck_assert_int_eq(count, 200);
    finish_with(&target);
}

SESSION_TEST(interrupts_come_among_calls_that_pass)
{
    struct target target = launch_catching(STEPS("many:100000000"), 0, NUMBERS(SYS_getpgid));
    struct sdb_thread *thread = sdb_process_thread(target.process);
    struct sdb_event event;

    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(sdb_thread_interrupt(thread), 0);
        event = expect_of(SDB_EVENT_INTERRUPT, thread);
        ck_assert_int_eq(state_of(target.pid), 't');
        resume(&event);
        stop_process(target.process);
        ck_assert_int_eq(state_of(target.pid), 't');
        resume_process(target.process);
    }
    catch_calls(target.process, 0, NULL, 0); /* it runs, and runs on */
    ck_assert_int_eq(sdb_session_interrupt(session), 0);
    ck_assert_int_eq(sdb_session_wait(session, PATIENCE_MS, &event), -EINTR);
    ck_assert_int_eq(sdb_session_wait(session, 20, &event), -ETIMEDOUT);
    finish_with(&target);
}

/* How many ends of calls each storming thread has told. */
struct tellers {
    const struct sdb_thread *threads[STORMING];
    int counts[STORMING];
};

static int *count_of(struct tellers *tellers, const struct sdb_thread *thread)
{
    for (int i = 0; i < STORMING; i++) {
        if (!tellers->threads[i])
            tellers->threads[i] = thread;
        if (tellers->threads[i] == thread)
            return &tellers->counts[i];
    }
    ck_abort_msg("a thread more than there are");
    return NULL;
}

/*
 * Resume what comes, until each thread has told of this call often enough.  Of another call it may tell
 * only before, and only what was on its way.
 */
static void expect_only(int64_t number)
{
    struct tellers others = {0};
    struct tellers tellers = {0};
    int done = 0;

    while (done < STORMING) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_SYSCALL_ENTRY || event.kind == SDB_EVENT_SYSCALL_EXIT) {
            if (call_of(event.thread).number == number) {
                done += ++*count_of(&tellers, event.thread) == UNDER_WAY * 3;
            } else {
                ck_assert_int_eq(*count_of(&tellers, event.thread), 0);
                ck_assert_int_le(++*count_of(&others, event.thread), UNDER_WAY);
            }
        } else {
            ck_assert(event.kind == SDB_EVENT_CLONE || event.kind == SDB_EVENT_START);
        }
        resume(&event);
    }
}

SESSION_TEST(what_is_caught_can_be_changed_while_threads_run)
{
    struct target target = launch_catching(STEPS("storm:4:100000000"), 0, NUMBERS(SYS_getpriority));

    for (int i = 0; i < 20; i++) {
        struct tellers tellers = {0};
        int rc;

        expect_only(SYS_getpriority);
        catch_calls(target.process, i % 2 ? SDB_CATCH_ENTRIES : 0, NUMBERS(SYS_getppid));
        expect_only(SYS_getppid);
        catch_calls(target.process, 0, NULL, 0);
        do {
            struct sdb_event event = SDB_EVENT_INIT;

            rc = sdb_session_wait(session, 5, &event);
            if (rc == 0) {
                ck_assert_int_le(++*count_of(&tellers, event.thread), UNDER_WAY);
                resume(&event);
            }
        } while (rc == 0);
        catch_calls(target.process, 0, NUMBERS(SYS_getpriority));
    }
    finish_with(&target);
}

SESSION_TEST(a_call_that_waits_goes_on_when_that_is_changed)
{
    struct target target = launch_catching(STEPS("ready", "nap:200", "121"), 0, NULL, 0);

    wait_ready_held(&target);
    await_sleep_held(&target);
    for (int i = 0; i < 20; i++) {
        catch_calls(target.process, 0, NUMBERS(SYS_getpgid, SYS_nanosleep));
        catch_calls(target.process, 0, NUMBERS(SYS_getpgid));
    }
    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), 0);
    finish_with(&target);
}

SESSION_TEST(stopped_process_stays_stopped)
{
    struct target target =
        launch_catching(STEPS("ready", "nap:300", "121"), 0, NUMBERS(SYS_getpgid));

    wait_ready_held(&target);
    await_sleep_held(&target);
    ck_assert_int_eq(kill(target.pid, SIGSTOP), 0);
    resume_from_signal(SIGSTOP);
    resume_from(SDB_EVENT_GROUP_STOP);
    expect_nothing();
    ck_assert_int_eq(kill(target.pid, SIGCONT), 0);
    resume_from(SDB_EVENT_GROUP_CONTINUE);
    resume_from_signal(SIGCONT);
    expect_whole_call(SYS_getpgid);
    expect_exit(SDB_EXITED, 0);
    ck_assert_int_eq(result_of(&target, 2), 0);
    finish_with(&target);
}

SESSION_TEST(signals_pass_among_calls)
{
    struct target target;
    int count = 0;

    pass_silently(SIGUSR1);
    target = launch_catching(STEPS("handler", "raise", "raise", "121", "raise", "121"), 0,
                             NUMBERS(SYS_getpgid, SYS_kill));
    for (struct sdb_event event = next_event(); event.kind != SDB_EVENT_EXITED;
         event = next_event()) {
        ck_assert_uint_eq(event.kind,
                          count++ % 2 == 0 ? SDB_EVENT_SYSCALL_ENTRY : SDB_EVENT_SYSCALL_EXIT);
        resume(&event);
    }
    ck_assert_int_eq(count, 10);
    ck_assert_uint_eq(target.board->signals[SIGUSR1], 3);
    finish_with(&target);
}

SESSION_TEST(nothing_is_left_of_it_after_a_detach)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct target target = launch_catching(STEPS("storm:4:20000", "121"), SDB_CATCH_ALL, NULL, 0);
    struct sdb_child *child;

    for (int i = 0; i < 300; i++) {
        struct sdb_event event = next_event();

        resume(&event);
    }
    child = detach_child(target.process);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    ck_assert_int_eq(result_of(&target, 2), getpgid(0));
    sdb_child_close(child);
    finish_with(&target);
}

SESSION_TEST(attached_process_is_caught_too)
{
    int count = 0;
    struct target target = start_threads("flood", "2", NULL);
    struct sdb_event event;

    pass_silently(SIGUSR1);
    wait_ready(&target);
    attach_target(&target);
    catch_calls(target.process, 0, NUMBERS(SYS_tgkill));
    resume_process(target.process);
    while (count < 500) {
        event = next_event();
        ck_assert_int_eq(call_of(event.thread).number, SYS_tgkill);
        count++;
        resume(&event);
    }
    detach(target.process);
    expect_turns(target.board, 1, 10);
    finish();
    end_target(&target);
}

SESSION_TEST(wrong_wishes_are_refused)
{
    const int32_t numbers[] = {0, -1};
    const int32_t high = SDB_SYSCALL_HIGHEST + 1;
    struct target target = launch_calls(STEPS("121"));

    ck_assert_int_eq(sdb_process_catch_syscalls(NULL, 0, NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_process_catch_syscalls(target.process, 4, NULL, 0), -EINVAL);
    ck_assert_int_eq(sdb_process_catch_syscalls(target.process, 0, NULL, 1), -EINVAL);
    ck_assert_int_eq(sdb_process_catch_syscalls(target.process, 0, numbers, 2), -EINVAL);
    ck_assert_int_eq(sdb_process_catch_syscalls(target.process, 0, &high, 1), -EINVAL);
    ck_assert_int_eq(sdb_process_catch_syscalls(target.process, SDB_CATCH_ALL, numbers, 1),
                     -EINVAL);
    ck_assert_int_eq(sdb_process_permit_release(NULL), -EINVAL);
    ck_assert_int_eq(sdb_process_permit_release(target.process), 0);
    resume_process(target.process);
    expect_exit(SDB_EXITED, 0); /* nothing of it was taken up */
    finish_with(&target);
}

int main(void)
{
    return run_suite("syscall_catch");
}
