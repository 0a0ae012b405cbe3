/* SPDX-License-Identifier: MIT */
/*
 * The child's side of a launch, from its first instruction to its exec.
 *
 * On the fast path this runs in a process that shares its parent's memory, thread-local storage and
 * errno while the parent's threads run on.  So nothing here may call the C library, not even
 * through what a compiler slips in (memcpy, the stack protector, a sanitizer): the build compiles
 * this file apart from the others, and a test checks that its object has no undefined symbol.  The
 * child writes to the plan and to its own stack, and to nothing else.
 *
 * Until the very end every signal is blocked.  Handlers were reset before: by CLONE_CLEAR_SIGHAND,
 * or here where the clone could not do it.
 */
#include "launch/in_child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/seccomp.h>

#include "arch/x86_64/raw_syscall.h"
#include "kernel/own_fds.h"
#include "launch/plan.h"

#define FIRST_FD_AFTER_STDIO   3
#define SIGNAL_COUNT           64
#define KERNEL_SIGNAL_SET_SIZE 8

/* The kernel's struct sigaction, which is not the C library's. */
struct kernel_sigaction {
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
};

static void leave(void) __attribute__((noreturn));
static void leave(void)
{
    for (;;)
        sdb__raw_syscall(SYS_exit_group, 127);
}

static void report(const struct sdb__launch_plan *plan)
{
    if (plan->report_fd >= 0)
        sdb__raw_syscall(SYS_write, plan->report_fd, &plan->note, sizeof(plan->note));
}

static void fail(struct sdb__launch_plan *plan, long code, int index) __attribute__((noreturn));
static void fail(struct sdb__launch_plan *plan, long code, int index)
{
    plan->note.index = index;
    __atomic_store_n(&plan->note.code, (int32_t)code, __ATOMIC_RELEASE);
    report(plan);
    leave();
}

static void begin(struct sdb__launch_plan *plan, enum sdb_stage stage)
{
    __atomic_store_n(&plan->note.stage, (uint32_t)stage, __ATOMIC_RELEASE);
    report(plan);
}

/* A step that fails with whatever its system call gives. */
static void must(struct sdb__launch_plan *plan, long result)
{
    if (result < 0)
        fail(plan, result, -1);
}

static bool is_target(const struct sdb__launch_plan *plan, int fd)
{
    for (size_t i = 0; i < plan->fd_count; i++) {
        if (plan->fds[i].target == fd)
            return true;
    }
    return false;
}

/* A close-on-exec copy of fd under a number that nothing in the map is to have. */
static long copy_clear_of_targets(const struct sdb__launch_plan *plan, int fd)
{
    long copy = FIRST_FD_AFTER_STDIO - 1;

    do {
        long tried = copy;

        copy = sdb__raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, tried + 1);
        if (copy < 0)
            return copy;
        if (!is_target(plan, (int)copy))
            return copy;
        sdb__raw_syscall(SYS_close, copy);
    } while (true);
}

/* The same for a descriptor that was just opened here: it is closed under its old number. */
static long move_clear_of_targets(const struct sdb__launch_plan *plan, int fd)
{
    long moved = fd;

    if (fd < FIRST_FD_AFTER_STDIO || is_target(plan, fd)) {
        moved = copy_clear_of_targets(plan, fd);
        sdb__raw_syscall(SYS_close, fd);
    }
    return moved;
}

/* ---- portable path: the channel, the report pipe and the gate ---- */

static void send_report_pipe(struct sdb__launch_plan *plan, int read_end)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct sdb__launch_note note = plan->note;
    struct iovec bytes = {.iov_base = &note, .iov_len = sizeof(note)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    long result;

    if (read_end >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.room);
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        *(int *)(void *)CMSG_DATA(&control.header) = read_end;
    }
    do {
        result = sdb__raw_syscall(SYS_sendmsg, plan->channel_fd, &message, MSG_NOSIGNAL);
    } while (result == -EINTR);
    if (result < 0)
        leave();
}

/*
 * The report pipe is made here, in the child, and its read end passed to the host.  Were it made
 * before the fork, a process that another thread of the host forks at that moment would hold the
 * write end too, and the end of file that says "exec has happened" would come only when that
 * process closes it.  Of this pipe the child has the only write end in the world.
 */
static void open_report(struct sdb__launch_plan *plan)
{
    int ends[2] = {-1, -1};
    long moved;
    long result;

    begin(plan, SDB_STAGE_PREPARE);
    result = move_clear_of_targets(plan, plan->channel_fd);
    if (result >= 0) {
        plan->channel_fd = (int)result;
        result = sdb__raw_syscall(SYS_pipe2, ends, O_CLOEXEC);
    }
    if (result >= 0) {
        moved = move_clear_of_targets(plan, ends[1]);
        if (moved >= 0)
            plan->report_fd = (int)moved;
        else
            result = moved;
    }
    if (result < 0) {
        plan->note.code = (int32_t)result;
        send_report_pipe(plan, -1);
        leave();
    }
    send_report_pipe(plan, ends[0]);
    sdb__raw_syscall(SYS_close, ends[0]);
}

