/* SPDX-License-Identifier: MIT */
/*
 * What injected system calls are used for, with memory for their arguments; and what is refused.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "crew.h"
#include "holding.h"
#include "injecting.h"

#define TURNS 3

HOLDING_CASE(uses);

TEST(a_file_is_opened_in_the_program)
{
    char path[] = "/tmp/sdb-inject-XXXXXX";
    char text[] = "written by another\n";
    char content[64] = {0};
    const struct sdb_inject_buffer name = {path, sizeof(path), 1, SDB_INJECT_IN};
    const struct sdb_inject_buffer bytes = {text, strlen(text), 1, SDB_INJECT_IN};
    const uint64_t opening[6] = {(uint64_t)AT_FDCWD, 0, O_WRONLY};
    struct target target;
    struct sdb_thread *thread;
    int own = mkstemp(path);
    int64_t fd;

    ck_assert_int_ge(own, 0);
    begin(_i);
    target = stopped_reader(&thread);
    fd = inject_with(thread, SYS_openat, opening, &name, 1);
    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(
        inject_with(thread, SYS_write, (uint64_t[6]){(uint64_t)fd, 0, strlen(text)}, &bytes, 1),
        (int64_t)strlen(text));
    ck_assert_int_eq(inject(thread, SYS_dup2, (uint64_t[6]){(uint64_t)fd, 33}), 33);
    ck_assert_int_eq(inject(thread, SYS_close, (uint64_t[6]){33}), 0);
    ck_assert_int_eq(inject(thread, SYS_close, (uint64_t[6]){(uint64_t)fd}), 0);
    ck_assert_int_eq(inject(thread, SYS_close, (uint64_t[6]){(uint64_t)fd}), -EBADF);
    ck_assert_int_eq(read(own, content, sizeof(content)), (ssize_t)strlen(text));
    ck_assert_str_eq(content, text);
    close(own);
    unlink(path);
    end_reader(&target);
}

/* Memory for more than goes on the stack is mapped, and unmapped again. */
static char *maps_of(int pid)
{
    struct sdb_facts_maps *maps;
    char *text = calloc(1, 65536);
    size_t len = 0;

    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(sdb_facts_read_maps(pid, &maps), 0);
    for (size_t i = 0; i < maps->count; i++)
        len += (size_t)snprintf(text + len, 65536 - len, "%llx-%llx %x %s\n",
                                (unsigned long long)maps->list[i]->start,
                                (unsigned long long)maps->list[i]->end,
                                (unsigned)maps->list[i]->flags, maps->list[i]->name);
    sdb_facts_free(maps);
    return text;
}

SESSION_TEST(the_working_directory_is_asked_for_and_changed)
{
    struct sdb_thread *thread;
    static const size_t sizes[] = {64, 4096, 100000};
    char directory[] = "/usr";
    const struct sdb_inject_buffer to = {directory, sizeof(directory), 0, SDB_INJECT_IN};
    struct target target = stopped_reader(&thread);
    char *before;

    before = maps_of(target.pid);
    ck_assert_int_eq(inject_with(thread, SYS_chdir, none, &to, 1), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *path = malloc(sizes[i]);
        const struct sdb_inject_buffer room = {path, sizes[i], 0, SDB_INJECT_OUT};
        char *after;

        memset(path, 'z', sizes[i]);
        ck_assert_int_eq(inject_with(thread, SYS_getcwd, (uint64_t[6]){0, sizes[i]}, &room, 1), 5);
        ck_assert_str_eq(path, "/usr");
        ck_assert_int_eq(path[sizes[i] - 1], 0);
        after = maps_of(target.pid);
        ck_assert_str_eq(before, after);
        free(after);
        free(path);
    }
    free(before);
    inject_unseen(thread);
    end_reader(&target);
}

SESSION_TEST(a_limit_is_exchanged)
{
    struct rlimit wanted = {100, 200};
    struct rlimit had = {1, 1};
    struct rlimit now = {0, 0};
    const struct sdb_inject_buffer both[] = {
        {&wanted, sizeof(wanted), 2, SDB_INJECT_INOUT},
        {&had, sizeof(had), 3, SDB_INJECT_OUT},
    };
    struct rlimit own;
    struct sdb_thread *thread;
    struct target target = stopped_reader(&thread);

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &own), 0);
    ck_assert_int_eq(inject_with(thread, SYS_prlimit64, (uint64_t[6]){0, RLIMIT_NOFILE}, both, 2),
                     0);
    ck_assert_uint_eq(had.rlim_cur, own.rlim_cur);
    ck_assert_uint_eq(wanted.rlim_max, 200);
    ck_assert_int_eq(prlimit(target.pid, RLIMIT_NOFILE, NULL, &now), 0);
    ck_assert_uint_eq(now.rlim_cur, 100);
    ck_assert_uint_eq(now.rlim_max, 200);
    end_reader(&target);
}

SESSION_TEST(memory_is_mapped_and_unmapped)
{
    const uint64_t arguments[6] = {
        0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0};
    char word[] = "word";
    char back[sizeof(word)] = "";
    char path[64];
    struct sdb_thread *thread;
    int64_t address;
    int fd;
    struct target target = stopped_reader(&thread);

    address = inject(thread, SYS_mmap, arguments);
    ck_assert(address > 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", target.pid);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(pwrite(fd, word, sizeof(word), address), sizeof(word));
    ck_assert_int_eq(pread(fd, back, sizeof(back), address), sizeof(word));
    ck_assert_str_eq(back, word);
    ck_assert_int_eq(
        inject(thread, SYS_mprotect, (uint64_t[6]){(uint64_t)address, 4096, PROT_NONE}), 0);
    ck_assert_int_eq(inject(thread, SYS_munmap, (uint64_t[6]){(uint64_t)address, 4096}), 0);
    ck_assert_int_eq(pread(fd, back, sizeof(back), address), -1);
    close(fd);
    end_reader(&target);
}

SESSION_TEST(a_changed_mask_and_thread_pointer_stay)
{
    uint64_t set = UINT64_C(1) << (SIGUSR2 - 1);
    uint64_t old = UINT64_MAX;
    uint64_t mask = 0;
    const struct sdb_inject_buffer masks[] = {
        {&set, sizeof(set), 1, SDB_INJECT_IN},
        {&old, sizeof(old), 2, SDB_INJECT_OUT},
    };
    struct user_regs_struct registers;
    struct sdb_thread *thread;
    struct target target = stopped_reader(&thread);

    ck_assert_int_eq(inject_with(thread, SYS_rt_sigprocmask,
                                 (uint64_t[6]){SIG_BLOCK, 0, 0, sizeof(set)}, masks, 2),
                     0);
    ck_assert_uint_eq(old, 0);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETSIGMASK, target.pid, 8, &mask), 0);
    ck_assert_uint_eq(mask, set);
    ck_assert_int_eq(inject(thread, SYS_arch_prctl, (uint64_t[6]){0x1001 /* set gs */, 4096}), 0);
    inject_unseen(thread);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETREGS, target.pid, 0, &registers), 0);
    ck_assert_uint_eq(registers.gs_base, 4096);
    ck_assert_int_eq(kill(target.pid, SIGUSR2), 0); /* it would end it */
    end_reader(&target);
}

SESSION_TEST(a_forked_child_is_held_where_its_parent_stands)
{
    struct sdb_thread *thread;
    struct target target = stopped_reader(&thread);
    struct sdb_event event;
    struct user_regs_struct of_parent;
    struct user_regs_struct of_child;
    int64_t child;

    set_follow(target.process, SDB_FOLLOW_FORK | SDB_FOLLOW_CLONE);
    child = inject(thread, SYS_fork, none);
    ck_assert_int_gt(child, 0);
    inject_unseen(thread);
    event = expect(SDB_EVENT_START);
    ck_assert_int_eq(sdb_process_pid(event.process), (int)child);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETREGS, target.pid, 0, &of_parent), 0);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_GETREGS, (pid_t)child, 0, &of_child), 0);
    ck_assert_uint_eq(of_child.rip, of_parent.rip);
    ck_assert_uint_eq(of_child.rsp, of_parent.rsp);
    ck_assert_uint_eq(of_child.rax, 0);
    ck_assert_int_eq(status_of((int)child, "SigBlk", 16), 0);
    inject_unseen(event.thread);
    /* It reads 0 bytes, as it seems. */
    resume(&event);
    expect_exit(SDB_EXITED, 1);
    inject_unseen(thread);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    event = expect_signal(SIGCHLD);
    tell_target(&target, 'x');
    resume(&event);
    end_well(&target);
}

SESSION_TEST(an_exit_is_told)
{
    struct sdb_thread *thread;
    int64_t result = 7;
    struct target target = stopped_reader(&thread);

    ck_assert_int_eq(sdb_thread_inject(thread, SYS_exit_group, (uint64_t[6]){42}, &result), -ESRCH);
    ck_assert_int_eq(result, 7);
    finish_exited(&target, 42);
}