static void wait_at_gate(struct sdb__launch_plan *plan)
{
    char byte;
    long result;

    begin(plan, SDB_STAGE_GATE);
    if (plan->channel_fd < 0) {
        if (plan->pidfd && __atomic_load_n(plan->pidfd, __ATOMIC_RELAXED) >= FIRST_FD_AFTER_STDIO)
            return;
        while (__atomic_load_n(&plan->gate, __ATOMIC_ACQUIRE) == 0)
            sdb__raw_syscall(SYS_futex, &plan->gate, FUTEX_WAIT_PRIVATE, 0, NULL);
        return;
    }
    do {
        result = sdb__raw_syscall(SYS_read, plan->channel_fd, &byte, 1);
    } while (result == -EINTR);
    if (result != 1)
        leave(); /* the host has gone, or has given this child up */
}

/* ---- the stages ---- */

/*
 * The host may have died before it could be asked for a signal at its death; the child was given to
 * another parent then.  A child that is the first of a new process namespace cannot see its parent,
 * whoever that is: it has the number 0.
 */
static void leave_if_orphaned(const struct sdb__launch_plan *plan)
{
    const long parent = sdb__raw_syscall(SYS_getppid);

    if (parent != plan->host_pid && parent != 0)
        leave();
}

/* Until the exec the child dies with the thread that launches it. */
static void die_with_host(const struct sdb__launch_plan *plan)
{
    sdb__raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    leave_if_orphaned(plan);
}

static void join_cgroup(struct sdb__launch_plan *plan)
{
    static const char self[] = "0";
    long fd;

    if (!(plan->options.flags & SDB_LAUNCH_CGROUP))
        return;
    begin(plan, SDB_STAGE_CGROUP);
    fd =
        sdb__raw_syscall(SYS_openat, plan->options.cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    must(plan, fd);
    must(plan, sdb__raw_syscall(SYS_write, fd, self, sizeof(self) - 1));
    sdb__raw_syscall(SYS_close, fd);
}

static void set_session_and_group(struct sdb__launch_plan *plan)
{
    const struct sdb_launch_options *options = &plan->options;

    if (options->flags & (SDB_LAUNCH_NEW_SESSION | SDB_LAUNCH_TERMINAL | SDB_LAUNCH_PTY)) {
        begin(plan, SDB_STAGE_SESSION);
        must(plan, sdb__raw_syscall(SYS_setsid));
    }
    if (options->flags & SDB_LAUNCH_SET_GROUP) {
        begin(plan, SDB_STAGE_GROUP);
        must(plan, sdb__raw_syscall(SYS_setpgid, 0, options->process_group));
    }
    if (options->flags & (SDB_LAUNCH_TERMINAL | SDB_LAUNCH_PTY)) {
        begin(plan, SDB_STAGE_TERMINAL);
        must(plan, sdb__raw_syscall(SYS_ioctl, plan->terminal, TIOCSCTTY, 0));
    }
    if (options->flags & SDB_LAUNCH_FOREGROUND) {
        int group = (int)sdb__raw_syscall(SYS_getpgid, 0);

        /* SIGTTOU is blocked here, so the terminal lets a background process do this. */
        begin(plan, SDB_STAGE_FOREGROUND);
        must(plan, sdb__raw_syscall(SYS_ioctl, plan->terminal, TIOCSPGRP, &group));
    }
}

static void set_umask_and_cwd(struct sdb__launch_plan *plan)
{
    const struct sdb_launch_options *options = &plan->options;

    if (options->flags & SDB_LAUNCH_SET_UMASK) {
        begin(plan, SDB_STAGE_UMASK);
        sdb__raw_syscall(SYS_umask, options->umask);
    }
    if (options->flags & SDB_LAUNCH_CWD_FD) {
        begin(plan, SDB_STAGE_CWD);
        must(plan, sdb__raw_syscall(SYS_fchdir, options->cwd_fd));
    } else if (options->cwd) {
        begin(plan, SDB_STAGE_CWD);
        must(plan, sdb__raw_syscall(SYS_chdir, options->cwd));
    }
}

/* Put one entry's descriptor where no assignment can overwrite it. */
static long hold(const struct sdb__launch_plan *plan, const struct sdb__fd_plan *fd)
{
    long opened;

    if (fd->source >= 0)
        return fd->move ? copy_clear_of_targets(plan, fd->source) : fd->source;

    do {
        opened =
            sdb__raw_syscall(SYS_openat, AT_FDCWD, fd->path, fd->open_flags | O_CLOEXEC, fd->mode);
    } while (opened == -EINTR);
    return opened < 0 ? opened : move_clear_of_targets(plan, (int)opened);
}

static void set_descriptors(struct sdb__launch_plan *plan)
{
    begin(plan, SDB_STAGE_FDS);
    for (size_t i = 0; i < plan->fd_count; i++) {
        long held = plan->fds[i].like >= 0 ? 0 : hold(plan, &plan->fds[i]);

        if (held < 0)
            fail(plan, held, (int)i);
        plan->fds[i].held = (int)held;
    }
    if (plan->move_exec_fd) {
        long moved = copy_clear_of_targets(plan, plan->options.exec_fd);

        must(plan, moved);
        plan->options.exec_fd = (int)moved;
    }

    if (!(plan->options.flags & SDB_LAUNCH_INHERIT_FDS)) {
        long result =
            sdb__raw_syscall(SYS_close_range, FIRST_FD_AFTER_STDIO, ~0u, CLOSE_RANGE_CLOEXEC);

        if (result < 0)
            must(plan, sdb__own_fds_close_on_exec(FIRST_FD_AFTER_STDIO));
    }

    /* From here on each assignment can only overwrite what nobody needs any more. */
    for (size_t i = 0; i < plan->fd_count; i++) {
        const struct sdb__fd_plan *fd = &plan->fds[i];
        int held = fd->like >= 0 ? plan->fds[fd->like].held : fd->held;
        long result;

        /* A copy of a descriptor onto itself would keep close-on-exec. */
        if (held == fd->target)
            result = sdb__raw_syscall(SYS_fcntl, held, F_SETFD, 0);
        else
            result = sdb__raw_syscall(SYS_dup3, held, fd->target, 0);
        if (result < 0)
            fail(plan, result, (int)i);
    }
}

static void set_limits(struct sdb__launch_plan *plan)
{
    const struct sdb_launch_options *options = &plan->options;

    for (size_t i = 0; i < options->rlimit_count; i++) {
        const uint64_t limit[2] = {options->rlimits[i].soft, options->rlimits[i].hard};
        long result;

        /* Told once: the host reads a traced child's report only in the end. */
        if (i == 0)
            begin(plan, SDB_STAGE_RLIMITS);
        result = sdb__raw_syscall(SYS_prlimit64, 0, options->rlimits[i].resource, limit, NULL);
        if (result < 0)
            fail(plan, result, (int)i);
    }
    if (options->flags & SDB_LAUNCH_SET_NICE) {
        begin(plan, SDB_STAGE_NICE);
        must(plan, sdb__raw_syscall(SYS_setpriority, 0 /* PRIO_PROCESS */, 0, options->nice));
    }
    if (options->cpu_set) {
        begin(plan, SDB_STAGE_AFFINITY);
        must(plan,
             sdb__raw_syscall(SYS_sched_setaffinity, 0, options->cpu_set_size, options->cpu_set));
    }
}

static void set_user(struct sdb__launch_plan *plan)
{
    const struct sdb_launch_options *options = &plan->options;

    if (options->flags & SDB_LAUNCH_SET_GROUPS) {
        begin(plan, SDB_STAGE_GROUPS);
        must(plan, sdb__raw_syscall(SYS_setgroups, options->group_count, options->groups));
    }
    if (options->flags & SDB_LAUNCH_SET_GID) {
        begin(plan, SDB_STAGE_GID);
        must(plan, sdb__raw_syscall(SYS_setresgid, options->gid, options->gid, options->gid));
    }
    if (options->flags & SDB_LAUNCH_SET_UID) {
        begin(plan, SDB_STAGE_UID);
        must(plan, sdb__raw_syscall(SYS_setresuid, options->uid, options->uid, options->uid));
    }
    if (plan->change_user)
        die_with_host(plan);
}

static void switch_aslr_off(struct sdb__launch_plan *plan)
{
    long persona;

    if (!(plan->options.flags & (SDB_LAUNCH_NO_ASLR | SDB_LAUNCH_TRY_NO_ASLR)))
        return;
    begin(plan, SDB_STAGE_ASLR);
    persona = sdb__raw_syscall(SYS_personality, 0xffffffff);
    if (persona >= 0)
        persona = sdb__raw_syscall(SYS_personality, persona | ADDR_NO_RANDOMIZE);
    if (persona < 0 && (plan->options.flags & SDB_LAUNCH_NO_ASLR))
        fail(plan, persona, -1);
    if (persona < 0)
        plan->note.warning = (int32_t)persona;
}

static void run_hook(struct sdb__launch_plan *plan)
{
    int rc;

    if (!plan->options.hook)
        return;
    begin(plan, SDB_STAGE_HOOK);
    rc = plan->options.hook(plan->options.hook_data);
    if (rc != 0)
        fail(plan, rc < 0 ? rc : -EINVAL, -1);
}

/* Set a signal's disposition to the default, if it has a handler or, when asked, is ignored. */
static void reset_signal(int signal, bool also_ignored)
{
    struct kernel_sigaction action = {0};
    const uintptr_t ignored = 1;

    if (sdb__raw_syscall(SYS_rt_sigaction, signal, NULL, &action, KERNEL_SIGNAL_SET_SIZE) < 0 ||
        action.handler == 0 || (action.handler == ignored && !also_ignored))
        return;
    action.handler = 0;
    action.flags = 0;
    action.mask = 0;
    sdb__raw_syscall(SYS_rt_sigaction, signal, &action, NULL, KERNEL_SIGNAL_SET_SIZE);
}

static void set_privileges_and_signals(struct sdb__launch_plan *plan)
{
    const struct sdb_launch_options *options = &plan->options;
    const bool reset_ignored = options->flags & SDB_LAUNCH_RESET_IGNORED;

    if (options->flags & SDB_LAUNCH_NO_NEW_PRIVS) {
        begin(plan, SDB_STAGE_PRIVILEGES);
        must(plan, sdb__raw_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1));
    }

    begin(plan, SDB_STAGE_DEATH_SIGNAL);
    must(plan, sdb__raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, options->death_signal));
    if (options->death_signal != 0)
        leave_if_orphaned(plan);

    begin(plan, SDB_STAGE_SIGNALS);
    if (plan->reset_handlers || reset_ignored) {
        for (int signal = 1; signal <= SIGNAL_COUNT; signal++)
            reset_signal(signal, reset_ignored);
    }
}