SESSION_TEST(an_exit_of_a_first_thread_is_told_with_the_last)
{
    struct target target = launch_crew(1);
    struct sdb_thread *first = crew_thread(&target, 0);
    struct sdb_thread *other = crew_thread(&target, 1);
    struct sdb_event event;
    int64_t result;

    stop_thread(first);
    stop_thread(other);
    ck_assert_int_eq(sdb_thread_inject(first, SYS_exit, (uint64_t[6]){5}, &result), -ESRCH);
    expect_nothing();
    inject_unseen(other);
    ck_assert_int_eq(sdb_thread_inject(other, SYS_exit, (uint64_t[6]){6}, &result), -ESRCH);
    event = expect_thread_exit(SDB_EXITED, 6);
    ck_assert_ptr_eq(event.thread, other);
    finish_exited(&target, 6);
}

/* ---- filters ---- */

SESSION_TEST(a_filter_of_the_programs_own_refuses)
{
    struct target target = launch_calling("refuse", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_read);

    stop_thread(thread);
    ck_assert_int_eq(inject(thread, SYS_getppid, none), -EPERM);
    inject_unseen(thread);
    end_reader(&target);
}

SESSION_TEST(a_filter_of_the_programs_own_traps)
{
    struct target target = launch_calling("trap", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_read);
    int64_t result;

    stop_thread(thread);
    for (int i = 0; i < TURNS; i++) {
        ck_assert_int_eq(sdb_thread_inject(thread, SYS_getppid, none, &result), -EACCES);
        inject_unseen(thread);
    }
    end_reader(&target);
}

SESSION_TEST(a_filter_of_the_programs_own_asks)
{
    const unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    struct target target = launch_calling("traced", NULL);
    struct sdb_thread *thread = run_into(&target, SYS_read);

    stop_thread(thread);
    ck_assert_int_eq(inject(thread, SYS_getppid, none), -ENOSYS); /* nobody answers */
    ck_assert_int_eq(
        syscall(SYS_ptrace, PTRACE_SETOPTIONS, target.pid, 0, options | PTRACE_O_TRACESECCOMP), 0);
    ck_assert_int_eq(inject(thread, SYS_getppid, none), getpid());
    inject_unseen(thread);
    ck_assert_int_eq(syscall(SYS_ptrace, PTRACE_SETOPTIONS, target.pid, 0, options), 0);
    end_reader(&target);
}

/* ---- refusals ---- */

SESSION_TEST(what_cannot_be_injected_is_refused)
{
    static const long numbers[] = {SYS_execve,       SYS_execveat,        SYS_vfork,
                                   SYS_rt_sigreturn, SYS_restart_syscall, SYS_fork};
    char byte = 0;
    const struct sdb_inject_buffer wrong[] = {
        {NULL, 1, 0, SDB_INJECT_IN},
        {&byte, 1, 6, SDB_INJECT_IN},
        {&byte, 1, 0, 0},
        {&byte, 1, 0, 4},
        {&byte, SIZE_MAX, 0, SDB_INJECT_IN},
    };
    const struct sdb_inject_buffer twice[] = {
        {&byte, 1, 0, SDB_INJECT_IN},
        {&byte, 1, 0, SDB_INJECT_IN},
    };
    struct sdb_thread *thread;
    int64_t result = 7;
    struct target target = stopped_reader(&thread);

    set_follow(target.process, SDB_FOLLOW_CLONE);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ck_assert_int_eq(sdb_thread_inject(thread, numbers[i], none, &result), -ENOTSUP);
    ck_assert_int_eq(sdb_thread_inject(NULL, SYS_getpid, none, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject(thread, -1, none, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, NULL, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, none, NULL), -EINVAL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(sdb_thread_inject_with(thread, SYS_getpid, none, &wrong[i], 1, &result),
                         wrong[i].length == SIZE_MAX ? -E2BIG : -EINVAL);
    ck_assert_int_eq(sdb_thread_inject_with(thread, SYS_getpid, none, twice, 2, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject_with(thread, SYS_getpid, none, NULL, 1, &result), -EINVAL);
    ck_assert_int_eq(sdb_thread_inject_with(thread, SYS_getpid, none, twice, 7, &result), -EINVAL);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(inject(thread, 100000, none), -ENOSYS);
    inject_unseen(thread);
    resume_thread(thread, SDB_RESUME_CONTINUE);
    ck_assert_int_eq(sdb_thread_inject(thread, SYS_getpid, none, &result), -EBUSY);
    tell_target(&target, 'x');
    end_well(&target);
}

int main(void)
{
    return run_suite("inject_uses");
}