static bool search_goes_on(long result)
{
    return result == -ENOENT || result == -ENOTDIR || result == -ESTALE || result == -ENODEV ||
           result == -ETIMEDOUT;
}

static void execute(struct sdb__launch_plan *plan) __attribute__((noreturn));
static void execute(struct sdb__launch_plan *plan)
{
    long failure = -ENOENT;
    int failed_at = -1;

    if (plan->options.flags & SDB_LAUNCH_EXEC_FD)
        fail(plan,
             sdb__raw_syscall(SYS_execveat, plan->options.exec_fd, "", plan->argv, plan->envp,
                              AT_EMPTY_PATH),
             -1);

    for (int i = 0; plan->candidates[i]; i++) {
        long result = sdb__raw_syscall(SYS_execve, plan->candidates[i], plan->argv, plan->envp);

        if (result != -EACCES && !search_goes_on(result))
            fail(plan, result, i);
        if (failure == -EACCES)
            continue; /* a file that may not be executed is worth more than one that is not there */
        failure = result;
        failed_at = i;
    }
    fail(plan, failure, failed_at);
}

void sdb__launch_child_run(void *launch_plan)
{
    struct sdb__launch_plan *plan = launch_plan;

    /* First of all: until then this is the host's own table of descriptors. */
    if (plan->unshare_from >= 0) {
        begin(plan, SDB_STAGE_FDS);
        must(plan, sdb__raw_syscall(SYS_close_range, plan->unshare_from, ~0u, CLOSE_RANGE_UNSHARE));
    }
    die_with_host(plan);
    if (plan->channel_fd >= 0)
        open_report(plan);
    wait_at_gate(plan);

    join_cgroup(plan);
    set_session_and_group(plan);
    set_umask_and_cwd(plan);
    set_descriptors(plan);
    set_limits(plan);
    set_user(plan);
    switch_aslr_off(plan);
    run_hook(plan);
    set_privileges_and_signals(plan);

    begin(plan, SDB_STAGE_EXEC);
    sdb__raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &plan->options.signal_mask, NULL,
                     KERNEL_SIGNAL_SET_SIZE);
    if (plan->options.seccomp_filter || plan->caught_filter.len > 0) {
        begin(plan, SDB_STAGE_SECCOMP);
        /* Ours first: the caller's need not let another be installed. */
        if (plan->caught_filter.len > 0)
            must(plan, sdb__raw_syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
                                        &plan->caught_filter));
        if (plan->options.seccomp_filter)
            must(plan,
                 sdb__raw_syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &plan->seccomp));
        /* Without a report: the filter need not allow a write unless the exec fails. */
        __atomic_store_n(&plan->note.stage, (uint32_t)SDB_STAGE_EXEC, __ATOMIC_RELEASE);
    }
    execute(plan);
}
